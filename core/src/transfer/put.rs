//! Having files kept by another satellite, and what is kept there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::Files;
use super::conduct::JOB_MAX;
use super::get::{Progress, Received, Transfer};
use super::library::{FileInfo, Query, label};
use super::load::Load;
use super::record::label_of;
use super::sharing::{By, Sharing};
use crate::error::{Code, RequestError, TransferError};
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::keeping::{Denied, Kept, Put, decode_rows};
use crate::proto::transfer::label::{Label, TAGS_MAX};
use crate::proto::transfer::message::{Ask, NAMESPACE, What};
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::satellite::RequestOptions;

/// How long the server may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it is left alone at first when it was away; doubled each time.
const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long an address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a file is given away to be kept.
#[derive(Clone)]
pub struct PutOptions {
    token: String,
    name: Option<String>,
    tags: Vec<String>,
    addresses: Vec<String>,
    patience: Duration,
}

/// Without the token.
impl fmt::Debug for PutOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutOptions")
            .field("name", &self.name)
            .field("tags", &self.tags)
            .field("addresses", &self.addresses)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl PutOptions {
    /// With a token that the server's [`Files::token`] gave.
    pub fn new(token: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: None,
            tags: Vec::new(),
            addresses: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// What it is called there: 1 to 255 bytes without control characters. Default: its name here.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Tags by which it is found there: up to 64 of 1 to 255 bytes without control characters. Default: none.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Where the server can be reached, if it was not met yet.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        self.addresses = addresses.into_iter().collect();
        self
    }

    /// How long the server may be away, or too busy, before the call fails; what came is kept there for a while. Default 60 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Files {
    /// Has a file or folder kept by another satellite, which gets it from here: in pieces, each checked. It goes on by itself when the connection
    /// breaks or the server is started again; the same call later goes on as well. At its end the file is on the server's disk and belongs to
    /// the owner that the token names.
    ///
    /// # Errors
    /// [`TransferError::BadInput`] for a name or tag that cannot be, [`TransferError::Closed`]. With [`Transfer::received`] come: [`TransferError::Path`] and
    /// [`TransferError::Changed`] of the file here, [`TransferError::Token`] if the token gives no right to it, [`TransferError::Quota`],
    /// [`TransferError::TooLarge`], [`TransferError::Unreachable`].
    pub fn put(
        &self,
        server: &PeerId,
        path: impl AsRef<Path>,
        options: PutOptions,
    ) -> Result<Transfer, TransferError> {
        if !self.satellite.is_running() {
            return Err(TransferError::Closed);
        }
        let path = std::path::absolute(path.as_ref())
            .map_err(|error| TransferError::io(path.as_ref(), &error))?;
        let name = match &options.name {
            Some(name) => label("name", name)?,
            None => label_of(&path).ok_or_else(|| {
                TransferError::BadInput("give it a name: its path does not end in one".into())
            })?,
        };
        if options.tags.len() > TAGS_MAX {
            return Err(TransferError::BadInput(format!(
                "a file has at most {TAGS_MAX} tags, these are {}",
                options.tags.len()
            )));
        }
        let tags = options.tags.iter().map(|tag| label("tag", tag));
        let (tell, progress) = watch::channel(Progress::default());
        let (done, end) = oneshot::channel();
        let cancel = CancellationToken::new();
        let putting = Putting {
            sharing: Arc::clone(&self.sharing),
            server: *server,
            path,
            name,
            tags: tags.collect::<Result<_, _>>()?,
            options,
            progress: tell,
        };
        let cancelled = cancel.clone();
        self.sharing.base.spawn(async move {
            let kept = putting.run(&cancelled).await;
            // Nobody may wait any more.
            let _unheard = done.send(kept);
        });
        Ok(Transfer::new(progress, end, cancel))
    }

    /// What another satellite keeps of the owner that a token names.
    ///
    /// # Errors
    /// [`TransferError::Token`], [`TransferError::BadInput`], [`TransferError::Unreachable`], [`TransferError::Closed`].
    pub async fn remote_find(
        &self,
        server: &PeerId,
        token: &str,
        query: Query,
    ) -> Result<Vec<FileInfo>, TransferError> {
        let what = What::Find(query.find()?);
        let Some(answer) = self.ask_server(server, what, token, "").await? else {
            return Err(unreachable(server, "it ended without an answer"));
        };
        let rows = decode_rows(answer).map_err(|error| unreachable(server, &error.to_string()))?;
        Ok(rows
            .into_iter()
            .map(|row| FileInfo::of(row, None))
            .collect())
    }

    /// Removes a file that another satellite keeps for the owner that a token names. Whether it was there.
    ///
    /// # Errors
    /// [`TransferError::Token`], [`TransferError::Unreachable`], [`TransferError::Closed`].
    pub async fn remote_remove(
        &self,
        server: &PeerId,
        token: &str,
        root: &Root,
    ) -> Result<bool, TransferError> {
        let what = What::Remove { root: *root };
        match self
            .ask_server(server, what, token, &root.to_string())
            .await
        {
            Ok(_) => Ok(true),
            Err(TransferError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The one answer to an ask, if there is one. A server that is busy is asked again.
    async fn ask_server(
        &self,
        server: &PeerId,
        what: What,
        token: &str,
        about: &str,
    ) -> Result<Option<Bytes>, TransferError> {
        let ask = Ask {
            what,
            token: Bytes::copy_from_slice(token.as_bytes()),
        };
        let ask = ask.encode();
        let mut wait = WAIT;
        loop {
            let error = match self.ask_once(server, ask.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let busy =
                matches!(&error, RequestError::Failed { code, .. } if *code == Code::Busy as i32);
            if !busy || wait > WAIT_MAX {
                return Err(match failure(error, about) {
                    Failed::For(error) => error,
                    Failed::Now(reason) => unreachable(server, &reason),
                });
            }
            self.sharing.base.sleep(wait).await;
            wait *= 2;
        }
    }

    async fn ask_once(&self, server: &PeerId, ask: Bytes) -> Result<Option<Bytes>, RequestError> {
        let base = &self.sharing.base;
        let options = RequestOptions::default();
        let mut replies = base.request(server, NAMESPACE, ask, options).await?;
        let mut answer = None;
        while let Some(reply) = replies.next().await {
            answer = Some(reply?.content().clone());
        }
        Ok(answer)
    }
}

fn unreachable(server: &PeerId, reason: &str) -> TransferError {
    TransferError::Unreachable {
        server: server.to_string(),
        after: RequestOptions::default().deadline,
        reason: reason.to_owned(),
    }
}

/// How an ask failed.
enum Failed {
    /// It would again.
    For(TransferError),
    /// It may not again.
    Now(String),
}

fn failure(error: RequestError, about: &str) -> Failed {
    match error {
        RequestError::Refused { reason, .. } => Failed::For(TransferError::Token(reason)),
        RequestError::Failed { code, text, .. } => Failed::For(match Denied::of_status(code) {
            Some(Denied::Quota) => TransferError::Quota(text),
            Some(Denied::TooLarge) => TransferError::TooLarge(text),
            Some(Denied::Unfit) => TransferError::BadInput(text),
            None if code == Code::NotFound as i32 => TransferError::NotFound(about.to_owned()),
            None => return Failed::Now(text),
        }),
        error => Failed::Now(error.to_string()),
    }
}

/// A file that is given away.
struct Putting {
    sharing: Arc<Sharing>,
    server: PeerId,
    path: PathBuf,
    name: Label,
    tags: Vec<Label>,
    options: PutOptions,
    progress: watch::Sender<Progress>,
}

impl Putting {
    async fn run(&self, cancelled: &CancellationToken) -> Result<Received, TransferError> {
        let (load, _) = tokio::select! {
            loaded = self.sharing.load(self.path.clone(), false, |_| ()) => loaded?,
            () = cancelled.cancelled() => return Err(TransferError::Cancelled),
        };
        let lent = By::Lent(self.server);
        self.sharing.enter(&load, lent.clone());
        let kept = tokio::select! {
            kept = self.until_kept(&load) => kept,
            () = cancelled.cancelled() => Err(TransferError::Cancelled),
        };
        self.sharing.leave(&load.root, &lent);
        kept?;
        Ok(Received {
            root: load.root,
            size: load.about.size,
            path: self.path.clone(),
            is_folder: load.about.kind == Kind::Collection,
        })
    }

    /// Asks until the server says that it has it.
    async fn until_kept(&self, load: &Load) -> Result<(), TransferError> {
        let base = &self.sharing.base;
        for address in &self.options.addresses {
            if base.is_connected(&self.server) {
                break;
            }
            // Another may lead there.
            let _tried = base.connect(address, CONNECT_TIMEOUT).await;
        }
        let (mut bytes, mut wait) = (0, WAIT);
        let mut last_moved = clock::now();
        loop {
            let reason = match self.ask(load).await {
                Ok(()) => return Ok(()),
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::Now(reason)) => reason,
            };
            let now = self.progress.borrow().bytes;
            if now > bytes {
                (bytes, wait, last_moved) = (now, WAIT, clock::now());
            }
            if last_moved.elapsed() >= self.options.patience {
                return Err(TransferError::Unreachable {
                    server: self.server.to_string(),
                    after: self.options.patience,
                    reason,
                });
            }
            tracing::debug!(server = %self.server, %reason, "an upload goes on later");
            base.sleep(wait.min(self.options.patience)).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    async fn ask(&self, load: &Load) -> Result<(), Failed> {
        let size = load.about.size;
        let (list, entries) = load.listed();
        let ask = Ask {
            what: What::Put(Put {
                root: load.root,
                size,
                kind: load.about.kind,
                name: self.name.clone(),
                tags: self.tags.clone(),
                list,
                entries: u32::try_from(entries).unwrap_or(u32::MAX),
            }),
            token: Bytes::copy_from_slice(self.options.token.as_bytes()),
        };
        let options = RequestOptions::default().deadline(JOB_MAX);
        let failed = |error| failure(error, &load.root.to_string());
        let base = &self.sharing.base;
        let replies = base.request(&self.server, NAMESPACE, ask.encode(), options);
        let mut replies = replies.await.map_err(failed)?;
        while let Some(reply) = replies.next().await {
            let kept = Kept::decode(reply.map_err(failed)?.content().clone());
            let kept = kept.map_err(|error| Failed::Now(error.to_string()))?;
            self.progress.send_replace(Progress {
                bytes: if kept.kept {
                    size
                } else {
                    kept.bytes.min(size)
                },
                size,
                rate: kept.rate,
                sources: 1,
            });
            if kept.kept {
                return Ok(());
            }
        }
        Err(Failed::Now("it ended without an answer".to_owned()))
    }
}
