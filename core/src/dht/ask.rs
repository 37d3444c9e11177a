//! One question to one node.

use std::time::Duration;

use super::node::Node;
use crate::error::{Code, RequestError, SendError};
use crate::identity::PeerId;
use crate::proto::dht::lookup::Failure;
use crate::proto::dht::message::{Answer, Ask, NAMESPACE, Node as Told, Verdict};
use crate::satellite::RequestOptions;

/// How long one node may take to answer, with the session that may have to be made first.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for one that others told of and that was never heard: most of those that do not answer are gone.
const STRANGER_TIMEOUT: Duration = Duration::from_millis(1500);
/// The same where its application is asked first.
pub(super) const OFFER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where a content goes along.
pub(super) const MOVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) struct AskError {
    pub(super) failure: Failure,
    pub(super) text: String,
}

impl AskError {
    fn broken(text: impl Into<String>) -> Self {
        Self {
            failure: Failure::Lied,
            text: text.into(),
        }
    }

    /// An answer that is no lie, and not what was asked for either.
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self {
            failure: Failure::Refused,
            text: text.into(),
        }
    }
}

impl From<RequestError> for AskError {
    fn from(error: RequestError) -> Self {
        let failure = match &error {
            RequestError::TimedOut { .. } | RequestError::Send(SendError::Timeout(_)) => {
                Failure::Timeout
            }
            RequestError::Refused { .. }
            | RequestError::Busy { .. }
            | RequestError::Send(SendError::Refused { .. }) => Failure::Refused,
            // It is no node of the DHT, or no more.
            RequestError::UnknownNamespace { .. } => Failure::Unreachable,
            RequestError::Failed { code, .. } if *code == Code::Protocol as i32 => Failure::Lied,
            RequestError::Failed { .. } => Failure::Refused,
            _ => Failure::Unreachable,
        };
        Self {
            failure,
            text: error.to_string(),
        }
    }
}

impl Node {
    /// Asks a node, and notes in the table how that went.
    pub(super) async fn ask(
        &self,
        peer: &PeerId,
        ask: &Ask,
        limit: Duration,
    ) -> Result<Answer, AskError> {
        let known = self.base.is_connected(peer) || self.table(|table, _| table.is_proved(peer));
        let limit = if known {
            limit
        } else {
            limit.min(STRANGER_TIMEOUT)
        };
        let answer = self.ask_once(peer, ask, limit).await;
        match &answer {
            Ok(_) => self.seen(*peer),
            Err(error) => self.table(|table, now| match error.failure {
                Failure::Unreachable => table.left(peer),
                Failure::Lied => table.lied(peer, now),
                Failure::Timeout => table.failed(peer, now),
                Failure::Refused => {}
            }),
        }
        answer
    }

    /// It said what is provably wrong: nothing else of it is believed for a while.
    pub(super) fn lied(&self, peer: &PeerId, text: impl Into<String>) -> AskError {
        self.table(|table, now| table.lied(peer, now));
        AskError::broken(text)
    }

    async fn ask_once(
        &self,
        peer: &PeerId,
        ask: &Ask,
        limit: Duration,
    ) -> Result<Answer, AskError> {
        let content = ask.encode(self.role().serves());
        let options = RequestOptions::default().deadline(limit);
        let mut replies = self.base.request(peer, NAMESPACE, content, options).await?;
        let reply = match replies.next().await {
            Some(reply) => reply?,
            None => return Err(AskError::broken("it ended the request without an answer")),
        };
        let answer = Answer::decode(reply.content().clone())
            .map_err(|error| AskError::broken(format!("its answer cannot be read: {error}")))?;
        // The end is on its way, most often here already: without it the request would be cancelled.
        match replies.next().await {
            None => Ok(answer),
            Some(Ok(_)) => Err(AskError::broken("it answered twice")),
            Some(Err(error)) => Err(error.into()),
        }
    }
}

/// Whom an answer tells of.
pub(super) fn told(answer: &Answer) -> &[Told] {
    match answer {
        Answer::Found(found) => &found.nodes,
        Answer::Verdict(Verdict::Refused { nodes, .. } | Verdict::NotFound { nodes, .. }) => nodes,
        _ => &[],
    }
}
