//! Whether the other side of a session is still there: silence is asked after, and silence that goes on ends the session.
//!
//! It reads no clock and writes no frame: whoever calls says what was heard and when, asks when it is due, and writes the question
//! ([`super::session::Session::ask`]). Any bytes of the session are a sign of life, so a session that talks is never asked.
//!
//! The promise: a peer of which nothing comes is given up [`Timing::interval`] plus [`Timing::timeout`] after it was last heard,
//! not earlier, and not later than the caller's timer.

use std::time::Duration;

use super::Now;

/// How long silence may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// After so much silence the peer is asked.
    pub(crate) interval: Duration,
    /// An answer, or anything else, is due within this time.
    pub(crate) timeout: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask for a sign of life.
    Ask,
    /// There was none: end the session.
    Silent,
}

/// The watch over one session. Ask [`due`](Self::due) after each call of [`handle_timeout`](Self::handle_timeout), which is to be
/// called then; what is heard meanwhile only moves that time away, so a timer need not follow it.
#[derive(Debug)]
pub(crate) struct Watch {
    timing: Timing,
    heard: Now,
    asked: Option<Now>,
    /// How long after it was asked an answer is due.
    patience: Duration,
}

impl Watch {
    /// The peer was heard just now.
    pub(crate) fn new(timing: Timing, now: Now) -> Self {
        Self {
            timing,
            heard: now,
            asked: None,
            patience: timing.timeout,
        }
    }

    /// Something came.
    pub(crate) fn heard(&mut self, now: Now) {
        (self.heard, self.asked) = (now, None);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn due(&self) -> Now {
        match self.asked {
            Some(asked) => asked + self.patience,
            None => self.heard + self.timing.interval,
        }
    }

    /// There is reason to doubt that the way still leads there: the answer is due within `patience`. True: the peer is to be asked now;
    /// else it was asked already, and its answer is due sooner.
    pub(crate) fn check(&mut self, patience: Duration, now: Now) -> bool {
        let patience = patience.min(self.timing.timeout);
        if self.asked.is_some() && self.due() <= now + patience {
            return false;
        }
        (self.asked, self.patience) = (Some(now), patience);
        true
    }

    /// How long nothing has come.
    pub(crate) fn silence(&self, now: Now) -> Duration {
        now.saturating_sub(self.heard)
    }

    /// Judges the silence.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Option<Verdict> {
        let late = now.checked_sub(self.due())?;
        // A timer that comes late was not kept from coming by the peer: this side stood still, and what the peer said meanwhile is not
        // read yet.
        if self.asked.is_some() && late <= self.patience / 2 {
            return Some(Verdict::Silent);
        }
        if self.asked.is_none() {
            self.patience = self.timing.timeout;
        }
        self.asked = Some(now);
        Some(Verdict::Ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
    };

    fn ms(ms: u64) -> Now {
        Duration::from_millis(ms)
    }

    /// Time goes on until there is a verdict.
    fn next(watch: &mut Watch, now: &mut Now) -> Verdict {
        loop {
            *now = watch.due();
            if let Some(verdict) = watch.handle_timeout(*now) {
                return verdict;
            }
        }
    }

    #[test]
    fn silence_is_asked_after_and_ends_at_interval_plus_timeout() {
        let mut watch = Watch::new(TIMING, ms(0));
        watch.heard(ms(4321));
        let mut now = ms(4321);
        assert_eq!(watch.handle_timeout(now + ms(14_999)), None);
        assert_eq!(next(&mut watch, &mut now), Verdict::Ask);
        assert_eq!(now, ms(4321 + 15_000));
        assert_eq!(watch.handle_timeout(now + ms(9_999)), None);
        assert_eq!(next(&mut watch, &mut now), Verdict::Silent);
        assert_eq!(now, ms(4321 + 25_000));
    }

    #[test]
    fn whatever_comes_is_an_answer_and_who_talks_is_not_asked() {
        let mut watch = Watch::new(TIMING, ms(0));
        let mut now = ms(0);
        for _ in 0..100 {
            now += ms(14_000);
            watch.heard(now);
            assert_eq!(watch.handle_timeout(now), None);
        }
        for _ in 0..100 {
            assert_eq!(next(&mut watch, &mut now), Verdict::Ask);
            now += ms(9_999);
            watch.heard(now);
        }
    }

    #[test]
    fn who_is_doubted_has_to_answer_soon_and_is_asked_as_ever_after_that() {
        let mut watch = Watch::new(TIMING, ms(0));
        let (short, mut now) = (ms(3_000), ms(7_000));
        assert!(watch.check(short, now));
        assert_eq!(watch.due(), ms(10_000));
        // Doubted again and again, it gains no time.
        assert!(!watch.check(short, ms(9_000)));
        assert_eq!(watch.due(), ms(10_000));
        watch.heard(ms(9_500));
        now += ms(2_500);
        assert_eq!(next(&mut watch, &mut now), Verdict::Ask);
        assert_eq!(now, ms(9_500 + 15_000));
        assert_eq!(next(&mut watch, &mut now), Verdict::Silent);
        assert_eq!(now, ms(9_500 + 25_000));

        let mut watch = Watch::new(TIMING, ms(0));
        let mut now = ms(0);
        assert_eq!(next(&mut watch, &mut now), Verdict::Ask);
        // Asked before, with all patience: that is cut short.
        assert!(watch.check(short, now + ms(1_000)));
        assert_eq!(next(&mut watch, &mut now), Verdict::Silent);
        assert_eq!(
            (now, watch.silence(now)),
            (ms(15_000 + 4_000), ms(15_000 + 4_000))
        );
        // Nobody who asks for more patience gets more than usual.
        let mut watch = Watch::new(TIMING, ms(0));
        assert!(watch.check(ms(60_000), ms(0)));
        assert_eq!(watch.due(), ms(10_000));
    }

    /// A process that was frozen itself, or starved, does not take its peers for gone.
    #[test]
    fn who_stood_still_asks_again_before_it_judges() {
        let mut watch = Watch::new(TIMING, ms(0));
        let mut now = ms(0);
        assert_eq!(next(&mut watch, &mut now), Verdict::Ask);
        now += ms(3_600_000);
        assert_eq!(watch.handle_timeout(now), Some(Verdict::Ask));
        assert_eq!(next(&mut watch, &mut now), Verdict::Silent);
        assert_eq!(now, ms(15_000 + 3_600_000 + 10_000));
    }
}
