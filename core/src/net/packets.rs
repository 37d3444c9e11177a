//! The behaviour of the native wire: one handler for each connection, one pair machine for each peer.
//!
//! It decides which connection carries the session with a peer and tells the driver when one opens or ends. It never sees a packet.

mod behaviour;

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use either::Either;
use futures::FutureExt;
use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{ConnectionDenied, ConnectionId, NotifyHandler, ToSwarm, dummy};
use tokio::time::Sleep;

use super::gate::Gate;
use super::handler::{Handler, Notice, Order};
use super::link::{Ended, Link};
use super::{NetShared, address, clock, from_libp2p, to_libp2p};
use crate::config::LINGER_MAX;
use crate::error::Code;
use crate::identity::PeerId;
use crate::proto::pair::{self, CloseReason, Dialer, Pair};

/// What the driver hears of sessions.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// A connection with a peer is to carry a session. Comes before anything else of it: the handler is told to go on after this.
    Begun { peer: PeerId, address: String },
    /// There is a session with a peer, and was none.
    Opened {
        link: Arc<Link>,
        address: Option<Multiaddr>,
    },
    /// It goes on over another connection.
    Moved { link: Arc<Link> },
    /// There is none any more.
    Lost { peer: PeerId, ended: Ended },
    /// A connection ended without a session.
    Refused { peer: PeerId, ended: Ended },
    /// The peer is no satellite.
    Foreign { peer: PeerId },
}

#[derive(Debug)]
struct Connection {
    libp2p: ConnectionId,
    peer: PeerId,
    dialled: Option<Multiaddr>,
    link: Option<Arc<Link>>,
    /// To be said of the session as soon as the handler has opened it.
    news: Option<News>,
    ended: Option<Ended>,
    foreign: bool,
    loopback: bool,
    remote: String,
    dialer: Dialer,
    /// The pair machine knows of it.
    begun: bool,
}

/// What becomes of a session, told once it is open at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Opened,
    Moved,
}

type FromHandler = Either<Notice, std::convert::Infallible>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Packets {
    shared: Arc<NetShared>,
    gate: Gate,
    start: Instant,
    timing: pair::Timing,
    pairs: HashMap<PeerId, Pair>,
    connections: HashMap<pair::ConnectionId, Connection>,
    names: HashMap<ConnectionId, pair::ConnectionId>,
    next_name: u64,
    /// Dials under way that are for a session.
    session_dials: HashSet<ConnectionId>,
    queue: VecDeque<ToSwarm<SessionEvent, Either<Order, std::convert::Infallible>>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Packets {
    pub(crate) fn new(shared: Arc<NetShared>, gate: Gate) -> Self {
        Self {
            shared,
            gate,
            start: clock::now(),
            timing: pair::Timing::default(),
            pairs: HashMap::new(),
            connections: HashMap::new(),
            names: HashMap::new(),
            next_name: 0,
            session_dials: HashSet::new(),
            queue: VecDeque::new(),
            timer: None,
        }
    }

    /// This dial is for a session.
    pub(crate) fn session_dial(&mut self, id: ConnectionId) {
        self.session_dials.insert(id);
    }

    /// A dial to this peer begins.
    pub(crate) fn dialing(&mut self, peer: PeerId) {
        self.tell(peer, pair::Event::Dialing);
    }

    /// A dial to this peer failed.
    pub(crate) fn dial_failed(&mut self, peer: PeerId) {
        self.tell(peer, pair::Event::DialFailed);
    }

    /// Lets this connection carry no session: the application ended the last one, and this was dialled for another purpose.
    pub(crate) fn leave_alone(&mut self, id: ConnectionId) {
        if let Some(name) = self.names.get(&id).copied() {
            self.order(name, Order::Close(left_alone()));
        }
    }

    /// Lets none of this peer's connections take over from its session, which the application ends.
    pub(crate) fn part(&mut self, peer: PeerId) {
        let spare =
            |(_, c): &(&pair::ConnectionId, &Connection)| c.peer == peer && c.link.is_none();
        let names: Vec<_> = self
            .connections
            .iter()
            .filter(spare)
            .map(|(name, _)| *name)
            .collect();
        for name in names {
            self.order(name, Order::Close(left_alone()));
        }
    }

    /// This connection has ended. If an application wanted the session to end that it carried, no other takes over: neither one that
    /// waits, nor one that has done so already, where the peer's application ended it and what came of a dial of this side, which was
    /// under way, was taken for a new wish.
    fn part_if_wanted(&mut self, name: pair::ConnectionId) {
        let Some(connection) = self.connections.get(&name) else {
            return;
        };
        let peer = connection.peer;
        let of_session = connection.link.is_some();
        let Some(ended) = connection.ended.as_ref().filter(|ended| {
            // One that never opened was only turned away.
            of_session && ended.code == Code::Cancelled
        }) else {
            return;
        };
        let dialled = |(other, c): &(&pair::ConnectionId, &Connection)| {
            c.peer == peer && c.dialled.is_some() && **other != name
        };
        if ended.by_peer {
            let links = self.connections.iter().filter(dialled);
            for link in links.filter_map(|(_, c)| c.link.as_ref()) {
                link.close(left_alone(), clock::now() + LINGER_MAX);
            }
        }
        self.part(peer);
    }

    /// Asks all peers with a session for a sign of life.
    pub(crate) fn check(&mut self) {
        let open = |(_, c): &(&pair::ConnectionId, &Connection)| c.link.is_some();
        let names: Vec<_> = self
            .connections
            .iter()
            .filter(open)
            .map(|(name, _)| *name)
            .collect();
        for name in names {
            self.order(name, Order::Check);
        }
    }

    /// Whether a connection came over this machine's loopback, or within this process.
    pub(crate) fn is_loopback(&self, id: ConnectionId) -> bool {
        self.names
            .get(&id)
            .and_then(|name| self.connections.get(name))
            .is_some_and(|connection| connection.loopback)
    }

    /// Whether a peer is on this machine, as a connection with it shows.
    pub(crate) fn is_beside(&self, peer: &PeerId) -> bool {
        let with = |connection: &&Connection| connection.peer == *peer;
        let mut connections = self.connections.values().filter(with);
        connections.any(|connection| connection.loopback)
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    fn tell(&mut self, peer: PeerId, event: pair::Event) {
        let local = self.shared.identity.peer_id();
        let now = self.now();
        let pair = self
            .pairs
            .entry(peer)
            .or_insert_with(|| Pair::new(&local, &peer, self.timing));
        let actions = pair.handle(event, now);
        self.apply(peer, actions);
    }

    fn apply(&mut self, peer: PeerId, actions: Vec<pair::Action>) {
        for action in actions {
            match action {
                pair::Action::Authorise { id } => self.order(id, Order::Authorise),
                pair::Action::Close { id, reason } => {
                    self.order(id, Order::Close(ended_by(reason)))
                }
                pair::Action::Open { id } => self.announce(id, News::Opened),
                pair::Action::Replace { old, new } => {
                    // Moved before it was open: it opens where it moved to.
                    let unheard = self.take_news(old) == Some(News::Opened);
                    self.announce(new, if unheard { News::Opened } else { News::Moved });
                }
                // It broke before it was open: the driver has not heard of it.
                pair::Action::Lost { id } if self.take_news(id) == Some(News::Opened) => {}
                pair::Action::Lost { id } => {
                    let ended = self
                        .connections
                        .get(&id)
                        .and_then(|connection| connection.ended.clone());
                    let ended = ended
                        .unwrap_or_else(|| Ended::new(Code::Disconnected, "the connection ended"));
                    self.queue
                        .push_back(ToSwarm::GenerateEvent(SessionEvent::Lost { peer, ended }));
                }
            }
        }
        if self.pairs.get(&peer).is_some_and(Pair::is_idle) {
            self.pairs.remove(&peer);
        }
        self.timer = None;
    }

    /// Tells the driver that a connection carries the session. The pair may know it before the handler has opened it: then it is
    /// told when it has.
    fn announce(&mut self, id: pair::ConnectionId, news: News) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(link) = connection.link.clone() else {
            connection.news = Some(news);
            return;
        };
        let address = connection.dialled.clone();
        self.queue.push_back(ToSwarm::GenerateEvent(match news {
            News::Opened => SessionEvent::Opened { link, address },
            News::Moved => SessionEvent::Moved { link },
        }));
    }

    fn take_news(&mut self, id: pair::ConnectionId) -> Option<News> {
        self.connections.get_mut(&id)?.news.take()
    }

    fn order(&mut self, id: pair::ConnectionId, order: Order) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id: to_libp2p(&connection.peer),
            handler: NotifyHandler::One(connection.libp2p),
            event: Either::Left(order),
        });
    }

    fn handler(
        &mut self,
        id: ConnectionId,
        peer: libp2p::PeerId,
        remote: &Multiaddr,
    ) -> Result<Either<Handler, dummy::ConnectionHandler>, ConnectionDenied> {
        if let Err(refusal) = self.gate.allows_peer(&peer) {
            self.shared.counters.refused_peers.add(1);
            tracing::info!(%peer, %refusal, "connection refused");
            return Err(ConnectionDenied::new(refusal));
        }
        self.gate.established(id, address::ip_of(remote), peer);
        Ok(match from_libp2p(&peer) {
            Some(peer) => {
                let wanted = self.session_dials.contains(&id);
                Either::Left(Handler::new(&self.shared, peer, remote.to_string(), wanted))
            }
            // A foreign node of the DHT: it has no session.
            None => Either::Right(dummy::ConnectionHandler),
        })
    }

    fn on_established(&mut self, event: &ConnectionEstablished<'_>) {
        let for_session = self.session_dials.remove(&event.connection_id);
        let Some(peer) = from_libp2p(&event.peer_id) else {
            return;
        };
        let name = pair::ConnectionId(self.next_name);
        self.next_name += 1;
        let (dialer, dialled) = match event.endpoint {
            ConnectedPoint::Dialer { address, .. } => (Dialer::Local, Some(address.clone())),
            ConnectedPoint::Listener { .. } => (Dialer::Remote, None),
        };
        self.names.insert(event.connection_id, name);
        self.connections.insert(
            name,
            Connection {
                libp2p: event.connection_id,
                peer,
                dialled,
                link: None,
                news: None,
                ended: None,
                foreign: false,
                loopback: address::is_loopback(event.endpoint.get_remote_address()),
                remote: event.endpoint.get_remote_address().to_string(),
                dialer,
                begun: false,
            },
        );
        if for_session {
            self.begin(name);
        }
    }

    /// This connection is to carry a session: either side said so. Those that Kademlia dials for its own questions never begin, or a
    /// network of a hundred would shake hands some thousand times for sessions that nobody keeps.
    fn begin(&mut self, name: pair::ConnectionId) {
        let Some(connection) = self.connections.get_mut(&name) else {
            return;
        };
        if std::mem::replace(&mut connection.begun, true) {
            return;
        }
        let (peer, dialer) = (connection.peer, connection.dialer);
        let address = connection.remote.clone();
        self.queue
            .push_back(ToSwarm::GenerateEvent(SessionEvent::Begun {
                peer,
                address,
            }));
        self.tell(peer, pair::Event::Up { id: name, dialer });
    }

    fn on_closed(&mut self, event: &ConnectionClosed<'_>) {
        self.gate.closed(event.connection_id);
        let Some(name) = self.names.remove(&event.connection_id) else {
            return;
        };
        let Some(connection) = self.connections.get(&name) else {
            return;
        };
        let peer = connection.peer;
        let begun = connection.begun;
        // Another may have come up since it said that it ends.
        self.part_if_wanted(name);
        let Some(connection) = self.connections.get(&name) else {
            return;
        };
        let refused = (begun && connection.link.is_none() && !connection.foreign).then(|| {
            connection.ended.clone().unwrap_or_else(|| {
                let text = "the connection ended before a session was open";
                Ended::new(
                    Code::Disconnected,
                    match event.cause {
                        Some(cause) => format!("{text}: {cause}"),
                        None => text.into(),
                    },
                )
            })
        });
        if begun {
            self.tell(peer, pair::Event::Down { id: name });
        }
        self.connections.remove(&name);
        if let Some(ended) = refused {
            self.queue
                .push_back(ToSwarm::GenerateEvent(SessionEvent::Refused {
                    peer,
                    ended,
                }));
        }
    }

    fn poll_pairs(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(due) = self.pairs.values().filter_map(Pair::next_timeout).min() else {
                return;
            };
            let now = self.now();
            if due <= now {
                let peers: Vec<PeerId> = self
                    .pairs
                    .iter()
                    .filter(|(_, pair)| pair.next_timeout().is_some_and(|at| at <= now))
                    .map(|(peer, _)| *peer)
                    .collect();
                for peer in peers {
                    if let Some(pair) = self.pairs.get_mut(&peer) {
                        let actions = pair.handle_timeout(now);
                        self.apply(peer, actions);
                    }
                }
                continue;
            }
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(due - now)));
            if timer.poll_unpin(cx).is_pending() {
                return;
            }
            self.timer = None;
        }
    }
}

fn left_alone() -> Ended {
    Ended::new(Code::Cancelled, "the application ended the session")
}

fn ended_by(reason: CloseReason) -> Ended {
    match reason {
        CloseReason::Duplicate => Ended::new(Code::Busy, "another connection carries the session"),
        CloseReason::Replaced => Ended::new(Code::Busy, "the session moved to another connection"),
        CloseReason::Stale => Ended::new(Code::Busy, "a connection of an earlier life of the peer"),
        CloseReason::Limit => Ended::new(Code::Busy, "too many connections of one peer"),
        CloseReason::Restarted => Ended::new(Code::Disconnected, "the peer was started again"),
        CloseReason::Timeout => Ended::new(Code::Timeout, "no session within the time for it"),
    }
}
