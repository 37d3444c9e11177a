//! Who signs: the RSA key of a satellite, and the Ed25519 key it vouches for a day at a time.
//!
//! RSA signs a few thousand times a second, Ed25519 sixty thousand: so under the policy `Every` batches are signed by the
//! delegated key, and the [`wire::Delegation`] goes along once per session and with every broadcast. What is signed is
//! built in [`signed`](super::signed); nothing here knows what it signs.
//!
//! A delegation is judged at the time of what it signed. So a stolen key that has expired can still sign things dated
//! back into its day: who keeps packets as proof should note when they came.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use zeroize::Zeroizing;

use super::{SKEW_MS, signed, wire};
use crate::identity::{Identity, PublicKey};

pub(crate) use super::signed::{
    auth_message, batch_message, membership_holds, membership_proof, session_id,
};

/// How long a delegated key may speak, in ms.
pub(crate) const DELEGATION_MS: u64 = 24 * 60 * 60 * 1000;
/// A delegated key is replaced when it has less than this left, in ms.
const RENEW_MS: u64 = 60 * 60 * 1000;

/// A short-lived Ed25519 key and the RSA key's word for it.
pub(crate) struct DelegatedKey {
    key: Ed25519KeyPair,
    delegation: wire::Delegation,
}

impl DelegatedKey {
    /// The key of `seed`, valid for 24 h of which the allowed clock difference lies before `now_ms`.
    pub(crate) fn new(identity: &Identity, seed: [u8; 32], now_ms: u64) -> Self {
        let seed = Zeroizing::new(seed);
        let key = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("any 32 bytes are a seed");
        let mut public = [0; 32];
        public.copy_from_slice(key.public_key().as_ref());
        let not_before = now_ms.saturating_sub(SKEW_MS);
        let not_after = not_before.saturating_add(DELEGATION_MS);
        let signature = identity.sign(&signed::delegation_message(&public, not_before, not_after));
        Self {
            key,
            delegation: wire::Delegation {
                key: public.to_vec().into(),
                not_before,
                not_after,
                signature: signature.into(),
            },
        }
    }

    /// The RSA key's word.
    pub(crate) fn delegation(&self) -> &wire::Delegation {
        &self.delegation
    }

    /// Whether another one is due: this one ends soon, or the clock was set back before its start.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        let wire::Delegation {
            not_before,
            not_after,
            ..
        } = self.delegation;
        now_ms < not_before || now_ms.saturating_add(RENEW_MS) > not_after
    }

    /// Signs `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.key.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for DelegatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegatedKey")
            .field("not_after", &self.delegation.not_after)
            .finish_non_exhaustive()
    }
}

/// Why a delegation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DelegationError {
    #[error("the delegated key is no Ed25519 key")]
    Key,
    #[error("the delegation is for longer than a day, or ends before it starts")]
    Life,
    #[error("the delegation was not valid at that time")]
    Time,
    #[error("the delegation is not signed by its source")]
    Signature,
}

/// A delegated key of somebody else, found good. Cheap to clone.
#[derive(Clone)]
pub(crate) struct VerifiedDelegation {
    key: Arc<ParsedPublicKey>,
    not_before: u64,
    not_after: u64,
}

impl VerifiedDelegation {
    /// Whether the key may have signed something made at `at_ms`, given two clocks that differ a little.
    pub(crate) fn covers(&self, at_ms: u64) -> bool {
        self.not_before <= at_ms.saturating_add(SKEW_MS)
            && at_ms <= self.not_after.saturating_add(SKEW_MS)
    }

    /// Whether the key signed `message`. Ask [`covers`](Self::covers) too: a check made once does not last.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifiedDelegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedDelegation")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Checks that `root` vouches for the key of `delegation`, and did at `at_ms`.
pub(crate) fn check_delegation(
    delegation: &wire::Delegation,
    root: &PublicKey,
    at_ms: u64,
) -> Result<VerifiedDelegation, DelegationError> {
    let wire::Delegation {
        not_before,
        not_after,
        ..
    } = *delegation;
    let key = <&[u8; 32]>::try_from(&*delegation.key).map_err(|_| DelegationError::Key)?;
    match not_after.checked_sub(not_before) {
        Some(life) if life <= DELEGATION_MS => {}
        _ => return Err(DelegationError::Life),
    }
    // Before RSA, so that what has expired costs nothing.
    let verified = VerifiedDelegation {
        key: Arc::new(ParsedPublicKey::new(&ED25519, key).map_err(|_| DelegationError::Key)?),
        not_before,
        not_after,
    };
    if !verified.covers(at_ms) {
        return Err(DelegationError::Time);
    }
    if !root.verify(
        &signed::delegation_message(key, not_before, not_after),
        &delegation.signature,
    ) {
        return Err(DelegationError::Signature);
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, identities};
    use super::*;

    const HOUR: u64 = 60 * 60 * 1000;

    #[test]
    fn a_delegation_holds_for_its_day_and_the_skew() {
        let [a, _] = identities();
        let key = DelegatedKey::new(a, [1; 32], NOW);
        let check = |at| check_delegation(key.delegation(), a.public_key(), at).map(drop);
        let (start, end) = (NOW - SKEW_MS, NOW - SKEW_MS + 24 * HOUR);
        for good in [NOW, start - SKEW_MS, start, end, end + SKEW_MS] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [0, start - SKEW_MS - 1, end + SKEW_MS + 1, u64::MAX] {
            assert_eq!(check(bad), Err(DelegationError::Time), "{bad}");
        }
    }

    #[test]
    fn only_the_vouched_key_signs() {
        let [a, b] = identities();
        let (ours, other) = (
            DelegatedKey::new(a, [1; 32], NOW),
            DelegatedKey::new(a, [2; 32], NOW),
        );
        let verified = check_delegation(ours.delegation(), a.public_key(), NOW).unwrap();
        assert!(verified.verify(b"words", &ours.sign(b"words")));
        assert!(!verified.verify(b"Words", &ours.sign(b"words")));
        assert!(!verified.verify(b"words", &other.sign(b"words")));
        assert!(!verified.verify(b"words", &a.sign(b"words")));
        assert!(!verified.verify(b"words", &[]));
        let by_b = check_delegation(ours.delegation(), b.public_key(), NOW);
        assert_eq!(by_b.map(drop), Err(DelegationError::Signature));
    }

    #[test]
    fn no_field_of_a_delegation_can_be_changed() {
        let [a, _] = identities();
        let good = DelegatedKey::new(a, [1; 32], NOW).delegation().clone();
        let check = |d: &wire::Delegation| check_delegation(d, a.public_key(), NOW).map(drop);
        assert_eq!(check(&good), Ok(()));

        for bit in 0..good.key.len() * 8 {
            let mut bad = good.clone();
            bad.key = flipped(&good.key, bit);
            assert!(check(&bad).is_err(), "key bit {bit}");
        }
        for bit in 0..good.signature.len() * 8 {
            let mut bad = good.clone();
            bad.signature = flipped(&good.signature, bit);
            assert_eq!(
                check(&bad),
                Err(DelegationError::Signature),
                "signature bit {bit}"
            );
        }
        for (not_before, not_after, want) in [
            (
                good.not_before + 1,
                good.not_after,
                DelegationError::Signature,
            ),
            (
                good.not_before,
                good.not_after - 1,
                DelegationError::Signature,
            ),
            (good.not_before, good.not_after + 1, DelegationError::Life),
            (good.not_after, good.not_before, DelegationError::Life),
            (0, u64::MAX, DelegationError::Life),
            (u64::MAX, u64::MAX, DelegationError::Time),
            (0, 0, DelegationError::Time),
        ] {
            let bad = wire::Delegation {
                not_before,
                not_after,
                ..good.clone()
            };
            assert_eq!(check(&bad), Err(want), "{not_before}..{not_after}");
        }
        for key in [&b""[..], &[1; 31], &[1; 33], &[1; 2000]] {
            let bad = wire::Delegation {
                key: key.to_vec().into(),
                ..good.clone()
            };
            assert_eq!(check(&bad), Err(DelegationError::Key));
        }
    }

    #[test]
    fn a_long_life_is_refused_even_when_it_is_signed() {
        let [a, _] = identities();
        let mut long = DelegatedKey::new(a, [1; 32], NOW).delegation().clone();
        long.not_after += 1;
        let key: [u8; 32] = (*long.key).try_into().unwrap();
        long.signature = a
            .sign(&signed::delegation_message(
                &key,
                long.not_before,
                long.not_after,
            ))
            .into();
        let got = check_delegation(&long, a.public_key(), NOW).map(drop);
        assert_eq!(got, Err(DelegationError::Life));
    }

    #[test]
    fn another_key_is_due_an_hour_before_the_end() {
        let [a, _] = identities();
        let key = DelegatedKey::new(a, [1; 32], NOW);
        let last = NOW - SKEW_MS + 23 * HOUR;
        for (at, due) in [
            (NOW, false),
            (last, false),
            (last + 1, true),
            (NOW - HOUR, true),
            (u64::MAX, true),
        ] {
            assert_eq!(key.is_due(at), due, "{at}");
        }
    }

    #[test]
    fn keys_at_the_ends_of_time_do_not_overflow() {
        let [a, _] = identities();
        for now in [0, 1, u64::MAX] {
            let key = DelegatedKey::new(a, [1; 32], now);
            assert!(
                check_delegation(key.delegation(), a.public_key(), now).is_ok(),
                "{now}"
            );
        }
    }

    fn flipped(bytes: &[u8], bit: usize) -> bytes::Bytes {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.into()
    }
}
