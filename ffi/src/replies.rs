//! What comes back to a request or a seek.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Arc, OnceLock};

use psfs_core::{Code, Error, Replies, Reply};
use tokio::sync::Mutex;

use crate::boundary::{Born, Handle, handle, shield, take, target, wall};
use crate::error::{Failure, c_string, psfs_error};
use crate::status::{PSFS_END, PSFS_OK, psfs_status};
use crate::wait::{time, wait};

/// The replies to one request, as they come. Freeing it cancels what is still to come.
#[derive(Debug)]
pub struct psfs_replies {
    /// Held while one thread waits: another that asks waits behind it, within its own time.
    replies: Mutex<Replies>,
    born: Born,
}

impl psfs_replies {
    pub(crate) fn new(replies: Replies, born: Born) -> Self {
        Self {
            replies: Mutex::new(replies),
            born,
        }
    }
}

impl Handle for psfs_replies {
    const NAME: &'static str = "replies";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// One reply.
#[derive(Debug)]
pub struct psfs_reply {
    reply: Arc<Reply>,
    born: Born,
    peer: OnceLock<CString>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_reply {
    pub(crate) fn lent(reply: Arc<Reply>, born: Born) -> Self {
        Self {
            reply,
            born,
            peer: OnceLock::new(),
            kept: false,
        }
    }
}

impl Handle for psfs_reply {
    const NAME: &'static str = "reply";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// Waits for the next reply: PSFS_OK and a reply in `*out`; PSFS_END after the last, with NULL in it.
///
/// PSFS_E_TIMEOUT means that `timeout_ms` was over while the request goes on, or that the request's own time was. To tell which, call
/// this again: PSFS_END comes at once after the request's own time, everything else means that it went on. With UINT32_MAX it is always the
/// request's own; of a seek or a broadcast it never is, as these end well. After any other error PSFS_END follows, too.
///
/// After PSFS_E_TIMEOUT (the request's own), PSFS_E_DISCONNECTED and PSFS_E_CLOSED the peer may have handled the request, or still does.
///
/// Ownership: free `*out` with psfs_reply_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_UNKNOWN_NAMESPACE, PSFS_E_REFUSED, PSFS_E_HANDLER_FAILED,
/// PSFS_E_DISCONNECTED, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_replies_next(
    replies: *const psfs_replies,
    timeout_ms: u32,
    out: *mut *mut psfs_reply,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, replies) = unsafe { (target(out, ptr::null_mut())?, handle(replies)?) };
        let next = async { replies.replies.lock().await.next().await };
        match wait(next, time(timeout_ms)) {
            Some(Some(Ok(reply))) => {
                out.give(psfs_reply {
                    kept: true,
                    ..psfs_reply::lent(Arc::new(reply), replies.born)
                });
                Ok(PSFS_OK)
            }
            Some(Some(Err(error))) => Err(Failure::of_request(error)),
            Some(None) => Ok(PSFS_END),
            None => Err(Error::new(
                Code::Timeout,
                format!("no reply within {timeout_ms} ms: the request goes on"),
            )
            .into()),
        }
    })
}

/// Frees the replies; a request that has not ended is cancelled.
///
/// Ownership: takes the handle; NULL is nothing. Replies taken from it stay.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `replies` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_replies_free(replies: *mut psfs_replies) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| drop(unsafe { take(replies) }));
}

/// Who answered.
///
/// Ownership: the text lives as long as the reply.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `reply` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_reply_peer(reply: *const psfs_reply) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        unsafe { reply.as_ref() }.map(|reply| {
            reply
                .peer
                .get_or_init(|| c_string(&reply.reply.peer().to_string()))
        })
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// What was answered: any bytes, not closed by a NUL.
///
/// Ownership: the bytes live as long as the reply.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_reply_content(
    reply: *const psfs_reply,
    length: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or valid, by the contract of this function.
    let content = shield(|| unsafe { reply.as_ref() }.map(|reply| reply.reply.content()));
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// When it was made, by the answering clock, in ms since 1970.
///
/// Ownership: borrows the reply.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `reply` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_reply_timestamp(reply: *const psfs_reply) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { reply.as_ref() }.map_or(0, |reply| reply.reply.timestamp_ms()))
}

/// Keeps a reply after its callback, without copying its content.
///
/// Ownership: free `*out` with psfs_reply_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_reply_retain(
    reply: *const psfs_reply,
    out: *mut *mut psfs_reply,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, reply) = unsafe { (target(out, ptr::null_mut())?, handle(reply)?) };
        out.give(psfs_reply {
            kept: true,
            ..psfs_reply::lent(reply.reply.clone(), reply.born)
        });
        Ok(PSFS_OK)
    })
}

/// Frees a reply.
///
/// Ownership: takes what psfs_replies_next or psfs_reply_retain gave; NULL is nothing, and so is a reply that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `reply` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_reply_free(reply: *mut psfs_reply) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { reply.as_ref() }.is_some_and(|reply| reply.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(reply) });
        }
    });
}
