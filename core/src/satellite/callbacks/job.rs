//! One job: its phase, its turns, its end. The diagram stands in [`super`].

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::pool::{Pool, Turn};
use super::{Cancelled, Handler, Source, inside_callback};
use crate::config::BATCH_EVENTS;

const IDLE: u8 = 0;
const READY: u8 = 1;
const RUNNING: u8 = 2;
const ENDED: u8 = 3;
const PHASE: u8 = 3;
/// Woken while it ran.
const AGAIN: u8 = 4;
/// No further call may begin.
const CANCEL: u8 = 8;

pub(super) struct Job<T, S> {
    id: u64,
    pool: Arc<Pool>,
    phase: AtomicU8,
    /// Locked only by who moved the phase to RUNNING, so never waited for.
    work: Mutex<Option<Work<T, S>>>,
}

pub(super) struct Work<T, S> {
    source: S,
    handler: Box<dyn Handler<T>>,
    batch: Vec<T>,
    /// What the source said when it gave the batch, if that was asked for ahead of its turn.
    ahead: Option<Poll<bool>>,
}

impl<T, S: Source<T>> Work<T, S> {
    pub(super) fn new(source: S, handler: Box<dyn Handler<T>>) -> Self {
        Self {
            source,
            handler,
            batch: Vec::new(),
            ahead: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        self.source
            .poll_batch(context, &mut self.batch, BATCH_EVENTS)
    }

    /// The last of it: producers are told, and the handler, if it was `registered`; then both are dropped.
    pub(super) fn end(mut self, pool: &Pool, registered: bool) {
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
    /// Ready at once: the first turn asks the source, and so leaves a waker with it.
    pub(super) fn new(id: u64, pool: &Arc<Pool>, work: Work<T, S>) -> Arc<Self> {
        Arc::new(Self {
            id,
            pool: Arc::clone(pool),
            phase: AtomicU8::new(READY),
            work: Mutex::new(Some(work)),
        })
    }

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

    /// Calls the handler with what is there, and asks for what comes after it: a turn for nothing but to hear that there is no more would
    /// wake the application's loop for nothing. Returns the calls and what the source said.
    fn batch(self: &Arc<Self>) -> (usize, Poll<bool>) {
        let mut slot = self.work();
        let Some(work) = slot.as_mut() else {
            return (0, Poll::Ready(false));
        };
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        let polled = match work.ahead.take() {
            Some(polled) => polled,
            None => work.poll(&mut context),
        };
        let mut calls = 0;
        for item in work.batch.drain(..) {
            // What is not called any more is dropped with the rest of the batch: requests among it answer their asker so.
            if self.phase.load(Ordering::Acquire) & CANCEL != 0 {
                break;
            }
            calls += 1;
            self.pool.user("a handler", || work.handler.item(item));
        }
        if polled != Poll::Ready(true) || self.phase.load(Ordering::Acquire) & CANCEL != 0 {
            return (calls, polled);
        }
        let ahead = work.poll(&mut context);
        if work.batch.is_empty() {
            return (calls, ahead);
        }
        work.ahead = Some(ahead);
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
