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
pub(super) struct Places(Mutex<HashMap<PathBuf, Place>>);

#[derive(Clone, Debug)]
struct Place {
    cancel: CancellationToken,
    left: CancellationToken,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    places: Arc<Places>,
    path: PathBuf,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, for who can be cancelled with `cancel`. Waits for whoever was cancelled there.
    pub(super) async fn take(
        self: &Arc<Self>,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<Taken, TransferError> {
        loop {
            let left = {
                let mut places = self.lock();
                match places.get(path) {
                    None => {
                        let place = Place {
                            cancel: cancel.clone(),
                            left: CancellationToken::new(),
                        };
                        places.insert(path.to_owned(), place);
                        return Ok(Taken {
                            places: Arc::clone(self),
                            path: path.to_owned(),
                        });
                    }
                    Some(place) if place.cancel.is_cancelled() => place.left.clone(),
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
        if let Some(place) = self.places.lock().remove(&self.path) {
            place.left.cancel();
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
        let places = Arc::new(Places::default());
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let path = Path::new("a/file");
        let taken = places.take(path, &first).await.unwrap();
        let busy = places.take(path, &second).await.unwrap_err();
        assert!(matches!(busy, TransferError::Busy { .. }), "{busy}");
        places.take(Path::new("b/file"), &second).await.unwrap();
        first.cancel();
        let mut waits = pin!(places.take(path, &second));
        assert!(poll!(&mut waits).is_pending());
        drop(taken);
        let taken = waits.await.unwrap();
        // Who waits can be cancelled, too.
        second.cancel();
        let third = CancellationToken::new();
        let mut waits = pin!(places.take(path, &third));
        assert!(poll!(&mut waits).is_pending());
        third.cancel();
        assert_eq!(waits.await.unwrap_err(), TransferError::Cancelled);
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
