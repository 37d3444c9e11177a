//! The Merkle tree over the packets of a batch: one signature for many packets, and a short proof for each of them.
//!
//! The tree is the plain one: neighbours are paired level by level, an odd last one moves up as it is. Three keyed BLAKE3
//! hashes keep its parts apart, so that no packet can pass for an inner node and the number of packets is bound, and with
//! it the place (that is, the sequence number) of each:
//!
//! ```text
//! leaf = BLAKE3(key "psfs/merkle/1 leaf", packet)
//! node = BLAKE3(key "psfs/merkle/1 node", left ‖ right)
//! root = BLAKE3(key "psfs/merkle/1 root", number of leaves as 8 bytes big endian ‖ top node)
//! ```
//!
//! Keys are the given ASCII text, filled up with zero bytes to 32.

use super::packet::Encoded;

/// A BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

const fn key(text: &[u8]) -> Hash {
    let mut key = [0; 32];
    let mut i = 0;
    while i < text.len() {
        key[i] = text[i];
        i += 1;
    }
    key
}

const LEAF: Hash = key(b"psfs/merkle/1 leaf");
const NODE: Hash = key(b"psfs/merkle/1 node");
const ROOT: Hash = key(b"psfs/merkle/1 root");

/// The leaf of a packet.
pub(crate) fn leaf(packet: &[u8]) -> Hash {
    blake3::keyed_hash(&LEAF, packet).into()
}

/// The leaf of a packet in two pieces.
pub(crate) fn leaf_of(packet: &Encoded) -> Hash {
    if packet.content().is_empty() {
        return leaf(packet.head());
    }
    let mut hasher = blake3::Hasher::new_keyed(&LEAF);
    hasher.update(packet.head()).update(packet.content());
    hasher.finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    blake3::keyed_hash(&NODE, &both).into()
}

fn seal(count: u64, top: &Hash) -> Hash {
    let mut both = [0; 40];
    both[..8].copy_from_slice(&count.to_be_bytes());
    both[8..].copy_from_slice(top);
    blake3::keyed_hash(&ROOT, &both).into()
}

/// The root over packets in their order.
#[cfg(test)]
pub(crate) fn root<'a>(packets: impl Iterator<Item = &'a [u8]>) -> Hash {
    fold(packets.map(leaf))
}

/// The root over leaves. Keeps one full subtree for each bit of their number, so its memory is 2 KiB whatever comes.
pub(crate) fn fold(leaves: impl Iterator<Item = Hash>) -> Hash {
    let mut full = [[0; 32]; 64];
    let mut depth = 0;
    let mut count = 0_u64;
    for mut hash in leaves {
        for _ in 0..count.trailing_ones() {
            depth -= 1;
            hash = node(&full[depth], &hash);
        }
        full[depth] = hash;
        depth += 1;
        count += 1;
    }
    // No leaves: a top of zeros, which no number but 0 is sealed with.
    let right_to_left = full[..depth].iter().rev().copied();
    let top = right_to_left
        .reduce(|right, left| node(&left, &right))
        .unwrap_or_default();
    seal(count, &top)
}

/// The neighbours on the way from leaf `index` to the root; `None` if there is no such leaf.
pub(crate) fn path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut level, mut at, mut path) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(at ^ 1));
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                odd => odd[0],
            })
            .collect();
        at /= 2;
    }
    Some(path)
}

/// The root that `leaf` leads to as number `index` of `count`; `None` if the path does not have the length this takes.
pub(crate) fn climb(leaf: Hash, index: u64, count: u64, path: &[Hash]) -> Option<Hash> {
    if index >= count {
        return None;
    }
    let (mut hash, mut at, mut width, mut path) = (leaf, index, count, path.iter());
    while width > 1 {
        if at % 2 == 1 {
            hash = node(path.next()?, &hash);
        } else if at + 1 < width {
            hash = node(&hash, path.next()?);
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none().then(|| seal(count, &hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    #[test]
    fn the_root_is_the_tree_as_described() {
        let l = leaves(5);
        let top = node(&node(&node(&l[0], &l[1]), &node(&l[2], &l[3])), &l[4]);
        assert_eq!(fold(l.into_iter()), seal(5, &top));
        assert_eq!(root(std::iter::empty()), seal(0, &[0; 32]));
        assert_eq!(root([&b"alone"[..]].into_iter()), seal(1, &leaf(b"alone")));
    }

    #[test]
    fn every_leaf_of_every_small_tree_climbs_to_the_root_and_to_no_other_place() {
        for count in 1..40 {
            let l = leaves(count);
            let want = Some(fold(l.iter().copied()));
            for index in 0..count {
                let path = path(&l, index).unwrap();
                for claimed_count in 1..count as u64 + 3 {
                    for claimed_index in 0..claimed_count {
                        let truth = (claimed_index, claimed_count) == (index as u64, count as u64);
                        let got = climb(l[index], claimed_index, claimed_count, &path);
                        assert_eq!(
                            got == want,
                            truth,
                            "{index}/{count} as {claimed_index}/{claimed_count}"
                        );
                    }
                }
            }
            assert_eq!(path(&l, count), None);
        }
    }

    #[test]
    fn an_inner_node_is_no_packet() {
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        let forged = leaf(&[a, b].concat());
        assert_ne!(fold([a, b].into_iter()), fold([forged].into_iter()));
    }

    proptest! {
        #[test]
        fn another_packet_or_neighbour_misses_the_root(count in 1usize..200, pick: prop::sample::Index, bit in 0usize..256, step: prop::sample::Index) {
            let l = leaves(count);
            let index = pick.index(count);
            let want = Some(fold(l.iter().copied()));
            let good = path(&l, index).unwrap();
            let climb = |leaf, path: &[Hash]| climb(leaf, index as u64, count as u64, path);
            prop_assert_eq!(climb(l[index], &good), want);

            let mut other = l[index];
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(climb(other, &good), want);
            if !good.is_empty() {
                let mut bad = good.clone();
                bad[step.index(good.len())][bit / 8] ^= 1 << (bit % 8);
                prop_assert_ne!(climb(l[index], &bad), want);
                prop_assert_eq!(climb(l[index], &good[1..]), None);
            }
            let longer = [good.as_slice(), &[[0; 32]]].concat();
            prop_assert_eq!(climb(l[index], &longer), None);
        }
    }
}
