//! The vectors of the DHT: its questions and answers, and a sealed content.

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{NOW, Vector, hex, identities, object, signed, wire};
use crate::identity::{Envelope, Identity, PeerId};
use crate::key::Key;
use crate::proto::dht::message::{
    Answer, Ask, Challenge, Fate, Find, Found, NAMESPACE, Node, Offer, Outcome, Put, Store,
    Verdict, Why,
};
use crate::proto::dht::value::{Entry, Reason, Receipt, Root, root_of};
use crate::proto::dht::{sealed, slice};

const CONTENT: &[u8] = b"hello, all";
const SALT: &[u8] = b"greeting";
const NONCE: [u8; 16] = *b"a nonce for once";
const EXPIRES: u64 = NOW + 24 * 60 * 60 * 1000;
/// What `sealed-key.bin` holds for the key B: encrypted by OpenSSL, as no two encryptions are alike.
const SEALED_KEY: &[u8; 32] = b"key of the sealed vector of psfs";
const SEALED_CONTENT: &[u8] = b"for B alone";

pub(super) fn all() -> Vec<Vector> {
    let mut all: Vec<Vector> = asks()
        .into_iter()
        .map(|(name, ask, context)| {
            let bytes = ask.encode(true);
            assert_eq!(Ask::decode(bytes.clone()), Ok((ask, true)), "{name}");
            Vector {
                name,
                message: "DhtAsk",
                value: said(&bytes, "DhtAsk"),
                bytes,
                context,
            }
        })
        .collect();
    all.extend(answers().into_iter().map(|(name, answer, context)| {
        let bytes = answer.encode();
        assert_eq!(Answer::decode(bytes.clone()), Ok(answer), "{name}");
        Vector {
            name,
            message: "DhtReply",
            value: said(&bytes, "DhtReply"),
            bytes,
            context,
        }
    }));
    all.push(sealed_alone());
    all
}

/// What the bytes of a message of this name say.
pub(super) fn said(bytes: &Bytes, message: &str) -> Value {
    match message {
        "DhtAsk" => ask(&wire::DhtAsk::decode(bytes.clone()).unwrap()),
        "DhtReply" => reply(&wire::DhtReply::decode(bytes.clone()).unwrap()),
        "sealed content" => {
            let (content, sender) = sealed::open(bytes, identities()[1], &bound()).unwrap();
            json!({ "content": hex(&content), "sender": sender.to_string() })
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_values_in_the_files_hold() {
    let mut checked = 0;
    for (name, ask, _) in asks() {
        let (entry, content) = match &ask {
            Ask::Put(put) => (&put.entry, &put.content),
            Ask::Offer(Offer {
                entry,
                content: Some(content),
                ..
            }) => (entry, content),
            _ => continue,
        };
        assert_eq!(entry.verify(content, 10, NOW), Ok(()), "{name}");
        checked += 1;
    }
    for (name, answer, context) in answers() {
        match answer {
            Answer::Content { entry, content } => {
                assert_eq!(entry.verify(&content, 10, NOW), Ok(()), "{name}");
            }
            Answer::Slice(proof) => {
                assert_eq!(context["root"], hex(&root_of(&sliced())));
                assert!(slice::check(&root_of(&sliced()), 5000, 2000, 100, &proof));
            }
            _ => continue,
        }
        checked += 1;
    }
    assert_eq!(checked, 5);
}

fn peers() -> [PeerId; 2] {
    identities().map(Identity::peer_id)
}

fn plain() -> Entry {
    Entry::plain(CONTENT, peers()[0], EXPIRES)
}

fn raw() -> Entry {
    Entry::raw(Key::of_name("greeting"), CONTENT, peers()[0], EXPIRES)
}

fn a_signed() -> Entry {
    Entry::signed(identities()[0], SALT, 7, CONTENT, EXPIRES).unwrap()
}

fn deleted() -> Entry {
    Entry::tombstone(identities()[0], SALT, 8, NOW).unwrap()
}

/// What the signature of a signed value is over.
fn under(entry: &Entry) -> Value {
    let message = signed::value_message(
        entry.key.as_bytes(),
        entry.sequence,
        entry.expires_ms,
        entry.is_deleted(),
        SALT,
        &entry.root,
        entry.size,
    );
    json!({ "publisher": entry.publisher.to_string(), "signed": hex(&message) })
}

fn rooted() -> (Key, Root) {
    (plain().key, plain().root)
}

fn sliced() -> Vec<u8> {
    (0..5000_u32).map(|i| (i % 251) as u8).collect()
}

fn asks() -> Vec<(&'static str, Ask, Value)> {
    let (key, root) = rooted();
    let find = |value, inline| Ask::Find(Find { key, value, inline });
    let offer = Offer {
        entry: plain(),
        content: None,
        nonce: NONCE,
        why: Why::HandOver,
        if_sequence: None,
    };
    let inlined = Offer {
        entry: raw(),
        content: Some(Bytes::from_static(CONTENT)),
        why: Why::Store,
        ..offer.clone()
    };
    let put = Put {
        entry: a_signed(),
        content: Bytes::from_static(CONTENT),
        nonce: NONCE,
        why: Why::Republish,
        if_sequence: Some(6),
    };
    let delete = Put {
        entry: deleted(),
        content: Bytes::new(),
        why: Why::Store,
        if_sequence: None,
        ..put.clone()
    };
    let challenge = Challenge {
        key,
        root: root_of(&sliced()),
        offset: 2000,
        length: 100,
    };
    let watch = Ask::Watch {
        key: a_signed().key,
        newer_than: 7,
    };
    let store = Store {
        entry: a_signed(),
        content: Bytes::from_static(CONTENT),
        if_sequence: Some(6),
    };
    let named = json!({ "name": "greeting" });
    vec![
        (
            "dht-ask-find",
            find(false, 0),
            json!({ "namespace": NAMESPACE }),
        ),
        ("dht-ask-find-value", find(true, 4096), Value::Null),
        ("dht-ask-offer", Ask::Offer(offer), Value::Null),
        ("dht-ask-offer-inlined", Ask::Offer(inlined), named),
        ("dht-ask-put-signed", Ask::Put(put), under(&a_signed())),
        ("dht-ask-put-deleted", Ask::Put(delete), under(&deleted())),
        ("dht-ask-get", Ask::Get { key, root }, Value::Null),
        ("dht-ask-challenge", Ask::Challenge(challenge), Value::Null),
        ("dht-ask-forget", Ask::Forget { key, root }, Value::Null),
        ("dht-ask-watch", watch, Value::Null),
        ("dht-ask-fetch", Ask::Fetch(key), Value::Null),
        ("dht-ask-store", Ask::Store(store), Value::Null),
    ]
}

fn answers() -> Vec<(&'static str, Answer, Value)> {
    let key = plain().key;
    let nodes = || {
        peers()
            .map(|peer| Node {
                peer,
                addresses: vec![
                    "/ip4/192.0.2.1/udp/4001/quic-v1".into(),
                    "/ip6/2001:db8::1/tcp/4001".into(),
                ],
            })
            .to_vec()
    };
    let found = Found {
        nodes: nodes(),
        entry: Some(plain()),
        content: Some(Bytes::from_static(CONTENT)),
    };
    let nothing = Found {
        nodes: nodes(),
        ..Default::default()
    };
    let receipt = || Receipt::new(&plain(), NONCE, peers()[1], NOW + 5);
    let refused = Verdict::Refused {
        reason: Reason::Quota,
        text: "peers may keep 10 MB here".into(),
        nodes: Vec::new(),
    };
    let content = Answer::Content {
        entry: plain(),
        content: Bytes::from_static(CONTENT),
    };
    let of = sliced();
    let range = json!({
        "content": hex(&of), "root": hex(&root_of(&of)), "offset": 2000, "length": 100,
    });
    let not_found = Verdict::NotFound {
        key,
        nodes: nodes(),
    };
    let [first, second] = peers();
    let stored = [
        (first, Fate::Kept),
        (second, Fate::Had),
        (
            first,
            Fate::Refused(Reason::TooFar, "it knows others".into()),
        ),
        (second, Fate::Failed("no answer".into())),
    ]
    .map(|(peer, kept)| Outcome { peer, kept })
    .to_vec();
    let verdict = |name, verdict| (name, Answer::Verdict(verdict), Value::Null);
    vec![
        ("dht-reply-found", Answer::Found(found), Value::Null),
        ("dht-reply-found-nodes", Answer::Found(nothing), Value::Null),
        verdict("dht-reply-accept", Verdict::Accept),
        verdict("dht-reply-have", Verdict::Have(receipt())),
        verdict("dht-reply-refused", refused),
        verdict("dht-reply-receipt", Verdict::Receipt(receipt())),
        verdict("dht-reply-not-found", not_found),
        verdict("dht-reply-forgotten", Verdict::Forgotten { key }),
        ("dht-reply-content", content, Value::Null),
        (
            "dht-reply-slice",
            Answer::Slice(slice::slice(&of, 2000, 100)),
            range,
        ),
        ("dht-reply-stored", Answer::Stored(stored), Value::Null),
    ]
}

fn bound() -> sealed::Bound {
    sealed::Bound {
        key: Some(a_signed().key),
        sequence: 9,
    }
}

fn sealed_alone() -> Vector {
    let envelope = Envelope {
        key: Zeroizing::new(*SEALED_KEY),
        encrypted: include_bytes!("../../../../tests/vectors/sealed-key.bin").to_vec(),
    };
    let [a, b] = peers();
    let bytes = sealed::seal_with(&envelope, SEALED_CONTENT, &a, &b, &bound()).unwrap();
    let bytes = Bytes::from(bytes);
    let header = &bytes[..bytes.len() - SEALED_CONTENT.len() - 16];
    let context = signed::sealed_context(header, Some(a_signed().key.as_bytes()), 9);
    Vector {
        name: "sealed",
        message: "sealed content",
        value: said(&bytes, "sealed content"),
        context: json!({
            "recipient": b.to_string(), "stored_under": a_signed().key.to_string(), "sequence": 9,
            "aes_key": hex(SEALED_KEY), "authenticated": hex(&context),
        }),
        bytes,
    }
}

fn ask(ask: &wire::DhtAsk) -> Value {
    use wire::dht_ask::Ask;
    let (name, value) = match ask.ask.as_ref().unwrap() {
        Ask::Find(find) => (
            "find",
            object([
                ("key", hex(&find.key).into()),
                ("value", json!(find.value)),
                ("inline", json!(find.inline)),
            ]),
        ),
        Ask::Offer(offer) => (
            "offer",
            object([
                ("entry", offer.entry.as_ref().map_or(Value::Null, entry)),
                ("content", hex(&offer.content).into()),
                ("inlined", json!(offer.inlined)),
                ("nonce", hex(&offer.nonce).into()),
                ("why", json!(offer.why().as_str_name())),
                ("if_sequence", json!(offer.if_sequence)),
            ]),
        ),
        Ask::Put(put) => (
            "put",
            object([
                ("entry", put.entry.as_ref().map_or(Value::Null, entry)),
                ("content", hex(&put.content).into()),
                ("nonce", hex(&put.nonce).into()),
                ("why", json!(put.why().as_str_name())),
                ("if_sequence", json!(put.if_sequence)),
            ]),
        ),
        Ask::Get(get) => (
            "get",
            object([
                ("key", hex(&get.key).into()),
                ("root", hex(&get.root).into()),
            ]),
        ),
        Ask::Challenge(challenge) => (
            "challenge",
            object([
                ("key", hex(&challenge.key).into()),
                ("root", hex(&challenge.root).into()),
                ("offset", json!(challenge.offset)),
                ("length", json!(challenge.length)),
            ]),
        ),
        Ask::Forget(forget) => (
            "forget",
            object([
                ("key", hex(&forget.key).into()),
                ("root", hex(&forget.root).into()),
            ]),
        ),
        Ask::Watch(watch) => (
            "watch",
            object([
                ("key", hex(&watch.key).into()),
                ("newer_than", json!(watch.newer_than)),
            ]),
        ),
        Ask::Fetch(fetch) => ("fetch", object([("key", hex(&fetch.key).into())])),
        Ask::Store(store) => (
            "store",
            object([
                ("entry", store.entry.as_ref().map_or(Value::Null, entry)),
                ("content", hex(&store.content).into()),
                ("if_sequence", json!(store.if_sequence)),
            ]),
        ),
    };
    object([("serves", json!(ask.serves)), (name, value)])
}

fn reply(reply: &wire::DhtReply) -> Value {
    use wire::dht_reply::Reply;
    let (name, value) = match reply.reply.as_ref().unwrap() {
        Reply::Found(found) => (
            "found",
            object([
                ("nodes", nodes(&found.nodes)),
                ("entry", found.entry.as_ref().map_or(Value::Null, entry)),
                ("content", hex(&found.content).into()),
                ("inlined", json!(found.inlined)),
            ]),
        ),
        Reply::Verdict(verdict) => (
            "verdict",
            object([
                ("status", json!(verdict.status().as_str_name())),
                ("reason", json!(verdict.reason)),
                ("text", json!(verdict.text)),
                (
                    "receipt",
                    verdict.receipt.as_ref().map_or(Value::Null, receipt),
                ),
                ("nodes", nodes(&verdict.nodes)),
                ("key", hex(&verdict.key).into()),
            ]),
        ),
        Reply::Content(content) => (
            "content",
            object([
                ("entry", content.entry.as_ref().map_or(Value::Null, entry)),
                ("content", hex(&content.content).into()),
            ]),
        ),
        Reply::Slice(slice) => ("slice", object([("proof", hex(&slice.proof).into())])),
        Reply::Stored(stored) => ("stored", object([("outcomes", outcomes(&stored.outcomes))])),
    };
    object([(name, value)])
}

fn entry(entry: &wire::DhtEntry) -> Value {
    object([
        ("key", hex(&entry.key).into()),
        ("kind", json!(entry.kind().as_str_name())),
        ("size", json!(entry.size)),
        ("root", hex(&entry.root).into()),
        ("publisher", hex(&entry.publisher).into()),
        ("expires", json!(entry.expires)),
        ("sequence", json!(entry.sequence)),
        ("public_key", hex(&entry.public_key).into()),
        ("salt", hex(&entry.salt).into()),
        ("deleted", json!(entry.deleted)),
        ("signature", hex(&entry.signature).into()),
    ])
}

fn receipt(receipt: &wire::DhtReceipt) -> Value {
    object([
        ("key", hex(&receipt.key).into()),
        ("root", hex(&receipt.root).into()),
        ("size", json!(receipt.size)),
        ("expires", json!(receipt.expires)),
        ("publisher", hex(&receipt.publisher).into()),
        ("nonce", hex(&receipt.nonce).into()),
        ("node", hex(&receipt.node).into()),
        ("time", json!(receipt.time)),
    ])
}

fn outcomes(encoded: &Bytes) -> Value {
    let outcome = |outcome: &wire::DhtOutcome| {
        object([
            ("peer", hex(&outcome.peer).into()),
            ("status", json!(outcome.status().as_str_name())),
            ("reason", json!(outcome.reason)),
            ("text", json!(outcome.text)),
        ])
    };
    let outcomes = wire::DhtOutcomes::decode(encoded.clone()).unwrap().outcomes;
    outcomes.iter().map(outcome).collect()
}

fn nodes(encoded: &Bytes) -> Value {
    let node = |node: &wire::DhtNode| {
        object([
            ("peer", hex(&node.peer).into()),
            ("addresses", json!(node.addresses)),
        ])
    };
    let nodes = wire::DhtNodes::decode(encoded.clone()).unwrap().nodes;
    nodes.iter().map(node).collect()
}
