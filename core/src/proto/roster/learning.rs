//! What is heard of a peer: whether it is news, and how long it holds.

use std::time::Duration;

use super::backoff::BACKOFF_MIN;
use super::table::{Bar, Class, Entry};
use super::{Action, Address, Roster, Source, usable};
use crate::identity::PeerId;
use crate::proto::Now;

impl Roster {
    pub(super) fn learned(
        &mut self,
        peer: PeerId,
        addresses: &[Address],
        source: Source,
        age: Duration,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if peer == self.local {
            return;
        }
        let expiry = self.limits.expiry;
        let (class, age) = match source {
            Source::Bootstrap | Source::Mdns | Source::Identify => (Class::Seen, Duration::ZERO),
            Source::Exchange => (Class::Heard, age),
            // A provider record outlives its peer by a day.
            Source::Provider => (Class::Heard, age.max(expiry / 2)),
            Source::Remembered => (Class::Weak, expiry / 2),
        };
        if age >= expiry {
            self.stats.outdated += 1;
            return;
        }
        let expires = now + (expiry - age);
        let wait = self.rng.between(Duration::ZERO, BACKOFF_MIN);
        let left = self.table.find(&peer).filter(|e| e.bar == Some(Bar::Left));
        if let Some(left_at) = left.map(|e| e.failed_at) {
            // Records and memories tell of its time before.
            let later = class == Class::Seen
                || (source == Source::Exchange && now.saturating_sub(age) > left_at);
            if !later {
                self.stats.outdated += 1;
                return;
            }
            self.table.update(&peer, |e| {
                (e.bar, e.failures, e.next_dial) = (None, 0, now + wait);
            });
            self.telling.discovered(peer, now);
            out.push(Action::Discovered { peer });
        }
        if self.table.find(&peer).is_none() {
            if !addresses.iter().any(usable) || !self.make_room(class, out) {
                self.stats.unheard += 1;
                return;
            }
            self.table
                .insert(peer, Entry::new(class, expires, now + wait));
            out.push(Action::Discovered { peer });
        }
        let mut news = false;
        let dropped = self.table.update(&peer, |e| {
            let untold = e.addresses.is_empty();
            e.kept |= source == Source::Bootstrap;
            e.class = e.class.max(class);
            let first_hand = class == Class::Seen;
            // What others saw before this satellite failed to reach the peer is no news.
            if first_hand
                || e.failures == 0
                || (source == Source::Exchange && now.saturating_sub(age) > e.failed_at)
            {
                e.expires = e.expires.max(expires);
            }
            if first_hand && e.failures > 0 && e.bar.is_none() && !e.connected() {
                (e.failures, e.unreachable, e.next_dial) = (0, false, now + wait);
            }
            let dropped = addresses
                .iter()
                .filter(|address| !e.add_address(address, first_hand))
                .count();
            news = untold && !e.addresses.is_empty();
            dropped
        });
        if news {
            // From here on others can be told of it.
            self.telling.discovered(peer, now);
        }
        self.stats.addresses_dropped += dropped.unwrap_or(0) as u64;
    }
}
