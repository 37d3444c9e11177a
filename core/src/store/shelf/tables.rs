//! The tables of the shelf.
//!
//! `‖` joins; a label or path inside a key is ended by a zero byte, at its end it is not.
//!
//! | table | key | row |
//! |---|---|---|
//! | `blobs` | root | blob |
//! | `blob_digests` | SHA-256 | root |
//! | `owners` | owner | account |
//! | `files` | owner ‖ root | what is somebody's |
//! | `file_owners` | root ‖ owner | nothing: the way back |
//! | `file_names` | owner ‖ name ‖ root | nothing |
//! | `tags` | owner ‖ tag ‖ root | nothing |
//! | `file_tags` | owner ‖ root ‖ tag | nothing: the way back |
//! | `reservations` | owner ‖ upload | bytes, until when |
//! | `counters` | token's name | bytes, until when |
//! | `payments` | owner ‖ upload ‖ token's name | bytes, until when |
//! | `until` | until when (8, big-endian) ‖ what for (1) ‖ key | nothing: what goes next |

use std::ops::Bound;

use redb::{ReadableTable, Table, TableDefinition, Value, WriteTransaction};

use super::{ShelfLimits, owners, rows};
use crate::proto::transfer::root::Root;
use crate::store::writer;

pub(super) type Bytes<'a> = &'a [u8];
type Definition<'a, V> = TableDefinition<'a, Bytes<'static>, V>;

pub(super) const BLOBS: Definition<'_, Bytes<'static>> = TableDefinition::new("blobs");
pub(super) const DIGESTS: Definition<'_, Bytes<'static>> = TableDefinition::new("blob_digests");
pub(super) const OWNERS: Definition<'_, Bytes<'static>> = TableDefinition::new("owners");
pub(super) const FILES: Definition<'_, Bytes<'static>> = TableDefinition::new("files");
pub(super) const FILE_OWNERS: Definition<'_, ()> = TableDefinition::new("file_owners");
pub(super) const FILE_NAMES: Definition<'_, ()> = TableDefinition::new("file_names");
pub(super) const TAGS: Definition<'_, ()> = TableDefinition::new("tags");
pub(super) const FILE_TAGS: Definition<'_, ()> = TableDefinition::new("file_tags");
pub(super) const RESERVATIONS: Definition<'_, (u64, u64)> = TableDefinition::new("reservations");
pub(super) const COUNTERS: Definition<'_, (u64, u64)> = TableDefinition::new("counters");
pub(super) const PAYMENTS: Definition<'_, (u64, u64)> = TableDefinition::new("payments");
pub(super) const UNTIL: Definition<'_, ()> = TableDefinition::new("until");

pub(in crate::store) fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    Open::new(transaction).map(drop)
}

type Rows<'t, V> = Table<'t, Bytes<'static>, V>;

/// All tables in one change.
pub(in crate::store) struct Open<'t> {
    pub(super) blobs: Rows<'t, Bytes<'static>>,
    pub(super) digests: Rows<'t, Bytes<'static>>,
    pub(super) owners: Rows<'t, Bytes<'static>>,
    pub(super) files: Rows<'t, Bytes<'static>>,
    pub(super) file_owners: Rows<'t, ()>,
    pub(super) file_names: Rows<'t, ()>,
    pub(super) tags: Rows<'t, ()>,
    pub(super) file_tags: Rows<'t, ()>,
    pub(super) reservations: Rows<'t, (u64, u64)>,
    pub(super) counters: Rows<'t, (u64, u64)>,
    pub(super) payments: Rows<'t, (u64, u64)>,
    until: Rows<'t, ()>,
}

/// What ends by itself.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Ends {
    Reservation = 0,
    Counter = 1,
    Payment = 2,
}

impl writer::Tables for ShelfLimits {
    type Open<'t> = Open<'t>;

    fn open<'t>(&self, transaction: &'t WriteTransaction) -> Result<Open<'t>, redb::Error> {
        Open::new(transaction)
    }

    fn finish(_: Open<'_>) -> Result<(), redb::Error> {
        Ok(())
    }
}

impl<'t> Open<'t> {
    fn new(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            blobs: transaction.open_table(BLOBS)?,
            digests: transaction.open_table(DIGESTS)?,
            owners: transaction.open_table(OWNERS)?,
            files: transaction.open_table(FILES)?,
            file_owners: transaction.open_table(FILE_OWNERS)?,
            file_names: transaction.open_table(FILE_NAMES)?,
            tags: transaction.open_table(TAGS)?,
            file_tags: transaction.open_table(FILE_TAGS)?,
            reservations: transaction.open_table(RESERVATIONS)?,
            counters: transaction.open_table(COUNTERS)?,
            payments: transaction.open_table(PAYMENTS)?,
            until: transaction.open_table(UNTIL)?,
        })
    }

    /// Something ends then, and no more when it did before.
    pub(super) fn ends(
        &mut self,
        what: Ends,
        key: &[u8],
        before: Option<u64>,
        until_ms: Option<u64>,
    ) -> Result<(), redb::Error> {
        let row = |until: u64| [&until.to_be_bytes()[..], &[what as u8], key].concat();
        if let Some(before) = before {
            self.until.remove(&row(before)[..])?;
        }
        if let Some(until_ms) = until_ms {
            self.until.insert(&row(until_ms)[..], ())?;
        }
        Ok(())
    }

    /// Takes away up to `most` of what has ended before now. How many these were.
    pub(super) fn expire(&mut self, now_ms: u64, most: usize) -> Result<usize, redb::Error> {
        let mut ended = Vec::new();
        for row in self.until.range::<&[u8]>(..&now_ms.to_be_bytes()[..])? {
            if ended.len() == most {
                break;
            }
            ended.push(row?.0.value().to_vec());
        }
        for row in &ended {
            self.until.remove(&row[..])?;
            let Some((what, key)) = row.get(8..).and_then(<[u8]>::split_first) else {
                continue;
            };
            if *what == Ends::Reservation as u8 {
                owners::return_reserved(self, key)?;
            } else if *what == Ends::Payment as u8 {
                self.payments.remove(key)?;
            } else {
                self.counters.remove(key)?;
            }
        }
        Ok(ended.len())
    }
}

/// What stands behind a prefix in the keys that have it and follow `after`, in order.
pub(super) fn under<V: Value + 'static>(
    table: &impl ReadableTable<Bytes<'static>, V>,
    prefix: &[u8],
    after: Option<&[u8]>,
    most: usize,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let from = [prefix, after.unwrap_or_default()].concat();
    let from = match after {
        Some(_) => Bound::Excluded(&from[..]),
        None => Bound::Included(&from[..]),
    };
    let mut found = Vec::new();
    for row in table.range::<&[u8]>((from, Bound::Unbounded))? {
        let (key, _) = row?;
        match key.value().strip_prefix(prefix) {
            Some(rest) if found.len() < most => found.push(rest.to_vec()),
            _ => break,
        }
    }
    Ok(found)
}

/// The roots at the ends of the keys with a prefix.
pub(super) fn roots_under<V: Value + 'static>(
    table: &impl ReadableTable<Bytes<'static>, V>,
    prefix: &[u8],
    after: Option<&Root>,
    most: usize,
) -> Result<Vec<Root>, redb::Error> {
    let after = after.map(|root| &root.as_bytes()[..]);
    let found = under(table, prefix, after, most)?;
    Ok(found.iter().filter_map(|rest| rows::root(rest)).collect())
}
