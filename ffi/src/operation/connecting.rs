//! The twins of what a satellite is told to do: start, connect, wait for sessions, disconnect.

use std::ffi::{c_char, c_void};

use psfs_core::PeerId;

use super::{Twin, psfs_op};
use crate::boundary::{handle, text, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn, psfs_peer_fn};
use crate::error::{c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::subscribe::given;
use crate::wait::time;

/// As psfs_satellite_start, without waiting: `done` is called when it listens.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_start come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_start_async(
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
        twin.begin_silent(satellite.parts(), async move { Ok(core.start().await?) })
    })
}

/// As psfs_satellite_connect, without waiting: `connected` is called with the peer's id, then
/// `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
/// operation and `done` is not called; the other errors of psfs_satellite_connect come with `done`.
/// Thread: any; `connected` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_connect_async(
    satellite: *const psfs_satellite,
    address: *const c_char,
    timeout_ms: u32,
    connected: psfs_peer_fn,
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
        // SAFETY: by the contract of this function.
        let address = unsafe { text(address, "address") }?.to_owned();
        let connected = given(connected, "connected")?;
        let core = satellite.satellite.clone();
        twin.begin(
            satellite.parts(),
            async move |items| {
                let peer = core.connect(&address, time(timeout_ms)).await?;
                items.send(peer).await;
                Ok(())
            },
            move |peer: PeerId, ud| {
                let peer = c_string(&peer.to_string());
                // SAFETY: the caller's function, with the caller's pointer; the text lives until it returns.
                unsafe { connected(peer.as_ptr(), ud) }
            },
        )
    })
}

/// As psfs_satellite_wait_connected, without waiting: `done` is called when there are as many sessions.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_wait_connected come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_wait_connected_async(
    satellite: *const psfs_satellite,
    count: usize,
    timeout_ms: u32,
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
            Ok(core.wait_connected(count, time(timeout_ms)).await?)
        })
    })
}

/// As psfs_satellite_disconnect, without waiting: `done` is called when the session has ended.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_CLOSED, PSFS_E_IO.
/// Then there is no operation and `done` is not called; the other errors of
/// psfs_satellite_disconnect come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_disconnect_async(
    satellite: *const psfs_satellite,
    peer: *const c_char,
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
        // SAFETY: by the contract of this function.
        let peer = unsafe { satellite.peer(peer) }?;
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move {
            Ok(core.disconnect(&peer).await?)
        })
    })
}
