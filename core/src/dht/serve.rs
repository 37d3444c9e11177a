//! Answering the asks of others.
//!
//! What is quick is answered in the loop, if its asker has room for the answer; what waits for the disk, the application, a large content or
//! its asker by a task of its own, so that nobody waits for anybody else. How many of those run is bounded: over it, who asks is told to come
//! again.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::SemaphorePermit;

use super::ask::MOVE_TIMEOUT;
use super::fetch::CACHE_MS;
use super::node::{Node, REPLICAS};
use crate::config::{BATCH_EVENTS, Role};
use crate::error::Code;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::SKEW_MS;
use crate::proto::dht::message::{Answer, Ask, Challenge, Find, Found, Offer, Put, Verdict, Why};
use crate::proto::dht::slice;
use crate::proto::dht::value::{Entry, Kind, Nonce, Reason, Receipt, Root};
use crate::satellite::places::Place;
use crate::satellite::{Event, Events, Responder};
use crate::store::values::{Brought, Put as Outcome, Removed};

/// Asks that are worked on at once, beside those answered at once; for one asker.
pub(super) const WORKED_MAX: usize = 512;
pub(super) const WORKED_EACH: usize = 384;
/// Quick answers that wait for their askers to have room for them; for one asker.
pub(super) const WAITING_MAX: usize = 512;
pub(super) const WAITING_EACH: usize = 128;
/// Largest content that goes along with the answer that says where it is, in bytes; whatever is asked for.
pub(super) const INLINE: u32 = 64 * 1024;
/// Contents up to so many bytes need no room among those that are sent at once.
const FREE: u64 = 4096;
/// Bytes of values that are read, proved and sent at once.
pub(super) const SENDING_MAX: u32 = 64 << 20;

pub(super) async fn serve(node: Arc<Node>, mut events: Events) {
    let mut batch = Vec::new();
    while events.next_batch(&mut batch, BATCH_EVENTS).await {
        for event in batch.drain(..) {
            node.serve(event);
        }
    }
}

impl Node {
    pub(super) fn serve(self: &Arc<Self>, event: Event) {
        if !self.role().serves() {
            return refuse(&event, Code::UnknownNamespace, "");
        }
        let (ask, serves) = match Ask::decode(event.content().clone()) {
            Ok(asked) => asked,
            Err(error) => {
                let peer = *event.peer();
                self.table(|table, now| table.lied(&peer, now));
                return refuse(&event, Code::Protocol, &error.to_string());
            }
        };
        let peer = *event.peer();
        if serves {
            self.seen(peer);
        } else {
            self.table(|table, _| table.left(&peer));
        }
        if let Ask::Find(find) = &ask
            && !find.value
        {
            let found = Found {
                nodes: self.nodes_near(&find.key, &peer),
                ..Found::default()
            };
            return self.answer_soon(event, Answer::Found(found));
        }
        let node = Arc::clone(self);
        if let Ask::Watch { key, newer_than } = ask {
            // It waits for long; how many do is bounded where they wait.
            return self
                .base
                .spawn(async move { node.on_watch(event, key, newer_than).await });
        }
        let Some(place) = self.worked.take(peer) else {
            let busy = refused(Reason::Busy, "it works on too much at once");
            return self.answer_soon(event, Answer::Verdict(busy));
        };
        self.base
            .spawn(async move { node.work(&event, peer, ask, place).await });
    }

    /// Answers at once, or by a task where the asker or its session has no room for the answer yet. Over a number of these the question
    /// ends without one.
    pub(super) fn answer_soon(self: &Arc<Self>, event: Event, said: Answer) {
        let asked = event.clone();
        let mut answering = Box::pin(async move { answer(&asked, &said).await });
        if answering.as_mut().now_or_never().is_some() {
            return;
        }
        let Some(place) = self.waiting.take(*event.peer()) else {
            let text = "enough answers wait until their askers take them";
            return refuse(&event, Code::Refused, text);
        };
        let node = Arc::clone(self);
        self.base.spawn(async move {
            node.answer_in_time(answering).await;
            drop(place);
        });
    }

    async fn work(self: Arc<Self>, event: &Event, peer: PeerId, ask: Ask, _place: Place) {
        if let Some(lie) = self.lie(&ask) {
            self.answer_in_time(answer(event, &lie)).await;
            return;
        }
        // For a content in the answer; until that is taken.
        let mut room = None;
        let said = match ask {
            Ask::Find(find) => self.find(&find, &peer, &mut room).await,
            Ask::Offer(offer) => Answer::Verdict(self.on_offer(peer, offer).await),
            Ask::Put(put) => Answer::Verdict(self.on_put(peer, put).await),
            Ask::Get { key, root } => match self.held(&key).filter(|entry| entry.root == root) {
                Some(entry) => match event.take_responder() {
                    Ok(responder) => {
                        if let Some(responder) = self.send_value(responder, entry).await {
                            let gone = self.not_found(key, &peer);
                            self.answer_in_time(respond(responder, &gone)).await;
                        }
                        return;
                    }
                    Err(_) => return,
                },
                None => self.not_found(key, &peer),
            },
            Ask::Challenge(challenge) => self.on_challenge(challenge, &peer, &mut room).await,
            Ask::Forget { key, root } => Answer::Verdict(self.on_forget(key, root, peer).await),
            // In boxes: a walk is larger than all other answers, each of which would be as large.
            Ask::Fetch(key) => Box::pin(self.on_fetch(key, peer, &mut room)).await,
            Ask::Store(store) => Box::pin(self.on_store(store, peer)).await,
            Ask::Watch { .. } => return,
        };
        self.answer_in_time(answer(event, &said)).await;
    }

    /// Who asks and takes no answer holds what is here no longer than this.
    async fn answer_in_time<T>(&self, answering: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            answered = answering => Some(answered),
            () = self.base.sleep(MOVE_TIMEOUT) => None,
        }
    }

    /// Sends a whole value. How many bytes of values are on their way at once is bounded; who is over it waits. Where the value is gone or
    /// replaced by now, the responder is given back.
    pub(super) async fn send_value(&self, responder: Responder, entry: Entry) -> Option<Responder> {
        let sending = async {
            let _room = self.sending.acquire_many(room_of(entry.size)).await.ok()?;
            match self.content(&entry).await {
                Some(content) => {
                    respond(responder, &Answer::Content { entry, content }).await;
                    None
                }
                None => Some(responder),
            }
        };
        self.answer_in_time(sending).await.flatten()
    }

    /// Whether there is room now for a content of so many bytes, which is taken then.
    pub(super) fn has_room<'a>(&'a self, bytes: u64, room: &mut Room<'a>) -> bool {
        if bytes > FREE {
            *room = self.sending.try_acquire_many(room_of(bytes)).ok();
        }
        bytes <= FREE || room.is_some()
    }

    async fn find<'a>(&'a self, find: &Find, asker: &PeerId, room: &mut Room<'a>) -> Answer {
        let held = self.held(&find.key);
        let most = u64::from(find.inline.min(INLINE));
        let content = match &held {
            // Without room it can be asked for by itself, and waited for.
            Some(entry) if entry.size <= most && self.has_room(entry.size, room) => {
                self.content(entry).await
            }
            _ => None,
        };
        let key = find.key;
        self.telling.tell(|| {
            let has = if held.is_some() {
                "has it"
            } else {
                "does not have it"
            };
            format!("is asked for {key} by {asker}, {has}")
        });
        if held.is_none() {
            self.heard_of(key);
        }
        // Who has the value need not say where else to look, unless others may have a newer one.
        let enough = held.as_ref().is_some_and(|entry| entry.kind == Kind::Plain);
        let nodes = if enough {
            Vec::new()
        } else {
            self.nodes_near(&find.key, asker)
        };
        Answer::Found(Found {
            nodes,
            entry: held,
            content,
        })
    }

    /// What is kept under a key, if it has not expired.
    pub(super) fn held(&self, key: &Key) -> Option<Entry> {
        let held = self.values.entry(key);
        let held = held.unwrap_or_else(|error| {
            tracing::warn!(%error, %key, "a value cannot be read");
            None
        });
        held.map(|held| held.entry)
            .filter(|entry| !entry.is_expired(clock::now_ms()))
    }

    /// The content of what is kept.
    pub(super) async fn content(&self, entry: &Entry) -> Option<Bytes> {
        let (values, key, root) = (self.values.clone(), entry.key, entry.root);
        let read = move || values.get(&key);
        let read = if entry.size > SMALL {
            self.base.blocking(read).await?
        } else {
            read()
        };
        match read {
            Ok(Some((entry, content))) if entry.root == root => Some(content),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, key = %entry.key, "a value cannot be read");
                None
            }
        }
    }

    pub(super) fn not_found(&self, key: Key, asker: &PeerId) -> Answer {
        Answer::Verdict(Verdict::NotFound {
            key,
            nodes: self.nodes_near(&key, asker),
        })
    }

    async fn on_challenge<'a>(
        &'a self,
        challenge: Challenge,
        asker: &PeerId,
        room: &mut Room<'a>,
    ) -> Answer {
        let Challenge {
            key,
            root,
            offset,
            length,
        } = challenge;
        let held = self.held(&key).filter(|entry| entry.root == root);
        if held
            .as_ref()
            .is_some_and(|entry| !self.has_room(entry.size, room))
        {
            return Answer::Verdict(refused(Reason::Busy, "it sends too much at once"));
        }
        if let Some(entry) = held
            && let Some(content) = self.content(&entry).await
        {
            let proof = self
                .base
                .blocking(move || slice::slice(&content, offset, length));
            if let Some(proof) = proof.await {
                return Answer::Slice(proof);
            }
        }
        self.not_found(key, asker)
    }

    async fn on_forget(&self, key: Key, root: Root, peer: PeerId) -> Verdict {
        // What is signed ends with a newer one that says so.
        if self.held(&key).is_some_and(|entry| entry.proof.is_some()) {
            return refused(
                Reason::Policy,
                "it is signed: another one has to replace it",
            );
        }
        match self.forget(key, root, peer).await {
            Ok(Removed::Gone) => Verdict::Forgotten { key },
            Ok(Removed::OfAnother) => refused(Reason::Policy, OF_ANOTHER),
            Ok(Removed::OfSeveral) => refused(Reason::Policy, OF_SEVERAL),
            Ok(Removed::NotHere) => Verdict::NotFound {
                key,
                nodes: self.nodes_near(&key, &peer),
            },
            Err(error) => refused(Reason::Busy, error.to_string()),
        }
    }

    async fn on_offer(&self, peer: PeerId, offer: Offer) -> Verdict {
        let Offer {
            entry,
            content,
            nonce,
            why,
            if_sequence,
        } = offer;
        match content {
            Some(content) => {
                self.on_put(
                    peer,
                    Put {
                        entry,
                        content,
                        nonce,
                        why,
                        if_sequence,
                    },
                )
                .await
            }
            None => self.announced(peer, entry, nonce, why, if_sequence).await,
        }
    }

    /// Whether a value would be kept, before its content comes.
    async fn announced(
        &self,
        peer: PeerId,
        entry: Entry,
        nonce: Nonce,
        why: Why,
        if_sequence: Option<u64>,
    ) -> Verdict {
        if let Some(verdict) = self.admits(&peer, &entry, why) {
            return verdict;
        }
        let now = clock::now_ms();
        if let Err(invalid) = entry.check(self.item_max as u64, now) {
            return refused(invalid.reason(), invalid.to_string());
        }
        let brought = self.brought(peer, why, if_sequence);
        let said = match self.values.check(&entry, &brought, now) {
            Ok(Outcome::Had) => return Verdict::Have(self.receipt(&entry, nonce)),
            Ok(Outcome::Refused(reason, text)) => return refused(reason, text),
            Ok(said) => said,
            Err(error) => return refused(Reason::Busy, error.to_string()),
        };
        if let Err((reason, text)) = self.decide(peer, &entry, None).await {
            return refused(reason, text);
        }
        if said == Outcome::Kept {
            return Verdict::Accept;
        }
        match self.refresh(entry.clone(), brought).await {
            // Gone since.
            Ok(Outcome::Kept) => Verdict::Accept,
            Ok(Outcome::Had | Outcome::Refreshed) => Verdict::Have(self.receipt(&entry, nonce)),
            Ok(Outcome::Refused(reason, text)) => refused(reason, text),
            Err(error) => refused(Reason::Busy, error.to_string()),
        }
    }

    async fn on_put(&self, peer: PeerId, put: Put) -> Verdict {
        let Put {
            entry,
            content,
            nonce,
            why,
            if_sequence,
        } = put;
        if let Some(verdict) = self.admits(&peer, &entry, why) {
            return verdict;
        }
        match self
            .keep(peer, entry.clone(), content, why, if_sequence)
            .await
        {
            Ok(Outcome::Kept) => Verdict::Receipt(self.receipt(&entry, nonce)),
            Ok(Outcome::Had | Outcome::Refreshed) => Verdict::Have(self.receipt(&entry, nonce)),
            Ok(Outcome::Refused(reason, text)) => refused(reason, text),
            Err(error) => refused(Reason::Busy, error),
        }
    }

    /// What speaks against a value before it is looked at.
    fn admits(&self, peer: &PeerId, entry: &Entry, why: Why) -> Option<Verdict> {
        if self.table(|table, now| table.is_blacklisted(peer, now)) {
            return Some(refused(Reason::Blacklisted, "it lied or failed too often"));
        }
        if entry.size == 0 && !entry.is_deleted() {
            return Some(refused(Reason::Invalid, "it is empty"));
        }
        // Anybody may leave one anywhere: so it is one that proves itself, and goes soon.
        let lasts = CACHE_MS + SKEW_MS;
        if why == Why::Cache
            && (entry.kind != Kind::Plain || entry.expires_ms > clock::now_ms() + lasts)
        {
            let text = "copies are made of plain values, for half an hour at most";
            return Some(refused(Reason::Invalid, text));
        }
        if why != Why::Cache && !self.is_near(&entry.key) {
            return Some(Verdict::Refused {
                reason: Reason::TooFar,
                text: format!("it knows {REPLICAS} nodes that are nearer"),
                nodes: self.nodes_near(&entry.key, peer),
            });
        }
        None
    }

    /// Checks a value, asks the application, and puts it on the disk.
    pub(super) async fn keep(
        &self,
        peer: PeerId,
        entry: Entry,
        content: Bytes,
        why: Why,
        if_sequence: Option<u64>,
    ) -> Result<Outcome, String> {
        let now = clock::now_ms();
        let max = self.item_max as u64;
        let (checked, bytes) = (entry.clone(), content.clone());
        let verify = move || checked.verify(&bytes, max, now);
        let verified = if entry.size > SMALL {
            self.base
                .blocking(verify)
                .await
                .ok_or("the satellite ends")?
        } else {
            verify()
        };
        if let Err(invalid) = verified {
            return Ok(Outcome::Refused(invalid.reason(), invalid.to_string()));
        }
        if let Err((reason, text)) = self.decide(peer, &entry, Some(&content)).await {
            return Ok(Outcome::Refused(reason, text));
        }
        let brought = self.brought(peer, why, if_sequence);
        let put = self.put(entry.clone(), content.clone(), brought).await;
        let put = put.map_err(|error| error.to_string())?;
        let key = entry.key;
        match &put {
            Outcome::Kept => {
                self.telling
                    .tell(|| format!("keeps {key} ({} bytes) from {peer}", entry.size));
                self.watchers.changed(&entry);
            }
            Outcome::Had | Outcome::Refreshed => self
                .telling
                .tell(|| format!("had {key}, which {peer} offers")),
            Outcome::Refused(reason, text) => {
                self.telling
                    .tell(|| format!("refuses {key} from {peer} ({}): {text}", reason.name()));
            }
        }
        Ok(put)
    }

    fn brought(&self, by: PeerId, why: Why, if_sequence: Option<u64>) -> Brought {
        Brought {
            by,
            group: self.contact(by).group,
            cached: why == Why::Cache,
            if_sequence,
        }
    }

    fn receipt(&self, entry: &Entry, nonce: Nonce) -> Receipt {
        Receipt::new(entry, nonce, self.local, clock::now_ms())
    }

    /// Somebody looks for a value that is not here.
    fn heard_of(&self, key: Key) {
        if self.role() == Role::Mirror {
            self.mirror(key);
        }
    }
}

/// Why a value is not forgotten.
pub(super) const OF_ANOTHER: &str = "somebody else stored it";
pub(super) const OF_SEVERAL: &str =
    "somebody else stored it as well: it stays until it expires for them";

/// Room for a content on its way: see [`SENDING_MAX`].
pub(super) type Room<'a> = Option<SemaphorePermit<'a>>;

fn room_of(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(SENDING_MAX)
}

/// Contents up to so many bytes are read and checked where they are needed; larger ones off the network's tasks.
const SMALL: u64 = 64 * 1024;

/// Ends a question with its one answer.
pub(super) async fn respond(responder: Responder, said: &Answer) {
    if responder.reply(said.encode()).await.is_ok() {
        responder.end();
    }
}

pub(super) fn refused(reason: Reason, text: impl Into<String>) -> Verdict {
    Verdict::Refused {
        reason,
        text: text.into(),
        nodes: Vec::new(),
    }
}

pub(super) async fn answer(event: &Event, said: &Answer) {
    // Who asked may be gone, or no longer want to know.
    if event.reply(said.encode()).await.is_ok() {
        let _ended = event.end();
    }
}

pub(super) fn refuse(event: &Event, code: Code, text: &str) {
    if let Ok(responder) = event.take_responder() {
        responder.end_with(code as i32, text);
    }
}
