//! Files that come in small pieces, of which each is on the disk before it is acknowledged: a log in which they lie in the order in which
//! they came.
//!
//! Other than a [part file](super::part_file) it does not know the root of what comes, nor in which order: the wires of others tell neither.
//! A piece is a record with where it belongs and a hash of all of it, written behind the others; one `fdatasync` makes both durable,
//! where a file and a list of what is in it would take two. After a crash the log ends with the first record that is not right: those
//! behind it were never acknowledged. When all pieces are there an [`Assembly`] makes the file of them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::part_file::{PartFile, SPARE, free_bytes};
use super::row::{number, take};
use crate::error::TransferError;
use crate::files::{self, Create};
use crate::proto::transfer::outline::{Outline, UNIT, unit_at, unit_hash, units_of};
use crate::proto::transfer::root::Root;
use crate::proto::tree::ChainingValue;

/// Bytes in front of what is in a record: kind, position, length, id, hash.
const HEAD: usize = 1 + 8 + 4 + 16 + 32;
/// Longest content of a record, and of what a log says of itself.
const CONTENT_MAX: usize = 1 << 20;
/// So much of an assembly in one go, as others wait for the thread.
const STEP: u64 = 8 << 20;

/// What a record is for. Whoever has the log knows more kinds.
pub(crate) const PIECE: u8 = 0;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// [`PIECE`], or what whoever has the log means by it.
    pub(crate) kind: u8,
    /// Of a piece: which of the file's bytes is its first.
    pub(crate) position: u64,
    pub(crate) length: u64,
    /// Whatever it came with.
    pub(crate) id: [u8; 16],
    /// Where in the log it is.
    pub(crate) at: u64,
}

/// See the module. Nobody else may have the same log.
#[derive(Debug)]
pub(crate) struct PieceLog {
    file: File,
    path: PathBuf,
    /// Where the next record goes.
    end: u64,
    /// It failed and cannot be trusted.
    broken: bool,
}

impl PieceLog {
    /// A new log that says this of itself, on the disk when this returns. `room`: how many bytes will come into the folder in all.
    pub(crate) fn create(path: &Path, about: &[u8], room: u64) -> Result<Self, TransferError> {
        let failed = |error| TransferError::io(path, &error);
        let folder = path.parent().unwrap_or(Path::new("."));
        let free = free_bytes(folder).map_err(failed)?;
        if room.saturating_add(SPARE) > free {
            return Err(TransferError::NoRoom {
                path: path.to_owned(),
                need: room,
                free,
            });
        }
        let bytes = begin(about);
        files::write_private(path, &bytes, Create::OrReplace).map_err(failed)?;
        let file = open(path).map_err(failed)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            end: bytes.len() as u64,
            broken: false,
        })
    }

    /// In place of a log a new one with records that have no content, whole on the disk when this returns.
    pub(crate) fn replace(
        path: &Path,
        about: &[u8],
        records: impl Iterator<Item = (u8, [u8; 16])>,
    ) -> Result<(), TransferError> {
        let mut bytes = begin(about);
        for (kind, id) in records {
            bytes.extend(record(kind, 0, &id, &[]));
        }
        files::write_private(path, &bytes, Create::OrReplace)
            .map_err(|error| TransferError::io(path, &error))
    }

    /// Opens a log, and shows what is in it: what it says of itself, then each record. Nothing: there is none, or none of ours.
    pub(crate) fn open<T>(
        path: &Path,
        read: impl FnOnce(&[u8]) -> Option<T>,
        mut visit: impl FnMut(&mut T, Record),
    ) -> Result<Option<(Self, T)>, TransferError> {
        let failed = |error| TransferError::io(path, &error);
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let Some((about, mut end)) = read_about(&file).map_err(failed)? else {
            return Ok(None);
        };
        let Some(mut state) = read(&about) else {
            return Ok(None);
        };
        let mut content = Vec::new();
        while let Some(found) = read_record(&file, end, &mut content).map_err(failed)? {
            end = found.at + HEAD as u64 + found.length;
            visit(&mut state, found);
        }
        // What is behind was never acknowledged. What is in front may have been written by a process that was killed before it was on
        // the disk: from here on it counts.
        file.set_len(end).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let log = Self {
            file,
            path: path.to_owned(),
            end,
            broken: false,
        };
        Ok(Some((log, state)))
    }

    /// Writes a record behind the others; it is on the disk when this returns. After an error the log is to be opened again.
    pub(crate) fn append(
        &mut self,
        kind: u8,
        position: u64,
        id: &[u8; 16],
        content: &[u8],
    ) -> Result<Record, TransferError> {
        let at = self.end;
        if self.broken {
            return Err(TransferError::Path {
                path: self.path.clone(),
                reason: "it failed before".into(),
            });
        }
        let bytes = record(kind, position, id, content);
        let written = self.file.write_all_at(&bytes, at);
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // Else it would be found there later, although nobody knows whether it is on the disk.
            let _cut = self.file.set_len(at);
            self.broken = true;
            return Err(TransferError::io(&self.path, &error));
        }
        self.end += bytes.len() as u64;
        Ok(Record {
            kind,
            position,
            length: content.len() as u64,
            id: *id,
            at,
        })
    }

    /// To make a file of what is in it by now.
    pub(crate) fn reader(&self) -> Result<LogReader, TransferError> {
        let log = self.file.try_clone();
        Ok(LogReader {
            log: log.map_err(|error| TransferError::io(&self.path, &error))?,
            path: self.path.clone(),
            end: self.end,
        })
    }

    /// It is not needed any more.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a log was not removed, it expires");
        }
    }
}

/// What is in a log at a moment.
#[derive(Debug)]
pub(crate) struct LogReader {
    log: File,
    path: PathBuf,
    end: u64,
}

impl LogReader {
    /// Begins to make a file at `path`: of the pieces from the record at `from` on (0: from the first) what is in the range.
    pub(crate) fn assemble(
        self,
        from: u64,
        range: Range<u64>,
        path: &Path,
    ) -> Result<Assembly, TransferError> {
        let failed = |error| TransferError::io(path, &error);
        let out = files::open_private(path).map_err(failed)?;
        // Another may have been begun here and was broken off.
        out.set_len(0)
            .and_then(|()| out.set_len(range.end - range.start))
            .map_err(failed)?;
        let at = match from {
            0 => read_about(&self.log)
                .map_err(failed)?
                .map_or(self.end, |(_, begin)| begin),
            from => from,
        };
        Ok(Assembly {
            at,
            log: self,
            range,
            out,
            path: path.to_owned(),
            digest: Context::new(&SHA256),
            units: Vec::new(),
        })
    }
}

/// A file that is made of pieces, a step at a time.
pub(crate) struct Assembly {
    log: LogReader,
    at: u64,
    range: Range<u64>,
    out: File,
    path: PathBuf,
    digest: Context,
    units: Vec<ChainingValue>,
}

/// A file that was made, on the disk, under a name for the moment.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) path: PathBuf,
    pub(crate) root: Root,
    pub(crate) sha256: [u8; 32],
    pub(crate) units: Vec<ChainingValue>,
}

impl Assembly {
    /// The next step; whether it was the last.
    pub(crate) fn step(&mut self) -> Result<bool, TransferError> {
        let size = self.range.end - self.range.start;
        let mut left = STEP;
        let mut content = Vec::new();
        while left > 0 && self.at < self.log.end {
            let LogReader { log, path, .. } = &self.log;
            let found = read_record(log, self.at, &mut content);
            let found = found.map_err(|error| TransferError::io(path, &error))?;
            let found = found.ok_or_else(|| TransferError::Changed { path: path.clone() })?;
            self.at = found.at + HEAD as u64 + found.length;
            left = left.saturating_sub(found.length.max(1));
            if found.kind == PIECE {
                self.write(&found, &content)?;
            }
        }
        while left > 0 && (self.units.len() as u64) < units_of(size) {
            let unit = unit_at(size, self.units.len() as u64);
            content.resize(unit.len() as usize, 0);
            let read = self.out.read_exact_at(&mut content, unit.start);
            read.map_err(|error| TransferError::io(&self.path, &error))?;
            self.digest.update(&content);
            self.units.push(unit_hash(size, unit.start, &content));
            left = left.saturating_sub(UNIT);
        }
        Ok(self.units.len() as u64 == units_of(size))
    }

    /// What of a piece is in the file.
    fn write(&self, found: &Record, content: &[u8]) -> Result<(), TransferError> {
        let start = found.position.max(self.range.start);
        let end = (found.position + found.length).min(self.range.end);
        if start >= end {
            return Ok(());
        }
        let part = &content[(start - found.position) as usize..(end - found.position) as usize];
        self.out
            .write_all_at(part, start - self.range.start)
            .map_err(|error| TransferError::io(&self.path, &error))
    }

    /// After the last step.
    pub(crate) fn end(self) -> Result<Assembled, TransferError> {
        self.out
            .sync_all()
            .map_err(|error| TransferError::io(&self.path, &error))?;
        let outline = Outline::new(self.range.end - self.range.start, self.units.clone());
        let outline = outline.ok_or_else(|| TransferError::Changed {
            path: self.path.clone(),
        })?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.finish().as_ref());
        Ok(Assembled {
            path: self.path,
            root: outline.root(),
            sha256,
            units: self.units,
        })
    }
}

impl Assembled {
    /// Gives the file its own name; one with the same content may have it already. On the disk when this returns.
    pub(crate) fn settle(self, destination: &Path) -> Result<Vec<ChainingValue>, TransferError> {
        if let Some(units) = PartFile::is_there(destination, None, &self.root)? {
            self.remove();
            return Ok(units);
        }
        let failed = |error| TransferError::io(destination, &error);
        files::rename_new(&self.path, destination).map_err(failed)?;
        if let Some(folder) = destination.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(failed)?;
        }
        Ok(self.units)
    }

    /// It is not what it should be.
    pub(crate) fn remove(&self) {
        // Another takes its place, or it expires.
        let _gone = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The beginning of a log: its length, what it says of itself, a hash of that.
fn begin(about: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + about.len() + 32);
    bytes.extend((about.len() as u32).to_be_bytes());
    bytes.extend_from_slice(about);
    bytes.extend_from_slice(blake3::hash(about).as_bytes());
    bytes
}

/// What a log says of itself, and where its records begin.
fn read_about(file: &File) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut length = [0; 4];
    if !read_at(file, &mut length, 0)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > CONTENT_MAX {
        return Ok(None);
    }
    let mut about = vec![0; length + 32];
    if !read_at(file, &mut about, 4)? {
        return Ok(None);
    }
    let hash = about.split_off(length);
    if blake3::hash(&about).as_bytes()[..] != hash {
        return Ok(None);
    }
    Ok(Some((about, 4 + length as u64 + 32)))
}

fn record(kind: u8, position: u64, id: &[u8; 16], content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + content.len());
    bytes.push(kind);
    bytes.extend(position.to_be_bytes());
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend_from_slice(id);
    let hash = hash(&bytes, content);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn hash(head: &[u8], content: &[u8]) -> blake3::Hash {
    blake3::Hasher::new()
        .update(head)
        .update(content)
        .finalize()
}

/// The record at this place, its content in `content`. Nothing: there is none that is right.
fn read_record(file: &File, at: u64, content: &mut Vec<u8>) -> io::Result<Option<Record>> {
    let mut head = [0; HEAD];
    if !read_at(file, &mut head, at)? {
        return Ok(None);
    }
    let (head, expected) = head.split_at(HEAD - 32);
    let mut rest = &head[1..];
    let (Some(position), Some(length), Some(id)) =
        (number(&mut rest), take(&mut rest), take(&mut rest))
    else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(length);
    if length as usize > CONTENT_MAX || position.checked_add(length.into()).is_none() {
        return Ok(None);
    }
    content.resize(length as usize, 0);
    if !read_at(file, content, at + HEAD as u64)? || hash(head, content).as_bytes()[..] != *expected
    {
        return Ok(None);
    }
    Ok(Some(Record {
        kind: head[0],
        position,
        length: length.into(),
        id,
        at,
    }))
}

/// Whether there is so much.
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(into, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
