//! The hashes of a file's units and of what is above them, and pieces of files with what proves them.
//!
//! A file is cut into units of 1 MiB, and their hashes in BLAKE3's tree are kept: 64 bytes for each MiB, with the nodes above. A piece is
//! a run of groups of 16 KiB inside one unit; its proof is the tree from the top down to it, left before right, without what the piece
//! itself gives: 64 bytes for each level, so 640 for a unit of a file of 1 GiB. A whole unit is hashed in one go at both ends.
//!
//! This is bao's tree with larger leaves. What holds a file's hashes by group (bao-tree) costs 0.4 % of it on the disk and a second pass over
//! small leaves; here a liar costs one piece of 1 MiB at most, and who has a slow line asks for smaller ones.

use crate::proto::transfer::root::Root;
use crate::proto::tree::{CHUNK, ChainingValue, NODE, hash, join, join_whole, left_of, take_node};

/// Bytes of a unit: the largest piece.
pub(crate) const UNIT: u64 = 1 << 20;
/// Bytes of a group: pieces begin and end at multiples of it, or at the end of the file.
pub(crate) const GROUP: u64 = 16 << 10;
/// Largest file: its outline fits into memory (64 MiB for each TiB), and all offsets into the tree.
pub(crate) const FILE_MAX: u64 = 16 << 40;

/// The hash of one unit of a file of `size` bytes; of its only one it is the root.
pub(crate) fn unit_hash(size: u64, from: u64, unit: &[u8]) -> ChainingValue {
    if size <= UNIT {
        blake3::hash(unit).into()
    } else {
        hash(unit, from)
    }
}

/// How many units a file has: one at least.
pub(crate) fn units_of(size: u64) -> u64 {
    size.div_ceil(UNIT).max(1)
}

/// The bytes of a unit.
pub(crate) fn unit_at(size: u64, index: u64) -> Piece {
    Piece {
        start: index * UNIT,
        end: ((index + 1) * UNIT).min(size),
    }
}

/// A run of groups inside one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Piece {
    /// Whether it is a piece of a file of this size.
    pub(crate) fn fits(self, size: u64) -> bool {
        let whole = size == 0 && self.end == 0;
        self.start.is_multiple_of(GROUP)
            && (self.end.is_multiple_of(GROUP) || self.end == size)
            && self.end <= size
            && (whole || self.start < self.end)
            && (whole || self.start / UNIT == (self.end - 1) / UNIT)
    }

    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }

    fn touches(self, from: u64, size: u64) -> bool {
        self.start < from + size && from < self.end
    }

    fn covers(self, from: u64, size: u64) -> bool {
        self.start <= from && from + size <= self.end
    }
}

/// The hashes of a file's units, from bottom to top.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    size: u64,
    root: Root,
    /// Level by level the subtrees of 2^level units that are full (the last unit may be shorter).
    levels: Vec<Vec<ChainingValue>>,
}

impl std::fmt::Debug for Outline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outline({} of {} bytes)", self.root, self.size)
    }
}

impl Outline {
    /// Of the hashes of all units of a file of this size. Nothing: their number is another.
    pub(crate) fn new(size: u64, units: Vec<ChainingValue>) -> Option<Self> {
        if size > FILE_MAX || units.len() as u64 != units_of(size) {
            return None;
        }
        let mut levels = vec![units];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            let above = below
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[left, right]| join(left, right))
                .collect();
            levels.push(above);
        }
        let mut outline = Self {
            size,
            root: Root::from_bytes([0; 32]),
            levels,
        };
        let root = if size <= UNIT {
            outline.levels[0][0]
        } else {
            let left = left_of(size);
            join_whole(&outline.node(0, left), &outline.node(left, size - left))
        };
        outline.root = Root::from_bytes(root);
        Some(outline)
    }

    pub(crate) fn root(&self) -> Root {
        self.root
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of its units.
    pub(crate) fn units(&self) -> &[ChainingValue] {
        &self.levels[0]
    }

    /// The hash of the subtree of these bytes, which begins at a unit's beginning and ends at one's end; not the whole file.
    fn node(&self, from: u64, size: u64) -> ChainingValue {
        if size <= UNIT {
            return self.levels[0][(from / UNIT) as usize];
        }
        let units = size.div_ceil(UNIT);
        if units.is_power_of_two() {
            let level = units.trailing_zeros();
            return self.levels[level as usize][((from / UNIT) >> level) as usize];
        }
        let left = left_of(size);
        join(&self.node(from, left), &self.node(from + left, size - left))
    }

    /// The proof of a piece; `unit` is all of the unit that it is in. Nothing: the unit is not what it was when it was hashed, or the piece
    /// is none of this file.
    pub(crate) fn prove(&self, piece: Piece, unit: &[u8]) -> Option<Vec<u8>> {
        let whole = unit_at(self.size, piece.start / UNIT);
        if !piece.fits(self.size) || unit.len() as u64 != whole.len() {
            return None;
        }
        let expected = &self.levels[0][(piece.start / UNIT) as usize];
        let mut proof = Vec::new();
        if piece == whole || self.size <= GROUP {
            if unit_hash(self.size, whole.start, unit) != *expected {
                return None;
            }
            self.path(0, self.size, piece, &mut proof);
        } else {
            self.path(0, self.size, whole, &mut proof);
            let mut inner = Vec::new();
            let got = if self.size <= UNIT {
                // The unit is the whole file: only its halves are subtrees.
                let (left, right) = write_halves(unit, whole.start, piece, &mut inner);
                join_whole(&left, &right)
            } else {
                write(unit, whole.start, piece, &mut inner)
            };
            if got != *expected {
                return None;
            }
            proof.extend_from_slice(&inner);
        }
        Some(proof)
    }

    /// Writes the nodes above a whole unit, from the top down.
    fn path(&self, from: u64, size: u64, unit: Piece, proof: &mut Vec<u8>) {
        if unit.covers(from, size) {
            return;
        }
        let left = left_of(size);
        proof.extend_from_slice(&self.node(from, left));
        proof.extend_from_slice(&self.node(from + left, size - left));
        if unit.touches(from, left) {
            self.path(from, left, unit, proof);
        } else {
            self.path(from + left, size - left, unit, proof);
        }
    }
}

/// Writes the nodes of a subtree inside a unit that are above the piece; its hash.
fn write(part: &[u8], from: u64, piece: Piece, proof: &mut Vec<u8>) -> ChainingValue {
    let size = part.len() as u64;
    if piece.covers(from, size) || !piece.touches(from, size) {
        return hash(part, from);
    }
    let (left, right) = write_halves(part, from, piece, proof);
    join(&left, &right)
}

fn write_halves(
    part: &[u8],
    from: u64,
    piece: Piece,
    proof: &mut Vec<u8>,
) -> (ChainingValue, ChainingValue) {
    let middle = left_of(part.len() as u64);
    let (left, right) = part.split_at(middle as usize);
    let at = proof.len();
    proof.resize(at + NODE, 0);
    let left = write(left, from, piece, proof);
    let right = write(right, from + middle, piece, proof);
    proof[at..at + NODE / 2].copy_from_slice(&left);
    proof[at + NODE / 2..at + NODE].copy_from_slice(&right);
    (left, right)
}

/// Whether these bytes are this piece of the file with this root and size; the size is proved by the last group alone. What comes back is the hash of the unit if the piece is a whole
/// one, else nothing more than that it is right.
pub(crate) fn check(
    root: &Root,
    size: u64,
    piece: Piece,
    mut proof: &[u8],
    data: &[u8],
) -> Option<Option<ChainingValue>> {
    if size > FILE_MAX || !piece.fits(size) || data.len() as u64 != piece.len() {
        return None;
    }
    let mut reader = Reader {
        piece,
        data,
        last: None,
    };
    let got = if piece.covers(0, size) {
        let hash = blake3::hash(data).into();
        reader.last = Some(hash);
        hash
    } else {
        let (left, right) = reader.halves(&mut proof, 0, size)?;
        join_whole(&left, &right)
    };
    let whole = piece == unit_at(size, piece.start / UNIT);
    (got == *root.as_bytes() && proof.is_empty()).then_some(reader.last.filter(|_| whole))
}

struct Reader<'a> {
    piece: Piece,
    data: &'a [u8],
    /// The hash of the last subtree that the piece covers: of a whole unit there is one.
    last: Option<ChainingValue>,
}

impl Reader<'_> {
    /// The hash of a subtree that the piece touches.
    fn read(&mut self, proof: &mut &[u8], from: u64, size: u64) -> Option<ChainingValue> {
        if self.piece.covers(from, size) {
            let part = self.data.split_off(..size as usize)?;
            let hash = hash(part, from);
            self.last = Some(hash);
            return Some(hash);
        }
        let (left, right) = self.halves(proof, from, size)?;
        Some(join(&left, &right))
    }

    fn halves(
        &mut self,
        proof: &mut &[u8],
        from: u64,
        size: u64,
    ) -> Option<(ChainingValue, ChainingValue)> {
        if size <= CHUNK {
            return None;
        }
        let halves = take_node(proof)?;
        let middle = left_of(size);
        let parts = [
            (&halves.0, from, middle),
            (&halves.1, from + middle, size - middle),
        ];
        for (claimed, from, size) in parts {
            if self.piece.touches(from, size) && self.read(proof, from, size)? != *claimed {
                return None;
            }
        }
        Some(halves)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(size: u64) -> Vec<u8> {
        (0..size)
            .map(|i| (i * 7 + i / 251 + (i >> 20)) as u8)
            .collect()
    }

    fn outline(content: &[u8]) -> Outline {
        let size = content.len() as u64;
        let units = (0..units_of(size))
            .map(|index| unit_at(size, index))
            .map(|unit| {
                unit_hash(
                    size,
                    unit.start,
                    &content[unit.start as usize..unit.end as usize],
                )
            })
            .collect();
        Outline::new(size, units).unwrap()
    }

    fn unit_of(content: &[u8], piece: Piece) -> &[u8] {
        let unit = unit_at(content.len() as u64, piece.start / UNIT);
        &content[unit.start as usize..unit.end as usize]
    }

    fn sizes() -> Vec<u64> {
        let mut sizes = vec![
            0,
            1,
            CHUNK,
            CHUNK + 1,
            GROUP - 1,
            GROUP,
            GROUP + 1,
            3 * GROUP + 5,
        ];
        for units in [1, 2, 3, 4, 5, 7, 8, 9] {
            sizes.extend([units * UNIT - 1, units * UNIT, units * UNIT + 1]);
        }
        sizes
    }

    #[test]
    fn an_outline_has_the_root_that_other_programs_compute() {
        for size in sizes() {
            let content = content(size);
            assert_eq!(outline(&content).root(), Root::of(&content), "{size}");
        }
    }

    #[test]
    fn every_unit_and_every_kind_of_piece_is_proved_and_nothing_else_passes() {
        for size in sizes() {
            let content = content(size);
            let outline = outline(&content);
            let root = outline.root();
            for index in 0..units_of(size) {
                let unit = unit_at(size, index);
                let mut pieces = vec![(unit, true)];
                for (from, to) in [(0, 1), (1, 2), (0, 3), (5, 64), (17, 40), (63, 64)] {
                    let piece = Piece {
                        start: unit.start + from * GROUP,
                        end: (unit.start + to * GROUP).min(size),
                    };
                    if piece.start < piece.end && piece != unit {
                        pieces.push((piece, false));
                    }
                }
                for (piece, whole) in pieces {
                    let proof = outline.prove(piece, unit_of(&content, piece)).unwrap();
                    assert!(proof.len() <= NODE * 24, "{size} {piece:?}");
                    let data = &content[piece.start as usize..piece.end as usize];
                    let checked = check(&root, size, piece, &proof, data).unwrap();
                    let expected = whole.then(|| outline.units()[index as usize]);
                    assert_eq!(checked, expected, "{size} {piece:?}");
                    // Another place, another size, another file, a changed byte, a byte too many.
                    let moved = Piece {
                        start: piece.start + GROUP,
                        end: piece.end + GROUP,
                    };
                    assert_eq!(check(&root, size, moved, &proof, data), None);
                    if piece.end == size {
                        assert_eq!(check(&root, size + 1, piece, &proof, data), None);
                    }
                    assert_eq!(check(&Root::of(b"x"), size, piece, &proof, data), None);
                    let mut wrong = data.to_vec();
                    if let Some(last) = wrong.last_mut() {
                        *last ^= 1;
                        assert_eq!(check(&root, size, piece, &proof, &wrong), None);
                    }
                    let longer = [&proof[..], b"\0"].concat();
                    assert_eq!(check(&root, size, piece, &longer, data), None);
                    if let Some(shorter) = proof.get(..proof.len().wrapping_sub(1)) {
                        assert_eq!(check(&root, size, piece, shorter, data), None);
                    }
                }
            }
        }
    }

    #[test]
    fn a_file_that_changed_is_noticed_before_it_is_sent() {
        let content = content(3 * UNIT + 100);
        let outline = outline(&content);
        let whole = unit_at(content.len() as u64, 1);
        let part = Piece {
            start: UNIT + GROUP,
            end: UNIT + 2 * GROUP,
        };
        let mut unit = unit_of(&content, whole).to_vec();
        assert!(outline.prove(whole, &unit).is_some());
        assert!(outline.prove(part, &unit).is_some());
        unit[5] ^= 1;
        assert_eq!(outline.prove(whole, &unit), None);
        assert_eq!(outline.prove(part, &unit), None);
        assert_eq!(outline.prove(whole, &unit[1..]), None);
    }

    #[test]
    fn an_outline_has_as_many_units_as_its_file() {
        assert_eq!(Outline::new(UNIT + 1, vec![[0; 32]]), None);
        assert_eq!(Outline::new(0, vec![]), None);
        assert_eq!(Outline::new(u64::MAX, vec![[0; 32]]), None);
    }

    proptest! {
        #[test]
        fn foreign_proofs_are_refused_whatever_size_they_claim(
            root: [u8; 32],
            size in prop_oneof![any::<u64>(), 0..5 * UNIT, Just(FILE_MAX)],
            start: u64,
            groups in 0..70_u64,
            proof in proptest::collection::vec(any::<u8>(), 0..2048),
            data in proptest::collection::vec(any::<u8>(), 0..40_000),
        ) {
            let root = Root::from_bytes(root);
            let start = (start % size.max(1)) / GROUP * GROUP;
            for end in [start.saturating_add(groups * GROUP), size, start.saturating_add(data.len() as u64)] {
                let piece = Piece { start, end };
                prop_assert_eq!(check(&root, size, piece, &proof, &data), None);
            }
        }
    }
}
