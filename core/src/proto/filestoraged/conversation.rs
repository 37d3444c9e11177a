//! One connection: who speaks, and what is to be done for him.

use std::sync::Arc;

use super::chunk::Digest;
use super::frame::{Frame, FrameError};
use super::login::Secret;
use super::message::{Announced, Asked, Batch, Done, Refused, Reply, Sent, Wish, parse};
use super::stream::MessageId;
use crate::proto::transfer::label::Label;

/// What is to be done for an owner before his request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Announce(Label, Announced),
    Put(Label, Sent),
    Find(Label, Wish),
    Read {
        owner: Label,
        digest: Digest,
        n: u64,
    },
    /// Files are announced in the documented form.
    Begin(Label, Batch),
    /// The next bytes of those that were announced last over this connection.
    Take {
        id: MessageId,
        data: Vec<u8>,
    },
}

/// What a frame leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This is to be sent.
    Answer(Vec<u8>),
    /// This is to be done, and what came of it answered.
    Work(Work, Reply),
}

/// See the module. Frames are handed in one by one: the next one after the answer.
#[derive(Debug)]
pub(crate) struct Conversation {
    secret: Arc<Secret>,
    /// Who has logged in.
    owner: Option<Label>,
    /// Whether he speaks the documented form.
    documented: bool,
    /// Whether a token of his was good.
    known: bool,
}

impl Conversation {
    pub(crate) fn new(secret: Arc<Secret>) -> Self {
        Self {
            secret,
            owner: None,
            documented: false,
            known: false,
        }
    }

    /// Whether somebody has shown a good token.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// `now_ms` since 1970.
    pub(crate) fn hear(&mut self, frame: &Frame, now_ms: u64) -> Heard {
        let (reply, asked) = parse(frame);
        self.documented = matches!(reply, Reply::Documented { .. });
        match asked.and_then(|asked| self.decide(asked, now_ms)) {
            Ok(Some(work)) => Heard::Work(work, reply),
            Ok(None) => Heard::Answer(reply.answer(Ok(Done::LoggedIn))),
            Err(refused) => Heard::Answer(reply.answer(Err(refused))),
        }
    }

    /// The last words to who sends what is no frame.
    pub(crate) fn lost(&self, error: FrameError) -> Vec<u8> {
        let reply = Reply::to_nothing(self.documented);
        reply.answer(Err(Refused::Failed(error.to_string())))
    }

    /// Nothing to do for who logs in.
    fn decide(&mut self, asked: Asked, now_ms: u64) -> Result<Option<Work>, Refused> {
        let work = match asked {
            Asked::Login { token } => {
                self.owner = Some(self.shown(&token, now_ms)?);
                return Ok(None);
            }
            Asked::Authentication { token, batch } => {
                Work::Begin(self.shown(&token, now_ms)?, batch)
            }
            Asked::Transfer { id, data } => Work::Take { id, data },
            Asked::Upload(announced) => Work::Announce(self.owner()?, announced),
            Asked::Download(wish) => Work::Find(self.owner()?, wish),
            Asked::PutChunk(sent) => Work::Put(self.owner()?, sent),
            Asked::GetChunk { digest, n } => Work::Read {
                owner: self.owner()?,
                digest,
                n,
            },
        };
        Ok(Some(work))
    }

    fn shown(&mut self, token: &str, now_ms: u64) -> Result<Label, Refused> {
        let owner = self.secret.owner_of(token, now_ms);
        let owner = owner.map_err(|error| Refused::Unauthorized(error.to_string()))?;
        self.known = true;
        Ok(owner)
    }

    fn owner(&self) -> Result<Label, Refused> {
        let text = "nobody has logged in over this connection: send Login first";
        let owner = self.owner.clone();
        owner.ok_or_else(|| Refused::Unauthorized(text.into()))
    }
}

#[cfg(test)]
mod tests;
