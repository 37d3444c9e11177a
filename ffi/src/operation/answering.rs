//! The twins of answering.

use std::ffi::c_void;

use super::{Twin, psfs_op};
use psfs_core::config::CONTENT_MAX;

use crate::boundary::{content, handle, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn};
use crate::error::psfs_error;
use crate::event::psfs_event;
use crate::responder::psfs_responder;
use crate::status::psfs_status;

/// As psfs_event_reply, without waiting: `done` is called when the reply is accepted.
///
/// Ownership: the bytes are copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call,
/// also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE (over 1 GiB), PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_event_reply come with `done`.
/// Thread: any; `done` is called on a callback thread.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_reply_async(
    event: *const psfs_event,
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
        let (event, content) = unsafe { (handle(event)?, content(data, length, CONTENT_MAX)?) };
        let open = event.event.clone();
        let around = &event.around;
        twin.begin_silent((&around.satellite, around.born), async move {
            Ok(open.reply(content).await?)
        })
    })
}

/// As psfs_responder_reply, without waiting: `done` is called when the reply is accepted.
///
/// Ownership: the bytes are copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call,
/// also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE (over 1 GiB), PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_responder_reply come with `done`.
/// Thread: any; `done` is called on a callback thread.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_responder_reply_async(
    responder: *const psfs_responder,
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
        let (responder, content) =
            unsafe { (handle(responder)?, content(data, length, CONTENT_MAX)?) };
        let open = responder.open()?;
        let around = &responder.around;
        twin.begin_silent((&around.satellite, around.born), async move {
            Ok(open.reply(content).await?)
        })
    })
}
