//! Ending: signal, drain, wait.
//!
//! The signal is one token that the driver waits for. What has to be waited for (tasks, callback threads, the runtime) may block,
//! so it is done by a thread of its own, which is joined before the caller hears of it.

use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread::{JoinHandle, Thread};
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
/// The least that threads without work are given to end.
const THREADS_END: Duration = Duration::from_millis(100);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread, by no runtime's clock: an application's may stand still. False: the time was over.
fn wait_until(future: impl Future<Output = ()>, until: Instant) -> bool {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while future
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            return false;
        }
        std::thread::park_timeout(left);
    }
    true
}

impl Satellite {
    /// Ends the satellite: what was accepted is sent, peers are told, handlers dropped, threads, sockets and files closed. Calls
    /// that wait end with `CLOSED`. A peer that does not take what was accepted for it is given up 5 s after the last bytes to it moved
    /// (telling it and closing can take a second more), and not later than `timeout`; messages not written by then are logged and counted
    /// ([`Stats::messages_abandoned`](crate::Stats::messages_abandoned)). May be called again, also after a timeout. Inside a callback
    /// it only begins and answers [`Shutdown::Pending`].
    ///
    /// # Errors
    /// [`ShutdownError`]: a callback still runs, or the network was not left, after `timeout`. It goes on by itself; what
    /// [`Shutdown::Done`] promises holds only once it is over ([`Satellite::ended`]).
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
        let until = clock::after(timeout);
        let (left, network_left) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let thread = spawn(move || {
            // The caller may have stopped waiting.
            let _gone = done.send(inner.end(until, || drop(left)));
        });
        let ended = match thread {
            Ok(thread) => {
                // Nothing is ever sent. What the network's end told of is called on this thread, too.
                let _left = network_left.await;
                self.inner.callbacks.last_of_all();
                let ended = ended.await.unwrap_or(false);
                // It has nothing left to do: this only waits for the thread's own end.
                let _ended = thread.join();
                ended
            }
            // No thread to be had: then this one waits.
            Err(_) => {
                let last = || self.inner.callbacks.last_of_all();
                self.inner.end(until, last)
            }
        };
        if !ended {
            self.inner.end_in_background();
            return Err(if self.inner.tasks.is_empty() {
                ShutdownError::Timeout(timeout)
            } else {
                ShutdownError::Network(timeout)
            });
        }
        // It ends with the wait above; taken only then, because it may be what that waits for.
        if let Some(thread) = self.inner.background_thread() {
            let _ended = thread.join();
        }
        Ok(Shutdown::Done)
    }

    /// Resolves when the satellite has ended, by whomever: all that [`Shutdown::Done`] promises holds then. Not to be waited for inside
    /// a callback, which is itself waited for. It does not keep the satellite: that may also be dropped meanwhile.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.inner.ended.subscribe();
        async move {
            // An error means that it was dropped, and had ended by then.
            let _gone = ended.wait_for(|ended| *ended).await.is_err();
        }
    }

    /// Begins to end the satellite, and does not wait.
    pub fn start_shutdown(&self) {
        self.inner.begin_end(LINGER_MAX);
        self.inner.callbacks.last_of_all();
        self.inner.end_in_background();
    }
}

impl Inner {
    /// The signal, and how long the rest may take. Later ones can only shorten the time.
    pub(super) fn begin_end(&self, timeout: Duration) {
        // What comes after the network, threads above all, takes its time as well.
        let by = clock::after(timeout) - (timeout / 8).min(BYE_TIMEOUT);
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
    }

    pub(super) fn end_in_background(self: &Arc<Self>) {
        let mut ending = self.ending();
        if ending.background.is_some() || *self.ended.borrow() {
            return;
        }
        let inner = Arc::clone(self);
        let spawned = spawn(move || {
            inner.end(clock::after(BACKGROUND_LIMIT), || {});
        });
        match spawned {
            Ok(thread) => ending.background = Some(thread),
            Err(error) => {
                tracing::error!(%error, "no thread to end the satellite with: it ends with the process");
            }
        }
    }

    /// Waits for everything to end, or for whoever waits for that already; `network_left` is called between network and callbacks.
    /// False: it has not ended in time. Blocks; never on a network or callback thread.
    fn end(&self, until: Instant, network_left: impl FnOnce()) -> bool {
        let left = until.saturating_duration_since(clock::now());
        let (mut ending, _) = self
            .ending_changed
            .wait_timeout_while(self.ending(), left, |ending| ending.busy)
            .unwrap_or_else(PoisonError::into_inner);
        if *self.ended.borrow() {
            return true;
        }
        if ending.busy {
            return false;
        }
        ending.busy = true;
        drop(ending);
        let ended = self.end_all(until, network_left);
        if ended {
            self.ended.send_replace(true);
        }
        self.ending().busy = false;
        self.ending_changed.notify_all();
        ended
    }

    fn end_all(&self, until: Instant, network_left: impl FnOnce()) -> bool {
        let left = || until.saturating_duration_since(clock::now());
        // Tasks end by themselves: the driver gives peers a moment to hear of it, and a connection's task ends with it.
        self.tasks.close();
        if !wait_until(self.tasks.wait(), until) {
            tracing::warn!("network tasks did not end in time");
            return false;
        }
        network_left();
        let closed = self.callbacks.close(left());
        // Gone when this is asked again: then only callbacks are left to wait for.
        let own = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(runtime) = own {
            runtime.shutdown_timeout(left().max(THREADS_END));
        }
        self.set_running(None);
        self.end_parts();
        // The last clone: its file and lock are released here.
        drop(
            self.store
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        closed == Closed::Done
    }

    fn background_thread(&self) -> Option<JoinHandle<()>> {
        self.ending().background.take()
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the runtime and does not wait: after a start that failed, nothing is left of it.
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
