//! Files that are read again and again stay open: so many of the whole process, whose descriptors are few (256 on some systems). All others are opened
//! whenever they are read.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As many as stay open.
const OPEN_MAX: usize = 64;

/// Those that are, the one that was read last at the end.
static OPEN: Mutex<VecDeque<(u64, Arc<File>)>> = Mutex::new(VecDeque::new());

/// A place among those that are open, or not.
#[derive(Debug)]
pub(super) struct Place(u64);

impl Place {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The file of this place, if it is open.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        let mut open = all();
        let at = open.iter().position(|(id, _)| *id == self.0)?;
        let found = open.remove(at)?;
        let file = Arc::clone(&found.1);
        open.push_back(found);
        Some(file)
    }

    /// It stays open, in place of the one that was not read for longest.
    pub(super) fn keep(&self, file: &Arc<File>) {
        let mut open = all();
        let before = open.len();
        open.retain(|(id, _)| *id != self.0);
        let closed = if before >= OPEN_MAX && open.len() == before {
            open.pop_front()
        } else {
            None
        };
        open.push_back((self.0, Arc::clone(file)));
        drop(open);
        // A disk may take its time.
        drop(closed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        all().retain(|(id, _)| *id != self.0);
    }
}

fn all() -> MutexGuard<'static, VecDeque<(u64, Arc<File>)>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
