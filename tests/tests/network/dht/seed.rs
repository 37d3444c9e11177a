//! The seed's to-do list, each item by its name; what is tested elsewhere is listed in [`super`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use psfs_core::{
    Code, Config, Decision, DhtError, Event, Key, Kind, Role, Satellite, SignedOptions,
    StoreOptions, To,
};
use psfs_tests::{PATIENCE, config, soon, start, stop, until};

use super::{end, network, network_of, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_node_keeps_all_keys_it_finds() {
    let satellites = network_of("dht-mirror", 12, |number, config| {
        if number == 11 {
            config.dht_role(Role::Mirror)
        } else {
            config
        }
    })
    .await;
    let mirror = satellites[11].dht();
    let mut keys = Vec::new();
    for number in 0..20 {
        let dht = satellites[number % 11].dht();
        let stored = soon(
            "stored",
            dht.store(format!("mirrored {number}"), StoreOptions::default()),
        );
        keys.push(stored.await.unwrap().key());
    }
    // Who looks for a value asks those near to it; what the mirror is asked for it fetches, as soon as it has a hand free.
    let wanted = async {
        loop {
            let kept = mirror.keys(None, 100).unwrap();
            let missing = keys.iter().filter(|key| !kept.contains(key));
            let missing: Vec<Key> = missing.copied().collect();
            if missing.is_empty() {
                return;
            }
            for key in missing {
                let asked = satellites[0].dht().trace(key, quick()).await.unwrap();
                assert!(!asked.holders.is_empty(), "{asked:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the mirror has them all", wanted).await;
    assert_eq!(mirror.stored_keys().unwrap(), keys.len() as u64);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stores_and_fetches_and_keeps_nothing() {
    let satellites = network_of("dht-client", 4, |number, config| {
        if number == 3 {
            config.dht_role(Role::Client)
        } else {
            config
        }
    })
    .await;
    let client = satellites[3].dht();
    let stored = soon(
        "stored",
        client.store("by a phone", StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.nodes(), 3, "{:?}", stored.answers());
    let value = soon("fetched", client.fetch(stored.key(), quick()))
        .await
        .unwrap();
    assert_eq!(value.content(), "by a phone");
    assert_eq!(client.stored_keys().unwrap(), 0);
    // Nobody has it in the table, or offers it anything.
    let id = satellites[3].peer_id();
    let stored = soon(
        "stored",
        satellites[0]
            .dht()
            .store("by a node", StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.nodes(), 3, "{:?}", stored.answers());
    for satellite in &satellites[..3] {
        let rows = satellite.dht().routing_table();
        assert!(
            rows.iter()
                .all(|row| row.peer != id || row.state != "proved"),
            "{rows:?}"
        );
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_commands_are_answered_by_the_nodes_that_were_meant() {
    let satellites = network("dht-custom", 4).await;
    for (number, satellite) in satellites.iter().enumerate() {
        let handler = satellite.dht().on_custom(move |event| {
            let answer = format!("{number}: {}", String::from_utf8_lossy(event.content()));
            let responder = event.take_responder().unwrap();
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(responder.reply(answer))
                .unwrap();
            responder.end();
        });
        handler.unwrap();
    }
    let asker = satellites[0].dht();
    let second = Duration::from_secs(10);
    let answers = soon(
        "one",
        asker.custom(To::Peer(satellites[2].peer_id()), "ping", second),
    )
    .await
    .unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].answers.as_ref().unwrap(), &["2: ping"]);
    for to in [To::Neighbours, To::Closest(Key::of_name("x"))] {
        let answers = soon("many", asker.custom(to, "ping", second))
            .await
            .unwrap();
        let mut said: Vec<_> = answers
            .iter()
            .map(|answer| answer.answers.as_ref().unwrap()[0].clone())
            .collect();
        said.sort();
        assert_eq!(said, ["1: ping", "2: ping", "3: ping"]);
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reaches_every_node_once() {
    let satellites = network("dht-broadcast", 5).await;
    let heard = Arc::new(AtomicUsize::new(0));
    for satellite in &satellites[1..] {
        let count = Arc::clone(&heard);
        let handler = satellite.dht().on_broadcast(move |event| {
            assert_eq!(event.content(), "to all of you");
            count.fetch_add(1, Ordering::Relaxed);
        });
        handler.unwrap();
    }
    soon("told", satellites[0].dht().broadcast("to all of you"))
        .await
        .unwrap();
    until("all have heard it", || heard.load(Ordering::Relaxed) == 4).await;
    let error = satellites[0]
        .dht()
        .broadcast(vec![0; 61_441])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_tells_who_was_asked_and_who_has_it() {
    let satellites = network("dht-trace", 5).await;
    let stored = soon(
        "stored",
        satellites[0]
            .dht()
            .store("followed", StoreOptions::default()),
    )
    .await
    .unwrap();
    let trace = soon("traced", satellites[1].dht().trace(stored.key(), quick()))
        .await
        .unwrap();
    assert_eq!(trace.hops.len(), 4, "{trace:?}");
    assert!(
        trace
            .hops
            .iter()
            .all(|hop| hop.depth >= 1 && hop.took.is_some() && hop.outcome == "has the value"),
        "{trace:?}"
    );
    assert_eq!(trace.holders.len(), 5, "{trace:?}");
    assert_eq!(trace.closest.len(), 4);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_given_to_newly_connected() {
    let mut satellites = network("dht-join", 3).await;
    let mut keys = Vec::new();
    for number in 0..5 {
        let dht = satellites[0].dht();
        let stored = soon(
            "stored",
            dht.store(format!("before {number}"), StoreOptions::default()),
        );
        keys.push(stored.await.unwrap().key());
    }
    let config = config("dht-join", 3).bootstrap(satellites[0].addresses().remove(0));
    let late = start(config).await;
    let dht = late.dht();
    until("the new node keeps them, too", || {
        dht.stored_keys().unwrap() == 5
    })
    .await;
    assert_eq!(dht.keys(None, 100).unwrap().len(), 5);
    satellites.push(late);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cryptography_of_signed_values() {
    let satellites = network("dht-signed", 4).await;
    let author = satellites[0].dht();
    let reader = satellites[2].dht();
    let id = satellites[0].peer_id();
    let stored = soon(
        "stored",
        author.store_signed(b"profile", "one", SignedOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(
        (stored.key(), stored.sequence()),
        (Key::of_signed(&id, b"profile"), 1)
    );
    let value = soon("fetched", reader.fetch_signed(&id, b"profile", quick()))
        .await
        .unwrap();
    assert_eq!(
        (value.content().as_ref(), value.sequence(), value.kind()),
        (&b"one"[..], 1, Kind::Signed)
    );
    let stored = soon(
        "stored",
        author.store_signed(b"profile", "two", SignedOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.sequence(), 2);
    let error = soon(
        "old",
        author.store_signed(b"profile", "old", SignedOptions::default().sequence(1)),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    let error = soon(
        "swap",
        author.store_signed(b"profile", "swap", SignedOptions::default().if_sequence(7)),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    soon(
        "swap",
        author.store_signed(b"profile", "three", SignedOptions::default().if_sequence(2)),
    )
    .await
    .unwrap();
    let value = soon("fetched", reader.fetch_signed(&id, b"profile", quick()))
        .await
        .unwrap();
    assert_eq!(
        (value.content().as_ref(), value.sequence()),
        (&b"three"[..], 3)
    );
    soon(
        "deleted",
        author.delete(value.key(), StoreOptions::default()),
    )
    .await
    .unwrap();
    let error = soon("gone", reader.fetch(value.key(), quick()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cryptography_of_sealed_values() {
    let satellites = network("dht-sealed", 4).await;
    let (author, reader, other) = (
        satellites[0].dht(),
        satellites[1].dht(),
        satellites[2].dht(),
    );
    let recipient = satellites[1].peer_id();
    // Whether there is a session with it or not, its published key is enough.
    soon("published", reader.publish_key(StoreOptions::default()))
        .await
        .unwrap();
    let stored = soon(
        "stored",
        author.store_sealed(&recipient, "for you", StoreOptions::default()),
    )
    .await
    .unwrap();
    let value = soon("fetched", reader.fetch(stored.key(), quick()))
        .await
        .unwrap();
    let opened = reader.open(&value).await.unwrap();
    assert_eq!(
        (opened.content.as_ref(), opened.sender, opened.proved),
        (&b"for you"[..], satellites[0].peer_id(), false)
    );
    let value = soon("fetched", other.fetch(stored.key(), quick()))
        .await
        .unwrap();
    assert!(!value.content().windows(7).any(|part| part == b"for you"));
    let error = other.open(&value).await.unwrap_err();
    assert!(
        error.to_string().contains(&recipient.to_string()),
        "{error}"
    );

    let signed = SignedOptions::default().sealed_for(recipient);
    let stored = soon(
        "stored",
        author.store_signed(b"mail", "signed, too", signed),
    )
    .await
    .unwrap();
    let value = soon("fetched", reader.fetch(stored.key(), quick()))
        .await
        .unwrap();
    let opened = reader.open(&value).await.unwrap();
    assert_eq!(
        (opened.content.as_ref(), opened.proved),
        (&b"signed, too"[..], true)
    );

    let stored = soon(
        "stored",
        author.store("open to all", StoreOptions::default()),
    )
    .await
    .unwrap();
    let value = soon("fetched", reader.fetch(stored.key(), quick()))
        .await
        .unwrap();
    assert_eq!(
        reader.open(&value).await.unwrap_err().code(),
        Code::BadInput
    );
    let stranger = psfs_tests::key(99).peer_id();
    let error = soon(
        "no key",
        author.store_sealed(&stranger, "x", StoreOptions::default()),
    )
    .await
    .unwrap_err();
    assert_eq!(error, DhtError::NoKey(stranger));
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announce_store_before_actually_send() {
    let satellites = network("dht-announce", 3).await;
    let asked: Arc<Mutex<Vec<(u64, bool)>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let refusing = satellites[1].dht().on_store(move |offer| {
        seen.lock()
            .unwrap()
            .push((offer.size(), offer.content().is_some()));
        Decision::Refuse("not this one".into())
    });
    let _refusing = refusing.unwrap();
    let content = vec![7; 1_000_000];
    let stored = soon(
        "stored",
        satellites[0].dht().store(content, StoreOptions::default()),
    )
    .await
    .unwrap();
    assert_eq!(stored.nodes(), 2, "{:?}", stored.answers());
    // Asked by the announcement alone, and the content never came.
    assert_eq!(*asked.lock().unwrap(), [(1_000_000, false)]);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let at = |number: usize, config: Config| match number {
        1 => config.data_dir(folder.path()),
        _ => config,
    };
    let satellites = network_of("dht-disk", 2, at).await;
    let dht = satellites[0].dht();
    let small = dht.store("small", StoreOptions::default());
    let small = soon("stored", small).await.unwrap().key();
    let large = dht.store(vec![3; 300_000], StoreOptions::default());
    let large = soon("stored", large).await.unwrap().key();
    end(satellites).await;
    // A new process would find the same: nobody else is there, and nothing is left in memory.
    let again = start(at(1, config("dht-disk", 1))).await;
    assert_eq!(again.dht().stored_keys().unwrap(), 2);
    let value = soon("small", again.dht().fetch(small, quick())).await;
    assert_eq!(value.unwrap().content(), "small");
    let value = soon("large", again.dht().fetch(large, quick())).await;
    assert!(value.unwrap().content().iter().all(|byte| *byte == 3));
    stop(&[&again]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_spread_when_high_demand() {
    let satellites = network_of("dht-demand", 5, |number, config| match number {
        4 => config.dht_role(Role::Client),
        _ => config,
    })
    .await;
    let key = Key::of_content(b"wanted by many");
    let mut nearest: Vec<&Satellite> = satellites[..4].iter().collect();
    nearest.sort_by_key(|satellite| distance(satellite, &key));
    let near = nearest[0].dht();
    // The nearest does not want it when it is stored.
    let refuse = |_: &psfs_core::Offer| Decision::Refuse("not now".into());
    let refusing = near.on_store(refuse).unwrap();
    let author = nearest[3].dht();
    let stored = author.store("wanted by many", StoreOptions::default());
    assert_eq!(soon("stored", stored).await.unwrap().nodes(), 3);
    refusing.cancel();
    assert_eq!(near.stored_keys().unwrap(), 0);
    // Who passes it without finding the value leaves a copy there, as soon as it is wanted.
    let demand = async {
        while near.stored_keys().unwrap() == 0 {
            let fetched = satellites[4].dht().fetch(key, quick()).await.unwrap();
            assert_eq!(fetched.content(), "wanted by many");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("a copy is left on the way", demand).await;
    // For the life of a copy, not for the day that it was stored for.
    let copy = soon("the copy", near.fetch(key, quick())).await.unwrap();
    assert!(copy.expires_ms() - now_ms() <= 30 * 60 * 1000);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_expire() {
    let satellites = network("dht-expire", 3).await;
    let short = StoreOptions::default().lifetime(Duration::from_secs(1));
    let dht = satellites[0].dht();
    let stored = dht.store("soon gone", short);
    let key = soon("stored", stored).await.unwrap().key();
    let stored = dht.store("stays", StoreOptions::default());
    let stays = soon("stored", stored).await.unwrap().key();
    for satellite in &satellites {
        let dht = satellite.dht();
        let gone = async {
            while dht.fetch(key, quick()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            dht.fetch(key, quick()).await.unwrap_err()
        };
        let error = soon("gone", gone).await;
        assert_eq!(error.code(), Code::NotFound, "{error}");
        soon("stays", dht.fetch(stays, quick())).await.unwrap();
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debug_node_gets_all_infos_from_every_node() {
    let satellites = network("dht-debug", 4).await;
    // All but the last permit it.
    for satellite in &satellites[..3] {
        satellite.dht().permit_debug(true);
    }
    let mut feed = satellites[0].dht().debug().unwrap();
    let author = satellites[3].dht();
    let mut told = BTreeSet::new();
    let wanted: BTreeSet<_> = satellites[..3].iter().map(Satellite::peer_id).collect();
    let all = async {
        for number in 0.. {
            // Each time something happens at every node.
            let stored = author.store(format!("seen {number}"), StoreOptions::default());
            let key = stored.await.unwrap().key();
            let keeps = format!("keeps {key}");
            while let Ok(Some(line)) =
                tokio::time::timeout(Duration::from_millis(300), feed.next()).await
            {
                if line.line.starts_with(&keeps) {
                    told.insert(line.peer);
                }
            }
            if told.len() >= wanted.len() {
                return;
            }
        }
    };
    soon("all of them tell", all).await;
    assert_eq!(told, wanted);
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_unknown_response_when_many_ask_at_once() {
    let satellites = network("dht-responses", 2).await;
    let mut commands = satellites[1].dht().commands().unwrap();
    let answering = tokio::spawn(async move {
        // Two by two and the later first: no answer is at its question by its order.
        let mut waiting: Vec<Event> = Vec::new();
        while let Some(event) = commands.next().await {
            waiting.push(event);
            if waiting.len() == 2 {
                for event in waiting.drain(..).rev() {
                    event.reply(event.content().clone()).await.unwrap();
                    event.end().unwrap();
                }
            }
        }
    });
    let (asker, to) = (satellites[0].dht(), To::Peer(satellites[1].peer_id()));
    let asked = (0..200).map(|number| {
        let asker = asker.clone();
        async move {
            let question = format!("question {number}");
            let answers = asker.custom(to, question.clone(), PATIENCE).await.unwrap();
            assert_eq!(answers[0].answers.as_ref().unwrap(), &[question]);
        }
    });
    soon("all answered", futures::future::join_all(asked)).await;
    end(satellites).await;
    soon("ended", answering).await.unwrap();
}

fn distance(satellite: &Satellite, key: &Key) -> Vec<u8> {
    let place = Key::of_peer(&satellite.peer_id());
    let bytes = place.as_bytes().iter().zip(key.as_bytes());
    bytes.map(|(place, key)| place ^ key).collect()
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}
