//! Folders that are being got.
//!
//! Such a folder grows as `NAME.part` beside its destination and gets its name when all of it is there. Its large files are
//! [`PartFile`](super::part_file)s; small ones are written whole, and are there when they have their bytes: that is seen by hashing them, which
//! costs less than keeping account of a hundred thousand.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::part_file::{self, SPARE, free_bytes};
use crate::error::TransferError;
use crate::files::{beside, folder_of};
use crate::proto::transfer::collection::{Collection, What};
use crate::proto::transfer::names::Name;
use crate::proto::transfer::outline::UNIT;
use crate::proto::transfer::root::Root;

/// A folder that is being got.
#[derive(Clone, Debug)]
pub(crate) struct PartFolder {
    destination: PathBuf,
    part: PathBuf,
}

impl PartFolder {
    /// Begins, or goes on. All folders are made; room is looked for before anything is asked for.
    pub(crate) fn begin(
        destination: &Path,
        collection: &Collection,
    ) -> Result<Self, TransferError> {
        let part = beside(destination, ".part");
        let folder = Self {
            destination: destination.to_owned(),
            part,
        };
        let failed = |error| TransferError::io(&folder.part, &error);
        match fs::symlink_metadata(&folder.part) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(TransferError::Path {
                    path: folder.part,
                    reason: "it is there and no folder: move it away".into(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = folder_of(destination);
                let free = free_bytes(parent).map_err(|error| TransferError::io(parent, &error))?;
                if collection.size().saturating_add(SPARE) > free {
                    return Err(TransferError::NoRoom {
                        path: destination.to_owned(),
                        need: collection.size(),
                        free,
                    });
                }
                make(&folder.part).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        for entry in collection.entries() {
            let path = folder.path(&entry.name);
            let needed = match entry.what {
                What::Folder => path.as_path(),
                What::File { .. } => path.parent().unwrap_or(&folder.part),
            };
            make(needed).map_err(|error| TransferError::io(needed, &error))?;
        }
        Ok(folder)
    }

    /// Where a file of it is until the end.
    pub(crate) fn path(&self, name: &Name) -> PathBuf {
        self.part.join(name.to_path())
    }

    /// Whether a small file is there, whole.
    pub(crate) fn has(&self, name: &Name, root: &Root, size: u64) -> bool {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path);
        opened
            .and_then(|file| file.take(size.min(UNIT) + 1).read_to_end(&mut bytes))
            .is_ok_and(|read| read as u64 == size && Root::of(&bytes) == *root)
    }

    /// Writes a small file whose bytes were checked.
    pub(crate) fn write(&self, name: &Name, bytes: &[u8]) -> Result<(), TransferError> {
        let path = self.path(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path);
        file.and_then(|mut file| file.write_all(bytes))
            .map_err(|error| TransferError::io(&path, &error))
    }

    /// What is in it and not of it: what a crash left is removed, what somebody else put there is not taken along.
    fn clear(&self, collection: &Collection) -> Result<(), TransferError> {
        let mut known = HashSet::new();
        for entry in collection.entries() {
            let name = entry.name.to_path();
            known.extend(name.ancestors().map(Path::to_owned));
        }
        let mut folders = vec![self.part.clone()];
        while let Some(folder) = folders.pop() {
            let failed = |error| TransferError::io(&folder, &error);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                let inside = path.strip_prefix(&self.part).unwrap_or(&path);
                if known.contains(inside) {
                    if entry.file_type().map_err(failed)?.is_dir() {
                        folders.push(path);
                    }
                } else if part_file::is_leftover(&path) {
                    fs::remove_file(&path).map_err(|error| TransferError::io(&path, &error))?;
                } else {
                    return Err(TransferError::Path {
                        path,
                        reason:
                            "it is in the folder that is being got, and not of it: move it away"
                                .into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Gives the whole folder its name.
    pub(crate) fn finish(
        &self,
        collection: &Collection,
        durable: bool,
    ) -> Result<(), TransferError> {
        self.clear(collection)?;
        let failed = |error| TransferError::io(&self.part, &error);
        for entry in collection.entries().iter().rev() {
            let path = self.path(&entry.name);
            // Its owner can always go on with it.
            let least = match entry.what {
                What::Folder => 0o700,
                What::File { .. } => 0o600,
            };
            fs::set_permissions(&path, Permissions::from_mode(entry.mode | least))
                .map_err(|error| TransferError::io(&path, &error))?;
        }
        if durable {
            let folder = File::open(&self.part).map_err(failed)?;
            // One call for all of it: a sync of each of many files would take longer than to get them.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            nix::unistd::syncfs(&folder).map_err(|error| failed(error.into()))?;
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            nix::unistd::sync();
            drop(folder);
        }
        if fs::symlink_metadata(&self.destination).is_ok() {
            return Err(TransferError::Exists {
                path: self.destination.clone(),
            });
        }
        fs::rename(&self.part, &self.destination)
            .map_err(|error| TransferError::io(&self.destination, &error))?;
        if durable {
            let parent = folder_of(&self.destination);
            File::open(parent)
                .and_then(|parent| parent.sync_all())
                .map_err(|error| TransferError::io(parent, &error))?;
        }
        Ok(())
    }
}

/// Where the list of a folder's files is kept while it is got.
pub(crate) fn list_path(destination: &Path) -> PathBuf {
    beside(destination, ".part.list")
}

/// The list that came.
pub(crate) fn read_list(path: &Path) -> Result<Collection, TransferError> {
    let bytes = fs::read(path).map_err(|error| TransferError::io(path, &error))?;
    Collection::decode(bytes.into()).map_err(|error| TransferError::BadInput(error.to_string()))
}

/// The list is not needed any more: it is written anew if the folder is wanted again.
pub(crate) fn remove_list(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, "the list of a folder was not removed");
    }
}

/// Whether there is a folder at a destination, of which is to be seen whether it is the one that is wanted. Anything else must not be there.
pub(crate) fn is_folder(destination: &Path) -> Result<bool, TransferError> {
    match fs::symlink_metadata(destination) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(TransferError::Exists {
            path: destination.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(TransferError::io(destination, &error)),
    }
}

/// With its parents, for its owner alone until it is whole.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
