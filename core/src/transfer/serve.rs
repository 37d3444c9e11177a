//! Answering the asks of others.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::sharing::Sharing;
use crate::config::BATCH_EVENTS;
use crate::error::{Code, TransferError};
use crate::proto::transfer::message::{Ask, What};
use crate::proto::transfer::outline::{GROUP, Piece};
use crate::proto::transfer::schedule::pieces;
use crate::satellite::{Event, Events, Responder};
use crate::store::shared_file::SharedFile;

/// Asks that are answered at once. Each has a thread that reads, and three pieces at most.
const SERVED_MAX: usize = 128;
/// Pieces read ahead of what is sent.
const AHEAD: usize = 1;

pub(super) async fn serve(sharing: Arc<Sharing>, mut events: Events) {
    let room = Arc::new(Semaphore::new(SERVED_MAX));
    let mut batch = Vec::new();
    while events.next_batch(&mut batch, BATCH_EVENTS).await {
        for event in batch.drain(..) {
            let Ok(responder) = event.take_responder() else {
                continue;
            };
            match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => sharing.serve(&event, responder, permit),
                Err(_) => refuse(responder, Code::Busy, "it serves many at the moment"),
            }
        }
    }
}

fn refuse(responder: Responder, code: Code, text: &str) {
    responder.end_with(code as i32, text);
}

impl Sharing {
    fn serve(self: &Arc<Self>, event: &Event, responder: Responder, permit: OwnedSemaphorePermit) {
        let ask = match Ask::decode(event.content().clone()) {
            Ok(ask) => ask,
            Err(error) => return refuse(responder, Code::Protocol, &error.to_string()),
        };
        match ask.what {
            What::Get { root, range, piece } => {
                let Some(file) = self.find(&root) else {
                    return refuse(responder, Code::NotFound, "");
                };
                let sharing = Arc::clone(self);
                self.base.spawn(async move {
                    sharing.send(file, range, piece, responder).await;
                    drop(permit);
                });
            }
            What::Many { .. } => refuse(responder, Code::Unsupported, ""),
        }
    }

    /// Sends pieces as long as they are wanted.
    async fn send(
        &self,
        file: Arc<SharedFile>,
        range: Range<u64>,
        piece: u64,
        responder: Responder,
    ) {
        let size = file.size();
        let range = range.start.min(size)..range.end.min(size);
        let range = if range.is_empty() {
            // The last group, or the nothing that an empty file has.
            size.saturating_sub(1) / GROUP * GROUP..size
        } else {
            range
        };
        let (read, mut reads) = mpsc::channel(AHEAD);
        let reading = self
            .base
            .blocking(move || read_all(&file, range, piece, &read));
        let sending = async {
            while let Some(piece) = reads.recv().await {
                match piece {
                    Ok(bytes) => {
                        if responder.reply(bytes).await.is_err() {
                            // They cancelled, or are gone.
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot be shared any more");
                        return refuse(
                            responder,
                            Code::NotFound,
                            "it was changed or removed there",
                        );
                    }
                }
            }
            responder.end();
        };
        // The thread ends when nobody takes what it reads.
        tokio::join!(reading, sending);
    }
}

fn read_all(
    file: &SharedFile,
    range: Range<u64>,
    size: u64,
    read: &mpsc::Sender<Result<Bytes, TransferError>>,
) {
    let empty = Some(Piece { start: 0, end: 0 }).filter(|_| range.is_empty());
    for piece in pieces(range, size).chain(empty) {
        let bytes = file.piece(piece);
        let failed = bytes.is_err();
        if read.blocking_send(bytes).is_err() || failed {
            return;
        }
    }
}
