//! What is known of files: which blobs there are and where, whose they are and how they are tagged, what of them is under way, and what
//! may be let go of.
//!
//! What it is not: it touches no file of a user and proves nothing. Rights are a token's, bytes are on the disk before they are told of here;
//! this says what is true after a restart.
//!
//! | what | for |
//! |---|---|
//! | blobs ([`blobs`]) | root → size, kind, SHA-256, place, outboard |
//! | files and tags ([`owners`]) | a blob that is somebody's, under a name and any number of tags |
//! | accounts ([`owners`]) | quota, bytes in use, bytes reserved for uploads that are under way |
//! | counters ([`counters`]) | bytes moved under a token |
//! | payments ([`counters`]) | which of them were counted for an upload that may go on |
//!
//! A blob is *held* by its owners; what nobody holds is garbage ([`Shelf::garbage`]), and goes when it is told to ([`Shelf::forget`]). How
//! far a file is that is being received says the part file itself.
//!
//! Each change is one transaction. Changes go through a thread of their own (`store/writer.rs`) that puts all that wait into one; `done` is
//! called on it when they are on the disk, and must not block. Reads block for the disk alone. All times are ms since 1970.

mod blobs;
mod counters;
mod owners;
mod rows;
mod tables;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Store;
use super::writer::{Need, Writer};
use crate::error::StoreError;
use crate::proto::transfer::label::{Label, TAGS_MAX};
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;

use tables::Open;
pub(super) use tables::make_tables;

/// Most files of one owner, and uploads of one owner that are under way.
pub(crate) const FILES_MAX: u64 = 1_000_000;
pub(crate) const UPLOADS_MAX: u64 = 1024;
/// Most tokens that are counted.
pub(crate) const COUNTERS_MAX: u64 = 1_000_000;

/// What owners may have that were given no limit of their own.
#[derive(Debug)]
pub(crate) struct ShelfLimits {
    /// In bytes; the largest number for no limit.
    quota: AtomicU64,
}

impl ShelfLimits {
    pub(crate) const fn new(quota: Option<u64>) -> Self {
        let quota = match quota {
            Some(quota) => quota,
            None => u64::MAX,
        };
        Self {
            quota: AtomicU64::new(quota),
        }
    }

    fn quota(&self) -> Option<u64> {
        Some(self.quota.load(Ordering::Relaxed)).filter(|quota| *quota != u64::MAX)
    }
}

/// A blob that is here whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) kind: Kind,
    /// If somebody asked for it.
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) place: Place,
    /// Where the hashes of its units are, if they outlive the run.
    pub(crate) outboard: Option<PathBuf>,
    pub(crate) added_ms: u64,
}

/// Where the bytes of a blob are, and by what one sees that they were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// The file is the satellite's: it goes with the blob. Else it is a user's, who shares it where it is.
    pub(crate) own: bool,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// When it was written last, in ns since 1970.
    pub(crate) modified_ns: i64,
}

/// A blob that is somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) name: Label,
    /// What it takes of the quota: its size, or 0 for a file that is shared where it is.
    pub(crate) charged: u64,
    pub(crate) added_ms: u64,
    /// He gives it only to who shows a token.
    pub(crate) guarded: bool,
}

/// What somebody is to have.
#[derive(Clone, Debug)]
pub(crate) struct NewFile {
    pub(crate) owner: Label,
    pub(crate) root: Root,
    pub(crate) name: Label,
    /// Repeated ones count once.
    pub(crate) tags: Vec<Label>,
    /// As in [`Owned`].
    pub(crate) charged: u64,
    pub(crate) guarded: bool,
}

/// What an owner has, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// His own limit; nothing if it is the one for all.
    pub(crate) limit: Option<u64>,
    /// The sum of what his files are charged.
    pub(crate) used: u64,
    /// The sum of what is reserved for his uploads.
    pub(crate) reserved: u64,
    pub(crate) files: u64,
    /// Uploads with a reservation.
    pub(crate) uploads: u64,
}

/// Why an owner is not given room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuotaError {
    #[error(
        "the quota is reached: {owner} has {used} bytes and {reserved} reserved of {limit}, {wanted} more do not fit"
    )]
    Bytes {
        owner: Label,
        limit: u64,
        used: u64,
        reserved: u64,
        wanted: u64,
    },
    #[error("{0} has {FILES_MAX} files, more are not kept: delete some")]
    Files(Label),
    #[error("{0} has {UPLOADS_MAX} uploads under way: wait until one ends")]
    Uploads(Label),
    #[error("a file has at most {TAGS_MAX} tags, these are {0}")]
    Tags(usize),
}

/// What became of bytes that were to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// They are counted; so many are left.
    Left(u64),
    /// They would be too many and are not counted: so many were before.
    Over { used: u64, limit: u64 },
    /// As many tokens are counted as are kept.
    Full,
}

/// What is counted under a token for an upload.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) owner: Label,
    pub(crate) upload: Label,
    pub(crate) token: Label,
    pub(crate) bytes: u64,
    /// For so long it is known that they were.
    pub(crate) until_ms: u64,
}

/// How an upload was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    /// Bytes that were counted for it before.
    pub(crate) before: u64,
    /// Bytes that were taken of those that are counted ahead.
    pub(crate) from_ahead: u64,
}

/// What became of a blob that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// It is forgotten: whoever asked removes its files.
    Gone(Blob),
    /// Somebody holds it.
    Held,
    NotHere,
}

/// A part of a list, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    /// To be given as `after`; nothing at the end.
    pub(crate) next: Option<T>,
}

/// See the module. Clones share it; with the last one its thread ends.
#[derive(Clone)]
pub(crate) struct Shelf(Arc<Writer<ShelfLimits>>);

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// What a store knows of files, and the thread that changes it.
    pub(crate) fn open(store: &Store, limits: ShelfLimits) -> Result<Self, StoreError> {
        let writer = Writer::start(store.clone(), limits, "psfs-shelf")?;
        Ok(Self(Arc::new(writer)))
    }

    // Blobs.

    /// A blob is here. What was known of it before, if it was: its files may be others. A digest that was known stays.
    pub(crate) fn add(
        &self,
        root: Root,
        blob: Blob,
        done: impl FnOnce(Result<Option<Blob>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| blobs::add(tables, &root, blob);
        self.change(None, change, done);
    }

    pub(crate) fn blob(&self, root: &Root) -> Result<Option<Blob>, StoreError> {
        self.read(|transaction| blobs::blob(transaction, root))
    }

    /// The blob with this SHA-256, if that was asked for when it was added.
    pub(crate) fn by_sha256(&self, digest: &[u8; 32]) -> Result<Option<Root>, StoreError> {
        self.read(|transaction| blobs::by_sha256(transaction, digest))
    }

    /// Blobs that follow `after`, in the order of their roots.
    pub(crate) fn blobs(
        &self,
        after: Option<Root>,
        most: usize,
    ) -> Result<Vec<(Root, Blob)>, StoreError> {
        self.read(|transaction| blobs::blobs(transaction, after, most))
    }

    /// Blobs that nobody holds, of the `most` that follow `after` in their order. `next` is the last that was looked at.
    pub(crate) fn garbage(
        &self,
        after: Option<Root>,
        most: usize,
    ) -> Result<Page<Root>, StoreError> {
        self.read(|transaction| blobs::garbage(transaction, after, most))
    }

    /// Forgets a blob, unless somebody holds it now.
    pub(crate) fn forget(
        &self,
        root: Root,
        done: impl FnOnce(Result<Forgotten, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| blobs::forget(tables, &root);
        self.change(None, change, done);
    }

    // Owners.

    /// The limit of all who have none of their own.
    pub(crate) fn limit_all(&self, limit: Option<u64>) {
        let quota = limit.unwrap_or(u64::MAX);
        self.0.limits().quota.store(quota, Ordering::Relaxed);
    }

    pub(crate) fn limit_of_all(&self) -> Option<u64> {
        self.0.limits().quota()
    }

    /// Gives an owner a limit of his own, or takes it away. What he has stays, also when it is more.
    pub(crate) fn set_limit(
        &self,
        owner: Label,
        limit: Option<u64>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| owners::set_limit(tables, &owner, limit);
        self.change(None, change, done);
    }

    /// What an owner has; nothing at all if he was never heard of.
    pub(crate) fn account(&self, owner: &Label) -> Result<Account, StoreError> {
        self.read(|transaction| owners::account_of(transaction, owner))
    }

    /// Owners that follow `after`, in the order of their names.
    pub(crate) fn owners(
        &self,
        after: Option<&Label>,
        most: usize,
    ) -> Result<Vec<(Label, Account)>, StoreError> {
        self.read(|transaction| owners::owners(transaction, after, most))
    }

    /// Keeps room for an upload until then, in place of what was kept for it before. What has expired of anybody is returned first.
    pub(crate) fn reserve(
        &self,
        owner: Label,
        upload: Label,
        bytes: u64,
        expires_ms: u64,
        now_ms: u64,
        done: impl FnOnce(Result<Result<(), QuotaError>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, limits: &ShelfLimits| {
            owners::reserve(tables, limits, &owner, &upload, bytes, expires_ms, now_ms)
        };
        self.change(Some(now_ms), change, done);
    }

    /// An upload has ended well: its room becomes a file's. Without a reservation, or with more bytes than were reserved, the quota is
    /// looked at again, and if it does not fit nothing is changed.
    pub(crate) fn settle(
        &self,
        upload: Label,
        file: NewFile,
        now_ms: u64,
        done: impl FnOnce(Result<Result<(), QuotaError>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, limits: &ShelfLimits| {
            owners::own(tables, limits, Some(&upload), &file, now_ms)
        };
        self.change(Some(now_ms), change, done);
    }

    /// An upload was given up. Whether room was kept for it.
    pub(crate) fn release(
        &self,
        owner: Label,
        upload: Label,
        done: impl FnOnce(Result<bool, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| owners::release(tables, &owner, &upload);
        self.change(None, change, done);
    }

    /// A file becomes somebody's without an upload. One that is his already gets the new name, and the new tags beside those it has.
    pub(crate) fn own(
        &self,
        file: NewFile,
        now_ms: u64,
        done: impl FnOnce(Result<Result<(), QuotaError>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, limits: &ShelfLimits| {
            owners::own(tables, limits, None, &file, now_ms)
        };
        self.change(Some(now_ms), change, done);
    }

    /// A file is this owner's no more, and its room is free. Whether it was his.
    pub(crate) fn disown(
        &self,
        owner: Label,
        root: Root,
        done: impl FnOnce(Result<bool, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| owners::disown(tables, &owner, &root);
        self.change(None, change, done);
    }

    /// Gives a file a tag. Whether there is such a file of this owner.
    pub(crate) fn tag(
        &self,
        owner: Label,
        root: Root,
        tag: Label,
        done: impl FnOnce(Result<Result<bool, QuotaError>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| owners::tag(tables, &owner, &root, &tag);
        self.change(None, change, done);
    }

    /// Takes a tag from a file. Whether it had it.
    pub(crate) fn untag(
        &self,
        owner: Label,
        root: Root,
        tag: Label,
        done: impl FnOnce(Result<bool, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| owners::untag(tables, &owner, &root, &tag);
        self.change(None, change, done);
    }

    /// A file of this owner.
    pub(crate) fn file(&self, owner: &Label, root: &Root) -> Result<Option<Owned>, StoreError> {
        self.read(|transaction| owners::file(transaction, owner, root))
    }

    /// Whose a blob is.
    pub(crate) fn owners_of(&self, root: &Root) -> Result<Vec<(Label, Owned)>, StoreError> {
        self.read(|transaction| owners::owners_of(transaction, root))
    }

    /// The files of an owner that follow `after`, in the order of their roots.
    pub(crate) fn files(
        &self,
        owner: &Label,
        after: Option<&Root>,
        most: usize,
    ) -> Result<Vec<(Root, Owned)>, StoreError> {
        self.read(|transaction| owners::files(transaction, owner, after, most))
    }

    /// The same of those with this tag, without what is known of them.
    pub(crate) fn by_tag(
        &self,
        owner: &Label,
        tag: &Label,
        after: Option<&Root>,
        most: usize,
    ) -> Result<Vec<Root>, StoreError> {
        self.read(|transaction| owners::by_tag(transaction, owner, tag, after, most))
    }

    /// The same of those with this name.
    pub(crate) fn by_name(
        &self,
        owner: &Label,
        name: &Label,
        after: Option<&Root>,
        most: usize,
    ) -> Result<Vec<Root>, StoreError> {
        self.read(|transaction| owners::by_name(transaction, owner, name, after, most))
    }

    /// The tags of an owner that follow `after`, each once.
    pub(crate) fn tags(
        &self,
        owner: &Label,
        after: Option<&Label>,
        most: usize,
    ) -> Result<Vec<Label>, StoreError> {
        self.read(|transaction| owners::tags(transaction, owner, after, most))
    }

    /// The tags of a file.
    pub(crate) fn tags_of(&self, owner: &Label, root: &Root) -> Result<Vec<Label>, StoreError> {
        self.read(|transaction| owners::tags_of(transaction, owner, root))
    }

    // Tokens.

    /// Counts bytes before they move under the token of this name (`jti`): all of them, or none. The count is kept until the token
    /// expires.
    pub(crate) fn count(
        &self,
        token: Label,
        bytes: u64,
        limit: u64,
        expires_ms: u64,
        now_ms: u64,
        done: impl FnOnce(Result<Counted, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| {
            counters::count(tables, &token, bytes, limit, expires_ms, now_ms)
        };
        self.change(Some(now_ms), change, done);
    }

    /// Bytes that were counted and did not move after all.
    pub(crate) fn give_back(
        &self,
        token: Label,
        bytes: u64,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| counters::give_back(tables, &token, bytes);
        self.change(None, change, done);
    }

    /// Counts the bytes of an upload, as [`count`](Self::count): those that were not counted for it already, by the same token, before it broke off.
    /// `ahead` are counted and not needed for anything else.
    pub(crate) fn pay(
        &self,
        payment: Payment,
        ahead: u64,
        limit: u64,
        expires_ms: u64,
        now_ms: u64,
        done: impl FnOnce(Result<Result<Paid, Counted>, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| {
            counters::pay(tables, &payment, ahead, limit, expires_ms, now_ms)
        };
        self.change(Some(now_ms), change, done);
    }

    /// An upload broke off, or ended: so many of its bytes have moved, the others are given back. Those are counted again if it `goes_on`, and
    /// these are not.
    pub(crate) fn paid(
        &self,
        payment: Payment,
        goes_on: bool,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| counters::paid(tables, &payment, goes_on);
        self.change(None, change, done);
    }

    // All.

    /// Returns up to `most` reservations that have expired, and forgets as many counters and payments. How many these were: with
    /// `most` there may be more.
    pub(crate) fn expire(
        &self,
        now_ms: u64,
        most: usize,
        done: impl FnOnce(Result<usize, StoreError>) + Send + 'static,
    ) {
        let change = move |tables: &mut Open<'_>, _: &_| tables.expire(now_ms, most);
        self.change(Some(now_ms), change, done);
    }

    /// Does what waits, ends the thread and lets go of the store, whoever still has a clone. What comes later ends with
    /// [`StoreError::Closed`].
    pub(crate) fn shutdown(&self) {
        self.0.end();
    }

    fn change<R: Send + 'static>(
        &self,
        now_ms: Option<u64>,
        change: impl FnOnce(&mut Open<'_>, &ShelfLimits) -> Result<R, redb::Error> + Send + 'static,
        done: impl FnOnce(Result<R, StoreError>) + Send + 'static,
    ) {
        let need = Need { bytes: 0, now_ms };
        let busy = || Err(StoreError::Busy);
        self.0.hand_over(need, change, busy, done);
    }

    fn read<R>(
        &self,
        look: impl FnOnce(&redb::ReadTransaction) -> Result<R, redb::Error>,
    ) -> Result<R, StoreError> {
        self.0.store()?.read(look)
    }
}

#[cfg(test)]
mod tests;
