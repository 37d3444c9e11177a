//! Little networks for tests and benchmarks: satellites on memory or loopback addresses, with keys made once.

pub mod bench;
pub mod process;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use psfs_core::error::RequestError;
use psfs_core::{
    Config, Identity, PacketType, PeerEvent, PeerEvents, PeerId, PeerState, Replies,
    RequestOptions, Satellite,
};

/// How long a test waits for something that must happen; only a failing test takes so long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Keys are made once in a process and handed out again: making one takes longer than most tests.
static KEYS: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

/// The `number`th key of this process. Satellites of one network need different numbers.
pub fn key(number: usize) -> Identity {
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    while keys.len() <= number {
        #[expect(clippy::expect_used, reason = "without keys there is nothing to test")]
        keys.push(Identity::generate().expect("a key can be made"));
    }
    keys[number].clone()
}

/// A config as tests want it: the `number`th key, no mDNS, a free port on loopback.
pub fn config(rendezvous: &str, number: usize) -> Config {
    Config::new(rendezvous)
        .identity(key(number))
        .mdns(false)
        .listen("127.0.0.1:0")
}

/// Waits until something is so. Tests must not sleep for a fixed time instead.
///
/// # Panics
/// With `what`, after [`PATIENCE`].
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await;
}

/// Waits for what must come.
///
/// # Panics
/// With `what`, after [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(done) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("not within {PATIENCE:?}: {what}")
    };
    done
}

/// Whether `satellite` has a session with `other`.
pub fn connected(satellite: &Satellite, other: &Satellite) -> bool {
    connected_to(satellite, &other.peer_id())
}

/// Whether `satellite` has a session with this peer.
pub fn connected_to(satellite: &Satellite, id: &PeerId) -> bool {
    satellite
        .peers()
        .iter()
        .any(|info| info.peer == *id && info.state == PeerState::Connected)
}

/// Starts two satellites of one network, the second knowing the first, and waits until both have the session.
///
/// # Panics
/// When they do not start or meet.
pub async fn pair(first: Config, second: Config) -> (Satellite, Satellite) {
    let first = start(first).await;
    let second = start(second.bootstrap(first.addresses()[0].clone())).await;
    until("both have the session", || {
        connected(&first, &second) && connected(&second, &first)
    })
    .await;
    (first, second)
}

/// Makes and starts a satellite.
///
/// # Panics
/// When it does not start.
pub async fn start(config: Config) -> Satellite {
    #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
    let satellite = Satellite::new(config).expect("the satellite can be made");
    #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
    satellite.start().await.expect("the satellite starts");
    satellite
}

/// Shuts down and insists on it.
///
/// # Panics
/// When it does not end in time.
pub async fn stop(satellites: &[&Satellite]) {
    for satellite in satellites {
        #[expect(
            clippy::expect_used,
            reason = "a satellite that does not end is a failure of any test"
        )]
        satellite
            .shutdown(PATIENCE)
            .await
            .expect("the satellite ends");
    }
}

/// Answers every request of `namespace` with its own content, until the satellite ends.
///
/// # Panics
/// When the satellite has ended already.
pub fn echo(satellite: &Satellite, namespace: &str) {
    #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
    let mut asked = satellite
        .subscribe(PacketType::Request, namespace)
        .expect("the satellite has not ended");
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the satellite's events"
    )]
    tokio::task::spawn(async move {
        while let Some(event) = asked.next().await {
            // Who asked may be gone: that is what some tests are about.
            if event.reply(event.content().clone()).await.is_ok() {
                let _ended_before = event.end();
            }
        }
    });
}

/// Asks and waits for the end: all replies, or the error.
///
/// # Errors
/// The request's.
pub async fn ask(
    satellite: &Satellite,
    peer: &PeerId,
    namespace: &str,
    content: impl Into<Bytes>,
) -> Result<Vec<Bytes>, RequestError> {
    let replies = satellite
        .request(peer, namespace, content, RequestOptions::default())
        .await?;
    let (contents, error) = collect(replies).await;
    error.map_or(Ok(contents), Err)
}

/// All that comes, and the error it ended with, if it did.
pub async fn collect(mut replies: Replies) -> (Vec<Bytes>, Option<RequestError>) {
    let mut contents = Vec::new();
    while let Some(reply) = soon("the next reply, or the end", replies.next()).await {
        match reply {
            Ok(reply) => contents.push(reply.content().clone()),
            Err(error) => return (contents, Some(error)),
        }
    }
    (contents, None)
}

/// The reason for which the session with `peer` ended, once it did: its code's name and its text.
///
/// # Panics
/// When it does not end.
pub async fn disconnected(events: &mut PeerEvents, peer: &PeerId) -> String {
    soon("the session ends", async {
        loop {
            match events.next().await {
                Some(PeerEvent::Disconnected { peer: gone, reason }) if gone == *peer => {
                    return format!("{}: {}", reason.code, reason.text);
                }
                Some(_) => {}
                None => panic!("the satellite ended first"),
            }
        }
    })
    .await
}
