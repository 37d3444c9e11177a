//! Dialling: what the roster wants, and what came of it.

use std::error::Error as _;
use std::sync::Arc;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};

use super::wait::answer;
use super::{Driver, ReachFailure, TRIMMED, Waiter};
use crate::config::LINGER_MAX;
use crate::error::Code;
use crate::identity::PeerId;
use crate::net::exchange::Told;
use crate::net::link::Ended;
use crate::net::{clock, from_libp2p, to_libp2p, transport};
use crate::proto::roster::{self, Target};

impl Driver {
    pub(super) fn tell_roster(&mut self, event: roster::Event) {
        let actions = self.roster.handle(event, self.now());
        self.apply(actions);
    }

    pub(super) fn apply(&mut self, actions: Vec<roster::Action>) {
        if !actions.is_empty() {
            self.state.view_stale = true;
        }
        for action in actions {
            match action {
                roster::Action::Dial { target, addresses } => self.dial(target, &addresses),
                roster::Action::Trim { peer } => {
                    if let Some(link) = self.state.links.get(&peer) {
                        link.close(Ended::new(Code::Busy, TRIMMED), clock::now() + LINGER_MAX);
                    }
                }
                roster::Action::Forget { peer } => {
                    self.swarm
                        .behaviour_mut()
                        .kad
                        .remove_peer(&to_libp2p(&peer));
                }
                roster::Action::Tell {
                    peer,
                    sightings,
                    ask,
                } => self.tell_peer(&peer, &Told { sightings, ask }),
                roster::Action::NoBootstrap {
                    address,
                    reason,
                    failures,
                    again,
                } => tracing::warn!(
                    %address,
                    reason,
                    failures,
                    ?again,
                    "no satellite answers at a bootstrap address"
                ),
                roster::Action::Discovered { peer } => self.shared.inbox.discovered(peer),
                roster::Action::Unreachable { peer, reason } => {
                    self.shared.inbox.unreachable(peer, &reason);
                    if !self.state.links.contains_key(&peer) {
                        // Where no address is known nothing is dialled that could fail.
                        self.answer_peer(&peer, &Err(ReachFailure::Unreachable(reason)));
                    }
                }
            }
        }
    }

    fn dial(&mut self, target: Target, addresses: &[Arc<str>]) {
        let mut parsed: Vec<Multiaddr> = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        if let Target::Peer(peer) = &target
            && self.roster.is_in_a_hurry(peer)
        {
            leave_out_slow(&mut parsed);
        }
        let (options, peer) = match &target {
            Target::Peer(peer) => (
                DialOpts::peer_id(to_libp2p(peer))
                    .condition(PeerCondition::Always)
                    .addresses(parsed)
                    .build(),
                Some(*peer),
            ),
            Target::Address(address) => match address.parse() {
                Ok(address) => (DialOpts::unknown_peer_id().address(address).build(), None),
                Err(error) => {
                    return self.dial_failed(target, None, &format!("malformed address: {error}"));
                }
            },
        };
        self.shared.counters.dials.add(1);
        let id = options.connection_id();
        self.swarm.behaviour_mut().packets.session_dial(id);
        if let Some(peer) = peer {
            self.swarm.behaviour_mut().packets.dialing(peer);
        }
        match self.swarm.dial(options) {
            Ok(()) => {
                self.state.dials.insert(id, (target, peer));
            }
            Err(error) => {
                // The swarm tells its behaviours of this failure, but not the loop.
                if let (Target::Address(_), DialError::NoAddresses) = (&target, &error) {
                    // It leaves out the addresses that it listens on itself.
                    return self.dialled_own(target);
                }
                self.dial_failed(target, peer, &dial_reason(&error));
            }
        }
    }

    /// An address turned out to be this satellite's own. Where all are given the same bootstrap addresses, that is as it should be.
    fn dialled_own(&mut self, target: Target) {
        if let Target::Address(address) = &target {
            self.answer_address(&Arc::clone(address), &ReachFailure::Own);
        }
        let peer = self.shared.identity.peer_id();
        self.tell_roster(roster::Event::Dialled { target, peer });
    }

    fn dial_failed(&mut self, target: Target, peer: Option<PeerId>, reason: &str) {
        self.shared.counters.dials_failed.add(1);
        tracing::debug!(?target, reason, "dial failed");
        if let Some(peer) = peer {
            self.swarm.behaviour_mut().packets.dial_failed(peer);
            self.state.explicit.remove(&peer);
            if !self.state.links.contains_key(&peer) && !self.is_paused() {
                self.answer_peer(&peer, &Err(ReachFailure::Unreachable(reason.into())));
            }
        }
        if let Target::Address(address) = &target
            && !self.is_paused()
        {
            self.answer_address(
                &Arc::clone(address),
                &ReachFailure::Unreachable(reason.into()),
            );
        }
        self.tell_roster(roster::Event::DialFailed {
            target,
            reason: reason.into(),
        });
    }

    pub(super) fn on_connection(&mut self, peer: &libp2p::PeerId, id: ConnectionId, dialled: bool) {
        let satellite = from_libp2p(peer);
        let asked = self.state.dials.remove(&id);
        // Kademlia dials whom it has a question for, and a bootstrap address is tried whoever lives there.
        if dialled
            && let Some(peer) = satellite
            && self.roster.is_left_alone(&peer)
            && !asked
                .as_ref()
                .is_some_and(|(target, _)| self.is_awaited(target))
        {
            self.swarm.behaviour_mut().packets.leave_alone(id);
        }
        let Some((target, _)) = asked else {
            return;
        };
        let Some(peer) = satellite else {
            if let Target::Address(address) = &target {
                let failure =
                    ReachFailure::Unreachable("its key is not RSA: it is no satellite".into());
                self.answer_address(&Arc::clone(address), &failure);
            }
            return self.tell_roster(roster::Event::DialFailed {
                target,
                reason: "no satellite".into(),
            });
        };
        if let Target::Address(address) = &target {
            let waiting = self.state.by_address.remove(address).unwrap_or_default();
            if !waiting.is_empty() {
                self.state.explicit.insert(peer, ());
            }
            match self
                .state
                .links
                .get(&peer)
                .filter(|link| !link.is_closing())
            {
                Some(link) => {
                    self.state.waiters -= waiting.len();
                    for reply in waiting {
                        answer(reply, Ok(Arc::clone(link)));
                    }
                }
                // An empty entry would be somebody who asks for it.
                None if waiting.is_empty() => {}
                None => {
                    let waiting = waiting.into_iter().map(|reply| Waiter {
                        reply,
                        by_user: true,
                    });
                    self.state.by_peer.entry(peer).or_default().extend(waiting);
                }
            }
        }
        self.tell_roster(roster::Event::Dialled { target, peer });
    }

    pub(super) fn on_dial_error(
        &mut self,
        id: ConnectionId,
        peer: Option<libp2p::PeerId>,
        error: &DialError,
    ) {
        let Some((target, expected)) = self.state.dials.remove(&id) else {
            return;
        };
        let own = peer.is_some_and(|peer| peer == *self.swarm.local_peer_id())
            || matches!(error, DialError::LocalPeerId { .. });
        if let (true, Target::Address(_)) = (own, &target) {
            return self.dialled_own(target);
        }
        if let (DialError::Denied { .. }, Some(peer)) = (error, peer.as_ref().and_then(from_libp2p))
        {
            let failure = ReachFailure::Refused(peer, dial_reason(error));
            self.answer_peer(&peer, &Err(failure.clone()));
            if let Target::Address(address) = &target {
                self.answer_address(&Arc::clone(address), &failure);
            }
        }
        self.dial_failed(target, expected, &dial_reason(error));
    }
}

/// Nobody refuses a QUIC connection where no program is: it takes [`HANDSHAKE_TIMEOUT`](crate::config::HANDSHAKE_TIMEOUT) to fail, and the
/// dial with it. It is left out where the address that worked last, the first, is of another kind.
fn leave_out_slow(addresses: &mut Vec<Multiaddr>) {
    let slow = |address: &Multiaddr| address.iter().any(|part| part == Protocol::QuicV1);
    if addresses.first().is_some_and(|first| !slow(first)) {
        addresses.retain(|address| !slow(address));
    }
}

fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::Transport(failures) => in_short(
            failures
                .iter()
                .map(|(address, error)| (address.to_string(), transport_reason(error))),
        ),
        DialError::WrongPeerId { obtained, .. } => {
            format!("another satellite answers there: {obtained}")
        }
        DialError::LocalPeerId { .. } => "it is this satellite itself".into(),
        DialError::NoAddresses => "no address of it is known".into(),
        // Its own text says no more than that.
        DialError::Denied { cause } => cause
            .source()
            .map_or_else(|| cause.to_string(), ToString::to_string),
        other => other.to_string(),
    }
}

/// Each reason once, with one address: a peer has several, and mostly they fail in the same way.
fn in_short(failures: impl Iterator<Item = (String, String)>) -> String {
    let mut reasons: Vec<(String, String, usize)> = Vec::new();
    for (address, reason) in failures {
        match reasons.iter_mut().find(|(_, known, _)| *known == reason) {
            Some((_, _, more)) => *more += 1,
            None => reasons.push((address, reason, 0)),
        }
    }
    let line = |(address, reason, more): &(String, String, usize)| match more {
        0 => format!("{address}: {reason}"),
        more => format!("{address} and {more} more: {reason}"),
    };
    reasons.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn transport_reason(error: &libp2p::TransportError<std::io::Error>) -> String {
    match error {
        libp2p::TransportError::MultiaddrNotSupported(_) => "no such transport here".into(),
        libp2p::TransportError::Other(error) => transport::reason(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_back_any_moment_is_not_dialled_in_ways_that_take_seconds_to_fail() {
        let (tcp, quic) = ("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1");
        let dialled = |addresses: &[&str]| {
            let mut addresses: Vec<Multiaddr> =
                addresses.iter().map(|a| a.parse().unwrap()).collect();
            leave_out_slow(&mut addresses);
            addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(dialled(&[tcp, quic, tcp]), [tcp, tcp]);
        // Its TCP may be out of reach: the session was over QUIC.
        assert_eq!(dialled(&[quic, tcp]), [quic, tcp]);
        assert!(dialled(&[]).is_empty());
    }

    #[test]
    fn addresses_that_fail_in_the_same_way_are_told_once() {
        let failures = [
            ("/a", "refused"),
            ("/b", "refused"),
            ("/c", "no route"),
            ("/d", "refused"),
        ];
        let failures = failures.map(|(address, reason)| (address.to_owned(), reason.to_owned()));
        assert_eq!(
            in_short(failures.into_iter()),
            "/a and 2 more: refused; /c: no route"
        );
    }
}
