//! What is shared: files and folders that were hashed, and where their bytes are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::TransferError;
use crate::proto::transfer::collection::Collection;
use crate::proto::transfer::keeping;
use crate::proto::transfer::names::Name;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::shared_file::SharedFile;

/// A file or folder, with all that is needed to give it to others.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) root: Root,
    pub(super) about: About,
    /// Of a folder: its files, and the list of them.
    pub(super) folder: Option<Arc<Folder>>,
    pub(super) list: Option<Bytes>,
    /// All that can be asked for.
    pub(super) blobs: Vec<Arc<SharedFile>>,
}

/// What is said of a share.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) name: Option<Name>,
    pub(super) path: PathBuf,
}

/// Where one blob can be read. There is one at least.
#[derive(Clone, Debug)]
pub(super) struct Copies(pub(super) Vec<Arc<SharedFile>>);

impl Copies {
    pub(super) fn size(&self) -> u64 {
        self.0.first().map_or(0, |file| file.size())
    }

    /// Reads from any of them: what was changed or removed in one place may still be right in another.
    pub(super) fn read<T>(
        &mut self,
        read: impl Fn(&SharedFile) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        loop {
            let file = self.0.first().ok_or(TransferError::Closed)?;
            match read(file) {
                Err(_) if self.0.len() > 1 => drop(self.0.remove(0)),
                result => return result,
            }
        }
    }
}

/// The files of a folder, in the order of its list; nothing for an empty folder in it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) files: Vec<Option<Arc<SharedFile>>>,
}

impl Load {
    pub(super) fn file(file: SharedFile) -> Self {
        Self {
            root: file.outline().root(),
            about: About {
                kind: Kind::File,
                size: file.size(),
                name: name_of(file.path()),
                path: file.path().to_owned(),
            },
            folder: None,
            list: None,
            blobs: vec![Arc::new(file)],
        }
    }

    /// Bytes of its list, and how many entries that has, if it is a folder.
    pub(super) fn listed(&self) -> (u64, usize) {
        let list = self.list.as_ref().map_or(0, Bytes::len) as u64;
        let folder = self.folder.as_ref();
        (list, folder.map_or(0, |folder| folder.files.len()))
    }

    /// What it takes of a quota.
    pub(super) fn cost(&self) -> u64 {
        let (list, entries) = self.listed();
        keeping::cost(self.about.size, list, entries)
    }

    /// A folder: its list, and under it all its files.
    pub(super) fn folder(
        path: &Path,
        collection: &Collection,
        files: Vec<Option<SharedFile>>,
    ) -> Result<Self, TransferError> {
        let refused = |reason: String| TransferError::Path {
            path: path.to_owned(),
            reason,
        };
        let list = collection
            .encode()
            .map_err(|error| refused(error.to_string()))?;
        let blob = SharedFile::memory(path, list.clone())
            .ok_or_else(|| refused("it has too many files".into()))?;
        let files: Vec<Option<Arc<SharedFile>>> =
            files.into_iter().map(|file| file.map(Arc::new)).collect();
        let blobs = files.iter().flatten().cloned();
        Ok(Self {
            root: blob.outline().root(),
            about: About {
                kind: Kind::Collection,
                size: collection.size(),
                name: name_of(path),
                path: path.to_owned(),
            },
            blobs: blobs.chain([Arc::new(blob)]).collect(),
            folder: Some(Arc::new(Folder { files })),
            list: Some(list),
        })
    }
}

/// What a ticket calls it.
fn name_of(path: &Path) -> Option<Name> {
    path.file_name()?.to_str()?.parse().ok()
}
