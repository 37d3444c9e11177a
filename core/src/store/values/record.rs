//! What stands in the table of entries: an entry, when and how it came, and a content that is small.
//!
//! Layout, numbers big-endian: kind (1), flags (1), size (8), root (32), publisher (34), expires (8), sequence (8), stored (8), the
//! network it came from (16, zeros for none), then with [`SIGNED`] public key, salt and signature, each with its length (2) in front,
//! then with [`INLINE`] the content. A record that cannot be read is passed over as if it was not there.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;

use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::value::{Entry, Kind, SignedProof};
use crate::store::row::{number, take};

const CACHED: u8 = 1;
const SIGNED: u8 = 2;
const DELETED: u8 = 4;
const INLINE: u8 = 8;
const GROUP: u8 = 16;
const SEVERAL: u8 = 32;

/// An entry, and what only this satellite knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) entry: Entry,
    pub(super) stored_ms: u64,
    /// A copy that gives way to values that have to be kept.
    pub(super) cached: bool,
    /// Others than its publisher have stored it as well.
    pub(super) several: bool,
    /// The network of who brought it, which pays for it.
    pub(super) group: Option<IpAddr>,
}

impl Record {
    /// The row, with the content in it when that is given.
    pub(super) fn encode(&self, inline: Option<&[u8]>) -> Vec<u8> {
        let Entry {
            kind,
            size,
            root,
            publisher,
            expires_ms,
            sequence,
            proof,
            ..
        } = &self.entry;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let mut row = vec![
            *kind as u8,
            flag(self.cached, CACHED)
                | flag(proof.is_some(), SIGNED)
                | flag(self.entry.is_deleted(), DELETED)
                | flag(inline.is_some(), INLINE)
                | flag(self.group.is_some(), GROUP)
                | flag(self.several, SEVERAL),
        ];
        row.extend(size.to_be_bytes());
        row.extend(root);
        row.extend(publisher.as_bytes());
        row.extend(expires_ms.to_be_bytes());
        row.extend(sequence.to_be_bytes());
        row.extend(self.stored_ms.to_be_bytes());
        row.extend(group_bytes(self.group));
        if let Some(proof) = proof {
            for part in [&proof.public_key, &proof.salt, &proof.signature] {
                // `Entry::verify` lets nothing pass that is as long as this.
                let part = &part[..part.len().min(usize::from(u16::MAX))];
                row.extend((part.len() as u16).to_be_bytes());
                row.extend(part);
            }
        }
        row.extend(inline.unwrap_or_default());
        row
    }

    /// The record of a row, and the content if it stands there.
    pub(super) fn decode(key: &[u8; 32], row: &[u8]) -> Option<(Self, Option<Bytes>)> {
        let mut rest = row;
        let [kind, flags] = take::<2>(&mut rest)?;
        let kind = match kind {
            0 => Kind::Plain,
            1 => Kind::Raw,
            2 => Kind::Signed,
            _ => return None,
        };
        let size = number(&mut rest)?;
        let root = take(&mut rest)?;
        let publisher = PeerId::from_bytes(&take::<34>(&mut rest)?).ok()?;
        let expires_ms = number(&mut rest)?;
        let sequence = number(&mut rest)?;
        let stored_ms = number(&mut rest)?;
        let group = Ipv6Addr::from(take::<16>(&mut rest)?).to_canonical();
        let proof = if flags & SIGNED != 0 {
            let mut part = || {
                let length = u16::from_be_bytes(take(&mut rest)?);
                let (part, after) = rest.split_at_checked(usize::from(length))?;
                rest = after;
                Some(Bytes::copy_from_slice(part))
            };
            Some(SignedProof {
                public_key: part()?,
                salt: part()?,
                signature: part()?,
                deleted: flags & DELETED != 0,
            })
        } else {
            None
        };
        let inline = (flags & INLINE != 0).then(|| Bytes::copy_from_slice(rest));
        let whole = match &inline {
            Some(content) => content.len() as u64 == size,
            None => rest.is_empty(),
        };
        let entry = Entry {
            key: Key::from_bytes(*key),
            kind,
            size,
            root,
            publisher,
            expires_ms,
            sequence,
            proof,
        };
        let record = Self {
            entry,
            stored_ms,
            cached: flags & CACHED != 0,
            several: flags & SEVERAL != 0,
            group: (flags & GROUP != 0).then_some(group),
        };
        whole.then_some((record, inline))
    }
}

/// An address in a form that both families share.
pub(super) fn group_bytes(group: Option<IpAddr>) -> [u8; 16] {
    match group {
        None => [0; 16],
        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
        Some(IpAddr::V6(ip)) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
    }

    fn records() -> impl Strategy<Value = (Record, Bytes)> {
        let proof = (bytes(400), bytes(64), any::<bool>(), bytes(400)).prop_map(
            |(public_key, salt, deleted, signature)| SignedProof {
                public_key,
                salt,
                deleted,
                signature,
            },
        );
        let fields = (any::<[u8; 32]>(), 0..3u8, any::<[u8; 32]>(), any::<u8>());
        let times = (any::<u64>(), any::<u64>(), any::<u64>());
        let group = proptest::option::of(prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(|ip| Ipv6Addr::from(ip).to_canonical()),
        ]);
        let rest = (
            proptest::option::of(proof),
            any::<[bool; 2]>(),
            group,
            bytes(100),
        );
        (fields, times, rest).prop_map(|((key, kind, root, fill), times, rest)| {
            let (proof, [cached, several], group, content) = rest;
            let mut publisher = [fill; 34];
            publisher[..2].copy_from_slice(&[0x12, 0x20]);
            let entry = Entry {
                key: Key::from_bytes(key),
                kind: [Kind::Plain, Kind::Raw, Kind::Signed][usize::from(kind)],
                size: content.len() as u64,
                root,
                publisher: PeerId::from_bytes(&publisher).unwrap(),
                expires_ms: times.0,
                sequence: times.1,
                proof,
            };
            let record = Record {
                entry,
                stored_ms: times.2,
                cached,
                several,
                group,
            };
            (record, content)
        })
    }

    proptest! {
        #[test]
        fn records_go_round((record, content) in records()) {
            let key = record.entry.key;
            let row = record.encode(Some(&content));
            prop_assert_eq!(Record::decode(key.as_bytes(), &row), Some((record.clone(), Some(content))));
            let row = record.encode(None);
            prop_assert_eq!(Record::decode(key.as_bytes(), &row), Some((record, None)));
        }

        #[test]
        fn any_row_is_judged_without_a_panic(
            (record, content) in records(),
            cut in any::<prop::sample::Index>(),
            noise in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = Record::decode(&[0; 32], &noise);
            let row = record.encode(Some(&content));
            prop_assert_eq!(Record::decode(&[0; 32], &row[..cut.index(row.len())]), None);
        }
    }
}
