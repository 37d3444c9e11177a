//! Where the application's code runs: its threads (or its own loop), one turn at a time for each job.
//!
//! A [`Job`] is one registered handler and the [`Source`] its items come from. It is never called twice at once, in order, and at
//! most [`BATCH_EVENTS`] times before the other ready jobs have their turn. What may happen when (cancelling, failing, shutting
//! down, each from inside and outside a callback) is decided here once, for every language: the bindings only carry it.
//!
//! It is not an async executor and runs none of the library's own work: a callback may block for as long as it likes and holds up
//! nothing but itself. It never calls the application from a network thread, and never while it holds a lock the application
//! could need.
//!
//! # The life of a job
//!
//! ```text
//!            wake                  a thread claims it             nothing left
//!   IDLE ──────────▶ READY ───────────────────────────▶ RUNNING ───────────────▶ IDLE
//!     │                │ ▲                               │  │
//!     │                │ └── more, or woken (AGAIN) ─────┘  │ source ended, or CANCEL
//!     └──── a cancelling application thread claims it ──────┴──────────▶ ENDED (handler dropped)
//! ```
//!
//! Phase and flags are one atomic, so that who claims a job owns its handler alone, and a CANCEL set while it runs cannot be
//! missed at the end of the turn. From a callback thread (of any satellite in the process) cancelling and shutting down never
//! wait: two callbacks that cancel each other must not stop each other for ever.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{Code, Error, SubscribeError};
use crate::log::{LogLine, LogLines};
use crate::net::clock;
use job::{Job, Work};
use pool::{Pool, Turn};

mod job;
mod pool;
#[cfg(test)]
mod tests;

/// Where a job's items come from.
pub(crate) trait Source<T>: Send {
    /// Appends up to `max` items to `out`. `Ready(false)`: there will be no more. `Pending`: the waker is called when there are.
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<T>, max: usize) -> Poll<bool>;

    /// Nobody will ask again: producers are told, what is queued is dropped.
    fn close(&mut self);
}

impl<T: Send> Source<T> for tokio::sync::mpsc::Receiver<T> {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<T>, max: usize) -> Poll<bool> {
        self.poll_recv_many(cx, out, max).map(|count| count > 0)
    }

    fn close(&mut self) {
        Self::close(self);
    }
}

impl Source<LogLine> for LogLines {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<LogLine>,
        max: usize,
    ) -> Poll<bool> {
        Self::poll_batch(self, cx, out, max)
    }

    fn close(&mut self) {
        Self::close(self);
    }
}

/// What a job calls. A closure takes items only.
pub(crate) trait Handler<T>: Send {
    /// One item.
    fn item(&mut self, item: T);

    /// Whether items still come to the application.
    fn is_wanted(&self) -> bool {
        true
    }

    /// The last call, after the last item, also when the job is cancelled or the satellite shut down. Whether the application was
    /// called.
    fn end(&mut self) -> bool {
        false
    }
}

impl<T, F: FnMut(T) + Send> Handler<T> for F {
    fn item(&mut self, item: T) {
        self(item);
    }
}

/// A source of what is told to the very end: it ends when all other jobs and the network have, and what is in it then comes out first.
struct ToTheEnd<S> {
    source: S,
    pool: Arc<Pool>,
}

impl<T, S: Source<T>> Source<T> for ToTheEnd<S> {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<T>, max: usize) -> Poll<bool> {
        if self.pool.last.load(Ordering::SeqCst) {
            self.source.close();
        }
        self.source.poll_batch(cx, out, max)
    }

    fn close(&mut self) {
        self.source.close();
    }
}

/// How cancelling went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it is over or it is not: there is no third answer"
)]
pub enum Cancelled {
    /// No call runs and none will; the handler is dropped.
    Done,
    /// Asked from inside a callback: it takes effect after the call that is running, if one is.
    Pending,
}

/// How ending all callbacks went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// No call runs and none will, every handler is dropped, every callback thread is gone.
    Done,
    /// Asked from inside a callback: the rest ends by itself.
    Pending,
    /// A callback is still running: what was promised for `Done` holds only after it returns.
    TimedOut,
}

/// A registered handler. Dropping this does not end it: it stays registered until it is cancelled or the satellite is shut down.
#[derive(Clone)]
pub struct Subscription(Arc<dyn Turn>);

impl Subscription {
    /// Ends the subscription and drops its handler.
    ///
    /// From an application thread it waits until no call of this subscription is running. Inside a callback it never waits.
    pub fn cancel(&self) -> Cancelled {
        self.0.clone().cancel()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("ended", &self.0.is_ended())
            .finish()
    }
}

/// The callback threads of one satellite, or its own-loop mode.
///
/// Dropping it ends all jobs without waiting.
pub(crate) struct Callbacks(Arc<Pool>);

impl Callbacks {
    /// Up to `threads` threads, started with the first job. With 0 the application calls [`Callbacks::dispatch`].
    ///
    /// # Errors
    /// The system's, when the event descriptor cannot be made.
    pub(crate) fn new(threads: usize, log: Option<tracing::Dispatch>) -> std::io::Result<Self> {
        let event = if threads == 0 {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            writer.set_nonblocking(true)?;
            Some((reader, writer))
        } else {
            None
        };
        Ok(Self(Arc::new(Pool {
            threads,
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            event,
            panics: AtomicU64::new(0),
            last: AtomicBool::new(false),
            log,
        })))
    }

    /// Calls `handler` with what comes from `source` until either ends. On failure the handler is dropped before this returns.
    ///
    /// # Errors
    /// [`SubscribeError::Closed`] after shutdown began; [`SubscribeError::Thread`].
    pub(crate) fn attach<T, S>(
        &self,
        source: S,
        handler: Box<dyn Handler<T>>,
    ) -> Result<Subscription, SubscribeError>
    where
        T: Send + 'static,
        S: Source<T> + 'static,
    {
        self.register(Work::new(source, handler), false)
    }

    /// The same for what tells of the satellite's end, too: it goes on through that, and `source` must be one that gives what is in
    /// it after it was closed.
    ///
    /// # Errors
    /// As [`Callbacks::attach`].
    pub(crate) fn attach_to_the_end<T, S>(
        &self,
        source: S,
        handler: Box<dyn Handler<T>>,
    ) -> Result<Subscription, SubscribeError>
    where
        T: Send + 'static,
        S: Source<T> + 'static,
    {
        let pool = self.0.clone();
        self.register(Work::new(ToTheEnd { source, pool }, handler), true)
    }

    fn register<T, S>(
        &self,
        work: Work<T, S>,
        to_the_end: bool,
    ) -> Result<Subscription, SubscribeError>
    where
        T: Send + 'static,
        S: Source<T> + 'static,
    {
        let mut state = self.0.lock();
        let refused = if state.closing {
            Err(SubscribeError::Closed)
        } else {
            self.0.start_threads(&mut state)
        };
        if let Err(error) = refused {
            drop(state);
            work.refuse(&self.0);
            return Err(error);
        }
        let id = state.next_id;
        state.next_id += 1;
        let job = Job::new(id, &self.0, work, to_the_end);
        state.jobs.insert(id, job.clone());
        drop(state);
        job.clone().begin();
        if self.0.lock().closing {
            // Nobody may come by any more to end it.
            self.last_turns();
        }
        Ok(Subscription(job))
    }

    /// Own-loop mode: readable while [`Callbacks::dispatch`] has something to do.
    pub(crate) fn event_fd(&self) -> Option<RawFd> {
        self.0.event.as_ref().map(|(reader, _)| reader.as_raw_fd())
    }

    /// Own-loop mode: waits up to `timeout` until something is to be called, and calls it on this thread: one turn of every job that is
    /// ready. Returns how many callbacks ran.
    ///
    /// # Errors
    /// With callback threads; inside a callback; after shutdown.
    pub(crate) fn dispatch(&self, timeout: Duration) -> Result<usize, Error> {
        if self.0.event.is_none() {
            return Err(Error::new(
                Code::BadInput,
                "dispatch is for satellites with 0 callback threads: this one calls by itself",
            ));
        }
        if inside_callback() {
            return Err(Error::new(
                Code::BadInput,
                "dispatch was called inside a callback: return first",
            ));
        }
        let until = clock::after(timeout);
        loop {
            let left = until.saturating_duration_since(clock::now());
            let mut state = self.0.lock();
            state.idle += 1;
            let (mut state, _) = self
                .0
                .work
                .wait_timeout_while(state, left, |state| {
                    state.ready.is_empty() && !state.is_closed()
                })
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if state.is_closed() {
                return Err(Error::new(Code::Closed, "the satellite is shut down"));
            }
            // One round, so that a job that is always ready cannot keep the loop; what is ready again keeps the descriptor readable.
            let round = state.ready.len();
            drop(state);
            let mut calls = 0;
            for _ in 0..round {
                let Some(job) = self.0.pop() else { break };
                calls += job.turn();
            }
            if self.0.lock().closing {
                calls += self.0.run_all();
            }
            // A turn may find that there is nothing to call: of what was cancelled, or of an event another thread took.
            if calls > 0 || clock::now() >= until {
                return Ok(calls);
            }
        }
    }

    /// Panics of handlers caught so far.
    pub(crate) fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// No further call begins but of what is told to the end; handlers are dropped by the callback threads (own loop: by
    /// [`Callbacks::dispatch`] or [`Callbacks::last_turns`]). Does not wait.
    pub(crate) fn begin_close(&self) {
        self.0.begin_close();
    }

    /// Own-loop mode, after [`Callbacks::begin_close`]: drops the handlers on this thread. Inside a callback the dispatch that runs it
    /// does this.
    pub(crate) fn last_turns(&self) {
        if self.0.event.is_some() && !inside_callback() {
            self.0.run_all();
        }
    }

    /// Own-loop mode, when the network has been left or nobody will tell when it is: what was told to the end ends, on this thread.
    pub(crate) fn last_of_all(&self) {
        if self.0.event.is_some() && !inside_callback() {
            self.0.end_last();
            self.0.run_all();
        }
    }

    /// Ends all jobs, those that are told to the end too, then waits for all of it, unless inside a callback. May be called again, also after `TimedOut`.
    pub(crate) fn close(&self, timeout: Duration) -> Closed {
        self.0.begin_close();
        self.0.end_last();
        if inside_callback() {
            return Closed::Pending;
        }
        let (mut state, _) = self
            .0
            .ended
            .wait_timeout_while(self.0.lock(), timeout, |state| !state.is_over())
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_over() {
            return Closed::TimedOut;
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            // They have left their loop: this waits for the end of the thread itself. A panic outside handlers was logged by std.
            let _ = handle.join();
        }
        Closed::Done
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.0.begin_close();
        self.0.end_last();
        // Nobody can dispatch any more.
        self.last_turns();
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("threads", &self.0.threads)
            .finish_non_exhaustive()
    }
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

thread_local! {
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is running a callback of any satellite (or dropping its handler) further up its stack.
pub fn inside_callback() -> bool {
    INSIDE.get() > 0
}
