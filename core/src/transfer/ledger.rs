//! Bytes that move under tokens with a limit: counted before they move, also over restarts.
//!
//! The count on the disk is [`Shelf::count`]'s. So that a fetch does not wait for the disk at each piece, some are counted ahead and kept
//! here; what is left of them when nobody moves anything under the token any more is given back. So the count is exact whenever
//! the token is idle; a process that is killed has counted up to [`AHEAD`] too many.
//!
//! An upload is counted as a whole before it begins. What was counted for it is written down with it, so that going on costs nothing again, also after
//! the process was killed; of one that breaks off, only what came stays counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sharing::{Refusal, told};
use crate::error::Code;
use crate::net::clock;
use crate::proto::transfer::label::Label;
use crate::proto::transfer::token::Claims;
use crate::store::shelf::{Counted, Payment, Shelf};

/// So many bytes are counted before they are needed.
const AHEAD: u64 = 8 << 20;

/// See the module.
pub(super) struct Ledger {
    shelf: Shelf,
    open: Mutex<HashMap<Label, Account>>,
}

/// A token under which something moves.
struct Account {
    /// How many do it.
    users: usize,
    ahead: Ahead,
}

/// Bytes that are counted and did not move yet. The lock is held while more are counted.
type Ahead = Arc<tokio::sync::Mutex<u64>>;

impl Ledger {
    pub(super) fn new(shelf: Shelf) -> Arc<Self> {
        Arc::new(Self {
            shelf,
            open: Mutex::default(),
        })
    }

    /// Something is to move under a token, if that has a limit.
    pub(super) fn counter(self: &Arc<Self>, claims: &Claims) -> Option<Counter> {
        let limit = claims.bytes?;
        let mut open = self.open();
        let account = open.entry(claims.id.clone()).or_insert_with(|| Account {
            users: 0,
            ahead: Ahead::default(),
        });
        account.users += 1;
        Some(Counter {
            ahead: Arc::clone(&account.ahead),
            ledger: Arc::clone(self),
            token: claims.id.clone(),
            limit,
            // It holds until this second is over.
            expires_ms: claims.expires.saturating_add(1).saturating_mul(1000),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Label, Account>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what moves under one token.
pub(super) struct Counter {
    ledger: Arc<Ledger>,
    token: Label,
    limit: u64,
    expires_ms: u64,
    ahead: Ahead,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counter({} of {} bytes)", self.token, self.limit)
    }
}

impl Counter {
    /// Counts bytes that are about to move: all of them or none.
    pub(super) async fn spend(&self, bytes: u64) -> Result<(), Refusal> {
        let mut ahead = self.ahead.lock().await;
        if let Some(need) = bytes.checked_sub(*ahead).filter(|need| *need > 0) {
            *ahead += self.count(need, need.saturating_add(AHEAD), *ahead).await?;
        }
        *ahead -= bytes;
        Ok(())
    }

    /// Counts the bytes of an upload: all of them or none, and none twice. How many were counted before.
    pub(super) async fn pay(&self, payment: Payment) -> Result<u64, Refusal> {
        let mut ahead = self.ahead.lock().await;
        let (limit, expires_ms) = (self.limit, self.expires_ms);
        let paid = told(|done| {
            let shelf = &self.ledger.shelf;
            shelf.pay(payment, *ahead, limit, expires_ms, clock::now_ms(), done);
        });
        match paid.await {
            Ok(Ok(paid)) => {
                *ahead -= paid.from_ahead;
                Ok(paid.before)
            }
            Ok(Err(counted)) => Err(Self::refused(counted, *ahead)),
            Err(error) => Err(Refusal::new(Code::Busy, error.to_string())),
        }
    }

    /// So many bytes of an upload have moved. The others are given back, and are counted when it `goes_on`.
    pub(super) async fn paid(&self, payment: Payment, goes_on: bool) {
        let paid = told(|done| self.ledger.shelf.paid(payment, goes_on, done)).await;
        if let Err(error) = paid {
            tracing::debug!(%error, "bytes of a token stay counted that did not move");
        }
    }

    /// Counts so many, or what is left if that is enough.
    async fn count(&self, need: u64, mut wanted: u64, ahead: u64) -> Result<u64, Refusal> {
        loop {
            let counted = told(|done| {
                let (token, now_ms) = (self.token.clone(), clock::now_ms());
                let (limit, expires_ms) = (self.limit, self.expires_ms);
                self.ledger
                    .shelf
                    .count(token, wanted, limit, expires_ms, now_ms, done);
            });
            return match counted.await {
                Ok(Counted::Left(left)) => {
                    tracing::trace!(token = %self.token, left, "bytes of a token are counted");
                    Ok(wanted)
                }
                Ok(Counted::Over { used, limit })
                    if limit.saturating_sub(used) >= need
                        && limit.saturating_sub(used) < wanted =>
                {
                    wanted = limit.saturating_sub(used);
                    continue;
                }
                Ok(counted) => Err(Self::refused(counted, ahead)),
                Err(error) => Err(Refusal::new(Code::Busy, error.to_string())),
            };
        }
    }

    fn refused(counted: Counted, ahead: u64) -> Refusal {
        Refusal::refused(match counted {
            Counted::Over { used, limit } => {
                let moved = used.saturating_sub(ahead);
                format!("the token is for {limit} bytes, and {moved} were moved already")
            }
            Counted::Full | Counted::Left(_) => "too many tokens are in use here".to_owned(),
        })
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Under the lock to the end: whoever comes next counts after what is given back here.
        let mut open = self.ledger.open();
        let Some(account) = open.get_mut(&self.token) else {
            return;
        };
        account.users -= 1;
        if account.users > 0 {
            return;
        }
        open.remove(&self.token);
        // Nobody else has it.
        let left = self.ahead.try_lock().map_or(0, |ahead| *ahead);
        if left > 0 {
            let token = self.token.clone();
            self.ledger.shelf.give_back(token, left, |given| {
                if let Err(error) = given {
                    tracing::debug!(%error, "bytes of a token stay counted that did not move");
                }
            });
        }
    }
}
