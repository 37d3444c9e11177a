//! What is understood of each message, and what is answered.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::chunk::text_of;
use super::super::frame::Frames;
use super::super::login::tests::{SECRET, token};
use super::super::message::About;
use super::*;

const NOW: u64 = 1_767_323_000_000;

fn ada() -> String {
    let header = r#"{"typ":"JWT","alg":"HS256"}"#;
    token(header, r#"{"login":"ada","uid":1000}"#)
}

fn conversation() -> Conversation {
    Conversation::new(Arc::new(Secret::new(SECRET)))
}

/// The type and the fields of the one frame in these bytes.
fn read(bytes: &[u8]) -> (u8, Value) {
    let mut frames = Frames::default();
    frames.push(bytes);
    let frame = frames.next().unwrap().unwrap();
    assert_eq!(frames.next(), Ok(None));
    (frame.kind, serde_json::from_slice(&frame.json).unwrap())
}

fn hear(conversation: &mut Conversation, kind: u8, json: &Value) -> Heard {
    let frame = Frame {
        kind,
        json: json.to_string().into_bytes(),
    };
    conversation.hear(&frame, NOW)
}

fn says(conversation: &mut Conversation, kind: u8, json: &Value) -> (u8, Value) {
    match hear(conversation, kind, json) {
        Heard::Answer(bytes) => read(&bytes),
        Heard::Work(work, _) => panic!("{work:?}"),
    }
}

fn works(conversation: &mut Conversation, kind: u8, json: &Value) -> (Work, Reply) {
    match hear(conversation, kind, json) {
        Heard::Work(work, reply) => (work, reply),
        Heard::Answer(bytes) => panic!("{:?}", read(&bytes)),
    }
}

fn logged_in() -> Conversation {
    let mut conversation = conversation();
    let login = json!({ "mid": "1", "token": ada() });
    let said = says(&mut conversation, 0, &login);
    assert_eq!(said, (5, json!({ "mid": "1" })));
    conversation
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

#[test]
fn the_programs_form_is_understood_after_the_login() {
    let digest = Digest::of(b"x");
    let hex = digest.to_string();
    let data = text_of(&[7; 500]);
    let own = Digest::of(data.as_bytes()).to_string();
    let owner = label("ada");
    let cases = [
        (
            20,
            json!({ "mid": "m", "id": 7, "file": { "name": "f", "size": 1500, "nb_chunks": 2, "digest": hex, "tags": ["a"] } }),
            Work::Announce(
                owner.clone(),
                Announced {
                    digest,
                    size: 1500,
                    name: label("f"),
                    tags: vec![label("a")],
                },
            ),
        ),
        (
            30,
            json!({ "mid": "m", "id": 7, "name": "f", "tags": [], "filedigest": null }),
            Work::Find(
                owner.clone(),
                Wish {
                    digest: None,
                    name: Some(label("f")),
                    tags: vec![],
                },
            ),
        ),
        (
            41,
            json!({ "mid": "m", "id": 7, "filedigest": hex, "n": 1 }),
            Work::Read {
                owner: owner.clone(),
                digest,
                n: 1,
            },
        ),
    ];
    let mut strange = conversation();
    let mut known = logged_in();
    assert!(known.is_known() && !strange.is_known());
    for (kind, json, expected) in cases {
        let (number, refused) = says(&mut strange, kind, &json);
        assert_eq!(
            (number, &refused["mid"], &refused["id"]),
            (201, &json!("m"), &json!(7))
        );
        let (work, reply) = works(&mut known, kind, &json);
        assert_eq!(work, expected);
        let (number, answer) = read(&reply.answer(Ok(Done::Announced(digest))));
        let path = format!("/files/{hex}");
        assert_eq!(
            (number, answer),
            (kind, json!({ "mid": "m", "id": 7, "path": path }))
        );
    }
    let put = json!({ "mid": "m", "filedigest": hex, "chunk": { "n": 1, "on": 1, "digest": own }, "data": data });
    let (work, _) = works(&mut known, 40, &put);
    let Work::Put(by, sent) = work else {
        panic!("{work:?}")
    };
    assert_eq!(
        (by, sent.digest, sent.n, &sent.data[..]),
        (owner, digest, 1, &[7; 500][..])
    );
    assert_eq!(sent.fits(1500), Ok(()));
    // No such chunk, another length, another count.
    for size in [1000, 1501, 2500] {
        assert!(matches!(sent.fits(size), Err(Refused::Failed(_))), "{size}");
    }
    let mut wrong = put.clone();
    wrong["data"] = json!(data.replace('\n', ""));
    let (number, refused) = says(&mut known, 40, &wrong);
    assert_eq!((number, &refused["mid"]), (200, &json!("m")));
}

#[test]
fn the_documented_form_is_understood() {
    let mut conversation = conversation();
    let mut first = json!({
        "message-id": "a", "token": ada(), "fid": "f", "tags": ["t"],
        "files": [{ "name": "one", "size": 5 }, { "name": "two", "size": 0 }],
    });
    let (work, reply) = works(&mut conversation, 1, &first);
    let batch = Batch {
        fid: label("f"),
        files: vec![(label("one"), 5), (label("two"), 0)],
        tags: vec![label("t")],
    };
    assert_eq!(work, Work::Begin(label("ada"), batch));
    let ok = read(&reply.clone().answer(Ok(Done::Begun(vec![3, 0]))));
    assert_eq!(
        ok,
        (
            2,
            json!({ "message-id": "a", "response": "Ok", "received": 3, "files": [3, 0] })
        )
    );
    let no = read(&reply.answer(Err(Refused::NotYours(Digest([0; 32])))));
    assert_eq!(
        no,
        (
            2,
            json!({ "message-id": "a", "response": "Error", "reason": "the file is another's" })
        )
    );
    for data in [json!("AQL/\n"), json!([1, 2, 255])] {
        let json = json!({ "message-id": "b", "chunk": "c", "data": data });
        let (work, reply) = works(&mut conversation, 3, &json);
        let take = Work::Take {
            id: MessageId::of("b"),
            data: vec![1, 2, 255],
        };
        assert_eq!(work, take);
        let ok = read(&reply.answer(Ok(Done::Stored)));
        assert_eq!(ok, (2, json!({ "message-id": "b", "response": "Ok" })));
    }
    first["token"] = json!("x.y.z");
    let (kind, refused) = says(&mut conversation, 1, &first);
    assert_eq!((kind, &refused["response"]), (2, &json!("Error")));
}

#[test]
fn every_error_has_its_number_and_its_fields() {
    let digest = Digest([0xab; 32]);
    let hex = digest.to_string();
    let path = format!("/files/{hex}");
    let cases = [
        (Refused::Failed("x".into()), 200, json!({})),
        (Refused::Unauthorized("x".into()), 201, json!({})),
        (
            Refused::ChunkThere { digest, next: 3 },
            202,
            json!({ "filedigest": hex, "next_chunk": 3 }),
        ),
        (Refused::NotYours(digest), 203, json!({ "filedigest": hex })),
        (
            Refused::PartThere { digest, next: 4 },
            204,
            json!({ "path": path, "next_chunk": 4 }),
        ),
        (
            Refused::Unknown(Some(digest)),
            205,
            json!({ "filedigest": hex }),
        ),
        (Refused::Whole(digest), 206, json!({ "path": path })),
        (
            Refused::TooLarge { size: 9, limit: 8 },
            207,
            json!({ "limit": 8 }),
        ),
    ];
    for (refused, number, mut fields) in cases {
        let reply = Reply::Program {
            kind: 20,
            mid: "m".into(),
            id: None,
        };
        let (kind, said) = read(&reply.answer(Err(refused)));
        let reason = said["reason"].as_str().unwrap();
        assert!(!reason.is_empty());
        fields["mid"] = json!("m");
        fields["reason"] = json!(reason);
        assert_eq!((kind, &said), (number, &fields));
    }
}

#[test]
fn a_file_and_its_chunks_are_told() {
    let digest = Digest([1; 32]);
    let reply = |kind| Reply::Program {
        kind,
        mid: "m".into(),
        id: None,
    };
    let about = About {
        digest,
        size: 1001,
        name: label("f"),
        tags: vec![label("t")],
    };
    let found = read(&reply(30).answer(Ok(Done::Found(about))));
    assert_eq!(
        found,
        (
            30,
            json!({ "mid": "m", "file_info": {
                "name": "f", "size": 1001, "nb_chunks": 2, "digest": digest.to_string(), "tags": ["t"],
            }})
        )
    );
    let chunk = Done::Chunk {
        digest,
        n: 1,
        count: 2,
        data: vec![0],
    };
    let own = Digest::of(b"AA==\n").to_string();
    assert_eq!(
        read(&reply(41).answer(Ok(chunk))),
        (
            41,
            json!({
                "mid": "m", "file_digest": digest.to_string(), "data": "AA==\n",
                "chunk": { "n": 1, "on": 2, "digest": own },
            })
        )
    );
}

#[test]
fn what_cannot_be_read_is_answered_with_the_reason() {
    let hex = "0".repeat(64);
    let tags: Vec<String> = (0..65).map(|tag| tag.to_string()).collect();
    let files = vec![json!({ "name": "f", "size": 1 }); 257];
    let file = |name: &str, size: u64, count: u64, digest: &str, tags: &[String]| json!({ "mid": "m", "file": { "name": name, "size": size, "nb_chunks": count, "digest": digest, "tags": tags } });
    let cases = [
        (0, json!({ "mid": "m" }), "missing field `token`"),
        (0, json!({ "token": "x" }), "it has no mid"),
        (
            0,
            json!({ "mid": "m".repeat(256), "token": "x" }),
            "it has no mid",
        ),
        (0, json!([1]), "it is no JSON object"),
        (
            20,
            file("f", 1000, 2, &hex, &[]),
            "nb_chunks is 2, a file of 1000 bytes has 1",
        ),
        (
            20,
            file("", 1000, 1, &hex, &[]),
            "the name \"\" is not taken: it is empty",
        ),
        (20, file("f", 1000, 1, "abc", &[]), "a digest is SHA-256"),
        (
            20,
            file("f", 1000, 1, &hex, &tags),
            "at most 64 tags, these are 65",
        ),
        (
            30,
            json!({ "mid": "m", "name": "" }),
            "give a filedigest, a name or tags",
        ),
        (
            99,
            json!({ "mid": "m" }),
            "messages of type 99 are not asked here",
        ),
        (
            1,
            json!({ "message-id": "m", "token": "x", "fid": "f", "files": files }),
            "257 files are announced",
        ),
        (
            1,
            json!({ "message-id": "m", "token": "x", "fid": "f", "files": [] }),
            "0 files are announced",
        ),
        (
            3,
            json!({ "message-id": "m", "data": [256] }),
            "the message cannot be read",
        ),
        (
            3,
            json!({ "message-id": "m", "data": "?" }),
            "the data are not base64",
        ),
        (
            2,
            json!({ "message-id": "m" }),
            "messages of type 2 are not asked here",
        ),
    ];
    for (kind, json, reason) in cases {
        let (number, said) = says(&mut logged_in(), kind, &json);
        assert_eq!(
            number,
            if (1..=3).contains(&kind) { 2 } else { 200 },
            "{said}"
        );
        let text = said["reason"].as_str().unwrap();
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn who_sends_no_frame_is_told_in_his_form() {
    let mut conversation = conversation();
    let error = FrameError::Empty;
    let (kind, said) = read(&conversation.lost(error));
    assert_eq!((kind, &said["mid"]), (200, &json!("")));
    says(&mut conversation, 3, &json!({}));
    let (kind, said) = read(&conversation.lost(error));
    assert_eq!((kind, &said["response"]), (2, &json!("Error")));
}

/// Nobody sends larger ones, and the largest answer fits into a frame all the same.
#[test]
fn the_largest_answers_are_frames() {
    let label = label(&"\"".repeat(255));
    let mid = "\u{1}".repeat(255);
    let reply = |kind| Reply::Program {
        kind,
        mid: mid.clone(),
        id: Some(json!(mid)),
    };
    let about = About {
        digest: Digest([1; 32]),
        size: u64::MAX,
        name: label.clone(),
        tags: vec![label; 64],
    };
    read(&reply(30).answer(Ok(Done::Found(about))));
    let documented = Reply::Documented {
        message_id: mid.clone(),
    };
    read(&documented.answer(Ok(Done::Begun(vec![u64::MAX / 256; 256]))));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(kind: u8, json in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut conversation = logged_in();
        let _ = conversation.hear(&Frame { kind, json }, NOW);
    }

    #[test]
    fn foreign_json_is_answered_with_a_frame(
        kind in prop_oneof![0_u8..4, 20..42_u8, any::<u8>()],
        mid in ".{0,20}",
        n: u64,
        text in ".{0,80}",
    ) {
        let json = json!({
            "mid": mid, "message-id": mid, "id": text, "token": text, "filedigest": text, "n": n, "name": text,
            "tags": [text], "data": text, "fid": text, "files": [{ "name": text, "size": n }],
            "file": { "name": text, "size": n, "nb_chunks": n.div_ceil(1000), "digest": "0".repeat(64), "tags": [text] },
            "chunk": { "n": n, "on": n, "digest": text },
        });
        let mut conversation = logged_in();
        if let Heard::Answer(bytes) = hear(&mut conversation, kind, &json) {
            let _ = read(&bytes);
        }
    }
}
