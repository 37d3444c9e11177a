//! The error handle: what happened, and what to do next.

use std::ffi::{CString, c_char};
use std::ptr;

use psfs_core::Error;
use psfs_core::error::RequestError;

use crate::boundary::{free, shield};
use crate::status::{PSFS_E_NULL, psfs_status, status_of};

/// What went wrong: made by the function that failed, freed by whom it was given to.
#[derive(Debug)]
pub struct psfs_error {
    code: psfs_status,
    message: CString,
    hint: CString,
    app: Option<(i32, Option<CString>)>,
}

/// An error on its way to the boundary.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Code and text the peer's application failed with.
    pub(crate) app: Option<(i32, String)>,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            app: None,
        }
    }
}

impl Failure {
    /// Keeps what the peer's application said.
    pub(crate) fn of_request(error: RequestError) -> Self {
        let app = match &error {
            RequestError::Failed { code, text, .. } if *code > 0 => Some((*code, text.clone())),
            _ => None,
        };
        Self {
            error: error.into(),
            app,
        }
    }
}

impl From<Failure> for psfs_error {
    fn from(failure: Failure) -> Self {
        Self {
            code: status_of(failure.error.code()),
            message: c_string(failure.error.message()),
            hint: c_string(failure.error.hint()),
            app: failure.app.map(|(code, text)| {
                let text = (!text.is_empty()).then(|| c_string(&text));
                (code, text)
            }),
        }
    }
}

/// Text for C; a NUL inside, which only foreign text can hold, ends it there.
pub(crate) fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// The status that came with the error.
///
/// Ownership: borrows the error.
/// Errors: PSFS_E_NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_code(error: *const psfs_error) -> psfs_status {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { error.as_ref() }.map_or(PSFS_E_NULL, |error| error.code)
}

/// What happened to what, in one line.
///
/// Ownership: the text lives as long as the error.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_message(error: *const psfs_error) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { error.as_ref() }.map_or(ptr::null(), |error| error.message.as_ptr())
}

/// What to do next, in one sentence.
///
/// Ownership: the text lives as long as the error.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_hint(error: *const psfs_error) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { error.as_ref() }.map_or(ptr::null(), |error| error.hint.as_ptr())
}

/// With PSFS_E_HANDLER_FAILED: the positive code with which the peer's application ended the request (see psfs_event_end);
/// 0 when it gave none.
///
/// Ownership: borrows the error.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_app_code(error: *const psfs_error) -> i32 {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { error.as_ref() }
        .and_then(|error| error.app.as_ref())
        .map_or(0, |(code, _)| *code)
}

/// With PSFS_E_HANDLER_FAILED: the text that came with psfs_error_app_code; NULL when there is none.
///
/// Ownership: the text lives as long as the error.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_app_text(error: *const psfs_error) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { error.as_ref() }
        .and_then(|error| error.app.as_ref())
        .and_then(|(_, text)| text.as_ref())
        .map_or(ptr::null(), |text| text.as_ptr())
}

/// Frees an error.
///
/// Ownership: takes the error; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `error` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_error_free(error: *mut psfs_error) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(error) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_fails_without_a_text_leaves_none() {
        let texts = ["", "nine"].map(|text| {
            let error = psfs_error::from(Failure::of_request(RequestError::Failed {
                peer: "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
                    .parse()
                    .unwrap(),
                code: 9,
                text: text.into(),
            }));
            // SAFETY: the error lives.
            let text = unsafe { psfs_error_app_text(&raw const error) };
            (error.app.map(|(code, _)| code), text.is_null())
        });
        assert_eq!(texts, [(Some(9), true), (Some(9), false)]);
    }
}
