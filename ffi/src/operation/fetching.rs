//! The twins of fetching, opening, commands, telling all, tracing and waiting for the first node.

use std::ffi::{c_char, c_void};
use std::future::Future;

use psfs_core::Value;
use psfs_core::error::DhtError;

use super::{Twin, psfs_op};
use crate::boundary::{bytes, content, handle, text, wall};
use crate::callback::{
    psfs_answers_fn, psfs_done_fn, psfs_drop_fn, psfs_opened_fn, psfs_trace_fn, psfs_value_fn,
};
use crate::dht::custom::{psfs_answers, to};
use crate::dht::fetch_options;
use crate::dht::routing::psfs_trace;
use crate::dht::value::{psfs_opened, psfs_value};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::subscribe::given;
use crate::wait::time;

impl Twin {
    /// For what fetches.
    fn begin_fetching<W>(
        self,
        satellite: &psfs_satellite,
        fetched: psfs_value_fn,
        fetching: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<Value, DhtError>> + Send + 'static,
    {
        let fetched = given(fetched, "fetched")?;
        let born = satellite.born;
        self.begin_giving(
            satellite.parts(),
            async move { Ok(fetching.await?) },
            move |value: Value, ud| {
                let value = psfs_value::lent(value.into(), born);
                // SAFETY: the caller's function, with the caller's pointer; the value lives until it returns.
                unsafe { fetched(&raw const value, ud) }
            },
        )
    }
}

/// As psfs_dht_fetch, without waiting: `fetched` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_dht_fetch come with `done`.
/// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch_async(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    fetched: psfs_value_fn,
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
        let key = unsafe { crate::dht::key(key) }?;
        let options = fetch_options(timeout_ms);
        twin.begin_fetching(
            satellite,
            fetched,
            async move { dht.fetch(key, options).await },
        )
    })
}

/// As psfs_dht_fetch_named, without waiting: `fetched` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other
/// errors of psfs_dht_fetch_named come with `done`.
/// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch_named_async(
    satellite: *const psfs_satellite,
    name: *const c_char,
    timeout_ms: u32,
    fetched: psfs_value_fn,
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
        let name = unsafe { text(name, "name") }?;
        let name = name.to_owned();
        let options = fetch_options(timeout_ms);
        twin.begin_fetching(satellite, fetched, async move {
            dht.fetch_named(&name, options).await
        })
    })
}

/// As psfs_dht_fetch_signed, without waiting: `fetched` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation
/// and `done` is not called; the other errors of psfs_dht_fetch_signed come with `done`.
/// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_fetch_signed_async(
    satellite: *const psfs_satellite,
    publisher: *const c_char,
    salt: *const u8,
    salt_length: usize,
    timeout_ms: u32,
    fetched: psfs_value_fn,
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
        let (publisher, salt) = unsafe {
            (
                satellite.peer(publisher)?,
                bytes(salt, salt_length, "salt")?,
            )
        };
        let salt = salt.to_vec();
        let options = fetch_options(timeout_ms);
        twin.begin_fetching(satellite, fetched, async move {
            dht.fetch_signed(&publisher, &salt, options).await
        })
    })
}

/// As psfs_dht_open, without waiting: `opened` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors of
/// psfs_dht_open come with `done`.
/// Thread: any; `opened` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_open_async(
    satellite: *const psfs_satellite,
    value: *const psfs_value,
    opened: psfs_opened_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (satellite, value) = unsafe { (handle(satellite)?, handle(value)?) };
        let (dht, value) = (satellite.running_dht()?, value.value().clone());
        let opened = given(opened, "opened")?;
        let born = satellite.born;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(dht.open(&value).await?) },
            move |value, ud| {
                let value = psfs_opened::lent(value.into(), born);
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { opened(&raw const value, ud) }
            },
        )
    })
}

/// As psfs_dht_custom, without waiting: `answered` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then
/// there is no operation and `done` is not called; the other errors of psfs_dht_custom come with `done`.
/// Thread: any; `answered` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_custom_async(
    satellite: *const psfs_satellite,
    kind: u32,
    target: *const c_char,
    data: *const u8,
    length: usize,
    timeout_ms: u32,
    answered: psfs_answers_fn,
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
        let (to, command) = unsafe {
            (
                to(kind, target)?,
                content(data, length, satellite.satellite.content_limit())?,
            )
        };
        let answered = given(answered, "answered")?;
        let born = satellite.born;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(dht.custom(to, command, time(timeout_ms)).await?) },
            move |value, ud| {
                let value = psfs_answers::lent(value.into(), born);
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { answered(&raw const value, ud) }
            },
        )
    })
}

/// As psfs_dht_trace, without waiting: `traced` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_dht_trace come with `done`.
/// Thread: any; `traced` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_trace_async(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    traced: psfs_trace_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (satellite, key) = unsafe { (handle(satellite)?, crate::dht::key(key)?) };
        let dht = satellite.running_dht()?;
        let options = fetch_options(timeout_ms);
        let traced = given(traced, "traced")?;

        twin.begin_giving(
            satellite.parts(),
            async move { Ok(dht.trace(key, options).await?) },
            move |value, ud| {
                let value = psfs_trace::lent(value.into());
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { traced(&raw const value, ud) }
            },
        )
    })
}

/// As psfs_dht_broadcast, without waiting: `done` is called when it is on its way.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the
/// other errors of psfs_dht_broadcast come with `done`.
/// Thread: any; `done` is called on a callback thread.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_broadcast_async(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
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
        let content = unsafe { content(data, length, satellite.satellite.content_limit()) }?;
        twin.begin_silent(satellite.parts(), async move {
            Ok(dht.broadcast(content).await?)
        })
    })
}

/// As psfs_dht_joined, without waiting: `done` is called when a node has answered.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors of
/// psfs_dht_joined come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_joined_async(
    satellite: *const psfs_satellite,
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
        let dht = satellite.running_dht()?;
        twin.begin_silent(satellite.parts(), async move {
            Ok(dht.joined(time(timeout_ms)).await?)
        })
    })
}
