//! What a satellite costs: memory, and the time to start and to meet.

use std::time::Duration;

use futures::future::join_all;
use psfs_core::{Config, PeerEvent, Satellite};
use tokio::runtime::Handle;

use super::{Failure, RENDEZVOUS, child, now, percentile, run, runtime};
use crate::{PATIENCE, key};

/// Satellites of [`many`].
const MANY: usize = 100;
/// Times that start and meeting are done anew.
const TIMES: usize = 9;
/// How long memory is given to settle: what the start needed is let go, lookups have run.
const SETTLE: Duration = Duration::from_secs(2);

/// Memory this process holds, in MiB.
///
/// # Errors
/// The system does not tell.
pub fn resident_mib() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// All by default, with a data folder, but found by nobody outside.
fn by_default(folder: &std::path::Path) -> Config {
    Config::new(RENDEZVOUS)
        .data_dir(folder)
        .mdns(false)
        .listen("/ip4/127.0.0.1/tcp/0")
        .listen("/ip4/127.0.0.1/udp/0/quic-v1")
}

/// The child's main: one satellite that has nothing to do. Says what the process held before and holds now.
///
/// # Errors
/// It does not start.
pub fn idle() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    child::say("before", resident_mib()?)?;
    let satellite = Satellite::new(by_default(folder.path()))?;
    runtime.block_on(satellite.start())?;
    std::thread::sleep(SETTLE);
    child::say("idle", resident_mib()?)?;
    child::stay()?;
    runtime.block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// The child's main: a satellite started again and again with the key it has. Says the median time in ms.
///
/// # Errors
/// It does not start.
pub fn starts() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut times = Vec::new();
    for _ in 0..=TIMES {
        let start = now();
        let satellite = Satellite::new(by_default(folder.path()))?;
        runtime.block_on(satellite.start())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        runtime.block_on(satellite.shutdown(PATIENCE))?;
    }
    // The first one made the key.
    child::say("start", percentile(&mut times[1..], 50))?;
    child::stay()
}

/// From `start` to the session with the satellite at `address`, with that address as bootstrap: the median in ms.
///
/// # Errors
/// They do not meet.
pub async fn meet(address: String) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for number in 0..TIMES {
        let config = Config::new(RENDEZVOUS)
            .identity(key(number))
            .mdns(false)
            .listen("127.0.0.1:0")
            .bootstrap(&address)
            .runtime(Handle::current());
        let satellite = Satellite::new(config)?;
        let mut events = satellite.peer_events()?;
        let start = now();
        satellite.start().await?;
        while !matches!(
            events.next().await.ok_or("no event")?,
            PeerEvent::Authenticated { .. }
        ) {}
        times.push(start.elapsed().as_secs_f64() * 1e3);
        satellite.shutdown(PATIENCE).await?;
    }
    Ok(percentile(&mut times, 50))
}

/// The child's main: a hundred satellites on one runtime that know one of them, until all have met all. Says the time that took in
/// ms, and what the process holds.
///
/// # Errors
/// They do not start or do not all meet.
pub fn many() -> Result<(), Failure> {
    let runtime = runtime()?;
    let keys: Vec<_> = (0..MANY).map(key).collect();
    child::say("before", resident_mib()?)?;
    let (satellites, time) = run(&runtime, async move {
        let config = |number: usize| {
            Config::new(RENDEZVOUS)
                .identity(keys[number].clone())
                .mdns(false)
                .listen("127.0.0.1:0")
                .runtime(Handle::current())
        };
        let start = now();
        let first = Satellite::new(config(0))?;
        first.start().await?;
        let bootstrap = first.addresses()[0].clone();
        let mut satellites = vec![first];
        for number in 1..MANY {
            satellites.push(Satellite::new(config(number).bootstrap(&bootstrap))?);
        }
        for started in join_all(satellites[1..].iter().map(Satellite::start)).await {
            started?;
        }
        while !satellites
            .iter()
            .all(|satellite| satellite.stats().peers_met >= (MANY - 1) as u64)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok((satellites, start.elapsed().as_secs_f64() * 1e3))
    })?;
    child::say("met", time)?;
    std::thread::sleep(SETTLE);
    child::say("many", resident_mib()?)?;
    child::say(
        "sessions",
        satellites
            .iter()
            .map(Satellite::connected_count)
            .sum::<usize>()
            / 2,
    )?;
    child::stay()?;
    runtime.block_on(join_all(
        satellites
            .iter()
            .map(|satellite| satellite.shutdown(PATIENCE)),
    ));
    Ok(())
}
