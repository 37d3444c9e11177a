//! Getting the bytes of one file whose size is known: asks go out, pieces come in and are handed to the writing thread.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::get::{Getting, Progress, Search};
use super::sources::{ACTIVE_MAX, Failure, Sources};
use super::writing::{COMMIT_EVERY, ToWrite, Told};
use crate::error::TransferError;
use crate::identity::PeerId;
use crate::net::clock;
use crate::proto::Now;
use crate::proto::transfer::message::{Ask, Came, NAMESPACE, What};
use crate::proto::transfer::outline::Piece;
use crate::proto::transfer::ranges::Ranges;
use crate::proto::transfer::schedule::{Fate, JobId, STALL, Schedule, SourceId};
use crate::satellite::RequestOptions;
use crate::satellite::part::Base;

/// Bytes on the way from all sources together, and from one ask at least.
const WINDOWS: usize = 16 << 20;
const WINDOW_MIN: usize = (1 << 20) + 64 * 1024;
/// How long an ask may take in all; that nothing comes is noticed much sooner.
pub(super) const JOB_MAX: Duration = Duration::from_secs(3600);
/// Over how long the rate is told.
const RATE_SPAN: Duration = Duration::from_secs(1);
/// After so many bytes it is told again how far it is, however soon.
const TELL_BYTES: u64 = 8 << 20;

/// What getting one file is done with.
pub(super) struct Conduct<'a> {
    pub(super) getting: &'a Getting,
    pub(super) size: u64,
    pub(super) sources: &'a mut Sources,
    pub(super) written: Ranges,
}

/// What asks under way share.
struct Shared {
    start: Instant,
    machine: Mutex<Machine>,
}

struct Machine {
    schedule: Schedule,
    cancels: HashMap<JobId, CancellationToken>,
}

impl Shared {
    fn machine(&self) -> (MutexGuard<'_, Machine>, Now) {
        let machine = self.machine.lock();
        (
            machine.unwrap_or_else(PoisonError::into_inner),
            clock::now().saturating_duration_since(self.start),
        )
    }
}

impl Shared {
    /// Whether a piece is to be written.
    fn came(&self, job: JobId, piece: Piece) -> Result<bool, Failure> {
        let (mut machine, now) = self.machine();
        match machine.schedule.came(job, piece, now) {
            Fate::New(useless) => {
                machine.cancel(useless);
                Ok(true)
            }
            Fate::Known => Ok(false),
            Fate::Wrong => Err(Failure::Lied(
                "it sent what it was not asked for".to_owned(),
            )),
        }
    }
}

impl Machine {
    fn cancel(&mut self, jobs: impl IntoIterator<Item = JobId>) {
        for job in jobs {
            if let Some(cancel) = self.cancels.remove(&job) {
                cancel.cancel();
            }
        }
    }
}

/// An ask that is to be made.
struct Asking {
    job: JobId,
    source: SourceId,
    peer: PeerId,
    cancel: CancellationToken,
    question: Ask,
    options: RequestOptions,
}

/// How an ask ended.
struct Ended {
    job: JobId,
    source: SourceId,
    gave: bool,
    failure: Option<Failure>,
}

impl Conduct<'_> {
    /// Until all of it is written.
    pub(super) async fn run(
        mut self,
        to_write: mpsc::Sender<ToWrite>,
        mut told: mpsc::Receiver<Told>,
    ) -> Result<(), TransferError> {
        let missing = self.written.missing(0..self.size);
        let shared = Shared {
            start: clock::now(),
            machine: Mutex::new(Machine {
                schedule: Schedule::new(self.size, missing),
                cancels: HashMap::new(),
            }),
        };
        let mut jobs = FuturesUnordered::new();
        let mut meter = Meter::new(clock::now(), self.written.total());
        // Where it goes on from.
        meter.show(&self);
        let mut last_gave = clock::now();
        let mut tick = clock::now() + COMMIT_EVERY;
        let mut search = Search::new(self.getting);
        while !self.written.has(&(0..self.size)) {
            let now = clock::now();
            let alone = self.sources.active() == 0 && jobs.is_empty();
            // Who refuses now does so later, too.
            let refused = !self.sources.has_hope() && self.sources.reasons().1;
            let patience = self.getting.options.patience;
            if alone && (refused || now.saturating_duration_since(last_gave) >= patience) {
                return Err(self.getting.nobody(self.sources));
            }
            for id in self.sources.rouse(now) {
                shared.machine().0.schedule.add(id);
            }
            while let Some(asking) = self.next_ask(&shared) {
                let base = self.getting.sharing.base.clone();
                jobs.push(ask(base, asking, &shared, to_write.clone()));
            }
            let due = [
                Some(tick),
                self.sources.deadline(),
                shared
                    .machine()
                    .0
                    .schedule
                    .deadline()
                    .map(|at| shared.start + at),
            ];
            let due = due.into_iter().flatten().min().unwrap_or(tick);
            tokio::select! {
                Some(ended) = jobs.next() => {
                    if ended.gave {
                        last_gave = clock::now();
                    }
                    self.ended(&shared, ended);
                }
                Some(told) = told.recv() => match told {
                    Told::Written(piece) => {
                        self.written.insert(piece.start..piece.end);
                        last_gave = clock::now();
                    }
                    Told::Wrong(source, piece) => {
                        let (mut machine, _) = shared.machine();
                        machine.schedule.wrong(piece, &self.written);
                        drop(machine);
                        let failure = Failure::Lied("it sent what is not the file".to_owned());
                        self.out(&shared, source, failure);
                    }
                    Told::Failed(error) => return Err(error),
                },
                found = search.next() => {
                    for peer in found {
                        self.getting.add(self.sources, peer);
                    }
                }
                () = self.getting.sharing.base.sleep(due.saturating_duration_since(clock::now())) => {}
            }
            let now = clock::now();
            if now >= tick {
                tick = now + COMMIT_EVERY;
                // It has enough to do if there is no room.
                let _busy = to_write.try_send(ToWrite::Commit);
            }
            let (machine, at) = shared.machine();
            let stalled = machine.schedule.stalled(at);
            drop(machine);
            for source in stalled {
                let reason = format!("nothing came of it for {} s", STALL.as_secs());
                self.out(&shared, source, Failure::Away(reason));
            }
            meter.tell(now, &self);
        }
        meter.show(&self);
        Ok(())
    }

    fn next_ask(&self, shared: &Shared) -> Option<Asking> {
        let (mut machine, now) = shared.machine();
        let ask = machine.schedule.next(now)?;
        let peer = self.sources.peer(ask.source)?;
        let cancel = CancellationToken::new();
        machine.cancels.insert(ask.job, cancel.clone());
        drop(machine);
        let at_once = 2 * self.sources.active().clamp(1, ACTIVE_MAX);
        Some(Asking {
            job: ask.job,
            source: ask.source,
            peer,
            cancel,
            question: Ask {
                what: What::Get {
                    root: self.getting.root,
                    range: ask.range,
                    piece: ask.piece.min(self.getting.sharing.piece_max),
                },
                token: self.getting.token.clone(),
            },
            options: RequestOptions::default()
                .deadline(JOB_MAX)
                .window((WINDOWS / at_once).max(WINDOW_MIN)),
        })
    }

    fn ended(&mut self, shared: &Shared, ended: Ended) {
        let (mut machine, _) = shared.machine();
        machine.cancels.remove(&ended.job);
        machine.schedule.ended(ended.job);
        drop(machine);
        if ended.gave {
            self.sources.gave(ended.source);
        }
        if let Some(failure) = ended.failure {
            self.out(shared, ended.source, failure);
        }
    }

    /// The source is asked no more, or not for a while.
    fn out(&mut self, shared: &Shared, source: SourceId, failure: Failure) {
        if let (Failure::Lied(reason), Some(peer)) = (&failure, self.sources.peer(source)) {
            tracing::warn!(%peer, %reason, "a source is not asked any more");
            self.getting.sharing.lied(peer);
        }
        self.sources.failed(source, failure, clock::now());
        let (mut machine, _) = shared.machine();
        let gone = machine.schedule.remove(source);
        machine.cancel(gone);
    }
}

/// Asks, and hands over what comes.
fn ask<'s>(
    base: Base,
    asking: Asking,
    shared: &'s Shared,
    to_write: mpsc::Sender<ToWrite>,
) -> impl Future<Output = Ended> + use<'s> {
    let Asking {
        job,
        source,
        peer,
        cancel,
        question,
        options,
    } = asking;
    async move {
        let mut gave = false;
        let work = async {
            let asked = base.request(&peer, NAMESPACE, question.encode(), options);
            let Some(asked) = cancel.run_until_cancelled(asked).await else {
                return Ok(());
            };
            let mut replies = asked?;
            while let Some(Some(reply)) = cancel.run_until_cancelled(replies.next()).await {
                let came = Came::decode(reply?.content().clone())
                    .map_err(|error| Failure::Lied(error.to_string()))?;
                if !shared.came(job, came.piece)? {
                    continue;
                }
                gave = true;
                // Also when it was cancelled meanwhile: it counts as come, and nobody is asked for it again.
                if to_write.send(ToWrite::Piece(source, came)).await.is_err() {
                    return Ok(());
                }
            }
            if !cancel.is_cancelled() && shared.machine().0.schedule.owes(job) {
                // Or it would be asked for the same at once, again and again.
                return Err(Failure::Away("it ended before all had come".to_owned()));
            }
            Ok(())
        };
        let failure = work.await.err();
        Ended {
            job,
            source,
            gave,
            failure,
        }
    }
}

/// How fast it goes, as it is told.
struct Meter {
    at: Instant,
    bytes: u64,
    rate: u64,
    told: u64,
}

impl Meter {
    fn new(at: Instant, bytes: u64) -> Self {
        Self {
            at,
            bytes,
            rate: 0,
            told: bytes,
        }
    }

    fn tell(&mut self, now: Instant, conduct: &Conduct<'_>) {
        let span = now.saturating_duration_since(self.at);
        let bytes = conduct.written.total();
        if span >= RATE_SPAN / 4 {
            let rate = (bytes.saturating_sub(self.bytes)) as f64 / span.as_secs_f64();
            let before = if self.rate == 0 {
                rate
            } else {
                self.rate as f64
            };
            self.rate = (before * 0.7 + rate * 0.3) as u64;
            (self.at, self.bytes) = (now, bytes);
        } else if bytes.saturating_sub(self.told) < TELL_BYTES {
            return;
        }
        self.told = bytes;
        self.show(conduct);
    }

    fn show(&self, conduct: &Conduct<'_>) {
        conduct.getting.progress.send_replace(Progress {
            bytes: conduct.written.total(),
            size: conduct.size,
            rate: self.rate,
            sources: conduct.sources.active(),
        });
    }
}
