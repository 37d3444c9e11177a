//! Connections without end: more than one address may have are refused, and none that came and went leaves anything.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use futures::AsyncWriteExt;
use psfs_tests::{config, connected, connected_to, start, stop, until};
use tokio::net::TcpStream;

use crate::raw::Raw;
use crate::siege::Siege;
use crate::wire::{Packet, RSA};

/// An address of this machine other than loopback; nothing is sent to find it. `None` where there is no network at all.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

/// The port of the first address.
fn port(addresses: &[String]) -> u16 {
    let mut parts = addresses[0].split('/').skip_while(|part| *part != "tcp");
    parts.nth(1).unwrap().parse().unwrap()
}

async fn knock(to: SocketAddr, times: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..times {
        open.push(TcpStream::connect(to).await.unwrap());
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_connections_from_one_address_are_refused_beyond_its_places() {
    const PLACES: usize = 8;
    const TIMES: usize = 40;
    let Some(own) = own_address() else {
        eprintln!("this machine has loopback only, which no limit of one address is for");
        return;
    };
    let siege = Siege::begin("one address", |config| {
        config.listen("0.0.0.0:0").connections(200, PLACES)
    })
    .await;
    let refused = || siege.victim.stats().refused_connections as usize;
    let addresses = siege.victim.addresses();
    let reached = |address: &&String| address.contains(&format!("/ip4/{own}/tcp/"));
    let address = addresses.iter().find(reached).cloned();
    let to = SocketAddr::new(own, port(&[address.expect("it listens everywhere")]));
    let held = knock(to, TIMES).await;
    until("those without a place are refused", || {
        refused() == TIMES - PLACES
    })
    .await;
    // Others get in, and whoever goes makes place.
    let raw = Raw::session(&siege.victim, 2, RSA).await;
    until("the newcomer has its session", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    drop(held);
    let late = config("one address", 3).bootstrap(format!("/ip4/{own}/tcp/{}", to.port()));
    let late = start(late).await;
    until("it gets in from the same address", || {
        connected(&late, &siege.victim)
    })
    .await;
    stop(&[&late]).await;
    // However many places there are: handshakes of one network have a rate.
    let before = refused();
    let mut knocks = 0;
    while refused() == before {
        drop(knock(to, 1).await);
        knocks += 1;
        assert!(knocks < 5000, "nobody is refused");
    }
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_connections_beyond_the_total_are_refused() {
    const TOTAL: usize = 24;
    const TIMES: usize = 60;
    let siege = Siege::begin("total", |config| config.connections(TOTAL, 16)).await;
    let refused = || siege.victim.stats().refused_connections as usize;
    let to = SocketAddr::new([127, 0, 0, 1].into(), port(&siege.victim.addresses()));
    let held = knock(to, TIMES).await;
    until("most are refused", || {
        // The honest peer has one place, or two while both dialled each other.
        (TIMES - TOTAL + 1..=TIMES - TOTAL + 2).contains(&refused())
    })
    .await;
    drop(held);
    // Their places are free again: one at a time gets in as before.
    let raw = loop {
        let before = refused();
        drop(knock(to, 1).await);
        if refused() == before {
            break Raw::session(&siege.victim, 2, RSA).await;
        }
    };
    until("the newcomer has its session", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_connections_that_come_and_go_leave_nothing() {
    const ROUNDS: usize = 60;
    // A runtime of the victim's own, so that its tasks can be counted.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let siege = Siege::begin("come and go", |config| {
        config.runtime(runtime.handle().clone())
    })
    .await;
    let tasks = || runtime.metrics().num_alive_tasks();
    let mut stays = Raw::session(&siege.victim, 2, RSA).await;
    let before = tasks();
    let to = SocketAddr::new([127, 0, 0, 1].into(), port(&siege.victim.addresses()));
    for round in 0..ROUNDS {
        // Nothing said; the protocol opened; a session with half a content in it.
        drop(knock(to, 1).await);
        drop(Raw::connect(&siege.victim, 3).await);
        let mut raw = Raw::session(&siege.victim, 3, RSA).await;
        let half = Packet {
            parts: 100,
            content: vec![0; 16 << 10].into(),
            ..Packet::request("void", 1)
        };
        raw.packets(&[half]).await;
        drop(raw);
        // Substreams of a connection that stays: declined, opened and left, opened with half a word on them.
        assert!(stays.speak("/nobody/speaks/this").await.is_none());
        for protocol in ["/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/psfs/kad/1.0.0"] {
            let mut stream = stays.speak(protocol).await.expect(protocol);
            stream.write_all(&[7]).await.unwrap();
            let _left = stream.close().await;
        }
        stays
            .packets(&[Packet::new(crate::wire::MESSAGE, "void", vec![round as u8])])
            .await;
    }
    until("nothing of them is left", || {
        let stats = siege.victim.stats();
        tasks() <= before && stats.held_bytes == 0 && stats.messages_unhandled == ROUNDS as u64
    })
    .await;
    let stats = siege.victim.stats();
    assert_eq!(stats.sessions_opened - stats.sessions_ended, 2, "{stats:?}");
    assert_eq!((stats.violations, siege.victim.connected_count()), (0, 2));
    assert!(siege.victim.peers().len() <= 3);
    siege.unnoticed().await;
    runtime.shutdown_background();
}
