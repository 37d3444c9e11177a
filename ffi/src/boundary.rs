//! What every function does before and after its work: the panic wall, pointers, strings, handles, fork.
//!
//! Panics end here, in [`wall`] and [`shield`], and nowhere else. All pointers of a caller are looked at through the functions
//! below, so that NULL has one answer.

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use psfs_core::{Code, Error, PeerId};

use crate::error::{Failure, psfs_error};
use crate::status::{psfs_status, status_of};

/// Runs `body`; its error, or the panic it died of, goes to `err`, which is written in any case.
///
/// The caller promises that `err` is NULL or can be written.
pub(crate) fn wall(
    err: *mut *mut psfs_error,
    body: impl FnOnce() -> Result<psfs_status, Failure>,
) -> psfs_status {
    // SAFETY: every exported function demands that `err` is NULL or valid for writing.
    let err = unsafe { err.as_mut() };
    let outcome =
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic).into()));
    let (status, error) = match outcome {
        Ok(status) => (status, None),
        Err(failure) => (status_of(failure.error.code()), Some(failure)),
    };
    if let Some(err) = err {
        *err = error.map_or(ptr::null_mut(), |failure| {
            Box::into_raw(Box::new(psfs_error::from(failure)))
        });
    }
    status
}

/// The wall of functions that cannot report: a panic is logged and becomes the default.
pub(crate) fn shield<R: Default>(body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        tracing::error!("{}", panicked(&*panic));
        R::default()
    })
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text");
    Error::new(Code::Panic, format!("a panic was caught: {text}"))
}

fn null(name: &str) -> Failure {
    Error::new(Code::Null, format!("`{name}` is NULL")).into()
}

pub(crate) fn bad_input(message: impl Into<String>) -> Failure {
    Error::new(Code::BadInput, message).into()
}

/// Counts the forks this process comes from, as seen by this library: a handle of before a fork is not for the child, where
/// the satellite's threads are missing and its locks may be held for ever.
static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_the_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The forks counted when the first satellite of this process, or of one it was forked from, was made.
static FIRST_MADE: OnceLock<u32> = OnceLock::new();

/// Called where a satellite is made: from the first one on, forks are counted.
///
/// # Errors
/// [`Code::Forked`] in a child of a process that had made one: the timer thread that all satellites of a process share (libp2p's)
/// is not there, and a satellite without it would look alive and neither ping nor gossip.
pub(crate) fn may_make() -> Result<(), Failure> {
    let first = FIRST_MADE.get_or_init(|| {
        // SAFETY: the function only adds to an atomic, and the library is never unloaded (-z nodelete). It can fail for want of
        // memory alone; then a forked child is not told.
        unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
        FORKS.load(Ordering::Relaxed)
    });
    if *first == FORKS.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Error::new(
        Code::Forked,
        "this process was forked from one that had made a satellite: it cannot have its own",
    )
    .into())
}

/// When a handle was made, in forks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Born(u32);

impl Born {
    pub(crate) fn now() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    pub(crate) fn is_forked(self) -> bool {
        self.0 != FORKS.load(Ordering::Relaxed)
    }
}

/// A handle as C holds it.
pub(crate) trait Handle {
    /// The argument's name in messages.
    const NAME: &'static str;

    /// Set for handles with a living satellite behind them.
    fn born(&self) -> Option<Born> {
        None
    }
}

/// A handle of the caller's.
///
/// # Safety
/// NULL or valid for `'a`.
pub(crate) unsafe fn handle<'a, H: Handle>(pointer: *const H) -> Result<&'a H, Failure> {
    // SAFETY: passed on to the caller.
    let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(H::NAME))?;
    match handle.born() {
        Some(born) if born.is_forked() => Err(Error::new(
            Code::Forked,
            format!("the {} was made before this process was forked", H::NAME),
        )
        .into()),
        _ => Ok(handle),
    }
}

/// Frees a plain handle.
///
/// # Safety
/// NULL, or from [`give`] and never used again.
pub(crate) unsafe fn free<H>(pointer: *mut H) {
    if !pointer.is_null() {
        // SAFETY: every handle is made by `give` or in `wall`, which box it.
        drop(unsafe { Box::from_raw(pointer) });
    }
}

/// Takes a handle with a satellite behind it; `None` for NULL and in a forked child, where it is left as it is.
///
/// # Safety
/// NULL, or from [`give`] and never used again.
pub(crate) unsafe fn take<H: Handle>(pointer: *mut H) -> Option<Box<H>> {
    // SAFETY: passed on to the caller.
    let handle = unsafe { pointer.as_ref() }?;
    if handle.born().is_some_and(Born::is_forked) {
        return None;
    }
    // SAFETY: every handle is made by `give`, which boxes it.
    Some(unsafe { Box::from_raw(pointer) })
}

/// Where a result goes. Written first with an empty value, so that it is written whatever happens.
#[derive(Debug)]
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    pub(crate) fn set(self, value: T) {
        // SAFETY: checked by `target`, and the caller lends it for the whole call.
        unsafe { self.0.write(value) }
    }
}

impl<T> Out<*mut T> {
    /// Gives a new handle to the caller.
    pub(crate) fn give(self, handle: T) {
        self.set(Box::into_raw(Box::new(handle)));
    }
}

/// # Safety
/// `pointer` is NULL or valid for writing until the call ends.
pub(crate) unsafe fn target<T>(pointer: *mut T, empty: T) -> Result<Out<T>, Failure> {
    // SAFETY: passed on to the caller.
    unsafe { maybe_target(pointer, empty) }.ok_or_else(|| null("out"))
}

/// A result the caller need not take.
///
/// # Safety
/// `pointer` is NULL or valid for writing until the call ends.
pub(crate) unsafe fn maybe_target<T>(pointer: *mut T, empty: T) -> Option<Out<T>> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, so valid for writing.
    unsafe { pointer.write(empty) };
    Some(Out(pointer))
}

/// A string of the caller's.
///
/// # Safety
/// NULL or NUL-terminated and unchanged for `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, so NUL-terminated.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|error| {
        Error::new(
            Code::Utf8,
            format!("`{name}` is not UTF-8 from byte {} on", error.valid_up_to()),
        )
        .into()
    })
}

/// A string of the caller's that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn maybe_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on to the caller.
    unsafe { text(pointer, name) }.map(Some)
}

/// More texts than anything takes: a length that was not meant.
const TEXTS_MAX: usize = 1024;

/// A list of texts of the caller's: NULL with 0 is empty.
///
/// # Safety
/// NULL or `count` strings, each as for [`text`].
pub(crate) unsafe fn texts(
    pointer: *const *const c_char,
    count: usize,
    name: &str,
) -> Result<Vec<String>, Failure> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if count > TEXTS_MAX {
        return Err(bad_input(format!(
            "`{name}` are {count}: at most {TEXTS_MAX} are taken"
        )));
    }
    // SAFETY: not NULL, so `count` pointers, which stay for the call.
    let pointers = unsafe { std::slice::from_raw_parts(pointer, count) };
    pointers
        .iter()
        // SAFETY: passed on to the caller.
        .map(|pointer| unsafe { text(*pointer, name) }.map(str::to_owned))
        .collect()
}

/// Bytes of the caller's: NULL with 0 is empty.
///
/// # Safety
/// NULL or `length` bytes unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    length: usize,
    name: &str,
) -> Result<&'a [u8], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if isize::try_from(length).is_err() {
        return Err(bad_input(format!(
            "the length of `{name}` is {length}: more than there can be"
        )));
    }
    // SAFETY: not NULL, so `length` bytes, and no more than an object can have.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Room of the caller's for bytes.
#[derive(Debug)]
pub(crate) struct Room {
    start: *mut u8,
    bytes: usize,
}

impl Room {
    /// As many as fit; says how many.
    pub(crate) fn fill(self, from: &[u8]) -> usize {
        let length = from.len().min(self.bytes);
        // SAFETY: `start` has room for `bytes`, which nobody else uses during the call.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.start, length) };
        length
    }
}

/// # Safety
/// NULL or valid for writing `bytes` bytes until the call ends.
pub(crate) unsafe fn room(start: *mut u8, bytes: usize, name: &str) -> Result<Room, Failure> {
    if start.is_null() {
        return Err(null(name));
    }
    if bytes == 0 {
        return Err(bad_input(format!(
            "`{name}` has no room: give it some, best 1 MiB"
        )));
    }
    Ok(Room { start, bytes })
}

/// A content of the caller's, copied: the one copy on the way out. What is over the limit is refused and never touched.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn content(
    pointer: *const u8,
    length: usize,
    limit: usize,
) -> Result<Bytes, Failure> {
    // SAFETY: passed on to the caller.
    let content = unsafe { bytes(pointer, length, "data") }?;
    if length > limit {
        return Err(Error::new(
            Code::TooLarge,
            format!("the content has {length} bytes, the limit is {limit}"),
        )
        .into());
    }
    Ok(Bytes::copy_from_slice(content))
}

/// A flag of the caller's.
pub(crate) fn switch(value: u32, name: &str) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(bad_input(format!("`{name}` is {value}: give 0 or 1"))),
    }
}

/// A peer id of the caller's.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn peer(pointer: *const c_char) -> Result<PeerId, Failure> {
    // SAFETY: passed on to the caller.
    Ok(unsafe { text(pointer, "peer") }?.parse::<PeerId>()?)
}

/// An options struct of the caller's, which may be older or newer than this library.
///
/// # Safety
/// `pointer` is NULL or its `struct_size` says how many bytes it has; `T` is a plain C struct that begins with it, has no padding and for
/// which all zeros are valid.
pub(crate) unsafe fn options<T: Copy + Default>(
    pointer: *const T,
    name: &str,
) -> Result<T, Failure> {
    const SANE: usize = 4096;
    let mut options = T::default();
    if pointer.is_null() {
        return Ok(options);
    }
    // SAFETY: it begins with its size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if !(size_of::<usize>()..=SANE).contains(&size) {
        return Err(bad_input(format!(
            "struct_size of `{name}` is {size}: set it to sizeof the struct"
        )));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: the caller's struct has `size` bytes, ours at least `known`, and any bytes make a valid T.
    unsafe {
        ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut options).cast::<u8>(), known)
    };
    // SAFETY: the caller's struct has `size` bytes.
    let unknown =
        unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(known), size - known) };
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(Error::new(
            Code::Unsupported,
            format!("`{name}` sets a field that this version of the library does not know"),
        )
        .into());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;
    use crate::error::{psfs_error_code, psfs_error_free, psfs_error_hint, psfs_error_message};
    use crate::status::{PSFS_E_PANIC, PSFS_OK};

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        let mut err = ptr::null_mut();
        assert_eq!(
            wall(&raw mut err, || panic!("the {}", "roof")),
            PSFS_E_PANIC
        );
        // SAFETY: `err` was written above, and is freed once.
        unsafe {
            assert_eq!(psfs_error_code(err), PSFS_E_PANIC);
            let message = CStr::from_ptr(psfs_error_message(err)).to_str().unwrap();
            assert!(message.contains("the roof"), "{message}");
            assert!(!CStr::from_ptr(psfs_error_hint(err)).is_empty());
            psfs_error_free(err);
        }
        assert_eq!(
            wall(ptr::null_mut(), || panic!("nobody wants to know")),
            PSFS_E_PANIC
        );
        assert_eq!(shield(|| -> u32 { panic!("nor can be told") }), 0);
    }

    #[test]
    fn err_is_written_when_all_went_well() {
        let mut err = ptr::dangling_mut::<psfs_error>();
        assert_eq!(wall(&raw mut err, || Ok(PSFS_OK)), PSFS_OK);
        assert!(err.is_null());
    }
}
