//! What comes back: large, named, signed and sealed values, their changes, and their end.

use psfs_core::{Code, DhtError, Key, SignedOptions, StoreOptions};
use psfs_tests::soon;

use super::{end, network, quick};

#[tokio::test(flavor = "multi_thread")]
async fn large_values_come_back_and_too_large_ones_are_refused_by_name() {
    let satellites = network("dht-large", 4).await;
    let content: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let stored = soon(
        "stored",
        satellites[0]
            .dht()
            .store(content.clone(), StoreOptions::default()),
    )
    .await
    .unwrap();
    assert!(stored.nodes() >= 3, "{:?}", stored.answers());
    for satellite in &satellites {
        let value = soon("fetched", satellite.dht().fetch(stored.key(), quick()))
            .await
            .unwrap();
        assert!(value.content() == &content[..]);
    }
    let over = vec![0; 5_000_001];
    let error = satellites[0]
        .dht()
        .store(over, StoreOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        DhtError::TooLarge {
            size: 5_000_001,
            limit: 5_000_000
        }
    );
    assert!(error.to_string().contains("max_item_size"), "{error}");
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_values_come_back_and_the_first_writer_has_the_name() {
    let satellites = network("dht-named", 4).await;
    let first = satellites[0].dht();
    let stored = soon(
        "stored",
        first.store_named("filename", "one", StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.key(), Key::of_name("filename"));
    let value = soon(
        "fetched",
        satellites[2].dht().fetch_named("filename", quick()),
    )
    .await
    .unwrap();
    assert_eq!(value.content(), "one");
    assert_eq!(value.publisher(), &satellites[0].peer_id());
    let error = soon(
        "taken",
        satellites[1]
            .dht()
            .store_named("filename", "two", StoreOptions::default()),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    soon(
        "replaced",
        first.store_named("filename", "three", StoreOptions::default()),
    )
    .await
    .unwrap();
    let value = soon(
        "fetched",
        satellites[3].dht().fetch_named("filename", quick()),
    )
    .await
    .unwrap();
    assert_eq!(value.content(), "three");
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_tells_of_each_change() {
    let satellites = network("dht-watch", 4).await;
    let author = satellites[0].dht();
    let key = Key::of_signed(&satellites[0].peer_id(), b"");
    let mut watch = satellites[1].dht().watch(key).unwrap();
    for round in 1..=3_u64 {
        let content = format!("round {round}");
        soon(
            "stored",
            author.store_signed(b"", content.clone(), SignedOptions::default()),
        )
        .await
        .unwrap();
        let value = soon("told", watch.next()).await.unwrap();
        assert_eq!(
            (value.content().as_ref(), value.sequence()),
            (content.as_bytes(), round)
        );
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_leaves_no_copy_behind() {
    let satellites = network("dht-delete", 3).await;
    let (author, other) = (satellites[0].dht(), satellites[1].dht());
    let stored = soon("stored", author.store("gone", StoreOptions::default()))
        .await
        .unwrap();
    let key = stored.key();
    assert_eq!(stored.nodes(), 3, "{:?}", stored.answers());
    let error = soon("refused", other.delete(key, StoreOptions::default()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Refused, "{error}");
    let deleted = soon("deleted", author.delete(key, StoreOptions::default()))
        .await
        .unwrap();
    assert_eq!(deleted.nodes(), 3, "{:?}", deleted.answers());
    for satellite in &satellites {
        assert_eq!(satellite.dht().stored_keys().unwrap(), 0);
        let error = soon("gone", satellite.dht().fetch(key, quick()))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
    }
    end(satellites).await;
}
