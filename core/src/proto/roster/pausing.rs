//! Standing still while the application is in the background, and beginning anew after that or in another network.

use std::time::Duration;

use super::backoff::BACKOFF_MIN;
use super::table::{Bar, Link};
use super::{Roster, Target};
use crate::identity::PeerId;
use crate::proto::Now;

/// Whoever was known at a pause is kept for so long after it, however long it was: time enough to be dialled. Not for as long as an entry
/// lives, or satellites that pause again and again would keep somebody alive whom nobody saw.
pub(crate) const REVIVED: Duration = Duration::from_secs(120);

impl Roster {
    /// What is dialled is given up: its result, whenever it comes, is no news.
    pub(super) fn pause(&mut self) {
        self.paused = true;
        for target in std::mem::take(&mut self.in_flight).into_keys() {
            match target {
                Target::Peer(peer) => {
                    self.table.update(&peer, |e| {
                        if e.link == Link::Dialling {
                            e.link = Link::Idle;
                        }
                    });
                }
                Target::Address(address) => self.bootstraps.give_up(&address),
            }
        }
    }

    /// Nobody is forgotten for what nobody could see.
    pub(super) fn resume(&mut self, now: Now) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        for peer in self.everybody() {
            self.table.update(&peer, |e| {
                if e.bar != Some(Bar::Left) {
                    e.expires = e.expires.max(now + REVIVED);
                }
            });
        }
        self.begin_anew(now);
    }

    /// Failures are forgotten and everybody is due: first those whose session was lost and those the user wants.
    pub(super) fn begin_anew(&mut self, now: Now) {
        for peer in self.everybody() {
            let wait = self.rng.between(Duration::ZERO, BACKOFF_MIN);
            self.table.update(&peer, |e| {
                if e.bar.is_none() && !e.connected() {
                    let wanted = e.lost || e.pinned;
                    (e.failures, e.unreachable) = (0, false);
                    e.next_dial = if wanted { now } else { now + wait };
                }
            });
        }
        self.bootstraps.begin_anew(now);
        (self.fill_at, self.probe_at) = (now, now);
    }

    fn everybody(&self) -> Vec<PeerId> {
        self.table.iter().map(|(peer, _)| *peer).collect()
    }
}
