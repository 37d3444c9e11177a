//! What is said of files: what is shared, tickets, how far a transfer is, what came, what is kept, and how much may be.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::errors::Failure;
use crate::values::seconds;

/// A file or folder that is shared.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Shared {
    /// Its id: 64 hexadecimal digits. Of a folder that of the list of its files.
    root: String,
    /// Its bytes; of a folder those of all its files.
    size: u64,
    /// Where it is.
    path: PathBuf,
    /// Whether it is a folder.
    is_folder: bool,
}

impl From<psfs_core::Shared> for Shared {
    fn from(shared: psfs_core::Shared) -> Self {
        Self {
            root: shared.root.to_string(),
            size: shared.size,
            path: shared.path,
            is_folder: shared.is_folder,
        }
    }
}

#[pymethods]
impl Shared {
    fn __repr__(&self) -> String {
        format!("<psfs.Shared {} {}>", self.root, self.path.display())
    }
}

/// All that is needed to get a file or folder. `str(ticket)` is the text that can be pasted, `psfs.Ticket(text)` reads it. Nothing in it is
/// proved before the file comes; whoever has the text may use it.
#[pyclass(frozen, module = "psfs")]
pub(crate) struct Ticket(pub(crate) psfs_core::Ticket);

#[pymethods]
impl Ticket {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        Ok(Self(text.parse().map_err(Failure::from)?))
    }

    /// The id of the file, or of the folder's list: 64 hexadecimal digits.
    #[getter]
    fn root(&self) -> String {
        self.0.root().to_string()
    }

    /// Whether it is a folder.
    #[getter]
    fn is_folder(&self) -> bool {
        self.0.is_folder()
    }

    /// Bytes in all, as its issuer says.
    #[getter]
    fn size(&self) -> u64 {
        self.0.size()
    }

    /// What it is called, as its issuer says: one part of a path, without folders.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Who has it: a peer id.
    #[getter]
    fn issuer(&self) -> String {
        self.0.issuer().to_string()
    }

    /// Where that is: multiaddresses.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.0.addresses().to_vec()
    }

    /// The name under which to meet.
    #[getter]
    fn rendezvous(&self) -> &str {
        self.0.rendezvous()
    }

    /// Whether that network has a secret, which is not in the ticket.
    #[getter]
    fn needs_secret(&self) -> bool {
        self.0.needs_secret()
    }

    /// Until when it holds, in seconds since 1970; None if it gives no right, as what is shared with everybody needs none.
    #[getter]
    fn expires(&self) -> Option<f64> {
        Some(seconds(self.0.expires()?.saturating_mul(1000)))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    /// Without the right that is in it.
    fn __repr__(&self) -> String {
        let (root, size) = (self.0.root(), self.0.size());
        format!("<psfs.Ticket {root}, {size} bytes>")
    }
}

/// How far a transfer is.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Progress {
    /// Bytes that were checked and written, now and earlier.
    bytes: u64,
    /// Bytes in all; 0 while that is not known.
    size: u64,
    /// Bytes a second, of late.
    rate: u64,
    /// How many are asked at the moment.
    sources: usize,
    /// How many seconds the rest takes at this rate; None if that cannot be said.
    time_left: Option<f64>,
}

impl From<psfs_core::Progress> for Progress {
    fn from(progress: psfs_core::Progress) -> Self {
        Self {
            bytes: progress.bytes,
            size: progress.size,
            rate: progress.rate,
            sources: progress.sources,
            time_left: progress.time_left().map(|left| left.as_secs_f64()),
        }
    }
}

#[pymethods]
impl Progress {
    fn __repr__(&self) -> String {
        format!(
            "<psfs.Progress {} of {} bytes, {} a second from {}>",
            self.bytes, self.size, self.rate, self.sources
        )
    }
}

/// A file or folder that has come, or is kept elsewhere now.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Received {
    /// Its id: 64 hexadecimal digits.
    root: String,
    /// Its bytes.
    size: u64,
    /// Where it is.
    path: PathBuf,
    /// Whether it is a folder.
    is_folder: bool,
}

impl From<psfs_core::Received> for Received {
    fn from(received: psfs_core::Received) -> Self {
        Self {
            root: received.root.to_string(),
            size: received.size,
            path: received.path,
            is_folder: received.is_folder,
        }
    }
}

#[pymethods]
impl Received {
    fn __repr__(&self) -> String {
        format!("<psfs.Received {} {}>", self.root, self.path.display())
    }
}

/// A file or folder that somebody has.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct FileInfo {
    /// Its id: 64 hexadecimal digits. Of a folder that of the list of its files.
    root: String,
    /// Its bytes; of a folder those of all its files.
    size: u64,
    /// Whether it is a folder.
    is_folder: bool,
    /// What its owner calls it.
    name: String,
    /// Its owner's tags, in the order of their bytes.
    tags: Vec<String>,
    /// Its SHA-256, 64 hexadecimal digits, if it was computed.
    sha256: Option<String>,
    /// Since when it is its owner's, in seconds since 1970.
    added: f64,
    /// Where it is, if it is here and still what it was, so that others can get it. None for a file at another satellite.
    path: Option<PathBuf>,
}

impl From<psfs_core::FileInfo> for FileInfo {
    fn from(info: psfs_core::FileInfo) -> Self {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            root: info.root.to_string(),
            size: info.size,
            is_folder: info.is_folder,
            name: info.name,
            tags: info.tags,
            sha256: info.sha256.map(hex),
            added: seconds(info.added_ms),
            path: info.path,
        }
    }
}

#[pymethods]
impl FileInfo {
    fn __repr__(&self) -> String {
        let Self { root, name, .. } = self;
        format!("<psfs.FileInfo {root} {name:?}, {} bytes>", self.size)
    }
}

/// What an owner may keep here, and has.
#[pyclass(frozen, get_all, module = "psfs")]
pub(crate) struct Quota {
    /// Whose.
    owner: String,
    /// In bytes; None for no limit.
    limit: Option<u64>,
    /// Bytes of files that others had kept here for the owner; folders cost their lists, and 1 KiB for each file, as well. What is shared where it
    /// lies costs nothing.
    used: u64,
    /// Bytes reserved for uploads that are under way.
    reserved: u64,
    /// How many files, also those that cost nothing.
    files: u64,
    /// How many uploads are under way.
    uploads: u64,
}

impl Quota {
    pub(crate) fn new(owner: String, quota: psfs_core::Quota) -> Self {
        Self {
            owner,
            limit: quota.limit,
            used: quota.used,
            reserved: quota.reserved,
            files: quota.files,
            uploads: quota.uploads,
        }
    }
}

#[pymethods]
impl Quota {
    fn __repr__(&self) -> String {
        let limit = match self.limit {
            Some(limit) => format!("of {limit} bytes"),
            None => "bytes, no limit".to_owned(),
        };
        let Self { owner, used, .. } = self;
        format!("<psfs.Quota {owner:?}: {used} {limit}>")
    }
}
