//! The network: nodes with a table each, and what is under way between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::Now;
use crate::proto::dht::lookup::{Failure, Goal, Lookup, NAMED_MAX, Outcome, Plan, Step};
use crate::proto::dht::table::{Contact, Table};
use crate::rng::Rng;

/// Nodes that keep a value.
pub(super) const K: usize = 8;
/// Of its table, with which a lookup begins.
const SEEDS: usize = 32;
/// Nodes an honest node names.
const NAMED: usize = 16;
/// Until an ask of somebody who is not there has failed.
const UNREACHABLE: Now = Now::from_secs(1);
/// After this time another one is asked beside it.
const SLOW: Now = Now::from_millis(250);
/// Nodes a newcomer knows.
const BOOTSTRAPS: usize = 3;

/// What liars answer. All of them throw away what they are given to keep, and say they have nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// They name only each other, those nearest to the key.
    EachOther,
    /// They name nodes that are nearer to the key than any, and are not there.
    Nobody,
    /// They name whom they know.
    NoValue,
}

/// What a network is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    /// How many of a hundred lie, and how.
    pub(super) liars: u64,
    pub(super) lie: Lie,
    /// Disjoint paths of a lookup.
    pub(super) paths: usize,
    /// Whether a neighbourhood that is too thin is walked again.
    pub(super) doubts: bool,
    /// Whether who sees a newcomer among the nearest of what it keeps gives it that.
    pub(super) hands_over: bool,
}

impl Setting {
    pub(super) const fn honest(seed: u64) -> Self {
        Self {
            seed,
            liars: 0,
            lie: Lie::NoValue,
            paths: 1,
            doubts: true,
            hands_over: true,
        }
    }
}

pub(super) struct Node {
    pub(super) contact: Contact,
    pub(super) table: Table,
    pub(super) alive: bool,
    pub(super) lies: bool,
    pub(super) values: BTreeSet<Key>,
}

/// Why somebody walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Fill,
    Store,
    Fetch,
}

struct Walk {
    owner: usize,
    key: Key,
    why: Why,
    began: Now,
    lookup: Lookup,
}

/// A walk that is done.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) why: Why,
    pub(super) key: Key,
    pub(super) took: Now,
    /// How deep the node was that had the value, or the deepest of the nearest.
    pub(super) hops: u32,
    pub(super) asked: usize,
    pub(super) found: bool,
    pub(super) closest: Vec<PeerId>,
}

enum Event {
    Join(usize),
    Ask {
        walk: u64,
        to: usize,
    },
    Answer {
        walk: u64,
        from: usize,
        named: Vec<Contact>,
        has_value: bool,
    },
    Lost {
        walk: u64,
        peer: PeerId,
    },
    Slow {
        walk: u64,
        peer: PeerId,
    },
    Give {
        to: usize,
        key: Key,
    },
}

pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) rng: Rng,
    pub(super) nodes: Vec<Node>,
    now: Now,
    by_peer: HashMap<PeerId, usize>,
    liars: Vec<Contact>,
    /// Ids that liars made up, in their order: two hundred for each node that is there.
    nobodies: Vec<Contact>,
    events: BTreeMap<(Now, u64), Event>,
    walks: BTreeMap<u64, Walk>,
    counter: u64,
    /// What was stored or fetched; the owner of `done` empties it.
    pub(super) done: Vec<Walked>,
}

impl World {
    /// A network into which so many nodes have come one after the other.
    pub(super) fn grown(size: usize, setting: Setting) -> Self {
        let mut world = Self {
            setting,
            rng: Rng::new(setting.seed),
            nodes: Vec::new(),
            now: Now::ZERO,
            by_peer: HashMap::new(),
            liars: Vec::new(),
            nobodies: Vec::new(),
            events: BTreeMap::new(),
            walks: BTreeMap::new(),
            counter: 0,
            done: Vec::new(),
        };
        if setting.lie == Lie::Nobody {
            world.nobodies = (0..size * 200).map(|_| world.contact()).collect();
            world.nobodies.sort_by_key(|contact| contact.id);
        }
        for number in 0..size {
            // The first ones are honest: whom everybody begins with.
            let lies = number > 10 && world.rng.below(100) < setting.liars;
            let contact = world.contact();
            world.join(contact, lies, Now::from_millis(50 * number as u64));
        }
        world.run();
        world
    }

    /// Somebody new, in a network of its own.
    pub(super) fn contact(&mut self) -> Contact {
        let peer = self.peer();
        let group = IpAddr::from((self.rng.number() as u32 & 0xffff_ff00).to_be_bytes());
        Contact::new(peer, Some(group))
    }

    pub(super) fn peer(&mut self) -> PeerId {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&[0x12, 0x20]);
        for chunk in bytes[2..].chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.rng.number().to_be_bytes());
        }
        PeerId::from_bytes(&bytes).unwrap()
    }

    pub(super) fn key(&mut self) -> Key {
        Key::of_content(&self.rng.number().to_be_bytes())
    }

    /// Somebody comes after this time.
    pub(super) fn join(&mut self, contact: Contact, lies: bool, after: Now) {
        let place = self.nodes.len();
        self.by_peer.insert(contact.peer, place);
        if lies {
            self.liars.push(contact);
        }
        self.nodes.push(Node {
            contact,
            table: Table::new(contact.id),
            alive: false,
            lies,
            values: BTreeSet::new(),
        });
        self.at(self.now + after, Event::Join(place));
    }

    /// Somebody is gone without a word.
    pub(super) fn leave(&mut self, place: usize) {
        self.nodes[place].alive = false;
    }

    /// Somebody who is there and honest.
    pub(super) fn anybody(&mut self) -> usize {
        loop {
            let place = self.rng.below(self.nodes.len() as u64) as usize;
            if self.nodes[place].alive && !self.nodes[place].lies {
                return place;
            }
        }
    }

    /// The nodes that really are the nearest, of all who are there.
    pub(super) fn nearest(&self, key: &Key, n: usize) -> Vec<PeerId> {
        let there = self.nodes.iter().filter(|node| node.alive);
        let mut contacts: Vec<_> = there.map(|node| node.contact).collect();
        contacts.sort_unstable_by_key(|contact| contact.id.distance(key));
        contacts
            .iter()
            .take(n)
            .map(|contact| contact.peer)
            .collect()
    }

    pub(super) fn walk(&mut self, owner: usize, key: Key, why: Why) {
        let goal = match why {
            Why::Fill | Why::Store => Goal::Nodes,
            Why::Fetch => Goal::First,
        };
        let node = &self.nodes[owner];
        let mut plan = Plan::new(goal);
        plan.paths = self.setting.paths;
        plan.reach = node.table.reach(K).filter(|_| self.setting.doubts);
        let seeds = node.table.candidates(&key, SEEDS, self.now);
        let lookup = Lookup::new(key, node.contact.peer, seeds, plan);
        self.counter += 1;
        let (walk, began) = (self.counter, self.now);
        self.walks.insert(
            walk,
            Walk {
                owner,
                key,
                why,
                began,
                lookup,
            },
        );
        self.drive(walk);
    }

    /// Until nothing is under way any more.
    pub(super) fn run(&mut self) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = at;
            self.handle(event);
        }
    }

    fn at(&mut self, when: Now, event: Event) {
        self.counter += 1;
        self.events.insert((when, self.counter), event);
    }

    fn latency(&mut self) -> Now {
        self.now + self.rng.between(Now::from_millis(10), Now::from_millis(60))
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Join(place) => self.begin(place),
            Event::Ask { walk, to } => self.asked(walk, to),
            Event::Answer {
                walk,
                from,
                named,
                has_value,
            } => self.answered(walk, from, &named, has_value),
            Event::Lost { walk, peer } => {
                if let Some(under_way) = self.walks.get_mut(&walk) {
                    let why = Failure::Unreachable;
                    under_way.lookup.failed(&peer, why, self.now);
                    self.nodes[under_way.owner].table.left(&peer);
                    self.drive(walk);
                }
            }
            Event::Slow { walk, peer } => {
                if let Some(under_way) = self.walks.get_mut(&walk) {
                    let hops = under_way.lookup.hops();
                    let open = |outcome| outcome == Outcome::Asked;
                    if hops.iter().any(|hop| hop.peer == peer && open(hop.outcome)) {
                        under_way.lookup.hurry();
                        self.drive(walk);
                    }
                }
            }
            Event::Give { to, key } => {
                let node = &mut self.nodes[to];
                if node.alive && !node.lies {
                    node.values.insert(key);
                }
            }
        }
    }

    fn begin(&mut self, place: usize) {
        self.nodes[place].alive = true;
        let there: Vec<_> = (0..self.nodes.len())
            .filter(|other| *other != place && self.nodes[*other].alive)
            .collect();
        if there.is_empty() {
            return;
        }
        for _ in 0..BOOTSTRAPS {
            let other = there[self.rng.below(there.len() as u64) as usize];
            let contact = self.nodes[other].contact;
            self.nodes[place].table.met(contact, self.now);
        }
        self.fill(place);
    }

    /// Walks through one more range that has not been walked yet.
    fn fill(&mut self, place: usize) {
        let noise = self.key();
        if let Some(key) = self.nodes[place].table.refresh(self.now, &noise) {
            self.walk(place, key, Why::Fill);
        }
    }

    fn asked(&mut self, walk: u64, to: usize) {
        let Some(under_way) = self.walks.get(&walk) else {
            return;
        };
        let (key, asker) = (under_way.key, self.nodes[under_way.owner].contact);
        if !self.nodes[to].alive {
            let peer = self.nodes[to].contact.peer;
            self.at(self.now + UNREACHABLE, Event::Lost { walk, peer });
            return;
        }
        self.heard(to, asker);
        let node = &self.nodes[to];
        let (named, has_value) = if node.lies {
            (self.lie(to, &key), false)
        } else {
            let mut named = node.table.closest(&key, NAMED + 1, self.now);
            named.retain(|contact| contact.peer != asker.peer);
            named.truncate(NAMED);
            (named, node.values.contains(&key))
        };
        let when = self.latency();
        self.at(
            when,
            Event::Answer {
                walk,
                from: to,
                named,
                has_value,
            },
        );
    }

    fn lie(&mut self, liar: usize, key: &Key) -> Vec<Contact> {
        match self.setting.lie {
            Lie::EachOther => {
                let mut named = self.liars.clone();
                let at = NAMED_MAX.min(named.len()) - 1;
                named.select_nth_unstable_by_key(at, |contact| contact.id.distance(key));
                named.truncate(NAMED_MAX);
                named
            }
            Lie::Nobody => {
                let near = self.nobodies.partition_point(|contact| contact.id < *key);
                let from = near.saturating_sub(100);
                let span = self.nobodies.len().saturating_sub(from).min(200) as u64;
                let nobody = |_| self.nobodies[from + self.rng.below(span) as usize];
                (0..NAMED_MAX).map(nobody).collect()
            }
            Lie::NoValue => self.nodes[liar].table.closest(key, NAMED, self.now),
        }
    }

    /// A node heard another one, and hands over what that should keep.
    fn heard(&mut self, place: usize, contact: Contact) {
        let node = &mut self.nodes[place];
        let newcomer = node.table.seen(contact, self.now);
        if !newcomer || !self.setting.hands_over || node.lies {
            return;
        }
        let node = &self.nodes[place];
        let near = |key: &&Key| {
            let nearest = node.table.closest(key, K, self.now);
            nearest.iter().any(|near| near.peer == contact.peer)
        };
        let keys: Vec<_> = node.values.iter().filter(near).copied().collect();
        let to = self.by_peer[&contact.peer];
        for key in keys {
            let when = self.latency();
            self.at(when, Event::Give { to, key });
        }
    }

    fn answered(&mut self, walk: u64, from: usize, named: &[Contact], has_value: bool) {
        let Some(owner) = self.walks.get(&walk).map(|walk| walk.owner) else {
            return;
        };
        let contact = self.nodes[from].contact;
        self.heard(owner, contact);
        for other in named {
            self.nodes[owner].table.met(*other, self.now);
        }
        let now = self.now;
        if let Some(under_way) = self.walks.get_mut(&walk) {
            let lookup = &mut under_way.lookup;
            lookup.answered(&contact.peer, named, has_value, now);
            if has_value {
                lookup.accept(&contact.peer);
            }
        }
        self.drive(walk);
    }

    fn drive(&mut self, walk: u64) {
        while let Some(under_way) = self.walks.get_mut(&walk) {
            match under_way.lookup.next(self.now) {
                Step::Ask(peer) => {
                    if under_way.why == Why::Fetch {
                        self.at(self.now + SLOW, Event::Slow { walk, peer });
                    }
                    match self.by_peer.get(&peer) {
                        Some(&to) => {
                            let when = self.latency();
                            self.at(when, Event::Ask { walk, to });
                        }
                        None => self.at(self.now + UNREACHABLE, Event::Lost { walk, peer }),
                    }
                }
                Step::Wait => return,
                Step::Done => {
                    if let Some(done) = self.walks.remove(&walk) {
                        self.finish(done);
                    }
                }
            }
        }
    }

    fn finish(&mut self, walk: Walk) {
        let closest: Vec<_> = walk.lookup.closest().iter().map(|c| c.peer).collect();
        let near = walk.lookup.neighbourhood();
        self.nodes[walk.owner]
            .table
            .walked(&walk.key, &near, self.now);
        match walk.why {
            Why::Fill => {
                self.fill(walk.owner);
                return;
            }
            Why::Store => {
                for peer in &closest {
                    let (to, key) = (self.by_peer[peer], walk.key);
                    let when = self.latency();
                    self.at(when, Event::Give { to, key });
                }
            }
            Why::Fetch => {}
        }
        let hops = walk.lookup.hops();
        let had = hops.iter().filter(|hop| hop.outcome == Outcome::Value);
        let nearest = hops.iter().filter(|hop| closest.contains(&hop.peer));
        let depth = had.map(|hop| hop.depth).min();
        self.done.push(Walked {
            why: walk.why,
            key: walk.key,
            took: self.now - walk.began,
            hops: depth.unwrap_or_else(|| nearest.map(|hop| hop.depth).max().unwrap_or(0)),
            asked: hops.len(),
            found: depth.is_some(),
            closest,
        });
    }
}
