//! Errors on their way to Python: the class is that of the code's kind.

use psfs_core::error::RequestError;
use psfs_core::{Code, Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// An error, with what the peer's application said if it was that which failed.
pub(crate) struct Failure {
    error: Error,
    app: Option<(i32, String)>,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            app: None,
        }
    }
}

impl Failure {
    /// Keeps what the peer's application said.
    pub(crate) fn of_request(error: RequestError) -> Self {
        let app = match &error {
            RequestError::Failed { code, text, .. } => Some((*code, text.clone())),
            _ => None,
        };
        Self {
            error: error.into(),
            app,
        }
    }

    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Error::new(Code::BadInput, message).into()
    }
}

/// The Python function that makes exceptions.
static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| {
            let make = MAKE.import(py, "psfs._errors", "make");
            let error = &failure.error;
            let (app_code, app_text) = failure.app.unzip();
            match make.and_then(|make| {
                make.call1((
                    error.code() as i32,
                    error.message(),
                    error.hint(),
                    app_code,
                    app_text,
                ))
            }) {
                Ok(exception) => Self::from_value(exception),
                Err(error) => error,
            }
        })
    }
}

/// Number, name, hint and class of every code.
pub(crate) fn table() -> Vec<(i32, &'static str, &'static str, &'static str)> {
    Code::ALL
        .iter()
        .map(|code| (*code as i32, code.name(), code.hint(), class(code.kind())))
        .collect()
}

/// The name of the class of a kind.
fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Timeout => "Timeout",
        ErrorKind::Unreachable => "PeerUnreachable",
        ErrorKind::Refused => "Refused",
        ErrorKind::NotFound => "NotFound",
        ErrorKind::Closed => "Closed",
        ErrorKind::BadInput => "BadInput",
        ErrorKind::Remote => "RemoteError",
        // A kind that a later core has, too.
        _ => "Error",
    }
}
