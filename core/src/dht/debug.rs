//! The live feed: what nodes that permit it say of themselves, as it happens.
//!
//! A node tells only while somebody listens. Who listens too slowly misses lines, and is told how many.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Dht;
use super::node::Node;
use crate::error::{Code, DhtError};
use crate::identity::PeerId;
use crate::proto::packet::PacketType;
use crate::satellite::{Event, Events, RequestOptions, Source, Subscription};

/// Where the feed is asked for.
const NAMESPACE: &str = "psfs.dht.debug";
/// Who may listen at once.
const LISTENERS_MAX: usize = 16;
/// Lines that wait for one of them.
const LINES: usize = 256;
/// Longest line, in bytes.
const LINE_MAX: usize = 512;
/// How often it is looked for nodes that are not listened to yet.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long one request goes on.
const LISTEN_FOR: Duration = Duration::from_secs(600);

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebugLine {
    /// Which node says it.
    pub peer: PeerId,
    /// What: `keeps KEY (16 bytes) from PEER`.
    pub line: String,
}

/// The live feed of all nodes that permit it. Dropping it ends it.
#[derive(Debug)]
pub struct DebugFeed {
    lines: mpsc::Receiver<DebugLine>,
}

impl DebugFeed {
    /// The next line; `None` after shutdown.
    pub async fn next(&mut self) -> Option<DebugLine> {
        self.lines.recv().await
    }
}

impl Source<DebugLine> for DebugFeed {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<DebugLine>,
        max: usize,
    ) -> Poll<bool> {
        self.lines
            .poll_recv_many(cx, out, max)
            .map(|count| count > 0)
    }

    fn close(&mut self) {
        self.lines.close();
    }
}

/// Who listens to this node.
#[derive(Debug, Default)]
pub(super) struct Telling {
    permitted: AtomicBool,
    listened: AtomicBool,
    listeners: Mutex<Vec<(mpsc::Sender<Bytes>, u64)>>,
}

impl Telling {
    fn add(&self) -> Option<mpsc::Receiver<Bytes>> {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|(listener, _)| !listener.is_closed());
        if listeners.len() >= LISTENERS_MAX {
            return None;
        }
        let (sender, lines) = mpsc::channel(LINES);
        listeners.push((sender, 0));
        self.listened.store(true, Ordering::Relaxed);
        Some(lines)
    }

    /// How many listen. It is seen when they are gone.
    #[cfg(test)]
    pub(super) fn followers(&self) -> usize {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|(listener, _)| !listener.is_closed());
        listeners.len()
    }

    /// Something happened. The text is made only while somebody listens.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if !self.listened.load(Ordering::Relaxed) {
            return;
        }
        let mut line = line();
        line.truncate(line.floor_char_boundary(LINE_MAX));
        let line = Bytes::from(line);
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain_mut(|(listener, missed)| {
            if *missed > 0
                && listener
                    .try_send(format!("{missed} lines were left out").into())
                    .is_ok()
            {
                *missed = 0;
            }
            match listener.try_send(line.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    *missed += 1;
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
        self.listened
            .store(!listeners.is_empty(), Ordering::Relaxed);
    }
}

impl Dht {
    /// Whether others may follow what this node does: whom it meets, and which keys it keeps, refuses and is asked for. Default: no.
    pub fn permit_debug(&self, permitted: bool) {
        self.node
            .telling
            .permitted
            .store(permitted, Ordering::Relaxed);
        if !permitted {
            self.node
                .telling
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
    }

    /// Calls `handler` with what [`Dht::debug`] tells, on the callback threads.
    ///
    /// # Errors
    /// [`DhtError::Closed`] unless the satellite runs.
    pub fn on_debug(
        &self,
        handler: impl FnMut(DebugLine) + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        Ok(self.base().attach(self.debug()?, handler)?)
    }

    /// Follows all nodes that permit it, from now on those that come later, too.
    ///
    /// # Errors
    /// [`DhtError::Closed`] unless the satellite runs.
    pub fn debug(&self) -> Result<DebugFeed, DhtError> {
        if !self.satellite.is_running() {
            return Err(DhtError::Closed);
        }
        let (sender, lines) = mpsc::channel(LINES);
        let node = Arc::clone(&self.node);
        self.base()
            .spawn(async move { node.follow_all(sender).await });
        Ok(DebugFeed { lines })
    }
}

impl Node {
    async fn follow_all(self: Arc<Self>, feed: mpsc::Sender<DebugLine>) {
        let followed: Arc<Mutex<Vec<PeerId>>> = Arc::default();
        if let Some(mut own) = self.telling.add() {
            let (feed, peer) = (feed.clone(), self.local);
            self.base.spawn(async move {
                loop {
                    let line = tokio::select! {
                        () = feed.closed() => return,
                        line = own.recv() => line,
                    };
                    let Some(line) = line else { return };
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if feed.send(DebugLine { peer, line }).await.is_err() {
                        return;
                    }
                }
            });
        }
        while !feed.is_closed() {
            for peer in self.base.connected() {
                let mut known = followed.lock().unwrap_or_else(PoisonError::into_inner);
                if known.contains(&peer) {
                    continue;
                }
                known.push(peer);
                let (node, feed, followed) =
                    (Arc::clone(&self), feed.clone(), Arc::clone(&followed));
                self.base.spawn(async move {
                    let refused = node.follow_one(peer, &feed).await;
                    // Who does not permit it is not asked again; who is gone is asked when it is back.
                    if !refused {
                        followed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .retain(|other| *other != peer);
                    }
                });
            }
            tokio::select! {
                () = feed.closed() => return,
                () = self.base.sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// True: it does not want to be followed.
    async fn follow_one(&self, peer: PeerId, feed: &mpsc::Sender<DebugLine>) -> bool {
        let options = RequestOptions::default().deadline(LISTEN_FOR);
        let Ok(mut replies) = self
            .base
            .request(&peer, NAMESPACE, Bytes::new(), options)
            .await
        else {
            return false;
        };
        loop {
            let reply = tokio::select! {
                () = feed.closed() => return false,
                reply = replies.next() => reply,
            };
            match reply {
                Some(Ok(reply)) => {
                    let line = String::from_utf8_lossy(reply.content()).into_owned();
                    if feed.send(DebugLine { peer, line }).await.is_err() {
                        return false;
                    }
                }
                Some(Err(error)) => {
                    return matches!(error.code(), Code::Refused | Code::UnknownNamespace);
                }
                None => return false,
            }
        }
    }
}

pub(super) fn begin(node: &Arc<Node>) {
    if let Some(events) = node.base.events(PacketType::Request, NAMESPACE) {
        node.base.spawn(serve(Arc::clone(node), events));
    }
}

async fn serve(node: Arc<Node>, mut events: Events) {
    while let Some(event) = events.next().await {
        if !node.telling.permitted.load(Ordering::Relaxed) {
            let text = "this node does not permit to be followed";
            super::serve::refuse(&event, Code::Refused, text);
            continue;
        }
        match node.telling.add() {
            Some(lines) => {
                let telling = Arc::clone(&node);
                node.base
                    .spawn(async move { telling.tell_lines(event, lines).await });
            }
            // It may ask again.
            None => {
                super::serve::refuse(&event, Code::Busy, "this node is followed by enough others")
            }
        }
    }
}

impl Node {
    async fn tell_lines(&self, event: Event, mut lines: mpsc::Receiver<Bytes>) {
        let Ok(responder) = event.take_responder() else {
            return;
        };
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                // A node that has nothing to say would never learn that nobody listens.
                () = self.base.sleep(LOOK_EVERY) => {
                    if responder.is_cancelled() {
                        return;
                    }
                    continue;
                }
            };
            match line {
                Some(line) => {
                    if responder.reply(line).await.is_err() {
                        return;
                    }
                }
                // No longer permitted.
                None => return responder.end(),
            }
        }
    }
}
