//! What is under way: logs in `uploads` of the folder where files are kept, each open once however many connections write to it.
//!
//! `KEY.log` has what came; `KEY.whole` is the file while it is made; `KEY.done` says for a while that a batch has come. What stands still for
//! a lifetime is removed, as of uploads between satellites.

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::batch::Batched;
use super::upload::Upload;
use crate::error::TransferError;
use crate::files::private_folder;
use crate::net::clock;
use crate::proto::filestoraged::message::Refused;
use crate::store::lock;
use crate::store::piece_log::{Assembled, PieceLog};
use crate::transfer::intake::{Intake, told_of};

/// Name of the folder in that of the files.
const FOLDER: &str = "uploads";
/// Uploads that are under way, also those that nobody goes on with at the moment.
const UPLOADS_MAX: usize = 4096;
/// Batches of which it is known that they have come.
pub(super) const DONE_MAX: usize = 4096;

/// See the module.
pub(super) struct Uploads {
    pub(super) intake: Intake,
    /// Of one file.
    pub(super) largest: u64,
    folder: PathBuf,
    pub(super) uploads: Opened<Upload>,
    pub(super) batches: Opened<Batched>,
    /// Another satellite that keeps its files in the same folder serves nobody there.
    _lock: File,
}

/// What is open, by key. Nothing in it: it was not looked for, or there is none.
pub(super) struct Opened<T>(Mutex<HashMap<String, Weak<Entry<T>>>>);

pub(super) type Entry<T> = tokio::sync::Mutex<Option<T>>;
/// One that nobody else changes meanwhile.
pub(super) type Held<T> = OwnedMutexGuard<Option<T>>;

impl<T> Opened<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// The one with this key, for as long as the connection keeps it.
    pub(super) fn entry(&self, key: &str) -> Arc<Entry<T>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = open.get(key).and_then(Weak::upgrade) {
            return entry;
        }
        // At most as many are left as there are connections.
        open.retain(|_, entry| entry.strong_count() > 0);
        let entry = Arc::new(Entry::new(None));
        open.insert(key.to_owned(), Arc::downgrade(&entry));
        entry
    }

    /// Nobody opens it while this is done.
    fn unless_open(&self, key: &str, then: impl FnOnce()) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(key).is_none_or(|entry| entry.strong_count() == 0) {
            then();
        }
    }
}

impl Uploads {
    /// Blocks for the disk.
    pub(super) fn open(intake: Intake, largest: u64) -> Result<Self, TransferError> {
        let folder = intake.folder().join(FOLDER);
        private_folder(&folder).map_err(|error| TransferError::io(&folder, &error))?;
        // What is acknowledged in it is not to be lost with its own name.
        for above in folder.ancestors().skip(1).take(2) {
            File::open(above)
                .and_then(|above| above.sync_all())
                .map_err(|error| TransferError::io(above, &error))?;
        }
        Ok(Self {
            _lock: lock::take(&folder)?,
            intake,
            largest,
            folder,
            uploads: Opened::new(),
            batches: Opened::new(),
        })
    }

    /// When the room of what goes on is to be kept for longer.
    pub(super) fn renew_at(&self) -> Instant {
        clock::after(self.intake.lifetime() / 4)
    }

    pub(super) fn path(&self, key: &str, what: &str) -> PathBuf {
        self.folder.join(format!("{key}.{what}"))
    }

    /// Whether something else than this is under way whose key begins so. Blocks for the disk.
    pub(super) fn has_other(&self, prefix: &str, key: &str) -> bool {
        self.names()
            .any(|name| name.starts_with(prefix) && !name.starts_with(key))
    }

    /// How many there are of this kind. Blocks for the disk.
    pub(super) fn count(&self, what: &str) -> usize {
        self.names()
            .filter(|name| name.rsplit_once('.').is_some_and(|(_, kind)| kind == what))
            .count()
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
    }

    /// Whether one more may begin.
    pub(super) async fn room(self: &Arc<Self>) -> Result<(), Refused> {
        let this = Arc::clone(self);
        let count = self.intake.blocking(move || this.count("log")).await;
        if count.map_err(failed)? < UPLOADS_MAX {
            return Ok(());
        }
        let text = "many uploads are under way here: come back later";
        Err(Refused::Failed(text.into()))
    }

    /// Works on one off the network's tasks.
    pub(super) async fn with<T: Send + 'static, R: Send + 'static>(
        &self,
        mut held: Held<T>,
        work: impl FnOnce(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<(Held<T>, R), Refused> {
        let work = move || {
            let result = work(&mut held);
            (held, result)
        };
        self.intake.blocking(work).await.map_err(failed)
    }

    /// Makes the file of what is in a log.
    pub(super) async fn make(
        &self,
        key: &str,
        log: &PieceLog,
        from: u64,
        range: Range<u64>,
    ) -> Result<Assembled, TransferError> {
        let reader = log.reader()?;
        let path = self.path(key, "whole");
        let begin = move || reader.assemble(from, range, &path);
        let mut assembly = self.intake.blocking(begin).await??;
        loop {
            let step = move || assembly.step().map(|done| (assembly, done));
            let (next, done) = self.intake.blocking(step).await??;
            assembly = next;
            if done {
                return self.intake.blocking(move || assembly.end()).await?;
            }
        }
    }

    /// Removes what stands still. Blocks for the disk.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((key, _)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let remove = || {
                let age = entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .ok()
                    .and_then(|at| at.elapsed().ok());
                if age.is_some_and(|age| age >= self.intake.lifetime())
                    && let Err(error) = fs::remove_file(entry.path())
                {
                    tracing::warn!(%error, "an upload that stands still was not removed");
                }
            };
            if key == LOCK {
                continue;
            } else if super::batch::is_key(key) {
                self.batches.unless_open(key, remove);
            } else {
                self.uploads.unless_open(key, remove);
            }
        }
    }
}

/// Of the file that `lock` holds.
const LOCK: &str = "satellite";

/// Removes what stands still, for as long as the satellite runs.
pub(super) async fn upkeep(uploads: Arc<Uploads>, every: Duration) {
    let every = every.min(uploads.intake.lifetime() / 2);
    loop {
        uploads.intake.base().sleep(every).await;
        let this = Arc::clone(&uploads);
        // Nothing: it ends.
        let _ended = uploads.intake.blocking(move || this.tidy()).await;
    }
}

pub(super) fn failed(error: TransferError) -> Refused {
    tracing::debug!(%error, "a client of filestoraged is refused");
    Refused::Failed(told_of(error))
}
