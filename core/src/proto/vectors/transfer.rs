//! The vectors of transfer: a token, tickets, a collection.

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use super::{NOW, Vector, hex, identities, object, wire};
use crate::identity::{Identity, PublicKey};
use crate::proto::transfer::collection::{Collection, Entry, MAGIC, What};
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::{Kind, Ticket};
use crate::proto::transfer::token::{Claims, Op, Shown, Token};

const CONTENT: &[u8] = b"hello, all";
const EXPIRES: u64 = NOW / 1000 + 60 * 60;

pub(super) fn all() -> Vec<Vector> {
    let collection = collection().encode().unwrap();
    let jwt = Bytes::from(token().as_str().to_owned());
    let mut all = vec![
        vector("token", "JWT", jwt, Value::Null),
        vector("collection", "collection", collection, Value::Null),
    ];
    for (name, token) in [("ticket", None), ("ticket-token", Some(token()))] {
        let ticket = ticket(token);
        let context = json!({
            "text": ticket.encode().unwrap(),
            "jwt": ticket.token.as_ref().map(Token::as_str),
        });
        let bytes = ticket.to_wire().encode_to_vec().into();
        all.push(vector(name, "Ticket", bytes, context));
    }
    all
}

fn vector(name: &'static str, message: &'static str, bytes: Bytes, context: Value) -> Vector {
    Vector {
        name,
        message,
        value: said(&bytes, message).unwrap(),
        bytes,
        context,
    }
}

/// What the bytes of a message of this name say, if it is one of these.
pub(super) fn said(bytes: &Bytes, message: &str) -> Option<Value> {
    Some(match message {
        "JWT" => {
            let token = Token::parse(std::str::from_utf8(bytes).unwrap()).unwrap();
            assert_eq!(token.verify(key(), &shown()), Ok(()));
            said_by(token.claims())
        }
        "Ticket" => ticket_says(&wire::Ticket::decode(bytes.clone()).unwrap()),
        "collection" => {
            assert!(bytes.starts_with(MAGIC));
            let entry = |entry: &Entry| {
                let (root, size) = match entry.what {
                    What::File { root, size } => (json!(root.to_string()), json!(size)),
                    What::Folder => (Value::Null, Value::Null),
                };
                object([
                    ("name", json!(entry.name.as_str())),
                    ("size", size),
                    ("mode", json!(entry.mode)),
                    ("root", root),
                ])
            };
            let collection = Collection::decode(bytes.clone()).unwrap();
            collection.entries().iter().map(entry).collect()
        }
        _ => return None,
    })
}

/// The text is what the bytes are in, and the token what it was made of.
#[test]
fn the_tickets_in_the_files_hold() {
    for vector in all().iter().filter(|vector| vector.message == "Ticket") {
        let ticket: Ticket = vector.context["text"].as_str().unwrap().parse().unwrap();
        assert_eq!(ticket.to_wire().encode_to_vec(), vector.bytes);
        match ticket.token {
            Some(token) => assert_eq!(token.verify(key(), &shown()), Ok(())),
            None => assert_eq!(vector.name, "ticket"),
        }
    }
}

fn key() -> &'static PublicKey {
    identities()[0].public_key()
}

fn shown() -> Shown {
    let [a, b] = identities().map(Identity::peer_id);
    Shown {
        now_ms: NOW,
        by: b,
        to: a,
        root: Some(Root::of(CONTENT)),
        op: Op::Read,
    }
}

fn token() -> Token {
    let [a, b] = identities().map(Identity::peer_id);
    let claims = Claims {
        holder: Some(b),
        server: Some(a),
        root: Some(Root::of(CONTENT)),
        bytes: Some(1_000_000),
        name: Some("anna".parse().unwrap()),
        ..Claims::new(a, &[Op::Read, Op::List], EXPIRES, *b"a name for once!")
    };
    claims.sign(identities()[0]).unwrap()
}

fn ticket(token: Option<Token>) -> Ticket {
    Ticket {
        root: Root::of(CONTENT),
        kind: Kind::File,
        size: CONTENT.len() as u64,
        name: Some("greeting.txt".parse().unwrap()),
        issuer: key().peer_id(),
        addresses: [
            "/ip4/192.0.2.1/tcp/4001",
            "/ip4/192.0.2.1/udp/4001/quic-v1",
            "/ip6/2001:db8::1/tcp/4001",
            "/dns/example.org/tcp/4001",
        ]
        .map(String::from)
        .into(),
        rendezvous: "pineapple".into(),
        secret: token.is_some(),
        token,
    }
}

fn collection() -> Collection {
    let entry = |name: &str, mode, what| Entry {
        name: name.parse().unwrap(),
        mode,
        what,
    };
    let file = What::File {
        root: Root::of(CONTENT),
        size: CONTENT.len() as u64,
    };
    let empty = What::File {
        root: Root::of(b""),
        size: 0,
    };
    Collection::new(vec![
        entry("a.txt", 0o644, file),
        entry("a/again.txt", 0o600, file),
        entry("bin/empty", 0o755, empty),
        entry("new", 0o755, What::Folder),
    ])
    .unwrap()
}

fn said_by(claims: &Claims) -> Value {
    json!({
        "kid": claims.issuer.to_string(),
        "sub": claims.holder.map(|peer| peer.to_string()),
        "aud": claims.server.map(|peer| peer.to_string()),
        "root": claims.root.map(|root| root.to_string()),
        "ops": claims.ops.to_string(),
        "bytes": claims.bytes,
        "exp": claims.expires,
        "jti": claims.id.as_str(),
        "name": claims.name.as_ref().map(|name| name.as_str()),
    })
}

fn ticket_says(ticket: &wire::Ticket) -> Value {
    let token = match &ticket.token {
        None => Value::Null,
        Some(wire::ticket::Token::Foreign(text)) => json!(text),
        Some(wire::ticket::Token::Own(own)) => object([
            ("holder", hex(&own.holder).into()),
            ("server", json!(own.server().as_str_name())),
            ("root", json!(own.root)),
            ("ops", json!(own.ops)),
            ("bytes", json!(own.bytes)),
            ("expires", json!(own.expires)),
            ("id", json!(own.id)),
            ("name", json!(own.name)),
            ("signature", hex(&own.signature).into()),
        ]),
    };
    object([
        ("root", hex(&ticket.root).into()),
        ("kind", json!(ticket.kind().as_str_name())),
        ("size", json!(ticket.size)),
        ("name", json!(ticket.name)),
        ("issuer", hex(&ticket.issuer).into()),
        (
            "addresses",
            ticket.addresses.iter().map(|packed| hex(packed)).collect(),
        ),
        ("rendezvous", json!(ticket.rendezvous)),
        ("secret", json!(ticket.secret)),
        ("token", token),
    ])
}
