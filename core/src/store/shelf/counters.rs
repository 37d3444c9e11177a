//! Bytes moved under tokens.

use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::tables::{Ends, Open};
use super::{COUNTERS_MAX, Counted};
use crate::proto::transfer::label::Label;

/// What has ended goes first, so much of it, when there is no room for another.
const SWEEP: usize = 64;

pub(super) fn count(
    tables: &mut Open<'_>,
    token: &Label,
    bytes: u64,
    limit: u64,
    expires_ms: u64,
    now_ms: u64,
) -> Result<Counted, redb::Error> {
    let key = token.as_str().as_bytes();
    let before = tables.counters.get(key)?.map(|row| row.value());
    let (used, until) = before.unwrap_or_default();
    let sum = used.checked_add(bytes).filter(|sum| *sum <= limit);
    let Some(sum) = sum else {
        return Ok(Counted::Over { used, limit });
    };
    if before.is_none() && tables.counters.len()? >= COUNTERS_MAX {
        tables.expire(now_ms, SWEEP)?;
        if tables.counters.len()? >= COUNTERS_MAX {
            return Ok(Counted::Full);
        }
    }
    let expires_ms = expires_ms.max(until);
    tables.counters.insert(key, (sum, expires_ms))?;
    tables.ends(Ends::Counter, key, before.map(|_| until), Some(expires_ms))?;
    Ok(Counted::Left(limit - sum))
}

pub(super) fn give_back(
    tables: &mut Open<'_>,
    token: &Label,
    bytes: u64,
) -> Result<(), redb::Error> {
    let key = token.as_str().as_bytes();
    let Some((used, until)) = tables.counters.get(key)?.map(|row| row.value()) else {
        return Ok(());
    };
    let row = (used.saturating_sub(bytes), until);
    tables.counters.insert(key, row)?;
    Ok(())
}
