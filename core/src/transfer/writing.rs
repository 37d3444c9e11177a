//! Writing a file that is being got: pieces are checked and written, and what was written is put on the disk meanwhile.
//!
//! Threads that may block are few, and others wait for them, too: so one is had for a handful of pieces at a time, or for one commit, and
//! none is held while nothing comes.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::error::TransferError;
use crate::net::clock;
use crate::proto::transfer::message::Came;
use crate::proto::transfer::outline::Piece;
use crate::proto::transfer::schedule::SourceId;
use crate::satellite::part::Base;
use crate::store::part_file::{Commit, PartFile, Wrote};

/// Pieces that wait to be written, and that are written at once.
pub(super) const PIECES: usize = 4;
/// What was written and may be lost when the process ends: so much, or what came in this time.
const COMMIT_BYTES: u64 = 64 << 20;
pub(super) const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// What is to be written.
#[derive(Debug)]
pub(super) enum ToWrite {
    Piece(SourceId, Came),
    /// Nothing may come for a while.
    Commit,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Told {
    Written(Piece),
    Wrong(SourceId, Piece),
    /// The disk does not go on.
    Failed(TransferError),
}

/// Writes until nothing more comes. The part file, with its last state handed over.
pub(super) async fn write(
    base: &Base,
    mut part: PartFile,
    mut pieces: mpsc::Receiver<ToWrite>,
    told: mpsc::Sender<Told>,
    commits: mpsc::Sender<Commit>,
) -> Result<PartFile, TransferError> {
    let mut fresh = Fresh {
        bytes: 0,
        since: clock::now(),
    };
    let mut waiting = Vec::with_capacity(PIECES);
    while pieces.recv_many(&mut waiting, PIECES).await > 0 {
        let batch = std::mem::take(&mut waiting);
        let asked = batch.iter().any(|next| matches!(next, ToWrite::Commit));
        let write = move || {
            let told: Vec<Told> = batch
                .into_iter()
                .filter_map(|next| match next {
                    ToWrite::Piece(source, came) => Some(put(&mut part, source, &came)),
                    ToWrite::Commit => None,
                })
                .collect();
            (part, told)
        };
        let (back, results) = base.blocking(write).await.ok_or(TransferError::Closed)?;
        part = back;
        for result in results {
            if let Told::Written(piece) = &result {
                fresh.bytes += piece.len();
            }
            if told.send(result).await.is_err() {
                pieces.close();
            }
        }
        let due = asked || fresh.bytes >= COMMIT_BYTES || fresh.since.elapsed() >= COMMIT_EVERY;
        // The disk may be busy with the last one: then the next has more.
        if due && fresh.bytes > 0 && commits.try_send(part.commit()).is_ok() {
            fresh = Fresh {
                bytes: 0,
                since: clock::now(),
            };
        }
    }
    // The end of a whole one is durable by itself.
    if fresh.bytes > 0 && !part.is_whole() {
        // Whoever takes it has failed already if nobody does.
        let _failed = commits.send(part.commit()).await;
    }
    Ok(part)
}

fn put(part: &mut PartFile, source: SourceId, came: &Came) -> Told {
    match part.write(came) {
        Ok(Wrote::Written) => Told::Written(came.piece),
        Ok(Wrote::Wrong) => Told::Wrong(source, came.piece),
        Err(error) => Told::Failed(error),
    }
}

struct Fresh {
    bytes: u64,
    since: Instant,
}

/// Commits until nothing more comes.
pub(super) async fn commit(
    base: &Base,
    mut commits: mpsc::Receiver<Commit>,
    told: mpsc::Sender<Told>,
) -> Result<(), TransferError> {
    while let Some(commit) = commits.recv().await {
        let done = base.blocking(move || commit.run()).await;
        if let Err(error) = done.ok_or(TransferError::Closed)? {
            // It is over already if nobody listens.
            let _over = told.send(Told::Failed(error.clone())).await;
            return Err(error);
        }
    }
    Ok(())
}
