//! Contents in parts: mixed, given up in the middle, and how much of them is held.

use super::super::super::parts::PART_BYTES;
use super::*;

const LARGE: usize = 3 * PART_BYTES;

/// Both sides number their requests from 1, so two requests of the same number run at once more often than not.
#[test]
fn a_cancel_leaves_the_other_sides_request_of_the_same_number_alone() {
    let mut two = Two::open(|_, _| {});
    let reply = parts(PacketType::Response, 1, LARGE);
    let question = parts(PacketType::Request, 1, LARGE);
    two.send(B, &reply[..1]).unwrap();
    two.send(B, &question[..1]).unwrap();

    // B gives up what it asked; what A asked goes on.
    two.ends[B].cancel(1);
    two.carry(B).unwrap();
    assert_eq!(two.ends[A].assembling(), PART_BYTES);
    two.send(B, &reply[1..2]).unwrap();
    let whole = two.send(B, &reply[2..]).unwrap();
    assert_eq!(packets(&whole)[0].content.len(), LARGE);
    assert_eq!(two.ends[A].assembling(), 0);

    // A gives up what it asks; what B asks goes on.
    let question = parts(PacketType::Request, 2, LARGE);
    two.send(B, &question[..1]).unwrap();
    two.ends[A].cancel(2);
    two.send(B, &question[1..2]).unwrap();
    assert_eq!(packets(&two.send(B, &question[2..]).unwrap()).len(), 1);
}

/// Parts that were on their way when the asker gave up.
#[test]
fn a_large_reply_that_crosses_its_cancel_breaks_nothing() {
    let mut two = Two::open(|_, _| {});
    let reply = parts(PacketType::Response, 1, LARGE);
    two.send(B, &reply[..1]).unwrap();
    two.ends[A].cancel(1);
    assert_eq!(two.ends[A].assembling(), 0);
    for part in [1, 2] {
        let outputs = two.send(B, &reply[part..=part]).unwrap();
        assert!(
            matches!(outputs[..], [Output::Taken { request_id: 1, .. }]),
            "{outputs:?}"
        );
    }
    // The same when it was all on its way, and the link says that nobody waits for it.
    for part in parts(PacketType::Response, 2, LARGE) {
        two.send(B, &[part]).unwrap();
        two.ends[A].forget(2);
    }
    assert_eq!(two.ends[A].assembling(), 0);
    // A question is another thing: nobody but its asker can give it up.
    let question = parts(PacketType::Request, 3, LARGE);
    let refused = two.send(B, &question[1..2]);
    assert!(
        violation(refused).1.starts_with("parts of a content:"),
        "part 1 without part 0"
    );
}

/// Its handler failed: the rest will never come, and half a content that stays ends the session after a while.
#[test]
fn the_end_of_a_request_lets_half_a_reply_go() {
    let mut two = Two::open(|_, _| {});
    let reply = parts(PacketType::Response, 1, LARGE);
    let question = parts(PacketType::Request, 1, LARGE);
    for first in [&reply[..1], &question[..1]] {
        two.send(B, first).unwrap();
    }
    let end = Header {
        request_id: 1,
        status: Code::HandlerFailed as i32,
        ..Header::new(PacketType::EndResponse, "", NOW)
    };
    let end = packet::encode(&end, Bytes::from_static(b"it failed"));
    assert_eq!(packets(&two.send(B, &[end]).unwrap()).len(), 1);
    assert_eq!(two.ends[A].assembling(), PART_BYTES, "the question stays");
}

/// As many large replies as there may be requests come side by side, with a question and a message between them.
#[test]
fn all_requests_may_be_large_at_once() {
    let requests = 100;
    let mut two = Two::open(|_, config| config.limits.requests = requests as u32);
    let mut contents = vec![parts(PacketType::Message, 0, LARGE)];
    for id in 1..=requests {
        contents.push(parts(PacketType::Response, id, LARGE));
    }
    contents.push(parts(PacketType::Request, 1, LARGE));
    let count = contents.len();
    let mut whole = 0;
    for part in 0..3 {
        for content in &contents {
            let outputs = two.send(B, &content[part..=part]).unwrap();
            // As the handler does: a part's credit comes back at once.
            for output in &outputs {
                if let Output::Taken {
                    packet_type,
                    request_id,
                    cost,
                    ..
                } = output
                    && let Some(lane) = Lane::of(*packet_type, *request_id)
                {
                    two.ends[A].grant(lane.credit_id(), *cost);
                }
            }
            whole += packets(&outputs).len();
        }
        if part < 2 {
            assert_eq!(two.ends[A].assembling(), count * (part + 1) * PART_BYTES);
        }
    }
    assert_eq!((whole, two.ends[A].assembling()), (count, 0));
}

#[test]
fn contents_beyond_those_of_open_requests_are_refused() {
    let limits = |count| move |_: usize, config: &mut SessionConfig| config.limits.requests = count;
    for (requests, most) in [(1, 3), (u32::MAX, ASSEMBLIES_MAX as u64)] {
        let mut two = Two::open(limits(requests));
        let first = |id| {
            let header = Header {
                request_id: id,
                parts: 2,
                ..Header::new(PacketType::Response, "", NOW)
            };
            packet::encode(&header, Bytes::from_static(b"x"))
        };
        let mut taken = 0;
        let refused = loop {
            let ids = taken + 1..=(taken + 512).min(most + 1);
            match two.send(B, &ids.clone().map(first).collect::<Vec<_>>()) {
                Ok(outputs) => taken += outputs.len() as u64,
                refused => break refused,
            }
        };
        assert!(most - taken < 512, "{taken} of {most}");
        assert!(
            violation(refused).1.contains("contents in parts at once"),
            "{requests} requests"
        );
    }
}

/// Whatever is charged to one window: so a peer holds up to two contents here that are not whole, beside replies it was asked for.
#[test]
fn large_contents_of_one_window_come_one_after_the_other() {
    let kinds = [
        (PacketType::Message, 0),
        (PacketType::Message, 5),
        (PacketType::Internal, 0),
        (PacketType::Request, 1),
        (PacketType::Seek, 2),
        (PacketType::Response, 3 | CAST_BIT),
        (PacketType::Response, 4),
    ];
    for (first, second) in kinds
        .iter()
        .flat_map(|first| kinds.map(|second| (*first, second)))
    {
        if first == second {
            continue;
        }
        let mut two = Two::open(|_, _| {});
        let [one, other] = [first, second].map(|(kind, id)| parts(kind, id, LARGE));
        two.send(A, &one[..1]).unwrap();
        let begun = two.send(A, &other[..1]);
        let [lane, others] = [first, second].map(|(kind, id)| Lane::of(kind, id));
        if lane.is_some() && lane == others {
            assert_eq!(
                violation(begun).1,
                "a large content began before the last one was whole",
                "{first:?}, {second:?}"
            );
        } else {
            begun.unwrap();
        }
    }
    // Given up counts as over.
    let mut two = Two::open(|_, _| {});
    two.send(A, &parts(PacketType::Request, 1, LARGE)[..1])
        .unwrap();
    two.ends[A].cancel(1);
    two.carry(A).unwrap();
    two.send(A, &parts(PacketType::Request, 2, LARGE)[..1])
        .unwrap();
}

/// A handler of messages may ask who sent them: what it asks must not wait for the messages that wait for it.
#[test]
fn what_is_asked_has_a_window_of_its_own() {
    let one = message(&[1; 100]);
    let question = &parts(PacketType::Request, 1, one.len() - 40)[0];
    let mut two = Two::open(|_, config| config.limits.window = cost(one.len()));
    two.send(A, std::slice::from_ref(&one)).unwrap();
    two.send(A, std::slice::from_ref(question)).unwrap();
    two.ends[B].grant(CAST_BIT, 1 << 10);
    assert!(matches!(
        two.carry(B).unwrap()[..],
        [Output::Granted {
            request_id: CAST_BIT,
            ..
        }]
    ));
    let second = &parts(PacketType::Seek, 2, 10)[0];
    two.send(A, std::slice::from_ref(second)).unwrap();
    let refused = two.send(A, std::slice::from_ref(&one));
    assert_eq!(violation(refused).1, "more was sent than credit allowed");
}

#[test]
fn a_tag_that_nobody_counts_is_short() {
    let tag = "t".repeat(TAG_MAX + 1);
    for (len, good) in [(TAG_MAX, true), (TAG_MAX + 1, false)] {
        let mut two = Two::open(|_, _| {});
        let header = Header {
            response_tag: &tag[..len],
            ..Header::new(PacketType::Message, "n", NOW)
        };
        let sent = two.send(A, &[packet::encode(&header, Bytes::new())]);
        assert_eq!(sent.is_ok(), good);
    }
}

#[test]
fn parts_out_of_order_or_unlike_each_other_are_refused() {
    let a = parts(PacketType::Request, 1, LARGE);
    let longer = parts(PacketType::Request, 1, LARGE + PART_BYTES);
    let scripts: [&[&Encoded]; 5] = [
        &[&a[1]],
        &[&a[0], &a[2]],
        &[&a[0], &a[0]],
        &[&a[0], &longer[1]],
        &[&a[0], &a[1], &a[2], &a[2]],
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let mut two = Two::open(|_, _| {});
        let (last, good) = script.split_last().unwrap();
        for part in good {
            two.send(A, &[(*part).clone()]).unwrap();
        }
        let refused = two.send(A, &[(*last).clone()]);
        assert!(
            violation(refused).1.starts_with("parts of a content:"),
            "script {number}"
        );
    }
}

#[test]
fn the_content_limit_holds_to_the_byte() {
    let limit = LARGE as u64;
    for (len, good) in [(LARGE, true), (LARGE + 1, false)] {
        let mut two = Two::open(|_, config| config.limits.content = limit);
        let mut sent = Ok(Vec::new());
        for part in parts(PacketType::Message, 0, len) {
            sent = two.send(A, &[part]);
            if sent.is_err() {
                break;
            }
        }
        assert_eq!(sent.is_ok(), good, "{len} bytes in parts");
    }
    for (len, good) in [(100, true), (101, false)] {
        let mut two = Two::open(|_, config| config.limits.content = 100);
        assert_eq!(
            two.send(A, &[message(&vec![0; len])]).is_ok(),
            good,
            "{len} bytes in one"
        );
    }
}

/// What one side may send is the window, to the byte, and what is granted later.
#[test]
fn credit_holds_to_the_byte() {
    let one = message(&[1; 100]);
    let price = cost(one.len());
    for signing in [Signing::Every, Signing::Lazy] {
        for missing in [0, 1] {
            let mut two = Two::open(|_, config| {
                config.signing = signing;
                config.limits.window = 3 * price - missing;
            });
            two.send(A, &[one.clone(), one.clone()]).unwrap();
            let third = two.send(A, std::slice::from_ref(&one));
            assert_eq!(third.is_ok(), missing == 0);
            if missing == 1 {
                assert_eq!(violation(third).1, "more was sent than credit allowed");
                continue;
            }
            two.ends[B].grant(0, price);
            let granted = two.carry(B).unwrap();
            assert!(
                matches!(granted[..], [Output::Granted { request_id: 0, bytes }] if bytes == price)
            );
            two.send(A, std::slice::from_ref(&one)).unwrap();
            assert!(two.send(A, std::slice::from_ref(&one)).is_err());
        }
    }
}

/// Replies are charged to their request's window, which the link keeps; the answers to a broadcast have none.
#[test]
fn replies_cost_the_session_nothing_unless_they_answer_a_broadcast() {
    for (id, good) in [(1, true), (1 | CAST_BIT, false)] {
        let mut two = Two::open(|_, config| config.limits.window = 100);
        let header = Header {
            request_id: id,
            ..Header::new(PacketType::Response, "", NOW)
        };
        let reply = packet::encode(&header, vec![0; 500].into());
        assert_eq!(two.send(A, &[reply]).is_ok(), good, "request {id:x}");
    }
}

#[test]
fn absurd_windows_and_limits_overflow_nothing() {
    let absurd = Limits {
        content: u64::MAX,
        window: u64::MAX,
        requests: u32::MAX,
        reply_window: u64::MAX,
    };
    let mut two = Two::open(|_, config| config.limits = absurd);
    assert_eq!(two.ends[A].agreed(), Some((absurd, Signing::Every)));
    for _ in 0..3 {
        two.ends[B].grant(0, u64::MAX);
        two.ends[B].grant(u64::MAX, u64::MAX);
        assert_eq!(two.carry(B).unwrap().len(), 2);
        two.send(A, &[message(&[1; 1000])]).unwrap();
    }
    for part in parts(PacketType::Message, 0, LARGE) {
        two.send(A, &[part]).unwrap();
    }
    let nothing = Limits {
        content: 0,
        window: 0,
        requests: 0,
        reply_window: 0,
    };
    let mut two = Two::open(|_, config| config.limits = nothing);
    assert!(two.send(A, &[message(b"")]).is_err());
}
