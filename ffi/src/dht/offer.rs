//! What others would like this satellite to keep, and its word on it.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use psfs_core::{Decision, Offer};

use super::value::number_of;
use crate::boundary::{
    Born, Handle, bad_input, handle, maybe_target, maybe_text, shield, take, target, wall,
};
use crate::callback::{UserData, psfs_drop_fn, psfs_offer_fn};
use crate::error::{Failure, c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::subscribe::{given, psfs_sub};

#[derive(Debug)]
pub(crate) struct Inner {
    key: CString,
    kind: u32,
    size: u64,
    publisher: CString,
    peer: CString,
    expires: u64,
    content: Option<Bytes>,
    /// Until it is decided on. When it goes undecided, that is a refusal.
    open: Mutex<Option<Offer>>,
}

impl From<Offer> for Inner {
    fn from(offer: Offer) -> Self {
        Self {
            key: c_string(&offer.key().to_string()),
            kind: number_of(offer.kind()),
            size: offer.size(),
            publisher: c_string(&offer.publisher().to_string()),
            peer: c_string(&offer.peer().to_string()),
            expires: offer.expires_ms(),
            content: offer.content().cloned(),
            open: Mutex::new(Some(offer)),
        }
    }
}

/// A value that another satellite would like this one to keep.
#[derive(Debug)]
pub struct psfs_offer {
    inner: Arc<Inner>,
    born: Born,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_offer {
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

    fn decide(&self, decision: Decision) -> Result<psfs_status, Failure> {
        let open = self
            .inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let offer =
            open.ok_or_else(|| bad_input("the offer was decided on before: decide once"))?;
        offer.decide(decision);
        Ok(PSFS_OK)
    }
}

impl Handle for psfs_offer {
    const NAME: &'static str = "offer";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// Calls `function` with every value that others would like this satellite to keep: when it is announced (without its content, unless it is
/// small), and once more when the content is here. It decides with psfs_offer_keep or psfs_offer_refuse, or retains the offer and does so
/// later, from any thread. One that it neither decides on nor retains is refused.
///
/// The decision must come within 5 s: after that it is not kept. It takes the place of a function that was there before; without any,
/// everything is kept that fits. What this satellite stores itself is asked about, too.
///
/// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails. Free `*out` with psfs_sub_free, which
/// also ends it: then everything is kept again. With `out` NULL it is registered until shutdown.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
/// Thread: any; before or after the start. `function` is called on a callback thread, never twice at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `function` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_on_store(
    satellite: *const psfs_satellite,
    function: psfs_offer_fn,
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
        let born = satellite.born;
        let subscription = satellite.satellite.dht().on_offer(move |offer| {
            let offer = psfs_offer::lent(offer.into(), born);
            // SAFETY: the caller's function, with the caller's pointer; the offer lives until it returns.
            unsafe { function(&raw const offer, user.pointer()) }
        })?;
        if let Some(out) = out {
            out.give(psfs_sub::new(subscription, born));
        }
        Ok(PSFS_OK)
    })
}

/// Where it would be kept: 64 hexadecimal digits.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_key(offer: *const psfs_offer) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.key.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// What kind of value it is: PSFS_KIND_*.
///
/// Ownership: borrows the offer.
/// Errors: UINT32_MAX for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_kind(offer: *const psfs_offer) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.kind)
    })
    .unwrap_or(u32::MAX)
}

/// Bytes of its content.
///
/// Ownership: borrows the offer.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_size(offer: *const psfs_offer) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.size)
    })
    .unwrap_or(0)
}

/// Who stored it: proved for PSFS_KIND_SIGNED once the content is here, else what was claimed.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_publisher(offer: *const psfs_offer) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.publisher.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Who offers it. Proved, never claimed.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_peer(offer: *const psfs_offer) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.peer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// When it is to be forgotten, in ms since 1970.
///
/// Ownership: borrows the offer.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_expires(offer: *const psfs_offer) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        Some(offer.inner.expires)
    })
    .unwrap_or(0)
}

/// Its content, once it is here: any bytes, not closed by a NUL.
///
/// Ownership: the bytes live as long as the handle.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL, and while only the announcement is here.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_content(
    offer: *const psfs_offer,
    length: *mut usize,
) -> *const u8 {
    let content = shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let offer = unsafe { offer.as_ref() }?;
        offer.inner.content.as_ref()
    });
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// Keeps it, if it fits. PSFS_OK also when the 5 s were over.
///
/// Ownership: borrows the offer.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it was decided on before).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_keep(
    offer: *const psfs_offer,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        unsafe { handle(offer) }?.decide(Decision::Keep)
    })
}

/// Does not keep it. The text (may be NULL) is told to who offers it, its first 256 bytes. PSFS_OK also when the 5 s were over.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (it was decided on before).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_refuse(
    offer: *const psfs_offer,
    why: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (offer, why) = unsafe { (handle(offer)?, maybe_text(why, "why")?) };
        offer.decide(Decision::Refuse(why.unwrap_or_default().to_owned()))
    })
}

/// Keeps an offer after its callback, to decide on it later; without copying its content.
///
/// Ownership: free `*out` with psfs_offer_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_retain(
    offer: *const psfs_offer,
    out: *mut *mut psfs_offer,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, offer) = unsafe { (target(out, ptr::null_mut())?, handle(offer)?) };
        out.give(offer.again());
        Ok(PSFS_OK)
    })
}

/// Frees a retained offer: undecided, it is refused.
///
/// Ownership: takes what psfs_offer_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `offer` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_offer_free(offer: *mut psfs_offer) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { offer.as_ref() }.is_some_and(|offer| offer.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(offer) });
        }
    });
}
