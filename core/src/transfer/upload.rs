//! One file or folder that is taken in for somebody: room first, then its bytes, then whose it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::get::{Getting, Most, Progress};
use super::keep::{Terms, denied, until_ms};
use super::ledger::Counter;
use super::load::Load;
use super::options::GetOptions;
use super::record::Holding;
use super::sharing::{Refusal, Sharing};
use crate::error::Code;
use crate::identity::PeerId;
use crate::proto::transfer::keeping::{Denied, Kept, Put};
use crate::proto::transfer::label::Label;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::proto::transfer::token::Token;
use crate::satellite::Responder;
use crate::store::own_file;
use crate::store::shelf::Payment;

/// How long the client may be away before it has to ask again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the client is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What comes in.
pub(super) struct Upload {
    pub(super) sharing: Arc<Sharing>,
    pub(super) peer: PeerId,
    pub(super) owner: Label,
    /// Under which room is reserved.
    pub(super) name: Label,
    pub(super) put: Put,
    pub(super) terms: Terms,
    pub(super) progress: watch::Sender<Progress>,
}

pub(super) fn upload_name(root: &Root) -> Result<Label, Refusal> {
    let name = root.to_string().parse();
    name.map_err(|_| Refusal::new(Code::Internal, "64 digits are a label"))
}

impl Upload {
    /// The same under a token for so many bytes.
    pub(super) async fn counted(
        &self,
        counter: &Counter,
        token: &Token,
        responder: &Responder,
    ) -> Result<(), Refusal> {
        let payment = |bytes| Payment {
            owner: self.owner.clone(),
            upload: self.name.clone(),
            token: token.claims().id.clone(),
            bytes,
            until_ms: until_ms(self.terms.lifetime),
        };
        // Counted first, so that too many are refused before any comes.
        let before = counter.pay(payment(self.put.bytes())).await?;
        let taken = self.run(responder).await;
        let (moved, goes_on) = match &taken {
            Ok(()) => (self.put.bytes(), false),
            Err(refusal) => {
                // Files come behind the list of them.
                let came = match self.progress.borrow().bytes {
                    0 => 0,
                    bytes => bytes.saturating_add(self.put.list),
                };
                (
                    came.max(before),
                    Denied::of_status(refusal.status).is_none(),
                )
            }
        };
        counter.paid(payment(moved), goes_on).await;
        taken
    }

    /// To the end: it is on the disk, and its owner's.
    pub(super) async fn run(&self, responder: &Responder) -> Result<(), Refusal> {
        self.reserve().await?;
        let done = self.fetch_and_settle(responder).await;
        // Who comes back to go on finds his room; who cannot is not to take any.
        if let Err(refusal) = &done
            && Denied::of_status(refusal.status).is_some()
        {
            self.discard().await;
            self.release().await;
        }
        done
    }

    async fn fetch_and_settle(&self, responder: &Responder) -> Result<(), Refusal> {
        let load = self.fetch(responder).await?;
        let Put { root, size, .. } = self.put;
        if load.root != root {
            let text = "what came is not what was announced";
            return Err(Refusal::new(Code::Conflict, text));
        }
        if load.about.size != size {
            let text = format!("it has {} bytes, {size} were announced", load.about.size);
            return Err(denied(Denied::Unfit, text));
        }
        let holding = Holding {
            owner: self.owner.clone(),
            name: self.put.name.clone(),
            tags: self.put.tags.clone(),
            guarded: true,
            sha256: None,
            upload: Some(self.name.clone()),
        };
        self.sharing.share(load, holding).await?;
        Ok(())
    }

    async fn reserve(&self) -> Result<(), Refusal> {
        let (cost, lifetime) = (self.put.cost(), self.terms.lifetime);
        let reserved = self
            .sharing
            .reserve(&self.owner, &self.name, cost, lifetime);
        Ok(reserved.await?)
    }

    /// What came of it is removed before its room is given back, or it would lie here and be nobody's.
    async fn discard(&self) {
        let (sharing, root) = (Arc::clone(&self.sharing), self.put.root);
        let folder = self.terms.folder.clone();
        let discarded = self.sharing.base.blocking(move || {
            if sharing.about(&root).is_none() && matches!(sharing.shelf.blob(&root), Ok(None)) {
                own_file::discard(&folder, &root);
            }
        });
        // Nothing: it ends, and it is found when it stands still.
        let _ended = discarded.await;
    }

    async fn release(&self) {
        self.sharing.release(&self.owner, &self.name).await;
    }

    async fn fetch(&self, responder: &Responder) -> Result<Load, Refusal> {
        let cancel = CancellationToken::new();
        let destination = self.terms.folder.join(self.put.root.to_string());
        let getting = Getting {
            sharing: Arc::clone(&self.sharing),
            root: self.put.root,
            token: Bytes::new(),
            most: Most {
                bytes: self.put.size,
                list: self.put.list,
                entries: self.put.entries as usize,
            },
            announced: self.put.root,
            give_on: true,
            destination,
            options: GetOptions::default()
                .sources([self.peer])
                .patience(PATIENCE),
            progress: self.progress.clone(),
            cancel: cancel.clone(),
        };
        // What is here already does not come again; then it is seen whether he has it.
        getting.proved_by(&self.peer).await?;
        let fetching = getting.run(self.put.kind == Kind::Collection);
        tokio::pin!(fetching);
        // Beside each other: what comes does not wait for who does not hear how much it is.
        let refused = tokio::select! {
            got = &mut fetching => {
                let (_, load) = got?;
                return load.ok_or_else(Refusal::not_here);
            }
            refused = self.telling(responder) => refused,
            refused = self.renewing() => refused,
        };
        cancel.cancel();
        // Until its threads have let go of the file.
        let _cancelled = fetching.await;
        Err(refused)
    }

    /// Tells the client how far it is, until there is a reason to break off.
    async fn telling(&self, to: &Responder) -> Refusal {
        let sharing = &self.sharing;
        loop {
            sharing.base.sleep(TELL_EVERY).await;
            let Progress { bytes, rate, .. } = *self.progress.borrow();
            let kept = Kept {
                bytes,
                rate,
                kept: false,
            };
            let told = sharing.tell(to, kept.encode()).await;
            if let Err(refusal) = told.and_then(|()| sharing.faults.strike()) {
                return refusal;
            }
        }
    }

    /// Keeps the room for as long as something comes, until there is none any more.
    async fn renewing(&self) -> Refusal {
        let mut before = 0;
        loop {
            self.sharing.base.sleep(self.terms.lifetime / 4).await;
            let bytes = self.progress.borrow().bytes;
            // What stands still gets no more time.
            if bytes > before {
                before = bytes;
                if let Err(refusal) = self.reserve().await {
                    return refusal;
                }
            }
        }
    }
}
