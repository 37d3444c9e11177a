//! What this satellite lets others do, what nodes tell of themselves, and waiting for the first of them.

use std::ffi::c_void;
use std::ptr;

use crate::boundary::{handle, maybe_target, switch, wall};
use crate::callback::{UserData, psfs_debug_fn, psfs_drop_fn};
use crate::error::{c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::subscribe::{given, psfs_sub};
use crate::wait::{time, wait_for};

/// Waits until a node of the DHT has answered this satellite, so that there is somebody to store at and to fetch from.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (it does not run), PSFS_E_TIMEOUT.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_joined_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_joined(
    satellite: *const psfs_satellite,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        wait_for(dht.joined(time(timeout_ms)))?;
        Ok(PSFS_OK)
    })
}

/// Whether others may follow what this node does in the DHT (psfs_dht_debug): whom it meets, and which keys it keeps, refuses and is asked
/// for. `permitted` is 1 or 0 (default).
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_permit_debug(
    satellite: *const psfs_satellite,
    permitted: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let permitted = switch(permitted, "permitted")?;
        satellite.satellite.dht().permit_debug(permitted);
        Ok(PSFS_OK)
    })
}

/// Whether others may have this satellite store and fetch for them, within a budget for each. `permitted` is 1 or 0 (default). A
/// PSFS_ROLE_CLIENT asks those it has a session with where it cannot reach the nodes itself.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_permit_proxy(
    satellite: *const psfs_satellite,
    permitted: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let permitted = switch(permitted, "permitted")?;
        satellite.satellite.dht().permit_proxy(permitted);
        Ok(PSFS_OK)
    })
}

/// Calls `function` with what nodes do that permit it (psfs_dht_permit_debug), a line each as it happens; those that come later are
/// followed, too. Who is slow is told how many lines were left out.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it goes on until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (it does not run), PSFS_E_IO.
/// Thread: any; `function` is called on a callback thread, never twice at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_debug(
    satellite: *const psfs_satellite,
    function: psfs_debug_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let function = given(function, "function")?;
        let subscription = satellite.running_dht()?.on_debug(move |told| {
            let (peer, line) = (c_string(&told.peer.to_string()), c_string(&told.line));
            // SAFETY: the caller's function, with the caller's pointer; both texts live until it returns.
            unsafe { function(peer.as_ptr(), line.as_ptr(), user.pointer()) }
        })?;
        if let Some(out) = out {
            out.give(psfs_sub::new(subscription, satellite.born));
        }
        Ok(PSFS_OK)
    })
}
