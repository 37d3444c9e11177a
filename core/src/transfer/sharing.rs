//! What this satellite shares, and with whom it does not deal.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use super::serve;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::packet::PacketType;
use crate::proto::transfer::message::NAMESPACE;
use crate::proto::transfer::root::Root;
use crate::satellite::part::{Base, Part};
use crate::satellite::{Events, Satellite};
use crate::store::shared_file::SharedFile;

/// How long who sent wrong bytes is not asked again.
const BAD_FOR: Duration = Duration::from_secs(600);
/// So many of them are remembered.
const BAD_MAX: usize = 1024;

/// See the module.
pub(crate) struct Sharing {
    pub(super) base: Base,
    pub(super) local: PeerId,
    /// Largest piece that may come.
    pub(super) piece_max: u64,
    shared: RwLock<HashMap<Root, Arc<SharedFile>>>,
    /// Who sent wrong bytes, and until when that counts.
    bad: Mutex<HashMap<PeerId, Instant>>,
    /// What others ask, from the first session on; taken when the network begins.
    asked: Mutex<Option<Events>>,
    this: Weak<Self>,
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sharing")
    }
}

impl Part for Sharing {
    fn begin(&self) {
        let (Some(this), Some(asked)) = (self.this.upgrade(), self.take_asked()) else {
            return;
        };
        self.base.spawn(serve::serve(this, asked));
    }

    fn end(&self) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        shared.clear();
    }
}

impl Sharing {
    pub(super) fn new(satellite: &Satellite) -> Arc<Self> {
        let base = satellite.base();
        let room = satellite.content_limit() as u64;
        Arc::new_cyclic(|this| Self {
            local: satellite.peer_id(),
            piece_max: room.saturating_sub(8 * 1024),
            shared: RwLock::default(),
            bad: Mutex::default(),
            asked: Mutex::new(base.events(PacketType::Request, NAMESPACE)),
            this: this.clone(),
            base,
        })
    }

    fn take_asked(&self) -> Option<Events> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) fn add(&self, file: SharedFile) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        shared.insert(file.outline().root(), Arc::new(file));
    }

    pub(super) fn find(&self, root: &Root) -> Option<Arc<SharedFile>> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shared.get(root).cloned()
    }

    pub(super) fn remove(&self, root: &Root) -> bool {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        shared.remove(root).is_some()
    }

    /// It sent what is provably wrong.
    pub(super) fn lied(&self, peer: PeerId) {
        let now = clock::now();
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.retain(|_, until| *until > now);
        if bad.len() < BAD_MAX {
            bad.insert(peer, now + BAD_FOR);
        }
    }

    pub(super) fn is_bad(&self, peer: &PeerId) -> bool {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.get(peer).is_some_and(|until| *until > clock::now())
    }
}
