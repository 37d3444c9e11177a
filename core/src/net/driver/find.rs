//! Finding others: the provider records of the rendezvous, and what peers tell of third ones.

use std::sync::Arc;
use std::time::Duration;

use libp2p::kad::store::RecordStore;
use libp2p::{Multiaddr, kad};
use tokio::sync::oneshot;

use super::{Driver, KAD_NODES, LOOK_FIRST, LOOK_LAST, LOOK_RARE, LOOKUPS_MAX};
use crate::identity::PeerId;
use crate::net::exchange::{self, Told};
use crate::net::{address, clock, from_libp2p, to_libp2p};
use crate::proto::packet::{self, Header, PacketType};
use crate::proto::roster::{self, Source};
use crate::proto::wire::StreamPacket;

/// Who has a file, of one search.
const SEARCHED_MAX: usize = 64;

/// A search for who has a file.
#[derive(Debug)]
pub(super) struct Search {
    reply: oneshot::Sender<Vec<PeerId>>,
    found: Vec<PeerId>,
}

impl Driver {
    /// Announces this satellite under its rendezvous and asks who else is there.
    pub(super) fn look(&mut self) {
        let now = clock::now();
        if self.is_calming() {
            // A dial may come to nothing.
            let alone = self.roster.sessions() == 0;
            let soon = self.state.calm_at.min(now + LOOK_FIRST);
            self.state.look_at = if alone { soon } else { self.state.calm_at };
            return;
        }
        if std::mem::take(&mut self.state.kad_waits) {
            self.fill_kad();
        }
        // Who has enough sessions is told of others over them; asking the whole neighbourhood would make it dial half the network.
        let settled = self.roster.is_settled();
        let kad = &mut self.swarm.behaviour_mut().kad;
        let known = kad.kbuckets().any(|bucket| !bucket.is_empty());
        let last = self.state.look_pause >= LOOK_LAST;
        if known {
            if !self.state.announced {
                match kad.start_providing(self.rendezvous_key.clone()) {
                    Ok(_) => self.state.announced = true,
                    Err(error) => tracing::warn!(%error, "cannot announce"),
                }
            }
            if !settled || last {
                kad.get_providers(self.rendezvous_key.clone());
            }
            self.state.look_pause = (self.state.look_pause * 2).min(LOOK_LAST);
        }
        let pause = if settled && last {
            LOOK_RARE
        } else {
            self.state.look_pause
        };
        self.state.look_at = now + pause;
    }

    /// Whether the DHT is left alone for now.
    pub(super) fn is_calming(&self) -> bool {
        self.roster.is_meeting() && clock::now() < self.state.calm_at
    }

    /// Gives Kademlia whom it was not told of while the DHT was left alone, and so many others that it has no reason to search by
    /// itself again and again, as it does while it knows fewer than twenty.
    fn fill_kad(&mut self) {
        let local = self.shared.identity.peer_id();
        let mut met = self.roster.met();
        met.retain(|met| met.state != roster::State::Unreachable);
        // Whoever has a session, then who follows in the circle of ids: not the same ones for everybody.
        met.sort_by_key(|met| (met.state != roster::State::Connected, met.peer < local));
        met.truncate(KAD_NODES);
        let shown = self.state.shown.clone().into_iter();
        let met = met.into_iter().map(|met| {
            let addresses = met.addresses.iter();
            let parsed = addresses.filter_map(|address| address.parse().ok());
            (met.peer, parsed.collect::<Vec<Multiaddr>>())
        });
        for (peer, addresses) in shown.chain(met).collect::<Vec<_>>() {
            self.tell_kad(&to_libp2p(&peer), &addresses);
        }
    }

    pub(super) fn tell_kad(&mut self, peer: &libp2p::PeerId, addresses: &[Multiaddr]) {
        set_addresses(&mut self.swarm.behaviour_mut().kad, peer, addresses);
    }

    /// Tells the network that this satellite has a file, or no longer.
    pub(super) fn provide(&mut self, file: &[u8; 32], on: bool) {
        let key = self.file_key(file);
        if !on {
            return self.swarm.behaviour_mut().kad.stop_providing(&key);
        }
        if std::mem::take(&mut self.state.kad_waits) {
            self.fill_kad();
        }
        // It is told again from time to time, also to those who come later.
        if let Err(error) = self.swarm.behaviour_mut().kad.start_providing(key) {
            tracing::warn!(%error, "others are not told of a file: who knows where it is can get it");
        }
    }

    /// Searches for who has a file.
    pub(super) fn search(&mut self, file: &[u8; 32], reply: oneshot::Sender<Vec<PeerId>>) {
        // Who waits is told that nobody was found if there are too many.
        if self.state.searches.len() >= LOOKUPS_MAX {
            return;
        }
        if std::mem::take(&mut self.state.kad_waits) {
            self.fill_kad();
        }
        let key = self.file_key(file);
        let query = self.swarm.behaviour_mut().kad.get_providers(key);
        let found = Vec::new();
        self.state.searches.insert(query, Search { reply, found });
    }

    /// The key under which those who have a file are found, in this network.
    fn file_key(&self, file: &[u8; 32]) -> kad::RecordKey {
        let mut hasher = blake3::Hasher::new_derive_key("psfs 1 who has a file");
        hasher.update(self.rendezvous_key.as_ref()).update(file);
        super::record_key(hasher.finalize().as_bytes())
    }

    /// Whether this was news of a search for who has a file.
    fn on_search(&mut self, id: &kad::QueryId, result: &kad::QueryResult, last: bool) -> bool {
        let Some(search) = self.state.searches.get_mut(id) else {
            return false;
        };
        let mut new = Vec::new();
        if let kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders {
            providers,
            ..
        })) = result
        {
            for provider in providers {
                let peer = from_libp2p(provider).filter(|peer| !search.found.contains(peer));
                if let Some(peer) = peer
                    && search.found.len() < SEARCHED_MAX
                {
                    search.found.push(peer);
                    new.push(*provider);
                }
            }
        }
        if last && let Some(search) = self.state.searches.remove(id) {
            // Nobody waits any more if this fails.
            let _over = search.reply.send(search.found);
        }
        for provider in new {
            self.on_provider(provider);
        }
        true
    }

    pub(super) fn on_kad(&mut self, event: kad::Event) {
        if let kad::Event::OutboundQueryProgressed {
            id, result, step, ..
        } = &event
            && self.on_search(id, result, step.last)
        {
            return;
        }
        match event {
            kad::Event::RoutingUpdated {
                is_new_peer: true, ..
            } if !self.roster.is_settled() => {
                // Somebody new may know others: look soon, but not once for each.
                self.state.look_at = self.state.look_at.min(clock::now() + LOOK_FIRST);
            }
            kad::Event::OutboundQueryProgressed {
                result:
                    kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders {
                        providers,
                        ..
                    })),
                ..
            } => {
                for provider in providers {
                    self.on_provider(provider);
                }
            }
            kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::Bootstrap(_),
                ..
            } => {
                // It has found its neighbours. What it would search next, one random id for each bucket, opens dozens of connections.
                if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id) {
                    query.finish();
                }
            }
            kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetClosestPeers(result),
                ..
            } => {
                let Some(wanted) = self.state.lookups.remove(&id) else {
                    return;
                };
                let peers = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let id = to_libp2p(&wanted);
                if let Some(found) = peers.into_iter().find(|found| found.peer_id == id) {
                    let dialable = found.addrs.iter().filter(|a| address::is_dialable(a));
                    let addresses = dialable.map(address::without_peer).collect();
                    self.learn(wanted, addresses, Source::Provider, Duration::ZERO);
                }
            }
            _ => {}
        }
    }

    /// It said goodbye: Kademlia neither asks it nor tells others of it any more.
    pub(super) fn forget_provider(&mut self, peer: &libp2p::PeerId) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        kad.remove_peer(peer);
        kad.store_mut().remove_provider(&self.rendezvous_key, peer);
    }

    /// Kademlia names providers without their addresses: ask for them, unless they are known.
    fn on_provider(&mut self, provider: libp2p::PeerId) {
        let Some(peer) = from_libp2p(&provider) else {
            return;
        };
        let asked = self.state.lookups.len() >= LOOKUPS_MAX
            || self.state.lookups.values().any(|p| *p == peer);
        if asked || peer == self.shared.identity.peer_id() || self.roster.find(&peer).is_some() {
            return;
        }
        let query = self.swarm.behaviour_mut().kad.get_closest_peers(provider);
        self.state.lookups.insert(query, peer);
    }

    pub(super) fn tell_peer(&self, peer: &PeerId, told: &Told) {
        let Some(link) = self.state.links.get(peer) else {
            return;
        };
        let header = Header::new(PacketType::Internal, exchange::NAMESPACE, clock::now_ms());
        // Without credit it is left out: the next one tells the same.
        link.try_tell(packet::encode(&header, exchange::encode(told)));
    }

    pub(super) fn on_internal(&mut self, peer: PeerId, packet: StreamPacket) {
        let told = match packet.namespace.as_str() {
            exchange::NAMESPACE => exchange::decode(packet.content),
            _ => None,
        };
        let Some(Told { sightings, ask }) = told else {
            self.shared.counters.internal_dropped.add(1);
            return tracing::debug!(%peer, namespace = %packet.namespace, "internal message not understood");
        };
        for sighting in sightings {
            self.learn_from(&peer, sighting.peer, &sighting.addresses, sighting.age);
        }
        if ask {
            self.tell_roster(roster::Event::Asked { peer });
        }
    }
}

impl Driver {
    /// A peer says where another is.
    pub(super) fn learn_from(
        &mut self,
        from: &PeerId,
        peer: PeerId,
        addresses: &[Arc<str>],
        age: Duration,
    ) {
        // Loopback addresses mean something only to who came that way itself.
        let loopback = self.swarm.behaviour().packets.is_beside(from);
        let addresses = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .filter(|address| loopback || !address::is_loopback(address))
            .filter(address::is_dialable)
            .collect();
        self.learn(peer, addresses, Source::Exchange, age);
    }
}

/// Kademlia knows a peer by these addresses from now on, and by no others: it keeps all that it is ever told, and whoever tells other
/// addresses again and again would fill it.
fn set_addresses<S: RecordStore + Send + 'static>(
    kad: &mut kad::Behaviour<S>,
    peer: &libp2p::PeerId,
    addresses: &[Multiaddr],
) {
    let whole: Vec<Multiaddr> = addresses
        .iter()
        .filter_map(|address| address.clone().with_p2p(*peer).ok())
        .collect();
    if whole.is_empty() {
        return;
    }
    for address in &whole {
        kad.add_address(peer, address.clone());
    }
    for address in known_addresses(kad, peer) {
        if !whole.contains(&address) {
            kad.remove_address(peer, &address);
        }
    }
}

fn known_addresses<S: RecordStore + Send + 'static>(
    kad: &mut kad::Behaviour<S>,
    peer: &libp2p::PeerId,
) -> Vec<Multiaddr> {
    let bucket = kad.kbucket(*peer);
    let entries = bucket.iter().flat_map(|bucket| bucket.iter());
    entries
        .filter(|entry| entry.node.key.preimage() == peer)
        .flat_map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tells_other_addresses_again_and_again_is_known_by_the_last() {
        let (local, peer) = (libp2p::PeerId::random(), libp2p::PeerId::random());
        let store = kad::store::MemoryStore::new(local);
        let mut kad = kad::Behaviour::new(local, store);
        let told = |round: u16| -> Vec<Multiaddr> {
            (0..8)
                .map(|i| {
                    format!("/ip4/192.0.2.{i}/tcp/{}", round + 1)
                        .parse()
                        .unwrap()
                })
                .collect()
        };
        for round in 0..100 {
            set_addresses(&mut kad, &peer, &told(round));
        }
        // None told is no news.
        set_addresses(&mut kad, &peer, &[]);
        let mut known = known_addresses(&mut kad, &peer);
        known.sort();
        let mut last: Vec<Multiaddr> = told(99)
            .into_iter()
            .map(|address| address.with_p2p(peer).unwrap())
            .collect();
        last.sort();
        assert_eq!(known, last);
    }
}
