//! What this satellite shares, who may have it, and with whom it does not deal.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use super::serve;
use crate::error::TransferError;
use crate::identity::{PeerId, PublicKey};
use crate::net::clock;
use crate::proto::packet::PacketType;
use crate::proto::transfer::collection::Collection;
use crate::proto::transfer::message::NAMESPACE;
use crate::proto::transfer::names::Name;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::proto::transfer::token::{Op, Shown, Token};
use crate::satellite::part::{Base, Part};
use crate::satellite::{Events, Satellite};
use crate::store::shared_file::SharedFile;

/// How long who sent wrong bytes is not asked again.
const BAD_FOR: Duration = Duration::from_secs(600);
/// So many of them are remembered.
const BAD_MAX: usize = 1024;
/// Tokens whose bytes are counted.
const COUNTED_MAX: usize = 65_536;

/// See the module.
pub(crate) struct Sharing {
    pub(super) base: Base,
    pub(super) local: PeerId,
    key: PublicKey,
    /// Largest piece that may come.
    pub(super) piece_max: u64,
    shared: RwLock<Shares>,
    /// Who sent wrong bytes, and until when that counts.
    bad: Mutex<HashMap<PeerId, Instant>>,
    /// Bytes that were sent under a token, by its name.
    counted: Mutex<HashMap<String, u64>>,
    /// What others ask, from the first session on; taken when the network begins.
    asked: Mutex<Option<Events>>,
    this: Weak<Self>,
}

#[derive(Default)]
struct Shares {
    shares: HashMap<Root, Share>,
    /// All blobs of all shares, with the shares they are of.
    blobs: HashMap<Root, (Arc<SharedFile>, HashSet<Root>)>,
}

/// What was shared with one call.
pub(super) struct Share {
    pub(super) about: About,
    /// Of a folder: its files, and the list of them.
    pub(super) folder: Option<Arc<Folder>>,
}

/// What is said of a share.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) name: Option<Name>,
    pub(super) path: PathBuf,
    /// Given only to who shows a token.
    pub(super) guarded: bool,
}

/// The files of a folder, in the order of its list; nothing for an empty folder in it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) files: Vec<Option<Arc<SharedFile>>>,
}

/// Why an ask is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotHere,
    Refused(String),
}

/// The right to some bytes.
#[derive(Debug, Default)]
pub(super) struct Right {
    /// The token's name and limit, where bytes are counted.
    counted: Option<(String, u64)>,
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sharing")
    }
}

impl Part for Sharing {
    fn begin(&self) {
        let (Some(this), Some(asked)) = (self.this.upgrade(), self.take_asked()) else {
            return;
        };
        self.base.spawn(serve::serve(this, asked));
    }

    fn end(&self) {
        *self.shares_mut() = Shares::default();
    }
}

impl Sharing {
    pub(super) fn new(satellite: &Satellite) -> Arc<Self> {
        let base = satellite.base();
        let room = satellite.content_limit() as u64;
        Arc::new_cyclic(|this| Self {
            local: satellite.peer_id(),
            key: satellite.identity().public_key().clone(),
            piece_max: room.saturating_sub(8 * 1024),
            shared: RwLock::default(),
            bad: Mutex::default(),
            counted: Mutex::default(),
            asked: Mutex::new(base.events(PacketType::Request, NAMESPACE)),
            this: this.clone(),
            base,
        })
    }

    fn take_asked(&self) -> Option<Events> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn shares(&self) -> RwLockReadGuard<'_, Shares> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shares_mut(&self) -> RwLockWriteGuard<'_, Shares> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shares a file. What is shared already is shared as this says from now on.
    pub(super) fn add_file(&self, file: SharedFile, guarded: bool) -> Root {
        let root = file.outline().root();
        let about = About {
            kind: Kind::File,
            size: file.size(),
            name: name_of(file.path()),
            path: file.path().to_owned(),
            guarded,
        };
        let share = Share {
            about,
            folder: None,
        };
        self.shares_mut().add(root, share, [Arc::new(file)]);
        root
    }

    /// Shares a folder: its list, and under it all its files.
    pub(super) fn add_folder(
        &self,
        path: &Path,
        collection: &Collection,
        files: Vec<Option<SharedFile>>,
        guarded: bool,
    ) -> Result<Root, TransferError> {
        let refused = |reason: String| TransferError::Path {
            path: path.to_owned(),
            reason,
        };
        let list = collection
            .encode()
            .map_err(|error| refused(error.to_string()))?;
        let list = SharedFile::memory(path, list)
            .ok_or_else(|| refused("it has too many files".into()))?;
        let root = list.outline().root();
        let about = About {
            kind: Kind::Collection,
            size: collection.size(),
            name: name_of(path),
            path: path.to_owned(),
            guarded,
        };
        let files: Vec<Option<Arc<SharedFile>>> =
            files.into_iter().map(|file| file.map(Arc::new)).collect();
        let blobs: Vec<Arc<SharedFile>> = files
            .iter()
            .flatten()
            .cloned()
            .chain([Arc::new(list)])
            .collect();
        let share = Share {
            about,
            folder: Some(Arc::new(Folder { files })),
        };
        self.shares_mut().add(root, share, blobs);
        Ok(root)
    }

    /// Tells the network who has it, if everybody may.
    pub(super) async fn announce(&self, root: &Root) {
        if self.about(root).is_some_and(|about| !about.guarded) {
            self.base.provide(*root.as_bytes(), true).await;
        }
    }

    pub(super) fn remove(&self, root: &Root) -> bool {
        self.shares_mut().remove(root)
    }

    pub(super) fn about(&self, root: &Root) -> Option<About> {
        Some(self.shares().shares.get(root)?.about.clone())
    }

    /// Everything that is shared, in the order of the roots.
    pub(super) fn all(&self) -> Vec<(Root, About)> {
        let shares = self.shares();
        let mut all: Vec<_> = shares
            .shares
            .iter()
            .map(|(root, share)| (*root, share.about.clone()))
            .collect();
        all.sort_by_key(|(root, _)| *root);
        all
    }

    /// A blob, for somebody who asks for it.
    pub(super) fn blob(
        &self,
        root: &Root,
        by: &PeerId,
        token: &[u8],
    ) -> Result<(Arc<SharedFile>, Right), Refusal> {
        let shares = self.shares();
        let (file, of) = shares.blobs.get(root).ok_or(Refusal::NotHere)?;
        let file = Arc::clone(file);
        // Any share that it belongs to will do.
        let mut refused = Refusal::NotHere;
        let of: Vec<(Root, bool)> = of
            .iter()
            .filter_map(|share| Some((*share, shares.shares.get(share)?.about.guarded)))
            .collect();
        drop(shares);
        for (share, guarded) in of {
            match self.right(&share, guarded, by, token) {
                Ok(right) => return Ok((file, right)),
                Err(refusal) => refused = refusal,
            }
        }
        Err(refused)
    }

    /// The files of a folder, for somebody who asks for them.
    pub(super) fn folder(
        &self,
        root: &Root,
        by: &PeerId,
        token: &[u8],
    ) -> Result<(Arc<Folder>, Right), Refusal> {
        let shares = self.shares();
        let share = shares.shares.get(root).ok_or(Refusal::NotHere)?;
        let folder = share.folder.clone().ok_or(Refusal::NotHere)?;
        let guarded = share.about.guarded;
        drop(shares);
        Ok((folder, self.right(root, guarded, by, token)?))
    }

    fn right(
        &self,
        share: &Root,
        guarded: bool,
        by: &PeerId,
        token: &[u8],
    ) -> Result<Right, Refusal> {
        if !guarded {
            return Ok(Right::default());
        }
        if token.is_empty() {
            return Err(Refusal::Refused("it is given only with a ticket".into()));
        }
        let refused = |error: &dyn fmt::Display| Refusal::Refused(error.to_string());
        let text = std::str::from_utf8(token).map_err(|error| refused(&error))?;
        let token = Token::parse(text).map_err(|error| refused(&error))?;
        let shown = Shown {
            now_ms: clock::now_ms(),
            by: *by,
            to: self.local,
            root: Some(*share),
            op: Op::Read,
        };
        token
            .verify(&self.key, &shown)
            .map_err(|error| refused(&error))?;
        let claims = token.claims();
        Ok(Right {
            counted: claims.bytes.map(|bytes| (claims.id.to_string(), bytes)),
        })
    }

    /// Counts bytes that are about to be sent: all of them or none.
    pub(super) fn spend(&self, right: &Right, bytes: u64) -> Result<(), Refusal> {
        let Some((token, limit)) = &right.counted else {
            return Ok(());
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_MAX && !counted.contains_key(token) {
            return Err(Refusal::Refused("too many tickets are in use here".into()));
        }
        let used = counted.entry(token.clone()).or_default();
        if used.saturating_add(bytes) > *limit {
            return Err(Refusal::Refused(format!(
                "the ticket is for {limit} bytes, and {used} were sent already"
            )));
        }
        *used += bytes;
        Ok(())
    }

    /// It sent what is provably wrong.
    pub(super) fn lied(&self, peer: PeerId) {
        let now = clock::now();
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.retain(|_, until| *until > now);
        if bad.len() < BAD_MAX {
            bad.insert(peer, now + BAD_FOR);
        }
    }

    pub(super) fn is_bad(&self, peer: &PeerId) -> bool {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.get(peer).is_some_and(|until| *until > clock::now())
    }
}

impl Shares {
    fn add(&mut self, root: Root, share: Share, blobs: impl IntoIterator<Item = Arc<SharedFile>>) {
        self.remove(&root);
        for file in blobs {
            let blob = file.outline().root();
            let (kept, of) = self
                .blobs
                .entry(blob)
                .or_insert_with(|| (Arc::clone(&file), HashSet::new()));
            // The newer one was there a moment ago.
            *kept = file;
            of.insert(root);
        }
        self.shares.insert(root, share);
    }

    fn remove(&mut self, root: &Root) -> bool {
        let Some(share) = self.shares.remove(root) else {
            return false;
        };
        let files = share.folder.iter().flat_map(|folder| &folder.files);
        let files = files.flatten().map(|file| file.outline().root());
        for blob in files.chain([*root]) {
            if let Some((_, of)) = self.blobs.get_mut(&blob) {
                of.remove(root);
                if of.is_empty() {
                    self.blobs.remove(&blob);
                }
            }
        }
        true
    }
}

/// What a ticket calls it.
fn name_of(path: &Path) -> Option<Name> {
    path.file_name()?.to_str()?.parse().ok()
}
