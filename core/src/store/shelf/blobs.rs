//! Blobs, what collections hold, leases, and what nobody holds.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata as _};

use super::tables::{
    BLOBS, Bytes, DIGESTS, Ends, FILE_OWNERS, LEASES, Open, PARTIAL_ROOTS, WITHIN, under,
};
use super::{Blob, Forgotten, LEASES_MAX, Page, rows};
use crate::proto::transfer::root::Root;

pub(super) fn add(
    tables: &mut Open<'_>,
    root: &Root,
    mut blob: Blob,
    children: &[Root],
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
    for child in children {
        let child = &child.as_bytes()[..];
        tables.parts.insert(&[key, child].concat()[..], ())?;
        tables.within.insert(&[child, key].concat()[..], ())?;
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

pub(super) fn is_within(
    transaction: &ReadTransaction,
    child: &Root,
    collection: &Root,
) -> Result<bool, redb::Error> {
    let key = [&child.as_bytes()[..], &collection.as_bytes()[..]].concat();
    Ok(transaction.open_table(WITHIN)?.get(&key[..])?.is_some())
}

pub(super) fn lease(
    tables: &mut Open<'_>,
    root: &Root,
    until_ms: u64,
) -> Result<bool, redb::Error> {
    let key = &root.as_bytes()[..];
    let before = tables.leases.get(key)?.map(|until| until.value());
    if before.is_none() && tables.leases.len()? >= LEASES_MAX {
        return Ok(false);
    }
    if before.is_none_or(|before| before < until_ms) {
        tables.leases.insert(key, until_ms)?;
        tables.ends(Ends::Lease, key, before, Some(until_ms))?;
    }
    Ok(true)
}

/// Whether anybody holds it. `holders` are the tables that have a row for each holder, by look or by change.
fn held<T, L>(now_ms: u64, root: &Root, leases: &L, holders: [&T; 3]) -> Result<bool, redb::Error>
where
    T: ReadableTable<Bytes<'static>, ()>,
    L: ReadableTable<Bytes<'static>, u64>,
{
    let key = &root.as_bytes()[..];
    for holder in holders {
        if !under(holder, key, None, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(leases.get(key)?.is_some_and(|until| until.value() > now_ms))
}

pub(super) fn garbage(
    transaction: &ReadTransaction,
    now_ms: u64,
    after: Option<Root>,
    most: usize,
) -> Result<Page<Root>, redb::Error> {
    let leases = transaction.open_table(LEASES)?;
    let owners = transaction.open_table(FILE_OWNERS)?;
    let within = transaction.open_table(WITHIN)?;
    let partials = transaction.open_table(PARTIAL_ROOTS)?;
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
        if !held(now_ms, &root, &leases, [&owners, &within, &partials])? {
            page.rows.push(root);
        }
    }
    Ok(page)
}

pub(super) fn forget(
    tables: &mut Open<'_>,
    root: &Root,
    now_ms: u64,
) -> Result<Forgotten, redb::Error> {
    let key = &root.as_bytes()[..];
    let Some(blob) = tables
        .blobs
        .get(key)?
        .and_then(|row| Blob::decode(row.value()))
    else {
        return Ok(Forgotten::NotHere);
    };
    let holders = [&tables.file_owners, &tables.within, &tables.partial_roots];
    if held(now_ms, root, &tables.leases, holders)? {
        return Ok(Forgotten::Held);
    }
    tables.blobs.remove(key)?;
    if let Some(digest) = &blob.sha256 {
        tables.digests.remove(&digest[..])?;
    }
    for child in under(&tables.parts, key, None, usize::MAX)? {
        tables.parts.remove(&[key, &child].concat()[..])?;
        tables.within.remove(&[&child, key].concat()[..])?;
    }
    Ok(Forgotten::Gone(blob))
}
