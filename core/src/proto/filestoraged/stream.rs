//! Files that come one after another, as the documented form has them: how far they are, and which messages were answered.
//!
//! The bytes lie in a log in the order in which they came; this knows where in it each file begins.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

/// Messages that are known again.
pub(crate) const SAID_MAX: usize = 4096;

/// What stands for a `message-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageId(pub(crate) [u8; 16]);

impl MessageId {
    pub(crate) fn of(text: &str) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        Self(id)
    }
}

/// A file of which all has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Which one, in the order of the announcement.
    pub(crate) index: usize,
    /// Its bytes among those of all files.
    pub(crate) range: Range<u64>,
    /// Where in the log the first of them is, or is behind.
    pub(crate) from: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    ranges: Vec<Range<u64>>,
    /// Where the record with each file's first byte is, as far as they have come.
    starts: Vec<u64>,
    received: u64,
    settled: usize,
    said: VecDeque<MessageId>,
    known: HashSet<MessageId>,
}

impl Stream {
    /// Of files of these sizes. Nothing: they are more bytes than can be counted.
    pub(crate) fn new(sizes: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut ranges = Vec::new();
        let mut start = 0_u64;
        for size in sizes {
            let end = start.checked_add(size)?;
            ranges.push(start..end);
            start = end;
        }
        Some(Self {
            starts: vec![0; ranges.len()],
            ranges,
            received: 0,
            settled: 0,
            said: VecDeque::new(),
            known: HashSet::new(),
        })
    }

    pub(crate) fn total(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// How much is there of each file.
    pub(crate) fn files(&self) -> Vec<u64> {
        let there = |range: &Range<u64>| {
            let end = range.end.min(self.received);
            end.saturating_sub(range.start)
        };
        self.ranges.iter().map(there).collect()
    }

    /// Whether a message was answered well.
    pub(crate) fn heard(&self, id: &MessageId) -> bool {
        self.known.contains(id)
    }

    /// The last of those messages.
    pub(crate) fn last(&self, most: usize) -> impl Iterator<Item = &MessageId> {
        self.said.iter().skip(self.said.len().saturating_sub(most))
    }

    /// So many bytes came with a message and are on the disk, in the log at `at`.
    pub(crate) fn came(&mut self, id: MessageId, bytes: u64, at: u64) {
        let before = self.received;
        self.received = before.saturating_add(bytes).min(self.total());
        for (range, start) in self.ranges.iter().zip(&mut self.starts) {
            if (before..self.received).contains(&range.start) {
                *start = at;
            }
        }
        self.answered(id);
    }

    /// A message was answered well.
    pub(crate) fn answered(&mut self, id: MessageId) {
        if !self.known.insert(id) {
            return;
        }
        self.said.push_back(id);
        if self.said.len() > SAID_MAX
            && let Some(oldest) = self.said.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The next file that is there whole and was not taken from here yet.
    pub(crate) fn due(&self) -> Option<Due> {
        let range = self.ranges.get(self.settled)?;
        (range.end <= self.received).then(|| Due {
            index: self.settled,
            range: range.clone(),
            from: self.starts[self.settled],
        })
    }

    /// It was taken.
    pub(crate) fn settle(&mut self) {
        self.settled = (self.settled + 1).min(self.ranges.len());
    }

    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// All have come and were taken.
    pub(crate) fn is_done(&self) -> bool {
        self.settled == self.ranges.len()
    }

    /// They were, in an earlier run.
    pub(crate) fn finish(&mut self) {
        (self.received, self.settled) = (self.total(), self.ranges.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId::of(&number.to_string())
    }

    #[test]
    fn files_are_due_in_their_order_and_know_where_they_begin() {
        let mut stream = Stream::new([0, 5, 3, 0]).unwrap();
        let due = |stream: &Stream| stream.due().map(|due| (due.index, due.range, due.from));
        assert_eq!(due(&stream), Some((0, 0..0, 0)));
        stream.settle();
        assert_eq!(due(&stream), None);
        stream.came(id(1), 4, 100);
        assert_eq!((due(&stream), stream.files()), (None, vec![0, 4, 0, 0]));
        stream.came(id(2), 3, 200);
        assert_eq!(due(&stream), Some((1, 0..5, 100)));
        stream.settle();
        assert_eq!(due(&stream), None);
        stream.came(id(3), 1, 300);
        // Its first bytes came with the end of the one before.
        assert_eq!(due(&stream), Some((2, 5..8, 200)));
        stream.settle();
        assert_eq!(due(&stream).map(|due| due.0), Some(3));
        stream.settle();
        assert!(stream.is_done() && stream.due().is_none());
        assert_eq!((stream.received(), stream.total()), (8, 8));
        assert!(stream.heard(&id(1)) && !stream.heard(&id(4)));
        assert!(Stream::new([u64::MAX, 1]).is_none());
    }

    #[test]
    fn so_many_messages_are_known_again() {
        let mut stream = Stream::new([u64::MAX]).unwrap();
        for number in 0..=SAID_MAX as u64 {
            stream.came(id(number), 1, number);
            stream.answered(id(number));
        }
        assert!(!stream.heard(&id(0)) && stream.heard(&id(1)));
        assert_eq!(stream.known.len(), SAID_MAX);
        let last: Vec<_> = stream.last(2).copied().collect();
        assert_eq!(last, [id(SAID_MAX as u64 - 1), id(SAID_MAX as u64)]);
    }

    proptest! {
        #[test]
        fn what_is_there_is_what_came(sizes in proptest::collection::vec(0_u64..50, 1..6), pieces in proptest::collection::vec(1_u64..40, 0..20)) {
            let mut stream = Stream::new(sizes.iter().copied()).unwrap();
            let total: u64 = sizes.iter().sum();
            let mut came = 0;
            // Files of no bytes are there before anything comes.
            for (number, piece) in (0..).zip([0].into_iter().chain(pieces)) {
                let piece = piece.min(total - came);
                stream.came(id(number), piece, came);
                came += piece;
                prop_assert_eq!(stream.received(), came);
                prop_assert_eq!(stream.files().iter().sum::<u64>(), came);
                while let Some(due) = stream.due() {
                    prop_assert!(due.range.end <= came);
                    // Records are as long as what is in them here: nothing of the file is before that one.
                    prop_assert!(due.from <= due.range.start);
                    stream.settle();
                }
            }
            prop_assert_eq!(stream.is_done(), came == total);
        }
    }
}
