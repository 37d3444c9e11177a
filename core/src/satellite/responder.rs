//! Answering: the handle that a REQUEST, SEEK or BROADCAST carries. One that is dropped answers by itself.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::Inner;
use crate::config::{END_TEXT_MAX, LINGER_MAX};
use crate::error::{Code, ReplyError};
use crate::identity::PeerId;
use crate::net::link::ReplyEnd;
use crate::net::{Answer, Link, clock};
use crate::proto::packet::{self, Header, PacketType};
use crate::proto::parts::{self, PART_BYTES};

/// Where replies go.
#[derive(Debug)]
enum Path {
    /// Back over the session the question came from.
    Link {
        link: Arc<Link>,
        request_id: u64,
        answer: Arc<Answer>,
        packet_type: PacketType,
        /// Of the library's own.
        own: bool,
    },
    /// To the author of a broadcast, over a session with him.
    Origin {
        satellite: Weak<Inner>,
        origin: PeerId,
        request_id: u64,
    },
    /// The question broke a limit: nobody waits for an answer.
    Nowhere,
}

/// Sends replies; does not end the answer.
#[derive(Debug)]
pub(super) struct Replier {
    path: Path,
    /// Large replies go one at a time, so that their parts do not mix. Whether one was dropped in the middle: the asker waits for the rest
    /// of it, and would take the beginning of another for a broken rule.
    large: tokio::sync::Mutex<bool>,
}

/// The handle to answer a question with. Dropped without [`Responder::end`] or [`Responder::fail`], a REQUEST ends with the error
/// `HANDLER_FAILED` at the asker; a SEEK ends well.
#[derive(Debug)]
pub struct Responder {
    replier: Arc<Replier>,
    ended: bool,
}

impl Responder {
    pub(super) fn to_link(
        link: &Arc<Link>,
        request_id: u64,
        answer: Option<Arc<Answer>>,
        packet_type: PacketType,
        namespace: &str,
    ) -> Self {
        let path = match answer {
            Some(answer) => Path::Link {
                link: Arc::clone(link),
                request_id,
                answer,
                packet_type,
                own: namespace.starts_with(packet::RESERVED),
            },
            None => Path::Nowhere,
        };
        Self::new(path)
    }

    pub(super) fn to_origin(satellite: Weak<Inner>, origin: PeerId, request_id: u64) -> Self {
        Self::new(Path::Origin {
            satellite,
            origin,
            request_id,
        })
    }

    fn new(path: Path) -> Self {
        Self {
            replier: Arc::new(Replier {
                path,
                large: tokio::sync::Mutex::new(false),
            }),
            ended: false,
        }
    }

    pub(super) fn replier(&self) -> Arc<Replier> {
        Arc::clone(&self.replier)
    }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    ///
    /// # Errors
    /// [`ReplyError`]: the asker cancelled or is gone, or the reply is over the limit (of a broadcast's answer: 60 KiB).
    pub async fn reply(&self, content: impl Into<Bytes>) -> Result<(), ReplyError> {
        self.replier.reply(content.into()).await
    }

    /// Whether the asker no longer wants replies.
    pub fn is_cancelled(&self) -> bool {
        match &self.replier.path {
            Path::Link { link, answer, .. } => answer.is_cancelled() || link.ended().is_some(),
            Path::Origin { satellite, .. } => satellite.strong_count() == 0,
            Path::Nowhere => true,
        }
    }

    /// Ends the request well.
    pub fn end(self) {
        self.end_with(0, "");
    }

    /// Ends the request with an error at the asker: a positive code of the application's own (0 and less become the library's
    /// `HANDLER_FAILED`), and a text of which the first 1,024 bytes are sent.
    pub fn fail(self, code: i32, text: &str) {
        self.end_with(
            if code > 0 {
                code
            } else {
                Code::HandlerFailed as i32
            },
            text,
        );
    }

    pub(crate) fn end_with(mut self, status: i32, text: &str) {
        self.ended = true;
        self.replier.end(status, text);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match &self.replier.path {
            Path::Link {
                packet_type: PacketType::Request,
                ..
            } => {
                self.replier.end(
                    Code::HandlerFailed as i32,
                    "the handler returned, or was dropped, and did not end the request",
                );
            }
            _ => self.replier.end(0, ""),
        }
    }
}

impl Replier {
    pub(super) async fn reply(&self, content: Bytes) -> Result<(), ReplyError> {
        match &self.path {
            Path::Link {
                link,
                request_id,
                answer,
                own,
                ..
            } => {
                let limit = usize::try_from(link.limits.content).unwrap_or(usize::MAX);
                if content.len() > limit {
                    return Err(ReplyError::TooLarge {
                        size: content.len(),
                        limit,
                    });
                }
                let header = Header {
                    request_id: *request_id,
                    ..Header::new(PacketType::Response, "", clock::now_ms())
                };
                if content.len() <= PART_BYTES {
                    return link
                        .reply(
                            answer,
                            packet::encode(&header, content).marked_own(*own),
                            false,
                        )
                        .await
                        .map_err(reply_error);
                }
                let mut half = self.large.lock().await;
                if *half {
                    return Err(ReplyError::Half);
                }
                *half = true;
                for part in parts::encode(header, content) {
                    link.reply(answer, part.marked_own(*own), true)
                        .await
                        .map_err(reply_error)?;
                }
                *half = false;
                Ok(())
            }
            Path::Origin {
                satellite,
                origin,
                request_id,
            } => {
                if content.len() > PART_BYTES {
                    return Err(ReplyError::TooLarge {
                        size: content.len(),
                        limit: PART_BYTES,
                    });
                }
                let satellite = satellite.upgrade().ok_or(ReplyError::Disconnected)?;
                // Nobody else sets it a limit.
                let reached = satellite.until(LINGER_MAX, satellite.reach(origin)).await;
                let link = reached
                    .and_then(Result::ok)
                    .ok_or(ReplyError::Disconnected)?;
                let header = Header {
                    request_id: *request_id,
                    ..Header::new(PacketType::Response, "", clock::now_ms())
                };
                let packet = packet::encode(&header, content);
                link.push(packet, true, None)
                    .await
                    .map_err(|_| ReplyError::Disconnected)
            }
            Path::Nowhere => Err(ReplyError::Cancelled),
        }
    }

    fn end(&self, status: i32, text: &str) {
        let Path::Link {
            link,
            request_id,
            own,
            ..
        } = &self.path
        else {
            return;
        };
        let text = &text[..text.floor_char_boundary(END_TEXT_MAX)];
        let header = Header {
            request_id: *request_id,
            status,
            ..Header::new(PacketType::EndResponse, "", clock::now_ms())
        };
        // False: the asker cancelled, or the session ended. Then nobody waits for this.
        let _over = link.end_answer(
            *request_id,
            packet::encode(&header, Bytes::copy_from_slice(text.as_bytes())).marked_own(*own),
        );
    }
}

fn reply_error(end: ReplyEnd) -> ReplyError {
    match end {
        ReplyEnd::Cancelled => ReplyError::Cancelled,
        ReplyEnd::Gone => ReplyError::Disconnected,
    }
}
