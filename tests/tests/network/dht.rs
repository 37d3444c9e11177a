//! The DHT between whole satellites: what is stored is fetched from everywhere, nodes may refuse, and each bad input has its own error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use psfs_core::{
    Code, Config, Decision, DhtError, FetchOptions, Key, Kind, Role, Satellite, SignedOptions,
    StoreOptions, StoreOutcome, To,
};
use psfs_tests::{config, soon, start, stop, until};

/// A network in which everybody has met everybody.
async fn network(rendezvous: &str, count: usize) -> Vec<Satellite> {
    network_of(rendezvous, count, |_, config| config).await
}

async fn network_of(
    rendezvous: &str,
    count: usize,
    with: impl Fn(usize, Config) -> Config,
) -> Vec<Satellite> {
    let mut satellites: Vec<Satellite> = Vec::new();
    for number in 0..count {
        let mut config = config(rendezvous, number).peers(8, 128);
        if let Some(first) = satellites.first() {
            config = config.bootstrap(first.addresses().remove(0));
        }
        satellites.push(start(with(number, config)).await);
    }
    until("all have met", || {
        satellites
            .iter()
            .all(|satellite| satellite.peers().len() >= count - 1)
    })
    .await;
    satellites
}

async fn end(satellites: Vec<Satellite>) {
    stop(&satellites.iter().collect::<Vec<_>>()).await;
}

fn quick() -> FetchOptions {
    FetchOptions::default().deadline(Duration::from_secs(10))
}

#[tokio::test(flavor = "multi_thread")]
async fn dht_stress_every_value_comes_back_from_every_node() {
    let satellites = network("dht-stress", 10).await;
    let mut keys = Vec::new();
    for (number, satellite) in satellites.iter().enumerate() {
        for value in 0..10 {
            let content = format!("value {value} of {number}");
            let stored = soon(
                "stored",
                satellite
                    .dht()
                    .store(content.clone(), StoreOptions::default()),
            )
            .await;
            let stored = stored.unwrap();
            assert_eq!(stored.key(), Key::of_content(content.as_bytes()));
            assert!(stored.nodes() >= 8, "{:?}", stored.answers());
            keys.push((stored.key(), content));
        }
    }
    for satellite in &satellites {
        for (key, content) in &keys {
            let value = soon("fetched", satellite.dht().fetch(*key, quick()))
                .await
                .unwrap();
            assert_eq!(value.content(), content);
            assert_eq!(value.kind(), Kind::Plain);
        }
    }
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dht_large_values_come_back_and_too_large_ones_are_refused_by_name() {
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
async fn dht_a_node_may_refuse_and_says_why() {
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
async fn dht_everyone_refusing_lists_each_reason() {
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
async fn dht_named_values_come_back_and_the_first_writer_has_the_name() {
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
async fn dht_signed_values_are_replaced_by_newer_ones_only() {
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
async fn dht_watch_tells_of_each_change() {
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
async fn dht_bad_input_has_its_own_errors() {
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
async fn dht_sealed_values_are_read_by_one_peer_only() {
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
async fn dht_a_client_stores_and_fetches_and_keeps_nothing() {
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
async fn dht_a_mirror_keeps_what_it_hears_of() {
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
    // Who looks for a value asks those near to it; what the mirror is asked for it fetches.
    for key in &keys {
        soon("asked", satellites[0].dht().trace(*key, quick()))
            .await
            .unwrap();
        soon("fetched", mirror.fetch(*key, quick())).await.unwrap();
    }
    until("the mirror has them all", || {
        mirror.stored_keys().unwrap() == keys.len() as u64
    })
    .await;
    end(satellites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dht_custom_commands_are_answered_by_the_nodes_that_were_meant() {
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
async fn dht_a_broadcast_reaches_every_node_once() {
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
async fn dht_a_trace_tells_who_was_asked_and_who_has_it() {
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
async fn dht_a_new_node_that_is_nearer_gets_what_is_kept_elsewhere() {
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
async fn dht_a_handler_that_takes_over_ends_the_one_before() {
    let satellite = start(config("dht-over", 0)).await;
    let mut first = satellite.dht().offers();
    let second = satellite.dht().offers();
    assert!(soon("ended", first.next()).await.is_none());
    drop(first);
    drop(second);
    stop(&[&satellite]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dht_streams_end_with_the_satellite() {
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

#[tokio::test(flavor = "multi_thread")]
async fn dht_deleting_leaves_no_copy_behind() {
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
