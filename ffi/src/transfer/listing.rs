//! Lists of files, as finding gives them.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use psfs_core::{FileInfo, Shared};

use super::path_text;
use crate::boundary::{Handle, handle, shield, take, target, wall};
use crate::error::{c_string, psfs_error};
use crate::status::{PSFS_OK, psfs_status};

/// One file of a list.
#[derive(Debug)]
struct Row {
    root: CString,
    size: u64,
    is_folder: bool,
    name: Option<CString>,
    tags: Vec<CString>,
    sha256: Option<CString>,
    added_ms: u64,
    path: Option<CString>,
}

impl From<FileInfo> for Row {
    fn from(file: FileInfo) -> Self {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let sha256: Option<String> = file.sha256.map(hex);
        Self {
            root: c_string(&file.root.to_string()),
            size: file.size,
            is_folder: file.is_folder,
            name: Some(c_string(&file.name)),
            tags: file.tags.iter().map(|tag| c_string(tag)).collect(),
            sha256: sha256.map(|digits| c_string(&digits)),
            added_ms: file.added_ms,
            path: file.path.as_deref().map(path_text),
        }
    }
}

impl From<Shared> for Row {
    fn from(shared: Shared) -> Self {
        Self {
            root: c_string(&shared.root.to_string()),
            size: shared.size,
            is_folder: shared.is_folder,
            name: None,
            tags: Vec::new(),
            sha256: None,
            added_ms: 0,
            path: Some(path_text(&shared.path)),
        }
    }
}

/// Files that were found.
#[derive(Debug)]
pub struct psfs_files {
    rows: Arc<Vec<Row>>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_files {
    pub(crate) fn lent(files: Vec<FileInfo>) -> Self {
        Self {
            rows: Arc::new(files.into_iter().map(Row::from).collect()),
            kept: false,
        }
    }

    pub(crate) fn of_shared(shared: Vec<Shared>) -> Self {
        Self {
            rows: Arc::new(shared.into_iter().map(Row::from).collect()),
            kept: false,
        }
    }

    /// One more handle, the program's.
    pub(crate) fn again(&self) -> Self {
        Self {
            rows: Arc::clone(&self.rows),
            kept: true,
        }
    }
}

impl Handle for psfs_files {
    const NAME: &'static str = "files";
}

/// # Safety
/// `files` is NULL or valid for `'a`.
unsafe fn at<'a>(files: *const psfs_files, index: usize) -> Option<&'a Row> {
    // SAFETY: passed on to the caller.
    unsafe { files.as_ref() }?.rows.get(index)
}

/// How many files the list has.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_count(files: *const psfs_files) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { files.as_ref() }.map_or(0, |files| files.rows.len()))
}

/// The id of one file, from 0; of a folder that of the list of its files.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_root(files: *const psfs_files, index: usize) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(files, index) }?.root.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Its bytes; of a folder those of all its files.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_size(files: *const psfs_files, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(files, index) }.map_or(0, |file| file.size))
}

/// Whether it is a folder: 1 or 0.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_is_folder(files: *const psfs_files, index: usize) -> u32 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(files, index) }.map_or(0, |file| file.is_folder.into()))
}

/// What its owner calls it.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL, behind the last, and in lists of psfs_transfer_shared.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_name(files: *const psfs_files, index: usize) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(files, index) }?.name.as_ref()?.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many tags it has.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_tag_count(files: *const psfs_files, index: usize) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(files, index) }.map_or(0, |file| file.tags.len()))
}

/// One tag of one file, both from 0, in the order of their bytes.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_tag(
    files: *const psfs_files,
    index: usize,
    tag_index: usize,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(files, index) }?.tags.get(tag_index)?.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Its SHA-256: 64 hexadecimal digits.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL, behind the last, and if it was not computed.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_sha256(
    files: *const psfs_files,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(files, index) }?.sha256.as_ref()?.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Since when it is its owner's, in ms since 1970; 0 in lists of psfs_transfer_shared.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_added(files: *const psfs_files, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(files, index) }.map_or(0, |file| file.added_ms))
}

/// Where it is.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL, behind the last, for a file that is not here any more or was changed, so that others cannot get it, and for one at another satellite.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_path(files: *const psfs_files, index: usize) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(files, index) }?.path.as_ref()?.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Keeps a list after its callback, without copying it.
///
/// Ownership: free `*out` with psfs_files_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_retain(
    files: *const psfs_files,
    out: *mut *mut psfs_files,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, files) = unsafe { (target(out, ptr::null_mut())?, handle(files)?) };
        out.give(files.again());
        Ok(PSFS_OK)
    })
}

/// Frees a list; the files stay.
///
/// Ownership: takes what a psfs_transfer function or psfs_files_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `files` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_files_free(files: *mut psfs_files) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { files.as_ref() }.is_some_and(|files| files.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(files) });
        }
    });
}
