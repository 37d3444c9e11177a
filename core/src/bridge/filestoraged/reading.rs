//! Downloads: which file is meant, and its chunks. Only its owner gets it.

use std::sync::Arc;

use bytes::Bytes;

use super::uploads::{Uploads, failed};
use crate::proto::filestoraged::chunk::{CHUNK, Digest, count_of, length_of};
use crate::proto::filestoraged::message::{About, Done, Refused, Wish};
use crate::proto::transfer::keeping::By;
use crate::proto::transfer::label::Label;
use crate::proto::transfer::outline::UNIT;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::shared_file::SharedFile;
use crate::transfer::intake::Whose;

/// The file that is meant: of several the one that was added last.
pub(super) async fn find(uploads: &Uploads, owner: &Label, wish: Wish) -> Result<Done, Refused> {
    let by = match (&wish.digest, &wish.name, wish.tags.first()) {
        (Some(digest), _, _) => By::Sha256(digest.0),
        (None, Some(name), _) => By::Name(name.clone()),
        (None, None, Some(tag)) => By::Tag(tag.clone()),
        (None, None, None) => By::All,
    };
    let found = uploads.intake.newest(owner, by, |row| {
        // One without a SHA-256 came another way, and has no name here.
        row.kind == Kind::File
            && row.sha256.is_some()
            && wish.name.as_ref().is_none_or(|name| *name == row.name)
            && wish.tags.iter().all(|tag| row.tags.contains(tag))
    });
    let found = found.await.map_err(failed)?;
    match found.and_then(|row| Some((Digest(row.sha256?), row))) {
        Some((digest, row)) => Ok(Done::Found(About {
            digest,
            size: row.size,
            name: row.name,
            tags: row.tags,
        })),
        None => match wish.digest {
            Some(digest) => Err(match uploads.intake.whose(owner, digest.0).await {
                Ok(Whose::Others) => Refused::NotYours(digest),
                Ok(_) => Refused::Unknown(Some(digest)),
                Err(error) => failed(error),
            }),
            None => Err(Refused::Unknown(None)),
        },
    }
}

/// The file that a connection read last.
#[derive(Default)]
pub(super) struct Reading(Option<Opened>);

struct Opened {
    owner: Label,
    digest: Digest,
    root: Root,
    file: Arc<SharedFile>,
    /// The unit that was read last, which was checked as a whole.
    unit: Option<(u64, Bytes)>,
}

impl Reading {
    /// A chunk.
    pub(super) async fn read(
        &mut self,
        uploads: &Uploads,
        owner: &Label,
        digest: Digest,
        n: u64,
    ) -> Result<Done, Refused> {
        let intake = &uploads.intake;
        // It may have been removed meanwhile.
        let same = |opened: &Opened| {
            (&opened.owner, opened.digest) == (owner, digest)
                && intake.file(owner, &opened.root).is_some()
        };
        let mut opened = match self.0.take().filter(same) {
            Some(opened) => opened,
            None => {
                let root = match intake.whose(owner, digest.0).await.map_err(failed)? {
                    Whose::His(root) => root,
                    Whose::Others => return Err(Refused::NotYours(digest)),
                    Whose::Nobodys => return Err(Refused::Unknown(Some(digest))),
                };
                let file = intake.file(owner, &root);
                Opened {
                    owner: owner.clone(),
                    digest,
                    root,
                    file: file.ok_or(Refused::Unknown(Some(digest)))?,
                    unit: None,
                }
            }
        };
        let size = opened.file.size();
        let count = count_of(size);
        if n >= count {
            let text = format!("there is no chunk {n}: the file has {count}");
            self.0 = Some(opened);
            return Err(Refused::Failed(text));
        }
        let start = n * CHUNK;
        let end = start + length_of(size, n);
        let mut data = Vec::with_capacity(CHUNK as usize);
        while start + (data.len() as u64) < end {
            let at = start + data.len() as u64;
            let index = at / UNIT;
            let unit = match opened.unit.take().filter(|(known, _)| *known == index) {
                Some((_, unit)) => unit,
                None => {
                    let file = Arc::clone(&opened.file);
                    let read = intake.blocking(move || file.unit_from(index * UNIT)).await;
                    read.and_then(|read| read).map_err(failed)?
                }
            };
            let from = (at - index * UNIT) as usize;
            let to = ((end - index * UNIT) as usize).min(unit.len());
            data.extend_from_slice(&unit[from..to]);
            opened.unit = Some((index, unit));
        }
        self.0 = Some(opened);
        Ok(Done::Chunk {
            digest,
            n,
            count,
            data,
        })
    }
}
