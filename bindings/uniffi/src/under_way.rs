//! Work that goes on on the satellite's own runtime, so that a language whose thread is busy holds up none of it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use futures::channel::oneshot;
use psfs_core::{Code, Error, Items, Operation, Satellite};

use crate::failure::NativeError;
use crate::hub::{Outcome, Shared};

/// What is said where nothing runs.
pub(crate) fn closed() -> NativeError {
    NativeError::new(Code::Closed, "the satellite is not running")
}

/// Ends with whoever waits for it.
pub(crate) struct UnderWay(Operation);

impl UnderWay {
    pub(crate) fn cancel(&self) {
        self.0.cancel();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Begins at once, and goes on by itself.
pub(crate) fn spawn(
    core: &Satellite,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<UnderWay, NativeError> {
    if !core.is_running() {
        return Err(closed());
    }
    let under_way = core.operate(
        |_: Items<Infallible>| async move {
            work.await;
            Ok(())
        },
        |_| {},
        |_| {},
    )?;
    Ok(UnderWay(under_way))
}

/// The same of a call that is waited for.
pub(crate) fn run<T, E>(
    core: &Satellite,
    hub: &Arc<Shared>,
    id: i64,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
    outcome: impl FnOnce(T) -> Outcome + Send + 'static,
) -> Result<bool, NativeError>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let under_way = spawn(core, async move {
        // Whoever asked may be gone.
        let _gone = tell.send(work.await).is_err();
    })?;
    hub.run(id, async move {
        let result = told.await;
        drop(under_way);
        // Nothing is told by what the satellite's end has ended.
        let result = result.map_err(|_| closed())?;
        Ok(outcome(result?))
    })
}
