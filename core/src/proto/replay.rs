//! Who said what already: a sliding window over sequence numbers, and a bounded table of windows for broadcasts.
//!
//! Nothing here looks at signatures: only what was verified may be put in, else a forgery would silence the original.
//!
//! The table of [`Sources`] never forgets in a way that lets a packet in twice. When it is full, the source that has been
//! silent longest goes, and its last time stamp becomes a floor: from a source that is not in the table, nothing at or
//! before the floor is taken, so what was accepted once stays refused. Sources we have met have a table of their own,
//! so that a crowd of strangers cannot push them out.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::PeerId;

/// What became of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not seen before; it is now.
    Fresh,
    /// Seen before.
    Replay,
    /// Too far back to tell, which counts as seen. Number 0 is never used and always too old.
    TooOld,
}

/// Remembers which of the last `64 * (WORDS - 1)` numbers were seen.
///
/// One word more than the window is long is kept, so that moving on clears whole words only: constant work for any jump.
#[derive(Clone, Debug)]
pub(crate) struct Window<const WORDS: usize> {
    highest: u64,
    bits: [u64; WORDS],
}

/// The window of one life of a source of broadcasts: 2048 numbers, which the mesh may deliver in any order.
type CastWindow = Window<33>;

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        const { assert!(WORDS >= 2) };
        Self {
            highest: 0,
            bits: [0; WORDS],
        }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    /// Numbers before the highest one that can still be told apart.
    pub(crate) const SIZE: u64 = 64 * (WORDS as u64 - 1);

    fn slot(sequence: u64) -> (usize, u64) {
        let word = (sequence / 64) % WORDS as u64;
        (word as usize, 1 << (sequence % 64))
    }

    /// What [`check_and_set`](Self::check_and_set) would say.
    pub(crate) fn check(&self, sequence: u64) -> Seen {
        let (word, bit) = Self::slot(sequence);
        if sequence > self.highest {
            Seen::Fresh
        } else if sequence == 0 || self.highest - sequence >= Self::SIZE {
            Seen::TooOld
        } else if self.bits[word] & bit != 0 {
            Seen::Replay
        } else {
            Seen::Fresh
        }
    }

    /// Whether `sequence` is new, and remembers it.
    pub(crate) fn check_and_set(&mut self, sequence: u64) -> Seen {
        let seen = self.check(sequence);
        if seen == Seen::Fresh {
            let (from, to) = (self.highest / 64, sequence / 64);
            for word in (from + 1..=to).rev().take(WORDS) {
                self.bits[(word % WORDS as u64) as usize] = 0;
            }
            self.highest = self.highest.max(sequence);
            let (word, bit) = Self::slot(sequence);
            self.bits[word] |= bit;
        }
        seen
    }
}

/// Sources of broadcasts remembered, of each kind: those met, and strangers. About 3 MiB for both when full.
pub(crate) const SOURCES_MAX: usize = 4096;

/// One source: its present life and the one before, from which packets may still be on their way.
#[derive(Debug)]
struct Source {
    epoch: u64,
    window: Box<CastWindow>,
    before: Option<(u64, Box<CastWindow>)>,
    /// Time stamp of its latest packet.
    latest: i64,
    /// Its packets at or before this time may have been seen in an earlier entry.
    floor: i64,
}

impl Source {
    fn new(floor: i64) -> Self {
        Self {
            epoch: 0,
            window: Box::default(),
            before: None,
            latest: i64::MIN,
            floor,
        }
    }

    fn check(&self, epoch: u64, sequence: u64, timestamp: i64) -> Seen {
        if timestamp <= self.floor {
            return Seen::TooOld;
        }
        if epoch > self.epoch {
            return if sequence == 0 {
                Seen::TooOld
            } else {
                Seen::Fresh
            };
        }
        if epoch == self.epoch {
            return self.window.check(sequence);
        }
        match &self.before {
            Some((before, window)) if *before == epoch => window.check(sequence),
            _ => Seen::TooOld,
        }
    }

    fn set(&mut self, epoch: u64, sequence: u64, timestamp: i64) {
        self.latest = self.latest.max(timestamp);
        if epoch > self.epoch {
            let past = std::mem::take(&mut self.window);
            self.before = Some((std::mem::replace(&mut self.epoch, epoch), past));
        }
        let window = match &mut self.before {
            Some((before, window)) if *before == epoch => window,
            _ => &mut self.window,
        };
        window.check_and_set(sequence);
    }
}

/// A bounded table, ordered by age as well.
#[derive(Debug)]
struct Table {
    limit: usize,
    sources: BTreeMap<PeerId, Source>,
    by_age: BTreeSet<(i64, PeerId)>,
}

impl Table {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            sources: BTreeMap::new(),
            by_age: BTreeSet::new(),
        }
    }

    fn take(&mut self, id: &PeerId) -> Option<Source> {
        let source = self.sources.remove(id)?;
        self.by_age.remove(&(source.latest, *id));
        Some(source)
    }

    fn put(&mut self, id: PeerId, source: Source) {
        self.by_age.insert((source.latest, id));
        self.sources.insert(id, source);
    }

    /// Makes room for one; what was forgotten for it, as a time stamp.
    fn make_room(&mut self) -> Option<i64> {
        if self.sources.len() < self.limit {
            return None;
        }
        let (latest, id) = self.by_age.pop_first()?;
        self.sources.remove(&id);
        Some(latest)
    }

    fn set(&mut self, id: PeerId, epoch: u64, sequence: u64, timestamp: i64) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        let before = source.latest;
        source.set(epoch, sequence, timestamp);
        if source.latest != before {
            self.by_age.remove(&(before, id));
            self.by_age.insert((source.latest, id));
        }
    }
}

/// The windows of everybody who broadcasts.
#[derive(Debug)]
pub(crate) struct Sources {
    met: Table,
    strangers: Table,
    /// Latest time stamp of all that was forgotten.
    floor: i64,
}

impl Sources {
    /// A table of at most `limit` sources met and as many strangers; at least one of each.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            met: Table::new(limit.max(1)),
            strangers: Table::new(limit.max(1)),
            floor: i64::MIN,
        }
    }

    /// Counts `id` among those met from now on: call it when a session with it is authenticated.
    pub(crate) fn meet(&mut self, id: PeerId) {
        if self.met.sources.contains_key(&id) {
            return;
        }
        let source = self
            .strangers
            .take(&id)
            .unwrap_or_else(|| Source::new(self.floor));
        if let Some(forgotten) = self.met.make_room() {
            self.floor = self.floor.max(forgotten);
        }
        self.met.put(id, source);
    }

    /// What [`check_and_set`](Self::check_and_set) would say. `timestamp` is the packet's, in ms.
    pub(crate) fn check(&self, id: &PeerId, epoch: u64, sequence: u64, timestamp: i64) -> Seen {
        match self
            .met
            .sources
            .get(id)
            .or_else(|| self.strangers.sources.get(id))
        {
            Some(source) => source.check(epoch, sequence, timestamp),
            None => Source::new(self.floor).check(epoch, sequence, timestamp),
        }
    }

    /// Whether a verified packet is new, and remembers it.
    pub(crate) fn check_and_set(
        &mut self,
        id: PeerId,
        epoch: u64,
        sequence: u64,
        timestamp: i64,
    ) -> Seen {
        let seen = self.check(&id, epoch, sequence, timestamp);
        if seen != Seen::Fresh {
            return seen;
        }
        if self.met.sources.contains_key(&id) {
            self.met.set(id, epoch, sequence, timestamp);
            return seen;
        }
        if !self.strangers.sources.contains_key(&id) {
            let floor = self.floor;
            if let Some(forgotten) = self.strangers.make_room() {
                self.floor = self.floor.max(forgotten);
            }
            self.strangers.put(id, Source::new(floor));
        }
        self.strangers.set(id, epoch, sequence, timestamp);
        seen
    }

    /// How many sources are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.met.sources.len() + self.strangers.sources.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> PeerId {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&[0x12, 0x20]);
        bytes[30..].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn a_window_says_what_a_set_of_all_numbers_says(
            base in prop_oneof![Just(0u64), Just(u64::MAX - 1000), any::<u64>()],
            steps in prop::collection::vec(prop_oneof![0u64..100, 0u64..1000, Just(64), Just(u64::MAX)], 0..200),
        ) {
            let mut window = Window::<5>::default();
            let (mut all, mut highest) = (HashSet::new(), 0);
            for step in steps {
                let sequence = base.wrapping_add(step);
                let want = if sequence == 0 || (sequence <= highest && highest - sequence >= 256) {
                    Seen::TooOld
                } else if all.insert(sequence) {
                    highest = highest.max(sequence);
                    Seen::Fresh
                } else {
                    Seen::Replay
                };
                prop_assert_eq!(window.check(sequence), want);
                prop_assert_eq!(window.check_and_set(sequence), want);
            }
        }

        #[test]
        fn whatever_the_table_forgets_nothing_is_taken_twice(
            steps in prop::collection::vec((0u32..6, 1u64..4, 1u64..5, any::<bool>()), 0..200),
        ) {
            let mut sources = Sources::new(2);
            let mut taken = HashSet::new();
            for (source, epoch, sequence, meet) in steps {
                if meet {
                    sources.meet(id(source));
                }
                // A packet has one time stamp, whenever it comes.
                let timestamp = (epoch * 100 + sequence * 7) as i64 + i64::from(source) * 3 % 11;
                if sources.check_and_set(id(source), epoch, sequence, timestamp) == Seen::Fresh {
                    prop_assert!(taken.insert((source, epoch, sequence)));
                }
                prop_assert!(sources.len() <= 4);
                for table in [&sources.met, &sources.strangers] {
                    prop_assert_eq!(table.sources.len(), table.by_age.len());
                }
            }
        }
    }

    #[test]
    fn windows_do_not_mind_extremes() {
        let mut window = Window::<65>::default();
        assert_eq!(Window::<65>::SIZE, 4096);
        assert_eq!(window.check_and_set(0), Seen::TooOld);
        assert_eq!(window.check_and_set(u64::MAX), Seen::Fresh);
        assert_eq!(window.check_and_set(u64::MAX), Seen::Replay);
        assert_eq!(window.check_and_set(u64::MAX - 4095), Seen::Fresh);
        assert_eq!(window.check_and_set(u64::MAX - 4096), Seen::TooOld);
        assert_eq!(window.check_and_set(1), Seen::TooOld);
    }

    #[test]
    fn a_source_has_two_lives_at_a_time() {
        let mut sources = Sources::new(4);
        let mut seen = |epoch, sequence| sources.check_and_set(id(1), epoch, sequence, 10);
        assert_eq!(seen(5, 1), Seen::Fresh);
        assert_eq!(seen(6, 1), Seen::Fresh);
        assert_eq!(seen(5, 1), Seen::Replay);
        assert_eq!(seen(5, 2), Seen::Fresh);
        assert_eq!(seen(4, 1), Seen::TooOld);
        assert_eq!(seen(u64::MAX, 1), Seen::Fresh);
        assert_eq!(seen(6, 1), Seen::Replay);
        assert_eq!(seen(5, 3), Seen::TooOld);
    }

    #[test]
    fn a_million_strangers_keep_their_room_and_push_out_nobody_met() {
        let mut sources = Sources::new(100);
        let friend = id(u32::MAX);
        sources.meet(friend);
        assert_eq!(sources.check_and_set(friend, 1, 1, 5), Seen::Fresh);
        for number in 0..1_000_000 {
            let timestamp = 1000 + i64::from(number);
            assert_eq!(
                sources.check_and_set(id(number), 1, 1, timestamp),
                Seen::Fresh
            );
        }
        assert_eq!(sources.len(), 101);
        assert_eq!(sources.check_and_set(friend, 1, 1, 5), Seen::Replay);
        assert_eq!(sources.check_and_set(friend, 1, 2, 6), Seen::Fresh);
        // Those forgotten cannot be replayed, those remembered neither, and what is new still comes in.
        assert_eq!(sources.check_and_set(id(3), 1, 1, 1003), Seen::TooOld);
        assert_eq!(
            sources.check_and_set(id(999_999), 1, 1, 1_000_999),
            Seen::Replay
        );
        assert_eq!(sources.check_and_set(id(3), 1, 2, 1_001_000), Seen::Fresh);
    }

    #[test]
    fn who_is_met_later_brings_along_what_was_seen() {
        let mut sources = Sources::new(1);
        assert_eq!(sources.check_and_set(id(1), 1, 1, 10), Seen::Fresh);
        sources.meet(id(1));
        assert_eq!(sources.check_and_set(id(1), 1, 1, 10), Seen::Replay);
        // Forgotten as one met, it is not news as a stranger.
        sources.meet(id(2));
        assert_eq!(sources.check_and_set(id(1), 1, 1, 10), Seen::TooOld);
        assert_eq!(sources.check_and_set(id(1), 1, 2, 11), Seen::Fresh);
    }
}
