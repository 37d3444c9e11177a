//! The satellite's life: options and start, handlers, sessions by hand, the end.

use std::time::Duration;

use super::own::{IdentityError, StoreError};
use super::{Code, Error, within};
use crate::identity::PeerId;

/// Making and starting a satellite.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The identity is not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data folder is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rendezvous is empty, over 255 bytes or holds NUL.
    #[error("option rendezvous: {}", rendezvous(.0))]
    Rendezvous(NamespaceError),
    /// An address cannot be parsed.
    #[error("address {address:?} is malformed: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A listen address is taken.
    #[error("cannot listen on {address}: the port is in use")]
    AddressInUse {
        /// The address.
        address: String,
    },
    /// A listen address is refused by the system.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// An option's value is outside its range.
    #[error("option {option}: {reason}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What is allowed.
        reason: String,
    },
    /// An option whose feature is not built in.
    #[error("option {option} needs {needs}, which this build does not have")]
    Unsupported {
        /// Name of the option.
        option: &'static str,
        /// The missing part.
        needs: &'static str,
    },
    /// Started before, or shut down.
    #[error("the satellite was {0} already")]
    Twice(&'static str),
    /// The runtime cannot be made.
    #[error("cannot start threads: {0}")]
    Runtime(std::io::Error),
}

family!(StartError {
    Self::Identity(e) => e.code(),
    Self::Store(e) => e.code(),
    Self::Rendezvous(_) => BadNamespace,
    Self::Address { .. } => BadAddress,
    Self::AddressInUse { .. } => AddressInUse,
    Self::Listen { .. } => Io,
    Self::Option { .. } => BadInput,
    Self::Unsupported { .. } => Unsupported,
    Self::Twice(_) => Closed,
    Self::Runtime(_) => Io,
});

fn rendezvous(error: &NamespaceError) -> String {
    match error {
        NamespaceError::Empty => {
            "it is not set: give the name under which satellites meet, 1 to 255 bytes".into()
        }
        NamespaceError::Long(bytes) => format!("it has {bytes} bytes: give 1 to 255"),
        NamespaceError::Nul => "it holds a NUL byte".into(),
        NamespaceError::Reserved => {
            "it begins with `psfs.`, as the library's own namespaces do: choose another".into()
        }
    }
}

/// A namespace or rendezvous that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// It has no bytes.
    #[error("the namespace is empty: give 1 to 255 bytes")]
    Empty,
    /// It has too many bytes.
    #[error("the namespace has {0} bytes: give 1 to 255")]
    Long(usize),
    /// It holds a NUL byte.
    #[error("the namespace holds a NUL byte")]
    Nul,
    /// It is one of the library's own.
    #[error("the namespace begins with `psfs.`: those are the library's own, choose another")]
    Reserved,
}

family!(NamespaceError {
    Self::Empty | Self::Long(_) | Self::Nul | Self::Reserved => BadNamespace,
});

/// Registering a handler.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Only MESSAGE, BROADCAST, SEEK and REQUEST have handlers.
    #[error("packets of type {0} have no handlers: use MESSAGE, BROADCAST, SEEK or REQUEST")]
    Type(&'static str),
    /// The satellite is shut down.
    #[error("the satellite is shut down")]
    Closed,
    /// A callback thread cannot be started.
    #[error("cannot start a callback thread: {0}")]
    Thread(std::io::Error),
}

family!(SubscribeError {
    Self::Namespace(_) => BadNamespace,
    Self::Type(_) => BadInput,
    Self::Closed => Closed,
    Self::Thread(_) => Io,
});

/// Connecting and disconnecting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be parsed.
    #[error("address {address:?} is malformed: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// The address leads to this satellite.
    #[error("{0} is an address of this satellite itself")]
    OwnAddress(String),
    /// The peer, or this satellite, refuses a session.
    #[error("no session with {peer}: {reason}")]
    Refused {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// There is no session to end.
    #[error("peer {0} is not connected")]
    NotConnected(PeerId),
    /// The time was over.
    #[error("no session {}", within(*.0))]
    Timeout(Duration),
    /// The time was over before enough peers were connected.
    #[error("{connected} of {wanted} peers were connected {}", within(*after))]
    Few {
        /// How many were.
        connected: usize,
        /// How many were waited for.
        wanted: usize,
        /// The time given.
        after: Duration,
    },
    /// The satellite was paused when the time was over.
    #[error("no session {}: this satellite is paused, resume it first", within(*.0))]
    Paused(Duration),
    /// The satellite is not running.
    #[error("the satellite is not running")]
    Closed,
}

family!(ConnectError {
    Self::Address { .. } => BadAddress,
    Self::Unreachable { .. } => Unreachable,
    Self::OwnAddress(_) => OwnPeer,
    Self::Refused { .. } => Refused,
    Self::NotConnected(_) => UnknownPeer,
    Self::Timeout(_) | Self::Few { .. } | Self::Paused(_) => Timeout,
    Self::Closed => Closed,
});

/// Pausing and resuming.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PauseError {
    /// A listen address was taken during the pause.
    #[error("resumed, but cannot listen on {address}: the port is in use")]
    AddressInUse {
        /// The address.
        address: String,
    },
    /// A listen address is refused by the system.
    #[error("resumed, but cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// The satellite is not running.
    #[error("the satellite is not running")]
    Closed,
}

family!(PauseError {
    Self::AddressInUse { .. } => AddressInUse,
    Self::Listen { .. } => Io,
    Self::Closed => Closed,
});

/// Ending a satellite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// A handler was still running when the time was over.
    #[error("a handler was still running after {0:?}: call shutdown again to wait longer")]
    Timeout(Duration),
    /// The network was not left when the time was over.
    #[error("the network was not left {}: it goes on by itself; call shutdown again to wait longer", within(*.0))]
    Network(Duration),
}

family!(ShutdownError {
    Self::Timeout(_) | Self::Network(_) => Timeout,
});
