//! Bytes moved under tokens, and what of them was counted for uploads that are under way.

use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::rows;
use super::tables::{Ends, Open};
use super::{COUNTERS_MAX, Counted, Paid, Payment};
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

fn payment_key(payment: &Payment) -> Vec<u8> {
    let token = payment.token.as_str().as_bytes();
    [
        &rows::ended(&payment.owner)[..],
        &rows::ended(&payment.upload),
        token,
    ]
    .concat()
}

pub(super) fn pay(
    tables: &mut Open<'_>,
    payment: &Payment,
    ahead: u64,
    limit: u64,
    expires_ms: u64,
    now_ms: u64,
) -> Result<Result<Paid, Counted>, redb::Error> {
    let key = payment_key(payment);
    let row = tables.payments.get(&key[..])?.map(|row| row.value());
    let before = row.map_or(0, |(bytes, _)| bytes);
    let owed = payment.bytes.saturating_sub(before);
    let from_ahead = owed.min(ahead);
    if owed > from_ahead {
        let more = owed - from_ahead;
        let counted = count(tables, &payment.token, more, limit, expires_ms, now_ms)?;
        if !matches!(counted, Counted::Left(_)) {
            return Ok(Err(counted));
        }
    }
    let until = payment.until_ms;
    let bytes = before.max(payment.bytes);
    tables.payments.insert(&key[..], (bytes, until))?;
    tables.ends(
        Ends::Payment,
        &key,
        row.map(|(_, until)| until),
        Some(until),
    )?;
    Ok(Ok(Paid { before, from_ahead }))
}

pub(super) fn paid(
    tables: &mut Open<'_>,
    payment: &Payment,
    goes_on: bool,
) -> Result<(), redb::Error> {
    let key = payment_key(payment);
    let Some((bytes, until)) = tables.payments.get(&key[..])?.map(|row| row.value()) else {
        return Ok(());
    };
    let left = bytes.saturating_sub(payment.bytes);
    if left > 0 {
        give_back(tables, &payment.token, left)?;
    }
    if goes_on && bytes > left {
        tables.payments.insert(&key[..], (bytes - left, until))?;
        return Ok(());
    }
    tables.payments.remove(&key[..])?;
    tables.ends(Ends::Payment, &key, Some(until), None)
}
