//! What a value is beside its content, and whether the content belongs to it.
//!
//! An [`Entry`] of a signed value is proved without its content, as the signature is over the content's root: so a node that
//! claims a newer one is found out before anything is fetched. The other kinds are proved by the content alone, or not at all.

use std::cmp::Reverse;

use bytes::Bytes;

use crate::identity::{Identity, PeerId, PublicKey};
use crate::key::Key;
use crate::proto::{SKEW_MS, signed};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A value is kept for no longer without being published again.
pub(crate) const EXPIRY_MAX_MS: u64 = 30 * DAY_MS;
/// A deleted value is remembered for so long: until the last copy of what it deletes has expired.
pub(crate) const TOMBSTONE_MS: u64 = EXPIRY_MAX_MS + DAY_MS;
/// Longest salt, in bytes.
pub(crate) const SALT_MAX: usize = 64;

/// BLAKE3 of a content.
pub(crate) type Root = [u8; 32];
/// Chosen by who asks for a receipt, so that an old one does not pass for an answer.
pub(crate) type Nonce = [u8; 16];

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// The key is the hash of the content.
    Plain = 0,
    /// A key that the publisher chose, or made of a name: nothing proves the content.
    Raw = 1,
    /// The key is made of the publisher's peer id: its signature proves the content, and a newer one replaces it.
    Signed = 2,
}

/// What a node is told of a value before it gets the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    /// Bytes of the content.
    pub(crate) size: u64,
    /// BLAKE3 of the content.
    pub(crate) root: Root,
    /// Who stored it first.
    pub(crate) publisher: PeerId,
    /// In ms since 1970: it is forgotten then.
    pub(crate) expires_ms: u64,
    /// Of signed values; 0 otherwise.
    pub(crate) sequence: u64,
    /// Of signed values: what proves it.
    pub(crate) proof: Option<SignedProof>,
}

/// What proves a signed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedProof {
    /// PKIX DER of the publisher's RSA key.
    pub(crate) public_key: Bytes,
    pub(crate) salt: Bytes,
    /// The publisher deleted it: the content is empty.
    pub(crate) deleted: bool,
    pub(crate) signature: Bytes,
}

/// Why a node does not keep a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// Its application decided so.
    Policy = 1,
    /// A budget is used up: of the publisher, of its network, or in all.
    Quota = 2,
    /// Larger than what it takes.
    TooLarge = 3,
    /// It knows enough nodes that are nearer.
    TooFar = 4,
    /// It has seen the asker lie, or fail too often.
    Blacklisted = 5,
    /// Too much at once: it can be tried again.
    Busy = 6,
    /// The value is not what its key, signature or size says.
    Invalid = 7,
    /// It has a newer one, another one, or one with another sequence than was to be replaced.
    Conflict = 8,
}

impl Reason {
    /// Every reason, by number.
    pub const ALL: [Self; 8] = [
        Self::Policy,
        Self::Quota,
        Self::TooLarge,
        Self::TooFar,
        Self::Blacklisted,
        Self::Busy,
        Self::Invalid,
        Self::Conflict,
    ];

    /// The name, as people see it: `too far`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Quota => "quota",
            Self::TooLarge => "too large",
            Self::TooFar => "too far",
            Self::Blacklisted => "blacklisted",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
        }
    }

    /// The reason of this number on the wire.
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| *reason as u32 == number)
    }
}

/// Why a value is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("the value has {size} bytes, the limit (max_item_size) is {max}")]
    TooLarge { size: u64, max: u64 },
    #[error("the value has {got} bytes, its entry says {size}")]
    Size { size: u64, got: u64 },
    #[error("the content is not the one that was announced: its hash is another")]
    Root,
    #[error("the key is not the hash of the content")]
    Key,
    #[error("the key is not made of the publisher's id and the salt")]
    SignedKey,
    #[error("the public key is not the publisher's")]
    Publisher,
    #[error("the salt has {0} bytes: at most {SALT_MAX} are allowed")]
    Salt(usize),
    #[error("the signature does not hold")]
    Signature,
    #[error("a deleted value has no content")]
    DeletedContent,
    #[error("the value has a signature and is of a kind without, or the other way round")]
    Kind,
    #[error("it expired")]
    Expired,
    #[error("it would expire later than in {} days: publish it again instead", EXPIRY_MAX_MS / DAY_MS)]
    TooLong,
}

impl Invalid {
    /// Whether it is wrong whoever looks at it. Size and life are judged by one's own limit and clock.
    pub(crate) fn is_lie(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Expired | Self::TooLong)
    }

    /// What a node says that refuses it.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            _ => Reason::Invalid,
        }
    }
}

/// The root of a content.
pub(crate) fn root_of(content: &[u8]) -> Root {
    blake3::hash(content).into()
}

impl Entry {
    /// A value under the hash of its content.
    pub(crate) fn plain(content: &[u8], publisher: PeerId, expires_ms: u64) -> Self {
        Self::unsigned(
            Kind::Plain,
            Key::of_content(content),
            content,
            publisher,
            expires_ms,
        )
    }

    /// A value under a key of the caller's choice.
    pub(crate) fn raw(key: Key, content: &[u8], publisher: PeerId, expires_ms: u64) -> Self {
        Self::unsigned(Kind::Raw, key, content, publisher, expires_ms)
    }

    /// A signed value of this satellite, in the place that the salt (at most [`SALT_MAX`] bytes) names. Costs an RSA signature.
    pub(crate) fn signed(
        identity: &Identity,
        salt: &[u8],
        sequence: u64,
        content: &[u8],
        expires_ms: u64,
    ) -> Result<Self, Invalid> {
        Self::sign(identity, salt, sequence, content, expires_ms, false)
    }

    /// What replaces a signed value that its publisher deletes. Its life follows from now: it must outlive all copies.
    pub(crate) fn tombstone(
        identity: &Identity,
        salt: &[u8],
        sequence: u64,
        now_ms: u64,
    ) -> Result<Self, Invalid> {
        let expires_ms = now_ms.saturating_add(TOMBSTONE_MS);
        Self::sign(identity, salt, sequence, &[], expires_ms, true)
    }

    /// Whether it stands for a deleted value.
    pub(crate) fn is_deleted(&self) -> bool {
        self.proof.as_ref().is_some_and(|proof| proof.deleted)
    }

    /// Whether it is forgotten by now.
    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms <= now_ms
    }

    /// All that can be checked without the content: size, life and, of signed values, everything but the content itself. `max`
    /// is the largest content that is taken, in bytes.
    pub(crate) fn check(&self, max: u64, now_ms: u64) -> Result<(), Invalid> {
        if self.size > max {
            return Err(Invalid::TooLarge {
                size: self.size,
                max,
            });
        }
        if self.is_expired(now_ms) {
            return Err(Invalid::Expired);
        }
        let life = if self.is_deleted() {
            TOMBSTONE_MS
        } else {
            EXPIRY_MAX_MS
        };
        // Another's clock may be ahead of ours.
        if self.expires_ms - now_ms > life + SKEW_MS {
            return Err(Invalid::TooLong);
        }
        match (self.kind, &self.proof) {
            (Kind::Plain | Kind::Raw, None) if self.sequence == 0 => Ok(()),
            (Kind::Signed, Some(proof)) => self.check_proof(proof),
            _ => Err(Invalid::Kind),
        }
    }

    /// [`check`](Self::check), and whether this is the content. Reads it once for its root, and plain values once more for their key.
    pub(crate) fn verify(&self, content: &[u8], max: u64, now_ms: u64) -> Result<(), Invalid> {
        self.check(max, now_ms)?;
        let got = content.len() as u64;
        if got != self.size {
            return Err(Invalid::Size {
                size: self.size,
                got,
            });
        }
        if root_of(content) != self.root {
            return Err(Invalid::Root);
        }
        if self.kind == Kind::Plain && Key::of_content(content) != self.key {
            return Err(Invalid::Key);
        }
        Ok(())
    }

    fn check_proof(&self, proof: &SignedProof) -> Result<(), Invalid> {
        if proof.salt.len() > SALT_MAX {
            return Err(Invalid::Salt(proof.salt.len()));
        }
        if Key::of_signed(&self.publisher, &proof.salt) != self.key {
            return Err(Invalid::SignedKey);
        }
        if proof.deleted && self.size != 0 {
            return Err(Invalid::DeletedContent);
        }
        let key = PublicKey::from_der(&proof.public_key)
            .ok()
            .filter(|key| key.peer_id() == self.publisher)
            .ok_or(Invalid::Publisher)?;
        if key.verify(&self.message(proof), &proof.signature) {
            Ok(())
        } else {
            Err(Invalid::Signature)
        }
    }

    fn message(&self, proof: &SignedProof) -> Vec<u8> {
        signed::value_message(
            self.key.as_bytes(),
            self.sequence,
            self.expires_ms,
            proof.deleted,
            &proof.salt,
            &self.root,
            self.size,
        )
    }

    fn unsigned(kind: Kind, key: Key, content: &[u8], publisher: PeerId, expires_ms: u64) -> Self {
        Self {
            key,
            kind,
            size: content.len() as u64,
            root: root_of(content),
            publisher,
            expires_ms,
            sequence: 0,
            proof: None,
        }
    }

    fn sign(
        identity: &Identity,
        salt: &[u8],
        sequence: u64,
        content: &[u8],
        expires_ms: u64,
        deleted: bool,
    ) -> Result<Self, Invalid> {
        if salt.len() > SALT_MAX {
            return Err(Invalid::Salt(salt.len()));
        }
        let publisher = identity.peer_id();
        let mut proof = SignedProof {
            public_key: Bytes::copy_from_slice(identity.public_key().as_der()),
            salt: Bytes::copy_from_slice(salt),
            deleted,
            signature: Bytes::new(),
        };
        let mut entry = Self {
            sequence,
            ..Self::unsigned(
                Kind::Signed,
                Key::of_signed(&publisher, salt),
                content,
                publisher,
                expires_ms,
            )
        };
        proof.signature = identity.sign(&entry.message(&proof)).into();
        entry.proof = Some(proof);
        Ok(entry)
    }
}

/// Whether the signed value `a` replaces `b`: by a higher sequence; of two with the same, the lower root, so that all nodes
/// keep the same one; of one and the same, the one that lives longer, as after it was published again.
pub(crate) fn newer(a: &Entry, b: &Entry) -> bool {
    let rank = |entry: &Entry| {
        (
            entry.sequence,
            Reverse(entry.root),
            entry.is_deleted(),
            entry.expires_ms,
        )
    };
    rank(a) > rank(b)
}

/// Which of the values is believed that several nodes named for one key, one answer each, all [checked](Entry::check).
///
/// What can be proved goes before what cannot: a raw value under the key of a plain or signed one is no answer to who looks
/// for that. Of signed values it is the newest that more than half have, or where no majority is, the newest of all, as only
/// its publisher can have made it; of others, the one that most have. Of equals the lower root.
pub(crate) fn choose(answers: &[Entry]) -> Option<&Entry> {
    let proved = answers.iter().any(|entry| entry.kind != Kind::Raw);
    let asked = || {
        answers
            .iter()
            .filter(|entry| !proved || entry.kind != Kind::Raw)
    };
    let all = asked().count();
    asked().max_by_key(|entry| {
        let count = asked()
            .filter(|other| (other.sequence, other.root) == (entry.sequence, entry.root))
            .count();
        let held = match entry.kind {
            Kind::Signed => usize::from(count * 2 > all),
            Kind::Plain | Kind::Raw => count,
        };
        let Entry {
            sequence,
            root,
            expires_ms,
            ..
        } = entry;
        (
            held,
            *sequence,
            Reverse(*root),
            entry.is_deleted(),
            *expires_ms,
        )
    })
}

/// A node's promise to keep a value. Signed with the batch that it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) key: Key,
    pub(crate) root: Root,
    pub(crate) size: u64,
    /// In ms since 1970: the node keeps it until then at least.
    pub(crate) expires_ms: u64,
    pub(crate) publisher: PeerId,
    pub(crate) nonce: Nonce,
    /// Who promises.
    pub(crate) node: PeerId,
    /// In ms since 1970.
    pub(crate) time_ms: u64,
}

impl Receipt {
    /// The promise of `node` to keep this value.
    pub(crate) fn new(entry: &Entry, nonce: Nonce, node: PeerId, time_ms: u64) -> Self {
        Self {
            key: entry.key,
            root: entry.root,
            size: entry.size,
            expires_ms: entry.expires_ms,
            publisher: entry.publisher,
            nonce,
            node,
            time_ms,
        }
    }

    /// Whether it promises what `node` was asked for with this nonce: this very value, for its life at least.
    pub(crate) fn matches(&self, entry: &Entry, nonce: &Nonce, node: &PeerId) -> bool {
        self.expires_ms >= entry.expires_ms
            && *self
                == Self {
                    expires_ms: self.expires_ms,
                    ..Self::new(entry, *nonce, *node, self.time_ms)
                }
    }
}

#[cfg(test)]
mod tests;
