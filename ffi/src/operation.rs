//! Operations: what the twins of blocking calls give back, and how all twins begin. They return at once and tell by callback how it
//! went.

use std::ffi::c_void;
use std::future::Future;
use std::ptr;
use std::sync::{Arc, OnceLock};

use psfs_core::error::{RequestError, SendError};
use psfs_core::{Items, Operation, Replies, Reply, Satellite};

use crate::boundary::{Born, Handle, Out, handle, maybe_target, shield, take, wall};
use crate::callback::{UserData, psfs_done_fn, psfs_drop_fn, psfs_reply_fn};
use crate::error::{Failure, psfs_error};
use crate::replies::psfs_reply;
use crate::status::{PSFS_OK, PSFS_PENDING, psfs_status, status_of};
use crate::subscribe::given;
use crate::wait::time;

pub mod answering;
pub mod asking;
pub mod background;
pub mod connecting;
pub mod fetching;
pub mod keeping;
pub mod library;
pub mod moving;
pub mod storing;

/// An operation under way, or ended.
#[derive(Debug)]
pub struct psfs_op {
    operation: Operation,
    app: App,
    born: Born,
}

/// What the peer's application failed with: beside the outcome, which the core keeps.
type App = Arc<OnceLock<(i32, String)>>;

impl Handle for psfs_op {
    const NAME: &'static str = "operation";

    fn born(&self) -> Option<Born> {
        Some(self.born)
    }
}

/// What every twin is given beside its arguments.
struct Twin {
    done: psfs_done_fn,
    user: UserData,
    out: Option<Out<*mut psfs_op>>,
}

impl Twin {
    /// First of all, so that the caller's drop runs whatever happens next.
    fn new(
        done: psfs_done_fn,
        ud: *mut c_void,
        drop: psfs_drop_fn,
        out: *mut *mut psfs_op,
    ) -> Self {
        let user = UserData::new(ud, drop);
        // SAFETY: every twin demands that `out` is NULL or valid.
        let out = unsafe { maybe_target(out, ptr::null_mut()) };
        Self { done, user, out }
    }

    /// Begins it, on a satellite that runs. `item` is called with what the work sends.
    fn begin<I, W>(
        self,
        satellite: (&Satellite, Born),
        work: impl FnOnce(Items<I>) -> W,
        item: impl Fn(I, *mut c_void) + Send + 'static,
    ) -> Result<psfs_status, Failure>
    where
        I: Send + 'static,
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        given(self.done, "done")?;
        if !satellite.0.is_running() {
            return Err(SendError::Closed.into());
        }
        self.begin_stopped(satellite, work, item)
    }

    /// The same on a satellite that need not run.
    fn begin_stopped<I, W>(
        self,
        (satellite, born): (&Satellite, Born),
        work: impl FnOnce(Items<I>) -> W,
        item: impl Fn(I, *mut c_void) + Send + 'static,
    ) -> Result<psfs_status, Failure>
    where
        I: Send + 'static,
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let done = given(self.done, "done")?;
        let app = App::default();
        let (failed, told) = (app.clone(), app.clone());
        // One pointer for all calls: dropped, and so the caller's drop run, when the last call is over.
        let user = Arc::new(self.user);
        let at_end = user.clone();
        let operation = satellite.operate(
            |items| {
                let work = work(items);
                async move {
                    work.await.map_err(|failure| {
                        if let Some(app) = failure.app {
                            // Empty until here: this runs once.
                            let _ = failed.set(app);
                        }
                        failure.error
                    })
                }
            },
            move |value| item(value, user.pointer()),
            move |outcome| {
                let (status, error) = match outcome {
                    Ok(()) => (PSFS_OK, None),
                    Err(error) => {
                        let failure = Failure {
                            app: told.get().cloned(),
                            error,
                        };
                        (
                            status_of(failure.error.code()),
                            Some(psfs_error::from(failure)),
                        )
                    }
                };
                let error = error.as_ref().map_or(ptr::null(), ptr::from_ref);
                // SAFETY: the caller's function, with the caller's pointer; the error lives until it returns.
                unsafe { done(status, error, at_end.pointer()) }
            },
        )?;
        if let Some(out) = self.out {
            out.give(psfs_op {
                operation,
                app,
                born,
            });
        }
        Ok(PSFS_OK)
    }

    /// For what tells nothing before its end.
    fn begin_silent<W>(self, satellite: (&Satellite, Born), work: W) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.begin(satellite, |_: Items<()>| work, |(), _| {})
    }

    /// For what gives one thing, which `give` is called with before its end.
    fn begin_giving<T, W>(
        self,
        satellite: (&Satellite, Born),
        work: W,
        give: impl Fn(T, *mut c_void) + Send + 'static,
    ) -> Result<psfs_status, Failure>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.begin(
            satellite,
            async move |items| {
                items.send(work.await?).await;
                Ok(())
            },
            give,
        )
    }

    /// For what is answered with replies.
    fn begin_asking<W>(
        self,
        satellite: (&Satellite, Born),
        reply: psfs_reply_fn,
        asking: W,
    ) -> Result<psfs_status, Failure>
    where
        W: Future<Output = Result<Replies, RequestError>> + Send + 'static,
    {
        let reply = given(reply, "reply")?;
        let born = satellite.1;
        self.begin(
            satellite,
            async move |items| {
                let mut replies = asking.await.map_err(Failure::of_request)?;
                while let Some(reply) = replies.next().await {
                    if !items.send(reply.map_err(Failure::of_request)?).await {
                        break;
                    }
                }
                Ok(())
            },
            move |value: Reply, ud| {
                let value = psfs_reply::lent(Arc::new(value), born);
                // SAFETY: the caller's function, with the caller's pointer; the reply lives until it returns.
                unsafe { reply(&raw const value, ud) }
            },
        )
    }
}

/// Ends an operation: its done function is called with PSFS_E_CANCELLED, unless it had ended. Never waits. It takes nothing back: what the
/// operation was for may have been done, or still be done (see psfs_send for messages).
///
/// Ownership: borrows the handle, which must still be freed.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_cancel(
    op: *const psfs_op,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        unsafe { handle(op) }?.operation.cancel();
        Ok(PSFS_OK)
    })
}

/// Waits for the end of an operation, not for its done function. Of replies and of progress that come, 256 at most wait for their callbacks: with more, an
/// operation cannot end while nobody runs these, as inside the only callback thread, or with 0 of them and no psfs_satellite_dispatch. Answers how the operation ended: PSFS_OK or its error; PSFS_PENDING when it
/// still goes on after `timeout_ms` (0 only asks).
///
/// Ownership: borrows the handle.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, and those of the operation.
/// Thread: any; blocks for up to `timeout_ms`.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_wait(
    op: *const psfs_op,
    timeout_ms: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let op = unsafe { handle(op) }?;
        match op.operation.wait(time(timeout_ms)) {
            None => Ok(PSFS_PENDING),
            Some(Ok(())) => Ok(PSFS_OK),
            Some(Err(error)) => Err(Failure {
                app: op.app.get().cloned(),
                error,
            }),
        }
    })
}

/// Frees the handle. The operation goes on, and its done function is still called; psfs_op_cancel first ends it.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none. In a process forked since, nothing is freed.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `op` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_op_free(op: *mut psfs_op) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| drop(unsafe { take(op) }));
}
