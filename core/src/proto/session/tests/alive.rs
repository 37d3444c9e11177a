//! Signs of life, in virtual time: an idle session costs hardly anything, and a peer that froze is given up at a known moment.

use std::time::Duration;

use super::super::super::Now;
use super::super::super::alive::{Timing, Verdict, Watch};
use super::*;

const TIMING: Timing = Timing {
    interval: Duration::from_secs(15),
    timeout: Duration::from_secs(10),
};
const WAY: Duration = Duration::from_millis(40);

/// Two open sessions with their watches, and the bytes on their way.
struct Idle {
    two: Two,
    watches: [Watch; 2],
    /// When, to whom, what.
    under_way: Vec<(Now, usize, Vec<u8>)>,
    frames: [usize; 2],
    heard: [Now; 2],
    frozen: Option<usize>,
    now: Now,
}

impl Idle {
    fn new() -> Self {
        Self {
            two: Two::open(|_, _| {}),
            watches: [A, B].map(|_| Watch::new(TIMING, Now::ZERO)),
            under_way: Vec::new(),
            frames: [0; 2],
            heard: [Now::ZERO; 2],
            frozen: None,
            now: Now::ZERO,
        }
    }

    fn write(&mut self, side: usize) {
        let bytes = written(&mut self.two.ends[side]);
        if !bytes.is_empty() {
            assert!(bytes.len() <= 5, "{} bytes to be alive", bytes.len());
            self.frames[side] += 1;
            self.under_way.push((self.now + WAY, 1 - side, bytes));
        }
    }

    /// Goes on until that time, or until one side takes the other for gone: which, and when.
    fn run_until(&mut self, end: Now) -> Option<(usize, Now)> {
        loop {
            let timers = [A, B]
                .into_iter()
                .filter(|side| self.frozen != Some(*side))
                .map(|side| self.watches[side].due());
            let arrivals = self.under_way.iter().map(|(at, _, _)| *at);
            self.now = timers.chain(arrivals).min()?;
            if self.now >= end {
                return None;
            }
            let (due, later) = std::mem::take(&mut self.under_way)
                .into_iter()
                .partition(|(at, _, _)| *at <= self.now);
            self.under_way = later;
            for (_, side, bytes) in due {
                if self.frozen != Some(side) {
                    assert!(self.two.give(side, &bytes).unwrap().is_empty());
                    self.watches[side].heard(self.now);
                    self.heard[side] = self.now;
                    self.write(side);
                }
            }
            for side in [A, B] {
                if self.frozen == Some(side) {
                    continue;
                }
                match self.watches[side].handle_timeout(self.now) {
                    Some(Verdict::Ask) => {
                        self.two.ends[side].ask();
                        self.write(side);
                    }
                    Some(Verdict::Silent) => return Some((side, self.now)),
                    None => {}
                }
            }
        }
    }
}

#[test]
fn an_idle_session_stays_for_a_frame_an_interval_from_each() {
    let mut idle = Idle::new();
    assert_eq!(idle.run_until(TIMING.interval * 240), None);
    for side in [A, B] {
        assert!(
            (230..=240).contains(&idle.frames[side]),
            "{:?}",
            idle.frames
        );
    }
}

/// As above, but for which asks first: one of them is always a little later.
#[test]
fn who_is_asked_in_time_does_not_ask() {
    let mut idle = Idle::new();
    idle.watches[B].heard(WAY * 3);
    assert_eq!(idle.run_until(TIMING.interval * 240), None);
    for side in [A, B] {
        assert!(
            (230..=240).contains(&idle.frames[side]),
            "{:?}",
            idle.frames
        );
    }
}

#[test]
fn a_frozen_peer_is_given_up_at_interval_plus_timeout_after_its_last_sign() {
    for frozen in [A, B] {
        let mut idle = Idle::new();
        assert_eq!(idle.run_until(TIMING.interval * 3 + WAY * 2), None);
        idle.frozen = Some(frozen);
        let given_up = idle.run_until(Now::MAX);
        let last = idle.heard[1 - frozen];
        let promise = TIMING.interval + TIMING.timeout;
        assert_eq!(given_up, Some((1 - frozen, last + promise)));
    }
}

/// Who asks and does not read fills nothing.
#[test]
fn many_questions_get_one_answer_until_it_is_written() {
    let mut two = Two::open(|_, _| {});
    for _ in 0..1000 {
        let nothing = two.tell(B, Kind::Alive(wire::Alive { answer: true }));
        assert!(nothing.unwrap().is_empty());
    }
    let answer = bytes_of(Kind::Alive(wire::Alive { answer: false }));
    assert_eq!(written(&mut two.ends[B]), answer);
    // An answer asks for nothing.
    assert!(two.give(A, &answer).unwrap().is_empty());
    assert!(written(&mut two.ends[A]).is_empty());
}
