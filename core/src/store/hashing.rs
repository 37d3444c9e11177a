//! Hashing files and folders, a slice at a time: how long all of it takes nobody knows, and others want the thread in between.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::shared_file::{Print, SharedFile, open, shorter};
use crate::error::TransferError;
use crate::proto::transfer::collection::{Collection, Entry, What};
use crate::proto::transfer::names::{Name, NameError};
use crate::proto::transfer::outline::{UNIT, unit_at, unit_hash, units_of};
use crate::proto::tree::ChainingValue;

/// What is hashed in one slice: a second of a slow disk.
const SLICE: u64 = 32 << 20;
/// What it takes to open a file, in bytes that are hashed meanwhile.
const OPENING: u64 = 64 << 10;

/// A file that is being hashed.
#[derive(Debug)]
pub(crate) struct FileHashing {
    path: PathBuf,
    file: File,
    print: Print,
    units: Vec<ChainingValue>,
    buffer: Vec<u8>,
}

impl FileHashing {
    pub(crate) fn begin(path: &Path) -> Result<Self, TransferError> {
        let (file, print) = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            print,
            units: Vec::with_capacity(units_of(print.size) as usize),
            buffer: vec![0; print.size.min(UNIT) as usize],
        })
    }

    /// Goes on for one slice. Nothing: there is more to do. `progress` is shown the bytes as they are read.
    pub(crate) fn slice(
        &mut self,
        progress: impl FnMut(&[u8]),
    ) -> Result<Option<SharedFile>, TransferError> {
        self.hash(&mut SLICE.clone(), progress)
    }

    fn hash(
        &mut self,
        left: &mut u64,
        mut progress: impl FnMut(&[u8]),
    ) -> Result<Option<SharedFile>, TransferError> {
        let size = self.print.size;
        for index in self.units.len() as u64..units_of(size) {
            if *left == 0 {
                return Ok(None);
            }
            let unit = unit_at(size, index);
            let bytes = &mut self.buffer[..unit.len() as usize];
            self.file
                .read_exact_at(bytes, unit.start)
                .map_err(|error| shorter(&self.path, &error))?;
            self.units.push(unit_hash(size, unit.start, bytes));
            progress(bytes);
            *left = left.saturating_sub(unit.len());
        }
        let now = self.file.metadata();
        let now = now.map_err(|error| TransferError::io(&self.path, &error))?;
        if Print::of(&now) != self.print {
            return Err(TransferError::Changed {
                path: self.path.clone(),
            });
        }
        let units = std::mem::take(&mut self.units);
        SharedFile::with(&self.path, self.print, units).map(Some)
    }
}

/// All files under a folder, in no order; what of it is hashed is at the end.
#[derive(Debug)]
pub(crate) struct FolderHashing {
    folder: PathBuf,
    found: Vec<Found>,
    now: Option<(Found, FileHashing)>,
    done: Vec<(Entry, Option<SharedFile>)>,
}

/// A collection, and its files in the order of its entries; a folder has no file.
pub(crate) type Hashed = (Collection, Vec<Option<SharedFile>>);

impl FolderHashing {
    /// Looks what there is.
    pub(crate) fn begin(folder: &Path) -> Result<Self, TransferError> {
        let mut found = Vec::new();
        walk(folder, "", &mut found)?;
        Ok(Self {
            folder: folder.to_owned(),
            done: Vec::with_capacity(found.len()),
            now: None,
            found,
        })
    }

    /// Whether it has the names and sizes of this: nothing of it need be hashed if it has not.
    pub(crate) fn looks_like(&self, collection: &Collection) -> bool {
        let mut found: Vec<_> = self.found.iter().map(|it| (&it.name, it.size)).collect();
        found.sort_unstable();
        let listed = collection.entries().iter().map(|entry| match entry.what {
            What::File { size, .. } => (&entry.name, Some(size)),
            What::Folder => (&entry.name, None),
        });
        found.into_iter().eq(listed)
    }

    /// As [`FileHashing::slice`].
    pub(crate) fn slice(
        &mut self,
        mut progress: impl FnMut(&[u8]),
    ) -> Result<Option<Hashed>, TransferError> {
        let mut left = SLICE;
        while left > 0 {
            let (found, mut hashing) = match (self.now.take(), self.found.pop()) {
                (None, None) => return self.finish().map(Some),
                (None, Some(found)) if found.size.is_none() => {
                    self.done.push((found.entry(What::Folder), None));
                    continue;
                }
                (None, Some(found)) => {
                    left = left.saturating_sub(OPENING);
                    let hashing = FileHashing::begin(&found.path)?;
                    (found, hashing)
                }
                (Some(now), next) => {
                    self.found.extend(next);
                    now
                }
            };
            match hashing.hash(&mut left, &mut progress)? {
                Some(file) => {
                    let what = What::File {
                        root: file.outline().root(),
                        size: file.size(),
                    };
                    self.done.push((found.entry(what), Some(file)));
                }
                None => self.now = Some((found, hashing)),
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Hashed, TransferError> {
        self.done.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let (entries, files) = self.done.drain(..).unzip();
        let collection = Collection::new(entries).map_err(|error| TransferError::Path {
            path: self.folder.clone(),
            reason: error.to_string(),
        })?;
        Ok((collection, files))
    }
}

/// Of a folder: a file, or an empty folder, which has no size.
#[derive(Debug)]
struct Found {
    name: Name,
    path: PathBuf,
    mode: u32,
    size: Option<u64>,
}

impl Found {
    fn entry(self, what: What) -> Entry {
        Entry {
            name: self.name,
            mode: self.mode,
            what,
        }
    }
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Found>) -> Result<(), TransferError> {
    let failed = |error| TransferError::io(folder, &error);
    let refused = |path: &Path, reason: String| TransferError::Path {
        path: path.to_owned(),
        reason,
    };
    let before = found.len();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let last = path.file_name().and_then(|name| name.to_str());
        let name = last
            .map(|last| format!("{prefix}{last}"))
            .ok_or_else(|| refused(&path, "its name is not UTF-8: rename it".into()))?;
        // Links are followed to files: a folder could lead back to itself.
        let kind = fs::symlink_metadata(&path).map_err(|error| TransferError::io(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), found)?;
            continue;
        }
        let metadata = fs::metadata(&path).map_err(|error| TransferError::io(&path, &error))?;
        if metadata.is_dir() {
            return Err(refused(
                &path,
                "it is a link to a folder, which is not followed: share that folder itself".into(),
            ));
        }
        found.push(Found {
            name: parsed(&name, &path)?,
            path,
            mode: metadata.permissions().mode() & 0o777,
            size: Some(metadata.len()),
        });
    }
    if found.len() == before && !prefix.is_empty() {
        found.push(Found {
            name: parsed(prefix.trim_end_matches('/'), folder)?,
            path: folder.to_owned(),
            mode: fs::metadata(folder).map_err(failed)?.permissions().mode() & 0o777,
            size: None,
        });
    }
    Ok(())
}

fn parsed(name: &str, path: &Path) -> Result<Name, TransferError> {
    name.parse()
        .map_err(|error: NameError| TransferError::Path {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
impl SharedFile {
    /// All of it at once.
    pub(crate) fn hash(path: &Path) -> Result<Self, TransferError> {
        let mut hashing = FileHashing::begin(path)?;
        loop {
            if let Some(file) = hashing.slice(|_| ())? {
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::transfer::root::Root;

    #[test]
    fn a_folder_is_hashed_in_slices_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::create_dir_all(inside("empty/one")).unwrap();
        let large = vec![7; SLICE as usize * 2 + 5];
        fs::write(inside("large"), &large).unwrap();
        fs::write(inside("nothing"), b"").unwrap();
        for number in 0..600 {
            fs::write(inside(&number.to_string()), b"small").unwrap();
        }
        let mut hashing = FolderHashing::begin(folder.path()).unwrap();
        let (mut slices, mut read) = (1, 0);
        let (collection, files) = loop {
            let mut now = 0;
            let done = hashing.slice(|bytes| now += bytes.len() as u64);
            assert!(now <= SLICE, "{now} bytes in one slice");
            read += now;
            match done.unwrap() {
                Some(done) => break done,
                None => slices += 1,
            }
        };
        assert_eq!(read, large.len() as u64 + 600 * 5);
        assert!(slices >= 4, "{slices} slices");
        assert_eq!((collection.entries().len(), files.len()), (603, 603));
        for (entry, file) in collection.entries().iter().zip(&files) {
            let What::File { root, size } = entry.what else {
                assert_eq!(entry.name.to_string(), "empty/one");
                continue;
            };
            let file = file.as_ref().unwrap();
            assert_eq!((root, size), (file.outline().root(), file.size()));
            let bytes = fs::read(file.path()).unwrap();
            assert_eq!(root, Root::of(&bytes));
            assert!(file.path().ends_with(entry.name.to_path()));
        }
        let begun = || FolderHashing::begin(folder.path()).unwrap();
        assert!(begun().looks_like(&collection));
        fs::write(inside("nothing"), b"1").unwrap();
        assert!(!begun().looks_like(&collection));
        fs::remove_file(inside("nothing")).unwrap();
        assert!(!begun().looks_like(&collection));
        fs::create_dir(inside("nothing")).unwrap();
        assert!(!begun().looks_like(&collection));
    }
}
