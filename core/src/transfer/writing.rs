//! The two threads of a file that is being got: one checks and writes pieces, the other puts them on the disk meanwhile.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::error::TransferError;
use crate::net::clock;
use crate::proto::transfer::message::Came;
use crate::proto::transfer::outline::Piece;
use crate::proto::transfer::schedule::SourceId;
use crate::store::part_file::{Commit, PartFile, Wrote};

/// Pieces that wait to be written.
pub(super) const PIECES: usize = 4;
/// What was written and may be lost when the process ends: so much, or what came in this time.
const COMMIT_BYTES: u64 = 64 << 20;
pub(super) const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// What the writing thread is handed.
#[derive(Debug)]
pub(super) enum ToWrite {
    Piece(SourceId, Came),
    /// Nothing may come for a while.
    Commit,
}

/// What the threads tell.
#[derive(Debug)]
pub(super) enum Told {
    Written(Piece),
    Wrong(SourceId, Piece),
    /// The disk does not go on.
    Failed(TransferError),
}

/// Writes until nothing more comes. The part file, with its last state handed over.
pub(super) fn write(
    mut part: PartFile,
    mut pieces: mpsc::Receiver<ToWrite>,
    told: &mpsc::Sender<Told>,
    commits: &mpsc::Sender<Commit>,
) -> PartFile {
    let mut fresh = Fresh {
        bytes: 0,
        since: clock::now(),
    };
    while let Some(next) = pieces.blocking_recv() {
        let due = match next {
            ToWrite::Commit => true,
            ToWrite::Piece(source, came) => {
                let tell = match part.write(&came) {
                    Ok(Wrote::Written) => {
                        fresh.bytes += came.piece.len();
                        Told::Written(came.piece)
                    }
                    Ok(Wrote::Wrong) => Told::Wrong(source, came.piece),
                    Err(error) => Told::Failed(error),
                };
                if told.blocking_send(tell).is_err() {
                    break;
                }
                fresh.bytes >= COMMIT_BYTES || fresh.since.elapsed() >= COMMIT_EVERY
            }
        };
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
        let _failed = commits.blocking_send(part.commit());
    }
    part
}

struct Fresh {
    bytes: u64,
    since: Instant,
}

/// Commits until nothing more comes.
pub(super) fn commit(mut commits: mpsc::Receiver<Commit>, told: &mpsc::Sender<Told>) {
    while let Some(commit) = commits.blocking_recv() {
        if let Err(error) = commit.run() {
            // It is over already if nobody listens.
            let _over = told.blocking_send(Told::Failed(error));
            return;
        }
    }
}
