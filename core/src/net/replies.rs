//! Where replies wait for the one who asked.
//!
//! One [`ReplyQueue`] belongs to one asker. A request has one [`Asked`] in it, a seek one for each peer. Each keeps the window its
//! peer may fill; credit goes back as the asker takes replies out, so an asker that does not read costs one window and no more.
//! Answers to a broadcast come from anybody within the windows of their sessions: of them only so many wait.
//!
//! The asker may keep its queue for as long as it likes, also beyond the satellite's end. So its timer is here, where whoever ends
//! the last answer can let it go: a timer holds the runtime it is of.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::Sleep;

use super::account::Charge;
use super::link::{Ended, Link};
use crate::config::ANSWERS_MAX;
use crate::identity::PeerId;
use crate::proto::session::Violation;
use crate::proto::wire::StreamPacket;

/// One reply as it came in.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) peer: PeerId,
    pub(crate) content: Bytes,
    pub(crate) timestamp_ms: u64,
    /// Held for its drop.
    _charge: Charge,
    /// Weak: what was asked holds the queue, and an asker that wants no more leaves replies in it.
    asked: Option<(Weak<Asked>, u64)>,
}

/// How one peer's answering ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// END_RESPONSE: 0 is good.
    Status {
        peer: PeerId,
        status: i32,
        text: String,
    },
    /// The session went away first.
    Gone { peer: PeerId },
}

/// What comes out of a queue, in order.
#[derive(Debug)]
pub(crate) enum Item {
    Reply(Answered),
    End(End),
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Peers that have not ended yet.
    open: usize,
    waker: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ReplyQueue {
    state: Mutex<State>,
}

impl ReplyQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
        })
    }

    /// One more peer will end here.
    pub(crate) fn expect_one(&self) {
        self.state().open += 1;
    }

    /// The next item; `None` once every peer has ended and all was taken.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Item>> {
        let mut state = self.state();
        if let Some(item) = state.items.pop_front() {
            drop(state);
            if let Item::Reply(Answered {
                asked: Some((asked, cost)),
                ..
            }) = &item
                && let Some(asked) = asked.upgrade()
            {
                asked.taken(*cost);
            }
            return Poll::Ready(Some(item));
        }
        if state.open == 0 {
            return Poll::Ready(None);
        }
        if !state
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the time is up, by a timer that `make` gives once. `None`: there is no clock any more. Wakes as [`Self::poll_next`].
    pub(crate) fn poll_deadline(
        &self,
        cx: &mut Context<'_>,
        make: impl FnOnce() -> Option<Pin<Box<Sleep>>>,
    ) -> Poll<()> {
        let mut state = self.state();
        // It ended meanwhile: whoever waits was woken for that.
        if state.open == 0 {
            return Poll::Pending;
        }
        if state.timer.is_none() {
            state.timer = make();
        }
        match &mut state.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }

    /// An answer to a broadcast. False: it was dropped, too many wait or nobody waits any more.
    pub(crate) fn offer(&self, peer: PeerId, packet: StreamPacket, charge: Charge) -> bool {
        let mut state = self.state();
        if state.items.len() >= ANSWERS_MAX || state.open == 0 {
            return false;
        }
        state.items.push_back(Item::Reply(Answered {
            peer,
            timestamp_ms: packet.timestamp_ms().max(0).unsigned_abs(),
            content: packet.content,
            _charge: charge,
            asked: None,
        }));
        wake(state);
        true
    }

    /// Nobody ends here any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open = 0;
        state.timer = None;
        wake(state);
    }

    /// One peer has ended.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        if state.open == 0 {
            state.timer = None;
        }
        state.items.push_back(Item::End(end));
        wake(state);
    }

    fn push(&self, reply: Answered) {
        let mut state = self.state();
        state.items.push_back(Item::Reply(reply));
        wake(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// One request at one peer.
#[derive(Debug)]
pub(crate) struct Asked {
    queue: Arc<ReplyQueue>,
    link: Weak<Link>,
    request_id: u64,
    /// What the peer may still send before more credit, in bytes.
    left: AtomicI64,
    /// What was taken out and not given back yet.
    freed: AtomicU64,
    lump: u64,
}

impl Asked {
    /// A request whose peer may send `window` bytes of replies at first.
    pub(crate) fn new(
        queue: &Arc<ReplyQueue>,
        link: &Arc<Link>,
        request_id: u64,
        window: u64,
    ) -> Arc<Self> {
        queue.expect_one();
        Arc::new(Self {
            queue: Arc::clone(queue),
            link: Arc::downgrade(link),
            request_id,
            left: AtomicI64::new(i64::try_from(window).unwrap_or(i64::MAX)),
            freed: AtomicU64::new(0),
            lump: window / 4,
        })
    }

    /// Bytes came in for this request, whole or as a part.
    pub(crate) fn spend(&self, cost: u64) -> Result<(), Violation> {
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        if self.left.fetch_sub(cost, Ordering::AcqRel) < cost {
            return Err(Violation::protocol(
                "more replies were sent than credit allowed",
            ));
        }
        Ok(())
    }

    /// What the peer may still send before more credit.
    pub(crate) fn credit_left(&self) -> i64 {
        self.left.load(Ordering::Relaxed)
    }

    /// A reply is whole.
    pub(crate) fn reply(
        self: &Arc<Self>,
        peer: PeerId,
        packet: StreamPacket,
        cost: u64,
        charge: Charge,
    ) {
        self.queue.push(Answered {
            peer,
            timestamp_ms: packet.timestamp_ms().max(0).unsigned_abs(),
            content: packet.content,
            _charge: charge,
            asked: Some((Arc::downgrade(self), cost)),
        });
    }

    /// Bytes were taken out: gives them back in lumps.
    pub(crate) fn taken(&self, cost: u64) {
        let before = self.freed.fetch_add(cost, Ordering::AcqRel);
        if before + cost < self.lump {
            return;
        }
        let bytes = self.freed.swap(0, Ordering::AcqRel);
        if bytes == 0 {
            return;
        }
        if let Some(link) = self.link.upgrade() {
            // The window opens before the peer hears of it.
            self.left
                .fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::AcqRel);
            link.grant_replies(self.request_id, bytes);
        }
    }

    /// The peer ended the request.
    pub(crate) fn end(&self, peer: PeerId, status: i32, text: String) {
        self.queue.end(End::Status { peer, status, text });
    }

    /// The session ended first.
    pub(crate) fn disconnected(&self, peer: PeerId, _why: &Ended) {
        self.queue.end(End::Gone { peer });
    }
}
