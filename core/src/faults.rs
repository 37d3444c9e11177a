//! Bad networks on demand: what lies between two satellites of one test can be cut, slowed down, made lossy, and healed; and a satellite
//! can be made to lie.
//!
//! One [`Faults`] is handed to all satellites of a test. It is a table of lines, each between two satellites; what carries bytes
//! enlists itself and asks it ([`crate::net::faulty`]). Who lies is asked by the DHT (`dht/lie.rs`).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;

use crate::identity::PeerId;
use crate::rng::Rng;

/// It is added to the clock, again for each packet that is lost.
const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// How slow the line between two satellites is, each way. The default is as fast as it comes.
///
/// ```
/// use psfs_core::Slow;
/// use std::time::Duration;
/// let satellite_link = Slow::default().latency(Duration::from_millis(250)).loss(0.01).rate(1 << 20);
/// # let _ = satellite_link;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slow {
    pub(crate) latency: Duration,
    pub(crate) loss: f64,
    pub(crate) rate: u64,
}

impl Slow {
    /// How long a byte takes, one way: an hour at most, longer counts as that.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency.min(LATENCY_MAX);
        self
    }

    /// How many of 1 packets are lost (0 to 1). TCP sends them again: they, and all behind them, come later by 200 ms and two latencies.
    #[must_use]
    pub fn loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }

    /// Bytes a second, one way. 0: no limit.
    #[must_use]
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = bytes_per_second;
        self
    }

    /// Whether there is nothing to it.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong with the network between the satellites of a test. Cheap to clone; all clones are the same. See [`Config::faults`].
///
/// [`Config::faults`]: crate::Config::faults
#[derive(Clone)]
pub struct Faults(Arc<Mutex<Table>>);

struct Table {
    rng: Rng,
    lines: HashMap<(PeerId, PeerId), Line>,
    ends: Vec<Weak<End>>,
    liars: HashSet<PeerId>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Line {
    pub(crate) cut: bool,
    pub(crate) slow: Slow,
}

/// One end of one connection, as the table knows it.
pub(crate) struct End {
    ends: (PeerId, PeerId),
    line: Mutex<Line>,
    changed: AtomicWaker,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("lines", &self.table().lines.len())
            .finish_non_exhaustive()
    }
}

fn ends(a: &PeerId, b: &PeerId) -> (PeerId, PeerId) {
    (*a.min(b), *a.max(b))
}

impl Faults {
    /// A network without faults. The same seed loses the same packets.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Table {
            rng: Rng::new(seed),
            lines: HashMap::new(),
            ends: Vec::new(),
            liars: HashSet::new(),
        })))
    }

    /// Cuts the connections between two satellites, and refuses new ones.
    pub fn partition(&self, a: &PeerId, b: &PeerId) {
        self.change(ends(a, b), |line| line.cut = true);
    }

    /// Makes the line between two satellites slow.
    pub fn slow(&self, a: &PeerId, b: &PeerId, slow: Slow) {
        self.change(ends(a, b), |line| line.slow = slow);
    }

    /// Takes all faults between two satellites away.
    pub fn heal(&self, a: &PeerId, b: &PeerId) {
        self.change(ends(a, b), |line| *line = Line::default());
    }

    /// Makes a satellite lie in the DHT, until [`Faults::heal_all`]: it answers who looks for a value with another one, and promises to keep
    /// values that it throws away.
    pub fn lie(&self, who: &PeerId) {
        self.table().liars.insert(*who);
    }

    pub(crate) fn lies(&self, who: &PeerId) -> bool {
        self.table().liars.contains(who)
    }

    /// Takes all faults away.
    pub fn heal_all(&self) {
        self.table().liars.clear();
        let faulty: Vec<_> = self.table().lines.keys().copied().collect();
        for ends in faulty {
            self.change(ends, |line| *line = Line::default());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, ends: (PeerId, PeerId), change: impl FnOnce(&mut Line)) {
        let mut table = self.table();
        let line = table.lines.entry(ends).or_default();
        change(line);
        let line = *line;
        if !line.cut && line.slow.is_none() {
            table.lines.remove(&ends);
        }
        table.ends.retain(|end| {
            let Some(end) = end.upgrade() else {
                return false;
            };
            if end.ends == ends {
                *end.lock() = line;
                end.changed.wake();
            }
            true
        });
    }

    /// One end of a new connection. `None`: there is none between these two now.
    pub(crate) fn enlist(&self, own: &PeerId, peer: &PeerId) -> Option<(Arc<End>, Rng)> {
        let mut table = self.table();
        let ends = ends(own, peer);
        let line = table.lines.get(&ends).copied().unwrap_or_default();
        if line.cut {
            return None;
        }
        let end = Arc::new(End {
            ends,
            line: Mutex::new(line),
            changed: AtomicWaker::new(),
        });
        table.ends.retain(|end| end.strong_count() > 0);
        table.ends.push(Arc::downgrade(&end));
        let rng = Rng::new(table.rng.number());
        Some((end, rng))
    }
}

impl End {
    /// How its line is now.
    pub(crate) fn line(&self) -> Line {
        *self.lock()
    }

    /// Whom to wake when that changes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.changed.register(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
