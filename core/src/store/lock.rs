//! One satellite to a folder.
//!
//! The system's lock on the open file is what counts: it goes with the process, however that ends, so nothing stale can keep
//! a folder closed. The process id inside is only there to be named in the error of whoever comes second.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process;

use crate::error::StoreError;
use crate::files;

const NAME: &str = "satellite.lock";
/// Its name up to the dot: nothing else in the folder is called so.
pub(super) const KEY: &str = "satellite";
/// More than a process id has digits.
const MAX_ID: u64 = 20;
/// What the holder is called when it has not (yet) written its id.
pub(super) const UNKNOWN: &str = "unknown";

/// Locks the folder for as long as the file is open.
pub(super) fn take(dir: &Path) -> Result<File, StoreError> {
    let path = dir.display().to_string();
    let unusable = |source| StoreError::Unusable {
        path: path.clone(),
        source,
    };
    let mut file = files::open_private(&dir.join(NAME)).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse {
                path,
                process: holder(&file),
            });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", process::id()));
    written.map_err(unusable)?;
    Ok(file)
}

fn holder(file: &File) -> String {
    let mut text = String::new();
    match file.take(MAX_ID).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => text.trim().to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}
