//! How much each owner may keep here, and the tokens that let others do it.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use psfs_core::{Op, PeerId, Quota, Root, TokenOptions};

use crate::boundary::{
    Handle, bad_input, handle, maybe_text, options, shield, take, target, text, wall,
};
use crate::error::{Failure, c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::text::psfs_string;
use crate::wait::wait_for;

/// To get files.
pub const PSFS_MAY_READ: u32 = 1;
/// To have files kept.
pub const PSFS_MAY_WRITE: u32 = 2;
/// To remove files.
pub const PSFS_MAY_DELETE: u32 = 4;
/// To list which files there are.
pub const PSFS_MAY_LIST: u32 = 8;

const OPS: [(u32, Op); 4] = [
    (PSFS_MAY_READ, Op::Read),
    (PSFS_MAY_WRITE, Op::Write),
    (PSFS_MAY_DELETE, Op::Delete),
    (PSFS_MAY_LIST, Op::List),
];

/// What a token allows. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_token_options {
    /// sizeof(psfs_token_options)
    pub struct_size: usize,
    /// Only with this file. Default: with all.
    pub root: *const c_char,
    /// Only this peer may use it. Default: whoever has it.
    pub holder: *const c_char,
    /// How many bytes may be moved with it in all, up and down together. Default: no limit.
    pub bytes: u64,
    /// What may be done: PSFS_MAY_*, added. Default: everything.
    pub may: u32,
    /// How long it holds, in seconds. Default 86400 (a day).
    pub lifetime_s: u32,
}

impl Default for psfs_token_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            root: ptr::null(),
            holder: ptr::null(),
            bytes: 0,
            may: 0,
            lifetime_s: 0,
        }
    }
}

/// # Safety
/// Pointers are NULL or valid, and so are those in the options.
unsafe fn token_options(
    owner: *const c_char,
    pointer: *const psfs_token_options,
) -> Result<TokenOptions, Failure> {
    // SAFETY: passed on to the caller.
    let (owner, given) = unsafe { (text(owner, "owner")?, options(pointer, "options")?) };
    // SAFETY: passed on to the caller.
    let (root, holder) = unsafe {
        (
            maybe_text(given.root, "root")?,
            maybe_text(given.holder, "holder")?,
        )
    };
    let mut read = TokenOptions::new(owner);
    if given.may > 0 {
        if given.may >= 2 * PSFS_MAY_LIST {
            return Err(bad_input(format!(
                "`may` is {}: add some of PSFS_MAY_*",
                given.may
            )));
        }
        let allowed = OPS.into_iter().filter(|(bit, _)| given.may & bit != 0);
        read = read.ops(allowed.map(|(_, op)| op));
    }
    if let Some(root) = root {
        read = read.root(root.parse::<Root>()?);
    }
    if let Some(holder) = holder {
        read = read.holder(holder.parse::<PeerId>()?);
    }
    if given.bytes > 0 {
        read = read.bytes(given.bytes);
    }
    if given.lifetime_s > 0 {
        read = read.lifetime(Duration::from_secs(given.lifetime_s.into()));
    }
    Ok(read)
}

/// A token for what is kept here of an owner (psfs_transfer_keep): a JWT (RS256) by this satellite's key, which holds here and nowhere else. It cannot be
/// taken back before its end.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_string_free, which wipes it.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner that cannot be, `may` out of its range), PSFS_E_BAD_PEER_ID,
/// PSFS_E_UNSUPPORTED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_token(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    options: *const psfs_token_options,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let options = unsafe { token_options(owner, options) }?;
        let token = satellite.satellite.files().token(options)?;
        out.give(psfs_string::new(&token));
        Ok(PSFS_OK)
    })
}

/// A limit of the caller's: nothing for UINT64_MAX.
pub(crate) fn limit_of(bytes: u64) -> Option<u64> {
    (bytes < u64::MAX).then_some(bytes)
}

/// What one owner may keep, and has.
#[derive(Debug)]
struct Row {
    owner: CString,
    quota: Quota,
}

/// What owners may keep, and have.
#[derive(Debug)]
pub struct psfs_quotas {
    rows: Arc<Vec<Row>>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_quotas {
    pub(crate) fn lent(quotas: Vec<(String, Quota)>) -> Self {
        let row = |(owner, quota): (String, Quota)| Row {
            owner: c_string(&owner),
            quota,
        };
        Self {
            rows: Arc::new(quotas.into_iter().map(row).collect()),
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

impl Handle for psfs_quotas {
    const NAME: &'static str = "quotas";
}

/// # Safety
/// `quotas` is NULL or valid for `'a`.
unsafe fn at<'a>(quotas: *const psfs_quotas, index: usize) -> Option<&'a Row> {
    // SAFETY: passed on to the caller.
    unsafe { quotas.as_ref() }?.rows.get(index)
}

/// Gives an owner a limit of his own, in bytes; UINT64_MAX takes it away, then the one of psfs_keep_options holds. What he has stays, also when it is
/// more.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_set_quota_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_set_quota(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    limit: u64,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let owner = unsafe { text(owner, "owner") }?;
        wait_for(files.set_quota(owner, limit_of(limit)))?;
        Ok(PSFS_OK)
    })
}

/// What an owner may keep here, and has: a list of one.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_quotas_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_quota_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_quota(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    out: *mut *mut psfs_quotas,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let owner = unsafe { text(owner, "owner") }?;
        let quota = wait_for(files.quota(owner))?;
        out.give(psfs_quotas::lent(vec![(owner.to_owned(), quota)]).again());
        Ok(PSFS_OK)
    })
}

/// The same of all owners, in the order of their names, from the one behind `after` on (NULL: from the first), at most `most`.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_quotas_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
/// Thread: any; blocks for the disk. Twin: psfs_transfer_quotas_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_quotas(
    satellite: *const psfs_satellite,
    after: *const c_char,
    most: usize,
    out: *mut *mut psfs_quotas,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let after = unsafe { maybe_text(after, "after") }?;
        out.give(psfs_quotas::lent(wait_for(files.quotas(after, most))?).again());
        Ok(PSFS_OK)
    })
}

/// How many owners the list has.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_count(quotas: *const psfs_quotas) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { quotas.as_ref() }.map_or(0, |quotas| quotas.rows.len()))
}

/// One owner, from 0.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_owner(
    quotas: *const psfs_quotas,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| Some(unsafe { at(quotas, index) }?.owner.as_c_str()))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many bytes he may keep; UINT64_MAX for no limit.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_limit(quotas: *const psfs_quotas, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(quotas, index) }.map_or(0, |row| row.quota.limit.unwrap_or(u64::MAX)))
}

/// Bytes of files that others had kept here for him; folders cost their lists, and 1 KiB for each file, as well. What is shared where it lies costs
/// nothing.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_used(quotas: *const psfs_quotas, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(quotas, index) }.map_or(0, |row| row.quota.used))
}

/// Bytes reserved for uploads that are under way.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_reserved(quotas: *const psfs_quotas, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(quotas, index) }.map_or(0, |row| row.quota.reserved))
}

/// His files, also those that cost nothing.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_files(quotas: *const psfs_quotas, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(quotas, index) }.map_or(0, |row| row.quota.files))
}

/// His uploads under way.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_uploads(quotas: *const psfs_quotas, index: usize) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { at(quotas, index) }.map_or(0, |row| row.quota.uploads))
}

/// Keeps a list after its callback, without copying it.
///
/// Ownership: free `*out` with psfs_quotas_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_retain(
    quotas: *const psfs_quotas,
    out: *mut *mut psfs_quotas,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, quotas) = unsafe { (target(out, ptr::null_mut())?, handle(quotas)?) };
        out.give(quotas.again());
        Ok(PSFS_OK)
    })
}

/// Frees a list.
///
/// Ownership: takes what a psfs_transfer function or psfs_quotas_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `quotas` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_quotas_free(quotas: *mut psfs_quotas) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { quotas.as_ref() }.is_some_and(|quotas| quotas.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(quotas) });
        }
    });
}
