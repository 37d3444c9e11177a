//! The DHT: values that all satellites of a rendezvous keep for each other.
//!
//! Every satellite is a node of it, unless its [`Role`] says otherwise. [`Dht`] is the handle people hold; [`Node`] is what this
//! satellite is to the others: it answers their asks (`serve`), walks to a key (`walk`), and looks after what it keeps (`upkeep`).
//! Who is near, whom to ask next and what a value is decide the machines of [`crate::proto::dht`]; what is kept lies in
//! [`crate::store::values`].
//!
//! What nodes say to each other are requests of the satellite's own sessions, in a namespace that applications cannot use: so credit,
//! parts, deadlines, signatures and the account of memory are the same for both.

mod ask;
mod custom;
mod debug;
mod decide;
mod fetch;
mod lie;
mod node;
mod options;
mod proxy;
mod sealed;
mod serve;
mod spot;
mod store;
mod trace;
mod upkeep;
mod walk;
mod watch;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use custom::{CUSTOM_ANSWERS_MAX, CustomAnswer, To};
pub use debug::{DebugFeed, DebugLine};
pub use decide::{Decision, Offer, Offers};
pub use fetch::Value;
pub use options::{FetchOptions, SignedOptions, StoreOptions};
pub use sealed::Opened;
pub use store::{Answer, Outcome, Stored};
pub use trace::{Hop, RoutingRow, Trace};
pub use watch::Watch;

use crate::config::Role;
use crate::error::{DhtError, StartError};
use crate::key::Key;
use crate::proto::dht::table::Table;
use crate::satellite::Satellite;
use node::Node;

/// What applications ask nodes, and tell all of them.
const CUSTOM: &str = "psfs.dht.custom";

/// The DHT of a satellite's network. From [`Satellite::dht`]; cheap to clone.
///
/// ```no_run
/// use psfs_core::{Config, FetchOptions, Satellite, StoreOptions};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let satellite = Satellite::new(Config::new("pineapple"))?;
/// satellite.start().await?;
/// let stored = satellite.dht().store("Some value", StoreOptions::default()).await?;
/// let value = satellite.dht().fetch(stored.key(), FetchOptions::default()).await?;
/// assert_eq!(value.content(), "Some value");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dht {
    /// Keeps the satellite alive.
    satellite: Satellite,
    node: Arc<Node>,
}

/// Gives a new satellite its DHT.
pub(crate) fn attach(satellite: &Satellite) -> Result<(), StartError> {
    satellite.add_part(Node::new(satellite)?);
    Ok(())
}

impl Satellite {
    /// The DHT of its network.
    pub fn dht(&self) -> Dht {
        #[expect(clippy::expect_used, reason = "a satellite is made with its DHT")]
        let node = self
            .part::<Node>()
            .expect("added when the satellite was made");
        Dht {
            satellite: self.clone(),
            node,
        }
    }
}

impl Dht {
    /// What this satellite is to the others.
    pub fn role(&self) -> Role {
        self.node.role()
    }

    /// Makes it something else to the others, at once. What it keeps stays until it expires.
    pub fn set_role(&self, role: Role) {
        self.node.set_role(role);
    }

    /// Waits until a node has answered this satellite, so that there is somebody to store at and to fetch from: at once, where one has.
    ///
    /// # Errors
    /// [`DhtError::Timeout`]; [`DhtError::Closed`] unless the satellite runs.
    pub async fn joined(&self, deadline: Duration) -> Result<(), DhtError> {
        let joined = async {
            loop {
                // From before the look on: who comes in between is not missed.
                let mut met = pin!(self.node.met.notified());
                met.as_mut().enable();
                let anybody =
                    |table: &mut Table, now| !table.closest(&self.node.place, 1, now).is_empty();
                if self.node.table(anybody) {
                    return Ok(());
                }
                met.await;
            }
        };
        self.limited(deadline, joined).await
    }

    /// Largest value in bytes that it stores, fetches or keeps: what [`Config::max_item_size`](crate::Config::max_item_size) and
    /// [`Config::content_limit`](crate::Config::content_limit) leave.
    pub fn max_item_size(&self) -> usize {
        self.node.item_max
    }

    /// How many values this satellite keeps for the network.
    ///
    /// # Errors
    /// [`DhtError::Store`].
    pub fn stored_keys(&self) -> Result<u64, DhtError> {
        Ok(self.node.values.usage()?.values)
    }

    /// How many bytes they have.
    ///
    /// # Errors
    /// [`DhtError::Store`].
    pub fn storage_size(&self) -> Result<u64, DhtError> {
        Ok(self.node.values.usage()?.bytes)
    }

    /// The keys of up to `most` values kept here, in order, from the one after `after` on.
    ///
    /// # Errors
    /// [`DhtError::Store`].
    pub fn keys(&self, after: Option<Key>, most: usize) -> Result<Vec<Key>, DhtError> {
        let entries = self.node.values.keys_after(after, most)?;
        Ok(entries.into_iter().map(|held| held.entry.key).collect())
    }

    fn base(&self) -> &crate::satellite::part::Base {
        &self.node.base
    }

    /// Work with a time limit.
    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, DhtError>>,
    ) -> Result<T, DhtError> {
        self.node.used.notify_one();
        self.limited(limit, work).await
    }

    /// The same for what does not use the DHT, and so gives no reason to walk.
    async fn limited<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, DhtError>>,
    ) -> Result<T, DhtError> {
        if !self.satellite.is_running() {
            return Err(DhtError::Closed);
        }
        let ended = self.satellite.stopping();
        tokio::select! {
            biased;
            done = work => done,
            () = ended => Err(DhtError::Closed),
            () = self.base().sleep(limit) => Err(DhtError::Timeout(limit)),
        }
    }
}

#[cfg(test)]
mod tests;
