//! The errors people meet: one enum for each family of operations, one table of stable codes under all of them.
//!
//! A code is a coarse kind with a fixed number and a hint; every language shows the same ones (C status, Python exception,
//! Kotlin and Swift kind). The text of an error says what happened to what; [`Code::hint`] says what to do next.
//! Codes are never renumbered. Positive numbers on the wire belong to the application (see [`RequestError::Failed`]).

use std::fmt;
use std::time::Duration;

use crate::identity::PeerId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $screaming:literal, $hint:literal;)+) => {
        /// The stable kinds of failure, the same in every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name = $number,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name, as C shows it without its prefix: `TIMEOUT`, `BAD_ADDRESS`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $screaming,)+ }
            }

            /// What to do next, in one sentence.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }

            /// The code of a number, if it is one of ours.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// A pointer that must not be NULL was NULL.
    Null = -1, "NULL", "Pass a valid pointer; only _free functions and `err` take NULL.";
    /// An argument is outside what the function takes.
    BadInput = -2, "BAD_INPUT", "Read the message: it names the argument and what is allowed.";
    /// A string is not UTF-8.
    Utf8 = -3, "UTF8", "Encode the string as UTF-8.";
    /// A panic was caught at the boundary.
    Panic = -4, "PANIC", "This is a defect of the library or of a handler: report it with the message; shut this satellite down.";
    /// The process was forked after the satellite was made.
    Forked = -5, "FORKED", "Make satellites after fork, or in the parent only.";
    /// The satellite is not running.
    Closed = -6, "CLOSED", "Start the satellite first; after shutdown make a new one.";
    /// The time given was over first.
    Timeout = -7, "TIMEOUT", "Try again with more time, or look at the peer's state first.";
    /// The operation was cancelled.
    Cancelled = -8, "CANCELLED", "Nothing to do: this side asked for it.";
    /// Something that should not happen did.
    Internal = -9, "INTERNAL", "This is a defect of the library: report it with the message.";
    /// The operating system refused a file or socket operation.
    Io = -10, "IO", "Read the message: it has the system's reason and the file or address.";
    /// A key is not readable as a key.
    BadKey = -11, "BAD_KEY", "Use a PKCS#8 PEM file as written by `psfs id --key FILE`.";
    /// A key file can be read by others.
    KeyPermissions = -12, "KEY_PERMISSIONS", "Run chmod 600 on the key file.";
    /// A key is of another kind than RSA, or too small or too large.
    KeyKind = -13, "KEY_KIND", "Satellites need an RSA key of 2048 to 4096 bits: make one with `psfs id --key FILE`.";
    /// The passphrase is missing or wrong.
    Passphrase = -14, "PASSPHRASE", "Give the passphrase the key was saved with.";
    /// Another satellite has the data folder.
    DataDirInUse = -15, "DATA_DIR_IN_USE", "Give each satellite a data folder of its own, or end the process named in the message.";
    /// The data folder cannot be used.
    DataDir = -16, "DATA_DIR", "Give a folder that can be written, or none to keep everything in memory.";
    /// The data folder was written by a newer version.
    DataDirVersion = -17, "DATA_DIR_VERSION", "Use the newer version again, or another data folder.";
    /// An address cannot be parsed.
    BadAddress = -18, "BAD_ADDRESS", "Write addresses as IP:PORT or as a multiaddress, for example /ip4/127.0.0.1/tcp/4001.";
    /// A listen address is taken.
    AddressInUse = -19, "ADDRESS_IN_USE", "Choose another port, or port 0 for any free one.";
    /// A peer cannot be reached at any address known.
    Unreachable = -20, "UNREACHABLE", "Check that the peer runs and that its address and port can be reached from here.";
    /// A peer id cannot be parsed.
    BadPeerId = -21, "BAD_PEER_ID", "Peer ids of satellites look like Qm... and have 46 characters.";
    /// The peer was never met.
    UnknownPeer = -22, "UNKNOWN_PEER", "Connect to it by address first, or wait until it is met.";
    /// The peer is this satellite itself.
    OwnPeer = -23, "OWN_PEER", "A satellite does not talk to itself: use another peer.";
    /// A namespace or rendezvous is empty, too long or holds NUL.
    BadNamespace = -24, "BAD_NAMESPACE", "Use 1 to 255 bytes of UTF-8 without NUL.";
    /// A content is over the limit.
    TooLarge = -25, "TOO_LARGE", "Send less at once, or raise the content limit at both ends.";
    /// The peer serves no such namespace.
    UnknownNamespace = -26, "UNKNOWN_NAMESPACE", "Check the spelling, or register a handler at the peer.";
    /// The peer refuses.
    Refused = -27, "REFUSED", "Read the message: secret, allow list, policy and limits are set at the peer.";
    /// The handler at the peer failed.
    HandlerFailed = -28, "HANDLER_FAILED", "The peer's application failed: its text is in the message.";
    /// The connection ended first.
    Disconnected = -29, "DISCONNECTED", "Try again: the satellite reconnects by itself when it can.";
    /// Nobody is connected.
    NoPeers = -30, "NO_PEERS", "Wait until a peer is connected.";
    /// A limit of open things is reached.
    Busy = -31, "BUSY", "Wait for something open to end, or raise the limit.";
    /// The peer broke the protocol.
    Protocol = -32, "PROTOCOL", "The peer runs another or a broken program: update both ends.";
    /// Not built into this version.
    Unsupported = -33, "UNSUPPORTED", "Leave the option out, or use a version that has it.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Any error of this library: what other languages are handed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: Code,
    message: String,
}

impl Error {
    /// An error with a code of the table and a text of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The stable kind.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, in one sentence.
    pub fn hint(&self) -> &'static str {
        self.code.hint()
    }
}

/// Gives a family of errors its codes, and a way into [`Error`].
macro_rules! family {
    ($family:ident { $($pattern:pat => $code:expr,)+ }) => {
        impl $family {
            /// The stable kind of this error.
            pub fn code(&self) -> Code {
                use Code::*;
                match self { $($pattern => $code,)+ }
            }
        }
        impl From<$family> for Error {
            fn from(error: $family) -> Self {
                Self { code: error.code(), message: error.to_string() }
            }
        }
    };
}

/// Making, loading and saving an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The key file cannot be read or written.
    #[error("cannot {action} key file {path}: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The key file can be read by others.
    #[error("key file {path} can be read by others (mode {mode:03o}): run chmod 600 {path}")]
    Permissions {
        /// The file.
        path: String,
        /// Its mode bits.
        mode: u32,
    },
    /// Not a key, or cut off.
    #[error("{what} is not a usable private key: {reason}")]
    Malformed {
        /// File or `key bytes`.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not an RSA key.
    #[error("{what} holds a key of kind {kind}: satellites need RSA of 2048 bits or more")]
    NotRsa {
        /// File or `key bytes`.
        what: String,
        /// What it is instead.
        kind: String,
    },
    /// An RSA key of the wrong size.
    #[error("an RSA key of {bits} bits is refused: satellites need 2048 to 4096 bits")]
    Size {
        /// The key's size.
        bits: usize,
    },
    /// The key is encrypted and no passphrase was given.
    #[error("{what} is protected by a passphrase and none was given")]
    PassphraseNeeded {
        /// File or `key bytes`.
        what: String,
    },
    /// The passphrase does not open the key.
    #[error("wrong passphrase for {what}")]
    PassphraseWrong {
        /// File or `key bytes`.
        what: String,
    },
}

family!(IdentityError {
    Self::Io { .. } => Io,
    Self::Permissions { .. } => KeyPermissions,
    Self::Malformed { .. } => BadKey,
    Self::NotRsa { .. } | Self::Size { .. } => KeyKind,
    Self::PassphraseNeeded { .. } | Self::PassphraseWrong { .. } => Passphrase,
});

/// Opening and using the data folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another satellite has it.
    #[error("data folder {path} is in use by process {process}")]
    InUse {
        /// The folder.
        path: String,
        /// Process id as the other satellite wrote it, or `unknown`.
        process: String,
    },
    /// It cannot be made or written.
    #[error("data folder {path} cannot be used: {source}")]
    Unusable {
        /// The folder.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It was written by a newer version.
    #[error("data folder {path} has version {found}, this program knows up to {known}")]
    Version {
        /// The folder.
        path: String,
        /// Version on disk.
        found: u64,
        /// Newest version known here.
        known: u64,
    },
    /// The database failed.
    #[error("the database in {path} failed: {reason}")]
    Database {
        /// The folder.
        path: String,
        /// The database's reason.
        reason: String,
    },
}

family!(StoreError {
    Self::InUse { .. } => DataDirInUse,
    Self::Unusable { .. } => DataDir,
    Self::Version { .. } => DataDirVersion,
    Self::Database { .. } => DataDir,
});

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
    #[error("rendezvous: {0}")]
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
}

family!(NamespaceError {
    Self::Empty | Self::Long(_) | Self::Nul => BadNamespace,
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
    #[error("not accepted within {0:?}")]
    Timeout(Duration),
    /// The time was over, and there was no session yet.
    #[error("no session with {peer} within {after:?}: {reason}")]
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
    Self::NoPeers => NoPeers,
    Self::Busy(_) => Busy,
    Self::Option { .. } => BadInput,
    Self::Timeout(_) | Self::NoSession { .. } => Timeout,
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
    #[error("peer {peer} refused: {reason}")]
    Refused {
        /// Who was asked.
        peer: PeerId,
        /// Its reason.
        reason: String,
    },
    /// The peer's handler failed, or was dropped without an answer.
    #[error("the handler of {peer} failed ({code}): {text}")]
    Failed {
        /// Who was asked.
        peer: PeerId,
        /// The application's own code if positive, else a number of [`Code`].
        code: i32,
        /// The application's text.
        text: String,
    },
    /// The deadline passed.
    #[error("peer {peer} did not finish within {after:?}")]
    TimedOut {
        /// Who was asked.
        peer: PeerId,
        /// The deadline given.
        after: Duration,
    },
    /// The session ended in the middle.
    #[error("the session with {0} ended before the last reply")]
    Disconnected(PeerId),
    /// Too many requests are open.
    #[error("{0} requests are open already")]
    Busy(usize),
}

family!(RequestError {
    Self::Send(e) => e.code(),
    Self::UnknownNamespace { .. } => UnknownNamespace,
    Self::Refused { .. } => Refused,
    Self::Failed { .. } => HandlerFailed,
    Self::TimedOut { .. } => Timeout,
    Self::Disconnected(_) => Disconnected,
    Self::Busy(_) => Busy,
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
    /// The event takes no replies, or its responder was taken or ended before.
    #[error("this event takes no {0}")]
    Taken(&'static str),
}

family!(ReplyError {
    Self::Cancelled => Cancelled,
    Self::Disconnected => Disconnected,
    Self::TooLarge { .. } => TooLarge,
    Self::Taken(_) => BadInput,
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
    #[error("no session within {0:?}")]
    Timeout(Duration),
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
    Self::Timeout(_) => Timeout,
    Self::Closed => Closed,
});

/// Ending a satellite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// A handler was still running when the time was over.
    #[error("a handler was still running after {0:?}: it is no longer waited for")]
    Timeout(Duration),
}

family!(ShutdownError {
    Self::Timeout(_) => Timeout,
});
