//! Settings: how much a satellite holds for others, and on how many threads it works.

use super::{psfs_config, set};
use crate::error::psfs_error;
use crate::status::psfs_status;

/// Largest content in bytes, sent or taken. Default 16 MiB; 1 KiB to 1 GiB.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_content_limit(
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
            |config, ()| config.content_limit(bytes),
        )
    }
}

/// Bytes of messages a peer may have on the way to callbacks here before it must wait, and as many of requests beside them: a
/// handler of messages may ask their sender. Default 1 MiB; 128 KiB to 1 GiB.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_message_window(
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
            |config, ()| config.message_window(bytes),
        )
    }
}

/// Bytes of replies on the way to one request here before the answering side must wait. Default 1 MiB; 128 KiB to 1 GiB.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_reply_window(
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
            |config, ()| config.reply_window(bytes),
        )
    }
}

/// Requests one peer may have open here at once. Default 1024; 1 to 65536.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_open_requests(
    config: *mut psfs_config,
    count: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.open_requests(count),
        )
    }
}

/// Events one subscription holds before broadcasts and seeks are dropped, counted and reported as PSFS_PEER_LAGGED. Default 4096; 1 to 16777216.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_queue_limit(
    config: *mut psfs_config,
    events: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.queue_limit(events),
        )
    }
}

/// Bytes of contents held in all, for all peers together: what waits for callbacks, what they and whoever asked keep, and large
/// contents on their way. Over it senders are made to wait, and a quarter of it may be broadcasts. What peers may send before they
/// wait (the windows) can come on top once. Default 256 MiB; at least 1 MiB, and twice the content limit.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_memory_limit(
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
            |config, ()| config.memory_limit(bytes),
        )
    }
}

/// Threads that call back, started with the first subscription. Default 2; 0 to 64. With 0 nothing is called by itself: see
/// psfs_satellite_dispatch.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_callback_threads(
    config: *mut psfs_config,
    threads: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.callback_threads(threads),
        )
    }
}

/// Threads of the satellite's own that do the network's work. Default 2; 1 to 64.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_worker_threads(
    config: *mut psfs_config,
    threads: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || Ok(()),
            |config, ()| config.worker_threads(threads),
        )
    }
}
