//! Fetching: a walk towards the key that asks for the value on the way.
//!
//! A plain value proves itself, so the first that comes is enough. Of others the nearest nodes are all asked, and the newest that can be proved
//! is taken, or what most of them have.

use bytes::Bytes;

use super::Dht;
use super::ask::{ASK_TIMEOUT, AskError, MOVE_TIMEOUT};
use super::node::{Node, REPLICAS};
use super::options::FetchOptions;
use super::serve::INLINE;
use super::walk::{Found, plan};
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::lookup::{Goal, Lookup};
use crate::proto::dht::message::{Answer, Ask, Find, Node as Told, Verdict, Why};
use crate::proto::dht::sealed;
use crate::proto::dht::value::{self, Entry, Invalid, Kind};

/// Nodes asked at once while one answer is enough.
const FEW: usize = 2;
/// Walks of their own, where answers have to be compared.
const PATHS: usize = 3;
/// Content that comes along where the answers of many are compared, in bytes.
const INLINE_EACH: u32 = 4096;
/// How long a copy on the way lives at most: half of it for each node that is nearer.
pub(super) const CACHE_MS: u64 = 30 * 60 * 1000;

/// A value that was fetched, and checked as far as its kind allows.
#[derive(Clone, Debug)]
pub struct Value {
    entry: Entry,
    content: Bytes,
}

impl Value {
    /// Where it is.
    pub fn key(&self) -> Key {
        self.entry.key
    }

    /// Its content.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// What proves it: the key (plain), its publisher's signature (signed), or nothing (raw).
    pub fn kind(&self) -> Kind {
        self.entry.kind
    }

    /// Who stored it. Proved for signed values only.
    pub fn publisher(&self) -> &PeerId {
        &self.entry.publisher
    }

    /// Its number, of a signed value; 0 otherwise.
    pub fn sequence(&self) -> u64 {
        self.entry.sequence
    }

    /// When it is forgotten unless it is stored again, in ms since 1970.
    pub fn expires_ms(&self) -> u64 {
        self.entry.expires_ms
    }

    /// Whether its content says that it is sealed: who it is for reads it with [`Dht::open`].
    pub fn is_sealed(&self) -> bool {
        sealed::is_sealed(&self.content)
    }

    pub(super) fn new(entry: Entry, content: Bytes) -> Self {
        Self { entry, content }
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn salt(&self) -> Option<&Bytes> {
        Some(&self.entry.proof.as_ref()?.salt)
    }

    pub(super) fn root(&self) -> [u8; 32] {
        self.entry.root
    }
}

/// What a node has under a key.
pub(super) enum Has<T> {
    /// Nothing that is of use.
    Nothing,
    Value(T),
    /// One of so many bytes, which is more than is taken here.
    TooLarge(u64),
}

/// What a node says it has, checked as far as that goes without the content.
#[derive(Clone)]
pub(super) struct Offered {
    peer: PeerId,
    entry: Entry,
    content: Option<Bytes>,
}

/// What the nodes near a key say they have, without most of the contents: five megabytes from each of them would be too much.
pub(super) struct Around {
    offered: Vec<Offered>,
    /// Who answered, nearest first.
    nearest: Vec<PeerId>,
    too_large: Option<u64>,
    asked: usize,
}

impl Around {
    /// Which of it is the one to take; it may be a deleted one.
    pub(super) fn best(&self) -> Option<Entry> {
        let entries: Vec<Entry> = self.offered.iter().map(|had| had.entry.clone()).collect();
        value::choose(&entries).cloned()
    }

    /// Nodes that will keep a newer one, nearest first.
    pub(super) fn nearest(&self) -> &[PeerId] {
        &self.nearest
    }
}

impl Dht {
    /// Fetches a value by its key.
    ///
    /// # Errors
    /// [`DhtError::NotFound`] when none of the nodes near the key has it; [`DhtError::TooLarge`] when it is over this satellite's
    /// [`Dht::max_item_size`]; [`DhtError::NoPeers`].
    pub async fn fetch(&self, key: Key, options: FetchOptions) -> Result<Value, DhtError> {
        self.within(options.deadline, self.node.fetch_any(key))
            .await
    }

    /// Fetches what was stored under a name. Nothing proves it: what most nodes near the key have is taken.
    ///
    /// # Errors
    /// As [`Dht::fetch`].
    pub async fn fetch_named(&self, name: &str, options: FetchOptions) -> Result<Value, DhtError> {
        self.fetch(Key::of_name(name), options).await
    }

    /// Fetches what a peer has signed under a salt: the newest.
    ///
    /// # Errors
    /// As [`Dht::fetch`].
    pub async fn fetch_signed(
        &self,
        publisher: &PeerId,
        salt: &[u8],
        options: FetchOptions,
    ) -> Result<Value, DhtError> {
        self.fetch(Key::of_signed(publisher, salt), options).await
    }
}

impl Node {
    /// A value from here, from the nodes, or from a proxy.
    pub(super) async fn fetch_any(&self, key: Key) -> Result<Value, DhtError> {
        there(key, self.look_any(key).await?)
    }

    /// A value from here or from the nodes.
    pub(super) async fn fetch(&self, key: Key) -> Result<Value, DhtError> {
        there(key, self.look(key).await?)
    }

    /// What there is under a key, which may be a deleted one, and how many nodes were asked.
    pub(super) async fn look(&self, key: Key) -> Result<(Option<Value>, usize), DhtError> {
        if let Some(entry) = self.held(&key)
            && entry.kind == Kind::Plain
            && let Some(content) = self.content(&entry).await
        {
            return Ok((Some(Value::new(entry, content)), 0));
        }
        let mut value = None;
        let lookup = self.lookup(key, plan(Goal::First, FEW, 1));
        let lookup = match lookup {
            Ok(lookup) => lookup,
            // Alone, what is here is all there is.
            Err(error) => {
                let value = self.alone(key).await.ok_or(error)?;
                return Ok((Some(value), 0));
            }
        };
        let (mut unproved, mut large) = (false, None);
        let ask = |peer: PeerId| self.ask_value(peer, key);
        let walked = self
            .walk(lookup, ask, |_, found| match found {
                Ok(Has::Value(found)) if found.entry.kind == Kind::Plain => {
                    value = Some(*found);
                    Found::Enough
                }
                Ok(Has::Value(_)) => {
                    unproved = true;
                    Found::Enough
                }
                Ok(Has::TooLarge(size)) => {
                    large = Some(size);
                    Found::Nothing
                }
                Ok(Has::Nothing) | Err(_) => Found::Nothing,
            })
            .await;
        if let Some(value) = &value {
            self.spread_copy(&walked, value);
        } else if unproved || self.held(&key).is_some() {
            let mut around = self.around(key).await?;
            return Ok((self.best_of(&mut around).await, around.asked));
        }
        self.small_enough(value.is_none(), large)?;
        Ok((value, walked.hops().len()))
    }

    /// What is here, where nobody can be asked.
    async fn alone(&self, key: Key) -> Option<Value> {
        let entry = self.held(&key).filter(|entry| !entry.is_deleted())?;
        let content = self.content(&entry).await?;
        Some(Value::new(entry, content))
    }

    /// Asks all of the nearest for what they have under a key, on several ways.
    pub(super) async fn around(&self, key: Key) -> Result<Around, DhtError> {
        let own = self.held(&key).map(|entry| Offered {
            peer: self.local,
            entry,
            content: None,
        });
        let mut around = Around {
            offered: own.into_iter().collect(),
            nearest: Vec::new(),
            too_large: None,
            asked: 0,
        };
        let lookup = self.lookup(key, plan(Goal::All, REPLICAS, PATHS))?;
        let ask = |peer: PeerId| self.ask_offered(peer, key, INLINE_EACH);
        let walked = self
            .walk(lookup, ask, |_, answer| match answer {
                Ok(Has::Value(offered)) => {
                    around.offered.push(offered);
                    Found::Value
                }
                Ok(Has::TooLarge(size)) => {
                    around.too_large = Some(size);
                    Found::Nothing
                }
                Ok(Has::Nothing) | Err(_) => Found::Nothing,
            })
            .await;
        let nearest = walked.closest();
        around.nearest = nearest.iter().map(|contact| contact.peer).collect();
        around.asked = walked.hops().len();
        self.small_enough(around.offered.is_empty(), around.too_large)?;
        Ok(around)
    }

    /// The value to take of what there is; it may be a deleted one. Who has not what it says is left out, and the rest compared anew.
    pub(super) async fn best_of(&self, around: &mut Around) -> Option<Value> {
        loop {
            let best = around.best()?;
            let rank = |had: &Offered| {
                let content = had.content.is_some() || had.peer == self.local;
                (had.entry == best, content, had.entry.expires_ms)
            };
            let same =
                |had: &Offered| (had.entry.root, had.entry.sequence) == (best.root, best.sequence);
            let all = around.offered.iter().enumerate();
            let next = all
                .filter(|(_, had)| same(had))
                .max_by_key(|(_, had)| rank(had));
            let (at, _) = next?;
            if let Ok(Has::Value(value)) = self.take(around.offered.swap_remove(at)).await {
                return Some(*value);
            }
        }
    }

    /// Where nothing was found, and somebody has what is too large, that is said.
    fn small_enough(&self, nothing: bool, large: Option<u64>) -> Result<(), DhtError> {
        match large {
            Some(size) if nothing => Err(DhtError::TooLarge {
                size: usize::try_from(size).unwrap_or(usize::MAX),
                limit: self.item_max,
            }),
            _ => Ok(()),
        }
    }

    /// Asks one node whether it has a value.
    pub(super) async fn ask_holder(
        &self,
        peer: PeerId,
        key: Key,
    ) -> Result<(Vec<Told>, bool), AskError> {
        let find = Ask::Find(Find {
            key,
            value: true,
            inline: 0,
        });
        match self.ask(&peer, &find, ASK_TIMEOUT).await? {
            Answer::Found(found) => Ok((found.nodes, found.entry.is_some())),
            Answer::Verdict(Verdict::Refused { text, .. }) => Err(AskError::refused(text)),
            _ => Err(self.lied(&peer, "it gave an answer that fits no question for a value")),
        }
    }

    /// Asks one node for a value, and checks what it gives.
    async fn ask_value(
        &self,
        peer: PeerId,
        key: Key,
    ) -> Result<(Vec<Told>, Has<Box<Value>>), AskError> {
        let (nodes, has) = self.ask_offered(peer, key, INLINE).await?;
        let has = match has {
            Has::Value(offered) => self.take(offered).await?,
            Has::TooLarge(size) => Has::TooLarge(size),
            Has::Nothing => Has::Nothing,
        };
        Ok((nodes, has))
    }

    /// Asks one node what it has under a key. Its content comes along up to `inline` bytes, and is not checked here.
    async fn ask_offered(
        &self,
        peer: PeerId,
        key: Key,
        inline: u32,
    ) -> Result<(Vec<Told>, Has<Offered>), AskError> {
        let find = Ask::Find(Find {
            key,
            value: true,
            inline,
        });
        let answer = self.ask(&peer, &find, ASK_TIMEOUT).await?;
        let found = match answer {
            Answer::Found(found) => found,
            Answer::Verdict(Verdict::Refused { text, .. }) => return Err(AskError::refused(text)),
            _ => {
                let text = "it gave an answer that fits no question for a value";
                return Err(self.lied(&peer, text));
            }
        };
        let nodes = found.nodes;
        let Some(entry) = found.entry else {
            return Ok((nodes, Has::Nothing));
        };
        if entry.key != key {
            return Err(self.lied(&peer, "it gave the value of another key"));
        }
        // Before anything is fetched that cannot be used.
        if let Err(invalid) = entry.check(self.item_max as u64, clock::now_ms()) {
            return Ok((nodes, self.unfit(&peer, &invalid)?));
        }
        let content = found
            .content
            .filter(|content| content.len() <= inline as usize);
        let offered = Offered {
            peer,
            entry,
            content,
        };
        Ok((nodes, Has::Value(offered)))
    }

    /// What somebody says it has, with its content and checked.
    async fn take(&self, offered: Offered) -> Result<Has<Box<Value>>, AskError> {
        let Offered {
            peer,
            entry,
            content,
        } = offered;
        let content = match content {
            Some(content) => Some(content),
            None if peer == self.local => self.content(&entry).await,
            None => self.get_content(&peer, &entry).await?,
        };
        let Some(content) = content else {
            // Gone since.
            return Ok(Has::Nothing);
        };
        match self.checked(entry, content).await {
            Some(Ok(value)) => Ok(Has::Value(Box::new(value))),
            Some(Err(invalid)) => self.unfit(&peer, &invalid),
            None => Ok(Has::Nothing),
        }
    }

    /// What somebody has who gave what cannot be used. Only who gave what is wrong for everybody is blamed.
    fn unfit<T>(&self, peer: &PeerId, invalid: &Invalid) -> Result<Has<T>, AskError> {
        match invalid {
            Invalid::TooLarge { size, .. } => Ok(Has::TooLarge(*size)),
            lie if lie.is_lie() => Err(self.lied(peer, lie.to_string())),
            _ => Ok(Has::Nothing),
        }
    }

    async fn get_content(&self, peer: &PeerId, entry: &Entry) -> Result<Option<Bytes>, AskError> {
        let get = Ask::Get {
            key: entry.key,
            root: entry.root,
        };
        match self.ask(peer, &get, MOVE_TIMEOUT).await? {
            Answer::Content { content, .. } => Ok(Some(content)),
            Answer::Verdict(Verdict::NotFound { .. }) => Ok(None),
            Answer::Verdict(Verdict::Refused { text, .. }) => Err(AskError::refused(text)),
            _ => Err(self.lied(
                peer,
                "it gave an answer that fits no question for a content",
            )),
        }
    }

    /// What came, if it is what its entry says. Nothing: the satellite ends.
    pub(super) async fn checked(
        &self,
        entry: Entry,
        content: Bytes,
    ) -> Option<Result<Value, Invalid>> {
        let (max, now) = (self.item_max as u64, clock::now_ms());
        let value = Value::new(entry, content);
        let small = value.content.len() <= INLINE as usize;
        let verify = move || {
            let verified = value.entry.verify(&value.content, max, now);
            verified.map(|()| value)
        };
        if small {
            return Some(verify());
        }
        self.base.blocking(verify).await
    }

    /// The nearest node on the way that did not have it gets a copy, which lives the shorter the more nodes are nearer to the key.
    fn spread_copy(&self, walked: &Lookup, value: &Value) {
        let Some(node) = self.arc() else { return };
        let holders = walked.holders();
        let near = walked.closest();
        let Some(target) = near
            .iter()
            .find(|contact| !holders.contains(contact))
            .copied()
        else {
            return;
        };
        let key = value.key();
        let nearer = self
            .table(|table, now| table.closest(&key, 64, now))
            .iter()
            .filter(|other| other.id.distance(&key) < target.id.distance(&key))
            .count();
        let life = life_of_copy(nearer);
        let mut entry = value.entry.clone();
        entry.expires_ms = entry.expires_ms.min(clock::now_ms() + life);
        let content = value.content.clone();
        self.base.spawn(async move {
            // It may refuse: then those that have it are enough.
            let _kept = node
                .offer(&target.peer, &entry, &content, Why::Cache, None)
                .await;
        });
    }
}

/// A value that was deleted is none.
fn there(key: Key, (value, asked): (Option<Value>, usize)) -> Result<Value, DhtError> {
    let value = value.filter(|value| !value.entry.is_deleted());
    value.ok_or(DhtError::NotFound { key, asked })
}

/// How long a copy lives that is left at a node to which so many are nearer.
fn life_of_copy(nearer: usize) -> u64 {
    CACHE_MS >> nearer.saturating_sub(REPLICAS).min(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_decay_with_distance() {
        let lives: Vec<u64> = (REPLICAS..REPLICAS + 24).map(life_of_copy).collect();
        assert_eq!((life_of_copy(0), lives[0]), (CACHE_MS, CACHE_MS));
        assert_eq!(lives[1..4], [CACHE_MS / 2, CACHE_MS / 4, CACHE_MS / 8]);
        assert!(lives.is_sorted_by(|near, far| near >= far));
    }
}
