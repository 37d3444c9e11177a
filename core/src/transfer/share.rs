//! Sharing a file in place.

use std::path::{Path, PathBuf};

use super::Files;
use super::options::ShareOptions;
use crate::error::TransferError;
use crate::proto::transfer::root::Root;
use crate::store::shared_file::SharedFile;

/// A file that is shared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shared {
    /// Its id.
    pub root: Root,
    /// Its bytes.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl Files {
    /// Shares a file where it lies, until the satellite ends: it is hashed once and not copied. A file that is changed while it is
    /// shared is not given any more.
    ///
    /// # Errors
    /// [`TransferError::Path`], [`TransferError::Changed`] if it is written to meanwhile, [`TransferError::Closed`].
    pub async fn share(
        &self,
        path: impl AsRef<Path>,
        _options: ShareOptions,
    ) -> Result<Shared, TransferError> {
        let path = std::path::absolute(path.as_ref())
            .map_err(|error| TransferError::io(path.as_ref(), &error))?;
        let base = &self.sharing.base;
        let hashed = base.blocking(move || SharedFile::hash(&path, |_| true));
        let file = hashed.await.ok_or(TransferError::Closed)??;
        let shared = Shared {
            root: file.outline().root(),
            size: file.size(),
            path: file.path().to_owned(),
        };
        self.sharing.add(file);
        Ok(shared)
    }

    /// Shares it no longer. Whether it was.
    pub fn unshare(&self, root: &Root) -> bool {
        self.sharing.remove(root)
    }
}
