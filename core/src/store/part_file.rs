//! A file that is being got: `NAME.part` beside its destination, and `NAME.part.state`, which says what of it is there.
//!
//! A piece is checked, written into the part file, and believed after a crash once a commit has said so: the part file's data are put on
//! the disk first, then the state is written anew. So whatever happens to this process or machine, the state never says of a byte
//! that it is there when it is not. It lies beside the part file and not in the satellite's database: so it goes wherever that goes, any
//! satellite can go on with it, and many processes can get files at once.
//!
//! The destination appears whole, by a rename, or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::error::TransferError;
use crate::files::{self, Create, beside, folder_of};
use crate::proto::transfer::message::Came;
use crate::proto::transfer::outline::{self, GROUP, UNIT, unit_at, unit_hash, units_of};
use crate::proto::transfer::ranges::Ranges;
use crate::proto::transfer::root::Root;
use crate::proto::tree::ChainingValue;
use crate::proto::wire::{PartRange, PartState, PartUnit};

/// Largest state that is read: of a file of 1 TiB it has 37 MiB.
const STATE_MAX: u64 = 1 << 30;
/// Units that are read again in one go.
const HASH_SOME: usize = 32;
/// Left free on a disk: other programs want to go on.
pub(super) const SPARE: u64 = 8 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: Arc<File>,
    places: Places,
    root: Root,
    size: u64,
    done: Ranges,
    /// The hashes of whole units that came as one piece; the others are read again when they are wanted.
    units: Vec<Option<ChainingValue>>,
}

#[derive(Clone, Debug)]
struct Places {
    destination: PathBuf,
    part: PathBuf,
    state: PathBuf,
}

impl Places {
    fn of(destination: &Path) -> Result<Self, TransferError> {
        if destination.file_name().is_none() {
            return Err(TransferError::Path {
                path: destination.to_owned(),
                reason: "it does not end in a file's name".into(),
            });
        }
        Ok(Self {
            destination: destination.to_owned(),
            part: beside(destination, ".part"),
            state: beside(destination, ".part.state"),
        })
    }

    fn folder(&self) -> &Path {
        folder_of(&self.destination)
    }
}

/// Whether a crash in the middle of a commit leaves files of such names: a state, or one that was to become it.
pub(crate) fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".part.state") || files::is_temporary_of(&name, ".part.state")
}

/// The size of the file that is there, if it is one.
pub(crate) fn size_of(path: &Path) -> Option<u64> {
    let found = fs::symlink_metadata(path).ok()?;
    found.is_file().then_some(found.len())
}

/// Whether there is a file at a destination, of which is to be seen whether it is the one that is wanted. Anything else must not be there.
pub(crate) fn is_file(destination: &Path) -> Result<bool, TransferError> {
    match fs::symlink_metadata(destination) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(exists(destination)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(TransferError::io(destination, &error)),
    }
}

/// What a destination has.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The file itself, whole; and the hashes of its units.
    Whole(Vec<ChainingValue>),
    /// Some of it, or nothing.
    Part(PartFile),
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// Checked and written; durable with the next commit.
    Written,
    /// Not what the root says: nothing was written.
    Wrong,
}

/// What a commit makes durable.
#[derive(Debug)]
pub(crate) struct Commit {
    file: Arc<File>,
    places: Places,
    state: PartState,
}

impl PartFile {
    /// Whether the destination has the file already, of which the size may not be known.
    pub(crate) fn is_there(
        destination: &Path,
        root: &Root,
    ) -> Result<Option<Vec<ChainingValue>>, TransferError> {
        if !is_file(destination)? {
            return Ok(None);
        }
        let failed = |error| TransferError::io(destination, &error);
        let file = File::open(destination).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let units = hash_units(&file, size, 0..units_of(size)).map_err(failed)?;
        Self::is_it(destination, root, size, units).map(Some)
    }

    /// Whether what was found at the destination is the file, by the hashes of its units.
    pub(crate) fn is_it(
        destination: &Path,
        root: &Root,
        size: u64,
        units: Vec<ChainingValue>,
    ) -> Result<Vec<ChainingValue>, TransferError> {
        let found = outline::Outline::new(size, units.clone()).map(|outline| outline.root());
        if found != Some(*root) {
            return Err(exists(destination));
        }
        // A crash may have come in the middle of the end.
        let places = Places::of(destination)?;
        if let Ok(Some(state)) = read_state(&places.state)
            && state.root == root.as_bytes()[..]
        {
            let _two_names = fs::remove_file(&places.part);
            let _gone = fs::remove_file(&places.state);
        }
        Ok(units)
    }

    /// Begins to get a file, or goes on with it. The folder of the destination must exist.
    pub(crate) fn begin(destination: &Path, root: Root, size: u64) -> Result<Begun, TransferError> {
        let places = Places::of(destination)?;
        if let Some(units) = Self::is_there(destination, &root)? {
            return Ok(Begun::Whole(units));
        }
        let failed = |error| TransferError::io(&places.part, &error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&places.part)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TransferError::Busy {
                    path: destination.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let length = file.metadata().map_err(failed)?.len();
        let state = read_state(&places.state)
            .map_err(|error| TransferError::io(&places.state, &error))?
            .filter(|state| state.root == root.as_bytes()[..] && state.size == size);
        let (done, units) = match &state {
            Some(state) if length == size => taken_from(state),
            _ => (Ranges::default(), vec![None; units_of(size) as usize]),
        };
        let part = Self {
            file: Arc::new(file),
            places,
            root,
            size,
            done,
            units,
        };
        if length > 0 && state.is_none() {
            return Err(TransferError::Path {
                path: part.places.part.clone(),
                reason: "it is there and belongs to another file: move it away, or remove it and its .state".into(),
            });
        }
        part.make_room(length)?;
        part.commit().run()?;
        Ok(Begun::Part(part))
    }

    /// The state comes first, so that no part file is without; room is taken before anything is asked for.
    fn make_room(&self, length: u64) -> Result<(), TransferError> {
        let failed = |error| TransferError::io(&self.places.part, &error);
        if length == self.size {
            return Ok(());
        }
        let free = free_bytes(self.places.folder()).map_err(failed)?;
        if self.size.saturating_add(SPARE) > free {
            let _empty = fs::remove_file(&self.places.part);
            let _none = fs::remove_file(&self.places.state);
            return Err(TransferError::NoRoom {
                path: self.places.destination.clone(),
                need: self.size,
                free,
            });
        }
        self.write_state(&self.state())?;
        self.file.set_len(self.size).map_err(failed)
    }

    /// What of it is there.
    pub(crate) fn done(&self) -> &Ranges {
        &self.done
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.done.has(&(0..self.size))
    }

    /// Checks a piece and writes it.
    pub(crate) fn write(&mut self, came: &Came) -> Result<Wrote, TransferError> {
        let Came {
            size,
            piece,
            proof,
            data,
        } = came;
        if *size != self.size {
            return Ok(Wrote::Wrong);
        }
        let Some(unit) = outline::check(&self.root, self.size, *piece, proof, data) else {
            return Ok(Wrote::Wrong);
        };
        self.file
            .write_all_at(data, piece.start)
            .map_err(|error| TransferError::io(&self.places.part, &error))?;
        self.done.insert(piece.start..piece.end);
        if let (Some(hash), Some(kept)) = (unit, self.units.get_mut((piece.start / UNIT) as usize))
        {
            *kept = Some(hash);
        }
        Ok(Wrote::Written)
    }

    /// What is to be made durable: all that was written by now.
    pub(crate) fn commit(&self) -> Commit {
        Commit {
            file: Arc::clone(&self.file),
            places: self.places.clone(),
            state: self.state(),
        }
    }

    fn state(&self) -> PartState {
        let range = |range: Range<u64>| PartRange {
            start: range.start,
            end: range.end,
        };
        let unit = |(index, hash): (usize, &Option<ChainingValue>)| {
            let hash = (*hash)?;
            Some(PartUnit {
                index: index as u64,
                hash: Bytes::copy_from_slice(&hash),
            })
        };
        PartState {
            root: Bytes::copy_from_slice(self.root.as_bytes()),
            size: self.size,
            done: self.done.iter().map(range).collect(),
            units: self.units.iter().enumerate().filter_map(unit).collect(),
        }
    }

    fn write_state(&self, state: &PartState) -> Result<(), TransferError> {
        write_state(&self.places.state, state)
    }

    /// Reads again some of the units that came as many pieces, whose hashes are not known. Whether there are no more of them.
    pub(crate) fn hash_some(&mut self) -> Result<bool, TransferError> {
        let failed = |error| TransferError::io(&self.places.part, &error);
        let unknown = (0..)
            .zip(&mut self.units)
            .filter(|(_, kept)| kept.is_none());
        let mut unknown = unknown.peekable();
        for (index, kept) in unknown.by_ref().take(HASH_SOME) {
            let hashes = hash_units(&self.file, self.size, index..index + 1).map_err(failed)?;
            *kept = hashes.first().copied();
        }
        Ok(unknown.peek().is_none())
    }

    /// Gives the whole file its name; `durable`: only after all of it is on the disk, and the name as well. The hashes of its units.
    pub(crate) fn finish(mut self, durable: bool) -> Result<Vec<ChainingValue>, TransferError> {
        while !self.hash_some()? {}
        let failed = |error| TransferError::io(&self.places.part, &error);
        let units: Vec<ChainingValue> = self.units.iter().flatten().copied().collect();
        let outline = outline::Outline::new(self.size, units.clone());
        if outline.map(|outline| outline.root()) != Some(self.root) {
            return Err(TransferError::Changed {
                path: self.places.part.clone(),
            });
        }
        if durable {
            self.file.sync_data().map_err(failed)?;
        }
        files::rename_new(&self.places.part, &self.places.destination).map_err(
            |error| match error.kind() {
                io::ErrorKind::AlreadyExists => exists(&self.places.destination),
                _ => TransferError::io(&self.places.destination, &error),
            },
        )?;
        if durable {
            let folder = self.places.folder();
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| TransferError::io(folder, &error))?;
        }
        // Whoever finds it later sees that the destination is whole.
        let _left = fs::remove_file(&self.places.state);
        Ok(units)
    }
}

impl Commit {
    /// Blocks for as long as the disk takes.
    pub(crate) fn run(self) -> Result<(), TransferError> {
        self.file
            .sync_data()
            .map_err(|error| TransferError::io(&self.places.part, &error))?;
        write_state(&self.places.state, &self.state)
    }
}

fn exists(path: &Path) -> TransferError {
    TransferError::Exists {
        path: path.to_owned(),
    }
}

fn hash_units(file: &File, size: u64, indexes: Range<u64>) -> io::Result<Vec<ChainingValue>> {
    let mut buffer = vec![0; size.min(UNIT) as usize];
    let mut units = Vec::new();
    for index in indexes {
        let unit = unit_at(size, index);
        let bytes = &mut buffer[..unit.len() as usize];
        file.read_exact_at(bytes, unit.start)?;
        units.push(unit_hash(size, unit.start, bytes));
    }
    Ok(units)
}

/// Bytes that this user may still write.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = nix::sys::statvfs::statvfs(folder)?;
    #[allow(
        clippy::useless_conversion,
        reason = "these have other widths on other systems"
    )]
    let (blocks, block) = (
        u64::from(found.blocks_available()),
        u64::from(found.fragment_size()),
    );
    Ok(blocks.saturating_mul(block))
}

fn write_state(path: &Path, state: &PartState) -> Result<(), TransferError> {
    let mut bytes = state.encode_to_vec();
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    files::write_private(path, &bytes, Create::OrReplace)
        .map_err(|error| TransferError::io(path, &error))
}

/// Nothing: there is none, or it is none of ours.
fn read_state(path: &Path) -> io::Result<Option<PartState>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(STATE_MAX).read_to_end(&mut bytes)?;
    let Some((state, check)) = bytes.split_last_chunk::<32>() else {
        return Ok(None);
    };
    if blake3::hash(state) != *check {
        return Ok(None);
    }
    Ok(PartState::decode(state).ok())
}

fn taken_from(state: &PartState) -> (Ranges, Vec<Option<ChainingValue>>) {
    let mut done = Ranges::default();
    for range in &state.done {
        let groups = range.start.is_multiple_of(GROUP)
            && (range.end.is_multiple_of(GROUP) || range.end == state.size);
        if groups && range.end <= state.size && range.start < range.end {
            done.insert(range.start..range.end);
        }
    }
    let mut units = vec![None; units_of(state.size) as usize];
    for unit in &state.units {
        let hash = ChainingValue::try_from(&unit.hash[..]).ok();
        if let Some(kept) = units.get_mut(unit.index as usize) {
            *kept = hash;
        }
    }
    (done, units)
}

#[cfg(test)]
mod tests;
