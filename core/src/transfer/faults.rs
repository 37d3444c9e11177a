//! Faults on purpose, so that who uses a server can test what it does when asks fail.

use std::sync::{Mutex, PoisonError};

use super::sharing::Refusal;
use crate::error::Code;
use crate::rng::Rng;

/// Lets a part of what is asked fail. The same seed gives the same faults in the same order.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Option<(u64, Rng)>>);

impl Faults {
    /// So many of 1,000 from now on; none for 0.
    pub(super) fn set(&self, permille: u64, seed: u64) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *faults = (permille > 0).then(|| (permille, Rng::new(seed)));
    }

    /// Fails now and then, with what whoever asked takes for a reason to ask again.
    pub(super) fn strike(&self) -> Result<(), Refusal> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults
            .as_mut()
            .is_some_and(|(permille, rng)| rng.chance(*permille))
        {
            return Err(Refusal::new(Code::Busy, "a fault on purpose"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fail_as_was_said_and_the_same_ones_with_the_same_seed() {
        let run = |seed| {
            let faults = Faults::default();
            faults.set(100, seed);
            (0..1000)
                .map(|_| faults.strike().is_err())
                .collect::<Vec<_>>()
        };
        let some = run(7);
        assert_eq!(some, run(7));
        assert_ne!(some, run(8));
        let failed = some.iter().filter(|failed| **failed).count();
        assert!((60..140).contains(&failed), "{failed} of 1000");
        let none = Faults::default();
        assert!((0..1000).all(|_| none.strike().is_ok()));
    }
}
