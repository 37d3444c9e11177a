//! The seed's own stress: networks in one process, ten values from every node, each fetched from every node, none missing. Those over 20
//! nodes take minutes: `make sim` runs them.

use std::time::Instant;

use futures::StreamExt;
use futures::stream;
use psfs_core::{Key, Kind, StoreOptions};
use psfs_tests::soon;

use super::{end, network, quick};

/// Values that each node stores.
const VALUES: usize = 10;
/// Fetches under way at once, of one node.
const AT_ONCE: usize = 8;

async fn stress(count: usize) {
    let satellites = network(&format!("dht-stress-{count}"), count).await;
    let began = Instant::now();
    let mut keys = Vec::new();
    for (number, satellite) in satellites.iter().enumerate() {
        for value in 0..VALUES {
            let content = format!("value {value} of {number}");
            let dht = satellite.dht();
            let stored = dht.store(content.clone(), StoreOptions::default());
            let stored = soon("stored", stored).await.unwrap();
            assert_eq!(stored.key(), Key::of_content(content.as_bytes()));
            let wanted = count.min(8);
            assert!(stored.nodes() >= wanted, "{:?}", stored.answers());
            keys.push((stored.key(), content));
        }
    }
    let stored = began.elapsed();
    for satellite in &satellites {
        let dht = satellite.dht();
        let fetch = |(key, content): &(Key, String)| {
            let (dht, key, content) = (dht.clone(), *key, content.clone());
            async move {
                let value = soon("fetched", dht.fetch(key, quick())).await.unwrap();
                assert_eq!(
                    (value.content().as_ref(), value.kind()),
                    (content.as_bytes(), Kind::Plain)
                );
            }
        };
        let fetched = stream::iter(&keys).map(fetch).buffer_unordered(AT_ONCE);
        assert_eq!(fetched.count().await, count * VALUES);
    }
    println!(
        "stress,{count},stored {} in {:.1} s,fetched {} in {:.1} s,none missing",
        keys.len(),
        stored.as_secs_f64(),
        keys.len() * count,
        (began.elapsed() - stored).as_secs_f64()
    );
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stress_of_5() {
    stress(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stress_of_10() {
    stress(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stress_of_20() {
    stress(20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: run by make sim"]
async fn stress_of_50() {
    stress(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: run by make sim"]
async fn stress_of_75() {
    stress(75).await;
}
