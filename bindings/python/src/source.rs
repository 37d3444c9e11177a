//! What comes one after another: events, things that happen to peers, replies, how far something is. Read in batches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;

use futures::Stream;
use psfs_core::config::BATCH_EVENTS;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::errors::Failure;
use crate::file_values::Progress;
use crate::hub::{Shared, Slot};
use crate::message::{Message, PeerEvent, Reply};
use crate::operation::{pending, wait_for};
use crate::values::{DebugLine, Offer, Value};

/// One thing that came.
pub(crate) enum Item {
    Event(psfs_core::Event),
    Peer(psfs_core::PeerEvent),
    Reply(psfs_core::Reply),
    Value(psfs_core::Value),
    Offer(psfs_core::Offer),
    Line(psfs_core::DebugLine),
    Progress(psfs_core::Progress),
    /// So many bytes in all.
    Hashed(u64),
}

/// Where items come from: up to so many at once; `Ready(false)` is the end.
pub(crate) type Feed =
    Box<dyn FnMut(&mut Context<'_>, &mut Vec<Item>, usize) -> Poll<Result<bool, Failure>> + Send>;

/// A feed out of a stream of replies.
pub(crate) fn of_replies(
    replies: impl Stream<Item = Result<psfs_core::Reply, Failure>> + Send + 'static,
) -> Feed {
    let mut replies = Box::pin(replies);
    // An error that came after replies of the same batch: it is told when those are taken.
    let mut failed = None;
    Box::new(move |context, out, max| {
        if let Some(failure) = failed.take() {
            return Poll::Ready(Err(failure));
        }
        while out.len() < max {
            match replies.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(reply))) => out.push(Item::Reply(reply)),
                Poll::Ready(Some(Err(failure))) if out.is_empty() => {
                    return Poll::Ready(Err(failure));
                }
                Poll::Ready(Some(Err(failure))) => {
                    failed = Some(failure);
                    break;
                }
                Poll::Ready(None) if out.is_empty() => return Poll::Ready(Ok(false)),
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(true))
    })
}

/// Items as they come. Closing or dropping it ends the subscription or request.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Source {
    hub: Arc<Shared>,
    slot: Arc<Slot>,
    waker: Waker,
    /// Called with the operations of messages: `run(operation)`.
    run: Py<PyAny>,
    feed: Mutex<Option<Feed>>,
    /// Who waits for the next item, to be told when it is closed.
    waiting: Mutex<Option<Thread>>,
}

impl Source {
    pub(crate) fn new(hub: &Arc<Shared>, run: Py<PyAny>, feed: Feed) -> Self {
        let slot = hub.enlist();
        Self {
            hub: Arc::clone(hub),
            waker: Waker::from(Arc::clone(&slot)),
            slot,
            run,
            feed: Mutex::new(Some(feed)),
            waiting: Mutex::default(),
        }
    }

    fn feed(&self) -> MutexGuard<'_, Option<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Thread>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_with(
        &self,
        context: &mut Context<'_>,
        out: &mut Vec<Item>,
    ) -> Poll<Result<bool, Failure>> {
        let mut feed = self.feed();
        let Some(open) = feed.as_mut() else {
            return Poll::Ready(Ok(false));
        };
        let polled = open(context, out, BATCH_EVENTS);
        if matches!(polled, Poll::Ready(Err(_) | Ok(false))) {
            *feed = None;
        }
        polled
    }

    /// A list of what came; `None` at the end.
    fn objects(&self, py: Python<'_>, goes_on: bool, items: Vec<Item>) -> PyResult<Py<PyAny>> {
        if !goes_on && items.is_empty() {
            return Ok(py.None());
        }
        let list = PyList::empty(py);
        for item in items {
            match item {
                Item::Event(event) => {
                    list.append(Message::new(event, &self.hub, self.run.clone_ref(py)))?;
                }
                Item::Peer(event) => list.append(PeerEvent::new(event))?,
                Item::Reply(reply) => list.append(Reply::new(reply))?,
                Item::Value(value) => list.append(Value(value))?,
                Item::Offer(offer) => list.append(Offer::new(offer))?,
                Item::Line(line) => list.append(DebugLine::new(line))?,
                Item::Progress(progress) => list.append(Progress::from(progress))?,
                Item::Hashed(bytes) => list.append(bytes)?,
            }
        }
        Ok(list.into_any().unbind())
    }
}

#[pymethods]
impl Source {
    #[getter]
    fn id(&self) -> u64 {
        self.slot.id
    }

    /// A list of up to 256 items, `None` at the end, or `PENDING`.
    fn poll(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.slot.rearm();
        let mut items = Vec::new();
        match self.poll_with(&mut Context::from_waker(&self.waker), &mut items) {
            Poll::Ready(goes_on) => self.objects(py, goes_on?, items),
            Poll::Pending => pending(py),
        }
    }

    /// The same, after waiting for the first on this thread.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut items = Vec::new();
        *self.waiting() = Some(std::thread::current());
        let goes_on = wait_for(py, |context| self.poll_with(context, &mut items))?;
        self.objects(py, goes_on?, items)
    }

    /// Ends it; who waits for its next item finds its end.
    fn close(&self) {
        let feed = self.feed().take();
        drop(feed);
        self.waker.wake_by_ref();
        if let Some(thread) = self.waiting().take() {
            thread.unpark();
        }
    }
}
