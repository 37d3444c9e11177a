//! What Python hands in, read once at the edge.

use std::time::Duration;

use bytes::Bytes;
use psfs_core::{Code, Error, PeerId};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString};

use crate::errors::Failure;

/// From this size on, `bytes` are not copied: below, a copy costs less than keeping the object.
const KEEP_FROM: usize = 16 * 1024;

/// The content of a packet. `bytes` of 16 KiB and more are kept instead of copied; what can change under our hands (`bytearray`,
/// writable memory) is copied once.
pub(crate) fn content(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    bytes(data, "content")
}

/// The same for what has another name.
pub(crate) fn bytes(data: &Bound<'_, PyAny>, name: &str) -> PyResult<Bytes> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        if bytes.as_bytes().len() < KEEP_FROM {
            return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
        }
        return Ok(Bytes::from_owner(PyBackedBytes::from(bytes.clone())));
    }
    if let Ok(text) = data.cast::<PyString>() {
        let text = text.to_str().map_err(|error| {
            // Half of a surrogate pair.
            Failure::from(Error::new(Code::Utf8, format!("{name}: {error}")))
        })?;
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    let Ok(buffer) = PyBuffer::<u8>::get(data) else {
        let kind = data.get_type().name()?;
        return Err(Failure::bad_input(format!(
            "{name} is {kind}: give bytes, bytearray, memoryview of bytes, or str"
        ))
        .into());
    };
    Ok(buffer.to_vec(data.py())?.into())
}

/// Seconds; `None`, and more than can be counted, is for ever.
pub(crate) fn seconds(value: Option<f64>, name: &str) -> PyResult<Duration> {
    let Some(value) = value else {
        return Ok(Duration::MAX);
    };
    match Duration::try_from_secs_f64(value) {
        Ok(duration) => Ok(duration),
        Err(_) if value >= 0.0 => Ok(Duration::MAX),
        Err(_) => Err(Failure::bad_input(format!(
            "{name} is {value}: give seconds, 0 or more, or None for ever"
        ))
        .into()),
    }
}

/// A whole number that Python holds and we may not: `takes` says what we do.
pub(crate) fn number<'py, T>(value: &Bound<'py, PyAny>, name: &str, takes: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract::<T>().map_err(|error| {
        let py = value.py();
        if error.is_instance_of::<PyOverflowError>(py) {
            Failure::bad_input(format!("{name} is {value}: give {takes}")).into()
        } else if error.is_instance_of::<PyTypeError>(py) {
            PyTypeError::new_err(format!("argument '{name}': {}", error.value(py)))
        } else {
            error
        }
    })
}

/// A number of things.
pub(crate) fn count(value: &Bound<'_, PyAny>, name: &str) -> PyResult<usize> {
    number(value, name, "0 or more")
}

/// The code that a handler fails with; 0 is the library's HANDLER_FAILED.
pub(crate) fn app_code(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    const TAKES: &str = "1 to 2147483647";
    match number(value, "code", TAKES)? {
        code @ 0.. => Ok(code),
        code => Err(Failure::bad_input(format!("code is {code}: give {TAKES}")).into()),
    }
}

/// A peer id in text.
pub(crate) fn peer(text: &str) -> PyResult<PeerId> {
    text.parse::<PeerId>()
        .map_err(|error| Failure::from(error).into())
}
