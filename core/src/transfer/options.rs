//! What a call about files may be told beside its arguments.

use std::time::Duration;

use crate::identity::PeerId;

/// How long somebody who has the file is looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a file is shared.
#[derive(Clone, Debug, Default)]
pub struct ShareOptions {}

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
