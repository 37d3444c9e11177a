//! The answering side of a link: an answer for each open request of the peer, within the asker's credit and this side's room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use super::queues::Item;
use super::{Link, permits, permits_u32};
use crate::proto::packet::Encoded;
use crate::proto::session::{Violation, cost};

/// What an open answer of ours is allowed: shared by its responder and the task.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) credit: Semaphore,
    cancelled: AtomicBool,
    /// Some of it went to the bulk queue: the rest must follow it there, to stay behind.
    bulk: AtomicBool,
}

impl Answer {
    /// Whether the asker no longer wants it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// Why a reply went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyEnd {
    Cancelled,
    Gone,
}

impl Link {
    /// Sends one reply (or one part of one) within the asker's credit.
    pub(crate) async fn reply(
        &self,
        answer: &Answer,
        packet: Encoded,
        bulk: bool,
    ) -> Result<(), ReplyEnd> {
        let price = permits_u32(cost(packet.len()));
        // Before the room, which all answers share: one that waits for its asker must not keep it from others.
        let credit = match answer.credit.try_acquire_many(price) {
            Ok(credit) => credit,
            Err(_) => answer.credit.acquire_many(price).await.map_err(|_| {
                if self.ended().is_some() {
                    ReplyEnd::Gone
                } else {
                    ReplyEnd::Cancelled
                }
            })?,
        };
        let room = match self.room.try_acquire_many(price) {
            Ok(room) => room,
            Err(_) => self
                .room
                .acquire_many(price)
                .await
                .map_err(|_| ReplyEnd::Gone)?,
        };
        credit.forget();
        room.forget();
        let mut queues = self.queues();
        if queues.ended {
            return Err(ReplyEnd::Gone);
        }
        let bulk = bulk || answer.bulk.load(Ordering::Relaxed);
        answer.bulk.store(bulk, Ordering::Relaxed);
        queues.push(Item::Packet(packet), price, bulk);
        drop(queues);
        self.task.wake();
        Ok(())
    }

    /// Ends an answer: its END_RESPONSE goes out after its replies. Costs no credit. False when it was over before.
    pub(crate) fn end_answer(&self, request_id: u64, packet: Encoded) -> bool {
        let mut queues = self.queues();
        let Some(answer) = queues.answering.remove(&request_id) else {
            return false;
        };
        queues.push(Item::Packet(packet), 0, answer.bulk.load(Ordering::Relaxed));
        drop(queues);
        // A reply that still waits for credit would get none any more.
        answer.credit.close();
        self.task.wake();
        true
    }

    /// The peer asks: opens an answer for it.
    pub(crate) fn open_answer(
        &self,
        request_id: u64,
        limit: usize,
    ) -> Result<Arc<Answer>, Violation> {
        let answer = Arc::new(Answer {
            credit: Semaphore::new(permits(self.limits.reply_window)),
            cancelled: AtomicBool::new(false),
            bulk: AtomicBool::new(false),
        });
        let mut queues = self.queues();
        // Twice: a Cancel may be overtaken by the request that takes its place.
        if queues.answering.len() >= 2 * limit {
            return Err(Violation::protocol(format!(
                "more than {limit} requests open at once"
            )));
        }
        if queues
            .answering
            .insert(request_id, Arc::clone(&answer))
            .is_some()
        {
            return Err(Violation::protocol("a request id was used twice"));
        }
        Ok(answer)
    }

    /// The peer no longer wants replies to its request.
    pub(crate) fn cancelled(&self, request_id: u64) {
        let answer = self.queues().answering.remove(&request_id);
        if let Some(answer) = answer {
            answer.cancelled.store(true, Ordering::Release);
            answer.credit.close();
        }
    }
}
