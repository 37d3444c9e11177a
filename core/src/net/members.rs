//! Keeps a protocol for members: until a peer is admitted, the protocol inside sees nothing of it and it sees nothing of the protocol.
//!
//! A transport handshake proves who a peer is, not that it belongs here; that comes with the session, a little later. In between,
//! gossip would already tell its topics and take in messages. [`Members`] wraps such a protocol: before [`Members::admit`] no
//! substream is accepted or opened, nothing is read or written, and no connection is kept alive for it.
//!
//! It decides nothing: who is admitted is the driver's business, and what members may say is the inner protocol's.
//!
//! - **The inner handler is made at admission** and travels to its connection in the command that opens it. Made when the
//!   connection is, it would have been registered by then: gossipsub counts a peer as connected, and queues its first message, as
//!   soon as it is asked for a handler. So there is nothing inside to be held back, and nothing to be forgotten.
//! - **Each opening has a number.** Events and substreams that belong to an earlier opening of the same connection are dropped.
//! - **A refused substream is kept and asked for again** once the peer shows that it has opened too: by a substream of its own,
//!   or by telling (identify) that it speaks the protocol. Two peers never admit each other in the same instant, and gossipsub
//!   gives up for good on a connection where it was refused once.
//!
//! What the inner protocol does without: a refusal to negotiate, protocols the peer announced before the admission, and addresses
//! that failed before the connection was made.

mod handler;
#[cfg(test)]
mod swarm_tests;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, ready};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use handler::{MemberHandler, Tagged, ToHandler};

/// A protocol that only admitted peers take part in.
///
/// An admission holds for all connections of the peer, those that are made later included, and ends with [`Members::expel`] or
/// with the peer's last connection. Like any behaviour it acts when the swarm is polled next.
pub(crate) struct Members<B: NetworkBehaviour> {
    inner: B,
    peers: HashMap<PeerId, Peer>,
    /// How often a connection was opened to the inner protocol: the number of the latest opening.
    openings: u64,
    /// For connections, in order. At most one entry for each opening and closing since the last poll.
    commands: VecDeque<(PeerId, ConnectionId, ToHandler<THandler<B>>)>,
}

/// A connected peer.
#[derive(Default)]
struct Peer {
    admitted: bool,
    connections: Vec<Connection>,
}

impl Peer {
    /// How many connections the inner protocol knows.
    fn open(&self) -> usize {
        let open = |connection: &&Connection| connection.opening.is_some();
        self.connections.iter().filter(open).count()
    }
}

struct Connection {
    id: ConnectionId,
    endpoint: ConnectedPoint,
    /// While the inner protocol knows the connection.
    opening: Option<u64>,
}

impl<B: NetworkBehaviour> Members<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner,
            peers: HashMap::new(),
            openings: 0,
            commands: VecDeque::new(),
        }
    }

    /// The protocol inside.
    pub(crate) fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Lets a connected peer take part from now on. Of a peer without a connection nothing is kept: its next connection has to
    /// prove itself anew.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.admitted = true;
            self.open(peer);
        }
    }

    /// Shuts a peer out. To the inner protocol its connections are closed, to the swarm they stay as they are.
    ///
    /// What the inner protocol had already handed to the connection may still leave. The peer's own protocol is not told: for a
    /// fresh start on the same connection both sides expel and admit, as both do when a session ends and another begins.
    pub(crate) fn expel(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.admitted = false;
        let mut remaining = known.open();
        for connection in &mut known.connections {
            if connection.opening.take().is_none() {
                continue;
            }
            remaining -= 1;
            self.commands
                .push_back((peer, connection.id, ToHandler::Shut));
            self.inner
                .on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                    peer_id: peer,
                    connection_id: connection.id,
                    endpoint: &connection.endpoint,
                    cause: None,
                    remaining_established: remaining,
                }));
        }
    }

    /// Shows the inner protocol those connections of an admitted peer that it does not know yet.
    fn open(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer).filter(|known| known.admitted) else {
            return;
        };
        let mut others = known.open();
        for connection in &mut known.connections {
            if connection.opening.is_some() {
                continue;
            }
            let handler = match &connection.endpoint {
                ConnectedPoint::Dialer {
                    address,
                    role_override,
                    port_use,
                } => self.inner.handle_established_outbound_connection(
                    connection.id,
                    peer,
                    address,
                    *role_override,
                    *port_use,
                ),
                ConnectedPoint::Listener {
                    local_addr,
                    send_back_addr,
                } => self.inner.handle_established_inbound_connection(
                    connection.id,
                    peer,
                    local_addr,
                    send_back_addr,
                ),
            };
            let handler = match handler {
                Ok(handler) => Box::new(handler),
                Err(reason) => {
                    tracing::debug!(%peer, connection = %connection.id, %reason, "the protocol for members does without a connection");
                    continue;
                }
            };
            self.openings += 1;
            let opening = self.openings;
            connection.opening = Some(opening);
            self.commands
                .push_back((peer, connection.id, ToHandler::Open { opening, handler }));
            self.inner
                .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                    peer_id: peer,
                    connection_id: connection.id,
                    endpoint: &connection.endpoint,
                    failed_addresses: &[],
                    other_established: others,
                }));
            others += 1;
        }
    }

    /// The open connection a notification is for.
    fn reach(&self, peer: &PeerId, handler: &NotifyHandler) -> Option<ConnectionId> {
        let mut connections = self.peers.get(peer)?.connections.iter();
        let wanted = |connection: &&Connection| match handler {
            NotifyHandler::One(id) => connection.id == *id,
            NotifyHandler::Any => true,
        };
        connections
            .find(|connection| connection.opening.is_some() && wanted(connection))
            .map(|connection| connection.id)
    }

    fn on_closed(&mut self, closed: ConnectionClosed<'_>) {
        let Some(known) = self.peers.get_mut(&closed.peer_id) else {
            return;
        };
        let is_it = |connection: &Connection| connection.id == closed.connection_id;
        let Some(index) = known.connections.iter().position(is_it) else {
            return;
        };
        let connection = known.connections.swap_remove(index);
        let remaining_established = known.open();
        if known.connections.is_empty() {
            self.peers.remove(&closed.peer_id);
        }
        if connection.opening.is_some() {
            self.inner
                .on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                    remaining_established,
                    ..closed
                }));
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Members<B>
where
    <THandler<B> as ConnectionHandler>::OutboundProtocol: Clone,
    <THandler<B> as ConnectionHandler>::OutboundOpenInfo: Clone,
{
    type ConnectionHandler = MemberHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(MemberHandler::shut())
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner
            .handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(MemberHandler::shut())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let known = self.peers.entry(established.peer_id).or_default();
                known.connections.push(Connection {
                    id: established.connection_id,
                    endpoint: established.endpoint.clone(),
                    opening: None,
                });
                self.open(established.peer_id);
            }
            FromSwarm::ConnectionClosed(closed) => self.on_closed(closed),
            FromSwarm::AddressChange(change) => {
                let known = self.peers.get_mut(&change.peer_id);
                let connection = known.and_then(|known| {
                    let mut connections = known.connections.iter_mut();
                    connections.find(|connection| connection.id == change.connection_id)
                });
                let Some(connection) = connection else {
                    return;
                };
                connection.endpoint = change.new.clone();
                if connection.opening.is_some() {
                    self.inner.on_swarm_event(event);
                }
            }
            _ => self.inner.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        Tagged { opening, value }: THandlerOutEvent<Self>,
    ) {
        let current = self.peers.get(&peer).is_some_and(|known| {
            let mut connections = known.connections.iter();
            connections.any(|connection| connection.id == id && connection.opening == Some(opening))
        });
        if current {
            self.inner.on_connection_handler_event(peer, id, value);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // First, so that a notification never comes to a connection before the handler it is for.
        if let Some((peer_id, id, event)) = self.commands.pop_front() {
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(id),
                event,
            });
        }
        loop {
            match ready!(self.inner.poll(cx)) {
                ToSwarm::NotifyHandler {
                    peer_id,
                    handler,
                    event,
                } => {
                    if let Some(id) = self.reach(&peer_id, &handler) {
                        return Poll::Ready(ToSwarm::NotifyHandler {
                            peer_id,
                            handler: NotifyHandler::One(id),
                            event: ToHandler::Inner(event),
                        });
                    }
                }
                other => return Poll::Ready(other.map_in(ToHandler::Inner)),
            }
        }
    }
}
