//! An application that goes to the background and comes back, or finds itself in another network.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use psfs_core::error::{ConnectError, PauseError, RequestError, SendError};
use psfs_core::{
    BroadcastOptions, Code, Config, Faults, PacketType, RequestOptions, Satellite, SendOptions,
};
use psfs_tests::{ask, config, connected, disconnected, echo, key, pair, soon, start, stop, until};

const SHORT: Duration = Duration::from_millis(300);

fn patient(timeout: Duration) -> SendOptions {
    SendOptions::default().timeout(timeout)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_pauses_is_gone_within_a_second_and_back_with_all_it_had() {
    let (ada, bob) = pair(config("pause", 0), config("pause", 1)).await;
    echo(&bob, "echo");
    let addresses = bob.addresses();
    let mut events = ada.peer_events().unwrap();
    // Accepted before the pause: it arrives.
    let mut inbox = ada.subscribe(PacketType::Message, "last words").unwrap();
    bob.send(
        &ada.peer_id(),
        "last words",
        "soon back",
        SendOptions::default(),
    )
    .await
    .unwrap();

    let begun = Instant::now();
    bob.pause().await.unwrap();
    let why = disconnected(&mut events, &bob.peer_id()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        why.starts_with("CLOSED: ") && why.contains("the satellite is paused"),
        "{why}"
    );
    soon("the message", inbox.next()).await.unwrap();
    assert!(bob.is_paused() && bob.is_running());
    assert!(bob.addresses().is_empty() && bob.connected_count() == 0);
    assert!(!connected(&ada, &bob));
    // Paused again, it stays paused; and nobody hears anything of it, nor it of others.
    bob.pause().await.unwrap();
    bob.network_changed().await.unwrap();
    let dials = (ada.stats().dials, bob.stats().dials);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((ada.stats().dials, bob.stats().dials), dials);

    let begun = Instant::now();
    bob.resume().await.unwrap();
    assert!(!bob.is_paused());
    assert_eq!(bob.addresses(), addresses, "the same ports");
    until("the session is back", || connected(&ada, &bob)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "there?").await.unwrap(),
        ["there?"]
    );
    bob.resume().await.unwrap();
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_quic_and_memory_as_well() {
    for listen in ["/ip4/127.0.0.1/udp/0/quic-v1", "/memory/0"] {
        let config = |number| {
            Config::new("pause quic")
                .identity(key(number))
                .mdns(false)
                .listen(listen)
        };
        let (ada, bob) = pair(config(0), config(1)).await;
        let addresses = ada.addresses();
        for _ in 0..3 {
            ada.pause().await.unwrap();
            until("bob knows", || !connected(&bob, &ada)).await;
            ada.resume().await.unwrap();
            assert_eq!(ada.addresses(), addresses);
            until("the session is back", || connected(&bob, &ada)).await;
        }
        stop(&[&ada, &bob]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_during_a_pause_wait_for_the_resume_or_say_that_it_is_paused() {
    let (ada, bob) = pair(config("waits", 0), config("waits", 1)).await;
    echo(&ada, "echo");
    let (id, address) = (ada.peer_id(), ada.addresses()[0].clone());
    bob.pause().await.unwrap();

    let late = bob.send(&id, "n", "x", patient(SHORT)).await.unwrap_err();
    assert!(matches!(late, SendError::NoSession { .. }), "{late}");
    let connect = bob.connect(&address, SHORT).await.unwrap_err();
    assert_eq!(connect, ConnectError::Paused(SHORT));
    let few = bob.wait_connected(1, SHORT).await.unwrap_err();
    assert_eq!(few, ConnectError::Paused(SHORT));
    let short = RequestOptions::default().deadline(SHORT);
    let asked = bob.request(&id, "echo", "x", short).await.unwrap_err();
    assert_eq!(asked.code(), Code::Timeout);
    let cast = bob.broadcast("n", "x", BroadcastOptions::default()).await;
    assert_eq!(cast, Err(SendError::Paused));
    let sought = bob.seek("n", "x", RequestOptions::default()).unwrap_err();
    assert_eq!(sought, RequestError::Send(SendError::Paused));
    for text in [
        late.to_string(),
        connect.to_string(),
        asked.to_string(),
        sought.to_string(),
    ] {
        assert!(text.contains("paused, resume it first"), "{text}");
    }

    let call = tokio::spawn({
        let bob = bob.clone();
        async move { ask(&bob, &id, "echo", "waited").await }
    });
    let dial = tokio::spawn({
        let bob = bob.clone();
        async move { bob.connect(&address, Duration::from_secs(30)).await }
    });
    tokio::time::sleep(SHORT).await;
    assert!(!call.is_finished() && !dial.is_finished());
    bob.resume().await.unwrap();
    assert_eq!(soon("the reply", call).await.unwrap().unwrap(), ["waited"]);
    assert_eq!(soon("the session", dial).await.unwrap(), Ok(id));
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pauses_and_resumes_in_any_order_end_as_the_last_one_says() {
    let (ada, bob) = pair(config("often", 0), config("often", 1)).await;
    for _ in 0..20 {
        let (paused, resumed) = tokio::join!(bob.pause(), bob.resume());
        paused.unwrap();
        resumed.unwrap();
        assert!(!bob.is_paused());
        let (paused, resumed, again) = tokio::join!(bob.pause(), bob.resume(), bob.pause());
        paused.unwrap();
        resumed.unwrap();
        again.unwrap();
        assert!(bob.is_paused());
        bob.resume().await.unwrap();
    }
    until("the session is back", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_satellite_shuts_down_as_any_other() {
    let (ada, bob) = pair(config("end", 0), config("end", 1)).await;
    bob.pause().await.unwrap();
    let begun = Instant::now();
    stop(&[&bob]).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(!bob.is_paused() && !bob.is_running());
    // While it pauses, too.
    let ada_too = ada.clone();
    let pause = tokio::spawn(async move { ada_too.pause().await });
    stop(&[&ada]).await;
    let _either = soon("the pause ends", pause).await.unwrap();
    for closed in [
        ada.pause().await,
        ada.network_changed().await,
        ada.resume().await,
    ] {
        assert_eq!(closed, Err(PauseError::Closed));
    }
    let unborn = Satellite::new(config("end", 2)).unwrap();
    assert_eq!(unborn.pause().await, Err(PauseError::Closed));
    assert!(!unborn.is_paused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_was_taken_during_the_pause_is_told_and_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let fixed = Config::new("taken")
        .identity(key(0))
        .mdns(false)
        .listen(format!("127.0.0.1:{port}"));
    let (ada, bob) = pair(fixed, config("taken", 1)).await;
    let taken: Vec<_> = [&ada, &bob]
        .iter()
        .map(|one| {
            let address = one.addresses()[0].clone();
            address.split('/').nth(4).unwrap().parse::<u16>().unwrap()
        })
        .collect();
    ada.pause().await.unwrap();
    bob.pause().await.unwrap();
    let thieves: Vec<_> = taken
        .iter()
        .map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap())
        .collect();
    // Any port was wanted: it has another one now.
    bob.resume().await.unwrap();
    assert_eq!(bob.addresses().len(), 1);
    // This very port was: all else goes on, and it dials.
    let failed = ada.resume().await.unwrap_err();
    assert_eq!(failed.code(), Code::AddressInUse, "{failed}");
    assert!(failed.to_string().contains(&port.to_string()), "{failed}");
    assert!(!ada.is_paused() && ada.addresses().is_empty());
    let cyd = start(config("taken", 2)).await;
    ada.connect(&cyd.addresses()[0], Duration::from_secs(20))
        .await
        .unwrap();
    drop(thieves);
    ada.resume().await.unwrap();
    assert!(ada.addresses()[0].contains(&port.to_string()));
    stop(&[&ada, &bob, &cyd]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_network_finds_out_soon_which_sessions_are_dead() {
    let faults = Faults::new(7);
    let patient = |number| {
        let day = Duration::from_secs(24 * 3600);
        config("change", number)
            .faults(faults.clone())
            .ping(day, day)
    };
    let ada = start(patient(0)).await;
    let address = ada.addresses()[0].clone();
    let bob = start(patient(1).bootstrap(address.clone())).await;
    let cyd = start(patient(2).bootstrap(address)).await;
    until("all have met", || {
        [&ada, &bob, &cyd]
            .iter()
            .all(|one| one.connected_count() == 2)
    })
    .await;
    let sessions = bob.stats().sessions_opened;
    let mut events = bob.peer_events().unwrap();
    // As when a phone's address is another one: nothing gets through, and nobody says so.
    faults.slow(
        &ada.peer_id(),
        &bob.peer_id(),
        psfs_core::Slow::default().latency(Duration::from_secs(60)),
    );
    let begun = Instant::now();
    bob.network_changed().await.unwrap();
    let why = disconnected(&mut events, &ada.peer_id()).await;
    let took = begun.elapsed();
    assert!(why.contains("TIMEOUT: no sign of life"), "{why}");
    assert!(
        took > Duration::from_secs(2) && took < Duration::from_secs(6),
        "{took:?}"
    );
    // The other one has answered.
    assert!(connected(&bob, &cyd));
    faults.heal_all();
    bob.network_changed().await.unwrap();
    until("the session is back", || connected(&bob, &ada)).await;
    assert!(bob.stats().sessions_opened > sessions);
    stop(&[&ada, &bob, &cyd]).await;
}
