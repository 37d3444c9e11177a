//! The tables of values, and what one transaction does with them.
//!
//! | table | key | row |
//! |---|---|---|
//! | `values` | key | record, and the content if it is small |
//! | `pieces` | key, number (4, big-endian) | a piece of a larger content |
//! | `expiry` | 1 if cached, expiry (8, big-endian), key | nothing: who goes next |
//! | `usage` | what for (1), whose (34) | bytes of contents, number of values |

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::record::{Record, group_bytes};
use super::rules::{Verdict, judge};
use super::{Brought, Held, OVERHEAD, Put, Removed, Usage, ValueLimits};
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::value::{Entry, Reason, Root};
use crate::store::writer;

/// Contents up to here stand in the record: one page to read, one to write.
pub(super) const INLINE: usize = 1024;
/// Bytes of a piece. With its key and redb's own they fill a page of a power of two. Larger ones waste more, as the last one fills
/// such a page only in part: of 64 KiB, values of 100 KB took twice their size.
pub(super) const PIECE: usize = 16 * 1024 - 64;
/// Expired values that a put without room removes, so that none waits long.
const SWEEP: usize = 64;

type Row<'a> = &'a [u8];
const VALUES: TableDefinition<'_, &[u8; 32], Row<'_>> = TableDefinition::new("values");
const PIECES: TableDefinition<'_, &[u8; 36], Row<'_>> = TableDefinition::new("pieces");
const EXPIRY: TableDefinition<'_, &[u8; 41], ()> = TableDefinition::new("expiry");
const USAGE: TableDefinition<'_, &[u8; 35], (u64, u64)> = TableDefinition::new("usage");

impl writer::Tables for ValueLimits {
    type Open<'t> = Tables<'t>;

    fn open<'t>(&self, transaction: &'t WriteTransaction) -> Result<Tables<'t>, redb::Error> {
        Tables::open(transaction)
    }

    fn finish(open: Tables<'_>) -> Result<(), redb::Error> {
        open.finish()
    }
}

pub(in crate::store) fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    Tables::open(transaction).map(drop)
}

/// Whose share of the room: a row in `usage`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Share([u8; 35]);

impl Share {
    const TOTAL: Self = Self::new(0);
    const CACHED: Self = Self::new(1);

    const fn new(what: u8) -> Self {
        let mut share = [0; 35];
        share[0] = what;
        Self(share)
    }

    fn publisher(peer: &PeerId) -> Self {
        let mut share = Self::new(2);
        share.0[1..].copy_from_slice(peer.as_bytes());
        share
    }

    fn group(record: &Record) -> Self {
        let mut share = Self::new(3);
        share.0[1..17].copy_from_slice(&group_bytes(record.group));
        share
    }
}

impl Record {
    /// Whose share it is in.
    fn shares(&self) -> impl Iterator<Item = Share> {
        let kept = !self.cached;
        [
            Some(Share::TOTAL),
            self.cached.then_some(Share::CACHED),
            kept.then(|| Share::publisher(&self.entry.publisher)),
            (kept && self.group.is_some()).then(|| Share::group(self)),
        ]
        .into_iter()
        .flatten()
    }

    fn expiry(&self) -> [u8; 41] {
        let mut row = [0; 41];
        row[0] = u8::from(self.cached);
        row[1..9].copy_from_slice(&self.entry.expires_ms.to_be_bytes());
        row[9..].copy_from_slice(self.entry.key.as_bytes());
        row
    }
}

/// So much, of somebody's share.
#[derive(Clone, Copy, Default)]
struct Amount {
    bytes: u64,
    values: u64,
}

impl Amount {
    fn of(record: &Record) -> Self {
        Self {
            bytes: record.entry.size,
            values: 1,
        }
    }

    fn and(self, more: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(more.bytes),
            values: self.values.saturating_add(more.values),
        }
    }

    fn without(self, less: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(less.bytes),
            values: self.values.saturating_sub(less.values),
        }
    }

    fn cost(self) -> u64 {
        self.bytes
            .saturating_add(self.values.saturating_mul(OVERHEAD))
    }
}

/// A limit that a value does not fit under.
enum Over {
    /// The node is full: by how much.
    Full(Amount, String),
    /// It would be more than somebody's share.
    Share(String),
}

/// Whether a record fits in place of an old one.
fn over(
    limits: &ValueLimits,
    mut amount: impl FnMut(Share) -> Result<Amount, redb::Error>,
    old: Option<&Record>,
    new: &Record,
) -> Result<Option<Over>, redb::Error> {
    let mut after = |share: Share| -> Result<Amount, redb::Error> {
        let held = old.filter(|old| old.shares().any(|its| its == share));
        let held = held.map(Amount::of).unwrap_or_default();
        Ok(amount(share)?.without(held).and(Amount::of(new)))
    };
    if !new.cached {
        let publisher = &new.entry.publisher;
        if after(Share::publisher(publisher))?.cost() > limits.per_publisher {
            return Ok(Some(Over::Share(format!(
                "this node keeps {} bytes for one publisher, {OVERHEAD} for each value included: {publisher} has used them",
                limits.per_publisher
            ))));
        }
        if let Some(group) = new.group
            && after(Share::group(new))?.cost() > limits.per_group
        {
            return Ok(Some(Over::Share(format!(
                "this node keeps {} bytes from one network, {OVERHEAD} for each value included: {group} has used them",
                limits.per_group
            ))));
        }
    }
    let total = after(Share::TOTAL)?;
    let short = Amount {
        bytes: total.cost().saturating_sub(limits.max_total),
        values: total.values.saturating_sub(limits.max_entries),
    };
    let text = if short.bytes > 0 {
        format!(
            "this node keeps {} bytes in all (max_storage_size), {OVERHEAD} for each value included: they are in use",
            limits.max_total
        )
    } else if short.values > 0 {
        format!(
            "this node keeps {} values: it has as many",
            limits.max_entries
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Over::Full(short, text)))
}

/// Whether so much room can be had by letting go of these cached values.
fn gives_way(cached: Amount, short: Amount) -> bool {
    cached.cost() >= short.bytes && cached.values >= short.values
}

// Reading.

fn row(
    table: &impl ReadableTable<&'static [u8; 32], Row<'static>>,
    key: &Key,
) -> Result<Option<(Record, Option<Bytes>)>, redb::Error> {
    let row = table.get(key.as_bytes())?;
    Ok(row.and_then(|row| Record::decode(key.as_bytes(), row.value())))
}

pub(super) fn record(
    transaction: &ReadTransaction,
    key: &Key,
) -> Result<Option<Record>, redb::Error> {
    Ok(row(&transaction.open_table(VALUES)?, key)?.map(|(record, _)| record))
}

pub(super) fn value(
    transaction: &ReadTransaction,
    key: &Key,
) -> Result<Option<(Entry, Bytes)>, redb::Error> {
    let Some((record, inline)) = row(&transaction.open_table(VALUES)?, key)? else {
        return Ok(None);
    };
    if let Some(content) = inline {
        return Ok(Some((record.entry, content)));
    }
    let pieces = transaction.open_table(PIECES)?;
    let mut content = Vec::with_capacity(usize::try_from(record.entry.size).unwrap_or(0));
    for number in 0..pieces_of(&record.entry) {
        let Some(piece) = pieces.get(&piece_key(key, number))? else {
            return Err(redb::Error::Corrupted(format!(
                "the value {key} is not whole"
            )));
        };
        content.extend_from_slice(piece.value());
    }
    Ok(Some((record.entry, content.into())))
}

pub(super) fn keys_after(
    transaction: &ReadTransaction,
    after: Option<Key>,
    most: usize,
) -> Result<Vec<Held>, redb::Error> {
    use std::ops::Bound;
    let from = match &after {
        Some(key) => Bound::Excluded(key.as_bytes()),
        None => Bound::Unbounded,
    };
    let table = transaction.open_table(VALUES)?;
    let mut held = Vec::new();
    for row in table.range::<&[u8; 32]>((from, Bound::Unbounded))? {
        if held.len() == most {
            break;
        }
        let (key, row) = row?;
        held.extend(Record::decode(key.value(), row.value()).map(|(record, _)| record.into()));
    }
    Ok(held)
}

pub(super) fn usage(transaction: &ReadTransaction) -> Result<Usage, redb::Error> {
    let total = transaction.open_table(USAGE)?.get(&Share::TOTAL.0)?;
    let (bytes, values) = total.map(|total| total.value()).unwrap_or_default();
    Ok(Usage { values, bytes })
}

/// What a put would say.
pub(super) fn check(
    transaction: &ReadTransaction,
    limits: &ValueLimits,
    entry: &Entry,
    brought: &Brought,
    now_ms: u64,
) -> Result<Put, redb::Error> {
    let old = record(transaction, &entry.key)?;
    let (new, fits) = match judge(old.as_ref(), entry, brought, limits, now_ms) {
        Verdict::Refuse(reason, text) => return Ok(Put::Refused(reason, text)),
        Verdict::Had => return Ok(Put::Had),
        Verdict::Refresh(new) => (new, Put::Refreshed),
        Verdict::Keep(new) => (new, Put::Kept),
    };
    let usage = transaction.open_table(USAGE)?;
    let amount = |share: Share| -> Result<Amount, redb::Error> {
        let row = usage.get(&share.0)?;
        let (bytes, values) = row.map(|row| row.value()).unwrap_or_default();
        Ok(Amount { bytes, values })
    };
    let Some(over) = over(limits, amount, old.as_ref(), &new)? else {
        return Ok(fits);
    };
    let expired = !expired(&transaction.open_table(EXPIRY)?, now_ms, 1)?.is_empty();
    let text = match over {
        Over::Full(short, _) if !new.cached && gives_way(amount(Share::CACHED)?, short) => {
            return Ok(fits);
        }
        // Which of the cached ones go is found out by doing it.
        Over::Full(_, text) | Over::Share(text) => text,
    };
    Ok(if expired {
        fits
    } else {
        Put::Refused(Reason::Quota, text)
    })
}

/// Keys of values that have expired.
fn expired(
    table: &impl ReadableTable<&'static [u8; 41], ()>,
    now_ms: u64,
    most: usize,
) -> Result<Vec<Key>, redb::Error> {
    let mut keys = Vec::new();
    for cached in [0, 1] {
        let (mut first, mut last) = ([0; 41], [0xff; 41]);
        (first[0], last[0]) = (cached, cached);
        last[1..9].copy_from_slice(&now_ms.to_be_bytes());
        for row in table.range::<&[u8; 41]>(&first..=&last)? {
            if keys.len() == most {
                return Ok(keys);
            }
            keys.push(key_of(row?.0.value()));
        }
    }
    Ok(keys)
}

fn key_of(expiry: &[u8; 41]) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(&expiry[9..]);
    Key::from_bytes(key)
}

fn piece_key(key: &Key, number: u32) -> [u8; 36] {
    let mut row = [0; 36];
    row[..32].copy_from_slice(key.as_bytes());
    row[32..].copy_from_slice(&number.to_be_bytes());
    row
}

/// How many pieces a content has.
fn pieces_of(entry: &Entry) -> u32 {
    if entry.size <= INLINE as u64 {
        0
    } else {
        u32::try_from(entry.size.div_ceil(PIECE as u64)).unwrap_or(u32::MAX)
    }
}

// Changing.

/// All tables in one change. What it does to shares is written by [`Tables::finish`].
pub(in crate::store) struct Tables<'t> {
    values: Table<'t, &'static [u8; 32], Row<'static>>,
    pieces: Table<'t, &'static [u8; 36], Row<'static>>,
    expiry: Table<'t, &'static [u8; 41], ()>,
    usage: Table<'t, &'static [u8; 35], (u64, u64)>,
    /// Shares that were looked at: many values of a change are in the same.
    amounts: BTreeMap<Share, Amount>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            values: transaction.open_table(VALUES)?,
            pieces: transaction.open_table(PIECES)?,
            expiry: transaction.open_table(EXPIRY)?,
            usage: transaction.open_table(USAGE)?,
            amounts: BTreeMap::new(),
        })
    }

    pub(super) fn finish(mut self) -> Result<(), redb::Error> {
        for (share, amount) in &self.amounts {
            if amount.values == 0 {
                self.usage.remove(&share.0)?;
            } else {
                self.usage.insert(&share.0, (amount.bytes, amount.values))?;
            }
        }
        Ok(())
    }

    /// Without a content only what is here already changes.
    pub(super) fn put(
        &mut self,
        limits: &ValueLimits,
        entry: &Entry,
        content: Option<&Bytes>,
        brought: &Brought,
        now_ms: u64,
    ) -> Result<Put, redb::Error> {
        if let Some(content) = content
            && content.len() as u64 != entry.size
        {
            let text = format!(
                "the content has {} bytes, {} were announced",
                content.len(),
                entry.size
            );
            return Ok(Put::Refused(Reason::Invalid, text));
        }
        let mut swept = false;
        loop {
            // Looked at anew each time: it may be what gave way.
            let (old, inline) = match row(&self.values, &entry.key)? {
                Some((old, inline)) => (Some(old), inline),
                None => (None, None),
            };
            let (new, content) = match judge(old.as_ref(), entry, brought, limits, now_ms) {
                Verdict::Refuse(reason, text) => return Ok(Put::Refused(reason, text)),
                Verdict::Had => return Ok(Put::Had),
                Verdict::Refresh(new) => (new, None),
                Verdict::Keep(_) if content.is_none() => return Ok(Put::Kept),
                Verdict::Keep(new) => (new, content),
            };
            let Some(over) = over(limits, |share| self.amount(share), old.as_ref(), &new)? else {
                return match content {
                    Some(content) => {
                        self.replace(old.as_ref(), &new, content)?;
                        Ok(Put::Kept)
                    }
                    None => {
                        self.index(old.as_ref(), Some(&new))?;
                        self.values
                            .insert(entry.key.as_bytes(), &new.encode(inline.as_deref())[..])?;
                        Ok(Put::Refreshed)
                    }
                };
            };
            if !swept {
                swept = true;
                if self.expire(now_ms, SWEEP)? > 0 {
                    continue;
                }
            }
            match over {
                Over::Full(short, _)
                    if gives_way(self.amount(Share::CACHED)?, short) && self.let_go(&new)? => {}
                Over::Full(_, text) | Over::Share(text) => {
                    return Ok(Put::Refused(Reason::Quota, text));
                }
            }
        }
    }

    /// Removes what this publisher stored, and nobody else.
    pub(super) fn forget(
        &mut self,
        key: &Key,
        root: &Root,
        by: &PeerId,
    ) -> Result<Removed, redb::Error> {
        let held = row(&self.values, key)?.filter(|(held, _)| held.entry.root == *root);
        Ok(match held {
            None => Removed::NotHere,
            Some((held, _)) if held.entry.publisher != *by => Removed::OfAnother,
            Some((held, _)) if held.several => Removed::OfSeveral,
            Some((held, _)) => {
                self.remove(&held)?;
                Removed::Gone
            }
        })
    }

    fn remove(&mut self, record: &Record) -> Result<(), redb::Error> {
        self.index(Some(record), None)?;
        self.remove_pieces(&record.entry)?;
        self.values.remove(record.entry.key.as_bytes())?;
        Ok(())
    }

    fn remove_at(&mut self, key: &Key) -> Result<bool, redb::Error> {
        let Some((record, _)) = row(&self.values, key)? else {
            return Ok(false);
        };
        self.remove(&record)?;
        Ok(true)
    }

    pub(super) fn expire(&mut self, now_ms: u64, most: usize) -> Result<usize, redb::Error> {
        let keys = expired(&self.expiry, now_ms, most)?;
        for key in &keys {
            self.remove_at(key)?;
        }
        Ok(keys.len())
    }

    /// Lets go of the cached value that expires next. A new one that is cached itself only takes the place of what expires sooner.
    fn let_go(&mut self, new: &Record) -> Result<bool, redb::Error> {
        let mut cached = [0; 41];
        cached[0] = 1;
        let next = match self.expiry.range::<&[u8; 41]>(&cached..)?.next() {
            Some(row) => *row?.0.value(),
            None => return Ok(false),
        };
        if new.cached && next >= new.expiry() {
            return Ok(false);
        }
        self.remove_at(&key_of(&next))
    }

    fn replace(
        &mut self,
        old: Option<&Record>,
        new: &Record,
        content: &Bytes,
    ) -> Result<(), redb::Error> {
        self.index(old, Some(new))?;
        if let Some(old) = old {
            self.remove_pieces(&old.entry)?;
        }
        let key = &new.entry.key;
        let inline = (content.len() <= INLINE).then_some(&content[..]);
        if inline.is_none() {
            for (number, piece) in (0..).zip(content.chunks(PIECE)) {
                self.pieces.insert(&piece_key(key, number), piece)?;
            }
        }
        self.values
            .insert(key.as_bytes(), &new.encode(inline)[..])?;
        Ok(())
    }

    fn remove_pieces(&mut self, entry: &Entry) -> Result<(), redb::Error> {
        for number in 0..pieces_of(entry) {
            self.pieces.remove(&piece_key(&entry.key, number))?;
        }
        Ok(())
    }

    /// What follows from a record in place of another: whose share it is in, and when it goes.
    fn index(&mut self, old: Option<&Record>, new: Option<&Record>) -> Result<(), redb::Error> {
        if let Some(old) = old {
            self.expiry.remove(&old.expiry())?;
            for share in old.shares() {
                let amount = self.amount(share)?.without(Amount::of(old));
                self.amounts.insert(share, amount);
            }
        }
        if let Some(new) = new {
            self.expiry.insert(&new.expiry(), ())?;
            for share in new.shares() {
                let amount = self.amount(share)?.and(Amount::of(new));
                self.amounts.insert(share, amount);
            }
        }
        Ok(())
    }

    fn amount(&mut self, share: Share) -> Result<Amount, redb::Error> {
        if let Some(amount) = self.amounts.get(&share) {
            return Ok(*amount);
        }
        let row = self.usage.get(&share.0)?;
        let (bytes, values) = row.map(|row| row.value()).unwrap_or_default();
        let amount = Amount { bytes, values };
        self.amounts.insert(share, amount);
        Ok(amount)
    }
}
