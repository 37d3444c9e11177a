//! Where the core leaves word for Python: ids of what can be polled, and one signal for all of them.
//!
//! Wakers run on network threads. They take one short lock here and never the interpreter's.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

use pyo3::prelude::*;

/// The part that wakers hold.
#[derive(Default)]
pub(crate) struct Shared {
    ready: Mutex<Ready>,
    changed: Condvar,
    next_id: AtomicU64,
}

#[derive(Default)]
struct Ready {
    /// Each id at most once: as many as there are operations and sources.
    ids: Vec<u64>,
    /// Both ends of a signal, once a loop asked for its descriptor.
    signal: Option<(UnixStream, UnixStream)>,
}

impl Shared {
    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waker's place here.
    pub(crate) fn enlist(self: &Arc<Self>) -> Arc<Slot> {
        Arc::new(Slot {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            noted: AtomicBool::new(false),
            shared: Arc::clone(self),
        })
    }

    fn note(&self, id: u64) {
        let mut ready = self.ready();
        ready.ids.push(id);
        if ready.ids.len() == 1 {
            if let Some((_, writer)) = &mut ready.signal {
                // Only from empty to not: one byte lies there at most, so there is room.
                let _written = writer.write(&[1]);
            }
            self.changed.notify_one();
        }
    }
}

/// One operation's or source's place in a hub.
pub(crate) struct Slot {
    pub(crate) id: u64,
    noted: AtomicBool,
    shared: Arc<Shared>,
}

impl Slot {
    /// Before polling: what wakes from now on is noted again.
    pub(crate) fn rearm(&self) {
        self.noted.store(false, Ordering::Release);
    }
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.noted.swap(true, Ordering::AcqRel) {
            self.shared.note(self.id);
        }
    }
}

/// Ids of what is ready to be polled.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Hub(pub(crate) Arc<Shared>);

#[pymethods]
impl Hub {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// A descriptor that is readable while something is ready.
    fn fileno(&self) -> PyResult<i32> {
        let mut ready = self.0.ready();
        if let Some((reader, _)) = &ready.signal {
            return Ok(reader.as_raw_fd());
        }
        let (reader, mut writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        if !ready.ids.is_empty() {
            writer.write_all(&[1])?;
        }
        let descriptor = reader.as_raw_fd();
        ready.signal = Some((reader, writer));
        Ok(descriptor)
    }

    /// Closes the descriptor.
    fn close(&self) {
        self.0.ready().signal = None;
    }

    /// What is ready, which it is then no longer.
    fn take(&self) -> Vec<u64> {
        let mut ready = self.0.ready();
        let Ready { ids, signal } = &mut *ready;
        if let Some((reader, _)) = signal
            && !ids.is_empty()
        {
            // Nothing there is as good as one byte.
            let _read = reader.read(&mut [0; 8]);
        }
        std::mem::take(ids)
    }

    /// The same, after waiting up to `seconds` for the first.
    fn wait(&self, py: Python<'_>, seconds: f64) -> Vec<u64> {
        let limit = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        py.detach(|| {
            let (mut ready, _) = self
                .0
                .changed
                .wait_timeout_while(self.0.ready(), limit, |ready| ready.ids.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut ready.ids)
        })
    }

    /// Wakes whoever waits, with the id 2^64 - 1.
    fn nudge(&self) {
        self.0.note(u64::MAX);
    }
}
