//! What stands on a satellite and lives with it, as the DHT does: it is begun with the network, sees what this module shows, and ends
//! with the satellite, which it does not keep alive.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::callbacks::Source;
use super::{
    BroadcastOptions, Events, Inner, PeerEvents, Replies, RequestOptions, Satellite, Subscription,
};
use crate::config::Config;
use crate::error::{RequestError, SendError, StartError, SubscribeError};
use crate::identity::{PeerId, PublicKey};
use crate::net::driver::Command;
use crate::proto::packet::PacketType;
use crate::store::Store;

/// A part of a satellite.
pub(crate) trait Part: Any + fmt::Debug + Send + Sync {
    /// The network runs. Must not block; what it spawns ends with the satellite.
    fn begin(&self);

    /// The network and all tasks have ended: what is left of it ends now. May block.
    fn end(&self);
}

/// A satellite as its parts see it.
#[derive(Clone)]
pub(crate) struct Base(Weak<Inner>);

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base")
    }
}

impl Satellite {
    pub(crate) fn base(&self) -> Base {
        Base(Arc::downgrade(&self.inner))
    }

    /// Adds a part; before the start.
    pub(crate) fn add_part(&self, part: Arc<dyn Part>) {
        self.inner
            .parts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
    }

    /// The part of this type, if it was added.
    pub(crate) fn part<T: Part>(&self) -> Option<Arc<T>> {
        let parts = self
            .inner
            .parts
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        parts.iter().find_map(|part| {
            let any: Arc<dyn Any + Send + Sync> = Arc::clone(part) as _;
            any.downcast::<T>().ok()
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Until it ends.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.inner.stop.clone().cancelled_owned()
    }

    /// The same, to be asked again and again.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.inner.stop.clone()
    }

    /// The satellite's database.
    pub(crate) fn store(&self) -> Result<Store, StartError> {
        self.inner.store()
    }
}

impl Inner {
    /// The network runs.
    pub(super) fn begin_parts(&self) {
        for part in self
            .parts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            part.begin();
        }
    }

    /// All that was spawned has ended.
    pub(super) fn end_parts(&self) {
        for part in self
            .parts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            part.end();
        }
    }
}

impl Base {
    /// Runs until it ends or the satellite does.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        let Some(running) = inner.brought_up() else {
            return;
        };
        let stop = inner.stop.clone();
        let _running: JoinHandle<()> = running.tasks.spawn_on(
            async move {
                // Who ends it does so for good.
                let _ended = stop.run_until_cancelled_owned(work).await;
            },
            &running.handle,
        );
    }

    /// Work that blocks, off the network's tasks. Nothing: the satellite has ended.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let running = self.0.upgrade()?.brought_up()?;
        running.handle.spawn_blocking(work).await.ok()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        let running = self.0.upgrade().and_then(|inner| inner.brought_up());
        match running {
            Some(running) => running.sleep(duration).await,
            None => std::future::pending().await,
        }
    }

    /// Packets to a namespace of the library's own. Nothing: the satellite has ended.
    pub(crate) fn events(&self, packet_type: PacketType, namespace: &str) -> Option<Events> {
        let inner = self.0.upgrade()?;
        let events = Events::new(&inner.router, packet_type, namespace);
        inner.still_open().ok()?;
        Some(events)
    }

    pub(crate) fn peer_events(&self) -> Option<PeerEvents> {
        Some(PeerEvents::new(&self.0.upgrade()?.router))
    }

    /// Who has a session.
    pub(crate) fn connected(&self) -> Vec<PeerId> {
        let Some(inner) = self.0.upgrade() else {
            return Vec::new();
        };
        inner.router.links().iter().map(|link| link.peer).collect()
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.0
            .upgrade()
            .is_some_and(|inner| inner.router.link(peer).is_some())
    }

    /// A session over this address. Nothing: there is none in this time.
    pub(crate) async fn connect(&self, address: &str, timeout: Duration) -> Option<PeerId> {
        let inner = self.0.upgrade()?;
        inner.connect(address, timeout).await.ok()
    }

    /// Tells the network that this satellite has a file, or no longer.
    pub(crate) async fn provide(&self, file: [u8; 32], on: bool) {
        if let Some(inner) = self.0.upgrade() {
            // Nobody to tell for a satellite that ends.
            let _ended = inner.command(Command::Provide { file, on }).await;
        }
    }

    /// Who told so, as far as one search finds out.
    pub(crate) async fn providers(&self, file: [u8; 32]) -> Vec<PeerId> {
        let Some(inner) = self.0.upgrade() else {
            return Vec::new();
        };
        let (reply, found) = oneshot::channel();
        if inner
            .command(Command::Providers { file, reply })
            .await
            .is_none()
        {
            return Vec::new();
        }
        drop(inner);
        found.await.unwrap_or_default()
    }

    /// The public key of a peer that has a session.
    pub(crate) fn key_of(&self, peer: &PeerId) -> Option<PublicKey> {
        self.0.upgrade()?.router.link(peer)?.key.clone()
    }

    /// Everybody met, in the order of their ids, with addresses.
    pub(crate) fn addresses_of(&self, peers: &[PeerId]) -> Vec<(PeerId, Vec<Arc<str>>)> {
        let Some(inner) = self.0.upgrade() else {
            return Vec::new();
        };
        let view = inner.view();
        let addresses = |peer: &PeerId| {
            let at = view.met.binary_search_by(|met| met.peer.cmp(peer)).ok()?;
            Some((*peer, view.met.get(at)?.addresses.to_vec()))
        };
        peers.iter().filter_map(addresses).collect()
    }

    /// Where `from` says that others are.
    pub(crate) async fn learn(&self, from: PeerId, nodes: Vec<(PeerId, Vec<Arc<str>>)>) {
        if let Some(inner) = self.0.upgrade() {
            // Nothing to learn for a satellite that ends.
            let _ended = inner.command(Command::Learn { from, nodes }).await;
        }
    }

    /// A request to a namespace that may be the library's own, over a session that is made for it if there is none.
    pub(crate) async fn request(
        &self,
        peer: &PeerId,
        namespace: &str,
        content: Bytes,
        options: RequestOptions,
    ) -> Result<Replies, RequestError> {
        let inner = self.0.upgrade().ok_or(SendError::Closed)?;
        inner
            .request(peer, false, namespace, content, options)
            .await
    }

    /// A broadcast to a namespace that may be the library's own.
    pub(crate) async fn broadcast(
        &self,
        namespace: &str,
        content: Bytes,
        options: BroadcastOptions,
    ) -> Result<(), SendError> {
        let inner = self.0.upgrade().ok_or(SendError::Closed)?;
        inner.broadcast(namespace, content, options, 0).await
    }

    /// Handles what comes out of `source` on the callback threads.
    pub(crate) fn attach<T: Send + 'static>(
        &self,
        source: impl Source<T> + 'static,
        handler: impl FnMut(T) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let inner = self.0.upgrade().ok_or(SubscribeError::Closed)?;
        inner.callbacks.attach(source, Box::new(handler))
    }
}
