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
    pub(super) owner: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) sha256: bool,
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

    /// Whose it is, 1 to 255 bytes without control characters. Default: this satellite's own, which has its peer id as owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Tags by which it is found: up to 64 of 1 to 255 bytes without control characters. Default: none.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Compute the SHA-256 of a file, too, by which other programs call it; a folder has none. Default: no, as it takes longer than all else.
    #[must_use]
    pub fn sha256(mut self, sha256: bool) -> Self {
        self.sha256 = sha256;
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
#[derive(Clone)]
pub struct GetOptions {
    pub(super) sources: Vec<PeerId>,
    pub(super) addresses: Vec<String>,
    pub(super) patience: Duration,
    pub(super) durable: bool,
    pub(super) token: Option<String>,
}

impl Default for GetOptions {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            addresses: Vec::new(),
            patience: PATIENCE,
            durable: true,
            token: None,
        }
    }
}

/// Without the token.
impl fmt::Debug for GetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOptions")
            .field("sources", &self.sources)
            .field("addresses", &self.addresses)
            .field("patience", &self.patience)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
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

    /// The right to it, where those who have it want one: what [`Files::token`](super::Files::token) gave. A ticket has its own.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
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
