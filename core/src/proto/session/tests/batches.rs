//! What batches are refused, and what is said of those that are taken.

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
