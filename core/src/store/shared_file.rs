//! A file that is shared in place: hashed once, and checked again while it is read.
//!
//! One that is shared by itself stays open: it can be renamed or removed. Of a folder there may be more files than a process may have
//! open: those are opened whenever they are read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

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
    /// When it was opened; nothing of what is in memory.
    print: Option<Print>,
    path: PathBuf,
    outline: Outline,
}

#[derive(Debug)]
enum Body {
    Open(File),
    /// To be opened at its path.
    Closed,
    /// No file of the disk.
    Memory(Bytes),
}

impl SharedFile {
    /// Opens a file and hashes it. `progress` is shown the bytes as they are read, and ends it by saying no.
    pub(crate) fn hash(
        path: &Path,
        mut progress: impl FnMut(&[u8]) -> bool,
    ) -> Result<Self, TransferError> {
        let (file, print) = open(path)?;
        let size = print.size;
        let mut units: Vec<ChainingValue> = Vec::with_capacity(units_of(size) as usize);
        let mut buffer = vec![0; size.min(UNIT) as usize];
        for index in 0..units_of(size) {
            let unit = unit_at(size, index);
            let bytes = &mut buffer[..unit.len() as usize];
            file.read_exact_at(bytes, unit.start)
                .map_err(|error| shorter(path, &error))?;
            units.push(unit_hash(size, unit.start, bytes));
            if !progress(bytes) {
                return Err(TransferError::Cancelled);
            }
        }
        let now = file.metadata().map(|metadata| Print::of(&metadata));
        if now.map_err(|error| TransferError::io(path, &error))? != print {
            return Err(TransferError::Changed { path: path.into() });
        }
        Self::with(path, file, print, units)
    }

    /// A file whose hashes are known. What is wrong with them is found out when it is read.
    pub(crate) fn known(path: &Path, units: Vec<ChainingValue>) -> Result<Self, TransferError> {
        let (file, print) = open(path)?;
        Self::with(path, file, print, units)
    }

    fn with(
        path: &Path,
        file: File,
        print: Print,
        units: Vec<ChainingValue>,
    ) -> Result<Self, TransferError> {
        let outline = Outline::new(print.size, units)
            .ok_or_else(|| TransferError::Changed { path: path.into() })?;
        Ok(Self {
            body: Body::Open(file),
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

    /// The same, opened whenever it is read.
    pub(crate) fn closed(mut self) -> Self {
        self.body = Body::Closed;
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
        self.read(&mut buffer, unit.start)?;
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
        self.read(&mut buffer[HEAD..], unit.start)?;
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
        self.read(&mut buffer[from..], 0)?;
        if Root::of(&buffer[from..]) == self.outline.root() {
            Ok(())
        } else {
            Err(TransferError::Changed {
                path: self.path.clone(),
            })
        }
    }

    fn read(&self, into: &mut [u8], at: u64) -> Result<(), TransferError> {
        let opened;
        let file = match &self.body {
            Body::Memory(bytes) => {
                let at = at as usize;
                into.copy_from_slice(&bytes[at..at + into.len()]);
                return Ok(());
            }
            Body::Open(file) => file,
            Body::Closed => {
                opened = open(&self.path)?.0;
                &opened
            }
        };
        file.read_exact_at(into, at)
            .map_err(|error| shorter(&self.path, &error))
    }
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

fn shorter(path: &Path, error: &io::Error) -> TransferError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return TransferError::Changed { path: path.into() };
    }
    TransferError::io(path, error)
}
