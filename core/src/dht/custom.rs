//! A protocol of the application's own on top of the DHT: commands to nodes chosen by where they are, and a word to all.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::node::{Node, REPLICAS};
use super::walk::{Found, plan};
use super::{CUSTOM, Dht};
use crate::config::BROADCAST_MAX;
use crate::error::{DhtError, RequestError};
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::lookup::Goal;
use crate::proto::packet::PacketType;
use crate::satellite::{BroadcastOptions, Event, Events, RequestOptions, Subscription};

/// Answers that one command takes from each node; all together they may be as large as one content (`content_limit`). Of more the first are taken.
pub const CUSTOM_ANSWERS_MAX: usize = 1024;

/// Who gets a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum To {
    /// One peer.
    Peer(PeerId),
    /// The nodes nearest to a key.
    Closest(Key),
    /// The nodes nearest to this one.
    Neighbours,
}

/// What a node answered to a command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomAnswer {
    /// Which node.
    pub peer: PeerId,
    /// Its answers, or why there are none.
    pub answers: Result<Vec<Bytes>, RequestError>,
}

impl Dht {
    /// Sends a command to nodes and waits until each has answered or failed; `deadline` is for all of it, with finding them.
    ///
    /// # Errors
    /// [`DhtError::NoPeers`]; what goes wrong at a node is in its answer.
    pub async fn custom(
        &self,
        to: To,
        command: impl Into<Bytes>,
        deadline: Duration,
    ) -> Result<Vec<CustomAnswer>, DhtError> {
        let command = command.into();
        if !self.satellite.is_running() {
            return Err(DhtError::Closed);
        }
        let until = clock::after(deadline);
        let peers = match to {
            To::Peer(peer) => vec![peer],
            To::Closest(key) => self.within(deadline, self.node.nearest(key)).await?,
            To::Neighbours => {
                self.within(deadline, self.node.nearest(self.node.place))
                    .await?
            }
        };
        // Never zero: then an option would be wrong, and not the time over.
        let left = until
            .saturating_duration_since(clock::now())
            .max(Duration::from_millis(1));
        let mut asked: FuturesUnordered<_> = peers
            .into_iter()
            .map(|peer| {
                let command = command.clone();
                async move {
                    CustomAnswer {
                        peer,
                        answers: self.command(&peer, command, left).await,
                    }
                }
            })
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        while let Some(answer) = asked.next().await {
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn command(
        &self,
        peer: &PeerId,
        command: Bytes,
        deadline: Duration,
    ) -> Result<Vec<Bytes>, RequestError> {
        let options = RequestOptions::default()
            .deadline(deadline)
            .max_replies(CUSTOM_ANSWERS_MAX);
        let mut replies = self.base().request(peer, CUSTOM, command, options).await?;
        let (mut answers, mut room) = (Vec::new(), self.satellite.content_limit());
        while let Some(reply) = replies.next().await {
            let answer = reply?.content().clone();
            let Some(left) = room.checked_sub(answer.len()) else {
                break;
            };
            room = left;
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Calls `handler` with every command that comes, on the callback threads; it answers through the event, as to a request.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn on_custom(
        &self,
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        Ok(self.base().attach(self.commands()?, handler)?)
    }

    /// The same as a stream.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn commands(&self) -> Result<Events, DhtError> {
        let events = self.base().events(PacketType::Request, CUSTOM);
        events.ok_or(DhtError::Closed)
    }

    /// Tells all nodes of the network: up to 60 KiB, each gets it once.
    ///
    /// # Errors
    /// [`DhtError::TooLarge`]; [`DhtError::Closed`].
    pub async fn broadcast(&self, content: impl Into<Bytes>) -> Result<(), DhtError> {
        let content = content.into();
        if content.len() > BROADCAST_MAX {
            return Err(DhtError::TooLarge {
                size: content.len(),
                limit: BROADCAST_MAX,
            });
        }
        Ok(self
            .base()
            .broadcast(CUSTOM, content, BroadcastOptions::default())
            .await?)
    }

    /// Calls `handler` with what others tell all nodes.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn on_broadcast(
        &self,
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<Subscription, DhtError> {
        Ok(self.base().attach(self.broadcasts()?, handler)?)
    }

    /// The same as a stream.
    ///
    /// # Errors
    /// [`DhtError::Closed`] after shutdown.
    pub fn broadcasts(&self) -> Result<Events, DhtError> {
        let events = self.base().events(PacketType::Broadcast, CUSTOM);
        events.ok_or(DhtError::Closed)
    }
}

impl Node {
    /// The nodes nearest to a key that answer.
    async fn nearest(&self, key: Key) -> Result<Vec<PeerId>, DhtError> {
        let lookup = self.lookup(key, plan(Goal::Nodes, REPLICAS, 1))?;
        let walked = self
            .walk(
                lookup,
                |peer| self.find_nodes(peer, key),
                |_, _| Found::Nothing,
            )
            .await;
        let mut near: Vec<PeerId> = walked
            .closest()
            .into_iter()
            .map(|contact| contact.peer)
            .collect();
        near.truncate(REPLICAS);
        Ok(near)
    }
}
