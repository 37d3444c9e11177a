//! What the DHT hands out: values, what nodes said of them, and what is followed on the way.

use std::sync::Arc;
use std::time::Duration;

use psfs_core::{Kind, Reason, Role, StoreOutcome};

use crate::blob::Blob;
use crate::failure::{NativeError, NativeFailure};
use crate::source::Kept;

/// What a satellite is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "it goes in, too: each is known")]
pub enum NativeRole {
    /// It keeps what it is near to.
    Node,
    /// It keeps all it hears of.
    Mirror,
    /// It keeps and tells nothing.
    Client,
}

impl From<NativeRole> for Role {
    fn from(role: NativeRole) -> Self {
        match role {
            NativeRole::Node => Self::Node,
            NativeRole::Mirror => Self::Mirror,
            NativeRole::Client => Self::Client,
        }
    }
}

impl From<Role> for NativeRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Mirror => Self::Mirror,
            Role::Client => Self::Client,
            _ => Self::Node,
        }
    }
}

/// What proves a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativeValueKind {
    /// Its key.
    Plain,
    /// Nothing.
    Raw,
    /// Its publisher's signature.
    Signed,
}

impl From<Kind> for NativeValueKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain => Self::Plain,
            Kind::Signed => Self::Signed,
            // Nothing is known to prove one that a later core has, too.
            _ => Self::Raw,
        }
    }
}

/// What one node did about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativeStoreOutcome {
    /// It keeps it from now on.
    Kept,
    /// It had it, and goes on keeping it.
    Had,
    /// It does not want it.
    Refused,
    /// It did not answer, or not well.
    Failed,
}

/// Why a node does not keep a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativeReason {
    /// Its application decided so.
    Policy,
    /// A budget is used up.
    Quota,
    /// Larger than what it takes.
    TooLarge,
    /// It knows enough nodes that are nearer.
    TooFar,
    /// It has seen the asker lie, or fail too often.
    Blacklisted,
    /// Too much at once.
    Busy,
    /// The value is not what its key, signature or size says.
    Invalid,
    /// It has a newer one, or another.
    Conflict,
}

/// Nothing for what this version has no name for: the text says it.
fn reason(reason: Reason) -> Option<NativeReason> {
    Some(match reason {
        Reason::Policy => NativeReason::Policy,
        Reason::Quota => NativeReason::Quota,
        Reason::TooLarge => NativeReason::TooLarge,
        Reason::TooFar => NativeReason::TooFar,
        Reason::Blacklisted => NativeReason::Blacklisted,
        Reason::Busy => NativeReason::Busy,
        Reason::Invalid => NativeReason::Invalid,
        Reason::Conflict => NativeReason::Conflict,
        _ => return None,
    })
}

/// What one node answered.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeStoreAnswer {
    /// Which node.
    pub peer: String,
    /// What it did.
    pub outcome: NativeStoreOutcome,
    /// Why it refused.
    pub reason: Option<NativeReason>,
    /// In its words, or what went wrong; empty if it keeps it.
    pub text: String,
}

impl From<&psfs_core::Answer> for NativeStoreAnswer {
    fn from(answer: &psfs_core::Answer) -> Self {
        let (outcome, reason, text) = match &answer.outcome {
            StoreOutcome::Kept => (NativeStoreOutcome::Kept, None, String::new()),
            StoreOutcome::Had => (NativeStoreOutcome::Had, None, String::new()),
            StoreOutcome::Refused { reason: why, text } => {
                (NativeStoreOutcome::Refused, reason(*why), text.clone())
            }
            other => (NativeStoreOutcome::Failed, None, other.to_string()),
        };
        Self {
            peer: answer.peer.to_string(),
            outcome,
            reason,
            text,
        }
    }
}

/// What became of a value that was stored or deleted.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeStored {
    /// Where it is.
    pub key: String,
    /// Its number, of a signed value.
    pub sequence: u64,
    /// What each node answered, the nearest first.
    pub answers: Vec<NativeStoreAnswer>,
    /// Who stored it for this satellite.
    pub proxy: Option<String>,
}

impl NativeStored {
    pub(crate) fn of(stored: &psfs_core::Stored) -> Self {
        Self {
            key: stored.key().to_string(),
            sequence: stored.sequence(),
            answers: stored.answers().iter().map(Into::into).collect(),
            proxy: stored.proxy().map(ToString::to_string),
        }
    }
}

/// A value that can be opened, by whom it is for.
#[derive(Debug, uniffi::Object)]
pub struct NativeSealed(pub(crate) psfs_core::Value);

/// A value.
#[derive(Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeValue {
    /// Where it is.
    pub key: String,
    /// What proves it.
    pub kind: NativeValueKind,
    /// Who stored it.
    pub publisher: String,
    /// Its number, of a signed value.
    pub sequence: u64,
    /// When it is forgotten, in ms since 1970.
    pub expires_ms: i64,
    /// Its content; empty if it was deleted.
    pub content: Blob,
    /// What opens, if it is sealed: no other value is kept on this side.
    pub sealed: Option<Arc<NativeSealed>>,
}

impl NativeValue {
    pub(crate) fn of(value: psfs_core::Value) -> Self {
        Self {
            key: value.key().to_string(),
            kind: value.kind().into(),
            publisher: value.publisher().to_string(),
            sequence: value.sequence(),
            expires_ms: milliseconds(value.expires_ms()),
            content: Blob(value.content().to_vec()),
            sealed: value.is_sealed().then(|| Arc::new(NativeSealed(value))),
        }
    }
}

/// What was sealed.
#[derive(Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeOpened {
    /// The content.
    pub content: Blob,
    /// Who is said to have sealed it.
    pub sender: String,
    /// Whether that is proved.
    pub proved: bool,
}

impl From<psfs_core::Opened> for NativeOpened {
    fn from(opened: psfs_core::Opened) -> Self {
        Self {
            content: Blob(opened.content.to_vec()),
            sender: opened.sender.to_string(),
            proved: opened.proved,
        }
    }
}

/// A value that somebody would like this satellite to keep.
#[derive(Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeOffer {
    /// Its source keeps it under this until it is decided on or released.
    pub number: i64,
    /// Where it would be kept.
    pub key: String,
    /// What proves it.
    pub kind: NativeValueKind,
    /// Bytes of its content.
    pub size: i64,
    /// Who stored it.
    pub publisher: String,
    /// Who offers it.
    pub peer: String,
    /// When it is to be forgotten, in ms since 1970.
    pub expires_ms: i64,
    /// Its content, once it is here.
    pub content: Option<Blob>,
}

impl NativeOffer {
    pub(crate) fn of(offer: psfs_core::Offer, kept: &Kept) -> Self {
        Self {
            key: offer.key().to_string(),
            kind: offer.kind().into(),
            size: i64::try_from(offer.size()).unwrap_or(i64::MAX),
            publisher: offer.publisher().to_string(),
            peer: offer.peer().to_string(),
            expires_ms: milliseconds(offer.expires_ms()),
            content: offer.content().map(|content| Blob(content.to_vec())),
            number: kept.offer(offer),
        }
    }
}

/// What a node answered to a command.
#[derive(Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeCustomAnswer {
    /// Which node.
    pub peer: String,
    /// Its answers.
    pub answers: Vec<Blob>,
    /// Why there are none.
    pub failure: Option<NativeFailure>,
}

impl NativeCustomAnswer {
    pub(crate) fn of(answer: psfs_core::CustomAnswer) -> Self {
        let peer = answer.peer.to_string();
        match answer.answers {
            Ok(answers) => Self {
                peer,
                answers: answers.iter().map(|bytes| Blob(bytes.to_vec())).collect(),
                failure: None,
            },
            Err(error) => {
                let NativeError::Failed { failure } = NativeError::of_request(error);
                Self {
                    peer,
                    answers: Vec::new(),
                    failure: Some(failure),
                }
            }
        }
    }
}

/// One question on the way to a key.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeHop {
    /// Who was asked.
    pub peer: String,
    /// How many told of each other before it.
    pub depth: i32,
    /// Which of the separate ways it is on, from 0.
    pub path: i32,
    /// How many bits its place has in common with the key.
    pub common_bits: i32,
    /// Microseconds until it answered; nothing: it was not waited for.
    pub took_us: Option<i64>,
    /// What it answered.
    pub outcome: String,
}

/// A walk.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeTrace {
    /// Where it went.
    pub key: String,
    /// In the order in which they were asked.
    pub hops: Vec<NativeHop>,
    /// Who has the value.
    pub holders: Vec<String>,
    /// The nearest nodes that answered, the nearest first.
    pub closest: Vec<String>,
}

impl From<psfs_core::Trace> for NativeTrace {
    fn from(trace: psfs_core::Trace) -> Self {
        let ids = |peers: Vec<psfs_core::PeerId>| peers.iter().map(ToString::to_string).collect();
        Self {
            key: trace.key.to_string(),
            hops: trace
                .hops
                .into_iter()
                .map(|hop| NativeHop {
                    peer: hop.peer.to_string(),
                    depth: small(hop.depth),
                    path: i32::try_from(hop.path).unwrap_or(i32::MAX),
                    common_bits: small(hop.common_bits),
                    took_us: hop.took.map(microseconds),
                    outcome: hop.outcome,
                })
                .collect(),
            holders: ids(trace.holders),
            closest: ids(trace.closest),
        }
    }
}

/// A node that this satellite knows.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeRoutingRow {
    /// How many bits its place has in common with this satellite's.
    pub bucket: i32,
    /// Who.
    pub peer: String,
    /// `proved`, `met`, `failing` or `spare`.
    pub state: String,
    /// How many microseconds ago it was last heard, or heard of.
    pub unseen_us: i64,
}

impl From<psfs_core::RoutingRow> for NativeRoutingRow {
    fn from(row: psfs_core::RoutingRow) -> Self {
        Self {
            bucket: small(row.bucket),
            peer: row.peer.to_string(),
            state: row.state.to_owned(),
            unseen_us: microseconds(row.unseen),
        }
    }
}

/// One line of what nodes say of themselves.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeDebugLine {
    /// Which node says it.
    pub peer: String,
    /// What.
    pub line: String,
}

impl From<psfs_core::DebugLine> for NativeDebugLine {
    fn from(line: psfs_core::DebugLine) -> Self {
        Self {
            peer: line.peer.to_string(),
            line: line.line,
        }
    }
}

fn milliseconds(since_1970: u64) -> i64 {
    i64::try_from(since_1970).unwrap_or(i64::MAX)
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
