//! What is kept, what gives way, and what survives.

use std::sync::mpsc::{SyncSender, sync_channel};

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};

use super::*;
use crate::proto::dht::value::{Kind, SignedProof};
use crate::store::writer;

mod budgets;
mod disk;
mod kill;
mod model;
mod replacing;
mod thread;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// When the tests are.
const NOW: u64 = 1_000 * DAY;

const LIMITS: ValueLimits = ValueLimits {
    max_total: 500_000_000,
    max_item: 5_000_000,
    per_publisher: 500_000_000,
    per_group: 500_000_000,
    max_entries: 1_000_000,
};

fn peer(fill: u8) -> PeerId {
    let mut bytes = [fill; 34];
    bytes[..2].copy_from_slice(&[0x12, 0x20]);
    PeerId::from_bytes(&bytes).unwrap()
}

fn plain(content: &[u8], by: u8, expires_ms: u64) -> Entry {
    Entry {
        key: Key::of_content(content),
        kind: Kind::Plain,
        size: content.len() as u64,
        root: blake3::hash(content).into(),
        publisher: peer(by),
        expires_ms,
        sequence: 0,
        proof: None,
    }
}

fn raw(name: &str, content: &[u8], by: u8) -> Entry {
    Entry {
        key: Key::of_name(name),
        kind: Kind::Raw,
        ..plain(content, by, NOW + DAY)
    }
}

fn signed(content: &[u8], by: u8, sequence: u64) -> Entry {
    Entry {
        key: Key::of_signed(&peer(by), b""),
        kind: Kind::Signed,
        sequence,
        proof: Some(SignedProof {
            public_key: Bytes::from_static(&[1; 294]),
            salt: Bytes::new(),
            deleted: false,
            signature: Bytes::from_static(&[2; 256]),
        }),
        ..plain(content, by, NOW + DAY)
    }
}

fn by(by: u8) -> Brought {
    Brought {
        by: peer(by),
        group: None,
        cached: false,
        if_sequence: None,
    }
}

fn from(group: [u8; 4]) -> Brought {
    Brought {
        group: Some(group.into()),
        ..by(1)
    }
}

fn cached() -> Brought {
    Brought {
        cached: true,
        ..by(9)
    }
}

fn replacing(sequence: u64) -> Brought {
    Brought {
        if_sequence: Some(sequence),
        ..by(1)
    }
}

/// A content that is not any other number's.
fn content(number: u64, length: usize) -> Bytes {
    let mut content = vec![0; length];
    blake3::Hasher::new()
        .update(&number.to_be_bytes())
        .finalize_xof()
        .fill(&mut content);
    content.into()
}

fn memory(limits: ValueLimits) -> Values {
    Values::open(&Store::in_memory().unwrap(), limits).unwrap()
}

impl Values {
    fn try_put(
        &self,
        entry: &Entry,
        content: &[u8],
        brought: Brought,
        now_ms: u64,
    ) -> Result<Put, StoreError> {
        let (done, answer) = sync_channel(1);
        let content = Bytes::copy_from_slice(content);
        self.put(entry.clone(), content, brought, now_ms, move |result| {
            done.send(result).unwrap();
        });
        answer.recv().unwrap()
    }

    fn puts(&self, entry: &Entry, content: &[u8], brought: Brought) -> Put {
        self.try_put(entry, content, brought, NOW).unwrap()
    }

    fn refreshes(&self, entry: &Entry, brought: Brought) -> Put {
        let (done, answer) = sync_channel(1);
        self.refresh(entry.clone(), brought, NOW, move |result| {
            done.send(result).unwrap();
        });
        answer.recv().unwrap().unwrap()
    }

    /// What `content` is under a key, taken back by who stored it.
    fn forgets(&self, key: Key, content: &[u8], by: u8) -> Removed {
        let (done, answer) = sync_channel(1);
        let root = blake3::hash(content).into();
        self.forget(key, root, peer(by), move |result| {
            done.send(result).unwrap();
        });
        answer.recv().unwrap().unwrap()
    }

    fn expires(&self, now_ms: u64, most: usize) -> usize {
        let (done, answer) = sync_channel(1);
        self.expire(now_ms, most, move |result| done.send(result).unwrap());
        answer.recv().unwrap().unwrap()
    }

    fn content(&self, key: &Key) -> Option<Bytes> {
        self.get(key).unwrap().map(|(_, content)| content)
    }

    /// Rows in the tables: values, pieces, expiry, usage.
    fn rows(&self) -> [u64; 4] {
        let count = |transaction: &redb::ReadTransaction| {
            Ok([
                transaction
                    .open_table::<&[u8; 32], &[u8]>(TableDefinition::new("values"))?
                    .len()?,
                transaction
                    .open_table::<&[u8; 36], &[u8]>(TableDefinition::new("pieces"))?
                    .len()?,
                transaction
                    .open_table::<&[u8; 41], ()>(TableDefinition::new("expiry"))?
                    .len()?,
                transaction
                    .open_table::<&[u8; 35], (u64, u64)>(TableDefinition::new("usage"))?
                    .len()?,
            ])
        };
        self.0.store().unwrap().read(count).unwrap()
    }

    /// Values and bytes of every share.
    fn shares(&self) -> Vec<(u8, u64, u64)> {
        let shares = |transaction: &redb::ReadTransaction| {
            let table =
                transaction.open_table::<&[u8; 35], (u64, u64)>(TableDefinition::new("usage"))?;
            let mut shares = Vec::new();
            for row in table.iter()? {
                let (share, amount) = row?;
                let (bytes, values) = amount.value();
                shares.push((share.value()[0], values, bytes));
            }
            Ok(shares)
        };
        self.0.store().unwrap().read(shares).unwrap()
    }
}

/// Makes the store's thread wait until what is returned is dropped.
fn hold(values: &Values) -> SyncSender<()> {
    let (go, wait) = sync_channel::<()>(0);
    let (held, holds) = sync_channel(1);
    values.expire(0, 1, move |_| {
        held.send(()).unwrap();
        let _dropped = wait.recv();
    });
    holds.recv().unwrap();
    go
}

#[track_caller]
fn refused(put: Put, reason: Reason, with: &str) {
    match put {
        Put::Refused(why, text) if why == reason && text.contains(with) => {}
        put => panic!("{put:?}"),
    }
}

#[test]
fn contents_of_all_sizes_come_back_whole() {
    let values = memory(LIMITS);
    let (inline, piece) = (tables::INLINE, tables::PIECE);
    let lengths = [
        0,
        1,
        inline,
        inline + 1,
        piece - 1,
        piece,
        piece + 1,
        2 * piece,
        5_000_000,
    ];
    for (number, length) in (0..).zip(lengths) {
        let content = content(number, length);
        let entry = plain(&content, 1, NOW + DAY);
        assert_eq!(values.puts(&entry, &content, by(1)), Put::Kept);
        assert_eq!(values.get(&entry.key).unwrap(), Some((entry, content)));
    }
    let usage = values.usage().unwrap();
    assert_eq!(usage.values, lengths.len() as u64);
    assert_eq!(usage.bytes, lengths.iter().sum::<usize>() as u64);
    assert_eq!(values.get(&Key::of_name("nothing")).unwrap(), None);
}

#[test]
fn a_content_of_another_length_is_invalid() {
    let values = memory(LIMITS);
    let entry = plain(b"value", 1, NOW + DAY);
    refused(
        values.puts(&entry, b"valu", by(1)),
        Reason::Invalid,
        "4 bytes, 5",
    );
    assert_eq!(values.usage().unwrap(), Usage::default());
}

#[test]
fn the_largest_content_is_named() {
    let values = memory(ValueLimits {
        max_item: 100,
        ..LIMITS
    });
    let content = content(1, 101);
    let entry = plain(&content, 1, NOW + DAY);
    for put in [
        values.check(&entry, &by(1), NOW).unwrap(),
        values.puts(&entry, &content, by(1)),
    ] {
        refused(put, Reason::TooLarge, "101 bytes, this node takes 100");
    }
}

#[test]
fn what_has_expired_is_not_kept() {
    let values = memory(LIMITS);
    let entry = plain(b"late", 1, NOW);
    refused(
        values.puts(&entry, b"late", by(1)),
        Reason::Invalid,
        "expired",
    );
    refused(
        values.check(&entry, &by(1), NOW).unwrap(),
        Reason::Invalid,
        "expired",
    );
}
