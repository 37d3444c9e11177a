//! While the application is in the background, and when the network is another one.
//!
//! A pause is a goodbye without an end: peers are told as at a shutdown, so they neither dial nor show nor recommend who would not
//! answer. Then nothing is polled that has a timer of its own (gossip's heart beats each 0.7 s): the loop sleeps until a command
//! comes. Phones take sockets away from applications in the background, so all are closed, and opened again at the resume.

use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::{FutureExt, StreamExt};
use libp2p::Swarm;
use libp2p::swarm::SwarmEvent;
use tokio::sync::oneshot;

use super::{Driver, LOOK_FIRST, ListenFailure};
use crate::config::{BYE_TIMEOUT, PAUSE_MAX};
use crate::error::Code;
use crate::net::behaviour::{Behaviour, BehaviourEvent};
use crate::net::link::{Ended, Link};
use crate::net::{clock, to_libp2p};
use crate::proto::roster;

const PAUSED: &str = "the satellite is paused: its application is in the background";

/// Events of the swarm that are taken in before others get their turn.
const EVENTS_AT_ONCE: usize = 256;

/// How far a pause has come.
#[derive(Debug)]
pub(super) struct Pausing {
    stage: Stage,
    replies: Vec<oneshot::Sender<()>>,
    /// Who resumed before it was asleep.
    resumed: Vec<oneshot::Sender<Result<(), ListenFailure>>>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Broadcasts that gossip has just taken are given a moment to leave.
    Waiting {
        goodbye_at: Instant,
    },
    /// Sessions end, until then.
    Leaving {
        by: Instant,
    },
    /// What is left of connections is cut, until then.
    Cutting {
        by: Instant,
    },
    Asleep,
}

impl Pausing {
    pub(super) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting { goodbye_at: at }
            | Stage::Leaving { by: at }
            | Stage::Cutting { by: at } => Some(at),
            Stage::Asleep => None,
        }
    }
}

impl Driver {
    pub(super) fn on_pause(&mut self, reply: oneshot::Sender<()>) {
        if let Some(pausing) = &mut self.state.pausing {
            for overtaken in pausing.resumed.drain(..) {
                let _gone = overtaken.send(Ok(()));
            }
            pausing.replies.push(reply);
            if self.is_asleep() {
                self.answer_pause();
            }
            return;
        }
        tracing::info!(sessions = self.state.links.len(), "pausing");
        self.paused.store(true, Ordering::Release);
        let actions = self.roster.handle(roster::Event::Paused, self.now());
        self.apply(actions);
        let now = clock::now();
        let left_at = self.state.cast_at.map(|cast_at| cast_at + BYE_TIMEOUT);
        self.state.pausing = Some(Pausing {
            stage: Stage::Waiting {
                goodbye_at: left_at.map_or(now, |at| at.max(now)),
            },
            replies: vec![reply],
            resumed: Vec::new(),
        });
        self.state.lookups.clear();
        self.state.searches.clear();
        for mut query in self.swarm.behaviour_mut().kad.iter_queries_mut() {
            query.finish();
        }
        self.give_up_dials(|_| true);
        self.give_up_listening();
        self.close_listeners();
        self.keep_addresses();
    }

    /// From the call of a pause to the resume.
    pub(super) fn is_paused(&self) -> bool {
        self.state.pausing.is_some()
    }

    /// Whether nothing is left to be done before the resume.
    pub(super) fn is_asleep(&self) -> bool {
        let pausing = self.state.pausing.as_ref();
        pausing.is_some_and(|pausing| matches!(pausing.stage, Stage::Asleep))
    }

    /// Goes on with a pause, as far as it can at this moment.
    pub(super) fn fall_asleep(&mut self) {
        let Some(Pausing { stage, .. }) = self.state.pausing else {
            return;
        };
        let now = clock::now();
        if matches!(stage, Stage::Leaving { .. } | Stage::Cutting { .. }) && self.is_gone() {
            // A listener lets go of its socket only when it is asked once more after it said that it is closed.
            for _ in 0..EVENTS_AT_ONCE {
                match self.swarm.select_next_some().now_or_never() {
                    Some(event) => self.on_swarm(event),
                    None => break,
                }
            }
        }
        let gone = self.is_gone();
        let next = match stage {
            Stage::Waiting { goodbye_at } if goodbye_at <= now => {
                let by = now + PAUSE_MAX;
                self.state.links.values().for_each(|link| goodbye(link, by));
                self.cut(|driver, peer| !driver.is_linked(peer));
                Stage::Leaving { by }
            }
            Stage::Leaving { .. } | Stage::Cutting { .. } if gone => Stage::Asleep,
            Stage::Leaving { by } if by <= now => {
                self.cut(|_, _| true);
                Stage::Cutting {
                    by: now + BYE_TIMEOUT,
                }
            }
            Stage::Cutting { by } if by <= now => Stage::Asleep,
            _ => return,
        };
        if let Some(pausing) = &mut self.state.pausing {
            pausing.stage = next;
        }
        match next {
            Stage::Asleep => self.on_asleep(),
            _ => self.fall_asleep(),
        }
    }

    /// Whether nothing is connected or listens.
    fn is_gone(&self) -> bool {
        let info = self.swarm.network_info();
        info.connection_counters().num_established() == 0 && !self.is_listening()
    }

    fn on_asleep(&mut self) {
        // Nobody is there any more to take them.
        self.send_waiting();
        self.show();
        tracing::info!("paused");
        self.answer_pause();
        let resumed = self
            .state
            .pausing
            .as_mut()
            .map(|pausing| std::mem::take(&mut pausing.resumed));
        if let Some(resumed) = resumed.filter(|resumed| !resumed.is_empty()) {
            self.wake_up(resumed);
        }
    }

    fn answer_pause(&mut self) {
        let replies = self
            .state
            .pausing
            .iter_mut()
            .flat_map(|pausing| pausing.replies.drain(..));
        for reply in replies {
            // Who no longer waits has no use for it.
            let _gone = reply.send(());
        }
    }

    /// A session that opened, or one with several connections that ended, while the others were told.
    pub(super) fn goodbye_also_to(&self, link: &Link) {
        if let Some(pausing) = &self.state.pausing {
            let by = pausing.due().unwrap_or_else(|| clock::after(BYE_TIMEOUT));
            goodbye(link, by);
        }
    }

    pub(super) fn on_resume(&mut self, reply: oneshot::Sender<Result<(), ListenFailure>>) {
        match &mut self.state.pausing {
            Some(pausing) if !matches!(pausing.stage, Stage::Asleep) => {
                pausing.resumed.push(reply);
            }
            Some(_) => self.wake_up(vec![reply]),
            // What could not be listened on is tried again.
            None => self.open_listeners(vec![reply]),
        }
    }

    fn wake_up(&mut self, replies: Vec<oneshot::Sender<Result<(), ListenFailure>>>) {
        tracing::info!("resuming");
        self.state.pausing = None;
        self.paused.store(false, Ordering::Release);
        self.open_listeners(replies);
        self.tell_roster(roster::Event::Resumed);
        self.begin_anew();
        for peer in self.state.by_peer.keys().copied().collect::<Vec<_>>() {
            self.ask_again(peer);
        }
        for address in self.state.by_address.keys().cloned().collect::<Vec<_>>() {
            self.tell_roster(roster::Event::ConnectAddress { address });
        }
    }

    pub(super) fn on_network_changed(&mut self, reply: oneshot::Sender<()>) {
        // Else the resume does all of it.
        if self.state.pausing.is_none() {
            tracing::info!("the network has changed");
            self.swarm.behaviour_mut().packets.check();
            self.give_up_dials(|driver_awaits| !driver_awaits);
            self.open_listeners(Vec::new());
            self.tell_roster(roster::Event::NetworkChanged);
            self.begin_anew();
            let peers: Vec<_> = self.state.links.keys().map(to_libp2p).collect();
            self.swarm.behaviour_mut().identify.push(peers);
        }
        let _gone = reply.send(());
    }

    /// Tells the DHT where this satellite is, and asks it who else is there, as after the start.
    fn begin_anew(&mut self) {
        self.state.announced = false;
        self.state.look_pause = LOOK_FIRST;
        self.state.look_at = clock::now() + LOOK_FIRST;
        self.state.view_stale = true;
    }

    /// Dials under way lead nowhere, or from an address that is no more. What is given up is told whether a call waits for it.
    fn give_up_dials(&mut self, gives_up: impl Fn(bool) -> bool) {
        let dials = self.state.dials.values();
        let given_up: Vec<_> = dials
            .filter(|(target, _)| gives_up(self.is_awaited(target)))
            .filter_map(|(_, peer)| *peer)
            .filter(|peer| !self.state.links.contains_key(peer))
            .collect();
        for peer in given_up {
            let _none = self.swarm.disconnect_peer_id(to_libp2p(&peer));
        }
    }

    fn is_linked(&self, peer: &libp2p::PeerId) -> bool {
        crate::net::from_libp2p(peer).is_some_and(|peer| self.state.links.contains_key(&peer))
    }

    fn cut(&mut self, which: impl Fn(&Self, &libp2p::PeerId) -> bool) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            if which(self, &peer) {
                let _none = self.swarm.disconnect_peer_id(peer);
            }
        }
    }
}

/// What happens next. Asleep, that is only what mDNS heard: its tasks listen on, and what they hear must not pile up.
pub(super) async fn next_event(
    swarm: &mut Swarm<Behaviour>,
    asleep: bool,
) -> SwarmEvent<BehaviourEvent> {
    if !asleep {
        return swarm.select_next_some().await;
    }
    #[cfg(feature = "mdns")]
    return std::future::poll_fn(|cx| {
        use std::task::Poll;

        use libp2p::swarm::{NetworkBehaviour, ToSwarm};
        loop {
            match swarm.behaviour_mut().mdns.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    return Poll::Ready(SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)));
                }
                Poll::Ready(_) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    #[cfg(not(feature = "mdns"))]
    std::future::pending().await
}

/// The session ends, so early that its last word is out by then.
fn goodbye(link: &Link, by: Instant) {
    let until = by.checked_sub(BYE_TIMEOUT).unwrap_or(by);
    link.close(Ended::new(Code::Disconnected, PAUSED), until);
}
