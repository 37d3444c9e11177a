//! The one account of bytes held for peers: contents from their arrival until the last handler has let go of them.
//!
//! Whole contents are counted and never refused: windows bound them, and while the account is over its limit no window is opened
//! further. A content in parts grows beyond any window, so it needs room for all of it first ([`Room`]); until there is some, its
//! sender's window stays shut and it grows no more. What has room is never held up, so every content that was let in can become
//! whole, whatever else waits. Broadcasts have no window: without room they are dropped.
//!
//! So what is held is at most the limit, and what windows that were open already let in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::task::AtomicWaker;

use crate::config::EVENT_COST;

/// Bytes held by one satellite, all peers together.
#[derive(Debug)]
pub(crate) struct Account {
    held: AtomicUsize,
    limit: usize,
    /// Of those held: bytes of contents that wait for room. They do not count against others that want room, or contents that are all
    /// half there could fill the account, and none would ever become whole.
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

/// Who waits for room, in order of arrival: a large content is not passed by small ones for ever.
#[derive(Debug, Default)]
struct Line {
    tickets: VecDeque<u64>,
    next: u64,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            limit,
            waiting: AtomicUsize::new(0),
            line: Mutex::default(),
        })
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.limit
    }

    /// What contents in parts may fill: the rest is for those that are whole.
    fn large_limit(&self) -> usize {
        self.limit - self.limit / 8
    }

    /// What broadcasts may fill: with the largest content beside them, see `memory_limit`, they leave room for it.
    fn droppable_limit(&self) -> usize {
        self.limit / 4
    }

    /// Adds bytes unless more than `most` would be held then, not counting `but`.
    fn try_add(&self, bytes: usize, most: usize, but: usize) -> bool {
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                let more = held.checked_add(bytes)?;
                (more.saturating_sub(but) <= most).then_some(more)
            })
            .is_ok()
    }

    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sub(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room of one content in parts: what came of it, and as soon as there is room, all that it announced.
#[derive(Debug)]
pub(crate) struct Room {
    account: Arc<Account>,
    bytes: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Nothing was asked for yet.
    Outside,
    /// The number under which it stands in line.
    InLine(u64),
    /// It has room for all of it.
    In,
}

impl Room {
    pub(crate) fn new(account: &Arc<Account>) -> Self {
        Self {
            account: Arc::clone(account),
            bytes: 0,
            place: Place::Outside,
        }
    }

    /// A part came. Nothing to do for one that has its room.
    pub(crate) fn grow(&mut self, part: usize) {
        if !self.is_in() {
            self.bytes += part;
            self.account.add(part);
            self.account.waiting.fetch_add(part, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_in(&self) -> bool {
        matches!(self.place, Place::In)
    }

    /// Takes room for a content of so many bytes, if there is some and nobody waits before. True the time it gets it.
    pub(crate) fn enter(&mut self, announced: usize) -> bool {
        let account = Arc::clone(&self.account);
        let mut line = account.line();
        let turn = match self.place {
            Place::Outside => line.tickets.is_empty(),
            Place::InLine(ticket) => line.tickets.front() == Some(&ticket),
            Place::In => return false,
        };
        let more = announced.saturating_sub(self.bytes);
        // Its own bytes are among those that wait.
        let waiting = account.waiting.load(Ordering::Relaxed) - self.bytes;
        if turn && account.try_add(more, account.large_limit(), waiting) {
            if matches!(self.place, Place::InLine(_)) {
                line.tickets.pop_front();
            }
            account.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes += more;
            self.place = Place::In;
            return true;
        }
        if matches!(self.place, Place::Outside) {
            let ticket = line.next;
            line.next += 1;
            line.tickets.push_back(ticket);
            self.place = Place::InLine(ticket);
        }
        false
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_in() {
            self.account
                .waiting
                .fetch_sub(self.bytes, Ordering::Relaxed);
        }
        if let Place::InLine(own) = self.place {
            self.account.line().tickets.retain(|ticket| *ticket != own);
        }
        self.account.sub(self.bytes);
    }
}

/// Contents below this are not put into the account: the windows of the connections bound them, and counting each would make two
/// threads fight for one cache line at every packet.
pub(super) const ACCOUNTED_FROM: usize = 4096;

/// One sender's window, seen from the receiver: what handlers have let go of and the sender has not been told yet.
#[derive(Debug)]
pub(crate) struct Window {
    returned: AtomicU64,
    /// Credit is given back in lumps of this size: one frame for many packets.
    lump: u64,
    waker: AtomicWaker,
    account: Arc<Account>,
}

impl Window {
    /// A window of this many bytes; what is held through it shows in `account`.
    pub(crate) fn new(bytes: u64, account: Arc<Account>) -> Arc<Self> {
        Arc::new(Self {
            returned: AtomicU64::new(0),
            lump: bytes / 4,
            waker: AtomicWaker::new(),
            account,
        })
    }

    /// For packets that no window bounds (broadcasts): only the account sees them.
    pub(crate) fn unbounded(account: Arc<Account>) -> Arc<Self> {
        Arc::new(Self {
            returned: AtomicU64::new(0),
            lump: u64::MAX,
            waker: AtomicWaker::new(),
            account,
        })
    }

    /// Wakes the connection's task once there is a lump to give back.
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// The connection is gone. Who keeps a charge must not keep its task, and with it the runtime.
    pub(crate) fn let_go(&self) {
        drop(self.waker.take());
    }

    /// Whether a lump waits to be given back.
    pub(crate) fn has_lump(&self) -> bool {
        self.returned.load(Ordering::Acquire) >= self.lump
    }

    /// All that can be given back now.
    pub(crate) fn take(&self) -> u64 {
        self.returned.swap(0, Ordering::AcqRel)
    }

    /// Gives bytes back.
    pub(crate) fn add(&self, bytes: u64) {
        let before = self.returned.fetch_add(bytes, Ordering::AcqRel);
        if before < self.lump && before.saturating_add(bytes) >= self.lump {
            self.waker.wake();
        }
    }
}

/// Goes with a packet from its arrival to its end: dropping it gives the bytes back to the sender's window and to the account.
#[derive(Debug)]
pub(crate) struct Charge {
    window: Arc<Window>,
    cost: u64,
    held: usize,
}

impl Charge {
    /// A packet that cost its sender `cost` of the window, with a content of `held` bytes.
    pub(crate) fn new(window: &Arc<Window>, cost: u64, held: usize) -> Self {
        let held = if held >= ACCOUNTED_FROM { held } else { 0 };
        if held > 0 {
            window.account.add(held);
        }
        Self {
            window: Arc::clone(window),
            cost,
            held,
        }
    }

    /// A packet that no window bounds, of so many bytes in all; `None` when there is no room for it. Every byte is counted.
    pub(crate) fn droppable(window: &Arc<Window>, bytes: usize) -> Option<Self> {
        let account = &window.account;
        let held = bytes + EVENT_COST;
        account
            .try_add(held, account.droppable_limit(), 0)
            .then(|| Self {
                window: Arc::clone(window),
                cost: 0,
                held,
            })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.held > 0 {
            self.window.account.sub(self.held);
        }
        self.window.add(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_comes_back_in_lumps_and_all_of_it() {
        let account = Account::new(10_000);
        let window = Window::new(400, Arc::clone(&account));
        let first = Charge::new(&window, 60, 5_000);
        let second = Charge::new(&window, 60, 6_000);
        assert!(account.is_over());
        drop(first);
        assert!(!window.has_lump());
        assert!(!account.is_over());
        drop(second);
        assert!(window.has_lump());
        assert_eq!(window.take(), 120);
        assert!(!window.has_lump());
        assert_eq!(account.held(), 0);
    }

    /// Half contents of many, more than the limit together: they come in one after the other, and what is held beyond the limit is
    /// what came before anybody could be held up.
    #[test]
    fn contents_all_half_there_become_whole_one_after_the_other() {
        const SIZE: usize = 400;
        let account = Account::new(1000);
        let mut rooms: Vec<Room> = (0..10).map(|_| Room::new(&account)).collect();
        for room in &mut rooms {
            room.grow(150);
        }
        assert_eq!(account.held(), 1500);
        let mut finished = 0;
        while !rooms.is_empty() {
            let got: Vec<bool> = rooms.iter_mut().map(|room| room.enter(SIZE)).collect();
            assert_eq!(
                got.iter().filter(|got| **got).count(),
                rooms.len().min(2),
                "{got:?}"
            );
            assert!(
                got.iter().take(2).all(|got| *got),
                "in the order of arrival"
            );
            assert!(account.held() <= 1000 + 1500);
            let (whole, rest) = rooms.into_iter().partition(Room::is_in);
            rooms = rest;
            finished += Vec::len(&whole);
        }
        assert_eq!((finished, account.held()), (10, 0));
        assert_eq!(account.waiting.load(Ordering::Relaxed), 0);
        assert!(account.line().tickets.is_empty());
    }

    #[test]
    fn small_ones_do_not_pass_a_large_one_that_waits() {
        let account = Account::new(1000);
        let [mut first, mut large, mut small] = [(); 3].map(|()| Room::new(&account));
        assert!(first.enter(600));
        assert!(!large.enter(500));
        assert!(
            !small.enter(10),
            "there would be room, but another waits for it"
        );
        drop(first);
        assert!(!small.enter(10));
        assert!(large.enter(500));
        assert!(small.enter(10));
        // One that goes away leaves no gap in the line.
        let [mut next, mut last] = [(); 2].map(|()| Room::new(&account));
        assert!(!next.enter(800) && !last.enter(100));
        drop(next);
        assert!(last.enter(100));
    }

    #[test]
    fn broadcasts_without_room_are_refused_and_leave_room_for_others() {
        let account = Account::new(4000);
        let window = Window::unbounded(Arc::clone(&account));
        let kept: Vec<Charge> = std::iter::from_fn(|| Charge::droppable(&window, 36)).collect();
        assert_eq!(
            (kept.len(), account.held()),
            (10, 1000),
            "small ones count as well"
        );
        assert!(Room::new(&account).enter(2000));
        drop(kept);
        assert_eq!(account.held(), 0);
    }
}
