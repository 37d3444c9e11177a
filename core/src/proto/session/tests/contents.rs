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
    two.send(B, &[&reply[..1], &question[..1]].concat())
        .unwrap();
    let end = Header {
        request_id: 1,
        status: Code::HandlerFailed as i32,
        ..Header::new(PacketType::EndResponse, "", NOW)
    };
    let end = packet::encode(&end, Bytes::from_static(b"it failed"));
    assert_eq!(packets(&two.send(B, &[end]).unwrap()).len(), 1);
    assert_eq!(two.ends[A].assembling(), PART_BYTES, "the question stays");
}
