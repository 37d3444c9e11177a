//! The threads that take turns with what is ready, or the application's own loop in their place.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::{Cancelled, INSIDE, panic_text};
use crate::error::SubscribeError;
use crate::satellite::threads;

/// A job without its types.
pub(super) trait Turn: Send + Sync {
    /// Runs it, if nobody else claimed it meanwhile. Returns how many callbacks ran.
    fn turn(self: Arc<Self>) -> usize;
    fn cancel(self: Arc<Self>) -> Cancelled;
    /// Sets CANCEL and lets the next turn end it.
    fn stop(self: Arc<Self>);
    fn is_ended(&self) -> bool;
}

pub(super) struct Pool {
    /// 0: the application dispatches.
    pub(super) threads: usize,
    pub(super) state: Mutex<State>,
    /// Something is ready, or all is to end.
    pub(super) work: Condvar,
    /// A job or a thread ended.
    pub(super) ended: Condvar,
    /// Own-loop mode: the application polls the first, one byte is in it while anything is ready.
    pub(super) event: Option<(UnixStream, UnixStream)>,
    pub(super) panics: AtomicU64,
    /// Log lines of callback threads go where the satellite's go.
    pub(super) log: Option<tracing::Dispatch>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) ready: VecDeque<Arc<dyn Turn>>,
    pub(super) jobs: HashMap<u64, Arc<dyn Turn>>,
    pub(super) next_id: u64,
    pub(super) handles: Vec<JoinHandle<()>>,
    pub(super) alive: usize,
    /// Threads that wait for `work`: waking nobody costs a system call too.
    pub(super) idle: usize,
    pub(super) closing: bool,
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        self.jobs.is_empty() && self.alive == 0
    }
}

impl Pool {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start_threads(self: &Arc<Self>, state: &mut State) -> Result<(), SubscribeError> {
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
        threads::begin_log(self.log.as_ref());
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
        threads::end_log();
        state.alive -= 1;
        drop(state);
        self.ended.notify_all();
    }

    pub(super) fn push(&self, mut state: MutexGuard<'_, State>, job: Arc<dyn Turn>) {
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

    pub(super) fn pop(&self) -> Option<Arc<dyn Turn>> {
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
    pub(super) fn run_all(&self) {
        while let Some(job) = self.pop() {
            job.turn();
        }
    }

    pub(super) fn begin_close(&self) {
        let mut state = self.lock();
        state.closing = true;
        let jobs: Vec<_> = state.jobs.values().cloned().collect();
        drop(state);
        for job in jobs {
            job.stop();
        }
        self.work.notify_all();
    }

    pub(super) fn forget(&self, id: u64) {
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
    pub(super) fn user<R>(&self, what: &str, code: impl FnOnce() -> R) -> Option<R> {
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
