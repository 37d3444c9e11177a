//! Packets as callbacks are handed them.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use psfs_core::config::CONTENT_MAX;
use psfs_core::{Code, Error, Event, PacketType, PeerId, Satellite};

use crate::boundary::{
    Born, Handle, bad_input, content, handle, maybe_text, shield, take, target, wall,
};
use crate::error::{Failure, c_string, psfs_error};
use crate::responder::psfs_responder;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::{time, wait};

/// A message to this peer.
pub const PSFS_MESSAGE: u32 = 1;
/// A message to all.
pub const PSFS_BROADCAST: u32 = 2;
/// A question to every connected peer.
pub const PSFS_SEEK: u32 = 3;
/// A question to this peer.
pub const PSFS_REQUEST: u32 = 4;

/// A packet that came in. While a program keeps events, their sender's credit for them is not given back.
#[derive(Debug)]
pub struct psfs_event {
    pub(crate) event: Event,
    pub(crate) around: Arc<Around>,
    peer: OnceLock<Arc<CStr>>,
    /// Made by psfs_event_retain; else it lies on the stack of the callback.
    kept: bool,
}

/// What all events of one subscription share, so that none of it is made for each.
#[derive(Debug)]
pub(crate) struct Around {
    namespace: CString,
    peers: Mutex<HashMap<PeerId, Arc<CStr>>>,
    /// For replies that are sent without waiting.
    pub(crate) satellite: Satellite,
    pub(crate) born: Born,
}

/// Peer ids whose text a subscription remembers.
const PEER_TEXTS: usize = 256;

impl Around {
    pub(crate) fn new(namespace: &str, satellite: Satellite, born: Born) -> Arc<Self> {
        Arc::new(Self {
            namespace: c_string(namespace),
            peers: Mutex::default(),
            satellite,
            born,
        })
    }

    fn text_of(&self, peer: PeerId) -> Arc<CStr> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = peers.get(&peer) {
            return text.clone();
        }
        if peers.len() >= PEER_TEXTS {
            peers.clear();
        }
        let text: Arc<CStr> = c_string(&peer.to_string()).into();
        peers.insert(peer, text.clone());
        text
    }
}

impl psfs_event {
    pub(crate) fn new(event: Event, around: Arc<Around>) -> Self {
        Self {
            event,
            around,
            peer: OnceLock::new(),
            kept: false,
        }
    }
}

impl Handle for psfs_event {
    const NAME: &'static str = "event";

    fn born(&self) -> Option<Born> {
        Some(self.around.born)
    }
}

/// What kind of packet it is: PSFS_MESSAGE, _BROADCAST, _SEEK or _REQUEST.
///
/// Ownership: borrows the event.
/// Errors: UINT32_MAX for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_type(event: *const psfs_event) -> u32 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { event.as_ref() }.map(|event| number_of(event.event.packet_type())))
        .unwrap_or(u32::MAX)
}

/// The namespace it was sent to.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_namespace(event: *const psfs_event) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }.map_or(ptr::null(), |event| event.around.namespace.as_ptr())
}

/// What was sent: any bytes, not closed by a NUL. Not copied.
///
/// Ownership: the bytes live as long as the event.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_content(
    event: *const psfs_event,
    length: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or valid, by the contract of this function.
    let content = shield(|| unsafe { event.as_ref() }.map(|event| event.event.content()));
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// Who made it: the peer of the session, or a broadcast's author. Proved, never claimed.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_peer(event: *const psfs_event) -> *const c_char {
    let text = shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let event = unsafe { event.as_ref() }?;
        Some(
            event
                .peer
                .get_or_init(|| event.around.text_of(*event.event.peer())),
        )
    });
    text.map_or(ptr::null(), |text| text.as_ptr())
}

/// When it was made, by its author's clock, in ms since 1970.
///
/// Ownership: borrows the event.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_timestamp(event: *const psfs_event) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    shield(|| unsafe { event.as_ref() }.map_or(0, |event| event.event.timestamp_ms()))
}

/// Keeps an event after its callback, without copying its content.
///
/// Ownership: free `*out` with psfs_event_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_retain(
    event: *const psfs_event,
    out: *mut *mut psfs_event,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, event) = unsafe { (target(out, ptr::null_mut())?, handle(event)?) };
        out.give(psfs_event {
            event: event.event.clone(),
            around: event.around.clone(),
            peer: event.peer.clone(),
            kept: true,
        });
        Ok(PSFS_OK)
    })
}

/// Frees a retained event. A request that nobody answered by then ends with PSFS_E_HANDLER_FAILED at the asker.
///
/// Ownership: takes what psfs_event_retain gave; NULL is nothing, and so is an event that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid, and a retained one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_free(event: *mut psfs_event) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { event.as_ref() }.is_some_and(|event| event.kept) {
            // SAFETY: kept, so made by psfs_event_retain.
            drop(unsafe { take(event) });
        }
    });
}

/// Sends one reply to a REQUEST, SEEK or BROADCAST and leaves it open for more. Waits for the asker's credit. PSFS_OK: it is accepted; it
/// may still be dropped when the asker cancels or the session ends.
///
/// After PSFS_E_TIMEOUT a reply of up to 61440 bytes was not sent. Of a larger one a part may have been: end the request then. After
/// PSFS_E_CANCELLED, and for a REQUEST or SEEK after PSFS_E_DISCONNECTED, nobody waits for replies any more, nor for psfs_event_end, which is
/// allowed and not needed.
///
/// Ownership: the bytes are borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_CANCELLED (the asker wants no more), PSFS_E_DISCONNECTED (the session with the asker
/// ended, also by a shutdown here), PSFS_E_TOO_LARGE, PSFS_E_BAD_INPUT (it takes no replies, or no more).
/// Thread: any, also inside its callback; blocks for up to `timeout_ms`. Twin: psfs_event_reply_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_reply(
    event: *const psfs_event,
    data: *const u8,
    length: usize,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (event, content) = unsafe { (handle(event)?, content(data, length, CONTENT_MAX)?) };
        wait(event.event.reply(content), time(timeout_ms)).ok_or_else(no_credit)??;
        Ok(PSFS_OK)
    })
}

/// Ends a REQUEST, SEEK or BROADCAST: with `app_code` 0 well, with a positive one (and a text, which may be NULL) as failed; the asker gets
/// both with PSFS_E_HANDLER_FAILED.
///
/// Ownership: the text is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (a negative code; it takes no replies, or no more).
/// Thread: any, also inside its callback.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_end(
    event: *const psfs_event,
    app_code: i32,
    app_text: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (event, ending) = unsafe { (handle(event)?, Ending::read(app_code, app_text)?) };
        match ending {
            Ending::Well => event.event.end()?,
            Ending::Failed(code, text) => event.event.fail(code, text)?,
        }
        Ok(PSFS_OK)
    })
}

/// Takes the handle to answer with, to answer later and from any thread. After this psfs_event_reply and _end are refused.
///
/// Ownership: free `*out` with psfs_responder_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a MESSAGE, or taken or ended before).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_event_take_responder(
    event: *const psfs_event,
    out: *mut *mut psfs_responder,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, event) = unsafe { (target(out, ptr::null_mut())?, handle(event)?) };
        out.give(psfs_responder::new(
            event.event.take_responder()?,
            event.around.clone(),
        ));
        Ok(PSFS_OK)
    })
}

/// How a program ends a request.
pub(crate) enum Ending<'a> {
    Well,
    Failed(i32, &'a str),
}

impl<'a> Ending<'a> {
    /// # Safety
    /// `text` is NULL or a string.
    pub(crate) unsafe fn read(code: i32, text: *const c_char) -> Result<Self, Failure> {
        // SAFETY: passed on to the caller.
        let text = unsafe { maybe_text(text, "app_text") }?;
        match code {
            0 => Ok(Self::Well),
            1.. => Ok(Self::Failed(code, text.unwrap_or_default())),
            _ => Err(bad_input(format!(
                "`app_code` is {code}: give 0 for a good end or a positive code of your own"
            ))),
        }
    }
}

pub(crate) fn no_credit() -> Failure {
    Error::new(
        Code::Timeout,
        "the asker gave no credit for this reply in time",
    )
    .into()
}

pub(crate) fn number_of(packet_type: PacketType) -> u32 {
    match packet_type {
        PacketType::Message => PSFS_MESSAGE,
        PacketType::Broadcast => PSFS_BROADCAST,
        PacketType::Seek => PSFS_SEEK,
        PacketType::Request => PSFS_REQUEST,
        _ => 0,
    }
}
