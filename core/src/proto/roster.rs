//! The connection manager: who is known, whom to dial and when, whom to let go.
//!
//! It opens no connection and finds nobody by itself: discovery tells it of peers ([`Event::Learned`]), the driver dials what it
//! asks for and tells what came of it. Which of a pair's connections carries the session is decided in [`super::pair`]; here a
//! peer has a session or not.
//!
//! Its aims, where they pull in different directions in this order:
//! - What the user asked for holds: a pinned peer is dialled for ever, one the user disconnected is left alone until it dials.
//! - Who said goodbye is gone: not told of, not dialled and not shown, until it comes back or somebody saw it later than that.
//! - Between `low` and `high` sessions, and few more than `low`: half of it is dialled at once, the rest one at a time. Over `high` an old
//!   one is given up and not the newcomer, which came to learn of others.
//! - A lost session is dialled again within a fraction of a second; who does not answer, ever more rarely.
//! - Everything known is forgotten unless it is seen alive again. What others tell carries the age of *their* sighting, which only
//!   grows on its way, so that gossip alone keeps nobody alive.
//! - Paused, it does nothing at all; resumed, or in another network, it begins anew with all it knows (`pausing.rs`).
//! - A network that was cut in two finds together again: even with enough sessions, every minute or so one peer that could not be
//!   reached, or one bootstrap address, is tried.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Now;
use crate::identity::PeerId;
use crate::rng::Rng;

pub(crate) mod backoff;
mod bootstrap;
mod dialling;
mod event;
mod learning;
mod pausing;
mod table;
mod telling;
#[cfg(test)]
mod tests;

use backoff::backoff;
use bootstrap::Bootstraps;
pub(crate) use event::{Action, End, Event, Limits, Met, Sighting, Source, State, Stats, Target};
use table::{Bar, Class, Entry, Link, Table};
use telling::{ANSWER_INTERVAL, Telling};

/// An address as text (a multiaddress); what it says concerns only the driver.
pub(crate) type Address = Arc<str>;

/// Longest address kept, in bytes.
pub(crate) const ADDRESS_MAX: usize = 256;
/// Bootstrap addresses kept.
pub(crate) const BOOTSTRAP_MAX: usize = 64;
/// Peers that can be pinned; further ones are connected to and not pinned.
pub(crate) const PINNED_MAX: usize = 1024;
/// Failures in a row after which a peer counts as unreachable.
pub(crate) const UNREACHABLE_AFTER: u32 = 3;
/// Failures after which a lost session is no more than any other peer: about a minute.
pub(crate) const LOST_TRIES: u32 = 8;
/// A dial without result by then has failed, whatever became of it.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// For how long a peer that refuses, or is refused, is left alone, give or take a quarter.
pub(crate) const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Between two tries to find a lost part of the network again, give or take a quarter.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// The connection manager of one satellite.
///
/// Feed it every [`Event`] and do what it answers, in order. Every [`Action::Dial`] is answered by exactly one
/// [`Event::DialFailed`] or [`Event::Dialled`]; the latter is followed, for a peer without a session, by [`Event::Connected`],
/// [`Event::Refused`], or an [`Event::DialFailed`] that names the peer if the connection broke before either. Ask [`next_timeout`](Self::next_timeout) after each event and call
/// [`handle_timeout`](Self::handle_timeout) when that time has come.
#[derive(Debug)]
pub(crate) struct Roster {
    local: PeerId,
    limits: Limits,
    rng: Rng,
    table: Table,
    bootstraps: Bootstraps,
    /// What is dialled, and when it counts as failed.
    in_flight: BTreeMap<Target, Now>,
    /// When the next dial for the second half of `low` may begin.
    fill_at: Now,
    /// When the next probe may begin, and how many there were.
    probe_at: Now,
    probes: u64,
    telling: Telling,
    /// Nothing is due while it is.
    paused: bool,
    stats: Stats,
}

impl Roster {
    /// Knows nobody. `seed` is for jitter and samples: another one in each satellite, so that they do not move in step.
    pub(crate) fn new(local: PeerId, limits: Limits, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            local,
            limits,
            telling: Telling::new(&mut rng),
            rng,
            table: Table::default(),
            bootstraps: Bootstraps::default(),
            in_flight: BTreeMap::new(),
            fill_at: Now::ZERO,
            probe_at: Now::ZERO,
            probes: 0,
            paused: false,
            stats: Stats::default(),
        }
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Learned {
                peer,
                addresses,
                source,
                age,
            } => {
                self.learned(peer, &addresses, source, age, now, &mut out);
            }
            Event::Bootstrap { address } => {
                if !usable(&address) {
                    self.stats.addresses_dropped += 1;
                } else if !self.bootstraps.add(address, now) {
                    self.stats.bootstraps_dropped += 1;
                }
            }
            Event::Connect {
                pin,
                peer,
                addresses,
            } => self.connect(peer, pin, &addresses, now, &mut out),
            // The driver, where somebody waits for it, asks again after the pause.
            Event::ConnectAddress { .. } if self.paused => {}
            Event::ConnectAddress { address } => {
                let target = Target::Address(address.clone());
                self.in_flight.insert(target.clone(), now + DIAL_TIMEOUT);
                out.push(Action::Dial {
                    target,
                    addresses: vec![address],
                });
            }
            Event::Disconnect { peer } => {
                self.table.update(&peer, |e| {
                    (e.bar, e.pinned, e.asked, e.lost) = (Some(Bar::User), false, false, false);
                });
            }
            Event::Dialled { target, peer } => self.dialled(target, peer, now),
            Event::DialFailed { target, reason } => {
                self.dial_failed(&target, &reason, now, &mut out)
            }
            Event::Begun { peer } => {
                // It enters the table once it has proved that it belongs here: strangers push nobody out.
                let known = |e: &Entry| e.bar != Some(Bar::Left);
                if peer != self.local && !self.table.find(&peer).is_some_and(known) {
                    out.push(Action::Discovered { peer });
                }
            }
            Event::Connected {
                peer,
                address,
                inbound,
                explicit,
            } => {
                self.connected(peer, address, inbound, explicit, now, &mut out);
            }
            Event::Disconnected { peer, end } => self.disconnected(&peer, end, now),
            Event::Refused { peer, permanent } => self.refused(&peer, permanent, now),
            Event::Asked { peer } => {
                let answer = self.table.update(&peer, |e| {
                    let answer = e.connected() && now >= e.answer_from;
                    if answer {
                        e.answer_from = now + ANSWER_INTERVAL;
                    }
                    answer
                });
                if answer == Some(true) {
                    self.tell(peer, false, now, &mut out);
                } else {
                    self.stats.unanswered += 1;
                }
            }
            Event::Busy { peer, busy } => {
                self.table.update(&peer, |e| e.busy = busy);
            }
            Event::Paused => self.pause(),
            Event::Resumed => self.resume(now),
            Event::NetworkChanged => self.begin_anew(now),
        }
        self.settle(now, &mut out);
        out
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        self.settle(now, &mut out);
        out
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Option<Now> {
        if self.paused {
            return None;
        }
        let dial = self.next_pick(Now::ZERO).map(|(at, _)| at);
        let failed = self.in_flight.values().min().copied();
        let expiry = self.table.next_expiry().map(|(at, _)| at);
        let tell = self.tells().then(|| self.telling.next());
        [dial, failed, expiry, tell].into_iter().flatten().min()
    }

    /// Everybody known, in the order of ids; not those that refuse, or are refused, for good, and not those that left.
    pub(crate) fn met(&self) -> Vec<Met> {
        self.table
            .iter()
            .filter(|(_, e)| !matches!(e.bar, Some(Bar::Refused | Bar::Left)))
            .map(|(peer, e)| met(peer, e))
            .collect()
    }

    /// One of those, or one that left: somebody may ask for it all the same.
    pub(crate) fn find(&self, peer: &PeerId) -> Option<Met> {
        self.table
            .find(peer)
            .filter(|e| e.bar != Some(Bar::Refused))
            .map(|e| met(peer, e))
    }

    /// Whether the user ended the session with this peer, and nobody asked for another one since.
    pub(crate) fn is_left_alone(&self, peer: &PeerId) -> bool {
        self.table
            .find(peer)
            .is_some_and(|e| e.bar == Some(Bar::User))
    }

    /// Whether a peer should be dialled only in ways that fail at once when it is not there: its session was just lost, and it may be back
    /// any moment. Every fourth time it is dialled in all ways, should the quick ones be closed now.
    pub(crate) fn is_in_a_hurry(&self, peer: &PeerId) -> bool {
        self.table
            .find(peer)
            .is_some_and(|e| e.lost && e.failures % 4 != 3)
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.table.sessions()
    }

    /// Whether there is a session, or may be one in a moment.
    pub(crate) fn is_meeting(&self) -> bool {
        self.sessions() > 0 || !self.in_flight.is_empty()
    }

    /// Whether there are so many sessions that the others are likely to come by themselves.
    pub(crate) fn is_settled(&self) -> bool {
        self.sessions() >= self.limits.low.div_ceil(2)
    }

    /// How many entries the table has.
    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.table.len()
    }

    /// Counts of what was dropped, and of who had to go.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Up to `n` peers worth remembering on disk, those with a session first.
    pub(crate) fn worth_remembering(&self, n: usize, now: Now) -> Vec<Sighting> {
        let seen = self
            .table
            .iter()
            .filter(|(_, e)| !e.connected() && e.class == Class::Seen && e.failures == 0);
        let all = self.table.connected().chain(seen);
        all.filter(|(_, e)| e.bar.is_none() && !e.addresses.is_empty())
            .take(n)
            .map(|(p, e)| telling::sighting(p, e, self.limits.expiry, now))
            .collect()
    }

    fn connect(
        &mut self,
        peer: PeerId,
        pin: bool,
        addresses: &[Address],
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let known = self
            .table
            .find(&peer)
            .is_some_and(|e| !e.addresses.is_empty());
        if peer == self.local || !(known || addresses.iter().any(usable)) {
            let reason = if peer == self.local {
                "it is this satellite itself"
            } else {
                "no address of it is known"
            };
            out.push(Action::Unreachable {
                peer,
                reason: reason.into(),
            });
            return;
        }
        if self.enter(peer, now, out) {
            out.push(Action::Discovered { peer });
        }
        let pin = pin && self.table.pinned() < PINNED_MAX;
        self.table.update(&peer, |e| {
            for address in addresses {
                e.add_address(address, true);
            }
            e.pinned |= pin;
            e.asked = !e.connected();
            // Who left stays gone, and who does not answer unreachable, until it answers: trying again changes nothing of that.
            e.bar = e.bar.filter(|bar| *bar == Bar::Left);
            e.next_dial = now;
        });
    }

    fn connected(
        &mut self,
        peer: PeerId,
        address: Option<Address>,
        inbound: bool,
        explicit: bool,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if peer == self.local {
            return;
        }
        self.in_flight.remove(&Target::Peer(peer));
        self.fill_soon(now);
        // Users were told of it when its connection began.
        self.enter(peer, now, out);
        let expires = now + self.limits.expiry;
        let pin = explicit && self.table.pinned() < PINNED_MAX;
        let unwanted = self.table.update(&peer, |e| {
            if let Some(address) = &address {
                e.add_address(address, true);
            }
            if !e.connected() {
                e.link = Link::Connected(now);
            }
            (e.class, e.expires) = (Class::Seen, expires);
            (e.asked, e.lost, e.busy, e.trimmed) = (false, false, false, false);
            (e.failures, e.unreachable) = (0, false);
            e.pinned |= pin;
            let unwanted = e.bar == Some(Bar::User) && !inbound && !explicit;
            if !unwanted {
                e.bar = None;
            }
            unwanted
        });
        if unwanted == Some(true) {
            out.push(Action::Trim { peer });
        } else {
            // First of all: the newcomer, or who makes room for it, then knows where else to go.
            self.tell(peer, false, now, out);
            self.trim(peer, out);
        }
    }

    fn disconnected(&mut self, peer: &PeerId, end: End, now: Now) {
        self.in_flight.remove(&Target::Peer(*peer));
        self.stats.left += u64::from(end == End::Left);
        let expires = now + self.limits.expiry;
        let rng = &mut self.rng;
        self.table.update(peer, |e| {
            if e.connected() {
                e.expires = expires;
            }
            (e.link, e.busy, e.trimmed) = (Link::Idle, false, false);
            match end {
                End::Lost => {
                    e.lost = true;
                    e.next_dial = now + backoff(1, rng);
                }
                End::Left if !(e.pinned || e.kept) => {
                    (e.bar, e.failed_at, e.class) = (Some(Bar::Left), now, Class::Weak);
                }
                // The user wants it: it is not told of, and dialled with patience.
                End::Left => {
                    (e.failures, e.failed_at) = (UNREACHABLE_AFTER, now);
                    e.next_dial = now + backoff(UNREACHABLE_AFTER, rng);
                }
                End::Trimmed => e.next_dial = now + backoff(u32::MAX, rng),
                End::User => (e.bar, e.pinned) = (Some(Bar::User), false),
            }
        });
        // With jitter here as well: all who lost it at the same moment know the same address.
        let failures = if end == End::Trimmed { u32::MAX } else { 2 };
        self.bootstraps
            .postpone(peer, now + backoff(failures, &mut self.rng));
    }

    /// Makes sure that a peer is in the table whatever it costs another one: it has a session, or the user wants one. Whether it
    /// is new.
    fn enter(&mut self, peer: PeerId, now: Now, out: &mut Vec<Action>) -> bool {
        let new = self.table.find(&peer).is_none();
        if new {
            if self.table.len() >= self.limits.known
                && let Some((_, weakest)) = self.table.weakest()
            {
                self.forget(weakest, out);
                self.stats.displaced += 1;
            }
            self.table.insert(
                peer,
                Entry::new(Class::Heard, now + self.limits.expiry, now),
            );
            self.telling.discovered(peer, now);
        }
        new
    }

    /// Room for somebody of that worth, if it displaces only those worth less.
    fn make_room(&mut self, class: Class, out: &mut Vec<Action>) -> bool {
        if self.table.len() < self.limits.known {
            return true;
        }
        match self.table.weakest() {
            Some((weakest, peer)) if weakest < class => {
                self.forget(peer, out);
                self.stats.displaced += 1;
                true
            }
            _ => false,
        }
    }

    fn forget(&mut self, peer: PeerId, out: &mut Vec<Action>) {
        self.table.remove(&peer);
        out.push(Action::Forget { peer });
    }

    /// Gives up sessions over `high`: the longest standing that can be spared, the newcomer last.
    fn trim(&mut self, newcomer: PeerId, out: &mut Vec<Action>) {
        let leaving = self.table.connected().filter(|(_, e)| e.trimmed).count();
        let spare = |e: &Entry| !e.pinned && !e.busy && !e.trimmed;
        for _ in self.limits.high..self.table.sessions() - leaving {
            let old = self
                .table
                .connected()
                .find(|(p, e)| **p != newcomer && spare(e))
                .map(|(p, _)| *p);
            let new = self
                .table
                .find(&newcomer)
                .filter(|e| spare(e))
                .map(|_| newcomer);
            let Some(peer) = old.or(new) else { return };
            self.table.update(&peer, |e| e.trimmed = true);
            self.stats.trimmed += 1;
            out.push(Action::Trim { peer });
        }
    }

    fn tells(&self) -> bool {
        !self.paused && self.limits.tell > 0 && self.table.sessions() > 0
    }

    fn tell(&mut self, peer: PeerId, ask: bool, now: Now, out: &mut Vec<Action>) {
        if self.tells() {
            let sightings =
                self.telling
                    .sample(&self.table, &self.limits, &peer, now, &mut self.rng);
            if ask || !sightings.is_empty() {
                out.push(Action::Tell {
                    peer,
                    sightings,
                    ask,
                });
            }
        }
    }

    /// Everything that is due.
    fn settle(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.paused {
            return;
        }
        while let Some((target, _)) = self.in_flight.iter().find(|(_, at)| **at <= now) {
            let target = target.clone();
            self.stats.dials_overdue += 1;
            self.dial_failed(&target, "no answer in time", now, out);
        }
        while let Some((at, peer)) = self.table.next_expiry()
            && at <= now
        {
            self.forget(peer, out);
            self.stats.expired += 1;
        }
        self.dial_due(now, out);
        if self.tells() && self.telling.next() <= now {
            let any = self.rng.below(self.table.sessions() as u64) as usize;
            let peer = self.table.connected().nth(any).map(|(peer, _)| *peer);
            if let Some(peer) = peer {
                self.tell(peer, true, now, out);
            }
            self.telling
                .told(self.table.len(), &self.limits, now, &mut self.rng);
        }
    }
}

fn met(peer: &PeerId, entry: &Entry) -> Met {
    let state = match entry {
        e if e.connected() => State::Connected,
        Entry {
            unreachable: true, ..
        } => State::Unreachable,
        _ => State::Met,
    };
    Met {
        peer: *peer,
        state,
        addresses: entry.addresses.clone(),
    }
}

fn usable(address: &Address) -> bool {
    (1..=ADDRESS_MAX).contains(&address.len())
}
