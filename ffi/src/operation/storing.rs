//! The twins of storing and deleting.

use std::ffi::{c_char, c_void};
use std::future::Future;
use std::ptr;

use psfs_core::Stored;
use psfs_core::error::DhtError;

use super::{Twin, psfs_op};
use crate::boundary::{handle, text, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn, psfs_stored_fn};
use crate::dht::stored::psfs_stored;
use crate::dht::{psfs_signed_options, psfs_store_options, signed_options, store_options, value};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;

impl Twin {
    /// For what stores.
    fn begin_storing<W>(
        self,
        satellite: &psfs_satellite,
        stored: psfs_stored_fn,
        storing: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<Stored, DhtError>> + Send + 'static,
    {
        self.begin_giving(
            satellite.parts(),
            async move { Ok(storing.await?) },
            move |value: Stored, ud| {
                if let Some(stored) = stored {
                    let value = psfs_stored::lent(value.into());
                    // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                    unsafe { stored(&raw const value, ud) }
                }
            },
        )
    }
}

/// As psfs_dht_store, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
/// operation and `done` is not called; the other errors of psfs_dht_store come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_async(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (content, options) = unsafe {
            (
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        twin.begin_storing(satellite, stored, async move {
            dht.store(content, options).await
        })
    })
}

/// As psfs_dht_store_at, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then
/// there is no operation and `done` is not called; the other errors of psfs_dht_store_at come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_at_async(
    satellite: *const psfs_satellite,
    key: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (key, content, options) = unsafe {
            (
                crate::dht::key(key)?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        twin.begin_storing(satellite, stored, async move {
            dht.store_at(key, content, options).await
        })
    })
}

/// As psfs_dht_store_named, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then
/// there is no operation and `done` is not called; the other errors of psfs_dht_store_named come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_named_async(
    satellite: *const psfs_satellite,
    name: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (name, content, options) = unsafe {
            (
                text(name, "name")?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        let name = name.to_owned();
        twin.begin_storing(satellite, stored, async move {
            dht.store_named(&name, content, options).await
        })
    })
}

/// As psfs_dht_store_signed, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED,
/// PSFS_E_IO. Then there is no operation and `done` is not called; the other errors of psfs_dht_store_signed come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_signed_async(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
    options: *const psfs_signed_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (content, (options, salt)) = unsafe {
            (
                value(&dht, data, length)?,
                signed_options(options, timeout_ms)?,
            )
        };
        twin.begin_storing(satellite, stored, async move {
            dht.store_signed(&salt, content, options).await
        })
    })
}

/// As psfs_dht_store_sealed, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED,
/// PSFS_E_IO. Then there is no operation and `done` is not called; the other errors of psfs_dht_store_sealed come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_store_sealed_async(
    satellite: *const psfs_satellite,
    recipient: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_store_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (recipient, content, options) = unsafe {
            (
                satellite.peer(recipient)?,
                value(&dht, data, length)?,
                store_options(options, timeout_ms)?,
            )
        };
        twin.begin_storing(satellite, stored, async move {
            dht.store_sealed(&recipient, content, options).await
        })
    })
}

/// As psfs_dht_publish_key, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is
/// not called; the other errors of psfs_dht_publish_key come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_publish_key_async(
    satellite: *const psfs_satellite,
    options: *const psfs_store_options,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let options = unsafe { store_options(options, timeout_ms) }?;
        twin.begin_storing(
            satellite,
            stored,
            async move { dht.publish_key(options).await },
        )
    })
}

/// As psfs_dht_delete, without waiting: `stored` (may be NULL) is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_dht_delete come with `done`.
/// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_delete_async(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    stored: psfs_stored_fn,
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
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (key, options) = unsafe {
            (
                crate::dht::key(key)?,
                store_options(ptr::null(), timeout_ms)?,
            )
        };
        twin.begin_storing(
            satellite,
            stored,
            async move { dht.delete(key, options).await },
        )
    })
}
