//! Blobs, and what nobody holds.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable};

use super::tables::{BLOBS, Bytes, DIGESTS, FILE_OWNERS, Open, roots_under, under};
use super::{Blob, Forgotten, Page, rows};
use crate::proto::transfer::root::Root;

pub(super) fn add(
    tables: &mut Open<'_>,
    root: &Root,
    mut blob: Blob,
) -> Result<Option<Blob>, redb::Error> {
    let key = &root.as_bytes()[..];
    let before = tables
        .blobs
        .get(key)?
        .and_then(|row| Blob::decode(row.value()));
    blob.sha256 = blob
        .sha256
        .or(before.as_ref().and_then(|before| before.sha256));
    if let Some(digest) = &blob.sha256 {
        tables.digests.insert(&digest[..], key)?;
    }
    tables.blobs.insert(key, &blob.encode()[..])?;
    Ok(before)
}

pub(super) fn blob(
    transaction: &ReadTransaction,
    root: &Root,
) -> Result<Option<Blob>, redb::Error> {
    let blobs = transaction.open_table(BLOBS)?;
    let row = blobs.get(&root.as_bytes()[..])?;
    Ok(row.and_then(|row| Blob::decode(row.value())))
}

pub(super) fn by_sha256(
    transaction: &ReadTransaction,
    digest: &[u8; 32],
) -> Result<Option<Root>, redb::Error> {
    let digests = transaction.open_table(DIGESTS)?;
    let row = digests.get(&digest[..])?;
    Ok(row.and_then(|row| rows::root(row.value())))
}

pub(super) fn blobs(
    transaction: &ReadTransaction,
    after: Option<Root>,
    most: usize,
) -> Result<Vec<(Root, Blob)>, redb::Error> {
    let blobs = transaction.open_table(BLOBS)?;
    let mut found = Vec::new();
    for root in roots_under(&blobs, b"", after.as_ref(), most)? {
        let row = blobs.get(&root.as_bytes()[..])?;
        let blob = row.and_then(|row| Blob::decode(row.value()));
        found.extend(blob.map(|blob| (root, blob)));
    }
    Ok(found)
}

/// Whether anybody holds it. `owners` is the table, by look or by change.
fn held(root: &Root, owners: &impl ReadableTable<Bytes<'static>, ()>) -> Result<bool, redb::Error> {
    Ok(!under(owners, root.as_bytes(), None, 1)?.is_empty())
}

pub(super) fn garbage(
    transaction: &ReadTransaction,
    after: Option<Root>,
    most: usize,
) -> Result<Page<Root>, redb::Error> {
    let owners = transaction.open_table(FILE_OWNERS)?;
    let from = match &after {
        Some(root) => Bound::Excluded(&root.as_bytes()[..]),
        None => Bound::Unbounded,
    };
    let blobs = transaction.open_table(BLOBS)?;
    let mut page = Page {
        rows: Vec::new(),
        next: None,
    };
    let mut last = None;
    for (seen, row) in blobs.range::<&[u8]>((from, Bound::Unbounded))?.enumerate() {
        if seen == most {
            page.next = last;
            break;
        }
        let Some(root) = rows::root(row?.0.value()) else {
            continue;
        };
        last = Some(root);
        if !held(&root, &owners)? {
            page.rows.push(root);
        }
    }
    Ok(page)
}

pub(super) fn forget(tables: &mut Open<'_>, root: &Root) -> Result<Forgotten, redb::Error> {
    let key = &root.as_bytes()[..];
    let Some(blob) = tables
        .blobs
        .get(key)?
        .and_then(|row| Blob::decode(row.value()))
    else {
        return Ok(Forgotten::NotHere);
    };
    if held(root, &tables.file_owners)? {
        return Ok(Forgotten::Held);
    }
    tables.blobs.remove(key)?;
    if let Some(digest) = &blob.sha256 {
        tables.digests.remove(&digest[..])?;
    }
    Ok(Forgotten::Gone(blob))
}
