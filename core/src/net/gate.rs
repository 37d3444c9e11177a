//! Who may connect: limits for each address and in all, a rate for handshakes, and lists of peers.
//!
//! A pure table: it is told what happens and when, and answers yes or no. The network behaviour that asks it counts the
//! refusals. A handshake costs a few hundred microseconds of processor time and a connection up to some megabytes of buffers; the
//! gate is what keeps one stranger, or one network of them, from spending all of both. What comes from this machine (loopback,
//! memory) counts only in all, so that a hundred satellites can meet in one process.
//!
//! ```text
//! inbound ──Ok──▶ pending ──established──▶ open ──closed──▶ gone
//!    └─Err: refuse       └──────closed (failed, timed out)────▲
//! ```

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::address::{canonical, network_of};

/// Networks whose handshakes are counted apart. The others share one bucket, so that many networks at once cannot fill the memory.
const NETWORKS: usize = 4096;

/// How often the table of networks is searched for those that have been quiet.
const SWEEP: Duration = Duration::from_secs(1);

/// How many connections from one IPv6 network (/64, what one customer is given) count as one address's worth.
const ADDRESSES_PER_NETWORK: usize = 8;

/// The limits of a gate.
#[derive(Clone, Debug)]
pub(crate) struct GateLimits {
    /// Connections in all, those still shaking hands included.
    pub(crate) total: usize,
    /// Connections from one IP address. Eight times as many from one IPv6 /64.
    pub(crate) per_ip: usize,
    /// Connections with one peer: two that dial each other at once, on two transports.
    pub(crate) per_peer: usize,
    /// Inbound connections that are still shaking hands; those from this machine do not count.
    pub(crate) pending: usize,
    /// Inbound handshakes that a network (/24, /64) may have at once before its rate counts.
    pub(crate) burst: u32,
    /// Inbound handshakes a second from one network.
    pub(crate) per_second: u32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            total: 256,
            per_ip: 16,
            per_peer: 4,
            pending: 128,
            burst: 64,
            per_second: 32,
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum GateRefusal {
    /// All places are taken.
    #[error("{0} connections are open already")]
    Total(usize),
    /// The address, or its network, has all its places.
    #[error("{0} connections with this address are open already")]
    PerIp(usize),
    /// The peer has all its places.
    #[error("{0} connections with this peer are open already")]
    PerPeer(usize),
    /// Too many are shaking hands.
    #[error("{0} handshakes are under way already")]
    Pending(usize),
    /// The network connects too often.
    #[error("more than {0} handshakes a second from this network")]
    Rate(u32),
    /// The peer is on the deny list.
    #[error("it is on this satellite's own deny list")]
    Denied,
    /// There is an allow list and the peer is not on it.
    #[error("it is not on this satellite's own allow list")]
    NotAllowed,
}

/// The gate of one satellite.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: GateLimits,
    connections: HashMap<ConnectionId, Connection>,
    /// Places taken by an address, and for IPv6 by its /64. Never zero.
    places: HashMap<Place, usize>,
    peers: HashMap<PeerId, usize>,
    pending: usize,
    buckets: HashMap<IpAddr, Bucket>,
    shared: Option<Bucket>,
    swept: Option<Instant>,
    denied: HashSet<PeerId>,
    allowed: Option<HashSet<PeerId>>,
}

#[derive(Debug)]
struct Connection {
    ip: Option<IpAddr>,
    /// Nobody yet while hands are shaken.
    peer: Option<PeerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Address(IpAddr),
    Network(IpAddr),
}

impl Gate {
    /// A gate that knows nobody.
    pub(crate) fn new(limits: GateLimits) -> Self {
        Self {
            limits,
            connections: HashMap::new(),
            places: HashMap::new(),
            peers: HashMap::new(),
            pending: 0,
            buckets: HashMap::new(),
            shared: None,
            swept: None,
            denied: HashSet::new(),
            allowed: None,
        }
    }

    /// Lets only these peers in, or everybody who is not denied.
    pub(crate) fn set_allowed(&mut self, peers: Option<HashSet<PeerId>>) {
        self.allowed = peers;
    }

    /// Keeps a peer out. Connections it has are for the caller to end.
    pub(crate) fn deny(&mut self, peer: PeerId) {
        self.denied.insert(peer);
    }

    /// A stranger connects from an address (none: from within this process). If it may, it has a place until [`Gate::closed`].
    pub(crate) fn inbound(
        &mut self,
        id: ConnectionId,
        ip: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), GateRefusal> {
        let ip = counted(ip);
        if self.connections.len() >= self.limits.total {
            return Err(GateRefusal::Total(self.connections.len()));
        }
        if let Some(ip) = ip {
            for (place, limit) in self.places_of(ip) {
                let taken = self.places.get(&place).copied().unwrap_or(0);
                if taken >= limit {
                    return Err(GateRefusal::PerIp(taken));
                }
            }
            if self.pending >= self.limits.pending {
                return Err(GateRefusal::Pending(self.pending));
            }
            // Last, so that only those who get in pay for it.
            self.take_token(network_of(ip, 24, 64), now)?;
        }
        self.enter(id, ip, None);
        Ok(())
    }

    /// A connection, of either direction, has proved its peer. Ask [`Gate::allows_peer`] first.
    pub(crate) fn established(&mut self, id: ConnectionId, ip: Option<IpAddr>, peer: PeerId) {
        // The address of an inbound connection does not change, but its place must not be counted twice.
        self.closed(id);
        self.enter(id, counted(ip), Some(peer));
    }

    /// A connection has ended, or never came to be. Unknown ones are ignored: refused connections are reported too.
    pub(crate) fn closed(&mut self, id: ConnectionId) {
        let Some(Connection { ip, peer }) = self.connections.remove(&id) else {
            return;
        };
        match peer {
            Some(peer) => release(&mut self.peers, peer),
            None if ip.is_some() => self.pending -= 1,
            None => {}
        }
        if let Some(ip) = ip {
            for (place, _) in self.places_of(ip) {
                release(&mut self.places, place);
            }
        }
    }

    /// Whether a peer may have one more connection.
    pub(crate) fn allows_peer(&self, peer: &PeerId) -> Result<(), GateRefusal> {
        if self.denied.contains(peer) {
            return Err(GateRefusal::Denied);
        }
        if self
            .allowed
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(peer))
        {
            return Err(GateRefusal::NotAllowed);
        }
        match self.peers.get(peer) {
            Some(&open) if open >= self.limits.per_peer => Err(GateRefusal::PerPeer(open)),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, id: ConnectionId, ip: Option<IpAddr>, peer: Option<PeerId>) {
        match peer {
            Some(peer) => *self.peers.entry(peer).or_default() += 1,
            None if ip.is_some() => self.pending += 1,
            None => {}
        }
        if let Some(ip) = ip {
            for (place, _) in self.places_of(ip) {
                *self.places.entry(place).or_default() += 1;
            }
        }
        self.connections.insert(id, Connection { ip, peer });
    }

    fn places_of(&self, ip: IpAddr) -> impl Iterator<Item = (Place, usize)> + use<> {
        let per_ip = self.limits.per_ip;
        let network = ip.is_ipv6().then(|| {
            (
                Place::Network(network_of(ip, 32, 64)),
                per_ip.saturating_mul(ADDRESSES_PER_NETWORK),
            )
        });
        std::iter::once((Place::Address(ip), per_ip)).chain(network)
    }

    fn take_token(&mut self, network: IpAddr, now: Instant) -> Result<(), GateRefusal> {
        let GateLimits {
            burst, per_second, ..
        } = self.limits;
        if !self.buckets.contains_key(&network) && self.buckets.len() >= NETWORKS {
            self.sweep(now);
        }
        let full = Bucket {
            tokens: f64::from(burst),
            at: now,
        };
        let bucket = if self.buckets.len() < NETWORKS || self.buckets.contains_key(&network) {
            self.buckets.entry(network).or_insert(full)
        } else {
            self.shared.get_or_insert(full)
        };
        bucket.refill(burst, per_second, now);
        if bucket.tokens < 1.0 {
            return Err(GateRefusal::Rate(per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Forgets networks that have been quiet for so long that their bucket is full, as that of an unknown one would be.
    fn sweep(&mut self, now: Instant) {
        if self
            .swept
            .is_some_and(|last| now.saturating_duration_since(last) < SWEEP)
        {
            return;
        }
        self.swept = Some(now);
        let GateLimits {
            burst, per_second, ..
        } = self.limits;
        self.buckets.retain(|_, bucket| {
            bucket.refill(burst, per_second, now);
            bucket.tokens < f64::from(burst)
        });
    }
}

/// Handshakes that a network may still have.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, burst: u32, per_second: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * f64::from(per_second)).min(f64::from(burst));
        self.at = self.at.max(now);
    }
}

/// The address that limits apply to: none for what comes from this machine.
fn counted(ip: Option<IpAddr>) -> Option<IpAddr> {
    ip.map(canonical).filter(|ip| !ip.is_loopback())
}

fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests need some first instant to count from"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn gate(change: impl FnOnce(&mut GateLimits)) -> (Gate, Instant) {
        let mut limits = GateLimits::default();
        change(&mut limits);
        (Gate::new(limits), Instant::now())
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let (mut gate, now) = gate(|limits| limits.per_ip = 2);
        let address = ip("8.8.8.8");
        assert_eq!(gate.inbound(id(1), address, now), Ok(()));
        gate.established(id(1), address, PeerId::random());
        assert_eq!(gate.inbound(id(2), address, now), Ok(()));
        assert_eq!(
            gate.inbound(id(3), address, now),
            Err(GateRefusal::PerIp(2))
        );
        assert_eq!(
            gate.inbound(id(3), ip("::ffff:8.8.8.8"), now),
            Err(GateRefusal::PerIp(2))
        );
        assert_eq!(gate.inbound(id(4), ip("8.8.8.9"), now), Ok(()));
        gate.closed(id(3));
        gate.closed(id(1));
        gate.closed(id(1));
        assert_eq!(gate.inbound(id(5), address, now), Ok(()));
        assert_eq!(
            gate.inbound(id(6), address, now),
            Err(GateRefusal::PerIp(2))
        );
    }

    #[test]
    fn an_ipv6_network_counts_as_eight_addresses() {
        let (mut gate, now) = gate(|limits| (limits.per_ip, limits.burst) = (1, 1000));
        let address = |last: usize| ip(&format!("2001:db8::{last:x}"));
        for number in 0..ADDRESSES_PER_NETWORK {
            assert_eq!(gate.inbound(id(number), address(number), now), Ok(()));
        }
        assert_eq!(
            gate.inbound(id(100), address(100), now),
            Err(GateRefusal::PerIp(8))
        );
        assert_eq!(gate.inbound(id(101), ip("2001:db8:0:1::1"), now), Ok(()));
    }

    #[test]
    fn a_hundred_satellites_of_one_machine_get_in_at_once() {
        let (mut gate, now) = gate(|_| {});
        for number in 0..300 {
            let from = [ip("127.0.0.1"), ip("::1"), None][number % 3];
            let expected = if number < 256 {
                Ok(())
            } else {
                Err(GateRefusal::Total(256))
            };
            assert_eq!(gate.inbound(id(number), from, now), expected, "{number}");
        }
    }

    #[test]
    fn dialled_connections_take_places_too() {
        let (mut gate, now) = gate(|limits| limits.total = 2);
        gate.established(id(1), ip("8.8.8.8"), PeerId::random());
        gate.established(id(2), None, PeerId::random());
        assert_eq!(gate.inbound(id(3), None, now), Err(GateRefusal::Total(2)));
        assert_eq!(gate.connections.len(), 2);
    }

    #[test]
    fn those_who_never_finish_the_handshake_are_bounded() {
        let (mut gate, now) = gate(|limits| limits.pending = 3);
        let address = |number: usize| ip(&format!("8.8.{number}.8"));
        for number in 0..3 {
            assert_eq!(gate.inbound(id(number), address(number), now), Ok(()));
        }
        assert_eq!(
            gate.inbound(id(3), address(3), now),
            Err(GateRefusal::Pending(3))
        );
        assert_eq!(gate.inbound(id(4), ip("127.0.0.1"), now), Ok(()));
        gate.established(id(0), address(0), PeerId::random());
        gate.closed(id(1));
        assert_eq!(gate.inbound(id(5), address(5), now), Ok(()));
        assert_eq!(gate.inbound(id(6), address(6), now), Ok(()));
        assert_eq!(
            gate.inbound(id(7), address(7), now),
            Err(GateRefusal::Pending(3))
        );
    }

    #[test]
    fn handshakes_of_a_network_have_a_rate() {
        let (mut gate, start) = gate(|limits| (limits.burst, limits.per_second) = (4, 2));
        // Each connects from another address of the network and goes at once.
        let mut number = 0;
        let mut knock = |now, network: &str| {
            number += 1;
            let result = gate.inbound(id(number), ip(&format!("{network}.{}", number % 250)), now);
            gate.closed(id(number));
            result
        };
        for _ in 0..4 {
            assert_eq!(knock(start, "8.8.8"), Ok(()));
        }
        assert_eq!(knock(start, "8.8.8"), Err(GateRefusal::Rate(2)));
        assert_eq!(knock(start, "8.8.9"), Ok(()));
        let later = start + Duration::from_secs(1);
        assert_eq!(
            [(); 3].map(|()| knock(later, "8.8.8").is_ok()),
            [true, true, false]
        );
        // A clock that seems to go back gives nothing.
        assert_eq!(knock(start, "8.8.8"), Err(GateRefusal::Rate(2)));
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(
            (0..9)
                .filter(|_| knock(much_later, "8.8.8").is_ok())
                .count(),
            4
        );
    }

    #[test]
    fn a_million_networks_do_not_fill_the_memory_and_decay() {
        let (mut gate, mut now) = gate(|_| {});
        let mut passed = 0;
        for number in 0..1_000_000_u32 {
            let network = IpAddr::from((0x0a00_0000 + (number << 8)).to_be_bytes());
            passed += usize::from(gate.inbound(id(1), Some(network), now).is_ok());
            gate.closed(id(1));
            now += Duration::from_micros(1);
        }
        assert!(gate.buckets.len() <= NETWORKS);
        // In one second: as many as have a bucket of their own, once swept, and the shared one's worth.
        assert!((NETWORKS..=3 * NETWORKS).contains(&passed), "{passed}");
        now += Duration::from_secs(10);
        assert_eq!(gate.inbound(id(2), ip("8.8.8.8"), now), Ok(()));
        assert_eq!(gate.buckets.len(), 1);
    }

    #[test]
    fn lists_of_peers() {
        let (mut gate, _) = gate(|_| {});
        let (friend, other) = (PeerId::random(), PeerId::random());
        assert_eq!(gate.allows_peer(&other), Ok(()));
        gate.set_allowed(Some(HashSet::from([friend])));
        assert_eq!(gate.allows_peer(&friend), Ok(()));
        assert_eq!(gate.allows_peer(&other), Err(GateRefusal::NotAllowed));
        gate.deny(friend);
        assert_eq!(gate.allows_peer(&friend), Err(GateRefusal::Denied));
        gate.set_allowed(None);
        assert_eq!(gate.allows_peer(&friend), Err(GateRefusal::Denied));
        assert_eq!(gate.allows_peer(&other), Ok(()));
    }

    #[test]
    fn a_peer_has_so_many_connections() {
        let (mut gate, _) = gate(|limits| limits.per_peer = 2);
        let peer = PeerId::random();
        gate.established(id(1), None, peer);
        gate.established(id(1), None, peer);
        assert_eq!(gate.allows_peer(&peer), Ok(()));
        gate.established(id(2), None, peer);
        assert_eq!(gate.allows_peer(&peer), Err(GateRefusal::PerPeer(2)));
        gate.closed(id(2));
        assert_eq!(gate.allows_peer(&peer), Ok(()));
    }

    proptest! {
        /// Whatever happens in whatever order: the tables say what the connections say, and are empty when all are gone.
        #[test]
        fn tables_agree(steps in prop::collection::vec((0..12_usize, 0..3_u8, 0..6_u8), 0..200)) {
            let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
            let addresses = [None, ip("127.0.0.1"), ip("8.8.8.8"), ip("8.8.8.9"), ip("2001:db8::1"), ip("2001:db8::2")];
            let (mut gate, now) = gate(|limits| (limits.per_ip, limits.burst) = (3, 1000));
            for (number, step, address) in steps {
                let address = addresses[usize::from(address)];
                match step {
                    0 if !gate.connections.contains_key(&id(number)) => {
                        let _ = gate.inbound(id(number), address, now);
                    }
                    1 => gate.established(id(number), address, peers[number % 4]),
                    _ => gate.closed(id(number)),
                }
                let open = gate.connections.values().filter(|connection| connection.peer.is_some()).count();
                prop_assert_eq!(gate.peers.values().sum::<usize>(), open);
                prop_assert!(gate.pending <= gate.connections.len() - open);
            }
            for number in 0..12 {
                gate.closed(id(number));
            }
            prop_assert!(gate.places.is_empty() && gate.peers.is_empty() && gate.pending == 0);
        }
    }
}
