//! The twins of quotas, of keeping files for others, and of what another satellite keeps.

use std::ffi::{c_char, c_void};

use psfs_core::Quota;

use super::{Twin, psfs_op};
use crate::boundary::{handle, maybe_text, text, wall};
use crate::callback::{
    psfs_done_fn, psfs_drop_fn, psfs_files_fn, psfs_quotas_fn, psfs_was_there_fn,
};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::subscribe::given;
use crate::transfer::keeping::{keep_options, psfs_keep_options};
use crate::transfer::library::{psfs_query, query};
use crate::transfer::listing::psfs_files;
use crate::transfer::quota::{limit_of, psfs_quotas};
use crate::transfer::root;

impl Twin {
    /// For what gives quotas.
    fn begin_counting<W>(
        self,
        satellite: &psfs_satellite,
        quotas: psfs_quotas_fn,
        work: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<Vec<(String, Quota)>, Failure>> + Send + 'static,
    {
        let quotas = given(quotas, "quotas")?;
        self.begin_giving(satellite.parts(), work, move |list, ud| {
            let list = psfs_quotas::lent(list);
            // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
            unsafe { quotas(&raw const list, ud) }
        })
    }
}

/// As psfs_transfer_set_quota, without waiting: `done` is called when it holds.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_transfer_set_quota come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_set_quota_async(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    limit: u64,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let owner = unsafe { text(owner, "owner") }?.to_owned();
        twin.begin_silent(satellite.parts(), async move {
            Ok(files.set_quota(&owner, limit_of(limit)).await?)
        })
    })
}

/// As psfs_transfer_quota, without waiting: `quotas` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_transfer_quota come with `done`.
/// Thread: any; `quotas` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_quota_async(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    quotas: psfs_quotas_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let owner = unsafe { text(owner, "owner") }?.to_owned();
        twin.begin_counting(satellite, quotas, async move {
            let quota = files.quota(&owner).await?;
            Ok(vec![(owner, quota)])
        })
    })
}

/// As psfs_transfer_quotas, without waiting: `quotas` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_transfer_quotas come with `done`.
/// Thread: any; `quotas` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_quotas_async(
    satellite: *const psfs_satellite,
    after: *const c_char,
    most: usize,
    quotas: psfs_quotas_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let after = unsafe { maybe_text(after, "after") }?.map(str::to_owned);
        twin.begin_counting(satellite, quotas, async move {
            Ok(files.quotas(after.as_deref(), most).await?)
        })
    })
}

/// As psfs_transfer_keep, without waiting: `done` is called when it does.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_transfer_keep come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_keep_async(
    satellite: *const psfs_satellite,
    options: *const psfs_keep_options,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let options = unsafe { keep_options(options) }?;
        twin.begin_silent(
            satellite.parts(),
            async move { Ok(files.keep(options).await?) },
        )
    })
}

/// As psfs_transfer_remote_find, without waiting: `found` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is
/// no operation and `done` is not called; the other errors of psfs_transfer_remote_find come with `done`.
/// Thread: any; `found` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remote_find_async(
    satellite: *const psfs_satellite,
    server: *const c_char,
    token: *const c_char,
    query: *const psfs_query,
    found: psfs_files_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (server, token, query) = unsafe {
            (
                satellite.peer(server)?,
                text(token, "token")?,
                self::query(query)?,
            )
        };
        let token = token.to_owned();
        let found = given(found, "found")?;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(files.remote_find(&server, &token, query).await?) },
            move |list, ud| {
                let list = psfs_files::lent(list);
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { found(&raw const list, ud) }
            },
        )
    })
}

/// As psfs_transfer_remote_remove, without waiting: `was_there` (may be NULL) is called with whether it was there, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_transfer_remote_remove come with `done`.
/// Thread: any; `was_there` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remote_remove_async(
    satellite: *const psfs_satellite,
    server: *const c_char,
    token: *const c_char,
    root: *const c_char,
    was_there: psfs_was_there_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (server, token, root) = unsafe {
            (
                satellite.peer(server)?,
                text(token, "token")?,
                self::root(root)?,
            )
        };
        let token = token.to_owned();
        twin.begin_telling(satellite, was_there, async move {
            files.remote_remove(&server, &token, &root).await
        })
    })
}
