//! The DHT's handle: arguments are read, the core is called, results become operations and sources.
//!
//! Walks have many steps: they run on the satellite's own runtime, so that a busy interpreter holds up none of them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use psfs_core::{DhtError, FetchOptions, Key, SignedOptions, StoreOptions, To};
use pyo3::prelude::*;

use crate::errors::Failure;
use crate::hub::Shared;
use crate::input::{self, content, number, peer, seconds};
use crate::operation::Operation;
use crate::satellite::feed;
use crate::source::{Feed, Item, Source};
use crate::values::{
    CustomAnswer, Opened, RoutingRow, Stored, Trace, Value, not_running, role, role_name,
};

/// What a satellite can do in the DHT of its network.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Dht {
    core: psfs_core::Satellite,
    dht: psfs_core::Dht,
    hub: Arc<Shared>,
}

fn key(text: &str) -> PyResult<Key> {
    text.parse::<Key>()
        .map_err(|error| Failure::from(error).into())
}

fn receivers(text: Option<&str>) -> PyResult<To> {
    let Some(text) = text else {
        return Ok(To::Neighbours);
    };
    if let Ok(key) = text.parse::<Key>() {
        return Ok(To::Closest(key));
    }
    text.parse().map(To::Peer).map_err(|error| {
        Failure::bad_input(format!(
            "to is neither None (the nodes nearest to this one), nor a key of 64 hexadecimal digits (those nearest to it), nor a peer: {error}"
        ))
        .into()
    })
}

fn store_options(lifetime: f64, timeout: Option<f64>) -> PyResult<StoreOptions> {
    Ok(StoreOptions::default()
        .lifetime(seconds(Some(lifetime), "lifetime")?)
        .deadline(seconds(timeout, "timeout")?))
}

fn fetch_options(timeout: Option<f64>) -> PyResult<FetchOptions> {
    Ok(FetchOptions::default().deadline(seconds(timeout, "timeout")?))
}

fn sequence(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    number(value, name, "0 to 18446744073709551615")
}

/// Reads what comes one at a time, as many as are there.
fn one_by_one<T: 'static>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Option<T>> + Send + 'static,
    item: fn(T) -> Item,
) -> Feed {
    Box::new(move |context, out, max| {
        while out.len() < max {
            match next(context) {
                Poll::Ready(Some(one)) => out.push(item(one)),
                // Where some came, the end is told when they are taken.
                Poll::Ready(None) if out.is_empty() => return Poll::Ready(Ok(false)),
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(true))
    })
}

fn of_events(mut events: psfs_core::Events) -> Feed {
    feed(
        move |context, out, max| pin!(events.next_batch(out, max)).poll(context),
        Item::Event,
    )
}

impl Dht {
    pub(crate) fn new(core: psfs_core::Satellite, hub: &Arc<Shared>) -> Self {
        Self {
            dht: core.dht(),
            core,
            hub: Arc::clone(hub),
        }
    }

    fn operation<T, F>(
        &self,
        work: impl FnOnce(psfs_core::Dht) -> F,
        made: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DhtError>> + Send + 'static,
    {
        let work = work(self.dht.clone());
        Ok(Operation::making(&self.hub, &self.core, work, made)?)
    }

    fn storing<F>(&self, work: impl FnOnce(psfs_core::Dht) -> F) -> PyResult<Operation>
    where
        F: Future<Output = Result<psfs_core::Stored, DhtError>> + Send + 'static,
    {
        self.operation(work, |py, stored| {
            Ok(Py::new(py, Stored::new(&stored))?.into_any())
        })
    }

    fn fetching<F>(&self, work: impl FnOnce(psfs_core::Dht) -> F) -> PyResult<Operation>
    where
        F: Future<Output = Result<psfs_core::Value, DhtError>> + Send + 'static,
    {
        self.operation(work, |py, value| Ok(Py::new(py, Value(value))?.into_any()))
    }
}

#[pymethods]
impl Dht {
    #[pyo3(signature = (data, lifetime, timeout))]
    fn store(
        &self,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (data, options) = (content(data)?, store_options(lifetime, timeout)?);
        self.storing(|dht| async move { dht.store(data, options).await })
    }

    #[pyo3(signature = (key, data, lifetime, timeout))]
    fn store_at(
        &self,
        key: &str,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (key, data) = (self::key(key)?, content(data)?);
        let options = store_options(lifetime, timeout)?;
        self.storing(move |dht| async move { dht.store_at(key, data, options).await })
    }

    #[pyo3(signature = (name, data, lifetime, timeout))]
    fn store_named(
        &self,
        name: String,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (data, options) = (content(data)?, store_options(lifetime, timeout)?);
        self.storing(move |dht| async move { dht.store_named(&name, data, options).await })
    }

    #[pyo3(signature = (data, salt, sequence, if_sequence, sealed_for, lifetime, timeout))]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's keyword arguments, one by one"
    )]
    fn store_signed(
        &self,
        data: &Bound<'_, PyAny>,
        salt: &Bound<'_, PyAny>,
        sequence: Option<&Bound<'_, PyAny>>,
        if_sequence: Option<&Bound<'_, PyAny>>,
        sealed_for: Option<&str>,
        lifetime: f64,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (data, salt) = (content(data)?, input::bytes(salt, "salt")?);
        let mut options = SignedOptions::default()
            .lifetime(seconds(Some(lifetime), "lifetime")?)
            .deadline(seconds(timeout, "timeout")?);
        if let Some(value) = sequence {
            options = options.sequence(self::sequence(value, "sequence")?);
        }
        if let Some(value) = if_sequence {
            options = options.if_sequence(self::sequence(value, "if_sequence")?);
        }
        if let Some(recipient) = sealed_for {
            options = options.sealed_for(peer(recipient)?);
        }
        self.storing(move |dht| async move { dht.store_signed(&salt, data, options).await })
    }

    #[pyo3(signature = (peer_id, data, lifetime, timeout))]
    fn store_sealed(
        &self,
        peer_id: &str,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (recipient, data) = (peer(peer_id)?, content(data)?);
        let options = store_options(lifetime, timeout)?;
        self.storing(move |dht| async move { dht.store_sealed(&recipient, data, options).await })
    }

    #[pyo3(signature = (lifetime, timeout))]
    fn publish_key(&self, lifetime: f64, timeout: Option<f64>) -> PyResult<Operation> {
        let options = store_options(lifetime, timeout)?;
        self.storing(move |dht| async move { dht.publish_key(options).await })
    }

    #[pyo3(signature = (key, timeout))]
    fn delete(&self, key: &str, timeout: Option<f64>) -> PyResult<Operation> {
        let key = self::key(key)?;
        let options = StoreOptions::default().deadline(seconds(timeout, "timeout")?);
        self.storing(move |dht| async move { dht.delete(key, options).await })
    }

    #[pyo3(signature = (key, timeout))]
    fn fetch(&self, key: &str, timeout: Option<f64>) -> PyResult<Operation> {
        let (key, options) = (self::key(key)?, fetch_options(timeout)?);
        self.fetching(move |dht| async move { dht.fetch(key, options).await })
    }

    #[pyo3(signature = (name, timeout))]
    fn fetch_named(&self, name: String, timeout: Option<f64>) -> PyResult<Operation> {
        let options = fetch_options(timeout)?;
        self.fetching(move |dht| async move { dht.fetch_named(&name, options).await })
    }

    #[pyo3(signature = (publisher, salt, timeout))]
    fn fetch_signed(
        &self,
        publisher: &str,
        salt: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (publisher, salt) = (peer(publisher)?, input::bytes(salt, "salt")?);
        let options = fetch_options(timeout)?;
        self.fetching(move |dht| async move { dht.fetch_signed(&publisher, &salt, options).await })
    }

    fn open(&self, value: &Bound<'_, Value>) -> PyResult<Operation> {
        let value = value.get().0.clone();
        self.operation(
            move |dht| async move { dht.open(&value).await },
            |py, opened| Ok(Py::new(py, Opened(opened))?.into_any()),
        )
    }

    #[pyo3(signature = (to, data, timeout))]
    fn custom(
        &self,
        to: Option<&str>,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (to, data) = (receivers(to)?, content(data)?);
        let deadline = seconds(timeout, "timeout")?;
        self.operation(
            move |dht| async move { dht.custom(to, data, deadline).await },
            |py, answers: Vec<psfs_core::CustomAnswer>| {
                let answers: Vec<CustomAnswer> = answers
                    .into_iter()
                    .map(|answer| CustomAnswer::new(py, answer))
                    .collect();
                Ok(answers.into_pyobject(py)?.into_any().unbind())
            },
        )
    }

    fn broadcast(&self, data: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let data = content(data)?;
        self.operation(
            move |dht| async move { dht.broadcast(data).await },
            |py, ()| Ok(py.None()),
        )
    }

    #[pyo3(signature = (key, timeout))]
    fn trace(&self, key: &str, timeout: Option<f64>) -> PyResult<Operation> {
        let (key, options) = (self::key(key)?, fetch_options(timeout)?);
        self.operation(
            move |dht| async move { dht.trace(key, options).await },
            |py, trace| Ok(Py::new(py, Trace::new(trace))?.into_any()),
        )
    }

    /// Values as they change.
    fn watch(&self, run: Py<PyAny>, key: &str) -> PyResult<Source> {
        let mut watch = self.dht.watch(self::key(key)?).map_err(Failure::from)?;
        let next = move |context: &mut Context<'_>| pin!(watch.next()).poll(context);
        Ok(Source::new(&self.hub, run, one_by_one(next, Item::Value)))
    }

    /// What others would like to be kept here.
    fn offers(&self, run: Py<PyAny>) -> PyResult<Source> {
        if self.core.ended().now_or_never().is_some() {
            return Err(not_running().into());
        }
        let mut offers = self.dht.offers();
        let next = move |context: &mut Context<'_>| pin!(offers.next()).poll(context);
        Ok(Source::new(&self.hub, run, one_by_one(next, Item::Offer)))
    }

    /// What is asked of this node.
    fn commands(&self, run: Py<PyAny>) -> PyResult<Source> {
        let commands = self.dht.commands().map_err(Failure::from)?;
        Ok(Source::new(&self.hub, run, of_events(commands)))
    }

    /// What all nodes are told.
    fn broadcasts(&self, run: Py<PyAny>) -> PyResult<Source> {
        let broadcasts = self.dht.broadcasts().map_err(Failure::from)?;
        Ok(Source::new(&self.hub, run, of_events(broadcasts)))
    }

    /// What nodes that permit it say of themselves.
    fn debug(&self, run: Py<PyAny>) -> PyResult<Source> {
        let mut lines = self.dht.debug().map_err(Failure::from)?;
        let next = move |context: &mut Context<'_>| pin!(lines.next()).poll(context);
        Ok(Source::new(&self.hub, run, one_by_one(next, Item::Line)))
    }

    fn permit_debug(&self, permitted: bool) {
        self.dht.permit_debug(permitted);
    }

    fn permit_proxy(&self, permitted: bool) {
        self.dht.permit_proxy(permitted);
    }

    /// Resolves when a node has answered.
    #[pyo3(signature = (timeout))]
    fn joined(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let deadline = seconds(timeout, "timeout")?;
        self.operation(
            move |dht| async move { dht.joined(deadline).await },
            |py, ()| Ok(py.None()),
        )
    }

    #[getter]
    fn role(&self) -> &'static str {
        role_name(self.dht.role())
    }

    fn set_role(&self, role: &str) -> PyResult<()> {
        self.dht.set_role(self::role("role", role)?);
        Ok(())
    }

    fn stored_keys(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(py
            .detach(|| self.dht.stored_keys())
            .map_err(Failure::from)?)
    }

    fn storage_size(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(py
            .detach(|| self.dht.storage_size())
            .map_err(Failure::from)?)
    }

    #[pyo3(signature = (after, most))]
    fn keys(
        &self,
        py: Python<'_>,
        after: Option<&str>,
        most: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<String>> {
        let (after, most) = (after.map(key).transpose()?, input::count(most, "most")?);
        let keys = py
            .detach(|| self.dht.keys(after, most))
            .map_err(Failure::from)?;
        Ok(keys.iter().map(ToString::to_string).collect())
    }

    fn routing_table(&self) -> Vec<RoutingRow> {
        self.dht
            .routing_table()
            .iter()
            .map(RoutingRow::new)
            .collect()
    }
}

/// The key of a content: SHA-256 of it.
#[pyfunction]
pub(crate) fn key_of_content(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let data: Bytes = content(data)?;
    Ok(py.detach(|| Key::of_content(&data)).to_string())
}

/// The key of a name.
#[pyfunction]
pub(crate) fn key_of_name(name: &str) -> String {
    Key::of_name(name).to_string()
}

/// The key of what a peer signs under a salt.
#[pyfunction]
#[pyo3(signature = (publisher, salt=None))]
pub(crate) fn key_of_signed(publisher: &str, salt: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
    let salt = salt.map(|salt| input::bytes(salt, "salt")).transpose()?;
    Ok(Key::of_signed(&peer(publisher)?, &salt.unwrap_or_default()).to_string())
}
