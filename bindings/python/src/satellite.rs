//! The satellite's handle: arguments are read, the core is called, results become operations and sources.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::TryFutureExt;
use futures::TryStreamExt;
use psfs_core::{
    BroadcastOptions, Code, Config, Error, Identity, LogLines, PeerId, RequestOptions, SendOptions,
    Shutdown, Signing,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::dht::Dht;
use crate::errors::Failure;
use crate::faults::Faults;
use crate::files::Files;
use crate::hub::{Hub, Shared};
use crate::input::{content, count, peer, seconds};
use crate::log::{AT_FIRST, Log};
use crate::message::{Peer, packet_type};
use crate::operation::{Operation, Value};
use crate::source::{Feed, Item, Source, of_replies};
use crate::values::role;

/// One member of one network.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Satellite {
    core: psfs_core::Satellite,
    hub: Arc<Shared>,
    /// Until somebody reads them.
    lines: Mutex<Option<LogLines>>,
    /// The process it was made in: a child of it has no threads to run it.
    process: u32,
}

fn signing(name: &str) -> Result<Signing, Failure> {
    match name {
        "every" => Ok(Signing::Every),
        "rsa" => Ok(Signing::Rsa),
        "lazy" => Ok(Signing::Lazy),
        _ => Err(Failure::bad_input(format!(
            "signing is {name:?}: say \"every\", \"rsa\" or \"lazy\""
        ))),
    }
}

/// One option at a time, so that an error can name it.
fn set(config: Config, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Config> {
    let list = || value.extract::<Vec<String>>();
    Ok(match name {
        "secret" => match value.extract::<String>() {
            Ok(text) => config.secret(text.into_bytes()),
            Err(_) => config.secret(value.extract::<Vec<u8>>()?),
        },
        "bootstrap" => list()?.into_iter().fold(config, Config::bootstrap),
        "listen" => list()?.into_iter().fold(config, Config::listen),
        "allow" => {
            let mut config = config;
            for id in list()? {
                config = config.allow(peer(&id)?);
            }
            config
        }
        "deny" => {
            let mut config = config;
            for id in list()? {
                config = config.deny(peer(&id)?);
            }
            config
        }
        "data_dir" => config.data_dir(value.extract::<PathBuf>()?),
        "passphrase" => config.passphrase(value.extract::<String>()?),
        "signing" => config.signing(signing(value.extract::<&str>()?)?),
        "mdns" => config.mdns(value.extract()?),
        "content_limit" => config.content_limit(value.extract()?),
        "message_window" => config.message_window(value.extract()?),
        "reply_window" => config.reply_window(value.extract()?),
        "open_requests" => config.open_requests(value.extract()?),
        "queue_limit" => config.queue_limit(value.extract()?),
        "memory_limit" => config.memory_limit(value.extract()?),
        "worker_threads" => config.worker_threads(value.extract()?),
        "faults" => config.faults(value.cast::<Faults>()?.get().0.clone()),
        "dht_role" => config.dht_role(role("dht_role", value.extract::<&str>()?)?),
        "max_item_size" => config.max_item_size(value.extract()?),
        "max_storage_size" => config.max_storage_size(value.extract()?),
        "peers" => {
            let (low, high) = value.extract()?;
            config.peers(low, high)
        }
        "connections" => {
            let (total, per_ip) = value.extract()?;
            config.connections(total, per_ip)
        }
        "ping" => {
            let (interval, timeout) = value.extract::<(f64, f64)>()?;
            config.ping(
                seconds(Some(interval), "ping")?,
                seconds(Some(timeout), "ping")?,
            )
        }
        _ => {
            return Err(Failure::bad_input(format!("there is no option {name:?}")).into());
        }
    })
}

fn read_config(
    rendezvous: &str,
    key: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Config> {
    let mut config = Config::new(rendezvous);
    let mut passphrase = None;
    for (name, value) in options.into_iter().flatten() {
        let name = name.extract::<String>()?;
        if value.is_none() {
            continue;
        }
        if name == "passphrase" {
            passphrase = Some(value.extract::<String>()?);
        }
        config = set(config, &name, &value).map_err(|error| {
            if error.is_instance_of::<pyo3::exceptions::PyTypeError>(value.py())
                || error.is_instance_of::<pyo3::exceptions::PyOverflowError>(value.py())
            {
                Failure::bad_input(format!("{name}: {}", error.value(value.py()))).into()
            } else {
                error
            }
        })?;
    }
    Ok(match key {
        None => config,
        Some(key) => match key.cast::<PyBytes>() {
            Ok(pem) => config.identity(
                Identity::from_pem(pem.as_bytes(), passphrase.as_deref()).map_err(Failure::from)?,
            ),
            Err(_) => config.identity_file(key.extract::<PathBuf>()?),
        },
    })
}

/// Reads batches through a future that may be dropped between polls.
pub(crate) fn feed<T: 'static>(
    mut read: impl FnMut(&mut Context<'_>, &mut Vec<T>, usize) -> Poll<bool> + Send + 'static,
    item: fn(T) -> Item,
) -> Feed {
    Box::new(move |context, out, max| {
        let mut batch = Vec::new();
        read(context, &mut batch, max).map(|goes_on| {
            out.extend(batch.into_iter().map(item));
            Ok(goes_on)
        })
    })
}

impl Satellite {
    fn core(&self) -> Result<psfs_core::Satellite, Failure> {
        if std::process::id() == self.process {
            return Ok(self.core.clone());
        }
        Err(Error::new(
            Code::Forked,
            "this satellite was made before the process was forked",
        )
        .into())
    }

    fn operation<F>(
        &self,
        work: impl FnOnce(psfs_core::Satellite) -> F,
    ) -> Result<Operation, Failure>
    where
        F: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        Ok(Operation::new(&self.hub, work(self.core()?)))
    }
}

fn request_options(
    timeout: Option<f64>,
    max_replies: Option<&Bound<'_, PyAny>>,
    window: Option<&Bound<'_, PyAny>>,
) -> PyResult<RequestOptions> {
    let mut options = RequestOptions::default().deadline(seconds(timeout, "timeout")?);
    if let Some(replies) = max_replies {
        options = options.max_replies(count(replies, "max_replies")?);
    }
    if let Some(window) = window {
        options = options.window(count(window, "window")?);
    }
    Ok(options)
}

fn lifetime(seconds: f64) -> PyResult<BroadcastOptions> {
    let lifetime = crate::input::seconds(Some(seconds), "lifetime")?;
    Ok(BroadcastOptions::default().lifetime(lifetime))
}

#[pymethods]
impl Satellite {
    #[new]
    #[pyo3(signature = (hub, rendezvous, key=None, options=None))]
    fn new(
        py: Python<'_>,
        hub: &Hub,
        rendezvous: &str,
        key: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (log, lines) = LogLines::open(AT_FIRST);
        let config = read_config(rendezvous, key, options)?.log(log);
        // The disk, and perhaps the making of a key.
        let core = py
            .detach(|| psfs_core::Satellite::new(config))
            .map_err(Failure::from)?;
        Ok(Self {
            core,
            hub: Arc::clone(&hub.0),
            lines: Mutex::new(Some(lines)),
            process: std::process::id(),
        })
    }

    #[getter]
    fn peer_id(&self) -> String {
        self.core.peer_id().to_string()
    }

    #[getter]
    fn fingerprint(&self) -> String {
        self.core.fingerprint()
    }

    #[getter]
    fn rendezvous(&self) -> &str {
        self.core.rendezvous()
    }

    #[getter]
    fn running(&self) -> bool {
        self.core.is_running()
    }

    #[getter]
    fn paused(&self) -> bool {
        self.core.is_paused()
    }

    #[pyo3(signature = (passphrase=None))]
    fn key<'py>(&self, py: Python<'py>, passphrase: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
        let pem = self
            .core
            .identity()
            .to_pem(passphrase)
            .map_err(Failure::from)?;
        Ok(PyBytes::new(py, pem.as_bytes()))
    }

    fn addresses(&self) -> Vec<String> {
        self.core.addresses()
    }

    fn peers(&self) -> Vec<Peer> {
        self.core.peers().into_iter().map(Peer::new).collect()
    }

    fn connected_count(&self) -> usize {
        self.core.connected_count()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, number) in self.core.stats().entries() {
            stats.set_item(name, number)?;
        }
        Ok(stats)
    }

    /// The DHT of its network.
    fn dht(&self) -> PyResult<Dht> {
        Ok(Dht::new(self.core()?, &self.hub))
    }

    /// What it shares, gets and keeps.
    fn files(&self) -> PyResult<Files> {
        Ok(Files::new(self.core()?, &self.hub))
    }

    /// What it logs, told to `hub`. Once.
    fn log(&self, hub: &Hub) -> PyResult<Log> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines
            .take()
            .ok_or_else(|| Failure::bad_input("the log lines are read already"))?;
        Ok(Log::new(&hub.0, lines, Box::pin(self.core.ended())))
    }

    fn start(&self) -> PyResult<Operation> {
        Ok(self.operation(|core| async move {
            core.start().await?;
            Ok(Value::Nothing)
        })?)
    }

    #[pyo3(signature = (timeout))]
    fn shutdown(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let timeout = seconds(timeout, "timeout")?;
        Ok(self.operation(|core| async move {
            match core.shutdown(timeout).await? {
                Shutdown::Done | Shutdown::Pending => Ok(Value::Nothing),
            }
        })?)
    }

    fn begin_shutdown(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.core()?;
        py.detach(|| core.start_shutdown());
        Ok(())
    }

    /// Resolves when `count` sessions are open.
    #[pyo3(signature = (count, timeout))]
    fn wait_connected(
        &self,
        count: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        let (count, limit) = (self::count(count, "count")?, seconds(timeout, "timeout")?);
        Ok(self.operation(|core| async move {
            core.wait_connected(count, limit).await?;
            Ok(Value::Nothing)
        })?)
    }

    /// Resolves when the satellite has ended, by whomever.
    fn ended(&self) -> PyResult<Operation> {
        Ok(self.operation(|core| async move {
            core.ended().await;
            Ok(Value::Nothing)
        })?)
    }

    #[pyo3(signature = (address, timeout))]
    fn connect(&self, address: String, timeout: Option<f64>) -> PyResult<Operation> {
        let timeout = seconds(timeout, "timeout")?;
        Ok(self.operation(|core| async move {
            let peer = core.connect(&address, timeout).await?;
            Ok(Value::Text(peer.to_string()))
        })?)
    }

    fn disconnect(&self, peer_id: &str) -> PyResult<Operation> {
        let to = peer(peer_id)?;
        Ok(self.operation(|core| async move {
            core.disconnect(&to).await?;
            Ok(Value::Nothing)
        })?)
    }

    /// Resolves when the network is left.
    fn pause(&self) -> PyResult<Operation> {
        Ok(self.operation(|core| async move {
            core.pause().await?;
            Ok(Value::Nothing)
        })?)
    }

    /// Resolves when it listens.
    fn resume(&self) -> PyResult<Operation> {
        Ok(self.operation(|core| async move {
            core.resume().await?;
            Ok(Value::Nothing)
        })?)
    }

    fn network_changed(&self) -> PyResult<Operation> {
        Ok(self.operation(|core| async move {
            core.network_changed().await?;
            Ok(Value::Nothing)
        })?)
    }

    #[pyo3(signature = (peer_id, namespace, data, confirmed, timeout))]
    fn send(
        &self,
        peer_id: &str,
        namespace: String,
        data: &Bound<'_, PyAny>,
        confirmed: bool,
        timeout: Option<f64>,
    ) -> PyResult<Option<Operation>> {
        let (to, data) = (peer(peer_id)?, content(data)?);
        let options = SendOptions::default()
            .confirmed(confirmed)
            .timeout(seconds(timeout, "timeout")?);
        let core = self.core()?;
        let sending = async move { Ok(core.send(&to, &namespace, data, options).await?) };
        Ok(Operation::unless_done(&self.hub, sending)?)
    }

    #[pyo3(signature = (namespace, data, lifetime))]
    fn broadcast(
        &self,
        namespace: String,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
    ) -> PyResult<Option<Operation>> {
        let (data, options) = (content(data)?, self::lifetime(lifetime)?);
        let core = self.core()?;
        let sending = async move { Ok(core.broadcast(&namespace, data, options).await?) };
        Ok(Operation::unless_done(&self.hub, sending)?)
    }

    #[pyo3(signature = (run, peer_id, namespace, data, timeout, max_replies, window))]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's keyword arguments, one by one"
    )]
    fn request(
        &self,
        run: Py<PyAny>,
        peer_id: &str,
        namespace: String,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        max_replies: Option<&Bound<'_, PyAny>>,
        window: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Source> {
        let (to, data): (PeerId, _) = (peer(peer_id)?, content(data)?);
        let options = request_options(timeout, max_replies, window)?;
        let core = self.core()?;
        let replies = async move { core.request(&to, &namespace, data, options).await };
        let feed = of_replies(replies.try_flatten_stream().map_err(Failure::of_request));
        Ok(Source::new(&self.hub, run, feed))
    }

    #[pyo3(signature = (run, namespace, data, timeout, max_replies))]
    fn seek(
        &self,
        run: Py<PyAny>,
        namespace: &str,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        max_replies: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Source> {
        let options = request_options(timeout, max_replies, None)?;
        let replies = self
            .core()?
            .seek(namespace, content(data)?, options)
            .map_err(Failure::from)?;
        Ok(Source::new(
            &self.hub,
            run,
            of_replies(replies.map_err(Failure::of_request)),
        ))
    }

    #[pyo3(signature = (run, namespace, data, lifetime, timeout, max_replies))]
    fn broadcast_request(
        &self,
        run: Py<PyAny>,
        namespace: String,
        data: &Bound<'_, PyAny>,
        lifetime: f64,
        timeout: Option<f64>,
        max_replies: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Source> {
        let data = content(data)?;
        let options = (
            self::lifetime(lifetime)?,
            request_options(timeout, max_replies, None)?,
        );
        let core = self.core()?;
        let replies = async move {
            core.broadcast_request(&namespace, data, options.0, options.1)
                .await
        };
        let feed = of_replies(replies.try_flatten_stream().map_err(Failure::of_request));
        Ok(Source::new(&self.hub, run, feed))
    }

    /// Packets of one type and namespace.
    fn subscribe(
        &self,
        run: Py<PyAny>,
        packet_type: &Bound<'_, PyAny>,
        namespace: &str,
    ) -> PyResult<Source> {
        let packet_type = self::packet_type(packet_type)?;
        let core = self.core()?;
        let mut events = core
            .subscribe(packet_type, namespace)
            .map_err(Failure::from)?;
        let feed = feed(
            move |context, out, max| pin!(events.next_batch(out, max)).poll(context),
            Item::Event,
        );
        Ok(Source::new(&self.hub, run, feed))
    }

    /// What happens to peers.
    fn peer_events(&self, run: Py<PyAny>) -> PyResult<Source> {
        let mut events = self.core()?.peer_events().map_err(Failure::from)?;
        let feed = feed(
            move |context, out, max| pin!(events.next_batch(out, max)).poll(context),
            Item::Peer,
        );
        Ok(Source::new(&self.hub, run, feed))
    }
}

impl Drop for Satellite {
    fn drop(&mut self) {
        // In a forked child its threads are not there: what they would have ended is left to the end of the process.
        if std::process::id() != self.process {
            std::mem::forget(self.core.clone());
        }
    }
}

/// A new key: PKCS#8 PEM.
#[pyfunction]
#[pyo3(signature = (passphrase=None))]
pub(crate) fn generate_key<'py>(
    py: Python<'py>,
    passphrase: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let identity = py.detach(Identity::generate).map_err(Failure::from)?;
    let pem = identity.to_pem(passphrase).map_err(Failure::from)?;
    Ok(PyBytes::new(py, pem.as_bytes()))
}

/// Peer id and fingerprint of a key.
#[pyfunction]
#[pyo3(signature = (key, passphrase=None))]
pub(crate) fn inspect_key(key: &[u8], passphrase: Option<&str>) -> PyResult<(String, String)> {
    let identity = Identity::from_pem(key, passphrase).map_err(Failure::from)?;
    Ok((
        identity.peer_id().to_string(),
        identity.peer_id().fingerprint(),
    ))
}
