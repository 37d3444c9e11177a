//! The connection handler: one for each connection, run by that connection's task.
//!
//! It drives one session machine over two substreams (one each way), moves what the link has queued into as few writes as
//! possible, and hands what came in to the satellite's inbox in batches. All packets go this way; the swarm's loop sees only that
//! a session opened or ended. It runs no code of the application and waits for nobody but the peer and the clock.

mod credit;
mod ending;
mod reading;
mod writing;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p::swarm::{Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::account::{Room, Window};
use super::link::{Ended, Link, Outgoing};
use super::pulse::Pulse;
use super::{Delivery, NetShared, clock};
use crate::config::HANDSHAKE_TIMEOUT;
use crate::error::Code;
use crate::identity::PeerId;
use crate::proto::frame::FrameReader;
use crate::proto::packet::PacketType;
use crate::proto::session::{Lane, Session, SessionConfig, Violation};

/// The protocol of the native wire.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/psfs/packet/2.0.0");
/// Reads of one poll before other connections of this thread get their turn.
const READS_PER_POLL: usize = 8;

/// What the handler tells the behaviour.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The peer wants a session on this connection.
    Begun,
    /// The peer greeted: shall this connection carry the session?
    Greeted { epoch: u64 },
    /// The peer proved itself and waits for this side.
    Proved,
    /// The session is open.
    Opened { link: Arc<Link> },
    /// The session, or its beginning, is being ended from this side, for this reason.
    Ending { ended: Ended },
    /// It is over; the connection is of no more use for packets.
    Ended { ended: Ended },
    /// The peer does not speak the native wire: a node of the DHT, not a satellite.
    Foreign,
}

/// What the behaviour tells the handler.
#[derive(Debug)]
pub(crate) enum Order {
    /// This connection carries the session.
    Authorise,
    /// It does not: say Bye and close.
    Close(Ended),
    /// The network has changed: ask whether the peer is still there.
    Check,
}

#[derive(Debug)]
enum Timer {
    Off,
    At(Pin<Box<Sleep>>),
}

impl Timer {
    fn after(duration: Duration) -> Self {
        Self::At(Box::pin(tokio::time::sleep(duration)))
    }

    fn at(instant: Instant) -> Self {
        Self::At(Box::pin(tokio::time::sleep_until(instant.into())))
    }

    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Off => false,
            Self::At(sleep) => sleep.poll_unpin(cx).is_ready(),
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// Hello and Auth are under way, until the timer.
    Handshake,
    Open,
    /// The Bye is being written, until the timer.
    Closing(Ended),
    /// It is written. The peer closes once it has read it, and with it all that was sent before: closing here first would tear the
    /// connection away under what it has not read yet. Until the timer, as before.
    Parting(Ended),
    /// Nothing more is read or written.
    Over,
}

/// A content that is not whole, as the account sees it.
#[derive(Debug)]
struct Half {
    room: Room,
    announced: usize,
    /// Credit of its parts that waits until there is room for the whole.
    owed: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Handler {
    shared: Arc<NetShared>,
    /// Of this connection, in the log.
    span: tracing::Span,
    remote: PeerId,
    address: String,
    stage: Stage,
    timer: Timer,
    retry: Timer,
    /// The session is to be closed, and by then what was accepted must have left; `retry` says how long nothing may move meanwhile.
    leaving: Option<Instant>,
    /// When packets were last written: those of the last moments may not have been received yet.
    sent_at: Option<Instant>,
    session: Session,
    /// Of the open session.
    pulse: Option<Pulse>,
    /// Contents that are not whole, by type and request: as many as the session has.
    halves: BTreeMap<(PacketType, u64), Half>,
    /// Credit for replies that waits until the account is under its limit, by request.
    held_back: BTreeMap<u64, u64>,
    /// Bytes of parts since `pace` was set.
    paced: usize,
    /// How long the contents that are not whole may still take to come on.
    pace: Timer,
    inbound: Option<Stream>,
    outbound: Option<Stream>,
    /// Either side wants a session here; until then the connection serves others.
    begun: bool,
    outbound_asked: bool,
    reader: FrameReader,
    link: Option<Arc<Link>>,
    /// The link of a session that has ended, while what it sent may be on the way.
    parting: Option<Arc<Link>>,
    /// By [`Lane`](crate::proto::session::Lane).
    windows: [Arc<Window>; 2],
    batch: Vec<Delivery>,
    packets_in: u64,
    outgoing: Outgoing,
    chunks: VecDeque<Bytes>,
    unflushed: bool,
    /// Messages in what is being written.
    unwritten: u64,
    confirms: VecDeque<(u64, oneshot::Sender<()>)>,
    notices: VecDeque<Notice>,
}

impl Handler {
    /// `wanted`: this side dialled for a session. Else the handler does nothing until the peer begins one.
    pub(crate) fn new(
        shared: &Arc<NetShared>,
        remote: PeerId,
        address: String,
        wanted: bool,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            span: tracing::error_span!("peer", id = %remote),
            remote,
            address,
            stage: Stage::Handshake,
            timer: if wanted {
                Timer::after(HANDSHAKE_TIMEOUT)
            } else {
                Timer::Off
            },
            retry: Timer::Off,
            leaving: None,
            sent_at: None,
            session: Self::greeting(shared, remote),
            pulse: None,
            halves: BTreeMap::new(),
            held_back: BTreeMap::new(),
            paced: 0,
            pace: Timer::Off,
            inbound: None,
            outbound: None,
            begun: wanted,
            outbound_asked: false,
            reader: FrameReader::new(),
            link: None,
            parting: None,
            windows: Lane::ALL
                .map(|_| Window::new(shared.limits.window, Arc::clone(&shared.account))),
            batch: Vec::new(),
            packets_in: 0,
            outgoing: Outgoing::default(),
            chunks: VecDeque::new(),
            unflushed: false,
            unwritten: 0,
            confirms: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// A session that has said nothing yet. Made anew when it begins: a connection may serve others for a day before.
    fn greeting(shared: &NetShared, remote: PeerId) -> Session {
        Session::new(SessionConfig {
            identity: shared.identity.clone(),
            delegated: shared.delegated(),
            remote,
            signing: shared.signing,
            limits: shared.limits,
            secret: shared.secret.clone(),
            network: shared.network_tag,
            nonce: clock::random(),
            epoch: shared.epoch,
            clock_ms: clock::now_ms(),
        })
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.end(Ended::new(Code::Disconnected, "the connection ended"));
        for window in &self.windows {
            window.let_go();
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Notice;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, ()> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if self.begun && !self.outbound_asked {
            self.outbound_asked = true;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: self.listen_protocol(),
            });
        }
        for window in &self.windows {
            window.register(cx.waker());
        }
        if let Some(link) = &self.link {
            link.register(cx.waker());
        }
        let mut reads = 0;
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(notice));
            }
            if self.timer.is_due(cx) {
                self.on_timer();
                continue;
            }
            if matches!(self.stage, Stage::Open) && self.pace.is_due(cx) {
                self.stuck();
                continue;
            }
            self.close_if_wanted(cx);
            let read = reads < READS_PER_POLL && self.poll_read(cx).is_ready();
            reads += usize::from(read);
            self.refill();
            // After it was set: one that nobody polls wakes nobody.
            if self.leaving.is_none() && self.retry.is_due(cx) {
                self.retry = Timer::Off;
                continue;
            }
            let wrote = self.poll_write(cx).is_ready();
            // What is there is read before its absence is judged.
            let felt = !read && reads < READS_PER_POLL && self.poll_pulse(cx).is_ready();
            if !(read || wrote || felt) {
                if reads == READS_PER_POLL {
                    cx.waker().wake_by_ref();
                }
                if self.notices.is_empty() {
                    // An idle connection holds no buffer.
                    self.reader.release();
                    return Poll::Pending;
                }
            }
        }
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            // It may have begun to close meanwhile.
            Order::Authorise if matches!(self.stage, Stage::Handshake) => {
                self.session.authorise();
                while let Some(output) = self.session.output() {
                    if let Err(violation) = self.on_output(output) {
                        self.break_off(violation);
                    }
                }
            }
            Order::Authorise => {}
            Order::Close(ended) => self.say_bye(ended),
            Order::Check => {
                if self.pulse.as_mut().is_some_and(Pulse::check) {
                    self.session.ask();
                }
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => {
                if matches!(self.stage, Stage::Over) {
                    // Nothing is heard any more: a stream that is kept would keep the connection.
                    drop(stream);
                } else if self.inbound.is_some() {
                    self.break_off(Violation::protocol("a second substream for packets"));
                } else {
                    self.inbound = Some(stream);
                    if !self.begun {
                        self.begun = true;
                        self.session = Self::greeting(&self.shared, self.remote);
                        self.timer = Timer::after(HANDSHAKE_TIMEOUT);
                        self.notices.push_back(Notice::Begun);
                    }
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => {
                self.outbound = Some(stream);
            }
            ConnectionEvent::DialUpgradeError(failed) => {
                // Nothing to say Bye on.
                (self.inbound, self.outbound) = (None, None);
                match failed.error {
                    StreamUpgradeError::NegotiationFailed => {
                        self.stage = Stage::Over;
                        self.timer = Timer::Off;
                        self.notices.push_back(Notice::Foreign);
                    }
                    other => self.end(Ended::new(
                        Code::Disconnected,
                        format!("no substream for packets: {other}"),
                    )),
                }
            }
            _ => {}
        }
    }
}
