//! Connecting: errors of addresses, two that dial each other at once, ending a session by hand, a hundred in one process.

use std::net::TcpListener;
use std::time::Duration;

use psfs_core::error::{ConnectError, SendError};
use psfs_core::{Code, Config, PeerEvent, PeerId, PeerState, Satellite, SendOptions};
use psfs_tests::{ask, config, connected, disconnected, echo, key, pair, soon, start, stop, until};

const TIME: Duration = Duration::from_secs(10);

/// A satellite that connects only when told.
async fn quiet(rendezvous: &str, number: usize) -> Satellite {
    start(config(rendezvous, number).peers(0, 32)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_addresses_are_refused_with_the_reason() {
    let ada = quiet("malformed", 0).await;
    for address in [
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:99999",
        "/ip4/127.0.0.1",
        "/ip4/1.2.3.4/tcp/x",
        "/p2p/Qm",
    ] {
        let error = ada.connect(address, TIME).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::Address { address: told, .. } if told == address),
            "{address}: {error}"
        );
        assert_eq!(error.code(), Code::BadAddress);
    }
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_silent_and_wrong_addresses_each_have_their_error() {
    let (ada, bob) = (quiet("unreachable", 0).await, quiet("unreachable", 1).await);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let error = ada.connect(&closed, TIME).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable { address, .. } if *address == closed),
        "{error}"
    );
    assert!(
        error.to_string().to_lowercase().contains("refused"),
        "the system's reason is told: {error}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let short = Duration::from_millis(300);
    assert_eq!(
        ada.connect(&address, short).await,
        Err(ConnectError::Timeout(short))
    );
    let nobody = key(3).peer_id();
    let known =
        start(config("dialling late", 4).bootstrap(format!("{}/p2p/{nobody}", listening(&silent))))
            .await;
    let options = SendOptions::default().timeout(short);
    let error = known.send(&nobody, "n", "", options).await.unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert!(
        error.to_string().contains(&listening(&silent)),
        "where it was looked for is told: {error}"
    );
    stop(&[&known]).await;

    let address =
        bob.addresses()[0].replace(&bob.peer_id().to_string(), &key(2).peer_id().to_string());
    let error = ada.connect(&address, TIME).await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable);
    assert!(
        error.to_string().contains(&bob.peer_id().to_string()),
        "who answers is told: {error}"
    );
    assert!(!connected(&ada, &bob));
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_addresses_are_found_out_with_and_without_the_id() {
    let ada = quiet("self", 0).await;
    let full = ada.addresses()[0].clone();
    let bare = full.split("/p2p/").next().unwrap().to_owned();
    for address in [full, bare] {
        assert_eq!(
            ada.connect(&address, TIME).await,
            Err(ConnectError::OwnAddress(address))
        );
    }
    assert_eq!(ada.connected_count(), 0);
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_own_and_malformed_peers_each_have_their_error() {
    let (ada, bob) = pair(config("who", 0), config("who", 1)).await;
    let stranger = key(2).peer_id();
    let options = SendOptions::default();
    assert_eq!(
        ada.send(&stranger, "n", "", options).await,
        Err(SendError::UnknownPeer(stranger))
    );
    assert_eq!(
        ada.send(&ada.peer_id(), "n", "", options).await,
        Err(SendError::OwnPeer(ada.peer_id()))
    );
    assert_eq!(
        ask(&ada, &stranger, "n", "").await.unwrap_err().code(),
        Code::UnknownPeer
    );
    assert_eq!(
        ask(&ada, &ada.peer_id(), "n", "").await.unwrap_err().code(),
        Code::OwnPeer
    );
    assert_eq!(
        ada.disconnect(&stranger).await,
        Err(ConnectError::NotConnected(stranger))
    );
    let cut = &bob.peer_id().to_string()[..45];
    for malformed in [
        "",
        "Qm",
        cut,
        "12D3KooWAfPDpPRRRBrmqy9is2zjU5srQ4hKuZitiGmh4NTTpS2d",
    ] {
        let error: psfs_core::Error = malformed.parse::<PeerId>().unwrap_err().into();
        assert_eq!(error.code(), Code::BadPeerId, "{malformed}");
    }
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_peer_come_in_order_and_a_session_ends_with_its_reason() {
    let ada = start(config("events", 0)).await;
    let mut events = ada.peer_events().unwrap();
    let bob = start(config("events", 1).bootstrap(ada.addresses()[0].clone())).await;
    let id = bob.peer_id();
    let mut seen = Vec::new();
    while seen.last() != Some(&"authenticated") {
        match soon("the next event", events.next()).await.unwrap() {
            PeerEvent::Connected { peer, address } if peer == id => {
                assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");
                seen.push("connected");
            }
            PeerEvent::Authenticated { peer } if peer == id => seen.push("authenticated"),
            PeerEvent::Discovered { peer } if peer == id => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["connected", "authenticated"]);
    let info = ada
        .peers()
        .into_iter()
        .find(|info| info.peer == id)
        .unwrap();
    assert_eq!(info.state, PeerState::Connected);
    stop(&[&bob]).await;
    let reason = disconnected(&mut events, &id).await;
    assert!(
        reason.starts_with("CLOSED: ") && reason.ends_with("the satellite was shut down"),
        "{reason}"
    );
    stop(&[&ada]).await;
}

/// Ends the session and watches that nobody brings it back, although both would by themselves.
async fn stays_apart(one: &Satellite, other: &Satellite) {
    let mut events = other.peer_events().unwrap();
    one.disconnect(&other.peer_id()).await.unwrap();
    assert!(
        disconnected(&mut events, &one.peer_id())
            .await
            .starts_with("CANCELLED: ")
    );
    until("both know", || {
        !connected(one, other) && !connected(other, one)
    })
    .await;
    let before = [one.stats().sessions_opened, other.stats().sessions_opened];
    // A lost session is dialled again after 250 ms, and a bootstrap address after at most a second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(
        [one.stats().sessions_opened, other.stats().sessions_opened],
        before,
        "a session came back by itself"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_by_hand_is_not_dialled_again_until_somebody_asks() {
    let (ada, bob) = pair(config("apart", 0), config("apart", 1)).await;
    echo(&ada, "echo");
    for (one, other) in [(&ada, &bob), (&bob, &ada)] {
        stays_apart(one, other).await;
        // Asked for, by whoever: by address, or by sending.
        assert_eq!(
            ask(&bob, &ada.peer_id(), "echo", "again").await.unwrap(),
            ["again"]
        );
        until("both have the session", || {
            connected(&ada, &bob) && connected(&bob, &ada)
        })
        .await;
    }
    stays_apart(&ada, &bob).await;
    assert_eq!(
        ada.connect(&bob.addresses()[0], TIME).await,
        Ok(bob.peer_id())
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_address_without_an_id_respects_a_session_ended_by_hand() {
    let ada = start(config("bare", 0)).await;
    let bare = ada.addresses()[0].split("/p2p/").next().unwrap().to_owned();
    let bob = start(config("bare", 1).bootstrap(bare)).await;
    until("both have the session", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    stays_apart(&bob, &ada).await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_per_pair_when_both_dial_at_once_200_times() {
    let (ada, bob) = (quiet("at once", 0).await, quiet("at once", 1).await);
    let (to_ada, to_bob) = (ada.addresses()[0].clone(), bob.addresses()[0].clone());
    echo(&ada, "echo");
    echo(&bob, "echo");
    let (ada_id, bob_id) = (ada.peer_id(), bob.peer_id());
    for round in 1..=200 {
        let before = [&ada, &bob].map(|satellite| satellite.stats().sessions_ended);
        let (one, other) = tokio::join!(ada.connect(&to_bob, TIME), bob.connect(&to_ada, TIME));
        assert_eq!(
            (one, other),
            (Ok(bob.peer_id()), Ok(ada.peer_id())),
            "round {round}"
        );
        until("both have the session", || {
            connected(&ada, &bob) && connected(&bob, &ada)
        })
        .await;
        // Neither side is mute, and both mean the same session.
        let (one, other) = tokio::join!(
            ask(&ada, &bob_id, "echo", "a"),
            ask(&bob, &ada_id, "echo", "b")
        );
        assert_eq!(
            (one.unwrap(), other.unwrap()),
            (vec!["a".into()], vec!["b".into()]),
            "round {round}"
        );
        for (satellite, before) in [(&ada, before[0]), (&bob, before[1])] {
            let stats = satellite.stats();
            assert_eq!(satellite.connected_count(), 1, "round {round}");
            assert_eq!(
                (stats.sessions_opened, stats.sessions_ended),
                (before + 1, before),
                "round {round}"
            );
        }
        ada.disconnect(&bob.peer_id()).await.unwrap();
        until("the session is over", || both_apart(&ada, &bob)).await;
    }
    assert_eq!(ada.stats().violations + bob.stats().violations, 0);
    stop(&[&ada, &bob]).await;
}

/// Both had asked for it, and one of the two dials was still under way when the session of the other was ended: what came of it took the
/// session over, and nobody ended that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_by_hand_ends_also_where_a_dial_is_under_way() {
    let (ada, bob) = (quiet("cut off", 0).await, quiet("cut off", 1).await);
    let (to_ada, to_bob) = (ada.addresses()[0].clone(), bob.addresses()[0].clone());
    for round in 1..=500 {
        let (one, other) = tokio::join!(ada.connect(&to_bob, TIME), bob.connect(&to_ada, TIME));
        assert_eq!(
            (one, other),
            (Ok(bob.peer_id()), Ok(ada.peer_id())),
            "round {round}"
        );
        until("both have the session", || {
            connected(&ada, &bob) && connected(&bob, &ada)
        })
        .await;
        ada.disconnect(&bob.peer_id()).await.unwrap();
        until("the session is over", || both_apart(&ada, &bob)).await;
    }
    stop(&[&ada, &bob]).await;
}

/// Neither has a session with the other, nor one that was opened and is not counted as ended.
fn both_apart(one: &Satellite, other: &Satellite) -> bool {
    let none = |satellite: &Satellite| {
        let stats = satellite.stats();
        stats.sessions_opened == stats.sessions_ended
    };
    !connected(one, other) && !connected(other, one) && none(one) && none(other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_satellites_meet_through_one_without_a_session_each() {
    const HIGH: usize = 8;
    let runtime = tokio::runtime::Handle::current();
    let mut all: Vec<Satellite> = Vec::new();
    for number in 0..100 {
        let memory = Config::new("hundred")
            .identity(key(number))
            .mdns(false)
            .listen("/memory/0")
            .runtime(runtime.clone())
            .peers(4, HIGH);
        let config = match all.first() {
            Some(first) => memory.bootstrap(first.addresses()[0].clone()),
            None => memory,
        };
        all.push(start(config).await);
    }
    until("everybody has met everybody", || {
        all.iter()
            .all(|satellite| satellite.stats().peers_met == 99)
    })
    .await;
    // One after the other: a walk of the DHT opens more for a moment, and of a hundred somebody walks at most times.
    for satellite in &all {
        until("nobody keeps more sessions than it may", || {
            (1..=HIGH).contains(&satellite.connected_count())
        })
        .await;
    }
    stop(&all.iter().collect::<Vec<_>>()).await;
}

fn listening(listener: &TcpListener) -> String {
    let address = listener.local_addr().unwrap();
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}
