//! The delegated key within a session: its life, its successor, and what of it a third party can judge.

use super::super::super::SKEW_MS;
use super::super::super::keys::DELEGATION_MS;
use super::super::super::proof::{BatchPlace, BatchProof};
use super::*;

const HOUR: u64 = 60 * 60 * 1000;

/// When the fixed delegated keys may no longer speak.
const END: u64 = NOW - SKEW_MS + DELEGATION_MS + SKEW_MS;

#[test]
fn a_session_outlives_its_delegation_only_with_another() {
    for (signing, stops) in [
        (Signing::Every, true),
        (Signing::Rsa, false),
        (Signing::Lazy, false),
    ] {
        let mut two = Two::open(|_, config| config.signing = signing);
        two.now_ms = END;
        two.send(A, &[message_at(END, b"the last")]).unwrap();
        two.now_ms = END + 1;
        let late = two.send(A, &[message_at(END + 1, b"late")]);
        assert_eq!(late.is_err(), stops, "{signing:?}");
        if stops {
            assert_eq!(
                violation(late).1,
                "the delegated key was not valid when the packet was made"
            );
        }
    }
    for stamp in [0, NOW - 2 * SKEW_MS - 1, END + 1, i64::MAX as u64, u64::MAX] {
        let mut two = Two::open(|_, _| {});
        assert!(
            two.send(A, &[message_at(stamp, b"x")]).is_err(),
            "made at {stamp}"
        );
    }
}

#[test]
fn the_key_is_renewed_within_a_session() {
    let mut two = Two::open(|_, _| {});
    two.send(A, &[message(b"one")]).unwrap();
    two.now_ms = NOW + 23 * HOUR;
    let next = Arc::new(DelegatedKey::new(identities()[A], [9; 32], two.now_ms));
    two.ends[A].renew(&next);
    let told = written(&mut two.ends[A]);
    assert!(matches!(
        frames(&told)[..],
        [Inbound {
            kind: Some(Kind::Delegation(_)),
            ..
        }]
    ));
    // Told once, not with every write.
    two.ends[A].renew(&next);
    assert!(written(&mut two.ends[A]).is_empty());

    let batch = two.sealed(A, &[message_at(two.now_ms, b"two")]);
    two.give(B, &told).unwrap();
    assert_eq!(
        packets(&two.give(B, &batch).unwrap())[0].content,
        &b"two"[..]
    );
    two.now_ms = END + HOUR;
    two.send(A, &[message_at(END + HOUR, b"three")]).unwrap();
}

#[test]
fn a_batch_by_a_key_that_was_not_told_is_refused() {
    let mut two = Two::open(|_, _| {});
    let next = Arc::new(DelegatedKey::new(identities()[A], [9; 32], NOW));
    two.ends[A].renew(&next);
    // Lost on the way, which no connection does.
    written(&mut two.ends[A]);
    let refused = two.send(A, &[message(b"x")]);
    assert_eq!(violation(refused).1, "the signature of a batch is wrong");
}

#[test]
fn a_delegation_that_is_expired_or_foreign_is_refused() {
    let old = DelegatedKey::new(identities()[A], [9; 32], NOW - 25 * HOUR);
    let early = DelegatedKey::new(identities()[A], [9; 32], NOW + HOUR);
    let foreign = DelegatedKey::new(identities()[B], [9; 32], NOW);
    for key in [old, early, foreign].map(Arc::new) {
        let mut in_hello = Two::new(|side, config| {
            if side == A {
                config.delegated = Arc::clone(&key);
            }
        });
        let (code, text) = violation(in_hello.carry(A));
        assert_eq!(code, Code::Refused);
        assert!(text.starts_with("delegation: "), "{text}");

        let mut later = Two::open(|_, _| {});
        later.ends[A].renew(&key);
        assert_eq!(violation(later.carry(A)).0, Code::Refused);
    }
}

/// What a satellite took in a signed session, it can show to somebody who was not there.
#[test]
fn a_packet_of_a_session_can_be_proved_to_a_third_party() {
    for signing in [Signing::Every, Signing::Rsa] {
        let mut two = Two::open(|_, config| config.signing = signing);
        two.send(A, &[message(b"before")]).unwrap();
        let bytes = two.sealed(A, &[message(b"one"), message(b"two"), message(b"three")]);
        let [
            Inbound {
                kind: Some(Kind::Batch(batch)),
                ..
            },
        ] = &frames(&bytes)[..]
        else {
            panic!("one batch")
        };
        let greeting = two.ends[B].greeting.as_ref().unwrap();
        let place = BatchPlace {
            session: greeting.session,
            source: two.ends[B].config.remote,
            destination: identities()[B].peer_id(),
            epoch: greeting.epoch,
            first_sequence: batch.first_sequence,
        };
        let delegation = (signing == Signing::Every).then(|| DELEGATED[A].delegation());
        let proof = BatchProof::new(
            place,
            std::slice::from_ref(batch),
            1,
            &greeting.key,
            delegation,
        )
        .unwrap();
        two.give(B, &bytes).unwrap();

        let proved = proof.verify().unwrap();
        assert_eq!(proved.source, identities()[A].peer_id());
        assert_eq!((proved.sequence, &*proved.packet.content), (3, &b"two"[..]));
        let elsewhere = BatchPlace {
            destination: identities()[A].peer_id(),
            ..place
        };
        let shown = BatchProof {
            place: elsewhere,
            ..proof
        };
        assert!(shown.verify().is_err());
    }
}

/// Whom one cannot believe because of a clock is told so, and one that will soon be disbelieved as well.
#[test]
fn clocks_that_are_too_far_apart_are_named() {
    const MINUTE: u64 = 60_000;
    let greeted = |theirs: u64| {
        let mut two = Two::new(|side, config| {
            if side == A {
                config.clock_ms = theirs;
            }
        });
        let outputs = two.carry(A).unwrap();
        let [Output::Greeted { skew, .. }] = outputs[..] else {
            panic!("{outputs:?}")
        };
        skew.map(|skew| skew.to_string())
    };
    assert_eq!(greeted(NOW), None);
    assert_eq!(greeted(NOW + 2 * MINUTE), None);
    assert_eq!(greeted(NOW - 2 * MINUTE), None);
    assert_eq!(
        greeted(NOW + 3 * MINUTE).unwrap(),
        "the peer's clock is 180 s ahead of this one: set both right"
    );
    assert_eq!(
        greeted(NOW - 3 * MINUTE).unwrap(),
        "the peer's clock is 180 s behind this one: set both right"
    );
    assert!(greeted(0).is_some() && greeted(u64::MAX).is_some());

    let ahead = Arc::new(DelegatedKey::new(identities()[A], [9; 32], NOW + HOUR));
    let mut two = Two::new(|side, config| {
        if side == A {
            config.delegated = Arc::clone(&ahead);
            config.clock_ms = NOW + HOUR;
        }
    });
    let (code, text) = violation(two.carry(A));
    assert_eq!(code, Code::Refused);
    assert_eq!(
        text,
        "delegation: the delegation was not valid at that time (the peer's clock is 3600 s ahead of this one: set both right)"
    );
}
