//! The network driver: the only user of the libp2p swarm, of sockets, of the clock and of randomness.
//!
//! Above it, the satellite holds [`Link`]s (to send), an [`Inbox`] (to be handed what came in) and a command channel. Below it,
//! machines of [`crate::proto`] decide; what is here selects the next event, hands it to a machine and applies what it answers.

mod account;
pub(crate) mod address;
mod ahead;
pub(crate) mod behaviour;
pub(crate) mod certificate;
pub(crate) mod clock;
pub(crate) mod driver;
pub(crate) mod exchange;
mod faulty;
pub(crate) mod gate;
mod gather;
pub(crate) mod gossip;
mod handler;
pub(crate) mod link;
mod members;
mod packets;
mod providers;
mod pulse;
pub(crate) mod replies;
mod tls;
pub(crate) mod transport;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;

pub(crate) use account::{Account, Charge, Window};
pub(crate) use link::{Answer, Ended, Link};

use crate::config::Signing;
use crate::hidden::Hidden;
use crate::identity::{Identity, PeerId};
use crate::proto::alive;
use crate::proto::cast::Cast;
use crate::proto::keys::DelegatedKey;
use crate::proto::packet::PacketType;
use crate::proto::session::Limits;
use crate::proto::wire::StreamPacket;
use crate::stats::Counters;

/// A packet on its way to the satellite's handlers.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) packet_type: PacketType,
    pub(crate) packet: StreamPacket,
    pub(crate) charge: Charge,
    /// REQUEST and SEEK: what the answer is bounded by.
    pub(crate) answer: Option<Arc<Answer>>,
}

/// Where the driver puts what came in. Called on network tasks: nothing here waits, and no code of the application runs.
pub(crate) trait Inbox: Send + Sync + fmt::Debug + 'static {
    /// A session opened; packets may follow at once.
    fn opened(&self, link: &Arc<Link>, address: &str);
    /// A session ended.
    fn ended(&self, link: &Arc<Link>, ended: &Ended);
    /// Packets of one session, in order. Takes all of them out.
    fn deliver(&self, link: &Arc<Link>, batch: &mut Vec<Delivery>);
    /// A broadcast, checked, for the first time. Without a charge there is no memory to keep it.
    fn broadcast(&self, cast: Cast, charge: Option<Charge>);
    /// A connection stands; its session is not open yet.
    fn connected(&self, peer: PeerId, address: &str);
    /// Whether any session is open.
    fn has_sessions(&self) -> bool;
    /// A peer is known from now on.
    fn discovered(&self, peer: PeerId);
    /// A peer did not answer several times in a row.
    fn unreachable(&self, peer: PeerId, reason: &str);
}

/// What every connection's task shares with the driver.
pub(crate) struct NetShared {
    pub(crate) identity: Identity,
    delegated: RwLock<Arc<DelegatedKey>>,
    pub(crate) signing: Signing,
    pub(crate) limits: Limits,
    pub(crate) secret: Option<Arc<Hidden<Vec<u8>>>>,
    pub(crate) network_tag: [u8; 32],
    pub(crate) epoch: u64,
    pub(crate) alive: alive::Timing,
    pub(crate) account: Arc<Account>,
    /// For what no session's window bounds: replies (each request has its own) and broadcasts.
    pub(crate) uncredited: Arc<Window>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) inbox: Arc<dyn Inbox>,
    /// INTERNAL packets, for the driver.
    internal: mpsc::Sender<(PeerId, StreamPacket)>,
}

/// What [`NetShared`] is made of.
pub(crate) struct NetSetup {
    pub(crate) identity: Identity,
    pub(crate) signing: Signing,
    pub(crate) limits: Limits,
    pub(crate) secret: Option<Arc<Hidden<Vec<u8>>>>,
    pub(crate) network_tag: [u8; 32],
    pub(crate) epoch: u64,
    pub(crate) alive: alive::Timing,
    pub(crate) account: Arc<Account>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) inbox: Arc<dyn Inbox>,
}

impl NetShared {
    /// Makes the first delegated key on the way: one RSA signature.
    pub(crate) fn new(
        setup: NetSetup,
        internal: mpsc::Sender<(PeerId, StreamPacket)>,
    ) -> Arc<Self> {
        let NetSetup {
            identity,
            signing,
            limits,
            secret,
            network_tag,
            epoch,
            alive,
            account,
            counters,
            inbox,
        } = setup;
        let delegated = RwLock::new(Arc::new(DelegatedKey::new(
            &identity,
            clock::random(),
            clock::delegated_from_ms(),
        )));
        let uncredited = Window::unbounded(Arc::clone(&account));
        Arc::new(Self {
            identity,
            delegated,
            signing,
            limits,
            secret,
            network_tag,
            epoch,
            alive,
            account,
            uncredited,
            counters,
            inbox,
            internal,
        })
    }

    /// The key that signs now. Another is made before it is too old, and when the clock was set to another time: one RSA signature.
    pub(crate) fn delegated(&self) -> Arc<DelegatedKey> {
        let now_ms = clock::now_ms();
        let key = self
            .delegated
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if !key.is_due(now_ms) {
            return Arc::clone(&key);
        }
        drop(key);
        let mut key = self
            .delegated
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Another thread may have made it.
        if key.is_due(now_ms) {
            let (seed, from) = (clock::random(), clock::delegated_from_ms());
            *key = Arc::new(DelegatedKey::new(&self.identity, seed, from));
        }
        Arc::clone(&key)
    }
}

impl fmt::Debug for NetShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetShared")
            .field("peer", &self.identity.peer_id())
            .finish_non_exhaustive()
    }
}

/// Our peer id as libp2p writes it.
pub(crate) fn to_libp2p(peer: &PeerId) -> libp2p::PeerId {
    #[expect(
        clippy::expect_used,
        reason = "a satellite's id is a sha2-256 multihash, which libp2p takes"
    )]
    libp2p::PeerId::from_bytes(peer.as_bytes()).expect("a satellite's id is a valid multihash")
}

/// A libp2p peer id as a satellite's; `None` for nodes whose key is not RSA.
pub(crate) fn from_libp2p(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::from_bytes(&peer.to_bytes()).ok()
}
