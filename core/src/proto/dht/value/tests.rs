use super::*;
use crate::proto::testing::{NOW, identities};

const MAX: u64 = 1000;
const LATER: u64 = NOW + DAY_MS;

fn me() -> &'static Identity {
    identities()[0]
}

fn signed(sequence: u64, content: &[u8]) -> Entry {
    Entry::signed(me(), b"salt", sequence, content, LATER).unwrap()
}

fn changed(entry: &Entry, change: impl FnOnce(&mut Entry, &mut SignedProof)) -> Entry {
    let mut changed = entry.clone();
    let mut proof = changed.proof.take().unwrap();
    change(&mut changed, &mut proof);
    changed.proof = Some(proof);
    changed
}

#[test]
fn a_value_of_each_kind_is_what_it_says() {
    let key = Key::of_name("name");
    for entry in [
        Entry::plain(b"content", me().peer_id(), LATER),
        Entry::raw(key, b"content", me().peer_id(), LATER),
        signed(1, b"content"),
        signed(u64::MAX, b"content"),
    ] {
        assert_eq!(entry.verify(b"content", MAX, NOW), Ok(()));
        assert_eq!(entry.verify(b"content", 7, NOW), Ok(()));
        let size = Invalid::Size { size: 7, got: 8 };
        assert_eq!(entry.verify(b"content!", MAX, NOW), Err(size));
        assert_eq!(entry.verify(b"Content", MAX, NOW), Err(Invalid::Root));
        let large = entry.verify(b"content", 6, NOW).unwrap_err();
        assert_eq!(large.reason(), Reason::TooLarge);
        assert!(large.to_string().contains("max_item_size"), "{large}");
    }
    let deleted = Entry::tombstone(me(), b"salt", 2, NOW).unwrap();
    assert!(deleted.is_deleted() && !signed(1, b"").is_deleted());
    assert_eq!(deleted.verify(b"", MAX, NOW), Ok(()));
    assert!(newer(&deleted, &signed(1, b"content")));
}

#[test]
fn a_plain_value_has_the_key_of_its_content() {
    let entry = Entry {
        key: Key::of_name("x"),
        ..Entry::plain(b"x", me().peer_id(), LATER)
    };
    assert_eq!(entry.check(MAX, NOW), Ok(()));
    assert_eq!(entry.verify(b"x", MAX, NOW), Err(Invalid::Key));
}

#[test]
fn lives_are_bounded_and_a_tombstone_outlives_what_it_deletes() {
    let life =
        |expires_ms, now_ms| Entry::plain(b"", me().peer_id(), expires_ms).check(MAX, now_ms);
    assert_eq!(life(NOW, NOW), Err(Invalid::Expired));
    assert_eq!(life(NOW + 1, NOW), Ok(()));
    assert_eq!(life(NOW + EXPIRY_MAX_MS, NOW), Ok(()));
    assert_eq!(life(NOW + EXPIRY_MAX_MS + SKEW_MS, NOW), Ok(()));
    assert_eq!(
        life(NOW + EXPIRY_MAX_MS + SKEW_MS + 1, NOW),
        Err(Invalid::TooLong)
    );
    assert_eq!(life(u64::MAX, 0), Err(Invalid::TooLong));
    assert_eq!(life(0, 0), Err(Invalid::Expired));

    let deleted = Entry::tombstone(me(), b"", 9, NOW).unwrap();
    assert_eq!(deleted.check(MAX, NOW), Ok(()));
    let last = Entry::plain(b"", me().peer_id(), NOW + EXPIRY_MAX_MS + SKEW_MS);
    assert!(deleted.expires_ms > last.expires_ms);
    assert_eq!(deleted.check(MAX, NOW - SKEW_MS - 1), Err(Invalid::TooLong));
}

#[test]
fn every_field_of_a_signed_value_is_under_its_signature_or_its_key() {
    let entry = signed(7, b"content");
    let flip = |bytes: &Bytes| {
        let mut bytes = bytes.to_vec();
        bytes[0] ^= 1;
        Bytes::from(bytes)
    };
    let b = identities()[1];
    let cases: [(&str, Entry, Invalid); 10] = [
        (
            "sequence",
            changed(&entry, |entry, _| entry.sequence += 1),
            Invalid::Signature,
        ),
        (
            "expiry",
            changed(&entry, |entry, _| entry.expires_ms += 1),
            Invalid::Signature,
        ),
        (
            "root",
            changed(&entry, |entry, _| entry.root[0] ^= 1),
            Invalid::Signature,
        ),
        (
            "size",
            changed(&entry, |entry, _| entry.size += 1),
            Invalid::Signature,
        ),
        (
            "signature",
            changed(&entry, |_, proof| proof.signature = flip(&proof.signature)),
            Invalid::Signature,
        ),
        (
            "key",
            changed(&entry, |entry, _| entry.key = Key::of_name("x")),
            Invalid::SignedKey,
        ),
        (
            "salt",
            changed(&entry, |_, proof| {
                proof.salt = Bytes::from_static(b"pepper")
            }),
            Invalid::SignedKey,
        ),
        (
            "publisher",
            changed(&entry, |entry, proof| {
                entry.publisher = b.peer_id();
                entry.key = Key::of_signed(&b.peer_id(), &proof.salt);
            }),
            Invalid::Publisher,
        ),
        (
            "public key",
            changed(&entry, |_, proof| {
                proof.public_key = Bytes::copy_from_slice(b.public_key().as_der());
            }),
            Invalid::Publisher,
        ),
        (
            "deleted",
            changed(&entry, |_, proof| proof.deleted = true),
            Invalid::DeletedContent,
        ),
    ];
    for (what, entry, invalid) in cases {
        assert_eq!(entry.check(MAX, NOW), Err(invalid), "{what}");
    }
    // A value that is empty is not thereby deleted.
    let deleted = changed(&signed(7, b""), |_, proof| proof.deleted = true);
    assert_eq!(deleted.check(MAX, NOW), Err(Invalid::Signature));
    assert_eq!(Invalid::Signature.reason(), Reason::Invalid);
}

#[test]
fn a_proof_belongs_to_signed_values_and_to_no_others() {
    let entry = signed(0, b"");
    for (kind, proof) in [
        (Kind::Plain, entry.proof.clone()),
        (Kind::Raw, entry.proof.clone()),
        (Kind::Signed, None),
    ] {
        let entry = Entry {
            kind,
            proof,
            ..entry.clone()
        };
        assert_eq!(entry.check(MAX, NOW), Err(Invalid::Kind));
    }
    let numbered = Entry {
        sequence: 1,
        ..Entry::plain(b"", me().peer_id(), LATER)
    };
    assert_eq!(numbered.check(MAX, NOW), Err(Invalid::Kind));
}

#[test]
fn salts_are_bounded() {
    let salt = [1; SALT_MAX + 1];
    assert!(Entry::signed(me(), &salt[1..], 1, b"", LATER).is_ok());
    let error = Entry::signed(me(), &salt, 1, b"", LATER).unwrap_err();
    assert_eq!(error, Invalid::Salt(65));
    assert!(error.to_string().contains("at most 64"), "{error}");
    let long = changed(&signed(1, b""), |entry, proof| {
        entry.key = Key::of_signed(&me().peer_id(), &salt);
        proof.salt = Bytes::copy_from_slice(&salt);
    });
    assert_eq!(long.check(MAX, NOW), Err(Invalid::Salt(65)));
}

#[test]
fn of_two_one_is_newer_and_the_same_one_everywhere() {
    let (one, two) = (signed(1, b"one"), signed(2, b"two"));
    assert!(newer(&two, &one) && !newer(&one, &two) && !newer(&one, &one));
    let other = signed(2, b"other");
    assert_ne!(newer(&two, &other), newer(&other, &two));
    assert_eq!(newer(&two, &other), two.root < other.root);
    // Published again: the same, for longer.
    let again = Entry::signed(me(), b"salt", 1, b"one", LATER + 1).unwrap();
    assert!(newer(&again, &one) && !newer(&one, &again));
}

#[test]
fn of_signed_answers_the_newest_of_a_majority_is_believed() {
    let (one, two, three) = (signed(1, b"1"), signed(2, b"2"), signed(3, b"3"));
    let chosen = |answers: &[&Entry]| {
        let answers: Vec<Entry> = answers.iter().copied().cloned().collect();
        choose(&answers).cloned()
    };
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[&one]), Some(one.clone()));
    assert_eq!(chosen(&[&three, &two, &two]), Some(two.clone()));
    assert_eq!(chosen(&[&two, &three, &three]), Some(three.clone()));
    // Half is no majority: then the newest, whose publisher is all the proof that is needed.
    assert_eq!(chosen(&[&two, &one, &three, &two]), Some(three.clone()));
    assert_eq!(chosen(&[&one, &three, &two]), Some(three));
}

#[test]
fn of_raw_answers_the_most_frequent_is_believed_and_none_beside_a_proof() {
    let key = Entry::plain(b"true", me().peer_id(), LATER).key;
    let raw = |content| Entry::raw(key, content, me().peer_id(), LATER);
    let (a, b) = (raw(b"a"), raw(b"b"));
    let low = if a.root < b.root { &a } else { &b };
    assert_eq!(choose(&[a.clone(), b.clone()]), Some(low));
    assert_eq!(choose(&[b.clone(), a.clone()]), Some(low));
    assert_eq!(choose(&[a.clone(), b.clone(), a.clone()]), Some(&a));
    assert_eq!(choose(&[a.clone(), b.clone(), b.clone()]), Some(&b));
    let plain = Entry::plain(b"true", me().peer_id(), LATER);
    assert_eq!(choose(&[b.clone(), b, plain.clone()]), Some(&plain));
}

#[test]
fn a_receipt_is_for_one_question() {
    let [a, b] = identities().map(Identity::peer_id);
    let entry = signed(1, b"content");
    let receipt = Receipt::new(&entry, [1; 16], b, NOW);
    assert!(receipt.matches(&entry, &[1; 16], &b));
    assert!(!receipt.matches(&entry, &[2; 16], &b));
    assert!(!receipt.matches(&entry, &[1; 16], &a));
    assert!(!receipt.matches(&signed(1, b"c0ntent"), &[1; 16], &b));
    type Change = fn(&mut Receipt);
    let changes: [(Change, bool); 6] = [
        (|receipt| receipt.expires_ms -= 1, false),
        (|receipt| receipt.expires_ms += 1, true),
        (|receipt| receipt.time_ms += 1, true),
        (|receipt| receipt.size += 1, false),
        (|receipt| receipt.root[0] ^= 1, false),
        (|receipt| receipt.publisher = receipt.node, false),
    ];
    for (i, (change, matches)) in changes.into_iter().enumerate() {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        assert_eq!(receipt.matches(&entry, &[1; 16], &b), matches, "{i}");
    }
}

#[test]
fn reasons_have_their_numbers() {
    for reason in Reason::ALL {
        assert_eq!(Reason::of_number(reason as u32), Some(reason));
    }
    assert_eq!(Reason::of_number(0), None);
    assert_eq!(Reason::of_number(9), None);
    assert_eq!(Reason::of_number(256 + 1), None);
}
