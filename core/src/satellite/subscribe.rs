//! Subscriptions as a stream of events, to be read by whoever holds it.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::callbacks::Source;
use super::event::Event;
use super::peer::PeerEvent;
use super::router::{Route, Router};
use crate::proto::packet::PacketType;

/// Events of one (type, namespace), in order of arrival. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Events {
    route: Arc<Route>,
    router: Arc<Router>,
}

impl Events {
    pub(super) fn new(router: &Arc<Router>, packet_type: PacketType, namespace: &str) -> Self {
        Self {
            route: router.add(packet_type, namespace),
            router: Arc::clone(router),
        }
    }

    /// The next event; `None` after shutdown.
    pub async fn next(&mut self) -> Option<Event> {
        let mut out = Vec::with_capacity(1);
        std::future::poll_fn(|cx| self.poll_events(cx, &mut out, 1)).await;
        out.pop()
    }

    /// Appends up to `max` events that are there to `out`, after waiting for the first. False after shutdown. One wake-up for many
    /// events: the way to read hundreds of thousands a second.
    pub async fn next_batch(&mut self, out: &mut Vec<Event>, max: usize) -> bool {
        std::future::poll_fn(|cx| self.poll_events(cx, out, max.max(1))).await
    }

    fn poll_events(&self, cx: &Context<'_>, out: &mut Vec<Event>, max: usize) -> Poll<bool> {
        let polled = self.route.queue.poll_batch(cx, out, max);
        if polled.is_ready() {
            let dropped = self.route.queue.take_dropped();
            if dropped > 0 {
                self.router.emit(&PeerEvent::Lagged {
                    packet_type: self.route.packet_type,
                    namespace: self.route.namespace.to_string(),
                    dropped,
                });
            }
        }
        polled
    }
}

impl Source<Event> for Events {
    fn poll_batch(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>, max: usize) -> Poll<bool> {
        self.poll_events(cx, out, max)
    }

    fn close(&mut self) {
        self.router.remove(&self.route);
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.router.remove(&self.route);
    }
}
