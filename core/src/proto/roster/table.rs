//! The table of known peers: bounded, ordered by who is dialled next and by who is forgotten first.
//!
//! Both orders are kept beside the entries and only [`Table::update`] changes an entry, so they cannot drift apart.
//! Trees instead of hash maps: the order in which peers are visited is then a function of what was fed in, and a failing seed
//! fails again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Address, usable};
use crate::config::ADDRESSES_PER_PEER;
use crate::identity::PeerId;
use crate::proto::Now;

/// How much an entry is worth when the table is full. Somebody who only tells of peers never displaces one that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// From an earlier run's disk, or told of and not reached.
    Weak,
    /// Told of.
    Heard,
    /// Seen by this satellite itself.
    Seen,
}

/// In which order peers are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Queue {
    /// The user waits for it.
    Asked,
    /// Pinned, or its session was lost a moment ago.
    Wanted,
    /// Any other, for as long as there are too few sessions.
    Fresh,
    /// The same, after a failure.
    Failed,
}

/// Why a peer is not dialled like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// The user ended the session.
    User,
    /// It does not belong to this network, or this satellite not to its: nobody is told of it, and it is dialled rarely.
    Refused,
    /// It said goodbye. The entry only keeps older news of it from bringing it back, until it expires.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Idle,
    /// A dial, or the handshake after it, is under way.
    Dialling,
    /// There is a session, since then.
    Connected(Now),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Best first.
    pub(super) addresses: Vec<Address>,
    pub(super) link: Link,
    /// The last time somebody saw it alive, plus the time entries live.
    pub(super) expires: Now,
    pub(super) class: Class,
    /// Configured: never forgotten.
    pub(super) kept: bool,
    /// The user connected to it: never forgotten, never trimmed, always dialled again.
    pub(super) pinned: bool,
    pub(super) asked: bool,
    /// Its session was lost, and it is dialled at once although there may be enough others.
    pub(super) lost: bool,
    pub(super) busy: bool,
    pub(super) trimmed: bool,
    pub(super) bar: Option<Bar>,
    /// In a row, and when the last one was.
    pub(super) failures: u32,
    pub(super) failed_at: Now,
    pub(super) unreachable: bool,
    pub(super) next_dial: Now,
    /// When it may be answered again.
    pub(super) answer_from: Now,
}

impl Entry {
    pub(super) fn new(class: Class, expires: Now, next_dial: Now) -> Self {
        Self {
            addresses: Vec::new(),
            link: Link::Idle,
            expires,
            class,
            kept: false,
            pinned: false,
            asked: false,
            lost: false,
            busy: false,
            trimmed: false,
            bar: None,
            failures: 0,
            failed_at: Now::ZERO,
            unreachable: false,
            next_dial,
            answer_from: Now::ZERO,
        }
    }

    pub(super) fn connected(&self) -> bool {
        matches!(self.link, Link::Connected(_))
    }

    /// Its place among those that can be forgotten.
    fn worth(&self) -> Option<(Class, Now)> {
        let free = self.link == Link::Idle && !self.kept && !self.pinned;
        let class = if self.class == Class::Heard && self.failures > 0 {
            Class::Weak
        } else {
            self.class
        };
        free.then_some((class, self.expires))
    }

    /// Its place among those that can be dialled.
    fn turn(&self) -> Option<(Queue, Now)> {
        let barred = matches!(self.bar, Some(Bar::User | Bar::Left)) && !self.asked;
        if self.link != Link::Idle || barred || self.addresses.is_empty() {
            return None;
        }
        let queue = match self {
            Self { asked: true, .. } => Queue::Asked,
            Self { pinned: true, .. } | Self { lost: true, .. } => Queue::Wanted,
            Self { failures: 0, .. } => Queue::Fresh,
            _ => Queue::Failed,
        };
        Some((queue, self.next_dial))
    }

    /// Takes in an address: what the peer itself showed goes first, what others say fills what room is left. False if there is none.
    pub(super) fn add_address(&mut self, address: &Address, first_hand: bool) -> bool {
        if !usable(address) {
            return false;
        }
        let place = self.addresses.iter().position(|a| a == address);
        match place {
            Some(place) if first_hand => self.addresses[..=place].rotate_right(1),
            Some(_) => {}
            None if first_hand => {
                self.addresses.insert(0, address.clone());
                self.addresses.truncate(ADDRESSES_PER_PEER);
            }
            None => {
                if self.addresses.len() == ADDRESSES_PER_PEER {
                    // None of those known works: the last one makes room.
                    if self.failures == 0 {
                        return false;
                    }
                    self.addresses.pop();
                }
                self.addresses.push(address.clone());
            }
        }
        true
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<PeerId, Entry>,
    worth: BTreeSet<(Class, Now, PeerId)>,
    turns: BTreeSet<(Queue, Now, PeerId)>,
    sessions: BTreeSet<(Now, PeerId)>,
    pinned: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn pinned(&self) -> usize {
        self.pinned
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn find(&self, peer: &PeerId) -> Option<&Entry> {
        self.entries.get(peer)
    }

    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.find(peer).is_some_and(Entry::connected)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Entry)> {
        self.entries.iter()
    }

    /// Every entry once, beginning after `start` in the circle of ids.
    pub(super) fn iter_from(&self, start: PeerId) -> impl Iterator<Item = (&PeerId, &Entry)> {
        let after = self
            .entries
            .range((Bound::Excluded(start), Bound::Unbounded));
        after.chain(self.entries.range(..=start))
    }

    /// Those with a session, longest standing first.
    pub(super) fn connected(&self) -> impl Iterator<Item = (&PeerId, &Entry)> {
        self.sessions
            .iter()
            .filter_map(|(_, peer)| self.entries.get_key_value(peer))
    }

    /// Who is next in a queue, and when.
    pub(super) fn next(&self, queue: Queue) -> Option<(Now, PeerId)> {
        self.turns
            .range(from(queue)..)
            .next()
            .filter(|turn| turn.0 == queue)
            .map(|turn| (turn.1, turn.2))
    }

    /// Whose time is over first, and when.
    pub(super) fn next_expiry(&self) -> Option<(Now, PeerId)> {
        [Class::Weak, Class::Heard, Class::Seen]
            .into_iter()
            .filter_map(|class| {
                self.worth
                    .range(from(class)..)
                    .next()
                    .filter(|worth| worth.0 == class)
            })
            .map(|worth| (worth.1, worth.2))
            .min()
    }

    /// Who is worth least, and how much.
    pub(super) fn weakest(&self) -> Option<(Class, PeerId)> {
        self.worth.first().map(|worth| (worth.0, worth.2))
    }

    /// Changes an entry, if it is there.
    pub(super) fn update<T>(
        &mut self,
        peer: &PeerId,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let entry = self.entries.get_mut(peer)?;
        let before = Places::of(entry);
        let answer = change(entry);
        let after = Places::of(entry);
        self.move_places(peer, before, after);
        Some(answer)
    }

    pub(super) fn insert(&mut self, peer: PeerId, entry: Entry) {
        self.remove(&peer);
        self.move_places(&peer, Places::default(), Places::of(&entry));
        self.entries.insert(peer, entry);
    }

    pub(super) fn remove(&mut self, peer: &PeerId) {
        if let Some(entry) = self.entries.remove(peer) {
            self.move_places(peer, Places::of(&entry), Places::default());
        }
    }

    fn move_places(&mut self, peer: &PeerId, before: Places, after: Places) {
        if before.worth != after.worth {
            before
                .worth
                .map(|(class, at)| self.worth.remove(&(class, at, *peer)));
            after
                .worth
                .map(|(class, at)| self.worth.insert((class, at, *peer)));
        }
        if before.turn != after.turn {
            before
                .turn
                .map(|(queue, at)| self.turns.remove(&(queue, at, *peer)));
            after
                .turn
                .map(|(queue, at)| self.turns.insert((queue, at, *peer)));
        }
        if before.since != after.since {
            before.since.map(|at| self.sessions.remove(&(at, *peer)));
            after.since.map(|at| self.sessions.insert((at, *peer)));
        }
        self.pinned = self.pinned + usize::from(after.pinned) - usize::from(before.pinned);
    }
}

/// Where an entry stands in the orders.
#[derive(Default)]
struct Places {
    worth: Option<(Class, Now)>,
    turn: Option<(Queue, Now)>,
    since: Option<Now>,
    pinned: bool,
}

impl Places {
    fn of(entry: &Entry) -> Self {
        let since = match entry.link {
            Link::Connected(since) => Some(since),
            Link::Idle | Link::Dialling => None,
        };
        Self {
            worth: entry.worth(),
            turn: entry.turn(),
            since,
            pinned: entry.pinned,
        }
    }
}

/// The first place a row of an order can have.
fn from<T>(row: T) -> (T, Now, PeerId) {
    (row, Now::ZERO, first_id())
}

/// No id is smaller.
pub(super) fn first_id() -> PeerId {
    id_of([0; 32])
}

/// The id with this digest.
pub(super) fn id_of(digest: [u8; 32]) -> PeerId {
    let mut bytes = [0; 34];
    bytes[..2].copy_from_slice(&[0x12, 0x20]);
    bytes[2..].copy_from_slice(&digest);
    PeerId::from_bytes(&bytes).expect("a sha2-256 multihash is a peer id")
}
