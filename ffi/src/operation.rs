//! The twins of blocking calls: they return at once and tell by callback how it went.

use std::ffi::{c_char, c_void};
use std::future::Future;
use std::ptr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use psfs_core::error::RequestError;
use psfs_core::{Items, Operation, PeerId, Replies, Reply, Satellite};

use crate::boundary::{Born, Handle, Out, bytes, handle, maybe_target, shield, take, text, wall};
use crate::callback::{UserData, psfs_done_fn, psfs_drop_fn, psfs_peer_fn, psfs_reply_fn};
use crate::error::{Failure, c_string, psfs_error};
use crate::event::psfs_event;
use crate::replies::psfs_reply;
use crate::responder::psfs_responder;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, PSFS_PENDING, psfs_status, status_of};
use crate::subscribe::given;
use crate::talk::{
    Packet, broadcast_options, psfs_broadcast_options, psfs_request_options, psfs_send_options,
    request_options, send_options,
};
use crate::wait::time;

/// An operation under way, or ended.
#[derive(Debug)]
pub struct psfs_op {
    operation: Operation,
    app: App,
    born: Born,
}

/// What the peer's application failed with: beside the outcome, which the core keeps.
type App = Arc<OnceLock<(i32, String)>>;

impl Handle for psfs_op {
    const NAME: &'static str = "operation";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// What every twin is given beside its arguments.
struct Twin {
    done: psfs_done_fn,
    user: UserData,
    out: Option<Out<*mut psfs_op>>,
}

impl Twin {
    /// First of all, so that the caller's drop runs whatever happens next.
    fn new(
        done: psfs_done_fn,
        ud: *mut c_void,
        drop: psfs_drop_fn,
        out: *mut *mut psfs_op,
    ) -> Self {
        let user = UserData::new(ud, drop);
        // SAFETY: every twin demands that `out` is NULL or valid.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        Self { done, user, out }
    }

    /// Begins it. `item` is called with what the work sends.
    fn begin<I, W>(
        self,
        (satellite, born): (&Satellite, Born),
        work: impl FnOnce(Items<I>) -> W,
        item: impl Fn(I, *mut c_void) + Send + 'static,
    ) -> Result<psfs_status, Failure>
    where
        I: Send + 'static,
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let done = given(self.done, "done")?;
        let app = App::default();
        let (failed, told) = (app.clone(), app.clone());
        // One pointer for all calls: dropped, and so the caller's drop run, when the last call is over.
        let user = Arc::new(self.user);
        let at_end = user.clone();
        let operation = satellite.operate(
            |items| {
                let work = work(items);
                async move {
                    work.await.map_err(|failure| {
                        if let Some(app) = failure.app {
                            // Empty until here: this runs once.
                            let _ = failed.set(app);
                        }
                        failure.error
                    })
                }
            },
            move |value| item(value, user.pointer()),
            move |outcome| {
                let (status, error) = match outcome {
                    Ok(()) => (PSFS_OK, None),
                    Err(error) => {
                        let failure = Failure {
                            app: told.get().cloned(),
                            error,
                        };
                        (
                            status_of(failure.error.code()),
                            Some(psfs_error::from(failure)),
                        )
                    }
                };
                let error = error.as_ref().map_or(ptr::null(), ptr::from_ref);
                // SAFETY: the caller's function, with the caller's pointer; the error lives until it returns.
                unsafe { done(status, error, at_end.pointer()) }
            },
        )?;
        if let Some(out) = self.out {
            out.give(psfs_op {
                operation,
                app,
                born,
            });
        }
        Ok(PSFS_OK)
    }

    /// For what tells nothing before its end.
    fn begin_silent<W>(self, satellite: (&Satellite, Born), work: W) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.begin(satellite, |_: Items<()>| work, |(), _| {})
    }

    /// For what is answered with replies.
    fn begin_asking<W>(
        self,
        satellite: (&Satellite, Born),
        reply: psfs_reply_fn,
        asking: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<Replies, RequestError>> + Send + 'static,
    {
        let reply = given(reply, "reply")?;
        let born = satellite.1;
        self.begin(
            satellite,
            async move |items| {
                let mut replies = asking.await.map_err(Failure::of_request)?;
                while let Some(reply) = replies.next().await {
                    if !items.send(reply.map_err(Failure::of_request)?).await {
                        break;
                    }
                }
                Ok(())
            },
            move |value: Reply, ud| {
                let value = psfs_reply::lent(Arc::new(value), born);
                // SAFETY: the caller's function, with the caller's pointer; the reply lives until it returns.
                unsafe { reply(&raw const value, ud) }
            },
        )
    }
}

/// Ends an operation: its done function is called with PSFS_E_CANCELLED, unless it had ended. Never waits.
///
/// Ownership: borrows the handle, which must still be freed.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_cancel(
    op: *const psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        unsafe { handle(op) }?.operation.cancel();
        Ok(PSFS_OK)
    })
}

/// Waits for the end of an operation, not for its done function. Answers how the operation ended: PSFS_OK or its error; PSFS_PENDING when it
/// still goes on after `timeout_ms` (0 only asks).
///
/// Ownership: borrows the handle.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, and those of the operation.
/// Thread: any; blocks for up to `timeout_ms`.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_wait(
    op: *const psfs_op,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let op = unsafe { handle(op) }?;
        match op.operation.wait(time(timeout_ms)) {
            None => Ok(PSFS_PENDING),
            Some(Ok(())) => Ok(PSFS_OK),
            Some(Err(error)) => Err(Failure {
                app: op.app.get().cloned(),
                error,
            }),
        }
    })
}

/// Frees the handle. The operation goes on, and its done function is still called; psfs_op_cancel first ends it.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none. In a process forked since, nothing is freed.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `op` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_free(op: *mut psfs_op) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| drop(unsafe { take(op) }));
}

/// As psfs_satellite_start, without waiting: `done` is called when it listens.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_satellite_start come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_start_async(
    satellite: *const psfs_satellite,
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
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move { Ok(core.start().await?) })
    })
}

/// As psfs_satellite_connect, without waiting: `connected` is called with the peer's id, then
/// `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
/// operation and `done` is not called; the other errors of psfs_satellite_connect come with `done`.
/// Thread: any; `connected` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_connect_async(
    satellite: *const psfs_satellite,
    address: *const c_char,
    timeout_ms: u32,
    connected: psfs_peer_fn,
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
        let address = unsafe { text(address, "address") }?.to_owned();
        let connected = given(connected, "connected")?;
        let core = satellite.satellite.clone();
        twin.begin(
            satellite.parts(),
            async move |items| {
                let peer = core.connect(&address, time(timeout_ms)).await?;
                items.send(peer).await;
                Ok(())
            },
            move |peer: PeerId, ud| {
                let peer = c_string(&peer.to_string());
                // SAFETY: the caller's function, with the caller's pointer; the text lives until it returns.
                unsafe { connected(peer.as_ptr(), ud) }
            },
        )
    })
}

/// As psfs_satellite_disconnect, without waiting: `done` is called when the session has ended.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_CLOSED, PSFS_E_IO.
/// Then there is no operation and `done` is not called; the other errors of
/// psfs_satellite_disconnect come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_disconnect_async(
    satellite: *const psfs_satellite,
    peer: *const c_char,
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
        let peer = unsafe { satellite.peer(peer) }?;
        let core = satellite.satellite.clone();
        twin.begin_silent(satellite.parts(), async move {
            Ok(core.disconnect(&peer).await?)
        })
    })
}

/// As psfs_send, without waiting: `done` is called when it is accepted or confirmed.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
/// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
/// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
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
                Packet::read(ns, data, length)?,
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
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
/// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
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
        let (packet, options) =
            unsafe { (Packet::read(ns, data, length)?, broadcast_options(options)?) };
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
/// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
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
                Packet::read(ns, data, length)?,
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
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
/// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
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
                Packet::read(ns, data, length)?,
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
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
/// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
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
                Packet::read(ns, data, length)?,
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

/// As psfs_event_reply, without waiting: `done` is called when the reply is accepted.
///
/// Ownership: the bytes are copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call,
/// also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
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
        let (event, data) = unsafe { (handle(event)?, bytes(data, length, "data")?) };
        let open = event.event.clone();
        let content = Bytes::copy_from_slice(data);
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
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
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
        let (responder, data) = unsafe { (handle(responder)?, bytes(data, length, "data")?) };
        let open = responder.open()?;
        let content = Bytes::copy_from_slice(data);
        let around = &responder.around;
        twin.begin_silent((&around.satellite, around.born), async move {
            Ok(open.reply(content).await?)
        })
    })
}
