//! What is shared outlives the run: what is known of it is the shelf's, and the hashes of its units lie in the data folder.
//!
//! Without a data folder all of it is in memory and ends with the satellite.

use std::path::Path;

use super::load::Load;
use super::sharing::{By, Sharing, told};
use crate::error::TransferError;
use crate::net::clock;
use crate::proto::transfer::label::Label;
use crate::proto::transfer::root::Root;
use crate::store::outlines::{Outlines, Restored};
use crate::store::own_file;
use crate::store::shared_file::Print;
use crate::store::shelf::{Blob, Forgotten, NewFile, Place, QuotaError, Shelf};

/// Blobs that are looked at in one go.
const PAGE: usize = 256;

/// Whose a file becomes.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) owner: Label,
    pub(super) name: Label,
    pub(super) tags: Vec<Label>,
    pub(super) guarded: bool,
    pub(super) sha256: Option<[u8; 32]>,
    /// It is the satellite's own copy, whose room was reserved under this name.
    pub(super) upload: Option<Label>,
}

/// What a file is called by the one who shares it, unless he says something else.
pub(super) fn label_of(path: &Path) -> Option<Label> {
    let name = path.file_name()?.to_string_lossy();
    let shown: String = name
        .chars()
        .map(|c| if c.is_control() { '_' } else { c })
        .collect();
    shown.parse().ok()
}

impl From<QuotaError> for TransferError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Tags(_) => Self::BadInput(error.to_string()),
            _ => Self::Quota(error.to_string()),
        }
    }
}

impl Sharing {
    /// Shares something from now on, and after a restart.
    pub(super) async fn share(&self, load: Load, holding: Holding) -> Result<Root, TransferError> {
        // Removing waits for this, so that it does not remove what is written here.
        let _changing = self.changing.read().await;
        let root = load.root;
        let own = holding.upload.is_some();
        let cost = load.cost();
        let (outlines, shelf) = (self.outlines.clone(), self.shelf.clone());
        let written = self.base.blocking(move || {
            if !own
                && let Some(copy) = shelf.blob(&load.root)?
                && copy.place.own
                && Print::at(&copy.place.path).is_ok()
            {
                return Ok((copy, None));
            }
            let blob = written_down(&load, own, outlines)?;
            Ok::<_, TransferError>((blob, Some(load)))
        });
        // Without a load there is a copy already, which stays.
        let (blob, load) = written.await.ok_or(TransferError::Closed)??;
        let now_ms = clock::now_ms();
        let blob = Blob {
            sha256: holding.sha256.or(blob.sha256),
            ..blob
        };
        let file = NewFile {
            owner: holding.owner.clone(),
            root,
            name: holding.name,
            tags: holding.tags,
            charged: if own { cost } else { 0 },
            guarded: holding.guarded,
        };
        // Both are handed over before either is waited for: they go into one transaction.
        let added = told(|done| self.shelf.add(root, blob, done));
        let owned = told(|done| match holding.upload {
            Some(upload) => self.shelf.settle(upload, file, now_ms, done),
            None => self.shelf.own(file, now_ms, done),
        });
        added.await?;
        if let Err(refused) = owned.await? {
            self.forget(root).await?;
            return Err(refused.into());
        }
        let by = By::Owner(holding.owner, holding.guarded);
        match load {
            Some(load) => self.enter(&load, by),
            None => {
                self.join(&root, by);
            }
        }
        self.announce(&root).await;
        Ok(root)
    }

    /// It is this owner's no more. Whether it was his.
    pub(super) async fn disown(&self, owner: Label, root: Root) -> Result<bool, TransferError> {
        let _changing = self.changing.write().await;
        let was = told(|done| self.shelf.disown(owner.clone(), root, done)).await?;
        self.leave(&root, &By::Owner(owner, false));
        self.announce(&root).await;
        self.forget(root).await?;
        Ok(was)
    }

    /// Forgets what is nobody's, and removes it if it is the satellite's own copy.
    async fn forget(&self, root: Root) -> Result<(), TransferError> {
        let forgotten = told(|done| self.shelf.forget(root, done)).await?;
        let Forgotten::Gone(blob) = forgotten else {
            return Ok(());
        };
        let outlines = self.outlines.clone();
        let removed = self.base.blocking(move || {
            if let Some(outlines) = outlines.filter(|_| blob.outboard.is_some()) {
                outlines.forget(&root);
            }
            if blob.place.own {
                own_file::remove(&blob.place.path);
            }
        });
        removed.await.ok_or(TransferError::Closed)
    }

    /// Shares what was shared when the last run ended and is still what it was.
    pub(super) async fn restore(&self) {
        let Some(outlines) = self.outlines.clone() else {
            return;
        };
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "what nobody has any more was not removed");
        }
        let mut after = None;
        loop {
            // What is removed, or shared anew, meanwhile waits for this, and so is not undone by it.
            let _changing = self.changing.write().await;
            let (shelf, outlines) = (self.shelf.clone(), outlines.clone());
            let page = self
                .base
                .blocking(move || page_again(&shelf, &outlines, after));
            let page = match page.await {
                Some(Ok(page)) => page,
                Some(Err(error)) => {
                    tracing::warn!(%error, "what was shared before is not shared again");
                    return;
                }
                None => return,
            };
            for (load, owners) in page.loads {
                for by in owners {
                    self.enter(&load, by);
                }
                self.announce(&load.root).await;
            }
            after = page.last;
            if after.is_none() {
                return;
            }
        }
    }

    /// Gives the satellite's own copies that did not look like what they were: nobody else writes to them, and they were moved, or restored
    /// from a copy. They show what they are when they are hashed.
    pub(super) async fn recover(&self) {
        let mut after = None;
        loop {
            let shelf = self.shelf.clone();
            let Some(Ok(page)) = self.base.blocking(move || shelf.blobs(after, PAGE)).await else {
                return;
            };
            after = page.last().map(|(root, _)| *root);
            if after.is_none() {
                return;
            }
            for (root, blob) in page {
                if !blob.place.own || self.about(&root).is_some() {
                    continue;
                }
                if let Err(error) = self.recover_one(root, &blob.place.path).await {
                    tracing::warn!(%root, path = %blob.place.path.display(), %error, "is not given any more");
                }
            }
        }
    }

    async fn recover_one(&self, root: Root, was_at: &Path) -> Result<(), TransferError> {
        // In the folder as it is called now, or where it was.
        let now = self.keeping.terms().map(|terms| terms.folder);
        let folders = [now, self.kept_inside.clone()].into_iter().flatten();
        let places = folders.map(|folder| folder.join(root.to_string()));
        let places: Vec<_> = places.chain([was_at.to_owned()]).collect();
        let found = move || {
            let mut places = places.into_iter();
            places.find(|place| place.symlink_metadata().is_ok())
        };
        let found = self
            .base
            .blocking(found)
            .await
            .ok_or(TransferError::Closed)?;
        let place = found.unwrap_or_else(|| was_at.to_owned());
        let (load, _) = self.load(place.clone(), false, |_| ()).await?;
        if load.root != root {
            return Err(TransferError::Changed { path: place });
        }
        // As in `restore`.
        let _changing = self.changing.write().await;
        let (shelf, outlines) = (self.shelf.clone(), self.outlines.clone());
        let written = self.base.blocking(move || {
            let owners = shelf.owners_of(&root)?;
            let Some(blob) = shelf.blob(&root)?.filter(|_| !owners.is_empty()) else {
                return Ok(None);
            };
            let blob = Blob {
                added_ms: blob.added_ms,
                ..written_down(&load, true, outlines)?
            };
            Ok::<_, TransferError>(Some((blob, load, owners)))
        });
        let Some((blob, load, owners)) = written.await.ok_or(TransferError::Closed)?? else {
            return Ok(());
        };
        told(|done| self.shelf.add(root, blob, done)).await?;
        for (owner, owned) in owners {
            self.enter(&load, By::Owner(owner, owned.guarded));
        }
        self.announce(&root).await;
        Ok(())
    }

    /// Removes what was nobody's when the last run ended.
    async fn sweep(&self) -> Result<(), TransferError> {
        let mut after = None;
        loop {
            let shelf = self.shelf.clone();
            let page = self.base.blocking(move || shelf.garbage(after, PAGE));
            let page = page.await.ok_or(TransferError::Closed)??;
            for root in page.rows {
                let _changing = self.changing.write().await;
                self.forget(root).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Keeps the hashes of what is to be shared. What is to be known of it.
fn written_down(load: &Load, own: bool, outlines: Option<Outlines>) -> Result<Blob, TransferError> {
    let outboard = outlines.map(|outlines| {
        let files = load.blobs.iter().map(|file| &**file);
        outlines.keep(&load.root, load.list.as_ref(), files)
    });
    let place = &load.about.path;
    let print = Print::at(place)?;
    Ok(Blob {
        size: load.about.size,
        kind: load.about.kind,
        sha256: None,
        place: Place {
            path: place.clone(),
            own,
            device: print.device,
            inode: print.inode,
            modified_ns: print.modified_ns(),
        },
        outboard: outboard.transpose()?,
        added_ms: clock::now_ms(),
    })
}

/// What of one page is shared again, and where the next one begins.
struct Again {
    loads: Vec<(Load, Vec<By>)>,
    last: Option<Root>,
}

fn page_again(
    shelf: &Shelf,
    outlines: &Outlines,
    after: Option<Root>,
) -> Result<Again, TransferError> {
    let blobs = shelf.blobs(after, PAGE)?;
    let last = blobs.last().map(|(root, _)| *root);
    let mut loads = Vec::new();
    for (root, blob) in blobs {
        let place = &blob.place.path;
        let load = match outlines.restore(&root, place) {
            Ok(Restored::File(file)) => Ok(Load::file(file)),
            Ok(Restored::Folder(collection, files)) => Load::folder(place, &collection, files),
            Err(error) => Err(error),
        };
        match load {
            Ok(load) => {
                let owners = shelf.owners_of(&root)?.into_iter();
                let by = owners.map(|(owner, owned)| By::Owner(owner, owned.guarded));
                loads.push((load, by.collect()));
            }
            // They are looked at again.
            Err(error) if blob.place.own => {
                tracing::debug!(%root, path = %place.display(), %error, "is not given yet");
            }
            Err(error) => {
                tracing::warn!(%root, path = %place.display(), %error, "is not shared any more");
            }
        }
    }
    Ok(Again { loads, last })
}
