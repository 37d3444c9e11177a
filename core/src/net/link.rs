//! A link: the sending side of one session, shared by the handles people hold and the connection's task.
//!
//! Handles put packets in, within the peer's credit; the task takes out what is queued, up to one write at a time, and hands back
//! credit, replies and cancels that came in. It is a bounded channel with the session's rules: messages are bounded by one window of
//! the peer, requests by another and by their count, replies by their request's. It never waits for the task and the task never waits for it.
//!
//! Order: messages leave in the order they were accepted in. Requests and replies have a queue of their own, so that a large
//! message does not hold them up, and large contents go part by part, in turn.

mod answers;
mod queues;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use futures::task::AtomicWaker;
use tokio::sync::{OwnedMutexGuard, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use answers::{Answer, ReplyEnd};
use queues::{Item, Piece, Queues};
pub(crate) use queues::{Note, Outgoing};

use super::replies::{Asked, ReplyQueue};
use crate::config::{ANSWER_QUEUE, Signing};
use crate::error::Code;
use crate::identity::{PeerId, PublicKey};
use crate::proto::packet::Encoded;
use crate::proto::parts::PART_BYTES;
use crate::proto::session::{CAST_BIT, Lane, Limits, Violation, cost};

/// Why a session ended, for handles that waited on it and for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Code,
    pub(crate) text: String,
    /// The other side said so in its Bye.
    pub(crate) by_peer: bool,
}

impl Ended {
    /// By this side, or by nobody: the connection broke.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            by_peer: false,
        }
    }

    /// The peer's satellite was shut down, or paused, and said so; a peer that broke, or was killed, says nothing.
    pub(crate) fn by_leaving(&self) -> bool {
        self.by_peer && self.code == Code::Disconnected
    }
}

impl From<Violation> for Ended {
    fn from(violation: Violation) -> Self {
        Self::new(violation.code, violation.text)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerId,
    /// As its Auth has proved.
    pub(crate) key: Option<PublicKey>,
    pub(crate) signing: Signing,
    pub(crate) limits: Limits,
    /// The peer's credit, by [`Lane`].
    credit: [Semaphore; 2],
    slots: Arc<Semaphore>,
    /// Room for replies waiting to be written, in bytes: what bounds this side's memory beside the asker's window.
    room: Semaphore,
    /// Large contents go one at a time on each lane: the peer takes them so, and what waits here is one content.
    large: [Arc<tokio::sync::Mutex<()>>; 2],
    next_request: AtomicU64,
    queues: Mutex<Queues>,
    task: AtomicWaker,
    ended: OnceLock<Ended>,
    /// The connection is of no more use to it: what was written has been received, or was given up.
    parted: CancellationToken,
    /// Why it is to be closed, and until when what was accepted may take to leave.
    close_wanted: Mutex<Option<(Ended, Instant)>>,
}

impl Link {
    pub(crate) fn new(
        peer: PeerId,
        key: Option<PublicKey>,
        signing: Signing,
        limits: Limits,
    ) -> Arc<Self> {
        let mut queues = Queues::default();
        let credit = Lane::ALL
            .map(|lane| Semaphore::new(queues.granted(lane, limits.window).unwrap_or_default()));
        Arc::new(Self {
            peer,
            key,
            signing,
            limits,
            credit,
            slots: Arc::new(Semaphore::new(limits.requests as usize)),
            room: Semaphore::new(ANSWER_QUEUE),
            large: Default::default(),
            next_request: AtomicU64::new(1),
            queues: Mutex::new(queues),
            task: AtomicWaker::new(),
            ended: OnceLock::new(),
            parted: CancellationToken::new(),
            close_wanted: Mutex::new(None),
        })
    }

    // ---- for handles ----

    /// Why the session ended, if it did.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    /// Whether it takes nothing new: it has ended, or is about to.
    pub(crate) fn is_closing(&self) -> bool {
        let queues = self.queues();
        queues.closing || queues.ended
    }

    /// Whether anybody waits for something on it.
    pub(crate) fn is_busy(&self) -> bool {
        let queues = self.queues();
        !(queues.asked.is_empty() && queues.answering.is_empty() && queues.ordered.is_empty())
    }

    /// Resolves once the session has ended and the peer has had what was sent, or was given up.
    pub(crate) async fn parted(&self) {
        self.parted.cancelled().await;
    }

    /// Accepts a small message or request at once if there is credit and nobody waits before it. Gives it back otherwise.
    pub(crate) fn try_push(&self, packet: Encoded, urgent: bool) -> Result<(), Encoded> {
        let price = cost(packet.len());
        match self.credit(urgent).try_acquire_many(permits_u32(price)) {
            Ok(permit) => {
                permit.forget();
                self.enqueue(packet, urgent, None)
            }
            Err(_) => Err(packet),
        }
    }

    /// Tells the peer's satellite something, if there is credit now: as a small message, but one that nobody waits for.
    pub(crate) fn try_tell(&self, packet: Encoded) {
        let price = permits_u32(cost(packet.len()));
        let mut queues = self.queues();
        if !(queues.closing || queues.ended)
            && let Ok(permit) = self.credit(false).try_acquire_many(price)
        {
            permit.forget();
            queues.push_ordered(packet, Piece::Internal, None);
            drop(queues);
            self.task.wake();
        }
    }

    /// Accepts a packet within the session's credit. `confirm` resolves when the peer has taken it in.
    pub(crate) async fn push(
        &self,
        packet: Encoded,
        urgent: bool,
        confirm: Option<oneshot::Sender<()>>,
    ) -> Result<(), Ended> {
        let price = cost(packet.len());
        let permit = self
            .credit(urgent)
            .acquire_many(permits_u32(price))
            .await
            .map_err(|_| self.why())?;
        permit.forget();
        self.enqueue(packet, urgent, confirm)
            .map_err(|_| self.why())
    }

    /// Waits for this side's turn to send a large content. Whoever waits here keeps what it wants to send; dropping it is enough to
    /// give up.
    pub(crate) async fn large_turn(&self, urgent: bool) -> LargeTurn {
        LargeTurn(
            Arc::clone(&self.large[lane(urgent) as usize])
                .lock_owned()
                .await,
        )
    }

    /// Accepts all parts of a large content, in order; parts of two never mix. Those of a request stop when it is cancelled.
    pub(crate) async fn push_parts(
        &self,
        _turn: LargeTurn,
        parts: impl Iterator<Item = Encoded> + Send,
        urgent: bool,
        request: Option<u64>,
        mut confirm: Option<oneshot::Sender<()>>,
    ) -> Result<(), Ended> {
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            let (piece, confirm) = if parts.peek().is_none() {
                (Piece::Last, confirm.take())
            } else {
                (Piece::Part, None)
            };
            let price = cost(part.len());
            let permit = self
                .credit(urgent)
                .acquire_many(permits_u32(price))
                .await
                .map_err(|_| self.why())?;
            permit.forget();
            let mut queues = self.queues();
            if queues.closing || queues.ended {
                return Err(self.why());
            }
            if request.is_some_and(|id| !queues.asked.contains_key(&id)) {
                drop(queues);
                self.credit(urgent).add_permits(permits(price));
                return Ok(());
            }
            if urgent {
                queues.push_request(part, price, true);
            } else {
                queues.push_ordered(part, piece, confirm);
            }
            drop(queues);
            self.task.wake();
        }
        Ok(())
    }

    /// Gives a request more credit than every request has. Call it when all of the request is accepted: credit for a request that the
    /// peer does not have yet is nothing to it.
    pub(crate) fn grant_extra(&self, request_id: u64, bytes: u64, was_large: bool) {
        if bytes > 0 {
            self.queues()
                .push(Item::Credit { request_id, bytes }, 0, was_large);
            self.task.wake();
        }
    }

    /// A place among the requests the peer takes at once, if there is one now.
    pub(crate) fn try_slot(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// A place among the requests the peer takes at once.
    pub(crate) async fn slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Ended> {
        Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| self.why())
    }

    /// Opens a request whose replies go to `queue`. `window` is what the peer allows each; `extra` is granted beside it.
    pub(crate) fn open_request(
        self: &Arc<Self>,
        queue: &Arc<ReplyQueue>,
        window: u64,
        extra: u64,
    ) -> Result<u64, Ended> {
        let id = self.next_request.fetch_add(1, Ordering::Relaxed) & !CAST_BIT;
        let mut queues = self.queues();
        if queues.closing || queues.ended {
            return Err(self.why());
        }
        queues
            .asked
            .insert(id, Asked::new(queue, self, id, window + extra));
        Ok(id)
    }

    /// The asker no longer wants replies. Nothing happens if the last one was there already.
    ///
    /// The Cancel keeps its place behind the request, and what is asked later stays behind the Cancel: the peer counts open requests.
    pub(crate) fn cancel_request(&self, request_id: u64) {
        let mut queues = self.queues();
        if queues.asked.remove(&request_id).is_some() && !queues.ended {
            let behind_parts = !queues.bulk.is_empty();
            queues.push(Item::Cancel { request_id }, 0, behind_parts);
            drop(queues);
            self.task.wake();
        }
    }

    /// Gives credit for replies back to the answering side.
    pub(crate) fn grant_replies(&self, request_id: u64, bytes: u64) {
        let mut queues = self.queues();
        if queues.asked.contains_key(&request_id) {
            queues.notes.push(Note::Credit { request_id, bytes });
            drop(queues);
            self.task.wake();
        }
    }

    /// Asks the task to say Bye and close, once what was accepted has left; that may take until then. Nothing is accepted from now
    /// on, or it would never be so far. Asked again, the first reason holds and the earlier time.
    pub(crate) fn close(&self, ended: Ended, until: Instant) {
        {
            let mut wanted = lock(&self.close_wanted);
            let (_, at) = wanted.get_or_insert((ended, until));
            *at = until.min(*at);
        }
        self.queues().closing = true;
        self.credit.iter().for_each(Semaphore::close);
        self.slots.close();
        self.task.wake();
    }

    // ---- for the connection's task ----

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.task.register(waker);
    }

    pub(crate) fn close_wanted(&self) -> Option<(Ended, Instant)> {
        lock(&self.close_wanted).clone()
    }

    /// Lets nothing more in, not even replies, if everything accepted has been taken to be written. One step, or something could be
    /// accepted between the look and the end.
    pub(crate) fn shut_if_drained(&self) -> bool {
        let mut queues = self.queues();
        let drained = queues.is_drained();
        queues.ended |= drained;
        drained
    }

    /// Nothing of it is on the way any more.
    pub(crate) fn part(&self) {
        self.parted.cancel();
    }

    /// Moves what is queued to the task: notes whole, packets up to about one write.
    pub(crate) fn take(&self, outgoing: &mut Outgoing, bytes: usize) {
        let freed = self.queues().take(outgoing, bytes);
        if freed.room > 0 {
            self.room.add_permits(freed.room);
        }
        for (credit, freed) in self.credit.iter().zip(freed.credit) {
            if freed > 0 {
                credit.add_permits(freed);
            }
        }
    }

    /// The peer gave credit.
    pub(crate) fn granted(&self, request_id: u64, bytes: u64) -> Result<(), Violation> {
        let absurd = || Violation::protocol("absurd credit");
        let possible = bytes.leading_zeros() > 8;
        let mut queues = self.queues();
        if let Some(lane) = Lane::of_credit(request_id) {
            let more = queues.granted(lane, bytes).filter(|_| possible);
            // Whom it wakes may do anything at once.
            drop(queues);
            self.credit[lane as usize].add_permits(more.ok_or_else(absurd)?);
            return Ok(());
        }
        let answer = queues.answering.get(&request_id).cloned();
        drop(queues);
        // Credit for an answer that is over crosses its end: nothing to do.
        if let Some(answer) = answer {
            let room = CREDIT_MAX.saturating_sub(answer.credit.available_permits());
            let more = usize::try_from(bytes)
                .ok()
                .filter(|bytes| possible && *bytes <= room);
            answer.credit.add_permits(more.ok_or_else(absurd)?);
        }
        Ok(())
    }

    /// Where replies to a request go; `None` when it was cancelled or is over.
    pub(crate) fn asked(&self, request_id: u64) -> Option<Arc<Asked>> {
        self.queues().asked.get(&request_id).cloned()
    }

    /// A request's last reply was there.
    pub(crate) fn finish_request(&self, request_id: u64) -> Option<Arc<Asked>> {
        self.queues().asked.remove(&request_id)
    }

    /// The session is over: everybody who waits learns it. Returns how many messages were accepted and are given up.
    pub(crate) fn end(&self, ended: Ended) -> u64 {
        if self.ended.set(ended.clone()).is_err() {
            return 0;
        }
        let mut queues = self.queues();
        queues.ended = true;
        let abandoned = queues.messages();
        let asked = std::mem::take(&mut queues.asked);
        let answering = std::mem::take(&mut queues.answering);
        queues.ordered.clear();
        queues.small.clear();
        queues.bulk.clear();
        queues.notes.clear();
        queues.confirms.clear();
        drop(queues);
        self.credit.iter().for_each(Semaphore::close);
        self.slots.close();
        self.room.close();
        for answer in answering.into_values() {
            answer.credit.close();
        }
        for asked in asked.into_values() {
            asked.disconnected(self.peer, &ended);
        }
        // Who keeps the link must not keep the task, and with it the runtime. Its last turn has registered.
        drop(self.task.take());
        abandoned
    }

    fn credit(&self, urgent: bool) -> &Semaphore {
        &self.credit[lane(urgent) as usize]
    }

    /// Gives it back when nothing is accepted any more.
    fn enqueue(
        &self,
        packet: Encoded,
        urgent: bool,
        confirm: Option<oneshot::Sender<()>>,
    ) -> Result<(), Encoded> {
        let mut queues = self.queues();
        if queues.closing || queues.ended {
            return Err(packet);
        }
        if urgent {
            let price = cost(packet.len());
            queues.push_request(packet, price, false);
        } else {
            queues.push_ordered(packet, Piece::Last, confirm);
        }
        drop(queues);
        self.task.wake();
        Ok(())
    }

    fn why(&self) -> Ended {
        self.ended
            .get()
            .cloned()
            .or_else(|| self.close_wanted().map(|(ended, _)| ended))
            .unwrap_or_else(|| Ended::new(Code::Disconnected, "the session ended"))
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }
}

/// Most credit of one semaphore, whatever a peer claims to give. Half of what it can hold: replies that took some and gave it back when they
/// were dropped must find room.
const CREDIT_MAX: usize = Semaphore::MAX_PERMITS / 2;

/// Leave to send a large content: others of its lane wait until it is dropped.
#[derive(Debug)]
pub(crate) struct LargeTurn(#[expect(dead_code, reason = "held for its drop")] OwnedMutexGuard<()>);

/// What is urgent is what asks and what answers a broadcast.
fn lane(urgent: bool) -> Lane {
    if urgent {
        Lane::Requests
    } else {
        Lane::Messages
    }
}

fn permits(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).min(CREDIT_MAX)
}

fn permits_u32(bytes: u64) -> u32 {
    // One packet is at most one part: far below 4 GiB.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A content that needs parts.
pub(crate) fn is_large(content: &Bytes) -> bool {
    content.len() > PART_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::clock;
    use crate::proto::packet::{self, Header, PacketType};

    fn link() -> Arc<Link> {
        // A sha2-256 multihash.
        let mut id = [7; 34];
        (id[0], id[1]) = (0x12, 32);
        let limits = Limits {
            content: 1 << 20,
            window: 1 << 20,
            requests: 8,
            reply_window: 1 << 20,
        };
        Link::new(
            PeerId::from_bytes(&id).unwrap(),
            None,
            Signing::Lazy,
            limits,
        )
    }

    fn message() -> Encoded {
        packet::encode(&Header::new(PacketType::Message, "n", 0), Bytes::new())
    }

    fn left() -> Ended {
        Ended::new(Code::Cancelled, "left")
    }

    /// A message is accepted and leaves, or it is refused: there is nothing in between, also while a session is closing.
    #[tokio::test]
    async fn what_closes_takes_nothing_new_and_loses_nothing_old() {
        let link = link();
        assert!(link.try_push(message(), false).is_ok());
        assert!(!link.shut_if_drained());
        link.close(left(), clock::now());
        assert!(link.try_push(message(), false).is_err());
        assert_eq!(link.push(message(), false, None).await, Err(left()));
        let turn = link.large_turn(false).await;
        let parts = std::iter::once(message());
        assert_eq!(
            link.push_parts(turn, parts, false, None, None).await,
            Err(left())
        );
        let mut outgoing = Outgoing::default();
        link.take(&mut outgoing, 1 << 16);
        assert_eq!(outgoing.packets.len(), 1);
        assert!(link.shut_if_drained());
        assert_eq!(link.end(left()), 0);
    }

    /// A window without end was filled to the brim; credit that a reply had taken, and gave back when it was dropped, ran over: a panic.
    #[test]
    fn a_reply_that_is_dropped_finds_room_for_its_credit_whatever_the_peer_gave_meanwhile() {
        let mut limits = link().limits;
        limits.reply_window = u64::MAX;
        let link = Link::new(link().peer, None, Signing::Lazy, limits);
        let answer = link.open_answer(1, 8).unwrap();
        let taken = answer.credit.try_acquire_many(1 << 20).unwrap();
        assert!(link.granted(1, 1 << 20).is_ok());
        drop(taken);
        assert!(link.granted(1, 1 << 20).is_err(), "more than any window");
    }

    #[tokio::test]
    async fn a_reply_that_waits_for_credit_ends_with_its_answer() {
        let mut limits = link().limits;
        limits.reply_window = 0;
        let link = Link::new(link().peer, None, Signing::Lazy, limits);
        let answer = link.open_answer(1, 8).unwrap();
        let reply = link.reply(&answer, message(), false);
        // Polled in this order: the reply waits first.
        let (replied, ended) = futures::join!(reply, async { link.end_answer(1, message()) });
        assert!(ended);
        assert_eq!(replied, Err(ReplyEnd::Cancelled));
    }

    #[tokio::test]
    async fn what_an_end_leaves_behind_is_counted_once() {
        let link = link();
        for _ in 0..3 {
            assert!(link.try_push(message(), false).is_ok());
        }
        link.try_tell(message());
        assert_eq!(link.end(left()), 3);
        assert_eq!(link.end(left()), 0);
        assert!(link.try_push(message(), false).is_err());
    }
}
