//! One range of the table: those in use, and the spare list behind them.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Contact, GROUP_IN_BUCKET, Group, SPARE};
use crate::identity::PeerId;
use crate::proto::Now;

/// Times in a row that a node does not answer until another takes its place.
const FAILING: u32 = 2;

/// What is known of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) contact: Contact,
    /// It was heard itself; of others one has only been told.
    pub(super) proved: bool,
    /// When it was heard last, or first heard of.
    pub(super) seen: Now,
    pub(super) failures: u32,
}

/// Whom to rather have, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Failing,
    Met,
    Proved,
}

impl Entry {
    pub(super) fn new(contact: Contact, proved: bool, now: Now) -> Self {
        Self {
            contact,
            proved,
            seen: now,
            failures: 0,
        }
    }

    pub(super) fn rank(&self) -> Rank {
        if self.failures >= FAILING {
            Rank::Failing
        } else if self.proved {
            Rank::Proved
        } else {
            Rank::Met
        }
    }

    pub(super) fn give_up(&mut self) {
        self.failures = self.failures.max(FAILING);
    }

    pub(super) fn since(&self, now: Now) -> Duration {
        now.saturating_sub(self.seen)
    }

    /// Whether it takes up one of its group's places. Who fails takes none: it is neither told of nor asked.
    pub(super) fn counts_for(&self, group: Group) -> bool {
        group.is_some() && self.contact.group == group && self.rank() > Rank::Failing
    }
}

/// Nodes that have the same number of bits in common with us.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// In use, by age: a newcomer displaces nobody who answers, as who has been there for long will be for longer.
    pub(super) used: Vec<Entry>,
    /// Who had no room, the best first.
    pub(super) spare: Vec<Entry>,
}

impl Bucket {
    pub(super) fn used_at(&self, peer: &PeerId) -> Option<usize> {
        self.used
            .iter()
            .position(|entry| entry.contact.peer == *peer)
    }

    pub(super) fn spare_at(&self, peer: &PeerId) -> Option<usize> {
        self.spare
            .iter()
            .position(|entry| entry.contact.peer == *peer)
    }

    /// Those of a group that are in use.
    pub(super) fn of_group(&self, group: Group) -> usize {
        let of_group = |entry: &&Entry| entry.counts_for(group);
        self.used.iter().filter(of_group).count()
    }

    /// The last of those with the lowest rank, if that is under `rank`.
    pub(super) fn worst_under(&self, rank: Rank, which: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.used
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.rank() < rank && which(entry))
            .min_by_key(|(at, entry)| (entry.rank(), usize::MAX - at))
            .map(|(at, _)| at)
    }

    /// Puts somebody into the spare list, which keeps the best.
    pub(super) fn shelve(&mut self, entry: Entry) {
        self.spare.push(entry);
        self.sort_spare();
    }

    pub(super) fn sort_spare(&mut self) {
        self.spare
            .sort_by_key(|entry| Reverse((entry.rank(), entry.seen)));
        // A group has as few places here as in use, or it would hold all of them and the next that becomes free.
        let mut kept: Vec<Entry> = Vec::with_capacity(SPARE);
        self.spare.retain(|entry| {
            let group = entry.contact.group;
            let same = |other: &&Entry| group.is_some() && other.contact.group == group;
            let fits = kept.len() < SPARE && kept.iter().filter(same).count() < GROUP_IN_BUCKET;
            if fits {
                kept.push(*entry);
            }
            fits
        });
    }
}
