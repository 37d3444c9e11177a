//! What is refused, by whom and why; and what becomes of who decides when another takes over, or at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use psfs_core::{Code, Decision, DhtError, Key, SignedOptions, StoreOptions, StoreOutcome};
use psfs_tests::{config, soon, start, stop};

use super::{end, network, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_refuse_and_says_why() {
    let satellites = network("dht-refuse", 4).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let refusing = satellites[3].dht().on_store(move |offer| {
        count.fetch_add(1, Ordering::Relaxed);
        if offer
            .content()
            .is_some_and(|content| content.starts_with(b"spam"))
        {
            Decision::Refuse("no spam here".into())
        } else {
            Decision::Keep
        }
    });
    let _refusing = refusing.unwrap();
    let stored = soon(
        "stored",
        satellites[0]
            .dht()
            .store("spam and eggs", StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.nodes(), 3, "{:?}", stored.answers());
    let refused = stored
        .answers()
        .iter()
        .find(|answer| answer.peer == satellites[3].peer_id())
        .unwrap();
    assert!(
        matches!(&refused.outcome, StoreOutcome::Refused { reason: psfs_core::Reason::Policy, text } if text == "no spam here"),
        "{refused:?}"
    );
    assert_eq!(satellites[3].dht().stored_keys().unwrap(), 0);
    let stored = soon(
        "stored",
        satellites[0]
            .dht()
            .store("ham and eggs", StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.nodes(), 4, "{:?}", stored.answers());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_refusing_lists_each_reason() {
    let satellites = network("dht-refuse-all", 3).await;
    let mut handlers = Vec::new();
    for (number, satellite) in satellites.iter().enumerate() {
        let handler = satellite
            .dht()
            .on_store(move |_| Decision::Refuse(format!("reason {number}")));
        handlers.push(handler.unwrap());
    }
    let error = soon(
        "refused",
        satellites[0]
            .dht()
            .store("unwanted", StoreOptions::default()),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), Code::Refused);
    for number in 0..3 {
        assert!(
            error.to_string().contains(&format!("reason {number}")),
            "{error}"
        );
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_has_its_own_errors() {
    let alone = start(config("dht-alone", 0)).await;
    let dht = alone.dht();
    assert_eq!(
        dht.store("", StoreOptions::default()).await.unwrap_err(),
        DhtError::Empty
    );
    assert_eq!(
        dht.store("x", StoreOptions::default()).await.unwrap_err(),
        DhtError::NoPeers
    );
    assert_eq!(
        dht.fetch(Key::of_name("x"), quick()).await.unwrap_err(),
        DhtError::NoPeers
    );
    let error = dht
        .store("x", StoreOptions::default().lifetime(Duration::ZERO))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("lifetime"), "{error}");
    let error = dht
        .store_signed(&[0; 65], "x", SignedOptions::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("salt"), "{error}");
    stop(&[&alone]).await;
    assert_eq!(
        dht.store("x", StoreOptions::default()).await.unwrap_err(),
        DhtError::Closed
    );
    let error = alone
        .send(
            &alone.peer_id(),
            "psfs.dht",
            "x",
            psfs_core::SendOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::BadNamespace, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_over_ends_the_one_before() {
    let satellite = start(config("dht-over", 0)).await;
    let mut first = satellite.dht().offers();
    let second = satellite.dht().offers();
    assert!(soon("ended", first.next()).await.is_none());
    drop(first);
    drop(second);
    stop(&[&satellite]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_satellite() {
    let satellites = network("dht-streams", 2).await;
    let dht = satellites[1].dht();
    let mut offers = dht.offers();
    let (mut commands, mut broadcasts) = (dht.commands().unwrap(), dht.broadcasts().unwrap());
    let author = satellites[0].clone();
    let storing =
        tokio::spawn(async move { author.dht().store("wanted?", StoreOptions::default()).await });
    let offer = soon("offered", offers.next()).await.unwrap();
    assert_eq!(offer.key(), Key::of_content(b"wanted?"));
    offer.refuse("not here");
    assert_eq!(soon("stored", storing).await.unwrap().unwrap().nodes(), 1);
    stop(&[&satellites[1]]).await;
    assert!(soon("ended", offers.next()).await.is_none());
    assert!(soon("ended", commands.next()).await.is_none());
    assert!(soon("ended", broadcasts.next()).await.is_none());
    assert_eq!(dht.commands().unwrap_err(), DhtError::Closed);
    assert_eq!(dht.broadcasts().unwrap_err(), DhtError::Closed);
    stop(&[&satellites[0]]).await;
}
