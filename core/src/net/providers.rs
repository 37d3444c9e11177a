//! Who provides which key: the record store of Kademlia, for provider records only.
//!
//! libp2p's own store keeps the first twenty providers of a key, so twenty squatters hide everybody. Here a key has room for many
//! more, few of them from one network, and when it is full the network with the most gives way to one with less. The answer to
//! a question is a random sample that fits a Kademlia packet. What this satellite provides itself is kept apart and cannot be pushed out.
//!
//! Values are refused: Kademlia acknowledges a value before anyone may judge it, so ours travel another way.
//!
//! The network of a provider is where its connection comes from, when the store has been told ([`ProviderStore::connected`]); the
//! addresses in a record are only what the provider says. Pure: time comes in the records and with [`ProviderStore::purge`],
//! randomness with the seed.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::{self, Entry};
use std::net::IpAddr;
use std::time::Instant;

use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use libp2p::{Multiaddr, PeerId};

use super::address::{ip_of, is_private, network_of, without_peer};

/// Addresses kept of one provider, and the bytes one may have. Others are left out.
const ADDRESSES_PER_PROVIDER: usize = 8;
const ADDRESS_BYTES: usize = 128;

/// Bytes of provider records in one answer: half of Kademlia's 16 KiB packet, the rest is for closer peers.
const ANSWER_BYTES: usize = 8 * 1024;

/// What a record takes in a packet beside its addresses: peer id, state, field headers; and what each address adds.
const RECORD_OVERHEAD: usize = 64;
const ADDRESS_OVERHEAD: usize = 4;

/// Connected peers whose network is remembered; more than the gate lets in.
const CONNECTED_MAX: usize = 4096;

/// The bounds of a store.
#[derive(Clone, Debug)]
pub(crate) struct ProviderLimits {
    /// Keys of others.
    pub(crate) keys: usize,
    /// Providers of one key.
    pub(crate) per_key: usize,
    /// Records in all.
    pub(crate) records: usize,
    /// Providers of one key from one network (/24, /48). Private networks count as one network without this bound.
    pub(crate) per_network: usize,
    /// Records from one network over all keys; not for private networks.
    pub(crate) records_per_network: usize,
    /// Keys this satellite provides.
    pub(crate) own: usize,
    /// Providers in one answer.
    pub(crate) answer: usize,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            keys: 1024,
            per_key: 1000,
            records: 16 * 1024,
            per_network: 8,
            records_per_network: 64,
            own: 1024,
            answer: 20,
        }
    }
}

/// The provider records of one satellite.
#[derive(Debug)]
pub(crate) struct ProviderStore {
    local: PeerId,
    limits: ProviderLimits,
    keys: HashMap<RecordKey, Providers>,
    /// Records over all keys.
    records: Counts,
    own: HashMap<RecordKey, ProviderRecord>,
    connected: HashMap<PeerId, Network>,
    random: Cell<u64>,
}

/// The providers of a key.
#[derive(Debug, Default)]
struct Providers {
    records: Vec<(Network, ProviderRecord)>,
    networks: Counts,
}

/// How many records each network has, and all together.
#[derive(Debug, Default)]
struct Counts {
    /// Never zero.
    each: HashMap<Network, usize>,
    all: usize,
}

impl Counts {
    fn of(&self, network: Network) -> usize {
        self.each.get(&network).copied().unwrap_or(0)
    }

    fn add(&mut self, network: Network) {
        *self.each.entry(network).or_default() += 1;
        self.all += 1;
    }

    fn remove(&mut self, network: Network) {
        if let Entry::Occupied(mut count) = self.each.entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
            self.all -= 1;
        }
    }

    fn largest(&self) -> Option<(Network, usize)> {
        self.each
            .iter()
            .max_by_key(|(_, count)| **count)
            .map(|(network, count)| (*network, *count))
    }
}

/// Where a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    /// The first bits of a public address.
    Public(IpAddr),
    /// This process, this machine, a private network, or unknown. One class, so that nobody gains by claiming to be there.
    Private,
}

impl Network {
    fn of(ip: Option<IpAddr>) -> Self {
        match ip {
            Some(ip) if !is_private(ip) => Self::Public(network_of(ip, 24, 48)),
            _ => Self::Private,
        }
    }

    fn claimed(addresses: &[Multiaddr]) -> Self {
        Self::of(addresses.iter().find_map(ip_of))
    }
}

impl ProviderStore {
    /// An empty store. The seed decides the samples.
    pub(crate) fn new(local: PeerId, limits: ProviderLimits, seed: u64) -> Self {
        Self {
            local,
            limits,
            keys: HashMap::new(),
            records: Counts::default(),
            own: HashMap::new(),
            connected: HashMap::new(),
            // Zero is the one state that xorshift never leaves.
            random: Cell::new(seed | 1),
        }
    }

    /// A peer is connected from this address (none: within this process). Its records count for that network.
    pub(crate) fn connected(&mut self, peer: PeerId, ip: Option<IpAddr>) {
        if self.connected.len() < CONNECTED_MAX || self.connected.contains_key(&peer) {
            self.connected.insert(peer, Network::of(ip));
        }
    }

    /// A peer is no longer connected. Records it left keep their network.
    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        self.connected.remove(peer);
    }

    /// Forgets what has expired. Kademlia forgets only what it happens to read.
    pub(crate) fn purge(&mut self, now: Instant) {
        let Self { keys, records, .. } = self;
        keys.retain(|_, providers| {
            let mut at = 0;
            while let Some((_, record)) = providers.records.get(at) {
                if record.is_expired(now) {
                    records.remove(providers.take(at));
                } else {
                    at += 1;
                }
            }
            !providers.records.is_empty()
        });
    }

    fn add_own(&mut self, record: ProviderRecord) -> Result<()> {
        if self.own.len() >= self.limits.own && !self.own.contains_key(&record.key) {
            return Err(Error::MaxProvidedKeys);
        }
        self.own.insert(record.key.clone(), record);
        Ok(())
    }

    /// Makes room for one more of that network at that key, or says that there is none.
    fn make_room(&mut self, key: &RecordKey, network: Network) -> Result<()> {
        let Self {
            limits,
            keys,
            records,
            random,
            ..
        } = self;
        if network != Network::Private && records.of(network) >= limits.records_per_network {
            return Err(Error::MaxRecords);
        }
        let Some(providers) = keys.get_mut(key) else {
            let room = keys.len() < limits.keys && records.all < limits.records;
            return if room {
                Ok(())
            } else {
                Err(Error::MaxProvidedKeys)
            };
        };
        let here = providers.networks.of(network);
        if network != Network::Private && here >= limits.per_network {
            return Err(Error::MaxRecords);
        }
        if providers.records.len() < limits.per_key && records.all < limits.records {
            return Ok(());
        }
        // Full. The network with the most gives way, but only to one that has less even then.
        match providers.networks.largest() {
            Some((largest, count)) if count > here + 1 => {
                if let Some(at) = providers.any_of(largest, random) {
                    records.remove(providers.take(at));
                }
                Ok(())
            }
            _ => Err(Error::MaxRecords),
        }
    }

    fn forget(&mut self, key: &RecordKey, provider: &PeerId) {
        let Some(providers) = self.keys.get_mut(key) else {
            return;
        };
        if let Some(at) = providers.position(provider) {
            self.records.remove(providers.take(at));
        }
        if providers.records.is_empty() {
            self.keys.remove(key);
        }
    }
}

impl Providers {
    fn position(&self, provider: &PeerId) -> Option<usize> {
        self.records
            .iter()
            .position(|(_, record)| record.provider == *provider)
    }

    /// One that the network has, at random.
    fn any_of(&self, network: Network, random: &Cell<u64>) -> Option<usize> {
        let start = below(random, self.records.len());
        let mut places = (start..self.records.len()).chain(0..start);
        places.find(|at| self.records.get(*at).is_some_and(|(of, _)| *of == network))
    }

    fn put(&mut self, network: Network, record: ProviderRecord) {
        self.networks.add(network);
        self.records.push((network, record));
    }

    fn take(&mut self, at: usize) -> Network {
        let (network, _) = self.records.swap_remove(at);
        self.networks.remove(network);
        network
    }
}

impl RecordStore for ProviderStore {
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Map<
        hash_map::Values<'a, RecordKey, ProviderRecord>,
        fn(&'a ProviderRecord) -> Cow<'a, ProviderRecord>,
    >;

    fn get(&self, _: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    fn put(&mut self, _: Record) -> Result<()> {
        Err(Error::MaxRecords)
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        if record.provider == self.local {
            return self.add_own(record);
        }
        trim(&mut record.addresses);
        let network = match self.connected.get(&record.provider) {
            Some(network) => *network,
            None => Network::claimed(&record.addresses),
        };
        // A renewal: the old record makes room for the new one if the network is the same, else it has to find room again.
        if let Some(providers) = self.keys.get_mut(&record.key)
            && let Some(at) = providers.position(&record.provider)
        {
            if let Some((old, kept)) = providers.records.get_mut(at)
                && *old == network
            {
                *kept = record;
                return Ok(());
            }
            self.forget(&record.key.clone(), &record.provider);
        }
        self.make_room(&record.key, network)?;
        self.records.add(network);
        self.keys
            .entry(record.key.clone())
            .or_default()
            .put(network, record);
        Ok(())
    }

    /// A random sample of the providers that fits an answer; this satellite is in it whenever it provides the key.
    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let own = self.own.get(key);
        let others = self
            .keys
            .get(key)
            .map(|providers| &providers.records[..])
            .unwrap_or_default();
        let mut order: Vec<usize> = (0..others.len()).collect();
        let mut sample: Vec<_> = own.cloned().into_iter().collect();
        let mut bytes: usize = sample.iter().map(size).sum();
        for drawn in 0..order.len() {
            if sample.len() >= self.limits.answer {
                break;
            }
            let other = drawn + below(&self.random, order.len() - drawn);
            order.swap(drawn, other);
            let Some((_, record)) = order.get(drawn).and_then(|at| others.get(*at)) else {
                break;
            };
            let with_record = bytes + size(record);
            if with_record <= ANSWER_BYTES {
                bytes = with_record;
                sample.push(record.clone());
            }
        }
        sample
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        self.own.values().map(Cow::Borrowed)
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if *provider == self.local {
            self.own.remove(key);
        } else {
            self.forget(key, provider);
        }
    }
}

/// Keeps the addresses that are worth their place.
fn trim(addresses: &mut Vec<Multiaddr>) {
    let mut kept: Vec<Multiaddr> = Vec::new();
    for address in addresses.iter().map(without_peer) {
        if kept.len() < ADDRESSES_PER_PROVIDER
            && (1..=ADDRESS_BYTES).contains(&address.len())
            && !kept.contains(&address)
        {
            kept.push(address);
        }
    }
    *addresses = kept;
}

/// What a record takes in an answer.
fn size(record: &ProviderRecord) -> usize {
    let addresses = record
        .addresses
        .iter()
        .map(|address| address.len() + ADDRESS_OVERHEAD);
    RECORD_OVERHEAD + addresses.sum::<usize>()
}

/// A number below `bound`, or 0. Nobody gains by guessing it: xorshift is good enough.
fn below(state: &Cell<u64>, bound: usize) -> usize {
    let mut next = state.get();
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    state.set(next);
    // The high bits of the product, where a remainder would favour small numbers.
    ((u128::from(next) * bound as u128) >> 64) as usize
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests need some first instant to count from"
)]
mod tests;
