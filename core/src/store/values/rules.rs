//! Which of two values under one key stays. Budgets are not looked at here.

use super::record::Record;
use super::{Brought, ValueLimits};
use crate::proto::dht::value::{Entry, Kind, Reason, newer};

/// What is to be done with a value that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Refuse(Reason, String),
    /// It is the one that is here, and says nothing new.
    Had,
    /// It is the one that is here: only this changes.
    Refresh(Record),
    /// The content changes, too.
    Keep(Record),
}

/// Judges a value by what is here under its key.
pub(super) fn judge(
    held: Option<&Record>,
    entry: &Entry,
    brought: &Brought,
    limits: &ValueLimits,
    now_ms: u64,
) -> Verdict {
    if entry.size > limits.max_item {
        return Verdict::Refuse(
            Reason::TooLarge,
            format!(
                "the value has {} bytes, this node takes {} (max_item_size)",
                entry.size, limits.max_item
            ),
        );
    }
    if entry.is_expired(now_ms) {
        return Verdict::Refuse(Reason::Invalid, "the value has expired".to_owned());
    }
    // What has expired is not here: it only waits to be removed.
    let held = held.filter(|held| !held.entry.is_expired(now_ms));
    let new = Record {
        entry: entry.clone(),
        stored_ms: now_ms,
        cached: brought.cached,
        several: false,
        group: brought.group,
    };
    if let Some(held) = held
        && same(&held.entry, entry)
    {
        return again(held, new);
    }
    match (held, entry.kind) {
        (_, Kind::Signed) => signed(held, new, brought),
        (None, _) => Verdict::Keep(new),
        // Proof counts more than having been first.
        (Some(held), Kind::Plain) if held.entry.kind == Kind::Raw => Verdict::Keep(new),
        (Some(held), Kind::Raw) if held.entry.kind == Kind::Raw => {
            let publisher = held.entry.publisher;
            if entry.publisher == publisher && brought.by == publisher {
                Verdict::Keep(new)
            } else if entry.publisher == publisher {
                conflict(format!(
                    "the key has another value of {publisher}, who replaces it over a session of its own with this node, not through others"
                ))
            } else {
                conflict(format!(
                    "the key has another value of {publisher}, who alone may replace it until it expires"
                ))
            }
        }
        (Some(_), _) => conflict("the key has a value that is proved".to_owned()),
    }
}

/// Whether two entries of one key are about the same value.
fn same(held: &Entry, new: &Entry) -> bool {
    held.kind == new.kind
        && held.root == new.root
        && held.size == new.size
        && held.sequence == new.sequence
        && held.is_deleted() == new.is_deleted()
}

fn again(held: &Record, new: Record) -> Verdict {
    let later = new.entry.expires_ms > held.entry.expires_ms;
    let needed = held.cached && !new.cached;
    // A copy is nobody's, so whoever stores it is the first.
    let one_more =
        !held.cached && !new.cached && !held.several && held.entry.publisher != new.entry.publisher;
    if !later && !needed && !one_more {
        return Verdict::Had;
    }
    let mut refreshed = if needed { new.clone() } else { held.clone() };
    refreshed.stored_ms = held.stored_ms;
    let newest = if later { &new.entry } else { &held.entry };
    if held.entry.kind == Kind::Signed {
        // The proof covers the expiry.
        refreshed.entry = newest.clone();
    } else {
        refreshed.several |= one_more;
        refreshed.entry.expires_ms = newest.expires_ms;
    }
    Verdict::Refresh(refreshed)
}

fn signed(held: Option<&Record>, new: Record, brought: &Brought) -> Verdict {
    let held = held.filter(|held| held.entry.kind == Kind::Signed);
    let here = held.map_or(0, |held| held.entry.sequence);
    if let Some(wanted) = brought.if_sequence
        && wanted != here
    {
        return conflict(format!(
            "it has sequence {here}, and {wanted} was to be replaced"
        ));
    }
    if held.is_none_or(|held| newer(&new.entry, &held.entry)) {
        Verdict::Keep(new)
    } else {
        conflict(format!(
            "it has sequence {here}, this one has {}",
            new.entry.sequence
        ))
    }
}

fn conflict(text: String) -> Verdict {
    Verdict::Refuse(Reason::Conflict, text)
}
