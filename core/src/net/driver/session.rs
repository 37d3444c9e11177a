//! Sessions that open and end: what the roster, the handlers and those who wait make of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Driver, LOOK_FIRST, ReachFailure};
use crate::config::LINGER_MAX;
use crate::error::Code;
use crate::identity::PeerId;
use crate::net::gossip::Check;
use crate::net::link::Ended;
use crate::net::packets::SessionEvent;
use crate::net::{address, clock, to_libp2p};
use crate::proto::roster::{self, Source, Target};

impl Driver {
    pub(super) fn on_session(&mut self, event: SessionEvent) {
        self.state.view_stale = true;
        match event {
            SessionEvent::Begun { peer, address } => {
                self.tell_roster(roster::Event::Begun { peer });
                self.shared.inbox.connected(peer, &address);
            }
            SessionEvent::Opened { link, address } => {
                let peer = link.peer;
                self.shared.counters.sessions_opened.add(1);
                self.state.links.insert(peer, Arc::clone(&link));
                self.swarm.behaviour_mut().gossip.admit(to_libp2p(&peer));
                // A full queue only costs the peer its preferred place.
                let _full = self.checks.try_send(Check::Met(peer));
                let explicit = self.state.explicit.contains_key(&peer);
                let inbound = address.is_none();
                let address =
                    address.map(|address| address::without_peer(&address).to_string().into());
                if self.state.links.len() > self.high {
                    self.tell_who_is_busy();
                }
                self.tell_roster(roster::Event::Connected {
                    peer,
                    address,
                    inbound,
                    explicit,
                });
                if let Some(addresses) = self.state.shown.remove(&peer) {
                    self.learn(peer, addresses, Source::Identify, Duration::ZERO);
                }
                self.goodbye_also_to(&link);
                self.answer_peer(&peer, &Ok(link));
            }
            SessionEvent::Moved { link } => {
                if self.roster.is_left_alone(&link.peer) {
                    // It was to end where it was before.
                    link.close(parted(), clock::now() + LINGER_MAX);
                }
                self.goodbye_also_to(&link);
                self.answer_peer(&link.peer.clone(), &Ok(Arc::clone(&link)));
                self.state.links.insert(link.peer, link);
            }
            SessionEvent::Lost { peer, ended } => {
                self.shared.counters.sessions_ended.add(1);
                self.state.links.remove(&peer);
                if self.state.links.is_empty() {
                    self.state.look_at = self.state.look_at.min(clock::now() + LOOK_FIRST);
                }
                self.swarm.behaviour_mut().gossip.expel(to_libp2p(&peer));
                let end = end_of(&ended);
                if end == roster::End::Left {
                    self.forget_provider(&to_libp2p(&peer));
                }
                self.tell_roster(roster::Event::Disconnected { peer, end });
                if self.is_paused() {
                    // Nothing else keeps a connection of a satellite that pauses.
                    let _gone = self.swarm.disconnect_peer_id(to_libp2p(&peer));
                }
                self.ask_again(peer);
            }
            SessionEvent::Refused { peer, ended } => self.on_refused(peer, ended),
            SessionEvent::Foreign { peer } => {
                let failure = ReachFailure::Refused(
                    peer,
                    "it does not speak the protocol of satellites".into(),
                );
                self.answer_peer(&peer, &Err(failure));
                self.tell_roster(roster::Event::Refused {
                    peer,
                    permanent: true,
                });
            }
        }
    }

    fn on_refused(&mut self, peer: PeerId, ended: Ended) {
        // A duplicate that gave way is no refusal: the session is, or will be, on another connection. Nor is one that the application
        // did not want any more.
        if matches!(ended.code, Code::Busy | Code::Cancelled)
            || self.state.links.contains_key(&peer)
        {
            return;
        }
        tracing::info!(%peer, reason = %ended.text, "no session");
        if !ended.by_peer && matches!(ended.code, Code::Disconnected | Code::Timeout) {
            // It broke; nobody refused. Worth another try, if it was our dial.
            self.answer_peer(&peer, &Err(ReachFailure::Unreachable(ended.text.clone())));
            let target = Target::Peer(peer);
            return self.tell_roster(roster::Event::DialFailed {
                target,
                reason: ended.text,
            });
        }
        self.shared.counters.refused_handshakes.add(1);
        let permanent = ended.code == Code::Refused;
        self.answer_peer(&peer, &Err(ReachFailure::Refused(peer, ended.text)));
        self.tell_roster(roster::Event::Refused { peer, permanent });
    }

    /// Before somebody has to go, the roster learns whom it should spare.
    fn tell_who_is_busy(&mut self) {
        for link in self.state.links.values().cloned().collect::<Vec<_>>() {
            let busy = link.is_busy();
            self.tell_roster(roster::Event::Busy {
                peer: link.peer,
                busy,
            });
        }
    }
}

/// The end that this side's application wants.
pub(super) fn parted() -> Ended {
    Ended::new(Code::Cancelled, "the application disconnected")
}

/// What the roster makes of a session's end.
fn end_of(ended: &Ended) -> roster::End {
    match ended.code {
        Code::Busy => roster::End::Trimmed,
        // Whichever side's application: neither dials until one of them asks.
        Code::Cancelled => roster::End::User,
        _ if ended.by_leaving() => roster::End::Left,
        _ => roster::End::Lost,
    }
}
