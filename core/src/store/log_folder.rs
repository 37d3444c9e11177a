//! Where files come together that arrive over the wires of others: `uploads` in the folder where files are kept.
//!
//! `KEY.log` has what came ([`super::piece_log`]), `KEY.whole` is the file while it is made of it, `KEY.done` says for a while what came. One
//! satellite at a time has the folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock;
use super::own_file::rests;
use crate::error::TransferError;
use crate::files::private_folder;

/// Its name.
const FOLDER: &str = "uploads";

/// See the module.
pub(crate) struct LogFolder {
    path: PathBuf,
    _lock: File,
}

impl LogFolder {
    /// In the folder where files are kept.
    pub(crate) fn open(kept: &Path) -> Result<Self, TransferError> {
        let path = kept.join(FOLDER);
        private_folder(&path).map_err(|error| TransferError::io(&path, &error))?;
        // What is acknowledged in it is not to be lost with its own name.
        for above in path.ancestors().skip(1).take(2) {
            File::open(above)
                .and_then(|above| above.sync_all())
                .map_err(|error| TransferError::io(above, &error))?;
        }
        Ok(Self {
            _lock: lock::take(&path)?,
            path,
        })
    }

    pub(crate) fn path(&self, key: &str, what: &str) -> PathBuf {
        self.path.join(format!("{key}.{what}"))
    }

    /// What is there, with its keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, PathBuf)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten();
        entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let (key, _) = path.file_name()?.to_str()?.split_once('.')?;
            (key != lock::KEY).then(|| (key.to_owned(), path.clone()))
        })
    }

    /// Whether there is something else than this whose key begins so.
    pub(crate) fn has_other(&self, prefix: &str, key: &str) -> bool {
        self.all()
            .any(|(found, _)| found.starts_with(prefix) && found != key)
    }

    /// How many there are of this kind.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.all()
            .filter(|(_, path)| path.extension().is_some_and(|kind| kind == what))
            .count()
    }

    /// Removes what nobody has written to for so long.
    pub(crate) fn remove_resting(path: &Path, for_: Duration, now_ms: u64) {
        if rests(path, for_, now_ms)
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "an upload that stands still was not removed");
        }
    }
}
