//! What is seen of the driver and kept of it: the view for synchronous callers, counters, addresses on disk.

use std::sync::Arc;
use std::time::Duration;

use libp2p::multiaddr::Protocol;

use super::{Driver, VIEW_PAUSE, View};
use crate::config::KNOWN_PEERS;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::roster::Roster;

impl Driver {
    pub(crate) fn refresh_view(&mut self) {
        if self.state.view_stale && self.state.view_at <= clock::now() {
            self.show();
        }
    }

    /// Makes the view anew.
    pub(super) fn show(&mut self) {
        self.state.view_stale = false;
        self.state.view_at = clock::now() + VIEW_PAUSE;
        let local = *self.swarm.local_peer_id();
        let addresses = self
            .swarm
            .listeners()
            .map(|address| address.clone().with(Protocol::P2p(local)))
            .collect();
        let view = View {
            met: self.roster.met(),
            addresses,
        };
        *self
            .view
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = view;
    }

    /// Adds what the roster counted since the last time to the satellite's counters.
    pub(super) fn count(&mut self) {
        let now = *self.roster.stats();
        let before = std::mem::replace(&mut self.state.counted, now);
        if now == before {
            return;
        }
        let counters = &self.shared.counters;
        for (counter, now, before) in [
            (&counters.sightings_outdated, now.outdated, before.outdated),
            (&counters.sightings_dropped, now.unheard, before.unheard),
            (&counters.peers_displaced, now.displaced, before.displaced),
            (&counters.peers_expired, now.expired, before.expired),
            (&counters.peers_left, now.left, before.left),
            (&counters.asks_unanswered, now.unanswered, before.unanswered),
            (
                &counters.addresses_dropped,
                now.addresses_dropped,
                before.addresses_dropped,
            ),
            (
                &counters.bootstraps_dropped,
                now.bootstraps_dropped,
                before.bootstraps_dropped,
            ),
            (&counters.sessions_trimmed, now.trimmed, before.trimmed),
            (
                &counters.dials_overdue,
                now.dials_overdue,
                before.dials_overdue,
            ),
        ] {
            counter.add(now - before);
        }
    }

    pub(super) fn keep_addresses(&self) {
        let store = self.store.clone();
        let shared = Arc::clone(&self.shared);
        let known = remembered(&self.roster, self.now());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.remember(&known) {
                shared.counters.store_failures.add(1);
                tracing::warn!(%error, "addresses of peers are not kept");
            }
        });
    }
}

pub(super) fn remembered(roster: &Roster, now: Duration) -> Vec<(PeerId, Vec<String>, u64)> {
    let now_ms = clock::now_ms();
    roster
        .worth_remembering(KNOWN_PEERS, now)
        .into_iter()
        .map(|sighting| {
            let seen =
                now_ms.saturating_sub(u64::try_from(sighting.age.as_millis()).unwrap_or(u64::MAX));
            (
                sighting.peer,
                sighting.addresses.iter().map(ToString::to_string).collect(),
                seen,
            )
        })
        .collect()
}
