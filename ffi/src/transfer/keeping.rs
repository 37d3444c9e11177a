//! Keeping files for others, and having files kept by another satellite.

use std::ffi::c_char;
use std::path::PathBuf;
use std::ptr;
use std::time::Duration;

use psfs_core::{KeepOptions, PutOptions};

use super::getting::end_of;
use super::library::psfs_query;
use super::listing::psfs_files;
use super::psfs_file;
use super::quota::limit_of;
use crate::boundary::{
    bad_input, handle, maybe_target, maybe_text, options, target, text, texts, wall,
};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::talk::reserved;
use crate::wait::{time, wait_for};

/// What is kept for others. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_keep_options {
    /// sizeof(psfs_keep_options)
    pub struct_size: usize,
    /// Where files lie that are kept. Default: `files` in the data folder.
    pub folder: *const c_char,
    /// How many bytes each owner may keep that has no limit of his own (psfs_transfer_set_quota); UINT64_MAX for no limit. Default 1073741824 (1 GiB).
    pub quota: u64,
    /// The largest file or folder that is taken, in bytes. Default: what the quota leaves.
    pub largest: u64,
    /// How long an upload may stand still before it is given up, in seconds: its room is free then, and what came of it is removed. Default 86400 (a
    /// day).
    pub lifetime_s: u32,
    /// For tests of those who use a server: so many of 1000 asks fail on purpose, at their beginning or in their middle, as if it were too busy.
    /// Default: none.
    pub faulty_permille: u32,
    /// With the same one the same asks fail.
    pub faulty_seed: u64,
}

impl Default for psfs_keep_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            folder: ptr::null(),
            quota: 0,
            largest: 0,
            lifetime_s: 0,
            faulty_permille: 0,
            faulty_seed: 0,
        }
    }
}

/// How a file is given away to be kept. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_put_options {
    /// sizeof(psfs_put_options)
    pub struct_size: usize,
    /// What it is called there: 1 to 255 bytes without control characters. Default: its name here.
    pub name: *const c_char,
    /// Tags by which it is found there: up to 64 of 1 to 255 bytes without control characters, `tag_count` of them. Default: none.
    pub tags: *const *const c_char,
    /// Texts of `tags`.
    pub tag_count: usize,
    /// Where the server can be reached, if it was not met yet: `address_count` addresses.
    pub addresses: *const *const c_char,
    /// Texts of `addresses`.
    pub address_count: usize,
    /// How long the server may be away, or too busy, before the call fails; what came is kept there for a while. Default 60000.
    pub patience_ms: u32,
    /// Zero.
    pub reserved: u32,
}

impl Default for psfs_put_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            name: ptr::null(),
            tags: ptr::null(),
            tag_count: 0,
            addresses: ptr::null(),
            address_count: 0,
            patience_ms: 0,
            reserved: 0,
        }
    }
}

/// # Safety
/// `pointer` is NULL or valid, and so are the pointers in it.
pub(crate) unsafe fn keep_options(
    pointer: *const psfs_keep_options,
) -> Result<KeepOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    let permille = given.faulty_permille;
    if permille > 1000 {
        return Err(bad_input(format!(
            "`faulty_permille` is {permille}: give 0 to 1000"
        )));
    }
    // SAFETY: passed on to the caller.
    let folder = unsafe { maybe_text(given.folder, "folder") }?;
    let mut read = KeepOptions::default().faulty(f64::from(permille) / 1000.0, given.faulty_seed);
    if let Some(folder) = folder {
        read = read.folder(folder);
    }
    if given.quota > 0 {
        read = read.quota(limit_of(given.quota));
    }
    if given.largest > 0 {
        read = read.largest(given.largest);
    }
    if given.lifetime_s > 0 {
        read = read.lifetime(Duration::from_secs(given.lifetime_s.into()));
    }
    Ok(read)
}

/// What is to be kept elsewhere, and how.
///
/// # Safety
/// Pointers are NULL or valid, and so are those in the options.
pub(crate) unsafe fn to_put(
    path: *const c_char,
    token: *const c_char,
    pointer: *const psfs_put_options,
) -> Result<(PathBuf, PutOptions), Failure> {
    // SAFETY: passed on to the caller.
    let (path, token) = unsafe { (text(path, "path")?, text(token, "token")?) };
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    // SAFETY: passed on to the caller.
    let (name, tags, addresses) = unsafe {
        (
            maybe_text(given.name, "name")?,
            texts(given.tags, given.tag_count, "tags")?,
            texts(given.addresses, given.address_count, "addresses")?,
        )
    };
    let mut read = PutOptions::new(token).tags(tags).addresses(addresses);
    if let Some(name) = name {
        read = read.name(name);
    }
    if given.patience_ms > 0 {
        read = read.patience(time(given.patience_ms));
    }
    Ok((path.into(), read))
}

/// Keeps files for others from now on: for whoever has a token of psfs_transfer_token. Called again, it changes what holds for what comes then. It is to
/// be called after each start; what is kept already is given to its owners without.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no folder and no data folder, or one that cannot be made), PSFS_E_UNSUPPORTED, PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_keep_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_keep(
    satellite: *const psfs_satellite,
    options: *const psfs_keep_options,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let options = unsafe { keep_options(options) }?;
        wait_for(files.keep(options))?;
        Ok(PSFS_OK)
    })
}

/// Has a file or folder kept by another satellite, which gets it from here: in pieces, each checked. It goes on by itself when the connection breaks
/// or the server is started again; the same call later goes on as well. At its end the file is on the server's disk and belongs to the owner that the
/// token names.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_file_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (no such file, a name or tag that cannot be), PSFS_E_UNSUPPORTED,
/// PSFS_E_CONFLICT (it was changed meanwhile), PSFS_E_REFUSED (the token gives no right to it, or it is over the quota), PSFS_E_TOO_LARGE,
/// PSFS_E_UNREACHABLE, PSFS_E_TIMEOUT, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_transfer_put_async, which tells how far it is and can be cancelled.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_put(
    satellite: *const psfs_satellite,
    server: *const c_char,
    path: *const c_char,
    token: *const c_char,
    options: *const psfs_put_options,
    timeout_ms: u32,
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
        let (server, (path, options)) =
            unsafe { (satellite.peer(server)?, to_put(path, token, options)?) };
        let file = end_of(files.put(&server, path, options)?, timeout_ms)?;
        if let Some(out) = out {
            out.give(file);
        }
        Ok(PSFS_OK)
    })
}

/// What another satellite keeps of the owner that a token names.
///
/// Ownership: everything is borrowed for the call; `query` may be NULL. Free `*out` with psfs_files_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (as psfs_transfer_find), PSFS_E_UNSUPPORTED, PSFS_E_REFUSED (the token gives
/// no right to it), PSFS_E_UNREACHABLE, PSFS_E_CLOSED.
/// Thread: any; blocks for up to 30 s. Twin: psfs_transfer_remote_find_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remote_find(
    satellite: *const psfs_satellite,
    server: *const c_char,
    token: *const c_char,
    query: *const psfs_query,
    out: *mut *mut psfs_files,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (server, token, query) = unsafe {
            (
                satellite.peer(server)?,
                text(token, "token")?,
                super::library::query(query)?,
            )
        };
        let found = wait_for(files.remote_find(&server, token, query))?;
        out.give(psfs_files::lent(found).again());
        Ok(PSFS_OK)
    })
}

/// Removes a file that another satellite keeps for the owner that a token names. `*out` is 1 if it was there, else 0.
///
/// Ownership: everything is borrowed for the call; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (no root), PSFS_E_REFUSED (the token gives no right to it),
/// PSFS_E_UNREACHABLE, PSFS_E_CLOSED.
/// Thread: any; blocks for up to 30 s. Twin: psfs_transfer_remote_remove_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remote_remove(
    satellite: *const psfs_satellite,
    server: *const c_char,
    token: *const c_char,
    root: *const c_char,
    out: *mut u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, 0) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (server, token, root) = unsafe {
            (
                satellite.peer(server)?,
                text(token, "token")?,
                super::root(root)?,
            )
        };
        let was_there = wait_for(files.remote_remove(&server, token, &root))?;
        if let Some(out) = out {
            out.set(was_there.into());
        }
        Ok(PSFS_OK)
    })
}
