//! Talking: messages and broadcasts, requests, replies.

use std::time::Duration;

use super::start::NamespaceError;
use super::{Code, Error, within};
use crate::identity::PeerId;

/// Sending a message or a broadcast.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The content is over the limit.
    #[error("the content has {size} bytes, the limit is {limit} ({whose})")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
        /// Whose limit: `this satellite's`, `the peer's`, `of a broadcast`.
        whose: &'static str,
    },
    /// The peer was never met.
    #[error("peer {0} was never met")]
    UnknownPeer(PeerId),
    /// The peer is this satellite.
    #[error("{0} is this satellite itself")]
    OwnPeer(PeerId),
    /// No address of the peer answers.
    #[error("peer {peer} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// The peer, or this satellite, refuses a session.
    #[error("no session with {peer}: {reason}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// The session ended before the packet was accepted or confirmed.
    #[error("the session with {0} ended")]
    Disconnected(PeerId),
    /// Nobody is connected.
    #[error("no peer is connected")]
    NoPeers,
    /// Nobody is connected because the satellite is paused.
    #[error("no peer is connected: this satellite is paused, resume it first")]
    Paused,
    /// A queue of this satellite is full.
    #[error("too many broadcasts are waiting ({0})")]
    Busy(usize),
    /// An option's value is outside its range.
    #[error("option {option}: {reason}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What is allowed.
        reason: String,
    },
    /// The time was over.
    #[error("not accepted {}", within(*.0))]
    Timeout(Duration),
    /// The time was over when sending had begun, which cannot be taken back.
    #[error("not confirmed {}: it may have arrived, or arrive yet, so sent again it may come twice", within(*.0))]
    Unconfirmed(Duration),
    /// Peers are connected, and none took the broadcast in its life time.
    #[error("no peer took the broadcast {}", within(*.0))]
    Untaken(Duration),
    /// The time was over, and there was no session yet.
    #[error("no session with {peer} {}: {reason}", within(*after))]
    NoSession {
        /// The peer.
        peer: PeerId,
        /// The time given.
        after: Duration,
        /// What was tried.
        reason: String,
    },
    /// The satellite is not running.
    #[error("the satellite is not running")]
    Closed,
}

family!(SendError {
    Self::Namespace(_) => BadNamespace,
    Self::TooLarge { .. } => TooLarge,
    Self::UnknownPeer(_) => UnknownPeer,
    Self::OwnPeer(_) => OwnPeer,
    Self::Unreachable { .. } => Unreachable,
    Self::Refused { .. } => Refused,
    Self::Disconnected(_) => Disconnected,
    Self::NoPeers | Self::Paused => NoPeers,
    Self::Busy(_) => Busy,
    Self::Option { .. } => BadInput,
    Self::Timeout(_)
    | Self::Unconfirmed(_)
    | Self::Untaken(_)
    | Self::NoSession { .. } => Timeout,
    Self::Closed => Closed,
});

/// Asking, and what comes back instead of a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The peer serves no such namespace.
    #[error("peer {peer} serves no requests in namespace {namespace:?}")]
    UnknownNamespace {
        /// Who was asked.
        peer: PeerId,
        /// What for.
        namespace: String,
    },
    /// The peer refused the request.
    #[error("peer {peer} refused{}", said(reason))]
    Refused {
        /// Who was asked.
        peer: PeerId,
        /// Its reason.
        reason: String,
    },
    /// The peer's handler failed, or was dropped without an answer.
    #[error("the handler of {peer} failed{}{}", number(*code), said(text))]
    Failed {
        /// Who was asked.
        peer: PeerId,
        /// The application's own code if positive, else a number of [`Code`].
        code: i32,
        /// The application's text.
        text: String,
    },
    /// The deadline passed.
    #[error("peer {peer} did not finish {}", within(*after))]
    TimedOut {
        /// Who was asked.
        peer: PeerId,
        /// The deadline given.
        after: Duration,
    },
    /// The session ended in the middle.
    #[error("the session with {0} ended before the last reply")]
    Disconnected(PeerId),
    /// As many requests as the peer takes at once were open until the deadline.
    #[error("peer {peer} takes {requests} requests at once, and so many were open for {after:?}")]
    Busy {
        /// Who was to be asked.
        peer: PeerId,
        /// How many it takes.
        requests: u32,
        /// The deadline given.
        after: Duration,
    },
}

/// What a peer said, if it said anything.
fn said(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// The code of a handler that named one.
fn number(code: i32) -> String {
    match Code::from_number(code) {
        Some(Code::HandlerFailed) => String::new(),
        Some(known) => format!(" ({known})"),
        None => format!(" ({code})"),
    }
}

family!(RequestError {
    Self::Send(e) => e.code(),
    Self::UnknownNamespace { .. } => UnknownNamespace,
    Self::Refused { .. } => Refused,
    Self::Failed { .. } => HandlerFailed,
    Self::TimedOut { .. } => Timeout,
    Self::Disconnected(_) => Disconnected,
    Self::Busy { .. } => Busy,
});

/// Answering a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The asker cancelled, or its deadline passed.
    #[error("the asker no longer wants replies")]
    Cancelled,
    /// The session ended.
    #[error("the session with the asker ended")]
    Disconnected,
    /// The reply is over the limit.
    #[error("the reply has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A large reply was given up in the middle: the request can only be ended.
    #[error("a large reply was given up in the middle, and another cannot begin: end the request")]
    Half,
    /// The event takes no replies, or its responder was taken or ended before.
    #[error("this event takes no {0}")]
    Taken(&'static str),
}

family!(ReplyError {
    Self::Cancelled => Cancelled,
    Self::Disconnected => Disconnected,
    Self::TooLarge { .. } => TooLarge,
    Self::Half => BadInput,
    Self::Taken(_) => BadInput,
});
