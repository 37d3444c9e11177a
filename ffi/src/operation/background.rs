//! The twins of pausing, resuming and another network.

use std::ffi::c_void;

use super::{Twin, psfs_op};
use crate::boundary::{handle, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn};
use crate::error::psfs_error;
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;

/// As psfs_satellite_pause, without waiting: `done` is called when the network is left. Cancelled, it takes effect all the same.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
/// fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_pause come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_pause_async(
    satellite: *const psfs_satellite,
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
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move { Ok(core.pause().await?) })
    })
}

/// As psfs_satellite_resume, without waiting: `done` is called when it listens. Cancelled, it takes effect all the same.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
/// fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_resume come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_resume_async(
    satellite: *const psfs_satellite,
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
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move { Ok(core.resume().await?) })
    })
}

/// As psfs_satellite_network_changed, without waiting: `done` is called when it is taken note of. Cancelled, it takes effect all the same.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
/// fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_network_changed come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_network_changed_async(
    satellite: *const psfs_satellite,
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
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move {
            Ok(core.network_changed().await?)
        })
    })
}
