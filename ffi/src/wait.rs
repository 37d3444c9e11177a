//! Blocking on the core's futures from threads that are not the runtime's.
//!
//! tokio's own `block_on` panics inside another runtime, which a program in C cannot know about. None is needed: the core's timers belong
//! to the satellite's runtime whoever polls them. The future is polled once before anything is set up: most calls end there.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What C says for "for ever".
const FOREVER_MS: u32 = u32::MAX;

/// A time of the caller's.
pub(crate) fn time(ms: u32) -> Duration {
    if ms == FOREVER_MS {
        Duration::MAX
    } else {
        Duration::from_millis(ms.into())
    }
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// Waits for `future`, at most `limit`: with zero it is polled once. `None`: the time was over, which what the clock cannot hold never is.
pub(crate) fn wait<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Poll::Ready(output) = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        return Some(output);
    }
    if limit.is_zero() {
        return None;
    }
    let unpark = Arc::new(Unpark {
        thread: std::thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(unpark.clone());
    let mut context = Context::from_waker(&waker);
    let deadline = now().checked_add(limit);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            let Some(deadline) = deadline else {
                std::thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a caller waits is no part of what the network's machines decide"
)]
fn now() -> Instant {
    Instant::now()
}

/// Waits for a future that has a limit of its own.
pub(crate) fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Some(output) = wait(future.as_mut(), Duration::MAX) {
            return output;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn zero_polls_once() {
        assert_eq!(wait(ready(1), Duration::ZERO), Some(1));
        assert_eq!(wait(pending::<()>(), Duration::ZERO), None);
        assert_eq!(wait(pending::<()>(), Duration::from_millis(5)), None);
    }

    #[test]
    fn for_ever_is_a_time_that_can_be_waited() {
        assert_eq!(time(u32::MAX), Duration::MAX);
        assert_eq!(time(u32::MAX - 1), Duration::from_millis(4_294_967_294));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(7));
        assert_eq!(wait(receiver, time(u32::MAX)), Some(Ok(7)));
        other.join().unwrap().unwrap();
    }

    #[test]
    fn what_wakes_it_ends_it_also_inside_a_runtime() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let done = runtime.block_on(async {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let other = tokio::task::spawn_blocking(move || sender.send(7).unwrap());
            // Where tokio's own would panic.
            let got = wait_for(receiver);
            other.await.unwrap();
            got
        });
        assert_eq!(done, Ok(7));
    }
}
