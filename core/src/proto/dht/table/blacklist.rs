//! Who is left alone for a while: peers that lied, or that were asked again and again and never answered.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::identity::PeerId;
use crate::proto::Now;

/// What a lie counts.
const LIE: u32 = 4;
/// What an ask without an answer counts.
const TIMEOUT: u32 = 1;
/// From here on a peer is left alone.
const BLACKLISTED: u32 = 4;
/// No more than this is held against a peer: fifty minutes after the last lie at most it is heard again.
const WORST: u32 = 64;
/// After this time half of what a peer did is forgiven, and again after the next.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// Peers that something is held against. Beyond, the one with the least goes.
const ENTRIES_MAX: usize = 1024;

/// What is held against a peer. Lies and silence are apart: an answer makes up for silence, never for a lie.
#[derive(Clone, Copy, Debug)]
struct Score {
    lies: u32,
    timeouts: u32,
    /// Up to here time has been taken into account.
    since: Now,
}

impl Score {
    /// What is left of it now.
    fn at(self, now: Now) -> Self {
        let halvings = now.saturating_sub(self.since).as_secs() / HALF_LIFE.as_secs();
        let halved = |points: u32| points.checked_shr(halvings as u32).unwrap_or(0);
        Self {
            lies: halved(self.lies),
            timeouts: halved(self.timeouts),
            since: self.since + HALF_LIFE.saturating_mul(halvings as u32),
        }
    }

    fn points(self) -> u32 {
        self.lies + self.timeouts
    }
}

/// The peers that something is held against.
#[derive(Clone, Debug, Default)]
pub(super) struct Blacklist(BTreeMap<PeerId, Score>);

impl Blacklist {
    pub(super) fn lied(&mut self, peer: &PeerId, now: Now) {
        self.add(peer, LIE, 0, now);
    }

    pub(super) fn timed_out(&mut self, peer: &PeerId, now: Now) {
        self.add(peer, 0, TIMEOUT, now);
    }

    /// It answered: that makes up for one time that it did not. So who is merely slow under load is not lost.
    pub(super) fn answered(&mut self, peer: &PeerId, now: Now) {
        if let Some(score) = self.0.get_mut(peer) {
            *score = score.at(now);
            score.timeouts = score.timeouts.saturating_sub(TIMEOUT);
            if score.points() == 0 {
                self.0.remove(peer);
            }
        }
    }

    pub(super) fn holds(&self, peer: &PeerId, now: Now) -> bool {
        self.0
            .get(peer)
            .is_some_and(|score| score.at(now).points() >= BLACKLISTED)
    }

    #[cfg(test)]
    /// How many are left alone.
    pub(super) fn count(&self, now: Now) -> usize {
        let held = |score: &&Score| score.at(now).points() >= BLACKLISTED;
        self.0.values().filter(held).count()
    }

    fn add(&mut self, peer: &PeerId, lies: u32, timeouts: u32, now: Now) {
        if !self.0.contains_key(peer) && self.0.len() >= ENTRIES_MAX {
            let least = self
                .0
                .iter()
                .min_by_key(|(peer, score)| (score.at(now).points(), score.since, **peer))
                .map(|(peer, _)| *peer);
            if let Some(least) = least {
                self.0.remove(&least);
            }
        }
        let score = self.0.entry(*peer).or_insert(Score {
            lies: 0,
            timeouts: 0,
            since: now,
        });
        *score = score.at(now);
        score.lies = (score.lies + lies).min(WORST);
        score.timeouts = (score.timeouts + timeouts).min(WORST);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peer;
    use super::*;

    fn minutes(minutes: u64) -> Now {
        Now::from_secs(minutes * 60)
    }

    #[test]
    fn a_lie_is_held_against_a_peer_for_ten_minutes_and_more_lies_for_longer() {
        let (mut list, liar) = (Blacklist::default(), peer(1));
        list.lied(&liar, minutes(1));
        assert!(list.holds(&liar, minutes(10)));
        assert!(!list.holds(&liar, minutes(11)));
        list.lied(&liar, minutes(11));
        list.lied(&liar, minutes(11));
        // 2 left of the first, and 8.
        assert!(list.holds(&liar, minutes(30)) && !list.holds(&liar, minutes(31)));
        for _ in 0..1000 {
            list.lied(&liar, minutes(40));
        }
        assert!(list.holds(&liar, minutes(80)) && !list.holds(&liar, minutes(81)));
        assert_eq!(list.count(minutes(80)), 1);
    }

    #[test]
    fn answers_make_up_for_silence_but_not_for_lies() {
        let (mut list, slow) = (Blacklist::default(), peer(1));
        for _ in 0..100 {
            list.timed_out(&slow, minutes(0));
            list.answered(&slow, minutes(0));
        }
        assert_eq!(list.0.len(), 0);
        for _ in 0..3 {
            list.timed_out(&slow, minutes(0));
        }
        assert!(!list.holds(&slow, minutes(0)));
        list.timed_out(&slow, minutes(0));
        assert!(list.holds(&slow, minutes(0)));
        list.answered(&slow, minutes(0));
        assert!(!list.holds(&slow, minutes(0)));

        let liar = peer(2);
        list.lied(&liar, minutes(0));
        list.answered(&liar, minutes(0));
        assert!(list.holds(&liar, minutes(0)));
    }

    #[test]
    fn the_least_guilty_are_forgotten_first() {
        let mut list = Blacklist::default();
        list.lied(&peer(0), minutes(0));
        for i in 1..=3 * ENTRIES_MAX as u32 {
            list.timed_out(&peer(i), minutes(0));
        }
        assert_eq!(list.0.len(), ENTRIES_MAX);
        assert!(list.holds(&peer(0), minutes(1)));
    }
}
