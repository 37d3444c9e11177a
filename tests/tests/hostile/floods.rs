//! Too much of what is allowed: what is held stays bounded, and whoever goes too far is disconnected.

use std::collections::BTreeMap;
use std::time::Duration;

use psfs_core::error::{RequestError, SendError};
use psfs_core::{PacketType, RequestOptions, SendOptions, Signing};
use psfs_tests::{connected_to, soon, until};

use crate::raw::Raw;
use crate::siege::Siege;
use crate::wire::{
    Cancel, END_RESPONSE, Kind, LAZY, MESSAGE, Packet, REQUEST, REQUESTS, RESPONSE, RSA,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_duplicate_request_ids() {
    let mut siege = Siege::begin("duplicate", |config| config).await;
    let _unread = siege.victim.subscribe(PacketType::Request, "held").unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    raw.packets(&[Packet::request("held", 5), Packet::request("held", 5)])
        .await;
    siege.ends(&mut raw, "a request id was used twice").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_more_requests_open_than_are_allowed() {
    let mut siege = Siege::begin("too many", |config| config.open_requests(8)).await;
    let _unread = siege.victim.subscribe(PacketType::Request, "held").unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    raw.packets(
        &(1..=100)
            .map(|id| Packet::request("held", id))
            .collect::<Vec<_>>(),
    )
    .await;
    siege
        .ends(&mut raw, "more than 8 requests open at once")
        .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_a_million_request_ids_and_cancels() {
    const EACH: u64 = 250;
    let siege = Siege::begin("million", |config| config.signing(Signing::Lazy)).await;
    let mut raw = Raw::session(&siege.victim, 2, LAZY).await;
    // Cancels cost no credit: of ids that were never used.
    for start in (0..1_000_000).step_by(10_000) {
        let frames = (start..start + 10_000u64).flat_map(|request_id| {
            let frame = crate::wire::Frame {
                kind: Some(Kind::Cancel(Cancel { request_id })),
            };
            prost::Message::encode_length_delimited_to_vec(&frame)
        });
        let frames: Vec<u8> = frames.collect();
        raw.try_write(&frames).await.unwrap();
    }
    // Requests cost credit: as many as there is, each cancelled at once, to a namespace nobody serves.
    let mut credit = 1_i64 << 20;
    let mut asked = 0;
    while asked < 100_000 {
        let packets: Vec<_> = (1..=EACH)
            .map(|id| Packet::request("void", asked + id))
            .collect();
        let cost: usize = packets
            .iter()
            .map(|packet| prost::Message::encoded_len(packet) + 64)
            .sum();
        while credit < cost as i64 {
            match raw.next().await.expect("the session goes on") {
                Kind::Credit(given) if given.request_id == REQUESTS => credit += given.bytes as i64,
                _ => {}
            }
        }
        credit -= cost as i64;
        raw.packets(&packets).await;
        for id in 1..=EACH {
            raw.send(Kind::Cancel(Cancel {
                request_id: asked + id,
            }))
            .await;
        }
        asked += EACH;
        assert!(siege.victim.stats().held_bytes < 8 << 20);
    }
    until("all were seen", || {
        siege.victim.stats().requests_unhandled == asked
    })
    .await;
    assert_eq!(siege.victim.stats().violations, 0);
    assert!(connected_to(&siege.victim, &raw.id));
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_reply_flood() {
    let mut siege = Siege::begin("flood", |config| config.reply_window(128 << 10)).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    // Replies nobody asked for, or no longer waits for, are dropped and counted.
    let late = Packet {
        request_id: 77,
        ..Packet::new(RESPONSE, "", "who asked?")
    };
    let end = Packet {
        request_id: 77,
        ..Packet::new(END_RESPONSE, "", "")
    };
    raw.packets(&[late.clone(), end, late]).await;
    until("they are counted", || {
        siege.victim.stats().late_replies == 3
    })
    .await;

    let mut replies = siege
        .victim
        .request(&raw.id, "n", "?", RequestOptions::default())
        .await
        .unwrap();
    let request_id = raw
        .packet(|packet| packet.namespace == "n")
        .await
        .request_id;
    for _ in 0..140 {
        raw.packets(&[Packet {
            request_id,
            ..Packet::new(RESPONSE, "", vec![0; 1024])
        }])
        .await;
    }
    siege
        .ends(&mut raw, "more replies were sent than credit allowed")
        .await;
    // What came within credit is still there, then the error.
    let mut came = 0;
    let error = loop {
        match soon("a reply or the error", replies.next()).await.unwrap() {
            Ok(_) => came += 1,
            Err(error) => break error,
        }
    };
    assert!(
        (64..=128).contains(&came),
        "{came} KiB came through a window of 128 KiB"
    );
    assert_eq!(error, RequestError::Disconnected(raw.id));
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_a_peer_that_claims_an_endless_window_and_reads_nothing() {
    const MOST: usize = 32 << 20;
    let siege = Siege::begin("endless window", |config| config.signing(Signing::Lazy)).await;
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.hello.policy = LAZY;
    if let Some(limits) = &mut raw.hello.limits {
        limits.window = u64::MAX;
    }
    raw.open().await;
    until("the session is open", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    let mut sent = 0;
    let short = SendOptions::default().timeout(Duration::from_millis(500));
    let error = loop {
        match siege
            .victim
            .send(&raw.id, "n", vec![0; 16 << 10], short)
            .await
        {
            Ok(()) => sent += 16 << 10,
            Err(error) => break error,
        }
        assert!(
            sent < MOST,
            "{sent} bytes wait for a peer that reads nothing"
        );
    };
    assert!(matches!(error, SendError::Timeout(_)), "{error}");
    siege.unnoticed().await;
}

/// Begins large contents side by side, each without its last part, as far as credit goes: part by part of 16 KiB. Stops when the
/// satellite gives no more credit, or when it ends the session.
async fn begin(raw: &mut Raw, window: i64, parts: u32, contents: &[Packet]) {
    let mut left: BTreeMap<u64, i64> = BTreeMap::new();
    for part in 0..parts - 1 {
        for first in contents {
            let packet = Packet {
                part,
                parts,
                content: vec![0; 16 << 10].into(),
                ..first.clone()
            };
            let cost = (prost::Message::encoded_len(&packet) + 64) as i64;
            let lane = match packet.kind {
                MESSAGE => 0,
                REQUEST => REQUESTS,
                _ => packet.request_id,
            };
            left.entry(lane).or_insert(window);
            while left[&lane] < cost {
                let given = tokio::time::timeout(Duration::from_millis(500), raw.next());
                match given.await {
                    Ok(Some(Kind::Credit(given))) => {
                        *left.entry(given.request_id).or_insert(window) += given.bytes as i64
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return,
                }
            }
            left.entry(lane).and_modify(|left| *left -= cost);
            raw.packets(&[packet]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_large_requests_side_by_side() {
    let mut siege = Siege::begin("side by side", |config| config).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    let requests: Vec<_> = (1..=2).map(|id| Packet::request("void", id)).collect();
    begin(&mut raw, 1 << 20, 10, &requests).await;
    let reason = "a large content began before the last one was whole";
    siege.ends(&mut raw, reason).await;
    until("nothing of it is held", || {
        siege.victim.stats().held_bytes == 0
    })
    .await;
    siege.unnoticed().await;
}

/// Many peers, each with as much as a session lets it begin: a message and a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_contents_that_never_become_whole() {
    const LIMIT: usize = 4 << 20;
    const WINDOW: usize = 128 << 10;
    const PEERS: usize = 8;
    let siege = Siege::begin("never whole", |config| {
        config
            .signing(Signing::Lazy)
            .memory_limit(LIMIT)
            .content_limit(LIMIT / 2)
            .message_window(WINDOW)
    })
    .await;
    let mut peers = Vec::new();
    for number in 2..2 + PEERS {
        let mut raw = Raw::session(&siege.victim, number, LAZY).await;
        let contents = [Packet::new(MESSAGE, "void", ""), Packet::request("void", 1)];
        begin(&mut raw, WINDOW as i64, 120, &contents).await;
        peers.push(raw);
    }
    let stats = siege.victim.stats();
    let held = stats.held_bytes as usize;
    // What would be held without a limit: nearly all of sixteen contents of 1.9 MiB.
    assert!(
        (LIMIT / 2..=LIMIT + 2 * PEERS * WINDOW).contains(&held),
        "{held} bytes are held"
    );
    assert!(stats.contents_waited >= 2 * PEERS as u64 - 3, "{stats:?}");
    assert_eq!(stats.violations, 0);
    // Once they are gone there is room again.
    drop(peers);
    until("nothing is left of them", || {
        siege.victim.stats().held_bytes == 0
    })
    .await;
    siege.unnoticed_for(3000).await;
}

/// A large question waited for memory, was cancelled, and took its window with it: its session could never ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_a_cancelled_question_gives_its_window_back() {
    const LIMIT: usize = 4 << 20;
    const WINDOW: usize = 128 << 10;
    let siege = Siege::begin("cancelled", |config| {
        config
            .signing(Signing::Lazy)
            .memory_limit(LIMIT)
            .content_limit(LIMIT / 2)
            .message_window(WINDOW)
    })
    .await;
    // Contents that never become whole fill the memory.
    let mut peers = Vec::new();
    for number in 3..6 {
        let mut raw = Raw::session(&siege.victim, number, LAZY).await;
        let contents = [Packet::new(MESSAGE, "void", ""), Packet::request("void", 1)];
        begin(&mut raw, WINDOW as i64, 120, &contents).await;
        peers.push(raw);
    }
    let mut raw = Raw::session(&siege.victim, 2, LAZY).await;
    let before = siege.victim.stats().contents_waited;
    begin(&mut raw, WINDOW as i64, 120, &[Packet::request("void", 1)]).await;
    assert!(siege.victim.stats().contents_waited > before, "it waits");
    raw.send(Kind::Cancel(Cancel { request_id: 1 })).await;
    drop(peers);
    let given = async {
        let mut given = 0;
        while given < WINDOW / 2 {
            match raw.next().await {
                Some(Kind::Credit(credit)) if credit.request_id == REQUESTS => {
                    given += usize::try_from(credit.bytes).unwrap();
                }
                Some(_) => {}
                None => panic!("the session ended"),
            }
        }
    };
    soon("its window is its own again", given).await;
    siege.unnoticed_for(3000).await;
}

/// A byte that a slow handler keeps once held the 64 KiB that it came with, and counted as nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_small_contents_do_not_hold_what_came_with_them() {
    let siege = Siege::begin("pinned", |config| config).await;
    let mut small = siege
        .victim
        .subscribe(PacketType::Message, "small")
        .unwrap();
    let mut large = siege
        .victim
        .subscribe(PacketType::Message, "large")
        .unwrap();
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    let batch = [
        Packet::new(MESSAGE, "small", "x"),
        Packet::new(MESSAGE, "large", vec![0; 50_000]),
    ];
    raw.packets(&batch).await;
    let small = soon("the small one", small.next()).await.unwrap();
    let large = soon("the large one", large.next()).await.unwrap();
    assert!(small.content().is_unique(), "it shares memory");
    assert_eq!(large.content().len(), 50_000);
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_the_text_of_a_failed_handler_is_short_whatever_is_sent() {
    let siege = Siege::begin("long text", |config| config).await;
    let mut raw = Raw::session(&siege.victim, 2, RSA).await;
    until("the session is open", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    let options = RequestOptions::default();
    let request = siege.victim.request(&raw.id, "n", "?", options);
    let mut replies = request.await.unwrap();
    let answer = soon("the question", raw.asked("n")).await;
    raw.packets(&[Packet {
        kind: END_RESPONSE,
        status: 7,
        content: vec![b'x'; 50_000].into(),
        ..answer
    }])
    .await;
    let error = soon("the end", replies.next()).await.unwrap().unwrap_err();
    let RequestError::Failed { code: 7, text, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(text.len(), 1024);
    siege.unnoticed().await;
}

/// Nobody knows an address of a peer that showed none: who wants to reach it is told so, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_showed_no_address_is_out_of_reach_once_it_is_gone() {
    let mut siege = Siege::begin("no address", |config| config).await;
    let raw = Raw::session(&siege.victim, 2, RSA).await;
    until("the session is open", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    let id = raw.id;
    drop(raw);
    siege.disconnected(&id).await;
    let long = SendOptions::default().timeout(Duration::from_secs(100));
    let error = siege.victim.send(&id, "n", "", long).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Unreachable { reason, .. } if reason.contains("no address")),
        "{error}"
    );
    siege.unnoticed().await;
}

/// Their windows are those of requests that the satellite itself made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_replies_that_never_become_whole() {
    const LIMIT: usize = 4 << 20;
    const WINDOW: usize = 128 << 10;
    const REQUESTS: usize = 12;
    let siege = Siege::begin("half replies", |config| {
        config
            .signing(Signing::Lazy)
            .memory_limit(LIMIT)
            .content_limit(LIMIT / 2)
            .reply_window(WINDOW)
    })
    .await;
    let mut raw = Raw::session(&siege.victim, 2, LAZY).await;
    until("the session is open", || {
        connected_to(&siege.victim, &raw.id)
    })
    .await;
    let mut replies = Vec::new();
    for _ in 0..REQUESTS {
        let request = siege
            .victim
            .request(&raw.id, "n", "?", RequestOptions::default());
        replies.push(request.await.unwrap());
    }
    let mut asked = Vec::new();
    while asked.len() < REQUESTS {
        let kind = raw.next().await.expect("the session goes on");
        if let Kind::Batch(batch) = kind {
            for packet in batch.packets {
                let packet: Packet = prost::Message::decode(packet).unwrap();
                if packet.namespace == "n" {
                    asked.push(Packet {
                        request_id: packet.request_id,
                        ..Packet::new(RESPONSE, "", "")
                    });
                }
            }
        }
    }
    begin(&mut raw, WINDOW as i64, 120, &asked).await;
    let held = siege.victim.stats().held_bytes as usize;
    assert!(
        (LIMIT / 4..=LIMIT + REQUESTS * WINDOW).contains(&held),
        "{held} bytes are held"
    );
    assert_eq!(siege.victim.stats().violations, 0);
    drop(replies);
    until("nothing is left of them", || {
        siege.victim.stats().held_bytes == 0
    })
    .await;
    siege.unnoticed().await;
}
