//! The errors people meet: one enum for each family of operations (a file each), one table of stable codes under all of them.
//!
//! A code has a fixed number, a kind and a hint; every language shows the same ones. Numbers are C's statuses; the few kinds are what
//! programs tell apart: the classes of C++, Python, Kotlin and Swift ([`ErrorKind`]). The text of an error says what happened to
//! what; [`Code::hint`] says what to do next.
//! Codes are never renumbered. Positive numbers on the wire belong to the application (see [`RequestError::Failed`]).

use std::fmt;
use std::time::Duration;

/// What a program may want to tell apart: one class or case of each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The time given was over first.
    Timeout,
    /// The peer cannot be reached, the session with it ended, or nobody is connected.
    Unreachable,
    /// The peer refuses, a limit of open things is reached, or what is there already stands against it.
    Refused,
    /// The peer was never met, it serves no such namespace, or there is nothing of that name.
    NotFound,
    /// The satellite is not running, or the operation was cancelled.
    Closed,
    /// An argument or option is outside what is allowed; the message names it.
    BadInput,
    /// The handler at the peer failed.
    Remote,
    /// Anything else: the system's refusals, and defects. See the code.
    Other,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $screaming:literal, $kind:ident, $hint:literal;)+) => {
        /// What failed, exactly: the same numbers and names in every language.
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

            /// What a program may want to tell apart: codes of one kind are handled alike.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)+ }
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
    Null = -1, "NULL", BadInput, "Pass a valid pointer for what the message names: psfs.h says at each function what may be NULL.";
    /// An argument is outside what the function takes.
    BadInput = -2, "BAD_INPUT", BadInput, "Read the message: it names the argument and what is allowed.";
    /// A string is not UTF-8.
    Utf8 = -3, "UTF8", BadInput, "Encode the string as UTF-8.";
    /// A panic was caught at the boundary.
    Panic = -4, "PANIC", Other, "This is a defect of the library or of a handler: report it with the message; shut this satellite down.";
    /// The process was forked after the satellite was made.
    Forked = -5, "FORKED", Other, "Make satellites after fork, or in the parent only.";
    /// The satellite is not running.
    Closed = -6, "CLOSED", Closed, "A satellite is started once and runs until it is shut down: start it, or after that make a new one.";
    /// The time given was over first.
    Timeout = -7, "TIMEOUT", Timeout, "Try again with more time; where a peer is meant, look at its state first.";
    /// The operation was cancelled.
    Cancelled = -8, "CANCELLED", Closed, "Nothing to do: this side asked for it.";
    /// Something that should not happen did.
    Internal = -9, "INTERNAL", Other, "This is a defect of the library: report it with the message.";
    /// The operating system refused a file or socket operation.
    Io = -10, "IO", Other, "Read the message: it has the system's reason and the file or address.";
    /// A key is not readable as a key.
    BadKey = -11, "BAD_KEY", BadInput, "Use a PKCS#8 PEM file as written by `psfs id --key FILE`.";
    /// A key file can be read by others.
    KeyPermissions = -12, "KEY_PERMISSIONS", BadInput, "Run chmod 600 on the key file.";
    /// A key is of another kind than RSA, or too small or too large.
    KeyKind = -13, "KEY_KIND", BadInput, "Satellites need an RSA key of 2048 to 4096 bits: make one with `psfs id --key FILE`.";
    /// The passphrase is missing or wrong.
    Passphrase = -14, "PASSPHRASE", BadInput, "Give the passphrase that the key was, or is to be, saved with.";
    /// Another satellite has the data folder.
    DataDirInUse = -15, "DATA_DIR_IN_USE", Other, "Give each satellite a data folder of its own, or end the process named in the message.";
    /// The data folder cannot be used.
    DataDir = -16, "DATA_DIR", Other, "Give a folder that can be written, or none to keep everything in memory.";
    /// The data folder was written by a newer version.
    DataDirVersion = -17, "DATA_DIR_VERSION", Other, "Use the newer version again, or another data folder.";
    /// An address cannot be parsed.
    BadAddress = -18, "BAD_ADDRESS", BadInput, "Write addresses as IP:PORT or as a multiaddress, for example /ip4/127.0.0.1/tcp/4001.";
    /// A listen address is taken.
    AddressInUse = -19, "ADDRESS_IN_USE", Other, "Choose another port, or port 0 for any free one.";
    /// A peer cannot be reached at any address known.
    Unreachable = -20, "UNREACHABLE", Unreachable, "Check that the peer runs and that its address and port can be reached from here.";
    /// A peer id cannot be parsed.
    BadPeerId = -21, "BAD_PEER_ID", BadInput, "Peer ids of satellites look like Qm... and have 46 characters.";
    /// The peer was never met.
    UnknownPeer = -22, "UNKNOWN_PEER", NotFound, "Connect to it by address first, or wait until it is met.";
    /// The peer is this satellite itself.
    OwnPeer = -23, "OWN_PEER", BadInput, "A satellite does not talk to itself: use another peer.";
    /// A namespace or rendezvous is empty, too long or holds NUL.
    BadNamespace = -24, "BAD_NAMESPACE", BadInput, "Use 1 to 255 bytes of UTF-8 without NUL.";
    /// A content is over the limit.
    TooLarge = -25, "TOO_LARGE", BadInput, "Send less at once, or raise the content limit at both ends; a broadcast takes 61440 bytes at most.";
    /// The peer serves no such namespace.
    UnknownNamespace = -26, "UNKNOWN_NAMESPACE", NotFound, "Check the spelling, or register a handler at the peer.";
    /// The peer refuses.
    Refused = -27, "REFUSED", Refused, "Read the message: a secret, a list or a limit of the peer, or of this satellite, is against it.";
    /// The handler at the peer failed.
    HandlerFailed = -28, "HANDLER_FAILED", Remote, "The peer's application failed: its text is in the message.";
    /// The connection ended first.
    Disconnected = -29, "DISCONNECTED", Unreachable, "Send or ask again: a satellite that runs reconnects by itself when it can; a request that was open is over.";
    /// Nobody is connected.
    NoPeers = -30, "NO_PEERS", Unreachable, "Wait until a peer is connected.";
    /// A limit of open things is reached.
    Busy = -31, "BUSY", Refused, "Wait for something open to end, or raise the limit.";
    /// The peer broke the protocol.
    Protocol = -32, "PROTOCOL", Other, "The peer runs another or a broken program: update both ends.";
    /// Not built into this version.
    Unsupported = -33, "UNSUPPORTED", Other, "Leave the option out, or use a version that has it.";
    /// There is nothing of that name.
    NotFound = -34, "NOT_FOUND", NotFound, "Check the key or name; what nobody stored again is forgotten after its lifetime.";
    /// Something newer or other is there already.
    Conflict = -35, "CONFLICT", Refused, "Fetch what is there now, and store again with a higher sequence.";
}

/// How long was waited, for a message: `within 5s`.
fn within(after: Duration) -> String {
    if after.is_zero() {
        "at once (the time given is 0)".into()
    } else {
        format!("within {after:?}")
    }
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

    /// What failed, exactly.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What a program may want to tell apart.
    pub fn kind(&self) -> ErrorKind {
        self.code.kind()
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
            /// What failed, exactly.
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

// Below the macro, which they use.
mod dht;
mod own;
mod start;
mod talk;
mod transfer;

pub use dht::DhtError;
pub use own::{IdentityError, StoreError};
pub use start::{
    ConnectError, NamespaceError, PauseError, ShutdownError, StartError, SubscribeError,
};
pub use talk::{ReplyError, RequestError, SendError};
pub use transfer::TransferError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PeerId;

    fn peer() -> PeerId {
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
            .parse()
            .unwrap()
    }

    #[test]
    fn no_time_at_all_is_not_called_nanoseconds() {
        let texts = |after| {
            [
                SendError::Timeout(after).to_string(),
                ConnectError::Timeout(after).to_string(),
                RequestError::TimedOut {
                    peer: peer(),
                    after,
                }
                .to_string(),
                ConnectError::Few {
                    connected: 0,
                    wanted: 1,
                    after,
                }
                .to_string(),
                SendError::NoSession {
                    peer: peer(),
                    after,
                    reason: "no answer".into(),
                }
                .to_string(),
            ]
        };
        for text in texts(Duration::ZERO) {
            assert!(text.contains("at once") && !text.contains("0ns"), "{text}");
        }
        for text in texts(Duration::from_millis(1500)) {
            assert!(text.contains(" within 1.5s"), "{text}");
        }
    }

    #[test]
    fn a_handler_without_a_code_of_its_own_fails_without_a_number() {
        let text = |code| {
            let text = "nobody home".into();
            RequestError::Failed {
                peer: peer(),
                code,
                text,
            }
            .to_string()
        };
        assert!(text(-28).ends_with(" failed: nobody home"), "{}", text(-28));
        assert!(text(7).ends_with(" failed (7): nobody home"), "{}", text(7));
        assert!(
            text(-31).ends_with(" failed (BUSY): nobody home"),
            "{}",
            text(-31)
        );
    }

    #[test]
    fn a_peer_that_says_nothing_leaves_no_colon() {
        let (peer, text) = (peer(), String::new());
        let failed = RequestError::Failed {
            peer,
            code: 9,
            text: text.clone(),
        };
        assert!(failed.to_string().ends_with(" failed (9)"), "{failed}");
        let refused = RequestError::Refused { peer, reason: text };
        assert!(refused.to_string().ends_with(" refused"), "{refused}");
    }

    #[test]
    fn a_rendezvous_that_is_not_set_is_named_as_the_option() {
        let error = Error::from(StartError::Rendezvous(NamespaceError::Empty));
        assert_eq!(error.code(), Code::BadNamespace);
        assert!(
            error
                .message()
                .starts_with("option rendezvous: it is not set"),
            "{error}"
        );
    }

    /// The promise to every language: a class that somebody catches stays the class of these codes.
    const KINDS: &[(ErrorKind, &[&str])] = &[
        (ErrorKind::Timeout, &["TIMEOUT"]),
        (
            ErrorKind::Unreachable,
            &["UNREACHABLE", "DISCONNECTED", "NO_PEERS"],
        ),
        (ErrorKind::Refused, &["REFUSED", "BUSY", "CONFLICT"]),
        (
            ErrorKind::NotFound,
            &["UNKNOWN_PEER", "UNKNOWN_NAMESPACE", "NOT_FOUND"],
        ),
        (ErrorKind::Closed, &["CLOSED", "CANCELLED"]),
        (
            ErrorKind::BadInput,
            &[
                "NULL",
                "BAD_INPUT",
                "UTF8",
                "BAD_KEY",
                "KEY_PERMISSIONS",
                "KEY_KIND",
                "PASSPHRASE",
                "BAD_ADDRESS",
                "BAD_PEER_ID",
                "OWN_PEER",
                "BAD_NAMESPACE",
                "TOO_LARGE",
            ],
        ),
        (ErrorKind::Remote, &["HANDLER_FAILED"]),
        (
            ErrorKind::Other,
            &[
                "PANIC",
                "FORKED",
                "INTERNAL",
                "IO",
                "DATA_DIR_IN_USE",
                "DATA_DIR",
                "DATA_DIR_VERSION",
                "ADDRESS_IN_USE",
                "PROTOCOL",
                "UNSUPPORTED",
            ],
        ),
    ];

    #[test]
    fn every_code_has_the_kind_that_is_promised() {
        for code in Code::ALL {
            let promised: Vec<_> = KINDS
                .iter()
                .filter(|(_, names)| names.contains(&code.name()))
                .map(|(kind, _)| *kind)
                .collect();
            assert_eq!(promised, [code.kind()], "{code}");
            assert_eq!(Error::new(*code, "why").kind(), code.kind());
        }
        let promised = KINDS.iter().map(|(_, names)| names.len()).sum::<usize>();
        assert_eq!(promised, Code::ALL.len(), "a name that is no code's");
    }

    #[test]
    fn hints_fit_what_they_are_given_for() {
        // A second start is CLOSED too, and so is one after the end.
        for state in ["started", "shut down"] {
            let error = Error::from(StartError::Twice(state));
            assert!(
                error.hint().starts_with("A satellite is started once"),
                "{}",
                error.hint()
            );
        }
        assert!(Code::Refused.hint().contains("or of this satellite"));
        let late = Error::from(ShutdownError::Timeout(Duration::from_secs(1)));
        assert!(
            late.message()
                .ends_with("call shutdown again to wait longer"),
            "{late}"
        );
    }
}
