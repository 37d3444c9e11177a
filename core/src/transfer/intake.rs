//! The door for the wires of others: what came over them becomes an owner's by the code by which [`Files::keep`] keeps files, and is read
//! by him alone.
//!
//! What it is not: it knows no wire. Bytes come as files that were made already, rights were looked at by whoever calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Files;
use super::keep::Terms;
use super::load::Load;
use super::record::Holding;
use super::sharing::{Refusal, Sharing};
use crate::error::TransferError;
use crate::proto::transfer::keeping::{By, Find, ROWS_MAX, Row};
use crate::proto::transfer::label::Label;
use crate::proto::transfer::root::Root;
use crate::satellite::part::Base;
use crate::store::piece_log::Assembled;
use crate::store::shared_file::SharedFile;

/// How long a file may come in twice at the same moment, by way of another wire.
const OTHERS_PATIENCE: Duration = Duration::from_secs(10);
/// How often that is looked at.
const OTHERS_EVERY: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Clone)]
pub(crate) struct Intake {
    sharing: Arc<Sharing>,
    terms: Terms,
}

/// Whose the file with a digest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    His(Root),
    Others,
    Nobodys,
}

/// Whose a file becomes.
#[derive(Clone, Debug)]
pub(crate) struct Becomes {
    pub(crate) owner: Label,
    pub(crate) name: Label,
    pub(crate) tags: Vec<Label>,
    /// Under which room was reserved.
    pub(crate) upload: Label,
}

impl Files {
    /// As [`Files::keep`] was told last.
    pub(crate) fn intake(&self) -> Result<Intake, TransferError> {
        let terms = self.sharing.keeping.terms().ok_or_else(|| {
            let text = "it keeps no files for others: call keep first";
            TransferError::BadInput(text.into())
        })?;
        Ok(Intake {
            sharing: Arc::clone(&self.sharing),
            terms,
        })
    }
}

impl Intake {
    pub(crate) fn base(&self) -> &Base {
        &self.sharing.base
    }

    /// Where files that are kept lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.terms.folder
    }

    pub(crate) fn largest(&self) -> u64 {
        self.terms.largest
    }

    /// How long an upload may stand still.
    pub(crate) fn lifetime(&self) -> Duration {
        self.terms.lifetime
    }

    /// Until what was kept when the last run ended is there.
    pub(crate) async fn restored(&self) {
        self.sharing.restored.cancelled().await;
    }

    /// Whether this goes wrong on purpose.
    pub(crate) fn strikes(&self) -> bool {
        self.sharing.faults.strike().is_err()
    }

    /// Work that blocks.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TransferError> {
        let done = self.sharing.base.blocking(work).await;
        done.ok_or(TransferError::Closed)
    }

    /// Keeps room for an upload for a lifetime from now on.
    pub(crate) async fn reserve(
        &self,
        owner: &Label,
        upload: &Label,
        bytes: u64,
    ) -> Result<(), TransferError> {
        let lifetime = self.terms.lifetime;
        self.sharing.reserve(owner, upload, bytes, lifetime).await
    }

    pub(crate) async fn release(&self, owner: &Label, upload: &Label) {
        self.sharing.release(owner, upload).await;
    }

    /// A file becomes somebody's. It is on the disk, and his, when this returns.
    pub(crate) async fn take(
        &self,
        made: Assembled,
        becomes: Becomes,
    ) -> Result<Root, TransferError> {
        let (root, sha256) = (made.root, made.sha256);
        let mut waited = Duration::ZERO;
        let _slot = loop {
            match self.sharing.keeping.begin(root) {
                Ok(slot) => break slot,
                Err(refusal) if waited >= OTHERS_PATIENCE => {
                    return Err(TransferError::Store(refusal.text));
                }
                Err(_) => {}
            }
            self.sharing.base.sleep(OTHERS_EVERY).await;
            waited += OTHERS_EVERY;
        };
        let place: PathBuf = self.terms.folder.join(root.to_string());
        let settle = move || {
            let units = made.settle(&place)?;
            SharedFile::known(&place, units)
        };
        let file = self.blocking(settle).await??;
        let holding = Holding {
            owner: becomes.owner,
            name: becomes.name,
            tags: becomes.tags,
            guarded: true,
            sha256: Some(sha256),
            upload: Some(becomes.upload),
        };
        self.sharing.share(Load::file(file), holding).await
    }

    /// Whose the file with this SHA-256 is.
    pub(crate) async fn whose(
        &self,
        owner: &Label,
        sha256: [u8; 32],
    ) -> Result<Whose, TransferError> {
        let shelf = self.sharing.shelf.clone();
        let found = self.blocking(move || shelf.by_sha256(&sha256)).await??;
        Ok(match found {
            Some(root) if self.sharing.file_of(owner, &root).is_some() => Whose::His(root),
            // What is not what it was any more is nobody's.
            Some(root) if self.sharing.about(&root).is_some() => Whose::Others,
            _ => Whose::Nobodys,
        })
    }

    /// The file of an owner that was added last, of those that are found so and are wanted.
    pub(crate) async fn newest(
        &self,
        owner: &Label,
        by: By,
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<Option<Row>, TransferError> {
        let mut after = None;
        let mut newest: Option<Row> = None;
        loop {
            let find = Find {
                by: by.clone(),
                after,
                most: ROWS_MAX,
            };
            let rows = self.sharing.rows(owner.clone(), find).await?;
            let Some(last) = rows.last() else {
                return Ok(newest);
            };
            after = Some(last.root);
            for row in rows {
                let newer = newest.as_ref().is_none_or(|n| n.added_ms <= row.added_ms);
                if newer && self.file(owner, &row.root).is_some() && wanted(&row) {
                    newest = Some(row);
                }
            }
        }
    }

    /// A file of an owner, to be read.
    pub(crate) fn file(&self, owner: &Label, root: &Root) -> Option<Arc<SharedFile>> {
        self.sharing.file_of(owner, root)
    }
}

/// What is told to others of an error: no path of this machine.
pub(crate) fn told_of(error: TransferError) -> String {
    Refusal::from(error).text
}
