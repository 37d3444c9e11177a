//! Peers as people see them: who is known, and what happens to them.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::callbacks::Source;
use super::queue::Queue;
use super::router::Router;
use crate::config::Signing;
use crate::error::Code;
use crate::identity::PeerId;
use crate::net::Link;
use crate::proto::packet::PacketType;
use crate::proto::roster;

/// How a known peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// Known and, as far as one can tell, reachable through the network.
    Met,
    /// There is a session.
    Connected,
    /// It did not answer, several times in a row. It is still tried.
    Unreachable,
}

/// A known peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Who.
    pub peer: PeerId,
    /// How it stands.
    pub state: PeerState,
    /// Where it may be dialled, best first, as multiaddresses without its id.
    pub addresses: Vec<String>,
    /// How the session signs: the stricter of both sides' choices. `None` without a session.
    pub signing: Option<Signing>,
}

impl PeerInfo {
    pub(super) fn of_met(met: &roster::Met) -> Self {
        Self {
            peer: met.peer,
            state: match met.state {
                roster::State::Met => PeerState::Met,
                roster::State::Connected => PeerState::Connected,
                roster::State::Unreachable => PeerState::Unreachable,
            },
            addresses: met.addresses.iter().map(ToString::to_string).collect(),
            signing: None,
        }
    }

    pub(super) fn of_link(link: &Link) -> Self {
        Self {
            peer: link.peer,
            state: PeerState::Connected,
            addresses: Vec::new(),
            signing: Some(link.signing),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DisconnectReason {
    /// The kind: [`Code::Closed`] for a peer that was shut down in order, or paused, [`Code::Disconnected`] for one that is gone without a word (it was
    /// killed, or the connection broke), [`Code::Timeout`] for one that is silent, [`Code::Cancelled`] when either application ended
    /// the session, [`Code::Busy`] when one of both had more sessions than it keeps, [`Code::Protocol`] for a fault of either.
    pub code: Code,
    /// For people.
    pub text: String,
}

/// What happens to peers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// A peer is known from now on, or again after it left; it may be dialled or not. Told before anything else of it.
    Discovered {
        /// Who.
        peer: PeerId,
    },
    /// A connection stands, and the transport has proved who is at its other end.
    Connected {
        /// Who.
        peer: PeerId,
        /// Its end of the connection, as a multiaddress.
        address: String,
    },
    /// There is a session: packets flow.
    Authenticated {
        /// Who.
        peer: PeerId,
    },
    /// There is no session any more.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A peer did not answer several times in a row.
    Unreachable {
        /// Who.
        peer: PeerId,
        /// What the last attempt said.
        reason: String,
    },
    /// A handler's queue was full and events were dropped. For events of peers themselves the type is INTERNAL and the namespace empty.
    Lagged {
        /// Type of what was dropped.
        packet_type: PacketType,
        /// Namespace of what was dropped.
        namespace: String,
        /// How many.
        dropped: u64,
    },
}

/// The events of peers, one after another. Dropping it unsubscribes.
#[derive(Debug)]
pub struct PeerEvents {
    queue: Arc<Queue<PeerEvent>>,
    router: Arc<Router>,
}

impl PeerEvents {
    pub(super) fn new(router: &Arc<Router>) -> Self {
        Self {
            queue: router.add_peers(),
            router: Arc::clone(router),
        }
    }

    /// The next event; `None` after shutdown.
    pub async fn next(&mut self) -> Option<PeerEvent> {
        let mut out = Vec::with_capacity(1);
        std::future::poll_fn(|cx| self.poll_events(cx, &mut out, 1)).await;
        out.pop()
    }

    /// Appends up to `max` events that are there to `out`, after waiting for the first. False after shutdown.
    pub async fn next_batch(&mut self, out: &mut Vec<PeerEvent>, max: usize) -> bool {
        std::future::poll_fn(|cx| self.poll_events(cx, out, max.max(1))).await
    }

    fn poll_events(&self, cx: &Context<'_>, out: &mut Vec<PeerEvent>, max: usize) -> Poll<bool> {
        let dropped = self.queue.take_dropped();
        if dropped > 0 {
            let namespace = String::new();
            out.push(PeerEvent::Lagged {
                packet_type: PacketType::Internal,
                namespace,
                dropped,
            });
            return Poll::Ready(true);
        }
        self.queue.poll_batch(cx, out, max)
    }
}

impl Source<PeerEvent> for PeerEvents {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<PeerEvent>,
        max: usize,
    ) -> Poll<bool> {
        self.poll_events(cx, out, max)
    }

    fn close(&mut self) {
        self.router.remove_peers(&self.queue);
    }
}

impl Drop for PeerEvents {
    fn drop(&mut self) {
        self.router.remove_peers(&self.queue);
    }
}
