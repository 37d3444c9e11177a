//! What happens to peers, as callbacks are handed it.

use std::ffi::{CString, c_char};
use std::ptr;

use psfs_core::{PeerEvent, PeerId};

use crate::error::c_string;
use crate::event::number_of;
use crate::status::{PSFS_E_NULL, psfs_status, status_of};

/// A peer was heard of.
pub const PSFS_PEER_DISCOVERED: u32 = 1;
/// A connection to it stands; see psfs_peer_event_address.
pub const PSFS_PEER_CONNECTED: u32 = 2;
/// It has proved who it is and that it belongs: it can be talked to.
pub const PSFS_PEER_AUTHENTICATED: u32 = 3;
/// Its session ended; see psfs_peer_event_reason and _reason_code.
pub const PSFS_PEER_DISCONNECTED: u32 = 4;
/// It could not be reached; see psfs_peer_event_reason.
pub const PSFS_PEER_UNREACHABLE: u32 = 5;
/// A subscription of this satellite was too slow: see psfs_peer_event_dropped, _packet_type and _namespace.
pub const PSFS_PEER_LAGGED: u32 = 6;

/// What happened to a peer.
#[derive(Debug, Default)]
pub struct psfs_peer_event {
    kind: u32,
    peer: Option<CString>,
    address: Option<CString>,
    reason: Option<CString>,
    reason_code: psfs_status,
    packet_type: u32,
    namespace: Option<CString>,
    dropped: u64,
}

impl psfs_peer_event {
    /// `None` for what this version does not know how to tell.
    pub(crate) fn of(event: PeerEvent) -> Option<Self> {
        let text = |text: &str| Some(c_string(text));
        let id = |peer: PeerId| Some(c_string(&peer.to_string()));
        Some(match event {
            PeerEvent::Discovered { peer } => Self {
                kind: PSFS_PEER_DISCOVERED,
                peer: id(peer),
                ..Self::default()
            },
            PeerEvent::Connected { peer, address } => Self {
                kind: PSFS_PEER_CONNECTED,
                peer: id(peer),
                address: text(&address),
                ..Self::default()
            },
            PeerEvent::Authenticated { peer } => Self {
                kind: PSFS_PEER_AUTHENTICATED,
                peer: id(peer),
                ..Self::default()
            },
            PeerEvent::Disconnected { peer, reason } => Self {
                kind: PSFS_PEER_DISCONNECTED,
                peer: id(peer),
                reason: text(&reason.text),
                reason_code: status_of(reason.code),
                ..Self::default()
            },
            PeerEvent::Unreachable { peer, reason } => Self {
                kind: PSFS_PEER_UNREACHABLE,
                peer: id(peer),
                reason: text(&reason),
                ..Self::default()
            },
            PeerEvent::Lagged {
                packet_type,
                namespace,
                dropped,
            } => Self {
                kind: PSFS_PEER_LAGGED,
                packet_type: number_of(packet_type),
                namespace: text(&namespace),
                dropped,
                ..Self::default()
            },
            _ => return None,
        })
    }
}

/// What happened: PSFS_PEER_*. Later versions may tell more: ignore what you do not know.
///
/// Ownership: borrows the event.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_kind(event: *const psfs_peer_event) -> u32 {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }.map_or(0, |event| event.kind)
}

/// The peer it happened to.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL and PSFS_PEER_LAGGED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_peer(event: *const psfs_peer_event) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }
        .and_then(|event| event.peer.as_ref())
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// With PSFS_PEER_CONNECTED: where.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL and other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_address(event: *const psfs_peer_event) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }
        .and_then(|event| event.address.as_ref())
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// With PSFS_PEER_DISCONNECTED and _UNREACHABLE: why, in one line.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL and other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_reason(event: *const psfs_peer_event) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }
        .and_then(|event| event.reason.as_ref())
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// With PSFS_PEER_DISCONNECTED: why, as a status. PSFS_E_CLOSED: the peer was shut down in order and said so. PSFS_E_DISCONNECTED: it is
/// gone without a word, as when its process is killed or the connection breaks. PSFS_E_TIMEOUT: it is silent. PSFS_E_CANCELLED: a program, there
/// or here, ended the session. PSFS_E_BUSY: there or here were more sessions than are kept. PSFS_E_PROTOCOL: a fault, there or here.
///
/// Ownership: borrows the event.
/// Errors: PSFS_E_NULL for NULL; 0 with other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_reason_code(event: *const psfs_peer_event) -> psfs_status {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }.map_or(PSFS_E_NULL, |event| event.reason_code)
}

/// With PSFS_PEER_LAGGED: the subscription's packet type.
///
/// Ownership: borrows the event.
/// Errors: 0 for NULL and other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_packet_type(event: *const psfs_peer_event) -> u32 {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }.map_or(0, |event| event.packet_type)
}

/// With PSFS_PEER_LAGGED: the subscription's namespace.
///
/// Ownership: the text lives as long as the event.
/// Errors: NULL for NULL and other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_namespace(event: *const psfs_peer_event) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }
        .and_then(|event| event.namespace.as_ref())
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// With PSFS_PEER_LAGGED: how many events were dropped since the last time.
///
/// Ownership: borrows the event.
/// Errors: 0 for NULL and other kinds.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `event` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peer_event_dropped(event: *const psfs_peer_event) -> u64 {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { event.as_ref() }.map_or(0, |event| event.dropped)
}
