//! Real networks of up to a thousand satellites in this process, beside the model of `core/src/proto/dht/sim`: the same values stored and fetched, and
//! the same columns. They take minutes and gigabytes: `make sim` runs them.
//!
//! All are on one runtime and talk over memory, with sessions to few: what they do not have a session with they connect to when a walk leads
//! there, which is what the model does not count.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use psfs_core::{Config, FetchOptions, Key, Satellite, StoreOptions};
use psfs_tests::{PATIENCE, key, soon};
use tokio::runtime::Handle;

/// Values that are stored, and how often each is fetched.
const VALUES: usize = 100;
const TIMES: usize = 2;
/// Satellites started at once, and calls under way while they are not measured.
const AT_ONCE: usize = 8;
/// How long a network may take to grow: a thousand on two cores open tens of thousands of sessions for that.
const GROWING: Duration = Duration::from_secs(900);
/// Sessions that each keeps.
const LOW: usize = 6;
const HIGH: usize = 24;

/// Somebody, by a sum that is the same every time.
fn anybody(number: usize, of: usize) -> usize {
    number.wrapping_mul(2_654_435_761) % of
}

async fn satellite(rendezvous: &str, number: usize, bootstrap: Option<String>) -> Satellite {
    let mut config = Config::new(rendezvous)
        .identity(key(number))
        .mdns(false)
        .listen("/memory/0")
        .peers(LOW, HIGH)
        .runtime(Handle::current());
    if let Some(address) = bootstrap {
        config = config.bootstrap(address);
    }
    psfs_tests::start(config).await
}

/// A network into which all have come through one of those before.
async fn grown(count: usize) -> Vec<Satellite> {
    let rendezvous = format!("dht-real-{count}");
    let mut satellites = vec![satellite(&rendezvous, 0, None).await];
    while satellites.len() < count {
        let first = satellites.len();
        let more = stream::iter(first..count.min(first + AT_ONCE)).map(|number| {
            let before = &satellites[anybody(number, first)];
            satellite(&rendezvous, number, Some(before.addresses().remove(0)))
        });
        let more: Vec<_> = more.buffered(AT_ONCE).collect().await;
        satellites.extend(more);
    }
    // Each walks once as an application would: towards itself, which fills its table.
    let all = satellites.iter().map(|satellite| {
        let dht = satellite.dht();
        async move {
            dht.joined(PATIENCE).await.unwrap();
            let own = Key::of_peer(&satellite.peer_id());
            let _walked = dht.trace(own, FetchOptions::default()).await;
        }
    });
    let count = stream::iter(all).buffer_unordered(AT_ONCE * 4).count();
    let _walks = tokio::time::timeout(GROWING, count)
        .await
        .expect("all have walked");
    satellites
}

fn percentile(took: &mut [Duration], percent: usize) -> f64 {
    took.sort_unstable();
    let at = took.get(took.len() * percent / 100);
    at.copied().unwrap_or_default().as_secs_f64() * 1000.0
}

/// Memory that this process has in use, in MiB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or_default() / 1024.0
}

async fn real(count: usize) {
    // Made before, so that nobody waits for another's key.
    let _made = key(count);
    let (before, began) = (memory(), Instant::now());
    let satellites = grown(count).await;
    let grew = began.elapsed();
    let each = (memory() - before) / count as f64;
    let sessions: usize = satellites
        .iter()
        .map(|satellite| {
            satellite
                .peers()
                .iter()
                .filter(|peer| peer.state == psfs_core::PeerState::Connected)
                .count()
        })
        .sum();
    println!(
        "real,{count},grown in {:.0} s; {each:.1} MiB and {:.1} sessions each",
        grew.as_secs_f64(),
        sessions as f64 / count as f64
    );

    // What the model counts as right of a store: how many of the eight that really are the nearest were found.
    let places: Vec<Key> = satellites
        .iter()
        .map(|satellite| Key::of_peer(&satellite.peer_id()))
        .collect();
    let distance = |place: &Key, key: &Key| -> Vec<u8> {
        let bytes = place.as_bytes().iter().zip(key.as_bytes());
        bytes.map(|(place, key)| place ^ key).collect()
    };
    let (mut took, mut keys, mut right) = (Vec::new(), Vec::new(), 0);
    for number in 0..VALUES {
        let dht = satellites[anybody(number, count)].dht();
        let content = format!("value {number} of {count}");
        let began = Instant::now();
        let stored = dht.store(content.clone(), StoreOptions::default()).await;
        let stored = stored.unwrap();
        took.push(began.elapsed());
        let key = stored.key();
        let mut nearest = places.clone();
        nearest.sort_by_cached_key(|place| distance(place, &key));
        let keeps = |place: &&Key| {
            let mut kept = stored
                .answers()
                .iter()
                .filter(|answer| answer.outcome.keeps());
            kept.any(|answer| Key::of_peer(&answer.peer) == **place)
        };
        right += nearest.iter().take(8).filter(keeps).count();
        keys.push((key, content));
    }
    println!(
        "real,{count},store,{VALUES},,,,{:.0},{:.0},{:.1}",
        percentile(&mut took, 50),
        percentile(&mut took, 99),
        100.0 * right as f64 / (8 * VALUES) as f64
    );

    let (mut took, mut right) = (Vec::new(), 0);
    let (mut hops, mut most, mut asked) = (0, 0, 0);
    for (number, (key, content)) in keys.iter().cycle().take(VALUES * TIMES).enumerate() {
        let dht = satellites[anybody(number + 7919, count)].dht();
        // Before the fetch, which leaves a copy on its way.
        let trace = dht.trace(*key, FetchOptions::default()).await.unwrap();
        let has = |hop: &&psfs_core::Hop| hop.outcome == "has the value";
        let depth = trace.hops.iter().filter(has).map(|hop| hop.depth).min();
        hops += depth.unwrap_or(0);
        most = most.max(depth.unwrap_or(0));
        asked += trace.hops.len();
        let began = Instant::now();
        let value = dht.fetch(*key, FetchOptions::default()).await;
        took.push(began.elapsed());
        right += usize::from(value.is_ok_and(|value| value.content() == content.as_bytes()));
    }
    let walks = VALUES * TIMES;
    println!(
        "real,{count},fetch,{walks},{:.2},{most},{:.1},{:.0},{:.0},{:.1}",
        f64::from(hops) / walks as f64,
        asked as f64 / walks as f64,
        percentile(&mut took, 50),
        percentile(&mut took, 99),
        100.0 * right as f64 / walks as f64
    );
    assert!(right == walks, "{right} of {walks}");
    let ending = satellites
        .iter()
        .map(|satellite| satellite.shutdown(PATIENCE));
    let ended = stream::iter(ending).buffer_unordered(AT_ONCE * 4).count();
    soon("all have ended", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: run by make sim"]
async fn real_networks_of_100() {
    real(100).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: run by make sim"]
async fn real_networks_of_300() {
    real(300).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes and gigabytes: run by make sim"]
async fn real_networks_of_1000() {
    real(1000).await;
}
