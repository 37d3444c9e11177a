//! Registering callbacks, and ending that.

use std::ffi::{c_char, c_void};
use std::ptr;

use psfs_core::{Cancelled, Code, Error, PacketType, Subscription};

use crate::boundary::{Born, Handle, bad_input, handle, maybe_target, shield, take, text, wall};
use crate::callback::{UserData, psfs_drop_fn, psfs_event_fn, psfs_peer_event_fn};
use crate::error::{Failure, psfs_error};
use crate::event::{PSFS_BROADCAST, PSFS_MESSAGE, PSFS_REQUEST, PSFS_SEEK, psfs_event};
use crate::peer_event::psfs_peer_event;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, PSFS_PENDING, psfs_status};

/// A registered callback.
#[derive(Debug)]
pub struct psfs_sub {
    subscription: Subscription,
    born: Born,
}

impl psfs_sub {
    pub(crate) fn new(subscription: Subscription, born: Born) -> Self {
        Self { subscription, born }
    }
}

impl Handle for psfs_sub {
    const NAME: &'static str = "subscription";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

fn packet_type(number: u32) -> Result<PacketType, Failure> {
    match number {
        PSFS_MESSAGE => Ok(PacketType::Message),
        PSFS_BROADCAST => Ok(PacketType::Broadcast),
        PSFS_SEEK => Ok(PacketType::Seek),
        PSFS_REQUEST => Ok(PacketType::Request),
        _ => Err(bad_input(format!(
            "`packet_type` is {number}: give PSFS_MESSAGE, PSFS_BROADCAST, PSFS_SEEK or PSFS_REQUEST"
        ))),
    }
}

/// A callback that is not NULL.
pub(crate) fn given<F>(function: Option<F>, name: &str) -> Result<F, Failure> {
    function.ok_or_else(|| Error::new(Code::Null, format!("`{name}` is NULL")).into())
}

/// Calls `function` with each packet of this type and namespace, one after another, in order of arrival per peer, on a callback thread. Of several for
/// a REQUEST the first is called; all others are called all.
///
/// Every REQUEST must be ended, with psfs_event_end or psfs_responder_end, also after its last reply: one whose handler returned without (and
/// took no responder, and retained nothing) ends as PSFS_E_HANDLER_FAILED at who asked. Only one that the asker cancelled (a reply to it is
/// answered with PSFS_E_CANCELLED) need not be ended.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it is registered until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT (the type), PSFS_E_CLOSED, PSFS_E_IO.
/// Thread: any; before or after the start.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_on(
    satellite: *const psfs_satellite,
    packet_type: u32,
    ns: *const c_char,
    function: psfs_event_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let (satellite, ns) = unsafe { (handle(satellite)?, text(ns, "ns")?) };
        let packet_type = self::packet_type(packet_type)?;
        let function = given(function, "function")?;
        let around = satellite.around(ns);
        let subscription = satellite.satellite.on(packet_type, ns, move |event| {
            let event = psfs_event::new(event, around.clone());
            // SAFETY: the caller's function, with the caller's pointer; the event lives until it returns.
            unsafe { function(&raw const event, user.pointer()) }
        })?;
        if let Some(out) = out {
            out.give(psfs_sub::new(subscription, satellite.born));
        }
        Ok(PSFS_OK)
    })
}

/// Calls `function` with what happens to peers: discovered, connected, authenticated, disconnected, unreachable, and subscriptions that lag.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it; with `out` NULL it is registered until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
/// Thread: any; before or after the start.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_on_peer(
    satellite: *const psfs_satellite,
    function: psfs_peer_event_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let function = given(function, "function")?;
        let subscription = satellite.satellite.on_peer(move |event| {
            if let Some(event) = psfs_peer_event::of(event) {
                // SAFETY: the caller's function, with the caller's pointer; the event lives until it returns.
                unsafe { function(&raw const event, user.pointer()) }
            }
        })?;
        if let Some(out) = out {
            out.give(psfs_sub::new(subscription, satellite.born));
        }
        Ok(PSFS_OK)
    })
}

/// Ends a subscription. Outside callbacks it waits until no call of it is running: with PSFS_OK none is or will be, and its drop function has
/// run. Inside any callback it never waits: PSFS_PENDING, and it takes effect after the call that is running, if one is.
///
/// Ownership: borrows the handle, which must still be freed.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_sub_cancel(
    sub: *const psfs_sub,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let sub = unsafe { handle(sub) }?;
        Ok(match sub.subscription.cancel() {
            Cancelled::Done => PSFS_OK,
            Cancelled::Pending => PSFS_PENDING,
        })
    })
}

/// Ends a subscription as psfs_sub_cancel does, and frees its handle.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none. In a process forked since, nothing is freed.
/// Thread: any; outside callbacks it waits until no call of it is running.
/// Since: 0.1.0
///
/// # Safety
/// `sub` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_sub_free(sub: *mut psfs_sub) {
    shield(|| {
        // SAFETY: NULL or ours to free, by the contract of this function.
        if let Some(sub) = unsafe { take(sub) } {
            sub.subscription.cancel();
        }
    });
}
