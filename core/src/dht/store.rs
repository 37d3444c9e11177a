//! Storing: the value is announced to the nodes near its key, and sent to those that accept it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::Dht;
use super::ask::{ASK_TIMEOUT, AskError, MOVE_TIMEOUT, OFFER_TIMEOUT, told};
use super::fetch::Value;
use super::node::{Node, REPLICAS};
use super::options::{LIFETIMES, SignedOptions, StoreOptions};
use super::serve::{OF_ANOTHER, OF_SEVERAL};
use super::walk::{Found, plan};
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::lookup::Goal;
use crate::proto::dht::message::{Answer as Said, Ask, Node as Told, Offer, Put, Verdict, Why};
use crate::proto::dht::value::{Entry, Invalid, Reason, SALT_MAX};
use crate::store::values::{Put as Kept, Removed};

/// A content of up to so many bytes is sent along with its announcement.
pub(super) const INLINE: usize = 4096;

/// What one node did about a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It keeps it, and has said so by a receipt.
    Kept,
    /// It had it already, and goes on keeping it.
    Had,
    /// It does not.
    Refused {
        /// Why.
        reason: Reason,
        /// For people, in the node's words.
        text: String,
    },
    /// It did not answer, or not well.
    Failed(String),
}

impl Outcome {
    /// Whether the node keeps the value from now on.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Kept | Self::Had)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("keeps it"),
            Self::Had => f.write_str("had it"),
            Self::Refused { reason, text } => write!(f, "refused ({}): {text}", reason.name()),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// What one node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Which node; this satellite may be one of them.
    pub peer: PeerId,
    /// What it did.
    pub outcome: Outcome,
}

/// What became of a value that was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    key: Key,
    sequence: u64,
    answers: Vec<Answer>,
    proxy: Option<PeerId>,
}

/// What came of offering a value to the nodes near its key, by this satellite or by a proxy.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) answers: Vec<Answer>,
    pub(super) proxy: Option<PeerId>,
}

impl Spread {
    /// All were asked, and none wants it.
    pub(super) fn refused_all(&self) -> bool {
        let refused = |answer: &Answer| matches!(answer.outcome, Outcome::Refused { .. });
        !self.answers.is_empty() && self.answers.iter().all(refused)
    }
}

impl Stored {
    /// Where it is.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Its number, of a signed value; 0 otherwise.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many nodes keep it, those that had it already among them.
    pub fn nodes(&self) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.outcome.keeps())
            .count()
    }

    fn not_kept(&self) -> DhtError {
        let reasons: Vec<String> = self
            .answers
            .iter()
            .map(|answer| format!("{} {}", answer.peer, answer.outcome))
            .collect();
        DhtError::NotKept {
            key: self.key,
            reasons: reasons.join("; "),
        }
    }

    /// Who stored it for this satellite, which reached too few nodes itself: then the answers are what that node says.
    pub fn proxy(&self) -> Option<&PeerId> {
        self.proxy.as_ref()
    }

    /// What each node answered that was asked.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }
}

impl Dht {
    /// Stores a value under the hash of its content: whoever fetches it can check it.
    ///
    /// # Errors
    /// [`DhtError`]: empty or too large, nobody there, or nobody keeps it (with each node's reason).
    pub async fn store(
        &self,
        content: impl Into<Bytes>,
        options: StoreOptions,
    ) -> Result<Stored, DhtError> {
        let content = content.into();
        let expires = self.check(&content, &options)?;
        self.within(options.deadline, self.store_plain(content, expires))
            .await
    }

    /// Stores a value under a key of the caller's choice. Nothing proves such a value: the first who stores there has the key for as long as
    /// it lasts, unless the nodes' applications decide otherwise, and keys that are not spread evenly load a few nodes with all of it.
    ///
    /// Nodes let it be replaced by who stored it only over a session of its own with them: what a client stored through a proxy stays until it
    /// expires. Signed values can be replaced through proxies, too.
    ///
    /// # Errors
    /// As [`Dht::store`].
    pub async fn store_at(
        &self,
        key: Key,
        content: impl Into<Bytes>,
        options: StoreOptions,
    ) -> Result<Stored, DhtError> {
        let content = content.into();
        let expires = self.check(&content, &options)?;
        let local = self.node.local;
        self.within(options.deadline, async {
            let raw = move |content: &[u8]| Entry::raw(key, content, local, expires);
            let entry = self.node.heavy(content.clone(), raw).await?;
            self.put(entry, content, None).await
        })
        .await
    }

    /// Stores a value under a name, with the warning of [`Dht::store_at`].
    ///
    /// # Errors
    /// As [`Dht::store`].
    pub async fn store_named(
        &self,
        name: &str,
        content: impl Into<Bytes>,
        options: StoreOptions,
    ) -> Result<Stored, DhtError> {
        self.store_at(Key::of_name(name), content, options).await
    }

    /// Stores a value that only this satellite can store and replace, under [`Key::of_signed`] of its peer id and the salt (up to 64 bytes).
    /// A higher sequence replaces a lower one.
    ///
    /// # Errors
    /// As [`Dht::store`]; [`DhtError::Conflict`] when as many nodes as take it have a newer one, or not the one that was to be replaced: those that
    /// took it keep it, but who fetches believes most nodes.
    pub async fn store_signed(
        &self,
        salt: &[u8],
        content: impl Into<Bytes>,
        options: SignedOptions,
    ) -> Result<Stored, DhtError> {
        let content = content.into();
        let expires = self.check(&content, &options.store)?;
        check_salt(salt)?;
        let deadline = options.store.deadline;
        self.within(
            deadline,
            Box::pin(self.sign(salt, content, expires, &options)),
        )
        .await
    }

    /// Deletes what this satellite stored: a signed value leaves its sequence behind, so that no older one comes back; of others the nodes
    /// that keep it are asked to forget it, over sessions with them and not through proxies. How many did is told. What somebody else has stored
    /// as well they keep.
    ///
    /// # Errors
    /// [`DhtError::NotFound`]; [`DhtError::NotKept`] when no node did, with each one's reason.
    pub async fn delete(&self, key: Key, options: StoreOptions) -> Result<Stored, DhtError> {
        self.within(options.deadline, async {
            let value = self.node.fetch_any(key).await?;
            match value.salt().cloned() {
                Some(salt) if *value.publisher() == self.node.local => {
                    let identity = self.satellite.identity().clone();
                    let sequence = value.sequence().saturating_add(1);
                    let now = clock::now_ms();
                    let entry = Entry::tombstone(&identity, &salt, sequence, now);
                    let entry = entry.map_err(bad_salt)?;
                    self.put(entry, Bytes::new(), None).await
                }
                _ => self.forget(value).await,
            }
        })
        .await
    }

    /// The rest of [`Dht::store`], without its time limit.
    pub(super) async fn store_plain(
        &self,
        content: Bytes,
        expires: u64,
    ) -> Result<Stored, DhtError> {
        let local = self.node.local;
        let plain = move |content: &[u8]| Entry::plain(content, local, expires);
        let entry = self.node.heavy(content.clone(), plain).await?;
        self.put(entry, content, None).await
    }

    async fn sign(
        &self,
        salt: &[u8],
        mut content: Bytes,
        expires: u64,
        options: &SignedOptions,
    ) -> Result<Stored, DhtError> {
        let sequence = self.next_sequence(salt, options).await?;
        if let Some(recipient) = &options.recipient {
            let place = (Key::of_signed(&self.node.local, salt), sequence);
            content = self.seal_signed(recipient, content, place).await?;
            self.check(&content, &options.store)?;
        }
        let (identity, salt) = (self.satellite.identity().clone(), salt.to_vec());
        let sign =
            move |content: &[u8]| Entry::signed(&identity, &salt, sequence, content, expires);
        let entry = self
            .node
            .heavy(content.clone(), sign)
            .await?
            .map_err(bad_salt)?;
        self.put(entry, content, options.if_sequence).await
    }

    /// Whether a content may be stored, and when it is forgotten.
    pub(super) fn check(&self, content: &Bytes, options: &StoreOptions) -> Result<u64, DhtError> {
        if content.is_empty() {
            return Err(DhtError::Empty);
        }
        if content.len() > self.node.item_max {
            return Err(DhtError::TooLarge {
                size: content.len(),
                limit: self.node.item_max,
            });
        }
        if !LIFETIMES.contains(&options.lifetime) {
            let reason = format!("{:?} is outside 1 s to 30 days", options.lifetime);
            return Err(DhtError::Option {
                option: "lifetime",
                reason,
            });
        }
        let lifetime = u64::try_from(options.lifetime.as_millis()).unwrap_or(u64::MAX);
        Ok(clock::now_ms().saturating_add(lifetime))
    }

    /// The number of the next signed value.
    async fn next_sequence(&self, salt: &[u8], options: &SignedOptions) -> Result<u64, DhtError> {
        if let Some(sequence) = options.sequence {
            return Ok(sequence);
        }
        if let Some(sequence) = options.if_sequence {
            return Ok(sequence.saturating_add(1));
        }
        let key = Key::of_signed(&self.node.local, salt);
        let newest = self.node.newest_sequence(key).await?;
        Ok(newest.map_or(1, |sequence| sequence.saturating_add(1)))
    }

    async fn put(
        &self,
        entry: Entry,
        content: Bytes,
        if_sequence: Option<u64>,
    ) -> Result<Stored, DhtError> {
        let (key, sequence) = (entry.key, entry.sequence);
        let Spread { answers, proxy } = self.node.spread_any(entry, content, if_sequence).await?;
        let stored = Stored {
            key,
            sequence,
            answers,
            proxy,
        };
        match contested(&stored.answers, if_sequence.is_some()) {
            Some(text) => Err(DhtError::Conflict { key, text }),
            None if stored.nodes() == 0 => Err(stored.not_kept()),
            None => Ok(stored),
        }
    }

    async fn forget(&self, value: Value) -> Result<Stored, DhtError> {
        let (key, root) = (value.key(), value.root());
        let answers = self.node.forget_everywhere(key, root).await?;
        let stored = Stored {
            key,
            sequence: 0,
            answers,
            proxy: None,
        };
        if stored.nodes() == 0 {
            return Err(stored.not_kept());
        }
        Ok(stored)
    }
}

impl Node {
    /// Hashes and the like, off the network's tasks where it takes long.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        content: Bytes,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, DhtError> {
        if content.len() <= 64 * 1024 {
            return Ok(work(&content));
        }
        self.base
            .blocking(move || work(&content))
            .await
            .ok_or(DhtError::Closed)
    }

    /// Offers a value to the nodes nearest to its key, this one among them, and gives what each answered, the nearest first.
    pub(super) async fn spread(
        &self,
        entry: Entry,
        content: Bytes,
        why: Why,
        if_sequence: Option<u64>,
    ) -> Result<Vec<Answer>, DhtError> {
        let key = entry.key;
        let lookup = self
            .lookup_of_many(key, plan(Goal::Nodes, REPLICAS, 1))
            .await?;
        let answers: Mutex<HashMap<PeerId, Outcome>> = Mutex::default();
        let (sent, kept) = (&entry, &content);
        let offer = |peer: PeerId| async move {
            let verdict = self.offer(&peer, sent, kept, why, if_sequence).await?;
            let nodes = told(&Said::Verdict(verdict.clone())).to_vec();
            Ok::<(Vec<Told>, Verdict), AskError>((nodes, verdict))
        };
        let own = async {
            if !self.is_near(&key) {
                return None;
            }
            let kept = self
                .keep(self.local, entry.clone(), content.clone(), why, if_sequence)
                .await;
            Some(match kept {
                Ok(Kept::Kept) => Outcome::Kept,
                Ok(Kept::Had | Kept::Refreshed) => Outcome::Had,
                Ok(Kept::Refused(reason, text)) => Outcome::Refused { reason, text },
                Err(text) => Outcome::Failed(text),
            })
        };
        let note = |peer: PeerId, outcome: Outcome| {
            answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(peer, outcome);
        };
        let walk = self.walk(lookup, offer, |peer, verdict| {
            let outcome = match verdict {
                Ok(Verdict::Receipt(_)) => Outcome::Kept,
                Ok(Verdict::Have(_)) => Outcome::Had,
                Ok(Verdict::Refused { reason, text, .. }) => Outcome::Refused { reason, text },
                Ok(_) => Outcome::Failed("it gave an answer that fits no offer".into()),
                Err(error) => Outcome::Failed(error.text),
            };
            let found = if outcome.keeps() {
                Found::Value
            } else {
                Found::Nothing
            };
            note(peer, outcome);
            found
        });
        let (_, own) = tokio::join!(walk, own);
        if let Some(own) = own {
            note(self.local, own);
        }
        let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut answers: Vec<Answer> = answers
            .into_iter()
            .map(|(peer, outcome)| Answer { peer, outcome })
            .collect();
        answers.sort_by_key(|answer| Key::of_peer(&answer.peer).distance(&key));
        Ok(answers)
    }

    /// Announces a value to one node, and sends it if it is wanted.
    pub(super) async fn offer(
        &self,
        peer: &PeerId,
        entry: &Entry,
        content: &Bytes,
        why: Why,
        if_sequence: Option<u64>,
    ) -> Result<Verdict, AskError> {
        let nonce = clock::random();
        let inline = (content.len() <= INLINE).then(|| content.clone());
        let offer = Offer {
            entry: entry.clone(),
            content: inline,
            nonce,
            why,
            if_sequence,
        };
        let mut verdict = self.verdict(peer, Ask::Offer(offer), OFFER_TIMEOUT).await?;
        if verdict == Verdict::Accept {
            let put = Put {
                entry: entry.clone(),
                content: content.clone(),
                nonce,
                why,
                if_sequence,
            };
            verdict = self.verdict(peer, Ask::Put(put), MOVE_TIMEOUT).await?;
        }
        match &verdict {
            Verdict::Receipt(receipt) | Verdict::Have(receipt)
                if !receipt.matches(entry, &nonce, peer) =>
            {
                Err(self.lied(peer, "its receipt is for something else"))
            }
            Verdict::Receipt(_) => {
                // A copy gives way to what has to be kept.
                if why != Why::Cache {
                    self.promised(*peer, entry);
                }
                Ok(verdict)
            }
            _ => Ok(verdict),
        }
    }

    pub(super) async fn verdict(
        &self,
        peer: &PeerId,
        ask: Ask,
        limit: std::time::Duration,
    ) -> Result<Verdict, AskError> {
        match self.ask(peer, &ask, limit).await? {
            Said::Verdict(verdict) => Ok(verdict),
            _ => Err(self.lied(peer, "it gave an answer that fits no offer")),
        }
    }

    async fn forget_everywhere(&self, key: Key, root: [u8; 32]) -> Result<Vec<Answer>, DhtError> {
        self.released(key);
        let lookup = self.lookup(key, plan(Goal::Nodes, REPLICAS, 1))?;
        let mut answers = Vec::new();
        let ask = |peer: PeerId| async move {
            let verdict = self
                .verdict(&peer, Ask::Forget { key, root }, ASK_TIMEOUT)
                .await?;
            let nodes = told(&Said::Verdict(verdict.clone())).to_vec();
            Ok::<_, AskError>((nodes, verdict))
        };
        self.walk(lookup, ask, |peer, verdict| {
            let outcome = match verdict {
                Ok(Verdict::Forgotten { .. }) => Outcome::Kept,
                // It has nothing to forget.
                Ok(Verdict::NotFound { .. }) => return Found::Nothing,
                Ok(Verdict::Refused { reason, text, .. }) => Outcome::Refused { reason, text },
                Ok(_) => Outcome::Failed("it gave an answer that does not fit".into()),
                Err(error) => Outcome::Failed(error.text),
            };
            answers.push(Answer { peer, outcome });
            Found::Nothing
        })
        .await;
        if let Some(outcome) = self.forget_own(key, root).await {
            let peer = self.local;
            answers.push(Answer { peer, outcome });
        }
        Ok(answers)
    }

    /// The copy here, as others forget theirs.
    async fn forget_own(&self, key: Key, root: [u8; 32]) -> Option<Outcome> {
        let refused = |text: &str| Outcome::Refused {
            reason: Reason::Policy,
            text: text.into(),
        };
        Some(match self.forget(key, root, self.local).await {
            Ok(Removed::NotHere) => return None,
            Ok(Removed::Gone) => Outcome::Kept,
            Ok(Removed::OfAnother) => refused(OF_ANOTHER),
            Ok(Removed::OfSeveral) => refused(OF_SEVERAL),
            Err(error) => Outcome::Failed(error.to_string()),
        })
    }
}

/// What a node said that has something else, if as many have as keep this value. One that is new near the key, or has missed a value, has
/// nothing to say against any; so it is most of them that decide. A swap has all against it that do not take it, for whatever reason.
fn contested(answers: &[Answer], swap: bool) -> Option<String> {
    let (mut kept, mut against, mut conflict) = (0, 0, None);
    for answer in answers {
        match &answer.outcome {
            Outcome::Kept | Outcome::Had => kept += 1,
            Outcome::Refused {
                reason: Reason::Conflict,
                text,
            } => {
                against += 1;
                conflict = conflict.or(Some(text));
            }
            // Those it is too far for have no say.
            Outcome::Refused { reason, .. } if *reason != Reason::TooFar && swap => against += 1,
            Outcome::Refused { .. } | Outcome::Failed(_) => {}
        }
    }
    conflict.filter(|_| against >= kept).cloned()
}

fn check_salt(salt: &[u8]) -> Result<(), DhtError> {
    if salt.len() <= SALT_MAX {
        return Ok(());
    }
    let reason = format!("it has {} bytes, {SALT_MAX} are allowed", salt.len());
    Err(DhtError::Option {
        option: "salt",
        reason,
    })
}

fn bad_salt(invalid: Invalid) -> DhtError {
    DhtError::Option {
        option: "salt",
        reason: invalid.to_string(),
    }
}
