//! A network in virtual time: nodes, links with latency and loss, connections that break, partitions, crashes and restarts.
//!
//! The world knows nothing of what nodes say. A [`Node`] is any machine with frames in and frames out; the world carries frames
//! in order within a connection and in any order between connections. Everything random comes from one seed, so a run repeats
//! exactly; [`seeds`] prints the seed of a run that fails.
//!
//! What it does not model: bandwidth, queues of the system, and time that passes while a node thinks.

mod churn;
mod dialling;
mod log;
mod pausing;
mod satellite;
mod talker;
mod talks;
pub(crate) mod world;
mod world_tests;

use std::ops::Range;

use super::Now;

/// Set to a number to run only that seed, with what happens printed.
const SEED_VARIABLE: &str = "PSFS_SIM_SEED";

/// Runs a scenario with each of these seeds. When it panics, the seed is printed with what to do to run it alone.
pub(crate) fn seeds(range: Range<u64>, scenario: impl Fn(u64)) {
    struct Note(u64);
    impl Drop for Note {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!(
                    "failed with seed {0}; run it alone with {SEED_VARIABLE}={0}",
                    self.0
                );
            }
        }
    }
    let only = only_seed();
    for seed in only.map_or(range, |seed| seed..seed + 1) {
        let note = Note(seed);
        scenario(seed);
        drop(note);
    }
}

fn only_seed() -> Option<u64> {
    std::env::var(SEED_VARIABLE).ok()?.parse().ok()
}

fn ms(milliseconds: u64) -> Now {
    Now::from_millis(milliseconds)
}

fn secs(seconds: u64) -> Now {
    Now::from_secs(seconds)
}
