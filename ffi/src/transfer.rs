//! Files: shared where they lie, got whole from whoever has them, and kept for others. Here is what its functions share: what one file
//! is to a program, and reading roots. Sharing, tickets, getting and the rest are in the modules.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use psfs_core::error::SendError;
use psfs_core::{Files, Received, Root, Shared};

use crate::boundary::{Handle, handle, shield, take, target, text, wall};
use crate::error::{Failure, c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};

pub mod getting;
pub mod keeping;
pub mod library;
pub mod listing;
pub mod quota;
pub mod sharing;
pub mod ticket;

impl psfs_satellite {
    /// Its files, for what needs it to run.
    pub(crate) fn running_files(&self) -> Result<Files, Failure> {
        if !self.satellite.is_running() {
            return Err(SendError::Closed.into());
        }
        Ok(self.satellite.files())
    }
}

/// # Safety
/// `pointer` is NULL or a string.
pub(crate) unsafe fn root(pointer: *const c_char) -> Result<Root, Failure> {
    // SAFETY: passed on to the caller.
    Ok(unsafe { text(pointer, "root") }?.parse::<Root>()?)
}

/// As C holds it.
pub(crate) fn path_text(path: &Path) -> CString {
    c_string(&path.to_string_lossy())
}

#[derive(Debug)]
pub(crate) struct Inner {
    root: CString,
    size: u64,
    path: CString,
    is_folder: bool,
}

impl From<Shared> for Inner {
    fn from(shared: Shared) -> Self {
        Self {
            root: c_string(&shared.root.to_string()),
            size: shared.size,
            path: path_text(&shared.path),
            is_folder: shared.is_folder,
        }
    }
}

impl From<Received> for Inner {
    fn from(received: Received) -> Self {
        Self {
            root: c_string(&received.root.to_string()),
            size: received.size,
            path: path_text(&received.path),
            is_folder: received.is_folder,
        }
    }
}

/// A file or folder that was shared, has come, or is kept elsewhere.
#[derive(Debug)]
pub struct psfs_file {
    inner: Arc<Inner>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_file {
    pub(crate) fn lent(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            kept: false,
        }
    }

    /// One more handle, the program's.
    pub(crate) fn again(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            kept: true,
        }
    }
}

impl Handle for psfs_file {
    const NAME: &'static str = "file";
}

/// Its id, by which it can be got: 64 hexadecimal digits, the BLAKE3 of a file; of a folder that of the list of its files.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `file` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_root(file: *const psfs_file) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let file = unsafe { file.as_ref() }?;
        Some(file.inner.root.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Its bytes; of a folder those of all its files.
///
/// Ownership: borrows the file.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `file` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_size(file: *const psfs_file) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let file = unsafe { file.as_ref() }?;
        Some(file.inner.size)
    })
    .unwrap_or(0)
}

/// Where it is here.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `file` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_path(file: *const psfs_file) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let file = unsafe { file.as_ref() }?;
        Some(file.inner.path.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Whether it is a folder: 1 or 0.
///
/// Ownership: borrows the file.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `file` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_is_folder(file: *const psfs_file) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let file = unsafe { file.as_ref() }?;
        Some(file.inner.is_folder.into())
    })
    .unwrap_or(0)
}

/// Keeps it after its callback, without copying it.
///
/// Ownership: free `*out` with psfs_file_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_retain(
    file: *const psfs_file,
    out: *mut *mut psfs_file,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, file) = unsafe { (target(out, ptr::null_mut())?, handle(file)?) };
        out.give(file.again());
        Ok(PSFS_OK)
    })
}

/// Frees it; what it tells of stays as it is.
///
/// Ownership: takes what a psfs_transfer function or psfs_file_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `file` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_file_free(file: *mut psfs_file) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { file.as_ref() }.is_some_and(|file| file.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(file) });
        }
    });
}
