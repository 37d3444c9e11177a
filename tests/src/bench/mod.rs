//! What the benchmark programs are made of: two processes on loopback, rounds of which the median counts, and beside each figure
//! the same job done without satellites, in the same run.
//!
//! Nothing here is a test: a figure that misses its aim is reported, and only what does not work at all is an error.

#![expect(
    clippy::disallowed_methods,
    reason = "measuring is reading the clock, and these programs are their own drivers"
)]

pub mod c;
pub mod child;
pub mod cost;
pub mod dht;
pub mod files;
pub mod large;
pub mod plain;
pub mod report;
pub mod serve;
pub mod talk;
pub mod tls;
pub mod wake;

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// Whatever went wrong: a benchmark has one way to fail, and a text.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of the small contents.
pub const SMALL: usize = 128;
/// Rounds of which the median is reported; one more before them warms up.
pub const ROUNDS: usize = 5;
/// The network of all benchmarks.
pub const RENDEZVOUS: &str = "bench";
/// No single step takes longer, or the run is over.
pub const STEP: Duration = Duration::from_secs(40);

/// The clock.
pub fn now() -> Instant {
    Instant::now()
}

/// A runtime as all benchmarks and baselines use it.
///
/// # Errors
/// No threads.
pub fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// Runs `work` as a task of `runtime`: on a worker, as an application's tasks run, not on the thread that waits here.
///
/// # Errors
/// Its own, or when it takes longer than [`STEP`].
pub fn run<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let task = runtime.spawn(async move {
        tokio::time::timeout(STEP, work)
            .await
            .unwrap_or_else(|_| Err(format!("not done within {STEP:?}").into()))
    });
    runtime.block_on(task)?
}

/// Figures of rounds: the first warms up, and of the other [`ROUNDS`] the median counts.
#[derive(Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Whether another round is wanted.
    pub fn go_on(&self) -> bool {
        self.0.len() <= ROUNDS
    }

    /// What a round came to.
    pub fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The figure of all of them.
    pub fn median(mut self) -> f64 {
        percentile(&mut self.0[1..], 50)
    }

    /// The least of them: for what takes nanoseconds, where all else that runs on the machine can only add.
    pub fn least(mut self) -> f64 {
        percentile(&mut self.0[1..], 0)
    }
}

/// The value that `percent` % of the others do not exceed. 0 when there are none.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}

/// `count` things in `elapsed`, as a number for each second.
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}
