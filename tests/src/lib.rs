//! Little networks for tests and benchmarks: satellites on memory or loopback addresses, with keys made once.

pub mod bench;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use psfs_core::{Config, Identity, PeerState, Satellite};

/// How long a test waits for something that must happen; only a failing test takes so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

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
    Config::new(rendezvous).identity(key(number)).mdns(false).listen("127.0.0.1:0")
}

/// Waits until something is so. Tests must not sleep for a fixed time instead.
///
/// # Panics
/// With `what`, after [`PATIENCE`].
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether `satellite` has a session with `other`.
pub fn connected(satellite: &Satellite, other: &Satellite) -> bool {
    let id = other.peer_id();
    satellite.peers().iter().any(|info| info.peer == id && info.state == PeerState::Connected)
}

/// Starts two satellites of one network, the second knowing the first, and waits until both have the session.
///
/// # Panics
/// When they do not start or meet.
pub async fn pair(first: Config, second: Config) -> (Satellite, Satellite) {
    let first = start(first).await;
    let second = start(second.bootstrap(first.addresses()[0].clone())).await;
    until("both have the session", || connected(&first, &second) && connected(&second, &first)).await;
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
        #[expect(clippy::expect_used, reason = "a satellite that does not end is a failure of any test")]
        satellite.shutdown(PATIENCE).await.expect("the satellite ends");
    }
}
