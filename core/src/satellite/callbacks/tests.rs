//! The callback rules with real threads. Nothing here sleeps: each test waits for what it is about.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::mpsc;

use super::*;
use crate::config::BATCH_EVENTS;

mod own_loop;

const LONG: Duration = Duration::from_secs(20);
const BLINK: Duration = Duration::from_millis(50);

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn count() -> Arc<AtomicUsize> {
    Arc::default()
}

fn of(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

fn callbacks(threads: usize) -> Arc<Callbacks> {
    Arc::new(Callbacks::new(threads, None).unwrap())
}

/// Callback threads that run now.
fn threads(callbacks: &Callbacks) -> usize {
    callbacks.0.lock().alive
}

/// A handler that says when it was entered and goes on when told to.
fn gate() -> (
    impl FnMut(u32) + Send + 'static,
    Receiver<u32>,
    SyncSender<()>,
) {
    let (entered, was_entered) = sync_channel(1000);
    let (go, goes) = sync_channel::<()>(1000);
    let handler = move |item| {
        entered.send(item).unwrap();
        goes.recv().unwrap();
    };
    (handler, was_entered, go)
}

#[test]
fn a_job_is_called_in_order_and_never_twice_at_once() {
    let callbacks = callbacks(4);
    let (sender, receiver) = mpsc::channel(64);
    let busy = AtomicBool::new(false);
    let (seen, saw) = sync_channel(10_000);
    let handler = move |item: u32| {
        assert!(!busy.swap(true, Ordering::SeqCst), "two calls at once");
        seen.send(item).unwrap();
        busy.store(false, Ordering::SeqCst);
    };
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    for item in 0..10_000 {
        sender.blocking_send(item).unwrap();
    }
    for item in 0..10_000 {
        assert_eq!(saw.recv_timeout(LONG), Ok(item));
    }
    assert_eq!(callbacks.close(LONG), Closed::Done);
    assert_eq!(callbacks.panics(), 0);
    assert_eq!(threads(&callbacks), 0);
}

#[test]
fn a_job_that_blocks_holds_up_no_other() {
    let callbacks = callbacks(2);
    let (handler, entered, go) = gate();
    let (slow, receiver) = mpsc::channel(8);
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    slow.blocking_send(1).unwrap();
    entered.recv_timeout(LONG).unwrap();

    let (fast, receiver) = mpsc::channel(8);
    let (seen, saw) = sync_channel(8);
    callbacks
        .attach(
            receiver,
            Box::new(move |item: u32| seen.send(item).unwrap()),
        )
        .unwrap();
    fast.blocking_send(7).unwrap();
    assert_eq!(saw.recv_timeout(LONG), Ok(7));
    go.send(()).unwrap();
    assert_eq!(callbacks.close(LONG), Closed::Done);
}

#[test]
fn jobs_take_turns_of_one_batch() {
    let callbacks = callbacks(0);
    let (seen, saw) = sync_channel(4 * BATCH_EVENTS);
    let mut senders = Vec::new();
    for name in ['a', 'b'] {
        let (sender, receiver) = mpsc::channel(2 * BATCH_EVENTS);
        let seen = seen.clone();
        callbacks
            .attach(receiver, Box::new(move |_: u32| seen.send(name).unwrap()))
            .unwrap();
        for item in 0..2 * BATCH_EVENTS {
            sender.try_send(u32::try_from(item).unwrap()).unwrap();
        }
        senders.push(sender);
    }
    for _ in 0..2 {
        assert_eq!(callbacks.dispatch(Duration::ZERO), Ok(2 * BATCH_EVENTS));
    }
    let order: String = saw.try_iter().collect();
    let batch = |name: &str| name.repeat(BATCH_EVENTS);
    assert_eq!(order, batch("a") + &batch("b") + &batch("a") + &batch("b"));
}

#[test]
fn cancel_from_outside_waits_for_the_running_call_and_then_none_follows() {
    let callbacks = callbacks(2);
    let drops = count();
    let calls = count();
    let (mut gated, entered, go) = gate();
    let (sender, receiver) = mpsc::channel(1000);
    let guard = Dropped(drops.clone());
    let counted = calls.clone();
    let subscription = callbacks
        .attach(
            receiver,
            Box::new(move |item| {
                let _kept = &guard;
                counted.fetch_add(1, Ordering::SeqCst);
                gated(item);
            }),
        )
        .unwrap();
    for item in 0..1000 {
        sender.try_send(item).unwrap();
    }
    entered.recv_timeout(LONG).unwrap();

    let (cancelled, was_cancelled) = sync_channel(1);
    let canceller = std::thread::spawn(move || {
        let answer = subscription.cancel();
        cancelled.send(answer).unwrap();
    });
    assert!(
        was_cancelled.recv_timeout(BLINK).is_err(),
        "cancel returned while the handler ran"
    );
    assert_eq!(of(&drops), 0);
    go.send(()).unwrap();
    assert_eq!(was_cancelled.recv_timeout(LONG), Ok(Cancelled::Done));
    assert_eq!(of(&drops), 1);
    assert_eq!(of(&calls), 1);
    assert!(sender.is_closed());
    canceller.join().unwrap();
}

#[test]
fn cancel_of_an_idle_job_drops_its_handler_at_once() {
    for threads in [0, 1] {
        let callbacks = callbacks(threads);
        let drops = count();
        let guard = Dropped(drops.clone());
        let (sender, receiver) = mpsc::channel::<u32>(1);
        let subscription = callbacks
            .attach(
                receiver,
                Box::new(move |_| {
                    let _held = &guard;
                }),
            )
            .unwrap();
        assert_eq!(subscription.cancel(), Cancelled::Done);
        assert_eq!(of(&drops), 1);
        assert_eq!(subscription.cancel(), Cancelled::Done);
        assert!(sender.try_send(1).is_err());
        assert_eq!(callbacks.close(LONG), Closed::Done);
        assert_eq!(of(&drops), 1);
    }
}

#[test]
fn cancel_inside_its_own_callback_never_waits_and_no_call_follows() {
    let callbacks = callbacks(2);
    let (answers, answered) = sync_channel(10);
    let (own, take) = sync_channel::<Subscription>(1);
    let drops = count();
    let guard = Dropped(drops.clone());
    let (sender, receiver) = mpsc::channel(1000);
    for item in 0..1000 {
        sender.try_send(item).unwrap();
    }
    let subscription = callbacks
        .attach(
            receiver,
            Box::new(move |_: u32| {
                let _kept = &guard;
                answers.send(take.recv().unwrap().cancel()).unwrap();
            }),
        )
        .unwrap();
    own.send(subscription.clone()).unwrap();
    assert_eq!(answered.recv_timeout(LONG), Ok(Cancelled::Pending));
    // From here it waits, so after it the drop has run.
    assert_eq!(subscription.cancel(), Cancelled::Done);
    assert_eq!(of(&drops), 1);
    assert!(
        answered.recv_timeout(LONG).is_err(),
        "the handler, which held the sender, was not dropped"
    );
}

#[test]
fn two_callbacks_that_cancel_each_other_do_not_stop_each_other() {
    let callbacks = callbacks(2);
    let both = Arc::new(std::sync::Barrier::new(2));
    let (answers, answered) = sync_channel(2);
    let mut subscriptions = Vec::new();
    let mut others = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, receiver) = mpsc::channel(1);
        let (other, take) = sync_channel::<Subscription>(1);
        let (both, answers) = (both.clone(), answers.clone());
        let handler = move |_: u32| {
            both.wait();
            answers.send(take.recv().unwrap().cancel()).unwrap();
        };
        subscriptions.push(callbacks.attach(receiver, Box::new(handler)).unwrap());
        others.push(other);
        senders.push(sender);
    }
    others[0].send(subscriptions[1].clone()).unwrap();
    others[1].send(subscriptions[0].clone()).unwrap();
    for sender in &senders {
        sender.try_send(1).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(answered.recv_timeout(LONG), Ok(Cancelled::Pending));
    }
    assert_eq!(callbacks.close(LONG), Closed::Done);
}

#[test]
fn cancel_while_items_rain_never_loses_or_doubles_a_drop() {
    for round in 0..200 {
        let callbacks = callbacks(2);
        let drops = count();
        let (sender, receiver) = mpsc::channel(16);
        let guard = Dropped(drops.clone());
        let after = Arc::new(AtomicBool::new(false));
        let late = after.clone();
        let subscription = callbacks
            .attach(
                receiver,
                Box::new(move |_: u32| {
                    let _kept = &guard;
                    assert!(!late.load(Ordering::SeqCst), "a call after cancel returned");
                }),
            )
            .unwrap();
        let rain = std::thread::spawn(move || while sender.blocking_send(1).is_ok() {});
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        assert_eq!(subscription.cancel(), Cancelled::Done);
        after.store(true, Ordering::SeqCst);
        assert_eq!(of(&drops), 1);
        rain.join().unwrap();
        assert_eq!(callbacks.close(LONG), Closed::Done);
        assert_eq!(callbacks.panics(), 0);
    }
}

#[test]
fn a_panicking_handler_is_counted_and_goes_on() {
    let callbacks = callbacks(1);
    let (sender, receiver) = mpsc::channel(3);
    let (seen, saw) = sync_channel(3);
    callbacks
        .attach(
            receiver,
            Box::new(move |item: u32| {
                assert!(item != 2, "two is too much");
                seen.send(item).unwrap();
            }),
        )
        .unwrap();
    for item in 1..=3 {
        sender.try_send(item).unwrap();
    }
    assert_eq!(saw.recv_timeout(LONG), Ok(1));
    assert_eq!(saw.recv_timeout(LONG), Ok(3));
    assert_eq!(callbacks.panics(), 1);
}

#[test]
fn a_handler_is_dropped_once_also_when_registering_fails_or_its_source_ends() {
    let callbacks = callbacks(1);
    let drops = count();

    let guard = Dropped(drops.clone());
    let (sender, receiver) = mpsc::channel::<u32>(1);
    let subscription = callbacks
        .attach(
            receiver,
            Box::new(move |_| {
                let _held = &guard;
            }),
        )
        .unwrap();
    drop(sender);
    assert_eq!(subscription.cancel(), Cancelled::Done);
    assert_eq!(of(&drops), 1);

    assert_eq!(callbacks.close(LONG), Closed::Done);
    let guard = Dropped(drops.clone());
    let (_sender, receiver) = mpsc::channel::<u32>(1);
    let refused = callbacks.attach(
        receiver,
        Box::new(move |_| {
            let _held = &guard;
        }),
    );
    assert!(matches!(refused, Err(SubscribeError::Closed)));
    assert_eq!(of(&drops), 2);
}

#[test]
fn close_ends_threads_and_drops_every_handler() {
    let callbacks = callbacks(2);
    let drops = count();
    let mut senders = Vec::new();
    for _ in 0..50 {
        let guard = Dropped(drops.clone());
        let (sender, receiver) = mpsc::channel::<u32>(1);
        callbacks
            .attach(
                receiver,
                Box::new(move |_| {
                    let _held = &guard;
                }),
            )
            .unwrap();
        senders.push(sender);
    }
    assert_eq!(threads(&callbacks), 2);
    assert_eq!(callbacks.close(LONG), Closed::Done);
    assert_eq!(of(&drops), 50);
    assert_eq!(threads(&callbacks), 0);
    assert!(senders.iter().all(mpsc::Sender::is_closed));
    assert_eq!(callbacks.close(Duration::ZERO), Closed::Done);
}

#[test]
fn close_gives_up_on_a_callback_that_blocks_and_can_be_asked_again() {
    let callbacks = callbacks(1);
    let (handler, entered, go) = gate();
    let (sender, receiver) = mpsc::channel(1);
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    sender.try_send(1).unwrap();
    entered.recv_timeout(LONG).unwrap();
    assert_eq!(callbacks.close(BLINK), Closed::TimedOut);
    go.send(()).unwrap();
    assert_eq!(callbacks.close(LONG), Closed::Done);
}

#[test]
fn close_inside_a_callback_is_pending_and_all_ends_by_itself() {
    let callbacks = callbacks(2);
    let (sender, receiver) = mpsc::channel(1);
    let (answers, answered) = sync_channel(1);
    let shared = callbacks.clone();
    let handler = move |_: u32| answers.send(shared.close(LONG)).unwrap();
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(answered.recv_timeout(LONG), Ok(Closed::Pending));
    assert_eq!(callbacks.close(LONG), Closed::Done);
}

#[test]
fn dropped_inside_a_callback_all_ends_by_itself() {
    let callbacks = callbacks(1);
    let (sender, receiver) = mpsc::channel(1);
    let (last, take) = sync_channel::<Arc<Callbacks>>(1);
    // Ends when the handler is dropped.
    let (alive, ended) = sync_channel::<()>(1);
    let handler = move |_: u32| {
        let _alive = &alive;
        drop(take.recv().unwrap());
    };
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    last.send(callbacks).unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(
        ended.recv_timeout(LONG),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn a_drop_may_cancel_its_own_subscription() {
    struct Cancels(Receiver<Subscription>, SyncSender<Cancelled>);
    impl Drop for Cancels {
        fn drop(&mut self) {
            self.1.send(self.0.recv().unwrap().cancel()).unwrap();
        }
    }
    let callbacks = callbacks(1);
    let (own, take) = sync_channel(1);
    let (answers, answered) = sync_channel(1);
    let guard = Cancels(take, answers);
    let (_sender, receiver) = mpsc::channel::<u32>(1);
    let subscription = callbacks
        .attach(
            receiver,
            Box::new(move |_| {
                let _held = &guard;
            }),
        )
        .unwrap();
    own.send(subscription.clone()).unwrap();
    assert_eq!(subscription.cancel(), Cancelled::Done);
    assert_eq!(answered.try_recv(), Ok(Cancelled::Pending));
}

#[test]
fn what_is_told_to_the_end_is_told_when_all_others_have_ended() {
    for threads in [0, 1] {
        let callbacks = callbacks(threads);
        let (seen, saw) = sync_channel(10);
        let (lines, receiver) = mpsc::channel(10);
        let tell = move |line: u32| seen.send(line).unwrap();
        callbacks
            .attach_to_the_end(receiver, Box::new(tell))
            .unwrap();
        let drops = count();
        let guard = Dropped(drops.clone());
        let (_other, receiver) = mpsc::channel::<u32>(1);
        let held = move |_| {
            let _held = &guard;
        };
        callbacks.attach(receiver, Box::new(held)).unwrap();
        callbacks.begin_close();
        callbacks.last_turns();
        while of(&drops) == 0 {
            std::thread::yield_now();
        }
        for line in [1, 2] {
            lines.try_send(line).unwrap();
        }
        callbacks.last_of_all();
        assert_eq!(callbacks.close(LONG), Closed::Done);
        assert_eq!(saw.iter().collect::<Vec<_>>(), [1, 2]);
        assert!(lines.try_send(3).is_err());
    }
}
