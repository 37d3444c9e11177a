//! Fetching and opening, waiting for it, and watching. The twins that do not wait are in `operation`.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::fetch_options;
use super::value::{psfs_opened, psfs_value};
use crate::boundary::{bytes, handle, maybe_target, target, text, wall};
use crate::callback::{UserData, psfs_drop_fn, psfs_value_fn};
use crate::error::psfs_error;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::subscribe::{given, psfs_sub};
use crate::wait::wait_for;

/// Fetches a value by its key, 64 hexadecimal digits. A plain or signed value is checked; of what was stored under a name or a key of choice,
/// that is taken which most nodes near the key have.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NOT_FOUND (none of the nodes near the key has it),
/// PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    out: *mut *mut psfs_value,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let key = unsafe { super::key(key) }?;
        let options = fetch_options(timeout_ms);
        let value = wait_for(dht.fetch(key, options))?;
        out.give(psfs_value::lent(value.into(), satellite.born).again());
        Ok(PSFS_OK)
    })
}

/// Fetches what was stored under a name. Nothing proves it: what most nodes near the key have is taken.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_NOT_FOUND (none of the nodes near the key has it), PSFS_E_NO_PEERS, PSFS_E_TIMEOUT,
/// PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_named_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch_named(
    satellite: *const psfs_satellite,
    name: *const c_char,
    timeout_ms: u32,
    out: *mut *mut psfs_value,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let name = unsafe { text(name, "name") }?;
        let options = fetch_options(timeout_ms);
        let value = wait_for(dht.fetch_named(name, options))?;
        out.give(psfs_value::lent(value.into(), satellite.born).again());
        Ok(PSFS_OK)
    })
}

/// Fetches what a peer has signed under a salt: the newest.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (a length that cannot be), PSFS_E_NOT_FOUND (none of
/// the nodes near the key has it), PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_signed_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `salt` has `salt_length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch_signed(
    satellite: *const psfs_satellite,
    publisher: *const c_char,
    salt: *const u8,
    salt_length: usize,
    timeout_ms: u32,
    out: *mut *mut psfs_value,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (publisher, salt) = unsafe {
            (
                satellite.peer(publisher)?,
                bytes(salt, salt_length, "salt")?,
            )
        };
        let options = fetch_options(timeout_ms);
        let value = wait_for(dht.fetch_signed(&publisher, salt, options))?;
        out.give(psfs_value::lent(value.into(), satellite.born).again());
        Ok(PSFS_OK)
    })
}

/// Opens a value that was sealed for this satellite (psfs_dht_store_sealed, and psfs_dht_store_signed with a recipient).
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_opened_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it is not sealed, for somebody else, or not as it was sealed), PSFS_E_CLOSED.
/// Thread: any; blocks while it is opened. Twin: psfs_dht_open_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_open(
    satellite: *const psfs_satellite,
    value: *const psfs_value,
    out: *mut *mut psfs_opened,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite, value) = unsafe {
            (
                target(out, ptr::null_mut())?,
                handle(satellite)?,
                handle(value)?,
            )
        };
        let dht = satellite.running_dht()?;
        let opened = wait_for(dht.open(value.value()))?;
        out.give(psfs_opened::lent(opened.into(), satellite.born).again());
        Ok(PSFS_OK)
    })
}

/// Calls `function` with a signed value: first as it is now, if there is one, then whenever it changes, which the nodes that keep it tell at
/// once. One that was deleted has no content. Of changes that come faster than they are handled, some may be left out, never the last.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it goes on until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_CLOSED (it does not run), PSFS_E_IO.
/// Thread: any; `function` is called on a callback thread, never twice at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_watch(
    satellite: *const psfs_satellite,
    key: *const c_char,
    function: psfs_value_fn,
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
        let (satellite, key) = unsafe { (handle(satellite)?, super::key(key)?) };
        let function = given(function, "function")?;
        let born = satellite.born;
        let subscription = satellite.running_dht()?.on_change(key, move |value| {
            let value = psfs_value::lent(value.into(), born);
            // SAFETY: the caller's function, with the caller's pointer; the value lives until it returns.
            unsafe { function(&raw const value, user.pointer()) }
        })?;
        if let Some(out) = out {
            out.give(psfs_sub::new(subscription, born));
        }
        Ok(PSFS_OK)
    })
}
