//! The twins of sending and asking.

use std::ffi::{c_char, c_void};

use super::{Twin, psfs_op};
use crate::boundary::{handle, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn, psfs_reply_fn};
use crate::error::psfs_error;
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::talk::{
    Packet, broadcast_options, psfs_broadcast_options, psfs_request_options, psfs_send_options,
    request_options, send_options,
};

/// As psfs_send, without waiting: `done` is called when it is accepted or confirmed.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
/// PSFS_E_TOO_LARGE, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_send come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_send_async(
    satellite: *const psfs_satellite,
    peer: *const c_char,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_send_options,
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
        // SAFETY: by the contract of this function.
        let (peer, packet, options) = unsafe {
            (
                satellite.peer(peer)?,
                Packet::read(satellite, ns, data, length)?,
                send_options(options, timeout_ms)?,
            )
        };
        let (core, namespace, content) = (
            satellite.satellite.clone(),
            packet.namespace.to_owned(),
            packet.content,
        );
        twin.begin_silent(satellite.parts(), async move {
            Ok(core.send(&peer, &namespace, content, options).await?)
        })
    })
}

/// As psfs_broadcast, without waiting: `done` is called when it is on its way.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
/// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_broadcast come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_broadcast_async(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_broadcast_options,
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
        let (packet, options) = unsafe {
            (
                Packet::read(satellite, ns, data, length)?,
                broadcast_options(options)?,
            )
        };
        let (core, namespace, content) = (
            satellite.satellite.clone(),
            packet.namespace.to_owned(),
            packet.content,
        );
        twin.begin_silent(satellite.parts(), async move {
            Ok(core.broadcast(&namespace, content, options).await?)
        })
    })
}

/// As psfs_request and psfs_replies_next, without waiting: `reply` is called with each reply, then
/// `done`: with PSFS_OK after the last, else with what ended it.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
/// PSFS_E_TOO_LARGE, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
/// called; the other errors of psfs_request and psfs_replies_next come with `done`.
/// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_request_async(
    satellite: *const psfs_satellite,
    peer: *const c_char,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_request_options,
    timeout_ms: u32,
    reply: psfs_reply_fn,
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
        let (peer, packet, options) = unsafe {
            (
                satellite.peer(peer)?,
                Packet::read(satellite, ns, data, length)?,
                request_options(options, timeout_ms)?,
            )
        };
        let (core, namespace, content) = (
            satellite.satellite.clone(),
            packet.namespace.to_owned(),
            packet.content,
        );
        let asking = async move { core.request(&peer, &namespace, content, options).await };
        twin.begin_asking(satellite.parts(), reply, asking)
    })
}

/// As psfs_seek and psfs_replies_next, without waiting: `reply` is called with each reply, then
/// `done`: with PSFS_OK after the last, else with what ended it.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
/// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_seek and psfs_replies_next come with `done`.
/// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_seek_async(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_request_options,
    timeout_ms: u32,
    reply: psfs_reply_fn,
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
        let (packet, options) = unsafe {
            (
                Packet::read(satellite, ns, data, length)?,
                request_options(options, timeout_ms)?,
            )
        };
        let (core, namespace, content) = (
            satellite.satellite.clone(),
            packet.namespace.to_owned(),
            packet.content,
        );
        let asking = async move { core.seek(&namespace, content, options) };
        twin.begin_asking(satellite.parts(), reply, asking)
    })
}

/// As psfs_broadcast_request and psfs_replies_next, without waiting: `reply` is called with each
/// reply, then `done`: with PSFS_OK after the last, else with what ended it.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
/// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_broadcast_request and psfs_replies_next come with `done`.
/// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_broadcast_request_async(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    broadcast_options: *const psfs_broadcast_options,
    request_options: *const psfs_request_options,
    timeout_ms: u32,
    reply: psfs_reply_fn,
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
        let (packet, spread, ask) = unsafe {
            (
                Packet::read(satellite, ns, data, length)?,
                self::broadcast_options(broadcast_options)?,
                self::request_options(request_options, timeout_ms)?,
            )
        };
        let (core, namespace, content) = (
            satellite.satellite.clone(),
            packet.namespace.to_owned(),
            packet.content,
        );
        let asking = async move {
            core.broadcast_request(&namespace, content, spread, ask)
                .await
        };
        twin.begin_asking(satellite.parts(), reply, asking)
    })
}
