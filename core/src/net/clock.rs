//! The clock and the dice: the only place where time of day and randomness come from.

use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// What stands for longer times: the clock holds it, with all that is added.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Milliseconds since 1970 by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the driver's clock")]
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    #[cfg(test)]
    let now = shifted::of_this_thread(now);
    now
}

/// When a delegated key made now begins to hold: packets that were made under the one before it, and waited, are judged by their time.
pub(crate) fn delegated_from_ms() -> u64 {
    now_ms().saturating_sub(60 * 60 * 1000)
}

/// Time for intervals.
#[expect(clippy::disallowed_methods, reason = "this is the driver's clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// When `duration` from now is over. It is somebody's own, and may be too long for the clock.
pub(crate) fn after(duration: Duration) -> Instant {
    now() + duration.min(FOREVER)
}

/// Fresh random bytes. The operating system's generator failing is not something to go on after.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness no key and no nonce would be safe"
    )]
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system's random generator works");
    bytes
}

/// Clocks that tests set wrong: each for the threads that follow it, as those of one satellite.
#[cfg(test)]
pub(crate) mod shifted {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// By how many ms a clock is ahead of this machine's.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Shift(Arc<AtomicI64>);

    thread_local! {
        static SHIFT: RefCell<Shift> = RefCell::default();
    }

    impl Shift {
        pub(crate) fn set(&self, ms: i64) {
            self.0.store(ms, Ordering::Relaxed);
        }

        /// This thread has it from now on.
        pub(crate) fn follow(&self) {
            SHIFT.set(self.clone());
        }
    }

    pub(super) fn of_this_thread(now_ms: u64) -> u64 {
        SHIFT.with_borrow(|shift| now_ms.saturating_add_signed(shift.0.load(Ordering::Relaxed)))
    }
}
