//! The driver: one loop that owns the swarm, selects the next event, hands it to a machine and applies what it answers.
//!
//! It never awaits the application and never runs its code. What people wait for is answered through one-shot channels; who
//! stopped waiting is no concern of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, Swarm, gossipsub, identify, kad, ping};
use tokio::sync::{mpsc, oneshot};

use super::behaviour::{Behaviour, BehaviourEvent};
use super::gossip::{self, BroadcastFailure, Check, Outbox, Unchecked, Verdict, Waiting};
use super::link::{Ended, Link};
use super::packets::SessionEvent;
use super::exchange::{self, Told};
use super::{NetShared, address, clock, from_libp2p, to_libp2p};
use crate::config::KNOWN_PEERS;
use crate::error::Code;
use crate::identity::PeerId;
use crate::proto::keys::DelegatedKey;
use crate::proto::packet::{self, Header, PacketType};
use crate::proto::roster::{self, Roster, Source, Target};
use crate::proto::wire::StreamPacket;
use crate::store::Store;

/// Calls of the application that may wait for a session at once.
const WAITERS_MAX: usize = 4096;
/// Providers whose addresses are asked for at once.
const LOOKUPS_MAX: usize = 8;
/// The first look for others, and the longest pause between two.
const LOOK_FIRST: Duration = Duration::from_millis(500);
const LOOK_LAST: Duration = Duration::from_secs(60);
/// How often addresses are written to disk, and the delegated key looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often broadcasts that nobody could take are tried again, beside the moments when somebody new can.
const RETRY_BROADCASTS: Duration = Duration::from_millis(100);

/// What the satellite asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// A session with whoever answers there.
    Connect { address: Multiaddr, reply: Reply },
    /// A session with a peer that was met.
    Reach { peer: PeerId, reply: Reply },
    /// No session with a peer, until either side asks again.
    Disconnect { peer: PeerId },
    /// A broadcast, signed and encoded.
    Broadcast(Waiting),
}

pub(crate) type Reply = oneshot::Sender<Result<Arc<Link>, ReachFailure>>;

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReachFailure {
    /// Never heard of it.
    Unknown,
    /// No address answers.
    Unreachable(String),
    /// It leads back here.
    Own,
    /// One of both refuses.
    Refused(PeerId, String),
    /// Too many calls wait already.
    Busy,
}

/// What the driver shows of itself to synchronous callers.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) met: Vec<roster::Met>,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// Everything the loop needs.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) shared: Arc<NetShared>,
    pub(crate) roster: Roster,
    pub(crate) store: Store,
    pub(crate) topic: gossipsub::IdentTopic,
    pub(crate) rendezvous_key: kad::RecordKey,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) internal: mpsc::Receiver<(PeerId, StreamPacket)>,
    pub(crate) checks: mpsc::Sender<Check>,
    pub(crate) verdicts: mpsc::Receiver<Verdict>,
    pub(crate) view: Arc<std::sync::RwLock<View>>,
    pub(crate) stop: tokio_util::sync::CancellationToken,
    pub(crate) state: State,
}

/// What the loop remembers between events.
#[derive(Debug)]
pub(crate) struct State {
    start: Instant,
    dials: HashMap<ConnectionId, (Target, Option<PeerId>)>,
    links: HashMap<PeerId, Arc<Link>>,
    by_peer: HashMap<PeerId, Vec<Reply>>,
    by_address: HashMap<Arc<str>, Vec<Reply>>,
    waiters: usize,
    outbox: Outbox,
    lookups: HashMap<kad::QueryId, PeerId>,
    look_at: Instant,
    look_pause: Duration,
    announced: bool,
    keep_at: Instant,
    retry_at: Option<Instant>,
    explicit: HashMap<PeerId, ()>,
    view_stale: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        let now = clock::now();
        Self {
            start: now,
            dials: HashMap::new(),
            links: HashMap::new(),
            by_peer: HashMap::new(),
            by_address: HashMap::new(),
            waiters: 0,
            outbox: Outbox::default(),
            lookups: HashMap::new(),
            look_at: now + LOOK_FIRST,
            look_pause: LOOK_FIRST,
            announced: false,
            keep_at: now + HOUSEKEEPING,
            retry_at: None,
            explicit: HashMap::new(),
            view_stale: true,
        }
    }
}

impl Driver {
    /// Runs until told to stop, then says goodbye to everybody.
    pub(crate) async fn run(mut self) {
        loop {
            self.refresh_view();
            let due = self.next_due();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                Some((peer, packet)) = self.internal.recv() => self.on_internal(peer, packet),
                Some(verdict) = self.verdicts.recv() => {
                    let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
                    gossip.report_message_validation_result(&verdict.id, &verdict.source, verdict.acceptance);
                }
                () = tokio::time::sleep_until(due.into()) => self.on_time(),
            }
        }
        self.leave().await;
    }

    /// An address of the configuration.
    pub(crate) fn bootstrap(&mut self, address: &Multiaddr) {
        let (bare, peer) = (address::without_peer(address), address::peer_of(address));
        match peer.as_ref().and_then(from_libp2p) {
            Some(peer) => self.learn(peer, vec![bare], Source::Bootstrap, Duration::ZERO),
            None => self.tell_roster(roster::Event::Bootstrap { address: bare.to_string().into() }),
        }
    }

    /// Whom an earlier run knew: (peer, addresses, when it was seen in ms since 1970).
    pub(crate) fn remembered(&mut self, known: Vec<(PeerId, Vec<String>, u64)>) {
        for (peer, addresses, _seen) in known {
            let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
            self.learn(peer, addresses, Source::Remembered, Duration::ZERO);
        }
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.state.start)
    }

    fn next_due(&self) -> Instant {
        let state = &self.state;
        let roster = self.roster.next_timeout().map(|at| state.start + at);
        [Some(state.look_at), Some(state.keep_at), state.retry_at, roster]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(state.keep_at)
    }

    fn on_time(&mut self) {
        let now = clock::now();
        let actions = self.roster.handle_timeout(self.now());
        self.apply(actions);
        if self.state.look_at <= now {
            self.look();
        }
        if self.state.retry_at.is_some_and(|at| at <= now) {
            self.send_waiting();
        }
        if self.state.keep_at <= now {
            self.state.keep_at = now + HOUSEKEEPING;
            self.keep_addresses();
            if self.shared.delegated().is_due(clock::now_ms()) {
                let key = DelegatedKey::new(&self.shared.identity, clock::random(), clock::now_ms());
                self.shared.set_delegated(key);
            }
        }
    }

    // ---- commands ----

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { address, reply } => self.on_connect(address, reply),
            Command::Reach { peer, reply } => self.on_reach(peer, reply),
            Command::Disconnect { peer } => {
                self.state.explicit.remove(&peer);
                let actions = self.roster.handle(roster::Event::Disconnect { peer }, self.now());
                self.apply(actions);
                if let Some(link) = self.state.links.get(&peer) {
                    link.close(Ended { code: Code::Cancelled, text: "the application disconnected".into() });
                }
            }
            Command::Broadcast(waiting) => {
                self.state.outbox.keep(waiting);
                self.send_waiting();
            }
        }
    }

    fn on_connect(&mut self, address: Multiaddr, reply: Reply) {
        let (bare, peer) = (address::without_peer(&address), address::peer_of(&address));
        match peer {
            Some(peer) if peer == to_libp2p(&self.shared.identity.peer_id()) => answer(reply, Err(ReachFailure::Own)),
            Some(peer) => match from_libp2p(&peer) {
                Some(peer) => {
                    if let Some(reply) = self.wait_for(peer, reply) {
                        let addresses = vec![bare.to_string().into()];
                        self.state.explicit.insert(peer, ());
                        self.tell_roster(roster::Event::Connect { peer, addresses });
                        self.push_waiter(peer, reply);
                    }
                }
                None => answer(reply, Err(ReachFailure::Unreachable("its key is not RSA: it is no satellite".into()))),
            },
            None => {
                if self.state.waiters >= WAITERS_MAX {
                    return answer(reply, Err(ReachFailure::Busy));
                }
                let address: Arc<str> = bare.to_string().into();
                self.state.waiters += 1;
                self.state.by_address.entry(Arc::clone(&address)).or_default().push(reply);
                self.tell_roster(roster::Event::ConnectAddress { address });
            }
        }
    }

    fn on_reach(&mut self, peer: PeerId, reply: Reply) {
        if let Some(reply) = self.wait_for(peer, reply) {
            if self.roster.find(&peer).is_none() {
                return answer(reply, Err(ReachFailure::Unknown));
            }
            self.push_waiter(peer, reply);
            self.tell_roster(roster::Event::Connect { peer, addresses: Vec::new() });
        }
    }

    /// Answers at once if there is a session; else gives the reply back.
    fn wait_for(&mut self, peer: PeerId, reply: Reply) -> Option<Reply> {
        if let Some(link) = self.state.links.get(&peer) {
            answer(reply, Ok(Arc::clone(link)));
            return None;
        }
        if self.state.waiters >= WAITERS_MAX {
            answer(reply, Err(ReachFailure::Busy));
            return None;
        }
        Some(reply)
    }

    fn push_waiter(&mut self, peer: PeerId, reply: Reply) {
        self.state.waiters += 1;
        self.state.by_peer.entry(peer).or_default().push(reply);
    }

    fn answer_peer(&mut self, peer: &PeerId, result: &Result<Arc<Link>, ReachFailure>) {
        let waiting = self.state.by_peer.remove(peer).unwrap_or_default();
        self.state.waiters -= waiting.len();
        for reply in waiting {
            answer(reply, result.clone());
        }
    }

    fn answer_address(&mut self, address: &Arc<str>, failure: &ReachFailure) {
        let waiting = self.state.by_address.remove(address).unwrap_or_default();
        self.state.waiters -= waiting.len();
        for reply in waiting {
            answer(reply, Err(failure.clone()));
        }
    }

    // ---- the roster's wishes ----

    fn tell_roster(&mut self, event: roster::Event) {
        let actions = self.roster.handle(event, self.now());
        self.apply(actions);
    }

    fn apply(&mut self, actions: Vec<roster::Action>) {
        if !actions.is_empty() {
            self.state.view_stale = true;
        }
        for action in actions {
            match action {
                roster::Action::Dial { target, addresses } => self.dial(target, &addresses),
                roster::Action::Trim { peer } => {
                    if let Some(link) = self.state.links.get(&peer) {
                        link.close(Ended { code: Code::Busy, text: TRIMMED.into() });
                    }
                }
                roster::Action::Forget { peer } => {
                    self.swarm.behaviour_mut().kad.remove_peer(&to_libp2p(&peer));
                }
                roster::Action::Tell { peer, sightings, ask } => self.tell_peer(&peer, &Told { sightings, ask }),
                roster::Action::Discovered { peer } => self.shared.inbox.discovered(peer),
                roster::Action::Unreachable { peer, reason } => self.shared.inbox.unreachable(peer, &reason),
            }
        }
    }

    fn dial(&mut self, target: Target, addresses: &[Arc<str>]) {
        let parsed: Vec<Multiaddr> = addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let (options, peer) = match &target {
            Target::Peer(peer) => (
                DialOpts::peer_id(to_libp2p(peer)).condition(PeerCondition::Always).addresses(parsed).build(),
                Some(*peer),
            ),
            Target::Address(address) => match address.parse() {
                Ok(address) => (DialOpts::unknown_peer_id().address(address).build(), None),
                Err(error) => return self.dial_failed(target, None, &format!("malformed address: {error}")),
            },
        };
        self.shared.counters.dials.add(1);
        let id = options.connection_id();
        if let Some(peer) = peer {
            self.swarm.behaviour_mut().packets.dialing(peer);
        }
        match self.swarm.dial(options) {
            Ok(()) => {
                self.state.dials.insert(id, (target, peer));
            }
            Err(error) => {
                // The swarm tells its behaviours of this failure, but not the loop.
                self.dial_failed(target, peer, &dial_reason(&error));
            }
        }
    }

    fn dial_failed(&mut self, target: Target, peer: Option<PeerId>, reason: &str) {
        self.shared.counters.dials_failed.add(1);
        tracing::debug!(?target, reason, "dial failed");
        if let Some(peer) = peer {
            self.swarm.behaviour_mut().packets.dial_failed(peer);
            if !self.state.links.contains_key(&peer) {
                self.answer_peer(&peer, &Err(ReachFailure::Unreachable(reason.into())));
            }
        }
        if let Target::Address(address) = &target {
            self.answer_address(&Arc::clone(address), &ReachFailure::Unreachable(reason.into()));
        }
        self.tell_roster(roster::Event::DialFailed { target, reason: reason.into() });
    }

    // ---- the swarm ----

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                // Kademlia tells others only of addresses that are confirmed; which of ours can be reached, they find out.
                self.swarm.add_external_address(address);
                self.state.view_stale = true;
                self.state.announced = false;
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.swarm.remove_external_address(&address);
                self.state.view_stale = true;
            }
            SwarmEvent::ListenerError { listener_id, error } => {
                tracing::warn!(?listener_id, %error, "listener");
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => self.on_listener_closed(listener_id, reason),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                self.on_connection(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_dial_error(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(address = %send_back_addr, %error, "incoming connection failed");
            }
            _ => {}
        }
    }

    fn on_listener_closed(&mut self, listener: ListenerId, reason: Result<(), std::io::Error>) {
        if let Err(error) = reason {
            tracing::error!(?listener, %error, "no longer listening");
        }
        self.state.view_stale = true;
    }

    fn on_connection(&mut self, peer: &libp2p::PeerId, id: ConnectionId) {
        let Some((target, _)) = self.state.dials.remove(&id) else { return };
        let Some(peer) = from_libp2p(peer) else {
            if let Target::Address(address) = &target {
                let failure = ReachFailure::Unreachable("its key is not RSA: it is no satellite".into());
                self.answer_address(&Arc::clone(address), &failure);
            }
            return self.tell_roster(roster::Event::DialFailed { target, reason: "no satellite".into() });
        };
        if let Target::Address(address) = &target {
            let waiting = self.state.by_address.remove(address).unwrap_or_default();
            if !waiting.is_empty() {
                self.state.explicit.insert(peer, ());
            }
            match self.state.links.get(&peer) {
                Some(link) => {
                    self.state.waiters -= waiting.len();
                    for reply in waiting {
                        answer(reply, Ok(Arc::clone(link)));
                    }
                }
                None => self.state.by_peer.entry(peer).or_default().extend(waiting),
            }
        }
        self.tell_roster(roster::Event::Dialled { target, peer });
    }

    fn on_dial_error(&mut self, id: ConnectionId, peer: Option<libp2p::PeerId>, error: &DialError) {
        let Some((target, expected)) = self.state.dials.remove(&id) else { return };
        let own = peer.is_some_and(|peer| peer == *self.swarm.local_peer_id())
            || matches!(error, DialError::LocalPeerId { .. });
        if let (true, Target::Address(address)) = (own, &target) {
            self.answer_address(&Arc::clone(address), &ReachFailure::Own);
        }
        self.dial_failed(target, expected, &dial_reason(error));
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Packets(event) => self.on_session(event),
            BehaviourEvent::Identify(identify::Event::Received { connection_id, peer_id, info }) => {
                self.on_identify(connection_id, peer_id, info);
            }
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(failure) }) => {
                if !matches!(failure, ping::Failure::Unsupported) {
                    tracing::info!(%peer, %failure, "no answer to pings");
                    let link = from_libp2p(&peer).and_then(|peer| self.state.links.get(&peer));
                    if let Some(link) = link {
                        link.close(Ended { code: Code::Timeout, text: format!("no answer to pings: {failure}") });
                    }
                    self.swarm.behaviour_mut().packets.give_up(connection);
                }
            }
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            #[cfg(feature = "mdns")]
            BehaviourEvent::Mdns(libp2p::mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    if let Some(peer) = from_libp2p(&peer) {
                        self.learn(peer, vec![address::without_peer(&address)], Source::Mdns, Duration::ZERO);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_session(&mut self, event: SessionEvent) {
        self.state.view_stale = true;
        match event {
            SessionEvent::Opened { link, address } => {
                let peer = link.peer;
                self.shared.counters.sessions_opened.add(1);
                self.state.links.insert(peer, Arc::clone(&link));
                self.swarm.behaviour_mut().gossip.admit(to_libp2p(&peer));
                // A full queue only costs the peer its preferred place.
                let _full = self.checks.try_send(Check::Met(peer));
                let explicit = self.state.explicit.contains_key(&peer);
                let inbound = address.is_none();
                let address = address.map(|address| address::without_peer(&address).to_string().into());
                self.tell_roster(roster::Event::Connected { peer, address, inbound, explicit });
                self.answer_peer(&peer, &Ok(link));
            }
            SessionEvent::Moved { link } => {
                self.answer_peer(&link.peer.clone(), &Ok(Arc::clone(&link)));
                self.state.links.insert(link.peer, link);
            }
            SessionEvent::Lost { peer, ended } => {
                self.shared.counters.sessions_ended.add(1);
                self.state.links.remove(&peer);
                self.swarm.behaviour_mut().gossip.expel(to_libp2p(&peer));
                self.tell_roster(roster::Event::Disconnected { peer, end: end_of(&ended) });
            }
            SessionEvent::Refused { peer, ended } => {
                // A duplicate that gave way is no refusal: the session is, or will be, on another connection.
                if ended.code == Code::Cancelled || self.state.links.contains_key(&peer) {
                    return;
                }
                self.shared.counters.refused_handshakes.add(1);
                tracing::info!(%peer, reason = %ended.text, "no session");
                let permanent = ended.code == Code::Refused;
                let failure = ReachFailure::Refused(peer, ended.text);
                self.answer_peer(&peer, &Err(failure));
                self.tell_roster(roster::Event::Refused { peer, permanent });
            }
            SessionEvent::Foreign { peer } => {
                let failure = ReachFailure::Refused(peer, "it does not speak the protocol of satellites".into());
                self.answer_peer(&peer, &Err(failure));
                self.tell_roster(roster::Event::Refused { peer, permanent: true });
            }
        }
    }

    fn on_identify(&mut self, connection: ConnectionId, id: libp2p::PeerId, info: identify::Info) {
        let speaks_kad = info.protocols.contains(&super::behaviour::KAD_PROTOCOL);
        // Loopback addresses mean something only to who came that way itself.
        let loopback = self.swarm.behaviour().packets.is_loopback(connection);
        let addresses: Vec<Multiaddr> = info
            .listen_addrs
            .into_iter()
            .filter(|address| loopback || !address::is_loopback(address))
            .filter(address::is_dialable)
            .take(crate::config::ADDRESSES_PER_PEER)
            .collect();
        if speaks_kad {
            for address in &addresses {
                self.swarm.behaviour_mut().kad.add_address(&id, address.clone());
            }
        }
        if let Some(peer) = from_libp2p(&id) {
            if self.state.links.contains_key(&peer) {
                let addresses = addresses.into_iter().map(|address| address::without_peer(&address)).collect();
                self.learn(peer, addresses, Source::Identify, Duration::ZERO);
            }
        }
    }

    fn learn(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, source: Source, age: Duration) {
        if peer == self.shared.identity.peer_id() {
            return;
        }
        let addresses = addresses.iter().map(|address| address.to_string().into()).collect();
        self.tell_roster(roster::Event::Learned { peer, addresses, source, age });
    }

    // ---- finding others ----

    /// Announces this satellite under its rendezvous and asks who else is there.
    fn look(&mut self) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        let known = kad.kbuckets().any(|bucket| !bucket.is_empty());
        if known {
            if !self.state.announced {
                match kad.start_providing(self.rendezvous_key.clone()) {
                    Ok(_) => self.state.announced = true,
                    Err(error) => tracing::warn!(%error, "cannot announce"),
                }
            }
            kad.get_providers(self.rendezvous_key.clone());
            self.state.look_pause = (self.state.look_pause * 2).min(LOOK_LAST);
        }
        self.state.look_at = clock::now() + self.state.look_pause;
    }

    fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::RoutingUpdated { is_new_peer: true, .. } => {
                // Somebody new may know others: look soon, but not once for each.
                self.state.look_at = self.state.look_at.min(clock::now() + LOOK_FIRST);
            }
            kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })),
                ..
            } => {
                for provider in providers {
                    self.on_provider(provider);
                }
            }
            kad::Event::OutboundQueryProgressed { id, result: kad::QueryResult::GetClosestPeers(result), .. } => {
                let Some(wanted) = self.state.lookups.remove(&id) else { return };
                let peers = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let id = to_libp2p(&wanted);
                if let Some(found) = peers.into_iter().find(|found| found.peer_id == id) {
                    let addresses = found.addrs.iter().map(|address| address::without_peer(address)).collect();
                    self.learn(wanted, addresses, Source::Provider, Duration::ZERO);
                }
            }
            _ => {}
        }
    }

    /// Kademlia names providers without their addresses: ask for them, unless they are known.
    fn on_provider(&mut self, provider: libp2p::PeerId) {
        let Some(peer) = from_libp2p(&provider) else { return };
        let asked = self.state.lookups.len() >= LOOKUPS_MAX || self.state.lookups.values().any(|p| *p == peer);
        if asked || peer == self.shared.identity.peer_id() || self.roster.find(&peer).is_some() {
            return;
        }
        let query = self.swarm.behaviour_mut().kad.get_closest_peers(provider);
        self.state.lookups.insert(query, peer);
    }

    fn tell_peer(&self, peer: &PeerId, told: &Told) {
        let Some(link) = self.state.links.get(peer) else { return };
        let header = Header::new(PacketType::Internal, exchange::NAMESPACE, clock::now_ms());
        // Without credit it is left out: the next one tells the same.
        let _no_credit = link.try_push(packet::encode(&header, exchange::encode(told)), false);
    }

    fn on_internal(&mut self, peer: PeerId, packet: StreamPacket) {
        let told = match packet.namespace.as_str() {
            exchange::NAMESPACE => exchange::decode(packet.content),
            _ => None,
        };
        let Some(Told { sightings, ask }) = told else {
            self.shared.counters.internal_dropped.add(1);
            return tracing::debug!(%peer, namespace = %packet.namespace, "internal message not understood");
        };
        for sighting in sightings {
            let addresses = sighting.addresses.iter().filter_map(|address| address.parse().ok()).collect();
            self.learn(sighting.peer, addresses, Source::Exchange, sighting.age);
        }
        if ask {
            self.tell_roster(roster::Event::Asked { peer });
        }
    }

    // ---- broadcasts ----

    fn send_waiting(&mut self) {
        self.state.retry_at = None;
        while let Some(waiting) = self.state.outbox.next() {
            let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
            match gossip.publish(self.topic.hash(), waiting.data.clone()) {
                Ok(_) | Err(gossipsub::PublishError::Duplicate) => {
                    self.shared.counters.broadcasts_out.add(1);
                    gossip::answer(waiting, Ok(()));
                }
                Err(gossipsub::PublishError::MessageTooLarge) => {
                    gossip::answer(waiting, Err(BroadcastFailure::TooLarge));
                }
                Err(_) if self.state.links.is_empty() => gossip::answer(waiting, Err(BroadcastFailure::NoPeers)),
                Err(error) => {
                    tracing::debug!(%error, "a broadcast waits");
                    self.state.outbox.put_back(waiting);
                    self.state.retry_at = Some(clock::now() + RETRY_BROADCASTS);
                    return;
                }
            }
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let unchecked = Unchecked { id: message_id, source: propagation_source, data: message.data };
                if let Err(error) = self.checks.try_send(Check::Broadcast(unchecked)) {
                    self.shared.counters.broadcasts_overrun.add(1);
                    if let Check::Broadcast(unchecked) = error.into_inner() {
                        let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
                        let ignore = gossipsub::MessageAcceptance::Ignore;
                        gossip.report_message_validation_result(&unchecked.id, &unchecked.source, ignore);
                    }
                }
            }
            gossipsub::Event::Subscribed { .. } if !self.state.outbox.is_empty() => self.send_waiting(),
            _ => {}
        }
    }

    // ---- what is seen and kept ----

    pub(crate) fn refresh_view(&mut self) {
        if !std::mem::take(&mut self.state.view_stale) {
            return;
        }
        let local = *self.swarm.local_peer_id();
        let addresses = self
            .swarm
            .listeners()
            .map(|address| address.clone().with(Protocol::P2p(local)))
            .collect();
        let view = View { met: self.roster.met(), addresses };
        *self.view.write().unwrap_or_else(std::sync::PoisonError::into_inner) = view;
    }

    fn keep_addresses(&self) {
        let store = self.store.clone();
        let shared = Arc::clone(&self.shared);
        let known = remembered(&self.roster, self.now());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.remember(&known) {
                shared.counters.store_failures.add(1);
                tracing::warn!(%error, "addresses of peers are not kept");
            }
        });
    }

    /// Says goodbye: every session ends with a reason, then the sockets close with the swarm.
    async fn leave(mut self) {
        for link in self.state.links.values() {
            link.close(Ended { code: Code::Disconnected, text: LEFT.into() });
        }
        let deadline = tokio::time::Instant::now() + crate::config::BYE_TIMEOUT * 2;
        while self.swarm.connected_peers().next().is_some() {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::Behaviour(BehaviourEvent::Packets(SessionEvent::Lost { peer, .. })) = event {
                        // Nothing else keeps a connection of a satellite that leaves.
                        let _gone = self.swarm.disconnect_peer_id(to_libp2p(&peer));
                    }
                }
            }
        }
        let known = remembered(&self.roster, self.now());
        let store = self.store.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.remember(&known)).await {
            tracing::warn!(%error, "addresses of peers are not kept");
        }
    }
}

const TRIMMED: &str = "more sessions than this satellite keeps";
const LEFT: &str = "the satellite was shut down";

fn remembered(roster: &Roster, now: Duration) -> Vec<(PeerId, Vec<String>, u64)> {
    let now_ms = clock::now_ms();
    roster
        .worth_remembering(KNOWN_PEERS, now)
        .into_iter()
        .map(|sighting| {
            let seen = now_ms.saturating_sub(u64::try_from(sighting.age.as_millis()).unwrap_or(u64::MAX));
            (sighting.peer, sighting.addresses.iter().map(ToString::to_string).collect(), seen)
        })
        .collect()
}

/// What the roster makes of a session's end: the other side's Bye has its code.
fn end_of(ended: &Ended) -> roster::End {
    match ended.code {
        Code::Busy => roster::End::Trimmed,
        Code::Cancelled => roster::End::User,
        Code::Disconnected if ended.text.ends_with(LEFT) => roster::End::Left,
        _ => roster::End::Lost,
    }
}

fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::Transport(failures) => failures
            .iter()
            .map(|(address, error)| format!("{address}: {}", transport_reason(error)))
            .collect::<Vec<_>>()
            .join("; "),
        DialError::WrongPeerId { obtained, .. } => format!("another satellite answers there: {obtained}"),
        DialError::LocalPeerId { .. } => "it is this satellite itself".into(),
        DialError::NoAddresses => "no address of it is known".into(),
        DialError::Denied { cause } => cause.to_string(),
        other => other.to_string(),
    }
}

fn transport_reason(error: &libp2p::TransportError<std::io::Error>) -> String {
    match error {
        libp2p::TransportError::MultiaddrNotSupported(_) => "no such transport here".into(),
        libp2p::TransportError::Other(error) => {
            // The outermost text is generic; the cause says what happened.
            let mut cause: &dyn std::error::Error = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            cause.to_string()
        }
    }
}

fn answer(reply: Reply, result: Result<Arc<Link>, ReachFailure>) {
    // Who no longer waits has no use for it.
    let _gone = reply.send(result);
}

/// The bytes of a rendezvous' key on the DHT.
pub(crate) fn record_key(key: &[u8]) -> kad::RecordKey {
    kad::RecordKey::new(&Bytes::copy_from_slice(key))
}
