//! The DHT's handle: arguments are read, the core is called, results become completions and sources.
//!
//! Walks have many steps: they run on the satellite's own runtime, so that a language whose thread is busy holds up none of them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use psfs_core::{DhtError, FetchOptions, Key, SignedOptions, StoreOptions, To};

use crate::dht_values::{
    NativeCustomAnswer, NativeDebugLine, NativeOffer, NativeRole, NativeRoutingRow, NativeSealed,
    NativeStored, NativeValue,
};
use crate::failure::NativeError;
use crate::hub::{Batch, Hub, Outcome, Shared};
use crate::input::{count, milliseconds, peer};
use crate::source::{Feed, Kept, NativeSource, of_packets};
use crate::under_way::{closed, run};

/// Contents of values and offers are handed out until a batch has so many bytes of them.
const BATCH_BYTES: usize = 1 << 20;

/// How a signed value is stored. Times are in ms.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeSigned {
    /// Of which values under one peer and salt there is one.
    pub salt: Vec<u8>,
    /// Its number; without one it is one more than the highest that is found.
    #[uniffi(default = None)]
    pub sequence: Option<u64>,
    /// The number of the value to be replaced; 0: there is none.
    #[uniffi(default = None)]
    pub if_sequence: Option<u64>,
    /// Who alone can read it.
    #[uniffi(default = None)]
    pub sealed_for: Option<String>,
    /// How long nodes keep it.
    pub lifetime_ms: i64,
    /// How long the call may take.
    pub timeout_ms: i64,
}

/// What a satellite can do in the DHT of its network. Times are in ms; keys are 64 hexadecimal digits.
#[derive(Debug, uniffi::Object)]
pub struct NativeDht {
    core: psfs_core::Satellite,
    dht: psfs_core::Dht,
    hub: Hub,
}

fn key(text: &str) -> Result<Key, NativeError> {
    Ok(text.parse::<Key>()?)
}

fn receivers(text: Option<&str>) -> Result<To, NativeError> {
    let Some(text) = text else {
        return Ok(To::Neighbours);
    };
    if let Ok(key) = text.parse::<Key>() {
        return Ok(To::Closest(key));
    }
    text.parse().map(To::Peer).map_err(|error| {
        NativeError::bad_input(format!(
            "to is neither left out (the nodes nearest to this one), nor a key of 64 hexadecimal digits (those nearest to it), nor a peer: {error}"
        ))
    })
}

fn store_options(lifetime_ms: i64, timeout_ms: i64) -> Result<StoreOptions, NativeError> {
    Ok(StoreOptions::default()
        .lifetime(milliseconds(lifetime_ms, "lifetime")?)
        .deadline(milliseconds(timeout_ms, "timeout")?))
}

fn fetch_options(timeout_ms: i64) -> Result<FetchOptions, NativeError> {
    Ok(FetchOptions::default().deadline(milliseconds(timeout_ms, "timeout")?))
}

/// Reads what comes one at a time, as many as are there and fit.
fn one_by_one<T: 'static>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<T>> + Send + 'static,
    size: fn(&T) -> usize,
    pack: fn(Vec<T>, &Kept) -> Batch,
) -> Feed {
    Box::new(move |context, max, kept| {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < max && bytes < BATCH_BYTES {
            match next(context) {
                Poll::Ready(Some(item)) => {
                    bytes += size(&item);
                    items.push(item);
                }
                // Where some came, the end is told when they are taken.
                Poll::Ready(None) if items.is_empty() => return Poll::Ready(Ok(Batch::End)),
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(pack(items, kept)))
    })
}

impl NativeDht {
    pub(crate) fn new(core: psfs_core::Satellite, hub: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            dht: core.dht(),
            core,
            hub: Hub(Arc::clone(hub)),
        })
    }

    /// Begins on the satellite's runtime at once, and goes on there by itself.
    fn run<T, F>(
        &self,
        id: i64,
        work: impl FnOnce(psfs_core::Dht) -> F,
        outcome: impl FnOnce(T) -> Outcome + Send + 'static,
    ) -> Result<bool, NativeError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DhtError>> + Send + 'static,
    {
        let work = work(self.dht.clone());
        run(&self.core, &self.hub.0, id, work, outcome)
    }

    fn storing<F>(
        &self,
        id: i64,
        work: impl FnOnce(psfs_core::Dht) -> F,
    ) -> Result<bool, NativeError>
    where
        F: Future<Output = Result<psfs_core::Stored, DhtError>> + Send + 'static,
    {
        self.run(id, work, |stored| Outcome::Stored {
            stored: NativeStored::of(&stored),
        })
    }

    fn fetching<F>(
        &self,
        id: i64,
        work: impl FnOnce(psfs_core::Dht) -> F,
    ) -> Result<bool, NativeError>
    where
        F: Future<Output = Result<psfs_core::Value, DhtError>> + Send + 'static,
    {
        self.run(id, work, |value| Outcome::Value {
            value: NativeValue::of(value),
        })
    }
}

#[uniffi::export]
impl NativeDht {
    /// Stores a value under the hash of its content. Gives [`Outcome::Stored`], as all that stores or deletes.
    pub fn store(
        &self,
        id: i64,
        content: &[u8],
        lifetime_ms: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let options = store_options(lifetime_ms, timeout_ms)?;
        let content = Bytes::copy_from_slice(content);
        self.storing(id, |dht| async move { dht.store(content, options).await })
    }

    /// Stores a value under a key of the caller's choice.
    pub fn store_at(
        &self,
        id: i64,
        key: &str,
        content: &[u8],
        lifetime_ms: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (key, options) = (self::key(key)?, store_options(lifetime_ms, timeout_ms)?);
        let content = Bytes::copy_from_slice(content);
        self.storing(id, move |dht| async move {
            dht.store_at(key, content, options).await
        })
    }

    /// Stores a value under a name.
    pub fn store_named(
        &self,
        id: i64,
        name: String,
        content: &[u8],
        lifetime_ms: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let options = store_options(lifetime_ms, timeout_ms)?;
        let content = Bytes::copy_from_slice(content);
        self.storing(id, move |dht| async move {
            dht.store_named(&name, content, options).await
        })
    }

    /// Stores a value that only this satellite can store and replace.
    pub fn store_signed(
        &self,
        id: i64,
        content: &[u8],
        how: NativeSigned,
    ) -> Result<bool, NativeError> {
        let mut options = SignedOptions::default()
            .lifetime(milliseconds(how.lifetime_ms, "lifetime")?)
            .deadline(milliseconds(how.timeout_ms, "timeout")?);
        if let Some(sequence) = how.sequence {
            options = options.sequence(sequence);
        }
        if let Some(sequence) = how.if_sequence {
            options = options.if_sequence(sequence);
        }
        if let Some(recipient) = &how.sealed_for {
            options = options.sealed_for(peer(recipient)?);
        }
        let content = Bytes::copy_from_slice(content);
        self.storing(id, move |dht| async move {
            dht.store_signed(&how.salt, content, options).await
        })
    }

    /// Stores a value that only one peer can read.
    pub fn store_sealed(
        &self,
        id: i64,
        peer_id: &str,
        content: &[u8],
        lifetime_ms: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (recipient, options) = (peer(peer_id)?, store_options(lifetime_ms, timeout_ms)?);
        let content = Bytes::copy_from_slice(content);
        self.storing(id, move |dht| async move {
            dht.store_sealed(&recipient, content, options).await
        })
    }

    /// Publishes this satellite's public key.
    pub fn publish_key(
        &self,
        id: i64,
        lifetime_ms: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let options = store_options(lifetime_ms, timeout_ms)?;
        self.storing(id, move |dht| async move { dht.publish_key(options).await })
    }

    /// Deletes what this satellite stored.
    pub fn delete(&self, id: i64, key: &str, timeout_ms: i64) -> Result<bool, NativeError> {
        let key = self::key(key)?;
        let options = StoreOptions::default().deadline(milliseconds(timeout_ms, "timeout")?);
        self.storing(id, move |dht| async move { dht.delete(key, options).await })
    }

    /// Fetches a value by its key. Gives [`Outcome::Value`], as all that fetches.
    pub fn fetch(&self, id: i64, key: &str, timeout_ms: i64) -> Result<bool, NativeError> {
        let (key, options) = (self::key(key)?, fetch_options(timeout_ms)?);
        self.fetching(id, move |dht| async move { dht.fetch(key, options).await })
    }

    /// Fetches what was stored under a name.
    pub fn fetch_named(&self, id: i64, name: String, timeout_ms: i64) -> Result<bool, NativeError> {
        let options = fetch_options(timeout_ms)?;
        self.fetching(id, move |dht| async move {
            dht.fetch_named(&name, options).await
        })
    }

    /// Fetches the newest value that a peer has signed under a salt.
    pub fn fetch_signed(
        &self,
        id: i64,
        publisher: &str,
        salt: Vec<u8>,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (publisher, options) = (peer(publisher)?, fetch_options(timeout_ms)?);
        self.fetching(id, move |dht| async move {
            dht.fetch_signed(&publisher, &salt, options).await
        })
    }

    /// Opens what was sealed for this satellite; nothing is a value that is not sealed. Gives [`Outcome::Opened`].
    pub fn open(&self, id: i64, sealed: Option<Arc<NativeSealed>>) -> Result<bool, NativeError> {
        let open = move |dht: psfs_core::Dht| async move {
            match sealed {
                Some(sealed) => dht.open(&sealed.0).await,
                None => Err(DhtError::Sealed("the value is not sealed".into())),
            }
        };
        self.run(id, open, |opened| Outcome::Opened {
            opened: opened.into(),
        })
    }

    /// Sends a command to one peer (its id), to the nodes nearest to a key, or to those nearest to this one (nothing). Gives
    /// [`Outcome::Answers`].
    pub fn custom(
        &self,
        id: i64,
        to: Option<String>,
        content: &[u8],
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (to, deadline) = (
            receivers(to.as_deref())?,
            milliseconds(timeout_ms, "timeout")?,
        );
        let content = Bytes::copy_from_slice(content);
        self.run(
            id,
            move |dht| async move { dht.custom(to, content, deadline).await },
            |answers| Outcome::Answers {
                answers: answers.into_iter().map(NativeCustomAnswer::of).collect(),
            },
        )
    }

    /// Tells all nodes of the network.
    pub fn broadcast(&self, id: i64, content: &[u8]) -> Result<bool, NativeError> {
        let content = Bytes::copy_from_slice(content);
        self.run(
            id,
            move |dht| async move { dht.broadcast(content).await },
            |()| Outcome::Done,
        )
    }

    /// Walks to a key and tells each question. Gives [`Outcome::Trace`].
    pub fn trace(&self, id: i64, key: &str, timeout_ms: i64) -> Result<bool, NativeError> {
        let (key, options) = (self::key(key)?, fetch_options(timeout_ms)?);
        self.run(
            id,
            move |dht| async move { dht.trace(key, options).await },
            |trace| Outcome::Trace {
                trace: trace.into(),
            },
        )
    }

    /// A signed value as it changes: [`Batch::Values`].
    pub fn watch(&self, key: &str) -> Result<Arc<NativeSource>, NativeError> {
        let mut watch = self.dht.watch(self::key(key)?)?;
        let next = move |context: &mut Context<'_>| pin!(watch.next()).poll(context);
        let feed = one_by_one(
            next,
            |value| value.content().len(),
            |values, _| Batch::Values {
                values: values.into_iter().map(NativeValue::of).collect(),
            },
        );
        Ok(NativeSource::new(&self.hub.0, feed))
    }

    /// What others would like to be kept here: [`Batch::Offers`]. Each waits, under its number, for its word.
    pub fn offers(&self) -> Result<Arc<NativeSource>, NativeError> {
        if self.core.ended().now_or_never().is_some() {
            return Err(closed());
        }
        let mut offers = self.dht.offers();
        let next = move |context: &mut Context<'_>| pin!(offers.next()).poll(context);
        let feed = one_by_one(
            next,
            |offer: &psfs_core::Offer| offer.content().map_or(0, Bytes::len),
            |offers, kept| Batch::Offers {
                offers: offers
                    .into_iter()
                    .map(|offer| NativeOffer::of(offer, kept))
                    .collect(),
            },
        );
        Ok(NativeSource::new(&self.hub.0, feed))
    }

    /// What is asked of this node, as requests.
    pub fn commands(&self) -> Result<Arc<NativeSource>, NativeError> {
        let feed = of_packets(self.dht.commands()?);
        Ok(NativeSource::new(&self.hub.0, feed))
    }

    /// What all nodes are told, as broadcasts.
    pub fn broadcasts(&self) -> Result<Arc<NativeSource>, NativeError> {
        let feed = of_packets(self.dht.broadcasts()?);
        Ok(NativeSource::new(&self.hub.0, feed))
    }

    /// What nodes that permit it say of themselves: [`Batch::Lines`].
    pub fn debug(&self) -> Result<Arc<NativeSource>, NativeError> {
        let mut lines = self.dht.debug()?;
        let next = move |context: &mut Context<'_>| pin!(lines.next()).poll(context);
        let feed = one_by_one(
            next,
            |line| line.line.len(),
            |lines, _| Batch::Lines {
                lines: lines.into_iter().map(NativeDebugLine::from).collect(),
            },
        );
        Ok(NativeSource::new(&self.hub.0, feed))
    }

    /// Whether others may follow what this node does.
    pub fn permit_debug(&self, permitted: bool) {
        self.dht.permit_debug(permitted);
    }

    /// Whether others may have this satellite store and fetch for them.
    pub fn permit_proxy(&self, permitted: bool) {
        self.dht.permit_proxy(permitted);
    }

    /// Over when a node has answered.
    pub fn joined(&self, id: i64, timeout_ms: i64) -> Result<bool, NativeError> {
        let deadline = milliseconds(timeout_ms, "timeout")?;
        self.run(
            id,
            move |dht| async move { dht.joined(deadline).await },
            |()| Outcome::Done,
        )
    }

    /// What this satellite is to the others.
    pub fn role(&self) -> NativeRole {
        self.dht.role().into()
    }

    /// Makes it something else.
    pub fn set_role(&self, role: NativeRole) {
        self.dht.set_role(role.into());
    }

    /// Largest value in bytes.
    pub fn max_item_size(&self) -> i64 {
        i64::try_from(self.dht.max_item_size()).unwrap_or(i64::MAX)
    }

    /// How many values are kept here: reads the store.
    pub fn stored_keys(&self) -> Result<i64, NativeError> {
        Ok(i64::try_from(self.dht.stored_keys()?).unwrap_or(i64::MAX))
    }

    /// How many bytes they have: reads the store.
    pub fn storage_size(&self) -> Result<i64, NativeError> {
        Ok(i64::try_from(self.dht.storage_size()?).unwrap_or(i64::MAX))
    }

    /// The keys of values kept here: reads the store.
    pub fn keys(&self, after: Option<String>, most: i64) -> Result<Vec<String>, NativeError> {
        let after = after.as_deref().map(key).transpose()?;
        let keys = self.dht.keys(after, count(most, "most")?)?;
        Ok(keys.iter().map(ToString::to_string).collect())
    }

    /// Whom this satellite knows.
    pub fn routing_table(&self) -> Vec<NativeRoutingRow> {
        let rows = self.dht.routing_table().into_iter();
        rows.map(NativeRoutingRow::from).collect()
    }
}

/// The key of a content: SHA-256 of it.
#[uniffi::export]
pub fn native_key_of_content(content: &[u8]) -> String {
    Key::of_content(content).to_string()
}

/// The key of a name.
#[uniffi::export]
pub fn native_key_of_name(name: &str) -> String {
    Key::of_name(name).to_string()
}

/// The key of what a peer signs under a salt.
#[uniffi::export]
pub fn native_key_of_signed(publisher: &str, salt: &[u8]) -> Result<String, NativeError> {
    Ok(Key::of_signed(&peer(publisher)?, salt).to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;
    use crate::dht_values::NativeDebugLine;

    /// How many lines each batch has of what is there, and then the end.
    fn batches(sizes: &[usize], max: usize) -> Vec<usize> {
        let mut there: VecDeque<usize> = sizes.iter().copied().collect();
        let mut feed = one_by_one(
            move |_| Poll::Ready(there.pop_front()),
            |size| *size,
            |sizes, _| Batch::Lines {
                lines: sizes
                    .iter()
                    .map(|size| NativeDebugLine {
                        peer: String::new(),
                        line: size.to_string(),
                    })
                    .collect(),
            },
        );
        let mut context = Context::from_waker(Waker::noop());
        let kept = Kept::default();
        let mut counts = Vec::new();
        loop {
            match feed(&mut context, max, &kept) {
                Poll::Ready(Ok(Batch::Lines { lines })) => counts.push(lines.len()),
                Poll::Ready(Ok(Batch::End)) => return counts,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_batch_ends_where_it_is_full() {
        assert_eq!(batches(&[1; 5], 2), [2, 2, 1]);
        assert_eq!(batches(&[BATCH_BYTES, 1, 1], 256), [1, 2]);
        assert_eq!(batches(&[BATCH_BYTES - 1, 1, 1], 256), [2, 1]);
        assert_eq!(batches(&[], 256), [0; 0]);
    }

    #[test]
    fn who_is_asked_is_said_in_one_text() {
        let key = Key::of_name("x");
        let peer = psfs_core::Identity::generate().unwrap().peer_id();
        assert_eq!(receivers(None), Ok(To::Neighbours));
        assert_eq!(receivers(Some(&key.to_string())), Ok(To::Closest(key)));
        assert_eq!(receivers(Some(&peer.to_string())), Ok(To::Peer(peer)));
        let error = receivers(Some("ann")).unwrap_err();
        assert!(error.to_string().contains("64 hexadecimal digits"));
    }
}
