//! Ending: subscriptions cancelled from within and from outside while events rain, shutdown inside a callback, the last handle dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use psfs_core::error::{ShutdownError, SubscribeError};
use psfs_core::{
    BroadcastOptions, Cancelled, PacketType, RequestOptions, Satellite, SendOptions, Shutdown,
    Subscription,
};
use psfs_tests::{PATIENCE, config, connected, echo, pair, soon, stop, until};

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

/// Begins to start, and no more.
async fn begun<T>(starting: std::pin::Pin<&mut impl Future<Output = T>>) {
    tokio::select! {
        biased;
        _ = starting => panic!("it starts at once"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_nobody_waits_for_takes_effect_all_the_same() {
    let ada = Satellite::new(config("dropped", 0)).unwrap();
    begun(Box::pin(ada.start()).as_mut()).await;
    until("it runs", || ada.is_running()).await;
    assert!(!ada.addresses().is_empty());
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_failed_unseen_can_be_tried_again() {
    let taken = psfs_tests::start(config("taken", 0)).await;
    let address = taken.addresses()[0].clone();
    let tcp = address.split("/p2p/").next().unwrap();
    let ada = Satellite::new(config("taken", 1).listen(tcp)).unwrap();
    begun(Box::pin(ada.start()).as_mut()).await;
    let started = async {
        // "Started" until the first attempt has failed, and then the reason of another.
        while !matches!(
            ada.start().await,
            Err(psfs_core::error::StartError::AddressInUse { .. })
        ) {
            tokio::task::yield_now().await;
        }
    };
    soon("the second attempt", started).await;
    stop(&[&taken, &ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shut_down_in_the_middle_of_a_start_that_fails_it_stays_so() {
    let taken = psfs_tests::start(config("middle", 0)).await;
    let address = taken.addresses()[0].clone();
    let tcp = address.split("/p2p/").next().unwrap();
    let ada = Satellite::new(config("middle", 1).listen(tcp)).unwrap();
    let mut starting = Box::pin(ada.start());
    begun(starting.as_mut()).await;
    stop(&[&ada]).await;
    assert!(starting.await.is_err());
    assert!(matches!(
        ada.subscribe(PacketType::Message, "n"),
        Err(SubscribeError::Closed)
    ));
    stop(&[&taken]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_that_cannot_leave_the_network_in_time_says_so_and_ends_later() {
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        psfs_core::Config::new("stalled")
            .mdns(false)
            .listen("127.0.0.1:0")
            .data_dir(folder.path())
    };
    // A runtime of one thread, which can be made to stand still.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ada = psfs_tests::start(config().runtime(runtime.handle().clone())).await;
    let (stalled, stalls) = sync_channel(1);
    let (release, released) = sync_channel::<()>(1);
    runtime.spawn(async move {
        stalled.send(()).unwrap();
        let _over = released.recv();
    });
    tokio::task::spawn_blocking(move || stalls.recv_timeout(PATIENCE).unwrap())
        .await
        .unwrap();
    for short in [Duration::ZERO, Duration::from_millis(200)] {
        assert_eq!(
            ada.shutdown(short).await,
            Err(ShutdownError::Network(short))
        );
    }
    // All of it is still there.
    assert!(Satellite::new(config()).is_err());
    release.send(()).unwrap();
    soon("it ends by itself", ada.ended()).await;
    assert_eq!(ada.shutdown(Duration::ZERO).await, Ok(Shutdown::Done));
    drop(Satellite::new(config()).unwrap());
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_subscribed_while_the_satellite_ends_is_refused_or_ends() {
    for _ in 0..2000 {
        let ada = Satellite::new(config("race", 0)).unwrap();
        let other = ada.clone();
        let (go, goes) = sync_channel::<()>(0);
        let ending = std::thread::spawn(move || {
            goes.recv().unwrap();
            other.start_shutdown();
        });
        go.send(()).unwrap();
        while let Ok(mut events) = ada.subscribe(PacketType::Message, "n") {
            if ada.subscribe(PacketType::Message, "m").is_err() {
                assert!(soon("the end", events.next()).await.is_none());
            }
        }
        assert!(ada.peer_events().is_err());
        ending.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_times_there_are_can_be_given() {
    let (ada, bob) = pair(config("ever", 0), config("ever", 1)).await;
    echo(&bob, "echo");
    let ever = Duration::MAX;
    let peer = bob.peer_id();
    let asking = RequestOptions::default().deadline(ever);
    assert_eq!(ada.connect(&bob.addresses()[0], ever).await.unwrap(), peer);
    ada.wait_connected(1, ever).await.unwrap();
    for confirmed in [false, true] {
        let options = SendOptions::default().timeout(ever).confirmed(confirmed);
        ada.send(&peer, "n", "x", options).await.unwrap();
    }
    let mut replies = ada.request(&peer, "echo", "x", asking).await.unwrap();
    assert!(soon("a reply", replies.next()).await.unwrap().is_ok());
    let mut sought = ada.seek("nobody", "x", asking).unwrap();
    assert!(soon("the end", sought.next()).await.is_none());
    let spread = BroadcastOptions::default();
    drop(
        ada.broadcast_request("n", "x", spread, asking)
            .await
            .unwrap(),
    );
    assert_eq!(ada.shutdown(ever).await, Ok(Shutdown::Done));
    assert!(Satellite::new(config("ever", 2).ping(ever, ever)).is_err());
    assert_eq!(bob.shutdown(ever).await, Ok(Shutdown::Done));
}
