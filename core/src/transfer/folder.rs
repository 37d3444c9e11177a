//! Getting a folder: its list first, then its large files as files, and the small ones many at a time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, FuturesUnordered};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::watch;

use super::conduct::JOB_MAX;
use super::get::{CONNECT_TIMEOUT, Getting, Got, LET_GO, Most, Progress, Received, Search};
use super::sources::{Failure, Sources};
use crate::error::TransferError;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::collection::{Collection, Entry, What};
use crate::proto::transfer::message::{self, Ask, Batch, NAMESPACE};
use crate::proto::transfer::outline::UNIT;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::schedule::STALL;
use crate::satellite::RequestOptions;
use crate::store::folder::{self, PartFolder};
use crate::store::hashing::FolderHashing;

/// Large files that come at once.
const FILES: usize = 2;
/// Small files that are asked for at once: bytes, and how many.
const ASK_BYTES: u64 = 8 << 20;
const ASK_FILES: usize = 4096;
/// Small files that are looked at in one go, whether they are there.
const LOOKED_AT: usize = 64;
/// Asks of one source at once.
const ASKS: usize = 2;

impl Getting {
    /// A folder, from the root of its list.
    pub(super) async fn folder(self) -> Result<Got, TransferError> {
        let list_path = folder::list_path(&self.destination);
        let mut sources = Sources::default();
        let list = Self {
            destination: list_path.clone(),
            progress: watch::channel(Progress::default()).0,
            most: Most {
                bytes: self.most.list,
                ..self.most
            },
            ..self.clone()
        };
        list.fetch(&mut sources).await?;
        // The list may have come earlier, and nobody was asked for it now.
        self.seek_out(&mut sources).await;
        let read = self.blocking(move || folder::read_list(&list_path));
        let collection = read.await??;
        let collection = Arc::new(collection);
        let size = collection.size();
        self.most.takes(size)?;
        let (entries, most) = (collection.entries().len(), self.most.entries);
        if entries > most {
            return Err(TransferError::TooLarge(format!(
                "it has {entries} files, at most {most} are taken"
            )));
        }
        if !self.is_whole(&collection).await? {
            self.fill(&collection, &mut sources).await?;
        }
        let destination = self.destination.clone();
        self.blocking(move || folder::remove_rest(&destination))
            .await?;
        self.progress
            .send_modify(|progress| (progress.bytes, progress.size) = (size, size));
        let load = if self.give_on {
            // As it is on the disk: hashed once more, as whoever wrote it may not be the only one.
            let (load, _) = tokio::select! {
                loaded = self.sharing.load(self.destination.clone(), false, |_| ()) => loaded?,
                () = self.cancel.cancelled() => return Err(TransferError::Cancelled),
            };
            // Somebody may have put something into it meanwhile: that is not what was got.
            Some(load).filter(|load| load.root == self.root)
        } else {
            None
        };
        let received = Received {
            root: self.root,
            size,
            path: self.destination,
            is_folder: true,
        };
        Ok((received, load))
    }

    /// Whether the folder is at its destination already. Another must not be there.
    async fn is_whole(&self, collection: &Arc<Collection>) -> Result<bool, TransferError> {
        let path = self.destination.clone();
        if !self.blocking(move || folder::is_folder(&path)).await?? {
            return Ok(false);
        }
        let (path, list) = (self.destination.clone(), Arc::clone(collection));
        let mut hashing = None;
        let slice = move || {
            let hashing = match &mut hashing {
                Some(hashing) => hashing,
                None => {
                    let found = FolderHashing::begin(&path)?;
                    if !found.looks_like(&list) {
                        return Ok(Some(false));
                    }
                    hashing.insert(found)
                }
            };
            let Some((found, _)) = hashing.slice(|_| ())? else {
                return Ok(None);
            };
            let alike = |(a, b): (&Entry, &Entry)| a.name == b.name && a.what == b.what;
            let all = found.entries().iter().zip(list.entries());
            Ok(Some(all.into_iter().all(alike)))
        };
        if self.sliced(slice).await? {
            Ok(true)
        } else {
            Err(TransferError::Exists {
                path: self.destination.clone(),
            })
        }
    }

    /// Adds whom the caller named.
    async fn seek_out(&self, sources: &mut Sources) {
        for peer in &self.options.sources {
            self.add(sources, *peer);
        }
        if sources.has_hope() {
            return;
        }
        let base = &self.sharing.base;
        let addresses = self.options.addresses.iter();
        let connecting = addresses.map(|address| base.connect(address, CONNECT_TIMEOUT));
        for peer in join_all(connecting).await.into_iter().flatten() {
            self.add(sources, peer);
        }
    }

    async fn fill(
        &self,
        collection: &Arc<Collection>,
        sources: &mut Sources,
    ) -> Result<(), TransferError> {
        let part = self.begin(collection).await?;
        let needed = self.needed(&part, collection).await?;
        let large: Vec<(u32, Root, u64)> = (0..)
            .zip(collection.entries())
            .filter_map(|(place, entry)| match entry.what {
                What::File { root, size } if size > UNIT => Some((place, root, size)),
                _ => None,
            })
            .collect();
        let large_bytes: u64 = large.iter().map(|(_, _, size)| size).sum();
        let needed_bytes: u64 = needed
            .iter()
            .map(|place| size_of(&collection.entries()[*place as usize]))
            .sum();
        let tally = Tally {
            progress: &self.progress,
            size: collection.size(),
            // Small files that are there already.
            small: Mutex::new(collection.size() - large_bytes - needed_bytes),
            large: Mutex::default(),
        };
        tally.tell();
        self.many(&part, collection, needed, sources, &tally)
            .await?;
        let peers = sources.peers();
        stream::iter(large)
            .map(|(place, root, size)| {
                let entry = &collection.entries()[place as usize];
                let mut one = Self {
                    root,
                    destination: part.path(&entry.name),
                    grows: Some(part.grows(place)),
                    progress: watch::channel(Progress::default()).0,
                    most: Most {
                        bytes: size,
                        ..self.most
                    },
                    ..self.clone()
                };
                one.options.sources.extend(&peers);
                // All of the folder is put on the disk at its end.
                one.options.durable = false;
                let tally = &tally;
                async move { one.large(size, place, tally).await }
            })
            .buffer_unordered(FILES)
            .try_collect::<()>()
            .await?;
        let (list, durable) = (Arc::clone(collection), self.options.durable);
        self.blocking(move || part.finish(&list, durable)).await?
    }

    /// Alone at its place.
    async fn begin(&self, collection: &Arc<Collection>) -> Result<PartFolder, TransferError> {
        let until = clock::after(LET_GO);
        loop {
            let (destination, list) = (self.destination.clone(), Arc::clone(collection));
            let begin = move || PartFolder::begin(&destination, &list);
            match self.blocking(begin).await? {
                // Threads of a get that was cancelled may still write.
                Err(TransferError::Busy { .. }) if clock::now() < until => {}
                begun => return begun,
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(TransferError::Cancelled),
                () = self.sharing.base.sleep(LET_GO / 50) => {}
            }
        }
    }

    /// The places of the small files that are not there yet.
    async fn needed(
        &self,
        part: &PartFolder,
        collection: &Arc<Collection>,
    ) -> Result<Vec<u32>, TransferError> {
        let (part, list) = (part.clone(), Arc::clone(collection));
        let (mut at, mut needed) = (0, Vec::new());
        let slice = move || {
            let end = list.entries().len().min(at + LOOKED_AT);
            for place in at..end {
                if is_needed(&part, &list.entries()[place]) {
                    needed.push(place as u32);
                }
            }
            at = end;
            Ok((at == list.entries().len()).then(|| std::mem::take(&mut needed)))
        };
        self.sliced(slice).await
    }

    /// A large file of a folder.
    async fn large(self, size: u64, place: u32, tally: &Tally<'_>) -> Result<(), TransferError> {
        let mut progress = self.progress.subscribe();
        let mut sources = Sources::default();
        let fetching = self.fetch(&mut sources);
        tokio::pin!(fetching);
        let units = loop {
            tokio::select! {
                units = &mut fetching => break units?,
                // It lives as long as this.
                _ = progress.changed() => tally.large(place, *progress.borrow_and_update()),
            }
        };
        if units.len() as u64 != size.div_ceil(UNIT) {
            return Err(TransferError::BadInput(
                "the list of the folder tells other sizes than its files have".into(),
            ));
        }
        tally.large(
            place,
            Progress {
                bytes: size,
                ..Progress::default()
            },
        );
        Ok(())
    }

    /// Small files, at these places of the list.
    async fn many(
        &self,
        part: &PartFolder,
        collection: &Arc<Collection>,
        needed: Vec<u32>,
        sources: &mut Sources,
        tally: &Tally<'_>,
    ) -> Result<(), TransferError> {
        let mut todo = asks(collection, &needed);
        todo.reverse();
        let mut asks = FuturesUnordered::new();
        let mut asked: HashMap<u32, Asked> = HashMap::new();
        let mut last_gave = clock::now();
        let mut search = Search::new(self);
        sources.again();
        while !todo.is_empty() || !asks.is_empty() {
            for id in sources.rouse(clock::now()) {
                asked.entry(id).or_default().is_willing = true;
            }
            while let Some((&id, at)) = asked
                .iter_mut()
                .filter(|(_, at)| at.is_willing && at.open < ASKS)
                .min_by_key(|(_, at)| at.open)
                && let Some(peer) = sources.peer(id)
                && let Some(places) = todo.pop()
            {
                at.open += 1;
                let ask = self.some(part, collection, peer, places.clone(), tally);
                asks.push(async move { (id, places, ask.await) });
            }
            // Who refuses now does so later, too.
            let refused = !sources.has_hope() && sources.reasons().1;
            let left = self.options.patience.saturating_sub(last_gave.elapsed());
            if asks.is_empty() && (refused || left.is_zero()) {
                return Err(self.nobody(sources));
            }
            let due = sources
                .deadline()
                .map(|due| due.saturating_duration_since(clock::now()));
            let due = if asks.is_empty() {
                due.map_or(left, |due| due.min(left))
            } else {
                due.unwrap_or(left)
            };
            tokio::select! {
                () = self.cancel.cancelled() => return Err(TransferError::Cancelled),
                found = search.next() => {
                    for peer in found {
                        self.add(sources, peer);
                    }
                }
                Some((id, places, done)) = asks.next() => {
                    let at = asked.entry(id).or_default();
                    at.open -= 1;
                    match done? {
                        Ok(()) => {
                            last_gave = clock::now();
                            sources.gave(id);
                        }
                        Err((came, failure)) => {
                            at.is_willing = false;
                            if let (Failure::Lied(_), Some(peer)) = (&failure, sources.peer(id)) {
                                self.sharing.lied(peer);
                            }
                            todo.push(places.start + came..places.end);
                            sources.failed(id, failure, clock::now());
                        }
                    }
                }
                () = self.sharing.base.sleep(due), if asks.is_empty() || sources.deadline().is_some() => {}
            }
        }
        Ok(())
    }

    /// One ask for small files. The inner error: so many places of it came before this went wrong; the outer one is of this side.
    async fn some(
        &self,
        part: &PartFolder,
        collection: &Arc<Collection>,
        peer: PeerId,
        places: Range<u32>,
        tally: &Tally<'_>,
    ) -> Result<Result<(), (u32, Failure)>, TransferError> {
        let ask = Ask {
            what: message::What::Many {
                root: self.root,
                places: places.clone(),
            },
            token: self.token.clone(),
        };
        let options = RequestOptions::default().deadline(JOB_MAX);
        let base = &self.sharing.base;
        let mut at = places.start;
        let failed = |at: u32, failure| Ok(Err((at - places.start, failure)));
        let mut replies = match base.request(&peer, NAMESPACE, ask.encode(), options).await {
            Ok(replies) => replies,
            Err(error) => return failed(at, error.into()),
        };
        loop {
            let reply = tokio::select! {
                reply = replies.next() => reply,
                () = base.sleep(STALL) => {
                    let text = format!("nothing came of it for {} s", STALL.as_secs());
                    return failed(at, Failure::Away(text));
                }
            };
            let Some(reply) = reply else { break };
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => return failed(at, error.into()),
            };
            let batch = match Batch::decode(reply.content().clone()) {
                Ok(batch) if batch.first >= at => batch,
                Ok(_) => {
                    let text = "it sent what it was not asked for".to_owned();
                    return failed(at, Failure::Lied(text));
                }
                Err(error) => return failed(at, Failure::Lied(error.to_string())),
            };
            let (part, list, last) = (part.clone(), Arc::clone(collection), places.end);
            let written = self
                .blocking(move || write(&part, &list, batch, at..last))
                .await??;
            let Some((next, bytes)) = written else {
                let text = "it sent what is not the file".to_owned();
                return failed(at, Failure::Lied(text));
            };
            at = next;
            tally.small(bytes);
        }
        if small_from(collection, at..places.end).next().is_some() {
            let text = "it left out files".to_owned();
            return failed(at, Failure::Lied(text));
        }
        Ok(Ok(()))
    }
}

fn size_of(entry: &Entry) -> u64 {
    match entry.what {
        What::File { size, .. } => size,
        What::Folder => 0,
    }
}

/// Whether a small file is not there yet.
fn is_needed(folder: &PartFolder, entry: &Entry) -> bool {
    match entry.what {
        What::File { root, size } if size <= UNIT => !folder.has(&entry.name, &root, size),
        _ => false,
    }
}

/// Small files at these places.
fn small_from(
    collection: &Collection,
    places: Range<u32>,
) -> impl Iterator<Item = (u32, &Entry, Root, u64)> {
    let entries = collection.entries();
    let last = (places.end as usize).min(entries.len());
    entries
        .get(places.start as usize..last)
        .unwrap_or_default()
        .iter()
        .zip(places.start..)
        .filter_map(|(entry, place)| match entry.what {
            What::File { root, size } if size <= UNIT => Some((place, entry, root, size)),
            _ => None,
        })
}

/// Places that are asked for together. Files between them that are there already come again.
fn asks(collection: &Collection, needed: &[u32]) -> Vec<Range<u32>> {
    let mut asks: Vec<Range<u32>> = Vec::new();
    let mut bytes = 0;
    for place in needed {
        let size = size_of(&collection.entries()[*place as usize]);
        match asks.last_mut() {
            Some(last)
                if last.end == *place && bytes + size <= ASK_BYTES && last.len() < ASK_FILES =>
            {
                last.end += 1;
                bytes += size;
            }
            _ => {
                asks.push(*place..*place + 1);
                bytes = size;
            }
        }
    }
    asks
}

/// Checks and writes the files of a batch: the place after the last, and their bytes. Nothing: one of them is wrong.
fn write(
    part: &PartFolder,
    collection: &Collection,
    batch: Batch,
    places: Range<u32>,
) -> Result<Option<(u32, u64)>, TransferError> {
    let mut data: Bytes = batch.data;
    let mut at = places.start;
    let mut bytes = 0;
    let mut files = small_from(collection, places);
    for _ in 0..batch.count {
        let Some((place, entry, root, size)) = files.next() else {
            return Ok(None);
        };
        if (data.len() as u64) < size {
            return Ok(None);
        }
        let content = data.split_to(size as usize);
        if Root::of(&content) != root {
            return Ok(None);
        }
        part.write(&entry.name, &content)?;
        (at, bytes) = (place + 1, bytes + size);
    }
    Ok((data.is_empty() && batch.count > 0).then_some((at, bytes)))
}

/// Of one source: how many asks it has, and whether it may be given more.
#[derive(Default)]
struct Asked {
    open: usize,
    is_willing: bool,
}

/// How far a folder is.
struct Tally<'a> {
    progress: &'a watch::Sender<Progress>,
    size: u64,
    small: Mutex<u64>,
    large: Mutex<HashMap<u32, Progress>>,
}

impl Tally<'_> {
    fn small(&self, bytes: u64) {
        *self.small.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        self.tell();
    }

    fn large(&self, place: u32, progress: Progress) {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        large.insert(place, progress);
        drop(large);
        self.tell();
    }

    fn tell(&self) {
        let small = *self.small.lock().unwrap_or_else(PoisonError::into_inner);
        let large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let each = large.values();
        self.progress.send_replace(Progress {
            bytes: small + each.clone().map(|one| one.bytes).sum::<u64>(),
            size: self.size,
            rate: each.clone().map(|one| one.rate).sum(),
            sources: each.map(|one| one.sources).max().unwrap_or(0),
        });
    }
}
