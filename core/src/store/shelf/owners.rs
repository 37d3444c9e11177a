//! Whose files are, how they are tagged, and what they take of their owners' quotas.
//!
//! An account always is the sum of its rows: `used` of what the files are charged, `reserved` of the reservations. So every change of a row
//! goes through [`change_account`] in the same transaction.

use redb::{ReadTransaction, ReadableTable};

use super::rows::{self, ended};
use super::tables::{
    Bytes, Ends, FILE_NAMES, FILE_OWNERS, FILE_TAGS, FILES, OWNERS, Open, TAGS, roots_under, under,
};
use super::{Account, FILES_MAX, NewFile, Owned, QuotaError, ShelfLimits, UPLOADS_MAX};
use crate::proto::transfer::label::{Label, TAGS_MAX};
use crate::proto::transfer::root::Root;

/// Expired reservations that are returned at once, before another is made.
const SWEEP: usize = 64;

// Accounts.

fn account(
    owners: &impl ReadableTable<Bytes<'static>, Bytes<'static>>,
    owner: &[u8],
) -> Result<Account, redb::Error> {
    let row = owners.get(owner)?;
    Ok(row
        .and_then(|row| Account::decode(row.value()))
        .unwrap_or_default())
}

fn change_account(
    tables: &mut Open<'_>,
    owner: &[u8],
    change: impl FnOnce(&mut Account),
) -> Result<(), redb::Error> {
    let mut account = account(&tables.owners, owner)?;
    change(&mut account);
    if account == Account::default() {
        tables.owners.remove(owner)?;
    } else {
        tables.owners.insert(owner, &account.encode()[..])?;
    }
    Ok(())
}

pub(super) fn set_limit(
    tables: &mut Open<'_>,
    owner: &Label,
    limit: Option<u64>,
) -> Result<(), redb::Error> {
    change_account(tables, owner.as_str().as_bytes(), |account| {
        account.limit = limit
    })
}

pub(super) fn account_of(
    transaction: &ReadTransaction,
    owner: &Label,
) -> Result<Account, redb::Error> {
    account(&transaction.open_table(OWNERS)?, owner.as_str().as_bytes())
}

pub(super) fn owners(
    transaction: &ReadTransaction,
    after: Option<&Label>,
    most: usize,
) -> Result<Vec<(Label, Account)>, redb::Error> {
    let owners = transaction.open_table(OWNERS)?;
    let mut found = Vec::new();
    for key in under(
        &owners,
        b"",
        after.map(|label| label.as_str().as_bytes()),
        most,
    )? {
        if let Some(label) = rows::label(&key) {
            found.push((label, account(&owners, &key)?));
        }
    }
    Ok(found)
}

// Reservations.

/// Whether an owner has room for so many bytes beside what he has.
fn fits(
    limits: &ShelfLimits,
    owner: &Label,
    account: &Account,
    wanted: u64,
) -> Result<(), QuotaError> {
    let Some(limit) = account.limit.or(limits.quota()) else {
        return Ok(());
    };
    let sum = [account.reserved, wanted]
        .iter()
        .try_fold(account.used, |sum, more| sum.checked_add(*more));
    if sum.is_some_and(|sum| sum <= limit) {
        return Ok(());
    }
    Err(QuotaError::Bytes {
        owner: owner.clone(),
        limit,
        used: account.used,
        reserved: account.reserved,
        wanted,
    })
}

/// The account without one upload.
fn without(account: &Account, reserved: Option<(u64, u64)>) -> Account {
    match reserved {
        None => *account,
        Some((bytes, _)) => Account {
            reserved: account.reserved.saturating_sub(bytes),
            uploads: account.uploads.saturating_sub(1),
            ..*account
        },
    }
}

pub(super) fn reserve(
    tables: &mut Open<'_>,
    limits: &ShelfLimits,
    owner: &Label,
    upload: &Label,
    bytes: u64,
    expires_ms: u64,
    now_ms: u64,
) -> Result<Result<(), QuotaError>, redb::Error> {
    let key = [&ended(owner)[..], upload.as_str().as_bytes()].concat();
    loop {
        let swept = tables.expire(now_ms, SWEEP)?;
        let before = tables.reservations.get(&key[..])?.map(|row| row.value());
        let others = without(&account(&tables.owners, owner.as_str().as_bytes())?, before);
        let room = fits(limits, owner, &others, bytes);
        let refused = match room {
            _ if others.uploads >= UPLOADS_MAX => QuotaError::Uploads(owner.clone()),
            // A sum that cannot be counted is refused, whatever the limit.
            Ok(()) if others.reserved.checked_add(bytes).is_none() => QuotaError::Bytes {
                owner: owner.clone(),
                limit: u64::MAX,
                used: others.used,
                reserved: others.reserved,
                wanted: bytes,
            },
            Ok(()) => {
                tables.reservations.insert(&key[..], (bytes, expires_ms))?;
                let until = before.map(|(_, until)| until);
                tables.ends(Ends::Reservation, &key, until, Some(expires_ms))?;
                change_account(tables, owner.as_str().as_bytes(), |account| {
                    *account = others;
                    account.reserved += bytes;
                    account.uploads += 1;
                })?;
                return Ok(Ok(()));
            }
            Err(refused) => refused,
        };
        if swept < SWEEP {
            return Ok(Err(refused));
        }
    }
}

/// Gives back what is reserved under the key of a reservation, which has no end any more.
pub(super) fn return_reserved(tables: &mut Open<'_>, key: &[u8]) -> Result<bool, redb::Error> {
    let Some(reserved) = tables.reservations.remove(key)?.map(|row| row.value()) else {
        return Ok(false);
    };
    let owner = key.split(|byte| *byte == 0).next().unwrap_or_default();
    change_account(tables, owner, |account| {
        *account = without(account, Some(reserved))
    })?;
    Ok(true)
}

pub(super) fn release(
    tables: &mut Open<'_>,
    owner: &Label,
    upload: &Label,
) -> Result<bool, redb::Error> {
    let key = [&ended(owner)[..], upload.as_str().as_bytes()].concat();
    let reserved = tables.reservations.get(&key[..])?.map(|row| row.value());
    if let Some((_, until)) = reserved {
        tables.ends(Ends::Reservation, &key, Some(until), None)?;
    }
    return_reserved(tables, &key)
}

// Files.

pub(super) fn own(
    tables: &mut Open<'_>,
    limits: &ShelfLimits,
    upload: Option<&Label>,
    file: &NewFile,
    now_ms: u64,
) -> Result<Result<(), QuotaError>, redb::Error> {
    let NewFile {
        owner,
        root,
        name,
        tags,
        charged,
        guarded,
    } = file;
    let (prefix, key) = (ended(owner), file_key(owner, root));
    let before = tables
        .files
        .get(&key[..])?
        .and_then(|row| Owned::decode(row.value()));
    let mut all_tags = tags_under(&tables.file_tags, &key)?;
    all_tags.extend(tags.iter().cloned());
    all_tags.sort_unstable();
    all_tags.dedup();
    if all_tags.len() > TAGS_MAX {
        return Ok(Err(QuotaError::Tags(all_tags.len())));
    }

    let reservation = upload.map(|upload| [&prefix[..], upload.as_str().as_bytes()].concat());
    let reserved = match &reservation {
        Some(key) => tables.reservations.get(&key[..])?.map(|row| row.value()),
        None => None,
    };
    let account = account(&tables.owners, owner.as_str().as_bytes())?;
    let mut others = without(&account, reserved);
    let charged_before = before.as_ref().map_or(0, |before| before.charged);
    others.used = others.used.saturating_sub(charged_before);
    // What was reserved, or was his, is his, also when his limit is lower by now.
    let granted = reserved.map_or(0, |(bytes, _)| bytes).max(charged_before);
    if *charged > granted
        && let Err(refused) = fits(limits, owner, &others, *charged)
    {
        return Ok(Err(refused));
    }
    if before.is_none() && others.files >= FILES_MAX {
        return Ok(Err(QuotaError::Files(owner.clone())));
    }
    let Some(used) = others.used.checked_add(*charged) else {
        return Ok(Err(QuotaError::Bytes {
            owner: owner.clone(),
            limit: u64::MAX,
            used: others.used,
            reserved: others.reserved,
            wanted: *charged,
        }));
    };

    if let (Some(key), Some((_, until))) = (&reservation, reserved) {
        tables.ends(Ends::Reservation, key, Some(until), None)?;
        tables.reservations.remove(&key[..])?;
    }
    if let Some(before) = &before {
        tables
            .file_names
            .remove(&name_key(owner, &before.name, root)[..])?;
    }
    let owned = Owned {
        name: name.clone(),
        charged: *charged,
        added_ms: before.as_ref().map_or(now_ms, |before| before.added_ms),
        guarded: *guarded,
    };
    tables.files.insert(&key[..], &owned.encode()[..])?;
    tables.file_owners.insert(&owner_key(root, owner)[..], ())?;
    tables
        .file_names
        .insert(&name_key(owner, name, root)[..], ())?;
    for tag in tags {
        insert_tag(tables, owner, root, tag)?;
    }
    change_account(tables, owner.as_str().as_bytes(), |account| {
        *account = Account {
            used,
            files: others.files + u64::from(before.is_none()),
            ..others
        };
    })?;
    Ok(Ok(()))
}

pub(super) fn disown(
    tables: &mut Open<'_>,
    owner: &Label,
    root: &Root,
) -> Result<bool, redb::Error> {
    let key = file_key(owner, root);
    let Some(row) = tables
        .files
        .remove(&key[..])?
        .map(|row| row.value().to_vec())
    else {
        return Ok(false);
    };
    tables.file_owners.remove(&owner_key(root, owner)[..])?;
    for tag in tags_under(&tables.file_tags, &key)? {
        untag(tables, owner, root, &tag)?;
    }
    if let Some(owned) = Owned::decode(&row) {
        tables
            .file_names
            .remove(&name_key(owner, &owned.name, root)[..])?;
        change_account(tables, owner.as_str().as_bytes(), |account| {
            account.used = account.used.saturating_sub(owned.charged);
            account.files = account.files.saturating_sub(1);
        })?;
    }
    Ok(true)
}

pub(super) fn tag(
    tables: &mut Open<'_>,
    owner: &Label,
    root: &Root,
    tag: &Label,
) -> Result<Result<bool, QuotaError>, redb::Error> {
    let key = file_key(owner, root);
    if tables.files.get(&key[..])?.is_none() {
        return Ok(Ok(false));
    }
    let tags = tags_under(&tables.file_tags, &key)?;
    if tags.len() >= TAGS_MAX && !tags.contains(tag) {
        return Ok(Err(QuotaError::Tags(tags.len() + 1)));
    }
    insert_tag(tables, owner, root, tag)?;
    Ok(Ok(true))
}

fn insert_tag(
    tables: &mut Open<'_>,
    owner: &Label,
    root: &Root,
    tag: &Label,
) -> Result<(), redb::Error> {
    let way_back = [&file_key(owner, root)[..], tag.as_str().as_bytes()].concat();
    tables.tags.insert(&name_key(owner, tag, root)[..], ())?;
    tables.file_tags.insert(&way_back[..], ())?;
    Ok(())
}

pub(super) fn untag(
    tables: &mut Open<'_>,
    owner: &Label,
    root: &Root,
    tag: &Label,
) -> Result<bool, redb::Error> {
    let way_back = [&file_key(owner, root)[..], tag.as_str().as_bytes()].concat();
    tables.file_tags.remove(&way_back[..])?;
    let had = tables.tags.remove(&name_key(owner, tag, root)[..])?;
    Ok(had.is_some())
}

pub(super) fn file(
    transaction: &ReadTransaction,
    owner: &Label,
    root: &Root,
) -> Result<Option<Owned>, redb::Error> {
    let files = transaction.open_table(FILES)?;
    let row = files.get(&file_key(owner, root)[..])?;
    Ok(row.and_then(|row| Owned::decode(row.value())))
}

pub(super) fn owners_of(
    transaction: &ReadTransaction,
    root: &Root,
) -> Result<Vec<(Label, Owned)>, redb::Error> {
    let (files, owners) = (
        transaction.open_table(FILES)?,
        transaction.open_table(FILE_OWNERS)?,
    );
    let mut found = Vec::new();
    for owner in under(&owners, root.as_bytes(), None, usize::MAX)? {
        let Some(owner) = rows::label(&owner) else {
            continue;
        };
        let row = files.get(&file_key(&owner, root)[..])?;
        let owned = row.and_then(|row| Owned::decode(row.value()));
        found.extend(owned.map(|owned| (owner, owned)));
    }
    Ok(found)
}

pub(super) fn files(
    transaction: &ReadTransaction,
    owner: &Label,
    after: Option<&Root>,
    most: usize,
) -> Result<Vec<(Root, Owned)>, redb::Error> {
    let files = transaction.open_table(FILES)?;
    let mut found = Vec::new();
    for root in roots_under(&files, &ended(owner), after, most)? {
        let row = files.get(&file_key(owner, &root)[..])?;
        let owned = row.and_then(|row| Owned::decode(row.value()));
        found.extend(owned.map(|owned| (root, owned)));
    }
    Ok(found)
}

pub(super) fn by_tag(
    transaction: &ReadTransaction,
    owner: &Label,
    tag: &Label,
    after: Option<&Root>,
    most: usize,
) -> Result<Vec<Root>, redb::Error> {
    let prefix = [ended(owner), ended(tag)].concat();
    roots_under(&transaction.open_table(TAGS)?, &prefix, after, most)
}

pub(super) fn by_name(
    transaction: &ReadTransaction,
    owner: &Label,
    name: &Label,
    after: Option<&Root>,
    most: usize,
) -> Result<Vec<Root>, redb::Error> {
    let prefix = [ended(owner), ended(name)].concat();
    roots_under(&transaction.open_table(FILE_NAMES)?, &prefix, after, most)
}

pub(super) fn tags(
    transaction: &ReadTransaction,
    owner: &Label,
    after: Option<&Label>,
    most: usize,
) -> Result<Vec<Label>, redb::Error> {
    let table = transaction.open_table(TAGS)?;
    let prefix = ended(owner);
    let mut found = Vec::new();
    // Behind all of a tag's files: nothing of the next tag is below what ends this one by 1 in place of 0.
    let past = |tag: &Label| [tag.as_str().as_bytes(), &[1]].concat();
    let mut from = after.map(past);
    while found.len() < most {
        let next = under(&table, &prefix, from.as_deref(), 1)?;
        let tag = next
            .first()
            .and_then(|rest| rest.split(|byte| *byte == 0).next());
        let Some(tag) = tag.and_then(rows::label) else {
            break;
        };
        from = Some(past(&tag));
        found.push(tag);
    }
    Ok(found)
}

pub(super) fn tags_of(
    transaction: &ReadTransaction,
    owner: &Label,
    root: &Root,
) -> Result<Vec<Label>, redb::Error> {
    tags_under(&transaction.open_table(FILE_TAGS)?, &file_key(owner, root))
}

fn tags_under(
    table: &impl ReadableTable<Bytes<'static>, ()>,
    file: &[u8],
) -> Result<Vec<Label>, redb::Error> {
    let found = under(table, file, None, usize::MAX)?;
    Ok(found.iter().filter_map(|rest| rows::label(rest)).collect())
}

fn file_key(owner: &Label, root: &Root) -> Vec<u8> {
    [&ended(owner)[..], root.as_bytes()].concat()
}

/// Of a name or a tag.
fn name_key(owner: &Label, name: &Label, root: &Root) -> Vec<u8> {
    [&ended(owner)[..], &ended(name), root.as_bytes()].concat()
}

fn owner_key(root: &Root, owner: &Label) -> Vec<u8> {
    [&root.as_bytes()[..], owner.as_str().as_bytes()].concat()
}
