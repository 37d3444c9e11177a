//! What a call of the DHT may be told beside its arguments.

use std::time::Duration;

use crate::identity::PeerId;

/// How long a value is kept that says nothing else.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The least and the most that may be asked for.
pub(super) const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How a value is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    pub(super) lifetime: Duration,
    pub(super) deadline: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            lifetime: LIFETIME,
            deadline: DEADLINE,
        }
    }
}

impl StoreOptions {
    /// How long nodes keep it. Default 24 h; 1 s to 30 days. Storing it again makes it last longer.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long the call may take. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// How a signed value is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignedOptions {
    pub(super) store: StoreOptions,
    pub(super) sequence: Option<u64>,
    pub(super) if_sequence: Option<u64>,
    pub(super) recipient: Option<PeerId>,
}

impl SignedOptions {
    /// How long nodes keep it: see [`StoreOptions::lifetime`].
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.store.lifetime = lifetime;
        self
    }

    /// How long the call may take. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.store.deadline = deadline;
        self
    }

    /// Its number: the highest wins. Default: one more than the highest that is found.
    #[must_use]
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Stores only where the value to be replaced has this number (compare and swap); 0: where there is none yet.
    #[must_use]
    pub fn if_sequence(mut self, sequence: u64) -> Self {
        self.if_sequence = Some(sequence);
        self
    }

    /// Only this peer can read it: see [`Dht::open`](super::Dht::open).
    #[must_use]
    pub fn sealed_for(mut self, recipient: PeerId) -> Self {
        self.recipient = Some(recipient);
        self
    }
}

/// How a value is fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    pub(super) deadline: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { deadline: DEADLINE }
    }
}

impl FetchOptions {
    /// How long the call may take. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}
