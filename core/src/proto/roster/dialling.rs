//! Whom to dial, when, and what comes of it.

use std::time::Duration;

use super::backoff::backoff;
use super::table::{Bar, Entry, Link, Queue};
use super::{
    Action, DIAL_TIMEOUT, LOST_TRIES, PROBE_INTERVAL, REFUSED_FOR, Roster, Target,
    UNREACHABLE_AFTER,
};
use crate::identity::PeerId;
use crate::proto::Now;

/// Dials under way beyond what is missing, for who has no session at all: some will fail.
pub(super) const SPARE_DIALS: usize = 2;
/// Once half of `low` is there or under way, how long after a dial's result, or somebody's coming, the next one is dialled. The other
/// half comes by itself where others dial as well: with everybody dialling for all of it at once, everybody ends up with twice what it
/// wanted.
const FILL_INTERVAL: Duration = Duration::from_secs(1);
/// The same after a dial that has no result yet.
const FILL_PATIENCE: Duration = Duration::from_secs(2);

/// What is dialled next.
pub(super) enum Pick {
    Peer(PeerId),
    Bootstrap(usize),
}

impl Roster {
    pub(super) fn dialled(&mut self, target: Target, peer: PeerId, now: Now) {
        if let Target::Address(address) = &target {
            let next = now + backoff(UNREACHABLE_AFTER, &mut self.rng);
            self.bootstraps
                .reached(address, peer, peer == self.local, next);
        }
        if self.in_flight.remove(&target).is_none()
            || peer == self.local
            || self.table.is_connected(&peer)
        {
            return;
        }
        // The dial holds its place until the handshake has its result.
        self.in_flight
            .insert(Target::Peer(peer), now + DIAL_TIMEOUT);
        self.table.update(&peer, |e| e.link = Link::Dialling);
    }

    pub(super) fn dial_failed(
        &mut self,
        target: &Target,
        reason: &str,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        // Also an inbound connection may break during its handshake: that says nothing of whether the peer can be reached.
        if self.in_flight.remove(target).is_none() {
            return;
        }
        self.fill_soon(now);
        match target {
            Target::Address(address) => {
                let told = self.bootstraps.failed(address, now, &mut self.rng);
                out.extend(told.map(|(failures, again)| Action::NoBootstrap {
                    address: address.clone(),
                    reason: reason.into(),
                    failures,
                    again,
                }));
            }
            Target::Peer(peer) => self.failed(peer, reason, now, out),
        }
    }

    fn failed(&mut self, peer: &PeerId, reason: &str, now: Now, out: &mut Vec<Action>) {
        let rng = &mut self.rng;
        let news = self.table.update(peer, |e| {
            if e.connected() {
                return false;
            }
            e.link = Link::Idle;
            e.failures = e.failures.saturating_add(1);
            (e.failed_at, e.next_dial) = (now, now + backoff(e.failures, rng));
            e.lost &= e.failures < LOST_TRIES;
            // The user was told that it failed; only what once worked is tried for ever.
            e.pinned &= !e.asked;
            e.asked = false;
            let news = e.failures >= UNREACHABLE_AFTER && !e.unreachable;
            e.unreachable |= news;
            news
        });
        if news == Some(true) {
            out.push(Action::Unreachable {
                peer: *peer,
                reason: reason.into(),
            });
        }
    }

    pub(super) fn refused(&mut self, peer: &PeerId, permanent: bool, now: Now) {
        if self.in_flight.remove(&Target::Peer(*peer)).is_some() {
            self.fill_soon(now);
        }
        if self.table.is_connected(peer) {
            return;
        }
        self.bootstraps
            .postpone(peer, now + backoff(u32::MAX, &mut self.rng));
        let rng = &mut self.rng;
        self.table.update(peer, |e| {
            e.link = Link::Idle;
            e.failures = e.failures.saturating_add(1);
            // It is there and does not want: more patience than with one that cannot be reached.
            (e.failed_at, e.next_dial) = (now, now + backoff(u32::MAX, rng));
            (e.lost, e.asked) = (false, false);
            if permanent {
                // What stands against it may change, a clock or a list: it is asked again after long.
                e.next_dial = now + rng.between(REFUSED_FOR * 3 / 4, REFUSED_FOR * 5 / 4);
                (e.bar, e.pinned) = (Some(Bar::Refused), false);
            }
        });
    }

    /// Dials everybody who is due and may be.
    pub(super) fn dial_due(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some((at, pick)) = self.next_pick(now)
            && at <= now
        {
            if self.enough() {
                self.probes += 1;
                self.probe_at = now
                    + self
                        .rng
                        .between(PROBE_INTERVAL * 3 / 4, PROBE_INTERVAL * 5 / 4);
            }
            self.fill_after(FILL_PATIENCE, now);
            let (target, addresses) = match pick {
                Pick::Peer(peer) => {
                    let addresses = self.table.update(&peer, |e| {
                        e.link = Link::Dialling;
                        e.addresses.clone()
                    });
                    (Target::Peer(peer), addresses.unwrap_or_default())
                }
                Pick::Bootstrap(index) => {
                    let address = self.bootstraps.dial(index);
                    (Target::Address(address.clone()), vec![address])
                }
            };
            self.in_flight.insert(target.clone(), now + DIAL_TIMEOUT);
            out.push(Action::Dial { target, addresses });
        }
    }

    fn fill_after(&mut self, pause: Duration, now: Now) {
        self.fill_at = now + pause;
    }

    /// A dial has its result, or somebody came.
    pub(super) fn fill_soon(&mut self, now: Now) {
        self.fill_after(FILL_INTERVAL, now);
    }

    fn enough(&self) -> bool {
        self.table.sessions() >= self.limits.low
    }

    /// What may be dialled next, and when; of all that is due by `floor`, the most important.
    pub(super) fn next_pick(&self, floor: Now) -> Option<(Now, Pick)> {
        let (sessions, flying) = (self.table.sessions(), self.in_flight.len());
        let peer = |queue| {
            self.table
                .next(queue)
                .map(|(at, peer)| (at.max(floor), Pick::Peer(peer)))
        };
        let bootstrap = |spared: &dyn Fn(&Entry) -> bool| {
            let next = self
                .bootstraps
                .next(|peer| self.table.find(peer).is_some_and(spared));
            next.map(|(at, index)| (at.max(floor), Pick::Bootstrap(index)))
        };
        let linked = |e: &Entry| e.link != Link::Idle;
        let room = flying < self.limits.dials;
        let mut picks = Vec::with_capacity(5);
        if flying < self.limits.dials * 2 {
            picks.push(peer(Queue::Asked));
        }
        if room && sessions < self.limits.high {
            picks.push(peer(Queue::Wanted));
        }
        let spare = if sessions == 0 { SPARE_DIALS } else { 0 };
        if room && !self.enough() && sessions + flying < self.limits.low + spare {
            // Alone, the configured addresses are the best there is; else they are spared.
            let dials = if sessions == 0 {
                [bootstrap(&linked), peer(Queue::Fresh), peer(Queue::Failed)]
            } else {
                [peer(Queue::Fresh), peer(Queue::Failed), bootstrap(&linked)]
            };
            let soonest = if sessions + flying < self.limits.low.div_ceil(2) + spare {
                floor
            } else {
                self.fill_at
            };
            let later = |(at, pick): (Now, Pick)| (at.max(soonest), pick);
            picks.extend(dials.map(|dial| dial.map(later)));
        } else if room && self.enough() && sessions < self.limits.high {
            let address = bootstrap(&|e| linked(e) || e.failures == 0);
            let failed = peer(Queue::Failed);
            let probe = if self.probes.is_multiple_of(2) {
                address.or(failed)
            } else {
                failed.or(address)
            };
            picks.push(probe.map(|(at, pick)| (at.max(self.probe_at), pick)));
        }
        // The first of the earliest.
        picks.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
