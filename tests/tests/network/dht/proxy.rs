//! Satellites that reach one node only, which stores and fetches for them.

use psfs_core::{Code, Faults, Key, Role, Satellite, SignedOptions, StoreOptions};
use psfs_tests::{config, connected, key, soon, start, until};

use super::{end, network_of, quick};

/// A network of nodes, and a client whose line to all but the first is cut: as behind a NAT.
async fn behind(rendezvous: &str, nodes: usize) -> (Vec<Satellite>, Satellite) {
    let faults = Faults::new(1);
    let client = key(nodes).peer_id();
    let at = faults.clone();
    let with = move |number: usize, config: psfs_core::Config| {
        if number > 0 {
            at.partition(&key(number).peer_id(), &client);
        }
        config.faults(at.clone())
    };
    let satellites = network_of(rendezvous, nodes, with).await;
    let config = config(rendezvous, nodes)
        .faults(faults)
        .dht_role(Role::Client)
        .bootstrap(satellites[0].addresses().remove(0));
    let client = start(config).await;
    until("it has the one session", || {
        connected(&client, &satellites[0])
    })
    .await;
    (satellites, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_one_session_stores_and_fetches_through_a_proxy_node() {
    let (mut satellites, client) = behind("dht-proxy", 12).await;
    satellites[0].dht().permit_proxy(true);
    let dht = client.dht();
    for number in 0..3 {
        // More than one of them is not for the first node to keep.
        let content = format!("from behind {number}");
        let stored = soon(
            "stored",
            dht.store(content.clone(), StoreOptions::default()),
        );
        let stored = stored.await.unwrap();
        assert_eq!(stored.proxy(), Some(&satellites[0].peer_id()));
        assert!(stored.nodes() >= 8, "{:?}", stored.answers());
        let other = satellites[7].dht();
        let value = soon("fetched", other.fetch(stored.key(), quick())).await;
        let value = value.unwrap();
        assert_eq!(
            (value.content().as_ref(), value.publisher()),
            (content.as_bytes(), &client.peer_id())
        );

        let content = format!("from before {number}");
        let stored = soon(
            "stored",
            other.store(content.clone(), StoreOptions::default()),
        );
        let key = stored.await.unwrap().key();
        let value = soon("fetched", dht.fetch(key, quick())).await.unwrap();
        assert_eq!(value.content(), content.as_bytes());
    }
    let sign = |content: &'static str| dht.store_signed(b"", content, SignedOptions::default());
    soon("signed", sign("one")).await.unwrap();
    assert_eq!(soon("signed", sign("two")).await.unwrap().sequence(), 2);
    let key = Key::of_signed(&client.peer_id(), b"");
    let value = soon("fetched", dht.fetch(key, quick())).await.unwrap();
    assert_eq!(
        (value.content().as_ref(), value.sequence()),
        (&b"two"[..], 2)
    );
    soon("deleted", dht.delete(key, StoreOptions::default()))
        .await
        .unwrap();
    for reader in [&dht, &satellites[5].dht()] {
        let error = soon("gone", reader.fetch(key, quick())).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
    }
    satellites.push(client);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proxy_node_a_client_with_one_session_has_what_that_keeps() {
    let (mut satellites, client) = behind("dht-no-proxy", 3).await;
    let dht = client.dht();
    let stored = soon("stored", dht.store("kept by one", StoreOptions::default()));
    let stored = stored.await.unwrap();
    assert_eq!(
        (stored.nodes(), stored.proxy()),
        (1, None),
        "{:?}",
        stored.answers()
    );
    let value = soon("fetched", dht.fetch(stored.key(), quick())).await;
    assert_eq!(value.unwrap().content(), "kept by one");
    let error = soon("nothing", dht.fetch(Key::of_name("nothing"), quick())).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    satellites.push(client);
    end(satellites).await;
}
