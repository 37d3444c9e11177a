//! A thread that changes tables: all that waits goes into one transaction.
//!
//! The disk is waited for once for each transaction, and whoever asked is told when it is on the disk. What waits is bounded; more is refused as
//! busy. A full disk, or any other failure of it, costs the changes that met it and no more.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use redb::WriteTransaction;

use super::Store;
use crate::error::StoreError;

/// Changes that may wait.
pub(super) const MAX_WAITING: usize = 1024;
/// Bytes that may wait or be under way; one of any size may when none does.
pub(super) const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// How long nothing is changed after the disk was full, in ms. Removing needs room, too, and to find out again costs reading the whole
/// database.
pub(super) const FULL_CALM: u64 = 10_000;

/// The tables that one writer changes, and what they are to keep to.
pub(super) trait Tables: Send + Sync + 'static {
    /// All of them in one transaction.
    type Open<'t>;
    /// Opens them.
    fn open<'t>(&self, transaction: &'t WriteTransaction) -> Result<Self::Open<'t>, redb::Error>;
    /// Writes what was kept back until all changes of the transaction were made.
    fn finish(open: Self::Open<'_>) -> Result<(), redb::Error>;
}

/// What a change asks for.
#[derive(Default)]
pub(super) struct Need {
    /// That it holds until it is done.
    pub(super) bytes: usize,
    /// When it came, in ms since 1970, if it says so.
    pub(super) now_ms: Option<u64>,
}

/// A change that waits, and who is told of it.
struct Pending<C, R, D> {
    change: Option<C>,
    result: Option<R>,
    done: D,
}

trait Job<T: Tables>: Send {
    fn run(&mut self, tables: &mut T::Open<'_>, limits: &T) -> Result<(), redb::Error>;
    fn tell(self: Box<Self>, failed: Option<StoreError>);
}

impl<T, C, R, D> Job<T> for Pending<C, R, D>
where
    T: Tables,
    C: FnOnce(&mut T::Open<'_>, &T) -> Result<R, redb::Error> + Send,
    R: Send,
    D: FnOnce(Result<R, StoreError>) + Send,
{
    fn run(&mut self, tables: &mut T::Open<'_>, limits: &T) -> Result<(), redb::Error> {
        if let Some(change) = self.change.take() {
            self.result = Some(change(tables, limits)?);
        }
        Ok(())
    }

    fn tell(self: Box<Self>, failed: Option<StoreError>) {
        (self.done)(match (failed, self.result) {
            (None, Some(result)) => Ok(result),
            (failed, _) => Err(failed.unwrap_or(StoreError::Closed)),
        });
    }
}

type Jobs<T> = Vec<(Need, Box<dyn Job<T>>)>;

struct Queue<T> {
    jobs: Jobs<T>,
    /// Of `jobs`, and of those under way.
    bytes: usize,
    closed: bool,
}

struct Shared<T> {
    limits: T,
    queue: Mutex<Queue<T>>,
    wake: Condvar,
}

impl<T: Tables> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that waits; nothing at the end.
    fn take(&self) -> Option<Jobs<T>> {
        let mut queue = self.queue();
        while queue.jobs.is_empty() && !queue.closed {
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let jobs = mem::take(&mut queue.jobs);
        (!jobs.is_empty()).then_some(jobs)
    }

    fn work(&self, store: &Store) {
        let (mut now, mut full_until) = (0, 0);
        while let Some(mut jobs) = self.take() {
            let bytes: usize = jobs.iter().map(|(need, _)| need.bytes).sum();
            // Not the largest ever seen: a clock that was set back does not make the calm last.
            now = jobs
                .iter()
                .filter_map(|(need, _)| need.now_ms)
                .max()
                .unwrap_or(now);
            let calm = now < full_until && full_until - now <= FULL_CALM;
            let failed = if calm {
                Some(StoreError::Full {
                    path: store.0.place.clone(),
                })
            } else {
                self.change(store, &mut jobs).err()
            };
            if !calm && matches!(failed, Some(StoreError::Full { .. })) {
                full_until = now.saturating_add(FULL_CALM);
            }
            for (_, job) in jobs {
                job.tell(failed.as_ref().map(again));
            }
            self.queue().bytes -= bytes;
        }
    }

    fn change(&self, store: &Store, jobs: &mut Jobs<T>) -> Result<(), StoreError> {
        store.write(|transaction| {
            let mut tables = self.limits.open(transaction)?;
            for (_, job) in jobs {
                job.run(&mut tables, &self.limits)?;
            }
            T::finish(tables)
        })
    }
}

/// The same error for somebody else.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full { path } => StoreError::Full { path: path.clone() },
        StoreError::Database { path, reason } => StoreError::Database {
            path: path.clone(),
            reason: reason.clone(),
        },
        StoreError::Unusable { path, source } => StoreError::Database {
            path: path.clone(),
            reason: source.to_string(),
        },
        // What opening ends with, and what is not a change's.
        error => StoreError::Database {
            path: "the data folder".to_owned(),
            reason: error.to_string(),
        },
    }
}

/// See the module. Dropping it does what [`Writer::end`] does.
pub(super) struct Writer<T: Tables> {
    shared: Arc<Shared<T>>,
    /// For reading; let go of at the end, because the folder is free when nobody has its store.
    store: RwLock<Option<Store>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<T: Tables> Writer<T> {
    /// `name` is the thread's.
    pub(super) fn start(store: Store, limits: T, name: &str) -> Result<Self, StoreError> {
        let path = store.0.place.clone();
        let shared = Arc::new(Shared {
            limits,
            queue: Mutex::new(Queue {
                jobs: Vec::new(),
                bytes: 0,
                closed: false,
            }),
            wake: Condvar::new(),
        });
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn({
                let (shared, store) = (Arc::clone(&shared), store.clone());
                move || shared.work(&store)
            })
            .map_err(|source| StoreError::Unusable { path, source })?;
        Ok(Self {
            shared,
            store: RwLock::new(Some(store)),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn store(&self) -> Result<Store, StoreError> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or(StoreError::Closed)
    }

    pub(super) fn limits(&self) -> &T {
        &self.shared.limits
    }

    /// Has a change made. With too much waiting, `busy` is the answer.
    pub(super) fn hand_over<R: Send + 'static>(
        &self,
        need: Need,
        change: impl FnOnce(&mut T::Open<'_>, &T) -> Result<R, redb::Error> + Send + 'static,
        busy: impl FnOnce() -> Result<R, StoreError>,
        done: impl FnOnce(Result<R, StoreError>) + Send + 'static,
    ) {
        let mut queue = self.shared.queue();
        if queue.closed {
            drop(queue);
            return done(Err(StoreError::Closed));
        }
        let much = queue.bytes > 0 && queue.bytes + need.bytes > MAX_WAITING_BYTES;
        if much || queue.jobs.len() >= MAX_WAITING {
            drop(queue);
            return done(busy());
        }
        queue.bytes += need.bytes;
        let pending = Pending {
            change: Some(change),
            result: None,
            done,
        };
        queue.jobs.push((need, Box::new(pending)));
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// Does what waits, ends the thread, and lets go of the store.
    pub(super) fn end(&self) {
        self.shared.queue().closed = true;
        self.shared.wake.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // On the thread itself, by what a `done` held, there is nothing to wait for: it ends with what it does.
        if let Some(thread) = thread.filter(|its| its.thread().id() != thread::current().id()) {
            // It does not panic; should a `done` have, that is its own.
            let _ended = thread.join();
        }
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        *store = None;
    }
}

impl<T: Tables> Drop for Writer<T> {
    fn drop(&mut self) {
        self.end();
    }
}
