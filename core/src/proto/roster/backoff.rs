//! How long to wait before a peer is dialled again.

use std::time::Duration;

use crate::rng::Rng;

/// The first wait, before jitter.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// No wait is longer, jitter included.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The wait after so many failures in a row: doubles from [`BACKOFF_MIN`] to [`BACKOFF_MAX`], and a quarter more or less, so that
/// those who lost the same peer at the same moment do not all come back at the same moment.
pub(crate) fn backoff(failures: u32, rng: &mut Rng) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(20));
    // Capped before the jitter: capped after it, half of those who wait longest would wait exactly the same time.
    let middle = doubled.min(BACKOFF_MAX * 4 / 5);
    rng.between(middle * 3 / 4, middle * 5 / 4)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn backoff_stays_in_bounds_and_grows() {
        let mut rng = Rng::new(3);
        for failures in [0, 1, 2, 5, 8, 9, 30, u32::MAX] {
            let longest = (0..500).map(|_| backoff(failures, &mut rng)).max().unwrap();
            let shortest = (0..500).map(|_| backoff(failures, &mut rng)).min().unwrap();
            assert!(longest <= BACKOFF_MAX && shortest >= BACKOFF_MIN * 3 / 4);
            let nominal = BACKOFF_MIN * 2u32.pow(failures.saturating_sub(1).min(9));
            assert!(
                longest > nominal.min(BACKOFF_MAX * 4 / 5),
                "{failures}: {longest:?}"
            );
        }
    }

    #[test]
    fn backoff_never_synchronises() {
        // A thousand satellites that failed at the same moment, at every length of wait: hardly two in the same millisecond.
        for failures in 3..12 {
            let waits: HashSet<_> = (0..1000)
                .map(|seed| backoff(failures, &mut Rng::new(seed)).as_micros())
                .collect();
            assert!(
                waits.len() > 990,
                "{failures} failures: {} different waits",
                waits.len()
            );
        }
    }
}
