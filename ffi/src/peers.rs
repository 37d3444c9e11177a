//! The list of peers a satellite has met.

use std::ffi::{CString, c_char};
use std::ptr;

use psfs_core::{PeerInfo, PeerState};

use crate::boundary::{free, shield};
use crate::error::c_string;

/// Known and reachable through the network; no session.
pub const PSFS_STATE_MET: u32 = 1;
/// There is a session.
pub const PSFS_STATE_CONNECTED: u32 = 2;
/// It was met and cannot be reached now.
pub const PSFS_STATE_UNREACHABLE: u32 = 3;

/// Peers, as they were when the list was made.
#[derive(Debug)]
pub struct psfs_peers(Vec<Peer>);

#[derive(Debug)]
struct Peer {
    id: CString,
    state: u32,
    addresses: Vec<CString>,
}

impl psfs_peers {
    pub(crate) fn new(peers: Vec<PeerInfo>) -> Self {
        let read = |info: PeerInfo| Peer {
            id: c_string(&info.peer.to_string()),
            state: match info.state {
                PeerState::Met => PSFS_STATE_MET,
                PeerState::Connected => PSFS_STATE_CONNECTED,
                PeerState::Unreachable => PSFS_STATE_UNREACHABLE,
                _ => 0,
            },
            addresses: info
                .addresses
                .iter()
                .map(|address| c_string(address))
                .collect(),
        };
        Self(peers.into_iter().map(read).collect())
    }
}

/// # Safety
/// `peers` is NULL or valid for `'a`.
unsafe fn at<'a>(peers: *const psfs_peers, index: usize) -> Option<&'a Peer> {
    // SAFETY: passed on to the caller.
    unsafe { peers.as_ref() }?.0.get(index)
}

/// How many peers the list has.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_count(peers: *const psfs_peers) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { peers.as_ref() }.map_or(0, |peers| peers.0.len())
}

/// The id of one peer, from 0.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_id(peers: *const psfs_peers, index: usize) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { at(peers, index) }.map_or(ptr::null(), |peer| peer.id.as_ptr())
}

/// The state of one peer: PSFS_STATE_*.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_state(peers: *const psfs_peers, index: usize) -> u32 {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { at(peers, index) }.map_or(0, |peer| peer.state)
}

/// How many addresses are known of one peer.
///
/// Ownership: borrows the list.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_address_count(peers: *const psfs_peers, index: usize) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { at(peers, index) }.map_or(0, |peer| peer.addresses.len())
}

/// One address of one peer, both from 0.
///
/// Ownership: the text lives as long as the list.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_address(
    peers: *const psfs_peers,
    index: usize,
    address_index: usize,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { at(peers, index) }
        .and_then(|peer| peer.addresses.get(address_index))
        .map_or(ptr::null(), |address| address.as_ptr())
}

/// Frees the list.
///
/// Ownership: takes the list; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `peers` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_peers_free(peers: *mut psfs_peers) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(peers) });
}
