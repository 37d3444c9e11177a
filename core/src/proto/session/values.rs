//! What a session is made of, what comes out of it, and why it ends.

use std::sync::Arc;

use super::super::frame::FrameError;
use super::super::keys::DelegatedKey;
use super::super::packet::{DecodeError, PacketType};
use super::super::parts::PartError;
use super::super::wire;
use super::NONCE_BYTES;
use super::handshake::Skew;
use crate::config::Signing;
use crate::error::{Code, NamespaceError};
use crate::hidden::Hidden;
use crate::identity::{Identity, PeerId};

/// What one side takes, as told in Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) content: u64,
    pub(crate) window: u64,
    pub(crate) requests: u32,
    pub(crate) reply_window: u64,
}

/// All a session is made of besides frames.
#[derive(Clone, Debug)]
pub(crate) struct SessionConfig {
    pub(crate) identity: Identity,
    pub(crate) delegated: Arc<DelegatedKey>,
    pub(crate) remote: PeerId,
    pub(crate) signing: Signing,
    pub(crate) limits: Limits,
    pub(crate) secret: Option<Arc<Hidden<Vec<u8>>>>,
    pub(crate) network: [u8; 32],
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) epoch: u64,
    pub(crate) clock_ms: u64,
}

/// Why a session ends: the code and text that a Bye carries and the log shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Violation {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Violation {
    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self {
            code: Code::Protocol,
            text: text.into(),
        }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self {
            code: Code::Refused,
            text: text.into(),
        }
    }
}

impl From<FrameError> for Violation {
    fn from(error: FrameError) -> Self {
        Self::protocol(format!("malformed frame: {error}"))
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self::protocol(format!("malformed packet: {error}"))
    }
}

impl From<PartError> for Violation {
    fn from(error: PartError) -> Self {
        Self::protocol(format!("parts of a content: {error}"))
    }
}

impl From<NamespaceError> for Violation {
    fn from(error: NamespaceError) -> Self {
        Self::protocol(error.to_string())
    }
}

/// A packet taken in, its content whole.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) packet_type: PacketType,
    pub(crate) packet: wire::StreamPacket,
    /// What is to be given back to the sender's window once it was handled.
    pub(crate) cost: u64,
}

/// What came of a frame.
#[derive(Debug)]
pub(crate) enum Output {
    /// The other side greeted: decide whether this connection goes on, then call [`Session::authorise`].
    Greeted {
        /// See [`crate::proto::wire::Hello`].
        epoch: u64,
        /// Where both clocks are too far apart.
        skew: Option<Skew>,
    },
    /// The other side is proved and has chosen this connection, and this side has not gone on yet.
    Proved,
    /// Both sides are proved; packets flow.
    Opened,
    /// A packet, in order.
    Packet(Incoming),
    /// A part was taken into an assembly: its window can be given back as soon as there is room for the whole.
    Taken {
        packet_type: PacketType,
        request_id: u64,
        cost: u64,
        /// What the whole content may come to, in bytes, by the number of its parts.
        announced: u64,
    },
    /// The other side gives credit: to one of the session's windows, see [`Lane`](super::Lane), or a request's.
    Granted { request_id: u64, bytes: u64 },
    /// The asker no longer wants replies.
    Cancelled { request_id: u64 },
    /// The other side has taken in everything up to this number.
    Acked { up_to: u64 },
    /// The other side ends the session.
    Bye { code: i32, text: String },
}
