use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::proto::dht::value::{Kind, SALT_MAX, SignedProof};

fn a_key() -> impl Strategy<Value = Key> + Clone {
    any::<[u8; 32]>().prop_map(Key::from_bytes)
}

fn a_peer() -> impl Strategy<Value = PeerId> {
    any::<[u8; 32]>().prop_map(|digest| {
        let mut id = [0x12; 34];
        id[1] = 0x20;
        id[2..].copy_from_slice(&digest);
        PeerId::from_bytes(&id).unwrap()
    })
}

fn some_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn an_entry() -> impl Strategy<Value = Entry> {
    let proof = (
        vec(any::<u8>(), 1..=PUBLIC_KEY_MAX),
        some_bytes(SALT_MAX),
        any::<bool>(),
        vec(any::<u8>(), 1..=SIGNATURE_MAX),
        any::<u64>(),
    )
        .prop_map(|(public_key, salt, deleted, signature, sequence)| {
            let proof = SignedProof {
                public_key: public_key.into(),
                salt,
                deleted,
                signature: signature.into(),
            };
            (Kind::Signed, sequence, Some(proof))
        });
    let kind = prop_oneof![
        Just((Kind::Plain, 0, None)),
        Just((Kind::Raw, 0, None)),
        proof
    ];
    (
        a_key(),
        kind,
        any::<u64>(),
        any::<Root>(),
        a_peer(),
        any::<u64>(),
    )
        .prop_map(
            |(key, (kind, sequence, proof), size, root, publisher, expires_ms)| Entry {
                key,
                kind,
                size,
                root,
                publisher,
                expires_ms,
                sequence,
                proof,
            },
        )
}

fn some_nodes() -> impl Strategy<Value = Vec<Node>> {
    let addresses = vec("[ -~]{0,256}".prop_map(Arc::from), 0..=ADDRESSES_PER_PEER);
    let node = (a_peer(), addresses).prop_map(|(peer, addresses)| Node { peer, addresses });
    vec(node, 0..=NODES_MAX)
}

fn a_why() -> impl Strategy<Value = Why> {
    prop_oneof![
        Just(Why::Store),
        Just(Why::Republish),
        Just(Why::HandOver),
        Just(Why::Cache)
    ]
}

fn an_ask() -> impl Strategy<Value = Ask> {
    let rooted = (a_key(), any::<Root>());
    let offer = (
        an_entry(),
        option::of(some_bytes(100)),
        any::<Nonce>(),
        a_why(),
        any::<Option<u64>>(),
    );
    let put = (
        an_entry(),
        some_bytes(5000),
        any::<Nonce>(),
        a_why(),
        any::<Option<u64>>(),
    );
    prop_oneof![
        (a_key(), any::<bool>(), any::<u32>()).prop_map(|(key, value, inline)| Ask::Find(Find {
            key,
            value,
            inline
        })),
        offer.prop_map(
            |(entry, content, nonce, why, if_sequence)| Ask::Offer(Offer {
                entry,
                content,
                nonce,
                why,
                if_sequence
            })
        ),
        put.prop_map(|(entry, content, nonce, why, if_sequence)| Ask::Put(Put {
            entry,
            content,
            nonce,
            why,
            if_sequence
        })),
        rooted
            .clone()
            .prop_map(|(key, root)| Ask::Get { key, root }),
        (rooted.clone(), any::<u64>(), 0..=CHALLENGE_MAX).prop_map(
            |((key, root), offset, length)| Ask::Challenge(Challenge {
                key,
                root,
                offset,
                length
            })
        ),
        rooted.prop_map(|(key, root)| Ask::Forget { key, root }),
        (a_key(), any::<u64>()).prop_map(|(key, newer_than)| Ask::Watch { key, newer_than }),
        a_key().prop_map(Ask::Fetch),
        (an_entry(), some_bytes(5000), any::<Option<u64>>()).prop_map(
            |(entry, content, if_sequence)| Ask::Store(Store {
                entry,
                content,
                if_sequence
            })
        ),
    ]
}

fn a_receipt() -> impl Strategy<Value = Receipt> {
    (an_entry(), any::<Nonce>(), a_peer(), any::<u64>())
        .prop_map(|(entry, nonce, node, time_ms)| Receipt::new(&entry, nonce, node, time_ms))
}

fn a_kept() -> impl Strategy<Value = Fate> {
    let refused = (0..Reason::ALL.len(), "[ -~]{0,256}");
    prop_oneof![
        Just(Fate::Kept),
        Just(Fate::Had),
        refused.prop_map(|(reason, text)| Fate::Refused(Reason::ALL[reason], text)),
        "[ -~]{0,256}".prop_map(Fate::Failed),
    ]
}

fn an_answer() -> impl Strategy<Value = Answer> {
    let found = (
        some_nodes(),
        option::of(an_entry()),
        option::of(some_bytes(100)),
    );
    let refused = (0..Reason::ALL.len(), "[ -~]{0,256}", some_nodes());
    let verdict = prop_oneof![
        Just(Verdict::Accept),
        a_receipt().prop_map(Verdict::Have),
        refused.prop_map(|(reason, text, nodes)| Verdict::Refused {
            reason: Reason::ALL[reason],
            text,
            nodes
        }),
        a_receipt().prop_map(Verdict::Receipt),
        (a_key(), some_nodes()).prop_map(|(key, nodes)| Verdict::NotFound { key, nodes }),
        a_key().prop_map(|key| Verdict::Forgotten { key }),
    ];
    prop_oneof![
        found.prop_map(|(nodes, entry, content)| Answer::Found(Found {
            nodes,
            entry,
            content
        })),
        verdict.prop_map(Answer::Verdict),
        (an_entry(), some_bytes(5000))
            .prop_map(|(entry, content)| Answer::Content { entry, content }),
        some_bytes(1000).prop_map(Answer::Slice),
        vec((a_peer(), a_kept()), 0..OUTCOMES_MAX).prop_map(|outcomes| {
            let outcome = |(peer, kept)| Outcome { peer, kept };
            Answer::Stored(outcomes.into_iter().map(outcome).collect())
        }),
    ]
}

proptest! {
    #[test]
    fn asks_arrive_as_they_were_sent(ask in an_ask(), serves: bool) {
        prop_assert_eq!(Ask::decode(ask.encode(serves)), Ok((ask, serves)));
    }

    #[test]
    fn answers_arrive_as_they_were_sent(answer in an_answer()) {
        prop_assert_eq!(Answer::decode(answer.encode()), Ok(answer));
    }

    #[test]
    fn foreign_bytes_do_no_harm(
        ask in an_ask(),
        answer in an_answer(),
        at: prop::sample::Index,
        byte: u8,
        noise in vec(any::<u8>(), 0..200),
    ) {
        for bytes in [ask.encode(true), answer.encode(), noise.into()] {
            let mut changed = bytes.to_vec();
            if !changed.is_empty() {
                let at = at.index(changed.len());
                changed[at] = byte;
            }
            for bytes in [changed.into(), bytes.slice(..at.index(bytes.len() + 1))] {
                if let Ok((ask, serves)) = Ask::decode(bytes.clone()) {
                    prop_assert_eq!(Ask::decode(ask.encode(serves)), Ok((ask, serves)));
                }
                if let Ok(answer) = Answer::decode(bytes) {
                    prop_assert_eq!(Answer::decode(answer.encode()), Ok(answer));
                }
            }
        }
    }
}

fn peer(fill: u8) -> PeerId {
    let mut id = [fill; 34];
    id[..2].copy_from_slice(&[0x12, 0x20]);
    PeerId::from_bytes(&id).unwrap()
}

fn node(fill: u8) -> Node {
    Node {
        peer: peer(fill),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
    }
}

fn found(nodes: Vec<Node>) -> Answer {
    Answer::Found(Found {
        nodes,
        ..Default::default()
    })
}

#[test]
fn a_content_is_a_slice_of_what_came() {
    let content = Bytes::from(vec![7; 100_000]);
    let entry = Entry::plain(&content, peer(1), 1);
    let put = Ask::Put(Put {
        entry: entry.clone(),
        content: content.clone(),
        nonce: [0; 16],
        why: Why::Store,
        if_sequence: None,
    });
    let came = put.encode(true);
    let Ok((Ask::Put(put), true)) = Ask::decode(came.clone()) else {
        panic!("a put")
    };
    assert!(came.as_ptr_range().contains(&put.content.as_ptr()));
    let came = Answer::Content { entry, content }.encode();
    let Ok(Answer::Content { content, .. }) = Answer::decode(came.clone()) else {
        panic!("a content")
    };
    assert!(came.as_ptr_range().contains(&content.as_ptr()));
}

#[test]
fn of_too_much_the_first_is_told() {
    let many = Node {
        addresses: (0..100)
            .map(|i| {
                if i == 1 {
                    "/".repeat(257)
                } else {
                    format!("/{i}")
                }
                .into()
            })
            .collect(),
        ..node(1)
    };
    let Ok(Answer::Found(told)) = Answer::decode(found(vec![many; 100]).encode()) else {
        panic!("found")
    };
    assert_eq!(told.nodes.len(), NODES_MAX);
    let addresses: Vec<&str> = told.nodes[0].addresses.iter().map(AsRef::as_ref).collect();
    assert_eq!(addresses, ["/0", "/2", "/3", "/4", "/5", "/6", "/7", "/8"]);

    let refused = Verdict::Refused {
        reason: Reason::Policy,
        text: "é".repeat(200),
        nodes: Vec::new(),
    };
    let Ok(Answer::Verdict(Verdict::Refused { text, .. })) =
        Answer::decode(Answer::Verdict(refused).encode())
    else {
        panic!("refused")
    };
    assert_eq!(text, "é".repeat(128));
}

fn found_with(nodes: Vec<wire::DhtNode>) -> Result<Answer, Malformed> {
    let found = wire::DhtFound {
        nodes: wire::DhtNodes { nodes }.encode_to_vec().into(),
        ..Default::default()
    };
    let reply = wire::DhtReply {
        reply: Some(wire::dht_reply::Reply::Found(found)),
    };
    Answer::decode(reply.encode_to_vec().into())
}

#[test]
fn who_tells_too_much_is_not_heard() {
    let one = |addresses: usize, length: usize| wire::DhtNode {
        peer: bytes(peer(1).as_bytes()),
        addresses: vec!["/".repeat(length); addresses],
    };
    assert!(found_with(vec![one(8, 256); 20]).is_ok());
    let bound = |answer: Result<Answer, Malformed>| match answer {
        Err(Malformed::Bound { what, got, .. }) => (what, got),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        bound(found_with(vec![one(1, 1); 21])),
        ("list of nodes", 21)
    );
    assert_eq!(bound(found_with(vec![one(9, 1)])), ("list of addresses", 9));
    assert_eq!(bound(found_with(vec![one(1, 257)])), ("address", 257));
    // Millions of empty nodes are two bytes each: not even counted.
    let (what, got) = bound(found_with(vec![wire::DhtNode::default(); 100_000]));
    assert_eq!((what, got), ("list of nodes", 200_000));
    let nobody = wire::DhtNode {
        peer: Bytes::from_static(b"nobody"),
        ..one(1, 1)
    };
    assert_eq!(found_with(vec![nobody]), Err(Malformed::Field("node")));
    let text = wire::DhtVerdict {
        status: wire::DhtStatus::Refused as i32,
        reason: 1,
        text: "x".repeat(257),
        ..Default::default()
    };
    assert!(matches!(
        Verdict::of_wire(text),
        Err(Malformed::Bound { what: "text", .. })
    ));
}

#[test]
fn of_what_nodes_answered_to_a_proxy_so_much_is_told_and_heard() {
    let outcome = |text: String| Outcome {
        peer: peer(1),
        kept: Fate::Failed(text),
    };
    let told = Answer::Stored(vec![outcome("é".repeat(TEXT_MAX)); OUTCOMES_MAX + 1]);
    let cut = Answer::Stored(vec![outcome("é".repeat(TEXT_MAX / 2)); OUTCOMES_MAX]);
    assert_eq!(Answer::decode(told.encode()), Ok(cut));

    let heard = |count: usize, outcome: wire::DhtOutcome| {
        let outcomes = vec![outcome; count];
        let outcomes = wire::DhtOutcomes { outcomes }.encode_to_vec().into();
        let reply = wire::dht_reply::Reply::Stored(wire::DhtStored { outcomes });
        Answer::decode(wire::DhtReply { reply: Some(reply) }.encode_to_vec().into())
    };
    let sound = wire::DhtOutcome {
        peer: peer(1).as_bytes().to_vec().into(),
        status: wire::DhtStatus::Receipt as i32,
        ..Default::default()
    };
    assert!(heard(OUTCOMES_MAX, sound.clone()).is_ok());
    let too_many = heard(OUTCOMES_MAX + 1, sound.clone());
    assert!(
        matches!(too_many, Err(Malformed::Bound { .. })),
        "{too_many:?}"
    );
    let wrong = [
        wire::DhtOutcome {
            text: "x".repeat(TEXT_MAX + 1),
            ..sound.clone()
        },
        wire::DhtOutcome {
            status: wire::DhtStatus::Accept as i32,
            ..sound.clone()
        },
        wire::DhtOutcome {
            status: wire::DhtStatus::Refused as i32,
            ..sound.clone()
        },
        wire::DhtOutcome {
            peer: Bytes::from_static(b"nobody"),
            ..sound
        },
    ];
    for (number, outcome) in wrong.into_iter().enumerate() {
        assert!(heard(1, outcome).is_err(), "case {number}");
    }
}

#[test]
fn an_entry_has_all_of_its_fields_and_none_of_another_kind() {
    let plain = to_wire(&Entry::plain(b"x", peer(1), 1));
    let signed = wire::DhtEntry {
        kind: wire::DhtKind::Signed as i32,
        public_key: Bytes::from_static(b"key"),
        signature: Bytes::from_static(b"signature"),
        ..plain.clone()
    };
    assert!(of_wire(plain.clone()).is_ok() && of_wire(signed.clone()).is_ok());
    type Change = fn(&mut wire::DhtEntry);
    let both: [Change; 7] = [
        |entry| entry.kind = 3,
        |entry| entry.kind = -1,
        |entry| entry.key = Bytes::new(),
        |entry| entry.key = bytes(&[0; 33]),
        |entry| entry.root = bytes(&[0; 31]),
        |entry| entry.publisher = bytes(&[0; 34]),
        |entry| entry.publisher = Bytes::new(),
    ];
    let of_plain: [Change; 5] = [
        |entry| entry.sequence = 1,
        |entry| entry.deleted = true,
        |entry| entry.salt = bytes(&[0]),
        |entry| entry.signature = bytes(&[0]),
        |entry| entry.public_key = bytes(&[0]),
    ];
    let of_signed: [Change; 5] = [
        |entry| entry.public_key = Bytes::new(),
        |entry| entry.signature = Bytes::new(),
        |entry| entry.public_key = bytes(&[0; 1025]),
        |entry| entry.signature = bytes(&[0; 513]),
        |entry| entry.salt = bytes(&[0; 65]),
    ];
    let cases = both
        .iter()
        .flat_map(|change| [(&plain, change), (&signed, change)])
        .chain(of_plain.iter().map(|change| (&plain, change)))
        .chain(of_signed.iter().map(|change| (&signed, change)));
    for (i, (entry, change)) in cases.enumerate() {
        let mut entry = entry.clone();
        change(&mut entry);
        assert!(of_wire(entry).is_err(), "change {i}");
    }
}

#[test]
fn what_a_later_version_says_is_told_from_garbage() {
    assert_eq!(Ask::decode(Bytes::new()), Err(Malformed::Unknown));
    assert_eq!(Answer::decode(Bytes::new()), Err(Malformed::Unknown));
    // Field 15, empty: a kind of question that does not exist yet.
    assert_eq!(
        Ask::decode(Bytes::from_static(&[0x7a, 0x00])),
        Err(Malformed::Unknown)
    );
    assert!(matches!(
        Ask::decode(Bytes::from_static(&[0xff; 64])),
        Err(Malformed::Wire(_))
    ));
    let verdict = |status: i32, reason: u32| {
        Verdict::of_wire(wire::DhtVerdict {
            status,
            reason,
            ..Default::default()
        })
    };
    assert_eq!(verdict(0, 0), Err(Malformed::Unknown));
    assert_eq!(verdict(99, 0), Err(Malformed::Unknown));
    assert_eq!(verdict(3, 99), Err(Malformed::Field("reason")));
    assert_eq!(verdict(4, 0), Err(Malformed::Field("receipt")));
    let challenge = Ask::Challenge(Challenge {
        key: Key::from_bytes([0; 32]),
        root: [0; 32],
        offset: 0,
        length: CHALLENGE_MAX + 1,
    });
    assert!(matches!(
        Ask::decode(challenge.encode(false)),
        Err(Malformed::Bound { .. })
    ));
}
