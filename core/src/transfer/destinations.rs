//! Where this satellite is getting files to.
//!
//! A get that is cancelled still writes what came, on threads that nobody can stop: who asks for the same place again waits for that end. Whether
//! others write there, as another process, is not known here but by the lock of the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
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

    /// Takes one, for who can be cancelled with `cancel`. Waits for whoever was cancelled there.
    pub(super) async fn take(
        self: &Arc<Self>,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<Taken, TransferError> {
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
                    Some(getter) if getter.cancel.is_cancelled() => getter.left.clone(),
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
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn who_was_cancelled_is_waited_for_and_nobody_else() {
        let destinations = Arc::new(Destinations::default());
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let path = Path::new("a/file");
        let taken = destinations.take(path, &first).await.unwrap();
        let busy = destinations.take(path, &second).await.unwrap_err();
        assert!(matches!(busy, TransferError::Busy { .. }), "{busy}");
        destinations
            .take(Path::new("b/file"), &second)
            .await
            .unwrap();
        first.cancel();
        let mut waits = pin!(destinations.take(path, &second));
        assert!(poll!(&mut waits).is_pending());
        drop(taken);
        let taken = waits.await.unwrap();
        // Who waits can be cancelled, too.
        second.cancel();
        let third = CancellationToken::new();
        let mut waits = pin!(destinations.take(path, &third));
        assert!(poll!(&mut waits).is_pending());
        third.cancel();
        assert_eq!(waits.await.unwrap_err(), TransferError::Cancelled);
        drop(taken);
        assert!(destinations.lock().is_empty());
    }
}
