//! Tickets as people hold them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Files;
use crate::config::ADDRESSES_PER_PEER;
use crate::error::{Error, TransferError};
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::{Kind, Ticket as Inner};
use crate::proto::transfer::token::{Claims, Op};

/// How long a ticket with a right in it holds if nothing else is said.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// All that is needed to get a file or folder, as one text that can be pasted: [`Files::ticket`] makes it, and `to_string` and `parse` turn it
/// into text and back. Nothing in it is proved before the file comes; whoever has the text may use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(pub(super) Inner);

impl Ticket {
    /// The id of the file, or of the folder's list.
    pub fn root(&self) -> Root {
        self.0.root
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.0.kind == Kind::Collection
    }

    /// Bytes in all, as its issuer says.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// What it is called, as its issuer says: one part of a path, without folders.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_ref().map(|name| name.as_str())
    }

    /// Who has it.
    pub fn issuer(&self) -> PeerId {
        self.0.issuer
    }

    /// Where that is: multiaddresses.
    pub fn addresses(&self) -> &[String] {
        &self.0.addresses
    }

    /// The name under which to meet.
    pub fn rendezvous(&self) -> &str {
        &self.0.rendezvous
    }

    /// Whether that network has a secret, which is not in the ticket.
    pub fn needs_secret(&self) -> bool {
        self.0.secret
    }

    /// Until when it holds, in s since 1970; nothing if it gives no right, as what is shared with everybody needs none.
    pub fn expires(&self) -> Option<u64> {
        Some(self.0.token.as_ref()?.claims().expires)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It was checked when it was made or read.
        f.pad(&self.0.encode().unwrap_or_default())
    }
}

/// Without the right that is in it.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.0.root)
    }
}

impl FromStr for Ticket {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(text.parse()?))
    }
}

/// What a ticket allows. By default: whoever has it may get the file for 30 days.
#[derive(Clone, Copy, Debug, Default)]
pub struct TicketOptions {
    lifetime: Option<Duration>,
    bytes: Option<u64>,
    holder: Option<PeerId>,
}

impl TicketOptions {
    /// How long it holds. Default 30 days.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// How many bytes may be got with it in all, by whomever. Default: no limit.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
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
    /// A ticket for what this satellite shares. It has a right in it if the file was shared with
    /// [`only_with_ticket`](super::ShareOptions::only_with_ticket).
    ///
    /// # Errors
    /// [`TransferError::NotFound`] if it is not shared; [`TransferError::BadInput`] for limits of a file that everybody may get.
    pub fn ticket(&self, root: &Root, options: TicketOptions) -> Result<Ticket, TransferError> {
        let TicketOptions {
            lifetime,
            bytes,
            holder,
        } = options;
        let Some(about) = self.sharing.about(root) else {
            return Err(TransferError::NotFound(root.to_string()));
        };
        let issuer = self.sharing.local;
        let token = if self.sharing.is_guarded(root) {
            let lifetime = lifetime.unwrap_or(LIFETIME);
            let until = (clock::now_ms() / 1000).saturating_add(lifetime.as_secs());
            let mut claims = Claims::new(issuer, &[Op::Read], until, clock::random());
            (claims.root, claims.server) = (Some(*root), Some(issuer));
            (claims.bytes, claims.holder) = (bytes, holder);
            claims.sign(self.satellite.identity())
        } else if lifetime.is_some() || bytes.is_some() || holder.is_some() {
            return Err(TransferError::BadInput(
                "a ticket with limits is for what is shared with only_with_ticket: everybody may get this without one".into(),
            ));
        } else {
            None
        };
        let config = self.satellite.config();
        let mut addresses: Vec<String> = self
            .satellite
            .addresses()
            .into_iter()
            .map(|address| match address.rsplit_once("/p2p/") {
                Some((before, _)) => before.to_owned(),
                None => address,
            })
            .collect();
        // Others first try what leads here from elsewhere.
        addresses.sort_by_key(|address| address.contains("/127.") || address.contains("/ip6/::1/"));
        addresses.truncate(ADDRESSES_PER_PEER);
        Ok(Ticket(Inner {
            root: *root,
            kind: about.kind,
            size: about.size,
            name: about.name,
            issuer,
            addresses,
            rendezvous: config.rendezvous.clone(),
            secret: config.secret.is_some(),
            token,
        }))
    }
}
