//! The values of the DHT that this satellite keeps, and what it keeps them for.
//!
//! What it is not: it proves nothing (`Entry::verify` is asked before) and knows no network. It answers whether a value fits beside those
//! that are here: who may replace what ([`rules`]), and budgets in all, for a publisher and for a network ([`tables`]).
//!
//! Nothing of a value stays in memory, so that a node's memory does not grow with what it keeps. Changes go through one thread, because
//! the disk is waited for once for each transaction: all that waits at that moment goes into one, and is answered when it is on the disk. What
//! waits is bounded; more is refused as [`Reason::Busy`]. Reads block for the disk alone and go on beside a change.

mod record;
mod rules;
mod tables;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use self::record::Record;
use super::Store;
use super::writer::{Need, Writer};
use crate::error::StoreError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::value::{Entry, Reason, Root};

pub(super) use tables::make_tables;

/// What each value costs beside its content, in every budget: its rows and its share of the indexes.
pub(crate) const OVERHEAD: u64 = 512;

/// How much is kept. Bytes are those of contents, and [`OVERHEAD`] for each value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueLimits {
    pub(crate) max_total: u64,
    /// Bytes of the largest content.
    pub(crate) max_item: u64,
    /// For one publisher. Cached values are not counted.
    pub(crate) per_publisher: u64,
    /// Brought from one network. Cached values are not counted.
    pub(crate) per_group: u64,
    /// Values in all.
    pub(crate) max_entries: u64,
}

/// How a value came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought {
    pub(crate) by: PeerId,
    /// The network of who brought it; nothing for private addresses, which have no budget of their own.
    pub(crate) group: Option<IpAddr>,
    /// It is a copy for those who ask, and gives way to what has to be kept.
    pub(crate) cached: bool,
    /// Of a signed value: the sequence that it is to replace, 0 for none.
    pub(crate) if_sequence: Option<u64>,
}

/// What became of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Kept,
    /// It was here already, and stays as it is.
    Had,
    /// It was here already, and lives longer for it, or was a copy and is kept from now on.
    Refreshed,
    /// With a text that names the limit or the conflict.
    Refused(Reason, String),
}

/// What became of a value that its publisher took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    Gone,
    NotHere,
    /// Somebody else stored it.
    OfAnother,
    /// Somebody else stored it as well.
    OfSeveral,
}

/// A value that is kept, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) entry: Entry,
    /// In ms since 1970.
    pub(crate) stored_ms: u64,
    pub(crate) cached: bool,
    /// Others than its publisher have stored it as well.
    pub(crate) several: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) values: u64,
    /// Of contents.
    pub(crate) bytes: u64,
}

/// See the module. Clones share it; with the last one its thread ends.
#[derive(Clone)]
pub(crate) struct Values(Arc<Writer<ValueLimits>>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values")
    }
}

impl Values {
    /// The values of a store, and the thread that changes them.
    pub(crate) fn open(store: &Store, limits: ValueLimits) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Writer::start(
            store.clone(),
            limits,
            "psfs-values",
        )?)))
    }

    /// Keeps a value, or says why not. `done` is called when it is on the disk, on the store's thread, where it must not block.
    pub(crate) fn put(
        &self,
        entry: Entry,
        content: Bytes,
        brought: Brought,
        now_ms: u64,
        done: impl FnOnce(Result<Put, StoreError>) + Send + 'static,
    ) {
        let need = Need {
            bytes: content.len(),
            now_ms: Some(now_ms),
        };
        self.0.hand_over(
            need,
            move |tables, limits| tables.put(limits, &entry, Some(&content), &brought, now_ms),
            || Ok(Put::Refused(Reason::Busy, StoreError::Busy.to_string())),
            done,
        );
    }

    /// The same without the content, where the value is here already. [`Put::Kept`]: it is not, so nothing was done.
    pub(crate) fn refresh(
        &self,
        entry: Entry,
        brought: Brought,
        now_ms: u64,
        done: impl FnOnce(Result<Put, StoreError>) + Send + 'static,
    ) {
        let need = Need {
            bytes: 0,
            now_ms: Some(now_ms),
        };
        self.0.hand_over(
            need,
            move |tables, limits| tables.put(limits, &entry, None, &brought, now_ms),
            || Ok(Put::Refused(Reason::Busy, StoreError::Busy.to_string())),
            done,
        );
    }

    /// What [`Values::put`] would say now, without the content.
    pub(crate) fn check(
        &self,
        entry: &Entry,
        brought: &Brought,
        now_ms: u64,
    ) -> Result<Put, StoreError> {
        let limits = self.0.limits();
        self.0
            .store()?
            .read(|transaction| tables::check(transaction, limits, entry, brought, now_ms))
    }

    /// A value and its content, also when it has expired and was not removed yet.
    pub(crate) fn get(&self, key: &Key) -> Result<Option<(Entry, Bytes)>, StoreError> {
        self.0
            .store()?
            .read(|transaction| tables::value(transaction, key))
    }

    /// A value without its content, also when it has expired and was not removed yet.
    pub(crate) fn entry(&self, key: &Key) -> Result<Option<Held>, StoreError> {
        self.0
            .store()?
            .read(|transaction| Ok(tables::record(transaction, key)?.map(Held::from)))
    }

    /// The first `most` values after a key, or of all, in the order of their keys.
    pub(crate) fn keys_after(
        &self,
        after: Option<Key>,
        most: usize,
    ) -> Result<Vec<Held>, StoreError> {
        self.0
            .store()?
            .read(|transaction| tables::keys_after(transaction, after, most))
    }

    /// Removes what this publisher stored, and nobody else.
    pub(crate) fn forget(
        &self,
        key: Key,
        root: Root,
        by: PeerId,
        done: impl FnOnce(Result<Removed, StoreError>) + Send + 'static,
    ) {
        self.0.hand_over(
            Need::default(),
            move |tables, _| tables.forget(&key, &root, &by),
            || Err(StoreError::Busy),
            done,
        );
    }

    /// Removes up to `most` values that have expired. How many these were: with `most` there may be more.
    pub(crate) fn expire(
        &self,
        now_ms: u64,
        most: usize,
        done: impl FnOnce(Result<usize, StoreError>) + Send + 'static,
    ) {
        self.0.hand_over(
            Need {
                bytes: 0,
                now_ms: Some(now_ms),
            },
            move |tables, _| tables.expire(now_ms, most),
            || Err(StoreError::Busy),
            done,
        );
    }

    /// How much is kept now.
    pub(crate) fn usage(&self) -> Result<Usage, StoreError> {
        self.0.store()?.read(tables::usage)
    }

    /// Does what waits, ends the thread and lets go of the store, whoever still has a clone. What comes later ends with
    /// [`StoreError::Closed`].
    pub(crate) fn shutdown(&self) {
        self.0.end();
    }
}

impl From<Record> for Held {
    fn from(record: Record) -> Self {
        Self {
            entry: record.entry,
            stored_ms: record.stored_ms,
            cached: record.cached,
            several: record.several,
        }
    }
}

#[cfg(test)]
mod tests;
