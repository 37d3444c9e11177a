//! Files one after another, as the documented form has them: each becomes its owner's with the message that brings its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::upload::label_of;
use super::uploads::{DONE_MAX, Entry, Held, Uploads, failed};
use crate::error::TransferError;
use crate::net::clock;
use crate::proto::filestoraged::message::{Batch, Done, Refused};
use crate::proto::filestoraged::stream::{MessageId, Stream};
use crate::proto::transfer::label::Label;
use crate::store::piece_log::{PIECE, PieceLog};
use crate::transfer::intake::Becomes;

/// A record that says that one more file became its owner's.
const SETTLED: u8 = 1;
/// A message that was answered, of a batch that has come.
const SAID: u8 = 2;
/// Messages that are known again of a batch that has come: the client has one at a time.
const SAID_LAST: usize = 64;
/// What keys begin with.
const KEY: &str = "batch-";

pub(super) fn is_key(key: &str) -> bool {
    key.starts_with(KEY)
}

/// Files that come.
pub(super) struct Batched {
    /// Nothing once all have come.
    log: Option<PieceLog>,
    owner: Label,
    batch: Batch,
    stream: Stream,
    /// When the room of those that did not come yet is kept for longer.
    renew_at: Instant,
}

/// What a log says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    owner: String,
    fid: String,
    files: Vec<(String, u64)>,
    tags: Vec<String>,
}

fn key_of(owner: &Label, fid: &Label) -> String {
    // No label has a zero byte.
    let names = [owner.as_str(), fid.as_str()].join("\0");
    format!("{KEY}{}", blake3::hash(names.as_bytes()).to_hex())
}

impl Batched {
    fn about(owner: &Label, batch: &Batch) -> Vec<u8> {
        let file = |(name, size): &(Label, u64)| (name.to_string(), *size);
        let about = About {
            owner: owner.to_string(),
            fid: batch.fid.to_string(),
            files: batch.files.iter().map(file).collect(),
            tags: batch.tags.iter().map(ToString::to_string).collect(),
        };
        // Strings and numbers are JSON.
        serde_json::to_vec(&about).unwrap_or_default()
    }

    /// Goes on with what is on the disk. Blocks for it.
    fn open(log: &Path, done: &Path) -> Result<Option<Self>, TransferError> {
        let read = |about: &[u8]| {
            let about: About = serde_json::from_slice(about).ok()?;
            let file = |(name, size): &(String, u64)| Some((name.parse().ok()?, *size));
            let batch = Batch {
                fid: about.fid.parse().ok()?,
                files: about.files.iter().map(file).collect::<Option<_>>()?,
                tags: about
                    .tags
                    .iter()
                    .map(|tag| tag.parse().ok())
                    .collect::<Option<_>>()?,
            };
            Some(Self {
                log: None,
                owner: about.owner.parse().ok()?,
                stream: Stream::new(batch.files.iter().map(|(_, size)| *size))?,
                batch,
                renew_at: clock::now(),
            })
        };
        let came = PieceLog::open(done, read, |batched, record| {
            if record.kind == SAID {
                batched.stream.answered(MessageId(record.id));
            }
        })?;
        if let Some((_, mut batched)) = came {
            batched.stream.finish();
            return Ok(Some(batched));
        }
        let opened = PieceLog::open(log, read, |batched, record| match record.kind {
            PIECE => {
                let id = MessageId(record.id);
                batched.stream.came(id, record.length, record.at);
            }
            SETTLED => batched.stream.settle(),
            _ => {}
        })?;
        Ok(opened.map(|(log, batched)| Self {
            log: Some(log),
            ..batched
        }))
    }

    fn append(&mut self, id: MessageId, data: &[u8]) -> Result<(), TransferError> {
        if let Some(log) = &mut self.log {
            let record = log.append(PIECE, self.stream.received(), &id.0, data)?;
            self.stream.came(id, record.length, record.at);
        }
        Ok(())
    }

    /// A file is its owner's. Of the last one the log goes, and it is known for a while that it came.
    fn settle(&mut self, done: &Path, keep: bool) -> Result<(), TransferError> {
        self.stream.settle();
        if !self.stream.is_done() {
            if let Some(log) = &mut self.log {
                log.append(SETTLED, 0, &[0; 16], &[])?;
            }
            return Ok(());
        }
        if keep {
            let about = Self::about(&self.owner, &self.batch);
            let said = self.stream.last(SAID_LAST).map(|id| (SAID, id.0));
            PieceLog::replace(done, &about, said)?;
        }
        if let Some(log) = self.log.take() {
            log.remove();
        }
        Ok(())
    }
}

/// What a connection announced last.
#[derive(Default)]
pub(super) struct Batching(Option<(String, Arc<Entry<Batched>>)>);

impl Batching {
    /// Files are to come, or go on.
    pub(super) async fn begin(
        &mut self,
        uploads: &Arc<Uploads>,
        owner: Label,
        batch: Batch,
    ) -> Result<Done, Refused> {
        let limit = uploads.largest;
        if let Some((_, size)) = batch.files.iter().find(|(_, size)| *size > limit) {
            return Err(Refused::TooLarge { size: *size, limit });
        }
        let sizes = batch.files.iter().map(|(_, size)| *size);
        let Some(stream) = Stream::new(sizes) else {
            return Err(Refused::Failed("the files are too large together".into()));
        };
        let key = key_of(&owner, &batch.fid);
        let entry = uploads.batches.entry(&key);
        let mut held = hold(uploads, &key, &entry).await?;
        match &mut *held {
            Some(before)
                if (&before.batch.files, &before.batch.tags) == (&batch.files, &batch.tags) =>
            {
                before.renew_at = uploads.renew_at();
                reserve(uploads, &key, before).await?;
            }
            Some(_) => {
                let text = "this fid was announced with other files or tags: take another";
                return Err(Refused::Failed(text.into()));
            }
            None => {
                let batched = Batched {
                    log: None,
                    owner,
                    batch,
                    stream,
                    renew_at: uploads.renew_at(),
                };
                held = create(uploads, &key, held, batched).await?;
            }
        }
        let held = settle_due(uploads, &key, held).await?;
        let there = held.as_ref().map(|batched| batched.stream.files());
        drop(held);
        self.0 = Some((key, entry));
        Ok(Done::Begun(there.unwrap_or_default()))
    }

    /// The next bytes have come.
    pub(super) async fn take(
        &mut self,
        uploads: &Arc<Uploads>,
        id: MessageId,
        data: Vec<u8>,
    ) -> Result<Done, Refused> {
        let again = |why: &str| Refused::Failed(format!("{why}: send AUTHENTICATION first"));
        let Some((key, entry)) = &self.0 else {
            return Err(again("nothing was announced over this connection"));
        };
        let mut held = hold(uploads, key, entry).await?;
        let Some(batched) = &mut *held else {
            return Err(again("what was announced has expired"));
        };
        if !batched.stream.heard(&id) {
            let left = batched.stream.total() - batched.stream.received();
            if data.len() as u64 > left {
                let text = format!(
                    "{} bytes came, {left} are missing of what was announced",
                    data.len()
                );
                return Err(Refused::Failed(text));
            }
            if clock::now() >= batched.renew_at {
                batched.renew_at = uploads.renew_at();
                reserve(uploads, key, batched).await?;
            }
            let append = move |held: &mut Option<Batched>| {
                let append = |batched: &mut Batched| match data.as_slice() {
                    // Nothing to remember.
                    [] => Ok(()),
                    data => batched.append(id, data),
                };
                let appended = held.as_mut().map_or(Ok(()), append);
                if appended.is_err() {
                    // It is opened again, and what is on the disk looked at.
                    *held = None;
                }
                appended
            };
            let appended;
            (held, appended) = uploads.with(held, append).await?;
            appended.map_err(failed)?;
        }
        settle_due(uploads, key, held).await?;
        Ok(Done::Stored)
    }
}

/// A batch, as it is in memory or on the disk; nothing in it if there is none.
async fn hold(
    uploads: &Uploads,
    key: &str,
    entry: &Arc<Entry<Batched>>,
) -> Result<Held<Batched>, Refused> {
    let held = Arc::clone(entry).lock_owned().await;
    if held.is_some() {
        return Ok(held);
    }
    let [log, done]: [PathBuf; 2] = ["log", "done"].map(|what| uploads.folder.path(key, what));
    let open = move |held: &mut Option<Batched>| {
        *held = Batched::open(&log, &done)?;
        Ok(())
    };
    let (held, opened) = uploads.with(held, open).await?;
    opened.map_err(failed)?;
    Ok(held)
}

/// The name of a file's reservation.
fn upload_of(key: &str, index: usize) -> Result<Label, Refused> {
    label_of(&format!("{key}.{index}"))
}

/// Keeps room for all that did not come yet.
async fn reserve(uploads: &Uploads, key: &str, batched: &Batched) -> Result<(), Refused> {
    let files = batched.batch.files.iter().enumerate();
    for (index, (_, size)) in files.skip(batched.stream.settled()) {
        let upload = upload_of(key, index)?;
        let reserved = uploads.intake.reserve(&batched.owner, &upload, *size);
        reserved.await.map_err(failed)?;
    }
    Ok(())
}

/// Begins a batch: there is room for all of it, or nothing is kept.
async fn create(
    uploads: &Arc<Uploads>,
    key: &str,
    held: Held<Batched>,
    mut batched: Batched,
) -> Result<Held<Batched>, Refused> {
    uploads.room().await?;
    let (owner, files) = (batched.owner.clone(), batched.batch.files.len());
    let (held, created) = match reserve(uploads, key, &batched).await {
        Ok(()) => {
            let path = uploads.folder.path(key, "log");
            let create = move |held: &mut Option<Batched>| {
                let about = Batched::about(&batched.owner, &batched.batch);
                // The pieces, and the file that is made of them.
                let room = batched.stream.total().saturating_mul(2);
                let created = PieceLog::create(&path, &about, room);
                created.map(|log| {
                    batched.log = Some(log);
                    *held = Some(batched);
                })
            };
            let (held, created) = uploads.with(held, create).await?;
            (held, created.map_err(failed))
        }
        Err(refused) => (held, Err(refused)),
    };
    if let Err(refused) = created {
        for index in 0..files {
            let upload = upload_of(key, index)?;
            uploads.intake.release(&owner, &upload).await;
        }
        return Err(refused);
    }
    Ok(held)
}

/// What is there whole becomes its owner's.
async fn settle_due(
    uploads: &Arc<Uploads>,
    key: &str,
    mut held: Held<Batched>,
) -> Result<Held<Batched>, Refused> {
    loop {
        let Some(batched) = &*held else {
            return Ok(held);
        };
        let (Some(due), Some(log)) = (batched.stream.due(), &batched.log) else {
            return Ok(held);
        };
        let becomes = Becomes {
            owner: batched.owner.clone(),
            name: batched.batch.files[due.index].0.clone(),
            tags: batched.batch.tags.clone(),
            upload: upload_of(key, due.index)?,
        };
        let made = uploads.make(key, log, due.from, due.range).await;
        let taken = uploads.intake.take(made.map_err(failed)?, becomes).await;
        taken.map_err(failed)?;
        let (this, done) = (Arc::clone(uploads), uploads.folder.path(key, "done"));
        let settle = move |held: &mut Option<Batched>| {
            let keep = this.folder.count("done") < DONE_MAX;
            let settled = held
                .as_mut()
                .map_or(Ok(()), |batched| batched.settle(&done, keep));
            if settled.is_err() {
                *held = None;
            }
            settled
        };
        let settled;
        (held, settled) = uploads.with(held, settle).await?;
        settled.map_err(failed)?;
    }
}
