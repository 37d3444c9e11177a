//! One walk towards a key: whom to ask next, whom to believe, and when it is done.
//!
//! It asks nobody itself. The engine calls [`Lookup::next`] until that says to wait, asks those named, and hands in what came of
//! each. Whether a value is the right one is the engine's to say ([`Lookup::accept`]); here only who claims to have one counts.
//!
//! ```text
//!  known ──next──▶ asked ──answered──▶ done ─────────────▶ counts among the nearest
//!                    │         └─ has the value ▶ offers ──accept──▶ done (Goal::First ends)
//!                    └─failed──▶ failed ◀──failed────┘
//! ```
//!
//! Nodes may lie. What is done about it:
//! - Several *paths*: each begins with other nodes and only knows what they said, so one liar leads one path astray. Nobody is asked twice.
//! - A neighbourhood much thinner than our own ([`Plan::reach`]) is what liars show who name only each other: the walk goes on with paths
//!   from seeds that nobody has asked yet.
//! - Who names nodes that cannot be reached is not believed for long ([`CREDIT`]), and at most [`NAMED_MAX`] of an answer are used.
//! - One public network gets few places among the nearest ([`Plan::per_group`]).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::table::{Contact, Group};
use crate::identity::PeerId;
use crate::key::{Distance, Key};
use crate::proto::Now;

#[cfg(test)]
mod tests;

/// Contacts of one answer that are used.
pub(crate) const NAMED_MAX: usize = 20;
/// Paths that may be added when the neighbourhood found is too thin, and how many of them at once.
const PATHS_MORE: usize = 9;
const PATHS_AT_ONCE: usize = 3;
/// Paths in all; a path is a bit of a [`Paths`].
const PATHS_MAX: usize = 3 + PATHS_MORE;
/// So many more unreachable than answering nodes may a node name until those that only such nodes named are left out.
const CREDIT: u32 = 3;
/// Who named a node: so many are remembered.
const NAMED_BY_MAX: usize = 8;

/// A set of paths.
type Paths = u16;
const _: () = assert!(PATHS_MAX <= Paths::BITS as usize);

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The k nearest nodes that answer.
    Nodes,
    /// One value that verifies: ends with it. Begins with one ask at a time on each path; see [`Lookup::hurry`].
    First,
    /// As [`Nodes`](Self::Nodes), and everybody on the way is asked for the value.
    All,
}

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) goal: Goal,
    /// Nearest nodes that have to answer.
    pub(crate) k: usize,
    /// Asks under way on each path.
    pub(crate) parallel: usize,
    /// Paths that know nothing of each other: 1 to 3.
    pub(crate) paths: usize,
    /// Nodes asked in all.
    pub(crate) most: usize,
    /// Nodes of one public network among the nearest.
    pub(crate) per_group: usize,
    /// How far the k-th nearest should be at most (`Table::reach`). None: whatever is found is believed.
    pub(crate) reach: Option<u128>,
}

impl Plan {
    pub(crate) const fn new(goal: Goal) -> Self {
        Self {
            goal,
            k: 8,
            parallel: 3,
            paths: 1,
            most: 128,
            per_group: 2,
            reach: None,
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this node, and tell what comes of it.
    Ask(PeerId),
    /// For an answer, or until it is worth to [`hurry`](Lookup::hurry).
    Wait,
    /// There is nothing to ask any more.
    Done,
}

/// Why an ask came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer in time.
    Timeout,
    /// No session, and none could be opened.
    Unreachable,
    /// It does not want to answer.
    Refused,
    /// Its answer, or its value, is provably wrong: what it named is not believed either.
    Lied,
}

impl Failure {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Timeout => "did not answer in time",
            Self::Unreachable => "cannot be reached",
            Self::Refused => "refused to answer",
            Self::Lied => "said what is wrong",
        }
    }
}

/// What came of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is under way.
    Asked,
    /// It named so many nodes that were not known yet.
    Nodes(usize),
    /// It has the value, or says so.
    Value,
    Failed(Failure),
}

/// One ask, for people who follow a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) peer: PeerId,
    /// 1 for those known at the start, one more for whom those name.
    pub(crate) depth: u32,
    pub(crate) path: usize,
    pub(crate) asked_at: Now,
    /// Until it answered or failed.
    pub(crate) took: Option<Duration>,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Known,
    Asked,
    /// It says it has the value, which is being fetched and verified.
    Offers,
    Done,
    Failed,
}

#[derive(Debug)]
struct Node {
    contact: Contact,
    state: State,
    depth: u32,
    /// The paths that were told of it.
    heard: Paths,
    /// The path that asked it, and its place in the hops.
    path: usize,
    hop: usize,
    has_value: bool,
    /// Known at the start: believed without anybody's word.
    seed: bool,
    /// Who named it.
    named_by: Vec<usize>,
    /// Of those it named, how many answered and how many did not.
    good: u32,
    bad: u32,
    liar: bool,
}

impl Node {
    fn is_believed(&self) -> bool {
        !self.liar && self.bad < self.good + CREDIT
    }
}

/// One walk towards a key. See the module for the states of a node.
#[derive(Debug)]
pub(crate) struct Lookup {
    target: Key,
    local: PeerId,
    plan: Plan,
    nodes: Vec<Node>,
    by_distance: BTreeMap<Distance, usize>,
    by_peer: HashMap<PeerId, usize>,
    hops: Vec<Hop>,
    /// Paths at the start, and so far.
    begun_with: usize,
    paths: usize,
    /// With `Goal::First`: asks under way on all paths.
    allowed: usize,
    /// A value was accepted.
    accepted: bool,
}

impl Lookup {
    /// `seeds`: the nearest that are known, a few times `k` of them if there are so many.
    pub(crate) fn new(target: Key, local: PeerId, seeds: Vec<Contact>, plan: Plan) -> Self {
        let paths = plan.paths.clamp(1, PATHS_MAX - PATHS_MORE);
        let mut lookup = Self {
            target,
            local,
            plan,
            nodes: Vec::with_capacity(seeds.len() * 2),
            by_distance: BTreeMap::new(),
            by_peer: HashMap::new(),
            hops: Vec::new(),
            begun_with: paths,
            paths,
            allowed: paths,
            accepted: false,
        };
        let mut seeds = seeds;
        seeds.sort_by_key(|contact| contact.id.distance(&target));
        for (at, contact) in seeds.iter().enumerate() {
            lookup.learn(contact, 1 << (at % paths), 1, None);
        }
        lookup
    }

    /// What to do now; to be called until it says wait or done.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        if self.is_over() {
            return Step::Done;
        }
        loop {
            if self.hops.len() < self.plan.most
                && let Some((path, at)) = self.choose()
            {
                return self.ask(path, at, now);
            }
            if self.busy(None) > 0 {
                return Step::Wait;
            }
            if !self.add_paths() {
                return Step::Done;
            }
        }
    }

    /// In which network a node really is, whatever those said who named it.
    pub(crate) fn comes_from(&mut self, peer: &PeerId, group: Group) {
        let at = self.by_peer.get(peer);
        if let Some(node) = at.and_then(|at| self.nodes.get_mut(*at)) {
            node.contact.group = group;
        }
    }

    /// A node answered; `contacts` are those it named.
    pub(crate) fn answered(
        &mut self,
        peer: &PeerId,
        contacts: &[Contact],
        has_value: bool,
        now: Now,
    ) {
        let Some((at, path)) = self.find(peer, State::Asked) else {
            return;
        };
        let offers = has_value && self.plan.goal == Goal::First;
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        node.state = if offers { State::Offers } else { State::Done };
        node.has_value = has_value;
        let (depth, named_by) = (node.depth + 1, node.named_by.clone());
        for by in named_by {
            if let Some(by) = self.nodes.get_mut(by) {
                by.good += 1;
            }
        }
        let mut fresh = 0;
        for contact in contacts.iter().take(NAMED_MAX) {
            fresh += usize::from(self.learn(contact, 1 << path, depth, Some(at)));
        }
        self.note(
            at,
            if has_value {
                Outcome::Value
            } else {
                Outcome::Nodes(fresh)
            },
            now,
        );
    }

    /// An ask came to nothing, or a value that a node offered does not verify.
    pub(crate) fn failed(&mut self, peer: &PeerId, why: Failure, now: Now) {
        let found = self.find(peer, State::Asked).or_else(|| {
            // After the answer too: the value may turn out to be wrong.
            let offered = self.find(peer, State::Offers);
            offered.or_else(|| self.find(peer, State::Done))
        });
        let Some((at, _)) = found else {
            return;
        };
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        node.state = State::Failed;
        node.has_value = false;
        node.liar = why == Failure::Lied;
        // Who refuses or lies is there: nobody is to blame who named it.
        if matches!(why, Failure::Timeout | Failure::Unreachable) {
            for by in node.named_by.clone() {
                if let Some(by) = self.nodes.get_mut(by) {
                    by.bad += 1;
                }
            }
        }
        // Where one fails others may, and each costs a timeout.
        self.hurry();
        self.note(at, Outcome::Failed(why), now);
    }

    /// The value of this node verifies. `Goal::First` is done with that.
    pub(crate) fn accept(&mut self, peer: &PeerId) {
        if let Some((at, _)) = self.find(peer, State::Offers)
            && let Some(node) = self.nodes.get_mut(at)
        {
            node.state = State::Done;
            self.accepted = true;
        }
    }

    /// An answer takes longer than usual: one more may be asked beside it. Without this `Goal::First` asks one at a time on each
    /// path, as the first who is asked often has the value.
    pub(crate) fn hurry(&mut self) {
        self.allowed = (self.allowed + 1).min(self.plan.parallel * self.paths);
    }

    /// The k nearest that answered, nearest first.
    pub(crate) fn closest(&self) -> Vec<Contact> {
        let mut groups = Groups::new(self.plan.per_group);
        self.by_distance
            .values()
            .filter_map(|at| self.nodes.get(*at))
            .filter(|node| node.state == State::Done && groups.admit(node.contact.group))
            .take(self.plan.k)
            .map(|node| node.contact)
            .collect()
    }

    /// Where it leads.
    pub(crate) fn target(&self) -> &Key {
        &self.target
    }

    /// [`closest`](Self::closest), if the lookup went to its end: who found a value early never saw who is near.
    pub(crate) fn neighbourhood(&self) -> Vec<Contact> {
        if self.is_over() {
            Vec::new()
        } else {
            self.closest()
        }
    }

    /// Those that say they have the value, nearest first, without those it did not verify of.
    pub(crate) fn holders(&self) -> Vec<Contact> {
        self.by_distance
            .values()
            .filter_map(|at| self.nodes.get(*at))
            .filter(|node| node.has_value)
            .map(|node| node.contact)
            .collect()
    }

    /// Every ask, in order.
    pub(crate) fn hops(&self) -> &[Hop] {
        &self.hops
    }

    fn is_over(&self) -> bool {
        self.accepted && self.plan.goal == Goal::First
    }

    /// Takes in a node that somebody named; true if it was not known.
    fn learn(&mut self, contact: &Contact, paths: Paths, depth: u32, by: Option<usize>) -> bool {
        if contact.peer == self.local {
            return false;
        }
        if let Some(at) = self.by_peer.get(&contact.peer) {
            if let Some(node) = self.nodes.get_mut(*at) {
                node.heard |= paths;
                if node.named_by.len() < NAMED_BY_MAX {
                    node.named_by.extend(by);
                }
            }
            return false;
        }
        let at = self.nodes.len();
        self.by_peer.insert(contact.peer, at);
        self.by_distance
            .insert(contact.id.distance(&self.target), at);
        self.nodes.push(Node {
            contact: *contact,
            state: State::Known,
            depth,
            heard: paths,
            path: 0,
            hop: 0,
            has_value: false,
            seed: by.is_none(),
            named_by: by.into_iter().collect(),
            good: 0,
            bad: 0,
            liar: false,
        });
        true
    }

    fn find(&self, peer: &PeerId, state: State) -> Option<(usize, usize)> {
        let at = *self.by_peer.get(peer)?;
        let node = self.nodes.get(at)?;
        (node.state == state).then_some((at, node.path))
    }

    /// Asks under way, on one path or all, offers that are being fetched included.
    fn busy(&self, path: Option<usize>) -> usize {
        self.hops
            .iter()
            .filter_map(|hop| self.nodes.get(*self.by_peer.get(&hop.peer)?))
            .filter(|node| matches!(node.state, State::Asked | State::Offers))
            .filter(|node| path.is_none_or(|path| node.path == path))
            .count()
    }

    /// The next to ask, and on which path: the path with the fewest asks under way goes first.
    fn choose(&self) -> Option<(usize, usize)> {
        if self.plan.goal == Goal::First && self.busy(None) >= self.allowed {
            return None;
        }
        let mut paths: Vec<_> = (0..self.paths)
            .map(|path| (self.busy(Some(path)), path))
            .filter(|(busy, path)| *busy < self.parallel(*path))
            .collect();
        paths.sort_unstable();
        paths
            .into_iter()
            .find_map(|(_, path)| Some((path, self.first_unasked(path)?)))
    }

    /// Asks under way on a path. Those added in doubt go step by step: the fewer are asked on the way, the fewer of them lie.
    fn parallel(&self, path: usize) -> usize {
        if path < self.begun_with {
            self.plan.parallel
        } else {
            1
        }
    }

    /// The nearest node of a path that is still to be asked, if it is among the path's k nearest. As long as there is none and
    /// nothing is under way, the path is at its end.
    fn first_unasked(&self, path: usize) -> Option<usize> {
        let mut groups = Groups::new(self.plan.per_group);
        self.by_distance
            .values()
            .filter_map(|at| Some((*at, self.nodes.get(*at)?)))
            .filter(|(_, node)| node.heard & 1 << path != 0 && self.counts(node))
            .filter(|(_, node)| groups.admit(node.contact.group))
            .take(self.plan.k)
            .find(|(_, node)| node.state == State::Known)
            .map(|(at, _)| at)
    }

    /// Whether a node is somebody to reckon with: it has not failed, and somebody believed named it.
    fn counts(&self, node: &Node) -> bool {
        let vouched = |by: &usize| self.nodes.get(*by).is_some_and(Node::is_believed);
        match node.state {
            State::Failed => false,
            State::Known => node.seed || node.named_by.iter().any(vouched),
            State::Asked | State::Offers | State::Done => true,
        }
    }

    fn ask(&mut self, path: usize, at: usize, now: Now) -> Step {
        let hop = self.hops.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return Step::Wait;
        };
        node.state = State::Asked;
        (node.path, node.hop) = (path, hop);
        self.hops.push(Hop {
            peer: node.contact.peer,
            depth: node.depth,
            path,
            asked_at: now,
            took: None,
            outcome: Outcome::Asked,
        });
        Step::Ask(node.contact.peer)
    }

    fn note(&mut self, at: usize, outcome: Outcome, now: Now) {
        if let Some(hop) = self
            .nodes
            .get(at)
            .and_then(|node| self.hops.get_mut(node.hop))
        {
            hop.outcome = outcome;
            hop.took
                .get_or_insert_with(|| now.saturating_sub(hop.asked_at));
        }
    }

    /// When what was found is too thin to be believed: more paths, from the seeds that nobody has asked yet.
    fn add_paths(&mut self) -> bool {
        let Some(reach) = self.plan.reach else {
            return false;
        };
        let nearest = self.closest();
        let thin = nearest
            .get(self.plan.k.saturating_sub(1))
            .is_none_or(|last| last.id.distance(&self.target).head() > reach);
        if !thin || self.hops.len() >= self.plan.most {
            return false;
        }
        let more = PATHS_AT_ONCE.min(PATHS_MAX.saturating_sub(self.paths));
        let mut unasked = 0;
        for node in &mut self.nodes {
            if more > 0 && node.seed && node.state == State::Known {
                node.heard |= 1 << (self.paths + unasked % more);
                unasked += 1;
            }
        }
        let added = unasked.min(more);
        self.paths += added;
        self.allowed = self.allowed.max(added);
        unasked > 0
    }
}

/// Counts how many of a group are in already.
struct Groups {
    limit: usize,
    seen: Vec<Group>,
}

impl Groups {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            seen: Vec::new(),
        }
    }

    fn admit(&mut self, group: Group) -> bool {
        if group.is_none() {
            return true;
        }
        let of_group = self.seen.iter().filter(|seen| **seen == group).count();
        if of_group < self.limit {
            self.seen.push(group);
        }
        of_group < self.limit
    }
}
