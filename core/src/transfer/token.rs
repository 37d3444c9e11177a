//! Tokens that people issue.

use std::time::Duration;

use super::Files;
use super::library::label;
use crate::error::TransferError;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::token::{Claims, Op};

/// How long a token holds if nothing else is said.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What a token allows: by default whoever has it may read, write, delete and list the files of one owner at this satellite, for a day.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    owner: String,
    ops: Vec<Op>,
    root: Option<Root>,
    bytes: Option<u64>,
    lifetime: Duration,
    holder: Option<PeerId>,
}

impl TokenOptions {
    /// For the files of this owner: 1 to 255 bytes without control characters.
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            ops: Op::ALL.to_vec(),
            root: None,
            bytes: None,
            lifetime: LIFETIME,
            holder: None,
        }
    }

    /// What may be done. Default: everything.
    #[must_use]
    pub fn ops(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.ops = ops.into_iter().collect();
        self
    }

    /// Only with this file. Default: with all.
    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.root = Some(root);
        self
    }

    /// How many bytes may be moved with it in all, up and down together. Default: no limit.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// How long it holds, in whole seconds. Default a day.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Only this peer may use it. Default: whoever has it.
    #[must_use]
    pub fn holder(mut self, peer: PeerId) -> Self {
        self.holder = Some(peer);
        self
    }
}

impl Files {
    /// A token for what is kept here ([`Files::keep`]): a JWT (RS256) by this satellite's key, which holds here and nowhere else. It cannot be taken
    /// back before its end.
    ///
    /// # Errors
    /// [`TransferError::BadInput`] for an owner that cannot be, or without an operation.
    pub fn token(&self, options: TokenOptions) -> Result<String, TransferError> {
        let owner = label("owner", &options.owner)?;
        if options.ops.is_empty() {
            let text =
                "a token allows at least one operation: give some, or leave them out for all";
            return Err(TransferError::BadInput(text.into()));
        }
        let local = self.sharing.local;
        let until = (clock::now_ms() / 1000).saturating_add(options.lifetime.as_secs());
        let mut claims = Claims::new(local, &options.ops, until, clock::random());
        (claims.name, claims.server) = (Some(owner), Some(local));
        (claims.root, claims.bytes) = (options.root, options.bytes);
        claims.holder = options.holder;
        let token = claims.sign(self.satellite.identity());
        // It is this satellite's own key.
        let token = token.ok_or(TransferError::Closed)?;
        Ok(token.as_str().to_owned())
    }
}
