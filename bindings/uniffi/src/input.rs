//! What the languages hand in, read once at the edge.

use std::time::Duration;

use psfs_core::{PacketType, PeerId};

use crate::failure::NativeError;

/// A number that is not negative.
pub(crate) fn count(value: i64, name: &str) -> Result<usize, NativeError> {
    usize::try_from(value)
        .map_err(|_| NativeError::bad_input(format!("{name} is {value}: give 0 or more")))
}

/// The same of bytes.
pub(crate) fn bytes(value: i64, name: &str) -> Result<u64, NativeError> {
    count(value, name).map(|bytes| bytes as u64)
}

/// A part of all, 0 to 1.
pub(crate) fn part(value: f64, name: &str) -> Result<f64, NativeError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(NativeError::bad_input(format!(
        "{name} is {value}: give 0 to 1"
    )))
}

/// Milliseconds; 2^63 - 1 is as good as for ever.
pub(crate) fn milliseconds(value: i64, name: &str) -> Result<Duration, NativeError> {
    match u64::try_from(value) {
        Ok(value) => Ok(Duration::from_millis(value)),
        Err(_) => Err(NativeError::bad_input(format!(
            "{name} is negative ({value} ms): give 0 or more"
        ))),
    }
}

/// A peer id in text.
pub(crate) fn peer(text: &str) -> Result<PeerId, NativeError> {
    Ok(text.parse::<PeerId>()?)
}

/// The packet type of a number.
pub(crate) fn packet_type(number: i32) -> Result<PacketType, NativeError> {
    PacketType::try_from(number).map_err(|_| {
        NativeError::bad_input(format!(
            "packet type {number} does not exist: 1 is MESSAGE, 2 BROADCAST, 3 SEEK, 4 REQUEST"
        ))
    })
}
