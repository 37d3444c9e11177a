//! By hand, with a protocol inside that only takes notes: what it is shown, told and asked, and in which order.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use futures::future::{Ready, ready};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{AddressChange, ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    StreamUpgradeError,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, SubstreamProtocol, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::Members;
use super::handler::{MemberHandler, ToHandler};

/// Notes what it is told; sends what it is given.
#[derive(Default)]
pub(super) struct Probe {
    notes: Vec<String>,
    out: VecDeque<ToSwarm<(), u8>>,
}

impl Probe {
    /// Tells the peer's connection.
    pub(super) fn tell(&mut self, peer_id: PeerId, event: u8) {
        let handler = NotifyHandler::Any;
        self.out.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler,
            event,
        });
    }

    /// Whether a connection told this.
    pub(super) fn has_noted(&self, event: u8) -> bool {
        let ending = format!(" {event}");
        let mut notes = self.notes.iter();
        notes.any(|note| note.starts_with("event") && note.ends_with(&ending))
    }
}

impl NetworkBehaviour for Probe {
    type ConnectionHandler = Echo;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Echo, ConnectionDenied> {
        self.notes.push(format!("in {id} {remote}"));
        Ok(Echo::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Echo, ConnectionDenied> {
        self.notes.push(format!("out {id} {address}"));
        Ok(Echo::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.notes.push(match event {
            FromSwarm::ConnectionEstablished(e) => {
                format!("open {} {}", e.connection_id, e.other_established)
            }
            FromSwarm::ConnectionClosed(e) => {
                format!("closed {} {}", e.connection_id, e.remaining_established)
            }
            FromSwarm::AddressChange(e) => format!("moved {}", e.connection_id),
            FromSwarm::NewExternalAddrCandidate(_) => "candidate".into(),
            _ => "other".into(),
        });
    }

    fn on_connection_handler_event(&mut self, _: PeerId, id: ConnectionId, event: u8) {
        self.notes.push(format!("event {id} {event}"));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<(), u8>> {
        self.out.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A protocol whose substreams carry nothing.
#[derive(Clone)]
pub(super) struct Nod;

impl UpgradeInfo for Nod {
    type Info = &'static str;
    type InfoIter = [&'static str; 1];

    fn protocol_info(&self) -> Self::InfoIter {
        ["/nod"]
    }
}

impl InboundUpgrade<Stream> for Nod {
    type Output = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn upgrade_inbound(self, _: Stream, _: &'static str) -> Self::Future {
        ready(Ok(()))
    }
}

impl OutboundUpgrade<Stream> for Nod {
    type Output = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn upgrade_outbound(self, _: Stream, _: &'static str) -> Self::Future {
        ready(Ok(()))
    }
}

/// Told to an [`Echo`]: open a substream.
pub(super) const ASK: u8 = 200;
/// Told by an [`Echo`] of its substreams.
const CAME: u8 = 201;
pub(super) const WENT: u8 = 202;
const FAILED: u8 = 203;

/// Tells its behaviour what its behaviour told it, and what became of its substreams.
#[derive(Default)]
pub(super) struct Echo(VecDeque<u8>);

impl ConnectionHandler for Echo {
    type FromBehaviour = u8;
    type ToBehaviour = u8;
    type InboundProtocol = Nod;
    type OutboundProtocol = Nod;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Nod> {
        SubstreamProtocol::new(Nod, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, event: u8) {
        self.0.push_back(event);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Nod, (), u8>> {
        match self.0.pop_front() {
            Some(ASK) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Nod, ()),
            }),
            Some(event) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event)),
            None => Poll::Pending,
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Nod, Nod>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(_) => self.0.push_back(CAME),
            ConnectionEvent::FullyNegotiatedOutbound(_) => self.0.push_back(WENT),
            ConnectionEvent::DialUpgradeError(_) => self.0.push_back(FAILED),
            _ => {}
        }
    }
}

/// What the swarm does, for one peer.
struct Bench {
    members: Members<Probe>,
    peer: PeerId,
    count: usize,
}

impl Bench {
    fn new() -> Self {
        let (members, peer) = (Members::new(Probe::default()), PeerId::random());
        Self {
            members,
            peer,
            count: 0,
        }
    }

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.members.inner_mut().notes)
    }

    fn connect(&mut self, id: usize) -> MemberHandler<Echo> {
        let (local, remote) = (address(1), address(id));
        let id = ConnectionId::new_unchecked(id);
        let handler = self
            .members
            .handle_established_inbound_connection(id, self.peer, &local, &remote)
            .unwrap();
        self.established(id, &listener(remote));
        handler
    }

    fn established(&mut self, connection_id: ConnectionId, endpoint: &ConnectedPoint) {
        let event = ConnectionEstablished {
            peer_id: self.peer,
            connection_id,
            endpoint,
            failed_addresses: &[],
            other_established: self.count,
        };
        self.count += 1;
        let event = FromSwarm::ConnectionEstablished(event);
        self.members.on_swarm_event(event);
    }

    fn close(&mut self, id: usize) {
        self.count -= 1;
        let event = ConnectionClosed {
            peer_id: self.peer,
            connection_id: ConnectionId::new_unchecked(id),
            endpoint: &listener(address(id)),
            cause: None,
            remaining_established: self.count,
        };
        let event = FromSwarm::ConnectionClosed(event);
        self.members.on_swarm_event(event);
    }

    fn send(&mut self, handler: NotifyHandler, event: u8) {
        let peer_id = self.peer;
        let event = ToSwarm::NotifyHandler {
            peer_id,
            handler,
            event,
        };
        self.members.inner_mut().out.push_back(event);
    }

    /// The next command for a connection.
    fn command(&mut self) -> Option<(usize, ToHandler<Echo>)> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.members.poll(&mut cx) {
            Poll::Ready(ToSwarm::NotifyHandler {
                handler: NotifyHandler::One(id),
                event,
                ..
            }) => Some((id.to_string().parse().unwrap(), event)),
            Poll::Ready(_) => panic!("a command for one connection"),
            Poll::Pending => None,
        }
    }

    /// Hands all commands to the only connection.
    fn run(&mut self, handler: &mut MemberHandler<Echo>) {
        while let Some((_, command)) = self.command() {
            handler.on_behaviour_event(command);
        }
    }

    /// What the connection, number 1, has to say; the behaviour hears it.
    fn say(&mut self, handler: &mut MemberHandler<Echo>) -> Option<u8> {
        let mut cx = Context::from_waker(Waker::noop());
        match handler.poll(&mut cx) {
            Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event)) => {
                let (value, id) = (event.value, ConnectionId::new_unchecked(1));
                self.members
                    .on_connection_handler_event(self.peer, id, event);
                Some(value)
            }
            Poll::Ready(_) => panic!("an event for the behaviour"),
            Poll::Pending => None,
        }
    }
}

fn address(port: usize) -> Multiaddr {
    format!("/memory/{port}").parse().unwrap()
}

fn listener(send_back_addr: Multiaddr) -> ConnectedPoint {
    let local_addr = address(1);
    ConnectedPoint::Listener {
        local_addr,
        send_back_addr,
    }
}

#[test]
fn connections_are_shown_at_admission_and_counted_as_the_inner_protocol_sees_them() {
    let mut bench = Bench::new();
    let handler = bench.connect(1);
    bench.connect(2);
    assert!(!handler.connection_keep_alive());
    bench.connect(3);
    bench.close(2);
    assert!(bench.notes().is_empty());
    assert!(bench.command().is_none());

    bench.members.admit(bench.peer);
    let opened = ["in 1 /memory/1", "open 1 0", "in 3 /memory/3", "open 3 1"];
    assert_eq!(bench.notes(), opened);
    bench.members.admit(bench.peer);
    assert!(bench.notes().is_empty(), "admitted already");
    bench.connect(4);
    assert_eq!(bench.notes(), ["in 4 /memory/4", "open 4 2"]);
    bench.close(1);
    assert_eq!(bench.notes(), ["closed 1 2"]);

    bench.members.expel(bench.peer);
    let mut notes = bench.notes();
    assert_eq!(
        notes.pop().as_deref().map(|n| &n[n.len() - 2..]),
        Some(" 0")
    );
    assert_eq!(
        notes.pop().as_deref().map(|n| &n[n.len() - 2..]),
        Some(" 1")
    );
    bench.members.expel(bench.peer);
    bench.close(3);
    bench.connect(5);
    assert!(bench.notes().is_empty(), "nothing is known outside");
    bench.members.admit(bench.peer);
    let opened = ["in 4 /memory/4", "open 4 0", "in 5 /memory/5", "open 5 1"];
    assert_eq!(bench.notes(), opened);
}

#[test]
fn an_admission_ends_with_the_last_connection() {
    let mut bench = Bench::new();
    bench.members.admit(bench.peer);
    bench.members.expel(bench.peer);
    bench.connect(1);
    assert!(bench.notes().is_empty(), "admitted before it was connected");
    bench.members.admit(bench.peer);
    bench.close(1);
    assert_eq!(bench.notes().len(), 3);
    bench.connect(2);
    assert!(
        bench.notes().is_empty(),
        "the new connection proved nothing"
    );
    assert_eq!(bench.members.peers.len(), 1);
    bench.close(2);
    assert!(bench.members.peers.is_empty(), "nothing is left of a peer");
}

#[test]
fn an_outbound_connection_is_shown_as_one_at_its_latest_address() {
    let mut bench = Bench::new();
    let id = ConnectionId::new_unchecked(1);
    let dialer = |address| ConnectedPoint::Dialer {
        address,
        role_override: Endpoint::Dialer,
        port_use: PortUse::Reuse,
    };
    let (old, new) = (dialer(address(7)), dialer(address(8)));
    bench.established(id, &old);
    let change = FromSwarm::AddressChange(AddressChange {
        peer_id: bench.peer,
        connection_id: id,
        old: &old,
        new: &new,
    });
    bench.members.on_swarm_event(change);
    assert!(bench.notes().is_empty());
    bench.members.admit(bench.peer);
    assert_eq!(bench.notes(), ["out 1 /memory/8", "open 1 0"]);
    bench.members.on_swarm_event(change);
    assert_eq!(bench.notes(), ["moved 1"]);
}

#[test]
fn notifications_only_reach_open_connections_and_come_after_their_opening() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.send(NotifyHandler::Any, 1);
    bench.send(NotifyHandler::One(ConnectionId::new_unchecked(1)), 2);
    assert!(bench.command().is_none(), "not admitted");

    bench.members.admit(bench.peer);
    bench.send(NotifyHandler::Any, 3);
    bench.send(NotifyHandler::One(ConnectionId::new_unchecked(2)), 4);
    bench.send(NotifyHandler::One(ConnectionId::new_unchecked(1)), 5);
    assert!(matches!(bench.command(), Some((1, ToHandler::Open { .. }))));
    assert!(matches!(bench.command(), Some((1, ToHandler::Inner(3)))));
    assert!(matches!(bench.command(), Some((1, ToHandler::Inner(5)))));
    assert!(bench.command().is_none());

    bench.send(NotifyHandler::Any, 6);
    bench.members.expel(bench.peer);
    assert!(matches!(bench.command(), Some((1, ToHandler::Shut))));
    assert!(bench.command().is_none(), "expelled");
}

#[test]
fn events_of_an_earlier_opening_are_dropped() {
    let mut bench = Bench::new();
    let mut handler = bench.connect(1);
    handler.on_behaviour_event(ToHandler::Inner(1));
    assert_eq!(bench.say(&mut handler), None, "nothing inside to hear it");

    bench.members.admit(bench.peer);
    bench.send(NotifyHandler::Any, 2);
    bench.run(&mut handler);
    bench.notes();
    assert!(handler.connection_keep_alive());
    assert_eq!(bench.say(&mut handler), Some(2));
    assert_eq!(bench.notes(), ["event 1 2"]);

    bench.send(NotifyHandler::Any, 3);
    bench.run(&mut handler);
    bench.members.expel(bench.peer);
    bench.notes();
    assert_eq!(bench.say(&mut handler), Some(3), "it has not heard yet");
    assert!(bench.notes().is_empty(), "late");

    bench.members.admit(bench.peer);
    bench.notes();
    handler.on_behaviour_event(ToHandler::Inner(4));
    assert_eq!(bench.say(&mut handler), Some(4), "it has not heard yet");
    assert!(bench.notes().is_empty(), "of the first opening");
    bench.send(NotifyHandler::Any, 5);
    bench.run(&mut handler);
    assert_eq!(bench.say(&mut handler), Some(5));
    assert_eq!(bench.notes(), ["event 1 5"]);
    bench.members.expel(bench.peer);
    bench.run(&mut handler);
    assert!(!handler.connection_keep_alive());
}

#[test]
fn what_is_not_about_a_connection_passes() {
    let mut bench = Bench::new();
    let addr = address(9);
    let event = libp2p::swarm::behaviour::NewExternalAddrCandidate { addr: &addr };
    let event = FromSwarm::NewExternalAddrCandidate(event);
    bench.members.on_swarm_event(event);
    assert_eq!(bench.notes(), ["candidate"]);
    let out = ToSwarm::ExternalAddrConfirmed(addr.clone());
    bench.members.inner_mut().out.push_back(out);
    let mut cx = Context::from_waker(Waker::noop());
    let passed = bench.members.poll(&mut cx);
    assert!(matches!(passed, Poll::Ready(ToSwarm::ExternalAddrConfirmed(a)) if a == addr));
}

type OutboundInfo = <MemberHandler<Echo> as ConnectionHandler>::OutboundOpenInfo;

/// Opens the first connection of a bench, as the swarm would.
fn open(bench: &mut Bench, handler: &mut MemberHandler<Echo>) {
    bench.members.admit(bench.peer);
    bench.run(handler);
}

/// Has the inner handler ask for a substream.
fn ask(handler: &mut MemberHandler<Echo>) -> OutboundInfo {
    handler.on_behaviour_event(ToHandler::Inner(ASK));
    asked(handler).expect("a substream is asked for")
}

fn asked(handler: &mut MemberHandler<Echo>) -> Option<OutboundInfo> {
    let mut cx = Context::from_waker(Waker::noop());
    match handler.poll(&mut cx) {
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol }) => {
            Some(protocol.into_upgrade().1)
        }
        Poll::Ready(_) => panic!("a substream or nothing"),
        Poll::Pending => None,
    }
}

fn fail(
    handler: &mut MemberHandler<Echo>,
    info: OutboundInfo,
    error: StreamUpgradeError<Infallible>,
) {
    let error = DialUpgradeError { info, error };
    handler.on_connection_event(ConnectionEvent::DialUpgradeError(error));
}

fn refuse(handler: &mut MemberHandler<Echo>, info: OutboundInfo) {
    fail(handler, info, StreamUpgradeError::NegotiationFailed);
}

fn come(handler: &mut MemberHandler<Echo>) {
    let (_, info) = handler.listen_protocol().into_upgrade();
    let stream = FullyNegotiatedInbound { protocol: (), info };
    handler.on_connection_event(ConnectionEvent::FullyNegotiatedInbound(stream));
}

fn go(handler: &mut MemberHandler<Echo>, info: OutboundInfo) {
    let stream = FullyNegotiatedOutbound { protocol: (), info };
    handler.on_connection_event(ConnectionEvent::FullyNegotiatedOutbound(stream));
}

#[test]
fn protocols_are_on_offer_while_the_door_is_open() {
    let mut bench = Bench::new();
    let mut handler = bench.connect(1);
    let offered = |handler: &MemberHandler<Echo>| {
        let protocol = handler.listen_protocol();
        protocol.upgrade().protocol_info().collect::<Vec<_>>()
    };
    assert!(offered(&handler).is_empty());
    open(&mut bench, &mut handler);
    assert_eq!(offered(&handler), ["/nod"]);
    bench.members.expel(bench.peer);
    bench.run(&mut handler);
    assert!(offered(&handler).is_empty());
}

#[test]
fn a_refused_substream_waits_until_the_peer_opens_one() {
    let mut bench = Bench::new();
    let mut handler = bench.connect(1);
    open(&mut bench, &mut handler);
    let info = ask(&mut handler);
    refuse(&mut handler, info);
    assert_eq!(bench.say(&mut handler), None, "the refusal is not told");
    come(&mut handler);
    let info = asked(&mut handler).expect("it is asked for again");
    go(&mut handler, info);
    assert_eq!(bench.say(&mut handler), Some(CAME));
    assert_eq!(bench.say(&mut handler), Some(WENT));
    assert_eq!(bench.say(&mut handler), None);
    let info = ask(&mut handler);
    fail(&mut handler, info, StreamUpgradeError::Timeout);
    assert_eq!(bench.say(&mut handler), Some(FAILED), "others are told");
}

/// The peer refused, admitted us and opened a substream; the substream was negotiated before the refusal was heard.
#[test]
fn a_refusal_overtaken_by_the_peers_own_substream_makes_us_ask_once_more() {
    let mut bench = Bench::new();
    let mut handler = bench.connect(1);
    open(&mut bench, &mut handler);
    let info = ask(&mut handler);
    come(&mut handler);
    assert_eq!(bench.say(&mut handler), Some(CAME));
    refuse(&mut handler, info);
    let info = asked(&mut handler).expect("the peer has opened meanwhile");
    refuse(&mut handler, info);
    assert!(asked(&mut handler).is_none(), "no sign since then");
}

#[test]
fn substreams_of_an_earlier_opening_are_dropped() {
    let mut bench = Bench::new();
    let mut handler = bench.connect(1);
    let (_, shut) = handler.listen_protocol().into_upgrade();
    open(&mut bench, &mut handler);
    let (_, first) = handler.listen_protocol().into_upgrade();
    let (gone, failed, refused) = (ask(&mut handler), ask(&mut handler), ask(&mut handler));
    bench.members.expel(bench.peer);
    open(&mut bench, &mut handler);

    for info in [shut, first] {
        let stream = FullyNegotiatedInbound { protocol: (), info };
        handler.on_connection_event(ConnectionEvent::FullyNegotiatedInbound(stream));
    }
    go(&mut handler, gone);
    fail(&mut handler, failed, StreamUpgradeError::Timeout);
    refuse(&mut handler, refused);
    assert_eq!(bench.say(&mut handler), None);
    come(&mut handler);
    assert_eq!(bench.say(&mut handler), Some(CAME), "this one is of today");
    assert!(
        asked(&mut handler).is_none(),
        "the refused one is forgotten"
    );
}
