//! The one account of bytes held for peers: contents from their arrival until the last handler has let go of them.
//!
//! It does not refuse anything. While it is over its limit the connections give no credit back, so that senders wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::task::AtomicWaker;

/// Bytes held by one satellite, all peers together.
#[derive(Debug)]
pub(crate) struct Account {
    held: AtomicUsize,
    limit: usize,
    next_id: AtomicU64,
    /// The connection that may go on although the limit is reached, 0 for none.
    finishing: AtomicU64,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            limit,
            next_id: AtomicU64::new(1),
            finishing: AtomicU64::new(0),
        })
    }

    /// A connection's name to this account.
    pub(crate) fn join(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether this connection, which has a content half there, may have credit over the limit. One at a time may: contents that are
    /// all half there could otherwise fill the account, and none would ever become whole. So one content at most passes the limit.
    pub(crate) fn may_finish(&self, id: u64) -> bool {
        let before = self
            .finishing
            .compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok() || before == Err(id)
    }

    /// This connection has no content half there any more.
    pub(crate) fn finished(&self, id: u64) {
        // Err: it was another's turn.
        let _other = self
            .finishing
            .compare_exchange(id, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.limit
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Contents below this are not put into the account: the windows of the connections bound them, and counting each would make two
/// threads fight for one cache line at every packet.
const ACCOUNTED_FROM: usize = 4096;

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
}
