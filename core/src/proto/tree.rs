//! Parts of BLAKE3's tree: the hashes that BLAKE3's own functions for subtrees give, and where a subtree is cut in two.
//!
//! A content of more than one chunk is a node of two halves; the left one is the largest power of two below its size. What is under
//! a node has another hash than the same bytes as a content of their own.

pub(crate) use blake3::hazmat::ChainingValue;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{CHUNK_LEN, Hasher};

/// Bytes of a chunk, which has no halves.
pub(crate) const CHUNK: u64 = CHUNK_LEN as u64;
/// Bytes of a node in a proof: the hashes of its halves.
pub(crate) const NODE: usize = 64;

/// Bytes of the left half of a subtree of more than one chunk.
pub(crate) fn left_of(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The hash of a subtree that is not the whole content. `part` is not empty.
pub(crate) fn hash(part: &[u8], from: u64) -> ChainingValue {
    Hasher::new()
        .set_input_offset(from)
        .update(part)
        .finalize_non_root()
}

/// The hash of a node that is not the whole content.
pub(crate) fn join(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

/// The hash of a whole content of more than one chunk.
pub(crate) fn join_whole(left: &ChainingValue, right: &ChainingValue) -> [u8; 32] {
    merge_subtrees_root(left, right, Mode::Hash).into()
}

/// Takes a node off the front of a proof.
pub(crate) fn take_node(proof: &mut &[u8]) -> Option<(ChainingValue, ChainingValue)> {
    let (left, right) = proof.split_off(..NODE)?.split_at(NODE / 2);
    Some((left.try_into().ok()?, right.try_into().ok()?))
}
