//! Sharing files and folders in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Files;
use super::options::ShareOptions;
use super::sharing::About;
use crate::error::TransferError;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::folder;
use crate::store::shared_file::SharedFile;

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
    /// Shares a file, or a folder with all in it, where it lies, until the satellite ends: it is hashed once and not copied. What is changed
    /// while it is shared is not given any more. Dropping the future ends the hashing.
    ///
    /// # Errors
    /// [`TransferError::Path`], [`TransferError::Changed`] if it is written to meanwhile, [`TransferError::Closed`].
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
        let sharing = Arc::clone(&self.sharing);
        let unwanted = CancellationToken::new();
        let wanted = unwanted.clone();
        let _end = unwanted.drop_guard();
        let ShareOptions { guarded, progress } = options;
        let work = move || {
            let go_on = |bytes| {
                if let Some(progress) = &progress {
                    progress.0(bytes);
                }
                !wanted.is_cancelled()
            };
            if path.is_dir() {
                let (collection, files) = folder::share(&path, go_on)?;
                sharing.add_folder(&path, &collection, files, guarded)
            } else {
                Ok(sharing.add_file(SharedFile::hash(&path, go_on)?, guarded))
            }
        };
        let hashed = self.sharing.base.blocking(work).await;
        let root = hashed.ok_or(TransferError::Closed)??;
        self.sharing.announce(&root).await;
        let about = self.sharing.about(&root).ok_or(TransferError::Closed)?;
        Ok(Shared::of(root, about))
    }

    /// Shares it no longer. Whether it was.
    pub async fn unshare(&self, root: &Root) -> bool {
        self.sharing.base.provide(*root.as_bytes(), false).await;
        self.sharing.remove(root)
    }

    /// All that is shared, in the order of the roots.
    pub fn shared(&self) -> Vec<Shared> {
        let all = self.sharing.all().into_iter();
        all.map(|(root, about)| Shared::of(root, about)).collect()
    }
}
