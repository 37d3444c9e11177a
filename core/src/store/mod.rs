//! The data folder: what a satellite keeps from one start to the next, and the only place that uses the disk.
//!
//! | file | what |
//! |---|---|
//! | `satellite.lock` | held locked while a satellite has the folder; the holder's process id is inside |
//! | `satellite.redb` | one redb database: schema version, last epoch, remembered addresses |
//! | `identity.pem` | the key (see `identity`, which writes it through [`files`]) |
//!
//! Every change is one transaction that is on the disk before the call returns (redb's `Durability::Immediate`, set by name
//! below): a process killed at any instant, or a machine that loses power, finds the last finished change when it starts
//! again. redb tells a torn commit by its checksums and goes back to the one before.
//!
//! All calls block, usually for one fsync: callers run them off the network's tasks.

pub(crate) mod files;
mod lock;
mod peers;
mod sparse;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError, WriteTransaction,
};

use crate::error::StoreError;
use crate::identity::PeerId;

/// Name of the database in the data folder.
const DATABASE: &str = "satellite.redb";
/// Name of the key file in the data folder.
const KEY: &str = "identity.pem";
/// redb's own default of 1 GiB is for databases; ours is a few hundred KiB, and a hundred satellites fit into one process.
const CACHE: usize = 1024 * 1024;

/// The newest layout of the tables that this program knows.
const SCHEMA: u64 = 1;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const META_SCHEMA: &str = "schema";
const META_EPOCH: &str = "epoch";

/// What a satellite remembers. Clones share it; when the last one is dropped, file and lock are released.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    // Before the lock, because fields are dropped in this order: whoever gets the lock next finds the database closed.
    database: Database,
    _lock: Option<File>,
    /// How errors call the place.
    place: String,
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
        let file = files::open_private(&dir.join(DATABASE)).map_err(unusable)?;
        let backend = FileBackend::new(file).map_err(|error| refused(&place, error))?;
        Self::with(place, backend, Some(lock))
    }

    /// A store that touches no disk and ends with its last clone.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        Self::with("memory".to_owned(), sparse::Sparse::default(), None)
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
        let read = || peers::remembered(&self.0.database.begin_read()?);
        read().map_err(|error| self.failed(error))
    }

    fn with(
        place: String,
        backend: impl StorageBackend,
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        // A damaged file must end in an error, and a plain open of one may panic. So every page is checked, which takes
        // about ten milliseconds with all that is ever in it.
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(backend)
            .map_err(|error| refused(&place, error))?;
        let store = Self(Arc::new(Inner {
            database,
            _lock: lock,
            place,
        }));
        store.settle_schema()?;
        Ok(store)
    }

    /// Makes the tables of a new database; refuses one of a newer program.
    fn settle_schema(&self) -> Result<(), StoreError> {
        // Looked up before anything is written: writing costs a start one fsync.
        let found = self.schema().map_err(|error| self.failed(error))?;
        match found {
            Some(SCHEMA) => Ok(()),
            Some(found) if found > SCHEMA => Err(StoreError::Version {
                path: self.0.place.clone(),
                found,
                known: SCHEMA,
            }),
            _ => self.write(|transaction| {
                transaction.open_table(META)?.insert(META_SCHEMA, SCHEMA)?;
                peers::make_table(transaction)
            }),
        }
    }

    /// The schema of the database; nothing when it is new.
    fn schema(&self) -> Result<Option<u64>, redb::Error> {
        match self.0.database.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get(META_SCHEMA)?.map(|found| found.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One change, on the disk when this returns, or not made at all.
    fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let run = || {
            let mut transaction = self.0.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        StoreError::Database {
            path: self.0.place.clone(),
            reason: error.to_string(),
        }
    }
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
        error => StoreError::Database {
            path,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
