//! What comes one after another: packets, replies, offers, things that happen to peers. Asked for in batches, and answered by number.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use psfs_core::config::BATCH_EVENTS;
use psfs_core::{Code, PacketType, ReplyError, Responder};

use crate::failure::NativeError;
use crate::hub::{Batch, Outcome, Shared};
use crate::packed::{self, KEEP_FROM};
use crate::peers::peer_event;

/// One thing that came.
enum Item {
    Packet(psfs_core::Event),
    Reply(psfs_core::Reply),
}

impl Item {
    fn content(&self) -> &Bytes {
        match self {
            Self::Packet(event) => event.content(),
            Self::Reply(reply) => reply.content(),
        }
    }
}

/// Where batches come from: up to so many items at once.
pub(crate) type Feed =
    Box<dyn FnMut(&mut Context<'_>, usize, &Kept) -> Poll<Result<Batch, NativeError>> + Send>;

/// What stays here until it is released.
enum Keep {
    Item {
        /// For its content, and for the sender's credit.
        _item: Item,
        responder: Option<Arc<Responder>>,
    },
    /// It waits for its word.
    Offer(psfs_core::Offer),
}

impl Keep {
    fn responder(&mut self) -> Option<&mut Option<Arc<Responder>>> {
        match self {
            Self::Item { responder, .. } => Some(responder),
            Self::Offer(_) => None,
        }
    }
}

/// Not bounded by itself: packets are bounded by their senders' credit, requests by `open_requests`, offers by what the
/// language takes at once.
#[derive(Default)]
pub(crate) struct Kept(Mutex<(u64, HashMap<u64, Keep>)>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Keep>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packs items; those that are large or can be answered stay.
    fn pack(&self, items: Vec<Item>) -> Batch {
        let mut kept = self.lock();
        let mut heads = Vec::with_capacity(items.len());
        for item in &items {
            let (peer, timestamp_ms, responder) = match item {
                Item::Reply(reply) => (*reply.peer(), reply.timestamp_ms(), None),
                Item::Packet(event) => {
                    // A message has none.
                    let responder = match event.packet_type() {
                        PacketType::Message => None,
                        _ => event.take_responder().ok().map(Arc::new),
                    };
                    (*event.peer(), event.timestamp_ms(), responder)
                }
            };
            let large = item.content().len() >= KEEP_FROM;
            let number = if large || responder.is_some() {
                kept.0 += 1;
                kept.0
            } else {
                0
            };
            heads.push((number, peer, timestamp_ms, responder));
        }
        let bytes = packed::pack(items.iter().zip(&heads).map(
            |(item, (number, peer, timestamp_ms, responder))| packed::Item {
                number: *number,
                timestamp_ms: *timestamp_ms,
                peer,
                answerable: responder.is_some(),
                content: item.content(),
            },
        ));
        for (item, (number, _, _, responder)) in items.into_iter().zip(heads) {
            if number > 0 {
                kept.1.insert(
                    number,
                    Keep::Item {
                        _item: item,
                        responder,
                    },
                );
            }
        }
        Batch::Packed { bytes, over: false }
    }

    /// Keeps an offer, and gives the number that it goes by.
    pub(crate) fn offer(&self, offer: psfs_core::Offer) -> i64 {
        let mut kept = self.lock();
        kept.0 += 1;
        let number = kept.0;
        kept.1.insert(number, Keep::Offer(offer));
        i64::try_from(number).unwrap_or(i64::MAX)
    }

    fn take(&self, number: i64) -> Option<Keep> {
        let number = u64::try_from(number).ok()?;
        self.lock().1.remove(&number)
    }

    fn responder(&self, number: i64) -> Result<Arc<Responder>, NativeError> {
        self.with(number, |keep| keep.responder().and_then(|one| one.clone()))
            .flatten()
            .ok_or_else(taken)
    }

    fn take_responder(&self, number: i64) -> Result<Responder, NativeError> {
        self.with(number, |keep| keep.responder().map(take_from))
            .flatten()
            .unwrap_or_else(|| Err(taken()))
    }

    fn with<T>(&self, number: i64, f: impl FnOnce(&mut Keep) -> T) -> Option<T> {
        let number = u64::try_from(number).ok()?;
        self.lock().1.get_mut(&number).map(f)
    }
}

/// A feed of packets.
pub(crate) fn of_packets(mut events: psfs_core::Events) -> Feed {
    Box::new(move |context, max, kept| {
        let mut batch = Vec::new();
        let polled = {
            let next = pin!(events.next_batch(&mut batch, max));
            next.poll(context)
        };
        polled.map(|goes_on| {
            Ok(if goes_on {
                kept.pack(batch.into_iter().map(Item::Packet).collect())
            } else {
                Batch::End
            })
        })
    })
}

/// A feed of what happens to peers.
fn of_peers(mut events: psfs_core::PeerEvents) -> Feed {
    Box::new(move |context, max, _| {
        let mut batch = Vec::new();
        let polled = {
            let next = pin!(events.next_batch(&mut batch, max));
            next.poll(context)
        };
        polled.map(|goes_on| {
            Ok(if goes_on {
                Batch::Peers {
                    events: batch.into_iter().filter_map(peer_event).collect(),
                }
            } else {
                Batch::End
            })
        })
    })
}

/// A feed of replies.
fn of_replies(
    replies: impl Stream<Item = Result<psfs_core::Reply, NativeError>> + Send + 'static,
) -> Feed {
    let mut replies = Box::pin(replies);
    // An error that came after replies of the same batch: it is told when those are taken.
    let mut failed = None;
    Box::new(move |context, max, kept| {
        if let Some(failure) = failed.take() {
            return Poll::Ready(Err(failure));
        }
        let mut batch = Vec::new();
        let mut ended = false;
        while batch.len() < max {
            match replies.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(reply))) => batch.push(Item::Reply(reply)),
                Poll::Ready(Some(Err(failure))) if batch.is_empty() => {
                    return Poll::Ready(Err(failure));
                }
                Poll::Ready(Some(Err(failure))) => {
                    failed = Some(failure);
                    break;
                }
                Poll::Ready(None) if batch.is_empty() => return Poll::Ready(Ok(Batch::End)),
                Poll::Ready(None) => {
                    ended = true;
                    break;
                }
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        let mut packed = kept.pack(batch);
        // Said with them, so that a request with one answer crosses once.
        if let Batch::Packed { over, .. } = &mut packed {
            *over = ended;
        }
        Poll::Ready(Ok(packed))
    })
}

/// The part that a call under way holds.
struct Inner {
    reading: Mutex<Reading>,
    kept: Kept,
}

struct Reading {
    feed: Option<Feed>,
    /// A call to `next` is open.
    busy: bool,
    /// Who is told when the source is stopped.
    waiting: Option<Waker>,
}

impl Inner {
    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_batch(
        &self,
        context: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Batch, NativeError>> {
        let mut reading = self.reading();
        let Some(feed) = reading.feed.as_mut() else {
            return Poll::Ready(Ok(Batch::End));
        };
        let polled = feed(context, max, &self.kept);
        match &polled {
            Poll::Pending => reading.waiting = Some(context.waker().clone()),
            Poll::Ready(Err(_) | Ok(Batch::End | Batch::Packed { over: true, .. })) => {
                reading.feed = None;
            }
            Poll::Ready(Ok(_)) => {}
        }
        polled
    }
}

/// Held by the one call to `next` that is open.
struct Busy(Arc<Inner>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut reading = self.0.reading();
        (reading.busy, reading.waiting) = (false, None);
    }
}

/// Items as they come. Stopping or dropping it ends the subscription or request; what it keeps stays until it is released or the source
/// dropped.
#[derive(uniffi::Object)]
pub struct NativeSource {
    hub: Arc<Shared>,
    inner: Arc<Inner>,
}

impl fmt::Debug for NativeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeSource")
            .field("kept", &self.inner.kept.lock().1.len())
            .finish_non_exhaustive()
    }
}

impl NativeSource {
    pub(crate) fn new(hub: &Arc<Shared>, feed: Feed) -> Arc<Self> {
        Arc::new(Self {
            hub: Arc::clone(hub),
            inner: Arc::new(Inner {
                reading: Mutex::new(Reading {
                    feed: Some(feed),
                    busy: false,
                    waiting: None,
                }),
                kept: Kept::default(),
            }),
        })
    }

    pub(crate) fn of_peers(hub: &Arc<Shared>, events: psfs_core::PeerEvents) -> Arc<Self> {
        Self::new(hub, of_peers(events))
    }

    pub(crate) fn of_replies(
        hub: &Arc<Shared>,
        replies: impl Stream<Item = Result<psfs_core::Reply, psfs_core::RequestError>> + Send + 'static,
    ) -> Arc<Self> {
        Self::new(hub, of_replies(replies.map_err(NativeError::of_request)))
    }
}

#[uniffi::export]
impl NativeSource {
    /// Up to `max` items (1 to 256) that are there; nothing if none is: then they come under this number. One call at a time.
    pub fn next(&self, id: i64, max: i32) -> Result<Option<Batch>, NativeError> {
        let max = usize::try_from(max).unwrap_or(1).clamp(1, BATCH_EVENTS);
        if std::mem::replace(&mut self.inner.reading().busy, true) {
            return Err(NativeError::bad_input(
                "next is being waited for already: one call at a time",
            ));
        }
        let busy = Busy(Arc::clone(&self.inner));
        let next = async move {
            let batch = poll_fn(|context| busy.0.poll_batch(context, max)).await?;
            Ok(Outcome::Items { batch })
        };
        Ok(match self.hub.begin(id, next)? {
            Some(Outcome::Items { batch }) => Some(batch),
            _ => None,
        })
    }

    /// Ends it; who waits for its next batch is handed its end. What is kept stays.
    pub fn stop(&self) {
        let (feed, waiting) = {
            let mut reading = self.inner.reading();
            (reading.feed.take(), reading.waiting.take())
        };
        drop(feed);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit. True: it is accepted already.
    pub fn reply(&self, id: i64, number: i64, content: &[u8]) -> Result<bool, NativeError> {
        let responder = self.inner.kept.responder(number)?;
        send_reply(&self.hub, id, responder, content)
    }

    /// Ends a request well.
    pub fn end(&self, number: i64) -> Result<(), NativeError> {
        self.inner.kept.take_responder(number)?.end();
        Ok(())
    }

    /// Ends a request with an error at the asker: a positive code of the application's own, and a text.
    pub fn fail(&self, number: i64, code: i32, text: &str) -> Result<(), NativeError> {
        self.inner.kept.take_responder(number)?.fail(code, text);
        Ok(())
    }

    /// Whether the asker no longer wants replies.
    pub fn is_cancelled(&self, number: i64) -> bool {
        self.inner
            .kept
            .responder(number)
            .map_or(true, |responder| responder.is_cancelled())
    }

    /// Lets go of what is kept under a number: its address is no longer valid. A request that was not ended ends with HANDLER_FAILED.
    pub fn release(&self, number: i64) {
        let keep = self.inner.kept.take(number);
        // Outside the lock.
        drop(keep);
    }

    /// Says of an offer whether it is kept here: nothing to say against it is a yes. The first word holds.
    pub fn decide(&self, number: i64, refused: Option<String>) {
        if let Some(Keep::Offer(offer)) = self.inner.kept.take(number) {
            match refused {
                None => offer.keep(),
                Some(text) => offer.refuse(text),
            }
        }
    }

    /// Ends a request well unless that was done before, and releases it: what follows a handler that returned.
    pub fn done(&self, number: i64) {
        if let Ok(responder) = self.inner.kept.take_responder(number) {
            responder.end();
        }
        self.release(number);
    }

    /// Lets go of all that is kept.
    pub fn release_all(&self) {
        let kept = std::mem::take(&mut self.inner.kept.lock().1);
        drop(kept);
    }

    /// The right to answer, for later: it outlives what is kept, and the source.
    pub fn take_responder(&self, number: i64) -> Result<Arc<NativeResponder>, NativeError> {
        let responder = self.inner.kept.take_responder(number)?;
        Ok(Arc::new(NativeResponder {
            hub: Arc::clone(&self.hub),
            responder: Mutex::new(Some(Arc::new(responder))),
        }))
    }
}

/// The right to answer one request, later. Dropped without an answer, it ends the request with HANDLER_FAILED.
#[derive(uniffi::Object)]
pub struct NativeResponder {
    hub: Arc<Shared>,
    responder: Mutex<Option<Arc<Responder>>>,
}

impl fmt::Debug for NativeResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NativeResponder(cancelled: {})", self.is_cancelled())
    }
}

impl NativeResponder {
    fn slot(&self) -> MutexGuard<'_, Option<Arc<Responder>>> {
        self.responder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl NativeResponder {
    /// Sends one reply and leaves the request open for more. Waits for the asker's credit. True: it is accepted already.
    pub fn reply(&self, id: i64, content: &[u8]) -> Result<bool, NativeError> {
        let responder = self.slot().clone().ok_or_else(taken)?;
        send_reply(&self.hub, id, responder, content)
    }

    /// Ends the request well.
    pub fn end(&self) -> Result<(), NativeError> {
        take_from(&mut self.slot())?.end();
        Ok(())
    }

    /// Ends the request with an error at the asker: a positive code of the application's own, and a text.
    pub fn fail(&self, code: i32, text: &str) -> Result<(), NativeError> {
        take_from(&mut self.slot())?.fail(code, text);
        Ok(())
    }

    /// Whether the asker no longer wants replies.
    pub fn is_cancelled(&self) -> bool {
        self.slot()
            .as_ref()
            .is_none_or(|responder| responder.is_cancelled())
    }
}

fn taken() -> NativeError {
    ReplyError::Taken("replies (any more)").into()
}

/// Waits for nobody: a reply under way keeps the request open until it is through.
fn take_from(slot: &mut Option<Arc<Responder>>) -> Result<Responder, NativeError> {
    let responder = slot.take().ok_or_else(taken)?;
    Arc::try_unwrap(responder).map_err(|shared| {
        *slot = Some(shared);
        NativeError::new(
            Code::Busy,
            "a reply is still being sent: wait for it before the end",
        )
    })
}

fn send_reply(
    hub: &Arc<Shared>,
    id: i64,
    responder: Arc<Responder>,
    content: &[u8],
) -> Result<bool, NativeError> {
    let content = Bytes::copy_from_slice(content);
    hub.run(id, async move {
        responder.reply(content).await?;
        Ok(Outcome::Done)
    })
}
