//! One call that may have to wait: polled when its hub says so, or waited for.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use futures::channel::oneshot;
use psfs_core::{Code, Error, Items};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::errors::Failure;
use crate::hub::{Shared, Slot};
use crate::values::not_running;

/// An object that is made where the interpreter's lock is held.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What an operation gives.
pub(crate) enum Value {
    Nothing,
    Text(String),
    Object(Made),
}

/// What an operation does.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send>>;

/// The class of `PENDING`.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Pending;

#[pymethods]
impl Pending {
    fn __repr__(&self) -> &'static str {
        "psfs._psfs.PENDING"
    }
}

static PENDING: PyOnceLock<Py<Pending>> = PyOnceLock::new();

/// The one value that says: not yet.
pub(crate) fn pending(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let pending = PENDING.get_or_try_init(py, || Py::new(py, Pending))?;
    Ok(pending.clone_ref(py).into_any())
}

/// How long the main thread waits before it looks whether Python has a signal (Ctrl-C) for it.
const SIGNAL_EVERY: Duration = Duration::from_millis(50);
/// Other threads are told of no signals: they wait for their waker alone.
const LONG: Duration = Duration::from_secs(3600);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

static MAIN_THREAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = MAIN_THREAD.get_or_try_init(py, || {
        threading.getattr("main_thread")?.call0().map(Bound::unbind)
    })?;
    Ok(threading.getattr("current_thread")?.call0()?.is(main))
}

/// Polls until it is ready, or a signal handler raises. The interpreter's lock is free meanwhile.
pub(crate) fn wait_for<T: Send>(
    py: Python<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send,
) -> PyResult<T> {
    // Most calls end here.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(value);
    }
    let slice = if is_main_thread(py)? {
        SIGNAL_EVERY
    } else {
        LONG
    };
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        let polled = py.detach(|| {
            let mut context = Context::from_waker(&waker);
            let polled = poll(&mut context);
            if polled.is_pending() {
                std::thread::park_timeout(slice);
            }
            polled
        });
        if let Poll::Ready(value) = polled {
            return Ok(value);
        }
        py.check_signals()?;
    }
}

/// Ends with whoever waits for it.
struct UnderWay(psfs_core::Operation);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A call under way. Closing or dropping it cancels it.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Operation {
    slot: Arc<Slot>,
    waker: Waker,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    work: Option<Work>,
    /// Who waits for it, to be told when somebody else closes it.
    waiter: Option<Waker>,
}

impl Operation {
    pub(crate) fn new(
        hub: &Arc<Shared>,
        work: impl Future<Output = Result<Value, Failure>> + Send + 'static,
    ) -> Self {
        Self::of(hub, Box::pin(work))
    }

    fn of(hub: &Arc<Shared>, work: Work) -> Self {
        let slot = hub.enlist();
        Self {
            waker: Waker::from(Arc::clone(&slot)),
            slot,
            running: Mutex::new(Running {
                work: Some(work),
                waiter: None,
            }),
        }
    }

    /// For calls that give nothing and are mostly through at once, like a message within credit: these get no object.
    pub(crate) fn unless_done(
        hub: &Arc<Shared>,
        work: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) -> Result<Option<Self>, Failure> {
        let mut work: Work = Box::pin(async move { work.await.map(|()| Value::Nothing) });
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done.map(|_| None),
            Poll::Pending => Ok(Some(Self::of(hub, work))),
        }
    }

    /// For work of many steps, none of which may wait for the interpreter: it goes on by itself on the satellite's runtime, from now on. What
    /// it gives becomes an object.
    pub(crate) fn making<T, E>(
        hub: &Arc<Shared>,
        core: &psfs_core::Satellite,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
        made: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Result<Self, Failure>
    where
        T: Send + 'static,
        E: Into<Error>,
    {
        Self::on_runtime(hub, core, async move {
            let result = work.await?;
            Ok(Value::Object(Box::new(move |py| made(py, result))))
        })
    }

    fn on_runtime(
        hub: &Arc<Shared>,
        core: &psfs_core::Satellite,
        work: impl Future<Output = Result<Value, Failure>> + Send + 'static,
    ) -> Result<Self, Failure> {
        if !core.is_running() {
            return Err(not_running());
        }
        let (tell, told) = oneshot::channel();
        let under_way = core.operate(
            |_: Items<Infallible>| async move {
                // Whoever asked may be gone.
                let _gone = tell.send(work.await).is_err();
                Ok(())
            },
            |_| {},
            |_| {},
        )?;
        let under_way = UnderWay(under_way);
        Ok(Self::new(hub, async move {
            let result = told.await;
            drop(under_way);
            // Nothing is told by what the satellite's end has ended.
            result.unwrap_or_else(|_| Err(not_running()))
        }))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_with(&self, context: &mut Context<'_>) -> Poll<Result<Value, Failure>> {
        let mut running = self.running();
        let Some(work) = running.work.as_mut() else {
            return Poll::Ready(Err(Error::new(
                Code::Cancelled,
                "the operation was cancelled",
            )
            .into()));
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            *running = Running::default();
        } else {
            running.waiter = Some(context.waker().clone());
        }
        polled
    }
}

fn value(py: Python<'_>, result: Result<Value, Failure>) -> PyResult<Py<PyAny>> {
    Ok(match result? {
        Value::Nothing => py.None(),
        Value::Text(text) => text.into_pyobject(py)?.into_any().unbind(),
        Value::Object(made) => made(py)?,
    })
}

#[pymethods]
impl Operation {
    #[getter]
    fn id(&self) -> u64 {
        self.slot.id
    }

    /// Its result, or `PENDING`.
    fn poll(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.slot.rearm();
        match self.poll_with(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => value(py, result),
            Poll::Pending => pending(py),
        }
    }

    /// Its result, after waiting for it on this thread.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let result = wait_for(py, |context| self.poll_with(context))?;
        value(py, result)
    }

    /// Cancels it; who waits for it finds that.
    fn close(&self) {
        let Running { work, waiter } = std::mem::take(&mut *self.running());
        drop(work);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}
