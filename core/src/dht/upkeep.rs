//! What a node does unasked: it makes itself known to those it has a session with, gives values to nodes that are nearer to them, sees to
//! it that enough nodes keep each, and forgets what has expired.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::node::{Node, REPLICAS};
use super::walk::{Found, plan};
use crate::error::Code;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::lookup::Goal;
use crate::proto::dht::message::Why;
use crate::proto::dht::value::Entry;
use crate::satellite::PeerEvent;

/// Introductions under way at once.
const INTRODUCED_MAX: usize = 16;
/// Values looked at before others get a turn.
const PAGE: usize = 128;
/// How often what has expired is looked for, and how much of it is removed at once.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);
const EXPIRE_MOST: usize = 1000;
/// How often a value is offered to the nodes that are to keep it; by the nearest of them, by the others every fourth time.
const REPUBLISH_EVERY: Duration = Duration::from_secs(3600);
/// How often it is looked for a part of the table that nobody walked to for long; and from when on, up to three times that, unless the
/// application uses the DHT sooner.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
const REFRESH_FIRST: Duration = Duration::from_secs(20);
/// Between walks through one range and the next: this, and up to as much again twice over. A walk opens sessions with a dozen strangers; a
/// thousand nodes that all walked through all of their ranges back to back would do nothing else for minutes.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// A node that comes and goes gets what it should have no more often than this.
const HAND_AGAIN: Duration = Duration::from_secs(60);
/// Nodes that get, or have just got, what they should have; whoever comes beside them gets it when it is republished.
const HANDED_MAX: usize = 1024;

/// Who gets values from here for having come, and whether it came once more meanwhile.
#[derive(Debug, Default)]
pub(super) struct Handing(Mutex<HashMap<PeerId, bool>>);

impl Handing {
    /// Whether to begin now.
    fn begin(&self, to: PeerId) -> bool {
        let mut handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = handed.get_mut(&to) {
            *again = true;
            return false;
        }
        let room = handed.len() < HANDED_MAX;
        if room {
            handed.insert(to, false);
        }
        room
    }

    /// Whether to do it once more. If not, it is over.
    fn again(&self, to: &PeerId) -> bool {
        let mut handed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let again = handed.get_mut(to).is_some_and(std::mem::take);
        if !again {
            handed.remove(to);
        }
        again
    }
}

pub(super) fn begin(node: &Arc<Node>) {
    node.base.spawn(meet(Arc::clone(node)));
    node.base.spawn(expire(Arc::clone(node)));
    node.base.spawn(republish(Arc::clone(node)));
    node.base.spawn(refresh(Arc::clone(node)));
}

/// Follows who comes and goes.
async fn meet(node: Arc<Node>) {
    let Some(mut events) = node.base.peer_events() else {
        return;
    };
    let room = Arc::new(Semaphore::new(INTRODUCED_MAX));
    // Sessions that opened before anybody listened.
    for peer in node.base.connected() {
        node.introduce(peer, &room).await;
    }
    while let Some(event) = events.next().await {
        match event {
            PeerEvent::Discovered { peer } => {
                let contact = node.contact(peer);
                node.table(|table, now| table.met(contact, now));
            }
            PeerEvent::Connected { peer, address } => node.comes_from(peer, &address),
            PeerEvent::Authenticated { peer } => node.introduce(peer, &room).await,
            PeerEvent::Disconnected { peer, reason } => {
                node.gone(&peer);
                if reason.code == Code::Closed {
                    node.table(|table, _| table.left(&peer));
                }
            }
            _ => {}
        }
    }
}

impl Node {
    /// Asks a peer with a session who is near to here: so it learns of this node, and this node of its neighbours.
    async fn introduce(self: &Arc<Self>, peer: PeerId, room: &Arc<Semaphore>) {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return;
        };
        let node = Arc::clone(self);
        self.base.spawn(async move {
            let _permit = permit;
            if let Ok((nodes, ())) = node.find_nodes(peer, node.place).await {
                let _contacts = node.learn(peer, &nodes).await;
            }
        });
    }

    /// A node is new here: it gets what it is nearer to than others that keep it.
    pub(super) fn values_may_move(&self, to: PeerId) {
        let Some(node) = self.arc() else { return };
        if !self.handing.begin(to) {
            return;
        }
        self.base.spawn(async move {
            loop {
                node.hand_over(to).await;
                node.base.sleep(HAND_AGAIN).await;
                if !node.handing.again(&to) {
                    return;
                }
            }
        });
    }

    async fn hand_over(&self, to: PeerId) {
        let Ok(_turn) = self.moving.acquire().await else {
            return;
        };
        let mut after = None;
        while let Some((page, last)) = self.page(after) {
            after = Some(last);
            for entry in page {
                let near = self.table(|table, now| table.closest(&entry.key, REPLICAS, now));
                let wanted = near.iter().any(|contact| contact.peer == to);
                if !wanted || entry.is_expired(clock::now_ms()) {
                    continue;
                }
                let Some(content) = self.content(&entry).await else {
                    continue;
                };
                if self
                    .offer(&to, &entry, &content, Why::HandOver, None)
                    .await
                    .is_err()
                {
                    // It is gone again; when it comes back it is new again.
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// The next values that are kept here for good, and the key of the last of them.
    fn page(&self, after: Option<Key>) -> Option<(Vec<Entry>, Key)> {
        let page = self.values.keys_after(after, PAGE);
        let page = page.unwrap_or_else(|error| {
            tracing::warn!(%error, "the values kept here cannot be read");
            Vec::new()
        });
        let last = page.last()?.entry.key;
        let kept = page
            .into_iter()
            .filter(|held| !held.cached)
            .map(|held| held.entry);
        Some((kept.collect(), last))
    }

    /// Offers what is kept here to the nodes that are to keep it: what this node is the nearest to, or all of it.
    pub(super) async fn republish(&self, all: bool) {
        let mut after = None;
        while let Some((page, last)) = self.page(after) {
            after = Some(last);
            for entry in page {
                let nearest = self.table(|table, now| table.closest(&entry.key, 1, now));
                let own = self.place.distance(&entry.key);
                let first = nearest
                    .first()
                    .is_none_or(|nearest| own < nearest.id.distance(&entry.key));
                if !(first || all) || entry.is_expired(clock::now_ms()) {
                    continue;
                }
                let Some(content) = self.content(&entry).await else {
                    continue;
                };
                if self
                    .spread(entry, content, Why::Republish, None)
                    .await
                    .is_err()
                {
                    // Nobody is here: the next round.
                    return;
                }
            }
        }
    }

    /// Fetches and keeps a value that somebody looked for.
    pub(super) fn mirror(&self, key: Key) {
        let (Some(node), Ok(permit)) =
            (self.arc(), Arc::clone(&self.mirroring).try_acquire_owned())
        else {
            return;
        };
        self.base.spawn(async move {
            let _permit = permit;
            if let Ok(value) = node.fetch(key).await {
                let (entry, content) = (value.entry().clone(), value.content().clone());
                // Nobody offers it, and least of all its publisher, who may be anybody's claim.
                if let Err(error) = node
                    .keep(node.local, entry, content, Why::Store, None)
                    .await
                {
                    tracing::debug!(%key, error, "not mirrored");
                }
            }
        });
    }
}

async fn expire(node: Arc<Node>) {
    loop {
        node.base.sleep(EXPIRE_EVERY).await;
        while let Ok(removed) = node.expire(EXPIRE_MOST).await
            && removed > 0
        {}
    }
}

async fn republish(node: Arc<Node>) {
    for round in 0_u64.. {
        // Up to a quarter sooner or later: not all at once.
        let part = u32::from(clock::random::<1>()[0]);
        node.base
            .sleep(REPUBLISH_EVERY * 3 / 4 + REPUBLISH_EVERY * part / 512)
            .await;
        node.republish(round % 4 == 3).await;
    }
}

/// Walks through the parts of the table that nobody walked to for long. Not at once: who starts meets the others in calmer ways first,
/// and a hundred that walked at their start would each open a session with most of the others.
async fn refresh(node: Arc<Node>) {
    let part = u32::from(clock::random::<1>()[0]);
    tokio::select! {
        () = node.used.notified() => {}
        () = node.base.sleep(REFRESH_FIRST + REFRESH_FIRST * part / 128) => {}
    }
    loop {
        let noise = Key::from_bytes(clock::random());
        let key = node.table(|table, now| table.refresh(now, &noise));
        let lookup = key.and_then(|key| node.lookup(key, plan(Goal::Nodes, 3, 1)).ok());
        match (key, lookup) {
            (Some(key), Some(lookup)) => {
                node.walk(
                    lookup,
                    |peer| node.find_nodes(peer, key),
                    |_, _| Found::Nothing,
                )
                .await;
                // The walk to our own id fills most of the table; what the others add is not urgent.
                let part = u32::from(clock::random::<1>()[0]);
                let pause = REFRESH_PAUSE + REFRESH_PAUSE * part / 128;
                node.base.sleep(pause).await;
            }
            _ => node.base.sleep(REFRESH_EVERY).await,
        }
    }
}
