//! What the application asks for, and who waits for a session until it is there or cannot be had.

use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;

use super::session::parted;
use super::{Command, Driver, ReachFailure, Reply, WAITERS_MAX, Waiter};
use crate::config::LINGER_MAX;
use crate::identity::PeerId;
use crate::net::gossip::Outbox;
use crate::net::link::Link;
use crate::net::{address, clock, from_libp2p, to_libp2p};
use crate::proto::roster;

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { address, reply } => self.on_connect(address, reply),
            Command::Reach { peer, pin, reply } => self.on_reach(peer, pin, reply),
            Command::Learn { from, nodes } => self.on_told(from, nodes),
            Command::Disconnect { peer } => {
                self.state.explicit.remove(&peer);
                let actions = self
                    .roster
                    .handle(roster::Event::Disconnect { peer }, self.now());
                self.apply(actions);
                self.swarm.behaviour_mut().packets.part(peer);
                if let Some(link) = self.state.links.get(&peer) {
                    link.close(parted(), clock::now() + LINGER_MAX);
                }
            }
            Command::Broadcast(waiting) => {
                self.state.outbox.keep(waiting);
                self.send_waiting();
            }
            Command::Provide { file, on } => self.provide(&file, on),
            Command::Providers { file, reply } => self.search(&file, reply),
            Command::Pause { reply } => self.on_pause(reply),
            Command::Resume { reply } => self.on_resume(reply),
            Command::NetworkChanged { reply } => self.on_network_changed(reply),
        }
    }

    fn on_connect(&mut self, address: Multiaddr, reply: Reply) {
        let (bare, peer) = (address::without_peer(&address), address::peer_of(&address));
        match peer {
            Some(peer) if peer == to_libp2p(&self.shared.identity.peer_id()) => {
                answer(reply, Err(ReachFailure::Own))
            }
            Some(peer) => match from_libp2p(&peer) {
                Some(peer) => {
                    if let Some(reply) = self.wait_for(peer, reply) {
                        let addresses = vec![bare.to_string().into()];
                        self.state.explicit.insert(peer, ());
                        self.tell_roster(roster::Event::Connect {
                            pin: true,
                            peer,
                            addresses,
                        });
                        self.push_waiter(
                            peer,
                            Waiter {
                                reply,
                                by_user: true,
                            },
                        );
                    }
                }
                None => answer(
                    reply,
                    Err(ReachFailure::Unreachable(
                        "its key is not RSA: it is no satellite".into(),
                    )),
                ),
            },
            None => {
                if self.is_full() {
                    return answer(reply, Err(ReachFailure::Busy));
                }
                let address: Arc<str> = bare.to_string().into();
                self.state.waiters += 1;
                self.state
                    .by_address
                    .entry(Arc::clone(&address))
                    .or_default()
                    .push(reply);
                self.tell_roster(roster::Event::ConnectAddress { address });
            }
        }
    }

    fn on_reach(&mut self, peer: PeerId, pin: bool, reply: Reply) {
        if let Some(reply) = self.wait_for(peer, reply) {
            if self.roster.find(&peer).is_none() {
                return answer(reply, Err(ReachFailure::Unknown));
            }
            if !pin && self.roster.is_left_alone(&peer) {
                return answer(reply, Err(left_alone()));
            }
            self.push_waiter(
                peer,
                Waiter {
                    reply,
                    by_user: pin,
                },
            );
            self.tell_roster(roster::Event::Connect {
                pin,
                peer,
                addresses: Vec::new(),
            });
        }
    }

    /// Where a peer says that others are.
    fn on_told(&mut self, from: PeerId, nodes: Vec<(PeerId, Vec<Arc<str>>)>) {
        for (peer, addresses) in nodes {
            self.learn_from(&from, peer, &addresses, Duration::ZERO);
        }
    }

    /// Answers at once if there is a session; else gives the reply back.
    fn wait_for(&mut self, peer: PeerId, reply: Reply) -> Option<Reply> {
        // One that has ended, or is about to, is a session no more, although its connection is not closed yet.
        let link = self
            .state
            .links
            .get(&peer)
            .filter(|link| !link.is_closing());
        if let Some(link) = link {
            answer(reply, Ok(Arc::clone(link)));
            return None;
        }
        if self.is_full() {
            answer(reply, Err(ReachFailure::Busy));
            return None;
        }
        Some(reply)
    }

    /// Whether too many wait already, who still do.
    fn is_full(&mut self) -> bool {
        if self.state.waiters >= WAITERS_MAX {
            self.state.by_peer.retain(|_, waiting| {
                waiting.retain(|waiter| !waiter.reply.is_closed());
                !waiting.is_empty()
            });
            self.state.by_address.retain(|_, waiting| {
                waiting.retain(|reply| !reply.is_closed());
                !waiting.is_empty()
            });
            let by_peer = self.state.by_peer.values().map(Vec::len).sum::<usize>();
            let by_address = self.state.by_address.values().map(Vec::len).sum::<usize>();
            self.state.waiters = by_peer + by_address;
        }
        self.state.waiters >= WAITERS_MAX
    }

    /// The satellite ends: who waits for a session, or for a broadcast to be taken, learns it now and not when the last peer is gone.
    pub(super) fn turn_away(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.state.by_peer.clear();
        self.state.by_address.clear();
        self.state.waiters = 0;
        self.state.outbox = Outbox::default();
    }

    fn push_waiter(&mut self, peer: PeerId, waiter: Waiter) {
        self.state.waiters += 1;
        self.state.by_peer.entry(peer).or_default().push(waiter);
    }

    /// Its session is over. Who asked for one since it ended gets a new one.
    pub(super) fn ask_again(&mut self, peer: PeerId) {
        if self.roster.is_left_alone(&peer)
            && let Some(waiting) = self.state.by_peer.get_mut(&peer)
        {
            for waiter in waiting.extract_if(.., |waiter| !waiter.by_user) {
                self.state.waiters -= 1;
                answer(waiter.reply, Err(left_alone()));
            }
            if waiting.is_empty() {
                self.state.by_peer.remove(&peer);
            }
        }
        if self.state.by_peer.contains_key(&peer) {
            self.tell_roster(roster::Event::Connect {
                pin: false,
                peer,
                addresses: Vec::new(),
            });
        }
    }

    pub(super) fn answer_peer(&mut self, peer: &PeerId, result: &Result<Arc<Link>, ReachFailure>) {
        let waiting = self.state.by_peer.remove(peer).unwrap_or_default();
        self.state.waiters -= waiting.len();
        for waiter in waiting {
            answer(waiter.reply, result.clone());
        }
    }

    /// Whether a call of the application waits for this dial.
    pub(super) fn is_awaited(&self, target: &roster::Target) -> bool {
        match target {
            roster::Target::Peer(peer) => self.state.by_peer.contains_key(peer),
            roster::Target::Address(address) => self.state.by_address.contains_key(address),
        }
    }

    pub(super) fn answer_address(&mut self, address: &Arc<str>, failure: &ReachFailure) {
        let waiting = self.state.by_address.remove(address).unwrap_or_default();
        self.state.waiters -= waiting.len();
        for reply in waiting {
            answer(reply, Err(failure.clone()));
        }
    }
}

fn left_alone() -> ReachFailure {
    ReachFailure::Unreachable("the session with it was ended by an application".into())
}

pub(super) fn answer(reply: Reply, result: Result<Arc<Link>, ReachFailure>) {
    // Who no longer waits has no use for it.
    let _gone = reply.send(result);
}
