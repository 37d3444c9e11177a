//! A file that is shared in place: hashed once ([`hashing`](super::hashing)), and checked again while it is read.
//!
//! It is opened when it is read. Those that were read last, or shared by themselves, stay open: they can be renamed or removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use std::sync::Arc;

use bytes::Bytes;

use super::open_files::Place;
use crate::error::TransferError;
use crate::proto::transfer::message::{HEAD, encode_piece};
use crate::proto::transfer::outline::{
    FILE_MAX, Outline, Piece, UNIT, unit_at, unit_hash, units_of,
};
use crate::proto::transfer::root::Root;
use crate::proto::tree::ChainingValue;

/// What tells a file apart from another at its path, or from itself when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// In ns since 1970.
    pub(crate) modified: i128,
}

impl Print {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    /// Of what is at a path now.
    pub(crate) fn at(path: &Path) -> Result<Self, TransferError> {
        let metadata = fs::metadata(path).map_err(|error| TransferError::io(path, &error))?;
        Ok(Self::of(&metadata))
    }

    /// As it is kept: what does not fit is the last that does.
    pub(crate) fn modified_ns(&self) -> i64 {
        i64::try_from(self.modified).unwrap_or(i64::MAX)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SharedFile {
    body: Body,
    /// When it was opened first; nothing of what is in memory.
    print: Option<Print>,
    path: PathBuf,
    outline: Outline,
}

#[derive(Debug)]
enum Body {
    /// At its path.
    Disk(Place),
    /// No file of the disk.
    Memory(Bytes),
}

impl SharedFile {
    /// A file whose hashes are known. What is wrong with them is found out when it is read.
    pub(crate) fn known(path: &Path, units: Vec<ChainingValue>) -> Result<Self, TransferError> {
        let (_, print) = open(path)?;
        Self::with(path, print, units)
    }

    pub(super) fn with(
        path: &Path,
        print: Print,
        units: Vec<ChainingValue>,
    ) -> Result<Self, TransferError> {
        let outline = Outline::new(print.size, units)
            .ok_or_else(|| TransferError::Changed { path: path.into() })?;
        Ok(Self {
            body: Body::Disk(Place::new()),
            print: Some(print),
            path: path.to_owned(),
            outline,
        })
    }

    /// Bytes that are shared as a file is; `name` is for errors.
    pub(crate) fn memory(name: &Path, bytes: Bytes) -> Option<Self> {
        let size = bytes.len() as u64;
        let units = (0..units_of(size)).map(|index| {
            let unit = unit_at(size, index);
            unit_hash(
                size,
                unit.start,
                &bytes[unit.start as usize..unit.end as usize],
            )
        });
        Some(Self {
            outline: Outline::new(size, units.collect())?,
            path: name.to_owned(),
            body: Body::Memory(bytes),
            print: None,
        })
    }

    /// The same, open from now on, as long as it is among those that are read.
    pub(crate) fn opened(self) -> Self {
        if let Body::Disk(place) = &self.body {
            // Whoever reads it finds out why not.
            let _none = open_again(&self.path).map(|file| place.keep(&file));
        }
        self
    }

    pub(crate) fn print(&self) -> Option<Print> {
        self.print
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn outline(&self) -> &Outline {
        &self.outline
    }

    pub(crate) fn size(&self) -> u64 {
        self.outline.size()
    }

    /// Its bytes from here to the end of the unit, checked as a piece is.
    pub(crate) fn unit_from(&self, at: u64) -> Result<Bytes, TransferError> {
        if at >= self.size() {
            return Ok(Bytes::new());
        }
        let unit = unit_at(self.size(), at / UNIT);
        let mut buffer = vec![0; unit.len() as usize];
        self.read(&mut buffer, unit.start, true)?;
        if self.outline.prove(unit, &buffer).is_none() {
            return Err(TransferError::Changed {
                path: self.path.clone(),
            });
        }
        Ok(Bytes::from(buffer).slice((at - unit.start) as usize..))
    }

    /// A piece as it is sent. What was changed since the file was hashed is never given.
    pub(crate) fn piece(&self, piece: Piece) -> Result<Bytes, TransferError> {
        let size = self.size();
        let unit = unit_at(size, piece.start / UNIT);
        let mut buffer = vec![0; HEAD + unit.len() as usize];
        self.read(&mut buffer[HEAD..], unit.start, true)?;
        let proof = self.outline.prove(piece, &buffer[HEAD..]);
        let proof = proof.ok_or_else(|| TransferError::Changed {
            path: self.path.clone(),
        })?;
        if piece != unit {
            let from = HEAD + (piece.start - unit.start) as usize;
            buffer.copy_within(from..from + piece.len() as usize, HEAD);
            buffer.truncate(HEAD + piece.len() as usize);
        }
        Ok(encode_piece(buffer, size, piece.start, &proof))
    }
}

impl SharedFile {
    /// Puts all of a file of one unit behind `buffer`.
    pub(crate) fn append(&self, buffer: &mut Vec<u8>) -> Result<(), TransferError> {
        let from = buffer.len();
        buffer.resize(from + self.size() as usize, 0);
        self.read(&mut buffer[from..], 0, false)?;
        if Root::of(&buffer[from..]) == self.outline.root() {
            Ok(())
        } else {
            Err(TransferError::Changed {
                path: self.path.clone(),
            })
        }
    }

    /// `again`: it is going to be read again.
    fn read(&self, into: &mut [u8], at: u64, again: bool) -> Result<(), TransferError> {
        let place = match &self.body {
            Body::Memory(bytes) => {
                let at = at as usize;
                into.copy_from_slice(&bytes[at..at + into.len()]);
                return Ok(());
            }
            Body::Disk(place) => place,
        };
        let file = match place.file() {
            Some(file) => file,
            None => open_again(&self.path)?,
        };
        if again {
            place.keep(&file);
        }
        file.read_exact_at(into, at)
            .map_err(|error| shorter(&self.path, &error))
    }
}

/// Opens what was a regular file once.
fn open_again(path: &Path) -> Result<Arc<File>, TransferError> {
    let changed = || TransferError::Changed { path: path.into() };
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(changed()),
        Err(error) if is_gone(&error) => return Err(changed()),
        Err(error) => return Err(TransferError::io(path, &error)),
    }
    match File::open(path) {
        Ok(file) => Ok(Arc::new(file)),
        Err(error) if is_gone(&error) => Err(changed()),
        Err(error) => Err(TransferError::io(path, &error)),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> Result<(File, Print), TransferError> {
    let refused = |reason: &str| TransferError::Path {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    // Asked before opening, because opening a pipe waits for its other end.
    let kind = fs::metadata(path).map_err(|error| TransferError::io(path, &error))?;
    if kind.is_dir() {
        return Err(refused("it is a folder, not a file"));
    }
    if !kind.is_file() {
        return Err(refused(
            "it is neither a file nor a folder (a device, socket or pipe)",
        ));
    }
    let file = File::open(path).map_err(|error| TransferError::io(path, &error))?;
    let metadata = file.metadata();
    let print = Print::of(&metadata.map_err(|error| TransferError::io(path, &error))?);
    if print.size > FILE_MAX {
        return Err(refused("it has more than 16 TiB"));
    }
    Ok((file, print))
}

pub(super) fn shorter(path: &Path, error: &io::Error) -> TransferError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return TransferError::Changed { path: path.into() };
    }
    TransferError::io(path, error)
}

// Where the open files of a process can be looked at.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn more_files_than_may_be_open_can_all_be_read_and_few_stay_open() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
            let links = all.filter_map(|entry| fs::read_link(entry.path()).ok());
            links.filter(|path| path.starts_with(folder.path())).count()
        };
        let files: Vec<_> = (0..300)
            .map(|number: u32| {
                let path = folder.path().join(number.to_string());
                fs::write(&path, number.to_string()).unwrap();
                SharedFile::hash(&path).unwrap().opened()
            })
            .collect();
        assert!((1..=64).contains(&open()), "{} are open", open());
        for (number, file) in files.iter().enumerate() {
            assert_eq!(file.unit_from(0).unwrap(), number.to_string());
        }
        assert!((1..=64).contains(&open()), "{} are open", open());
        // It was read last, and is wherever it was moved to.
        fs::rename(files[299].path(), folder.path().join("elsewhere")).unwrap();
        assert_eq!(files[299].unit_from(0).unwrap(), "299");
        let gone = fs::remove_file(files[0].path());
        gone.unwrap();
        let error = files[0].unit_from(0).unwrap_err();
        assert!(matches!(error, TransferError::Changed { .. }), "{error}");
        drop(files);
        assert_eq!(open(), 0);
    }
}
