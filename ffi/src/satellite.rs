//! The satellite itself: making, starting, looking at and ending it.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use psfs_core::{Code, Error, PeerId, Satellite, Shutdown, inside_callback};

use crate::boundary::{
    Born, Handle, bad_input, handle, may_make, maybe_target, peer, shield, take, target, text, wall,
};
use crate::config::psfs_config;
use crate::error::{Failure, c_string, psfs_error};
use crate::event::Around;
use crate::peers::psfs_peers;
use crate::status::{PSFS_OK, PSFS_PENDING, psfs_status};
use crate::text::{psfs_string, psfs_strings};
use crate::wait::{time, wait, wait_for};

/// A satellite: one member of one network.
#[derive(Debug)]
pub struct psfs_satellite {
    pub(crate) satellite: Satellite,
    pub(crate) born: Born,
    peer_id: CString,
    fingerprint: CString,
    rendezvous: CString,
    /// Peer ids as they were written, already read: programs send to the same peers again and again.
    peers: Mutex<HashMap<Box<str>, PeerId>>,
}

/// Peer ids whose text a satellite remembers.
const PEER_IDS: usize = 256;

impl psfs_satellite {
    /// What the events of a subscription share.
    pub(crate) fn around(&self, namespace: &str) -> Arc<Around> {
        Around::new(namespace, self.satellite.clone(), self.born)
    }

    /// What an operation needs of it.
    pub(crate) fn parts(&self) -> (&Satellite, Born) {
        (&self.satellite, self.born)
    }

    /// Reads a peer id.
    ///
    /// # Safety
    /// `pointer` is NULL or a string.
    pub(crate) unsafe fn peer(&self, pointer: *const c_char) -> Result<PeerId, Failure> {
        // SAFETY: passed on to the caller.
        let text = unsafe { text(pointer, "peer") }?;
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peers.get(text) {
            return Ok(*peer);
        }
        let peer: PeerId = text.parse()?;
        if peers.len() >= PEER_IDS {
            peers.clear();
        }
        peers.insert(text.into(), peer);
        Ok(peer)
    }
}

impl Handle for psfs_satellite {
    const NAME: &'static str = "satellite";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// Makes a satellite: checks everything that was set, opens the data folder, loads or makes the key. It does not run yet, so that callbacks can
/// be registered before the first packet.
///
/// Ownership: borrows the config; free `*out` with psfs_satellite_free, after psfs_satellite_shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_NAMESPACE (the rendezvous), PSFS_E_BAD_ADDRESS, PSFS_E_BAD_INPUT (an option out of its range, an empty path),
/// PSFS_E_UNSUPPORTED, PSFS_E_IO, PSFS_E_BAD_KEY, PSFS_E_KEY_PERMISSIONS, PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE, PSFS_E_DATA_DIR_IN_USE,
/// PSFS_E_DATA_DIR, PSFS_E_DATA_DIR_VERSION, PSFS_E_FORKED (a process that this one was forked from had made a satellite, or tried to).
/// Thread: any; takes a tenth of a second, at times three, when a key is made.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_new(
    config: *const psfs_config,
    out: *mut *mut psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, config) = unsafe { (target(out, ptr::null_mut())?, handle(config)?) };
        may_make()?;
        let born = Born::now();
        let settings = config.settings();
        let log = settings.log.map(|log| (log.open(), log));
        let mut config = settings.config;
        if let Some(((dispatch, _), _)) = &log {
            config = config.log(dispatch.clone());
        }
        let satellite = Satellite::new(config)?;
        if let Some(((_, lines), log)) = log {
            log.tell(&satellite, lines)?;
        }
        let peer_id = satellite.peer_id();
        out.give(psfs_satellite {
            born,
            peer_id: c_string(&peer_id.to_string()),
            fingerprint: c_string(&peer_id.fingerprint()),
            rendezvous: c_string(satellite.rendezvous()),
            peers: Mutex::default(),
            satellite,
        });
        Ok(PSFS_OK)
    })
}

/// Starts it: it listens and begins to look for others. Once only. When it returns, psfs_satellite_addresses has all addresses.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (started or shut down before), PSFS_E_ADDRESS_IN_USE, PSFS_E_BAD_ADDRESS, PSFS_E_IO.
/// Thread: any; returns when it listens. Twin: psfs_start_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_start(
    satellite: *const psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        wait_for(satellite.satellite.start())?;
        Ok(PSFS_OK)
    })
}

/// Ends it and waits: what was accepted is sent as far as peers take it, they are told, no further callback begins, running ones are waited
/// for, calls that wait and operations end with PSFS_E_CLOSED, every drop function runs, all its threads end. PSFS_OK means that it has ended,
/// not that every peer took everything.
///
/// A peer that does not take what was accepted for it is given up 5 s after the last bytes to it moved; telling it and closing the
/// connection can take a second more. So a peer that stands still holds this up for some seconds, one that is only slow for longer, and
/// neither beyond `timeout_ms`. Messages that were not written to its connection by then are counted as messages_abandoned
/// (psfs_satellite_stats_json, also after this) and logged as warnings (psfs_config_set_log). That a peer did not say that it has
/// what was written last is logged only: who must know of each message sends it confirmed (psfs_send_options).
///
/// Inside a callback it only begins this and answers PSFS_PENDING. When a callback is still running after `timeout_ms` it
/// answers PSFS_E_TIMEOUT; it may be called again to wait longer.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_satellite_begin_shutdown, then psfs_satellite_wait.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_shutdown(
    satellite: *const psfs_satellite,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        match wait_for(satellite.satellite.shutdown(time(timeout_ms)))? {
            Shutdown::Pending => Ok(PSFS_PENDING),
            _ => Ok(PSFS_OK),
        }
    })
}

/// Begins what psfs_satellite_shutdown does, with 30 s for peers to take what was accepted, and waits for nothing.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_begin_shutdown(
    satellite: *const psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        unsafe { handle(satellite) }?.satellite.start_shutdown();
        Ok(PSFS_OK)
    })
}

/// Waits until the satellite has been shut down, by whomever, and has ended. It does not begin that.
///
/// Inside a callback it never waits: PSFS_PENDING while it has not ended.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT (nobody shut it down, or its end goes on).
/// Thread: any; blocks for up to `timeout_ms`.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_wait(
    satellite: *const psfs_satellite,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        // The end waits for the callback that asks.
        let limit = if inside_callback() { 0 } else { timeout_ms };
        match wait(satellite.satellite.ended(), time(limit)) {
            Some(()) => Ok(PSFS_OK),
            None if inside_callback() => Ok(PSFS_PENDING),
            None => Err(Error::new(
                Code::Timeout,
                format!(
                    "the satellite has not ended after {timeout_ms} ms: it was not shut down, or its end goes on"
                ),
            )
            .into()),
        }
    })
}

/// Frees the handle. A satellite that was not shut down is then, in the background: callbacks that are running go on until they return.
/// With 0 callback threads its two descriptors are closed when the last event or responder that was kept of it is freed, too.
///
/// Ownership: takes the handle; NULL is nothing. Subscriptions, operations, events and replies have handles of their own, to be freed before
/// or after.
/// Errors: none. In a process forked since, nothing is freed.
/// Thread: any, also inside a callback.
/// Since: 0.1.0
///
/// # Safety
/// `satellite` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_free(satellite: *mut psfs_satellite) {
    shield(|| {
        // SAFETY: NULL or ours to free, by the contract of this function.
        if let Some(satellite) = unsafe { take(satellite) } {
            satellite.satellite.start_shutdown();
        }
    });
}

/// Whether it was started and not shut down since: `*out` is 1 or 0.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_running(
    satellite: *const psfs_satellite,
    out: *mut u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(satellite.satellite.is_running().into());
        Ok(PSFS_OK)
    })
}

/// Its peer id: "Qm...".
///
/// Ownership: the text lives as long as the satellite's handle.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_peer_id(
    satellite: *const psfs_satellite,
    out: *mut *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null())?, handle(satellite)?) };
        out.set(satellite.peer_id.as_ptr());
        Ok(PSFS_OK)
    })
}

/// Its fingerprint, for people to compare: peer id, colon, and words made of its last bytes.
///
/// Ownership: the text lives as long as the satellite's handle.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_fingerprint(
    satellite: *const psfs_satellite,
    out: *mut *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null())?, handle(satellite)?) };
        out.set(satellite.fingerprint.as_ptr());
        Ok(PSFS_OK)
    })
}

/// The name under which it looks for others.
///
/// Ownership: the text lives as long as the satellite's handle.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_rendezvous(
    satellite: *const psfs_satellite,
    out: *mut *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null())?, handle(satellite)?) };
        out.set(satellite.rendezvous.as_ptr());
        Ok(PSFS_OK)
    })
}

/// Where it listens, each with /p2p/ID: what another satellite takes as its bootstrap. Empty until it is started.
///
/// Ownership: free `*out` with psfs_strings_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_addresses(
    satellite: *const psfs_satellite,
    out: *mut *mut psfs_strings,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        out.give(psfs_strings::new(satellite.satellite.addresses()));
        Ok(PSFS_OK)
    })
}

/// The peers it has met, as they are at this moment.
///
/// Ownership: free `*out` with psfs_peers_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_peers(
    satellite: *const psfs_satellite,
    out: *mut *mut psfs_peers,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        out.give(psfs_peers::new(satellite.satellite.peers()));
        Ok(PSFS_OK)
    })
}

/// How many peers it has a session with.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_connected_count(
    satellite: *const psfs_satellite,
    out: *mut usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(satellite.satellite.connected_count());
        Ok(PSFS_OK)
    })
}

/// What it counted so far, as a JSON object of numbers: what went through it, what it dropped and what it refused. The keys are under
/// STATISTICS below; later versions may have more.
///
/// Ownership: free `*out` with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_stats_json(
    satellite: *const psfs_satellite,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        out.give(psfs_string::new(&satellite.satellite.stats().to_json()));
        Ok(PSFS_OK)
    })
}

/// Connects to an address and waits for the session. Not needed for peers that are met: the satellite connects to them by itself.
///
/// Ownership: free `*out` (the peer's id; `out` may be NULL) with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_ADDRESS, PSFS_E_UNREACHABLE, PSFS_E_OWN_PEER, PSFS_E_REFUSED, PSFS_E_TIMEOUT,
/// PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_connect_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_connect(
    satellite: *const psfs_satellite,
    address: *const c_char,
    timeout_ms: u32,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        // SAFETY: by the contract of this function.
        let (satellite, address) = unsafe { (handle(satellite)?, text(address, "address")?) };
        let peer = wait_for(satellite.satellite.connect(address, time(timeout_ms)))?;
        if let Some(out) = out {
            out.give(psfs_string::new(&peer.to_string()));
        }
        Ok(PSFS_OK)
    })
}

/// Waits until sessions with at least `count` peers are open.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT (its message says how many there were), PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_wait_connected_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_wait_connected(
    satellite: *const psfs_satellite,
    count: usize,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        wait_for(satellite.satellite.wait_connected(count, time(timeout_ms)))?;
        Ok(PSFS_OK)
    })
}

/// Ends the session with a peer. It stays met, and may connect again. What was accepted for it before is sent first: this
/// returns when the peer has it, or was given up because nothing moved for 5 s (30 s in all). PSFS_OK is answered in both cases; see
/// psfs_satellite_shutdown for what is lost then.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_UNKNOWN_PEER (not connected), PSFS_E_CLOSED.
/// Thread: any. Twin: psfs_disconnect_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_disconnect(
    satellite: *const psfs_satellite,
    peer_id: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (satellite, peer) = unsafe { (handle(satellite)?, peer(peer_id)?) };
        wait_for(satellite.satellite.disconnect(&peer))?;
        Ok(PSFS_OK)
    })
}

/// With 0 callback threads: a descriptor that is readable while psfs_satellite_dispatch has something to do, mostly something to call. Poll it; never
/// read from it.
///
/// Ownership: the descriptor is the satellite's, until it and every event and responder kept of it are freed.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it has callback threads). `*out` is -1 then.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_event_fd(
    satellite: *const psfs_satellite,
    out: *mut i32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target::<RawFd>(out, -1)?, handle(satellite)?) };
        let descriptor = satellite.satellite.event_fd().ok_or_else(|| {
            bad_input("this satellite has callback threads: set 0 with psfs_config_set_callback_threads to poll")
        })?;
        out.set(descriptor);
        Ok(PSFS_OK)
    })
}

/// With 0 callback threads: waits up to `timeout_ms` until something is called, which is done on this thread. Returns after one round, so
/// call it again while the descriptor is readable.
///
/// Ownership: borrows the satellite. `*out` is how many callbacks ran, done functions among them and drop functions not; 0 when the time was
/// over first. `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it has callback threads, or called inside a callback), PSFS_E_CLOSED.
/// Thread: any that the program wants its callbacks on.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_dispatch(
    satellite: *const psfs_satellite,
    timeout_ms: u32,
    out: *mut usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { maybe_target(out, 0) };
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        // A callback may free the handle: what runs it must not need it.
        let satellite = satellite.satellite.clone();
        let calls = satellite.dispatch(time(timeout_ms))?;
        if let Some(out) = out {
            out.set(calls);
        }
        Ok(PSFS_OK)
    })
}
