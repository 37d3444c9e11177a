//! Where replies wait for the one who asked.
//!
//! One [`ReplyQueue`] belongs to one asker. A request has one [`Asked`] in it, a seek one for each peer. Each keeps the window its
//! peer may fill; credit goes back as the asker takes replies out, so an asker that does not read costs one window and no more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::account::Charge;
use super::link::{Ended, Link};
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
    /// Replies dropped because the asker had `most` waiting.
    dropped: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ReplyQueue {
    state: Mutex<State>,
    /// Replies that may wait: a bound of its own for broadcasts' answers, which no window holds back.
    most: usize,
}

impl ReplyQueue {
    /// A queue that holds up to `most` replies.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            most,
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

    /// A reply that no window bounds. False: it was dropped, the queue is full.
    pub(crate) fn offer(&self, peer: PeerId, packet: StreamPacket, charge: Charge) -> bool {
        self.push(Answered {
            peer,
            timestamp_ms: packet.timestamp_ms().max(0).unsigned_abs(),
            content: packet.content,
            _charge: charge,
            asked: None,
        })
    }

    /// One peer has ended.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        state.items.push_back(Item::End(end));
        wake(state);
    }

    fn push(&self, reply: Answered) -> bool {
        let mut state = self.state();
        if state.items.len() >= self.most {
            state.dropped += 1;
            return false;
        }
        state.items.push_back(Item::Reply(reply));
        wake(state);
        true
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
