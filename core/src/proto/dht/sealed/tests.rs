use super::*;
use crate::proto::testing::identities;

const BOUND: Bound = Bound {
    key: Some(Key::from_bytes([7; 32])),
    sequence: 5,
};

fn sealed(content: &[u8]) -> Bytes {
    let [a, b] = identities();
    seal(content, &a.peer_id(), b.public_key(), &BOUND).unwrap()
}

fn opened(sealed: &[u8]) -> Result<(Bytes, PeerId), SealError> {
    open(sealed, identities()[1], &BOUND)
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i / 3) as u8).collect()
}

#[test]
fn a_content_of_any_size_reaches_its_recipient() {
    let [a, _] = identities();
    for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 300_000] {
        let content = content(size);
        let sealed = sealed(&content);
        let pieces = size.div_ceil(PIECE).max(1);
        assert_eq!(sealed.len(), size + FIXED + 256 + pieces * TAG);
        assert_eq!(opened(&sealed), Ok((content.into(), a.peer_id())), "{size}");
    }
}

#[test]
fn nobody_else_reads_it_and_the_error_says_who_can() {
    let [a, b] = identities();
    let sealed = sealed(b"for b");
    let error = open(&sealed, a, &BOUND).unwrap_err();
    assert_eq!(error, SealError::SomebodyElse(b.peer_id()));
    assert!(error.to_string().contains(&b.peer_id().to_string()));
    // Even if it says that it is for a.
    let mut renamed = sealed.to_vec();
    renamed[46..46 + ID].copy_from_slice(a.peer_id().as_bytes());
    assert_eq!(open(&renamed, a, &BOUND), Err(SealError::Damaged));
    assert!(!sealed.windows(5).any(|window| window == b"for b"));
}

#[test]
fn it_opens_in_its_own_place_only() {
    let [a, b] = identities();
    let sealed = sealed(b"x");
    for bound in [
        Bound { key: None, ..BOUND },
        Bound {
            key: Some(Key::from_bytes([0; 32])),
            ..BOUND
        },
        Bound {
            sequence: 6,
            ..BOUND
        },
    ] {
        assert_eq!(open(&sealed, b, &bound), Err(SealError::Damaged));
    }
    // No key is not the key of zeros.
    let nowhere = seal(b"x", &a.peer_id(), b.public_key(), &Bound::default()).unwrap();
    assert!(open(&nowhere, b, &Bound::default()).is_ok());
    let zeros = Bound {
        key: Some(Key::from_bytes([0; 32])),
        sequence: 0,
    };
    assert_eq!(open(&nowhere, b, &zeros), Err(SealError::Damaged));
}

#[test]
fn every_changed_bit_and_every_cut_is_seen() {
    let sealed = sealed(b"sealed content");
    for bit in 0..sealed.len() * 8 {
        // Decrypting RSA takes most of the time: of the encrypted key each byte is tried once.
        if (FIXED..FIXED + 256).contains(&(bit / 8)) && bit % 8 != 3 {
            continue;
        }
        let mut changed = sealed.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&changed).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(opened(&sealed[..length]).is_err(), "{length}");
    }
    assert_eq!(
        opened(&[&sealed[..], b"\0"].concat()),
        Err(SealError::Damaged)
    );
}

#[test]
fn pieces_cannot_be_left_out_moved_or_doubled() {
    let sealed = sealed(&content(3 * PIECE + 10));
    let (header, pieces) = sealed.split_at(FIXED + 256);
    let pieces: Vec<&[u8]> = pieces.chunks(PIECE + TAG).collect();
    assert_eq!(pieces.len(), 4);
    let with = |order: &[usize]| {
        let mut joined = header.to_vec();
        for number in order {
            joined.extend_from_slice(pieces[*number]);
        }
        opened(&joined)
    };
    assert!(with(&[0, 1, 2, 3]).is_ok());
    for order in [
        &[][..],
        &[3],
        &[0, 1, 2],
        &[0, 1, 3],
        &[1, 2, 3],
        &[1, 0, 2, 3],
        &[0, 1, 1, 3],
        &[0, 1, 2, 2, 3],
    ] {
        assert_eq!(with(order), Err(SealError::Damaged), "{order:?}");
    }
}

#[test]
fn what_is_not_sealed_is_told_from_what_is_newer_or_damaged() {
    assert_eq!(opened(b""), Err(SealError::NotSealed));
    assert_eq!(opened(b"a plain content"), Err(SealError::NotSealed));
    assert!(!is_sealed(b"a plain content"));
    assert!(is_sealed(MAGIC));
    assert_eq!(opened(MAGIC), Err(SealError::Damaged));
    assert_eq!(opened(b"psfs/sealed\x02"), Err(SealError::Version(2)));
    assert_eq!(opened(b"psfs/sealed\x01rest"), Err(SealError::Damaged));
}

#[test]
fn two_of_one_content_have_nothing_in_common() {
    let [one, two] = [(); 2].map(|()| sealed(&[0; 1000]));
    assert_eq!(one[..FIXED], two[..FIXED]);
    assert_ne!(one[FIXED..FIXED + 256], two[FIXED..FIXED + 256]);
    assert_ne!(one[FIXED + 256..], two[FIXED + 256..]);
}
