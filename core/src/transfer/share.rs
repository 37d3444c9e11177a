//! Sharing files and folders in place.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use super::Files;
use super::library::label;
use super::load::{About, Load};
use super::options::ShareOptions;
use super::record::{Holding, label_of};
use super::sharing::Sharing;
use crate::error::TransferError;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::hashing::{FileHashing, FolderHashing};

/// A file or folder that is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shared {
    /// Its id; of a folder that of the list of its files.
    pub root: Root,
    /// Its bytes; of a folder those of all its files.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl Shared {
    fn of(root: Root, about: About) -> Self {
        Self {
            root,
            size: about.size,
            path: about.path,
            is_folder: about.kind == Kind::Collection,
        }
    }
}

impl Files {
    /// Shares a file, or a folder with all in it, where it lies, until [`Files::remove`]: it is hashed once and not copied. What is changed
    /// while it is shared is not given any more. With a data folder it is shared again after a restart, unless it was changed meanwhile.
    /// Dropping the future ends the hashing.
    ///
    /// # Errors
    /// [`TransferError::Path`], [`TransferError::Changed`] if it is written to meanwhile, [`TransferError::BadInput`] for an owner or tag that cannot be,
    /// [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn share(
        &self,
        path: impl AsRef<Path>,
        options: ShareOptions,
    ) -> Result<Shared, TransferError> {
        let path = std::path::absolute(path.as_ref())
            .map_err(|error| TransferError::io(path.as_ref(), &error))?;
        if !self.satellite.is_running() {
            return Err(TransferError::Closed);
        }
        let ShareOptions {
            guarded,
            owner,
            tags,
            sha256,
            progress,
        } = options;
        let owner = self.sharing.owner(owner.as_deref())?;
        let tags = tags.iter().map(|tag| label("tag", tag));
        let mut holding = Holding {
            name: label_of(&path).unwrap_or_else(|| owner.clone()),
            owner,
            tags: tags.collect::<Result<_, _>>()?,
            guarded,
            sha256: None,
            upload: None,
        };
        let told = move |bytes| {
            if let Some(progress) = &progress {
                progress.0(bytes);
            }
        };
        let (load, digest) = self.sharing.load(path, sha256, told).await?;
        let (root, about) = (load.root, load.about.clone());
        holding.sha256 = digest;
        self.sharing.share(load, holding).await?;
        Ok(Shared::of(root, about))
    }

    /// What is here under this id, whosever it is, if it can be given to others.
    pub fn here(&self, root: &Root) -> Option<Shared> {
        let about = self.sharing.about(root)?;
        Some(Shared::of(*root, about))
    }

    /// Bytes of a file that is here, whosever it is, checked as those that are sent to others: from `offset` to the end of its MiB or of the file.
    /// None at its end.
    ///
    /// # Errors
    /// [`TransferError::NotFound`] if it is not here, or a folder; [`TransferError::Changed`] and [`TransferError::Path`] if it is not what it was any
    /// more; [`TransferError::Closed`].
    pub async fn read(&self, root: &Root, offset: u64) -> Result<Bytes, TransferError> {
        let copies = self.sharing.own_blob(root);
        let mut copies = copies.ok_or_else(|| TransferError::NotFound(root.to_string()))?;
        let read = move || copies.read(|file| file.unit_from(offset));
        let read = self.sharing.base.blocking(read);
        read.await.ok_or(TransferError::Closed)?
    }

    /// All that is given to others at the moment, whosever it is, in the order of the roots. What is somebody's, with tags, says [`Files::find`].
    pub fn shared(&self) -> Vec<Shared> {
        let all = self.sharing.all().into_iter();
        all.map(|(root, about)| Shared::of(root, about)).collect()
    }
}

/// A file or folder that was hashed, and its SHA-256 if that was wanted of a file.
pub(super) type Loaded = (Load, Option<[u8; 32]>);

impl Sharing {
    /// Hashes a file or folder. `told` is how many bytes more were read.
    pub(super) async fn load(
        &self,
        path: PathBuf,
        sha256: bool,
        told: impl Fn(u64) + Send + 'static,
    ) -> Result<Loaded, TransferError> {
        let mut loading = Loading {
            path,
            digest: sha256.then(|| Context::new(&SHA256)),
            hashing: None,
        };
        self.sliced(move || loading.slice(&told)).await
    }
}

/// What is being hashed.
struct Loading {
    path: PathBuf,
    digest: Option<Context>,
    hashing: Option<Hashing>,
}

enum Hashing {
    File(FileHashing),
    Folder(FolderHashing),
}

impl Loading {
    fn slice(&mut self, told: &impl Fn(u64)) -> Result<Option<Loaded>, TransferError> {
        match &mut self.hashing {
            None => {
                self.hashing = Some(if self.path.is_dir() {
                    Hashing::Folder(FolderHashing::begin(&self.path)?)
                } else {
                    Hashing::File(FileHashing::begin(&self.path)?)
                });
                Ok(None)
            }
            Some(Hashing::Folder(hashing)) => {
                let hashed = hashing.slice(|bytes| told(bytes.len() as u64))?;
                let Some((collection, files)) = hashed else {
                    return Ok(None);
                };
                let load = Load::folder(&self.path, &collection, files)?;
                Ok(Some((load, None)))
            }
            Some(Hashing::File(hashing)) => {
                let file = hashing.slice(|bytes| {
                    if let Some(digest) = &mut self.digest {
                        digest.update(bytes);
                    }
                    told(bytes.len() as u64);
                });
                let Some(file) = file? else {
                    return Ok(None);
                };
                let digest = self.digest.take().map(Context::finish);
                let digest = digest.and_then(|digest| digest.as_ref().try_into().ok());
                Ok(Some((Load::file(file.opened()), digest)))
            }
        }
    }
}
