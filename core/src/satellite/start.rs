//! Starting: every option is checked once, then the network is brought up.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, TransportError, gossipsub, identity, swarm};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::threads::{self, without_signals};
use super::{Inner, Running, Satellite, Stage};
use crate::config::{
    COMMAND_QUEUE, CONTENT_MAX, Config, EXCHANGE_PEERS, HANDSHAKE_TIMEOUT, IdentitySource,
    KNOWN_PEERS, LISTEN_TIMEOUT, SECRET_MAX,
};
use crate::error::{StartError, SubscribeError};
use crate::net::address::Purpose;
use crate::net::behaviour::{Behaviour, Protocols};
use crate::net::driver::{self, Driver, Listener, State};
use crate::net::transport::{self, TransportOptions};
use crate::net::{NetSetup, NetShared, address, clock, gate, gossip, to_libp2p};
use crate::proto::alive;
use crate::proto::merkle::Hash;
use crate::proto::packet::check_namespace;
use crate::proto::roster::{self, Roster};
use crate::proto::session::Limits;
use crate::proto::signed;

/// Broadcasts waiting to be checked.
const CHECK_QUEUE: usize = 1024;
/// Once every listener has told an address, those of the other interfaces come at once; this is for one that does not.
const INTERFACES_TIMEOUT: Duration = Duration::from_millis(250);

/// How long an interval of pings, or the wait for an answer, may be.
const PING_TIMES: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(24 * 3600);

fn option(option: &'static str, reason: impl Into<String>) -> StartError {
    StartError::Option {
        option,
        reason: reason.into(),
    }
}

/// Refuses options that cannot work, by name.
pub(super) fn check(config: &Config) -> Result<(), StartError> {
    check_namespace(&config.rendezvous).map_err(StartError::Rendezvous)?;
    if config
        .secret
        .as_ref()
        .is_some_and(|secret| secret.is_empty() || secret.len() > SECRET_MAX)
    {
        return Err(option("secret", "give 1 to 1024 bytes"));
    }
    // An environment variable that is not set, most often; it would mean the working folder.
    let empty = |path: &std::path::PathBuf| path.as_os_str().is_empty();
    if config.data_dir.as_ref().is_some_and(empty) {
        return Err(option(
            "data_dir",
            "the path is empty: name a folder, or leave the option out",
        ));
    }
    if matches!(&config.identity, IdentitySource::File(path) if empty(path)) {
        return Err(option(
            "identity_file",
            "the path is empty: name a file, or leave the option out",
        ));
    }
    for address in &config.listen {
        parse_listen(address)?;
    }
    for address in &config.bootstrap {
        parse_dial(address)?;
    }
    let in_range = [
        ("content_limit", config.content_limit, 1 << 10, CONTENT_MAX),
        ("message_window", config.message_window, 128 << 10, 1 << 30),
        ("reply_window", config.reply_window, 128 << 10, 1 << 30),
        ("open_requests", config.open_requests, 1, 1 << 16),
        ("queue_limit", config.queue_limit, 1, 1 << 24),
        ("memory_limit", config.memory_limit, 1 << 20, usize::MAX),
        ("peers_high", config.peers_high, 1, 4096),
        ("connections", config.connections, 1, 1 << 16),
        ("connections_per_ip", config.connections_per_ip, 1, 1 << 16),
        ("callback_threads", config.callback_threads, 0, 64),
        ("worker_threads", config.worker_threads, 1, 64),
        ("max_item_size", config.max_item_size, 1, CONTENT_MAX),
    ];
    for (name, value, low, high) in in_range {
        if !(low..=high).contains(&value) {
            return Err(option(name, format!("{value} is outside {low} to {high}")));
        }
    }
    // Less might never have room for the largest content beside broadcasts and what is whole.
    if config.memory_limit / 2 < config.content_limit {
        return Err(option(
            "memory_limit",
            format!(
                "{} is less than twice content_limit ({}): raise it, or lower content_limit",
                config.memory_limit, config.content_limit
            ),
        ));
    }
    if config.peers_low > config.peers_high {
        return Err(option("peers_low", "is above peers_high"));
    }
    let pings = [config.ping_interval, config.ping_timeout];
    if !pings.iter().all(|time| PING_TIMES.contains(time)) {
        return Err(option("ping", "interval and timeout are 100 ms to 1 day"));
    }
    if config.mdns && !cfg!(feature = "mdns") {
        return Err(StartError::Unsupported {
            option: "mdns",
            needs: "the feature mdns",
        });
    }
    Ok(())
}

fn parse_listen(text: &str) -> Result<Multiaddr, StartError> {
    address::parse(text, Purpose::Listen).map_err(|reason| StartError::Address {
        address: text.into(),
        reason: reason.to_string(),
    })
}

fn parse_dial(text: &str) -> Result<Multiaddr, StartError> {
    address::parse(text, Purpose::Dial).map_err(|reason| StartError::Address {
        address: text.into(),
        reason: reason.to_string(),
    })
}

impl Satellite {
    /// Listens, and begins to look for others. Returns once every listen address is bound and [`Satellite::addresses`] has it for
    /// each interface; others are met after that.
    ///
    /// # Errors
    /// [`StartError`]: an address in use or refused by the system, or started before.
    pub async fn start(&self) -> Result<(), StartError> {
        self.inner.advance(Stage::Made, Stage::Starting)?;
        let attempt = Attempt(Arc::clone(&self.inner));
        let handle = self.inner.runtime_handle()?;
        let own = handle.clone();
        let (tell, told) = oneshot::channel();
        // A task of its own: it takes effect also when nobody waits for it any more.
        let bringing_up = async move { drop(tell.send(attempt.run(own).await)) };
        self.inner.tasks.spawn_on(bringing_up, &handle);
        match told.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((error, attempt))) => {
                drop(attempt);
                Err(error)
            }
            Err(gone) if self.inner.stage() != Stage::Ended => {
                Err(StartError::Runtime(std::io::Error::other(gone)))
            }
            Err(_) => Err(StartError::Twice("shut down")),
        }
    }
}

/// A start under way. When it is dropped and led to nothing, the satellite can be started again: whoever waits for the start drops
/// it, or if nobody does the task.
struct Attempt(Arc<Inner>);

impl Attempt {
    async fn run(self, handle: Handle) -> Result<(), (StartError, Self)> {
        let inner = &self.0;
        // Made here: this thread's log is the satellite's. Of the gravest level, so that whoever wants any line gets it with the id.
        let span = tracing::error_span!("satellite", id = %inner.identity.peer_id());
        let brought_up = tokio::select! {
            biased;
            () = inner.stop.cancelled() => Err(StartError::Twice("shut down")),
            brought_up = inner.bring_up(handle).instrument(span) => brought_up,
        };
        let started = brought_up.and_then(|running| {
            inner.set_running(Some(Arc::new(running)));
            inner.advance(Stage::Starting, Stage::Started)?;
            inner.begin_parts();
            Ok(())
        });
        started.map_err(|error| (error, self))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.0.stage() == Stage::Starting {
            self.0.drop_runtime();
            // Shut down meanwhile: then it stays so.
            let _ended = self.0.advance(Stage::Starting, Stage::Made);
        }
    }
}

impl Inner {
    fn advance(&self, from: Stage, to: Stage) -> Result<(), StartError> {
        let mut stage = self
            .stage
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *stage != from {
            return Err(StartError::Twice(if *stage == Stage::Ended {
                "shut down"
            } else {
                "started"
            }));
        }
        *stage = to;
        Ok(())
    }

    fn runtime_handle(&self) -> Result<Handle, StartError> {
        if let Some(handle) = &self.config.runtime {
            return Ok(handle.clone());
        }
        let mut own = self
            .runtime
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Under the lock: what ends the satellite takes the runtime after it said so, and none is made behind its back.
        if self.stage() == Stage::Ended {
            return Err(StartError::Twice("shut down"));
        }
        if let Some(runtime) = &*own {
            return Ok(runtime.handle().clone());
        }
        let log = self.config.log.clone();
        #[cfg(test)]
        let clock = self.config.clock.clone();
        let runtime = without_signals(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(self.config.worker_threads)
                .max_blocking_threads(4)
                .thread_name("psfs-net")
                .thread_stack_size(1 << 20)
                .on_thread_start(move || {
                    #[cfg(test)]
                    clock.follow();
                    threads::begin_log(log.as_ref());
                })
                .on_thread_stop(threads::end_log)
                .enable_all()
                .build()
        })
        .map_err(StartError::Runtime)?;
        let handle = runtime.handle().clone();
        *own = Some(runtime);
        Ok(handle)
    }

    /// Where operations run, also before the start.
    pub(super) fn task_runtime(&self) -> Result<Handle, SubscribeError> {
        self.runtime_handle().map_err(|error| match error {
            StartError::Runtime(error) => SubscribeError::Thread(error),
            _ => SubscribeError::Closed,
        })
    }

    async fn bring_up(&self, handle: Handle) -> Result<Running, StartError> {
        let config = &self.config;
        let network = self.network_id();
        let (internal_in, internal) = mpsc::channel(COMMAND_QUEUE);
        let shared = NetShared::new(
            NetSetup {
                identity: self.identity.clone(),
                signing: config.signing,
                limits: Limits {
                    content: config.content_limit as u64,
                    window: config.message_window as u64,
                    requests: u32::try_from(config.open_requests).unwrap_or(u32::MAX),
                    reply_window: config.reply_window as u64,
                },
                secret: config.secret.clone().map(Arc::new),
                network_tag: signed::network_tag(&network),
                epoch: self.epoch,
                alive: alive::Timing {
                    interval: config.ping_interval,
                    timeout: config.ping_timeout,
                },
                account: Arc::clone(&self.account),
                counters: Arc::clone(&self.counters),
                inbox: Arc::clone(&self.router) as Arc<dyn crate::net::Inbox>,
            },
            internal_in,
        );
        let tasks = self.tasks.clone();
        let mut swarm = self.swarm(&shared, &handle, &tasks)?;
        let listeners = self.listen(&mut swarm).await?;

        let topic = gossipsub::IdentTopic::new(topic_name(&network));
        swarm
            .behaviour_mut()
            .gossip
            .inner_mut()
            .subscribe(&topic)
            .map_err(|error| option("rendezvous", error.to_string()))?;

        let (commands_in, commands) = mpsc::channel(COMMAND_QUEUE);
        let (checks, checks_out) = mpsc::channel(CHECK_QUEUE);
        let (verdicts_in, verdicts) = mpsc::channel(CHECK_QUEUE);
        tasks.spawn_on(
            gossip::check_all(Arc::clone(&shared), network, checks_out, verdicts_in)
                .in_current_span(),
            &handle,
        );
        let mut driver = Driver {
            swarm,
            shared: Arc::clone(&shared),
            roster: self.roster(),
            store: self.store()?,
            topic,
            rendezvous_key: driver::record_key(&signed::dht_key(&network)),
            commands,
            internal,
            checks,
            verdicts,
            view: Arc::clone(&self.view),
            stop: self.stop.clone(),
            leave_by: self.leave_by.subscribe(),
            high: self.config.peers_high,
            listeners,
            paused: Arc::clone(&self.paused),
            state: State::new(),
        };
        driver.refresh_view();
        self.introduce(&mut driver).await?;
        for address in &self.view().addresses {
            tracing::info!(%address, "listening");
        }
        tracing::info!(
            peer = %self.identity.peer_id(),
            rendezvous = self.config.rendezvous,
            addresses = self.view().addresses.len(),
            "satellite started"
        );
        tasks.spawn_on(driver.run().in_current_span(), &handle);
        Ok(Running {
            handle,
            tasks,
            commands: commands_in,
            shared,
        })
    }

    fn swarm(
        &self,
        shared: &Arc<NetShared>,
        handle: &Handle,
        tasks: &TaskTracker,
    ) -> Result<Swarm<Behaviour>, StartError> {
        let config = &self.config;
        let mut pkcs8 = zeroize::Zeroizing::new(self.identity.pkcs8().to_vec());
        let key = identity::Keypair::rsa_from_pkcs8(&mut pkcs8).map_err(|error| {
            StartError::Identity(crate::error::IdentityError::Malformed {
                what: "the key".into(),
                reason: error.to_string(),
            })
        })?;
        let transport = transport::build(
            &key,
            &TransportOptions {
                network: self.uses_network(),
                handshake_timeout: HANDSHAKE_TIMEOUT,
                faults: config.faults.clone(),
            },
        )
        .map_err(|error| StartError::Runtime(std::io::Error::other(error.to_string())))?;
        let local = key.public().to_peer_id();
        let limits = gate::GateLimits {
            total: config.connections,
            per_ip: config.connections_per_ip,
            ..gate::GateLimits::default()
        };
        let mut gate = gate::Gate::new(limits);
        gate.set_allowed(
            config
                .allow
                .as_ref()
                .map(|peers| peers.iter().map(to_libp2p).collect()),
        );
        for peer in &config.deny {
            gate.deny(to_libp2p(peer));
        }
        let behaviour = Behaviour::new(
            shared,
            Protocols {
                key,
                gate,
                mdns: config.mdns,
                seed: u64::from_be_bytes(clock::random()),
            },
        )?;
        let (handle, tasks, span) = (handle.clone(), tasks.clone(), tracing::Span::current());
        let swarm_config = swarm::Config::with_executor(move |task: BoxFuture<'static, ()>| {
            tasks.spawn_on(task.instrument(span.clone()), &handle);
        })
        // A connection without a session is of use only while Kademlia asks something over it.
        .with_idle_connection_timeout(Duration::from_secs(5));
        Ok(Swarm::new(transport, behaviour, local, swarm_config))
    }

    /// Binds every address and waits until each is known by its real port, and for each interface where it stands for all of them.
    async fn listen(&self, swarm: &mut Swarm<Behaviour>) -> Result<Vec<Listener>, StartError> {
        // How many addresses each has yet to tell of, and which have told none.
        let mut waiting: HashMap<ListenerId, usize> = HashMap::new();
        let mut silent: HashSet<ListenerId> = HashSet::new();
        let mut listeners = Vec::new();
        let wanted = match self.config.listen.as_slice() {
            [] => default_listen(),
            given => given
                .iter()
                .map(|text| parse_listen(text))
                .collect::<Result<_, _>>()?,
        };
        for address in wanted {
            let id = swarm
                .listen_on(address.clone())
                .map_err(|error| listen_error(&address, &error))?;
            waiting.insert(id, expected(&address));
            silent.insert(id);
            listeners.push(Listener::new(address, id));
        }
        let mut until = tokio::time::Instant::now() + LISTEN_TIMEOUT;
        while !waiting.is_empty() {
            let Ok(event) = tokio::time::timeout_at(until, swarm.select_next_some()).await else {
                break;
            };
            match event {
                SwarmEvent::NewListenAddr {
                    listener_id,
                    address,
                } => {
                    for listener in &mut listeners {
                        listener.tell(listener_id, &address);
                    }
                    swarm.add_external_address(address);
                    if let Some(left) = waiting.get_mut(&listener_id) {
                        *left -= 1;
                        if *left == 0 {
                            waiting.remove(&listener_id);
                        }
                    }
                    if silent.remove(&listener_id) && silent.is_empty() {
                        // All are bound. An interface may have gone meanwhile.
                        until = until.min(tokio::time::Instant::now() + INTERFACES_TIMEOUT);
                    }
                }
                SwarmEvent::ListenerClosed {
                    reason: Err(error),
                    addresses,
                    ..
                } => {
                    let address = addresses
                        .first()
                        .map(ToString::to_string)
                        .unwrap_or_default();
                    return Err(StartError::Listen {
                        address,
                        reason: error.to_string(),
                    });
                }
                _ => {}
            }
        }
        Ok(listeners)
    }

    /// What its broadcasts and its place on the DHT are bound to; the tag that strangers may see is made of it.
    pub(super) fn network_id(&self) -> Hash {
        let secret = self.config.secret.as_ref();
        signed::network_id(
            &self.config.rendezvous,
            secret.map(|secret| secret.as_slice()),
        )
    }

    /// Networks within one process need no sockets: each transport that is left out saves its state.
    fn uses_network(&self) -> bool {
        let memory = |text: &String| text.starts_with("/memory/");
        self.config.listen.is_empty() || !self.config.listen.iter().all(memory)
    }

    fn roster(&self) -> Roster {
        let limits = roster::Limits {
            low: self.config.peers_low,
            high: self.config.peers_high,
            known: KNOWN_PEERS,
            tell: EXCHANGE_PEERS,
            ..roster::Limits::default()
        };
        Roster::new(
            self.identity.peer_id(),
            limits,
            u64::from_be_bytes(clock::random()),
        )
    }

    /// Tells the driver whom to try first: what was configured, and whom an earlier run knew.
    async fn introduce(&self, driver: &mut Driver) -> Result<(), StartError> {
        for text in &self.config.bootstrap {
            driver.bootstrap(&parse_dial(text)?);
        }
        let store = self.store()?;
        let remembered = self
            .tasks
            .spawn_blocking(move || store.remembered())
            .await
            .map_err(|error| StartError::Runtime(std::io::Error::other(error)))??;
        driver.remembered(remembered);
        Ok(())
    }
}

/// How many addresses a listener will tell of: one for each of the machine's own where it listens on all of them.
fn expected(address: &Multiaddr) -> usize {
    let same_kind: fn(&IpAddr) -> bool = match address.iter().next() {
        Some(Protocol::Ip4(ip)) if ip.is_unspecified() => IpAddr::is_ipv4,
        Some(Protocol::Ip6(ip)) if ip.is_unspecified() => IpAddr::is_ipv6,
        _ => return 1,
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let own: BTreeSet<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).collect();
    own.iter().filter(|ip| same_kind(ip)).count().max(1)
}

/// Gossip's name for a network: it tells nothing of the rendezvous' own name.
fn topic_name(network: &[u8; 32]) -> String {
    format!(
        "psfs/{}",
        bs58::encode(signed::network_tag(network)).into_string()
    )
}

fn default_listen() -> Vec<Multiaddr> {
    let mut addresses = vec!["/ip4/0.0.0.0/tcp/0"];
    if cfg!(feature = "quic") {
        addresses.push("/ip4/0.0.0.0/udp/0/quic-v1");
    }
    addresses
        .iter()
        .filter_map(|address| address.parse().ok())
        .collect()
}

fn listen_error(address: &Multiaddr, error: &TransportError<std::io::Error>) -> StartError {
    let address = address.to_string();
    match error {
        TransportError::MultiaddrNotSupported(_) => StartError::Listen {
            address,
            reason: "no transport for such an address is built in".into(),
        },
        TransportError::Other(error) if transport::is_address_in_use(error) => {
            StartError::AddressInUse { address }
        }
        TransportError::Other(error) => StartError::Listen {
            address,
            reason: error.to_string(),
        },
    }
}
