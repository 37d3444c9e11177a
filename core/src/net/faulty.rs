//! A connection with [`Faults`]: each satellite of a test puts a [`Faulty`] stream between its cipher and its multiplexer, where the
//! other end is known. What it reads is held until the moment it would have come.
//!
//! It works on what a satellite receives, so a slow line is slow both ways only if both ends have it; that is the case when both are given
//! the same [`Faults`].
//!
//! It covers TCP. QUIC, which has its own encryption inside, is left out of a satellite with faults.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::clock;
use crate::faults::{End, Faults, Slow};
use crate::identity::PeerId;
use crate::rng::Rng;

/// Bytes on their way over one slow line. More stay with the sender.
const ON_THE_WAY: usize = 1 << 20;
/// What is read at once.
const READ: usize = 16 * 1024;
/// A packet of TCP over Ethernet: what is lost at once.
const PACKET: usize = 1460;
/// How long TCP takes to see that a packet was lost, at least.
const RETRANSMIT: Duration = Duration::from_millis(200);

/// When bytes that arrive now are to be seen. A machine: it is handed the time.
struct Delay {
    rng: Rng,
    /// Until then the line is busy with what came before.
    busy_until: Option<Instant>,
    /// Nothing overtakes what came before it.
    last: Option<Instant>,
}

impl Delay {
    fn of(&mut self, now: Instant, bytes: usize, slow: &Slow) -> Instant {
        let mut sent = self.busy_until.map_or(now, |until| until.max(now));
        if slow.rate > 0 {
            sent += Duration::from_secs_f64(bytes as f64 / slow.rate as f64);
        }
        self.busy_until = Some(sent);
        let mut seen = sent + slow.latency;
        for _ in 0..bytes.div_ceil(PACKET) {
            if (self.rng.below(1_000_000) as f64) < slow.loss * 1_000_000.0 {
                seen += RETRANSMIT + 2 * slow.latency;
            }
        }
        let seen = self.last.map_or(seen, |last| last.max(seen));
        self.last = Some(seen);
        seen
    }
}

/// A stream over a line with faults; without them it passes everything on.
pub(crate) struct Faulty<S> {
    inner: S,
    faults: Option<Box<Held>>,
}

struct Held {
    end: Arc<End>,
    delay: Delay,
    /// What has come and is not to be seen yet, with its moment.
    queue: VecDeque<(Instant, Vec<u8>)>,
    queued: usize,
    ended: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Faulty<S> {
    /// `None`: the two are partitioned.
    pub(crate) fn new(inner: S, faults: Option<(&Faults, &PeerId, &PeerId)>) -> Option<Self> {
        let faults = match faults {
            None => None,
            Some((faults, own, peer)) => {
                let (end, rng) = faults.enlist(own, peer)?;
                Some(Box::new(Held {
                    end,
                    delay: Delay {
                        rng,
                        busy_until: None,
                        last: None,
                    },
                    queue: VecDeque::new(),
                    queued: 0,
                    ended: false,
                    timer: None,
                }))
            }
        };
        Some(Self { inner, faults })
    }

    fn cut(&self) -> io::Result<()> {
        match &self.faults {
            Some(held) if held.end.line().cut => Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "partitioned by the test",
            )),
            _ => Ok(()),
        }
    }
}

impl Held {
    /// Takes in what is there.
    fn fill<S: AsyncRead + Unpin>(
        &mut self,
        inner: &mut S,
        slow: &Slow,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let mut bytes = [0; READ];
        while !self.ended && self.queued < ON_THE_WAY {
            match Pin::new(&mut *inner).poll_read(cx, &mut bytes)? {
                Poll::Ready(0) => self.ended = true,
                Poll::Ready(count) => {
                    let seen = self.delay.of(clock::now(), count, slow);
                    self.queue.push_back((seen, bytes[..count].to_vec()));
                    self.queued += count;
                }
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_front(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        loop {
            let Some((seen, front)) = self.queue.front_mut() else {
                return if self.ended {
                    Poll::Ready(0)
                } else {
                    Poll::Pending
                };
            };
            if *seen <= clock::now() {
                self.timer = None;
                let count = front.len().min(buffer.len());
                buffer[..count].copy_from_slice(&front[..count]);
                front.drain(..count);
                if front.is_empty() {
                    self.queue.pop_front();
                }
                self.queued -= count;
                return Poll::Ready(count);
            }
            let until = tokio::time::Instant::from_std(*seen);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faulty<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(held) = &this.faults {
            held.end.register(cx.waker());
        }
        this.cut()?;
        let Some(held) = &mut this.faults else {
            return Pin::new(&mut this.inner).poll_read(cx, buffer);
        };
        let slow = held.end.line().slow;
        if slow.is_none() && held.queue.is_empty() && !held.ended {
            return Pin::new(&mut this.inner).poll_read(cx, buffer);
        }
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        held.fill(&mut this.inner, &slow, cx)?;
        held.poll_front(cx, buffer).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faulty<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut()?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut()?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(seed: u64) -> Delay {
        Delay {
            rng: Rng::new(seed),
            busy_until: None,
            last: None,
        }
    }

    #[test]
    fn no_latency_is_too_long_for_the_clock() {
        let mut delay = delay(1);
        let now = clock::now();
        let slow = Slow::default().latency(Duration::MAX).loss(1.0);
        let (first, second) = (delay.of(now, 1, &slow), delay.of(now, READ, &slow));
        assert!(now < first && first < second);
    }

    #[test]
    fn bytes_come_after_the_latency_and_no_faster_than_the_rate() {
        let now = clock::now();
        let slow = Slow::default()
            .latency(Duration::from_millis(100))
            .rate(1000);
        let mut delay = delay(1);
        assert_eq!(delay.of(now, 500, &slow), now + Duration::from_millis(600));
        assert_eq!(delay.of(now, 500, &slow), now + Duration::from_millis(1100));
        let later = now + Duration::from_secs(5);
        assert_eq!(
            delay.of(later, 1000, &slow),
            later + Duration::from_millis(1100)
        );
    }

    #[test]
    fn lost_packets_come_late_the_same_ones_for_the_same_seed_and_nothing_overtakes() {
        let now = clock::now();
        let slow = Slow::default().latency(Duration::from_millis(10)).loss(0.1);
        let run = |seed| {
            let mut delay = delay(seed);
            (0..1000)
                .map(|_| delay.of(now, PACKET, &slow) - now)
                .collect::<Vec<_>>()
        };
        let seen = run(7);
        assert_eq!(seen, run(7));
        assert_ne!(seen, run(8));
        assert!(seen.is_sorted());
        assert_eq!(
            *seen.last().unwrap(),
            Duration::from_millis(10) + RETRANSMIT + Duration::from_millis(20)
        );
        assert_eq!(seen[0], Duration::from_millis(10));
    }
}
