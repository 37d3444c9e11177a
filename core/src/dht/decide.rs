//! The application's word on what this satellite keeps.
//!
//! An offer waits for it in a bounded queue; the handler runs on the callback threads. No word in time, or a full queue, is a refusal that can
//! be tried again; without a handler everything is kept that fits.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Dht;
use super::node::Node;
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::value::{Entry, Kind, Reason};
use crate::satellite::{Source, Subscription};

/// Offers that may wait for the handler.
const QUEUE: usize = 1024;
/// How long it may take for one.
const DECIDE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the application says of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Decision {
    /// It is kept, if it fits.
    Keep,
    /// It is not; the text is told to who offers it, its first 256 bytes.
    Refuse(String),
}

/// A value that another satellite would like this one to keep. Asked once when it is announced (no content yet, unless it is small) and once
/// more when the content is here. Dropped without a word it is refused.
#[derive(Debug)]
pub struct Offer {
    entry: Entry,
    peer: PeerId,
    content: Option<Bytes>,
    word: Option<oneshot::Sender<Decision>>,
}

impl Offer {
    /// Where it would be kept.
    pub fn key(&self) -> Key {
        self.entry.key
    }

    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        self.entry.kind
    }

    /// Bytes of its content.
    pub fn size(&self) -> u64 {
        self.entry.size
    }

    /// Who stored it. Proved for signed values only.
    pub fn publisher(&self) -> &PeerId {
        &self.entry.publisher
    }

    /// Who offers it: proved. This satellite itself, where it is a mirror that has found the value.
    pub fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// When it is to be forgotten, in ms since 1970.
    pub fn expires_ms(&self) -> u64 {
        self.entry.expires_ms
    }

    /// Its content, once it is here.
    pub fn content(&self) -> Option<&Bytes> {
        self.content.as_ref()
    }

    /// Keeps it.
    pub fn keep(self) {
        self.decide(Decision::Keep);
    }

    /// Does not keep it; the text is told to who offers it.
    pub fn refuse(self, text: impl Into<String>) {
        self.decide(Decision::Refuse(text.into()));
    }

    /// Either.
    pub fn decide(mut self, decision: Decision) {
        if let Some(word) = self.word.take() {
            // Who asked may have stopped waiting.
            let _late = word.send(decision);
        }
    }
}

/// Where offers wait for the application.
#[derive(Debug)]
pub(super) struct Deciding(mpsc::Sender<Offer>);

/// The offers that others make, as a stream. Dropping it keeps everything again.
#[derive(Debug)]
pub struct Offers {
    offers: mpsc::Receiver<Offer>,
    node: Arc<Node>,
    /// Weak: its end is the end of this stream.
    deciding: Weak<Deciding>,
    /// One for all calls of [`Offers::next`]: who drops that between two polls is woken all the same.
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Offers {
    /// The next offer; `None` after shutdown or when another handler took over.
    pub async fn next(&mut self) -> Option<Offer> {
        tokio::select! {
            biased;
            () = self.stop.as_mut() => None,
            offer = self.offers.recv() => offer,
        }
    }

    fn leave(&mut self) {
        let mut deciding = self
            .node
            .deciding
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if deciding
            .as_ref()
            .is_some_and(|current| Arc::as_ptr(current) == self.deciding.as_ptr())
        {
            *deciding = None;
        }
        self.offers.close();
    }
}

impl Drop for Offers {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Source<Offer> for Offers {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<Offer>, max: usize) -> Poll<bool> {
        self.offers
            .poll_recv_many(cx, out, max)
            .map(|count| count > 0)
    }

    fn close(&mut self) {
        self.leave();
    }
}

impl Dht {
    /// Asks `handler` about every value that others would like this satellite to keep, on the callback threads. It takes the place of one that
    /// was there before. Without any, everything is kept that fits.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn on_store(
        &self,
        mut handler: impl FnMut(&Offer) -> Decision + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        self.on_offer(move |offer| {
            let decision = handler(&offer);
            offer.decide(decision);
        })
    }

    /// The same for a handler that keeps the offer, to decide on it later and from any thread: within 5 s, or it is not kept.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn on_offer(
        &self,
        handler: impl FnMut(Offer) + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        Ok(self.base().attach(self.offers(), handler)?)
    }

    /// The same as a stream: each offer waits for its word.
    pub fn offers(&self) -> Offers {
        let (sender, offers) = mpsc::channel(QUEUE);
        let deciding = Arc::new(Deciding(sender));
        let mut current = self
            .node
            .deciding
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::clone(&deciding));
        Offers {
            offers,
            node: Arc::clone(&self.node),
            deciding: Arc::downgrade(&deciding),
            stop: Box::pin(self.satellite.stop_token().cancelled_owned()),
        }
    }
}

impl Node {
    /// The application's word; nothing to say against it is a yes.
    pub(super) async fn decide(
        &self,
        peer: PeerId,
        entry: &Entry,
        content: Option<&Bytes>,
    ) -> Result<(), (Reason, String)> {
        let deciding = self
            .deciding
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(deciding) = deciding else {
            return Ok(());
        };
        let (word, said) = oneshot::channel();
        let offer = Offer {
            entry: entry.clone(),
            peer,
            content: content.cloned(),
            word: Some(word),
        };
        let busy = |text: &str| Err((Reason::Busy, text.to_owned()));
        if deciding.0.try_send(offer).is_err() {
            return busy("its application has too many offers to decide on");
        }
        tokio::select! {
            biased;
            decision = said => match decision {
                Ok(Decision::Keep) => Ok(()),
                Ok(Decision::Refuse(text)) => Err((Reason::Policy, text)),
                Err(_) => Err((Reason::Policy, "its application did not decide".into())),
            },
            () = self.base.sleep(DECIDE_TIMEOUT) => busy("its application took too long to decide"),
        }
    }
}
