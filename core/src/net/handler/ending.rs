//! How a session ends: by a broken rule, by the application, by the clock or by the connection.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::{Handler, Notice, Stage, Timer};
use crate::config::{BYE_TIMEOUT, HANDSHAKE_TIMEOUT, LINGER_STALL, PART_TIMEOUT};
use crate::error::Code;
use crate::net::clock;
use crate::net::link::Ended;
use crate::proto::alive::Verdict;
use crate::proto::session::Violation;

impl Handler {
    /// The peer broke a rule.
    pub(super) fn break_off(&mut self, violation: Violation) {
        self.span.in_scope(
            || tracing::warn!(reason = %violation.text, "ending the session: the peer broke a rule"),
        );
        self.shared.counters.violations.add(1);
        self.say_bye(violation.into());
    }

    /// Ends the session from this side: the Bye goes out first.
    pub(super) fn say_bye(&mut self, ended: Ended) {
        if !matches!(self.stage, Stage::Handshake | Stage::Open) {
            return;
        }
        // Chunks already begun stay, or the Bye would land in the middle of a frame.
        self.let_go(&ended);
        self.session.bye(ended.code as i32, &ended.text);
        // Now: the connection may break before it is over, and its handler with all it knows is gone then.
        self.notices.push_back(Notice::Ending {
            ended: ended.clone(),
        });
        self.stage = Stage::Closing(ended);
        self.timer = match self.leaving {
            Some(until) if self.is_in_doubt() => patience(until),
            _ => Timer::after(BYE_TIMEOUT),
        };
    }

    /// Ends the session at once. A reason that was given before holds.
    pub(super) fn end(&mut self, ended: Ended) {
        if matches!(self.stage, Stage::Handshake | Stage::Open) {
            self.let_go(&ended);
            self.stage = Stage::Closing(ended);
        }
        self.over();
    }

    /// For the application the session is over, although the connection may still be needed for the Bye.
    fn let_go(&mut self, ended: &Ended) {
        // What came before the end, also in the same read, came in time.
        self.hand_over();
        self.pulse = None;
        if let Some(link) = self.link.take() {
            let (code, by_peer) = (ended.code, ended.by_peer);
            self.span
                .in_scope(|| tracing::info!(%code, by_peer, reason = %ended.text, "session ended"));
            let abandoned = link.end(ended.clone());
            self.shared.inbox.ended(&link, ended);
            self.parting = Some(Arc::clone(&link));
            self.abandon(abandoned);
        }
    }

    /// Messages were accepted and will not arrive: it must not go unseen.
    fn abandon(&self, messages: u64) {
        if messages > 0 {
            self.shared.counters.messages_abandoned.add(messages);
            self.span.in_scope(|| {
                tracing::warn!(
                    messages,
                    "messages are lost: the session ended before they were written"
                )
            });
        }
    }

    /// Whether something was sent so short a time ago that the peer may not have it.
    fn is_in_doubt(&self) -> bool {
        self.sent_at
            .is_some_and(|at| clock::now().saturating_duration_since(at) < LINGER_STALL)
    }

    /// Bytes moved: who leaves waits on.
    pub(super) fn moved(&mut self) {
        let Some(until) = self.leaving else { return };
        match self.stage {
            // Past the end of all patience nothing that moves helps; its Bye has a time of its own.
            Stage::Open => self.retry = Timer::at(until.min(clock::now() + LINGER_STALL)),
            Stage::Closing(_) | Stage::Parting(_) if self.is_in_doubt() => {
                self.timer = patience(until);
            }
            _ => {}
        }
    }

    /// Asks a silent peer for a sign of life, or gives it up. Ready: something is to be written.
    pub(super) fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pulse) = &mut self.pulse else {
            return Poll::Pending;
        };
        match ready!(pulse.poll(cx)) {
            Verdict::Ask => self.session.ask(),
            Verdict::Silent => {
                let silence = pulse.silence();
                self.shared.counters.sessions_silent.add(1);
                self.say_bye(Ended::new(
                    Code::Timeout,
                    format!("no sign of life for {silence:?}"),
                ));
            }
        }
        Poll::Ready(())
    }

    /// The application wants the session closed: what it had accepted by then goes out first, as far as the peer takes it in time.
    pub(super) fn close_if_wanted(&mut self, cx: &mut Context<'_>) {
        let Some(link) = &self.link else { return };
        let Some((ended, until)) = link.close_wanted() else {
            return;
        };
        if self.leaving != Some(until) {
            self.leaving = Some(until);
            self.retry = patience(until);
        }
        let drained = self.chunks.is_empty() && !self.unflushed && link.shut_if_drained();
        if drained || self.retry.is_due(cx) {
            self.say_bye(ended);
        }
    }

    fn over(&mut self) {
        let (Stage::Closing(ended) | Stage::Parting(ended)) =
            std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return;
        };
        self.timer = Timer::Off;
        self.chunks.clear();
        let unwritten = std::mem::take(&mut self.unwritten);
        self.abandon(unwritten);
        if let Some(link) = self.parting.take() {
            link.part();
        }
        self.inbound = None;
        self.outbound = None;
        self.notices.push_back(Notice::Ended { ended });
    }

    /// The peer does not go on with what it began.
    pub(super) fn stuck(&mut self) {
        self.pace = Timer::Off;
        self.break_off(Violation::protocol(format!(
            "half a frame or content, and then nothing for {PART_TIMEOUT:?}"
        )));
    }

    pub(super) fn on_timer(&mut self) {
        self.timer = Timer::Off;
        match &self.stage {
            Stage::Handshake => self.say_bye(Ended::new(
                Code::Timeout,
                format!("no Hello and Auth within {HANDSHAKE_TIMEOUT:?}"),
            )),
            Stage::Open => self.stuck(),
            Stage::Closing(_) | Stage::Parting(_) => {
                if self.leaving.is_some() && self.is_in_doubt() {
                    self.span.in_scope(|| {
                        tracing::warn!("the peer did not say that it has everything: what was sent last may be lost");
                    });
                }
                self.over();
            }
            Stage::Over => {}
        }
    }
}

/// How long nothing may move: until the end of all patience, but always long enough for a Bye.
fn patience(until: Instant) -> Timer {
    let now = clock::now();
    Timer::at(until.min(now + LINGER_STALL).max(now + BYE_TIMEOUT))
}
