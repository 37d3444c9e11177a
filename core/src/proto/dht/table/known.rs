//! Looking one peer up.

use super::bucket::{Entry, Rank};
use super::{Contact, Key, PeerId, Standing, Table};

impl Table {
    /// A peer, as it is in use or spare.
    pub(crate) fn contact(&self, peer: &PeerId) -> Option<Contact> {
        self.entry(peer).map(|entry| entry.contact)
    }

    /// Whether it was heard itself, and answers.
    pub(crate) fn is_proved(&self, peer: &PeerId) -> bool {
        self.entry(peer)
            .is_some_and(|entry| entry.rank() == Rank::Proved)
    }

    fn entry(&self, peer: &PeerId) -> Option<&Entry> {
        let bucket = self.buckets.get(&self.range(&Key::of_peer(peer))?)?;
        let mut all = bucket.used.iter().chain(&bucket.spare);
        all.find(|entry| entry.contact.peer == *peer)
    }
}

impl Standing {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Met => "met",
            Self::Failing => "failing",
            Self::Spare => "spare",
        }
    }
}
