//! Storing and deleting, waiting for it. The twins that do not wait are in `operation`.

use std::ffi::c_char;
use std::ptr;

use super::stored::psfs_stored;
use super::{psfs_signed_options, psfs_store_options, signed_options, store_options, value};
use crate::boundary::{handle, maybe_target, text, wall};
use crate::error::psfs_error;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::wait_for;

/// Stores a value under the hash of its content: whoever fetches it can check it. It is announced to the nodes nearest to its key, and sent to
/// those that accept it.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (empty, a lifetime out of its range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the
/// limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the message has the reason of each), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (content, options) = unsafe {
            (
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        let stored = wait_for(dht.store(content, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Stores a value under a key of the program's choice, 64 hexadecimal digits. Nothing proves such a value: the first who stores there has the
/// key for as long as it lasts, unless the nodes' applications decide otherwise, and keys that are not spread evenly load a few nodes with all
/// of it.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (empty, no key, a lifetime out of its range), PSFS_E_UNSUPPORTED,
/// PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the message has the reason of each), PSFS_E_CONFLICT
/// (another value is there), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_at_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_at(
    satellite: *const psfs_satellite,
    key: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (key, content, options) = unsafe {
            (
                super::key(key)?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        let stored = wait_for(dht.store_at(key, content, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Stores a value under a name, for psfs_dht_fetch_named, with the warning of psfs_dht_store_at: whoever knows the name can store there.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (empty, a lifetime out of its range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE
/// (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the message has the reason of each), PSFS_E_CONFLICT (another value is
/// there), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_named_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_named(
    satellite: *const psfs_satellite,
    name: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (name, content, options) = unsafe {
            (
                text(name, "name")?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        let stored = wait_for(dht.store_named(name, content, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Stores a value that only this satellite can store and replace, under the key that psfs_dht_key_of_signed makes of its peer id and the salt.
/// A higher number replaces a lower one.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID (the recipient), PSFS_E_BAD_INPUT (empty, a salt of more than 64 bytes,
/// a lifetime out of its range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the
/// message has the reason of each), PSFS_E_CONFLICT (there is a newer one, or not the one that was to be replaced), PSFS_E_UNKNOWN_PEER (the
/// recipient's public key cannot be had), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_signed_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_signed(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
    options: *const psfs_signed_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (content, (options, salt)) = unsafe {
            (
                value(&dht, data, length)?,
                signed_options(options, timeout_ms)?,
            )
        };
        let stored = wait_for(dht.store_signed(&salt, content, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Stores a value that only `recipient` can read (psfs_dht_open), under the hash of what it is sealed into: the recipient has to be told the
/// key. Its public key comes from a session with it, or from what it published (psfs_dht_publish_key).
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (empty, a lifetime out of its range),
/// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the message has the reason of
/// each), PSFS_E_UNKNOWN_PEER (its public key cannot be had), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_sealed_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_sealed(
    satellite: *const psfs_satellite,
    recipient: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (recipient, content, options) = unsafe {
            (
                satellite.peer(recipient)?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        let stored = wait_for(dht.store_sealed(&recipient, content, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Publishes this satellite's public key as a signed value, so that others can seal values for it while it is away; for as long as `options`
/// say.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a lifetime out of its range), PSFS_E_UNSUPPORTED, PSFS_E_NO_PEERS, PSFS_E_REFUSED,
/// PSFS_E_CONFLICT, PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_publish_key_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_publish_key(
    satellite: *const psfs_satellite,
    options: *const psfs_store_options,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let options = unsafe { store_options(options, timeout_ms) }?;
        let stored = wait_for(dht.publish_key(options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}

/// Deletes what this satellite stored. A signed value leaves its number behind, so that no older one comes back; of others the nodes that keep
/// it are asked to forget it, over sessions with them and not through proxies. What somebody else has stored as well they keep. `*out` has what
/// each answered.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_stored_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NOT_FOUND, PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node did;
/// the message has the reason of each), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_delete_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_delete(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (key, options) = unsafe { (super::key(key)?, store_options(ptr::null(), timeout_ms)?) };
        let stored = wait_for(dht.delete(key, options))?;
        if let Some(out) = out {
            out.give(psfs_stored::lent(stored.into()).again());
        }
        Ok(PSFS_OK)
    })
}
