//! Files in chunks, as the program's form has them: in any order, by digest.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::uploads::{Entry, Held, Uploads, failed};
use crate::error::TransferError;
use crate::net::clock;
use crate::proto::filestoraged::chunk::{CHUNK, Chunks, Digest};
use crate::proto::filestoraged::message::{Announced, Done, Refused, Sent};
use crate::proto::transfer::label::Label;
use crate::store::piece_log::{PIECE, PieceLog};
use crate::transfer::intake::{Becomes, Whose};

/// A file that comes in chunks.
pub(super) struct Upload {
    log: PieceLog,
    owner: Label,
    announced: Announced,
    chunks: Chunks,
    /// When its room is kept for longer.
    renew_at: Instant,
}

/// What a log says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    owner: String,
    digest: String,
    size: u64,
    name: String,
    tags: Vec<String>,
}

/// Letters of what stands for an owner in a key.
const OWNER: usize = 16;

/// What an upload is called on the disk. The first part is the file's.
fn key_of(owner: &Label, digest: &Digest) -> String {
    let owner = blake3::hash(owner.as_str().as_bytes()).to_hex();
    format!("{digest}-{}", &owner[..OWNER])
}

/// What reservations are called as.
pub(super) fn label_of(key: &str) -> Result<Label, Refused> {
    let label = key.parse();
    label.map_err(|_| Refused::Failed("digits are a label".into()))
}

impl Upload {
    fn about(owner: &Label, announced: &Announced) -> Vec<u8> {
        let about = About {
            owner: owner.to_string(),
            digest: announced.digest.to_string(),
            size: announced.size,
            name: announced.name.to_string(),
            tags: announced.tags.iter().map(ToString::to_string).collect(),
        };
        // Strings and numbers are JSON.
        serde_json::to_vec(&about).unwrap_or_default()
    }

    /// Goes on with what is on the disk. Blocks for it.
    fn open(path: &Path, largest: u64) -> Result<Option<Self>, TransferError> {
        let read = |about: &[u8]| {
            let about: About = serde_json::from_slice(about).ok()?;
            let tags = about.tags.iter().map(|tag| tag.parse().ok());
            let announced = Announced {
                digest: about.digest.parse().ok()?,
                size: about.size,
                name: about.name.parse().ok()?,
                tags: tags.collect::<Option<_>>()?,
            };
            // A lower limit holds for what was begun before, too.
            let size = Some(announced.size).filter(|size| *size <= largest)?;
            Some((
                about.owner.parse::<Label>().ok()?,
                announced,
                Chunks::none(size),
            ))
        };
        let opened = PieceLog::open(path, read, |(_, _, chunks), record| {
            if record.kind == PIECE {
                chunks.insert(record.position / CHUNK);
            }
        })?;
        Ok(opened.map(|(log, (owner, announced, chunks))| Self {
            log,
            owner,
            announced,
            chunks,
            renew_at: clock::now(),
        }))
    }

    fn put(&mut self, sent: &Sent) -> Result<(), TransferError> {
        let id = [0; 16];
        self.log.append(PIECE, sent.n * CHUNK, &id, &sent.data)?;
        self.chunks.insert(sent.n);
        Ok(())
    }
}

/// The upload that a connection went on with last.
#[derive(Default)]
pub(super) struct Putting(Option<Arc<Entry<Upload>>>);

impl Putting {
    /// A file is to come.
    pub(super) async fn announce(
        &mut self,
        uploads: &Arc<Uploads>,
        owner: Label,
        announced: Announced,
    ) -> Result<Done, Refused> {
        let Announced { digest, size, .. } = announced;
        let limit = uploads.largest;
        if size > limit {
            return Err(Refused::TooLarge { size, limit });
        }
        let whose = uploads.intake.whose(&owner, digest.0).await;
        if matches!(whose.map_err(failed)?, Whose::His(_)) {
            return Err(Refused::Whole(digest));
        }
        let key = key_of(&owner, &digest);
        let mut held = self.hold(uploads, &key).await?;
        if let Some(upload) = &*held {
            if upload.announced.size != size {
                let before = upload.announced.size;
                let text = format!("a file with this digest was announced with {before} bytes");
                return Err(Refused::Failed(text));
            }
            let next = upload.chunks.next();
            if !upload.chunks.is_whole() {
                return Err(Refused::PartThere { digest, next });
            }
            // Its last chunk was not acknowledged.
            finish(uploads, &key, held).await?;
            return Err(Refused::Whole(digest));
        }
        uploads.room().await?;
        let label = label_of(&key)?;
        let reserved = uploads.intake.reserve(&owner, &label, size).await;
        reserved.map_err(failed)?;
        let (path, renew_at) = (uploads.folder.path(&key, "log"), uploads.renew_at());
        let by = owner.clone();
        let create = move |held: &mut Option<Upload>| {
            // The pieces, and the file that is made of them.
            let room = size.saturating_mul(2);
            let log = PieceLog::create(&path, &Upload::about(&by, &announced), room)?;
            *held = Some(Upload {
                log,
                chunks: Chunks::none(size),
                owner: by,
                announced,
                renew_at,
            });
            Ok(())
        };
        let created;
        (held, created) = uploads.with(held, create).await?;
        if let Err(error) = created {
            uploads.intake.release(&owner, &label).await;
            return Err(failed(error));
        }
        if size == 0 {
            // Nothing follows.
            finish(uploads, &key, held).await?;
        }
        Ok(Done::Announced(digest))
    }

    /// A chunk has come.
    pub(super) async fn put(
        &mut self,
        uploads: &Arc<Uploads>,
        owner: &Label,
        sent: Sent,
    ) -> Result<Done, Refused> {
        let (digest, n) = (sent.digest, sent.n);
        let key = key_of(owner, &digest);
        let mut held = self.hold(uploads, &key).await?;
        let Some(upload) = &mut *held else {
            return Err(none(uploads, owner, digest).await);
        };
        sent.fits(upload.announced.size)?;
        if upload.chunks.is_whole() {
            finish(uploads, &key, held).await?;
            return Err(Refused::Whole(digest));
        }
        if upload.chunks.has(n) {
            let next = upload.chunks.next();
            return Err(Refused::ChunkThere { digest, next });
        }
        if clock::now() >= upload.renew_at {
            upload.renew_at = uploads.renew_at();
            let (label, size) = (label_of(&key)?, upload.announced.size);
            let reserved = uploads.intake.reserve(owner, &label, size).await;
            reserved.map_err(failed)?;
        }
        let put = move |held: &mut Option<Upload>| {
            let put = held.as_mut().map_or(Ok(()), |upload| upload.put(&sent));
            if put.is_err() {
                // It is opened again, and what is on the disk looked at.
                *held = None;
            }
            put
        };
        let (held, put) = uploads.with(held, put).await?;
        put.map_err(failed)?;
        if held.as_ref().is_some_and(|upload| upload.chunks.is_whole()) {
            finish(uploads, &key, held).await?;
        }
        Ok(Done::Put(digest, n))
    }

    /// An upload, as it is in memory or on the disk; nothing in it if there is none.
    async fn hold(&mut self, uploads: &Uploads, key: &str) -> Result<Held<Upload>, Refused> {
        let entry = uploads.uploads.entry(key);
        self.0 = Some(Arc::clone(&entry));
        let held = entry.lock_owned().await;
        if held.is_some() {
            return Ok(held);
        }
        let (path, largest) = (uploads.folder.path(key, "log"), uploads.largest);
        let open = move |held: &mut Option<Upload>| {
            *held = Upload::open(&path, largest)?;
            Ok(())
        };
        let (held, opened) = uploads.with(held, open).await?;
        opened.map_err(failed)?;
        Ok(held)
    }
}

/// Why there is no such upload.
async fn none(uploads: &Arc<Uploads>, owner: &Label, digest: Digest) -> Refused {
    let this = Arc::clone(uploads);
    let key = key_of(owner, &digest);
    let others = move || this.folder.has_other(&format!("{digest}-"), &key);
    let whose = uploads.intake.whose(owner, digest.0).await;
    match (whose, uploads.intake.blocking(others).await) {
        (Ok(Whose::His(_)), _) => Refused::Whole(digest),
        (Ok(Whose::Others), _) | (Ok(Whose::Nobodys), Ok(true)) => Refused::NotYours(digest),
        (Ok(Whose::Nobodys), Ok(false)) => Refused::Unknown(Some(digest)),
        (Err(error), _) | (_, Err(error)) => failed(error),
    }
}

/// All chunks are there: it becomes its owner's.
async fn finish(uploads: &Arc<Uploads>, key: &str, mut held: Held<Upload>) -> Result<(), Refused> {
    let Some(upload) = &*held else {
        return Ok(());
    };
    let Announced {
        digest,
        size,
        name,
        tags,
    } = &upload.announced;
    let (digest, label) = (*digest, label_of(key)?);
    let becomes = Becomes {
        owner: upload.owner.clone(),
        name: name.clone(),
        tags: tags.clone(),
        upload: label.clone(),
    };
    let made = uploads.make(key, &upload.log, 0, 0..*size).await;
    let made = made.map_err(failed)?;
    let right = made.sha256 == digest.0;
    let owner = upload.owner.clone();
    if right {
        let taken = uploads.intake.take(made, becomes).await;
        taken.map_err(failed)?;
    } else {
        made.remove();
    }
    let remove = |held: &mut Option<Upload>| {
        if let Some(upload) = held.take() {
            upload.log.remove();
        }
    };
    (held, ()) = uploads.with(held, remove).await?;
    drop(held);
    if right {
        return Ok(());
    }
    uploads.intake.release(&owner, &label).await;
    let text = "all chunks came, and the file has another digest than was announced: send it again from Upload on";
    Err(Refused::Failed(text.into()))
}
