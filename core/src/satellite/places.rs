//! Places for what is done for others at the same time: so many in all, and fewer for each, so that one peer alone does not take them from
//! everybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::PeerId;

#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<PeerId, usize>,
}

/// Free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Places>,
    peer: PeerId,
}

impl Places {
    pub(crate) fn new(most: usize, each: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { most, each, taken })
    }

    /// A place, if there is one for this peer.
    pub(crate) fn take(self: &Arc<Self>, peer: PeerId) -> Option<Place> {
        let mut taken = self.taken();
        if taken.all >= self.most || taken.by.get(&peer).is_some_and(|own| *own >= self.each) {
            return None;
        }
        taken.all += 1;
        *taken.by.entry(peer).or_default() += 1;
        let of = Arc::clone(self);
        Some(Place { of, peer })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.peer) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(fill: u8) -> PeerId {
        PeerId::from_bytes(&[&[0x12, 0x20][..], &[fill; 32]].concat()).unwrap()
    }

    #[test]
    fn one_peer_does_not_take_all_places_and_nothing_is_remembered_of_who_left() {
        let places = Places::new(3, 2);
        let own = [places.take(peer(1)), places.take(peer(1))];
        assert!(own.iter().all(Option::is_some));
        assert!(places.take(peer(1)).is_none());
        let other = places.take(peer(2));
        assert!(other.is_some());
        assert!(places.take(peer(3)).is_none());
        drop(own);
        assert!(places.take(peer(3)).is_some());
        drop(other);
        let taken = places.taken();
        assert_eq!((taken.all, taken.by.len()), (0, 0));
    }
}
