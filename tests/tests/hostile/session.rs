//! In an open session: packets that are not what they should be.

use std::time::Duration;

use psfs_core::{PacketType, RequestOptions};
use psfs_tests::{connected_to, key, soon, until};

use crate::raw::{Raw, varint};
use crate::siege::Siege;
use crate::wire::{
    Ack, BROADCAST, Batch, Cancel, Credit, END_RESPONSE, Kind, LAZY, MESSAGE, Packet, REQUEST,
    RESPONSE, RSA, Resume,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_valid_frame_one_byte_at_a_time_is_taken_in() {
    let siege = Siege::begin("bytes", |config| config).await;
    let mut messages = siege
        .victim
        .subscribe(PacketType::Message, "slowly")
        .unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    let batch = raw.batch(&[Packet::new(MESSAGE, "slowly", "byte by byte")]);
    let frame = prost::Message::encode_to_vec(&crate::wire::Frame {
        kind: Some(Kind::Batch(batch)),
    });
    for byte in varint(frame.len() as u64).iter().chain(&frame) {
        raw.try_write(&[*byte]).await.unwrap();
    }
    let event = soon("the message", messages.next()).await.unwrap();
    assert_eq!(
        (event.peer(), &event.content()[..]),
        (&raw.id, &b"byte by byte"[..])
    );
    assert_eq!(siege.victim.stats().violations, 0);
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_garbage_in_a_session() {
    let mut siege = Siege::begin("garbage inside", |config| config).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    raw.write_frame(b"\x1a\x7f no batch at all").await;
    siege
        .ends(&mut raw, "malformed frame: a frame that cannot be read")
        .await;
    // Well signed, and no packet.
    let mut raw = Raw::session(&siege.victim, 3, RSA).await;
    let batch = raw.encoded(vec![(&b"\xff\xff no packet"[..]).into()]);
    raw.send(Kind::Batch(batch)).await;
    siege.ends(&mut raw, "malformed packet").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_packets_of_the_wrong_session() {
    let mut siege = Siege::begin("wrong session", |config| config).await;
    let mut messages = siege.victim.subscribe(PacketType::Message, "n").unwrap();
    // What was good in its first session, to the same satellite and under the same number, is not in its second.
    let mut first = Raw::session(&siege.victim, 2, RSA).await;
    let batch = first.batch(&[Packet::new(MESSAGE, "n", "pay me 100")]);
    first.send(Kind::Batch(batch.clone())).await;
    soon("it was good", messages.next()).await.unwrap();
    drop(first);
    siege.disconnected(&key(2).peer_id()).await;
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.hello.nonce = vec![8; 32].into();
    raw.open().await;
    raw.send(Kind::Batch(batch)).await;
    siege
        .ends(&mut raw, "the signature of a batch is wrong")
        .await;

    // Signed by another key, and not signed at all although it was agreed.
    let wrong = "the signature of a batch is wrong";
    let missing = "a batch without the signature that is due";
    for (number, signature, reason) in [(3, vec![1; 256], wrong), (4, Vec::new(), missing)] {
        let mut raw = Raw::session(&siege.victim, number, RSA).await;
        let batch = raw.batch(&[Packet::new(MESSAGE, "n", "pay me 100")]);
        raw.send(Kind::Batch(Batch {
            signature: signature.into(),
            ..batch
        }))
        .await;
        siege.ends(&mut raw, reason).await;
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(100), messages.next())
            .await
            .is_err(),
        "a packet got through"
    );
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_downgrade_to_lazy_by_one_side_alone() {
    // The satellite asks for Every; a peer that asks for Lazy and signs nothing is not believed.
    let mut siege = Siege::begin("downgrade", |config| {
        config.signing(psfs_core::Signing::Rsa)
    })
    .await;
    let mut raw = Raw::session(&siege.victim, 2, LAZY).await;
    raw.agreed.as_mut().unwrap().policy = LAZY;
    raw.packets(&[Packet::new(MESSAGE, "n", "unsigned")]).await;
    siege
        .ends(&mut raw, "a batch without the signature that is due")
        .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_replay_and_gaps_within_a_session() {
    let mut siege = Siege::begin("replay", |config| config).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    let batch = raw.batch(&[Packet::new(MESSAGE, "n", "once")]);
    raw.send(Kind::Batch(batch.clone())).await;
    raw.send(Kind::Batch(batch)).await;
    siege.ends(&mut raw, "packet 1 came where 2 was due").await;
    let mut raw = Raw::session(&siege.victim, 3, RSA).await;
    raw.sequence = u64::MAX - 1;
    raw.packets(&[Packet::new(MESSAGE, "n", "")]).await;
    siege.ends(&mut raw, "came where 1 was due").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_packets_that_cannot_be() {
    let mut siege = Siege::begin("impossible", |config| config.content_limit(100_000)).await;
    let nul = || Packet::new(MESSAGE, "a\0b", "");
    let table: [(&str, Vec<Packet>); 9] = [
        (
            "does not travel in a session",
            vec![Packet::new(BROADCAST, "n", "")],
        ),
        ("without a request id", vec![Packet::new(REQUEST, "n", "")]),
        ("NUL", vec![nul()]),
        ("empty", vec![Packet::new(MESSAGE, "", "")]),
        (
            "256 bytes",
            vec![Packet::new(MESSAGE, &"x".repeat(256), "")],
        ),
        ("99 is no packet type", vec![Packet::new(99, "n", "")]),
        (
            "parts of a content",
            vec![Packet {
                part: 1,
                parts: 2,
                ..Packet::new(MESSAGE, "n", "x")
            }],
        ),
        (
            "parts of a content",
            vec![Packet {
                parts: 1 << 20,
                ..Packet::new(MESSAGE, "n", "x")
            }],
        ),
        (
            "parts of a content",
            (0..3)
                .map(|part| Packet {
                    part,
                    parts: 9,
                    ..Packet::new(MESSAGE, "n", vec![0; 50_000])
                })
                .collect(),
        ),
    ];
    for (number, (reason, packets)) in table.into_iter().enumerate() {
        let mut raw = Raw::session(&siege.victim, 2 + number, RSA).await;
        for packet in packets {
            raw.packets(&[packet]).await;
        }
        siege.ends(&mut raw, reason).await;
    }
    assert_eq!(siege.victim.stats().violations, 9);
    until("nothing of it is held", || {
        siege.victim.stats().held_bytes == 0
    })
    .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frames_that_do_not_fit() {
    let mut siege = Siege::begin("unfitting", |config| config).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    raw.send(Kind::Ack(Ack {
        received_up_to: u64::MAX,
    }))
    .await;
    siege.ends(&mut raw, "an Ack for packets never sent").await;
    let mut raw = Raw::session(&siege.victim, 3, RSA).await;
    raw.send(Kind::Resume(Resume {
        session: vec![1; 32].into(),
    }))
    .await;
    siege.ends(&mut raw, "Resume was not offered").await;
    let mut raw = Raw::session(&siege.victim, 4, RSA).await;
    let auth = raw.auth();
    raw.send(Kind::Auth(auth)).await;
    siege.ends(&mut raw, "a second Auth").await;
    let mut raw = Raw::session(&siege.victim, 5, RSA).await;
    let _second = raw.second_substream().await;
    siege.ends(&mut raw, "a second substream for packets").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_credit_overrun() {
    let mut siege = Siege::begin("overrun", |config| config.message_window(128 << 10)).await;
    let _unread = siege
        .victim
        .subscribe(PacketType::Message, "unread")
        .unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    for _ in 0..140 {
        raw.packets(&[Packet::new(MESSAGE, "unread", vec![0; 1024])])
            .await;
    }
    siege
        .ends(&mut raw, "more was sent than credit allowed")
        .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_absurd_credit() {
    let mut siege = Siege::begin("absurd", |config| config).await;
    for (number, bytes) in [(2, u64::MAX), (3, 1 << 63), (4, 1 << 60)] {
        let mut raw = Raw::session(&siege.victim, number, RSA).await;
        raw.send(Kind::Credit(Credit {
            request_id: 0,
            bytes,
        }))
        .await;
        siege.ends(&mut raw, "absurd credit").await;
    }
    // For an open request; and in small pieces that add up.
    let mut asked = siege.victim.subscribe(PacketType::Request, "held").unwrap();
    let mut raw = Raw::session(&siege.victim, 5, RSA).await;
    raw.packets(&[Packet::request("held", 1)]).await;
    let _held = soon("the request", asked.next()).await.unwrap();
    raw.send(Kind::Credit(Credit {
        request_id: 1,
        bytes: u64::MAX,
    }))
    .await;
    siege.ends(&mut raw, "absurd credit").await;
    let mut raw = Raw::session(&siege.victim, 6, RSA).await;
    for _ in 0..1100 {
        raw.send(Kind::Credit(Credit {
            request_id: 0,
            bytes: 1 << 54,
        }))
        .await;
    }
    siege.ends(&mut raw, "absurd credit").await;
    // For a request that is over it is nothing.
    let mut raw = Raw::session(&siege.victim, 7, RSA).await;
    raw.send(Kind::Credit(Credit {
        request_id: 77,
        bytes: u64::MAX,
    }))
    .await;
    raw.packets(&[Packet {
        request_id: 1,
        ..Packet::new(REQUEST, "echo", "still here")
    }])
    .await;
    let answer = raw.packet(|packet| packet.kind == RESPONSE).await;
    assert_eq!(answer.content, "still here");
    siege.unnoticed().await;
}

/// Both sides number their requests from 1. A Cancel of the peer's request once threw away the half of a reply to ours under the same
/// number; the rest of it was taken for nothing, and the request ended well without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_leaves_the_half_reply_to_a_request_of_the_same_number_alone() {
    let siege = Siege::begin("same number", |config| config).await;
    let mut held = siege.victim.subscribe(PacketType::Request, "held").unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    until("the session is open", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    let options = RequestOptions::default();
    let mut replies = siege
        .victim
        .request(&raw.id, "large", "", options)
        .await
        .unwrap();
    let answer = soon("our request", raw.asked("large")).await;
    let part = |part: u32, content: &'static str| Packet {
        part,
        parts: 2,
        content: content.into(),
        ..answer.clone()
    };
    raw.packets(&[Packet::request("held", answer.request_id), part(0, "the ")])
        .await;
    soon("its request", held.next()).await.unwrap();
    let request_id = answer.request_id;
    raw.send(Kind::Cancel(Cancel { request_id })).await;
    let end = Packet {
        kind: END_RESPONSE,
        ..answer.clone()
    };
    raw.packets(&[part(1, "whole"), end]).await;
    let reply = soon("the reply", replies.next()).await.unwrap().unwrap();
    assert_eq!(reply.content(), "the whole");
    assert!(soon("the end", replies.next()).await.is_none());
    siege.unnoticed().await;
}
