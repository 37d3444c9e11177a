//! Leaving: what was accepted arrives, although the sender ends the session or itself right after; and who does not take it holds
//! nobody up for long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use psfs_core::error::{ConnectError, SendError};
use psfs_core::{BroadcastOptions, Config, PacketType, RequestOptions, Satellite, SendOptions};
use psfs_tests::{PATIENCE, collect, config, key, pair, soon, start, stop, until};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Time for one round: far more than it takes, and a loss shows long before the test's patience is over.
const ROUND: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
enum Way {
    Shutdown,
    Disconnect,
    Drop,
}

fn quic(rendezvous: &str, number: usize) -> Config {
    Config::new(rendezvous)
        .identity(key(number))
        .mdns(false)
        .listen("/ip4/127.0.0.1/udp/0/quic-v1")
}

/// Connects, sends and leaves, so many times; all that was accepted must come.
async fn leave_right_after(config: fn(&str, usize) -> Config, way: Way, rounds: u64) {
    let bob = start(config("leaving", 1)).await;
    let arrived: Arc<AtomicU64> = Arc::default();
    let count = Arc::clone(&arrived);
    bob.on(PacketType::Message, "last words", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    let address = bob.addresses()[0].clone();
    let mut sent = 0;
    for round in 0..rounds {
        let ada = start(config("leaving", 0)).await;
        let peer = ada.connect(&address, ROUND).await.unwrap();
        let (messages, bytes) = [(1, 10), (100, 10), (1, 1 << 20)][(round % 3) as usize];
        for _ in 0..messages {
            let content = vec![7; bytes];
            ada.send(&peer, "last words", content, SendOptions::default())
                .await
                .unwrap();
        }
        sent += messages;
        match way {
            Way::Shutdown => stop(&[&ada]).await,
            Way::Disconnect => {
                ada.disconnect(&peer).await.unwrap();
                all_of(&arrived, sent, round).await;
                stop(&[&ada]).await;
            }
            Way::Drop => drop(ada),
        }
        all_of(&arrived, sent, round).await;
    }
    stop(&[&bob]).await;
}

async fn all_of(arrived: &AtomicU64, sent: u64, round: u64) {
    let all = async {
        while arrived.load(Ordering::SeqCst) < sent {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let _late = tokio::time::timeout(ROUND, all).await;
    assert_eq!(arrived.load(Ordering::SeqCst), sent, "by round {round}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_sender_shuts_down() {
    leave_right_after(config, Way::Shutdown, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_sender_shuts_down_over_quic() {
    leave_right_after(quic, Way::Shutdown, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_sender_disconnects() {
    leave_right_after(config, Way::Disconnect, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_sender_disconnects_over_quic() {
    leave_right_after(quic, Way::Disconnect, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_last_handle_is_dropped() {
    leave_right_after(config, Way::Drop, 30).await;
}

/// What lies between two satellites: passes bytes on until it is told to freeze, and then none either way, with the sockets open.
async fn wire(to: SocketAddr, frozen: Arc<Notify>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::task::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            () = frozen.notified() => {}
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        }
        // Both stay open for as long as the test runs.
        std::future::pending::<()>().await;
    });
    address
}

/// A satellite, its peer's id, and a wire between both that can be frozen. The peer takes 8 MiB at once.
async fn over_a_wire(name: &str) -> (Satellite, Satellite, Arc<Notify>) {
    let bob = start(config(name, 1).message_window(8 << 20)).await;
    let port = bob.addresses()[0]
        .split('/')
        .nth(4)
        .unwrap()
        .parse()
        .unwrap();
    let frozen = Arc::new(Notify::new());
    let wire = wire(([127, 0, 0, 1], port).into(), frozen.clone()).await;
    let ada = start(config(name, 0)).await;
    assert_eq!(ada.connect(&wire, ROUND).await, Ok(bob.peer_id()));
    (ada, bob, frozen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_peer_holds_nobody_up_and_what_is_lost_is_told() {
    let (ada, bob, frozen) = over_a_wire("frozen").await;
    frozen.notify_one();
    let mut accepted = 0u64;
    let short = SendOptions::default().timeout(Duration::from_millis(200));
    while ada
        .send(&bob.peer_id(), "n", vec![0; 50_000], short)
        .await
        .is_ok()
    {
        accepted += 1;
    }
    assert!(accepted > 20, "{accepted}");
    let limit = Duration::from_secs(3);
    let begun = Instant::now();
    ada.shutdown(limit).await.unwrap();
    let took = begun.elapsed();
    assert!(took < limit, "{took:?}");
    assert!(took > limit / 2, "it did not even try: {took:?}");
    let abandoned = ada.stats().messages_abandoned;
    assert!(
        (10..=accepted).contains(&abandoned),
        "{abandoned} of {accepted}"
    );
    stop(&[&bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_arrived_is_not_said_to_be_unsent() {
    let (ada, bob, frozen) = over_a_wire("in doubt").await;
    let peer = bob.peer_id();
    frozen.notify_one();
    let short = Duration::from_millis(200);
    let confirmed = SendOptions::default().confirmed(true).timeout(short);
    let unconfirmed = Err(SendError::Unconfirmed(short));
    assert_eq!(ada.send(&peer, "n", "x", confirmed).await, unconfirmed);
    // Its parts go on by themselves, as far as there is credit.
    let parts = SendOptions::default().timeout(short);
    let large = vec![0; 9 << 20];
    assert_eq!(ada.send(&peer, "n", large, parts).await, unconfirmed);
    // There is none left for this one, and it was never accepted.
    assert_eq!(
        ada.send(&peer, "n", vec![0; 50_000], confirmed).await,
        Err(SendError::Timeout(short))
    );
    ada.shutdown(Duration::from_secs(1)).await.unwrap();
    stop(&[&bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_that_no_peer_takes_is_late_and_not_alone() {
    let (ada, bob, frozen) = over_a_wire("untaken").await;
    frozen.notify_one();
    let life = Duration::from_secs(1);
    let options = BroadcastOptions::default().lifetime(life);
    let untaken = async {
        loop {
            if let Err(error) = ada.broadcast("n", vec![0; 60_000], options).await {
                return error;
            }
        }
    };
    assert_eq!(
        soon("nobody takes it", untaken).await,
        SendError::Untaken(life)
    );
    assert_eq!(ada.connected_count(), 1);
    ada.shutdown(Duration::from_secs(1)).await.unwrap();
    stop(&[&bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_frozen_peer_holds_nobody_up() {
    let (ada, bob, frozen) = over_a_wire("idle and frozen").await;
    frozen.notify_one();
    let begun = Instant::now();
    stop(&[&ada]).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(ada.stats().messages_abandoned, 0);
    stop(&[&bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_end_with_closed_when_their_own_satellite_ends() {
    let (ada, bob) = pair(config("closing", 0), config("closing", 1)).await;
    let _unread = bob.subscribe(PacketType::Message, "full").unwrap();
    let _unanswered = bob.subscribe(PacketType::Request, "silence").unwrap();
    let peer = bob.peer_id();
    let replies = ada
        .request(&peer, "silence", "", RequestOptions::default())
        .await
        .unwrap();
    let everywhere = ada
        .broadcast_request(
            "news",
            "",
            BroadcastOptions::default(),
            RequestOptions::default(),
        )
        .await
        .unwrap();
    let sending = {
        let ada = ada.clone();
        tokio::task::spawn(async move {
            let long = SendOptions::default().timeout(PATIENCE);
            loop {
                let sent = ada.send(&peer, "full", vec![0; 50_000], long).await;
                if let Err(error) = sent {
                    return error;
                }
            }
        })
    };
    let connecting = {
        let ada = ada.clone();
        tokio::task::spawn(async move { ada.connect("192.0.2.77:1", PATIENCE).await })
    };
    let asking = tokio::task::spawn(collect(replies));
    let hearing = tokio::task::spawn(collect(everywhere));
    let first = Instant::now();
    until("the window is full", || {
        ada.stats().packets_out > 15 || first.elapsed() > ROUND
    })
    .await;
    ada.shutdown(Duration::from_secs(5)).await.unwrap();
    let closed = SendError::Closed;
    let soon_closed = soon("the send ends", sending).await.unwrap();
    assert_eq!(soon_closed, closed);
    let connected = soon("the connect ends", connecting).await.unwrap();
    assert_eq!(connected, Err(ConnectError::Closed));
    for asked in [asking, hearing] {
        let (_, error) = soon("the replies end", asked).await.unwrap();
        assert_eq!(error, Some(closed.clone().into()));
    }
    stop(&[&bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_addresses_are_all_there_when_the_start_returns() {
    for _ in 0..20 {
        let config = || Config::new("addresses").identity(key(0)).mdns(false);
        let ada = start(config().listen(":0").listen("/ip4/0.0.0.0/udp/0/quic-v1")).await;
        let addresses = ada.addresses();
        let own = if_addrs::get_if_addrs().unwrap();
        for interface in own.iter().filter(|interface| interface.ip().is_ipv4()) {
            for protocol in ["tcp", "udp"] {
                let start = format!("/ip4/{}/{protocol}/", interface.ip());
                let told = addresses.iter().filter(|told| told.starts_with(&start));
                assert_eq!(told.count(), 1, "{start} in {addresses:?}");
            }
        }
        stop(&[&ada]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_to_deliver_leaving_takes_no_time() {
    let mut best = PATIENCE;
    for _ in 0..5 {
        let (ada, bob) = pair(config("brief", 0), config("brief", 1)).await;
        let begun = Instant::now();
        stop(&[&ada]).await;
        best = best.min(begun.elapsed());
        stop(&[&bob]).await;
    }
    // Less than any timer that could be waited for; a busy machine makes single rounds longer.
    assert!(best < Duration::from_millis(200), "{best:?}");
}
