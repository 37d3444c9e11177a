//! Small private files: read with care, written whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

/// Bits of a mode that let anybody but the owner in.
#[cfg(unix)]
const SHARED: u32 = 0o077;

/// Longest name that file systems take, in bytes.
const NAME_MAX: usize = 255;
/// What the name of a temporary has more: two dots and digits.
const TEMPORARY: usize = 18;
/// What stands for the end of a name that is too long: a sign and digits.
const CUT: usize = 17;

/// Why a private file was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The system refused.
    Io(io::Error),
    /// Others can read or write it; its mode.
    Shared(u32),
    /// It has more bytes than the caller takes.
    Large,
}

/// What to do when the file to be written is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// Put the new content in its place.
    OrReplace,
    /// Leave it and fail with [`io::ErrorKind::AlreadyExists`].
    New,
}

/// Reads a regular file that only its owner can get at, up to a limit. The buffer is wiped when it is dropped.
pub(crate) fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Asked before opening, because opening a pipe waits for its other end.
    let kind = fs::metadata(path).map_err(ReadError::Io)?;
    if kind.is_dir() {
        return Err(ReadError::Io(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder",
        )));
    }
    if !kind.is_file() {
        return Err(ReadError::Io(io::Error::other("it is not a regular file")));
    }
    let file = File::open(path).map_err(ReadError::Io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Of the open file, not of the path, which may have been changed since.
        let mode = file.metadata().map_err(ReadError::Io)?.permissions().mode() & 0o777;
        if mode & SHARED != 0 {
            return Err(ReadError::Shared(mode));
        }
    }
    // Sized beforehand: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    if bytes.len() > limit {
        Err(ReadError::Large)
    } else {
        Ok(bytes)
    }
}

/// Writes a file of mode 0600 so that, whatever happens, its path shows the old content or the new one, never a part: into
/// a new file in the same folder, to the disk, then under its name.
pub(crate) fn write_private(path: &Path, bytes: &[u8], create: Create) -> io::Result<()> {
    let folder = folder_of(path);
    let temporary = temporary_beside(path, folder)?;
    let written = write_new(&temporary, bytes).and_then(|()| settle(&temporary, path, create));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// The folder that a path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The path whose name goes on with `suffix`, in the same folder. A name that would be too long for that is cut, and has its hash at the end.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = shortened(path.file_name().unwrap_or_default(), suffix.len());
    name.push(suffix);
    path.with_file_name(name)
}

/// A name to which so many bytes can be added, and those of a temporary.
fn shortened(name: &OsStr, more: usize) -> OsString {
    if name.len() + more + TEMPORARY <= NAME_MAX {
        return name.to_owned();
    }
    let text = name.to_string_lossy();
    let most = NAME_MAX.saturating_sub(more + TEMPORARY + CUT);
    let fits = |(at, c): (usize, char)| at + c.len_utf8() <= most;
    let kept = text.char_indices().take_while(|it| fits(*it)).count();
    let kept: String = text.chars().take(kept).collect();
    let hash = blake3::hash(name.as_encoded_bytes()).to_hex();
    format!("{kept}~{}", &hash[..CUT - 1]).into()
}

/// Opens a file that only its owner can get at, making it when there is none.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    private_options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Makes a folder that only its owner can enter, with its parents, when there is none.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A name nobody else uses: two processes may write the same file at once.
fn temporary_beside(path: &Path, folder: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path does not end in a file's name",
        )
    })?;
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(folder.join(format!(
        ".{}.{:016x}",
        shortened(name, 0).to_string_lossy(),
        u64::from_be_bytes(random)
    )))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private_options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn settle(temporary: &Path, path: &Path, create: Create) -> io::Result<()> {
    match create {
        Create::New => rename_new(temporary, path),
        Create::OrReplace => fs::rename(temporary, path),
    }
}

/// Gives a file another name in the same folder, unless something has that name: then [`io::ErrorKind::AlreadyExists`].
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    // A link, unlike a rename, never replaces.
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Some systems (Android, FAT) have no links for us. Then the name is looked up; two who do this in the
        // same instant are not told apart there.
        Err(_) if fs::symlink_metadata(to).is_ok() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Err(_) => {}
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_cut_and_stays_its_own() {
        let beside = |name: &str| beside(Path::new("in").join(name).as_path(), ".part");
        assert_eq!(beside("film"), Path::new("in/film.part"));
        let just = "a".repeat(NAME_MAX - TEMPORARY - ".part".len());
        assert_eq!(beside(&just), Path::new("in").join(format!("{just}.part")));
        let longer = format!("{just}a");
        let wide = "画".repeat(85);
        let all = [&longer, &format!("{just}b"), &wide, &format!("{wide}x")];
        let names = all.map(|name| beside(name).file_name().unwrap().to_owned());
        for (place, name) in names.iter().enumerate() {
            assert!(name.len() <= NAME_MAX - TEMPORARY, "{name:?}");
            assert!(name.to_str().unwrap().ends_with(".part"));
            assert!(!names[..place].contains(name), "{name:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b".repeat(NAME_MAX));
        write_private(&path, b"bytes", Create::OrReplace).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"bytes");
    }
}
