//! Keeping files for others: what a server does that was told to.
//!
//! Who wants something kept says what it is; it is then got from there by the code that gets every file, so it can be broken off and goes on,
//! also after a restart of either side. Room is reserved before the first byte comes and for as long as some come; what stands still for a
//! lifetime is given up, with the room and the bytes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Files;
use super::get::Progress;
use super::sharing::{Refusal, Sharing, read_token, told};
use super::upload::{Upload, upload_name};
use crate::error::{Code, TransferError};
use crate::files::private_folder;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::transfer::keeping::{Denied, Find, Kept, Put, encode_rows};
use crate::proto::transfer::label::Label;
use crate::proto::transfer::message::{Ask, What};
use crate::proto::transfer::outline::FILE_MAX;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::token::{Op, Token};
use crate::satellite::Responder;
use crate::store::own_file;
use crate::store::shelf::NewFile;

/// Name of the folder in the data folder.
pub(super) const FOLDER: &str = "files";
/// What each owner may keep if nothing else is said.
const QUOTA: u64 = 1 << 30;
/// How long an upload may stand still.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
const LIFETIME_MIN: Duration = Duration::from_millis(200);
/// Uploads that come in at once.
const UPLOADS_MAX: usize = 16;
/// How often what has expired is looked for, at least.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// So much of it in one go.
const EXPIRE_MOST: usize = 256;

/// What a satellite keeps for others.
#[derive(Clone, Debug)]
pub struct KeepOptions {
    quota: Option<u64>,
    largest: u64,
    folder: Option<PathBuf>,
    lifetime: Duration,
    faulty: (u64, u64),
}

impl Default for KeepOptions {
    fn default() -> Self {
        Self {
            quota: Some(QUOTA),
            largest: FILE_MAX,
            folder: None,
            lifetime: LIFETIME,
            faulty: (0, 0),
        }
    }
}

impl KeepOptions {
    /// How many bytes each owner may keep that has no limit of his own ([`Files::set_quota`]); nothing for no limit. A folder takes those of its
    /// files, of its list, and 1 KiB for each file. Default 1 GiB.
    #[must_use]
    pub fn quota(mut self, bytes: Option<u64>) -> Self {
        self.quota = bytes;
        self
    }

    /// The largest file or folder that is taken, in bytes. Default: what the quota leaves.
    #[must_use]
    pub fn largest(mut self, bytes: u64) -> Self {
        self.largest = bytes;
        self
    }

    /// Where they lie: in a folder in it that has the satellite's peer id as name. Default: `files` in the data folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// How long an upload may stand still before it is given up: its room is free then, and what came of it is removed. Default 24 h, at
    /// least 200 ms.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.max(LIFETIME_MIN);
        self
    }

    /// For tests of those who use a server: this part of what others ask it about files, 0 to 1, fails on purpose, at its beginning or in its
    /// middle, as if it were too busy; clients of [`Files::serve_filestoraged`] lose their connection before they are heard, or before they are
    /// answered. The same seed gives the same faults. Default: none.
    #[must_use]
    pub fn faulty(mut self, rate: f64, seed: u64) -> Self {
        self.faulty = ((rate.clamp(0.0, 1.0) * 1000.0).round() as u64, seed);
        self
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Keeping {
    /// Nothing: it was not told to.
    terms: RwLock<Option<Terms>>,
    /// What is coming in.
    running: Mutex<HashSet<Root>>,
    changed: Notify,
}

#[derive(Clone)]
pub(super) struct Terms {
    pub(super) largest: u64,
    pub(super) folder: PathBuf,
    pub(super) lifetime: Duration,
}

/// One of [`Keeping`]'s `running`.
pub(super) struct Slot<'a>(&'a Keeping, Root);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let running = self.0.running.lock();
        running
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.1);
    }
}

impl Keeping {
    pub(super) fn terms(&self) -> Option<Terms> {
        let terms = self.terms.read().unwrap_or_else(PoisonError::into_inner);
        terms.clone()
    }

    pub(super) fn begin(&self, root: Root) -> Result<Slot<'_>, Refusal> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= UPLOADS_MAX {
            return Err(Refusal::new(Code::Busy, "many files are coming in already"));
        }
        if !running.insert(root) {
            return Err(Refusal::new(Code::Busy, "this file is coming in already"));
        }
        Ok(Slot(self, root))
    }
}

impl Files {
    /// Keeps files for others from now on: for whoever has a token of [`Files::token`]. Called again, it changes what holds for what comes
    /// then. It is to be called after each start; what is kept already is given to its owners without.
    ///
    /// # Errors
    /// [`TransferError::BadInput`] without a data folder if no folder is given; [`TransferError::Path`] if it cannot be made; [`TransferError::Closed`].
    pub async fn keep(&self, options: KeepOptions) -> Result<(), TransferError> {
        // What is in it, others may have put there: it gets a folder of its own.
        let given = options
            .folder
            .map(|folder| folder.join(self.sharing.local.to_string()));
        let folder = given
            .or_else(|| self.sharing.kept_inside.clone())
            .ok_or_else(|| {
                TransferError::BadInput(
                    "files are kept in a folder: give one, or give the satellite a data folder"
                        .into(),
                )
            })?;
        let folder =
            std::path::absolute(&folder).map_err(|error| TransferError::io(&folder, &error))?;
        let made = folder.clone();
        let made = self.sharing.base.blocking(move || {
            private_folder(&made).map_err(|error| TransferError::io(&made, &error))
        });
        made.await.ok_or(TransferError::Closed)??;
        self.sharing.shelf.limit_all(options.quota);
        let (permille, seed) = options.faulty;
        self.sharing.faults.set(permille, seed);
        let keeping = &self.sharing.keeping;
        *keeping
            .terms
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Terms {
            largest: options.largest,
            folder,
            lifetime: options.lifetime,
        });
        keeping.changed.notify_one();
        // Some of what is kept may lie there now.
        let sharing = Arc::clone(&self.sharing);
        self.sharing.base.spawn(async move {
            sharing.restored.cancelled().await;
            sharing.recover().await;
        });
        Ok(())
    }
}

impl Sharing {
    /// Answers somebody who keeps files here.
    pub(super) async fn keeps(self: &Arc<Self>, peer: PeerId, ask: Ask, responder: Responder) {
        if let Err(Refusal { status, text }) = self.faults.strike() {
            return responder.end_with(status, &text);
        }
        let done = match ask.what {
            What::Put(put) => self.take(&peer, put, &ask.token, &responder).await,
            What::Find(find) => self.list(&peer, find, &ask.token, &responder).await,
            What::Remove { root } => self.drop_for(&peer, root, &ask.token).await,
            What::Get { .. } | What::Many { .. } => Err(Refusal::not_here()),
        };
        match done {
            Ok(()) => responder.end(),
            Err(Refusal { status, text }) => responder.end_with(status, &text),
        }
    }

    /// The owner that a token names, and the token, if it allows this.
    fn shown(
        &self,
        token: &[u8],
        peer: &PeerId,
        root: Option<Root>,
        op: Op,
    ) -> Result<(Label, Token), Refusal> {
        if token.is_empty() {
            return Err(Refusal::refused("this needs a token"));
        }
        let token = read_token(token)?;
        self.verify(&token, peer, root, op)?;
        match token.claims().name.clone() {
            Some(owner) => Ok((owner, token)),
            None => Err(Refusal::refused(
                "the token does not say whose files it is about",
            )),
        }
    }

    async fn list(
        &self,
        peer: &PeerId,
        find: Find,
        token: &[u8],
        responder: &Responder,
    ) -> Result<(), Refusal> {
        let (owner, _) = self.shown(token, peer, None, Op::List)?;
        let rows = self.rows(owner, find).await?;
        self.tell(responder, encode_rows(&rows)).await
    }

    async fn drop_for(&self, peer: &PeerId, root: Root, token: &[u8]) -> Result<(), Refusal> {
        let (owner, _) = self.shown(token, peer, Some(root), Op::Delete)?;
        if self.disown(owner, root).await? {
            Ok(())
        } else {
            Err(Refusal::not_here())
        }
    }

    /// Takes a file in.
    async fn take(
        self: &Arc<Self>,
        peer: &PeerId,
        put: Put,
        token: &[u8],
        responder: &Responder,
    ) -> Result<(), Refusal> {
        let Some(terms) = self.keeping.terms() else {
            return Err(Refusal::refused("it keeps no files for others"));
        };
        let (owner, token) = self.shown(token, peer, Some(put.root), Op::Write)?;
        if put.size > terms.largest {
            let text = format!(
                "it has {} bytes, at most {} are taken",
                put.size, terms.largest
            );
            return Err(denied(Denied::TooLarge, text));
        }
        let slot = self.keeping.begin(put.root)?;
        if !self.has_already(&owner, &put).await? {
            let upload = Upload {
                sharing: Arc::clone(self),
                peer: *peer,
                name: upload_name(&put.root)?,
                owner,
                put,
                terms,
                progress: watch::channel(Progress::default()).0,
            };
            match self.ledger.counter(token.claims()) {
                Some(counter) => upload.counted(&counter, &token, responder).await?,
                None => upload.run(responder).await?,
            }
        }
        // Not held for who does not listen.
        drop(slot);
        let kept = Kept {
            kept: true,
            ..Kept::default()
        };
        // Who does not hear it asks again.
        let _unheard = self.tell(responder, kept.encode()).await;
        Ok(())
    }

    /// Whether it is the owner's, who may call it something else from now on.
    async fn has_already(&self, owner: &Label, put: &Put) -> Result<bool, Refusal> {
        if self.about(&put.root).is_none() {
            return Ok(false);
        }
        let (shelf, root, of) = (self.shelf.clone(), put.root, owner.clone());
        let owned = self.base.blocking(move || shelf.file(&of, &root)).await;
        let owned = owned.ok_or(TransferError::Closed)?;
        let Some(owned) = owned.map_err(TransferError::from)? else {
            return Ok(false);
        };
        let file = NewFile {
            owner: owner.clone(),
            root,
            name: put.name.clone(),
            tags: put.tags.clone(),
            charged: owned.charged,
            guarded: owned.guarded,
        };
        let named = told(|done| self.shelf.own(file, clock::now_ms(), done)).await?;
        named.map_err(TransferError::from)?;
        Ok(true)
    }
}

pub(super) fn until_ms(lifetime: Duration) -> u64 {
    let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    clock::now_ms().saturating_add(lifetime)
}

pub(super) fn denied(why: Denied, text: String) -> Refusal {
    Refusal {
        status: why as i32,
        text,
    }
}

impl From<TransferError> for Refusal {
    fn from(error: TransferError) -> Self {
        let text = error.to_string();
        match error {
            TransferError::Quota(_) => denied(Denied::Quota, text),
            TransferError::TooLarge(_) => denied(Denied::TooLarge, text),
            TransferError::BadInput(_) => denied(Denied::Unfit, text),
            TransferError::Refused { .. } => Self::refused(text),
            // Paths of the server are not the client's.
            TransferError::Path { reason, .. } => Self::new(Code::Io, reason),
            TransferError::NoRoom { need, free, .. } => Self::new(
                Code::Io,
                format!("{need} bytes are needed, its disk has {free} free"),
            ),
            other => Self::new(crate::error::Error::from(other).code(), text),
        }
    }
}

impl Sharing {
    /// Keeps room for an upload for so long, or for longer.
    pub(super) async fn reserve(
        &self,
        owner: &Label,
        upload: &Label,
        bytes: u64,
        lifetime: Duration,
    ) -> Result<(), TransferError> {
        let (now_ms, until) = (clock::now_ms(), until_ms(lifetime));
        let (owner, upload) = (owner.clone(), upload.clone());
        let reserved = told(|done| {
            self.shelf
                .reserve(owner, upload, bytes, until, now_ms, done);
        });
        Ok(reserved.await??)
    }

    /// Gives the room back.
    pub(super) async fn release(&self, owner: &Label, upload: &Label) {
        let (owner, upload) = (owner.clone(), upload.clone());
        let released = told(|done| self.shelf.release(owner, upload, done)).await;
        if let Err(error) = released {
            // It expires by itself.
            tracing::debug!(%error, "the room of an upload was not given back");
        }
    }
}

/// Gives up what stands still, for as long as the satellite runs.
pub(super) fn upkeep(sharing: &Arc<Sharing>) {
    let this = Arc::clone(sharing);
    sharing.base.spawn(async move {
        loop {
            // Who keeps nothing for others does not wake for this.
            let Some(terms) = this.keeping.terms() else {
                this.keeping.changed.notified().await;
                continue;
            };
            let every = (terms.lifetime / 2).min(EXPIRE_EVERY);
            tokio::select! {
                () = this.base.sleep(every) => {}
                () = this.keeping.changed.notified() => continue,
            }
            if let Err(error) = this.expire().await {
                tracing::warn!(%error, "what has expired was not given up");
            }
            let sharing = Arc::clone(&this);
            // Nothing: it ends.
            let _ended = this.base.blocking(move || sharing.tidy(&terms)).await;
        }
    });
}

impl Sharing {
    async fn expire(&self) -> Result<(), TransferError> {
        loop {
            let expired =
                told(|done| self.shelf.expire(clock::now_ms(), EXPIRE_MOST, done)).await?;
            if expired < EXPIRE_MOST {
                return Ok(());
            }
        }
    }

    /// Removes what came of uploads that stand still, and what came whole and became nobody's.
    fn tidy(&self, terms: &Terms) {
        for found in own_file::resting(&terms.folder, terms.lifetime, clock::now_ms()) {
            if let Ok(_slot) = self.keeping.begin(found.root)
                && (found.is_part || matches!(self.shelf.blob(&found.root), Ok(None)))
            {
                own_file::remove(&found.path);
            }
        }
    }
}
