//! Files that are being received.

use std::path::{Path, PathBuf};

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::tables::{Open, PARTIAL_ROOTS, PARTIALS, under};
use super::{BITMAP_MAX, PARTIALS_MAX, PATH_MAX, Partial, PartialError, rows};
use crate::proto::transfer::root::Root;

pub(super) fn commit(
    tables: &mut Open<'_>,
    destination: &Path,
    partial: &Partial,
) -> Result<Result<(), PartialError>, redb::Error> {
    let (got, expected) = (
        partial.verified.len() as u64,
        Partial::bitmap_len(partial.size, partial.unit),
    );
    if got != expected || got > BITMAP_MAX as u64 {
        return Ok(Err(PartialError::Bitmap { got, expected }));
    }
    let key = rows::path_bytes(destination);
    if key.len().max(rows::path_bytes(&partial.part).len()) > PATH_MAX {
        return Ok(Err(PartialError::Path));
    }
    let before = tables
        .partials
        .get(key)?
        .and_then(|row| Partial::decode(row.value()));
    match before {
        Some(before) if before.root != partial.root => {
            return Ok(Err(PartialError::Other(before.root)));
        }
        Some(_) => {}
        None => {
            if tables.partials.len()? >= PARTIALS_MAX {
                return Ok(Err(PartialError::Full));
            }
            let way_back = [&partial.root.as_bytes()[..], key].concat();
            tables.partial_roots.insert(&way_back[..], ())?;
        }
    }
    tables.partials.insert(key, &partial.encode()[..])?;
    Ok(Ok(()))
}

pub(super) fn open(
    transaction: &ReadTransaction,
    destination: &Path,
) -> Result<Option<Partial>, redb::Error> {
    let partials = transaction.open_table(PARTIALS)?;
    let row = partials.get(rows::path_bytes(destination))?;
    Ok(row.and_then(|row| Partial::decode(row.value())))
}

pub(super) fn of(transaction: &ReadTransaction, root: &Root) -> Result<Vec<PathBuf>, redb::Error> {
    let roots = transaction.open_table(PARTIAL_ROOTS)?;
    let found = under(&roots, root.as_bytes(), None, usize::MAX)?;
    Ok(found.iter().map(|bytes| rows::path(bytes)).collect())
}

pub(super) fn after(
    transaction: &ReadTransaction,
    after: Option<&Path>,
    most: usize,
) -> Result<Vec<(PathBuf, Partial)>, redb::Error> {
    let partials = transaction.open_table(PARTIALS)?;
    let mut found = Vec::new();
    for key in under(&partials, b"", after.map(rows::path_bytes), most)? {
        let row = partials.get(&key[..])?;
        let partial = row.and_then(|row| Partial::decode(row.value()));
        found.extend(partial.map(|partial| (rows::path(&key), partial)));
    }
    Ok(found)
}

pub(super) fn end(tables: &mut Open<'_>, destination: &Path) -> Result<bool, redb::Error> {
    let key = rows::path_bytes(destination);
    let Some(row) = tables.partials.remove(key)?.map(|row| row.value().to_vec()) else {
        return Ok(false);
    };
    if let Some(partial) = Partial::decode(&row) {
        let way_back = [&partial.root.as_bytes()[..], key].concat();
        tables.partial_roots.remove(&way_back[..])?;
    }
    Ok(true)
}
