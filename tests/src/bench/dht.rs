//! The DHT: networks of satellites in one process, in which one stores and ten fetch.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use psfs_core::{Config, Dht, FetchOptions, Key, Satellite, StoreOptions};
use tokio::runtime::Handle;

use super::report::figure;
use super::{Failure, RENDEZVOUS, now, per_second, percentile};
use crate::{PATIENCE, key};

/// Values for each node of a network.
const EACH: usize = 10;
/// Satellites that fetch all of them.
const FETCHERS: usize = 10;
/// Calls under way at once.
const AT_ONCE: usize = 256;
/// Calls one after the other, of which the percentiles are taken.
const ALONE: usize = 200;
/// Large values: how many, and how large.
const LARGE: usize = 32;
const LARGE_BYTES: usize = 1 << 20;

async fn network(count: usize) -> Result<Vec<Satellite>, Failure> {
    let mut satellites: Vec<Satellite> = Vec::new();
    for number in 0..count {
        let mut config = Config::new(RENDEZVOUS)
            .identity(key(number))
            .mdns(false)
            .listen("127.0.0.1:0")
            .peers(8, 128)
            .runtime(Handle::current());
        if let Some(first) = satellites.first() {
            config = config.bootstrap(first.addresses().remove(0));
        }
        let satellite = Satellite::new(config)?;
        satellite.start().await?;
        satellites.push(satellite);
    }
    while !satellites
        .iter()
        .all(|satellite| satellite.peers().len() >= count - 1)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(satellites)
}

fn content(number: usize, bytes: usize) -> Vec<u8> {
    let mut content = format!("{number:016x}").into_bytes();
    content.resize(bytes.max(16), 7);
    content
}

/// Stores `count` values from one satellite: their keys, and how many a second.
async fn store(
    dht: &Dht,
    count: usize,
    bytes: usize,
    at_once: usize,
) -> Result<(Vec<Key>, f64), Failure> {
    let start = now();
    let stored = stream::iter(0..count)
        .map(|number| dht.store(content(number, bytes), StoreOptions::default()))
        .buffered(at_once)
        .map_ok(|stored| stored.key());
    let keys: Vec<Key> = stored.try_collect().await?;
    Ok((keys, per_second(count as u64, start.elapsed())))
}

/// Fetches every value from each of some satellites: how many a second, and how many did not come.
async fn fetch(from: &[&Satellite], keys: &[Key], at_once: usize) -> Result<(f64, usize), Failure> {
    let start = now();
    let mut wanted = Vec::with_capacity(from.len() * keys.len());
    for satellite in from {
        wanted.extend(keys.iter().map(|key| (satellite.dht(), *key)));
    }
    let missing = stream::iter(wanted)
        .map(|(dht, key)| async move { dht.fetch(key, FetchOptions::default()).await.is_err() })
        .buffer_unordered(at_once)
        .filter(|missing| std::future::ready(*missing))
        .count()
        .await;
    Ok((
        per_second((from.len() * keys.len()) as u64, start.elapsed()),
        missing,
    ))
}

/// Everything of a network of so many satellites.
///
/// # Errors
/// They do not start, or a value cannot be stored.
pub async fn measure(count: usize) -> Result<(), Failure> {
    let satellites = network(count).await?;
    let name = |what: &str| format!("dht_{what}_{count}");
    let dht = satellites[0].dht();
    // The first walks make the sessions.
    store(&dht, EACH, 24, AT_ONCE).await?;
    let (keys, rate) = store(&dht, EACH * count, 16, AT_ONCE).await?;
    figure(&name("store_per_s"), rate, "1/s")?;
    let fetchers: Vec<&Satellite> = (0..FETCHERS)
        .map(|at| &satellites[at * count / FETCHERS])
        .collect();
    let before = sent()?;
    let (rate, missing) = fetch(&fetchers, &keys, AT_ONCE).await?;
    figure(&name("fetch_per_s"), rate, "1/s")?;
    let fetched = (fetchers.len() * keys.len()) as f64;
    figure(&name("bytes_per_fetch"), (sent()? - before) / fetched, "B")?;
    figure(&name("fetch_missing"), missing as f64, "")?;

    let (mut times, mut hops) = (Vec::new(), 0);
    for at in 0..ALONE {
        let dht = satellites[at % count].dht();
        let key = keys[at * 7 % keys.len()];
        let start = now();
        dht.fetch(key, FetchOptions::default()).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if at < ALONE / 10 {
            let trace = dht.trace(key, FetchOptions::default()).await?;
            hops += trace
                .hops
                .iter()
                .filter(|hop| hop.outcome == "has the value")
                .map(|hop| hop.depth)
                .min()
                .unwrap_or(0);
        }
    }
    figure(&name("fetch_p50_ms"), percentile(&mut times, 50), "ms")?;
    figure(&name("fetch_p99_ms"), percentile(&mut times, 99), "ms")?;
    figure(&name("hops"), f64::from(hops) / (ALONE / 10) as f64, "")?;

    let (keys, rate) = store(&dht, LARGE, LARGE_BYTES, 4).await?;
    figure(&name("store_mib_per_s"), rate, "MiB/s")?;
    let (rate, missing) = fetch(&fetchers[1..3], &keys, 4).await?;
    figure(&name("fetch_mib_per_s"), rate, "MiB/s")?;
    figure(&name("fetch_large_missing"), missing as f64, "")?;
    for satellite in &satellites {
        satellite.shutdown(PATIENCE).await?;
    }
    Ok(())
}

/// Bytes that went over loopback, with all that TCP adds.
fn sent() -> Result<f64, Failure> {
    Ok(
        std::fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes")?
            .trim()
            .parse()?,
    )
}

/// Values of 1 KiB on the disk of two satellites, after which memory is looked at.
const ON_DISK: [usize; 2] = [2000, 20_000];

/// Memory of a process with two satellites that keep more and more values on the disk.
///
/// # Errors
/// They do not start, or a value cannot be stored.
pub async fn memory() -> Result<(), Failure> {
    let mut satellites: Vec<Satellite> = Vec::new();
    let folder = tempfile::tempdir()?;
    for number in 0..2 {
        let mut config = Config::new(RENDEZVOUS)
            .identity(key(number))
            .data_dir(folder.path().join(number.to_string()))
            .mdns(false)
            .listen("127.0.0.1:0")
            .runtime(Handle::current());
        if let Some(first) = satellites.first() {
            config = config.bootstrap(first.addresses().remove(0));
        }
        let satellite = Satellite::new(config)?;
        satellite.start().await?;
        satellites.push(satellite);
    }
    satellites[1].wait_connected(1, PATIENCE).await?;
    let dht = satellites[1].dht();
    dht.joined(PATIENCE).await?;
    let mut stored = 0;
    for count in ON_DISK {
        let fresh = stream::iter(stored..count)
            .map(|number| dht.store(content(number, 1024), StoreOptions::default()))
            .buffered(AT_ONCE);
        let _all: Vec<_> = fresh.try_collect().await?;
        stored = count;
        figure(
            &format!("dht_rss_mib_{count}_values"),
            super::cost::resident_mib()?,
            "MiB",
        )?;
    }
    for satellite in &satellites {
        satellite.shutdown(PATIENCE).await?;
    }
    Ok(())
}
