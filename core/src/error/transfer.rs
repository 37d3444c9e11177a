//! Sharing, getting and keeping files.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::own::StoreError;
use super::start::SubscribeError;
use super::{Code, Error, within};

/// A call about files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// This file or folder here cannot be used.
    #[error("{}: {reason}", path.display())]
    Path {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something else at the place where a file is to go.
    #[error("{} exists already and is another file: give another destination, or move it away", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Another call, or another process, is getting a file to this place.
    #[error("something else is getting a file to {} at the moment", path.display())]
    Busy {
        /// Where.
        path: PathBuf,
    },
    /// The disk has too little room.
    #[error("{} needs {need} bytes, its disk has {free} free", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes that are missing here.
        need: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A file was changed since it was shared.
    #[error("{} is not what it was when it was shared: share it again", path.display())]
    Changed {
        /// Which one.
        path: PathBuf,
    },
    /// Nobody who can be reached has it.
    #[error("nobody who has {root} was found {}{}", within(*.after), said(.reasons))]
    NoSource {
        /// The id asked for.
        root: String,
        /// How long somebody was looked for.
        after: Duration,
        /// Why those that were asked gave nothing, `;` between them.
        reasons: String,
    },
    /// Those who have it do not give it.
    #[error("{root} is not given: {reasons}")]
    Refused {
        /// The id asked for.
        root: String,
        /// Each one's reason, `;` between them.
        reasons: String,
    },
    /// Nothing is shared or kept under this id here.
    #[error("there is no file {0} here")]
    NotFound(String),
    /// A ticket, token, root, name or option that is none.
    #[error("{0}")]
    BadInput(String),
    /// Over what this owner may keep.
    #[error("{0}")]
    Quota(String),
    /// It has more bytes than are taken.
    #[error("{0}")]
    TooLarge(String),
    /// Who was asked to keep a file, or of files, cannot be reached.
    #[error("{server} was not reached {}{}", within(*.after), said(.reason))]
    Unreachable {
        /// Its peer id.
        server: String,
        /// How long it was tried.
        after: Duration,
        /// What came in between, last.
        reason: String,
    },
    /// A token that gives no right to this.
    #[error("{0}")]
    Token(String),
    /// What was given does not end in time.
    #[error("not done {}", within(*.0))]
    Timeout(Duration),
    /// This satellite's own database failed.
    #[error("{0}")]
    Store(String),
    /// It was cancelled. What came is kept, the same call goes on from there.
    #[error("cancelled; the same call goes on from here")]
    Cancelled,
    /// The satellite does not run.
    #[error("the satellite is not running")]
    Closed,
}

fn said(reasons: &str) -> String {
    if reasons.is_empty() {
        String::new()
    } else {
        format!(": {reasons}")
    }
}

impl TransferError {
    /// What the system says of a path.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
            io::ErrorKind::PermissionDenied => "it may not be read or written by this user".into(),
            StorageFull | QuotaExceeded => "the disk is full; what came so far is kept".into(),
            FileTooLarge => "the file is larger than this disk allows".into(),
            _ => error.to_string(),
        };
        Self::Path {
            path: path.to_owned(),
            reason,
        }
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<SubscribeError> for TransferError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Closed => Self::Closed,
            other => Self::Store(other.to_string()),
        }
    }
}

family!(TransferError {
    Self::Path { .. } | Self::BadInput(_) => BadInput,
    Self::Exists { .. } => Conflict,
    Self::Busy { .. } => Busy,
    Self::NoRoom { .. } | Self::Store(_) => Io,
    Self::Changed { .. } => Conflict,
    Self::NoSource { .. } => NoPeers,
    Self::TooLarge(_) => TooLarge,
    Self::Unreachable { .. } => Unreachable,
    Self::Refused { .. } | Self::Quota(_) | Self::Token(_) => Refused,
    Self::NotFound(_) => NotFound,
    Self::Timeout(_) => Timeout,
    Self::Cancelled => Cancelled,
    Self::Closed => Closed,
});
