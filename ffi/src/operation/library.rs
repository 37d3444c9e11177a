//! The twins of finding files, of their tags, of removing and of reading them.

use std::ffi::{c_char, c_void};
use std::future::Future;

use psfs_core::error::TransferError;

use super::{Twin, psfs_op};
use crate::boundary::{handle, maybe_text, text, wall};
use crate::callback::{
    psfs_bytes_fn, psfs_done_fn, psfs_drop_fn, psfs_files_fn, psfs_strings_fn, psfs_was_there_fn,
};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::subscribe::given;
use crate::text::psfs_strings;
use crate::transfer::library::{psfs_query, query};
use crate::transfer::listing::psfs_files;
use crate::transfer::root;

impl Twin {
    /// For what tells whether something was there.
    pub(super) fn begin_telling<W>(
        self,
        satellite: &psfs_satellite,
        was_there: psfs_was_there_fn,
        work: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<bool, TransferError>> + Send + 'static,
    {
        self.begin_giving(
            satellite.parts(),
            async move { Ok(work.await?) },
            move |found: bool, ud| {
                if let Some(was_there) = was_there {
                    // SAFETY: the caller's function, with the caller's pointer.
                    unsafe { was_there(found.into(), ud) }
                }
            },
        )
    }
}

/// As psfs_transfer_find, without waiting: `found` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_transfer_find come with `done`.
/// Thread: any; `found` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_find_async(
    satellite: *const psfs_satellite,
    query: *const psfs_query,
    found: psfs_files_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let query = unsafe { self::query(query) }?;
        let found = given(found, "found")?;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(files.find(query).await?) },
            move |list, ud| {
                let list = psfs_files::lent(list);
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { found(&raw const list, ud) }
            },
        )
    })
}

/// As psfs_transfer_tags, without waiting: `tags` is called with what it gives, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
/// of psfs_transfer_tags come with `done`.
/// Thread: any; `tags` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_tags_async(
    satellite: *const psfs_satellite,
    owner: *const c_char,
    after: *const c_char,
    most: usize,
    tags: psfs_strings_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (owner, after) = unsafe { (maybe_text(owner, "owner")?, maybe_text(after, "after")?) };
        let (owner, after) = (owner.map(str::to_owned), after.map(str::to_owned));
        let tags = given(tags, "tags")?;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(files.tags(owner.as_deref(), after.as_deref(), most).await?) },
            move |list, ud| {
                let list = psfs_strings::lent(list);
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { tags(&raw const list, ud) }
            },
        )
    })
}

/// As psfs_transfer_tag, without waiting: `done` is called when the file has it.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
/// the other errors of psfs_transfer_tag come with `done`.
/// Thread: any; `done` is called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_tag_async(
    satellite: *const psfs_satellite,
    root: *const c_char,
    tag: *const c_char,
    owner: *const c_char,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (root, tag, owner) = unsafe {
            (
                self::root(root)?,
                text(tag, "tag")?,
                maybe_text(owner, "owner")?,
            )
        };
        let (tag, owner) = (tag.to_owned(), owner.map(str::to_owned));
        twin.begin_silent(satellite.parts(), async move {
            Ok(files.tag(&root, &tag, owner.as_deref()).await?)
        })
    })
}

/// As psfs_transfer_untag, without waiting: `had` (may be NULL) is called with whether the file had it, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
/// the other errors of psfs_transfer_untag come with `done`.
/// Thread: any; `had` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_untag_async(
    satellite: *const psfs_satellite,
    root: *const c_char,
    tag: *const c_char,
    owner: *const c_char,
    had: psfs_was_there_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (root, tag, owner) = unsafe {
            (
                self::root(root)?,
                text(tag, "tag")?,
                maybe_text(owner, "owner")?,
            )
        };
        let (tag, owner) = (tag.to_owned(), owner.map(str::to_owned));
        twin.begin_telling(satellite, had, async move {
            files.untag(&root, &tag, owner.as_deref()).await
        })
    })
}

/// As psfs_transfer_remove, without waiting: `was_his` (may be NULL) is called with whether it was his, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
/// the other errors of psfs_transfer_remove come with `done`.
/// Thread: any; `was_his` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_remove_async(
    satellite: *const psfs_satellite,
    root: *const c_char,
    owner: *const c_char,
    was_his: psfs_was_there_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let (root, owner) = unsafe { (self::root(root)?, maybe_text(owner, "owner")?) };
        let owner = owner.map(str::to_owned);
        twin.begin_telling(satellite, was_his, async move {
            files.remove(&root, owner.as_deref()).await
        })
    })
}

/// As psfs_transfer_read, without waiting: `read` is called with the bytes to the end of the MiB or of the file, then `done`.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
/// the other errors of psfs_transfer_read come with `done`.
/// Thread: any; `read` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_read_async(
    satellite: *const psfs_satellite,
    root: *const c_char,
    offset: u64,
    read: psfs_bytes_fn,
    done: psfs_done_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    out: *mut *mut psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let twin = Twin::new(done, ud, drop, out);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        let files = satellite.running_files()?;
        // SAFETY: by the contract of this function.
        let root = unsafe { self::root(root) }?;
        let read = given(read, "read")?;
        twin.begin_giving(
            satellite.parts(),
            async move { Ok(files.read(&root, offset).await?) },
            move |bytes, ud| {
                // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
                unsafe { read(bytes.as_ptr(), bytes.len(), ud) }
            },
        )
    })
}
