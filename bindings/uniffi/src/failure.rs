//! Errors on their way out, as both languages meet them.

use psfs_core::error::RequestError;
use psfs_core::{Code, Error, ErrorKind};

/// What a program may want to tell apart: a class or case of each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativeKind {
    /// The time given was over first.
    Timeout,
    /// The peer cannot be reached, the session with it ended, or nobody is connected.
    PeerUnreachable,
    /// The peer refuses, or a limit of open things is reached.
    Refused,
    /// The peer was never met, or it serves no such namespace.
    NotFound,
    /// The satellite is not running, or the operation was cancelled.
    Closed,
    /// An argument is outside what is allowed; the text names it.
    BadInput,
    /// The handler at the peer failed.
    Remote,
    /// Anything else; see the code.
    Other,
}

impl From<ErrorKind> for NativeKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Unreachable => Self::PeerUnreachable,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Closed => Self::Closed,
            ErrorKind::BadInput => Self::BadInput,
            ErrorKind::Remote => Self::Remote,
            // A kind that a later core has, too.
            _ => Self::Other,
        }
    }
}

/// An error as data.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeFailure {
    /// Its kind.
    pub kind: NativeKind,
    /// Its number in the core's table, never renumbered: the C status.
    pub code: i32,
    /// The name of that number: `TIMEOUT`, `BAD_ADDRESS`.
    pub name: String,
    /// What happened, in one line.
    pub text: String,
    /// What to do next, in one sentence.
    pub hint: String,
    /// What the handler at the peer said, for [`NativeKind::Remote`]: its own positive code, or the library's.
    pub remote_code: i32,
    /// And its text.
    pub remote_text: String,
}

/// The error of every exported function.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The one case, so that both languages meet a failure in one form, thrown or handed out by a hub.
    Failed {
        /// What failed.
        failure: NativeFailure,
    },
}

impl std::fmt::Display for NativeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Failed { failure } = self;
        f.write_str(&failure.text)
    }
}

impl<E: Into<Error>> From<E> for NativeError {
    fn from(error: E) -> Self {
        let error = error.into();
        Self::Failed {
            failure: NativeFailure {
                kind: error.kind().into(),
                code: error.code() as i32,
                name: error.code().name().to_owned(),
                text: error.message().to_owned(),
                hint: error.hint().to_owned(),
                remote_code: 0,
                remote_text: String::new(),
            },
        }
    }
}

impl NativeError {
    /// Keeps what the peer's application said.
    pub(crate) fn of_request(error: RequestError) -> Self {
        let said = match &error {
            RequestError::Failed { code, text, .. } => Some((*code, text.clone())),
            _ => None,
        };
        let Self::Failed { mut failure } = error.into();
        if let Some((code, text)) = said {
            (failure.remote_code, failure.remote_text) = (code, text);
        }
        Self::Failed { failure }
    }

    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Error::new(code, text).into()
    }

    pub(crate) fn bad_input(text: impl Into<String>) -> Self {
        Self::new(Code::BadInput, text)
    }
}

/// A failure that a language's own half found: a number of the table, with a text of its own.
#[uniffi::export]
pub fn native_failure(code: i32, text: String) -> NativeFailure {
    let code = Code::from_number(code).unwrap_or(Code::Internal);
    let NativeError::Failed { failure } = NativeError::new(code, text);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use psfs_core::Identity;

    #[test]
    fn every_code_has_its_name_hint_and_kind() {
        for code in Code::ALL {
            let NativeError::Failed { failure } = NativeError::new(*code, "why");
            // Only what has no kind in the core may have none here.
            let other = failure.kind == NativeKind::Other;
            assert_eq!(other, code.kind() == ErrorKind::Other, "{code}");
            assert_eq!((failure.code, &*failure.name), (*code as i32, code.name()));
            assert_eq!((&*failure.text, &*failure.hint), ("why", code.hint()));
        }
    }

    #[test]
    fn what_the_peers_handler_said_is_kept() {
        let peer = Identity::generate().unwrap().peer_id();
        let error = RequestError::Failed {
            peer,
            code: 42,
            text: "no".into(),
        };
        let NativeError::Failed { failure } = NativeError::of_request(error);
        assert_eq!(failure.kind, NativeKind::Remote);
        assert_eq!((failure.remote_code, &*failure.remote_text), (42, "no"));
    }
}
