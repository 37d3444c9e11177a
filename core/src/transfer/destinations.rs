//! Where this satellite is getting files to.
//!
//! A get that is cancelled still writes what came, on threads that nobody can stop: who asks for the same place again waits for that end. Whether
//! others write there, as another process, is not known here but by the lock of the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::TransferError;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Destinations(Mutex<HashMap<PathBuf, Getter>>);

#[derive(Clone, Debug)]
struct Getter {
    cancel: CancellationToken,
    left: CancellationToken,
}

/// A destination that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    destinations: Arc<Destinations>,
    path: PathBuf,
}

impl Destinations {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Getter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one, for who can be cancelled with `cancel`. Waits for whoever was cancelled there; until `patience` is over also for others, as who
    /// cancels on another thread may be believed a moment before it is so.
    pub(super) async fn take(
        self: &Arc<Self>,
        path: &Path,
        cancel: &CancellationToken,
        patience: impl Future<Output = ()>,
    ) -> Result<Taken, TransferError> {
        let mut patience = pin!(patience);
        let mut patient = true;
        loop {
            let left = {
                let mut destinations = self.lock();
                match destinations.get(path) {
                    None => {
                        let getter = Getter {
                            cancel: cancel.clone(),
                            left: CancellationToken::new(),
                        };
                        destinations.insert(path.to_owned(), getter);
                        return Ok(Taken {
                            destinations: Arc::clone(self),
                            path: path.to_owned(),
                        });
                    }
                    Some(getter) if patient || getter.cancel.is_cancelled() => getter.left.clone(),
                    Some(_) => {
                        return Err(TransferError::Busy {
                            path: path.to_owned(),
                        });
                    }
                }
            };
            tokio::select! {
                () = left.cancelled() => {}
                () = cancel.cancelled() => return Err(TransferError::Cancelled),
                () = &mut patience, if patient => patient = false,
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(getter) = self.destinations.lock().remove(&self.path) {
            getter.left.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn who_was_cancelled_is_waited_for_and_nobody_else() {
        let destinations = Arc::new(Destinations::default());
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let path = Path::new("a/file");
        let taken = destinations.take(path, &first, ready(())).await.unwrap();
        let busy = destinations
            .take(path, &second, ready(()))
            .await
            .unwrap_err();
        assert!(matches!(busy, TransferError::Busy { .. }), "{busy}");
        destinations
            .take(Path::new("b/file"), &second, ready(()))
            .await
            .unwrap();
        // Who was told that it is cancelled waits a moment for that.
        let mut waits = pin!(destinations.take(path, &second, pending()));
        assert!(poll!(&mut waits).is_pending());
        first.cancel();
        let mut later = pin!(destinations.take(path, &second, ready(())));
        assert!(poll!(&mut later).is_pending());
        assert!(poll!(&mut waits).is_pending());
        drop(taken);
        let taken = waits.await.unwrap();
        // Who waits can be cancelled, too.
        second.cancel();
        let third = CancellationToken::new();
        let mut waits = pin!(destinations.take(path, &third, ready(())));
        assert!(poll!(&mut waits).is_pending());
        third.cancel();
        assert_eq!(waits.await.unwrap_err(), TransferError::Cancelled);
        drop(taken);
        assert!(destinations.lock().is_empty());
    }
}
