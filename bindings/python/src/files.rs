//! The files' handle: arguments are read, the core is called, results become operations, and with each that tells how far it is a source of that.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use psfs_core::{
    GetOptions, KeepOptions, Op, PeerId, PutOptions, Query, Root, ShareOptions, TicketOptions,
    TokenOptions, TransferError, Wanted,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::Failure;
use crate::file_values::{FileInfo, Quota, Received, Shared, Ticket};
use crate::follow::{self, Teller};
use crate::hub;
use crate::input::{count, number, peer, seconds};
use crate::operation::Operation;
use crate::source::{Item, Source};
use crate::values::not_running;

/// What a satellite shares, gets, and keeps for others.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Files {
    core: psfs_core::Satellite,
    files: psfs_core::Files,
    hub: Arc<hub::Shared>,
}

/// By what files are looked for: one of "tag", "name", "root" and "sha256", and its value. Nothing: all of them.
type By = Option<(String, String)>;

fn root(text: &str) -> PyResult<Root> {
    text.parse::<Root>()
        .map_err(|error| Failure::from(error).into())
}

fn bytes(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<u64>> {
    let read = |value| number(value, name, "bytes, 0 to 18446744073709551615");
    value.map(read).transpose()
}

fn wanted(what: &Bound<'_, PyAny>, folder: bool) -> PyResult<Wanted> {
    if let Ok(ticket) = what.cast::<Ticket>() {
        return Ok((&ticket.get().0).into());
    }
    let Ok(text) = what.cast::<PyString>() else {
        let kind = what.get_type().name()?;
        return Err(Failure::bad_input(format!(
            "wanted is {kind}: give a ticket, or the root of a file"
        ))
        .into());
    };
    let text = text.to_str()?;
    let wrong = match text.parse::<psfs_core::Ticket>() {
        Ok(ticket) => return Ok((&ticket).into()),
        Err(error) => error,
    };
    match text.parse::<Root>() {
        Ok(root) if folder => Ok(Wanted::folder(root)),
        Ok(root) => Ok(root.into()),
        Err(_) if begins_like_a_ticket(text) => Err(Failure::from(wrong).into()),
        Err(error) => Err(Failure::bad_input(format!(
            "wanted is neither a ticket, which begins with psfs1, nor a root: {error}"
        ))
        .into()),
    }
}

fn begins_like_a_ticket(text: &str) -> bool {
    let start = text.trim_start().get(..4);
    start.is_some_and(|start| start.eq_ignore_ascii_case("psfs"))
}

fn query(
    by: By,
    owner: Option<String>,
    after: Option<&str>,
    most: &Bound<'_, PyAny>,
) -> PyResult<Query> {
    let mut query = match by {
        None => Query::all(),
        Some((by, value)) => match &*by {
            "tag" => Query::tag(value),
            "name" => Query::name(value),
            "root" => Query::root(root(&value)?),
            // It is written as a root is.
            "sha256" => Query::sha256(*value.parse::<Root>().map_err(not_sha256)?.as_bytes()),
            _ => return Err(Failure::bad_input(format!("nothing is found by {by}")).into()),
        },
    };
    if let Some(owner) = owner {
        query = query.owner(owner);
    }
    if let Some(after) = after {
        query = query.after(root(after)?);
    }
    let most = count(most, "most")?;
    Ok(query.most(u32::try_from(most).unwrap_or(u32::MAX)))
}

fn not_sha256(_: psfs_core::RootError) -> Failure {
    Failure::bad_input("sha256 is not 64 hexadecimal digits: write it as sha256sum does")
}

const OPS: [(&str, Op); 4] = [
    ("read", Op::Read),
    ("write", Op::Write),
    ("delete", Op::Delete),
    ("list", Op::List),
];

fn op(name: &str) -> PyResult<Op> {
    let known = OPS.iter().find(|(known, _)| *known == name);
    known.map(|(_, op)| *op).ok_or_else(|| {
        Failure::bad_input(format!(
            "{name:?} is no operation: say \"read\", \"write\", \"delete\" or \"list\""
        ))
        .into()
    })
}

fn infos(py: Python<'_>, found: Vec<psfs_core::FileInfo>) -> PyResult<Py<PyAny>> {
    let found: Vec<FileInfo> = found.into_iter().map(FileInfo::from).collect();
    Ok(found.into_pyobject(py)?.into_any().unbind())
}

fn truth(py: Python<'_>, so: bool) -> PyResult<Py<PyAny>> {
    Ok(so.into_pyobject(py)?.to_owned().into_any().unbind())
}

impl Files {
    pub(crate) fn new(core: psfs_core::Satellite, hub: &Arc<hub::Shared>) -> Self {
        Self {
            files: core.files(),
            core,
            hub: Arc::clone(hub),
        }
    }

    fn operation<T, F>(
        &self,
        work: impl FnOnce(psfs_core::Files) -> F,
        made: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, TransferError>> + Send + 'static,
    {
        let work = work(self.files.clone());
        Ok(Operation::making(&self.hub, &self.core, work, made)?)
    }

    /// Something with a progress: its end, and that.
    fn followed<P, T, F>(
        &self,
        run: Py<PyAny>,
        item: fn(P) -> Item,
        work: impl FnOnce(psfs_core::Files, Teller<P>) -> Result<F, TransferError>,
        made: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<(Operation, Source)>
    where
        P: Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, TransferError>> + Send + 'static,
    {
        let (teller, feed) = follow::told(&self.core, item);
        let work = work(self.files.clone(), teller).map_err(Failure::from)?;
        let operation = Operation::making(&self.hub, &self.core, work, made)?;
        Ok((operation, Source::new(&self.hub, run, feed)))
    }

    fn transfer(
        &self,
        run: Py<PyAny>,
        begin: impl FnOnce(psfs_core::Files) -> Result<psfs_core::Transfer, TransferError>,
    ) -> PyResult<(Operation, Source)> {
        self.followed(
            run,
            Item::Progress,
            |files, teller| Ok(teller.follow(begin(files)?)),
            |py, received| Ok(Py::new(py, Received::from(received))?.into_any()),
        )
    }
}

#[pymethods]
impl Files {
    #[pyo3(signature = (run, path, only_with_ticket, owner, tags, sha256))]
    fn share(
        &self,
        run: Py<PyAny>,
        path: PathBuf,
        only_with_ticket: bool,
        owner: Option<String>,
        tags: Vec<String>,
        sha256: bool,
    ) -> PyResult<(Operation, Source)> {
        let mut options = ShareOptions::default()
            .only_with_ticket(only_with_ticket)
            .tags(tags)
            .sha256(sha256);
        if let Some(owner) = owner {
            options = options.owner(owner);
        }
        self.followed(
            run,
            Item::Hashed,
            move |files, teller| {
                Ok(async move {
                    let shared = files.share(path, options.progress(teller.sum())).await;
                    let end = shared.as_ref().map(drop);
                    teller.end(end.map_err(|error| error.clone().into()));
                    shared
                })
            },
            |py, shared| Ok(Py::new(py, Shared::from(shared))?.into_any()),
        )
    }

    fn shared(&self, py: Python<'_>) -> Vec<Shared> {
        let shared = py.detach(|| self.files.shared());
        shared.into_iter().map(Shared::from).collect()
    }

    fn here(&self, py: Python<'_>, root: &str) -> PyResult<Option<Shared>> {
        let root = self::root(root)?;
        Ok(py.detach(|| self.files.here(&root)).map(Shared::from))
    }

    fn read(&self, root: &str, offset: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let root = self::root(root)?;
        let offset = number(offset, "offset", "bytes, 0 to 18446744073709551615")?;
        self.operation(
            move |files| async move { files.read(&root, offset).await },
            |py, content| Ok(PyBytes::new(py, &content).into_any().unbind()),
        )
    }

    #[pyo3(signature = (root, lifetime, bytes, holder))]
    fn ticket(
        &self,
        py: Python<'_>,
        root: &str,
        lifetime: Option<f64>,
        bytes: Option<&Bound<'_, PyAny>>,
        holder: Option<&str>,
    ) -> PyResult<Ticket> {
        let root = self::root(root)?;
        let mut options = TicketOptions::default();
        if lifetime.is_some() {
            options = options.lifetime(seconds(lifetime, "lifetime")?);
        }
        if let Some(bytes) = self::bytes(bytes, "bytes")? {
            options = options.bytes(bytes);
        }
        if let Some(holder) = holder {
            options = options.holder(peer(holder)?);
        }
        if !self.core.is_running() {
            return Err(not_running().into());
        }
        // It may be signed, which takes its time.
        let ticket = py.detach(|| self.files.ticket(&root, options));
        Ok(Ticket(ticket.map_err(Failure::from)?))
    }

    #[pyo3(signature = (run, wanted, destination, folder, sources, addresses, token, patience, durable))]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's keyword arguments, one by one"
    )]
    fn get(
        &self,
        run: Py<PyAny>,
        wanted: &Bound<'_, PyAny>,
        destination: PathBuf,
        folder: bool,
        sources: Vec<String>,
        addresses: Vec<String>,
        token: Option<String>,
        patience: Option<f64>,
        durable: bool,
    ) -> PyResult<(Operation, Source)> {
        let wanted = self::wanted(wanted, folder)?;
        let sources = sources.iter().map(|source| peer(source));
        let mut options = GetOptions::default()
            .sources(sources.collect::<PyResult<Vec<PeerId>>>()?)
            .addresses(addresses)
            .patience(seconds(patience, "patience")?)
            .durable(durable);
        if let Some(token) = token {
            options = options.token(token);
        }
        self.transfer(run, |files| files.get(wanted, destination, options))
    }

    #[pyo3(signature = (by, owner, after, most))]
    fn find(
        &self,
        by: By,
        owner: Option<String>,
        after: Option<&str>,
        most: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let query = query(by, owner, after, most)?;
        self.operation(|files| async move { files.find(query).await }, infos)
    }

    #[pyo3(signature = (owner, after, most))]
    fn tags(
        &self,
        owner: Option<String>,
        after: Option<String>,
        most: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let most = count(most, "most")?;
        self.operation(
            move |files| async move { files.tags(owner.as_deref(), after.as_deref(), most).await },
            |py, tags| Ok(tags.into_pyobject(py)?.into_any().unbind()),
        )
    }

    #[pyo3(signature = (root, tag, owner))]
    fn tag(&self, root: &str, tag: String, owner: Option<String>) -> PyResult<Operation> {
        let root = self::root(root)?;
        self.operation(
            move |files| async move { files.tag(&root, &tag, owner.as_deref()).await },
            |py, ()| Ok(py.None()),
        )
    }

    #[pyo3(signature = (root, tag, owner))]
    fn untag(&self, root: &str, tag: String, owner: Option<String>) -> PyResult<Operation> {
        let root = self::root(root)?;
        self.operation(
            move |files| async move { files.untag(&root, &tag, owner.as_deref()).await },
            truth,
        )
    }

    #[pyo3(signature = (root, owner))]
    fn remove(&self, root: &str, owner: Option<String>) -> PyResult<Operation> {
        let root = self::root(root)?;
        self.operation(
            move |files| async move { files.remove(&root, owner.as_deref()).await },
            truth,
        )
    }

    // For others.

    #[pyo3(signature = (quota, largest, folder, lifetime, faulty, seed))]
    fn keep(
        &self,
        quota: Option<&Bound<'_, PyAny>>,
        largest: Option<&Bound<'_, PyAny>>,
        folder: Option<PathBuf>,
        lifetime: f64,
        faulty: f64,
        seed: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        if !(0.0..=1.0).contains(&faulty) {
            return Err(Failure::bad_input(format!("faulty is {faulty}: give 0 to 1")).into());
        }
        let seed = number(seed, "seed", "0 to 18446744073709551615")?;
        let mut options = KeepOptions::default()
            .quota(bytes(quota, "quota")?)
            .lifetime(seconds(Some(lifetime), "lifetime")?)
            .faulty(faulty, seed);
        if let Some(largest) = bytes(largest, "largest")? {
            options = options.largest(largest);
        }
        if let Some(folder) = folder {
            options = options.folder(folder);
        }
        self.operation(
            |files| async move { files.keep(options).await },
            |py, ()| Ok(py.None()),
        )
    }

    #[pyo3(signature = (owner, ops, root, bytes, lifetime, holder))]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's keyword arguments, one by one"
    )]
    fn token(
        &self,
        py: Python<'_>,
        owner: String,
        ops: Vec<String>,
        root: Option<&str>,
        bytes: Option<&Bound<'_, PyAny>>,
        lifetime: f64,
        holder: Option<&str>,
    ) -> PyResult<String> {
        let ops = ops.iter().map(|name| op(name));
        let mut options = TokenOptions::new(owner)
            .ops(ops.collect::<PyResult<Vec<Op>>>()?)
            .lifetime(seconds(Some(lifetime), "lifetime")?);
        if let Some(root) = root {
            options = options.root(self::root(root)?);
        }
        if let Some(bytes) = self::bytes(bytes, "bytes")? {
            options = options.bytes(bytes);
        }
        if let Some(holder) = holder {
            options = options.holder(peer(holder)?);
        }
        // It is signed, which takes its time.
        let token = py.detach(|| self.files.token(options));
        Ok(token.map_err(Failure::from)?)
    }

    #[pyo3(signature = (owner, limit))]
    fn set_quota(&self, owner: String, limit: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let limit = bytes(limit, "limit")?;
        self.operation(
            move |files| async move { files.set_quota(&owner, limit).await },
            |py, ()| Ok(py.None()),
        )
    }

    fn quota(&self, owner: String) -> PyResult<Operation> {
        self.operation(
            |files| async move {
                let quota = files.quota(&owner).await?;
                Ok((owner, quota))
            },
            |py, (owner, quota)| Ok(Py::new(py, Quota::new(owner, quota))?.into_any()),
        )
    }

    #[pyo3(signature = (after, most))]
    fn quotas(&self, after: Option<String>, most: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let most = count(most, "most")?;
        self.operation(
            move |files| async move { files.quotas(after.as_deref(), most).await },
            |py, all: Vec<(String, psfs_core::Quota)>| {
                let all = all.into_iter();
                let all: Vec<Quota> = all.map(|(owner, quota)| Quota::new(owner, quota)).collect();
                Ok(all.into_pyobject(py)?.into_any().unbind())
            },
        )
    }

    // At another satellite.

    #[pyo3(signature = (run, server, path, token, name, tags, addresses, patience))]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's keyword arguments, one by one"
    )]
    fn put(
        &self,
        run: Py<PyAny>,
        server: &str,
        path: PathBuf,
        token: String,
        name: Option<String>,
        tags: Vec<String>,
        addresses: Vec<String>,
        patience: Option<f64>,
    ) -> PyResult<(Operation, Source)> {
        let server = peer(server)?;
        let mut options = PutOptions::new(token)
            .tags(tags)
            .addresses(addresses)
            .patience(seconds(patience, "patience")?);
        if let Some(name) = name {
            options = options.name(name);
        }
        self.transfer(run, |files| files.put(&server, path, options))
    }

    #[pyo3(signature = (server, token, by, after, most))]
    fn remote_find(
        &self,
        server: &str,
        token: String,
        by: By,
        after: Option<&str>,
        most: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let (server, query) = (peer(server)?, query(by, None, after, most)?);
        self.operation(
            move |files| async move { files.remote_find(&server, &token, query).await },
            infos,
        )
    }

    fn remote_remove(&self, server: &str, token: String, root: &str) -> PyResult<Operation> {
        let (server, root) = (peer(server)?, self::root(root)?);
        self.operation(
            move |files| async move { files.remote_remove(&server, &token, &root).await },
            truth,
        )
    }
}
