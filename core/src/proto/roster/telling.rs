//! What others are told of: who is known, news first.
//!
//! Each newly discovered peer is told of a few times soon, which carries it through most of a network within seconds; after that
//! every sample also goes on round the circle of ids, which reaches whoever missed it.

use std::collections::VecDeque;
use std::time::Duration;

use super::table::{Class, Entry, Table, id_of};
use super::{Limits, Sighting};
use crate::identity::PeerId;
use crate::proto::Now;
use crate::rng::Rng;

/// What a sighting ages by being told, over the time it really takes: more than a message is ever on its way.
pub(crate) const TELLING: Duration = Duration::from_secs(2);
/// How often somebody is told while there is news, give or take a quarter.
pub(crate) const TELL_NEWS: Duration = Duration::from_millis(500);
/// The same at most; it grows from one to the other by an eighth each time, as some have missed the news.
pub(crate) const TELL_INTERVAL: Duration = Duration::from_secs(10);
/// A peer that asks is answered no more often than this.
pub(crate) const ANSWER_INTERVAL: Duration = Duration::from_millis(250);
/// How often everybody is told of within the time entries live, told and answered counted as one: so rarely does chance leave
/// somebody out who is alive that in networks of hundreds nobody is forgotten.
const REFRESHES: u32 = 10;
/// How many are told of a new peer as news.
const NEWS_TOLD: u8 = 4;
/// New peers that wait to be told of. Further ones are told of in their turn.
const NEWS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Telling {
    /// Whom to tell of, and how often yet.
    news: VecDeque<(PeerId, u8)>,
    /// Where the last sample ended, in the circle of ids.
    up_to: PeerId,
    next: Now,
    every: Duration,
}

impl Telling {
    pub(super) fn new(rng: &mut Rng) -> Self {
        // Each begins elsewhere, or everybody would tell of the same ones first.
        let mut start = [0; 32];
        start[..8].copy_from_slice(&rng.number().to_be_bytes());
        Self {
            news: VecDeque::new(),
            up_to: id_of(start),
            next: Now::ZERO,
            every: TELL_NEWS,
        }
    }

    /// When somebody is told next.
    pub(super) fn next(&self) -> Now {
        self.next
    }

    /// Somebody was told, by one who knows so many.
    pub(super) fn told(&mut self, known: usize, limits: &Limits, now: Now, rng: &mut Rng) {
        let calm = limits.expiry * limits.tell as u32 / (known.max(1) as u32 * REFRESHES);
        let calm = calm.clamp(TELL_NEWS, TELL_INTERVAL);
        self.every = if self.news.is_empty() {
            (self.every * 9 / 8).min(calm)
        } else {
            TELL_NEWS
        };
        self.next = now + rng.between(self.every * 3 / 4, self.every * 5 / 4);
    }

    pub(super) fn discovered(&mut self, peer: PeerId, now: Now) {
        if self.news.len() < NEWS_MAX {
            self.news.push_back((peer, NEWS_TOLD));
            self.next = self.next.min(now + TELL_NEWS);
        }
    }

    /// What to tell a peer: up to a quarter of those with a session, up to half of news, then others that did not fail.
    pub(super) fn sample(
        &mut self,
        table: &Table,
        limits: &Limits,
        receiver: &PeerId,
        now: Now,
        rng: &mut Rng,
    ) -> Vec<Sighting> {
        let most = limits.tell;
        let tellable = |peer: &PeerId, e: &Entry| {
            peer != receiver
                && e.bar.is_none()
                && !e.addresses.is_empty()
                && (e.connected() || (e.failures == 0 && e.class > Class::Weak && e.expires > now))
        };
        let mut peers: Vec<PeerId> = table
            .connected()
            .filter(|(p, e)| tellable(p, e))
            .map(|(p, _)| *p)
            .collect();
        shuffle(&mut peers, rng);
        peers.truncate(most / 4);
        for _ in 0..self.news.len().min(most / 2) {
            let Some((peer, left)) = self.news.pop_front() else {
                break;
            };
            let Some(entry) = table.find(&peer) else {
                continue;
            };
            if !tellable(&peer, entry) {
                // The newcomer itself is the receiver: others still want to know.
                if peer == *receiver {
                    self.news.push_back((peer, left));
                }
                continue;
            }
            if !peers.contains(&peer) {
                peers.push(peer);
            }
            if left > 1 {
                self.news.push_back((peer, left - 1));
            }
        }
        // No walk over the whole table, also when few can be told of.
        let circle = table.iter_from(self.up_to).take(most.saturating_mul(8));
        for (peer, entry) in circle {
            if peers.len() >= most {
                break;
            }
            self.up_to = *peer;
            if tellable(peer, entry) && !peers.contains(peer) {
                peers.push(*peer);
            }
        }
        peers
            .iter()
            .filter_map(|peer| Some(sighting(peer, table.find(peer)?, limits.expiry, now)))
            .collect()
    }
}

pub(super) fn sighting(peer: &PeerId, entry: &Entry, expiry: Duration, now: Now) -> Sighting {
    let left = if entry.connected() {
        expiry
    } else {
        entry.expires.saturating_sub(now)
    };
    Sighting {
        peer: *peer,
        addresses: entry.addresses.clone(),
        age: expiry.saturating_sub(left) + TELLING,
    }
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u64 + 1) as usize);
    }
}
