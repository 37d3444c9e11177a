//! The router: which handler gets what. It is the inbox that network tasks put into, so it only sorts and queues.
//!
//! A MESSAGE goes to every handler of its namespace, a REQUEST to the first; both are bounded by their sender's credit and are
//! never dropped here. A BROADCAST or SEEK finds room in a handler's queue or is dropped and counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use super::Inner;
use super::event::{Event, Inner as EventInner};
use super::peer::{DisconnectReason, PeerEvent};
use super::queue::Queue;
use super::responder::Responder;
use crate::error::Code;
use crate::identity::PeerId;
use crate::net::replies::ReplyQueue;
use crate::net::{Charge, Delivery, Ended, Inbox, Link};
use crate::proto::cast::Cast;
use crate::proto::packet::PacketType;
use crate::proto::wire::StreamPacket;
use crate::stats::Counters;

/// One registered interest: a queue and what goes into it.
#[derive(Debug)]
pub(crate) struct Route {
    id: u64,
    pub(crate) packet_type: PacketType,
    pub(crate) namespace: Arc<str>,
    pub(crate) queue: Queue<Event>,
}

type Routes = HashMap<Arc<str>, Vec<Arc<Route>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Router {
    counters: Arc<Counters>,
    queue_limit: usize,
    /// By packet type.
    routes: RwLock<[Routes; 7]>,
    next_id: AtomicU64,
    peers: Mutex<Vec<Arc<Queue<PeerEvent>>>>,
    links: RwLock<HashMap<PeerId, Arc<Link>>>,
    /// Broadcasts of ours that asked for answers.
    casts: Mutex<HashMap<u64, Arc<ReplyQueue>>>,
    satellite: OnceLock<Weak<Inner>>,
}

impl Router {
    pub(crate) fn new(counters: Arc<Counters>, queue_limit: usize) -> Self {
        Self {
            counters,
            queue_limit,
            routes: RwLock::default(),
            next_id: AtomicU64::new(0),
            peers: Mutex::default(),
            links: RwLock::default(),
            casts: Mutex::default(),
            satellite: OnceLock::new(),
        }
    }

    /// Where answers to broadcasts find their way out. Set once, when the satellite is made.
    pub(crate) fn belongs_to(&self, satellite: Weak<Inner>) {
        // There is one call.
        let _set_before = self.satellite.set(satellite);
    }

    /// A new route.
    pub(crate) fn add(&self, packet_type: PacketType, namespace: &str) -> Arc<Route> {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let routes = &mut routes[packet_type as usize];
        let name = match routes.get_key_value(namespace) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(namespace),
        };
        let route = Arc::new(Route {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            packet_type,
            namespace: Arc::clone(&name),
            queue: Queue::new(self.queue_limit),
        });
        routes.entry(name).or_default().push(Arc::clone(&route));
        route
    }

    /// The route gets nothing more, and what waits in it is dropped.
    pub(crate) fn remove(&self, route: &Route) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let routes = &mut routes[route.packet_type as usize];
        if let Some(list) = routes.get_mut(&*route.namespace) {
            list.retain(|other| other.id != route.id);
            if list.is_empty() {
                routes.remove(&*route.namespace);
            }
        }
        route.queue.discard();
    }

    /// A queue of what happens to peers.
    pub(crate) fn add_peers(&self) -> Arc<Queue<PeerEvent>> {
        let queue = Arc::new(Queue::new(self.queue_limit));
        lock(&self.peers).push(Arc::clone(&queue));
        queue
    }

    pub(crate) fn remove_peers(&self, queue: &Arc<Queue<PeerEvent>>) {
        lock(&self.peers).retain(|other| !Arc::ptr_eq(other, queue));
        queue.discard();
    }

    /// Every handler's queue ends: nothing more comes.
    pub(crate) fn close(&self) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        for route in routes.iter().flat_map(HashMap::values).flatten() {
            route.queue.close();
        }
        drop(routes);
        for queue in lock(&self.peers).iter() {
            queue.close();
        }
        for queue in lock(&self.casts).values() {
            queue.close();
        }
    }

    /// The session with a peer, if there is one.
    pub(crate) fn link(&self, peer: &PeerId) -> Option<Arc<Link>> {
        self.links
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(peer)
            .cloned()
    }

    /// All sessions.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.links
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(crate) fn connected(&self) -> usize {
        self.links
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Tells everybody who listens to peers.
    pub(crate) fn emit(&self, event: &PeerEvent) {
        for queue in lock(&self.peers).iter() {
            if queue.offer(event.clone()).is_err() {
                self.counters.peer_events_dropped.add(1);
            }
        }
    }

    pub(crate) fn open_cast(&self, id: u64, queue: &Arc<ReplyQueue>) {
        lock(&self.casts).insert(id, Arc::clone(queue));
    }

    pub(crate) fn close_cast(&self, id: u64) {
        lock(&self.casts).remove(&id);
    }

    fn answer_to_cast(&self, peer: PeerId, packet: StreamPacket, charge: Charge) {
        let queue = lock(&self.casts).get(&packet.request_id).cloned();
        if !queue.is_some_and(|queue| queue.offer(peer, packet, charge)) {
            self.counters.answers_dropped.add(1);
        }
    }

    /// Hands droppable packets to every handler with room.
    fn offer_all(&self, routes: &[Arc<Route>], event: &Event) {
        for route in routes {
            if route.queue.offer(event.clone()).is_err() {
                match route.packet_type {
                    PacketType::Seek => self.counters.seeks_dropped.add(1),
                    _ => self.counters.broadcasts_dropped.add(1),
                }
            }
        }
    }

    fn deliver_one(
        &self,
        routes: &[Routes; 7],
        link: &Arc<Link>,
        delivery: Delivery,
        run: &mut Run,
    ) {
        let Delivery {
            packet_type,
            packet,
            charge,
            answer,
        } = delivery;
        if packet_type == PacketType::Response {
            return self.answer_to_cast(link.peer, packet, charge);
        }
        if !run.serves(packet_type, &packet.namespace) {
            run.flush();
            run.routes = routes[packet_type as usize]
                .get(packet.namespace.as_str())
                .cloned()
                .unwrap_or_default();
        }
        let Some(first) = run.routes.first().cloned() else {
            let namespace = packet.namespace.as_str();
            match packet_type {
                PacketType::Request => {
                    self.counters.requests_unhandled.add(1);
                    let responder =
                        Responder::to_link(link, packet.request_id, answer, packet_type, namespace);
                    return responder.end_with(Code::UnknownNamespace as i32, "");
                }
                PacketType::Seek => {
                    self.counters.seeks_unhandled.add(1);
                    return Responder::to_link(
                        link,
                        packet.request_id,
                        answer,
                        packet_type,
                        namespace,
                    )
                    .end();
                }
                _ => return self.counters.messages_unhandled.add(1),
            }
        };
        let responder = match packet_type {
            PacketType::Request | PacketType::Seek => Some(Responder::to_link(
                link,
                packet.request_id,
                answer,
                packet_type,
                &first.namespace,
            )),
            _ => None,
        };
        let event = Event::new(EventInner {
            packet_type,
            namespace: Arc::clone(&first.namespace),
            timestamp_ms: packet.timestamp_ms().max(0).unsigned_abs(),
            content: packet.content,
            peer: link.peer,
            responder: Mutex::new(responder),
            _charge: charge,
        });
        match packet_type {
            PacketType::Seek => self.offer_all(&run.routes, &event),
            PacketType::Request => run.events.push(event),
            _ => {
                for other in &run.routes[1..] {
                    other.queue.extend(&mut vec![event.clone()]);
                }
                run.events.push(event);
            }
        }
    }
}

/// Consecutive packets to the same handlers: one look-up and one lock for all of them.
#[derive(Default)]
struct Run {
    routes: Vec<Arc<Route>>,
    events: Vec<Event>,
}

impl Run {
    fn serves(&self, packet_type: PacketType, namespace: &str) -> bool {
        self.routes
            .first()
            .is_some_and(|route| route.packet_type == packet_type && &*route.namespace == namespace)
    }

    fn flush(&mut self) {
        if let (Some(first), false) = (self.routes.first(), self.events.is_empty()) {
            first.queue.extend(&mut self.events);
        }
    }
}

impl Inbox for Router {
    fn opened(&self, link: &Arc<Link>, _address: &str) {
        let before = self
            .links
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link.peer, Arc::clone(link));
        if before.is_none() {
            self.emit(&PeerEvent::Authenticated { peer: link.peer });
        }
    }

    fn ended(&self, link: &Arc<Link>, ended: &Ended) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        // A session that moved to another connection goes on there.
        if !links
            .get(&link.peer)
            .is_some_and(|current| Arc::ptr_eq(current, link))
        {
            return;
        }
        links.remove(&link.peer);
        drop(links);
        let reason = DisconnectReason {
            // A Bye of one that leaves says DISCONNECTED, as is said of a connection that broke; the application sees which it was.
            code: if ended.by_leaving() {
                Code::Closed
            } else {
                ended.code
            },
            text: ended.text.clone(),
        };
        self.emit(&PeerEvent::Disconnected {
            peer: link.peer,
            reason,
        });
    }

    fn deliver(&self, link: &Arc<Link>, batch: &mut Vec<Delivery>) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut run = Run::default();
        for delivery in batch.drain(..) {
            self.deliver_one(&routes, link, delivery, &mut run);
        }
        run.flush();
    }

    fn broadcast(&self, cast: Cast, charge: Option<Charge>) {
        let Cast { origin, packet } = cast;
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = routes[PacketType::Broadcast as usize].get(packet.namespace.as_str())
        else {
            return self.counters.broadcasts_unhandled.add(1);
        };
        let Some(first) = list.first() else { return };
        let Some(charge) = charge else {
            for route in list {
                route.queue.refuse();
            }
            return self.counters.broadcasts_dropped.add(list.len() as u64);
        };
        let responder = match (packet.request_id, self.satellite.get()) {
            (0, _) | (_, None) => None,
            (id, Some(satellite)) => Some(Responder::to_origin(satellite.clone(), origin, id)),
        };
        let event = Event::new(EventInner {
            packet_type: PacketType::Broadcast,
            namespace: Arc::clone(&first.namespace),
            timestamp_ms: packet.timestamp_ms().max(0).unsigned_abs(),
            content: packet.content,
            peer: origin,
            responder: Mutex::new(responder),
            _charge: charge,
        });
        self.offer_all(list, &event);
    }

    fn connected(&self, peer: PeerId, address: &str) {
        self.emit(&PeerEvent::Connected {
            peer,
            address: address.into(),
        });
    }

    fn has_sessions(&self) -> bool {
        self.connected() > 0
    }

    fn discovered(&self, peer: PeerId) {
        self.emit(&PeerEvent::Discovered { peer });
    }

    fn unreachable(&self, peer: PeerId, reason: &str) {
        self.emit(&PeerEvent::Unreachable {
            peer,
            reason: reason.into(),
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
