//! What is here and whose: finding files, their tags, and removing them.

use std::ffi::c_char;
use std::ptr;

use psfs_core::Query;

use super::listing::psfs_files;
use crate::boundary::{bad_input, handle, maybe_target, maybe_text, options, target, text, wall};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::talk::reserved;
use crate::text::psfs_strings;
use crate::wait::wait_for;

/// Which files are looked for: of one owner, in the order of their roots, a page at a time. Zero everything, then set struct_size to sizeof the
/// struct; zero means default. Of `tag`, `name`, `root` and `sha256` one may be set; default: all files.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_query {
    /// sizeof(psfs_query)
    pub struct_size: usize,
    /// Whose. Default: this satellite's own, which has its peer id as owner. At another satellite the token says whose.
    pub owner: *const c_char,
    /// Those with this tag.
    pub tag: *const c_char,
    /// Those with this name.
    pub name: *const c_char,
    /// The one with this id.
    pub root: *const c_char,
    /// The one with this SHA-256, 64 hexadecimal digits, if that was computed when it was shared.
    pub sha256: *const c_char,
    /// Those behind this root: the last of the page before. Default: from the first.
    pub after: *const c_char,
    /// At most so many, up to 1000. Default 100. There may come fewer although more follow: none come at the end alone.
    pub most: u32,
    /// Zero.
    pub reserved: u32,
}

impl Default for psfs_query {
    fn default() -> Self {
        Self {
            struct_size: 0,
            owner: ptr::null(),
            tag: ptr::null(),
            name: ptr::null(),
            root: ptr::null(),
            sha256: ptr::null(),
            after: ptr::null(),
            most: 0,
            reserved: 0,
        }
    }
}

/// # Safety
/// `pointer` is NULL or valid, and so are the pointers in it.
pub(crate) unsafe fn query(pointer: *const psfs_query) -> Result<Query, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "query") }?;
    reserved(given.reserved, "query")?;
    // SAFETY: passed on to the caller.
    let (owner, tag, name, id, sha256, after) = unsafe {
        (
            maybe_text(given.owner, "owner")?,
            maybe_text(given.tag, "tag")?,
            maybe_text(given.name, "name")?,
            maybe_text(given.root, "root")?,
            maybe_text(given.sha256, "sha256")?,
            maybe_text(given.after, "after")?,
        )
    };
    let mut read = match (tag, name, id, sha256) {
        (None, None, None, None) => Query::all(),
        (Some(tag), None, None, None) => Query::tag(tag),
        (None, Some(name), None, None) => Query::name(name),
        (None, None, Some(id), None) => Query::root(id.parse()?),
        (None, None, None, Some(digest)) => Query::sha256(digest_of(digest)?),
        _ => {
            return Err(bad_input(
                "of `tag`, `name`, `root` and `sha256` more than one is set: set one",
            ));
        }
    };
    if let Some(owner) = owner {
        read = read.owner(owner);
    }
    if let Some(after) = after {
        read = read.after(after.parse()?);
    }
    if given.most > 0 {
        read = read.most(given.most);
    }
    Ok(read)
}

fn digest_of(text: &str) -> Result<[u8; 32], Failure> {
    let wrong = || {
        bad_input(format!(
            "`sha256` is {text:.80?}: give 64 hexadecimal digits"
        ))
    };
    let (mut digest, digits) = ([0; 32], text.as_bytes());
    if digits.len() != 2 * digest.len() {
        return Err(wrong());
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16).ok_or_else(wrong)?;
            *byte = *byte << 4 | value as u8;
        }
    }
    Ok(digest)
}

/// What is here of an owner: by tag, name, id or SHA-256, or all of it, page by page.
///
/// Ownership: everything is borrowed for the call; `query` may be NULL. Free `*out` with psfs_files_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root or digest, a word that cannot be a tag, name or owner, or more than one of
/// them), PSFS_E_UNSUPPORTED, PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_find_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_find(
    satellite: *const psfs_satellite,
    query: *const psfs_query,
    out: *mut *mut psfs_files,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let query = unsafe { self::query(query) }?;
        out.give(psfs_files::lent(wait_for(files.find(query))?).again());
        Ok(PSFS_OK)
    })
}

/// The tags of an owner (NULL: of this satellite itself), in the order of their bytes, from the one behind `after` on (NULL: from the first), at most
/// `most`.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_strings_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner or tag that cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_tags_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_tags(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    after: *const c_char,
    most: usize,
    out: *mut *mut psfs_strings,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (owner, after) = unsafe { (maybe_text(owner, "owner")?, maybe_text(after, "after")?) };
        out.give(psfs_strings::new(wait_for(files.tags(owner, after, most))?));
        Ok(PSFS_OK)
    })
}

/// Gives a file of an owner (NULL: of this satellite itself) a tag: 1 to 255 bytes without control characters, up to 64 a file. One that it has
/// already is no error.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner or tag that cannot be, too many tags), PSFS_E_NOT_FOUND (the owner has
/// no such file), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_tag_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_tag(
    satellite: *const psfs_satellite,
    root: *const c_char,
    tag: *const c_char,
    owner: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (root, tag, owner) = unsafe {
            (
                super::root(root)?,
                text(tag, "tag")?,
                maybe_text(owner, "owner")?,
            )
        };
        wait_for(files.tag(&root, tag, owner))?;
        Ok(PSFS_OK)
    })
}

/// Takes a tag of a file of an owner (NULL: of this satellite itself) away. `*out` is 1 if the file had it, else 0.
///
/// Ownership: everything is borrowed for the call; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner or tag that cannot be), PSFS_E_IO (its own database failed),
/// PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_untag_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_untag(
    satellite: *const psfs_satellite,
    root: *const c_char,
    tag: *const c_char,
    owner: *const c_char,
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
        let (root, tag, owner) = unsafe {
            (
                super::root(root)?,
                text(tag, "tag")?,
                maybe_text(owner, "owner")?,
            )
        };
        let was_there = wait_for(files.untag(&root, tag, owner))?;
        if let Some(out) = out {
            out.set(was_there.into());
        }
        Ok(PSFS_OK)
    })
}

/// A file is no more an owner's (NULL: this satellite's own). What has no owner left is not shared any more; a copy that was kept for him is removed
/// from the disk, a file that is shared where it lies stays. `*out` is 1 if it was his, else 0.
///
/// Ownership: everything is borrowed for the call; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner that cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_remove_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remove(
    satellite: *const psfs_satellite,
    root: *const c_char,
    owner: *const c_char,
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
        let (root, owner) = unsafe { (super::root(root)?, maybe_text(owner, "owner")?) };
        let was_there = wait_for(files.remove(&root, owner))?;
        if let Some(out) = out {
            out.set(was_there.into());
        }
        Ok(PSFS_OK)
    })
}
