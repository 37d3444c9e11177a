//! Proofs that somebody has some bytes of a content whose root is known, without sending all of it.
//!
//! A proof is the part of BLAKE3's tree above the chunks in question, and those chunks, from the top down and left before
//! right, as in bao's slices (without their length in front: it is known). It is written and read by BLAKE3's own functions for
//! subtrees ([`tree`](crate::proto::tree)): a hundred lines, where a library for it brings files, streams and a tree of dependencies.
//!
//! Whoever checks needs the root and the size alone. What the proof holds is believed only after it was hashed, all of it must
//! be used, and the depth is that of the size: 54 at most.

use bytes::Bytes;

use super::value::{Root, root_of};
use crate::proto::tree::{CHUNK, ChainingValue, NODE, hash, join, join_whole, left_of, take_node};

/// The proof of the chunks that `length` bytes from `offset` on touch; behind the end, or when it is empty, the range is its
/// nearest byte. Hashes all of the content once.
pub(crate) fn slice(content: &[u8], offset: u64, length: u32) -> Bytes {
    let range = Range::new(content.len() as u64, offset, length);
    let mut proof = Vec::new();
    write(content, 0, range, &mut proof);
    proof.into()
}

/// Whether this proof was made of the content with this root and size, for this range.
pub(crate) fn check(root: &Root, size: u64, offset: u64, length: u32, mut proof: &[u8]) -> bool {
    let found = if size <= CHUNK {
        (proof.len() as u64 == size).then(|| root_of(std::mem::take(&mut proof)))
    } else {
        let range = Range::new(size, offset, length);
        read_node(&mut proof, 0, size, range).map(|(left, right)| join_whole(&left, &right))
    };
    found == Some(*root) && proof.is_empty()
}

/// Bytes of a content: one at least, unless it is empty.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    fn new(size: u64, offset: u64, length: u32) -> Self {
        let start = offset.min(size.saturating_sub(1));
        Self {
            start,
            end: start.saturating_add(u64::from(length.max(1))).min(size),
        }
    }

    fn touches(self, from: u64, size: u64) -> bool {
        self.start < from.saturating_add(size) && from < self.end
    }
}

/// Writes the proof of a subtree that begins at `from`; its hash, unless it is a whole and empty content.
fn write(part: &[u8], from: u64, range: Range, proof: &mut Vec<u8>) -> ChainingValue {
    let size = part.len() as u64;
    if size <= CHUNK || !range.touches(from, size) {
        if range.touches(from, size) {
            proof.extend_from_slice(part);
        }
        return if part.is_empty() {
            ChainingValue::default()
        } else {
            hash(part, from)
        };
    }
    let middle = left_of(size);
    let (left, right) = part.split_at(middle as usize);
    let at = proof.len();
    proof.resize(at + NODE, 0);
    let left = write(left, from, range, proof);
    let right = write(right, from + middle, range, proof);
    proof[at..at + NODE / 2].copy_from_slice(&left);
    proof[at + NODE / 2..at + NODE].copy_from_slice(&right);
    join(&left, &right)
}

/// Reads the proof of a subtree that the range touches: its hash.
fn read(proof: &mut &[u8], from: u64, size: u64, range: Range) -> Option<ChainingValue> {
    if size <= CHUNK {
        return proof
            .split_off(..size as usize)
            .map(|part| hash(part, from));
    }
    let (left, right) = read_node(proof, from, size, range)?;
    Some(join(&left, &right))
}

/// Reads a node of more than one chunk and what is below it: the hashes of its halves, where they are right.
fn read_node(
    proof: &mut &[u8],
    from: u64,
    size: u64,
    range: Range,
) -> Option<(ChainingValue, ChainingValue)> {
    let halves = take_node(proof)?;
    let middle = left_of(size);
    let parts = [
        (&halves.0, from, middle),
        (&halves.1, from + middle, size - middle),
    ];
    for (claimed, from, size) in parts {
        if range.touches(from, size) && read(proof, from, size, range)? != *claimed {
            return None;
        }
    }
    Some(halves)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn every_range_of_every_shape_of_tree_is_proved() {
        for size in [
            0, 1, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 5000, 16_384, 16_385, 70_001,
        ] {
            let content = content(size);
            let (root, size) = (root_of(&content), size as u64);
            for offset in [
                0,
                1,
                1023,
                1024,
                1025,
                size / 2,
                size.saturating_sub(1),
                size,
                u64::MAX,
            ] {
                for length in [0, 1, 1024, 1025, 5000, u32::MAX] {
                    let proof = slice(&content, offset, length);
                    assert!(
                        check(&root, size, offset, length, &proof),
                        "{size} {offset} {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_proof_holds_the_chunks_in_question_and_little_else() {
        let content = content(5_000_000);
        let proof = slice(&content, 2_000_000, 1024);
        // Two chunks, and above them a tree of thirteen levels.
        assert!(proof.len() <= 2 * 1024 + 2 * 13 * NODE, "{}", proof.len());
        let chunk = &content[1953 * 1024..1954 * 1024];
        assert!(proof.windows(1024).any(|window| window == chunk));
        assert!(check(
            &root_of(&content),
            5_000_000,
            2_000_000,
            1024,
            &proof
        ));
    }

    #[test]
    fn bytes_that_are_in_bao_s_place_are_in_ours() {
        // Of three chunks and the middle one asked for: root's halves, the left half's halves, the chunk.
        let content = content(3000);
        let chunks: Vec<_> = content
            .chunks(1024)
            .zip((0..).step_by(1024))
            .map(|(chunk, from)| hash(chunk, from))
            .collect();
        let left = join(&chunks[0], &chunks[1]);
        let expected = [
            &left[..],
            &chunks[2],
            &chunks[0],
            &chunks[1],
            &content[1024..2048],
        ]
        .concat();
        assert_eq!(slice(&content, 1024, 1024), expected);
    }

    #[test]
    fn what_is_changed_proves_nothing() {
        let content = content(5000);
        let root = root_of(&content);
        let proof = slice(&content, 1500, 600);
        assert!(check(&root, 5000, 1500, 600, &proof));
        for bit in 0..proof.len() * 8 {
            let mut proof = proof.to_vec();
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&root, 5000, 1500, 600, &proof), "bit {bit}");
        }
        for length in 0..proof.len() {
            assert!(!check(&root, 5000, 1500, 600, &proof[..length]));
        }
        assert!(!check(
            &root,
            5000,
            1500,
            600,
            &[&proof[..], b"\0"].concat()
        ));
        assert!(!check(&root_of(b"x"), 5000, 1500, 600, &proof));
        assert!(!check(&root, 5000, 3500, 600, &proof));
        assert!(!check(&root, 5000, 1500, 1600, &proof));
        // One chunk's hash as part of a tree is not its hash as a whole.
        let first = slice(&content, 0, 1);
        assert!(!check(
            &hash(&content[..1024], 0),
            1024,
            0,
            1,
            &first[first.len() - 1024..]
        ));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused_whatever_size_is_claimed(
            root: [u8; 32],
            size: u64,
            offset: u64,
            length: u32,
            proof in proptest::collection::vec(any::<u8>(), 0..4096),
        ) {
            prop_assert!(!check(&root, size, offset, length, &proof));
            prop_assert!(!check(&root, size % 8192, offset % 8192, length, &proof));
        }

        #[test]
        fn what_is_sliced_is_checked(size in 0_usize..20_000, offset in 0_u64..21_000, length in 0_u32..5000) {
            let content = content(size);
            let proof = slice(&content, offset, length);
            prop_assert!(check(&root_of(&content), size as u64, offset, length, &proof));
        }
    }
}
