//! Which bytes of a file there are: ranges that neither touch nor overlap, in order.

use std::ops::Range;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// From this range on; an empty one is none.
    pub(crate) fn of(range: Range<u64>) -> Self {
        let mut ranges = Self::default();
        ranges.insert(range);
        ranges
    }

    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // All that touch it become one with it.
        let first = self.0.partition_point(|have| have.end < range.start);
        let last = self.0.partition_point(|have| have.start <= range.end);
        let mut joined = range;
        if let Some(have) = self.0.get(first..last).and_then(<[_]>::first) {
            joined.start = joined.start.min(have.start);
        }
        if let Some(have) = self.0.get(first..last).and_then(<[_]>::last) {
            joined.end = joined.end.max(have.end);
        }
        self.0.splice(first..last, [joined]);
    }

    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|have| have.end <= range.start);
        let last = self.0.partition_point(|have| have.start < range.end);
        if first >= last {
            return;
        }
        let before = self.0[first].start..range.start;
        let after = range.end..self.0[last - 1].end;
        let kept = [before, after].into_iter().filter(|kept| !kept.is_empty());
        self.0.splice(first..last, kept);
    }

    /// Whether all of it is there.
    pub(crate) fn has(&self, range: &Range<u64>) -> bool {
        let at = self.0.partition_point(|have| have.end < range.end);
        range.is_empty() || self.0.get(at).is_some_and(|have| have.start <= range.start)
    }

    /// What of this range is there.
    pub(crate) fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.0.partition_point(|have| have.end <= range.start);
        self.0[first..]
            .iter()
            .take_while({
                let end = range.end;
                move |have| have.start < end
            })
            .map(move |have| have.start.max(range.start)..have.end.min(range.end))
    }

    /// What of this range is not there.
    pub(crate) fn missing(&self, range: Range<u64>) -> Self {
        let mut missing = Self::of(range.clone());
        for have in self.within(range) {
            missing.remove(have);
        }
        missing
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|have| have.end - have.start).sum()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.0.first().cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_a_row_of_bits_holds(
            steps in proptest::collection::vec((any::<bool>(), 0..60_u64, 0..12_u64), 0..60),
        ) {
            let mut bits = [false; 80];
            let mut ranges = Ranges::default();
            for (insert, start, length) in steps {
                let range = start..start + length;
                for bit in range.clone() {
                    bits[bit as usize] = insert;
                }
                if insert {
                    ranges.insert(range.clone());
                    prop_assert!(ranges.has(&range));
                } else {
                    ranges.remove(range);
                }
                let held: Vec<u64> = ranges.iter().flatten().collect();
                let expected: Vec<u64> = (0..80).filter(|bit| bits[*bit as usize]).collect();
                prop_assert_eq!(held, expected);
                prop_assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert_eq!(ranges.total(), bits.iter().filter(|bit| **bit).count() as u64);
                for (start, end) in [(0, 80), (7, 30), (start, start + length), (10, 11)] {
                    let missing: Vec<u64> = ranges.missing(start..end).iter().flatten().collect();
                    let expected: Vec<u64> = (start..end).filter(|bit| !bits[*bit as usize]).collect();
                    prop_assert_eq!(&missing, &expected);
                    prop_assert_eq!(ranges.has(&(start..end)), missing.is_empty());
                }
            }
        }
    }
}
