//! What handlers and askers are handed.

use std::ffi::c_int;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use psfs_core::{Code, Error, PacketType, ReplyError};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::errors::Failure;
use crate::hub::Shared;
use crate::input;
use crate::operation::{Operation, Value};

/// Lets `owner`'s memory be read in place: `bytes` must belong to it and never change.
///
/// # Safety
/// `view` is what CPython handed to `__getbuffer__`.
pub(crate) unsafe fn fill(
    owner: Bound<'_, PyAny>,
    bytes: &Bytes,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill"));
    }
    let length = ffi::Py_ssize_t::try_from(bytes.len())?;
    // SAFETY: the view is valid, by the contract of this function. The bytes live as long as their owner, of which the view keeps a
    // reference, and are read only: CPython refuses writable views itself.
    let status = unsafe {
        ffi::PyBuffer_FillInfo(
            view,
            owner.as_ptr(),
            bytes.as_ptr().cast_mut().cast(),
            length,
            1,
            flags,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(owner.py()))
    }
}

/// A packet that came in.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Message {
    event: psfs_core::Event,
    hub: Arc<Shared>,
    run: Py<PyAny>,
}

impl Message {
    pub(crate) fn new(event: psfs_core::Event, hub: &Arc<Shared>, run: Py<PyAny>) -> Self {
        Self {
            event,
            hub: Arc::clone(hub),
            run,
        }
    }
}

#[pymethods]
impl Message {
    /// What was sent, as a copy.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.event.content())
    }

    /// What was sent, as a view without a copy. While it is kept, the sender's credit for it is not given back.
    #[getter]
    fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Who made it: proved, never claimed.
    #[getter]
    fn peer(&self) -> String {
        self.event.peer().to_string()
    }

    /// The namespace it was sent to.
    #[getter]
    fn namespace(&self) -> &str {
        self.event.namespace()
    }

    /// Its packet type: one of psfs.MESSAGE, BROADCAST, SEEK, REQUEST.
    #[getter]
    fn packet_type(&self) -> u8 {
        self.event.packet_type() as u8
    }

    /// When it was made, by its author's clock, in seconds since 1970.
    #[getter]
    #[expect(
        clippy::cast_precision_loss,
        reason = "ms since 1970 fit for 285,000 years"
    )]
    fn timestamp(&self) -> f64 {
        self.event.timestamp_ms() as f64 / 1000.0
    }

    fn __len__(&self) -> usize {
        self.event.content().len()
    }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    fn reply(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let content = input::content(data)?;
        let event = self.event.clone();
        let reply = Operation::new(&self.hub, async move {
            event.reply(content).await?;
            Ok(Value::Nothing)
        });
        self.run.call1(py, (reply,))
    }

    /// Ends the request well.
    fn end(&self) -> PyResult<()> {
        self.event
            .end()
            .map_err(|error| Failure::from(error).into())
    }

    /// Ends the request with an error at the asker: a positive code of your own, and a text.
    fn fail(&self, code: &Bound<'_, PyAny>, text: &str) -> PyResult<()> {
        let failed = self.event.fail(input::app_code(code)?, text);
        failed.map_err(|error| Failure::from(error).into())
    }

    /// The handle to answer with later; once.
    fn take_responder(&self, py: Python<'_>) -> PyResult<Responder> {
        let responder = self.event.take_responder().map_err(Failure::from)?;
        Ok(Responder {
            responder: Mutex::new(Some(Arc::new(responder))),
            hub: Arc::clone(&self.hub),
            run: self.run.clone_ref(py),
        })
    }

    /// # Safety
    /// Called by CPython.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().event.content().clone();
        // SAFETY: `view` came from CPython, and the event keeps its content.
        unsafe { fill(slf.into_any(), &bytes, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!(
            "<psfs.Message {} {:?} from {}, {} bytes>",
            self.event.packet_type(),
            self.event.namespace(),
            self.event.peer(),
            self.event.content().len()
        )
    }
}

/// The right to answer one request, later and from any thread. Dropped without an answer, it ends the request with an error.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Responder {
    responder: Mutex<Option<Arc<psfs_core::Responder>>>,
    hub: Arc<Shared>,
    run: Py<PyAny>,
}

impl Responder {
    fn open(&self) -> PyResult<Arc<psfs_core::Responder>> {
        let responder = self
            .responder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        responder
            .clone()
            .ok_or_else(|| Failure::from(ReplyError::Taken("replies (any more)")).into())
    }

    /// Waits for nobody: a reply under way keeps the request open until it is through.
    fn close(&self) -> PyResult<psfs_core::Responder> {
        let mut slot = self
            .responder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(responder) = slot.take() else {
            return Err(Failure::from(ReplyError::Taken("replies (any more)")).into());
        };
        Arc::try_unwrap(responder).map_err(|shared| {
            *slot = Some(shared);
            let text = "a reply is still being sent: wait for it before the end";
            Failure::from(Error::new(Code::Busy, text)).into()
        })
    }
}

#[pymethods]
impl Responder {
    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    fn reply(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let content = input::content(data)?;
        let responder = self.open()?;
        let reply = Operation::new(&self.hub, async move {
            responder.reply(content).await?;
            Ok(Value::Nothing)
        });
        self.run.call1(py, (reply,))
    }

    /// Ends the request well.
    fn end(&self) -> PyResult<()> {
        self.close()?.end();
        Ok(())
    }

    /// Ends the request with an error at the asker: a positive code of your own, and a text.
    fn fail(&self, code: &Bound<'_, PyAny>, text: &str) -> PyResult<()> {
        let code = input::app_code(code)?;
        self.close()?.fail(code, text);
        Ok(())
    }

    /// Whether the asker no longer wants replies.
    #[getter]
    fn cancelled(&self) -> bool {
        self.open()
            .map_or(true, |responder| responder.is_cancelled())
    }
}

/// One reply.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Reply(psfs_core::Reply);

impl Reply {
    pub(crate) fn new(reply: psfs_core::Reply) -> Self {
        Self(reply)
    }
}

#[pymethods]
impl Reply {
    /// What was answered, as a copy.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.content())
    }

    /// What was answered, as a view without a copy.
    #[getter]
    fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Who answered.
    #[getter]
    fn peer(&self) -> String {
        self.0.peer().to_string()
    }

    /// When it was made, by its author's clock, in seconds since 1970.
    #[getter]
    #[expect(
        clippy::cast_precision_loss,
        reason = "ms since 1970 fit for 285,000 years"
    )]
    fn timestamp(&self) -> f64 {
        self.0.timestamp_ms() as f64 / 1000.0
    }

    fn __len__(&self) -> usize {
        self.0.content().len()
    }

    /// # Safety
    /// Called by CPython.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().0.content().clone();
        // SAFETY: `view` came from CPython, and the reply keeps its content.
        unsafe { fill(slf.into_any(), &bytes, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!(
            "<psfs.Reply from {}, {} bytes>",
            self.0.peer(),
            self.0.content().len()
        )
    }
}

/// A known peer, as it was when asked.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Peer {
    /// Its id.
    peer_id: String,
    /// "met", "connected" or "unreachable".
    state: &'static str,
    /// Where it may be dialled.
    addresses: Vec<String>,
    /// How the session signs ("every", "rsa", "lazy"); None without a session.
    signing: Option<&'static str>,
}

impl Peer {
    pub(crate) fn new(info: psfs_core::PeerInfo) -> Self {
        Self {
            peer_id: info.peer.to_string(),
            state: match info.state {
                psfs_core::PeerState::Connected => "connected",
                psfs_core::PeerState::Unreachable => "unreachable",
                _ => "met",
            },
            addresses: info.addresses,
            signing: info.signing.map(|signing| match signing {
                psfs_core::Signing::Lazy => "lazy",
                psfs_core::Signing::Rsa => "rsa",
                _ => "every",
            }),
        }
    }
}

#[pymethods]
impl Peer {
    fn __repr__(&self) -> String {
        format!("<psfs.Peer {} {}>", self.peer_id, self.state)
    }
}

/// What happened to a peer.
#[pyclass(frozen, get_all, module = "psfs")]
#[derive(Default)]
pub(crate) struct PeerEvent {
    /// "discovered", "connected", "authenticated", "disconnected", "unreachable" or "lagged".
    kind: &'static str,
    /// Its id; empty for "lagged".
    peer: String,
    /// Its end of the connection, for "connected".
    address: String,
    /// Why, for "disconnected" and "unreachable".
    reason: String,
    /// The reason's code, for "disconnected": a number of the table of errors.
    code: i32,
    /// Type of what was dropped, for "lagged".
    packet_type: u8,
    /// Namespace of what was dropped, for "lagged".
    namespace: String,
    /// How many were dropped, for "lagged".
    dropped: u64,
}

impl PeerEvent {
    pub(crate) fn new(event: psfs_core::PeerEvent) -> Self {
        use psfs_core::PeerEvent as Core;
        let of = |kind, peer: psfs_core::PeerId| Self {
            kind,
            peer: peer.to_string(),
            ..Self::default()
        };
        match event {
            Core::Discovered { peer } => of("discovered", peer),
            Core::Connected { peer, address } => Self {
                address,
                ..of("connected", peer)
            },
            Core::Authenticated { peer } => of("authenticated", peer),
            Core::Disconnected { peer, reason } => Self {
                code: reason.code as i32,
                reason: reason.text,
                ..of("disconnected", peer)
            },
            Core::Unreachable { peer, reason } => Self {
                reason,
                ..of("unreachable", peer)
            },
            Core::Lagged {
                packet_type,
                namespace,
                dropped,
            } => Self {
                kind: "lagged",
                packet_type: packet_type as u8,
                namespace,
                dropped,
                ..Self::default()
            },
            _ => Self {
                kind: "unknown",
                ..Self::default()
            },
        }
    }
}

#[pymethods]
impl PeerEvent {
    fn __repr__(&self) -> String {
        let about = [&self.peer, &self.address, &self.reason, &self.namespace];
        let about: Vec<&str> = about
            .into_iter()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        format!("<psfs.PeerEvent {} {}>", self.kind, about.join(" "))
    }
}

/// The packet type of a number.
pub(crate) fn packet_type(number: &Bound<'_, PyAny>) -> PyResult<PacketType> {
    const TAKES: &str = "psfs.MESSAGE, BROADCAST, SEEK or REQUEST";
    let known = input::number::<i32>(number, "packet_type", TAKES)?;
    PacketType::try_from(known).map_err(|_| {
        Failure::bad_input(format!("packet type {known} does not exist: use {TAKES}")).into()
    })
}
