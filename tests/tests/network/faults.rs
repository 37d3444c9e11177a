//! Bad networks on demand: cut, slow and healed lines between whole satellites.

use std::time::{Duration, Instant};

use psfs_core::{Faults, Slow};
use psfs_tests::{ask, config, connected, disconnected, echo, key, pair, stop, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitioned_satellites_lose_their_session_and_find_each_other_when_it_is_healed() {
    let faults = Faults::new(1);
    let (ada, bob) = pair(
        config("cut", 0).faults(faults.clone()),
        config("cut", 1).faults(faults.clone()),
    )
    .await;
    let mut events = ada.peer_events().unwrap();
    faults.partition(&ada.peer_id(), &bob.peer_id());
    disconnected(&mut events, &bob.peer_id()).await;
    let address = bob.addresses()[0].clone();
    ada.connect(&address, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(!connected(&ada, &bob));

    // A third line is not touched.
    faults.partition(&ada.peer_id(), &key(2).peer_id());
    faults.heal(&ada.peer_id(), &bob.peer_id());
    until("they meet again", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_line_takes_its_time_and_nothing_is_lost() {
    let faults = Faults::new(2);
    let (ada, bob) = pair(
        config("slow", 0).faults(faults.clone()),
        config("slow", 1).faults(faults.clone()),
    )
    .await;
    echo(&bob, "echo");
    let latency = Duration::from_millis(50);
    let slow = Slow::default().latency(latency).loss(0.02).rate(4 << 20);
    faults.slow(&ada.peer_id(), &bob.peer_id(), slow);
    let content: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let began = Instant::now();
    let replies = ask(&ada, &bob.peer_id(), "echo", content.clone())
        .await
        .unwrap();
    // There and back; more is up to the machine.
    assert!(began.elapsed() >= 2 * latency);
    assert_eq!(replies, [content]);

    faults.heal_all();
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "quick").await.unwrap(),
        ["quick"]
    );
    stop(&[&ada, &bob]).await;
}
