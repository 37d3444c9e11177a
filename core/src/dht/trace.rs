//! What a person follows: each hop of a walk, and whom this node knows.

use std::time::Duration;

use super::Dht;
use super::node::{Node, REPLICAS};
use super::options::FetchOptions;
use super::walk::{Found, plan};
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::lookup::{self, Goal};

/// One question on the way to a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hop {
    /// Who was asked.
    pub peer: PeerId,
    /// How many told of each other before it: 1 for those this satellite knew.
    pub depth: u32,
    /// Which of the separate ways it is on, from 0.
    pub path: usize,
    /// How many bits its place has in common with the key.
    pub common_bits: u32,
    /// How long it took; nothing: it was not waited for.
    pub took: Option<Duration>,
    /// What it answered.
    pub outcome: String,
}

/// A walk, question by question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trace {
    /// Where it went.
    pub key: Key,
    /// In the order in which they were asked.
    pub hops: Vec<Hop>,
    /// Who has the value.
    pub holders: Vec<PeerId>,
    /// The nearest nodes that answered, the nearest first.
    pub closest: Vec<PeerId>,
}

/// A node of the routing table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoutingRow {
    /// Which bucket: how many bits its place has in common with this node's.
    pub bucket: u32,
    /// Who.
    pub peer: PeerId,
    /// `proved` (it was heard itself), `met` (others told of it), `failing`, or `spare` (there was no room).
    pub state: &'static str,
    /// How long ago it was last heard, or heard of.
    pub unseen: Duration,
}

impl Dht {
    /// Walks to a key on all ways and tells each question and its answer.
    ///
    /// # Errors
    /// [`DhtError::NoPeers`].
    pub async fn trace(&self, key: Key, options: FetchOptions) -> Result<Trace, DhtError> {
        self.within(options.deadline, self.node.trace(key)).await
    }

    /// Whom this node knows.
    pub fn routing_table(&self) -> Vec<RoutingRow> {
        let rows = self.node.table(|table, now| table.rows(now));
        rows.into_iter()
            .map(|row| RoutingRow {
                bucket: row.bucket,
                peer: row.peer,
                state: row.standing.name(),
                unseen: row.unseen,
            })
            .collect()
    }
}

impl Node {
    async fn trace(&self, key: Key) -> Result<Trace, DhtError> {
        let lookup = self.lookup_of_many(key, plan(Goal::All, 3, 3)).await?;
        let walked = self
            .walk(
                lookup,
                |peer| self.ask_holder(peer, key),
                |_, answer| match answer {
                    Ok(true) => Found::Value,
                    _ => Found::Nothing,
                },
            )
            .await;
        let hops = walked.hops().iter().map(|hop| Hop {
            peer: hop.peer,
            depth: hop.depth,
            path: hop.path,
            common_bits: Key::of_peer(&hop.peer).distance(&key).common_bits(),
            took: hop.took,
            outcome: match &hop.outcome {
                lookup::Outcome::Asked => "not waited for".into(),
                lookup::Outcome::Nodes(count) => {
                    format!("told of {count} nodes that were not known")
                }
                lookup::Outcome::Value => "has the value".into(),
                lookup::Outcome::Failed(failure) => failure.text().into(),
            },
        });
        let mut holders: Vec<PeerId> = walked
            .holders()
            .into_iter()
            .map(|contact| contact.peer)
            .collect();
        if self.held(&key).is_some() {
            holders.push(self.local);
        }
        let closest = walked
            .closest()
            .into_iter()
            .take(REPLICAS)
            .map(|contact| contact.peer);
        Ok(Trace {
            key,
            hops: hops.collect(),
            holders,
            closest: closest.collect(),
        })
    }
}
