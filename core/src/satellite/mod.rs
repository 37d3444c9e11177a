//! The satellite: the handle people hold.
//!
//! It turns calls into packets on a [`Link`] or commands for the driver, and what came in into events for handlers. It owns the
//! runtime (unless one was given), the callback threads and the data folder, and ends all of them.

pub(crate) mod callbacks;
mod cast;
mod connect;
mod event;
mod operation;
mod options;
pub(crate) mod part;
mod pause;
mod peer;
pub(crate) mod places;
mod queue;
mod request;
mod responder;
mod router;
mod send;
mod start;
mod stop;
mod subscribe;
mod threads;

use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use callbacks::{Cancelled, Subscription, inside_callback};
pub use event::Event;
pub use operation::{Items, Operation, Outcome};
pub use options::{BroadcastOptions, RequestOptions, SendOptions};
pub use peer::{DisconnectReason, PeerEvent, PeerEvents, PeerInfo, PeerState};
pub use request::{Replies, Reply};
pub use responder::Responder;
pub use stop::Shutdown;
pub use subscribe::Events;

use crate::config::{Config, IdentitySource, LINGER_MAX};
use crate::error::{Error, StartError, SubscribeError};
use crate::identity::{Identity, PeerId};
use crate::net::driver::{Command, View};
use crate::net::{Account, NetShared};
use crate::proto::packet::{PacketType, check_free_namespace};
use crate::stats::{Counters, Stats};
use crate::store::Store;
use callbacks::Callbacks;
pub(crate) use callbacks::Source;
use router::Router;
pub(crate) use threads::without_signals;

/// A program's place in a network: it finds the others under a rendezvous, keeps sessions with them and exchanges packets.
///
/// Cheap to clone; all clones are the same satellite. When the last one is dropped without [`Satellite::shutdown`], it ends in the
/// background. Every method may be called from any thread, also inside a callback.
///
/// ```
/// use psfs_core::{Config, PacketType, Satellite};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let satellite = Satellite::new(Config::new("pineapple").listen("127.0.0.1:0").mdns(false))?;
/// satellite.on(PacketType::Message, "greeting", |event| println!("{}: {:?}", event.peer(), event.content()))?;
/// satellite.start().await?;
/// println!("listening on {:?}", satellite.addresses());
/// satellite.shutdown(std::time::Duration::from_secs(5)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Satellite {
    /// Before `inner`, and so dropped before it: it needs it.
    _last: Arc<Last>,
    inner: Arc<Inner>,
}

/// Ends the satellite when the last handle is gone.
struct Last(Weak<Inner>);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.begin_end(LINGER_MAX);
            inner.callbacks.last_of_all();
            // By a thread of its own: here may be one of an application's runtime, which must not block.
            inner.end_in_background();
        }
    }
}

/// What all handles share.
pub(crate) struct Inner {
    config: Config,
    identity: Identity,
    /// Taken when the satellite ends.
    store: Mutex<Option<Store>>,
    epoch: u64,
    counters: Arc<Counters>,
    account: Arc<Account>,
    router: Arc<Router>,
    callbacks: Callbacks,
    view: Arc<RwLock<View>>,
    stage: Mutex<Stage>,
    /// Taken when the satellite ends: it holds what the runtime polls with.
    running: RwLock<Option<Arc<Running>>>,
    /// The runtime, if it is the satellite's own; taken when it ends.
    runtime: Mutex<Option<Runtime>>,
    stop: CancellationToken,
    /// All that runs on the runtime, from the start to the end.
    tasks: TaskTracker,
    /// By when the network must have been left, once `stop` is given.
    leave_by: watch::Sender<Instant>,
    cast_sequence: AtomicU64,
    ending: Mutex<stop::Ending>,
    ending_changed: Condvar,
    /// True once all of it has ended.
    ended: watch::Sender<bool>,
    /// What stands on it.
    parts: RwLock<Vec<Arc<dyn part::Part>>>,
    paused: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Made,
    Starting,
    Started,
    Ended,
}

/// What exists once the satellite runs.
struct Running {
    handle: Handle,
    tasks: TaskTracker,
    commands: mpsc::Sender<Command>,
    shared: Arc<NetShared>,
}

impl Drop for Inner {
    /// Where an end was not waited for to its end: this thread may be one that must not block.
    fn drop(&mut self) {
        self.drop_runtime();
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Satellite")
            .field("peer", &self.identity.peer_id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Satellite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Satellite {
    /// A satellite without the parts that stand on it.
    pub(crate) fn bare(config: Config) -> Result<Self, StartError> {
        start::check(&config)?;
        let store = match &config.data_dir {
            Some(dir) => Store::open(dir)?,
            None => Store::in_memory()?,
        };
        let identity = identity_of(&config)?;
        let epoch = store.next_epoch(crate::net::clock::now_ms())?;
        let counters = Arc::new(Counters::default());
        let router = Arc::new(Router::new(Arc::clone(&counters), config.queue_limit));
        let callbacks = Callbacks::new(config.callback_threads, config.log.clone())
            .map_err(StartError::Runtime)?;
        let inner = Arc::new(Inner {
            identity,
            store: Mutex::new(Some(store)),
            epoch,
            account: Account::new(config.memory_limit),
            counters,
            router,
            callbacks,
            view: Arc::default(),
            stage: Mutex::new(Stage::Made),
            running: RwLock::default(),
            runtime: Mutex::new(None),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            leave_by: watch::Sender::new(crate::net::clock::now()),
            cast_sequence: AtomicU64::new(0),
            ending: Mutex::default(),
            ending_changed: Condvar::new(),
            ended: watch::Sender::new(false),
            parts: RwLock::default(),
            paused: Arc::default(),
            config,
        });
        inner.router.belongs_to(Arc::downgrade(&inner));
        Ok(Self {
            _last: Arc::new(Last(Arc::downgrade(&inner))),
            inner,
        })
    }

    /// Whether it was started and not shut down.
    pub fn is_running(&self) -> bool {
        self.inner.stage() == Stage::Started
    }

    /// The key this satellite is known by.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The id others know this satellite by.
    pub fn peer_id(&self) -> PeerId {
        self.inner.identity.peer_id()
    }

    /// The id with a suffix that people can compare: `Qm…:suffix`.
    pub fn fingerprint(&self) -> String {
        self.peer_id().fingerprint()
    }

    /// The rendezvous it was made for.
    pub fn rendezvous(&self) -> &str {
        &self.inner.config.rendezvous
    }

    /// Largest content in bytes that it sends or takes.
    pub fn content_limit(&self) -> usize {
        self.inner.config.content_limit
    }

    /// Where it listens, as multiaddresses with its id: what another satellite takes as bootstrap. Empty before the start and
    /// while it is paused.
    pub fn addresses(&self) -> Vec<String> {
        self.inner
            .view()
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Everybody met, connected ones among them, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let mut peers: Vec<PeerInfo> = self.inner.view().met.iter().map(PeerInfo::of_met).collect();
        // The view follows the links by a moment; a session that events told of must show here, and one that is over must not.
        for info in &mut peers {
            if info.state == PeerState::Connected {
                info.state = PeerState::Met;
            }
        }
        for link in self.inner.router.links() {
            let at = peers.binary_search_by(|info| info.peer.cmp(&link.peer));
            let at = at.unwrap_or_else(|at| {
                peers.insert(at, PeerInfo::of_link(&link));
                at
            });
            peers[at].state = PeerState::Connected;
            peers[at].signing = Some(link.signing);
        }
        peers
    }

    /// How many sessions are open.
    pub fn connected_count(&self) -> usize {
        self.inner.router.connected()
    }

    /// Calls `handler` with every packet of this type and namespace, on the callback threads: one after another, in order of
    /// arrival. It may block; that slows its own senders and nothing else. Registered until it is cancelled or the satellite shut
    /// down, also when the returned handle is dropped.
    ///
    /// # Errors
    /// [`SubscribeError`]: a namespace or type without handlers, or after shutdown.
    pub fn on(
        &self,
        packet_type: PacketType,
        namespace: &str,
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let events = self.subscribe(packet_type, namespace)?;
        self.inner.callbacks.attach(events, Box::new(handler))
    }

    /// The same as a stream to read from. What is not read slows its senders (MESSAGE, REQUEST) or is dropped and counted
    /// (BROADCAST, SEEK).
    ///
    /// # Errors
    /// As [`Satellite::on`].
    pub fn subscribe(
        &self,
        packet_type: PacketType,
        namespace: &str,
    ) -> Result<Events, SubscribeError> {
        check_free_namespace(namespace)?;
        if !packet_type.has_handlers() {
            return Err(SubscribeError::Type(packet_type.name()));
        }
        let events = Events::new(&self.inner.router, packet_type, namespace);
        self.inner.still_open()?;
        Ok(events)
    }

    /// Calls `handler` with everything that happens to peers.
    ///
    /// # Errors
    /// [`SubscribeError`] after shutdown.
    pub fn on_peer(
        &self,
        handler: impl FnMut(PeerEvent) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let events = self.peer_events()?;
        self.inner.callbacks.attach(events, Box::new(handler))
    }

    /// The same as a stream to read from.
    ///
    /// # Errors
    /// [`SubscribeError`] after shutdown.
    pub fn peer_events(&self) -> Result<PeerEvents, SubscribeError> {
        let events = PeerEvents::new(&self.inner.router);
        self.inner.still_open()?;
        Ok(events)
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.inner.counters.snapshot();
        stats.callbacks_panicked = self.inner.callbacks.panics();
        stats.peers_met = self.inner.view().met.len() as u64;
        stats.peers_connected = self.connected_count() as u64;
        stats.held_bytes = self.inner.account.held() as u64;
        stats
    }

    /// Own-loop mode (`callback_threads(0)`): a descriptor that is readable while [`Satellite::dispatch`] has something to do.
    pub fn event_fd(&self) -> Option<RawFd> {
        self.inner.callbacks.event_fd()
    }

    /// Own-loop mode: runs what is ready on this thread, after waiting up to `timeout` for the first. Returns how many callbacks ran.
    ///
    /// # Errors
    /// With callback threads; inside a callback; after shutdown.
    pub fn dispatch(&self, timeout: Duration) -> Result<usize, Error> {
        self.inner.callbacks.dispatch(timeout)
    }
}

impl Inner {
    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asked after a queue was added: the end closes those it finds, and one added behind its back would never end.
    fn still_open(&self) -> Result<(), SubscribeError> {
        match self.stage() {
            Stage::Ended => Err(SubscribeError::Closed),
            _ => Ok(()),
        }
    }

    fn store(&self) -> Result<Store, StartError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or(StartError::Twice("shut down"))
    }

    fn view(&self) -> std::sync::RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity_of(config: &Config) -> Result<Identity, StartError> {
    let passphrase = config.passphrase.as_ref().map(|text| text.as_str());
    let load = |path: &Path| Identity::load_or_create(path, passphrase);
    Ok(match (&config.identity, &config.data_dir) {
        (IdentitySource::Given(identity), _) => identity.clone(),
        (IdentitySource::File(path), _) => load(path)?,
        (IdentitySource::Default, Some(dir)) => load(&Store::key_path(dir))?,
        (IdentitySource::Default, None) => Identity::generate()?,
    })
}
