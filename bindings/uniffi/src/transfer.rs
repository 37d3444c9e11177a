//! What goes on by itself and tells how far it is: files on their way, and files that are hashed to be shared.
//!
//! Only the newest word is kept: who does not ask misses the earlier ones, and holds up nothing.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::{Stream, stream};
use psfs_core::{Code, Satellite, Transfer};
use tokio::sync::watch;

use crate::failure::NativeError;
use crate::file_values::{NativeFile, NativeProgress};
use crate::hub::{Batch, Outcome, Shared};
use crate::source::{Feed, NativeSource};
use crate::under_way::{UnderWay, closed, spawn};

/// What was told so far.
#[derive(Clone, Default)]
struct Told {
    news: Option<NativeProgress>,
    end: Option<Result<NativeFile, NativeError>>,
}

/// Who tells.
#[derive(Clone)]
pub(crate) struct Teller(watch::Sender<Told>);

impl Teller {
    pub(crate) fn tell(&self, news: NativeProgress) {
        self.0.send_modify(|told| told.news = Some(news));
    }

    /// Tells of a transfer, to its end.
    pub(crate) async fn follow(self, mut transfer: Transfer) -> Result<NativeFile, NativeError> {
        while let Some(progress) = transfer.advanced().await {
            self.tell(progress.into());
        }
        Ok(transfer.received().await?.into())
    }

    /// The first one holds.
    fn end(&self, end: Result<NativeFile, NativeError>) {
        self.0.send_if_modified(|told| {
            let is_first = told.end.is_none();
            if is_first {
                told.end = Some(end);
            }
            is_first
        });
    }
}

fn cancelled() -> NativeError {
    NativeError::new(Code::Cancelled, "it was cancelled")
}

type Work = Pin<Box<dyn Future<Output = Result<NativeFile, NativeError>> + Send>>;

/// Taken away by who cancels it: when that returns, nothing of it goes on, and the same call can be made again.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Work>>>);

impl Slot {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<NativeFile, NativeError>>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = slot.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = work.as_mut().poll(context).map(Some);
        if polled.is_ready() {
            *slot = None;
        }
        polled
    }

    fn clear(&self) {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Outside the lock.
        drop(work);
    }
}

/// What drives it on the satellite's runtime. Dropped before its end, the satellite has ended.
struct Driver {
    slot: Slot,
    teller: Teller,
}

impl Driver {
    async fn run(self) {
        let end = poll_fn(|context| self.slot.poll(context)).await;
        self.teller.end(end.unwrap_or_else(|| Err(cancelled())));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.slot.clear();
        self.teller.end(Err(closed()));
    }
}

/// Something that goes on by itself. Dropped, it is cancelled; of what was to come, what came is kept.
#[derive(uniffi::Object)]
pub struct NativeTransfer {
    hub: Arc<Shared>,
    slot: Slot,
    teller: Teller,
    under_way: UnderWay,
}

impl fmt::Debug for NativeTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.teller.0.borrow().end.is_some();
        write!(f, "NativeTransfer(ended: {ended})")
    }
}

impl NativeTransfer {
    pub(crate) fn begin<F>(
        core: &Satellite,
        hub: &Arc<Shared>,
        work: impl FnOnce(Teller) -> Result<F, NativeError>,
    ) -> Result<Arc<Self>, NativeError>
    where
        F: Future<Output = Result<NativeFile, NativeError>> + Send + 'static,
    {
        let teller = Teller(watch::Sender::default());
        let work: Work = Box::pin(work(teller.clone())?);
        let slot = Slot(Arc::new(Mutex::new(Some(work))));
        let driver = Driver {
            slot: slot.clone(),
            teller: teller.clone(),
        };
        Ok(Arc::new(Self {
            hub: Arc::clone(hub),
            under_way: spawn(core, driver.run())?,
            slot,
            teller,
        }))
    }
}

impl Drop for NativeTransfer {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[uniffi::export]
impl NativeTransfer {
    /// How far it is, from the newest word on: [`Batch::Progress`], and what goes wrong.
    pub fn progress(&self) -> Arc<NativeSource> {
        NativeSource::new(&self.hub, feed(news(self.teller.0.subscribe())))
    }

    /// Its end, however often it is asked for. Gives [`Outcome::File`].
    pub fn received(&self, id: i64) -> Result<bool, NativeError> {
        let mut told = self.teller.0.subscribe();
        self.hub.run(id, async move {
            let told = told.wait_for(|told| told.end.is_some()).await;
            match told.ok().and_then(|told| told.end.clone()) {
                Some(end) => Ok(Outcome::File { file: end? }),
                None => Err(closed()),
            }
        })
    }

    /// Ends it: who waits for it is told so.
    pub fn cancel(&self) {
        self.slot.clear();
        self.teller.end(Err(cancelled()));
        self.under_way.cancel();
    }
}

/// What is told, to the end of it.
fn news(
    told: watch::Receiver<Told>,
) -> impl Stream<Item = Result<NativeProgress, NativeError>> + Send {
    stream::try_unfold((told, None), |(mut told, shown)| async move {
        loop {
            let Told { news, end } = told.borrow_and_update().clone();
            if let Some(news) = news
                && shown != Some(news)
            {
                return Ok(Some((news, (told, Some(news)))));
            }
            if let Some(end) = end {
                return end.map(|_| None);
            }
            if told.changed().await.is_err() {
                return Err(closed());
            }
        }
    })
}

fn feed(news: impl Stream<Item = Result<NativeProgress, NativeError>> + Send + 'static) -> Feed {
    let mut news = Box::pin(news);
    Box::new(move |context, _, _| {
        news.as_mut().poll_next(context).map(|next| match next {
            Some(progress) => progress.map(|progress| Batch::Progress { progress }),
            None => Ok(Batch::End),
        })
    })
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn bytes(bytes: i64) -> NativeProgress {
        NativeProgress::hashed(bytes as u64)
    }

    #[test]
    fn the_newest_word_is_told_and_then_the_end() {
        let teller = Teller(watch::Sender::default());
        let mut first = Box::pin(news(teller.0.subscribe()));
        assert_eq!(first.next().now_or_never(), None);
        teller.tell(bytes(1));
        assert_eq!(first.next().now_or_never(), Some(Some(Ok(bytes(1)))));
        assert_eq!(first.next().now_or_never(), None);
        teller.tell(bytes(2));
        teller.tell(bytes(3));
        teller.end(Err(closed()));
        teller.end(Ok(NativeFile::default()));
        // Who asks late is told the newest word as well.
        for mut told in [first, Box::pin(news(teller.0.subscribe()))] {
            assert_eq!(told.next().now_or_never(), Some(Some(Ok(bytes(3)))));
            assert_eq!(told.next().now_or_never(), Some(Some(Err(closed()))));
            assert_eq!(told.next().now_or_never(), Some(None));
        }
    }

    #[test]
    fn what_is_cancelled_is_gone_when_that_returns() {
        let held = Arc::new(());
        let work = {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Err(closed())
            }
        };
        let slot = Slot(Arc::new(Mutex::new(Some(Box::pin(work)))));
        let driver = Driver {
            slot: slot.clone(),
            teller: Teller(watch::Sender::default()),
        };
        let told = driver.teller.0.subscribe();
        let mut run = Box::pin(driver.run());
        assert_eq!((&mut run).now_or_never(), None);
        assert_eq!(Arc::strong_count(&held), 2);
        slot.clear();
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(told.borrow().end.is_none());
        // Dropped with the satellite, it is told, too.
        drop(run);
        assert_eq!(told.borrow().end, Some(Err(closed())));
    }
}
