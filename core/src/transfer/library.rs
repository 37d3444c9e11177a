//! What is here and whose: finding, tags, removing, and how much each owner may keep.

use std::path::PathBuf;

use super::Files;
use super::sharing::{Sharing, told};
use crate::error::TransferError;
use crate::proto::transfer::keeping::{By, Find, ROWS_MAX, Row};
use crate::proto::transfer::label::Label;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::shelf::{Account, Shelf};

/// Rows of one call unless something else is said.
const MOST: u32 = 100;

/// Which files are looked for: of one owner, in the order of their roots, a page at a time.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) owner: Option<String>,
    by: Wish,
    after: Option<Root>,
    most: u32,
}

/// By what, as it was given.
#[derive(Clone, Debug)]
enum Wish {
    All,
    Tag(String),
    Name(String),
    Root(Root),
    Sha256([u8; 32]),
}

impl Query {
    fn by(by: Wish) -> Self {
        Self {
            owner: None,
            by,
            after: None,
            most: MOST,
        }
    }

    /// All files.
    pub fn all() -> Self {
        Self::by(Wish::All)
    }

    /// Those with this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self::by(Wish::Tag(tag.into()))
    }

    /// Those with this name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::by(Wish::Name(name.into()))
    }

    /// The one with this id.
    pub fn root(root: Root) -> Self {
        Self::by(Wish::Root(root))
    }

    /// The one with this SHA-256, if that was computed when it was shared ([`ShareOptions::sha256`](super::ShareOptions::sha256)).
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self::by(Wish::Sha256(digest))
    }

    /// Whose. Default: this satellite's own, which has its peer id as owner. At another satellite the token says whose.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Those behind this one: the last of the page before.
    #[must_use]
    pub fn after(mut self, root: Root) -> Self {
        self.after = Some(root);
        self
    }

    /// At most so many, up to 1,000. Default 100. There may come fewer although more follow: none come at the end alone.
    #[must_use]
    pub fn most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    pub(super) fn find(&self) -> Result<Find, TransferError> {
        Ok(Find {
            by: match &self.by {
                Wish::All => By::All,
                Wish::Tag(tag) => By::Tag(label("tag", tag)?),
                Wish::Name(name) => By::Name(label("name", name)?),
                Wish::Root(root) => By::Root(*root),
                Wish::Sha256(digest) => By::Sha256(*digest),
            },
            after: self.after,
            most: self.most.min(ROWS_MAX),
        })
    }
}

/// A file or folder that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its id; of a folder that of the list of its files.
    pub root: Root,
    /// Its bytes; of a folder those of all its files.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What its owner calls it.
    pub name: String,
    /// His tags, in the order of their bytes.
    pub tags: Vec<String>,
    /// Its SHA-256, if it was computed.
    pub sha256: Option<[u8; 32]>,
    /// Since when it is his, in ms since 1970.
    pub added_ms: u64,
    /// Where it is, if it is here and still what it was, so that others can get it. Nothing for a file at another satellite.
    pub path: Option<PathBuf>,
}

impl FileInfo {
    pub(super) fn of(row: Row, path: Option<PathBuf>) -> Self {
        Self {
            root: row.root,
            size: row.size,
            is_folder: row.kind == Kind::Collection,
            name: row.name.to_string(),
            tags: row.tags.iter().map(ToString::to_string).collect(),
            sha256: row.sha256,
            added_ms: row.added_ms,
            path,
        }
    }
}

/// What an owner may keep here, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// In bytes; nothing for no limit.
    pub limit: Option<u64>,
    /// Bytes of files that others had kept here for him; folders cost their lists, and 1 KiB for each file, as well. What is shared where it
    /// lies costs nothing.
    pub used: u64,
    /// Bytes reserved for uploads that are under way.
    pub reserved: u64,
    /// His files, also those that cost nothing.
    pub files: u64,
    /// His uploads under way.
    pub uploads: u64,
}

impl Quota {
    fn of(account: &Account, limit_of_all: Option<u64>) -> Self {
        Self {
            limit: account.limit.or(limit_of_all),
            used: account.used,
            reserved: account.reserved,
            files: account.files,
            uploads: account.uploads,
        }
    }
}

/// A word that somebody gave.
pub(super) fn label(what: &str, text: &str) -> Result<Label, TransferError> {
    text.parse()
        .map_err(|error: crate::proto::transfer::label::LabelError| {
            TransferError::BadInput(format!("the {what} {text:.80?} is not taken: {error}"))
        })
}

impl Sharing {
    /// Whose it is if nobody is named.
    pub(super) fn owner(&self, owner: Option<&str>) -> Result<Label, TransferError> {
        match owner {
            Some(owner) => label("owner", owner),
            None => label("owner", &self.local.to_string()),
        }
    }

    /// The files of an owner, in the order of their roots.
    pub(super) async fn rows(&self, owner: Label, find: Find) -> Result<Vec<Row>, TransferError> {
        let shelf = self.shelf.clone();
        let rows = self.base.blocking(move || rows(&shelf, &owner, &find));
        rows.await.ok_or(TransferError::Closed)?
    }
}

/// Reads; blocks for the disk.
fn rows(shelf: &Shelf, owner: &Label, find: &Find) -> Result<Vec<Row>, TransferError> {
    let (after, most) = (find.after.as_ref(), find.most as usize);
    let one = |root: Option<Root>| {
        let root = root.filter(|root| most > 0 && after.is_none_or(|after| after < root));
        root.into_iter().collect()
    };
    let roots: Vec<Root> = match &find.by {
        By::All => {
            let files = shelf.files(owner, after, most)?;
            files.into_iter().map(|(root, _)| root).collect()
        }
        By::Tag(tag) => shelf.by_tag(owner, tag, after, most)?,
        By::Name(name) => shelf.by_name(owner, name, after, most)?,
        By::Root(root) => one(Some(*root)),
        By::Sha256(digest) => one(shelf.by_sha256(digest)?),
    };
    let mut rows = Vec::with_capacity(roots.len());
    for root in roots {
        // What was removed a moment ago is not there any more.
        let (Some(owned), Some(blob)) = (shelf.file(owner, &root)?, shelf.blob(&root)?) else {
            continue;
        };
        rows.push(Row {
            root,
            size: blob.size,
            kind: blob.kind,
            name: owned.name,
            tags: shelf.tags_of(owner, &root)?,
            sha256: blob.sha256,
            added_ms: owned.added_ms,
        });
    }
    Ok(rows)
}

impl Files {
    /// What is here of an owner: by tag, name, id or SHA-256, or all of it, page by page.
    ///
    /// # Errors
    /// [`TransferError::BadInput`] for a word that cannot be a tag, name or owner; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn find(&self, query: Query) -> Result<Vec<FileInfo>, TransferError> {
        let owner = self.sharing.owner(query.owner.as_deref())?;
        let rows = self.sharing.rows(owner, query.find()?).await?;
        let info = |row: Row| {
            let path = self.sharing.about(&row.root).map(|about| about.path);
            FileInfo::of(row, path)
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// The tags of an owner (nobody: this satellite itself) that follow `after`, in the order of their bytes, at most `most`.
    ///
    /// # Errors
    /// As [`Files::find`].
    pub async fn tags(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, TransferError> {
        let owner = self.sharing.owner(owner)?;
        let after = after.map(|after| label("tag", after)).transpose()?;
        let shelf = self.sharing.shelf.clone();
        let tags = self
            .sharing
            .base
            .blocking(move || shelf.tags(&owner, after.as_ref(), most));
        let tags = tags.await.ok_or(TransferError::Closed)??;
        Ok(tags.iter().map(ToString::to_string).collect())
    }

    /// Gives a file of an owner (nobody: this satellite itself) a tag: 1 to 255 bytes without control characters, up to 64 a file. One that it
    /// has already is no error.
    ///
    /// # Errors
    /// [`TransferError::NotFound`] if he has no such file; [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn tag(
        &self,
        root: &Root,
        tag: &str,
        owner: Option<&str>,
    ) -> Result<(), TransferError> {
        let (owner, tag) = (self.sharing.owner(owner)?, label("tag", tag)?);
        if told(|done| self.sharing.shelf.tag(owner, *root, tag, done)).await?? {
            Ok(())
        } else {
            Err(TransferError::NotFound(root.to_string()))
        }
    }

    /// Takes a tag away. Whether the file had it.
    ///
    /// # Errors
    /// [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn untag(
        &self,
        root: &Root,
        tag: &str,
        owner: Option<&str>,
    ) -> Result<bool, TransferError> {
        let (owner, tag) = (self.sharing.owner(owner)?, label("tag", tag)?);
        told(|done| self.sharing.shelf.untag(owner, *root, tag, done)).await
    }

    /// A file is no more an owner's (nobody: this satellite's own). What has no owner left is not shared any more; a copy that was kept
    /// for him is removed from the disk, a file that is shared where it lies stays. Whether it was his.
    ///
    /// # Errors
    /// [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn remove(&self, root: &Root, owner: Option<&str>) -> Result<bool, TransferError> {
        let owner = self.sharing.owner(owner)?;
        self.sharing.disown(owner, *root).await
    }

    /// Gives an owner a limit of his own, in bytes, or takes it away: then the one of [`KeepOptions::quota`](super::KeepOptions::quota) holds. What he
    /// has stays, also when it is more.
    ///
    /// # Errors
    /// [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn set_quota(&self, owner: &str, limit: Option<u64>) -> Result<(), TransferError> {
        let owner = label("owner", owner)?;
        told(|done| self.sharing.shelf.set_limit(owner, limit, done)).await
    }

    /// What an owner may keep here, and has.
    ///
    /// # Errors
    /// [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn quota(&self, owner: &str) -> Result<Quota, TransferError> {
        let owner = label("owner", owner)?;
        let shelf = self.sharing.shelf.clone();
        let account = self.sharing.base.blocking(move || {
            let account = shelf.account(&owner)?;
            Ok::<_, TransferError>(Quota::of(&account, shelf.limit_of_all()))
        });
        account.await.ok_or(TransferError::Closed)?
    }

    /// The same of all owners that follow `after`, in the order of their names, at most `most`.
    ///
    /// # Errors
    /// [`TransferError::BadInput`]; [`TransferError::Store`], [`TransferError::Closed`].
    pub async fn quotas(
        &self,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<(String, Quota)>, TransferError> {
        let after = after.map(|after| label("owner", after)).transpose()?;
        let shelf = self.sharing.shelf.clone();
        let accounts = self.sharing.base.blocking(move || {
            let accounts = shelf.owners(after.as_ref(), most)?.into_iter();
            let quota = |(owner, account): (Label, Account)| {
                (owner.to_string(), Quota::of(&account, shelf.limit_of_all()))
            };
            Ok::<_, TransferError>(accounts.map(quota).collect())
        });
        accounts.await.ok_or(TransferError::Closed)?
    }
}
