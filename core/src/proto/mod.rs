//! The bottom layer: codecs and state machines. Bytes come in; values, bytes and decisions go out.
//!
//! What it is not: there is no socket, no task, no clock and no randomness here. Whoever calls hands in the time (ms since
//! 1970) and the seeds. So a thousand machines run in one test in virtual time, and one and the same input gives one and
//! the same output.
//!
//! Everything that parses is fed by strangers: it refuses, it does not panic, and what it keeps has a named bound.

pub(crate) mod alive;
pub(crate) mod cast;
pub(crate) mod dht;
pub(crate) mod filestoraged;
pub(crate) mod frame;
pub(crate) mod keys;
pub(crate) mod merkle;
pub(crate) mod packet;
pub(crate) mod pair;
pub(crate) mod parts;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "sessions sign and check so that it holds; the receipts of the DHT (issue 4) are the first to show a proof"
    )
)]
pub(crate) mod proof;
pub(crate) mod replay;
pub(crate) mod roster;
pub(crate) mod session;
pub(crate) mod signed;
#[cfg(test)]
mod sim;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
pub(crate) mod transfer;
pub(crate) mod tree;
mod varint;
#[cfg(test)]
mod vectors;

/// The messages of `proto/psfs.proto`, as generated.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::use_self,
    reason = "generated; what the fields mean stands in the .proto file"
)]
pub(crate) mod wire {
    include!(concat!(env!("OUT_DIR"), "/psfs.rs"));
}

/// The time since the satellite's start. Machines are handed it and never read a clock.
pub(crate) type Now = std::time::Duration;

/// How far two clocks may be apart, in ms, before their owners stop believing each other.
pub(crate) const SKEW_MS: u64 = 2 * 60 * 1000;
