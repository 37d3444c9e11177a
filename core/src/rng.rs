//! Seeded numbers for jitter, samples and simulations. Not for keys, nonces or anything an adversary must not guess.
//!
//! Machines have no source of randomness of their own: the driver seeds one of these from the system, a test from a number it
//! can print. The generator is splitmix64: eight bytes of state, any seed is a good one.

use std::time::Duration;

/// A generator of numbers that only look random.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The upper half of the product: no division, and a bias that no jitter or sample can notice.
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `permille` of 1,000 cases.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// A span from `low` to `high`, to the microsecond.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high
            .saturating_sub(low)
            .as_micros()
            .min(u128::from(u64::MAX - 1)) as u64;
        low + Duration::from_micros(self.below(span + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut rng = Rng::new(1);
        let (low, high) = (Duration::from_micros(3), Duration::from_micros(6));
        let mut seen = [false; 4];
        for _ in 0..200 {
            seen[(rng.between(low, high) - low).as_micros() as usize] = true;
            assert!(rng.below(7) < 7);
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!((rng.below(0), rng.between(high, low)), (0, high));
    }

    #[test]
    fn a_seed_is_a_sequence() {
        let take = |seed| {
            let mut rng = Rng::new(seed);
            [(); 8].map(|()| rng.number())
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }
}
