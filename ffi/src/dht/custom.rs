//! A protocol of the program's own on top of the DHT: commands to nodes chosen by where they are, and a word to all.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use psfs_core::error::DhtError;
use psfs_core::{CustomAnswer, Dht, Event, Subscription, To};

use crate::boundary::{
    Born, Handle, bad_input, content, handle, maybe_target, peer, shield, take, target, wall,
};
use crate::callback::{UserData, psfs_drop_fn, psfs_event_fn};
use crate::error::{Failure, c_string, psfs_error};
use crate::event::psfs_event;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_E_NULL, PSFS_OK, psfs_status, status_of};
use crate::subscribe::{given, psfs_sub};
use crate::wait::{time, wait_for};

/// A command goes to one peer: `target` is its id.
pub const PSFS_TO_PEER: u32 = 1;
/// A command goes to the nodes nearest to a key: `target` is the key.
pub const PSFS_TO_CLOSEST: u32 = 2;
/// A command goes to the nodes nearest to this one: `target` is NULL.
pub const PSFS_TO_NEIGHBOURS: u32 = 3;

/// The namespace that events of commands and of words to all have: the core's, which no other packets can use.
const NAMESPACE: &str = "psfs.dht.custom";

/// Who gets a command.
///
/// # Safety
/// `target` is NULL or a string.
pub(crate) unsafe fn to(kind: u32, target: *const c_char) -> Result<To, Failure> {
    match kind {
        // SAFETY: passed on to the caller.
        PSFS_TO_PEER => Ok(To::Peer(unsafe { peer(target) }?)),
        // SAFETY: passed on to the caller.
        PSFS_TO_CLOSEST => Ok(To::Closest(unsafe { super::key(target) }?)),
        PSFS_TO_NEIGHBOURS if target.is_null() => Ok(To::Neighbours),
        PSFS_TO_NEIGHBOURS => Err(bad_input(
            "`target` is set: with PSFS_TO_NEIGHBOURS give NULL",
        )),
        _ => Err(bad_input(format!(
            "`kind` is {kind}: give PSFS_TO_PEER, PSFS_TO_CLOSEST or PSFS_TO_NEIGHBOURS"
        ))),
    }
}

/// What one node answered.
#[derive(Debug)]
struct One {
    peer: CString,
    status: psfs_status,
    app_code: i32,
    text: Option<CString>,
    replies: Vec<Bytes>,
}

#[derive(Debug)]
pub(crate) struct Inner(Vec<One>);

impl From<Vec<CustomAnswer>> for Inner {
    fn from(answers: Vec<CustomAnswer>) -> Self {
        Self(answers.into_iter().map(One::from).collect())
    }
}

impl From<CustomAnswer> for One {
    fn from(answer: CustomAnswer) -> Self {
        let mut one = Self {
            peer: c_string(&answer.peer.to_string()),
            status: PSFS_OK,
            app_code: 0,
            text: None,
            replies: Vec::new(),
        };
        match answer.answers {
            Ok(replies) => one.replies = replies,
            Err(error) => {
                let failure = Failure::of_request(error);
                one.status = status_of(failure.error.code());
                one.text = Some(c_string(failure.error.message()));
                one.app_code = failure.app.map_or(0, |(code, _)| code);
            }
        }
        one
    }
}

/// What nodes answered to a command.
#[derive(Debug)]
pub struct psfs_answers {
    inner: Arc<Inner>,
    born: Born,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_answers {
    pub(crate) fn lent(inner: Inner, born: Born) -> Self {
        Self {
            inner: Arc::new(inner),
            born,
            kept: false,
        }
    }

    /// One more handle, the program's.
    pub(crate) fn again(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            born: self.born,
            kept: true,
        }
    }

    fn answer(&self, index: usize) -> Option<&One> {
        self.inner.0.get(index)
    }
}

impl Handle for psfs_answers {
    const NAME: &'static str = "answers";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// How many nodes were asked.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_count(answers: *const psfs_answers) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        Some(answers.inner.0.len())
    })
    .unwrap_or(0)
}

/// Which node, from 0.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_peer(
    answers: *const psfs_answers,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        Some(answers.answer(index)?.peer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How it went there: PSFS_OK, or what psfs_replies_next would answer.
///
/// Ownership: borrows the handle.
/// Errors: PSFS_E_NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_status(
    answers: *const psfs_answers,
    index: usize,
) -> psfs_status {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        Some(answers.answer(index)?.status)
    })
    .unwrap_or(PSFS_E_NULL)
}

/// What went wrong there, in one line.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL, behind the last, and where it went well.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_text(
    answers: *const psfs_answers,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        answers.answer(index)?.text.as_deref()
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// With PSFS_E_HANDLER_FAILED: the positive code with which that node's program ended it; 0 when it gave none.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_app_code(answers: *const psfs_answers, index: usize) -> i32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        Some(answers.answer(index)?.app_code)
    })
    .unwrap_or(0)
}

/// How many replies that node gave.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_reply_count(
    answers: *const psfs_answers,
    index: usize,
) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        Some(answers.answer(index)?.replies.len())
    })
    .unwrap_or(0)
}

/// One reply of one node, both from 0: any bytes, not closed by a NUL.
///
/// Ownership: the bytes live as long as the handle.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_reply(
    answers: *const psfs_answers,
    index: usize,
    reply_index: usize,
    length: *mut usize,
) -> *const u8 {
    let content = shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let answers = unsafe { answers.as_ref() }?;
        answers.answer(index)?.replies.get(reply_index)
    });
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// Keeps the answers after their callback, without copying them.
///
/// Ownership: free `*out` with psfs_answers_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_retain(
    answers: *const psfs_answers,
    out: *mut *mut psfs_answers,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, answers) = unsafe { (target(out, ptr::null_mut())?, handle(answers)?) };
        out.give(answers.again());
        Ok(PSFS_OK)
    })
}

/// Frees what nodes answered.
///
/// Ownership: takes what psfs_dht_custom or psfs_answers_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `answers` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_answers_free(answers: *mut psfs_answers) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { answers.as_ref() }.is_some_and(|answers| answers.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(answers) });
        }
    });
}

/// Sends a command to nodes (`kind` is PSFS_TO_*) and waits until each has answered or failed; what went wrong at one of them is in its answer.
/// Of each node 1024 replies are taken.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_answers_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (the kind, no key), PSFS_E_BAD_PEER_ID, PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS,
/// PSFS_E_TIMEOUT (nodes are still looked for), PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`, and for nodes by their place for as long again. Twin: psfs_dht_custom_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_custom(
    satellite: *const psfs_satellite,
    kind: u32,
    target: *const c_char,
    data: *const u8,
    length: usize,
    timeout_ms: u32,
    out: *mut *mut psfs_answers,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe {
            (
                crate::boundary::target(out, ptr::null_mut())?,
                handle(satellite)?,
            )
        };
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let (to, command) = unsafe {
            (
                to(kind, target)?,
                content(data, length, satellite.satellite.content_limit())?,
            )
        };
        let answers = wait_for(dht.custom(to, command, time(timeout_ms)))?;
        out.give(psfs_answers::lent(answers.into(), satellite.born).again());
        Ok(PSFS_OK)
    })
}

/// Tells all nodes of the network: up to 61440 bytes, each gets it once (psfs_dht_on_broadcast).
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a length that cannot be), PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS, PSFS_E_TIMEOUT,
/// PSFS_E_BUSY, PSFS_E_CLOSED.
/// Thread: any; blocks for up to 30 s while no peer takes it. Twin: psfs_dht_broadcast_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_broadcast(
    satellite: *const psfs_satellite,
    data: *const u8,
    length: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let content = unsafe { content(data, length, satellite.satellite.content_limit()) }?;
        wait_for(dht.broadcast(content))?;
        Ok(PSFS_OK)
    })
}

/// Registers for commands, or for words to all.
///
/// # Safety
/// Pointers are NULL or valid.
unsafe fn listen(
    satellite: *const psfs_satellite,
    function: psfs_event_fn,
    user: UserData,
    out: *mut *mut psfs_sub,
    register: impl FnOnce(&Dht, Box<dyn FnMut(Event) + Send>) -> Result<Subscription, DhtError>,
) -> Result<psfs_status, Failure> {
    // SAFETY: passed on to the caller.
    let out = unsafe { maybe_target(out, ptr::null_mut()) };
    // SAFETY: passed on to the caller.
    let satellite = unsafe { handle(satellite) }?;
    let function = given(function, "function")?;
    let around = satellite.around(NAMESPACE);
    let handler = Box::new(move |event| {
        let event = psfs_event::new(event, around.clone());
        // SAFETY: the caller's function, with the caller's pointer; the event lives until it returns.
        unsafe { function(&raw const event, user.pointer()) }
    });
    let subscription = register(&satellite.satellite.dht(), handler)?;
    if let Some(out) = out {
        out.give(psfs_sub::new(subscription, satellite.born));
    }
    Ok(PSFS_OK)
}

/// Calls `function` with every command that comes; it answers through the event and must end it, as a PSFS_REQUEST (see psfs_on).
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it is registered until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
/// Thread: any; before or after the start. `function` is called on a callback thread, never twice at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_on_custom(
    satellite: *const psfs_satellite,
    function: psfs_event_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        let register = |dht: &Dht, handler| dht.on_custom(handler);
        // SAFETY: by the contract of this function.
        unsafe { listen(satellite, function, user, out, register) }
    })
}

/// Calls `function` with what others tell all nodes.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it is registered until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
/// Thread: any; before or after the start. `function` is called on a callback thread, never twice at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_on_broadcast(
    satellite: *const psfs_satellite,
    function: psfs_event_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        let register = |dht: &Dht, handler| dht.on_broadcast(handler);
        // SAFETY: by the contract of this function.
        unsafe { listen(satellite, function, user, out, register) }
    })
}
