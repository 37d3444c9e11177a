//! Sharing files and folders, what is shared, and reading it.

use std::ffi::c_char;
use std::path::PathBuf;
use std::ptr;

use psfs_core::ShareOptions;
use psfs_core::error::TransferError;

use super::listing::psfs_files;
use super::psfs_file;
use crate::boundary::{
    handle, maybe_target, maybe_text, options, room, switch, target, text, texts, wall,
};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::wait_for;

/// How a file or folder is shared. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_share_options {
    /// sizeof(psfs_share_options)
    pub struct_size: usize,
    /// Whose it is, 1 to 255 bytes without control characters. Default: this satellite's own, which has its peer id as owner.
    pub owner: *const c_char,
    /// Tags by which it is found: up to 64 of 1 to 255 bytes without control characters, `tag_count` of them. Default: none.
    pub tags: *const *const c_char,
    /// Texts of `tags`.
    pub tag_count: usize,
    /// 1: give it only to who has a ticket for it (psfs_transfer_ticket); 0: to everybody of the network who knows its root.
    pub only_with_ticket: u32,
    /// 1: compute the SHA-256 of a file, too, by which other programs call it; a folder has none. It takes longer than all else.
    pub sha256: u32,
}

impl Default for psfs_share_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            owner: ptr::null(),
            tags: ptr::null(),
            tag_count: 0,
            only_with_ticket: 0,
            sha256: 0,
        }
    }
}

/// What is to be shared, and how.
///
/// # Safety
/// Pointers are NULL or valid, and so are those in the options.
pub(crate) unsafe fn to_share(
    path: *const c_char,
    pointer: *const psfs_share_options,
) -> Result<(PathBuf, ShareOptions), Failure> {
    // SAFETY: passed on to the caller.
    let (path, given) = unsafe { (text(path, "path")?, options(pointer, "options")?) };
    // SAFETY: passed on to the caller.
    let (owner, tags) = unsafe {
        (
            maybe_text(given.owner, "owner")?,
            texts(given.tags, given.tag_count, "tags")?,
        )
    };
    let mut read = ShareOptions::default()
        .tags(tags)
        .only_with_ticket(switch(given.only_with_ticket, "only_with_ticket")?)
        .sha256(switch(given.sha256, "sha256")?);
    if let Some(owner) = owner {
        read = read.owner(owner);
    }
    Ok((path.into(), read))
}

/// Shares a file, or a folder with all in it, where it lies, until psfs_transfer_remove: it is hashed once and not copied. What is changed while
/// it is shared is not given any more. With a data folder it is shared again after a restart, unless it was changed meanwhile. Shared once more, it
/// has its new tags as well.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_file_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no such file, one that cannot be read or is none, an owner or tag that cannot
/// be), PSFS_E_UNSUPPORTED, PSFS_E_CONFLICT (it is written to meanwhile), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks until it is hashed. Twin: psfs_transfer_share_async, which can be cancelled.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_share(
    satellite: *const psfs_satellite,
    path: *const c_char,
    options: *const psfs_share_options,
    out: *mut *mut psfs_file,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (path, options) = unsafe { to_share(path, options) }?;
        let shared = wait_for(files.share(path, options))?;
        if let Some(out) = out {
            out.give(psfs_file::lent(shared.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// All that is given to others at the moment, whosever it is, in the order of the roots: roots, sizes and paths. What is somebody's, with its name
/// and tags, says psfs_transfer_find.
///
/// Ownership: free `*out` with psfs_files_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_shared(
    satellite: *const psfs_satellite,
    out: *mut *mut psfs_files,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let shared = satellite.satellite.files().shared();
        out.give(psfs_files::of_shared(shared).again());
        Ok(PSFS_OK)
    })
}

/// What is here under a root, whosever it is, if it can be given to others.
///
/// Ownership: `root` is borrowed for the call. Free `*out` with psfs_file_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root), PSFS_E_NOT_FOUND.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_here(
    satellite: *const psfs_satellite,
    root: *const c_char,
    out: *mut *mut psfs_file,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let (satellite, root) = unsafe { (handle(satellite)?, super::root(root)?) };
        let here = satellite.satellite.files().here(&root);
        let here = here.ok_or_else(|| TransferError::NotFound(root.to_string()))?;
        if let Some(out) = out {
            out.give(psfs_file::lent(here.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Bytes of a file that is here, whosever it is, checked as those that are sent to others: from `offset` to the end of its MiB, of the file or of
/// `buffer`. `*out` is how many; 0 at the end of the file. Each call reads and checks a whole MiB, so a buffer of 1 MiB does it once.
///
/// Ownership: everything is borrowed for the call; `buffer` has room for `capacity` bytes.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, a buffer without room, a file that cannot be read), PSFS_E_NOT_FOUND (it is not
/// here, or a folder), PSFS_E_CONFLICT (it is not what it was any more), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_read_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `buffer` has `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_read(
    satellite: *const psfs_satellite,
    root: *const c_char,
    offset: u64,
    buffer: *mut u8,
    capacity: usize,
    out: *mut usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (root, room) = unsafe { (super::root(root)?, room(buffer, capacity, "buffer")?) };
        let read = wait_for(files.read(&root, offset))?;
        out.set(room.fill(&read));
        Ok(PSFS_OK)
    })
}
