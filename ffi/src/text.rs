//! Texts that a function hands out: one, or a list.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::boundary::{Handle, free, handle, shield, target, wall};
use crate::error::{c_string, psfs_error};
use crate::status::{PSFS_OK, psfs_status};

/// A text that the library made.
pub struct psfs_string(Zeroizing<Vec<u8>>);

// A text may be a key: not shown.
impl std::fmt::Debug for psfs_string {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "psfs_string({} bytes)", self.0.len() - 1)
    }
}

/// A list of texts that the library made.
#[derive(Debug)]
pub struct psfs_strings {
    texts: Arc<Vec<CString>>,
    /// Owned by the program; else it lies on the stack of a callback.
    kept: bool,
}

impl Handle for psfs_strings {
    const NAME: &'static str = "strings";
}

impl psfs_string {
    pub(crate) fn new(text: &str) -> Self {
        // With room for the NUL from the start, so that no copy is left behind unwiped.
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self(bytes.into())
    }
}

impl psfs_strings {
    /// The program's.
    pub(crate) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        Self::lent(texts).again()
    }

    pub(crate) fn lent(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().map(|text| c_string(&text)).collect();
        Self {
            texts: Arc::new(texts),
            kept: false,
        }
    }

    /// One more handle, the program's.
    fn again(&self) -> Self {
        Self {
            texts: Arc::clone(&self.texts),
            kept: true,
        }
    }
}

/// The text.
///
/// Ownership: lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `string` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_string_text(string: *const psfs_string) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { string.as_ref() }.map_or(ptr::null(), |string| string.0.as_ptr().cast())
}

/// The text's bytes, without the closing NUL.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `string` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_string_length(string: *const psfs_string) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { string.as_ref() }.map_or(0, |string| string.0.len() - 1)
}

/// Frees a text.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `string` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_string_free(string: *mut psfs_string) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(string) });
}

/// How many texts the list has.
///
/// Ownership: borrows the handle.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `strings` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_strings_count(strings: *const psfs_strings) -> usize {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { strings.as_ref() }.map_or(0, |strings| strings.texts.len())
}

/// One text of the list, from 0.
///
/// Ownership: lives as long as the handle.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `strings` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_strings_at(
    strings: *const psfs_strings,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { strings.as_ref() }
        .and_then(|strings| strings.texts.get(index))
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Keeps a list after its callback, without copying it.
///
/// Ownership: free `*out` with psfs_strings_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_strings_retain(
    strings: *const psfs_strings,
    out: *mut *mut psfs_strings,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, strings) = unsafe { (target(out, ptr::null_mut())?, handle(strings)?) };
        out.give(strings.again());
        Ok(PSFS_OK)
    })
}

/// Frees a list of texts.
///
/// Ownership: takes the handle; NULL is nothing, and so is one that a callback was lent.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `strings` is NULL or from this library, and an owned one is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_strings_free(strings: *mut psfs_strings) {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        if unsafe { strings.as_ref() }.is_some_and(|strings| strings.kept) {
            // SAFETY: kept, so given away boxed.
            unsafe { free(strings) };
        }
    });
}
