//! What people notice of peers that come and go: events in their order, log lines with their spans, counters.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use psfs_core::{PeerEvent, PeerEvents, PeerId, Satellite};
use psfs_tests::{config, connected, disconnected, soon, start, stop, until};
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;

const TIME: Duration = Duration::from_secs(10);

/// The names of the first three events about a peer.
async fn first_three(events: &mut PeerEvents, about: &PeerId) -> [&'static str; 3] {
    let mut names = Vec::new();
    while names.len() < 3 {
        let event = soon("the next event", events.next()).await.unwrap();
        let (name, peer) = match event {
            PeerEvent::Discovered { peer } => ("discovered", peer),
            PeerEvent::Connected { peer, .. } => ("connected", peer),
            PeerEvent::Authenticated { peer } => ("authenticated", peer),
            other => panic!("{other:?}"),
        };
        assert_eq!(peer, *about);
        names.push(name);
    }
    names.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_discovered_before_it_is_connected_whoever_dials() {
    // Either may have the lower peer id, which decides who authorises first.
    for (first, second) in [(0, 1), (1, 0)] {
        let dialled = start(config("order", first).peers(0, 32)).await;
        let dials = start(config("order", second).peers(0, 32)).await;
        let (mut at_dialled, mut at_dialler) =
            (dialled.peer_events().unwrap(), dials.peer_events().unwrap());
        dials.connect(&dialled.addresses()[0], TIME).await.unwrap();
        let order = ["discovered", "connected", "authenticated"];
        assert_eq!(first_three(&mut at_dialled, &dials.peer_id()).await, order);
        assert_eq!(
            first_three(&mut at_dialler, &dialled.peer_id()).await,
            order
        );
        stop(&[&dialled, &dials]).await;
    }
}

fn knows(satellite: &Satellite, id: &PeerId) -> bool {
    satellite.peers().iter().any(|known| known.peer == *id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shut_down_is_forgotten_and_others_do_not_hear_of_it() {
    let ada = start(config("left", 0)).await;
    let address = ada.addresses()[0].clone();
    let bob = start(config("left", 1).bootstrap(address.clone())).await;
    let cyd = start(config("left", 2).bootstrap(address.clone())).await;
    until("all have met", || {
        [&ada, &bob, &cyd]
            .iter()
            .all(|one| one.connected_count() == 2)
    })
    .await;
    let mut events = ada.peer_events().unwrap();
    let gone = bob.peer_id();
    stop(&[&bob]).await;
    disconnected(&mut events, &gone).await;
    until("ada and cyd forget bob", || {
        !knows(&ada, &gone) && !knows(&cyd, &gone)
    })
    .await;
    assert_eq!((ada.stats().peers_left, cyd.stats().peers_left), (1, 1));

    let dan = start(config("left", 3).bootstrap(address)).await;
    until("dan has met both", || {
        connected(&dan, &ada) && connected(&dan, &cyd)
    })
    .await;
    assert!(!knows(&dan, &gone));
    stop(&[&ada, &cyd, &dan]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_roster_drops_is_counted_in_stats() {
    let full = (1..=70).fold(config("counted", 0), |config, port| {
        config.bootstrap(format!("127.0.0.1:{port}"))
    });
    let ada = start(full).await;
    until("six of seventy addresses are over the limit", || {
        ada.stats().bootstraps_dropped == 6
    })
    .await;
    let names: Vec<_> = ada
        .stats()
        .entries()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in ["dials_overdue", "sessions_trimmed", "sessions_silent"] {
        assert!(names.contains(&name), "{name}");
    }
    stop(&[&ada]).await;
}

/// Everything that is logged to it.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Paper {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_address_where_nobody_answers_is_a_warning_once_and_ones_own_is_none() {
    let paper = Paper::default();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .without_time()
        .with_writer(paper.clone())
        .finish();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let own = format!("/ip4/127.0.0.1/tcp/{}", free.port());
    let ada = config("nobody there", 0)
        .listen(own.clone())
        .bootstrap(own.clone())
        .bootstrap("127.0.0.1:1")
        .log(Dispatch::new(log));
    let ada = start(ada).await;
    until("it has tried several times", || {
        ada.stats().dials_failed >= 3
    })
    .await;
    stop(&[&ada]).await;
    let warned = |address: &str| {
        let warning = format!("no satellite answers at a bootstrap address address={address} ");
        let about = |line: &String| line.contains(&warning) && line.contains("refused");
        paper.lines().into_iter().filter(about).count()
    };
    assert_eq!(warned("/ip4/127.0.0.1/tcp/1"), 1, "{:?}", paper.lines());
    assert_eq!(warned(&own), 0, "{:?}", paper.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_a_satellites_life_within_spans_of_it_and_its_peers() {
    let paper = Paper::default();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_writer(paper.clone())
        .finish();
    let ada = start(config("logged", 0).log(Dispatch::new(log))).await;
    let bob = start(config("logged", 1).bootstrap(ada.addresses()[0].clone())).await;
    until("both have the session", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    let mut events = ada.peer_events().unwrap();
    stop(&[&bob]).await;
    disconnected(&mut events, &bob.peer_id()).await;
    stop(&[&ada]).await;

    let lines = paper.lines();
    let satellite = format!("satellite{{id={}}}", ada.peer_id());
    let peer = format!("{satellite}:peer{{id={}}}", bob.peer_id());
    let expected: [(&str, &[&str]); 6] = [
        (&satellite, &["listening", "/ip4/127.0.0.1/tcp/"]),
        (
            &satellite,
            &["satellite started", "rendezvous=\"logged\"", "addresses=1"],
        ),
        (
            &peer,
            &["session opened", "/ip4/127.0.0.1/tcp/", "policy=Every"],
        ),
        (
            &peer,
            &[
                "session ended",
                "code=DISCONNECTED",
                "the satellite was shut down",
            ],
        ),
        (&satellite, &["shutting down"]),
        (&satellite, &["satellite shut down"]),
    ];
    let mut from = 0;
    for (span, words) in expected {
        let found = lines[from..].iter().position(|line| {
            line.contains(&format!(" INFO {span}: "))
                && words.iter().all(|word| line.contains(word))
        });
        let Some(found) = found else {
            panic!(
                "no line {words:?} of {span} in its place in\n{}",
                lines.join("\n")
            )
        };
        from += found + 1;
    }
}
