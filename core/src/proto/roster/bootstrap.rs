//! Addresses at which the network may be met, of whoever answers there.

use std::time::Duration;

use super::{Address, BOOTSTRAP_MAX, backoff};
use crate::identity::PeerId;
use crate::proto::Now;
use crate::rng::Rng;

/// Of the failures in a row, which are told: at the longest wait that is about once an hour.
const TOLD_EVERY: u32 = 64;

#[derive(Debug)]
struct Bootstrap {
    address: Address,
    next: Now,
    dialling: bool,
    failures: u32,
    /// Who answered there last.
    peer: Option<PeerId>,
}

/// The configured addresses, none of which is ever given up: except one's own.
#[derive(Debug, Default)]
pub(super) struct Bootstraps(Vec<Bootstrap>);

impl Bootstraps {
    /// False if there is no room.
    pub(super) fn add(&mut self, address: Address, now: Now) -> bool {
        if self.0.iter().any(|b| b.address == address) {
            return true;
        }
        if self.0.len() >= BOOTSTRAP_MAX {
            return false;
        }
        self.0.push(Bootstrap {
            address,
            next: now,
            dialling: false,
            failures: 0,
            peer: None,
        });
        true
    }

    /// Which to dial next, and when; none whose peer is spared.
    pub(super) fn next(&self, spared: impl Fn(&PeerId) -> bool) -> Option<(Now, usize)> {
        let free = |b: &Bootstrap| !b.dialling && !b.peer.as_ref().is_some_and(&spared);
        self.0
            .iter()
            .enumerate()
            .filter(|(_, b)| free(b))
            .map(|(index, b)| (b.next, index))
            .min()
    }

    /// Marks one as being dialled.
    pub(super) fn dial(&mut self, index: usize) -> Address {
        self.0[index].dialling = true;
        self.0[index].address.clone()
    }

    /// Somebody answered. Should no session come of it, it is dialled again at `next`.
    pub(super) fn reached(&mut self, address: &Address, peer: PeerId, own: bool, next: Now) {
        if own {
            self.0.retain(|b| b.address != *address);
        } else if let Some(b) = self.find(address) {
            (b.dialling, b.failures, b.peer, b.next) = (false, 0, Some(peer), next);
        }
    }

    /// It is dialled again later. If that is worth telling: how many dials failed in a row, and how much later.
    pub(super) fn failed(
        &mut self,
        address: &Address,
        now: Now,
        rng: &mut Rng,
    ) -> Option<(u32, Duration)> {
        let b = self.find(address)?;
        b.dialling = false;
        b.failures = b.failures.saturating_add(1);
        let wait = backoff(b.failures, rng);
        b.next = now + wait;
        (b.failures % TOLD_EVERY == 1).then_some((b.failures, wait))
    }

    /// Not before then: whoever answered there is gone, or does not want a session now.
    pub(super) fn postpone(&mut self, peer: &PeerId, until: Now) {
        for b in self.0.iter_mut().filter(|b| b.peer == Some(*peer)) {
            b.next = b.next.max(until);
        }
    }

    /// Its dial is given up, and has neither failed nor succeeded.
    pub(super) fn give_up(&mut self, address: &Address) {
        if let Some(b) = self.find(address) {
            b.dialling = false;
        }
    }

    /// All are due at once.
    pub(super) fn begin_anew(&mut self, now: Now) {
        for b in &mut self.0 {
            (b.failures, b.next) = (0, now);
        }
    }

    fn find(&mut self, address: &Address) -> Option<&mut Bootstrap> {
        self.0.iter_mut().find(|b| b.address == *address)
    }
}
