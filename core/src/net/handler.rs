//! The connection handler: one for each connection, run by that connection's task.
//!
//! It drives one session machine over two substreams (one each way), moves what the link has queued into as few writes as
//! possible, and hands what came in to the satellite's inbox in batches. All packets go this way; the swarm's loop sees only that
//! a session opened or ended. It runs no code of the application and waits for nobody but the peer and the clock.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p::swarm::{Stream, StreamProtocol, SubstreamProtocol};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::account::{Charge, Window};
use super::link::{Ended, Link, Note, Outgoing};
use super::pulse::Pulse;
use super::{Delivery, NetShared, clock};
use crate::config::{BYE_TIMEOUT, HANDSHAKE_TIMEOUT, PART_TIMEOUT};
use crate::error::Code;
use crate::identity::PeerId;
use crate::proto::alive::{Timing, Verdict};
use crate::proto::frame::{self, FrameReader};
use crate::proto::packet::PacketType;
use crate::proto::session::{
    CAST_BIT, Incoming, Output, Session, SessionConfig, Violation, charged_to_session,
};

/// The protocol of the native wire.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/psfs/packet/2.0.0");
/// Packets of about this many bytes go into one write.
const WRITE_BYTES: usize = 56 * 1024;
/// Reads of one poll before other connections of this thread get their turn.
const READS_PER_POLL: usize = 8;
/// While the account of held bytes is over its limit, credit is looked at again this often.
const RETRY: Duration = Duration::from_millis(20);

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
    /// It is written. The peer closes once it has read it: closing here first would tear the connection away under what it has not
    /// read yet, the Bye as well. Until the timer, as before.
    Parting(Ended),
    /// Nothing more is read or written.
    Over,
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
    /// The application wants the session closed; `retry` says how long it may take.
    leaving: bool,
    session: Session,
    /// Of the open session.
    pulse: Option<Pulse>,
    assembling: usize,
    account_id: u64,
    inbound: Option<Stream>,
    outbound: Option<Stream>,
    /// Either side wants a session here; until then the connection serves others.
    begun: bool,
    outbound_asked: bool,
    reader: FrameReader,
    link: Option<Arc<Link>>,
    window: Arc<Window>,
    batch: Vec<Delivery>,
    packets_in: u64,
    outgoing: Outgoing,
    chunks: VecDeque<Bytes>,
    unflushed: bool,
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
            span: tracing::info_span!("peer", id = %remote),
            remote,
            address,
            stage: Stage::Handshake,
            timer: if wanted {
                Timer::after(HANDSHAKE_TIMEOUT)
            } else {
                Timer::Off
            },
            retry: Timer::Off,
            leaving: false,
            session: Self::greeting(shared, remote),
            pulse: None,
            assembling: 0,
            account_id: shared.account.join(),
            inbound: None,
            outbound: None,
            begun: wanted,
            outbound_asked: false,
            reader: FrameReader::new(),
            link: None,
            window: Window::new(shared.limits.window, Arc::clone(&shared.account)),
            batch: Vec::new(),
            packets_in: 0,
            outgoing: Outgoing::default(),
            chunks: VecDeque::new(),
            unflushed: false,
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
            network: shared.network,
            nonce: clock::random(),
            epoch: shared.epoch,
            clock_ms: clock::now_ms(),
        })
    }

    // ---- reading ----

    /// Reads and takes in what is there. Ready: something happened and there may be more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.stage, Stage::Closing(_) | Stage::Over) {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.inbound else {
            return Poll::Pending;
        };
        let read = ready!(Pin::new(stream).poll_read(cx, self.reader.spare()));
        match read {
            // What still comes is of no use any more, only its end is.
            Ok(1..) if matches!(self.stage, Stage::Parting(_)) => {}
            Ok(0) => self.end(Ended::new(
                Code::Disconnected,
                "the peer closed the connection",
            )),
            Err(error) => {
                self.end(Ended::new(
                    Code::Disconnected,
                    format!("the connection broke: {error}"),
                ));
            }
            Ok(bytes) => {
                self.reader.advance(bytes);
                if let Some(pulse) = &mut self.pulse {
                    pulse.heard();
                }
                if let Err(violation) = self.take_in() {
                    self.break_off(violation);
                }
                self.hand_over();
                self.watch_parts();
            }
        }
        Poll::Ready(())
    }

    fn take_in(&mut self) -> Result<(), Violation> {
        while let Some(frame) = self.reader.next()? {
            let Some(kind) = frame.kind else {
                self.shared.counters.unknown_frames.add(1);
                continue;
            };
            self.session.on_frame(kind, &frame.raw, clock::now_ms())?;
            while let Some(output) = self.session.output() {
                self.on_output(output)?;
            }
        }
        Ok(())
    }

    fn on_output(&mut self, output: Output) -> Result<(), Violation> {
        match output {
            Output::Packet(incoming) => return self.on_packet(incoming),
            Output::Taken {
                packet_type,
                request_id,
                cost,
            } => self.on_part(packet_type, request_id, cost)?,
            Output::Granted { request_id, bytes } => {
                if let Some(link) = &self.link {
                    link.granted(request_id, bytes)?;
                }
            }
            Output::Cancelled { request_id } => {
                self.session.forget(request_id);
                if let Some(link) = &self.link {
                    link.cancelled(request_id);
                }
            }
            Output::Acked { up_to } => {
                while self
                    .confirms
                    .front()
                    .is_some_and(|(sequence, _)| *sequence <= up_to)
                {
                    if let Some((_, waiter)) = self.confirms.pop_front() {
                        // Who no longer waits has no use for the answer.
                        let _gone = waiter.send(());
                    }
                }
            }
            Output::Greeted { epoch, skew } => {
                if let Some(skew) = skew {
                    self.shared.counters.clocks_apart.add(1);
                    self.span.in_scope(|| tracing::warn!("{skew}"));
                }
                self.notices.push_back(Notice::Greeted { epoch });
            }
            Output::Proved => self.notices.push_back(Notice::Proved),
            Output::Opened => self.on_opened(),
            Output::Bye { code, text } => {
                let code = Code::from_number(code).unwrap_or(Code::Disconnected);
                self.end(Ended {
                    code,
                    text: format!("the peer ended the session: {text}"),
                    by_peer: true,
                });
            }
        }
        Ok(())
    }

    fn on_opened(&mut self) {
        let Some((limits, signing)) = self.session.agreed() else {
            return;
        };
        let link = Link::new(self.remote, signing, limits);
        self.link = Some(Arc::clone(&link));
        self.stage = Stage::Open;
        self.timer = Timer::Off;
        self.pulse = Some(Pulse::new(self.shared.alive));
        self.span.in_scope(
            || tracing::info!(address = self.address, policy = ?signing, "session opened"),
        );
        self.shared.inbox.opened(&link, &self.address);
        self.notices.push_back(Notice::Opened { link });
    }

    fn on_packet(&mut self, incoming: Incoming) -> Result<(), Violation> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        self.packets_in += 1;
        let Incoming {
            packet_type,
            packet,
            cost,
        } = incoming;
        let id = packet.request_id;
        match packet_type {
            PacketType::Response if id & CAST_BIT == 0 => {
                let Some(asked) = link.asked(id) else {
                    // It crossed our Cancel.
                    self.shared.counters.late_replies.add(1);
                    return Ok(());
                };
                asked.spend(cost)?;
                let charge = Charge::new(&self.shared.uncredited, 0, packet.content.len());
                asked.reply(self.remote, packet, cost, charge);
            }
            PacketType::EndResponse if id & CAST_BIT == 0 => match link.finish_request(id) {
                Some(asked) => {
                    asked.end(
                        self.remote,
                        packet.status,
                        String::from_utf8_lossy(&packet.content).into_owned(),
                    );
                }
                None => self.shared.counters.late_replies.add(1),
            },
            PacketType::Internal => {
                let charge = Charge::new(&self.window, cost, packet.content.len());
                if self
                    .shared
                    .internal
                    .try_send((self.remote, packet))
                    .is_err()
                {
                    self.shared.counters.internal_dropped.add(1);
                }
                // What satellites tell each other is small and copied by the driver: its credit comes back at once.
                drop(charge);
            }
            _ => {
                let charge = Charge::new(&self.window, cost, packet.content.len());
                let answer = match packet_type {
                    PacketType::Request | PacketType::Seek => {
                        Some(link.open_answer(id, self.shared.limits.requests as usize)?)
                    }
                    _ => None,
                };
                self.batch.push(Delivery {
                    packet_type,
                    packet,
                    charge,
                    answer,
                });
            }
        }
        Ok(())
    }

    /// A part went into an assembly: its credit comes back now, or no content could be larger than its window.
    fn on_part(
        &mut self,
        packet_type: PacketType,
        request_id: u64,
        cost: u64,
    ) -> Result<(), Violation> {
        if charged_to_session(packet_type, request_id) {
            self.window.add(cost);
            return Ok(());
        }
        match self.link.as_ref().and_then(|link| link.asked(request_id)) {
            Some(asked) => {
                asked.spend(cost)?;
                asked.taken(cost);
            }
            None => self.session.forget(request_id),
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        self.shared
            .counters
            .packets_in
            .add(std::mem::take(&mut self.packets_in));
        if let Some(link) = &self.link
            && !self.batch.is_empty()
        {
            // A line for each batch, not each packet; the benchmarks take the time of arrival from it.
            tracing::trace!(target: "psfs_core::deliver", peer = %self.remote, packets = self.batch.len(), "delivering");
            self.shared.inbox.deliver(link, &mut self.batch);
            self.batch.clear();
        }
        let assembling = self.session.assembling();
        if assembling > self.assembling {
            self.shared.account.add(assembling - self.assembling);
        } else {
            self.shared.account.sub(self.assembling - assembling);
        }
        if assembling == 0 && self.assembling > 0 {
            self.shared.account.finished(self.account_id);
        }
        self.assembling = assembling;
    }

    /// Half a frame, or half a content, may not stay half for ever.
    fn watch_parts(&mut self) {
        if matches!(self.stage, Stage::Open) {
            self.timer = if self.reader.is_partial() || self.assembling > 0 {
                Timer::after(PART_TIMEOUT)
            } else {
                Timer::Off
            };
        }
    }

    // ---- writing ----

    /// Writes what there is. Ready: something was written and there may be more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.stage, Stage::Over) {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.outbound else {
            return Poll::Pending;
        };
        let Some(chunk) = self.chunks.front_mut() else {
            if self.unflushed && Pin::new(&mut *stream).poll_flush(cx).is_ready() {
                self.unflushed = false;
            }
            if self.unflushed {
                return Poll::Pending;
            }
            if let Stage::Closing(ended) = &self.stage {
                self.stage = Stage::Parting(ended.clone());
            }
            if matches!(self.stage, Stage::Parting(_)) {
                // Two that part at once wait for each other's end.
                let _closed = ready!(Pin::new(stream).poll_close(cx));
                self.outbound = None;
                return Poll::Ready(());
            }
            return Poll::Pending;
        };
        match ready!(Pin::new(stream).poll_write(cx, chunk)) {
            Ok(0) => self.end(Ended::new(
                Code::Disconnected,
                "the peer closed the connection",
            )),
            Err(error) => {
                self.end(Ended::new(
                    Code::Disconnected,
                    format!("the connection broke: {error}"),
                ));
            }
            Ok(written) => {
                self.unflushed = true;
                if written == chunk.len() {
                    self.chunks.pop_front();
                } else {
                    bytes::Buf::advance(chunk, written);
                }
            }
        }
        Poll::Ready(())
    }

    /// Moves what is queued into chunks, once the last ones are written: one write takes all that came meanwhile.
    fn refill(&mut self) {
        // Before it begins, the session is one that will be replaced: its Hello must not be said.
        if !self.begun || !self.chunks.is_empty() {
            return;
        }
        if let (Stage::Open, Some(link)) = (&self.stage, &self.link) {
            self.outgoing.packets.clear();
            link.take(&mut self.outgoing, WRITE_BYTES);
            let notes = std::mem::take(&mut self.outgoing.notes);
            self.note(notes);
            if self.window.has_lump() {
                let account = &self.shared.account;
                let over = account.is_over() && !self.leaving;
                let half = self.assembling as u64;
                let one_half = (1..=self.shared.limits.content).contains(&half);
                if over && !(one_half && account.may_finish(self.account_id)) {
                    self.retry = Timer::after(RETRY);
                } else {
                    let bytes = self.window.take();
                    self.session.grant(0, bytes);
                }
            }
            let delegated = self.shared.delegated();
            self.session.renew(&delegated);
        }
        if self.outgoing.packets.is_empty() {
            let after = std::mem::take(&mut self.outgoing.after);
            self.note(after);
        }
        let mut small = BytesMut::new();
        while let Some(frame) = self.session.frame() {
            small.extend_from_slice(&frame);
        }
        if !self.outgoing.packets.is_empty() && matches!(self.stage, Stage::Open) {
            if !small.is_empty() {
                self.chunks.push_back(small.freeze());
            }
            let mut last = 0;
            let mut sealed = Vec::new();
            let mut packets = self.outgoing.packets.as_slice();
            while !packets.is_empty() {
                let (batch, rest) = packets.split_at(frame::fill(packets));
                let confirm = rest.is_empty() && !self.outgoing.confirms.is_empty();
                last = self.session.seal(batch, confirm, &mut sealed);
                self.shared.counters.batches_out.add(1);
                packets = rest;
            }
            self.shared
                .counters
                .packets_out
                .add(self.outgoing.packets.len() as u64);
            self.outgoing.packets.clear();
            for waiter in self.outgoing.confirms.drain(..) {
                self.confirms.push_back((last, waiter));
            }
            self.chunks.extend(sealed);
            let after = std::mem::take(&mut self.outgoing.after);
            self.note(after);
            self.chunks
                .extend(std::iter::from_fn(|| self.session.frame()));
        } else if !small.is_empty() {
            self.chunks.push_back(small.freeze());
        }
    }

    fn note(&mut self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Cancel { request_id } => self.session.cancel(request_id),
                Note::Credit { request_id, bytes } => self.session.grant(request_id, bytes),
            }
        }
    }

    /// Asks a silent peer for a sign of life, or gives it up. Ready: something is to be written.
    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pulse) = &mut self.pulse else {
            return Poll::Pending;
        };
        match ready!(pulse.poll(cx)) {
            Verdict::Ask => self.session.ask(),
            Verdict::Silent => {
                let Timing { interval, timeout } = self.shared.alive;
                let silence = interval + timeout;
                self.shared.counters.sessions_silent.add(1);
                self.say_bye(Ended::new(
                    Code::Timeout,
                    format!("no sign of life for {silence:?}"),
                ));
            }
        }
        Poll::Ready(())
    }

    // ---- ending ----

    /// The peer broke a rule.
    fn break_off(&mut self, violation: Violation) {
        self.span.in_scope(
            || tracing::warn!(reason = %violation.text, "ending the session: the peer broke a rule"),
        );
        self.shared.counters.violations.add(1);
        self.say_bye(violation.into());
    }

    /// Ends the session from this side: the Bye goes out first.
    fn say_bye(&mut self, ended: Ended) {
        if !matches!(self.stage, Stage::Handshake | Stage::Open) {
            return;
        }
        // Chunks already begun stay, or the Bye would land in the middle of a frame.
        self.let_go(&ended);
        self.session.bye(ended.code as i32, &ended.text);
        // Now: the connection may break before it is over, and its handler with all it knows is gone then.
        self.notices.push_back(Notice::Ending {
            ended: ended.clone(),
        });
        self.stage = Stage::Closing(ended);
        self.timer = Timer::after(BYE_TIMEOUT);
    }

    /// Ends the session at once. A reason that was given before holds.
    fn end(&mut self, ended: Ended) {
        if matches!(self.stage, Stage::Handshake | Stage::Open) {
            self.let_go(&ended);
            self.stage = Stage::Closing(ended);
        }
        self.over();
    }

    /// For the application the session is over, although the connection may still be needed for the Bye.
    fn let_go(&mut self, ended: &Ended) {
        self.pulse = None;
        if let Some(link) = self.link.take() {
            let (code, by_peer) = (ended.code, ended.by_peer);
            self.span
                .in_scope(|| tracing::info!(%code, by_peer, reason = %ended.text, "session ended"));
            link.end(ended.clone());
            self.shared.inbox.ended(&link, ended);
        }
    }

    /// The application wants the session closed: what it had accepted by then goes out first, as far as the peer takes it in time.
    fn close_if_wanted(&mut self, cx: &mut Context<'_>) {
        let Some(link) = &self.link else { return };
        let Some(ended) = link.close_wanted() else {
            return;
        };
        if !self.leaving {
            self.leaving = true;
            self.retry = Timer::after(BYE_TIMEOUT);
        }
        let drained = self.chunks.is_empty() && !self.unflushed && link.is_drained();
        if drained || self.retry.is_due(cx) {
            self.say_bye(ended);
        }
    }

    fn over(&mut self) {
        let (Stage::Closing(ended) | Stage::Parting(ended)) =
            std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return;
        };
        self.timer = Timer::Off;
        self.chunks.clear();
        self.inbound = None;
        self.outbound = None;
        self.notices.push_back(Notice::Ended { ended });
    }

    fn on_timer(&mut self) {
        self.timer = Timer::Off;
        match &self.stage {
            Stage::Handshake => self.say_bye(Ended::new(
                Code::Timeout,
                format!("no Hello and Auth within {HANDSHAKE_TIMEOUT:?}"),
            )),
            Stage::Open => self.break_off(Violation::protocol(format!(
                "half a frame or content, and then nothing for {PART_TIMEOUT:?}"
            ))),
            Stage::Closing(_) | Stage::Parting(_) => self.over(),
            Stage::Over => {}
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.end(Ended::new(Code::Disconnected, "the connection ended"));
        self.shared.account.sub(self.assembling);
        self.shared.account.finished(self.account_id);
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
        self.window.register(cx.waker());
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
            self.close_if_wanted(cx);
            if !self.leaving && self.retry.is_due(cx) {
                self.retry = Timer::Off;
            }
            let read = reads < READS_PER_POLL && self.poll_read(cx).is_ready();
            reads += usize::from(read);
            self.refill();
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
                if self.inbound.is_some() {
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
            ConnectionEvent::DialUpgradeError(_) => {
                // Nothing to say Bye on.
                self.stage = Stage::Over;
                self.timer = Timer::Off;
                self.notices.push_back(Notice::Foreign);
            }
            _ => {}
        }
    }
}
