//! Getting a file: from its root to its place on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Files;
use super::conduct::Conduct;
use super::options::GetOptions;
use super::sharing::Sharing;
use super::sources::{Failure, Sources};
use super::writing::{self, PIECES};
use crate::error::TransferError;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::message::{Ask, Came, NAMESPACE, What};
use crate::proto::transfer::outline;
use crate::proto::transfer::root::Root;
use crate::satellite::RequestOptions;
use crate::store::part_file::{Begun, PartFile};
use crate::store::shared_file::SharedFile;

/// How long one source may take to say how large the file is.
const SIZE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the threads told and nobody took yet.
const TOLD: usize = 64;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that were checked and written, now and earlier.
    pub bytes: u64,
    /// Bytes in all; 0 while that is not known.
    pub size: u64,
    /// Bytes a second, of late.
    pub rate: u64,
    /// How many are asked at the moment.
    pub sources: usize,
}

impl Progress {
    /// How long the rest takes at this rate, if that can be said.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.size.checked_sub(self.bytes)?;
        (self.rate > 0 && self.size > 0)
            .then(|| Duration::from_secs_f64(left as f64 / self.rate as f64))
    }
}

/// A file that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its id.
    pub root: Root,
    /// Its bytes.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// A file that is being got. It goes on by itself; dropping this cancels it, and what came is kept.
#[derive(Debug)]
pub struct Transfer {
    progress: watch::Receiver<Progress>,
    end: oneshot::Receiver<Result<Received, TransferError>>,
    _cancel: DropGuard,
}

impl Transfer {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until it is farther. `None`: it has ended.
    pub async fn advanced(&mut self) -> Option<Progress> {
        self.progress.changed().await.ok()?;
        Some(*self.progress.borrow_and_update())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`TransferError`]. What came is kept beside the destination, as `NAME.part`: the same call goes on from there.
    pub async fn received(self) -> Result<Received, TransferError> {
        self.end.await.unwrap_or(Err(TransferError::Closed))
    }
}

impl Files {
    /// Gets a file to `destination`: in pieces, from all who have it, each checked before it is written. If it was begun before, also by
    /// another process or from others, it goes on from there. It has its name once it is whole, and is shared from then on.
    ///
    /// # Errors
    /// [`TransferError::Closed`]; all others come with [`Transfer::received`].
    pub fn get(
        &self,
        root: Root,
        destination: impl AsRef<Path>,
        options: GetOptions,
    ) -> Result<Transfer, TransferError> {
        if !self.satellite.is_running() {
            return Err(TransferError::Closed);
        }
        let destination = std::path::absolute(destination.as_ref())
            .map_err(|error| TransferError::io(destination.as_ref(), &error))?;
        let (tell, progress) = watch::channel(Progress::default());
        let (done, end) = oneshot::channel();
        let cancel = CancellationToken::new();
        let getting = Getting {
            sharing: Arc::clone(&self.sharing),
            root,
            destination,
            options,
            progress: tell,
        };
        let cancelled = cancel.clone();
        self.sharing.base.spawn(async move {
            // Nobody may wait any more.
            let _unheard = done.send(getting.run(&cancelled).await);
        });
        Ok(Transfer {
            progress,
            end,
            _cancel: cancel.drop_guard(),
        })
    }
}

struct Getting {
    sharing: Arc<Sharing>,
    root: Root,
    destination: PathBuf,
    options: GetOptions,
    progress: watch::Sender<Progress>,
}

impl Getting {
    async fn run(self, cancel: &CancellationToken) -> Result<Received, TransferError> {
        let destination = self.destination.clone();
        let root = self.root;
        let there = self
            .blocking(move || PartFile::is_there(&destination, &root))
            .await??;
        let units = match there {
            Some(units) => units,
            None => self.fetch(cancel).await?,
        };
        let path = self.destination.clone();
        let file = self
            .blocking(move || SharedFile::known(&path, units))
            .await??;
        let received = Received {
            root: self.root,
            size: file.size(),
            path: self.destination.clone(),
        };
        self.progress.send_modify(|progress| {
            (progress.bytes, progress.size) = (received.size, received.size);
        });
        self.sharing.add(file);
        Ok(received)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TransferError> {
        self.sharing
            .base
            .blocking(work)
            .await
            .ok_or(TransferError::Closed)
    }

    /// From others, to the end. The hashes of its units.
    async fn fetch(&self, cancel: &CancellationToken) -> Result<Vec<[u8; 32]>, TransferError> {
        let mut sources = Sources::default();
        let size = tokio::select! {
            size = self.learn_size(&mut sources) => size?,
            () = cancel.cancelled() => return Err(TransferError::Cancelled),
        };
        let (root, destination) = (self.root, self.destination.clone());
        let begun = self
            .blocking(move || PartFile::begin(&destination, root, size))
            .await??;
        let part = match begun {
            Begun::Whole(units) => return Ok(units),
            Begun::Part(part) => part,
        };
        let conduct = Conduct {
            sharing: &self.sharing,
            root,
            size,
            sources: &mut sources,
            patience: self.options.patience,
            progress: &self.progress,
            written: part.done().clone(),
        };
        let (to_write, pieces) = mpsc::channel(PIECES);
        let (told, tells) = mpsc::channel(TOLD);
        let (to_commit, commits) = mpsc::channel(1);
        let told_too = told.clone();
        let writing = self.blocking(move || writing::write(part, pieces, &told, &to_commit));
        let committing = self.blocking(move || writing::commit(commits, &told_too));
        let conducting = async {
            tokio::select! {
                done = conduct.run(to_write, tells) => done,
                () = cancel.cancelled() => Err(TransferError::Cancelled),
            }
        };
        let (part, committed, done) = tokio::join!(writing, committing, conducting);
        let part = part?;
        done?;
        committed?;
        let durable = self.options.durable;
        self.blocking(move || part.finish(durable)).await?
    }

    /// Asks everybody for the end of the file, whose proof has its size.
    async fn learn_size(&self, sources: &mut Sources) -> Result<u64, TransferError> {
        let began = clock::now();
        let mut connecting: FuturesUnordered<_> = self
            .options
            .addresses
            .iter()
            .map(|address| self.sharing.base.connect(address, CONNECT_TIMEOUT))
            .collect();
        for peer in &self.options.sources {
            self.add(sources, *peer);
        }
        let mut asks = FuturesUnordered::new();
        loop {
            for id in sources.rouse(clock::now()) {
                if let Some(peer) = sources.peer(id) {
                    asks.push(async move { (id, self.ask_size(&peer).await) });
                }
            }
            let left = (began + self.options.patience).saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            let due = sources.deadline().map_or(left, |due| {
                due.saturating_duration_since(clock::now()).min(left)
            });
            tokio::select! {
                Some(connected) = connecting.next() => {
                    if let Some(peer) = connected {
                        self.add(sources, peer);
                    }
                }
                Some((id, answer)) = asks.next() => match answer {
                    Ok(size) => {
                        // All that were asked begin anew with the first piece.
                        drop(asks);
                        sources.again();
                        return Ok(size);
                    }
                    Err(failure) => {
                        if let (Failure::Lied(_), Some(peer)) = (&failure, sources.peer(id)) {
                            self.sharing.lied(peer);
                        }
                        sources.failed(id, failure, clock::now());
                        if !sources.has_hope() && connecting.is_empty() && sources.reasons().1 {
                            break;
                        }
                    }
                },
                () = self.sharing.base.sleep(due) => {}
            }
        }
        let (reasons, refused) = sources.reasons();
        let root = self.root.to_string();
        Err(if refused {
            TransferError::Refused { root, reasons }
        } else {
            TransferError::NoSource {
                root,
                after: self.options.patience,
                reasons,
            }
        })
    }

    fn add(&self, sources: &mut Sources, peer: PeerId) {
        if peer != self.sharing.local && !self.sharing.is_bad(&peer) {
            sources.add(peer);
        }
    }

    async fn ask_size(&self, peer: &PeerId) -> Result<u64, Failure> {
        let ask = Ask {
            what: What::Get {
                root: self.root,
                range: u64::MAX..u64::MAX,
                piece: outline::GROUP,
            },
            token: bytes::Bytes::new(),
        };
        let options = RequestOptions::default().deadline(SIZE_TIMEOUT);
        let mut replies = self
            .sharing
            .base
            .request(peer, NAMESPACE, ask.encode(), options)
            .await?;
        let Some(reply) = replies.next().await else {
            return Err(Failure::Lied("it ended without an answer".to_owned()));
        };
        let came = Came::decode(reply?.content().clone())
            .map_err(|error| Failure::Lied(error.to_string()))?;
        let right = came.piece.end == came.size
            && outline::check(&self.root, came.size, came.piece, &came.proof, &came.data).is_some();
        if !right {
            return Err(Failure::Lied("what it sent is not the file".to_owned()));
        }
        Ok(came.size)
    }
}
