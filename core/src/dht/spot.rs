//! Checking on promises: some of those who gave a receipt are asked for a piece of the value, with the proof that it is one.
//!
//! A receipt proves that a node promised to keep a value, and no more. Which promises are checked, and which piece is asked for, nobody
//! can foresee; who cannot prove it is left alone for a while, as who lied.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::ask::ASK_TIMEOUT;
use super::node::Node;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::message::{Answer, Ask, Challenge, Verdict};
use crate::proto::dht::slice;
use crate::proto::dht::value::{Entry, Kind};

/// Of so many promises one is checked.
const ONE_OF: u8 = 16;
/// Checks that wait; of more none are made.
const WAITING_MAX: usize = 64;
/// How long a promise must have been kept for, at least; twice as long at most.
const AFTER: Duration = Duration::from_secs(5);
/// Keys remembered that were deleted from here.
const DELETED_MAX: usize = 1024;
/// Bytes that are asked for, at most.
const LENGTH_MAX: u64 = 16 * 1024;

/// Promises that are to be checked.
pub(super) type Promises = mpsc::Sender<(PeerId, Entry)>;
pub(super) type PromisesToCheck = mpsc::Receiver<(PeerId, Entry)>;

pub(super) fn queue() -> (Promises, PromisesToCheck) {
    mpsc::channel(WAITING_MAX)
}

pub(super) async fn check_all(node: Arc<Node>, mut promises: PromisesToCheck) {
    while let Some((peer, entry)) = promises.recv().await {
        let later = u32::from(clock::random::<1>()[0]);
        node.base.sleep(AFTER + AFTER * later / 256).await;
        node.check_promise(peer, &entry).await;
    }
}

impl Node {
    /// A node gave a receipt. It may be asked to show that it meant it.
    pub(super) fn promised(&self, peer: PeerId, entry: &Entry) {
        if clock::random::<1>()[0].is_multiple_of(ONE_OF) && entry.size > 0 {
            // Enough are checked already.
            let _full = self.promises.try_send((peer, entry.clone()));
        }
    }

    /// What was deleted from here: nobody is asked for it any more.
    fn deleted(&self) -> MutexGuard<'_, VecDeque<Key>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value was deleted from here: promises to keep it are over.
    pub(super) fn released(&self, key: Key) {
        let mut deleted = self.deleted();
        if deleted.len() >= DELETED_MAX {
            deleted.pop_front();
        }
        deleted.push_back(key);
    }

    /// Whether a deletion would be known here: of what is published from here, or kept here. Others may have been told to forget it.
    fn would_know(&self, entry: &Entry) -> bool {
        if entry.kind != Kind::Plain {
            return true;
        }
        if entry.publisher == self.local {
            return !self.deleted().contains(&entry.key);
        }
        self.held(&entry.key)
            .is_some_and(|held| held.root == entry.root)
    }

    /// Whether a node has what it promised to keep. Who does not answer at all is counted as such where it is asked.
    pub(super) async fn check_promise(&self, peer: PeerId, entry: &Entry) {
        if !self.would_know(entry) {
            return;
        }
        let offset = u64::from_be_bytes(clock::random()) % entry.size;
        let length = (entry.size - offset).min(LENGTH_MAX) as u32;
        let challenge = Challenge {
            key: entry.key,
            root: entry.root,
            offset,
            length,
        };
        let kept = match self
            .ask(&peer, &Ask::Challenge(challenge), ASK_TIMEOUT)
            .await
        {
            Ok(Answer::Slice(proof)) => {
                slice::check(&entry.root, entry.size, offset, length, &proof)
            }
            // Only a plain value cannot have been replaced since.
            Ok(Answer::Verdict(Verdict::NotFound { .. })) => {
                if entry.kind == Kind::Plain && entry.publisher != self.local {
                    // Who deletes it tells one node after the other.
                    self.base.sleep(ASK_TIMEOUT).await;
                }
                entry.kind != Kind::Plain
                    || entry.is_expired(clock::now_ms())
                    || !self.would_know(entry)
            }
            // It has too much to do, which proves nothing.
            Ok(Answer::Verdict(Verdict::Refused { .. })) | Err(_) => return,
            Ok(_) => false,
        };
        if !kept {
            tracing::info!(%peer, key = %entry.key, "it promised to keep a value and does not have it");
            self.table(|table, now| table.lied(&peer, now));
        }
    }
}
