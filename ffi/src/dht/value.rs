//! Values that were fetched, and what was sealed in them.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use psfs_core::{Kind, Opened, Value};

use super::{PSFS_KIND_PLAIN, PSFS_KIND_RAW, PSFS_KIND_SIGNED};
use crate::boundary::{Born, Handle, handle, shield, take, target, wall};
use crate::error::{c_string, psfs_error};
use crate::status::{PSFS_OK, psfs_status};

#[derive(Debug)]
pub(crate) struct Inner {
    value: Value,
    key: CString,
    publisher: CString,
}

impl From<Value> for Inner {
    fn from(value: Value) -> Self {
        Self {
            key: c_string(&value.key().to_string()),
            publisher: c_string(&value.publisher().to_string()),
            value,
        }
    }
}

/// What was sealed.
#[derive(Debug)]
pub(crate) struct Inside {
    opened: Opened,
    sender: CString,
}

impl From<Opened> for Inside {
    fn from(opened: Opened) -> Self {
        Self {
            sender: c_string(&opened.sender.to_string()),
            opened,
        }
    }
}

pub(crate) fn number_of(kind: Kind) -> u32 {
    match kind {
        Kind::Plain => PSFS_KIND_PLAIN,
        Kind::Raw => PSFS_KIND_RAW,
        Kind::Signed => PSFS_KIND_SIGNED,
        _ => u32::MAX,
    }
}

/// A value that was fetched, and checked as far as its kind allows.
#[derive(Debug)]
pub struct psfs_value {
    inner: Arc<Inner>,
    born: Born,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_value {
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

    pub(crate) fn value(&self) -> &Value {
        &self.inner.value
    }
}

impl Handle for psfs_value {
    const NAME: &'static str = "value";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// What was sealed in a value for this satellite.
#[derive(Debug)]
pub struct psfs_opened {
    inner: Arc<Inside>,
    born: Born,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl psfs_opened {
    pub(crate) fn lent(inner: Inside, born: Born) -> Self {
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
}

impl Handle for psfs_opened {
    const NAME: &'static str = "opened";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// Its content: any bytes, not closed by a NUL. A signed value that was deleted has none, which only psfs_dht_watch tells.
///
/// Ownership: the bytes live as long as the handle.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_content(
    value: *const psfs_value,
    length: *mut usize,
) -> *const u8 {
    let content = shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(value.inner.value.content())
    });
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// Where it is: 64 hexadecimal digits.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_key(value: *const psfs_value) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(value.inner.key.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// What proves it: PSFS_KIND_*.
///
/// Ownership: borrows the value.
/// Errors: UINT32_MAX for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_kind(value: *const psfs_value) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(number_of(value.inner.value.kind()))
    })
    .unwrap_or(u32::MAX)
}

/// Who stored it: proved for PSFS_KIND_SIGNED, else what was claimed.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_publisher(value: *const psfs_value) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(value.inner.publisher.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// The number of a signed value; 0 of others.
///
/// Ownership: borrows the value.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_sequence(value: *const psfs_value) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(value.inner.value.sequence())
    })
    .unwrap_or(0)
}

/// When it is forgotten unless it is stored again, in ms since 1970.
///
/// Ownership: borrows the value.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_expires(value: *const psfs_value) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let value = unsafe { value.as_ref() }?;
        Some(value.inner.value.expires_ms())
    })
    .unwrap_or(0)
}

/// Keeps a value after its callback, without copying its content.
///
/// Ownership: free `*out` with psfs_value_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_retain(
    value: *const psfs_value,
    out: *mut *mut psfs_value,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, value) = unsafe { (target(out, ptr::null_mut())?, handle(value)?) };
        out.give(value.again());
        Ok(PSFS_OK)
    })
}

/// Frees a value.
///
/// Ownership: takes what a psfs_dht function or psfs_value_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `value` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_value_free(value: *mut psfs_value) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { value.as_ref() }.is_some_and(|value| value.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(value) });
        }
    });
}

/// What was sealed: any bytes, not closed by a NUL.
///
/// Ownership: the bytes live as long as the handle.
/// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_opened_content(
    opened: *const psfs_opened,
    length: *mut usize,
) -> *const u8 {
    let content = shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let opened = unsafe { opened.as_ref() }?;
        Some(&opened.inner.opened.content)
    });
    // SAFETY: NULL or valid for writing, by the contract of this function.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = content.map_or(0, |content| content.len());
    }
    content.map_or(ptr::null(), |content| content.as_ptr())
}

/// Who is said to have sealed it.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `opened` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_opened_sender(opened: *const psfs_opened) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let opened = unsafe { opened.as_ref() }?;
        Some(opened.inner.sender.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// 1: the sender is proved, by the signature of a signed value. 0: anybody may have written that name.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `opened` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_opened_proved(opened: *const psfs_opened) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let opened = unsafe { opened.as_ref() }?;
        Some(opened.inner.opened.proved.into())
    })
    .unwrap_or(0)
}

/// Keeps it after its callback, without copying its content.
///
/// Ownership: free `*out` with psfs_opened_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_opened_retain(
    opened: *const psfs_opened,
    out: *mut *mut psfs_opened,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, opened) = unsafe { (target(out, ptr::null_mut())?, handle(opened)?) };
        out.give(opened.again());
        Ok(PSFS_OK)
    })
}

/// Frees what was sealed.
///
/// Ownership: takes what psfs_dht_open or psfs_opened_retain gave; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `opened` is NULL or valid, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_opened_free(opened: *mut psfs_opened) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { opened.as_ref() }.is_some_and(|opened| opened.kept) {
            // SAFETY: kept, so given away boxed.
            drop(unsafe { take(opened) });
        }
    });
}
