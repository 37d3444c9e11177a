//! Every option, default and limit, in one place.
//!
//! Options are what a person sets ([`Config`]); the constants below are bounds that nobody needs to turn, each with its reason.
//! Nothing is checked while it is set: [`Satellite::new`](crate::Satellite::new) checks all of it once and names the option that is wrong.

use std::path::PathBuf;
use std::time::Duration;

use crate::faults::Faults;
use crate::hidden::Hidden;
use crate::identity::{Identity, PeerId};

/// Longest namespace or rendezvous, in bytes.
pub const NAMESPACE_MAX: usize = 255;
/// Largest content that a satellite can be set to take, in bytes.
pub const CONTENT_MAX: usize = 1 << 30;
/// Longest secret, in bytes.
pub const SECRET_MAX: usize = 1024;
/// Largest content of a broadcast, in bytes: what one gossip message carries beside signature, delegation and key.
pub const BROADCAST_MAX: usize = 60 * 1024;
/// Broadcasts of ours that may wait for somebody to send them to.
pub const BROADCAST_QUEUE: usize = 1024;
/// Answers one broadcast or seek takes from all peers together.
pub const ANSWERS_MAX: usize = 1024;
/// Bytes of replies that may wait to be written to one peer; its asker's window bounds each request beside it.
pub(crate) const ANSWER_QUEUE: usize = 4 << 20;
/// Bytes of messages, and of requests, that may wait to be written to one peer, whatever window it claims to have.
pub(crate) const UNWRITTEN_MAX: u64 = 4 << 20;
/// Bytes of broadcasts that may wait to be checked.
pub(crate) const UNCHECKED_MAX: usize = 4 << 20;
/// Longest text of a handler that failed, in bytes.
pub(crate) const END_TEXT_MAX: usize = 1024;
/// Commands waiting for the network loop.
pub(crate) const COMMAND_QUEUE: usize = 256;
/// Events handed to a handler, or to another language, at one wake-up.
pub const BATCH_EVENTS: usize = 256;
/// What an event costs beside its content when queues are accounted, in bytes: many empty packets fill a queue as well.
pub(crate) const EVENT_COST: usize = 64;
/// A connection without Hello and Auth by then is closed.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A content whose parts stop arriving for this long ends its session.
pub(crate) const PART_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer that dropped out is given to finish what it was told before the connection is cut.
pub(crate) const BYE_TIMEOUT: Duration = Duration::from_millis(500);
/// While a session is ended from this side, what was accepted goes out first. A peer to which nothing moves for this long is given up.
pub(crate) const LINGER_STALL: Duration = Duration::from_secs(5);
/// The same in all, for an end that has no time limit of the application's: a disconnect, or the last handle dropped.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(30);
/// How long sessions may take to end when the satellite is paused: systems give an application that goes to the background about 5 s.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Once the network has changed, a peer has so long to show that it can still be reached: more than a radio takes to wake.
pub(crate) const CHECK_PATIENCE: Duration = Duration::from_secs(3);
/// How long an interface may take to tell its addresses.
pub(crate) const LISTEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Addresses kept of one peer.
pub(crate) const ADDRESSES_PER_PEER: usize = 8;
/// Peers one exchange message tells of.
pub(crate) const EXCHANGE_PEERS: usize = 96;
/// Peers known at once; the oldest unconnected ones go first.
pub(crate) const KNOWN_PEERS: usize = 10_000;

/// What a value of the DHT takes in a packet beside its content.
pub(crate) const DHT_OVERHEAD: usize = 4096;

/// What a satellite is to the others of its network's DHT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Role {
    /// It keeps values near its own place, and tells others who is near a key.
    #[default]
    Node = 0,
    /// The same, and it keeps every value it hears of, wherever its place is, as long as its budget lasts.
    Mirror = 1,
    /// It stores and fetches, and serves nobody: for a phone. Others do not know of it.
    Client = 2,
}

impl Role {
    pub(crate) fn of_number(number: u8) -> Self {
        match number {
            1 => Self::Mirror,
            2 => Self::Client,
            _ => Self::Node,
        }
    }

    pub(crate) fn serves(self) -> bool {
        self != Self::Client
    }
}

/// How packets are signed after a session is authenticated. The stricter of both sides' choices holds: `Rsa` over `Every` over `Lazy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signing {
    /// What leaves in one write is signed at once, by a short-lived Ed25519 key that the RSA key has vouched for; parts of a large content with the
    /// last of them.
    #[default]
    Every,
    /// The same, with the RSA key itself.
    Rsa,
    /// Nothing is signed after the session's start (`lazysec`); only when both sides ask for it.
    Lazy,
}

/// Where a satellite's key comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum IdentitySource {
    /// From the data folder if there is one, else made anew and kept in memory.
    #[default]
    Default,
    Given(Identity),
    File(PathBuf),
}

/// Everything that can be set of a satellite. Every method takes and returns the config, so that calls chain.
///
/// ```
/// use psfs_core::{Config, Signing};
/// let config = Config::new("pineapple")
///     .listen("127.0.0.1:0")
///     .bootstrap("127.0.0.1:4001")
///     .signing(Signing::Lazy);
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) rendezvous: String,
    pub(crate) secret: Option<Hidden<Vec<u8>>>,
    pub(crate) identity: IdentitySource,
    pub(crate) passphrase: Option<Hidden<String>>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: Vec<String>,
    pub(crate) bootstrap: Vec<String>,
    pub(crate) allow: Option<Vec<PeerId>>,
    pub(crate) deny: Vec<PeerId>,
    pub(crate) signing: Signing,
    pub(crate) mdns: bool,
    pub(crate) content_limit: usize,
    pub(crate) message_window: usize,
    pub(crate) reply_window: usize,
    pub(crate) open_requests: usize,
    pub(crate) queue_limit: usize,
    pub(crate) memory_limit: usize,
    pub(crate) peers_low: usize,
    pub(crate) peers_high: usize,
    pub(crate) connections: usize,
    pub(crate) connections_per_ip: usize,
    pub(crate) callback_threads: usize,
    pub(crate) worker_threads: usize,
    pub(crate) runtime: Option<tokio::runtime::Handle>,
    pub(crate) log: Option<tracing::Dispatch>,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) faults: Option<Faults>,
    pub(crate) dht_role: Role,
    pub(crate) max_item_size: usize,
    pub(crate) max_storage_size: u64,
}

impl Config {
    /// A satellite of the network `rendezvous` (1 to 255 bytes without NUL), all else by default.
    pub fn new(rendezvous: impl Into<String>) -> Self {
        Self {
            rendezvous: rendezvous.into(),
            secret: None,
            identity: IdentitySource::Default,
            passphrase: None,
            data_dir: None,
            listen: Vec::new(),
            bootstrap: Vec::new(),
            allow: None,
            deny: Vec::new(),
            signing: Signing::Every,
            mdns: cfg!(feature = "mdns"),
            content_limit: 16 << 20,
            message_window: 1 << 20,
            reply_window: 1 << 20,
            open_requests: 1024,
            queue_limit: 4096,
            memory_limit: 256 << 20,
            peers_low: 8,
            peers_high: 32,
            connections: 256,
            connections_per_ip: 16,
            callback_threads: 2,
            worker_threads: 2,
            runtime: None,
            log: None,
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(10),
            faults: None,
            dht_role: Role::Node,
            max_item_size: 5_000_000,
            max_storage_size: 500_000_000,
        }
    }

    /// Another rendezvous.
    #[must_use]
    pub fn rendezvous(mut self, rendezvous: impl Into<String>) -> Self {
        self.rendezvous = rendezvous.into();
        self
    }

    /// Only who knows this secret is let in, and nobody else can find the network by its name. 1 to 1024 bytes.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(Hidden::new(secret.into()));
        self
    }

    /// The key itself, for applications that keep it elsewhere.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = IdentitySource::Given(identity);
        self
    }

    /// A key file; made with mode 0600 when it does not exist. Default: `identity.pem` in the data folder, else a key that lives as long as the satellite.
    #[must_use]
    pub fn identity_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity = IdentitySource::File(path.into());
        self
    }

    /// Opens (or protects, when it is made) the key file.
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.passphrase = Some(Hidden::new(passphrase.into()));
        self
    }

    /// A folder of this satellite's own: key, addresses of peers. Default: nothing touches the disk.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// One more address to listen on: `IP:PORT`, `:PORT` or a multiaddress; port 0 is any free one.
    /// Default: every interface, TCP and QUIC, any free port.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// One more address at which the network may be met. Retried for as long as the satellite has too few peers.
    #[must_use]
    pub fn bootstrap(mut self, address: impl Into<String>) -> Self {
        self.bootstrap.push(address.into());
        self
    }

    /// Adds to the allow list: once it has an entry, no other peer gets a session.
    #[must_use]
    pub fn allow(mut self, peer: PeerId) -> Self {
        self.allow.get_or_insert_default().push(peer);
        self
    }

    /// Adds to the deny list.
    #[must_use]
    pub fn deny(mut self, peer: PeerId) -> Self {
        self.deny.push(peer);
        self
    }

    /// How packets are signed. Default: [`Signing::Every`].
    #[must_use]
    pub fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// Whether satellites on the same local network are found by mDNS. Default: yes, where it is built in.
    #[must_use]
    pub fn mdns(mut self, on: bool) -> Self {
        self.mdns = on;
        self
    }

    /// Largest content in bytes, sent or taken. Default 16 MiB; 1 KiB to 1 GiB.
    #[must_use]
    pub fn content_limit(mut self, bytes: usize) -> Self {
        self.content_limit = bytes;
        self
    }

    /// Bytes of messages a peer may have on the way to handlers here before it must wait, and as many of requests beside them: a
    /// handler of messages may ask their sender. Default 1 MiB; 128 KiB to 1 GiB.
    #[must_use]
    pub fn message_window(mut self, bytes: usize) -> Self {
        self.message_window = bytes;
        self
    }

    /// Bytes of replies on the way to one request here before the answering side must wait. Default 1 MiB; 128 KiB to 1 GiB.
    #[must_use]
    pub fn reply_window(mut self, bytes: usize) -> Self {
        self.reply_window = bytes;
        self
    }

    /// Requests one peer may have open here at once. Default 1024; 1 to 65536.
    #[must_use]
    pub fn open_requests(mut self, count: usize) -> Self {
        self.open_requests = count;
        self
    }

    /// Events one subscription holds before broadcasts and seeks are dropped, counted and reported as lagged. Default 4096; 1 to 16,777,216.
    #[must_use]
    pub fn queue_limit(mut self, events: usize) -> Self {
        self.queue_limit = events;
        self
    }

    /// Bytes of contents held in all, for all peers together: what waits for handlers, what they and whoever asked keep, and large
    /// contents on their way. Over it senders are made to wait, and a quarter of it may be broadcasts. What peers may send before
    /// they wait (the windows) can come on top once. Default 256 MiB; at least 1 MiB, and twice `content_limit`.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Between how many sessions the satellite keeps by itself. Default 8 and 32; `high` is 1 to 4096, `low` no more than `high`.
    #[must_use]
    pub fn peers(mut self, low: usize, high: usize) -> Self {
        self.peers_low = low;
        self.peers_high = high;
        self
    }

    /// Connections in all, and from one IP address (loopback counts only in all). Default 256 and 16; each 1 to 65536.
    #[must_use]
    pub fn connections(mut self, total: usize, per_ip: usize) -> Self {
        self.connections = total;
        self.connections_per_ip = per_ip;
        self
    }

    /// Threads that run callbacks, started with the first one. Default 2; 0 to 64. With 0 nothing runs by itself: the application polls
    /// [`Satellite::event_fd`](crate::Satellite::event_fd) and calls [`Satellite::dispatch`](crate::Satellite::dispatch).
    #[must_use]
    pub fn callback_threads(mut self, threads: usize) -> Self {
        self.callback_threads = threads;
        self
    }

    /// Threads of the satellite's own runtime. Default 2; 1 to 64.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads;
        self
    }

    /// Runs the satellite on a runtime that exists (multi-threaded, with time and IO), instead of one of its own. That runtime must outlive it.
    #[must_use]
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Where log lines of this satellite's own threads go. Default: to the subscriber of the process. With a shared
    /// [`Config::runtime`] only the callback threads are this satellite's own.
    #[must_use]
    pub fn log(mut self, log: tracing::Dispatch) -> Self {
        self.log = Some(log);
        self
    }

    /// After how much silence a peer is asked for a sign of life, and how long that may take to come before the session ends with the
    /// reason TIMEOUT: one that froze is noticed after both together. 100 ms to 1 day each. Default 15 s and 10 s.
    #[must_use]
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.ping_interval = interval;
        self.ping_timeout = timeout;
        self
    }

    /// For tests: what is wrong with the TCP connections between this satellite and others that are given the same [`Faults`], and who lies. There
    /// is no QUIC then.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// What this satellite is to the others of the DHT. Default: [`Role::Node`].
    #[must_use]
    pub fn dht_role(mut self, role: Role) -> Self {
        self.dht_role = role;
        self
    }

    /// Largest value in bytes that it stores, fetches or keeps for others in the DHT. Default 5,000,000; at least 1, and 4 KiB less than
    /// `content_limit`: with a smaller `content_limit` that is the limit.
    #[must_use]
    pub fn max_item_size(mut self, bytes: usize) -> Self {
        self.max_item_size = bytes;
        self
    }

    /// Bytes of values that it keeps for others in the DHT, half of them for one publisher at most; in memory if there is no data
    /// folder. Default 500,000,000.
    #[must_use]
    pub fn max_storage_size(mut self, bytes: u64) -> Self {
        self.max_storage_size = bytes;
        self
    }
}
