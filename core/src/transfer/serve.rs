//! Answering the asks of others.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::load::{Copies, Folder};
use super::sharing::{Refusal, Right, Sharing};
use crate::config::BATCH_EVENTS;
use crate::error::{Code, TransferError};
use crate::proto::transfer::message::{Ask, HEAD, What, encode_batch};
use crate::proto::transfer::outline::{GROUP, Piece, UNIT};
use crate::proto::transfer::schedule::pieces;
use crate::satellite::places::{Place, Places};
use crate::satellite::{Event, Events, Responder};
use crate::store::shared_file::SharedFile;

/// Asks that are answered at once, and of them those of one peer. Each has two pieces at most.
const SERVED_MAX: usize = 128;
const SERVED_EACH: usize = 32;
/// How long an answer may wait to be taken: a MiB over a line of 100 kbit/s.
const TAKE_MAX: Duration = Duration::from_secs(90);
/// Files of one answer: so many empty ones are no answer without end.
const BATCH_FILES: u32 = 4096;

pub(super) async fn serve(sharing: Arc<Sharing>, mut events: Events) {
    let room = Places::new(SERVED_MAX, SERVED_EACH);
    let mut batch = Vec::new();
    while events.next_batch(&mut batch, BATCH_EVENTS).await {
        for event in batch.drain(..) {
            let Ok(responder) = event.take_responder() else {
                continue;
            };
            match room.take(*event.peer()) {
                Some(place) => sharing.serve(&event, responder, place),
                None => refuse(responder, Code::Busy, "it serves many at the moment"),
            }
        }
    }
}

fn refuse(responder: Responder, code: Code, text: &str) {
    responder.end_with(code as i32, text);
}

impl Sharing {
    pub(super) fn serve(self: &Arc<Self>, event: &Event, responder: Responder, place: Place) {
        let ask = match Ask::decode(event.content().clone()) {
            Ok(ask) => ask,
            Err(error) => return refuse(responder, Code::Protocol, &error.to_string()),
        };
        let peer = event.peer();
        let found = match ask.what {
            What::Get { root, range, piece } => self
                .blob(&root, peer, &ask.token)
                .map(|(copies, right)| (Wanted::Bytes(copies, range, piece), right)),
            What::Many { root, places } => self
                .folder(&root, peer, &ask.token)
                .map(|(folder, right)| (Wanted::Files(folder, places), right)),
            What::Put(_) | What::Find(_) | What::Remove { .. } => {
                let (sharing, peer) = (Arc::clone(self), *peer);
                self.base.spawn(async move {
                    sharing.keeps(peer, ask, responder).await;
                    drop(place);
                });
                return;
            }
        };
        let (wanted, right) = match found {
            Ok(found) => found,
            Err(Refusal { status, text }) => return responder.end_with(status, &text),
        };
        let sharing = Arc::clone(self);
        self.base.spawn(async move {
            sharing.send(wanted, &right, responder).await;
            drop(place);
        });
    }

    /// Sends as long as it is wanted.
    async fn send(&self, wanted: Wanted, right: &Right, responder: Responder) {
        let counted = wanted.is_counted();
        let mut next = self.read(wanted.begin()).await;
        while let Some((rest, read)) = next {
            let (answer, bytes) = match read {
                Ok(read) => read,
                Err(error @ TransferError::Changed { .. }) => {
                    tracing::warn!(%error, "cannot be shared any more");
                    let text = "it was changed or removed there";
                    return refuse(responder, Code::NotFound, text);
                }
                Err(error) => {
                    // As when too many files are open.
                    tracing::warn!(%error, "cannot be read at the moment");
                    let text = "it cannot be read there at the moment";
                    return refuse(responder, Code::Busy, text);
                }
            };
            if let Err(Refusal { status, text }) = self.faults.strike() {
                return responder.end_with(status, &text);
            }
            if counted && let Err(Refusal { status, text }) = right.spend(bytes).await {
                return responder.end_with(status, &text);
            }
            // What comes next is read while this is sent.
            let (taken, read) = tokio::join!(self.tell(&responder, answer), self.read(rest));
            if taken.is_err() {
                return;
            }
            next = read;
        }
        responder.end();
    }

    /// Hands over an answer. An error if they cancelled, are gone, or take nothing: others are waiting for the place.
    pub(super) async fn tell(&self, responder: &Responder, answer: Bytes) -> Result<(), Refusal> {
        let gone = tokio::select! {
            told = responder.reply(answer) => match told {
                Ok(()) => return Ok(()),
                Err(error) => error.to_string(),
            },
            () = self.base.sleep(TAKE_MAX) => "its answers are not taken".to_owned(),
        };
        Err(Refusal::new(Code::Cancelled, gone))
    }

    /// The next answer and what is left behind it. A thread is held for one answer at a time: there are few, and others wait for them.
    async fn read(&self, mut left: Left) -> Option<(Left, Read)> {
        let read = move || left.next().map(|read| (left, read));
        self.base.blocking(read).await.flatten()
    }
}

/// What is to be sent.
enum Wanted {
    Bytes(Copies, Range<u64>, u64),
    Files(Arc<Folder>, Range<u32>),
}

/// An answer, and how many bytes of files are in it.
type Read = Result<(Bytes, u64), TransferError>;

impl Wanted {
    /// Who only wants to know the size spends nothing.
    fn is_counted(&self) -> bool {
        !matches!(self, Self::Bytes(copies, range, _) if range.start > copies.size())
    }

    fn begin(self) -> Left {
        match self {
            Self::Bytes(copies, range, size) => {
                let end = copies.size();
                let mut range = range.start.min(end)..range.end.min(end);
                if range.is_empty() {
                    // The last group, or the nothing that an empty file has.
                    range = end.saturating_sub(1) / GROUP * GROUP..end;
                }
                let empty = Some(Piece { start: 0, end: 0 }).filter(|_| range.is_empty());
                let pieces = Box::new(pieces(range, size).chain(empty));
                Left::Pieces(copies, pieces)
            }
            Self::Files(folder, places) => Left::Files(folder, places),
        }
    }
}

/// What is still to be sent.
enum Left {
    Pieces(Copies, Box<dyn Iterator<Item = Piece> + Send>),
    Files(Arc<Folder>, Range<u32>),
}

impl Left {
    /// Reads the next answer from the disk.
    fn next(&mut self) -> Option<Read> {
        match self {
            Self::Pieces(copies, pieces) => {
                let piece = pieces.next()?;
                let read = copies.read(|file| file.piece(piece));
                Some(read.map(|bytes| (bytes, piece.len())))
            }
            Self::Files(folder, places) => read_files(folder, places),
        }
    }
}

/// The next files of a folder, as many as fit into an answer.
fn read_files(folder: &Folder, places: &mut Range<u32>) -> Option<Read> {
    let last = (places.end as usize).min(folder.files.len());
    let small = |file: &&Arc<SharedFile>| file.size() <= UNIT;
    let mut files = folder
        .files
        .get(places.start as usize..last)
        .unwrap_or_default()
        .iter()
        .zip(places.start..)
        .filter_map(|(file, place)| Some((file.as_ref().filter(small)?, place)))
        .peekable();
    let first = files.peek()?.1;
    let mut buffer = Vec::with_capacity(HEAD + UNIT as usize);
    buffer.resize(HEAD, 0);
    let mut count = 0;
    while let Some((file, place)) = files.peek()
        && (count == 0 || buffer.len() as u64 + file.size() <= HEAD as u64 + UNIT)
        && count < BATCH_FILES
    {
        if let Err(error) = file.append(&mut buffer) {
            return Some(Err(error));
        }
        count += 1;
        places.start = place + 1;
        files.next();
    }
    let bytes = (buffer.len() - HEAD) as u64;
    Some(Ok((encode_batch(buffer, first, count), bytes)))
}
