//! The data folder: what a satellite keeps from one start to the next. Beside it only the key file touches the disk.
//!
//! | file | what |
//! |---|---|
//! | `satellite.lock` | held locked while a satellite has the folder; the holder's process id is inside |
//! | `satellite.redb` | one redb database: schema version, last epoch, remembered addresses, values of the DHT, what is known of files |
//! | `identity.pem` | the key (see `identity`, which writes it) |
//! | `outlines/ROOT` | the hashes of a file or folder that is shared |
//! | `files/ROOT` | a file or folder that is kept for somebody, unless another folder was given for those |
//! | `files/uploads` | pieces of files that come over the wires of others |
//!
//! Every change is one transaction that is on the disk before the call returns (redb's `Durability::Immediate`, set by name
//! below): a process killed at any instant, or a machine that loses power, finds the last finished change when it starts
//! again. redb tells a torn commit by its checksums and goes back to the one before.
//!
//! A full disk, or any other failure of it, costs the change that met it and no more. redb uses a database no further after that, so it is opened
//! again, from what is on the disk.
//!
//! All calls block, usually for one fsync: callers run them off the network's tasks.

pub(crate) mod folder;
pub(crate) mod hashing;
mod lock;
pub(crate) mod log_folder;
mod open_files;
pub(crate) mod outlines;
pub(crate) mod own_file;
pub(crate) mod part_file;
mod peers;
pub(crate) mod piece_log;
mod row;
pub(crate) mod shared_file;
pub(crate) mod shelf;
mod sparse;
pub(crate) mod values;
mod writer;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageBackend, StorageError, TableDefinition, TableError, WriteTransaction,
};

use crate::error::StoreError;
use crate::files;
use crate::identity::PeerId;

/// Name of the database in the data folder.
const DATABASE: &str = "satellite.redb";
/// Name of the key file in the data folder.
const KEY: &str = "identity.pem";
/// redb's own default of 1 GiB is for databases; ours is a few hundred KiB, and a hundred satellites fit into one process.
const CACHE: usize = 1024 * 1024;

/// The newest layout of the tables that this program knows.
const SCHEMA: u64 = 4;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const META_SCHEMA: &str = "schema";
const META_EPOCH: &str = "epoch";

/// What a satellite remembers. Clones share it; when the last one is dropped, file and lock are released.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    // Before the lock, because fields are dropped in this order: whoever gets the lock next finds the database closed.
    opened: RwLock<Opened>,
    open: Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>,
    _lock: Option<File>,
    /// How errors call the place.
    place: String,
}

struct Opened {
    /// Nothing when it failed and could not be opened again.
    database: Option<Database>,
    /// How often it was opened.
    times: u64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.place)
    }
}

impl Store {
    /// Opens a data folder, making it (mode 0700) and what belongs into it when missing.
    ///
    /// One satellite at a time has a folder, in this process or another; the error names the process that has it.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let place = dir.display().to_string();
        let unusable = |source| StoreError::Unusable {
            path: place.clone(),
            source,
        };
        files::private_folder(dir).map_err(unusable)?;
        let lock = lock::take(dir)?;
        let path = dir.join(DATABASE);
        let called = place.clone();
        let open = move || {
            let unusable = |source| StoreError::Unusable {
                path: called.clone(),
                source,
            };
            let file = files::open_private(&path).map_err(unusable)?;
            let backend = FileBackend::new(file).map_err(|error| refused(&called, error))?;
            database(&called, backend)
        };
        Self::with(place, open, Some(lock))
    }

    /// A store that touches no disk and ends with its last clone.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let memory = sparse::Sparse::default();
        let open = move || database("memory", memory.clone());
        Self::with("memory".to_owned(), open, None)
    }

    /// Where the key file of a data folder is.
    pub(crate) fn key_path(dir: &Path) -> PathBuf {
        dir.join(KEY)
    }

    /// The number of this run: greater than every one before, and not less than the clock (in ms since 1970).
    ///
    /// It is on the disk before this returns, so that no later run can be given it again, whatever happens to this one.
    pub(crate) fn next_epoch(&self, now_ms: u64) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            let last = meta.get(META_EPOCH)?.map(|last| last.value());
            let next = match last {
                None => now_ms,
                Some(last) => last
                    .checked_add(1)
                    .ok_or_else(|| redb::Error::Corrupted("the last epoch has no next".to_owned()))?
                    .max(now_ms),
            };
            meta.insert(META_EPOCH, next)?;
            Ok(next)
        })
    }

    /// Keeps addresses of peers, with when they were last seen (in ms since 1970).
    ///
    /// What is newer replaces what is older, peer by peer. Bounded: the [`MAX_PEERS`] seen last stay, with the first
    /// [`MAX_ADDRESSES`] addresses of each; an address over [`MAX_ADDRESS_LENGTH`] bytes is left out.
    pub(crate) fn remember(&self, peers: &[(PeerId, Vec<String>, u64)]) -> Result<(), StoreError> {
        self.write(|transaction| peers::remember(transaction, peers))
    }

    /// The peers kept, the one seen last first.
    pub(crate) fn remembered(&self) -> Result<Vec<(PeerId, Vec<String>, u64)>, StoreError> {
        self.read(peers::remembered)
    }

    fn with(
        place: String,
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        let opened = Opened {
            database: Some(open()?),
            times: 1,
        };
        let store = Self(Arc::new(Inner {
            opened: RwLock::new(opened),
            open: Box::new(open),
            _lock: lock,
            place,
        }));
        store.settle_schema()?;
        Ok(store)
    }

    /// Makes the tables that a new database, or one of an older program, does not have; refuses one of a newer program.
    fn settle_schema(&self) -> Result<(), StoreError> {
        // Looked up before anything is written: writing costs a start one fsync.
        let found = self.read(schema)?;
        match found {
            Some(SCHEMA) => Ok(()),
            Some(found) if found > SCHEMA => Err(StoreError::Version {
                path: self.0.place.clone(),
                found,
                known: SCHEMA,
            }),
            _ => self.write(|transaction| {
                transaction.open_table(META)?.insert(META_SCHEMA, SCHEMA)?;
                peers::make_table(transaction)?;
                values::make_tables(transaction)?;
                shelf::make_tables(transaction)
            }),
        }
    }

    /// One look, at what is there when it begins.
    fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.using(|database| look(&database.begin_read()?))
    }

    /// One change, on the disk when this returns, or not made at all.
    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.using(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    fn using<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let mut opened = self.opened();
        if opened.database.is_none() {
            let times = opened.times;
            drop(opened);
            self.open_again(times)?;
            opened = self.opened();
        }
        let times = opened.times;
        let result = match &opened.database {
            Some(database) => run(database),
            // It failed for somebody else since.
            None => Err(redb::Error::PreviousIo),
        };
        drop(opened);
        result.map_err(|error| {
            // If that fails, too, whoever comes next is told.
            let _opened = self.open_again(times);
            self.failed(error)
        })
    }

    fn opened(&self) -> RwLockReadGuard<'_, Opened> {
        self.0.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database again, unless somebody has since it was opened for that time.
    fn open_again(&self, times: u64) -> Result<(), StoreError> {
        let opened = self.0.opened.write();
        let mut opened = opened.unwrap_or_else(PoisonError::into_inner);
        if opened.times == times {
            // Closed first: it has the file for itself.
            opened.database = None;
            opened.database = Some((self.0.open)()?);
            opened.times += 1;
        }
        Ok(())
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        let path = self.0.place.clone();
        match error {
            redb::Error::Io(error) if is_full(&error) => StoreError::Full { path },
            error => StoreError::Database {
                path,
                reason: error.to_string(),
            },
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// The schema of a database; nothing when it is new.
fn schema(transaction: &ReadTransaction) -> Result<Option<u64>, redb::Error> {
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get(META_SCHEMA)?.map(|found| found.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn database(place: &str, backend: impl StorageBackend) -> Result<Database, StoreError> {
    // A damaged file must end in an error, and a plain open of one may panic. So every page is checked.
    Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(|error| refused(place, error))
}

/// The error of opening.
fn refused(place: &str, error: DatabaseError) -> StoreError {
    let path = place.to_owned();
    match error {
        // Not a satellite, which would hold our lock: some tool that looks into the file.
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse {
            path,
            process: lock::UNKNOWN.to_owned(),
        },
        DatabaseError::Storage(StorageError::Io(error)) if is_full(&error) => {
            StoreError::Full { path }
        }
        error => StoreError::Database {
            path,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
