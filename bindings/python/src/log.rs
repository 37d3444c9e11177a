//! Log lines for Python's `logging`: those of the core, polled like everything else, so that no network thread waits for the interpreter.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::Fuse;
use psfs_core::LogLines;
use psfs_core::config::BATCH_EVENTS;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::hub::{Shared, Slot};
use crate::operation::pending;

/// The levels of `logging`, and one below its lowest.
const LEVELS: [(u8, Level); 5] = [
    (5, Level::TRACE),
    (10, Level::DEBUG),
    (20, Level::INFO),
    (30, Level::WARN),
    (40, Level::ERROR),
];

/// What is made before `logging` was asked. Never nothing: a span that was not made when it began is missing from all later lines.
pub(crate) const AT_FIRST: LevelFilter = LevelFilter::ERROR;

type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One satellite's lines, until it has ended.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Log {
    slot: Arc<Slot>,
    waker: Waker,
    open: Mutex<Option<(LogLines, Fuse<Ended>)>>,
}

impl Log {
    pub(crate) fn new(hub: &Arc<Shared>, lines: LogLines, ended: Ended) -> Self {
        let slot = hub.enlist();
        Self {
            waker: Waker::from(Arc::clone(&slot)),
            slot,
            open: Mutex::new(Some((lines, ended.fuse()))),
        }
    }
}

#[pymethods]
impl Log {
    #[getter]
    fn id(&self) -> u64 {
        self.slot.id
    }

    /// From now on only lines of this level of `logging` or graver are made.
    fn set_level(&self, level: u8) {
        let filter = LEVELS
            .iter()
            .find(|(number, _)| level <= *number)
            .map_or(AT_FIRST, |(_, level)| LevelFilter::from(*level));
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lines, _)) = &*open {
            lines.set_level(filter);
        }
    }

    /// A list of up to 256 lines, each with its level, where it is from and its text; `None` at the end, or `PENDING`.
    fn poll(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.slot.rearm();
        let mut context = Context::from_waker(&self.waker);
        let mut batch = Vec::new();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((lines, ended)) = open.as_mut() else {
            return Ok(py.None());
        };
        let mut polled = lines.poll_batch(&mut context, &mut batch, BATCH_EVENTS);
        if polled.is_pending() && ended.poll_unpin(&mut context).is_ready() {
            // What came between the two is still there.
            lines.close();
            polled = lines.poll_batch(&mut context, &mut batch, BATCH_EVENTS);
        }
        match polled {
            Poll::Pending => return pending(py),
            Poll::Ready(false) => {
                *open = None;
                return Ok(py.None());
            }
            Poll::Ready(true) => {}
        }
        // Making objects may run the collector, and that anything.
        drop(open);
        let list = PyList::empty(py);
        for line in batch {
            let number = LEVELS
                .iter()
                .find(|(_, level)| *level == line.level)
                .map_or(0, |(number, _)| *number);
            list.append((number, line.target, line.text))?;
        }
        Ok(list.into_any().unbind())
    }
}
