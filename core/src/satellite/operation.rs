//! Work that goes on by itself and reports by callback: the async twin of a blocking call, for languages without futures.
//!
//! The future runs on the satellite's runtime; what it yields and how it ends are delivered by one [job](super::callbacks), so
//! the calls of one operation come one after another and never on a network thread. The end is delivered exactly once: when the
//! future is done, when it was cancelled, and when the satellite is shut down before. The result itself is there as soon as the
//! future ends, whether or not a callback thread is free to tell: [`Operation::wait`] can be used inside callbacks.
//!
//! Rust programs use the async functions themselves.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::callbacks::{Callbacks, Handler, panic_text};
use super::{Satellite, Subscription};
use crate::config::BATCH_EVENTS;
use crate::error::{Code, Error, SubscribeError};
use crate::log::{LogLine, LogLines};

#[cfg(test)]
mod tests;

/// How an operation ended.
pub type Outcome = Result<(), Error>;

/// An operation under way. Dropping this does not end it.
#[derive(Clone)]
pub struct Operation(Arc<Shared>);

struct Shared {
    outcome: Mutex<Option<Outcome>>,
    ended: Condvar,
    cancel: CancellationToken,
}

impl Operation {
    /// Ends it with [`Code::Cancelled`], unless it has ended already. Never waits; what was not delivered yet is dropped.
    pub fn cancel(&self) {
        self.0.cancel.cancel();
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.lock().clone()
    }

    /// Waits up to `timeout` for its end, not for the callback that tells of it. `None`: it goes on.
    pub fn wait(&self, timeout: Duration) -> Option<Outcome> {
        let (outcome, _) = self
            .0
            .ended
            .wait_timeout_while(self.0.lock(), timeout, |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        outcome.clone()
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("outcome", &self.outcome())
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first one holds.
    fn settle(&self, outcome: Outcome) -> Outcome {
        let outcome = self.lock().get_or_insert(outcome).clone();
        self.ended.notify_all();
        outcome
    }

    fn closed() -> Error {
        Error::new(
            Code::Closed,
            "the satellite was shut down before the operation ended",
        )
    }
}

/// What an operation tells of before it ends.
#[derive(Debug)]
pub struct Items<I>(mpsc::Sender<I>);

impl<I> Items<I> {
    /// Hands one item to the operation's callback. Waits while [`BATCH_EVENTS`] are undelivered; `false`: nobody wants more.
    pub async fn send(&self, item: I) -> bool {
        self.0.send(item).await.is_ok()
    }
}

struct Delivery<F, D> {
    shared: Arc<Shared>,
    item: F,
    done: Option<D>,
}

impl<I, F, D> Handler<I> for Delivery<F, D>
where
    F: FnMut(I) + Send,
    D: FnOnce(Outcome) + Send,
{
    fn item(&mut self, item: I) {
        (self.item)(item);
    }

    fn is_wanted(&self) -> bool {
        !self.shared.cancel.is_cancelled()
    }

    fn end(&mut self) -> bool {
        // Without an outcome by now it was the satellite's shutdown that ended the job.
        let outcome = self.shared.settle(Err(Shared::closed()));
        self.shared.cancel.cancel();
        if let Some(done) = self.done.take() {
            done(outcome);
        }
        true
    }
}

/// Settles the outcome of a task that is dropped in the middle, as a runtime does when it ends.
struct Settle(Arc<Shared>);

impl Drop for Settle {
    fn drop(&mut self) {
        // Err: it was settled before, and that holds.
        let _settled = self.0.settle(Err(Shared::closed()));
    }
}

impl Satellite {
    /// Starts `work` on the satellite's runtime. `item` is called with what it sends, then `done` exactly once, both on callback threads;
    /// then both are dropped, also when this fails, in which case neither is called.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let satellite = psfs_core::Satellite::new(psfs_core::Config::new("pineapple"))?;
    /// # let peer = satellite.peer_id();
    /// let asking = satellite.clone();
    /// let operation = satellite.operate(
    ///     async move |items| {
    ///         let mut replies = asking.request(&peer, "whois", "", Default::default()).await?;
    ///         while let Some(reply) = replies.next().await {
    ///             items.send(reply?).await;
    ///         }
    ///         Ok(())
    ///     },
    ///     |reply| println!("{:?}", reply.content()),
    ///     |outcome| println!("{outcome:?}"),
    /// )?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Closed`] after shutdown began; [`SubscribeError::Thread`].
    pub fn operate<I, W>(
        &self,
        work: impl FnOnce(Items<I>) -> W,
        item: impl FnMut(I) + Send + 'static,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<Operation, SubscribeError>
    where
        I: Send + 'static,
        W: Future<Output = Outcome> + Send + 'static,
    {
        let inner = &self.inner;
        let handle = inner.task_runtime()?;
        let spawn = |task| drop(inner.tasks.spawn_on(task, &handle));
        inner
            .callbacks
            .operate(inner.stop.clone(), spawn, work, item, done)
    }

    /// Calls `handler` on the callback threads with each line, to the very end: what is logged while the satellite is shut down is told
    /// before the handler is dropped.
    ///
    /// # Errors
    /// [`SubscribeError::Closed`] after shutdown began; [`SubscribeError::Thread`].
    pub fn tell_log(
        &self,
        lines: LogLines,
        handler: impl FnMut(LogLine) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        self.inner
            .callbacks
            .attach_to_the_end(lines, Box::new(handler))
    }
}

impl Callbacks {
    /// Starts `work` through `spawn`; `stop` is the satellite's end. `item` is called with what it sends, then `done` exactly once; both are dropped after that,
    /// also when this fails, in which case neither is called.
    ///
    /// # Errors
    /// As [`Callbacks::attach`].
    pub(crate) fn operate<I, W>(
        &self,
        stop: CancellationToken,
        spawn: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>),
        work: impl FnOnce(Items<I>) -> W,
        item: impl FnMut(I) + Send + 'static,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<Operation, SubscribeError>
    where
        I: Send + 'static,
        W: Future<Output = Outcome> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            outcome: Mutex::new(None),
            ended: Condvar::new(),
            cancel: CancellationToken::new(),
        });
        let (sender, receiver) = mpsc::channel(BATCH_EVENTS);
        self.attach(
            receiver,
            Box::new(Delivery {
                shared: shared.clone(),
                item,
                done: Some(done),
            }),
        )?;

        // The channel ends after the outcome is settled, so that the job's last call finds it.
        let open = sender.clone();
        let settle = Settle(shared.clone());
        let work = AssertUnwindSafe(work(Items(sender))).catch_unwind();
        let cancel = shared.cancel.clone();
        spawn(Box::pin(async move {
            let _open = open;
            let settle = settle;
            let outcome = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::new(Code::Cancelled, "the operation was cancelled")),
                () = stop.cancelled() => Err(Shared::closed()),
                outcome = work => outcome.unwrap_or_else(|panic| {
                    Err(Error::new(Code::Panic, format!("the operation panicked: {}", panic_text(&*panic))))
                }),
            };
            let _first = settle.0.settle(outcome);
        }));
        Ok(Operation(shared))
    }
}
