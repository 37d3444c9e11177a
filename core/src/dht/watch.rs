//! Watching a signed value: nodes that keep it tell of each change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::Dht;
use super::fetch::Value;
use super::node::Node;
use super::serve;
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::message::{Answer, Ask, NAMESPACE};
use crate::proto::dht::value::{self, Entry, Reason};
use crate::satellite::{Event, RequestOptions, Source, Subscription};

/// Watchers of all values here.
const WATCHERS_MAX: usize = 1024;
/// Changes that wait for one of them; of more the last ones are told.
const CHANGES: usize = 8;
/// How long a node is asked to tell.
const TOLD_FOR: Duration = Duration::from_secs(600);
/// Nodes that are asked to tell.
const TELLERS: usize = 3;
/// How often it is looked for also without being told; and how soon after nobody tells any more, twice as long each time in a row.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who wants to hear of values that are kept here.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<Key, Vec<mpsc::Sender<Entry>>>>);

impl Watchers {
    fn add(&self, key: Key) -> Option<mpsc::Receiver<Entry>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, watchers| {
            watchers.retain(|watcher| !watcher.is_closed());
            !watchers.is_empty()
        });
        if all.values().map(Vec::len).sum::<usize>() >= WATCHERS_MAX {
            return None;
        }
        let (sender, changes) = mpsc::channel(CHANGES);
        all.entry(key).or_default().push(sender);
        Some(changes)
    }

    /// A value was put in place of another, or for the first time.
    pub(super) fn changed(&self, entry: &Entry) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watcher in all.get(&entry.key).into_iter().flatten() {
            // Who is slow misses what is between; it looks by itself, too.
            let _slow = watcher.try_send(entry.clone());
        }
    }
}

/// The changes of a signed value: first what it is now, then each newer one. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watch {
    values: mpsc::Receiver<Value>,
}

impl Watch {
    /// The next value; one that was deleted has no content. `None` after shutdown.
    pub async fn next(&mut self) -> Option<Value> {
        self.values.recv().await
    }
}

impl Source<Value> for Watch {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<Value>, max: usize) -> Poll<bool> {
        self.values
            .poll_recv_many(cx, out, max)
            .map(|count| count > 0)
    }

    fn close(&mut self) {
        self.values.close();
    }
}

impl Dht {
    /// Calls `handler` with what [`Dht::watch`] tells, on the callback threads.
    ///
    /// # Errors
    /// [`DhtError::Closed`] unless the satellite runs.
    pub fn on_change(
        &self,
        key: Key,
        handler: impl FnMut(Value) + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        Ok(self.base().attach(self.watch(key)?, handler)?)
    }

    /// Tells of a signed value whenever it changes: the nodes that keep it say so at once.
    ///
    /// # Errors
    /// [`DhtError::Closed`] unless the satellite runs.
    pub fn watch(&self, key: Key) -> Result<Watch, DhtError> {
        if !self.satellite.is_running() {
            return Err(DhtError::Closed);
        }
        let (sender, values) = mpsc::channel(CHANGES);
        let node = Arc::clone(&self.node);
        self.base().spawn(async move {
            let gone = sender.clone();
            tokio::select! {
                () = gone.closed() => {}
                () = node.follow(key, &sender) => {}
            }
        });
        Ok(Watch { values })
    }
}

impl Node {
    async fn follow(&self, key: Key, watch: &mpsc::Sender<Value>) {
        let mut last: Option<Entry> = None;
        let mut pause = LOOK_AGAIN;
        loop {
            let mut tellers = FuturesUnordered::new();
            if let Ok(mut around) = self.around(key).await {
                // Its content is moved only if it says something new.
                if around.best().is_some_and(|best| is_new(&best, &last))
                    && let Some(value) = self.best_of(&mut around).await
                    && !self.tell(value, &mut last, watch).await
                {
                    return;
                }
                // Those that are to keep it, so that a first one is told as well.
                let newer_than = last.as_ref().map_or(0, |entry| entry.sequence);
                let nearest = around.nearest().iter().take(TELLERS);
                tellers.extend(nearest.map(|peer| self.told_by(*peer, key, newer_than)));
            }
            let told = async {
                while let Some(told) = tellers.next().await {
                    if told.is_some() {
                        return told;
                    }
                }
                // Nobody tells any more.
                self.base.sleep(pause).await;
                None
            };
            tokio::select! {
                () = self.base.sleep(LOOK_EVERY) => pause = LOOK_AGAIN,
                value = told => match value {
                    Some(value) => {
                        if !self.tell(value, &mut last, watch).await {
                            return;
                        }
                        pause = LOOK_AGAIN;
                    }
                    None => pause = (pause * 2).min(LOOK_EVERY),
                },
            }
        }
    }

    async fn tell(
        &self,
        value: Value,
        last: &mut Option<Entry>,
        watch: &mpsc::Sender<Value>,
    ) -> bool {
        let entry = value.entry();
        if !is_new(entry, last) {
            return true;
        }
        *last = Some(entry.clone());
        watch.send(value).await.is_ok()
    }

    /// Waits until a node tells of a newer value. Nothing: it will not.
    async fn told_by(&self, peer: PeerId, key: Key, newer_than: u64) -> Option<Value> {
        let ask = Ask::Watch { key, newer_than }.encode(self.role().serves());
        let options = RequestOptions::default().deadline(TOLD_FOR).max_replies(1);
        let mut replies = self
            .base
            .request(&peer, NAMESPACE, ask, options)
            .await
            .ok()?;
        let reply = replies.next().await?.ok()?;
        let Ok(Answer::Content { entry, content }) = Answer::decode(reply.content().clone()) else {
            return None;
        };
        if entry.key != key {
            return None;
        }
        self.checked(entry, content).await?.ok()
    }

    /// Somebody wants to hear of a value: it is told the first that is newer, and the request ends.
    pub(super) async fn on_watch(self: &Arc<Self>, event: Event, key: Key, newer_than: u64) {
        let Some(mut changes) = self.watchers.add(key) else {
            let busy = serve::refused(Reason::Busy, "it tells enough others of changes");
            return self.answer_soon(event, Answer::Verdict(busy));
        };
        let Ok(mut responder) = event.take_responder() else {
            return;
        };
        let until = clock::after(TOLD_FOR);
        let mut change = self.held(&key);
        loop {
            if let Some(entry) = change.filter(|entry| entry.sequence > newer_than) {
                match self.send_value(responder, entry).await {
                    None => return,
                    // Replaced before it could be read: what replaced it comes next.
                    Some(still) => responder = still,
                }
            }
            change = tokio::select! {
                change = changes.recv() => match change {
                    Some(entry) => Some(entry),
                    None => return,
                },
                // Who asked is gone, most often.
                () = self.base.sleep(LOOK_EVERY) => {
                    if responder.is_cancelled() || clock::now() >= until {
                        return responder.end();
                    }
                    None
                }
            };
        }
    }
}

fn is_new(entry: &Entry, last: &Option<Entry>) -> bool {
    last.as_ref().is_none_or(|last| value::newer(entry, last))
}
