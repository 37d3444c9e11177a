//! The end: everybody is told, then the connections close.

use std::time::Instant;

use futures::StreamExt;
use libp2p::swarm::SwarmEvent;

use super::Driver;
use super::kept::remembered;
use crate::config::BYE_TIMEOUT;
use crate::error::Code;
use crate::net::behaviour::BehaviourEvent;
use crate::net::link::{Ended, Link};
use crate::net::packets::SessionEvent;
use crate::net::{clock, to_libp2p};

const LEFT: &str = "the satellite was shut down";

impl Driver {
    /// Gossip does not tell when a broadcast has left: one it has just taken is given a moment before the connections are cut.
    async fn let_casts_go(&mut self) {
        let Some(cast_at) = self.state.cast_at else {
            return;
        };
        let until = tokio::time::Instant::from(cast_at + BYE_TIMEOUT);
        while let Ok(event) = tokio::time::timeout_at(until, self.swarm.select_next_some()).await {
            self.on_swarm(event);
        }
    }

    /// Says goodbye: every session ends with a reason once what was accepted for it has arrived, then the sockets close with the
    /// swarm.
    pub(super) async fn leave(mut self) {
        tracing::info!(sessions = self.state.links.len(), "shutting down");
        self.turn_away();
        self.let_casts_go().await;
        let begun = clock::now();
        let mut by = *self.leave_by.borrow_and_update();
        self.state.links.values().for_each(|link| goodbye(link, by));
        while self.swarm.connected_peers().next().is_some() {
            // Where no session is left to finish, nothing is worth a wait.
            let until = if self.state.links.is_empty() {
                by.min(begun + BYE_TIMEOUT * 2)
            } else {
                by
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => break,
                Ok(()) = self.leave_by.changed() => {
                    by = *self.leave_by.borrow_and_update();
                    self.state.links.values().for_each(|link| goodbye(link, by));
                }
                event = self.swarm.select_next_some() => {
                    let SwarmEvent::Behaviour(BehaviourEvent::Packets(event)) = event else { continue };
                    match event {
                        // It was under way when the others were told.
                        SessionEvent::Opened { link, .. } | SessionEvent::Moved { link } => {
                            goodbye(&link, by);
                            self.state.links.insert(link.peer, link);
                        }
                        // Nothing else keeps a connection of a satellite that leaves.
                        SessionEvent::Lost { peer, .. } => {
                            self.shared.counters.sessions_ended.add(1);
                            self.state.links.remove(&peer);
                            let _gone = self.swarm.disconnect_peer_id(to_libp2p(&peer));
                        }
                        _ => {}
                    }
                }
            }
        }
        let known = remembered(&self.roster, self.now());
        let store = self.store.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.remember(&known)).await {
            self.shared.counters.store_failures.add(1);
            tracing::warn!(%error, "addresses of peers are not kept");
        }
        tracing::info!("satellite shut down");
    }
}

/// The session ends, so early that its last word is out by then.
fn goodbye(link: &Link, by: Instant) {
    let until = by.checked_sub(BYE_TIMEOUT).unwrap_or(by);
    link.close(Ended::new(Code::Disconnected, LEFT), until);
}
