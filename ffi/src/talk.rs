//! Sending and asking, waiting for it. The twins that do not wait are in `operation`.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use bytes::Bytes;
use psfs_core::{BroadcastOptions, Code, Error, RequestOptions, SendOptions};

use crate::boundary::{content, handle, options, switch, target, text, wall};
use crate::error::{Failure, psfs_error};
use crate::replies::psfs_replies;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::{time, wait_for};

/// How a message is sent. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct psfs_send_options {
    /// sizeof(psfs_send_options)
    pub struct_size: usize,
    /// 1: wait until the peer's satellite has taken the message in, whether anything there is registered for its namespace or not (if not, it
    /// counts as messages_unhandled there). 0: until it is accepted within credit here.
    pub confirmed: u32,
    /// Zero.
    pub reserved: u32,
}

/// How a request or a seek is asked. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct psfs_request_options {
    /// sizeof(psfs_request_options)
    pub struct_size: usize,
    /// After so many replies the request is cancelled and ends well. Default: no limit (a seek: 1024). Who answers learns of it only then, as
    /// PSFS_E_CANCELLED, and may have made more replies by then, as many as the window takes: these are dropped.
    pub max_replies: u64,
    /// Bytes of replies on the way before the answering side must wait. Default, and least: what psfs_config_set_reply_window says; at most 1 GiB.
    pub window_bytes: u64,
}

/// How a broadcast spreads. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct psfs_broadcast_options {
    /// sizeof(psfs_broadcast_options)
    pub struct_size: usize,
    /// How long it may be passed on for, in seconds; it is not kept for peers that connect later. Default 30; 1 to 86400.
    pub lifetime_s: u32,
    /// Zero.
    pub reserved: u32,
}

pub(crate) fn reserved(value: u32, name: &str) -> Result<(), Failure> {
    if value == 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::Unsupported,
        format!("`{name}` has a value in `reserved`: it must be 0"),
    )
    .into())
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// # Safety
/// `pointer` is NULL or valid.
pub(crate) unsafe fn send_options(
    pointer: *const psfs_send_options,
    timeout_ms: u32,
) -> Result<SendOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    Ok(SendOptions::default()
        .confirmed(switch(given.confirmed, "confirmed")?)
        .timeout(time(timeout_ms)))
}

/// # Safety
/// `pointer` is NULL or valid.
pub(crate) unsafe fn request_options(
    pointer: *const psfs_request_options,
    timeout_ms: u32,
) -> Result<RequestOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    let mut read = RequestOptions::default().deadline(time(timeout_ms));
    if given.max_replies > 0 {
        read = read.max_replies(size(given.max_replies));
    }
    if given.window_bytes > 0 {
        read = read.window(size(given.window_bytes));
    }
    Ok(read)
}

/// # Safety
/// `pointer` is NULL or valid.
pub(crate) unsafe fn broadcast_options(
    pointer: *const psfs_broadcast_options,
) -> Result<BroadcastOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    let read = BroadcastOptions::default();
    Ok(match given.lifetime_s {
        0 => read,
        seconds => read.lifetime(Duration::from_secs(seconds.into())),
    })
}

/// What a call sends, read from the caller: the one copy on the way out.
pub(crate) struct Packet<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) content: Bytes,
}

impl<'a> Packet<'a> {
    /// # Safety
    /// `ns` is NULL or a string; `data` is NULL or has `length` bytes.
    pub(crate) unsafe fn read(
        satellite: &psfs_satellite,
        ns: *const c_char,
        data: *const u8,
        length: usize,
    ) -> Result<Self, Failure> {
        // SAFETY: passed on to the caller.
        unsafe {
            Ok(Self {
                namespace: text(ns, "ns")?,
                content: content(data, length, satellite.satellite.content_limit())?,
            })
        }
    }
}

/// Sends one message to one peer. PSFS_OK: it is accepted within the credit the peer gave (with `confirmed`: the peer's satellite has it).
/// What is accepted and not confirmed is lost when the session ends before the peer has it.
///
/// After PSFS_E_TIMEOUT, PSFS_E_DISCONNECTED, PSFS_E_CLOSED or PSFS_E_CANCELLED (of psfs_send_async) a message that was to be confirmed, or has
/// more than 61440 bytes, may have arrived or still arrive: who sends it again may send it twice. Any other was not sent then, and after
/// any other error nothing was.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
/// PSFS_E_TOO_LARGE, PSFS_E_UNKNOWN_PEER, PSFS_E_OWN_PEER, PSFS_E_UNREACHABLE, PSFS_E_REFUSED, PSFS_E_DISCONNECTED, PSFS_E_TIMEOUT,
/// PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms` when the peer is slow. Twin: psfs_send_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_send(
    satellite: *const psfs_satellite,
    peer: *const c_char,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_send_options,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
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
        let sending = satellite
            .satellite
            .send(&peer, packet.namespace, packet.content, options);
        wait_for(sending)?;
        Ok(PSFS_OK)
    })
}

/// Sends one message of up to 61440 bytes to all satellites of the network but this one. It is signed, goes to those who are connected when it
/// is sent, and is passed on from peer to peer: it is not kept for who connects later (who comes within the first seconds may still get it),
/// also when its life time is longer. With nobody connected it is PSFS_E_NO_PEERS; while those who are connected cannot take it yet, it waits,
/// within its life time. PSFS_OK: it is on its way; who got it is not told. Who hears more than it can handle is told so by PSFS_PEER_LAGGED.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS,
/// PSFS_E_TIMEOUT (peers are connected, and none took it in its life time), PSFS_E_BUSY, PSFS_E_CLOSED.
/// Thread: any; blocks for up to the life time. Twin: psfs_broadcast_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_broadcast(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_broadcast_options,
    err: *mut *mut psfs_error,
) -> psfs_status {
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
        let sending = satellite
            .satellite
            .broadcast(packet.namespace, packet.content, options);
        wait_for(sending)?;
        Ok(PSFS_OK)
    })
}

/// Asks one peer. Replies are taken from `*out` with psfs_replies_next; all of them must be there within `timeout_ms`. An error here means that
/// the peer was not asked, but for PSFS_E_TIMEOUT with more than 61440 bytes, which may have reached it.
///
/// Ownership: free `*out` with psfs_replies_free, which cancels the request if it has not ended. `options` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
/// PSFS_E_TOO_LARGE, PSFS_E_UNKNOWN_PEER, PSFS_E_OWN_PEER, PSFS_E_UNREACHABLE, PSFS_E_REFUSED, PSFS_E_DISCONNECTED, PSFS_E_TIMEOUT,
/// PSFS_E_BUSY, PSFS_E_CLOSED. What the peer answers comes from psfs_replies_next.
/// Thread: any; may block for up to `timeout_ms` when the peer is slow. Twin: psfs_request_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_request(
    satellite: *const psfs_satellite,
    peer: *const c_char,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_request_options,
    timeout_ms: u32,
    out: *mut *mut psfs_replies,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let (peer, packet, options) = unsafe {
            (
                satellite.peer(peer)?,
                Packet::read(satellite, ns, data, length)?,
                request_options(options, timeout_ms)?,
            )
        };
        let asking = satellite
            .satellite
            .request(&peer, packet.namespace, packet.content, options);
        let replies = wait_for(asking).map_err(Failure::of_request)?;
        out.give(psfs_replies::new(replies, satellite.born));
        Ok(PSFS_OK)
    })
}

/// Asks every connected peer. Replies are taken from `*out` with psfs_replies_next, which ends well after `timeout_ms`: who has not
/// answered by then is left out.
///
/// Ownership: free `*out` with psfs_replies_free. `options` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE,
/// PSFS_E_NO_PEERS, PSFS_E_BUSY, PSFS_E_CLOSED.
/// Thread: any. Twin: psfs_seek_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_seek(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    options: *const psfs_request_options,
    timeout_ms: u32,
    out: *mut *mut psfs_replies,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let (packet, options) = unsafe {
            (
                Packet::read(satellite, ns, data, length)?,
                request_options(options, timeout_ms)?,
            )
        };
        let replies = satellite
            .satellite
            .seek(packet.namespace, packet.content, options)
            .map_err(Failure::of_request)?;
        out.give(psfs_replies::new(replies, satellite.born));
        Ok(PSFS_OK)
    })
}

/// A broadcast that asks: whoever handles it may reply, directly to this satellite. Replies as with psfs_seek.
///
/// Ownership: free `*out` with psfs_replies_free. Both options may be NULL.
/// Errors: as psfs_broadcast and psfs_seek.
/// Thread: any. Twin: psfs_broadcast_request_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_broadcast_request(
    satellite: *const psfs_satellite,
    ns: *const c_char,
    data: *const u8,
    length: usize,
    broadcast_options: *const psfs_broadcast_options,
    request_options: *const psfs_request_options,
    timeout_ms: u32,
    out: *mut *mut psfs_replies,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let (packet, spread, ask) = unsafe {
            (
                Packet::read(satellite, ns, data, length)?,
                self::broadcast_options(broadcast_options)?,
                self::request_options(request_options, timeout_ms)?,
            )
        };
        let asking =
            satellite
                .satellite
                .broadcast_request(packet.namespace, packet.content, spread, ask);
        let replies = wait_for(asking).map_err(Failure::of_request)?;
        out.give(psfs_replies::new(replies, satellite.born));
        Ok(PSFS_OK)
    })
}
