//! Copies that the satellite made of what it keeps for others: in one folder, each named by its root, or by its root and an end while it comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::proto::transfer::root::Root;
use crate::store::shared_file::Print;

/// One that nobody has written to for a while.
pub(crate) struct Resting {
    pub(crate) root: Root,
    pub(crate) path: PathBuf,
    /// It did not come whole.
    pub(crate) is_part: bool,
}

/// Those of a folder that rest for this long at least.
pub(crate) fn resting(
    folder: &Path,
    for_: Duration,
    now_ms: u64,
) -> impl Iterator<Item = Resting> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let name = entry.file_name();
        let (root, is_part) = match name.to_str()?.split_once('.') {
            Some((root, _)) => (root, true),
            None => (name.to_str()?, false),
        };
        let root = root.parse().ok()?;
        let path = entry.path();
        rests(&path, for_, now_ms).then_some(Resting {
            root,
            path,
            is_part,
        })
    })
}

/// Whether it is there, and nobody has written to anything of it for so long.
pub(super) fn rests(path: &Path, for_: Duration, now_ms: u64) -> bool {
    let before = i128::from(now_ms) * 1_000_000 - for_.as_nanos() as i128;
    rests_since(path, before)
}

/// The same, of a moment in ns since 1970.
fn rests_since(path: &Path, before: i128) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    Print::of(&found).modified <= before
        && (!found.is_dir()
            || fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .all(|entry| rests_since(&entry.path(), before)))
}

/// Removes all that came of one.
pub(crate) fn discard(folder: &Path, root: &Root) {
    let root = root.to_string();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.split('.').next() == Some(&root) {
            remove(&entry.path());
        }
    }
}

/// Removes one, a file or a folder.
pub(crate) fn remove(path: &Path) {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return,
    };
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "a file that nobody has any more was not removed");
    }
}
