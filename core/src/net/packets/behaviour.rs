//! The packets behaviour as the swarm sees it.

use std::task::{Context, Poll};

use either::Either;
use libp2p::Multiaddr;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::FromSwarm;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, ToSwarm, dummy,
};

use super::{FromHandler, Packets, SessionEvent};
use crate::net::handler::{Handler, Notice, Order};
use crate::net::{address, clock};
use crate::proto::pair;

impl NetworkBehaviour for Packets {
    type ConnectionHandler = Either<Handler, dummy::ConnectionHandler>;
    type ToSwarm = SessionEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.gate
            .inbound(id, address::ip_of(remote), clock::now())
            .map_err(|refusal| {
                self.shared.counters.refused_connections.add(1);
                tracing::debug!(%remote, %refusal, "connection refused");
                ConnectionDenied::new(refusal)
            })
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Either<Handler, dummy::ConnectionHandler>, ConnectionDenied> {
        self.handler(id, peer, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Either<Handler, dummy::ConnectionHandler>, ConnectionDenied> {
        self.handler(id, peer, remote)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(&event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(&event),
            FromSwarm::DialFailure(event) => {
                self.session_dials.remove(&event.connection_id);
                self.gate.closed(event.connection_id);
            }
            FromSwarm::ListenFailure(event) => self.gate.closed(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: libp2p::PeerId,
        id: ConnectionId,
        notice: FromHandler,
    ) {
        let Either::Left(notice) = notice;
        let Some(name) = self.names.get(&id).copied() else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&name) else {
            return;
        };
        let satellite = connection.peer;
        match notice {
            Notice::Begun => self.begin(name),
            Notice::Greeted { epoch } => {
                self.tell(satellite, pair::Event::Hello { id: name, epoch })
            }
            Notice::Proved => self.tell(satellite, pair::Event::Established { id: name }),
            Notice::Opened { link } => {
                connection.link = Some(link);
                if let Some(news) = connection.news.take() {
                    self.announce(name, news);
                }
                self.tell(satellite, pair::Event::Established { id: name });
            }
            Notice::Ending { ended } => connection.ended = Some(ended),
            Notice::Ended { ended } => {
                connection.ended = Some(ended);
                self.part_if_wanted(name);
                self.queue.push_back(ToSwarm::CloseConnection {
                    peer_id: peer,
                    connection: CloseConnection::One(id),
                });
            }
            Notice::Foreign => {
                // The connection may still serve the DHT; it carries no session.
                connection.foreign = true;
                self.tell(satellite, pair::Event::Down { id: name });
                self.queue
                    .push_back(ToSwarm::GenerateEvent(SessionEvent::Foreign {
                        peer: satellite,
                    }));
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<SessionEvent, Either<Order, std::convert::Infallible>>> {
        if self.queue.is_empty() {
            self.poll_pairs(cx);
        }
        match self.queue.pop_front() {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }
}
