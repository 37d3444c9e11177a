//! The twins of sharing, getting and putting: what takes as long as a file is large. They tell how far it is.

use std::ffi::{c_char, c_void};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use psfs_core::error::TransferError;
use psfs_core::{Items, Progress, Received, Shared, Transfer};

use super::{Twin, psfs_op};
use crate::boundary::{handle, wall};
use crate::callback::{psfs_done_fn, psfs_drop_fn, psfs_file_fn, psfs_hashed_fn, psfs_progress_fn};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::psfs_status;
use crate::subscribe::given;
use crate::transfer::getting::{psfs_get_options, psfs_progress, to_get};
use crate::transfer::keeping::{psfs_put_options, to_put};
use crate::transfer::psfs_file;
use crate::transfer::sharing::{psfs_share_options, to_share};

/// How often it is told how many bytes were hashed.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// What is told of a file on its way.
enum Moving {
    Progress(Progress),
    There(Received),
}

/// What is told of a file that is shared.
enum Sharing {
    Hashed(u64),
    Shared(Shared),
}

/// Lends a file to the caller's function, if there is one.
fn give_file(file: impl Into<crate::transfer::Inner>, to: psfs_file_fn, ud: *mut c_void) {
    if let Some(to) = to {
        let file = psfs_file::lent(file.into());
        // SAFETY: the caller's function, with the caller's pointer; what it is lent lives until it returns.
        unsafe { to(&raw const file, ud) }
    }
}

impl Twin {
    /// For a transfer, which is begun once it is sure that there will be an operation.
    fn begin_moving(
        self,
        satellite: &psfs_satellite,
        progress: psfs_progress_fn,
        there: psfs_file_fn,
        begin: impl FnOnce() -> Result<Transfer, TransferError>,
    ) -> Result<psfs_status, Failure> {
        given(self.done, "done")?;
        let mut transfer = begin()?;
        self.begin(
            satellite.parts(),
            async move |items: Items<Moving>| {
                while let Some(now) = transfer.advanced().await {
                    if progress.is_some() && !items.send(Moving::Progress(now)).await {
                        break;
                    }
                }
                let received = transfer.received().await?;
                items.send(Moving::There(received)).await;
                Ok(())
            },
            move |told, ud| match told {
                Moving::Progress(now) => psfs_progress::tell(now, progress, ud),
                Moving::There(received) => give_file(received, there, ud),
            },
        )
    }
}

/// As psfs_transfer_share, without waiting: `hashed` (may be NULL) is called with how many bytes were hashed, a few times a second and at the end;
/// `shared` (may be NULL) with what it gives; then `done`. Cancelled, the hashing ends and nothing is shared.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
/// `done` is not called; the other errors of psfs_transfer_share come with `done`.
/// Thread: any; `hashed`, `shared` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_share_async(
    satellite: *const psfs_satellite,
    path: *const c_char,
    options: *const psfs_share_options,
    hashed: psfs_hashed_fn,
    shared: psfs_file_fn,
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
        let (path, mut options) = unsafe { to_share(path, options) }?;
        let bytes = Arc::new(AtomicU64::new(0));
        if hashed.is_some() {
            let bytes = Arc::clone(&bytes);
            options = options.progress(move |more| {
                bytes.fetch_add(more, Ordering::Relaxed);
            });
        }
        twin.begin(
            satellite.parts(),
            async move |items: Items<Sharing>| {
                let mut sharing = pin!(files.share(path, options));
                let done = loop {
                    tokio::select! {
                        done = &mut sharing => break done?,
                        () = tokio::time::sleep(TELL_EVERY), if hashed.is_some() => {
                            let bytes = bytes.load(Ordering::Relaxed);
                            items.send(Sharing::Hashed(bytes)).await;
                        }
                    }
                };
                if hashed.is_some() {
                    let bytes = bytes.load(Ordering::Relaxed);
                    items.send(Sharing::Hashed(bytes)).await;
                }
                items.send(Sharing::Shared(done)).await;
                Ok(())
            },
            move |told, ud| match (told, hashed) {
                // SAFETY: the caller's function, with the caller's pointer.
                (Sharing::Hashed(bytes), Some(hashed)) => unsafe { hashed(bytes, ud) },
                (Sharing::Hashed(_), None) => {}
                (Sharing::Shared(done), _) => give_file(done, shared, ud),
            },
        )
    })
}

/// As psfs_transfer_get, without waiting: `progress` (may be NULL) is called with how far it is, at the beginning, a few times a second or
/// every 8 MiB, and at the end; `received` (may be NULL) with what it gives; then `done`. Cancelled, what came is kept, and the same call goes on from there.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is
/// no operation and `done` is not called; the other errors of psfs_transfer_get come with `done`.
/// Thread: any; `progress`, `received` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_get_async(
    satellite: *const psfs_satellite,
    wanted: *const c_char,
    destination: *const c_char,
    options: *const psfs_get_options,
    progress: psfs_progress_fn,
    received: psfs_file_fn,
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
        let (wanted, destination, options) = unsafe { to_get(wanted, destination, options) }?;
        twin.begin_moving(satellite, progress, received, || {
            files.get(wanted, destination, options)
        })
    })
}

/// As psfs_transfer_put, without waiting: `progress` (may be NULL) is called with how far it is, a few times a second; `kept` (may be NULL) with what
/// it gives; then `done`. Cancelled, what came there is kept for a while, and the same call goes on from there.
///
/// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this fails.
/// Free `*out` with psfs_op_free; `out` may be NULL.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is
/// no operation and `done` is not called; the other errors of psfs_transfer_put come with `done`.
/// Thread: any; `progress`, `kept` and `done` are called on a callback thread, never two at once.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; the functions take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_put_async(
    satellite: *const psfs_satellite,
    server: *const c_char,
    path: *const c_char,
    token: *const c_char,
    options: *const psfs_put_options,
    progress: psfs_progress_fn,
    kept: psfs_file_fn,
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
        let (server, (path, options)) =
            unsafe { (satellite.peer(server)?, to_put(path, token, options)?) };
        twin.begin_moving(satellite, progress, kept, || {
            files.put(&server, path, options)
        })
    })
}
