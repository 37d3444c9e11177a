//! The vectors of filestoraged's wire: what clients ask in both forms, and answers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Vector, hex};
use crate::proto::filestoraged::chunk::{Digest, text_of};
use crate::proto::filestoraged::frame::{Frame, Frames, encode};
use crate::proto::filestoraged::login::Secret;
use crate::proto::filestoraged::login::tests::{SECRET, token};
use crate::proto::filestoraged::message::{Asked, Done, Refused, Reply, parse};

const CONTENT: &[u8] = b"hello, all";

fn login() -> String {
    token(
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"login":"ada","uid":1000}"#,
    )
}

pub(super) fn all() -> Vec<Vector> {
    let digest = Digest::of(CONTENT);
    let (data, hex_digest) = (text_of(CONTENT), digest.to_string());
    let own = Digest::of(data.as_bytes()).to_string();
    let file = json!({ "name": "greeting", "size": 10, "nb_chunks": 1, "digest": hex_digest, "tags": ["a tag"] });
    let files = json!([{ "name": "greeting", "size": 10 }]);
    let asked = [
        (
            "filestoraged-authentication",
            1,
            json!({ "message-id": "m1", "token": login(), "files": files, "fid": "f1", "tags": ["a tag"] }),
        ),
        (
            "filestoraged-transfer",
            3,
            json!({ "message-id": "m2", "chunk": "c1", "data": CONTENT }),
        ),
        (
            "filestoraged-login",
            0,
            json!({ "mid": "m1", "token": login() }),
        ),
        (
            "filestoraged-upload",
            20,
            json!({ "mid": "m2", "file": file }),
        ),
        (
            "filestoraged-download",
            30,
            json!({ "mid": "m3", "name": "greeting", "tags": ["a tag"] }),
        ),
        (
            "filestoraged-put-chunk",
            40,
            json!({ "mid": "m4", "filedigest": hex_digest, "chunk": { "n": 0, "on": 0, "digest": own }, "data": data }),
        ),
        (
            "filestoraged-get-chunk",
            41,
            json!({ "mid": "m5", "filedigest": hex_digest, "n": 0 }),
        ),
    ];
    let program = |kind, mid: &str| Reply::Program {
        kind,
        mid: mid.into(),
        id: None,
    };
    let documented = |message_id: &str| Reply::Documented {
        message_id: message_id.into(),
    };
    let chunk = Done::Chunk {
        digest,
        n: 0,
        count: 1,
        data: CONTENT.to_vec(),
    };
    let answers = [
        (
            "filestoraged-response",
            documented("m1").answer(Ok(Done::Begun(vec![0]))),
        ),
        (
            "filestoraged-response-error",
            documented("m2").answer(Err(Refused::Failed("a reason".into()))),
        ),
        ("filestoraged-chunk", program(41, "m5").answer(Ok(chunk))),
        (
            "filestoraged-chunk-there",
            program(40, "m4").answer(Err(Refused::ChunkThere { digest, next: 1 })),
        ),
    ];
    let asked = asked.map(|(name, kind, json)| (name, encode(kind, json.to_string().as_bytes())));
    let all = asked.into_iter().chain(answers);
    all.map(|(name, bytes)| vector(name, bytes.into()))
        .collect()
}

fn vector(name: &'static str, bytes: Bytes) -> Vector {
    let value = said(&bytes, "filestoraged").unwrap();
    let signed = value["message"]["token"].is_string();
    Vector {
        name,
        message: "filestoraged",
        value,
        bytes,
        context: if signed {
            json!({ "secret": hex(SECRET), "login": "ada" })
        } else {
            Value::Null
        },
    }
}

fn frame_of(bytes: &[u8]) -> Frame {
    let mut frames = Frames::default();
    frames.push(bytes);
    let frame = frames.next().unwrap().unwrap();
    assert_eq!(frames.next(), Ok(None));
    frame
}

/// What the bytes of a message of this name say, if it is of this wire.
pub(super) fn said(bytes: &Bytes, message: &str) -> Option<Value> {
    let frame = (message == "filestoraged").then(|| frame_of(bytes))?;
    let json: Value = serde_json::from_slice(&frame.json).unwrap();
    Some(json!({ "type": frame.kind, "message": json }))
}

/// The requests are understood, and their digests and signatures hold.
#[test]
fn the_requests_in_the_files_hold() {
    for vector in &all()[..7] {
        let (_, asked) = parse(&frame_of(&vector.bytes));
        match asked.unwrap() {
            Asked::Login { token } | Asked::Authentication { token, .. } => {
                let owner = Secret::new(SECRET).owner_of(&token, 0).unwrap();
                assert_eq!(owner.as_str(), "ada");
            }
            Asked::PutChunk(sent) => assert_eq!(sent.data, CONTENT),
            Asked::Transfer { data, .. } => assert_eq!(data, CONTENT),
            Asked::Upload(announced) => assert_eq!(announced.digest, Digest::of(CONTENT)),
            Asked::Download(_) | Asked::GetChunk { .. } => {}
        }
    }
}
