//! Where calls end that had to wait: an executor whose one thread is lent by the other language.
//!
//! Wakers run on network threads. They put a task into a list under one short lock and wake whoever is in [`Hub::completions`]; the task is polled
//! there. It owns no thread, and calls nobody.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use psfs_core::Code;

use crate::blob::Blob;
use crate::dht_values::{
    NativeCustomAnswer, NativeDebugLine, NativeOffer, NativeOpened, NativeStored, NativeTrace,
    NativeValue,
};
use crate::failure::{NativeError, NativeFailure};
use crate::file_values::{NativeFile, NativeFileInfo, NativeProgress, NativeQuota};
use crate::peers::NativePeerEvent;

/// Some of what came.
#[derive(Debug, uniffi::Enum)]
#[non_exhaustive]
pub enum Batch {
    /// Packets or replies, as the crate's head says.
    Packed {
        /// The buffer.
        bytes: Blob,
        /// These were the last ones.
        over: bool,
    },
    /// What happened to peers.
    Peers {
        /// In order.
        events: Vec<NativePeerEvent>,
    },
    /// A signed value as it changed.
    Values {
        /// In order.
        values: Vec<NativeValue>,
    },
    /// Values that others would like to be kept here.
    Offers {
        /// In order.
        offers: Vec<NativeOffer>,
    },
    /// What nodes say of themselves.
    Lines {
        /// In order.
        lines: Vec<NativeDebugLine>,
    },
    /// How far a transfer is.
    Progress {
        /// The newest word.
        progress: NativeProgress,
    },
    /// There is nothing more.
    End,
}

/// What a call gave.
#[derive(Debug, uniffi::Enum)]
#[non_exhaustive]
pub enum Outcome {
    /// It went well, and there is nothing to hand out.
    Done,
    /// A text: the peer's id for a connect.
    Text {
        /// It.
        text: String,
    },
    /// What a source had.
    Items {
        /// It.
        batch: Batch,
    },
    /// What became of a value that was stored or deleted.
    Stored {
        /// It.
        stored: NativeStored,
    },
    /// A value that was fetched.
    Value {
        /// It.
        value: NativeValue,
    },
    /// A value that was opened.
    Opened {
        /// What was sealed.
        opened: NativeOpened,
    },
    /// What nodes answered to a command.
    Answers {
        /// One for each node.
        answers: Vec<NativeCustomAnswer>,
    },
    /// A walk.
    Trace {
        /// It.
        trace: NativeTrace,
    },
    /// A file or folder that was shared, has come, or is kept elsewhere.
    File {
        /// It.
        file: NativeFile,
    },
    /// Files that were found.
    Found {
        /// In the order of their roots.
        files: Vec<NativeFileInfo>,
    },
    /// Texts: tags.
    Texts {
        /// In order.
        texts: Vec<String>,
    },
    /// Whether it was so.
    Truth {
        /// It was.
        so: bool,
    },
    /// What owners may keep.
    Quotas {
        /// In the order of their names.
        quotas: Vec<NativeQuota>,
    },
    /// Bytes of a file.
    Content {
        /// They.
        content: Blob,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: NativeFailure,
    },
}

impl From<Result<Self, NativeError>> for Outcome {
    fn from(result: Result<Self, NativeError>) -> Self {
        result.unwrap_or_else(|NativeError::Failed { failure }| Self::Failed { failure })
    }
}

/// The end of one call.
#[derive(Debug, uniffi::Record)]
#[non_exhaustive]
pub struct Completion {
    /// The number that it was given.
    pub id: i64,
    /// How it ended.
    pub outcome: Outcome,
}

type Work = Pin<Box<dyn Future<Output = Result<Outcome, NativeError>> + Send>>;

/// One call under way.
struct Task {
    id: i64,
    hub: Weak<Shared>,
    /// In the list already.
    noted: AtomicBool,
    work: Mutex<Option<Work>>,
}

impl Task {
    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing once it is over or cancelled.
    fn poll(self: &Arc<Self>) -> Poll<Option<Result<Outcome, NativeError>>> {
        let mut work = self.work();
        let Some(running) = work.as_mut() else {
            return Poll::Ready(None);
        };
        // What wakes from now on is noted again.
        self.noted.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        // A panic would end the thread that all calls end on.
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(&mut context)));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(_) => Err(NativeError::new(Code::Panic, "the call panicked")),
        };
        *work = None;
        Poll::Ready(Some(result))
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.noted.swap(true, Ordering::AcqRel)
            && let Some(hub) = self.hub.upgrade()
        {
            hub.ready().tasks.push(Arc::clone(self));
            hub.changed.notify_one();
        }
    }
}

/// The part that satellites and sources hold.
#[derive(Default)]
pub(crate) struct Shared {
    /// Every call under way.
    open: Mutex<HashMap<i64, Arc<Task>>>,
    ready: Mutex<Ready>,
    changed: Condvar,
}

#[derive(Default)]
struct Ready {
    /// Each at most once: as many as calls are open.
    tasks: Vec<Arc<Task>>,
    /// Over at the first try, with something to hand out.
    over: Vec<Completion>,
    stopped: bool,
}

impl Shared {
    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<i64, Arc<Task>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries a call once. Nothing: it goes on by itself.
    pub(crate) fn begin(
        self: &Arc<Self>,
        id: i64,
        work: impl Future<Output = Result<Outcome, NativeError>> + Send + 'static,
    ) -> Result<Option<Outcome>, NativeError> {
        let task = Arc::new(Task {
            id,
            hub: Arc::downgrade(self),
            noted: AtomicBool::new(false),
            work: Mutex::new(Some(Box::pin(work))),
        });
        // Before the first try: it may be woken, and over, by the time that returns.
        match self.open().entry(id) {
            std::collections::hash_map::Entry::Occupied(_) => {
                return Err(NativeError::bad_input(format!(
                    "call {id} is open already: give each a number of its own"
                )));
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Arc::clone(&task));
            }
        }
        match task.poll() {
            Poll::Ready(Some(result)) => {
                self.open().remove(&id);
                result.map(Some)
            }
            // Ready(None): cancelled before it could be tried.
            Poll::Ready(None) | Poll::Pending => Ok(None),
        }
    }

    /// The same of a call that has nothing to hand out, or only later: true if it is over.
    pub(crate) fn run(
        self: &Arc<Self>,
        id: i64,
        work: impl Future<Output = Result<Outcome, NativeError>> + Send + 'static,
    ) -> Result<bool, NativeError> {
        match self.begin(id, work)? {
            None => Ok(false),
            Some(Outcome::Done) => Ok(true),
            Some(outcome) => {
                self.ready().over.push(Completion { id, outcome });
                self.changed.notify_one();
                Ok(false)
            }
        }
    }
}

/// Where calls end. One for a process is enough.
#[derive(uniffi::Object)]
pub struct Hub(pub(crate) Arc<Shared>);

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub({} open)", self.0.open().len())
    }
}

#[uniffi::export]
impl Hub {
    /// A new one, with nothing under way.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Arc::default()))
    }

    /// Blocks until calls have ended, and hands them out. Empty once the hub is stopped. For one thread of the language's.
    pub fn completions(&self) -> Vec<Completion> {
        loop {
            let (tasks, mut over) = {
                let mut ready = self
                    .0
                    .changed
                    .wait_while(self.0.ready(), |ready| {
                        ready.tasks.is_empty() && ready.over.is_empty() && !ready.stopped
                    })
                    .unwrap_or_else(PoisonError::into_inner);
                if ready.stopped {
                    return Vec::new();
                }
                (
                    std::mem::take(&mut ready.tasks),
                    std::mem::take(&mut ready.over),
                )
            };
            for task in tasks {
                if let Poll::Ready(Some(result)) = task.poll() {
                    self.0.open().remove(&task.id);
                    over.push(Completion {
                        id: task.id,
                        outcome: result.into(),
                    });
                }
            }
            if !over.is_empty() {
                return over;
            }
        }
    }

    /// Drops a call. True: nothing more is said of it. False: it is over, and was or will be handed out.
    pub fn cancel(&self, id: i64) -> bool {
        let Some(task) = self.0.open().remove(&id) else {
            return false;
        };
        let work = task.work().take();
        // Outside the lock: it may wake others.
        work.is_some()
    }

    /// Ends [`Hub::completions`], now and from now on. Calls that are open never end.
    pub fn stop(&self) {
        self.0.ready().stopped = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    async fn text(of: oneshot::Receiver<&'static str>) -> Result<Outcome, NativeError> {
        let text = of.await.unwrap_or("nothing").to_owned();
        Ok(Outcome::Text { text })
    }

    #[test]
    fn what_waits_ends_where_somebody_waits() {
        let hub = Hub::new();
        let (say, said) = oneshot::channel();
        assert!(!hub.0.run(5, text(said)).unwrap());
        let waiting = std::thread::spawn({
            let hub = Arc::clone(&hub);
            move || hub.completions()
        });
        say.send("hello").unwrap();
        let ended = waiting.join().unwrap();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].id, 5);
        assert!(matches!(&ended[0].outcome, Outcome::Text { text } if text == "hello"));
        assert!(hub.0.open().is_empty());
    }

    #[test]
    fn what_is_over_at_once_is_not_handed_out_twice() {
        let hub = Hub::new();
        assert!(hub.0.run(1, async { Ok(Outcome::Done) }).unwrap());
        let failed = hub
            .0
            .run(2, async { Err(NativeError::bad_input("no")) })
            .unwrap_err();
        assert_eq!(failed.to_string(), "no");
        // A text cannot be said by the call itself.
        let (say, said) = oneshot::channel();
        say.send("now").unwrap();
        assert!(!hub.0.run(3, text(said)).unwrap());
        let ended: Vec<i64> = hub
            .completions()
            .iter()
            .map(|completion| completion.id)
            .collect();
        assert_eq!(ended, [3]);
    }

    #[test]
    fn nothing_is_said_of_what_was_cancelled() {
        let hub = Hub::new();
        let (say, said) = oneshot::channel();
        hub.0.run(1, text(said)).unwrap();
        assert!(hub.0.run(1, async { Ok(Outcome::Done) }).is_err());
        assert!(hub.cancel(1));
        assert!(!hub.cancel(1));
        assert!(say.send("too late").is_err(), "the work was dropped");
        assert!(hub.0.open().is_empty());
        let (say, said) = oneshot::channel();
        hub.0.run(2, text(said)).unwrap();
        say.send("in time").unwrap();
        let ended: Vec<i64> = hub
            .completions()
            .iter()
            .map(|completion| completion.id)
            .collect();
        assert_eq!(ended, [2]);
        hub.stop();
        assert!(hub.completions().is_empty());
    }

    #[test]
    fn a_panic_ends_its_own_call() {
        let hub = Hub::new();
        let (say, said) = oneshot::channel::<()>();
        hub.0
            .run(1, async {
                let _said = said.await;
                panic!("on purpose")
            })
            .unwrap();
        drop(say);
        let ended = hub.completions();
        assert!(
            matches!(&ended[0].outcome, Outcome::Failed { failure } if failure.name == "PANIC")
        );
    }
}
