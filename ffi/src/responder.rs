//! Answering later, from any thread.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use psfs_core::config::CONTENT_MAX;
use psfs_core::error::ReplyError;
use psfs_core::{Code, Error, Responder};

use crate::boundary::{Born, Handle, content, handle, shield, take, target, wall};
use crate::error::{Failure, psfs_error};
use crate::event::{Around, Ending, no_credit};
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::{time, wait};

/// The right to answer one REQUEST, SEEK or BROADCAST.
#[derive(Debug)]
pub struct psfs_responder {
    responder: Mutex<Option<Arc<Responder>>>,
    pub(crate) around: Arc<Around>,
}

impl psfs_responder {
    pub(crate) fn new(responder: Responder, around: Arc<Around>) -> Self {
        Self {
            responder: Mutex::new(Some(Arc::new(responder))),
            around,
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Responder>>> {
        self.responder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) -> Result<Arc<Responder>, Failure> {
        Ok(self
            .slot()
            .clone()
            .ok_or(ReplyError::Taken("replies (any more)"))?)
    }
}

impl Handle for psfs_responder {
    const NAME: &'static str = "responder";

    fn born(&self) -> Option<Born> {
        Some(self.around.born)
    }
}

/// Sends one reply and leaves the request open for more. Waits for the asker's credit. After an error it is as with psfs_event_reply.
///
/// Ownership: the bytes are borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_CANCELLED (the asker wants no more), PSFS_E_DISCONNECTED (the session with the asker
/// ended, also by a shutdown here), PSFS_E_TOO_LARGE, PSFS_E_BAD_INPUT (it was ended).
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_responder_reply_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_responder_reply(
    responder: *const psfs_responder,
    data: *const u8,
    length: usize,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (responder, content) =
            unsafe { (handle(responder)?, content(data, length, CONTENT_MAX)?) };
        let open = responder.open()?;
        wait(open.reply(content), time(timeout_ms)).ok_or_else(no_credit)??;
        Ok(PSFS_OK)
    })
}

/// Ends the request: with `app_code` 0 well, with a positive one (and a text, which may be NULL) as failed; the asker gets both with
/// PSFS_E_HANDLER_FAILED. The handle must still be freed.
///
/// Ownership: the text is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (a negative code, or ended before), PSFS_E_BUSY (a reply is being
/// sent by another thread: end after it).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_responder_end(
    responder: *const psfs_responder,
    app_code: i32,
    app_text: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (responder, ending) =
            unsafe { (handle(responder)?, Ending::read(app_code, app_text)?) };
        let mut slot = responder.slot();
        let open = slot.take().ok_or(ReplyError::Taken("further end"))?;
        let open = match Arc::try_unwrap(open) {
            Ok(open) => open,
            Err(shared) => {
                *slot = Some(shared);
                return Err(Error::new(
                    Code::Busy,
                    "a reply is being sent: end the request after it",
                )
                .into());
            }
        };
        match ending {
            Ending::Well => open.end(),
            Ending::Failed(code, text) => open.fail(code, text),
        }
        Ok(PSFS_OK)
    })
}

/// Whether the asker no longer wants replies (`*out` is 1) or still does (0): long work can be left then.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_responder_cancelled(
    responder: *const psfs_responder,
    out: *mut u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, responder) = unsafe { (target(out, 0)?, handle(responder)?) };
        let cancelled = responder
            .slot()
            .as_ref()
            .is_none_or(|open| open.is_cancelled());
        out.set(cancelled.into());
        Ok(PSFS_OK)
    })
}

/// Frees the handle. A REQUEST that was not ended by then ends with PSFS_E_HANDLER_FAILED at the asker.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `responder` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_responder_free(responder: *mut psfs_responder) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| drop(unsafe { take(responder) }));
}
