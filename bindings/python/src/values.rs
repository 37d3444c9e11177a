//! What the DHT hands out: values, what nodes said of them, and what is followed on the way.

use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use psfs_core::{Code, Kind, Role, StoreOutcome};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::errors::Failure;
use crate::message::fill;

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "plain",
        Kind::Raw => "raw",
        Kind::Signed => "signed",
        // A kind that a later core has, too.
        _ => "unknown",
    }
}

const ROLES: [(&str, Role); 3] = [
    ("node", Role::Node),
    ("mirror", Role::Mirror),
    ("client", Role::Client),
];

pub(crate) fn role_name(role: Role) -> &'static str {
    ROLES
        .iter()
        .find(|(_, known)| *known == role)
        .map_or("unknown", |(name, _)| name)
}

pub(crate) fn role(option: &str, name: &str) -> PyResult<Role> {
    let known = ROLES.iter().find(|(known, _)| *known == name);
    known.map(|(_, role)| *role).ok_or_else(|| {
        Failure::bad_input(format!(
            "{option} is {name:?}: say \"node\", \"mirror\" or \"client\""
        ))
        .into()
    })
}

/// Seconds since 1970.
#[expect(
    clippy::cast_precision_loss,
    reason = "ms since 1970 fit for 285,000 years"
)]
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// What one node did about a value.
#[pyclass(frozen, get_all, module = "psfs")]
#[derive(Clone)]
pub(crate) struct StoreAnswer {
    /// Which node; this satellite may be one of them.
    peer: String,
    /// "kept", "had", "refused" or "failed".
    outcome: &'static str,
    /// Whether the node keeps it: "kept" or "had".
    keeps: bool,
    /// Why it refused ("policy", "quota", "too large", "too far", "blacklisted", "busy", "invalid", "conflict"), else None.
    reason: Option<&'static str>,
    /// In the node's words, or what went wrong; empty if it keeps it.
    text: String,
}

impl StoreAnswer {
    fn new(answer: &psfs_core::Answer) -> Self {
        let (outcome, reason, text) = match &answer.outcome {
            StoreOutcome::Kept => ("kept", None, String::new()),
            StoreOutcome::Had => ("had", None, String::new()),
            StoreOutcome::Refused { reason, text } => {
                ("refused", Some(reason.name()), text.clone())
            }
            StoreOutcome::Failed(text) => ("failed", None, text.clone()),
            other => ("failed", None, other.to_string()),
        };
        Self {
            peer: answer.peer.to_string(),
            outcome,
            keeps: answer.outcome.keeps(),
            reason,
            text,
        }
    }
}

#[pymethods]
impl StoreAnswer {
    fn __repr__(&self) -> String {
        let about = [self.reason.unwrap_or_default(), &self.text].map(|text| format!(" {text}"));
        let about = about.concat();
        format!(
            "<psfs.StoreAnswer {} {}{}>",
            self.peer,
            self.outcome,
            about.trim_end()
        )
    }
}

/// What became of a value that was stored or deleted.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Stored {
    /// Where it is: 64 hexadecimal digits.
    key: String,
    /// Its number, of a signed value; 0 otherwise.
    sequence: u64,
    /// How many nodes keep it (or deleted it), those that had it already among them.
    nodes: usize,
    /// What each node answered that was asked, the nearest to the key first.
    answers: Vec<StoreAnswer>,
    /// Who stored it for this satellite, which reached too few nodes itself: then the answers are what that node says. Else None.
    proxy: Option<String>,
}

impl Stored {
    pub(crate) fn new(stored: &psfs_core::Stored) -> Self {
        Self {
            key: stored.key().to_string(),
            sequence: stored.sequence(),
            nodes: stored.nodes(),
            answers: stored.answers().iter().map(StoreAnswer::new).collect(),
            proxy: stored.proxy().map(ToString::to_string),
        }
    }
}

#[pymethods]
impl Stored {
    fn __repr__(&self) -> String {
        format!(
            "<psfs.Stored {} at {} of {} nodes>",
            self.key,
            self.nodes,
            self.answers.len()
        )
    }
}

/// A value that was fetched, and checked as far as its kind allows. `memoryview(value)` is its content without a copy.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Value(pub(crate) psfs_core::Value);

#[pymethods]
impl Value {
    /// Its content, as a copy.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.content())
    }

    /// Its content, as a view without a copy.
    #[getter]
    fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Where it is: 64 hexadecimal digits.
    #[getter]
    fn key(&self) -> String {
        self.0.key().to_string()
    }

    /// What proves it: "plain" (its key), "signed" (its publisher's signature) or "raw" (nothing).
    #[getter]
    fn kind(&self) -> &'static str {
        kind(self.0.kind())
    }

    /// Who stored it. Proved for signed values only.
    #[getter]
    fn publisher(&self) -> String {
        self.0.publisher().to_string()
    }

    /// Its number, of a signed value; 0 otherwise.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    /// When it is forgotten unless it is stored again, in seconds since 1970.
    #[getter]
    fn expires(&self) -> f64 {
        seconds(self.0.expires_ms())
    }

    /// Whether its publisher has deleted it: only a watch tells of such ones, and they have no content.
    #[getter]
    fn deleted(&self) -> bool {
        self.0.content().is_empty()
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
        // SAFETY: `view` came from CPython, and the value keeps its content.
        unsafe { fill(slf.into_any(), &bytes, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!(
            "<psfs.Value {} {}, {} bytes>",
            kind(self.0.kind()),
            self.0.key(),
            self.0.content().len()
        )
    }
}

/// What was sealed for this satellite. `memoryview(opened)` is its content without a copy.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Opened(pub(crate) psfs_core::Opened);

#[pymethods]
impl Opened {
    /// What was sealed, as a copy.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.content)
    }

    /// What was sealed, as a view without a copy.
    #[getter]
    fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Who is said to have sealed it.
    #[getter]
    fn sender(&self) -> String {
        self.0.sender.to_string()
    }

    /// Whether that is proved: by the signature of a signed value.
    #[getter]
    fn proved(&self) -> bool {
        self.0.proved
    }

    fn __len__(&self) -> usize {
        self.0.content.len()
    }

    /// # Safety
    /// Called by CPython.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().0.content.clone();
        // SAFETY: `view` came from CPython, and the opened value keeps its content.
        unsafe { fill(slf.into_any(), &bytes, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!(
            "<psfs.Opened from {}, {} bytes>",
            self.0.sender,
            self.0.content.len()
        )
    }
}

/// A value that somebody would like this satellite to keep. Asked about once when it is announced (no content yet, unless it is small),
/// and once more when the content is here. Dropped without a word it is refused.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Offer {
    /// Where it would be kept: 64 hexadecimal digits.
    #[pyo3(get)]
    key: String,
    /// What proves it: "plain", "signed" or "raw".
    #[pyo3(get)]
    kind: &'static str,
    /// Bytes of its content.
    #[pyo3(get)]
    size: u64,
    /// Who stored it. Proved for signed values only.
    #[pyo3(get)]
    publisher: String,
    /// Who offers it: proved.
    #[pyo3(get)]
    peer: String,
    /// When it is to be forgotten, in seconds since 1970.
    #[pyo3(get)]
    expires: f64,
    content: Option<Bytes>,
    open: Mutex<Option<psfs_core::Offer>>,
}

impl Offer {
    pub(crate) fn new(offer: psfs_core::Offer) -> Self {
        Self {
            key: offer.key().to_string(),
            kind: kind(offer.kind()),
            size: offer.size(),
            publisher: offer.publisher().to_string(),
            peer: offer.peer().to_string(),
            expires: seconds(offer.expires_ms()),
            content: offer.content().cloned(),
            open: Mutex::new(Some(offer)),
        }
    }

    fn take(&self) -> Option<psfs_core::Offer> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.take()
    }
}

#[pymethods]
impl Offer {
    /// Its content as a copy, once it is here; before, None.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        Some(PyBytes::new(py, self.content.as_ref()?))
    }

    /// Its content as a view without a copy, once it is here; before, None.
    #[getter]
    fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        let here = slf.get().content.is_some();
        here.then(|| PyMemoryView::from(slf.as_any())).transpose()
    }

    /// Keeps it. The first word holds.
    fn keep(&self) {
        if let Some(offer) = self.take() {
            offer.keep();
        }
    }

    /// Does not keep it; the text (its first 256 bytes) is told to who offers it. The first word holds.
    fn refuse(&self, text: &str) {
        if let Some(offer) = self.take() {
            offer.refuse(text);
        }
    }

    /// # Safety
    /// Called by CPython.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let Some(bytes) = slf.get().content.clone() else {
            return Err(PyBufferError::new_err("the content is not here yet"));
        };
        // SAFETY: `view` came from CPython, and the offer keeps its content.
        unsafe { fill(slf.into_any(), &bytes, view, flags) }
    }

    fn __repr__(&self) -> String {
        format!(
            "<psfs.Offer {} {}, {} bytes from {}>",
            self.kind, self.key, self.size, self.peer
        )
    }
}

/// What a node answered to a command.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct CustomAnswer {
    /// Which node.
    peer: String,
    /// Its answers.
    answers: Vec<Py<PyBytes>>,
    /// Why there are none: an Error, else None.
    error: Option<Py<PyAny>>,
}

impl CustomAnswer {
    pub(crate) fn new(py: Python<'_>, answer: psfs_core::CustomAnswer) -> Self {
        let peer = answer.peer.to_string();
        match answer.answers {
            Ok(answers) => Self {
                peer,
                answers: answers
                    .iter()
                    .map(|bytes| PyBytes::new(py, bytes).unbind())
                    .collect(),
                error: None,
            },
            Err(error) => {
                let error = PyErr::from(Failure::of_request(error));
                Self {
                    peer,
                    answers: Vec::new(),
                    error: Some(error.into_value(py).into_any()),
                }
            }
        }
    }
}

#[pymethods]
impl CustomAnswer {
    fn __repr__(&self) -> String {
        match &self.error {
            None => format!(
                "<psfs.CustomAnswer {} {} answers>",
                self.peer,
                self.answers.len()
            ),
            Some(error) => format!("<psfs.CustomAnswer {} {error}>", self.peer),
        }
    }
}

/// One question on the way to a key.
#[pyclass(frozen, get_all, module = "psfs")]
#[derive(Clone)]
pub(crate) struct Hop {
    /// Who was asked.
    peer: String,
    /// How many told of each other before it: 1 for those this satellite knew.
    depth: u32,
    /// Which of the separate ways it is on, from 0.
    path: usize,
    /// How many bits its place has in common with the key.
    common_bits: u32,
    /// Seconds until it answered; None: it was not waited for.
    took: Option<f64>,
    /// What it answered, for people.
    outcome: String,
}

#[pymethods]
impl Hop {
    fn __repr__(&self) -> String {
        format!(
            "<psfs.Hop {} of way {}: {} {}>",
            self.depth, self.path, self.peer, self.outcome
        )
    }
}

/// A walk to a key, question by question.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Trace {
    /// Where it went: 64 hexadecimal digits.
    key: String,
    /// In the order in which they were asked.
    hops: Vec<Hop>,
    /// Who has the value; this satellite may be one of them.
    holders: Vec<String>,
    /// The nearest nodes that answered, the nearest first.
    closest: Vec<String>,
}

impl Trace {
    pub(crate) fn new(trace: psfs_core::Trace) -> Self {
        let ids = |peers: Vec<psfs_core::PeerId>| peers.iter().map(ToString::to_string).collect();
        Self {
            key: trace.key.to_string(),
            hops: trace
                .hops
                .into_iter()
                .map(|hop| Hop {
                    peer: hop.peer.to_string(),
                    depth: hop.depth,
                    path: hop.path,
                    common_bits: hop.common_bits,
                    took: hop.took.map(|took| took.as_secs_f64()),
                    outcome: hop.outcome,
                })
                .collect(),
            holders: ids(trace.holders),
            closest: ids(trace.closest),
        }
    }
}

#[pymethods]
impl Trace {
    fn __repr__(&self) -> String {
        format!(
            "<psfs.Trace {}, {} hops, {} holders>",
            self.key,
            self.hops.len(),
            self.holders.len()
        )
    }
}

/// A node that this satellite knows.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct RoutingRow {
    /// How many bits its place has in common with this satellite's.
    bucket: u32,
    /// Who.
    peer: String,
    /// "proved" (it was heard itself), "met" (others told of it), "failing", or "spare" (there was no room).
    state: &'static str,
    /// How many seconds ago it was last heard, or heard of.
    unseen: f64,
}

impl RoutingRow {
    pub(crate) fn new(row: &psfs_core::RoutingRow) -> Self {
        Self {
            bucket: row.bucket,
            peer: row.peer.to_string(),
            state: row.state,
            unseen: row.unseen.as_secs_f64(),
        }
    }
}

#[pymethods]
impl RoutingRow {
    fn __repr__(&self) -> String {
        format!(
            "<psfs.RoutingRow {} {} {}>",
            self.bucket, self.peer, self.state
        )
    }
}

/// One line of what nodes say of themselves.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct DebugLine {
    /// Which node says it.
    peer: String,
    /// What, for people.
    line: String,
}

impl DebugLine {
    pub(crate) fn new(line: psfs_core::DebugLine) -> Self {
        Self {
            peer: line.peer.to_string(),
            line: line.line,
        }
    }
}

#[pymethods]
impl DebugLine {
    fn __repr__(&self) -> String {
        format!("<psfs.DebugLine {}: {}>", self.peer, self.line)
    }
}

/// What a satellite that does not run answers, also where nothing is asked of it.
pub(crate) fn not_running() -> Failure {
    psfs_core::Error::new(Code::Closed, "the satellite is not running").into()
}
