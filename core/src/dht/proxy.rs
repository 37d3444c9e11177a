//! Storing and fetching for others on request, and having it done: for a satellite that reaches few nodes itself, behind a NAT or on a
//! phone that wakes up for one session.
//!
//! A proxy walks in the asker's place; with what, the asker says and checks. So it need not be trusted with values: what it brings is
//! checked as from any node, and it can change nothing of what it is given to store. It has to be believed which nodes keep what was stored,
//! that there is nothing, and that there is nothing newer: so what does not prove itself by its key is asked of several proxies and compared.
//!
//! Who asks has a budget ([`BUDGET`]), and walks for others are bounded in number. A proxy asks no other proxy.

use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::Dht;
use super::ask::MOVE_TIMEOUT;
use super::fetch::Value;
use super::node::{Node, REPLICAS};
use super::serve::{Room, refused};
use super::store::{Answer, Outcome, Spread};
use crate::config::Role;
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::Now;
use crate::proto::dht::message::{
    Answer as Said, Ask, Fate, OUTCOMES_MAX, Outcome as Told, Store, Verdict, Why,
};
use crate::proto::dht::value::{self, Entry, Kind, Reason};

/// Walks for others at once, and for one of them.
const WALKS_MAX: usize = 16;
const WALKS_EACH: usize = 4;
/// Bytes that are moved for one of them in [`REFILLED_IN`]; each walk counts as [`WALK_COST`] beside what it moves.
const BUDGET: u64 = 64 << 20;
const REFILLED_IN: Duration = Duration::from_secs(3600);
const WALK_COST: u64 = 4096;
/// Askers whose budgets are remembered: who has all of it need not be.
const ASKERS_MAX: usize = 1024;
/// How long a walk for somebody may take: less than he waits for it.
const WALK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a satellite walks before it asks proxies as well.
const ALONE: Duration = Duration::from_secs(5);
/// Proxies that are compared, and peers that are asked whether they are one.
const PROXIES: usize = 3;
const PEERS: usize = 8;

/// What this node does for others.
#[derive(Debug, Default)]
pub(super) struct Proxying {
    permitted: AtomicBool,
    askers: Mutex<HashMap<PeerId, Asker>>,
    /// Who has walked for this satellite where it could not itself: asked first.
    used: Mutex<Option<PeerId>>,
}

#[derive(Clone, Copy, Debug)]
struct Asker {
    walks: usize,
    left: u64,
    /// When it was as much.
    at: Now,
}

/// A walk for somebody; over when it is dropped.
#[derive(Debug)]
struct Turn<'a> {
    of: &'a Proxying,
    asker: PeerId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(asker) = self.of.askers().get_mut(&self.asker) {
            asker.walks = asker.walks.saturating_sub(1);
        }
    }
}

impl Turn<'_> {
    /// So many bytes were moved that nobody knew of before.
    fn charge(&self, bytes: u64) {
        if let Some(asker) = self.of.askers().get_mut(&self.asker) {
            asker.left = asker.left.saturating_sub(bytes);
        }
    }
}

impl Proxying {
    fn askers(&self) -> MutexGuard<'_, HashMap<PeerId, Asker>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> MutexGuard<'_, Option<PeerId>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(
        &self,
        peer: PeerId,
        bytes: u64,
        now: Now,
    ) -> Result<Turn<'_>, (Reason, &'static str)> {
        if !self.permitted.load(Ordering::Relaxed) {
            return Err((Reason::Policy, "it is a proxy for nobody"));
        }
        let mut askers = self.askers();
        for asker in askers.values_mut() {
            let since = now.saturating_sub(asker.at);
            let more = (BUDGET as u128 * since.as_millis() / REFILLED_IN.as_millis()) as u64;
            // What is too little to count counts the next time.
            if more > 0 {
                (asker.left, asker.at) = (asker.left.saturating_add(more).min(BUDGET), now);
            }
        }
        askers.retain(|_, asker| asker.walks > 0 || asker.left < BUDGET);
        let walks: usize = askers.values().map(|asker| asker.walks).sum();
        let asker = askers.get(&peer).copied().unwrap_or(Asker {
            walks: 0,
            left: BUDGET,
            at: now,
        });
        if walks >= WALKS_MAX || asker.walks >= WALKS_EACH || askers.len() >= ASKERS_MAX {
            return Err((Reason::Busy, "it walks for enough others"));
        }
        let Some(left) = asker.left.checked_sub(bytes.saturating_add(WALK_COST)) else {
            return Err((
                Reason::Quota,
                "it has moved enough for this peer in this hour",
            ));
        };
        let walks = asker.walks + 1;
        askers.insert(
            peer,
            Asker {
                walks,
                left,
                ..asker
            },
        );
        Ok(Turn {
            of: self,
            asker: peer,
        })
    }
}

impl Dht {
    /// Whether others may have this satellite store and fetch for them, within a budget for each. Default: no. Who is a
    /// [`Role::Client`] asks those it has a session with where it cannot reach the nodes itself.
    pub fn permit_proxy(&self, permitted: bool) {
        let proxying = &self.node.proxying;
        proxying.permitted.store(permitted, Ordering::Relaxed);
    }
}

/// Answering.
impl Node {
    pub(super) async fn on_fetch<'a>(
        &'a self,
        key: Key,
        peer: PeerId,
        room: &mut Room<'a>,
    ) -> Said {
        let turn = match self.proxying.admit(peer, 0, self.now()) {
            Ok(turn) => turn,
            Err((reason, text)) => return Said::Verdict(refused(reason, text)),
        };
        self.telling.tell(|| format!("fetches {key} for {peer}"));
        let found = tokio::select! {
            found = self.look(key) => found.ok().and_then(|(value, _)| value),
            () = self.base.sleep(WALK_TIMEOUT) => None,
        };
        match found {
            Some(value) => {
                let bytes = value.content().len() as u64;
                turn.charge(bytes);
                if !self.has_room(bytes, room) {
                    return Said::Verdict(refused(Reason::Busy, "it sends too much at once"));
                }
                let (entry, content) = (value.entry().clone(), value.content().clone());
                Said::Content { entry, content }
            }
            None => self.not_found(key, &peer),
        }
    }

    pub(super) async fn on_store(&self, store: Store, peer: PeerId) -> Said {
        let Store {
            entry,
            content,
            if_sequence,
        } = store;
        let refused = |reason, text: String| Said::Verdict(refused(reason, text));
        let turn = self.proxying.admit(peer, content.len() as u64, self.now());
        let _turn = match turn {
            Ok(turn) => turn,
            Err((reason, text)) => return refused(reason, text.into()),
        };
        if entry.publisher != peer {
            return refused(Reason::Policy, "it is stored by somebody else".into());
        }
        // Nobody would keep it, and this node would be the one who offered it.
        let value = match self.checked(entry, content).await {
            Some(Ok(value)) if !value.content().is_empty() || value.entry().is_deleted() => value,
            Some(Ok(_)) => return refused(Reason::Invalid, "it is empty".into()),
            Some(Err(invalid)) => return refused(invalid.reason(), invalid.to_string()),
            None => return refused(Reason::Busy, "it ends".into()),
        };
        let (key, entry, content) = (value.key(), value.entry().clone(), value.content().clone());
        self.telling.tell(|| format!("stores {key} for {peer}"));
        let spread = tokio::select! {
            spread = self.spread(entry, content, Why::Store, if_sequence) => spread,
            () = self.base.sleep(WALK_TIMEOUT) => Err(DhtError::Timeout(WALK_TIMEOUT)),
        };
        match spread {
            Ok(answers) => {
                let told = answers.into_iter().take(OUTCOMES_MAX).map(|answer| Told {
                    peer: answer.peer,
                    kept: match answer.outcome {
                        Outcome::Kept => Fate::Kept,
                        Outcome::Had => Fate::Had,
                        Outcome::Refused { reason, text } => Fate::Refused(reason, text),
                        Outcome::Failed(text) => Fate::Failed(text),
                    },
                });
                Said::Stored(told.collect())
            }
            Err(error) => refused(Reason::Busy, error.to_string()),
        }
    }
}

/// Asking.
impl Node {
    /// [`Node::look`], or what proxies find.
    pub(super) async fn look_any(&self, key: Key) -> Result<(Option<Value>, usize), DhtError> {
        let by =
            |peers| Box::pin(async move { Some(Ok((Some(self.fetch_by(peers, key).await?), 1))) });
        let found = |found: &Result<_, _>| matches!(found, Ok((Some(_), _)));
        self.or_by_proxy(Box::pin(self.look(key)), found, by).await
    }

    /// The number of the newest signed value under a key, or what proxies say it is.
    pub(super) async fn newest_sequence(&self, key: Key) -> Result<Option<u64>, DhtError> {
        let own = Box::pin(async {
            let newest = self.around(key).await?.best();
            Ok(newest.map(|entry| entry.sequence))
        });
        let by = |peers| {
            Box::pin(async move {
                let value = self.fetch_by(peers, key).await?;
                Some(Ok(Some(value.sequence())))
            })
        };
        let found = |found: &Result<_, _>| matches!(found, Ok(Some(_)));
        self.or_by_proxy(own, found, by).await
    }

    /// [`Node::spread`] of what this satellite stores, or what a proxy makes of it.
    pub(super) async fn spread_any(
        &self,
        entry: Entry,
        content: Bytes,
        if_sequence: Option<u64>,
    ) -> Result<Spread, DhtError> {
        let store = Store {
            entry: entry.clone(),
            content: content.clone(),
            if_sequence,
        };
        let ask = &Ask::Store(store);
        let own = Box::pin(async {
            let answers = self.spread(entry, content, Why::Store, if_sequence).await?;
            Ok(Spread {
                answers,
                proxy: None,
            })
        });
        let by = |peers: Vec<PeerId>| {
            Box::pin(async move {
                for peer in peers {
                    if let Some(answers) = self.store_by(&peer, ask).await {
                        let proxy = Some(peer);
                        *self.proxying.used() = proxy;
                        return Some(Ok(Spread { answers, proxy }));
                    }
                }
                None
            })
        };
        self.or_by_proxy(own, reached, by).await
    }

    /// What this satellite does itself. A client that does not get far with that has it done `by` one of those it has a session with, and
    /// the next time asks who did it first. Both in boxes: a walk is large, and nobody else has to make room for two.
    async fn or_by_proxy<T, Asking>(
        &self,
        mut own: Pin<Box<impl Future<Output = T>>>,
        enough: impl Fn(&T) -> bool,
        by: impl Fn(Vec<PeerId>) -> Asking,
    ) -> T
    where
        Asking: Future<Output = Option<T>>,
    {
        if self.role() != Role::Client {
            return own.await;
        }
        // What it brings that does not prove itself is compared with what others bring: `Node::fetch_by`.
        let used = self.proxying.used().take();
        if let Some(used) = used
            && self.base.is_connected(&used)
            && let Some(done) = by(vec![used]).await
        {
            return done;
        }
        // Nobody is looked for before it is polled.
        let mut by = pin!(async { by(self.peers_to_ask()).await });
        tokio::select! {
            biased;
            done = &mut own => {
                return if enough(&done) { done } else { by.await.unwrap_or(done) };
            }
            () = self.base.sleep(ALONE) => {}
        }
        tokio::select! {
            biased;
            done = &mut own => if enough(&done) { done } else { by.await.unwrap_or(done) },
            done = &mut by => match done {
                Some(done) => done,
                None => own.await,
            },
        }
    }

    /// Those with a session, in no order that anybody could foresee.
    fn peers_to_ask(&self) -> Vec<PeerId> {
        let noise = Key::from_bytes(clock::random());
        let mut peers = self.base.connected();
        self.table(|table, now| peers.retain(|peer| !table.is_blacklisted(peer, now)));
        peers.sort_by_key(|peer| Key::of_peer(peer).distance(&noise));
        peers.truncate(PEERS);
        peers
    }

    /// What the first of these peers that are proxies bring: who refuses is none.
    async fn fetch_by(&self, peers: Vec<PeerId>, key: Key) -> Option<Value> {
        let mut found: Vec<(PeerId, Value)> = Vec::new();
        let mut asked = 0;
        let mut peers = VecDeque::from(peers);
        let mut alone = peers.len() == 1;
        while asked < PROXIES {
            // One was to be asked, as it helped before: what it says now is compared all the same.
            if alone && peers.is_empty() && !found.is_empty() {
                alone = false;
                peers.extend(self.peers_to_ask());
                peers.retain(|peer| found.iter().all(|(other, _)| other != peer));
            }
            let Some(peer) = peers.pop_front() else {
                break;
            };
            let said = self.ask(&peer, &Ask::Fetch(key), MOVE_TIMEOUT).await;
            let (entry, content) = match said {
                Ok(Said::Content { entry, content }) => (entry, content),
                Ok(Said::Verdict(Verdict::NotFound { .. })) => {
                    asked += 1;
                    continue;
                }
                Ok(Said::Verdict(Verdict::Refused { .. })) | Err(_) => continue,
                Ok(_) => {
                    let _lied = self.lied(&peer, "it gave an answer that fits no fetch");
                    continue;
                }
            };
            asked += 1;
            if entry.key != key {
                let _lied = self.lied(&peer, "it gave the value of another key");
                continue;
            }
            match self.checked(entry, content).await {
                Some(Ok(value)) => {
                    let enough = value.kind() == Kind::Plain;
                    found.push((peer, value));
                    if enough {
                        break;
                    }
                }
                Some(Err(lie)) if lie.is_lie() => drop(self.lied(&peer, lie.to_string())),
                Some(Err(_)) | None => {}
            }
        }
        let entries: Vec<Entry> = found
            .iter()
            .map(|(_, value)| value.entry().clone())
            .collect();
        let best = value::choose(&entries)?;
        let (peer, value) = found.into_iter().find(|(_, value)| value.entry() == best)?;
        *self.proxying.used() = Some(peer);
        Some(value)
    }

    async fn store_by(&self, peer: &PeerId, ask: &Ask) -> Option<Vec<Answer>> {
        match self.ask(peer, ask, MOVE_TIMEOUT).await {
            Ok(Said::Stored(told)) => {
                let answers = told.into_iter().map(|told| Answer {
                    peer: told.peer,
                    outcome: match told.kept {
                        Fate::Kept => Outcome::Kept,
                        Fate::Had => Outcome::Had,
                        Fate::Refused(reason, text) => Outcome::Refused { reason, text },
                        Fate::Failed(text) => Outcome::Failed(text),
                    },
                });
                Some(answers.collect())
            }
            Ok(Said::Verdict(_)) | Err(_) => None,
            Ok(_) => {
                let _lied = self.lied(peer, "it gave an answer that fits no store");
                None
            }
        }
    }
}

/// Whether what was stored got to where it should be: not if more nodes could not be asked than keep it.
fn reached(spread: &Result<Spread, DhtError>) -> bool {
    let Ok(spread) = spread else { return false };
    let kept = spread
        .answers
        .iter()
        .filter(|answer| answer.outcome.keeps());
    let failed = spread
        .answers
        .iter()
        .filter(|answer| matches!(answer.outcome, Outcome::Failed(_)));
    let kept = kept.count();
    kept >= REPLICAS || kept > 0 && failed.count() <= kept || spread.refused_all()
}

#[cfg(test)]
mod tests;
