//! What goes on by itself and tells how far it is: files on their way, and files that are hashed to be shared.
//!
//! Only the newest word is kept: who does not ask misses the earlier ones, and holds up nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use psfs_core::{Code, Error, Progress, Transfer};

use crate::errors::Failure;
use crate::source::{Feed, Item};

/// What was told, until it is taken.
struct State<T> {
    news: Option<T>,
    end: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

struct Shared<T>(Mutex<State<T>>);

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Who tells. Dropped without an end, it was cancelled, or the satellite has ended.
pub(crate) struct Teller<T> {
    shared: Arc<Shared<T>>,
    core: psfs_core::Satellite,
}

/// A teller, and what it tells, as items.
pub(crate) fn told<T: Send + 'static>(
    core: &psfs_core::Satellite,
    item: fn(T) -> Item,
) -> (Teller<T>, Feed) {
    let shared = Arc::new(Shared(Mutex::new(State {
        news: None,
        end: None,
        waker: None,
    })));
    let teller = Teller {
        shared: Arc::clone(&shared),
        core: core.clone(),
    };
    let feed: Feed = Box::new(move |context, out, _| {
        let mut state = shared.state();
        if let Some(news) = state.news.take() {
            out.push(item(news));
            return Poll::Ready(Ok(true));
        }
        match state.end.take() {
            Some(end) => Poll::Ready(end.map(|()| false).map_err(Failure::from)),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    });
    (teller, feed)
}

impl<T> Teller<T> {
    /// The last word.
    pub(crate) fn end(&self, end: Result<(), Error>) {
        self.shared.change(|state| {
            state.end.get_or_insert(end);
        });
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.end(Err(if self.core.is_running() {
            Error::new(Code::Cancelled, "it was cancelled")
        } else {
            Error::new(Code::Closed, "the satellite is not running")
        }));
    }
}

impl Teller<u64> {
    /// Adds up what is told of it, on any thread.
    pub(crate) fn sum(&self) -> impl Fn(u64) + Send + Sync + use<> {
        let (shared, sum) = (Arc::clone(&self.shared), AtomicU64::new(0));
        move |more| {
            let all = sum.fetch_add(more, Ordering::Relaxed) + more;
            shared.change(|state| state.news = Some(all));
        }
    }
}

impl Teller<Progress> {
    /// Tells of a transfer, to its end.
    pub(crate) async fn follow(
        self,
        mut transfer: Transfer,
    ) -> Result<psfs_core::Received, psfs_core::TransferError> {
        while let Some(progress) = transfer.advanced().await {
            self.shared.change(|state| state.news = Some(progress));
        }
        let received = transfer.received().await;
        let end = received.as_ref().map(drop);
        self.end(end.map_err(|error| error.clone().into()));
        received
    }
}
