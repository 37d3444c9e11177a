//! What a handler is handed: one packet that came in, and, where an answer is wanted, the handle to give it with.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::responder::Responder;
use crate::error::ReplyError;
use crate::identity::PeerId;
use crate::net::Charge;
use crate::proto::packet::PacketType;

/// A packet that came in. Cheap to clone; the sender's credit for it comes back when the last clone is dropped, so keeping events
/// for long slows their sender.
#[derive(Clone)]
pub struct Event(Arc<Inner>);

/// What [`Event::end`] is refused with.
const NO_END: &str = "end: it takes no replies, was ended before, or its responder was taken";

pub(crate) struct Inner {
    pub(crate) packet_type: PacketType,
    pub(crate) namespace: Arc<str>,
    pub(crate) content: Bytes,
    pub(crate) peer: PeerId,
    pub(crate) timestamp_ms: u64,
    pub(crate) responder: Mutex<Option<Responder>>,
    /// Held for its drop: the sender's credit comes back with it.
    pub(crate) _charge: Charge,
}

impl Event {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// MESSAGE, BROADCAST, SEEK or REQUEST.
    pub fn packet_type(&self) -> PacketType {
        self.0.packet_type
    }

    /// The namespace it was sent to.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// What was sent.
    pub fn content(&self) -> &Bytes {
        &self.0.content
    }

    /// Who made it: the peer of the session, or a broadcast's author. Proved, never claimed.
    pub fn peer(&self) -> &PeerId {
        &self.0.peer
    }

    /// When it was made, by its author's clock, in ms since 1970.
    pub fn timestamp_ms(&self) -> u64 {
        self.0.timestamp_ms
    }

    /// The handle to answer with, once; for REQUEST, SEEK and BROADCAST.
    ///
    /// Without taking it, use [`Event::reply`]. When neither was used by the time the last clone is dropped, the request ends with
    /// the error `HANDLER_FAILED` at the asker; a seek and a broadcast end silently.
    ///
    /// # Errors
    /// [`ReplyError::Taken`] for a MESSAGE or the second time.
    pub fn take_responder(&self) -> Result<Responder, ReplyError> {
        self.take("(further) responder")
    }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    ///
    /// # Errors
    /// [`ReplyError`]: the asker cancelled or is gone, the reply is too large, or the responder was taken before.
    pub async fn reply(&self, content: impl Into<Bytes>) -> Result<(), ReplyError> {
        let replier = self.slot().as_ref().map(Responder::replier);
        match replier {
            Some(replier) => replier.reply(content.into()).await,
            None => Err(ReplyError::Taken("replies (any more)")),
        }
    }

    /// Ends the request well; what is sent later is refused.
    ///
    /// # Errors
    /// [`ReplyError::Taken`] if it takes no replies or was ended before.
    pub fn end(&self) -> Result<(), ReplyError> {
        self.take(NO_END).map(Responder::end)
    }

    /// Ends the request with an error at the asker: a positive code of the application's own, and a text.
    ///
    /// # Errors
    /// [`ReplyError::Taken`] if it takes no replies or was ended before.
    pub fn fail(&self, code: i32, text: &str) -> Result<(), ReplyError> {
        self.take(NO_END)
            .map(|responder| responder.fail(code, text))
    }

    /// The responder, for `what`.
    fn take(&self, what: &'static str) -> Result<Responder, ReplyError> {
        self.slot().take().ok_or(ReplyError::Taken(what))
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Responder>> {
        self.0
            .responder
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Event {
    /// A request to a namespace of the library's own over a link of a test's making.
    pub(crate) fn asked(
        link: &Arc<crate::net::Link>,
        request_id: u64,
        namespace: &str,
        content: Bytes,
    ) -> Self {
        let answer = link.open_answer(request_id, usize::MAX / 2).unwrap();
        let packet_type = PacketType::Request;
        let responder = Responder::to_link(link, request_id, Some(answer), packet_type, namespace);
        let account = crate::net::Account::new(1 << 30);
        Self::new(Inner {
            packet_type,
            namespace: namespace.into(),
            content,
            peer: link.peer,
            timestamp_ms: 0,
            responder: Mutex::new(Some(responder)),
            _charge: Charge::new(&crate::net::Window::unbounded(account), 0, 0),
        })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("type", &self.0.packet_type)
            .field("namespace", &self.0.namespace)
            .field("peer", &self.0.peer)
            .field("bytes", &self.0.content.len())
            .finish_non_exhaustive()
    }
}
