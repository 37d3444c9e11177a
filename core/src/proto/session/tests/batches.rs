//! What batches are refused, and what is said of those that are taken.

use super::super::super::parts::PART_BYTES;
use super::super::super::proof::{BatchPlace, BatchProof};
use super::*;

/// It has no number of its own, so the same one could be sent for ever.
#[test]
fn a_batch_without_packets_is_refused() {
    for signing in [Signing::Every, Signing::Rsa, Signing::Lazy] {
        let mut two = Two::open(|_, config| config.signing = signing);
        assert_eq!(
            violation(two.send(A, &[])).1,
            "a batch without packets",
            "{signing:?}"
        );
    }
}

/// Whoever asks for an Ack with each packet and reads none of them costs one.
#[test]
fn acks_that_nobody_reads_do_not_pile_up() {
    let mut two = Two::open(|_, _| {});
    for number in 0..100_u8 {
        let bytes = two.sealed_asking(A, &[message(&[number])], true);
        two.give(B, &bytes).unwrap();
    }
    assert!(two.ends[B].frames.len() <= 1);
    let acked = two.carry(B).unwrap();
    assert!(
        matches!(acked[..], [Output::Acked { up_to: 100 }]),
        "{acked:?}"
    );
    let unasked = two.send(A, &[message(b"x")]);
    assert_eq!(packets(&unasked.unwrap()).len(), 1);
    assert!(written(&mut two.ends[B]).is_empty());
}

/// A batch of one packet as anybody with A's delegated key could sign it, for any place.
struct Place {
    session: [u8; 32],
    source: PeerId,
    destination: PeerId,
    epoch: u64,
    signed_sequence: u64,
    sequence: u64,
    key: Arc<DelegatedKey>,
}

impl Place {
    /// Where the first batch of A to B belongs.
    fn of(two: &Two) -> Self {
        let session = two.ends[B].greeting.as_ref().unwrap().session;
        Self {
            session,
            source: identities()[A].peer_id(),
            destination: identities()[B].peer_id(),
            epoch: 100,
            signed_sequence: 1,
            sequence: 1,
            key: Arc::clone(&DELEGATED[A]),
        }
    }

    fn batch(&self) -> Kind {
        let packets = vec![message(b"x").to_bytes()];
        let root = merkle::root(packets.iter().map(AsRef::as_ref));
        let signed = keys::batch_message(
            &self.session,
            &self.source,
            &self.destination,
            self.epoch,
            self.signed_sequence,
            &root,
        );
        Kind::Batch(wire::Batch {
            packets,
            first_sequence: self.sequence,
            signature: self.key.sign(&signed).to_vec().into(),
            confirm: false,
        })
    }
}

#[test]
fn a_signature_holds_for_one_session_direction_epoch_and_place() {
    let changes: [fn(&mut Place); 6] = [
        |place| place.session[31] ^= 1,
        |place| place.source = place.destination,
        |place| place.destination = place.source,
        |place| place.epoch += 1,
        |place| place.signed_sequence = 2,
        |place| place.key = Arc::clone(&DELEGATED[B]),
    ];
    let mut two = Two::open(|_, _| {});
    for (number, change) in changes.iter().enumerate() {
        let mut place = Place::of(&two);
        change(&mut place);
        let refused = two.tell(B, place.batch());
        assert_eq!(
            violation(refused).1,
            "the signature of a batch is wrong",
            "change {number}"
        );
        // A refused batch changes nothing, so one session serves for all.
        two.ends[B].ended = false;
    }
    let good = Place::of(&two).batch();
    assert_eq!(packets(&two.tell(B, good).unwrap()).len(), 1);
}

#[test]
fn a_batch_of_another_session_of_the_same_two_is_refused() {
    let mut now = Two::open(|_, _| {});
    let others: [fn(usize, &mut SessionConfig); 4] = [
        |side, config| config.nonce[0] ^= u8::from(side == A),
        |side, config| config.nonce[0] ^= u8::from(side == B),
        |side, config| config.epoch += u64::from(side == A),
        |side, config| config.clock_ms += u64::from(side == B),
    ];
    for (number, other) in others.iter().enumerate() {
        let stolen = Two::open(other).sealed(A, &[message(b"x")]);
        let refused = now.give(B, &stolen);
        assert_eq!(
            violation(refused).1,
            "the signature of a batch is wrong",
            "session {number}"
        );
        now.ends[B].ended = false;
    }
    // And what one side said does not come back to it.
    let own = now.sealed(B, &[message(b"x")]);
    assert!(now.give(B, &own).is_err());
}

#[test]
fn no_bit_of_a_signed_batch_can_be_changed() {
    let mut two = Two::open(|_, _| {});
    let bytes = two.sealed(A, &[message(b"one"), message(b"two")]);
    let good = frames(&bytes)[0].raw.clone();
    let mut skipped = 0;
    for bit in 0..good.len() * 8 {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        let Ok(wire::Frame { kind: Some(kind) }) = prost::Message::decode(&*bad) else {
            // No frame, or one of an unknown kind: that is the reader's to judge.
            skipped += 1;
            continue;
        };
        assert!(
            two.ends[B].on_frame(kind.clone(), &bad, NOW).is_err(),
            "bit {bit}: {kind:?}"
        );
        two.ends[B].ended = false;
    }
    assert!(skipped < good.len() * 8 / 4, "{skipped} skipped");
    assert_eq!(packets(&two.give(B, &bytes).unwrap()).len(), 2);
}

#[test]
fn packets_of_a_batch_keep_their_order_and_number() {
    let mut two = Two::open(|_, _| {});
    let bytes = two.sealed(A, &[message(b"one"), message(b"two")]);
    let Some(Kind::Batch(good)) = frames(&bytes)[0].kind.clone() else {
        panic!("a batch")
    };
    let changes: [fn(&mut wire::Batch); 4] = [
        |batch| batch.packets.reverse(),
        |batch| drop(batch.packets.pop()),
        |batch| batch.packets.push(batch.packets[0].clone()),
        |batch| batch.signature = Bytes::new(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(two.tell(B, Kind::Batch(bad)).is_err(), "change {number}");
        two.ends[B].ended = false;
    }
    two.give(B, &bytes).unwrap();
}

/// The batches of a content in parts, one each, and what they are signed with.
fn content_in_batches(two: &mut Two, parts: usize) -> Vec<wire::Batch> {
    let encoded = parts_of(parts);
    let sealed = encoded
        .iter()
        .map(|part| two.sealed(A, std::slice::from_ref(part)));
    sealed
        .map(|bytes| match frames(&bytes)[0].kind.clone() {
            Some(Kind::Batch(batch)) => batch,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn parts_of(count: usize) -> Vec<Encoded> {
    parts(PacketType::Message, 0, count * PART_BYTES)
}

/// One signature costs as much as hashing several parts.
#[test]
fn the_last_part_of_a_content_is_signed_for_all_of_them() {
    for signing in [Signing::Every, Signing::Rsa] {
        let mut two = Two::open(|_, config| config.signing = signing);
        let batches = content_in_batches(&mut two, 4);
        let signed: Vec<bool> = batches
            .iter()
            .map(|batch| !batch.signature.is_empty())
            .collect();
        assert_eq!(signed, [false, false, false, true]);
        let greeting = two.ends[B].greeting.as_ref().unwrap();
        let place = BatchPlace {
            session: greeting.session,
            source: identities()[A].peer_id(),
            destination: identities()[B].peer_id(),
            epoch: 100,
            first_sequence: 1,
        };
        let delegation = (signing == Signing::Every).then(|| DELEGATED[A].delegation());
        for (sequence, index) in (1..).zip(0..4) {
            let proof = BatchProof::new(place, &batches, index, &greeting.key, delegation);
            let proved = proof.unwrap().verify().unwrap();
            assert_eq!(
                (proved.sequence, proved.packet.part),
                (sequence, index as u32)
            );
        }
        let mut whole = Vec::new();
        for batch in batches {
            assert!(
                whole.is_empty(),
                "before the signature nothing is handed out"
            );
            whole = two.tell(B, Kind::Batch(batch)).unwrap();
            whole.retain(|output| matches!(output, Output::Packet(_)));
        }
        assert_eq!(packets(&whole)[0].content.len(), 4 * PART_BYTES);
        // What follows is signed by itself again.
        assert_eq!(packets(&two.send(A, &[message(b"x")]).unwrap()).len(), 1);
    }
}

#[test]
fn what_another_packet_interrupts_is_signed_with_it() {
    let mut two = Two::open(|_, _| {});
    let [first, last] = parts_of(2).try_into().unwrap();
    two.send(A, &[first]).unwrap();
    assert_eq!(two.ends[B].unsigned_in.len(), 1);
    assert_eq!(
        packets(&two.send(A, &[message(b"small")]).unwrap()).len(),
        1
    );
    assert_eq!(two.ends[B].unsigned_in.len(), 0);
    assert_eq!(packets(&two.send(A, &[last]).unwrap()).len(), 1);
}

#[test]
fn nothing_but_parts_of_what_goes_on_waits_for_a_signature() {
    let refused = |change: fn(&mut Vec<wire::Batch>)| {
        let mut two = Two::open(|_, _| {});
        let mut batches = content_in_batches(&mut two, 3);
        change(&mut batches);
        let mut told = batches
            .into_iter()
            .map(|batch| two.tell(B, Kind::Batch(batch)));
        told.find_map(Result::err).map(|violation| violation.text)
    };
    assert_eq!(refused(|_| {}), None);
    // The last part; what asks to be told that it arrived; small packets.
    let due = Some("a batch without the signature that is due".to_owned());
    assert_eq!(refused(|batches| batches[2].signature = Bytes::new()), due);
    assert_eq!(refused(|batches| batches[1].confirm = true), due);
    let small =
        |batches: &mut Vec<wire::Batch>| batches[1].packets = vec![message(b"x").to_bytes()];
    assert_eq!(refused(small), due);
    // A part that was changed on the way is found out by the signature of the last.
    let changed = |batches: &mut Vec<wire::Batch>| {
        let mut part = batches[0].packets[0].to_vec();
        *part.last_mut().unwrap() ^= 1;
        batches[0].packets[0] = part.into();
    };
    let wrong = Some("the signature of a batch is wrong".to_owned());
    assert_eq!(refused(changed), wrong);
}

#[test]
fn packets_do_not_wait_for_a_signature_without_an_end() {
    let mut two = Two::open(|_, config| {
        config.limits.window = 1 << 30;
        config.limits.content = 1 << 30;
    });
    let batches = content_in_batches(&mut two, 70);
    let signed: Vec<usize> = (0..70)
        .filter(|at| !batches[*at].signature.is_empty())
        .collect();
    assert_eq!(signed, [64, 69]);
    for (at, mut batch) in batches.into_iter().enumerate() {
        if at < 64 {
            two.tell(B, Kind::Batch(batch)).unwrap();
            continue;
        }
        batch.signature = Bytes::new();
        let refused = two.tell(B, Kind::Batch(batch));
        assert_eq!(
            violation(refused).1,
            "a batch without the signature that is due"
        );
        break;
    }
}

/// Under every policy, also where nothing is signed.
#[test]
fn a_replayed_batch_and_a_gap_are_refused() {
    for signing in [Signing::Every, Signing::Rsa, Signing::Lazy] {
        let mut two = Two::open(|_, config| config.signing = signing);
        let [one, two_, three] = [1, 2, 3].map(|number| two.sealed(A, &[message(&[number])]));
        two.give(B, &one).unwrap();
        for (bad, text) in [
            (&one, "packet 1 came where 2 was due: replayed or left out"),
            (
                &three,
                "packet 3 came where 2 was due: replayed or left out",
            ),
        ] {
            assert_eq!(violation(two.give(B, bad)).1, text);
            two.ends[B].ended = false;
        }
        two.give(B, &two_).unwrap();
        two.give(B, &three).unwrap();
        for sequence in [0, u64::MAX] {
            let batch = wire::Batch {
                packets: vec![message(b"x").to_bytes()],
                first_sequence: sequence,
                ..Default::default()
            };
            assert!(two.tell(B, Kind::Batch(batch)).is_err());
            two.ends[B].ended = false;
        }
    }
}

#[test]
fn an_ack_is_for_packets_that_were_sent() {
    let mut two = Two::open(|_, _| {});
    two.send(A, &[message(b"one"), message(b"two")]).unwrap();
    let ack = |received_up_to| Kind::Ack(wire::Ack { received_up_to });
    for good in [0, 1, 2] {
        let outputs = two.tell(A, ack(good)).unwrap();
        assert!(matches!(outputs[..], [Output::Acked { up_to }] if up_to == good));
    }
    for bad in [3, u64::MAX] {
        let refused = two.tell(A, ack(bad));
        assert_eq!(violation(refused).1, "an Ack for packets never sent");
        two.ends[A].ended = false;
    }
}

#[test]
fn packets_that_have_no_place_in_a_session_are_refused() {
    let refusal = |packet_type, request_id| {
        let header = Header {
            request_id,
            ..Header::new(packet_type, "n", NOW)
        };
        let mut two = Two::open(|_, config| config.signing = Signing::Lazy);
        let sent = two.send(A, &[packet::encode(&header, Bytes::new())]);
        sent.err().map(|violation| violation.text)
    };
    use PacketType::{Broadcast, EndResponse, Internal, Message, Request, Response, Seek};
    for request_id in [0, 1] {
        assert_eq!(
            refusal(Broadcast, request_id).unwrap(),
            "a BROADCAST does not travel in a session"
        );
        for free in [Internal, Message] {
            assert_eq!(refusal(free, request_id), None, "{free}");
        }
    }
    for numbered in [Request, Seek, Response, EndResponse] {
        assert_eq!(
            refusal(numbered, 0).unwrap(),
            "a request or reply without a request id"
        );
        assert_eq!(refusal(numbered, 1), None, "{numbered}");
    }
    let mut two = Two::open(|_, config| config.signing = Signing::Lazy);
    for garbage in [&b"\xff"[..], b"", b"\x08\x63"] {
        let encoded = Encoded::from(Bytes::copy_from_slice(garbage));
        let refused = two.send(A, &[encoded]);
        // Nothing at all is an INTERNAL packet without content.
        assert_eq!(refused.is_ok(), garbage.is_empty());
        two.ends[B].ended = false;
        two.ends[B].next_in = two.ends[A].next_out;
    }
}
