//! Storing and fetching in the DHT.

use std::time::Duration;

use super::own::StoreError;
use super::start::SubscribeError;
use super::talk::SendError;
use super::{Code, Error, within};
use crate::identity::PeerId;
use crate::key::Key;

/// A call of the DHT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DhtError {
    /// There is nothing to store.
    #[error("the value is empty: give at least one byte")]
    Empty,
    /// The value is over the limit.
    #[error("the value has {size} bytes, max_item_size is {limit}")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nobody is there to store it or to ask.
    #[error("no node of the DHT is known: nobody is connected yet")]
    NoPeers,
    /// Nobody keeps it, each for a reason of its own.
    #[error("no node does it for {key}: {reasons}")]
    NotKept {
        /// The value.
        key: Key,
        /// Each node's answer, `;` between them.
        reasons: String,
    },
    /// No node near the key has it.
    #[error("no value under {key}: {asked} nodes were asked")]
    NotFound {
        /// Where it was looked for.
        key: Key,
        /// How many nodes were asked.
        asked: usize,
    },
    /// There is another value, or a newer one.
    #[error("not stored under {key}: {text}")]
    Conflict {
        /// The value.
        key: Key,
        /// What is there instead.
        text: String,
    },
    /// The recipient's public key cannot be had.
    #[error(
        "the public key of {0} is not known: there is no session with it, and it has not published it"
    )]
    NoKey(PeerId),
    /// A value cannot be opened.
    #[error("the value cannot be opened: {0}")]
    Sealed(String),
    /// An option or argument is outside its range.
    #[error("option {option}: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is allowed.
        reason: String,
    },
    /// The time given was over first.
    #[error("not done {}", within(*.0))]
    Timeout(Duration),
    /// This satellite's own database failed.
    #[error("{0}")]
    Store(String),
    /// The satellite does not run.
    #[error("the satellite is not running")]
    Closed,
    /// It could not be sent.
    #[error(transparent)]
    Send(SendError),
}

impl From<StoreError> for DhtError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<SubscribeError> for DhtError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Closed => Self::Closed,
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<SendError> for DhtError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed => Self::Closed,
            other => Self::Send(other),
        }
    }
}

family!(DhtError {
    Self::Empty | Self::Option { .. } => BadInput,
    Self::TooLarge { .. } => TooLarge,
    Self::NoPeers => NoPeers,
    Self::NotKept { .. } => Refused,
    Self::NotFound { .. } => NotFound,
    Self::Conflict { .. } => Conflict,
    Self::NoKey(_) => UnknownPeer,
    Self::Sealed(_) => BadInput,
    Self::Timeout(_) => Timeout,
    Self::Store(_) => Io,
    Self::Closed => Closed,
    Self::Send(error) => return error.code(),
});
