//! The golden vectors of `tests/vectors`: what other implementations of the wire are written from, checked both ways.
//!
//! Files are written once, by the ignored test below, and never over: a change of the wire shows as a failure here. What
//! the files hold is described in `tests/vectors/README.md`.

mod dht;
mod filestoraged;
mod transfer;

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use prost::Message;
use serde_json::{Map, Value, json};

use super::keys::{DelegatedKey, check_delegation};
use super::packet::{Header, PacketType};
use super::testing::{NOW, identities};
use super::{cast, frame, merkle, packet, signed, wire};
use wire::frame::Kind;

const SEED: [u8; 32] = *b"seed of the delegated key in use";
const EPOCH: u64 = 1_767_323_000_000;
const TOPIC: &[u8] = b"/psfs/cast/2/vectors";
const SECRET: &[u8] = b"a secret for tests, known to all";

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "vectors"]
        .iter()
        .collect()
}

/// One file: bytes, the message type they hold, and what they say.
struct Vector {
    name: &'static str,
    message: &'static str,
    bytes: Bytes,
    value: Value,
    /// What cannot be read from the bytes: keys, and what was signed.
    context: Value,
}

impl Vector {
    fn file(&self) -> PathBuf {
        folder().join(self.name).with_extension("json")
    }

    fn text(&self) -> String {
        let file = json!({
            "message": self.message,
            "bytes": hex(&self.bytes),
            "value": self.value,
            "context": self.context,
        });
        format!("{file:#}\n")
    }
}

#[test]
fn what_is_encoded_is_what_the_files_hold() {
    for vector in all() {
        let text = std::fs::read_to_string(vector.file())
            .unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(vector.text(), text, "{}", vector.name);
    }
}

#[test]
fn what_the_files_hold_is_decoded_to_what_they_say() {
    for name in all().iter().map(Vector::file) {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&name).unwrap()).unwrap();
        let bytes = Bytes::from(unhex(file["bytes"].as_str().unwrap()));
        let value = match file["message"].as_str().unwrap() {
            "StreamPacket" => stream_packet(&packet::decode(bytes).unwrap()),
            "SecureStreamPacket" => secure(&wire::SecureStreamPacket::decode(bytes).unwrap()),
            "Delegation" => delegation(&wire::Delegation::decode(bytes).unwrap()),
            "Frame" => {
                let mut reader = frame::FrameReader::new();
                reader.push(&bytes);
                let kind = reader.next().unwrap().unwrap().kind.unwrap();
                assert!(!reader.is_partial());
                kind_of(&kind)
            }
            other => transfer::said(&bytes, other)
                .or_else(|| filestoraged::said(&bytes, other))
                .unwrap_or_else(|| dht::said(&bytes, other)),
        };
        assert_eq!(value, file["value"], "{}", name.display());
    }
}

#[test]
fn every_file_is_a_vector() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    let mut vectors: Vec<PathBuf> = all().iter().map(Vector::file).collect();
    files.sort();
    vectors.sort();
    assert_eq!(files, vectors);
}

#[test]
fn the_signatures_in_the_files_hold() {
    let [a, _] = identities();
    let all = all();
    let find = |name| {
        all.iter()
            .find(|vector| vector.name == name)
            .unwrap()
            .bytes
            .clone()
    };
    let delegation = wire::Delegation::decode(find("delegation")).unwrap();
    let verified = check_delegation(&delegation, a.public_key(), NOW).unwrap();
    let mut reader = frame::FrameReader::new();
    reader.push(&find("frame-batch-every"));
    let Some(Kind::Batch(batch)) = reader.next().unwrap().unwrap().kind else {
        panic!("a batch")
    };
    assert!(verified.verify(&batch_message(&batch.packets), &batch.signature));
    assert!(
        cast::Checker::new(TOPIC)
            .check(find("broadcast"), NOW)
            .is_ok()
    );
}

#[test]
#[ignore = "writes tests/vectors: to be run once for each new vector"]
fn write() {
    for vector in all().iter().filter(|vector| !vector.file().exists()) {
        std::fs::write(vector.file(), vector.text()).unwrap();
    }
}

fn all() -> Vec<Vector> {
    let mut all = packets();
    all.extend(frames());
    all.extend(signed_alone());
    all.extend(dht::all());
    all.extend(transfer::all());
    all.extend(filestoraged::all());
    all
}

fn message_header() -> Header<'static> {
    Header::new(PacketType::Message, "greeting", NOW)
}

fn full_header() -> Header<'static> {
    Header {
        lifespan: 30,
        response_tag: "tag",
        epoch: EPOCH,
        sequence: 7,
        request_id: 300,
        part: 1,
        parts: 3,
        status: -27,
        ..Header::new(PacketType::EndResponse, "whois", NOW)
    }
}

fn cast_header() -> Header<'static> {
    Header {
        lifespan: 30,
        epoch: EPOCH,
        sequence: 7,
        ..Header::new(PacketType::Broadcast, "news", NOW)
    }
}

fn packets() -> Vec<Vector> {
    let ends = Header {
        timestamp: i64::MIN,
        lifespan: i64::MAX,
        epoch: u64::MAX,
        status: i32::MIN,
        ..Header::new(PacketType::Response, "", 0)
    };
    [
        ("packet-message", message_header(), &b"hello"[..]),
        ("packet-all-fields", full_header(), b"\x00\xff"),
        ("packet-extremes", ends, b""),
        (
            "packet-internal-empty",
            Header::new(PacketType::Internal, "", 0),
            b"",
        ),
    ]
    .map(|(name, header, content)| {
        let bytes = packet::encode(&header, Bytes::from_static(content)).to_bytes();
        let value = stream_packet(&wire::StreamPacket::decode(bytes.clone()).unwrap());
        Vector {
            name,
            message: "StreamPacket",
            bytes,
            value,
            context: Value::Null,
        }
    })
    .into()
}

fn batch_packets() -> [packet::Encoded; 3] {
    [
        packet::encode(&message_header(), Bytes::from_static(b"hello")),
        packet::encode(
            &Header {
                request_id: 2,
                ..Header::new(PacketType::Request, "whois", NOW)
            },
            Bytes::new(),
        ),
        packet::encode(&message_header(), vec![0x2a; 200].into()),
    ]
}

fn batch_message(packets: &[Bytes]) -> Vec<u8> {
    let [a, b] = identities();
    let root = merkle::root(packets.iter().map(AsRef::as_ref));
    signed::batch_message(&session(), &a.peer_id(), &b.peer_id(), EPOCH, 41, &root)
}

fn hello(of: usize) -> wire::Hello {
    let identity = identities()[of];
    wire::Hello {
        versions: vec![2],
        policy: wire::Policy::Every as i32,
        nonce: vec![of as u8 + 1; 32].into(),
        clock: NOW,
        limits: Some(wire::Limits {
            content: 16 << 20,
            window: 1 << 20,
            requests: 1024,
            reply_window: 1 << 20,
        }),
        delegation: Some(delegated(of).delegation().clone()),
        epoch: EPOCH,
        network: network().to_vec().into(),
        key: identity.public_key().as_der().to_vec().into(),
    }
}

fn network() -> merkle::Hash {
    signed::network_tag(&signed::network_id("pineapple", Some(SECRET)))
}

fn delegated(of: usize) -> DelegatedKey {
    DelegatedKey::new(identities()[of], SEED, NOW)
}

fn hello_frame(of: usize) -> Vec<u8> {
    wire::Frame {
        kind: Some(Kind::Hello(hello(of))),
    }
    .encode_to_vec()
}

fn session() -> merkle::Hash {
    let [a, b] = identities().map(|identity| identity.peer_id());
    signed::session_id(&hello_frame(0), &a, &hello_frame(1), &b)
}

fn frames() -> Vec<Vector> {
    let [a, b] = identities();
    let id = a.peer_id();
    let auth_message = signed::auth_message(&session(), &id);
    let auth = wire::Auth {
        signature: a.sign(&auth_message).into(),
        membership: signed::membership_proof(SECRET, &session(), &id)
            .to_vec()
            .into(),
    };
    let packets = batch_packets().map(|packet| packet.to_bytes());
    let message = batch_message(&packets);
    let root = merkle::root(packets.iter().map(AsRef::as_ref));
    let batch = |signature: Vec<u8>| {
        Kind::Batch(wire::Batch {
            packets: packets.to_vec(),
            first_sequence: 41,
            signature: signature.into(),
            confirm: true,
        })
    };
    let batch_context = json!({
        "source": id.to_string(), "destination": b.peer_id().to_string(), "epoch": EPOCH, "session": hex(&session()),
        "leaves": packets.iter().map(|packet| hex(&merkle::leaf(packet))).collect::<Vec<_>>(),
        "root": hex(&root), "signed": hex(&message),
    });
    let network = signed::network_id("pineapple", Some(SECRET));
    let hello_context = json!({
        "rendezvous": "pineapple", "secret": hex(SECRET), "network_id": hex(&network),
        "dht_key": hex(&signed::dht_key(&network)),
        "dht_key_without_secret": hex(&signed::dht_key(&signed::network_id("pineapple", None))),
    });
    let auth_context = json!({
        "source": id.to_string(), "secret": hex(SECRET), "session": hex(&session()),
        "hello_of_a": hex(&hello_frame(0)), "hello_of_b": hex(&hello_frame(1)), "signed": hex(&auth_message),
    });
    let signature = delegated(0).sign(&message).to_vec();
    vec![
        in_frame("frame-hello", Kind::Hello(hello(0)), hello_context),
        in_frame("frame-auth", Kind::Auth(auth), auth_context),
        in_frame("frame-batch-every", batch(signature), batch_context.clone()),
        in_frame("frame-batch-rsa", batch(a.sign(&message)), batch_context),
        in_frame("frame-batch-lazy", batch(Vec::new()), Value::Null),
        in_frame(
            "frame-cancel",
            Kind::Cancel(wire::Cancel { request_id: 300 }),
            Value::Null,
        ),
        in_frame(
            "frame-credit",
            Kind::Credit(wire::Credit {
                request_id: 300,
                bytes: 65536,
            }),
            Value::Null,
        ),
        in_frame(
            "frame-credit-session",
            Kind::Credit(wire::Credit {
                request_id: 0,
                bytes: u64::MAX,
            }),
            Value::Null,
        ),
        in_frame(
            "frame-alive",
            Kind::Alive(wire::Alive { answer: true }),
            Value::Null,
        ),
        in_frame(
            "frame-ack",
            Kind::Ack(wire::Ack { received_up_to: 43 }),
            Value::Null,
        ),
        in_frame(
            "frame-resume",
            Kind::Resume(wire::Resume {
                session: session().to_vec().into(),
                received_up_to: 43,
            }),
            Value::Null,
        ),
        in_frame(
            "frame-bye",
            Kind::Bye(wire::Bye {
                code: -27,
                text: "wrong secret".into(),
            }),
            Value::Null,
        ),
        in_frame(
            "frame-delegation",
            Kind::Delegation(delegated(0).delegation().clone()),
            Value::Null,
        ),
    ]
}

fn in_frame(name: &'static str, kind: Kind, context: Value) -> Vector {
    let value = kind_of(&kind);
    let mut bytes = BytesMut::new();
    frame::encode_frame(&wire::Frame { kind: Some(kind) }, &mut bytes);
    Vector {
        name,
        message: "Frame",
        bytes: bytes.freeze(),
        value,
        context,
    }
}

fn signed_alone() -> Vec<Vector> {
    let [a, _] = identities();
    let (key, id) = (delegated(0), a.peer_id());
    let vouched = key.delegation();
    let public = <[u8; 32]>::try_from(&*vouched.key).unwrap();
    let delegation_message =
        signed::delegation_message(&public, vouched.not_before, vouched.not_after);
    let broadcast = cast::make(
        a,
        &key,
        TOPIC,
        &cast_header(),
        Bytes::from_static(b"hello, all"),
    );
    let decoded = wire::SecureStreamPacket::decode(broadcast.clone()).unwrap();
    let cast_message = signed::cast_message(&id, TOPIC, EPOCH, 7, &decoded.packet);
    vec![
        Vector {
            name: "delegation",
            message: "Delegation",
            bytes: vouched.encode_to_vec().into(),
            value: delegation(vouched),
            context: json!({ "source": id.to_string(), "seed": hex(&SEED), "signed": hex(&delegation_message) }),
        },
        Vector {
            name: "broadcast",
            message: "SecureStreamPacket",
            value: secure(&decoded),
            bytes: broadcast,
            context: json!({
                "source": id.to_string(), "topic": hex(TOPIC), "epoch": EPOCH, "sequence": 7,
                "packet": stream_packet(&packet::decode(decoded.packet.clone()).unwrap()),
                "signed": hex(&cast_message),
            }),
        },
    ]
}

// Messages as JSON: fields by name, those that are zero or empty left out; bytes as hex.

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let empty = [json!(0), json!(""), json!(false), json!([]), Value::Null];
    let given = fields
        .into_iter()
        .filter(|(_, value)| !empty.contains(value));
    Value::Object(
        given
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

fn stream_packet(p: &wire::StreamPacket) -> Value {
    object([
        ("type", json!(p.r#type().as_str_name())),
        ("namespace", json!(p.namespace)),
        ("content", hex(&p.content).into()),
        ("timestamp", json!(p.timestamp)),
        ("lifespan", json!(p.lifespan)),
        ("response_tag", json!(p.response_tag)),
        ("epoch", json!(p.epoch)),
        ("sequence", json!(p.sequence)),
        ("request_id", json!(p.request_id)),
        ("part", json!(p.part)),
        ("parts", json!(p.parts)),
        ("status", json!(p.status)),
        ("millis", json!(p.millis)),
    ])
}

fn secure(s: &wire::SecureStreamPacket) -> Value {
    object([
        ("packet", hex(&s.packet).into()),
        ("signature", hex(&s.signature).into()),
        ("source", hex(&s.source).into()),
        ("delegation", hex(&s.delegation).into()),
        ("hops", json!(s.hops)),
    ])
}

fn delegation(d: &wire::Delegation) -> Value {
    object([
        ("key", hex(&d.key).into()),
        ("not_before", json!(d.not_before)),
        ("not_after", json!(d.not_after)),
        ("signature", hex(&d.signature).into()),
    ])
}

fn limits(l: &wire::Limits) -> Value {
    object([
        ("content", json!(l.content)),
        ("window", json!(l.window)),
        ("requests", json!(l.requests)),
        ("reply_window", json!(l.reply_window)),
    ])
}

fn kind_of(kind: &Kind) -> Value {
    let (name, value) = match kind {
        Kind::Hello(h) => (
            "hello",
            object([
                ("versions", json!(h.versions)),
                ("policy", json!(h.policy().as_str_name())),
                ("nonce", hex(&h.nonce).into()),
                ("clock", json!(h.clock)),
                ("limits", h.limits.as_ref().map_or(Value::Null, limits)),
                (
                    "delegation",
                    h.delegation.as_ref().map_or(Value::Null, delegation),
                ),
                ("epoch", json!(h.epoch)),
                ("network", hex(&h.network).into()),
                ("key", hex(&h.key).into()),
            ]),
        ),
        Kind::Auth(a) => (
            "auth",
            object([
                ("signature", hex(&a.signature).into()),
                ("membership", hex(&a.membership).into()),
            ]),
        ),
        Kind::Batch(b) => (
            "batch",
            object([
                (
                    "packets",
                    b.packets.iter().map(|packet| hex(packet)).collect(),
                ),
                ("first_sequence", json!(b.first_sequence)),
                ("signature", hex(&b.signature).into()),
                ("confirm", json!(b.confirm)),
            ]),
        ),
        Kind::Cancel(c) => ("cancel", object([("request_id", json!(c.request_id))])),
        Kind::Credit(c) => (
            "credit",
            object([
                ("request_id", json!(c.request_id)),
                ("bytes", json!(c.bytes)),
            ]),
        ),
        Kind::Ack(a) => ("ack", object([("received_up_to", json!(a.received_up_to))])),
        Kind::Resume(r) => (
            "resume",
            object([
                ("session", hex(&r.session).into()),
                ("received_up_to", json!(r.received_up_to)),
            ]),
        ),
        Kind::Alive(a) => ("alive", object([("answer", json!(a.answer))])),
        Kind::Bye(b) => (
            "bye",
            object([("code", json!(b.code)), ("text", json!(b.text))]),
        ),
        Kind::Delegation(d) => ("delegation", delegation(d)),
    };
    json!({ name: value })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
