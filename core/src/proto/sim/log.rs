//! What talkers said and heard, written down by all of them, and what must hold of it in the end.

use std::collections::{BTreeMap, BTreeSet};

/// A direction of a connection: its number, and the place of who sends.
pub(super) type Way = (u64, usize);

/// How a request ended at the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Replied,
    Failed,
    Cancelled,
    Disconnected,
}

#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) endings: Vec<Ending>,
    /// The numbers of the replies, as they came.
    pub(super) replies: Vec<u64>,
    /// The asker's life ended first.
    pub(super) orphaned: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) sent: BTreeMap<Way, Vec<u64>>,
    pub(super) heard: BTreeMap<Way, Vec<u64>>,
    /// Packets written, taken in by the other end, and confirmed by it.
    pub(super) packets: BTreeMap<Way, [u64; 3]>,
    /// By the way the question went, and its id there.
    pub(super) asked: BTreeMap<(Way, u64), Asked>,
    /// Rules that somebody broke, as the other end saw it.
    pub(super) violations: Vec<String>,
}

impl Log {
    pub(super) fn ended(&mut self, way: Way, id: u64, ending: Ending) {
        let asked = self.asked.get_mut(&(way, id)).expect("it was asked");
        asked.endings.push(ending);
    }

    /// The life of a place ended with all it had asked.
    pub(super) fn orphan(&mut self, place: usize) {
        for ((way, _), asked) in &mut self.asked {
            asked.orphaned |= way.1 == place;
        }
    }

    pub(super) fn endings(&self, ending: Ending) -> usize {
        let these = |asked: &&Asked| asked.endings == [ending];
        self.asked.values().filter(these).count()
    }

    pub(super) fn messages_heard(&self) -> usize {
        self.heard.values().map(Vec::len).sum()
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        assert_eq!(self.violations, Vec::<String>::new(), "all are honest");
        let mut once = BTreeSet::new();
        for (way, heard) in &self.heard {
            let sent = &self.sent[way];
            assert!(
                sent.starts_with(heard),
                "on {way:?} was sent {sent:?} and heard {heard:?}"
            );
            // Numbers are never used twice, so this is over all sessions.
            assert!(heard.iter().all(|number| once.insert(*number)));
        }
        for (way, [written, taken, confirmed]) in &self.packets {
            assert!(
                confirmed <= taken && taken <= written,
                "on {way:?}: {written} written, {taken} taken, {confirmed} confirmed"
            );
        }
        for ((way, id), asked) in &self.asked {
            assert!(
                asked.endings.len() <= 1,
                "request {id} on {way:?} ended with {:?}",
                asked.endings
            );
            assert!(
                asked
                    .replies
                    .iter()
                    .copied()
                    .eq(0..asked.replies.len() as u64)
            );
        }
    }

    /// What holds besides when nothing is under way any more.
    pub(super) fn check_quiet(&self) {
        self.check();
        for ((way, id), asked) in &self.asked {
            assert!(
                asked.orphaned || asked.endings.len() == 1,
                "request {id} on {way:?} never ended"
            );
        }
    }
}
