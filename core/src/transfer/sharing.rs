//! What this satellite shares, who may have it, and with whom it does not deal.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::destinations::Destinations;
use super::faults::Faults;
use super::keep::{self, Keeping};
use super::ledger::{Counter, Ledger};
use super::load::{About, Copies, Folder, Load};

use super::serve;
use crate::error::{Code, StartError, StoreError, TransferError};
use crate::identity::{PeerId, PublicKey};
use crate::net::clock;
use crate::proto::packet::PacketType;
use crate::proto::transfer::label::Label;
use crate::proto::transfer::message::NAMESPACE;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::proto::transfer::token::{Op, Shown, Token};
use crate::satellite::part::{Base, Part};
use crate::satellite::{Events, Satellite, without_signals};
use crate::store::outlines::Outlines;
use crate::store::shared_file::SharedFile;
use crate::store::shelf::{Shelf, ShelfLimits};

/// How long who sent wrong bytes is not asked again.
const BAD_FOR: Duration = Duration::from_secs(600);
/// So many of them are remembered.
const BAD_MAX: usize = 1024;
/// Slices of long work that are done at once: half of the threads that may block.
const TURNS: usize = 2;
/// In so many places one blob is looked for when it is read.
const COPIES_MAX: usize = 8;

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
    pub(super) shelf: Shelf,
    /// In the data folder, if there is one.
    pub(super) outlines: Option<Outlines>,
    /// Where in the data folder files are kept for others.
    pub(super) kept_inside: Option<PathBuf>,
    /// Of work that takes long, a slice each; other threads are left for what is short.
    turns: Semaphore,
    /// Held while what is shared is written down; alone by who removes.
    pub(super) changing: tokio::sync::RwLock<()>,
    pub(super) ledger: Arc<Ledger>,
    /// What it keeps for others, if it was told to.
    pub(super) keeping: Keeping,
    /// Where files are got to.
    pub(super) destinations: Arc<Destinations>,
    /// What was shared before is shared again.
    pub(super) restored: CancellationToken,
    pub(super) faults: Faults,
    /// What others ask, from the first session on; taken when the network begins.
    asked: Mutex<Option<Events>>,
    this: Weak<Self>,
}

#[derive(Default)]
struct Shares {
    shares: HashMap<Root, Share>,
    /// All blobs of all shares, each with where it can be read, by the share that it is of.
    blobs: HashMap<Root, HashMap<Root, Arc<SharedFile>>>,
}

/// What is shared.
struct Share {
    load: Load,
    /// Whose it is, and whether he gives it only to who shows a token.
    owners: BTreeMap<Label, bool>,
    /// Who may have it while it is given to them to keep, and how often.
    lent: BTreeMap<PeerId, usize>,
}

impl Share {
    /// Given only to who shows a token.
    fn guarded(&self) -> bool {
        self.owners.values().all(|guarded| *guarded)
    }
}

/// For whom something is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Whose it is, and whether only who shows a token may have it.
    Owner(Label, bool),
    /// This peer, for the moment.
    Lent(PeerId),
}

/// Why an ask is not answered, as its end says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: i32,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            status: code as i32,
            text: text.into(),
        }
    }

    pub(super) fn not_here() -> Self {
        Self::new(Code::NotFound, "")
    }

    /// It has no right to it.
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self::new(Code::Refused, text)
    }
}

/// The right to some bytes.
#[derive(Debug, Default)]
pub(super) struct Right {
    /// Where bytes are counted.
    pub(super) counter: Option<Counter>,
}

impl Right {
    /// Counts bytes that are about to be sent: all of them or none.
    pub(super) async fn spend(&self, bytes: u64) -> Result<(), Refusal> {
        match &self.counter {
            Some(counter) => counter.spend(bytes).await,
            None => Ok(()),
        }
    }
}

/// Who is told of a change of the shelf.
pub(super) type Done<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// Has the shelf changed, now; what it says when that is on the disk.
pub(super) fn told<T: Send + 'static>(
    change: impl FnOnce(Done<T>),
) -> impl Future<Output = Result<T, TransferError>> {
    let (done, said) = oneshot::channel();
    // Nobody may wait any more.
    change(Box::new(move |result| drop(done.send(result))));
    async move { Ok(said.await.unwrap_or(Err(StoreError::Closed))?) }
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
        keep::upkeep(&this);
        self.base.spawn(async move {
            this.restore().await;
            this.restored.cancel();
            let recovering = Arc::clone(&this);
            this.base.spawn(async move { recovering.recover().await });
            serve::serve(this, asked).await;
        });
    }

    fn end(&self) {
        *self.shares_mut() = Shares::default();
        self.shelf.shutdown();
    }
}

impl Sharing {
    pub(super) fn new(satellite: &Satellite) -> Result<Arc<Self>, StartError> {
        let base = satellite.base();
        let room = satellite.content_limit() as u64;
        let store = satellite.store()?;
        // Its thread has none of the application's signals.
        let shelf = without_signals(|| Shelf::open(&store, ShelfLimits::new(None)))?;
        Ok(Arc::new_cyclic(|this| Self {
            local: satellite.peer_id(),
            key: satellite.identity().public_key().clone(),
            piece_max: room.saturating_sub(8 * 1024),
            shared: RwLock::default(),
            bad: Mutex::default(),
            ledger: Ledger::new(shelf.clone()),
            shelf,
            outlines: satellite.config().data_dir.as_deref().map(Outlines::of),
            kept_inside: (satellite.config().data_dir.as_ref()).map(|data| data.join(keep::FOLDER)),
            turns: Semaphore::new(TURNS),
            changing: tokio::sync::RwLock::default(),
            keeping: Keeping::default(),
            destinations: Arc::default(),
            restored: CancellationToken::new(),
            faults: Faults::default(),
            asked: Mutex::new(base.events(PacketType::Request, NAMESPACE)),
            this: this.clone(),
            base,
        }))
    }

    /// Work that takes as long as it takes, a slice at a time: who is waiting for a thread has his turn in between. Dropping this ends it
    /// with the slice that is being done.
    pub(super) async fn sliced<T: Send + 'static>(
        &self,
        mut slice: impl FnMut() -> Result<Option<T>, TransferError> + Send + 'static,
    ) -> Result<T, TransferError> {
        loop {
            let turn = self.turns.acquire().await;
            let work = move || {
                let done = slice();
                (slice, done)
            };
            let (back, done) = self
                .base
                .blocking(work)
                .await
                .ok_or(TransferError::Closed)?;
            drop(turn);
            if let Some(done) = done? {
                return Ok(done);
            }
            slice = back;
        }
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

    /// Gives it to others from now on. What is shared already is read from here.
    pub(super) fn enter(&self, load: &Load, by: By) {
        self.shares_mut().add(load, by);
    }

    /// Another one has it, too: it is read from where it is.
    pub(super) fn join(&self, root: &Root, by: By) -> bool {
        let mut shares = self.shares_mut();
        let share = shares.shares.get_mut(root);
        share.map(|share| share.hold(by)).is_some()
    }

    /// Tells the network whether everybody may have it from here.
    pub(super) async fn announce(&self, root: &Root) {
        let open = self.about(root).is_some() && !self.is_guarded(root);
        self.base.provide(*root.as_bytes(), open).await;
    }

    /// No more for him; what is nobody's is not given any more.
    pub(super) fn leave(&self, root: &Root, by: &By) {
        self.shares_mut().leave(root, by);
    }

    pub(super) fn about(&self, root: &Root) -> Option<About> {
        Some(self.shares().shares.get(root)?.load.about.clone())
    }

    /// Whether it is given only to who shows a token.
    pub(super) fn is_guarded(&self, root: &Root) -> bool {
        self.shares().shares.get(root).is_some_and(Share::guarded)
    }

    /// Whether this owner shares it.
    pub(super) fn is_owned(&self, root: &Root, owner: &Label) -> bool {
        let shares = self.shares();
        let share = shares.shares.get(root);
        share.is_some_and(|share| share.owners.contains_key(owner))
    }

    /// Everything that is somebody's, in the order of the roots.
    pub(super) fn all(&self) -> Vec<(Root, About)> {
        let shares = self.shares();
        let mut all: Vec<_> = shares
            .shares
            .iter()
            .filter(|(_, share)| !share.owners.is_empty())
            .map(|(root, share)| (*root, share.load.about.clone()))
            .collect();
        all.sort_by_key(|(root, _)| *root);
        all
    }

    /// A file of this owner, if it is here and still what it was.
    pub(super) fn file_of(&self, owner: &Label, root: &Root) -> Option<Arc<SharedFile>> {
        let shares = self.shares();
        let share = shares.shares.get(root)?;
        let his = share.load.about.kind == Kind::File && share.owners.contains_key(owner);
        share.load.blobs.first().filter(|_| his).cloned()
    }

    /// A blob that is here, for this satellite itself.
    pub(super) fn own_blob(&self, root: &Root) -> Option<Copies> {
        let shares = self.shares();
        shares
            .shares
            .get(root)
            .filter(|share| share.load.folder.is_none())?;
        shares.copies(root)
    }

    /// A blob, for somebody who asks for it.
    pub(super) fn blob(
        &self,
        root: &Root,
        by: &PeerId,
        token: &[u8],
    ) -> Result<(Copies, Right), Refusal> {
        let shares = self.shares();
        let copies = shares.copies(root).ok_or_else(Refusal::not_here)?;
        // Any share that it belongs to will do.
        let of = shares.blobs.get(root).into_iter().flatten();
        let of: Vec<Root> = of.map(|(share, _)| *share).collect();
        drop(shares);
        Ok((copies, self.right(&of, by, token)?))
    }

    /// The files of a folder, for somebody who asks for them.
    pub(super) fn folder(
        &self,
        root: &Root,
        by: &PeerId,
        token: &[u8],
    ) -> Result<(Arc<Folder>, Right), Refusal> {
        let shares = self.shares();
        let share = shares.shares.get(root).ok_or_else(Refusal::not_here)?;
        let folder = share.load.folder.clone().ok_or_else(Refusal::not_here)?;
        drop(shares);
        Ok((folder, self.right(&[*root], by, token)?))
    }

    /// The right to read what belongs to these shares.
    fn right(&self, of: &[Root], by: &PeerId, token: &[u8]) -> Result<Right, Refusal> {
        let shares = self.shares();
        let mut found = of.iter().filter_map(|root| shares.shares.get(root));
        if found.any(|share| !share.guarded() || share.lent.contains_key(by)) {
            return Ok(Right::default());
        }
        drop(shares);
        if token.is_empty() {
            let text = "it is given only with a ticket or a token";
            return Err(Refusal::refused(text));
        }
        let token = read_token(token)?;
        let mut refused = Refusal::not_here();
        for share in of {
            match self.verify(&token, by, Some(*share), Op::Read) {
                Ok(()) if self.is_about(&token, share) => {
                    return Ok(Right {
                        counter: self.ledger.counter(token.claims()),
                    });
                }
                Ok(()) => {}
                Err(refusal) => refused = refusal,
            }
        }
        Err(refused)
    }

    /// Whether a token holds for this.
    pub(super) fn verify(
        &self,
        token: &Token,
        by: &PeerId,
        root: Option<Root>,
        op: Op,
    ) -> Result<(), Refusal> {
        let shown = Shown {
            now_ms: clock::now_ms(),
            by: *by,
            to: self.local,
            root,
            op,
        };
        let verified = token.verify(&self.key, &shown);
        verified.map_err(|error| Refusal::refused(error.to_string()))
    }

    /// Whether a share is its owner's, if a token names one.
    fn is_about(&self, token: &Token, share: &Root) -> bool {
        let shares = self.shares();
        token.claims().name.as_ref().is_none_or(|owner| {
            let share = shares.shares.get(share);
            share.is_some_and(|share| share.owners.contains_key(owner))
        })
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

impl Share {
    fn hold(&mut self, by: By) {
        match by {
            By::Owner(owner, guarded) => {
                self.owners.insert(owner, guarded);
            }
            By::Lent(peer) => *self.lent.entry(peer).or_default() += 1,
        }
    }

    fn leave(&mut self, by: &By) {
        match by {
            By::Owner(owner, _) => {
                self.owners.remove(owner);
            }
            By::Lent(peer) => {
                if let Some(times) = self.lent.get_mut(peer) {
                    *times -= 1;
                    if *times == 0 {
                        self.lent.remove(peer);
                    }
                }
            }
        }
    }
}

impl Shares {
    fn copies(&self, root: &Root) -> Option<Copies> {
        let copies = self.blobs.get(root)?.values().take(COPIES_MAX);
        Some(Copies(copies.cloned().collect()))
    }

    fn add(&mut self, load: &Load, by: By) {
        let root = load.root;
        let before = self.remove(&root);
        for file in &load.blobs {
            let copies = self.blobs.entry(file.outline().root()).or_default();
            copies.insert(root, Arc::clone(file));
        }
        let (owners, lent) =
            before.map_or_else(Default::default, |share| (share.owners, share.lent));
        let mut share = Share {
            load: load.clone(),
            owners,
            lent,
        };
        share.hold(by);
        self.shares.insert(root, share);
    }

    fn leave(&mut self, root: &Root, by: &By) {
        let Some(share) = self.shares.get_mut(root) else {
            return;
        };
        share.leave(by);
        if share.owners.is_empty() && share.lent.is_empty() {
            self.remove(root);
        }
    }

    fn remove(&mut self, root: &Root) -> Option<Share> {
        let share = self.shares.remove(root)?;
        for file in &share.load.blobs {
            let blob = file.outline().root();
            if let Some(copies) = self.blobs.get_mut(&blob) {
                copies.remove(root);
                if copies.is_empty() {
                    self.blobs.remove(&blob);
                }
            }
        }
        Some(share)
    }
}

/// A token as it came.
pub(super) fn read_token(token: &[u8]) -> Result<Token, Refusal> {
    let text = std::str::from_utf8(token).map_err(|error| Refusal::refused(error.to_string()))?;
    Token::parse(text).map_err(|error| Refusal::refused(error.to_string()))
}
