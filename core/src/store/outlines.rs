//! What is shared again after a restart without being read: the hashes of its units, in `outlines/ROOT` of the data folder.
//!
//! A file is the same when its device, inode, size and time of change are; whatever it is then, what is sent of it is checked against its
//! hashes. A folder has one such file with its list and all its files. They can be lost: then the satellite's own
//! copies are hashed anew, and what is a user's is not given.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::shared_file::{Print, SharedFile};
use crate::error::TransferError;
use crate::files::{self, Create};
use crate::proto::transfer::collection::{Collection, What};
use crate::proto::transfer::root::Root;
use crate::proto::tree::ChainingValue;
use crate::proto::wire::{ShareFile, ShareState};

/// Name of the folder in the data folder.
const FOLDER: &str = "outlines";
/// Largest that is read: the hashes of 32 TiB.
const STATE_MAX: u64 = 1 << 30;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Outlines(PathBuf);

/// What is shared again.
#[derive(Debug)]
pub(crate) enum Restored {
    File(SharedFile),
    /// As of a folder that was [hashed](super::hashing::Hashed).
    Folder(Collection, Vec<Option<SharedFile>>),
}

impl Outlines {
    /// In this data folder.
    pub(crate) fn of(data: &Path) -> Self {
        Self(data.join(FOLDER))
    }

    /// Where the hashes of a share are.
    pub(crate) fn path(&self, root: &Root) -> PathBuf {
        self.0.join(root.to_string())
    }

    /// Keeps the hashes of a file, or of a folder's files in the order of its list.
    pub(crate) fn keep<'a>(
        &self,
        root: &Root,
        list: Option<&Bytes>,
        files: impl Iterator<Item = &'a SharedFile>,
    ) -> Result<PathBuf, TransferError> {
        files::private_folder(&self.0).map_err(|error| TransferError::io(&self.0, &error))?;
        let state = ShareState {
            list: list.cloned().unwrap_or_default(),
            files: files.filter_map(file_of).collect(),
        };
        let mut bytes = state.encode_to_vec();
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        let path = self.path(root);
        files::write_private(&path, &bytes, Create::OrReplace)
            .map_err(|error| TransferError::io(&path, &error))?;
        Ok(path)
    }

    /// The file or folder at `place`, if it is what it was.
    pub(crate) fn restore(&self, root: &Root, place: &Path) -> Result<Restored, TransferError> {
        let path = self.path(root);
        let failed = |error| TransferError::io(&path, &error);
        let state = read(&path)
            .map_err(failed)?
            .ok_or_else(|| TransferError::Path {
                path: path.clone(),
                reason: "it is damaged".into(),
            })?;
        let mut files = state.files.into_iter();
        if state.list.is_empty() {
            let file = known(place, files.next(), root)?;
            return Ok(Restored::File(file));
        }
        if Root::of(&state.list) != *root {
            return Err(changed(place));
        }
        let collection = Collection::decode(state.list)
            .map_err(|error| TransferError::BadInput(error.to_string()))?;
        let mut shared = Vec::with_capacity(collection.entries().len());
        for entry in collection.entries() {
            shared.push(match &entry.what {
                What::Folder => None,
                What::File { root, .. } => {
                    let path = place.join(entry.name.to_path());
                    Some(known(&path, files.next(), root)?)
                }
            });
        }
        Ok(Restored::Folder(collection, shared))
    }

    /// A share is no more.
    pub(crate) fn forget(&self, root: &Root) {
        // It is found out again when it is to be restored.
        let _gone = fs::remove_file(self.path(root));
    }
}

/// What is in memory needs no hashes.
fn file_of(file: &SharedFile) -> Option<ShareFile> {
    let print = file.print()?;
    Some(ShareFile {
        device: print.device,
        inode: print.inode,
        size: print.size,
        modified: print.modified_ns(),
        units: file.outline().units().concat().into(),
    })
}

/// Opens a file, if it is the one that was hashed.
fn known(path: &Path, state: Option<ShareFile>, root: &Root) -> Result<SharedFile, TransferError> {
    let state = state.ok_or_else(|| changed(path))?;
    let (units, rest) = state.units.as_chunks::<32>();
    let units: Vec<ChainingValue> = units.to_vec();
    let file = SharedFile::known(path, units)?;
    let same = file.print().is_some_and(|print: Print| {
        (print.device, print.inode, print.size, print.modified_ns())
            == (state.device, state.inode, state.size, state.modified)
    });
    if same && rest.is_empty() && file.outline().root() == *root {
        Ok(file)
    } else {
        Err(changed(path))
    }
}

fn changed(path: &Path) -> TransferError {
    TransferError::Changed {
        path: path.to_owned(),
    }
}

/// Nothing: it is none of ours, or damaged.
fn read(path: &Path) -> io::Result<Option<ShareState>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(STATE_MAX).read_to_end(&mut bytes)?;
    let Some((state, check)) = bytes.split_last_chunk::<32>() else {
        return Ok(None);
    };
    if blake3::hash(state) != *check {
        return Ok(None);
    }
    Ok(ShareState::decode(state).ok())
}
