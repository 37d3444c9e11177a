//! Asking: one peer (`request`), every connected peer (`seek`), or whoever hears a broadcast.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::Inner;
use super::router::Router;
use crate::error::{Code, RequestError, SendError};
use crate::identity::PeerId;
use crate::net::replies::{Answered, End, Item, ReplyQueue};
use crate::net::{Link, clock};

/// One reply.
#[derive(Debug)]
pub struct Reply(Answered);

impl Reply {
    /// Who answers.
    pub fn peer(&self) -> &PeerId {
        &self.0.peer
    }

    /// What it answers.
    pub fn content(&self) -> &Bytes {
        &self.0.content
    }

    /// When it was made, by its author's clock, in ms since 1970.
    pub fn timestamp_ms(&self) -> u64 {
        self.0.timestamp_ms
    }
}

/// One question at one peer.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) link: Arc<Link>,
    pub(super) request_id: u64,
    /// A place among the requests the peer takes at once; given back with this.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// Ends the sending of a large question that goes on by itself.
    pub(super) _sending: Option<DropGuard>,
}

/// Who is asked, and so what the end means.
pub(super) enum Asking {
    /// One peer: its error is the request's.
    Peer { peer: PeerId, namespace: String },
    /// Many: who fails is left out, and the deadline is a good end.
    Many,
    /// Whoever hears a broadcast.
    Cast { router: Arc<Router>, id: u64 },
}

/// The replies to one question, as they come. Dropping it cancels what is still open: whoever answers is told.
pub struct Replies {
    queue: Arc<ReplyQueue>,
    asking: Asking,
    open: Vec<Open>,
    left: usize,
    after: Duration,
    deadline: Instant,
    /// Where the timer for the deadline comes from.
    satellite: Weak<Inner>,
    /// The satellite's end.
    stop: CancellationToken,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The deadline has passed: nothing more comes in, what is there still comes out.
    late: bool,
    over: bool,
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("open", &self.open.len())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Replies {
    pub(super) fn new(
        queue: Arc<ReplyQueue>,
        asking: Asking,
        open: Vec<Open>,
        max_replies: usize,
        after: Duration,
        deadline: Instant,
        satellite: &Arc<Inner>,
    ) -> Self {
        let stop = satellite.stop.clone();
        Self {
            stopped: Box::pin(stop.clone().cancelled_owned()),
            stop,
            queue,
            asking,
            open,
            left: max_replies,
            after,
            deadline,
            satellite: Arc::downgrade(satellite),
            late: false,
            over: false,
        }
    }

    /// The next reply. `None` is the good end; after an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Reply, RequestError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Replies::next`], for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Reply, RequestError>>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            // Not only when nothing is there: an asker slower than the answers would never come to that.
            if !self.late && clock::now() >= self.deadline {
                self.late = true;
                self.cancel();
            }
            match self.queue.poll_next(cx) {
                Poll::Ready(Some(Item::Reply(reply))) => {
                    self.left = self.left.saturating_sub(1);
                    if self.left == 0 {
                        self.close();
                    }
                    return Poll::Ready(Some(Ok(Reply(reply))));
                }
                Poll::Ready(Some(Item::End(end))) => {
                    if let Some(error) = self.error_of(end) {
                        self.close();
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Poll::Ready(None) => {
                    self.close();
                    // What hears a broadcast's answers closes with its satellite, too, and that may be seen before the signal is.
                    let cast = matches!(self.asking, Asking::Cast { .. });
                    if cast && !self.late && self.stop.is_cancelled() {
                        return Poll::Ready(Some(Err(SendError::Closed.into())));
                    }
                }
                Poll::Pending => {
                    if self.stopped.as_mut().poll(cx).is_ready() {
                        self.close();
                        return Poll::Ready(Some(Err(SendError::Closed.into())));
                    }
                    if !self.late && self.poll_deadline(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.close();
                    if let Asking::Peer { peer, .. } = &self.asking {
                        return Poll::Ready(Some(Err(RequestError::TimedOut {
                            peer: *peer,
                            after: self.after,
                        })));
                    }
                }
            }
        }
    }

    fn poll_deadline(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.queue.poll_deadline(cx, || {
            let running = self.satellite.upgrade()?.brought_up()?;
            Some(running.sleep_until(self.deadline))
        })
    }

    /// What one peer's end means for the whole; nothing when many were asked.
    fn error_of(&self, end: End) -> Option<RequestError> {
        // Whoever was asked: nobody answers a satellite that has ended.
        if matches!(end, End::Gone { .. }) && self.stop.is_cancelled() {
            return Some(SendError::Closed.into());
        }
        let Asking::Peer { namespace, .. } = &self.asking else {
            return None;
        };
        match end {
            End::Gone { peer } => Some(RequestError::Disconnected(peer)),
            End::Status { status: 0, .. } => None,
            End::Status { peer, status, text } => Some(match Code::from_number(status) {
                Some(Code::UnknownNamespace) => RequestError::UnknownNamespace {
                    peer,
                    namespace: namespace.clone(),
                },
                Some(Code::Refused) => RequestError::Refused { peer, reason: text },
                _ => RequestError::Failed {
                    peer,
                    code: status,
                    text,
                },
            }),
        }
    }

    fn close(&mut self) {
        self.over = true;
        self.cancel();
    }

    /// Nothing more comes in; who still answers is told.
    fn cancel(&mut self) {
        for open in self.open.drain(..) {
            open.link.cancel_request(open.request_id);
            drop(open.slot);
        }
        if let Asking::Cast { router, id } = &self.asking {
            router.close_cast(*id);
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.close();
    }
}

impl futures::Stream for Replies {
    type Item = Result<Reply, RequestError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(&mut self, cx)
    }
}
