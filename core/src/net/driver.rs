//! The driver: one loop that owns the swarm, selects the next event, hands it to a machine and applies what it answers.
//!
//! It never awaits the application and never runs its code. What people wait for is answered through one-shot channels; who
//! stopped waiting is no concern of it.

mod cast;
mod dial;
mod find;
mod kept;
mod leave;
mod listen;
mod pause;
mod session;
mod wait;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, Swarm, gossipsub, identify, kad};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use listen::Listening;
pub(crate) use listen::{ListenFailure, Listener};
use pause::Pausing;

use super::behaviour::{Behaviour, BehaviourEvent};
use super::gossip::{Check, Outbox, Verdict, Waiting};
use super::link::Link;
use super::{NetShared, address, clock, from_libp2p};
use crate::config::UNCHECKED_MAX;
use crate::identity::PeerId;
use crate::proto::roster::{self, Roster, Source, Target};
use crate::proto::wire::StreamPacket;
use crate::store::Store;

/// Calls of the application that may wait for a session at once.
const WAITERS_MAX: usize = 4096;
/// Providers whose addresses are asked for at once.
const LOOKUPS_MAX: usize = 8;
/// Whom Kademlia is told of before its first search: more than the twenty below which it would search by itself.
const KAD_NODES: usize = 32;
/// The first look for others, and the longest pause between two.
const LOOK_FIRST: Duration = Duration::from_millis(500);
const LOOK_LAST: Duration = Duration::from_secs(60);
/// The pause of who has enough sessions: only a part of the network that nobody here has heard of is found so.
const LOOK_RARE: Duration = Duration::from_secs(300);
/// Who has a session by its first look, or is about to, is told of others over it, and uses the DHT only after so long, and up to
/// three times that: a hundred that start together would else open a thousand connections for it in the moment in which they meet.
const LOOK_CALM: Duration = Duration::from_secs(20);
/// What synchronous callers see of the peers is made anew no more often than this: it names all of them.
const VIEW_PAUSE: Duration = Duration::from_millis(50);
/// How often addresses are written to disk.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often broadcasts that nobody could take are tried again, beside the moments when somebody new can.
const RETRY_BROADCASTS: Duration = Duration::from_millis(100);

/// What the satellite asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// A session with whoever answers there.
    Connect { address: Multiaddr, reply: Reply },
    /// A session with a peer that was met; pinned: for good.
    Reach {
        peer: PeerId,
        pin: bool,
        reply: Reply,
    },
    /// Where a peer says that others are.
    Learn {
        from: PeerId,
        nodes: Vec<(PeerId, Vec<Arc<str>>)>,
    },
    /// No session with a peer, until either side asks again.
    Disconnect { peer: PeerId },
    /// A broadcast, signed and encoded.
    Broadcast(Waiting),
    /// Tell the network that this satellite has a file, or no longer.
    Provide { file: [u8; 32], on: bool },
    /// Who has told so. All that were found in one search.
    Providers {
        file: [u8; 32],
        reply: oneshot::Sender<Vec<PeerId>>,
    },
    /// No sessions and no sockets, until it is resumed.
    Pause { reply: oneshot::Sender<()> },
    /// Everything again.
    Resume {
        reply: oneshot::Sender<Result<(), ListenFailure>>,
    },
    /// This satellite is in another network, or at another place in it.
    NetworkChanged { reply: oneshot::Sender<()> },
}

pub(crate) type Reply = oneshot::Sender<Result<Arc<Link>, ReachFailure>>;

/// A call that waits for a session with a peer.
#[derive(Debug)]
struct Waiter {
    reply: Reply,
    /// The application's; else one of the library's own questions, which ask nobody whose session an application has ended.
    by_user: bool,
}

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
    /// By when it must have left, once it was told to stop.
    pub(crate) leave_by: watch::Receiver<Instant>,
    /// Sessions kept; over it some have to go.
    pub(crate) high: usize,
    pub(crate) listeners: Vec<Listener>,
    /// Shown to callers.
    pub(crate) paused: Arc<AtomicBool>,
    pub(crate) state: State,
}

/// What the loop remembers between events.
#[derive(Debug)]
pub(crate) struct State {
    start: Instant,
    dials: HashMap<ConnectionId, (Target, Option<PeerId>)>,
    links: HashMap<PeerId, Arc<Link>>,
    by_peer: HashMap<PeerId, Vec<Waiter>>,
    by_address: HashMap<Arc<str>, Vec<Reply>>,
    waiters: usize,
    outbox: Outbox,
    /// Bytes of broadcasts that may still come to be checked.
    unchecked: Arc<Semaphore>,
    lookups: HashMap<kad::QueryId, PeerId>,
    /// Searches for who has a file.
    searches: HashMap<kad::QueryId, find::Search>,
    /// Where identify says that peers are whose session is not open yet. Kept for as long as they have a connection.
    shown: HashMap<PeerId, Vec<Multiaddr>>,
    look_at: Instant,
    /// From when on the DHT is used also by who has a session, or is about to.
    calm_at: Instant,
    look_pause: Duration,
    /// There are satellites that Kademlia was not told of.
    kad_waits: bool,
    announced: bool,
    keep_at: Instant,
    retry_at: Option<Instant>,
    /// When gossip last took a broadcast of ours.
    cast_at: Option<Instant>,
    explicit: HashMap<PeerId, ()>,
    /// From the call to the resume.
    pausing: Option<Pausing>,
    /// Who waits for listeners.
    listening: Option<Listening>,
    view_stale: bool,
    /// When the view may be made anew.
    view_at: Instant,
    /// What of the roster's counts is in the satellite's counters.
    counted: roster::Stats,
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
            unchecked: Arc::new(Semaphore::new(UNCHECKED_MAX)),
            lookups: HashMap::new(),
            searches: HashMap::new(),
            shown: HashMap::new(),
            look_at: now + LOOK_FIRST,
            calm_at: now + LOOK_CALM + LOOK_CALM * u32::from(clock::random::<1>()[0]) / 128,
            look_pause: LOOK_FIRST,
            kad_waits: false,
            announced: false,
            keep_at: now + HOUSEKEEPING,
            retry_at: None,
            cast_at: None,
            explicit: HashMap::new(),
            pausing: None,
            listening: None,
            view_stale: true,
            view_at: now,
            counted: roster::Stats::default(),
        }
    }
}

impl Driver {
    /// Runs until told to stop, then says goodbye to everybody.
    pub(crate) async fn run(mut self) {
        loop {
            self.fall_asleep();
            self.refresh_view();
            self.count();
            let (due, asleep) = (self.next_due(), self.is_asleep());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                event = pause::next_event(&mut self.swarm, asleep) => self.on_swarm(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                Some(verdict) = self.verdicts.recv() => {
                    let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
                    gossip.report_message_validation_result(&verdict.id, &verdict.source, verdict.acceptance);
                }
                () = sleep_until(due) => self.on_time(),
                // Last: what peers tell of others never ends while they like to tell.
                Some((peer, packet)) = self.internal.recv() => self.on_internal(peer, packet),
            }
        }
        self.leave().await;
    }

    /// An address of the configuration.
    pub(crate) fn bootstrap(&mut self, address: &Multiaddr) {
        let (bare, peer) = (address::without_peer(address), address::peer_of(address));
        match peer.as_ref().and_then(from_libp2p) {
            Some(peer) => self.learn(peer, vec![bare], Source::Bootstrap, Duration::ZERO),
            None => self.tell_roster(roster::Event::Bootstrap {
                address: bare.to_string().into(),
            }),
        }
    }

    /// Whom an earlier run knew: (peer, addresses, when it was seen in ms since 1970).
    pub(crate) fn remembered(&mut self, known: Vec<(PeerId, Vec<String>, u64)>) {
        for (peer, addresses, _seen) in known {
            let addresses = addresses
                .iter()
                .filter_map(|address| address.parse().ok())
                .collect();
            self.learn(peer, addresses, Source::Remembered, Duration::ZERO);
        }
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.state.start)
    }

    fn next_due(&self) -> Option<Instant> {
        let state = &self.state;
        let view = state.view_stale.then_some(state.view_at);
        if let Some(pausing) = &state.pausing {
            return [view, pausing.due()].into_iter().flatten().min();
        }
        let roster = self.roster.next_timeout().map(|at| state.start + at);
        [
            Some(state.look_at),
            Some(state.keep_at),
            state.retry_at,
            state.listening.as_ref().map(Listening::due),
            view,
            roster,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_time(&mut self) {
        if self.is_paused() {
            return;
        }
        let now = clock::now();
        let actions = self.roster.handle_timeout(self.now());
        self.apply(actions);
        if self.state.look_at <= now {
            self.look();
        }
        if self.state.retry_at.is_some_and(|at| at <= now) {
            self.send_waiting();
        }
        self.go_on_listening();
        if self.state.keep_at <= now {
            self.state.keep_at = now + HOUSEKEEPING;
            self.keep_addresses();
            self.swarm.behaviour_mut().kad.store_mut().purge(now);
        }
    }

    // ---- the swarm ----

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                tracing::info!(%address, "listening");
                self.on_listening(listener_id, &address);
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
            SwarmEvent::ListenerClosed {
                listener_id,
                addresses,
                reason,
            } => self.on_listener_closed(listener_id, &addresses, reason),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let ip = address::ip_of(endpoint.get_remote_address());
                self.swarm
                    .behaviour_mut()
                    .kad
                    .store_mut()
                    .connected(peer_id, ip);
                if self.is_paused() {
                    // It was under way.
                    self.state.dials.remove(&connection_id);
                    self.swarm.close_connection(connection_id);
                    return;
                }
                self.on_connection(&peer_id, connection_id, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                self.swarm
                    .behaviour_mut()
                    .kad
                    .store_mut()
                    .disconnected(&peer_id);
                if let Some(peer) = from_libp2p(&peer_id) {
                    self.state.shown.remove(&peer);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                self.on_dial_error(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                tracing::debug!(address = %send_back_addr, %error, "incoming connection failed");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Packets(event) => self.on_session(event),
            BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            }) => {
                self.on_identify(connection_id, peer_id, info);
            }
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            #[cfg(feature = "mdns")]
            BehaviourEvent::Mdns(libp2p::mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    if let Some(peer) = from_libp2p(&peer) {
                        self.learn(
                            peer,
                            vec![address::without_peer(&address)],
                            Source::Mdns,
                            Duration::ZERO,
                        );
                    }
                }
            }
            _ => {}
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
        let satellite = from_libp2p(&id);
        if speaks_kad && satellite.is_some() && self.is_calming() {
            self.state.kad_waits = true;
        } else if speaks_kad {
            self.tell_kad(&id, &addresses);
        }
        let Some(peer) = satellite else {
            return;
        };
        let addresses = addresses.iter().map(address::without_peer).collect();
        if self.state.links.contains_key(&peer) {
            self.learn(peer, addresses, Source::Identify, Duration::ZERO);
        } else {
            // Identify is done sooner than the handshake: without these, nobody could be told where a peer is that dialled.
            self.state.shown.insert(peer, addresses);
        }
    }

    fn learn(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, source: Source, age: Duration) {
        if peer == self.shared.identity.peer_id() {
            return;
        }
        let addresses = addresses
            .iter()
            .map(|address| address.to_string().into())
            .collect();
        self.tell_roster(roster::Event::Learned {
            peer,
            addresses,
            source,
            age,
        });
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

const TRIMMED: &str = "more sessions than this satellite keeps";
/// The bytes of a rendezvous' key on the DHT.
pub(crate) fn record_key(key: &[u8]) -> kad::RecordKey {
    kad::RecordKey::new(&Bytes::copy_from_slice(key))
}
