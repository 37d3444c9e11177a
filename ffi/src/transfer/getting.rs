//! Getting files, and how far they are.

use std::ffi::c_char;
use std::path::PathBuf;
use std::ptr;

use psfs_core::error::TransferError;
use psfs_core::{GetOptions, PeerId, Progress, Root, Ticket, Transfer, Wanted};

use super::psfs_file;
use crate::boundary::{
    bad_input, handle, maybe_target, maybe_text, options, shield, switch, text, texts, wall,
};
use crate::callback::psfs_progress_fn;
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::talk::reserved;
use crate::wait::{time, wait};

/// How a file is got. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_get_options {
    /// sizeof(psfs_get_options)
    pub struct_size: usize,
    /// Who has it, as far as is known: peer ids, `source_count` of them. More are found through the DHT.
    pub sources: *const *const c_char,
    /// Texts of `sources`.
    pub source_count: usize,
    /// Where those who have it can be reached: `address_count` addresses with /p2p/ID.
    pub addresses: *const *const c_char,
    /// Texts of `addresses`.
    pub address_count: usize,
    /// The right to it, where those who have it want one: what psfs_transfer_token gave. A ticket has its own. Default: none.
    pub token: *const c_char,
    /// How long nobody may be there who has it before the call fails; what came is kept. Default 60000.
    pub patience_ms: u32,
    /// 1: the root is that of a folder. A ticket says itself what it is for.
    pub folder: u32,
    /// 1: the end does not mean that the file and its name are on the disk, so that a machine that loses power may lose it.
    pub no_sync: u32,
    /// Zero.
    pub reserved: u32,
}

impl Default for psfs_get_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            sources: ptr::null(),
            source_count: 0,
            addresses: ptr::null(),
            address_count: 0,
            token: ptr::null(),
            patience_ms: 0,
            folder: 0,
            no_sync: 0,
            reserved: 0,
        }
    }
}

/// What is to be got, whereto, and how.
///
/// # Safety
/// Pointers are NULL or valid, and so are those in the options.
pub(crate) unsafe fn to_get(
    wanted: *const c_char,
    destination: *const c_char,
    pointer: *const psfs_get_options,
) -> Result<(Wanted, PathBuf, GetOptions), Failure> {
    // SAFETY: passed on to the caller.
    let (wanted, destination) =
        unsafe { (text(wanted, "wanted")?, text(destination, "destination")?) };
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    // SAFETY: passed on to the caller.
    let (sources, addresses, token) = unsafe {
        (
            texts(given.sources, given.source_count, "sources")?,
            texts(given.addresses, given.address_count, "addresses")?,
            maybe_text(given.token, "token")?,
        )
    };
    let sources: Result<Vec<PeerId>, _> = sources.iter().map(|peer| peer.parse()).collect();
    let mut read = GetOptions::default()
        .sources(sources?)
        .addresses(addresses)
        .durable(!switch(given.no_sync, "no_sync")?);
    if let Some(token) = token {
        read = read.token(token);
    }
    if given.patience_ms > 0 {
        read = read.patience(time(given.patience_ms));
    }
    let wanted = to_want(wanted, switch(given.folder, "folder")?)?;
    Ok((wanted, destination.into(), read))
}

/// A ticket or a root, of which only one can be all hexadecimal digits.
fn to_want(text: &str, folder: bool) -> Result<Wanted, Failure> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let root: Root = text.parse()?;
        return Ok(if folder {
            Wanted::folder(root)
        } else {
            root.into()
        });
    }
    let ticket: Ticket = text.parse()?;
    if folder {
        return Err(bad_input(
            "`folder` is set: a ticket says itself what it is for, leave it 0",
        ));
    }
    Ok((&ticket).into())
}

/// The end of a transfer that is waited for.
pub(crate) fn end_of(transfer: Transfer, timeout_ms: u32) -> Result<psfs_file, Failure> {
    let limit = time(timeout_ms);
    let ended = wait(transfer.received(), limit).ok_or(TransferError::Timeout(limit))?;
    Ok(psfs_file::lent(ended?.into()).again())
}

/// How far a file is.
#[derive(Debug)]
pub struct psfs_progress(Progress);

impl psfs_progress {
    /// Tells whoever wants to know.
    pub(crate) fn tell(progress: Progress, to: psfs_progress_fn, ud: *mut std::ffi::c_void) {
        if let Some(to) = to {
            let progress = Self(progress);
            // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
            unsafe { to(&raw const progress, ud) }
        }
    }
}

/// Gets a file or folder to `destination`, in pieces, from all who have it, each checked before it is written. `wanted` is a ticket, or the
/// root of a file. What was begun before, also by another process or from others, goes on from there: at `destination` with .part behind it. It has its
/// name once it is whole. What was got without a ticket's or token's right is shared from then on.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_file_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no ticket and no root, or a destination that cannot be written), PSFS_E_BAD_PEER_ID,
/// PSFS_E_UNSUPPORTED, PSFS_E_CONFLICT (another file is there), PSFS_E_BUSY (something else is getting a file to there), PSFS_E_IO (no
/// room), PSFS_E_NO_PEERS (nobody who has it was found), PSFS_E_REFUSED (those who have it do not give it), PSFS_E_TIMEOUT, PSFS_E_CLOSED. Whatever the
/// error, what came is kept, and the same call goes on from there.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_transfer_get_async, which tells how far it is and can be cancelled.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_get(
    satellite: *const psfs_satellite,
    wanted: *const c_char,
    destination: *const c_char,
    options: *const psfs_get_options,
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
        let (wanted, destination, options) = unsafe { to_get(wanted, destination, options) }?;
        let file = end_of(files.get(wanted, destination, options)?, timeout_ms)?;
        if let Some(out) = out {
            out.give(file);
        }
        Ok(PSFS_OK)
    })
}

/// Bytes that were checked and written, now and earlier; of psfs_transfer_put_async those that are kept there.
///
/// Ownership: borrows the progress.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `progress` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_progress_bytes(progress: *const psfs_progress) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { progress.as_ref() }.map_or(0, |progress| progress.0.bytes))
}

/// Bytes in all.
///
/// Ownership: borrows the progress.
/// Errors: 0 for NULL, and while that is not known.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `progress` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_progress_size(progress: *const psfs_progress) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { progress.as_ref() }.map_or(0, |progress| progress.0.size))
}

/// Bytes a second, of late.
///
/// Ownership: borrows the progress.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `progress` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_progress_rate(progress: *const psfs_progress) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { progress.as_ref() }.map_or(0, |progress| progress.0.rate))
}

/// How many are asked at the moment.
///
/// Ownership: borrows the progress.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `progress` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_progress_sources(progress: *const psfs_progress) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { progress.as_ref() }.map_or(0, |progress| progress.0.sources))
}

/// How long the rest takes at this rate, in ms.
///
/// Ownership: borrows the progress.
/// Errors: UINT64_MAX for NULL, and where it cannot be said.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `progress` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_progress_time_left_ms(progress: *const psfs_progress) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let left = unsafe { progress.as_ref() }?.0.time_left()?;
        u64::try_from(left.as_millis()).ok()
    })
    .unwrap_or(u64::MAX)
}
