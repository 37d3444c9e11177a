//! Ending: subscriptions cancelled from within and from outside while events rain, shutdown inside a callback, the last handle dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use psfs_core::error::ShutdownError;
use psfs_core::{Cancelled, PacketType, Satellite, SendOptions, Shutdown, Subscription};
use psfs_tests::{PATIENCE, config, connected, pair, stop, until};

/// Sends messages without pause until the satellite, or its peer, is gone.
fn rain(from: &Satellite, to: &Satellite, namespace: &'static str) -> tokio::task::JoinHandle<()> {
    let (from, to) = (from.clone(), to.peer_id());
    tokio::task::spawn(async move {
        while from
            .send(&to, namespace, "drop", SendOptions::default())
            .await
            .is_ok()
        {}
    })
}

/// Says when the handler it went into was dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_from_outside_while_events_rain_waits_for_the_last_call() {
    let (ada, bob) = pair(config("outside", 0), config("outside", 1)).await;
    let raining = rain(&ada, &bob, "rain");
    for _ in 0..50 {
        let (calls, inside, dropped) =
            <(Arc<AtomicU64>, Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let subscription = bob
            .on(PacketType::Message, "rain", {
                let (calls, inside, guard) =
                    (calls.clone(), inside.clone(), Guard(dropped.clone()));
                move |_| {
                    let _with_the_handler = &guard;
                    inside.store(true, Ordering::SeqCst);
                    calls.fetch_add(1, Ordering::SeqCst);
                    inside.store(false, Ordering::SeqCst);
                }
            })
            .unwrap();
        until("it rains", || calls.load(Ordering::SeqCst) > 20).await;
        let cancelled = tokio::task::spawn_blocking(move || subscription.cancel())
            .await
            .unwrap();
        assert_eq!(cancelled, Cancelled::Done);
        let after = calls.load(Ordering::SeqCst);
        assert!(
            dropped.load(Ordering::SeqCst),
            "the handler is dropped when cancel returns"
        );
        assert!(
            !inside.load(Ordering::SeqCst),
            "no call runs when cancel returns"
        );
        tokio::task::yield_now().await;
        assert_eq!(calls.load(Ordering::SeqCst), after, "and none begins");
    }
    stop(&[&bob, &ada]).await;
    raining.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_from_within_while_events_rain_takes_effect_after_the_call() {
    let (ada, bob) = pair(config("within", 0), config("within", 1)).await;
    let raining = rain(&ada, &bob, "rain");
    for _ in 0..50 {
        let (calls, dropped) = <(Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let own: Arc<OnceLock<Subscription>> = Arc::default();
        let subscription = bob
            .on(PacketType::Message, "rain", {
                let (calls, guard, own) = (calls.clone(), Guard(dropped.clone()), own.clone());
                move |_| {
                    let _with_the_handler = &guard;
                    if let Some(own) = own.get() {
                        calls.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(own.cancel(), Cancelled::Pending);
                    }
                }
            })
            .unwrap();
        own.set(subscription).unwrap();
        until("the handler is dropped", || dropped.load(Ordering::SeqCst)).await;
        assert_eq!(
            calls.load(Ordering::SeqCst),
            1,
            "no call after the one that cancelled"
        );
    }
    assert_eq!(bob.stats().callbacks_panicked, 0);
    stop(&[&bob, &ada]).await;
    raining.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_may_cancel_another_and_be_cancelled_by_it() {
    let (ada, bob) = pair(config("each other", 0), config("each other", 1)).await;
    let raining = [rain(&ada, &bob, "one"), rain(&ada, &bob, "two")];
    for _ in 0..20 {
        let subscriptions: Arc<[OnceLock<Subscription>; 2]> = Arc::default();
        let dropped = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for (index, namespace) in ["one", "two"].into_iter().enumerate() {
            let (others, guard) = (
                Arc::downgrade(&subscriptions),
                Guard(dropped[index].clone()),
            );
            let subscription = bob
                .on(PacketType::Message, namespace, move |_| {
                    let _with_the_handler = &guard;
                    let Some(all) = others.upgrade() else { return };
                    if let (Some(_), Some(other)) = (all[index].get(), all[1 - index].get()) {
                        assert_eq!(other.cancel(), Cancelled::Pending);
                    }
                })
                .unwrap();
            subscriptions[index].set(subscription).unwrap();
        }
        until("at least one is over", || {
            dropped.iter().any(|dropped| dropped.load(Ordering::SeqCst))
        })
        .await;
        let rest = subscriptions.clone();
        tokio::task::spawn_blocking(move || {
            rest.iter()
                .for_each(|one| assert_eq!(one.get().unwrap().cancel(), Cancelled::Done))
        })
        .await
        .unwrap();
        assert!(dropped.iter().all(|dropped| dropped.load(Ordering::SeqCst)));
    }
    stop(&[&bob, &ada]).await;
    for task in raining {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_inside_a_callback_begins_and_ends_by_itself() {
    let (ada, bob) = pair(config("inside", 0), config("inside", 1)).await;
    let raining = rain(&ada, &bob, "rain");
    let dropped: Arc<AtomicBool> = Arc::default();
    let (answers, answer) = sync_channel(1);
    let runtime = tokio::runtime::Handle::current();
    bob.on(PacketType::Message, "rain", {
        let (bob, guard) = (bob.clone(), Guard(dropped.clone()));
        move |_| {
            let _with_the_handler = &guard;
            // The first call ends it; a second one would find nobody who takes its answer.
            answers
                .send(runtime.block_on(bob.shutdown(Duration::from_secs(5))))
                .unwrap();
        }
    })
    .unwrap();
    let answer = tokio::task::spawn_blocking(move || answer.recv_timeout(PATIENCE).unwrap())
        .await
        .unwrap();
    assert_eq!(answer, Ok(Shutdown::Pending));
    until("the handler is dropped", || dropped.load(Ordering::SeqCst)).await;
    until("ada knows", || !connected(&ada, &bob)).await;
    // From outside it can be waited for.
    assert_eq!(bob.shutdown(PATIENCE).await, Ok(Shutdown::Done));
    raining.await.unwrap();
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_tells_when_a_callback_does_not_return_and_can_be_waited_for_again() {
    let (ada, bob) = pair(config("stuck", 0), config("stuck", 1)).await;
    let (entered_in, entered) = sync_channel(1);
    let (release, released) = sync_channel::<()>(1);
    bob.on(PacketType::Message, "stuck", move |_| {
        entered_in.send(()).unwrap();
        let _over = released.recv();
    })
    .unwrap();
    ada.send(&bob.peer_id(), "stuck", "", SendOptions::default())
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || entered.recv_timeout(PATIENCE).unwrap())
        .await
        .unwrap();
    let short = Duration::from_millis(1500);
    assert_eq!(
        bob.shutdown(short).await,
        Err(ShutdownError::Timeout(short))
    );
    release.send(()).unwrap();
    assert_eq!(bob.shutdown(PATIENCE).await, Ok(Shutdown::Done));
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_handle_dropped_ends_the_satellite() {
    let (ada, bob) = pair(config("last", 0), config("last", 1)).await;
    let dropped: Arc<AtomicBool> = Arc::default();
    let guard = Guard(dropped.clone());
    bob.on(PacketType::Message, "n", move |_| {
        let _with_the_handler = &guard;
    })
    .unwrap();
    let mut messages = bob.subscribe(PacketType::Message, "n").unwrap();
    let clone = bob.clone();
    let id = bob.peer_id();
    drop(bob);
    ada.send(
        &id,
        "n",
        "still here",
        SendOptions::default().confirmed(true),
    )
    .await
    .unwrap();
    assert_eq!(&messages.next().await.unwrap().content()[..], b"still here");
    drop(clone);
    until("the handler is dropped", || dropped.load(Ordering::SeqCst)).await;
    assert!(messages.next().await.is_none());
    until("ada knows", || ada.connected_count() == 0).await;
    stop(&[&ada]).await;
}
