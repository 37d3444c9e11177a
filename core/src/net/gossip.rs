//! Broadcasts on their way out and in.
//!
//! Out: one that nobody can take yet waits, within its life time, until somebody can. In: each is checked in a task of its own,
//! because a signature takes longer than the driver's loop may; what gossip passes on is only what was found good.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{Charge, NetShared, clock};
use crate::config::BROADCAST_QUEUE;
use crate::identity::PeerId;
use crate::proto::cast::{CastError, Checker};

/// A broadcast of ours that waits for somebody to take it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) data: Vec<u8>,
    /// When its life ends, by the driver's clock.
    pub(crate) until: std::time::Instant,
    pub(crate) reply: oneshot::Sender<Result<(), BroadcastFailure>>,
}

/// Why a broadcast did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BroadcastFailure {
    NoPeers,
    Busy,
    TooLarge,
}

/// Broadcasts of ours that wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outbox(VecDeque<Waiting>);

impl Outbox {
    /// Keeps one, or answers it at once when too many wait.
    pub(crate) fn keep(&mut self, waiting: Waiting) {
        if self.0.len() >= BROADCAST_QUEUE {
            answer(waiting, Err(BroadcastFailure::Busy));
        } else {
            self.0.push_back(waiting);
        }
    }

    /// Takes out the oldest, after answering those whose life is over.
    pub(crate) fn next(&mut self) -> Option<Waiting> {
        let now = clock::now();
        while let Some(waiting) = self.0.pop_front() {
            if waiting.until > now && !waiting.reply.is_closed() {
                return Some(waiting);
            }
            answer(waiting, Err(BroadcastFailure::NoPeers));
        }
        None
    }

    /// Puts one back as the oldest.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        self.0.push_front(waiting);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Answers the one who broadcast; who no longer waits has no use for it.
pub(crate) fn answer(waiting: Waiting, result: Result<(), BroadcastFailure>) {
    let _gone = waiting.reply.send(result);
}

/// A broadcast that came in, to be checked.
#[derive(Debug)]
pub(crate) struct Unchecked {
    pub(crate) id: MessageId,
    pub(crate) source: libp2p::PeerId,
    pub(crate) data: Vec<u8>,
    /// Its share of the bytes that may wait to be checked.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What the check found.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) id: MessageId,
    pub(crate) source: libp2p::PeerId,
    pub(crate) acceptance: MessageAcceptance,
}

/// What the checking task is told.
#[derive(Debug)]
pub(crate) enum Check {
    Broadcast(Unchecked),
    /// A satellite we had a session with: its place in the table of origins is not given to strangers.
    Met(PeerId),
}

/// Checks broadcasts until its channel closes.
pub(crate) async fn check_all(
    shared: Arc<NetShared>,
    topic: [u8; 32],
    mut checks: mpsc::Receiver<Check>,
    verdicts: mpsc::Sender<Verdict>,
) {
    let mut checker = Checker::new(&topic);
    while let Some(check) = checks.recv().await {
        let Unchecked {
            id,
            source,
            data,
            _room,
        } = match check {
            Check::Met(peer) => {
                checker.meet(peer);
                continue;
            }
            Check::Broadcast(unchecked) => unchecked,
        };
        let bytes = data.len();
        let acceptance = match checker.check(Bytes::from(data), clock::now_ms()) {
            Ok(cast) => {
                shared.counters.broadcasts_in.add(1);
                // The content is a slice of all of it.
                let charge = Charge::droppable(&shared.uncredited, bytes);
                if cast.origin != shared.identity.peer_id() {
                    shared.inbox.broadcast(cast, charge);
                }
                MessageAcceptance::Accept
            }
            Err(error) => {
                let counters = &shared.counters;
                match &error {
                    CastError::Duplicate => counters.broadcasts_repeated.add(1),
                    error if error.is_fault() => counters.broadcasts_forged.add(1),
                    _ => counters.broadcasts_stale.add(1),
                }
                if error.is_fault() {
                    tracing::warn!(%source, %error, "broadcast refused");
                    MessageAcceptance::Reject
                } else {
                    tracing::debug!(%source, %error, "broadcast not passed on");
                    MessageAcceptance::Ignore
                }
            }
        };
        if verdicts
            .send(Verdict {
                id,
                source,
                acceptance,
            })
            .await
            .is_err()
        {
            return;
        }
        // Checks are CPU: others of this thread get their turn.
        tokio::task::yield_now().await;
    }
}
