//! Ending: signal, drain, wait.
//!
//! The signal is one token that the driver waits for. What has to be waited for (tasks, callback threads, the runtime) may block,
//! so it is done by a thread of its own, which is joined before the caller hears of it.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::callbacks::{Closed, inside_callback};
use super::threads::without_signals;
use super::{Inner, Satellite, Stage};
use crate::config::{BYE_TIMEOUT, LINGER_MAX};
use crate::error::ShutdownError;
use crate::net::clock;

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it is over or it is not: there is no third answer"
)]
pub enum Shutdown {
    /// No callback runs, every handler is dropped, no thread, socket or file of the satellite is left.
    Done,
    /// Asked from inside a callback: it has begun and goes on by itself.
    Pending,
}

/// Who waits for the end.
#[derive(Default)]
pub(super) struct Ending {
    busy: bool,
    background: Option<JoinHandle<()>>,
}

fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    without_signals(|| {
        std::thread::Builder::new()
            .name("psfs-shutdown".into())
            .spawn(work)
    })
}

/// How long the background waits for callbacks that block; then what they hold is left to them.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(60);

impl Satellite {
    /// Ends the satellite: what was accepted is sent, peers are told, handlers dropped, threads, sockets and files closed. Calls
    /// that wait end with `CLOSED`. A peer that does not take what was accepted for it is given up 5 s after the last bytes to it moved
    /// (telling it and closing can take a second more), and not later than `timeout`; messages not written by then are logged and counted
    /// ([`Stats::messages_abandoned`](crate::Stats::messages_abandoned)). May be called again, also after a timeout. Inside a callback
    /// it only begins and answers [`Shutdown::Pending`].
    ///
    /// # Errors
    /// [`ShutdownError::Timeout`]: a callback still runs after `timeout`; what [`Shutdown::Done`] promises holds only after it returns.
    pub async fn shutdown(&self, timeout: Duration) -> Result<Shutdown, ShutdownError> {
        let inside = inside_callback();
        self.inner
            .begin_end(if inside { LINGER_MAX } else { timeout });
        if inside {
            self.inner.end_in_background();
            return Ok(Shutdown::Pending);
        }
        // An application with its own loop is called by no other thread, not even at the end.
        self.inner.callbacks.last_turns();
        let inner = Arc::clone(&self.inner);
        let until = clock::now() + timeout;
        let (done, ended) = oneshot::channel();
        let thread = spawn(move || {
            // The caller may have stopped waiting.
            let _gone = done.send(inner.end(until));
        });
        let closed = match thread {
            Ok(thread) => {
                let closed = ended.await.unwrap_or(Closed::TimedOut);
                // It has nothing left to do: this only waits for the thread's own end.
                let _ended = thread.join();
                closed
            }
            // No thread to be had: then this one waits.
            Err(_) => self.inner.end(until),
        };
        // It ends with the wait above; taken only then, because it may be what that waits for.
        if closed == Closed::Done
            && let Some(thread) = self.inner.background_thread()
        {
            let _ended = thread.join();
        }
        if closed == Closed::TimedOut {
            Err(ShutdownError::Timeout(timeout))
        } else {
            Ok(Shutdown::Done)
        }
    }

    /// Resolves when the satellite has ended, by whomever: all that [`Shutdown::Done`] promises holds then. Not to be waited for inside
    /// a callback, which is itself waited for.
    pub async fn ended(&self) {
        let mut ended = self.inner.ended.subscribe();
        // An error would mean that the satellite is gone; its sender lives as long as this handle.
        let _gone = ended.wait_for(|ended| *ended).await.is_err();
    }

    /// Begins to end the satellite, and does not wait.
    pub fn start_shutdown(&self) {
        self.inner.begin_end(LINGER_MAX);
        self.inner.callbacks.last_turns();
        self.inner.end_in_background();
    }
}

impl Inner {
    /// The signal, and how long the rest may take. True the first time; later ones can only shorten the time.
    pub(super) fn begin_end(&self, timeout: Duration) -> bool {
        // What comes after the network, threads above all, takes its time as well.
        let by = clock::now() + timeout - (timeout / 8).min(BYE_TIMEOUT);
        let first = self.stage() != Stage::Ended;
        self.leave_by.send_if_modified(|at| {
            let sooner = first || by < *at;
            if sooner {
                *at = by;
            }
            sooner
        });
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *stage, Stage::Ended);
        drop(stage);
        if before != Stage::Ended {
            self.stop.cancel();
            self.callbacks.begin_close();
            self.router.close();
        }
        before != Stage::Ended
    }

    pub(super) fn end_in_background(self: &Arc<Self>) {
        let mut ending = self.ending();
        if ending.background.is_some() || *self.ended.borrow() {
            return;
        }
        let inner = Arc::clone(self);
        let spawned = spawn(move || {
            inner.end(clock::now() + BACKGROUND_LIMIT);
        });
        match spawned {
            Ok(thread) => ending.background = Some(thread),
            Err(error) => {
                tracing::error!(%error, "no thread to end the satellite with: it ends with the process");
            }
        }
    }

    /// Waits for everything to end, or for whoever waits for that already. Blocks; never on a network or callback thread.
    fn end(&self, until: Instant) -> Closed {
        let left = until.saturating_duration_since(clock::now());
        let (mut ending, _) = self
            .ending_changed
            .wait_timeout_while(self.ending(), left, |ending| ending.busy)
            .unwrap_or_else(PoisonError::into_inner);
        if *self.ended.borrow() {
            return Closed::Done;
        }
        if ending.busy {
            return Closed::TimedOut;
        }
        ending.busy = true;
        drop(ending);
        let closed = self.end_all(until);
        if closed == Closed::Done {
            self.ended.send_replace(true);
        }
        self.ending().busy = false;
        self.ending_changed.notify_all();
        closed
    }

    fn end_all(&self, until: Instant) -> Closed {
        let left = || until.saturating_duration_since(clock::now());
        // Gone when this is asked again: then only callbacks are left to wait for.
        let own = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = self.brought_up()
            && (own.is_some() || self.config.runtime.is_some())
        {
            let tasks = running.tasks.clone();
            // Tasks end by themselves: the driver gives peers a moment to hear of it, and a connection's task ends with it.
            let waited = futures::executor::block_on(async {
                let sleep = running.sleep(left());
                tokio::select! {
                    // After an earlier call there are no tasks, and no runtime with a clock either.
                    biased;
                    () = tasks.wait() => true,
                    () = sleep => false,
                }
            });
            if !waited {
                tracing::warn!("network tasks did not end in time");
            }
        }
        let closed = self.callbacks.close(left());
        if let Some(runtime) = own {
            runtime.shutdown_timeout(left());
        }
        self.set_running(None);
        // The last clone: its file and lock are released here.
        drop(
            self.store
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        closed
    }

    fn background_thread(&self) -> Option<JoinHandle<()>> {
        self.ending().background.take()
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a start that failed: nothing is left of it.
    pub(super) fn drop_runtime(&self) {
        if let Some(runtime) = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            // It may be called on a thread of another runtime, which must not block.
            runtime.shutdown_background();
        }
    }
}
