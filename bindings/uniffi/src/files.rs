//! The files' handle: arguments are read, the core is called, results become completions, and what takes as long as a file is large a transfer.
//!
//! Times are in ms, bytes are not negative, roots are 64 hexadecimal digits.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use psfs_core::{
    GetOptions, KeepOptions, Op, PeerId, PutOptions, Query, Root, ShareOptions, TicketOptions,
    TokenOptions, TransferError, Wanted,
};

use crate::blob::Blob;
use crate::failure::NativeError;
use crate::file_values::{
    NativeFile, NativeFileInfo, NativeOp, NativeProgress, NativeQuota, NativeTicket,
};
use crate::hub::{Hub, Outcome, Shared};
use crate::input::{bytes, count, milliseconds, part, peer};
use crate::transfer::NativeTransfer;
use crate::under_way::{closed, run};

/// How a file or folder is shared.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeShare {
    /// Only who has a ticket may get it.
    pub only_with_ticket: bool,
    /// Whose it is.
    pub owner: Option<String>,
    /// By which it is found.
    pub tags: Vec<String>,
    /// Whether its SHA-256 is to be computed.
    pub sha256: bool,
}

/// How a file or folder is got.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeGet {
    /// Whether a root is that of a folder.
    pub folder: bool,
    /// Who has it.
    pub sources: Vec<String>,
    /// Where they are.
    pub addresses: Vec<String>,
    /// The right to it.
    pub token: Option<String>,
    /// How long nobody may be there who has it.
    pub patience_ms: i64,
    /// Whether its end means that it is on the disk.
    pub durable: bool,
}

/// Which files are looked for. At most one of tag, name, root and SHA-256 is given.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeQuery {
    /// Those with this tag.
    pub tag: Option<String>,
    /// Those with this name.
    pub name: Option<String>,
    /// The one with this id.
    pub root: Option<String>,
    /// The one with this SHA-256.
    pub sha256: Option<String>,
    /// Whose.
    pub owner: Option<String>,
    /// Those behind this one.
    pub after: Option<String>,
    /// At most so many.
    pub most: i64,
}

/// How files are kept for others.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeKeep {
    /// How much each owner may keep; nothing for no limit.
    pub quota: Option<i64>,
    /// The largest file that is taken.
    pub largest: Option<i64>,
    /// Where they lie.
    pub folder: Option<String>,
    /// How long an upload may stand still.
    pub lifetime_ms: i64,
    /// Which part of what is asked fails on purpose, 0 to 1.
    pub faulty: f64,
    /// The same ones with the same seed.
    pub seed: u64,
}

/// What a token allows.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeToken {
    /// What may be done.
    pub ops: Vec<NativeOp>,
    /// With which file alone.
    pub root: Option<String>,
    /// With how many bytes in all.
    pub bytes: Option<i64>,
    /// For how long.
    pub lifetime_ms: i64,
    /// By whom alone.
    pub holder: Option<String>,
}

/// How a file is given away to be kept.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativePut {
    /// What it is called there.
    pub name: Option<String>,
    /// By which it is found there.
    pub tags: Vec<String>,
    /// Where the server is.
    pub addresses: Vec<String>,
    /// How long that may be away.
    pub patience_ms: i64,
}

/// What a satellite shares, gets, and keeps for others.
#[derive(Debug, uniffi::Object)]
pub struct NativeFiles {
    core: psfs_core::Satellite,
    files: psfs_core::Files,
    hub: Hub,
}

fn root(text: &str) -> Result<Root, NativeError> {
    Ok(text.parse::<Root>()?)
}

fn peers(ids: &[String]) -> Result<Vec<PeerId>, NativeError> {
    ids.iter().map(|id| peer(id)).collect()
}

fn wanted(text: &str, folder: bool) -> Result<Wanted, NativeError> {
    let wrong = match text.parse::<psfs_core::Ticket>() {
        Ok(ticket) => return Ok((&ticket).into()),
        Err(error) => error,
    };
    match text.parse::<Root>() {
        Ok(root) if folder => Ok(Wanted::folder(root)),
        Ok(root) => Ok(root.into()),
        Err(_) if begins_like_a_ticket(text) => Err(wrong.into()),
        Err(error) => Err(NativeError::bad_input(format!(
            "wanted is neither a ticket, which begins with psfs1, nor a root: {error}"
        ))),
    }
}

fn begins_like_a_ticket(text: &str) -> bool {
    let start = text.trim_start().get(..4);
    start.is_some_and(|start| start.eq_ignore_ascii_case("psfs"))
}

fn query(given: NativeQuery) -> Result<Query, NativeError> {
    let NativeQuery {
        tag,
        name,
        root,
        sha256,
        owner,
        after,
        most,
    } = given;
    let wishes = [
        ("tag", &tag),
        ("name", &name),
        ("root", &root),
        ("sha256", &sha256),
    ];
    let wishes = wishes.iter().filter(|(_, value)| value.is_some());
    let wishes: Vec<&str> = wishes.map(|(wish, _)| *wish).collect();
    if wishes.len() > 1 {
        return Err(NativeError::bad_input(format!(
            "{} are given: give one of them, or none for all files",
            wishes.join(" and ")
        )));
    }
    let mut query = match (tag, name, root, sha256) {
        (Some(tag), ..) => Query::tag(tag),
        (_, Some(name), ..) => Query::name(name),
        (_, _, Some(root), _) => Query::root(self::root(&root)?),
        (.., Some(digest)) => Query::sha256(self::sha256(&digest)?),
        (None, None, None, None) => Query::all(),
    };
    if let Some(owner) = owner {
        query = query.owner(owner);
    }
    if let Some(after) = after {
        query = query.after(self::root(&after)?);
    }
    let most = count(most, "most")?;
    Ok(query.most(u32::try_from(most).unwrap_or(u32::MAX)))
}

/// It is written as a root is.
fn sha256(text: &str) -> Result<[u8; 32], NativeError> {
    let digest = text.parse::<Root>().map_err(|_| {
        NativeError::bad_input("sha256 is not 64 hexadecimal digits: write it as sha256sum does")
    })?;
    Ok(*digest.as_bytes())
}

fn found(files: Vec<psfs_core::FileInfo>) -> Outcome {
    Outcome::Found {
        files: files.into_iter().map(NativeFileInfo::from).collect(),
    }
}

fn truth(so: bool) -> Outcome {
    Outcome::Truth { so }
}

impl NativeFiles {
    pub(crate) fn new(core: psfs_core::Satellite, hub: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            files: core.files(),
            core,
            hub: Hub(Arc::clone(hub)),
        })
    }

    fn run<T, F>(
        &self,
        id: i64,
        work: impl FnOnce(psfs_core::Files) -> F,
        outcome: impl FnOnce(T) -> Outcome + Send + 'static,
    ) -> Result<bool, NativeError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, TransferError>> + Send + 'static,
    {
        let work = work(self.files.clone());
        run(&self.core, &self.hub.0, id, work, outcome)
    }

    fn transfer(
        &self,
        begin: impl FnOnce(&psfs_core::Files) -> Result<psfs_core::Transfer, TransferError>,
    ) -> Result<Arc<NativeTransfer>, NativeError> {
        NativeTransfer::begin(&self.core, &self.hub.0, |teller| {
            Ok(teller.follow(begin(&self.files)?))
        })
    }
}

#[uniffi::export]
impl NativeFiles {
    /// Shares a file or folder. Its progress is what was hashed.
    pub fn share(
        &self,
        path: String,
        how: NativeShare,
    ) -> Result<Arc<NativeTransfer>, NativeError> {
        let mut options = ShareOptions::default()
            .only_with_ticket(how.only_with_ticket)
            .tags(how.tags)
            .sha256(how.sha256);
        if let Some(owner) = how.owner {
            options = options.owner(owner);
        }
        let files = self.files.clone();
        NativeTransfer::begin(&self.core, &self.hub.0, |teller| {
            let hashed = AtomicU64::new(0);
            let options = options.progress(move |more| {
                let all = hashed.fetch_add(more, Ordering::Relaxed) + more;
                teller.tell(NativeProgress::hashed(all));
            });
            Ok(async move { Ok(files.share(path, options).await?.into()) })
        })
    }

    /// All that is given to others at the moment.
    pub fn shared(&self) -> Vec<NativeFile> {
        let shared = self.files.shared().into_iter();
        shared.map(NativeFile::from).collect()
    }

    /// What is here under this id, if it can be given to others.
    pub fn here(&self, root: &str) -> Result<Option<NativeFile>, NativeError> {
        Ok(self.files.here(&self::root(root)?).map(NativeFile::from))
    }

    /// Bytes of a file that is here: from `offset` to the end of its MiB or of the file. Gives [`Outcome::Content`].
    pub fn read(&self, id: i64, root: &str, offset: i64) -> Result<bool, NativeError> {
        let (root, offset) = (self::root(root)?, bytes(offset, "offset")?);
        self.run(
            id,
            move |files| async move { files.read(&root, offset).await },
            |content| Outcome::Content {
                content: Blob(content.to_vec()),
            },
        )
    }

    /// A ticket for what this satellite shares.
    pub fn ticket(
        &self,
        root: &str,
        lifetime_ms: Option<i64>,
        bytes: Option<i64>,
        holder: Option<String>,
    ) -> Result<NativeTicket, NativeError> {
        let root = self::root(root)?;
        let mut options = TicketOptions::default();
        if let Some(lifetime) = lifetime_ms {
            options = options.lifetime(milliseconds(lifetime, "lifetime")?);
        }
        if let Some(bytes) = bytes {
            options = options.bytes(self::bytes(bytes, "bytes")?);
        }
        if let Some(holder) = holder {
            options = options.holder(peer(&holder)?);
        }
        if !self.core.is_running() {
            return Err(closed());
        }
        Ok(self.files.ticket(&root, options)?.into())
    }

    /// Gets a file or folder: a ticket's text, or a root.
    pub fn get(
        &self,
        wanted: &str,
        destination: String,
        how: NativeGet,
    ) -> Result<Arc<NativeTransfer>, NativeError> {
        let wanted = self::wanted(wanted, how.folder)?;
        let mut options = GetOptions::default()
            .sources(peers(&how.sources)?)
            .addresses(how.addresses)
            .patience(milliseconds(how.patience_ms, "patience")?)
            .durable(how.durable);
        if let Some(token) = how.token {
            options = options.token(token);
        }
        self.transfer(|files| files.get(wanted, destination, options))
    }

    /// What is here of an owner. Gives [`Outcome::Found`].
    pub fn find(&self, id: i64, query: NativeQuery) -> Result<bool, NativeError> {
        let query = self::query(query)?;
        self.run(id, |files| async move { files.find(query).await }, found)
    }

    /// The tags of an owner. Gives [`Outcome::Texts`].
    pub fn tags(
        &self,
        id: i64,
        owner: Option<String>,
        after: Option<String>,
        most: i64,
    ) -> Result<bool, NativeError> {
        let most = count(most, "most")?;
        self.run(
            id,
            move |files| async move {
                let (owner, after) = (owner.as_deref(), after.as_deref());
                files.tags(owner, after, most).await
            },
            |texts| Outcome::Texts { texts },
        )
    }

    /// Gives a file of an owner a tag.
    pub fn tag(
        &self,
        id: i64,
        root: &str,
        tag: String,
        owner: Option<String>,
    ) -> Result<bool, NativeError> {
        let root = self::root(root)?;
        self.run(
            id,
            move |files| async move { files.tag(&root, &tag, owner.as_deref()).await },
            |()| Outcome::Done,
        )
    }

    /// Takes a tag away. Gives [`Outcome::Truth`].
    pub fn untag(
        &self,
        id: i64,
        root: &str,
        tag: String,
        owner: Option<String>,
    ) -> Result<bool, NativeError> {
        let root = self::root(root)?;
        self.run(
            id,
            move |files| async move { files.untag(&root, &tag, owner.as_deref()).await },
            truth,
        )
    }

    /// A file is no more an owner's. Gives [`Outcome::Truth`].
    pub fn remove(&self, id: i64, root: &str, owner: Option<String>) -> Result<bool, NativeError> {
        let root = self::root(root)?;
        self.run(
            id,
            move |files| async move { files.remove(&root, owner.as_deref()).await },
            truth,
        )
    }

    /// Keeps files for others from now on.
    pub fn keep(&self, id: i64, how: NativeKeep) -> Result<bool, NativeError> {
        let quota = how.quota.map(|quota| bytes(quota, "quota")).transpose()?;
        let mut options = KeepOptions::default()
            .quota(quota)
            .lifetime(milliseconds(how.lifetime_ms, "lifetime")?)
            .faulty(part(how.faulty, "faulty")?, how.seed);
        if let Some(largest) = how.largest {
            options = options.largest(bytes(largest, "largest")?);
        }
        if let Some(folder) = how.folder {
            options = options.folder(folder);
        }
        self.run(
            id,
            |files| async move { files.keep(options).await },
            |()| Outcome::Done,
        )
    }

    /// A token for what is kept here.
    pub fn token(&self, owner: String, what: NativeToken) -> Result<String, NativeError> {
        let mut options = TokenOptions::new(owner)
            .ops(what.ops.into_iter().map(Op::from))
            .lifetime(milliseconds(what.lifetime_ms, "lifetime")?);
        if let Some(root) = what.root {
            options = options.root(self::root(&root)?);
        }
        if let Some(bytes) = what.bytes {
            options = options.bytes(self::bytes(bytes, "bytes")?);
        }
        if let Some(holder) = what.holder {
            options = options.holder(peer(&holder)?);
        }
        Ok(self.files.token(options)?)
    }

    /// Gives an owner a limit of its own, or takes it away.
    pub fn set_quota(
        &self,
        id: i64,
        owner: String,
        limit: Option<i64>,
    ) -> Result<bool, NativeError> {
        let limit = limit.map(|limit| bytes(limit, "limit")).transpose()?;
        self.run(
            id,
            move |files| async move { files.set_quota(&owner, limit).await },
            |()| Outcome::Done,
        )
    }

    /// What an owner may keep here, and has. Gives [`Outcome::Quotas`] with one.
    pub fn quota(&self, id: i64, owner: String) -> Result<bool, NativeError> {
        self.run(
            id,
            |files| async move {
                let quota = files.quota(&owner).await?;
                Ok(vec![NativeQuota::of(owner, &quota)])
            },
            |quotas| Outcome::Quotas { quotas },
        )
    }

    /// The same of all owners. Gives [`Outcome::Quotas`].
    pub fn quotas(&self, id: i64, after: Option<String>, most: i64) -> Result<bool, NativeError> {
        let most = count(most, "most")?;
        self.run(
            id,
            move |files| async move { files.quotas(after.as_deref(), most).await },
            |quotas| Outcome::Quotas {
                quotas: quotas
                    .into_iter()
                    .map(|(owner, quota)| NativeQuota::of(owner, &quota))
                    .collect(),
            },
        )
    }

    /// Has a file or folder kept by another satellite.
    pub fn put(
        &self,
        server: &str,
        path: String,
        token: String,
        how: NativePut,
    ) -> Result<Arc<NativeTransfer>, NativeError> {
        let server = peer(server)?;
        let mut options = PutOptions::new(token)
            .tags(how.tags)
            .addresses(how.addresses)
            .patience(milliseconds(how.patience_ms, "patience")?);
        if let Some(name) = how.name {
            options = options.name(name);
        }
        self.transfer(|files| files.put(&server, path, options))
    }

    /// What another satellite keeps of the owner that a token names. Gives [`Outcome::Found`].
    pub fn remote_find(
        &self,
        id: i64,
        server: &str,
        token: String,
        query: NativeQuery,
    ) -> Result<bool, NativeError> {
        let (server, query) = (peer(server)?, self::query(query)?);
        self.run(
            id,
            move |files| async move { files.remote_find(&server, &token, query).await },
            found,
        )
    }

    /// Removes a file that another satellite keeps. Gives [`Outcome::Truth`].
    pub fn remote_remove(
        &self,
        id: i64,
        server: &str,
        token: String,
        root: &str,
    ) -> Result<bool, NativeError> {
        let (server, root) = (peer(server)?, self::root(root)?);
        self.run(
            id,
            move |files| async move { files.remote_remove(&server, &token, &root).await },
            truth,
        )
    }
}
