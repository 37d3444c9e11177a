//! What became of a value that was stored, or deleted: what each node answered.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use psfs_core::{Answer, Reason, StoreOutcome, Stored};

use crate::boundary::{Handle, handle, shield, take, target, wall};
use crate::error::{c_string, psfs_error};
use crate::status::{PSFS_OK, psfs_status};

/// The node keeps it, and has said so by a receipt. Of psfs_dht_delete: it has forgotten it.
pub const PSFS_STORE_KEPT: u32 = 1;
/// The node had it already, and goes on keeping it.
pub const PSFS_STORE_HAD: u32 = 2;
/// The node refused: see psfs_stored_reason and psfs_stored_text.
pub const PSFS_STORE_REFUSED: u32 = 3;
/// The node did not answer, or not well: see psfs_stored_text.
pub const PSFS_STORE_FAILED: u32 = 4;

/// Its application decided so (psfs_dht_on_store).
pub const PSFS_REASON_POLICY: u32 = 1;
/// A budget is used up: of the publisher, of its network, or in all.
pub const PSFS_REASON_QUOTA: u32 = 2;
/// Larger than what it takes.
pub const PSFS_REASON_TOO_LARGE: u32 = 3;
/// It knows enough nodes that are nearer.
pub const PSFS_REASON_TOO_FAR: u32 = 4;
/// It has seen this satellite lie, or fail too often.
pub const PSFS_REASON_BLACKLISTED: u32 = 5;
/// Too much at once: it can be tried again.
pub const PSFS_REASON_BUSY: u32 = 6;
/// The value is not what its key, signature or size says.
pub const PSFS_REASON_INVALID: u32 = 7;
/// It has a newer one, another one, or one with another number than was to be replaced.
pub const PSFS_REASON_CONFLICT: u32 = 8;

#[derive(Debug)]
pub(crate) struct Inner {
    key: CString,
    sequence: u64,
    nodes: usize,
    proxy: Option<CString>,
    answers: Vec<One>,
}

/// What one node answered.
#[derive(Debug)]
struct One {
    peer: CString,
    outcome: u32,
    reason: u32,
    text: CString,
}

impl From<Stored> for Inner {
    fn from(stored: Stored) -> Self {
        Self {
            key: c_string(&stored.key().to_string()),
            sequence: stored.sequence(),
            nodes: stored.nodes(),
            proxy: stored.proxy().map(|peer| c_string(&peer.to_string())),
            answers: stored.answers().iter().map(One::from).collect(),
        }
    }
}

impl From<&Answer> for One {
    fn from(answer: &Answer) -> Self {
        let (outcome, reason, text) = match &answer.outcome {
            StoreOutcome::Kept => (PSFS_STORE_KEPT, 0, ""),
            StoreOutcome::Had => (PSFS_STORE_HAD, 0, ""),
            StoreOutcome::Refused { reason, text } => {
                (PSFS_STORE_REFUSED, number_of(*reason), text.as_str())
            }
            StoreOutcome::Failed(text) => (PSFS_STORE_FAILED, 0, text.as_str()),
            _ => (0, 0, ""),
        };
        Self {
            peer: c_string(&answer.peer.to_string()),
            outcome,
            reason,
            text: c_string(text),
        }
    }
}

fn number_of(reason: Reason) -> u32 {
    match reason {
        Reason::Policy => PSFS_REASON_POLICY,
        Reason::Quota => PSFS_REASON_QUOTA,
        Reason::TooLarge => PSFS_REASON_TOO_LARGE,
        Reason::TooFar => PSFS_REASON_TOO_FAR,
        Reason::Blacklisted => PSFS_REASON_BLACKLISTED,
        Reason::Busy => PSFS_REASON_BUSY,
        Reason::Invalid => PSFS_REASON_INVALID,
        Reason::Conflict => PSFS_REASON_CONFLICT,
        _ => 0,
    }
}

/// What became of a value that was stored.
#[derive(Debug)]
pub struct psfs_stored {
    inner: Arc<Inner>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_stored {
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

    fn answer(&self, index: usize) -> Option<&One> {
        self.inner.answers.get(index)
    }
}

impl Handle for psfs_stored {
    const NAME: &'static str = "stored";
}

/// Where the value is: 64 hexadecimal digits, for psfs_dht_fetch.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_key(stored: *const psfs_stored) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.inner.key.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// The number of a signed value; 0 of others.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_sequence(stored: *const psfs_stored) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.inner.sequence)
    })
    .unwrap_or(0)
}

/// How many nodes keep it, those that had it already among them.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_nodes(stored: *const psfs_stored) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.inner.nodes)
    })
    .unwrap_or(0)
}

/// Who stored it for this satellite, which reached too few nodes itself (psfs_dht_permit_proxy): then the answers are what that node says.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL, and where this satellite stored it itself.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_proxy(stored: *const psfs_stored) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        stored.inner.proxy.as_ref()
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many nodes were asked: each has an answer, the nearest to the key first.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_count(stored: *const psfs_stored) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.inner.answers.len())
    })
    .unwrap_or(0)
}

/// Which node answered, from 0; this satellite may be one of them.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_peer(
    stored: *const psfs_stored,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.answer(index)?.peer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// What that node did: PSFS_STORE_*.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_outcome(stored: *const psfs_stored, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.answer(index)?.outcome)
    })
    .unwrap_or(0)
}

/// Why that node refused: PSFS_REASON_*; 0 when it did not.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_reason(stored: *const psfs_stored, index: usize) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.answer(index)?.reason)
    })
    .unwrap_or(0)
}

/// What that node said when it refused, or how it failed, for people; else empty.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_text(
    stored: *const psfs_stored,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let stored = unsafe { stored.as_ref() }?;
        Some(stored.answer(index)?.text.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Keeps it after its callback.
///
/// Ownership: free `*out` with psfs_stored_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_retain(
    stored: *const psfs_stored,
    out: *mut *mut psfs_stored,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, stored) = unsafe { (target(out, ptr::null_mut())?, handle(stored)?) };
        out.give(stored.again());
        Ok(PSFS_OK)
    })
}

/// Frees what became of a value.
///
/// Ownership: takes what a psfs_dht function or psfs_stored_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `stored` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_stored_free(stored: *mut psfs_stored) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { stored.as_ref() }.is_some_and(|stored| stored.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(stored) });
        }
    });
}
