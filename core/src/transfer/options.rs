//! What a call about files may be told beside its arguments.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::PeerId;

/// How long somebody who has the file is looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a file or folder is shared.
#[derive(Clone, Debug, Default)]
pub struct ShareOptions {
    pub(super) guarded: bool,
    pub(super) progress: Option<Hashed>,
}

/// Is told of bytes that were hashed.
#[derive(Clone)]
pub(super) struct Hashed(pub(super) Arc<dyn Fn(u64) + Send + Sync>);

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed")
    }
}

impl ShareOptions {
    /// Give it only to who has a [`Ticket`](super::Ticket) for it. Default: to everybody of the network who knows its root.
    #[must_use]
    pub fn only_with_ticket(mut self, guarded: bool) -> Self {
        self.guarded = guarded;
        self
    }

    /// Tell this of bytes as they are hashed, on a thread of its own, where it must not block for long.
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Hashed(Arc::new(progress)));
        self
    }
}

/// How a file is got.
#[derive(Clone, Debug)]
pub struct GetOptions {
    pub(super) sources: Vec<PeerId>,
    pub(super) addresses: Vec<String>,
    pub(super) patience: Duration,
    pub(super) durable: bool,
}

impl Default for GetOptions {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            addresses: Vec::new(),
            patience: PATIENCE,
            durable: true,
        }
    }
}

impl GetOptions {
    /// Who has it, as far as is known. More are found through the DHT.
    #[must_use]
    pub fn sources(mut self, peers: impl IntoIterator<Item = PeerId>) -> Self {
        self.sources = peers.into_iter().collect();
        self
    }

    /// Where those who have it can be reached.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        self.addresses = addresses.into_iter().collect();
        self
    }

    /// How long nobody may be there who has it before the call fails; what came is kept. Default 60 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether the end means that the file and its name are on the disk. Default: yes. Without, a machine that loses power may lose it.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }
}
