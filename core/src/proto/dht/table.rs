//! Who is near: the routing table of a node, k-buckets by the number of bits that somebody has in common with us.
//!
//! It asks nobody. The engine tells it of everybody it hears ([`Table::seen`]) or hears of ([`Table::met`]), of those who did
//! not answer, left or lied; it says whom to ask, whom to tell others of, and which range has not been walked for long.
//!
//! Against those who want to be everywhere: only who was heard itself is told to others; who answers is not displaced by a
//! newcomer; and one public network (a /24, a /48) gets few places. Libp2p's Kademlia has a table as well, but that also holds
//! strangers of other networks, and cannot be run in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

mod blacklist;
mod bucket;
mod known;
#[cfg(test)]
pub(super) mod tests;

use blacklist::Blacklist;
use bucket::{Bucket, Entry, Rank};

use crate::identity::PeerId;
use crate::key::{Distance, Key};
use crate::proto::Now;

/// Where a node is in the network: its /24 or /48. None for addresses that are loopback, private or unknown: they have no limit.
pub(crate) type Group = Option<IpAddr>;

/// Nodes in use in a bucket.
pub(crate) const BUCKET: usize = 16;
/// Nodes behind them, for when one of them fails.
pub(crate) const SPARE: usize = 8;
/// Nodes of one group in a bucket.
pub(crate) const GROUP_IN_BUCKET: usize = 2;
/// Nodes of one group in all buckets.
pub(crate) const GROUP_IN_TABLE: usize = 10;
/// After this time without a walk through it a range is walked on purpose.
pub(crate) const REFRESH_AFTER: Duration = Duration::from_secs(3600);
/// So many nearest nodes are found by walking to one's own id; ranges that hold no more are not walked one by one.
const NEAR: usize = 8;
/// Of so many lookups it is kept how far the last of the [`NEAR`] was, to reckon how thick the network is.
const FOUND_MAX: usize = 16;
/// Of fewer it cannot be told.
const FOUND_MIN: usize = 4;
/// A neighbourhood that is thinner by this factor than what is usual is not believed. One of fifty honest ones looks like that; where a
/// third lie and name only each other, it is three times as thin.
const THIN: u128 = 2;

/// A node: who it is, where it is among the keys, and where in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) peer: PeerId,
    pub(crate) id: Key,
    pub(crate) group: Group,
}

impl Contact {
    pub(crate) fn new(peer: PeerId, group: Group) -> Self {
        Self {
            peer,
            id: Key::of_peer(&peer),
            group,
        }
    }
}

/// What a node is to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In use: it was heard itself.
    Proved,
    /// In use: somebody told of it.
    Met,
    /// It does not answer; it keeps its place until somebody can take it.
    Failing,
    /// There was no room for it.
    Spare,
}

/// One line of the table, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Bits it has in common with us.
    pub(crate) bucket: u32,
    pub(crate) peer: PeerId,
    pub(crate) standing: Standing,
    /// For how long it has not been heard, or since when it is known by hearsay.
    pub(crate) unseen: Duration,
    /// Asks in a row without an answer.
    pub(crate) failures: u32,
}

#[cfg(test)]
/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) proved: usize,
    pub(crate) met: usize,
    pub(crate) failing: usize,
    pub(crate) spare: usize,
    pub(crate) blacklisted: usize,
}

/// The routing table of one node. At most 256 buckets of [`BUCKET`] and [`SPARE`] nodes; some ten of them in a network of 10,000.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    local: Key,
    /// By bits in common with us. Who has all of them is us.
    buckets: BTreeMap<u32, Bucket>,
    /// When a range was walked through last, by its number of bits; under [`OURSELVES`] the walk to our own id.
    walked: BTreeMap<u32, Now>,
    /// How far the last of the nearest was in recent lookups.
    found: VecDeque<u128>,
    blacklist: Blacklist,
}

/// All bits in common.
const OURSELVES: u32 = 256;

impl Table {
    /// Knows nobody.
    pub(crate) fn new(local: Key) -> Self {
        Self {
            local,
            buckets: BTreeMap::new(),
            walked: BTreeMap::new(),
            found: VecDeque::new(),
            blacklist: Blacklist::default(),
        }
    }

    /// Somebody told of a node. What is known already is not changed by hearsay.
    pub(crate) fn met(&mut self, contact: Contact, now: Now) {
        let Some(at) = self.range(&contact.id) else {
            return;
        };
        let bucket = self.buckets.entry(at).or_default();
        let known =
            bucket.used_at(&contact.peer).is_some() || bucket.spare_at(&contact.peer).is_some();
        if !known && !self.blacklist.holds(&contact.peer, now) {
            self.insert(at, Entry::new(contact, false, now));
        }
    }

    /// A node answered, or asked and says that it serves. True for a newcomer: one that was not heard before, or had failed. It
    /// may belong among the nearest of what is kept here.
    pub(crate) fn seen(&mut self, contact: Contact, now: Now) -> bool {
        self.blacklist.answered(&contact.peer, now);
        let Some(at) = self.range(&contact.id) else {
            return false;
        };
        if self.blacklist.holds(&contact.peer, now) {
            return false;
        }
        let bucket = self.buckets.entry(at).or_default();
        if let Some(entry) = bucket
            .used_at(&contact.peer)
            .and_then(|at| bucket.used.get_mut(at))
            && entry.contact == contact
            && entry.rank() == Rank::Proved
        {
            *entry = Entry::new(contact, true, now);
            return false;
        }
        let waiting = bucket.spare.iter().find(|entry| entry.contact == contact);
        let known = waiting.is_some_and(|entry| entry.rank() == Rank::Proved);
        // Its group or its rank is another one now, and with that what it may displace.
        self.take_out(at, &contact.peer);
        self.insert(at, Entry::new(contact, true, now));
        self.promote(at);
        !known
    }

    /// A node has a session and did not answer in time.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Now) {
        self.blacklist.timed_out(peer, now);
        self.strike(peer, |entry| {
            entry.failures = entry.failures.saturating_add(1);
        });
    }

    /// A node said goodbye, or cannot be reached: nobody's fault, but it is not asked until it is [`seen`](Self::seen) again.
    pub(crate) fn left(&mut self, peer: &PeerId) {
        self.strike(peer, Entry::give_up);
    }

    /// A node said what is provably wrong.
    pub(crate) fn lied(&mut self, peer: &PeerId, now: Now) {
        self.blacklist.lied(peer, now);
        if let Some(at) = self.range(&Key::of_peer(peer)) {
            self.take_out(at, peer);
            self.promote(at);
        }
    }

    /// Whether a node is left alone for what it did.
    pub(crate) fn is_blacklisted(&self, peer: &PeerId, now: Now) -> bool {
        self.blacklist.holds(peer, now)
    }

    /// The nodes nearest to a key that others may be told of, nearest first: heard ourselves, and answering.
    pub(crate) fn closest(&self, key: &Key, n: usize, now: Now) -> Vec<Contact> {
        let told = |entry: &Entry| {
            entry.rank() == Rank::Proved && !self.blacklist.holds(&entry.contact.peer, now)
        };
        self.nearest(key, n, told)
    }

    /// The nodes nearest to a key to begin an own lookup with, nearest first: also those one has only been told of.
    pub(crate) fn candidates(&self, key: &Key, n: usize, now: Now) -> Vec<Contact> {
        let asked = |entry: &Entry| {
            entry.rank() > Rank::Failing && !self.blacklist.holds(&entry.contact.peer, now)
        };
        self.nearest(key, n, asked)
    }

    /// Whether we are among the `n` nodes nearest to a key, of all that we have heard ourselves.
    pub(crate) fn within(&self, key: &Key, n: usize) -> bool {
        let own = self.local.distance(key);
        let nearer =
            |entry: &&Entry| entry.rank() == Rank::Proved && entry.contact.id.distance(key) < own;
        let known = self.buckets.values();
        let all = known.flat_map(|bucket| bucket.used.iter().chain(&bucket.spare));
        all.filter(nearer).take(n).count() < n
    }

    /// How far from any key its `k`-th nearest node should be at most, in the first 128 bits of the distance, by how far it was in
    /// earlier lookups. None while too few of them are known to tell.
    pub(crate) fn reach(&self, k: usize) -> Option<u128> {
        let mut sorted: Vec<u128> = self.found.iter().copied().collect();
        sorted.sort_unstable();
        // Liars can make a neighbourhood look thin, hardly thick: so the thicker ones are believed. A quarter of all are nearer than three
        // quarters of the mean.
        let quarter = *sorted.get(sorted.len() / 4)?;
        let mean = quarter / NEAR as u128 * 4 / 3;
        (sorted.len() >= FOUND_MIN).then(|| mean.saturating_mul(k as u128).saturating_mul(THIN))
    }

    /// A key towards which to walk, if some range has not been walked through for [`REFRESH_AFTER`], or never: our own id first. Asked
    /// again and again after the start, this is how a table fills. `noise` fills the bits that do not matter.
    pub(crate) fn refresh(&self, now: Now, noise: &Key) -> Option<Key> {
        let due = |range: &u32| {
            self.walked
                .get(range)
                .is_none_or(|walked| now.saturating_sub(*walked) >= REFRESH_AFTER)
        };
        if self.buckets.values().all(|bucket| bucket.used.is_empty()) {
            return None;
        }
        if due(&OURSELVES) {
            return Some(self.local);
        }
        let mut deeper: usize = self.buckets.values().map(|bucket| bucket.used.len()).sum();
        for (range, bucket) in &self.buckets {
            // The rest is found by the walk to our own id.
            if deeper <= NEAR {
                break;
            }
            if due(range) {
                return Some(self.key_in(*range, noise));
            }
            deeper -= bucket.used.len();
        }
        None
    }

    /// A lookup of this key is done, and these are the nearest that answered; none if it ended before it was there.
    pub(crate) fn walked(&mut self, key: &Key, closest: &[Contact], now: Now) {
        if let Some(last) = closest.get(NEAR - 1) {
            if self.found.len() >= FOUND_MAX {
                self.found.pop_front();
            }
            self.found.push_back(last.id.distance(key).head());
        }
        let range = self.range(key).unwrap_or(OURSELVES);
        self.walked.insert(range, now);
    }

    /// All of it, for people: nearest ranges last.
    pub(crate) fn rows(&self, now: Now) -> Vec<Row> {
        let row = |bucket: u32, entry: &Entry, spare: bool| Row {
            bucket,
            peer: entry.contact.peer,
            standing: match (spare, entry.rank()) {
                (true, _) => Standing::Spare,
                (false, Rank::Proved) => Standing::Proved,
                (false, Rank::Met) => Standing::Met,
                (false, Rank::Failing) => Standing::Failing,
            },
            unseen: entry.since(now),
            failures: entry.failures,
        };
        let mut rows = Vec::new();
        for (at, bucket) in &self.buckets {
            rows.extend(bucket.used.iter().map(|entry| row(*at, entry, false)));
            rows.extend(bucket.spare.iter().map(|entry| row(*at, entry, true)));
        }
        rows
    }

    #[cfg(test)]
    pub(crate) fn counts(&self, now: Now) -> Counts {
        let mut counts = Counts {
            blacklisted: self.blacklist.count(now),
            ..Counts::default()
        };
        for row in self.rows(now) {
            match row.standing {
                Standing::Proved => counts.proved += 1,
                Standing::Met => counts.met += 1,
                Standing::Failing => counts.failing += 1,
                Standing::Spare => counts.spare += 1,
            }
        }
        counts
    }

    /// The bucket that an id belongs to; None for our own.
    fn range(&self, id: &Key) -> Option<u32> {
        let bits = id.distance(&self.local).common_bits();
        (bits < OURSELVES).then_some(bits)
    }

    /// A key that has exactly so many bits in common with us.
    fn key_in(&self, range: u32, noise: &Key) -> Key {
        let mut bytes = *noise.as_bytes();
        let (whole, bits) = ((range / 8) as usize, range % 8);
        for (at, (byte, own)) in bytes.iter_mut().zip(self.local.as_bytes()).enumerate() {
            if at < whole {
                *byte = *own;
            } else if at == whole {
                let ours = 0xff_u8.checked_shl(8 - bits).unwrap_or(0);
                let other = 0x80 >> bits;
                *byte = (own & ours) | (!own & other) | (*byte & !ours & !other);
            }
        }
        Key::from_bytes(bytes)
    }

    /// The nearest in use for whom `which` holds. Bucket by bucket from the key on, so that a big table costs no more than a small one.
    fn nearest(&self, key: &Key, n: usize, which: impl Fn(&Entry) -> bool) -> Vec<Contact> {
        let range = key.distance(&self.local).common_bits();
        let mut found: Vec<(Distance, Contact)> = Vec::with_capacity(n + BUCKET);
        let mut sorted = 0;
        let mut take = |buckets: &mut dyn Iterator<Item = &Bucket>| {
            for bucket in buckets {
                let chosen = bucket.used.iter().filter(|entry| which(entry));
                found.extend(chosen.map(|entry| (entry.contact.id.distance(key), entry.contact)));
            }
            if let Some(fresh) = found.get_mut(sorted..) {
                fresh.sort_unstable_by_key(|(distance, _)| *distance);
            }
            sorted = found.len();
            sorted >= n
        };
        // Who differs from us where the key does is nearer to it than all others; then come those who have more in common with us
        // than the key has, in any order; then those who have less, the fewer the farther.
        let _enough = take(&mut self.buckets.get(&range).into_iter())
            || take(&mut self.buckets.range(range + 1..).map(|(_, bucket)| bucket))
            || self
                .buckets
                .range(..range)
                .rev()
                .any(|(_, bucket)| take(&mut std::iter::once(bucket)));
        found.truncate(n);
        found.into_iter().map(|(_, contact)| contact).collect()
    }

    /// Puts a node into use, or into the spare list when there is no place that it may have.
    fn insert(&mut self, at: u32, entry: Entry) {
        if !self.make_room_in_group(at, &entry) {
            self.buckets.entry(at).or_default().shelve(entry);
            return;
        }
        let bucket = self.buckets.entry(at).or_default();
        if bucket.used.len() >= BUCKET {
            let Some(worst) = bucket.worst_under(entry.rank(), |_| true) else {
                bucket.shelve(entry);
                return;
            };
            let worst = bucket.used.remove(worst);
            bucket.shelve(worst);
        }
        bucket.used.push(entry);
    }

    /// Whether a node's group has a place for it, if need be that of one of the group who is worth less.
    fn make_room_in_group(&mut self, at: u32, entry: &Entry) -> bool {
        let group = entry.contact.group;
        if group.is_none() {
            return true;
        }
        let bucket = self.buckets.entry(at).or_default();
        if bucket.of_group(group) >= GROUP_IN_BUCKET && !Self::displace(bucket, entry) {
            return false;
        }
        let in_table: usize = self.buckets.values().map(|b| b.of_group(group)).sum();
        in_table < GROUP_IN_TABLE
            || self
                .buckets
                .values_mut()
                .any(|bucket| Self::displace(bucket, entry))
    }

    /// Puts one of the same group who is worth less than this one into the spare list.
    fn displace(bucket: &mut Bucket, entry: &Entry) -> bool {
        let same = |other: &Entry| other.counts_for(entry.contact.group);
        let Some(worst) = bucket.worst_under(entry.rank(), same) else {
            return false;
        };
        let worst = bucket.used.remove(worst);
        bucket.shelve(worst);
        true
    }

    fn take_out(&mut self, at: u32, peer: &PeerId) {
        if let Some(bucket) = self.buckets.get_mut(&at) {
            bucket.used.retain(|entry| entry.contact.peer != *peer);
            bucket.spare.retain(|entry| entry.contact.peer != *peer);
        }
    }

    /// Somebody is worth less than before: a spare one takes its place. Who was only heard of is forgotten.
    fn strike(&mut self, peer: &PeerId, how: impl Fn(&mut Entry)) {
        let Some(at) = self.range(&Key::of_peer(peer)) else {
            return;
        };
        let Some(bucket) = self.buckets.get_mut(&at) else {
            return;
        };
        for entry in bucket.used.iter_mut().chain(&mut bucket.spare) {
            if entry.contact.peer == *peer {
                how(entry);
            }
        }
        let gone = |entry: &Entry| entry.contact.peer == *peer && !entry.proved;
        bucket.used.retain(|entry| !gone(entry));
        bucket.spare.retain(|entry| !gone(entry));
        bucket.sort_spare();
        self.promote(at);
    }

    /// Lets spare nodes into places that are free or held by who does not answer.
    fn promote(&mut self, at: u32) {
        loop {
            let Some(bucket) = self.buckets.get(&at) else {
                return;
            };
            let failing = bucket.worst_under(Rank::Met, |_| true);
            if bucket.used.len() >= BUCKET && failing.is_none() {
                return;
            }
            let in_table =
                |group: Group| -> usize { self.buckets.values().map(|b| b.of_group(group)).sum() };
            let fits = |entry: &Entry| {
                let group = entry.contact.group;
                entry.rank() > Rank::Failing
                    && bucket.of_group(group) < GROUP_IN_BUCKET
                    && in_table(group) < GROUP_IN_TABLE
            };
            let Some(next) = bucket.spare.iter().position(fits) else {
                return;
            };
            let Some(bucket) = self.buckets.get_mut(&at) else {
                return;
            };
            let next = bucket.spare.remove(next);
            if bucket.used.len() >= BUCKET
                && let Some(failing) = failing
            {
                let failing = bucket.used.remove(failing);
                bucket.shelve(failing);
            }
            bucket.used.push(next);
        }
    }
}
