//! A session's watch with a clock and a timer: see [`crate::proto::alive`] for what it decides.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::time::Sleep;

use super::clock;
use crate::config::CHECK_PATIENCE;
use crate::proto::Now;
use crate::proto::alive::{Timing, Verdict, Watch};

/// The watch over one open session.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    watch: Watch,
    timer: Pin<Box<Sleep>>,
}

impl Pulse {
    pub(super) fn new(timing: Timing) -> Self {
        let watch = Watch::new(timing, Now::ZERO);
        Self {
            start: clock::now(),
            timer: Box::pin(tokio::time::sleep(watch.due())),
            watch,
        }
    }

    /// Something came from the peer. Costs a look at the clock: the timer finds out by itself when it has come too early.
    pub(super) fn heard(&mut self) {
        let now = self.now();
        self.watch.heard(now);
    }

    /// The network has changed: the peer has to show soon that the way still leads there. True: it is to be asked.
    pub(super) fn check(&mut self) -> bool {
        let now = self.now();
        let ask = self.watch.check(CHECK_PATIENCE, now);
        let due = self.start + self.watch.due();
        self.timer.as_mut().reset(due.into());
        ask
    }

    /// How long nothing has come, as people say it: whole seconds, if there are any.
    pub(super) fn silence(&self) -> Duration {
        let silence = self.watch.silence(self.now());
        match silence.as_secs() {
            0 => Duration::from_millis(u64::from(silence.subsec_millis())),
            seconds => Duration::from_secs(seconds),
        }
    }

    /// What the silence calls for. Call it when there is nothing left to read.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            ready!(self.timer.poll_unpin(cx));
            let now = self.now();
            let verdict = self.watch.handle_timeout(now);
            let due = self.start + self.watch.due();
            self.timer.as_mut().reset(due.into());
            if let Some(verdict) = verdict {
                return Poll::Ready(verdict);
            }
        }
    }

    fn now(&self) -> Now {
        clock::now().saturating_duration_since(self.start)
    }
}
