//! Of an application with its own loop: no threads, a descriptor and `dispatch`.

use std::io::{Read, Write};
use std::task::Waker;

use super::*;

/// Whether the event descriptor is readable now.
fn readable(callbacks: &Callbacks) -> bool {
    let (reader, _) = callbacks.0.event.as_ref().unwrap();
    let copy = reader.try_clone().unwrap();
    // Reading takes the byte: put it back, as only `pop` may take it.
    let was = (&copy).read(&mut [0; 8]).is_ok_and(|bytes| bytes > 0);
    if was {
        let (_, writer) = callbacks.0.event.as_ref().unwrap();
        assert_eq!((&mut &*writer).write(&[1]).unwrap(), 1);
    }
    was
}

#[test]
fn own_loop_runs_nothing_by_itself_and_says_when_there_is_work() {
    let callbacks = callbacks(0);
    assert!(callbacks.event_fd().is_some());
    let thread = std::thread::current().id();
    let (seen, saw) = sync_channel(10);
    let (sender, receiver) = mpsc::channel(10);
    callbacks
        .attach(
            receiver,
            Box::new(move |item: u32| {
                assert_eq!(std::thread::current().id(), thread);
                seen.send(item).unwrap();
            }),
        )
        .unwrap();
    // The waker was left with the source without a turn for it.
    assert!(!readable(&callbacks));
    assert_eq!(callbacks.dispatch(Duration::ZERO), Ok(0));
    assert_eq!(threads(&callbacks), 0);

    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert!(readable(&callbacks));
    assert!(saw.try_recv().is_err());
    assert_eq!(callbacks.dispatch(LONG), Ok(2));
    assert_eq!(saw.try_iter().collect::<Vec<_>>(), [1, 2]);
    // It was readable a second time, only for a turn in which nothing was called.
    assert!(!readable(&callbacks));

    let other = sender.clone();
    let rain = std::thread::spawn(move || other.blocking_send(3).unwrap());
    assert_eq!(callbacks.dispatch(LONG), Ok(1));
    rain.join().unwrap();
    assert_eq!(callbacks.close(BLINK), Closed::TimedOut);
    drop(sender);
    callbacks.last_turns();
    assert_eq!(callbacks.close(LONG), Closed::Done);
    assert_eq!(
        callbacks.dispatch(Duration::ZERO).map_err(|e| e.code()),
        Err(Code::Closed)
    );
}

#[test]
fn own_loop_refuses_dispatch_inside_a_callback_and_with_threads() {
    let threaded = callbacks(1);
    assert_eq!(threaded.event_fd(), None);
    assert_eq!(
        threaded.dispatch(LONG).map_err(|e| e.code()),
        Err(Code::BadInput)
    );

    let callbacks = callbacks(0);
    let (sender, receiver) = mpsc::channel(1);
    let (answers, answered) = sync_channel(1);
    let shared = callbacks.clone();
    let handler = move |_: u32| {
        answers
            .send(shared.dispatch(LONG).map_err(|e| e.code()))
            .unwrap()
    };
    let subscription = callbacks.attach(receiver, Box::new(handler)).unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(callbacks.dispatch(LONG), Ok(1));
    assert_eq!(answered.try_recv(), Ok(Err(Code::BadInput)));
    assert_eq!(subscription.cancel(), Cancelled::Done);
}

#[test]
fn own_loop_closed_inside_a_callback_drops_all_before_dispatch_returns() {
    let callbacks = callbacks(0);
    let drops = count();
    let (sender, receiver) = mpsc::channel(1);
    let (guard, other) = (Dropped(drops.clone()), Dropped(drops.clone()));
    let shared = callbacks.clone();
    let handler = move |_: u32| {
        let _kept = &guard;
        assert_eq!(shared.close(LONG), Closed::Pending);
    };
    callbacks.attach(receiver, Box::new(handler)).unwrap();
    let (_idle, receiver) = mpsc::channel::<u32>(1);
    callbacks
        .attach(
            receiver,
            Box::new(move |_| {
                let _held = &other;
            }),
        )
        .unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(callbacks.dispatch(LONG), Ok(1));
    assert_eq!(of(&drops), 2);
    assert_eq!(callbacks.panics(), 0);
    assert_eq!(callbacks.close(LONG), Closed::Done);
}

/// Says each time that it is asked.
struct Asked<S>(S, SyncSender<Waker>);

impl<T, S: Source<T>> Source<T> for Asked<S> {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<T>, max: usize) -> Poll<bool> {
        let polled = self.0.poll_batch(cx, out, max);
        self.1.send(cx.waker().clone()).unwrap();
        polled
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[test]
fn own_loop_dispatch_waits_for_a_call_and_not_for_a_turn_without_one() {
    let callbacks = callbacks(0);
    let (sender, receiver) = mpsc::channel(1);
    let (asks, asked) = sync_channel(10);
    let source = Asked(receiver, asks);
    callbacks.attach(source, Box::new(|_: u32| {})).unwrap();
    let first = asked.recv_timeout(LONG).unwrap();
    let other = std::thread::spawn(move || {
        first.wake();
        // It had its turn, with nothing to call.
        asked.recv_timeout(LONG).unwrap();
        sender.try_send(1).unwrap();
        (sender, asked)
    });
    assert_eq!(callbacks.dispatch(LONG), Ok(1));
    let _open = other.join().unwrap();
    assert_eq!(callbacks.dispatch(BLINK), Ok(0));
}
