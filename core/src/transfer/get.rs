//! Getting a file: from its root to its place on the disk.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Files;
use super::conduct::Conduct;
use super::load::Load;
use super::options::GetOptions;
use super::record::{Holding, label_of};
use super::sharing::Sharing;
use super::sources::{Failure, Sources};
use super::ticket::Ticket;
use super::writing::{self, PIECES};
use crate::error::TransferError;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::collection::{BYTES_MAX, ENTRIES_MAX};
use crate::proto::transfer::message::{Ask, Came, NAMESPACE, What};
use crate::proto::transfer::outline;
use crate::proto::transfer::root::Root;
use crate::satellite::RequestOptions;
use crate::satellite::part::Base;
use crate::store::hashing::FileHashing;
use crate::store::part_file::{self, Begun, PartFile};
use crate::store::shared_file::SharedFile;

/// How long one source may take to say how large the file is.
const SIZE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an address may take to answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after a search for others the next one comes.
const SEARCH_FIRST: Duration = Duration::from_secs(1);
const SEARCH_LAST: Duration = Duration::from_secs(30);
/// How long a get waits for an earlier one that may be about to leave its place.
pub(super) const LET_GO: Duration = Duration::from_secs(2);
/// Groups that show that somebody has a file.
const PROOFS: usize = 4;
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
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A file that is being got, or given away to be kept. It goes on by itself; dropping this cancels it, and what came is kept.
#[derive(Debug)]
pub struct Transfer {
    progress: watch::Receiver<Progress>,
    end: oneshot::Receiver<Result<Received, TransferError>>,
    _cancel: DropGuard,
}

impl Transfer {
    pub(super) fn new(
        progress: watch::Receiver<Progress>,
        end: oneshot::Receiver<Result<Received, TransferError>>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            progress,
            end,
            _cancel: cancel.drop_guard(),
        }
    }

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

/// What is to be got.
#[derive(Clone, Debug)]
pub struct Wanted {
    root: Root,
    folder: bool,
    ticket: Option<Ticket>,
}

impl Wanted {
    /// The folder whose list of files has this root. A root by itself is a file, a ticket knows what it is for.
    pub fn folder(root: Root) -> Self {
        Self {
            folder: true,
            ..root.into()
        }
    }
}

impl From<Root> for Wanted {
    fn from(root: Root) -> Self {
        Self {
            root,
            folder: false,
            ticket: None,
        }
    }
}

impl From<&Ticket> for Wanted {
    fn from(ticket: &Ticket) -> Self {
        Self {
            root: ticket.root(),
            folder: ticket.is_folder(),
            ticket: Some(ticket.clone()),
        }
    }
}

impl Files {
    /// Gets a file or folder to `destination`: in pieces, from all who have it, each checked before it is written. If it was begun before,
    /// also by another process or from others, it goes on from there; one that was cancelled a moment ago is waited for. It has its name once it is
    /// whole. What was got without a ticket's or token's right is shared from then on.
    ///
    /// # Errors
    /// [`TransferError::Closed`]; all others come with [`Transfer::received`].
    pub fn get(
        &self,
        wanted: impl Into<Wanted>,
        destination: impl AsRef<Path>,
        mut options: GetOptions,
    ) -> Result<Transfer, TransferError> {
        if !self.satellite.is_running() {
            return Err(TransferError::Closed);
        }
        let Wanted {
            root,
            folder,
            ticket,
        } = wanted.into();
        let destination = std::path::absolute(destination.as_ref())
            .map_err(|error| TransferError::io(destination.as_ref(), &error))?;
        let mut token = Bytes::from(options.token.take().unwrap_or_default());
        if let Some(Ticket(ticket)) = ticket {
            let issuer = ticket.issuer;
            let with_issuer = |address: String| format!("{address}/p2p/{issuer}");
            options.sources.push(issuer);
            options
                .addresses
                .extend(ticket.addresses.into_iter().map(with_issuer));
            if let Some(right) = ticket.token {
                token = Bytes::copy_from_slice(right.as_str().as_bytes());
            }
        }
        let (tell, progress) = watch::channel(Progress::default());
        let (done, end) = oneshot::channel();
        let cancel = CancellationToken::new();
        let getting = Getting {
            sharing: Arc::clone(&self.sharing),
            root,
            most: Most::ANY,
            announced: root,
            give_on: token.is_empty(),
            token,
            destination,
            grows: None,
            options,
            progress: tell,
            cancel: cancel.clone(),
        };
        self.sharing.base.spawn(async move {
            let received = getting.deliver(folder).await;
            // Nobody may wait any more.
            let _unheard = done.send(received);
        });
        Ok(Transfer::new(progress, end, cancel))
    }
}

/// A file or folder that has come, and what it is shared with.
pub(super) type Got = (Received, Option<Load>);

impl Sharing {
    /// What was got is given to others, too.
    async fn share_got(&self, load: Load) -> Result<(), TransferError> {
        let owner = self.owner(None)?;
        if self.is_owned(&load.root, &owner) {
            // As it was shared, perhaps to few.
            return Ok(());
        }
        let holding = Holding {
            name: label_of(&load.about.path).unwrap_or_else(|| owner.clone()),
            owner,
            tags: Vec::new(),
            guarded: false,
            sha256: None,
            upload: None,
        };
        self.share(load, holding).await.map(drop)
    }
}

/// What is taken at most.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) bytes: u64,
    /// Of a folder: bytes of its list, and entries.
    pub(super) list: u64,
    pub(super) entries: usize,
}

impl Most {
    /// What is a folder at all.
    const ANY: Self = Self {
        bytes: u64::MAX,
        list: BYTES_MAX as u64,
        entries: ENTRIES_MAX,
    };

    pub(super) fn takes(&self, size: u64) -> Result<(), TransferError> {
        if size <= self.bytes {
            return Ok(());
        }
        Err(TransferError::TooLarge(format!(
            "it has {size} bytes, at most {} are taken",
            self.bytes
        )))
    }
}

/// One file or folder on its way.
#[derive(Clone)]
pub(super) struct Getting {
    pub(super) sharing: Arc<Sharing>,
    pub(super) root: Root,
    pub(super) token: Bytes,
    /// More is not taken, whoever has it.
    pub(super) most: Most,
    /// Whether it is to be given to others afterwards.
    pub(super) give_on: bool,
    /// Under which its sources have announced it: of a file in a folder that is the folder's.
    pub(super) announced: Root,
    pub(super) destination: PathBuf,
    /// Where it grows; if nothing is said, beside its destination.
    pub(super) grows: Option<PathBuf>,
    pub(super) options: GetOptions,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) cancel: CancellationToken,
}

impl Getting {
    /// To the end, and shared if that is wanted; alone at its place.
    async fn deliver(self, folder: bool) -> Result<Received, TransferError> {
        let sharing = Arc::clone(&self.sharing);
        let _taken = sharing
            .destinations
            .take(
                &self.destination,
                &self.cancel,
                self.sharing.base.sleep(LET_GO),
            )
            .await?;
        let (received, load) = self.run(folder).await?;
        if let Some(load) = load {
            // It is there all the same.
            if let Err(error) = sharing.share_got(load).await {
                tracing::warn!(root = %received.root, %error, "what was got is not shared");
            }
        }
        Ok(received)
    }

    /// To the end; and what is needed to share it, if that is wanted.
    pub(super) async fn run(self, folder: bool) -> Result<Got, TransferError> {
        if folder {
            self.folder().await
        } else {
            self.file().await
        }
    }

    async fn file(self) -> Result<Got, TransferError> {
        let mut sources = Sources::default();
        let units = self.fetch(&mut sources).await?;
        let path = self.destination.clone();
        let file = self
            .blocking(move || SharedFile::known(&path, units).map(SharedFile::opened))
            .await??;
        let received = Received {
            root: self.root,
            size: file.size(),
            path: self.destination.clone(),
            is_folder: false,
        };
        self.progress.send_modify(|progress| {
            (progress.bytes, progress.size) = (received.size, received.size);
        });
        Ok((received, self.give_on.then(|| Load::file(file))))
    }

    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TransferError> {
        self.sharing
            .base
            .blocking(work)
            .await
            .ok_or(TransferError::Closed)
    }

    /// Work that takes long, until this is cancelled.
    pub(super) async fn sliced<T: Send + 'static>(
        &self,
        slice: impl FnMut() -> Result<Option<T>, TransferError> + Send + 'static,
    ) -> Result<T, TransferError> {
        tokio::select! {
            done = self.sharing.sliced(slice) => done,
            () = self.cancel.cancelled() => Err(TransferError::Cancelled),
        }
    }

    /// The hashes of the file's units, if it is at its destination already.
    async fn is_there(&self) -> Result<Option<Vec<[u8; 32]>>, TransferError> {
        let destination = self.destination.clone();
        if !self
            .blocking(move || part_file::is_file(&destination))
            .await??
        {
            return Ok(None);
        }
        let (destination, root) = (self.destination.clone(), self.root);
        let grows = self.grows.clone();
        let mut hashing = None;
        let slice = move || {
            let hashing = match &mut hashing {
                Some(hashing) => hashing,
                None => hashing.insert(FileHashing::begin(&destination)?),
            };
            let Some(file) = hashing.slice(|_| ())? else {
                return Ok(None);
            };
            let units = file.outline().units().to_vec();
            let grows = grows.as_deref();
            PartFile::is_it(&destination, grows, &root, file.size(), units).map(Some)
        };
        self.sliced(slice).await.map(Some)
    }

    /// To the end, unless it is there already. The hashes of its units; `sources` are those that were found.
    pub(super) async fn fetch(
        &self,
        sources: &mut Sources,
    ) -> Result<Vec<[u8; 32]>, TransferError> {
        if let Some(units) = self.is_there().await? {
            return Ok(units);
        }
        let size = tokio::select! {
            size = self.learn_size(sources) => size?,
            () = self.cancel.cancelled() => return Err(TransferError::Cancelled),
        };
        self.most.takes(size)?;
        let (destination, root) = (self.destination.clone(), self.root);
        let grows = self.grows.clone();
        let begin = move || PartFile::begin(&destination, grows.as_deref(), root, size);
        let begun = self.blocking(begin).await??;
        let part = match begun {
            Begun::Whole(units) => return Ok(units),
            Begun::Part(part) => part,
        };
        let conduct = Conduct {
            getting: self,
            size,
            sources,
            written: part.done().clone(),
        };
        let (to_write, pieces) = mpsc::channel(PIECES);
        let (told, tells) = mpsc::channel(TOLD);
        let (to_commit, commits) = mpsc::channel(1);
        let base = &self.sharing.base;
        let committing = writing::commit(base, commits, told.clone());
        let writing = writing::write(base, part, pieces, told, to_commit);
        let conducting = async {
            tokio::select! {
                done = conduct.run(to_write, tells) => done,
                () = self.cancel.cancelled() => Err(TransferError::Cancelled),
            }
        };
        let (part, committed, done) = tokio::join!(writing, committing, conducting);
        let mut part = Some(part?);
        done?;
        committed?;
        let part = self
            .sliced(move || {
                let known = part.as_mut().map_or(Ok(true), PartFile::hash_some)?;
                Ok(if known { part.take() } else { None })
            })
            .await?;
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
        let mut search = Search::new(self);
        loop {
            for id in sources.rouse(clock::now()) {
                if let Some(peer) = sources.peer(id) {
                    asks.push(async move { (id, self.ask_size(&peer).await) });
                }
            }
            // Who refuses now does so later, too. Looked at each time: an address may be the last that there was hope of.
            let refused = !sources.has_hope() && connecting.is_empty() && sources.reasons().1;
            let left = self.options.patience.saturating_sub(began.elapsed());
            if refused || left.is_zero() {
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
                found = search.next() => {
                    for peer in found {
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
                    }
                },
                () = self.sharing.base.sleep(due) => {}
            }
        }
        Err(self.nobody(sources))
    }

    /// Why it does not come.
    pub(super) fn nobody(&self, sources: &Sources) -> TransferError {
        let (reasons, refused) = sources.reasons();
        let root = self.root.to_string();
        if refused {
            TransferError::Refused { root, reasons }
        } else {
            TransferError::NoSource {
                root,
                after: self.options.patience,
                reasons,
            }
        }
    }

    pub(super) fn add(&self, sources: &mut Sources, peer: PeerId) {
        if peer != self.sharing.local && !self.sharing.is_bad(&peer) {
            sources.add(peer);
        }
    }

    /// Whether who wants it kept has it: what is here whole would else be his who knows its id alone. Some groups, by chance, show it of a file; of a
    /// folder its list comes from him in any case.
    pub(super) async fn proved_by(&self, peer: &PeerId) -> Result<(), TransferError> {
        let path = self.destination.clone();
        let size = self.blocking(move || part_file::size_of(&path)).await?;
        let Some(size) = size else {
            return Ok(());
        };
        for _ in 0..PROOFS {
            let random = u64::from_le_bytes(clock::random());
            let start = random % size.div_ceil(outline::GROUP).max(1) * outline::GROUP;
            let group = start..start.saturating_add(outline::GROUP).min(size);
            let came = self.ask_group(peer, group.clone()).await;
            let reasons = match came {
                Ok(came) if came.piece.start == start && came.size == size => continue,
                Ok(_) => "it sent what it was not asked for".to_owned(),
                Err(failure) => format!("{failure:?}"),
            };
            return Err(TransferError::NoSource {
                root: self.root.to_string(),
                after: self.options.patience,
                reasons,
            });
        }
        Ok(())
    }

    async fn ask_size(&self, peer: &PeerId) -> Result<u64, Failure> {
        let came = self.ask_group(peer, u64::MAX..u64::MAX).await?;
        if came.piece.end != came.size {
            return Err(Failure::Lied("what it sent is not the file".to_owned()));
        }
        Ok(came.size)
    }

    /// One group, of which the proof holds.
    async fn ask_group(&self, peer: &PeerId, range: Range<u64>) -> Result<Came, Failure> {
        let ask = Ask {
            what: What::Get {
                root: self.root,
                range,
                piece: outline::GROUP,
            },
            token: self.token.clone(),
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
        let right = outline::check(&self.root, came.size, came.piece, &came.proof, &came.data);
        if right.is_none() {
            return Err(Failure::Lied("what it sent is not the file".to_owned()));
        }
        Ok(came)
    }
}

/// Looks again and again for others who have a file.
pub(super) struct Search {
    looking: BoxFuture<'static, Vec<PeerId>>,
    base: Base,
    root: Root,
    pause: Duration,
}

impl Search {
    pub(super) fn new(getting: &Getting) -> Self {
        let (base, root) = (getting.sharing.base.clone(), getting.announced);
        let options = &getting.options;
        // Who was named is asked first.
        let pause = if options.sources.is_empty() && options.addresses.is_empty() {
            Duration::ZERO
        } else {
            SEARCH_FIRST
        };
        Self {
            looking: look(base.clone(), root, pause),
            base,
            root,
            pause: SEARCH_FIRST,
        }
    }

    /// Whom the next search finds.
    pub(super) async fn next(&mut self) -> Vec<PeerId> {
        let found = (&mut self.looking).await;
        self.looking = look(self.base.clone(), self.root, self.pause);
        self.pause = (self.pause * 2).min(SEARCH_LAST);
        found
    }
}

fn look(base: Base, root: Root, pause: Duration) -> BoxFuture<'static, Vec<PeerId>> {
    Box::pin(async move {
        base.sleep(pause).await;
        base.providers(*root.as_bytes()).await
    })
}
