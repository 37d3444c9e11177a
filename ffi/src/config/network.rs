//! Settings: how a satellite meets others, and who may meet it.

use std::ffi::c_char;
use std::time::Duration;

use super::{psfs_config, set};
use crate::boundary::{peer, switch, text};
use crate::error::psfs_error;
use crate::status::psfs_status;

/// One more address to listen on: IP:PORT, :PORT or a multiaddress; port 0 is any free one. Default: every interface, TCP and
/// QUIC, any free port.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_add_listen(
    config: *mut psfs_config,
    address: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(address, "address"),
            |config, address| config.listen(address),
        )
    }
}

/// One more address at which the network may be met, with or without /p2p/ID. Tried again while there are too few peers.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_add_bootstrap(
    config: *mut psfs_config,
    address: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(address, "address"),
            |config, address| config.bootstrap(address),
        )
    }
}

/// Adds a peer to the allow list: once it has an entry, no other peer gets a session.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_add_allow(
    config: *mut psfs_config,
    peer_id: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || peer(peer_id),
            |config, peer| config.allow(peer),
        )
    }
}

/// Adds a peer to the deny list.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_add_deny(
    config: *mut psfs_config,
    peer_id: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || peer(peer_id),
            |config, peer| config.deny(peer),
        )
    }
}

/// Whether satellites on the same local network are found by multicast: 0 or 1. Default 1.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_mdns(
    config: *mut psfs_config,
    on: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || switch(on, "on"),
            |config, on| config.mdns(on),
        )
    }
}

/// Between how many sessions the satellite keeps by itself. Default 8 and 32; `high` is 1 to 4096, `low` no more than `high`.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_peers(
    config: *mut psfs_config,
    low: usize,
    high: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe { set(config, err, || Ok(()), |config, ()| config.peers(low, high)) }
}

/// Connections in all, and from one IP address (loopback counts only in all). Default 256 and 16; each 1 to 65536.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_connections(
    config: *mut psfs_config,
    total: usize,
    per_ip: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.connections(total, per_ip),
        )
    }
}

/// After how much silence a peer is asked for a sign of life, and how long that may take to come before the session ends with the
/// reason PSFS_E_TIMEOUT: one that froze is noticed after both together. Default 15000 and 10000; each 100 or more.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_ping(
    config: *mut psfs_config,
    interval_ms: u32,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.ping(millis(interval_ms), millis(timeout_ms)),
        )
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
