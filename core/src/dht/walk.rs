//! A walk towards a key: the machine says whom to ask next, this asks.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::ask::{ASK_TIMEOUT, AskError, told};
use super::node::{Node, REPLICAS};
use crate::error::DhtError;
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::dht::lookup::{Goal, Lookup, Plan, Step};
use crate::proto::dht::message::{self, Ask, Find};

/// An answer that takes longer is not waited for alone: one more node is asked.
const PATIENCE: Duration = Duration::from_millis(150);

/// What an answer means for the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// It has the value.
    Value,
    /// It has given the value that was looked for: the walk is over.
    Enough,
}

pub(super) fn plan(goal: Goal, parallel: usize, paths: usize) -> Plan {
    Plan {
        k: REPLICAS,
        parallel,
        paths,
        ..Plan::new(goal)
    }
}

impl Node {
    /// Walks until the machine has its goal. `ask` asks one node; `found` is told of each answer.
    pub(super) async fn walk<A, Asking>(
        &self,
        mut lookup: Lookup,
        ask: impl Fn(PeerId) -> Asking,
        mut found: impl FnMut(PeerId, Result<A, AskError>) -> Found,
    ) -> Lookup
    where
        Asking: Future<Output = Result<(Vec<message::Node>, A), AskError>>,
    {
        let mut asked = FuturesUnordered::new();
        let mut patience = Box::pin(self.base.sleep(PATIENCE));
        'walk: loop {
            loop {
                match lookup.next(self.now()) {
                    Step::Ask(peer) => {
                        let answer = ask(peer);
                        asked.push(async move { (peer, answer.await) });
                    }
                    Step::Wait => break,
                    Step::Done => break 'walk,
                }
            }
            tokio::select! {
                biased;
                answered = asked.next() => {
                    let Some((peer, answered)) = answered else { break };
                    if let Some(group) = self.group_of(&peer) {
                        lookup.comes_from(&peer, group);
                    }
                    match answered {
                        Ok((nodes, answer)) => {
                            let contacts = self.learn(peer, &nodes).await;
                            let found = found(peer, Ok(answer));
                            lookup.answered(&peer, &contacts, found != Found::Nothing, self.now());
                            if found == Found::Enough {
                                lookup.accept(&peer);
                            }
                        }
                        Err(error) => {
                            lookup.failed(&peer, error.failure, self.now());
                            found(peer, Err(error));
                        }
                    }
                }
                () = &mut patience => {
                    lookup.hurry();
                    patience = Box::pin(self.base.sleep(PATIENCE));
                }
            }
        }
        // However it ended: a range that was never walked through would be walked to again and again.
        let near = lookup.neighbourhood();
        self.table(|table, now| table.walked(lookup.target(), &near, now));
        lookup
    }

    /// As [`Node::lookup`]. Who has just come, or is one of a few, first asks those few who else is near: to an offer nobody would find itself
    /// too far and name others, and who has a plain value names nobody.
    pub(super) async fn lookup_of_many(&self, key: Key, plan: Plan) -> Result<Lookup, DhtError> {
        let lookup = self.lookup(key, plan)?;
        if self.table(|table, now| table.candidates(&key, REPLICAS, now).len()) >= REPLICAS {
            return Ok(lookup);
        }
        let nodes = self.lookup(key, self::plan(Goal::Nodes, REPLICAS, 1))?;
        self.walk(
            nodes,
            |peer| self.find_nodes(peer, key),
            |_, _| Found::Nothing,
        )
        .await;
        self.lookup(key, plan)
    }

    /// Asks one node who is near to a key.
    pub(super) async fn find_nodes(
        &self,
        peer: PeerId,
        key: Key,
    ) -> Result<(Vec<message::Node>, ()), AskError> {
        let find = Ask::Find(Find {
            key,
            value: false,
            inline: 0,
        });
        let answer = self.ask(&peer, &find, ASK_TIMEOUT).await?;
        Ok((told(&answer).to_vec(), ()))
    }
}
