//! What this satellite is to the others of the DHT: its place, whom it knows, what it keeps.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Instant;

use bytes::Bytes;

use super::debug::{self, Telling};
use super::decide::Deciding;
use super::proxy::Proxying;
use super::spot::{self, Promises, PromisesToCheck};
use super::upkeep::Handing;
use super::watch::Watchers;
use super::{serve, upkeep};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::config::{DHT_OVERHEAD, KNOWN_PEERS, Role};
use crate::error::{DhtError, StartError, StoreError};
use crate::faults::Faults;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::{address, clock};
use crate::proto::Now;
use crate::proto::dht::lookup::{Lookup, Plan};
use crate::proto::dht::message::{self, NAMESPACE};
use crate::proto::dht::table::{Contact, Group, Table};
use crate::proto::dht::value::{Entry, Root};
use crate::proto::packet::PacketType;
use crate::satellite::part::{Base, Part};
use crate::satellite::places::Places;
use crate::satellite::{Events, Satellite, without_signals};
use crate::store::values::{Brought, Put, Removed, ValueLimits, Values};

/// How many nodes keep a value.
pub(super) const REPLICAS: usize = 8;
/// Nodes told in one answer: as many as keep a value, and some more for those that do not answer.
pub(super) const TOLD: usize = REPLICAS + 4;

/// Nodes that a walk begins with: enough that each of its ways has some of its own.
const SEEDS: usize = 32;
/// Values kept, whatever their size.
const ENTRIES_MAX: u64 = 1_000_000;
/// Nodes that get values of this one at the same time.
pub(super) const MOVING_MAX: usize = 4;
/// Values that a mirror fetches at once.
const MIRRORED_MAX: usize = 16;

/// See the module.
pub(crate) struct Node {
    pub(super) base: Base,
    pub(super) local: PeerId,
    pub(super) place: Key,
    /// Largest content kept or fetched, in bytes.
    pub(super) item_max: usize,
    role: AtomicU8,
    start: Instant,
    state: Mutex<State>,
    pub(super) values: Values,
    /// The application's word on what is kept.
    pub(super) deciding: RwLock<Option<Arc<Deciding>>>,
    pub(super) watchers: Watchers,
    pub(super) telling: Telling,
    pub(super) proxying: Proxying,
    pub(super) promises: Promises,
    /// See [`spot`]: values that nobody has to have any more.
    pub(super) deleted: Mutex<VecDeque<Key>>,
    /// What others ask, from the first session on; taken when the network begins.
    asked: Mutex<Option<Events>>,
    /// Taken when the network begins.
    to_check: Mutex<Option<PromisesToCheck>>,
    /// The application has used the DHT.
    pub(super) used: Notify,
    /// Somebody became a node here.
    pub(super) met: Notify,
    /// What others ask: worked on, and answered but not taken yet.
    pub(super) worked: Arc<Places>,
    pub(super) waiting: Arc<Places>,
    /// For values on their way out, in bytes.
    pub(super) sending: Semaphore,
    pub(super) moving: Semaphore,
    pub(super) handing: Handing,
    pub(super) mirroring: Arc<Semaphore>,
    /// Of a satellite under test.
    pub(super) faults: Option<Faults>,
    this: Weak<Self>,
}

struct State {
    table: Table,
    /// Where those come from who have a connection.
    groups: HashMap<PeerId, Option<IpAddr>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn new(satellite: &Satellite) -> Result<Arc<Self>, StartError> {
        let config = satellite.config();
        let local = satellite.peer_id();
        let place = Key::of_peer(&local);
        let room = config.content_limit.saturating_sub(DHT_OVERHEAD);
        let item_max = config.max_item_size.min(room);
        let limits = ValueLimits {
            max_total: config.max_storage_size,
            max_item: item_max as u64,
            per_publisher: config.max_storage_size / 2,
            per_group: config.max_storage_size / 2,
            max_entries: ENTRIES_MAX,
        };
        let store = satellite.store()?;
        // Its thread has none of the application's signals either.
        let values = without_signals(|| Values::open(&store, limits))?;
        let (promises, to_check) = spot::queue();
        Ok(Arc::new_cyclic(|this| Self {
            base: satellite.base(),
            local,
            place,
            item_max,
            role: AtomicU8::new(config.dht_role as u8),
            start: clock::now(),
            state: Mutex::new(State {
                table: Table::new(place),
                groups: HashMap::new(),
            }),
            values,
            deciding: RwLock::default(),
            watchers: Watchers::default(),
            telling: Telling::default(),
            proxying: Proxying::default(),
            promises,
            deleted: Mutex::default(),
            asked: Mutex::new(satellite.base().events(PacketType::Request, NAMESPACE)),
            to_check: Mutex::new(Some(to_check)),
            used: Notify::new(),
            met: Notify::new(),
            worked: Places::new(serve::WORKED_MAX, serve::WORKED_EACH),
            waiting: Places::new(serve::WAITING_MAX, serve::WAITING_EACH),
            sending: Semaphore::new(serve::SENDING_MAX as usize),
            moving: Semaphore::new(MOVING_MAX),
            handing: Handing::default(),
            mirroring: Arc::new(Semaphore::new(MIRRORED_MAX)),
            faults: config.faults.clone(),
            this: this.clone(),
        }))
    }

    pub(super) fn role(&self) -> Role {
        Role::of_number(self.role.load(Ordering::Relaxed))
    }

    pub(super) fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Now {
        clock::now().saturating_duration_since(self.start)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the table says. Short: nothing waits in it.
    pub(super) fn table<T>(&self, use_it: impl FnOnce(&mut Table, Now) -> T) -> T {
        let now = self.now();
        use_it(&mut self.state().table, now)
    }

    pub(super) fn contact(&self, peer: PeerId) -> Contact {
        Contact::new(peer, self.group_of(&peer).flatten())
    }

    /// Where the session with a peer goes to, if there is one.
    pub(super) fn group_of(&self, peer: &PeerId) -> Option<Group> {
        self.state().groups.get(peer).copied()
    }

    /// A connection with a peer stands.
    pub(super) fn comes_from(&self, peer: PeerId, address: &str) {
        let group = address
            .parse()
            .ok()
            .as_ref()
            .and_then(address::ip_of)
            .and_then(group_of);
        let mut state = self.state();
        if state.groups.len() < KNOWN_PEERS || state.groups.contains_key(&peer) {
            state.groups.insert(peer, group);
        }
    }

    pub(super) fn gone(&self, peer: &PeerId) {
        self.state().groups.remove(peer);
    }

    /// It answered, or asked and serves: it is a node. Who is new among the near ones may get values that are here.
    pub(super) fn seen(&self, peer: PeerId) {
        let contact = self.contact(peer);
        let new = self.table(|table, now| table.seen(contact, now));
        if new {
            self.met.notify_waiters();
            self.telling.tell(|| format!("knows the node {peer}"));
            self.values_may_move(peer);
        }
    }

    /// What an answer told of others. Those not known yet can be reached from now on.
    pub(super) async fn learn(&self, from: PeerId, nodes: &[message::Node]) -> Vec<Contact> {
        let mut contacts = Vec::with_capacity(nodes.len());
        let mut unknown = Vec::new();
        self.table(|table, now| {
            for node in nodes {
                // Who was found lying is left alone, whoever still names it.
                if node.peer == self.local || table.is_blacklisted(&node.peer, now) {
                    continue;
                }
                let contact = match table.contact(&node.peer) {
                    Some(contact) => contact,
                    None => {
                        // By the first that has one: a private address in front would be a way around every limit.
                        let group = node
                            .addresses
                            .iter()
                            .find_map(|address| group_of(address::ip_of(&address.parse().ok()?)?));
                        let contact = Contact::new(node.peer, group);
                        table.met(contact, now);
                        unknown.push((node.peer, node.addresses.clone()));
                        contact
                    }
                };
                contacts.push(contact);
            }
        });
        if !unknown.is_empty() {
            self.base.learn(from, unknown).await;
        }
        contacts
    }

    /// The nodes nearest to a key, with where they are: what others are told.
    pub(super) fn nodes_near(&self, key: &Key, asker: &PeerId) -> Vec<message::Node> {
        let near = self.table(|table, now| table.closest(key, TOLD, now));
        let mut peers: Vec<PeerId> = near.into_iter().map(|contact| contact.peer).collect();
        peers.retain(|peer| peer != asker);
        let known = self.base.addresses_of(&peers);
        known
            .into_iter()
            .map(|(peer, addresses)| message::Node { peer, addresses })
            .collect()
    }

    /// A walk towards a key, from whom this satellite knows.
    pub(super) fn lookup(&self, key: Key, plan: Plan) -> Result<Lookup, DhtError> {
        let mut seeds = self.table(|table, now| table.candidates(&key, SEEDS, now));
        if seeds.is_empty() {
            // Just started: those with a session are as good as any.
            seeds = self
                .base
                .connected()
                .into_iter()
                .map(|peer| self.contact(peer))
                .collect();
        }
        if seeds.is_empty() {
            return Err(DhtError::NoPeers);
        }
        let reach = self.table(|table, _| table.reach(REPLICAS));
        Ok(Lookup::new(key, self.local, seeds, Plan { reach, ..plan }))
    }

    /// Whether this satellite is among those that are to keep a key.
    pub(super) fn is_near(&self, key: &Key) -> bool {
        self.role() == Role::Mirror
            || (self.role().serves() && self.table(|table, _| table.within(key, REPLICAS)))
    }

    /// Puts a value on the disk, if it fits.
    pub(super) async fn put(
        &self,
        entry: Entry,
        content: Bytes,
        brought: Brought,
    ) -> Result<Put, StoreError> {
        let (done, put) = oneshot::channel();
        let done = move |result| drop(done.send(result));
        self.values
            .put(entry, content, brought, clock::now_ms(), done);
        put.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets a value that is here live longer, or keeps what was a copy: [`Values::refresh`].
    pub(super) async fn refresh(&self, entry: Entry, brought: Brought) -> Result<Put, StoreError> {
        let (done, put) = oneshot::channel();
        let done = move |result| drop(done.send(result));
        self.values.refresh(entry, brought, clock::now_ms(), done);
        put.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Removes a value that this peer stored.
    pub(super) async fn forget(
        &self,
        key: Key,
        root: Root,
        by: PeerId,
    ) -> Result<Removed, StoreError> {
        let (done, removed) = oneshot::channel();
        self.values
            .forget(key, root, by, move |result| drop(done.send(result)));
        removed.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Removes what has expired, up to `most` values; how many these were.
    pub(super) async fn expire(&self, most: usize) -> Result<usize, StoreError> {
        let (done, removed) = oneshot::channel();
        self.values
            .expire(clock::now_ms(), most, move |result| drop(done.send(result)));
        removed.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn arc(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }
}

impl Part for Node {
    fn begin(&self) {
        let Some(node) = self.arc() else { return };
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(asked) = asked {
            node.base.spawn(serve::serve(Arc::clone(&node), asked));
        }
        upkeep::begin(&node);
        debug::begin(&node);
        let to_check = self
            .to_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(to_check) = to_check {
            node.base
                .spawn(spot::check_all(Arc::clone(&node), to_check));
        }
    }

    fn end(&self) {
        self.values.shutdown();
    }
}

/// The network of an address; none for those that anybody may have many of.
fn group_of(ip: IpAddr) -> Group {
    (!address::is_private(ip)).then(|| address::network_of(ip, 24, 48))
}
