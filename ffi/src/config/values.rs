//! Settings: what a satellite is in the DHT, and how much it keeps for others.

use psfs_core::Role;

use super::{psfs_config, set};
use crate::boundary::bad_input;
use crate::error::{Failure, psfs_error};
use crate::status::psfs_status;

/// It keeps values near its own place, and tells others who is near a key (default).
pub const PSFS_ROLE_NODE: u32 = 0;
/// The same, and it keeps every value it hears of, as long as its budget lasts.
pub const PSFS_ROLE_MIRROR: u32 = 1;
/// It stores and fetches, and serves nobody: for a phone. Others do not know of it.
pub const PSFS_ROLE_CLIENT: u32 = 2;

pub(crate) fn role(number: u32) -> Result<Role, Failure> {
    match number {
        PSFS_ROLE_NODE => Ok(Role::Node),
        PSFS_ROLE_MIRROR => Ok(Role::Mirror),
        PSFS_ROLE_CLIENT => Ok(Role::Client),
        _ => Err(bad_input(format!(
            "`role` is {number}: give PSFS_ROLE_NODE, PSFS_ROLE_MIRROR or PSFS_ROLE_CLIENT"
        ))),
    }
}

/// What it is to the others of the DHT: PSFS_ROLE_*. Default PSFS_ROLE_NODE; psfs_dht_set_role changes it while it runs.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_dht_role(
    config: *mut psfs_config,
    role: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || self::role(role),
            |config, role| config.dht_role(role),
        )
    }
}

/// Largest value in bytes that it stores, fetches or keeps for others in the DHT. Default 5,000,000; at least 1. With a content limit that has
/// not 4 KiB more (psfs_config_set_content_limit), what that leaves is the limit.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_max_item_size(
    config: *mut psfs_config,
    bytes: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.max_item_size(bytes),
        )
    }
}

/// Bytes of values that it keeps for others in the DHT, half of them for one publisher at most; on disk, or in memory without a data folder.
/// Default 500,000,000.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_max_storage_size(
    config: *mut psfs_config,
    bytes: u64,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.max_storage_size(bytes),
        )
    }
}
