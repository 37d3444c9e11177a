//! Broadcasts: out as soon as somebody can take them, in by way of the checking task.

use std::sync::Arc;

use libp2p::gossipsub;

use super::{Driver, RETRY_BROADCASTS};
use crate::net::clock;
use crate::net::gossip::{self, BroadcastFailure, Check, Unchecked};

impl Driver {
    pub(super) fn send_waiting(&mut self) {
        self.state.retry_at = None;
        while let Some(waiting) = self.state.outbox.next() {
            let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
            match gossip.publish(self.topic.hash(), waiting.data.clone()) {
                Ok(_) | Err(gossipsub::PublishError::Duplicate) => {
                    self.shared.counters.broadcasts_out.add(1);
                    self.state.cast_at = Some(clock::now());
                    gossip::answer(waiting, Ok(()));
                }
                Err(gossipsub::PublishError::MessageTooLarge) => {
                    gossip::answer(waiting, Err(BroadcastFailure::TooLarge));
                }
                // The inbox knows of a session before this loop does, and whoever was told of it may broadcast at once.
                Err(_) if !self.shared.inbox.has_sessions() => {
                    gossip::answer(waiting, Err(BroadcastFailure::NoPeers))
                }
                Err(error) => {
                    tracing::trace!(%error, "a broadcast waits");
                    self.state.outbox.put_back(waiting);
                    self.state.retry_at = Some(clock::now() + RETRY_BROADCASTS);
                    return;
                }
            }
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let bytes = u32::try_from(message.data.len()).unwrap_or(u32::MAX);
                let room = Arc::clone(&self.state.unchecked).try_acquire_many_owned(bytes);
                let queued = room.is_ok_and(|room| {
                    let unchecked = Unchecked {
                        id: message_id.clone(),
                        source: propagation_source,
                        data: message.data,
                        _room: room,
                    };
                    self.checks.try_send(Check::Broadcast(unchecked)).is_ok()
                });
                if !queued {
                    self.shared.counters.broadcasts_overrun.add(1);
                    let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
                    gossip.report_message_validation_result(
                        &message_id,
                        &propagation_source,
                        gossipsub::MessageAcceptance::Ignore,
                    );
                }
            }
            gossipsub::Event::Subscribed { .. } if !self.state.outbox.is_empty() => {
                self.send_waiting()
            }
            _ => {}
        }
    }
}
