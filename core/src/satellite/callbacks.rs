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
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::BATCH_EVENTS;
use crate::error::{Code, Error, SubscribeError};

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

/// What a job calls. A closure takes items only.
pub(crate) trait Handler<T>: Send {
    /// One item.
    fn item(&mut self, item: T);

    /// The last call, after the last item, also when the job is cancelled or the satellite shut down.
    fn end(&mut self) {}
}

impl<T, F: FnMut(T) + Send> Handler<T> for F {
    fn item(&mut self, item: T) {
        self(item);
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

struct Pool {
    /// 0: the application dispatches.
    threads: usize,
    state: Mutex<State>,
    /// Something is ready, or all is to end.
    work: Condvar,
    /// A job or a thread ended.
    ended: Condvar,
    /// Own-loop mode: the application polls the first, one byte is in it while anything is ready.
    event: Option<(UnixStream, UnixStream)>,
    panics: AtomicU64,
    /// Log lines of callback threads go where the satellite's go.
    log: Option<tracing::Dispatch>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<dyn Turn>>,
    jobs: HashMap<u64, Arc<dyn Turn>>,
    next_id: u64,
    handles: Vec<JoinHandle<()>>,
    alive: usize,
    /// Threads that wait for `work`: waking nobody costs a system call too.
    idle: usize,
    closing: bool,
}

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
        let work = Work {
            source,
            handler,
            batch: Vec::new(),
        };
        let mut state = self.0.lock();
        let refused = if state.closing {
            Err(SubscribeError::Closed)
        } else {
            self.0.start_threads(&mut state)
        };
        if let Err(error) = refused {
            drop(state);
            work.end(&self.0, false);
            return Err(error);
        }
        let id = state.next_id;
        state.next_id += 1;
        let job = Arc::new(Job {
            id,
            pool: self.0.clone(),
            phase: AtomicU8::new(READY),
            work: Mutex::new(Some(work)),
        });
        state.jobs.insert(id, job.clone());
        // The first turn asks the source once, and so leaves a waker with it.
        self.0.push(state, job.clone());
        Ok(Subscription(job))
    }

    /// Own-loop mode: readable while [`Callbacks::dispatch`] has something to do.
    pub(crate) fn event_fd(&self) -> Option<RawFd> {
        self.0.event.as_ref().map(|(reader, _)| reader.as_raw_fd())
    }

    /// Own-loop mode: gives every ready job one turn on this thread, after waiting up to `timeout` for the first. Returns how many
    /// callbacks ran.
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
        let mut state = self.0.lock();
        state.idle += 1;
        let (mut state, _) = self
            .0
            .work
            .wait_timeout_while(state, timeout, |state| {
                state.ready.is_empty() && !state.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        if state.closing && state.jobs.is_empty() {
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
            self.0.run_all();
        }
        Ok(calls)
    }

    /// Panics of handlers caught so far.
    pub(crate) fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// No further call begins; handlers are dropped by the callback threads (own loop: by [`Callbacks::dispatch`] or
    /// [`Callbacks::last_turns`]). Does not wait.
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

    /// [`Callbacks::begin_close`], then waits for all of it, unless inside a callback. May be called again, also after `TimedOut`.
    pub(crate) fn close(&self, timeout: Duration) -> Closed {
        self.0.begin_close();
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

impl State {
    fn is_over(&self) -> bool {
        self.jobs.is_empty() && self.alive == 0
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_threads(self: &Arc<Self>, state: &mut State) -> Result<(), SubscribeError> {
        while state.handles.len() < self.threads {
            let pool = self.clone();
            let started = std::thread::Builder::new()
                .name(format!("psfs-callback-{}", state.handles.len() + 1))
                .spawn(move || pool.run());
            match started {
                Ok(handle) => {
                    state.handles.push(handle);
                    state.alive += 1;
                }
                // One is enough to go on with.
                Err(_) if !state.handles.is_empty() => break,
                Err(error) => return Err(SubscribeError::Thread(error)),
            }
        }
        Ok(())
    }

    /// The loop of a callback thread.
    fn run(self: Arc<Self>) {
        let _log = self.log.as_ref().map(tracing::dispatcher::set_default);
        let mut state = self.lock();
        loop {
            if let Some(job) = state.ready.pop_front() {
                drop(state);
                job.turn();
                state = self.lock();
            } else if state.closing && state.jobs.is_empty() {
                break;
            } else {
                state.idle += 1;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
        state.alive -= 1;
        drop(state);
        self.ended.notify_all();
    }

    fn push(&self, mut state: MutexGuard<'_, State>, job: Arc<dyn Turn>) {
        if state.ready.is_empty()
            && let Some((_, writer)) = &self.event
        {
            // One byte at most is ever in it, so it cannot be full.
            let _ = (&mut &*writer).write(&[1]);
        }
        state.ready.push_back(job);
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    fn pop(&self) -> Option<Arc<dyn Turn>> {
        let mut state = self.lock();
        let job = state.ready.pop_front();
        if state.ready.is_empty()
            && let Some((reader, _)) = &self.event
        {
            let _ = (&mut &*reader).read(&mut [0; 8]);
        }
        job
    }

    /// Own-loop mode, at the end: every job's last turn, on this thread.
    fn run_all(&self) {
        while let Some(job) = self.pop() {
            job.turn();
        }
    }

    fn begin_close(&self) {
        let mut state = self.lock();
        state.closing = true;
        let jobs: Vec<_> = state.jobs.values().cloned().collect();
        drop(state);
        for job in jobs {
            job.stop();
        }
        self.work.notify_all();
    }

    fn forget(&self, id: u64) {
        let mut state = self.lock();
        let job = state.jobs.remove(&id);
        let last = state.closing && state.jobs.is_empty();
        drop(state);
        drop(job);
        self.ended.notify_all();
        if last {
            self.work.notify_all();
        }
    }

    /// Runs the application's code: marked, so that what it calls knows, and with panics caught.
    fn user<R>(&self, what: &str, code: impl FnOnce() -> R) -> Option<R> {
        let _inside = Inside::enter();
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    text = panic_text(&*panic),
                    "{what} panicked; its subscription goes on"
                );
                None
            }
        }
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

struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.set(INSIDE.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

const IDLE: u8 = 0;
const READY: u8 = 1;
const RUNNING: u8 = 2;
const ENDED: u8 = 3;
const PHASE: u8 = 3;
/// Woken while it ran.
const AGAIN: u8 = 4;
/// No further call may begin.
const CANCEL: u8 = 8;

/// A job without its types.
trait Turn: Send + Sync {
    /// Runs it, if nobody else claimed it meanwhile. Returns how many callbacks ran.
    fn turn(self: Arc<Self>) -> usize;
    fn cancel(self: Arc<Self>) -> Cancelled;
    /// Sets CANCEL and lets the next turn end it.
    fn stop(self: Arc<Self>);
    fn is_ended(&self) -> bool;
}

struct Job<T, S> {
    id: u64,
    pool: Arc<Pool>,
    phase: AtomicU8,
    /// Locked only by who moved the phase to RUNNING, so never waited for.
    work: Mutex<Option<Work<T, S>>>,
}

struct Work<T, S> {
    source: S,
    handler: Box<dyn Handler<T>>,
    batch: Vec<T>,
}

impl<T, S: Source<T>> Work<T, S> {
    fn end(mut self, pool: &Pool, registered: bool) {
        self.source.close();
        self.batch.clear();
        if registered {
            pool.user("the last call of a handler", || self.handler.end());
        }
        let Self {
            source, handler, ..
        } = self;
        drop(source);
        pool.user("dropping a handler", || drop(handler));
    }
}

impl<T, S> Job<T, S>
where
    T: Send + 'static,
    S: Source<T> + 'static,
{
    /// Moves `from` to `to`, keeping nothing else.
    fn swap(&self, from: u8, to: u8) -> bool {
        self.phase
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    fn work(&self) -> MutexGuard<'_, Option<Work<T, S>>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self) {
        let work = self.work().take();
        if let Some(work) = work {
            work.end(&self.pool, true);
        }
        self.phase.store(ENDED, Ordering::SeqCst);
        self.pool.forget(self.id);
    }

    /// Polls once and calls the handler with what came. Returns the calls and what the source said.
    fn batch(self: &Arc<Self>) -> (usize, Poll<bool>) {
        let mut slot = self.work();
        let Some(work) = slot.as_mut() else {
            return (0, Poll::Ready(false));
        };
        let waker = Waker::from(self.clone());
        let polled = work.source.poll_batch(
            &mut Context::from_waker(&waker),
            &mut work.batch,
            BATCH_EVENTS,
        );
        let mut calls = 0;
        for item in work.batch.drain(..) {
            // What is not called any more is dropped with the rest of the batch: requests among it answer their asker so.
            if self.phase.load(Ordering::Acquire) & CANCEL != 0 {
                break;
            }
            calls += 1;
            self.pool.user("a handler", || work.handler.item(item));
        }
        (calls, polled)
    }
}

impl<T, S> Turn for Job<T, S>
where
    T: Send + 'static,
    S: Source<T> + 'static,
{
    fn turn(self: Arc<Self>) -> usize {
        let claimed = self
            .phase
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |phase| {
                (phase & PHASE == READY).then_some(RUNNING | (phase & CANCEL))
            });
        let Ok(before) = claimed else { return 0 };
        if before & CANCEL != 0 {
            self.finish();
            return 0;
        }
        let (calls, polled) = self.batch();
        loop {
            let phase = self.phase.load(Ordering::SeqCst);
            if phase & CANCEL != 0 || polled == Poll::Ready(false) {
                self.finish();
                break;
            }
            if polled.is_ready() || phase & AGAIN != 0 {
                if self.swap(phase, READY) {
                    let pool = self.pool.clone();
                    pool.push(pool.lock(), self);
                    break;
                }
            } else if self.swap(phase, IDLE) {
                break;
            }
        }
        calls
    }

    fn cancel(self: Arc<Self>) -> Cancelled {
        if inside_callback() {
            let ended = self.is_ended();
            self.stop();
            return if ended {
                Cancelled::Done
            } else {
                Cancelled::Pending
            };
        }
        self.phase.fetch_or(CANCEL, Ordering::SeqCst);
        loop {
            let phase = self.phase.load(Ordering::SeqCst);
            match phase & PHASE {
                // Claimed: a stale entry among the ready jobs is skipped when it comes up.
                IDLE | READY => {
                    if self.swap(phase, RUNNING | CANCEL) {
                        self.finish();
                    }
                }
                RUNNING => {
                    let state = self.pool.lock();
                    drop(
                        self.pool
                            .ended
                            .wait_while(state, |_| !self.is_ended())
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                }
                _ => return Cancelled::Done,
            }
        }
    }

    fn stop(self: Arc<Self>) {
        let before = self.phase.fetch_or(CANCEL, Ordering::SeqCst);
        if before & PHASE == IDLE && self.swap(IDLE | CANCEL, READY | CANCEL) {
            let pool = self.pool.clone();
            pool.push(pool.lock(), self);
        }
    }

    fn is_ended(&self) -> bool {
        self.phase.load(Ordering::SeqCst) & PHASE == ENDED
    }
}

impl<T, S> Wake for Job<T, S>
where
    T: Send + 'static,
    S: Source<T> + 'static,
{
    fn wake(self: Arc<Self>) {
        loop {
            let phase = self.phase.load(Ordering::SeqCst);
            match phase & PHASE {
                IDLE => {
                    if self.swap(phase, READY | (phase & CANCEL)) {
                        let pool = self.pool.clone();
                        return pool.push(pool.lock(), self);
                    }
                }
                RUNNING if phase & AGAIN == 0 => {
                    if self.swap(phase, phase | AGAIN) {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}
