//! What is under way: logs on the disk, each open once however many connections write to it. What stands still for a lifetime is removed, as
//! of uploads between satellites.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::batch::{self, Batched};
use super::upload::Upload;
use crate::error::TransferError;
use crate::net::clock;
use crate::proto::filestoraged::message::Refused;
use crate::store::log_folder::LogFolder;
use crate::store::piece_log::{Assembled, PieceLog};
use crate::transfer::intake::{Intake, told_of};

/// Uploads that are under way, also those that nobody goes on with at the moment.
const UPLOADS_MAX: usize = 4096;
/// Batches of which it is known that they have come.
pub(super) const DONE_MAX: usize = 4096;

/// See the module.
pub(super) struct Uploads {
    pub(super) intake: Intake,
    /// Of one file.
    pub(super) largest: u64,
    pub(super) folder: LogFolder,
    pub(super) uploads: Opened<Upload>,
    pub(super) batches: Opened<Batched>,
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
        Ok(Self {
            folder: LogFolder::open(intake.folder())?,
            intake,
            largest,
            uploads: Opened::new(),
            batches: Opened::new(),
        })
    }

    /// When the room of what goes on is to be kept for longer.
    pub(super) fn renew_at(&self) -> Instant {
        clock::after(self.intake.lifetime() / 4)
    }

    /// Whether one more may begin.
    pub(super) async fn room(self: &Arc<Self>) -> Result<(), Refused> {
        let this = Arc::clone(self);
        let count = self.intake.blocking(move || this.folder.count("log")).await;
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
        let path = self.folder.path(key, "whole");
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
        let now_ms = clock::now_ms();
        for (key, path) in self.folder.all() {
            let remove = || LogFolder::remove_resting(&path, self.intake.lifetime(), now_ms);
            if batch::is_key(&key) {
                self.batches.unless_open(&key, remove);
            } else {
                self.uploads.unless_open(&key, remove);
            }
        }
    }
}

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
