//! What a person follows: each question of a walk, and whom this satellite knows.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use psfs_core::{Hop, RoutingRow, Trace};

use super::fetch_options;
use crate::boundary::{Handle, free, handle, shield, take, target, wall};
use crate::error::{c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::wait_for;

/// It was heard itself.
pub const PSFS_NODE_PROVED: u32 = 1;
/// Others told of it.
pub const PSFS_NODE_MET: u32 = 2;
/// It does not answer.
pub const PSFS_NODE_FAILING: u32 = 3;
/// There was no room for it: it waits until there is.
pub const PSFS_NODE_SPARE: u32 = 4;

/// Whom a satellite knows in the DHT, as it was when this was made.
#[derive(Debug)]
pub struct psfs_routing(Vec<Row>);

#[derive(Debug)]
struct Row {
    bucket: u32,
    peer: CString,
    state: u32,
    unseen_ms: u64,
}

impl From<RoutingRow> for Row {
    fn from(row: RoutingRow) -> Self {
        Self {
            bucket: row.bucket,
            peer: c_string(&row.peer.to_string()),
            state: match row.state {
                "proved" => PSFS_NODE_PROVED,
                "met" => PSFS_NODE_MET,
                "failing" => PSFS_NODE_FAILING,
                "spare" => PSFS_NODE_SPARE,
                _ => 0,
            },
            unseen_ms: u64::try_from(row.unseen.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    key: CString,
    hops: Vec<Asked>,
    holders: Vec<CString>,
    closest: Vec<CString>,
}

/// One question.
#[derive(Debug)]
struct Asked {
    peer: CString,
    depth: u32,
    path: u32,
    common_bits: u32,
    took_us: u64,
    outcome: CString,
}

impl From<Hop> for Asked {
    fn from(hop: Hop) -> Self {
        let took = hop.took.map(|took| u64::try_from(took.as_micros()).ok());
        Self {
            peer: c_string(&hop.peer.to_string()),
            depth: hop.depth,
            path: u32::try_from(hop.path).unwrap_or(u32::MAX),
            common_bits: hop.common_bits,
            took_us: took.flatten().unwrap_or(u64::MAX),
            outcome: c_string(&hop.outcome),
        }
    }
}

impl From<Trace> for Inner {
    fn from(trace: Trace) -> Self {
        let texts = |peers: Vec<psfs_core::PeerId>| {
            peers
                .iter()
                .map(|peer| c_string(&peer.to_string()))
                .collect()
        };
        Self {
            key: c_string(&trace.key.to_string()),
            hops: trace.hops.into_iter().map(Asked::from).collect(),
            holders: texts(trace.holders),
            closest: texts(trace.closest),
        }
    }
}

/// A walk to a key, question by question.
#[derive(Debug)]
pub struct psfs_trace {
    inner: Arc<Inner>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_trace {
    pub(crate) fn lent(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            kept: false,
        }
    }

    /// One more handle, the program's.
    pub(crate) fn again(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            kept: true,
        }
    }

    fn hop(&self, index: usize) -> Option<&Asked> {
        self.inner.hops.get(index)
    }
}

impl Handle for psfs_trace {
    const NAME: &'static str = "trace";
}

/// Whom this satellite knows in the DHT, as it is at this moment.
///
/// Ownership: free `*out` with psfs_routing_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_routing_table(
    satellite: *const psfs_satellite,
    out: *mut *mut psfs_routing,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let rows = satellite.satellite.dht().routing_table();
        out.give(psfs_routing(rows.into_iter().map(Row::from).collect()));
        Ok(PSFS_OK)
    })
}

/// How many nodes the table has.
///
/// Ownership: borrows the table.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_count(routing: *const psfs_routing) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let routing = unsafe { routing.as_ref() }?;
        Some(routing.0.len())
    })
    .unwrap_or(0)
}

/// One node, from 0.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_peer(
    routing: *const psfs_routing,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let routing = unsafe { routing.as_ref() }?;
        Some(routing.0.get(index)?.peer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many bits its place has in common with that of this satellite.
///
/// Ownership: borrows the table.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_bucket(routing: *const psfs_routing, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let routing = unsafe { routing.as_ref() }?;
        Some(routing.0.get(index)?.bucket)
    })
    .unwrap_or(0)
}

/// How well it is known: PSFS_NODE_*.
///
/// Ownership: borrows the table.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_state(routing: *const psfs_routing, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let routing = unsafe { routing.as_ref() }?;
        Some(routing.0.get(index)?.state)
    })
    .unwrap_or(0)
}

/// How long ago it was last heard, or heard of, in ms.
///
/// Ownership: borrows the table.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_unseen_ms(routing: *const psfs_routing, index: usize) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let routing = unsafe { routing.as_ref() }?;
        Some(routing.0.get(index)?.unseen_ms)
    })
    .unwrap_or(0)
}

/// Frees the table.
///
/// Ownership: takes the table; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `routing` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_routing_free(routing: *mut psfs_routing) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(routing) });
}

/// Walks to a key on all ways and tells each question and its answer.
///
/// Ownership: everything is borrowed for the call. Free `*out` with psfs_trace_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_CLOSED.
/// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_trace_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_trace(
    satellite: *const psfs_satellite,
    key: *const c_char,
    timeout_ms: u32,
    out: *mut *mut psfs_trace,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        let dht = satellite.running_dht()?;
        // SAFETY: by the contract of this function.
        let key = unsafe { super::key(key) }?;
        let trace = wait_for(dht.trace(key, fetch_options(timeout_ms)))?;
        out.give(psfs_trace::lent(trace.into()).again());
        Ok(PSFS_OK)
    })
}

/// Where it went.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_key(trace: *const psfs_trace) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.inner.key.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many questions were asked.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_count(trace: *const psfs_trace) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.inner.hops.len())
    })
    .unwrap_or(0)
}

/// Who was asked, in the order in which they were, from 0.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_peer(trace: *const psfs_trace, index: usize) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.peer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many told of each other before it: 1 for those this satellite knew.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_depth(trace: *const psfs_trace, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.depth)
    })
    .unwrap_or(0)
}

/// Which of the separate ways it is on, from 0.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_path(trace: *const psfs_trace, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.path)
    })
    .unwrap_or(0)
}

/// How many bits its place has in common with the key.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_common_bits(trace: *const psfs_trace, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.common_bits)
    })
    .unwrap_or(0)
}

/// How long it took, in microseconds; UINT64_MAX when it was not waited for.
///
/// Ownership: borrows the handle.
/// Errors: UINT64_MAX for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_took_us(trace: *const psfs_trace, index: usize) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.took_us)
    })
    .unwrap_or(u64::MAX)
}

/// What it answered, for people.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_outcome(
    trace: *const psfs_trace,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.hop(index)?.outcome.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many nodes have the value.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_holder_count(trace: *const psfs_trace) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.inner.holders.len())
    })
    .unwrap_or(0)
}

/// One node that has the value, from 0.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_holder(
    trace: *const psfs_trace,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        trace.inner.holders.get(index).map(CString::as_c_str)
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many nodes answered that are near.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_closest_count(trace: *const psfs_trace) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        Some(trace.inner.closest.len())
    })
    .unwrap_or(0)
}

/// One of the nearest nodes that answered, the nearest first, from 0.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_closest(
    trace: *const psfs_trace,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let trace = unsafe { trace.as_ref() }?;
        trace.inner.closest.get(index).map(CString::as_c_str)
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Keeps it after its callback.
///
/// Ownership: free `*out` with psfs_trace_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_retain(
    trace: *const psfs_trace,
    out: *mut *mut psfs_trace,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, trace) = unsafe { (target(out, ptr::null_mut())?, handle(trace)?) };
        out.give(trace.again());
        Ok(PSFS_OK)
    })
}

/// Frees a walk.
///
/// Ownership: takes what psfs_dht_trace or psfs_trace_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `trace` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_trace_free(trace: *mut psfs_trace) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { trace.as_ref() }.is_some_and(|trace| trace.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(trace) });
        }
    });
}
