//! Who is asked for which bytes of a file, and for what again.
//!
//! Asks are jobs: a range, at one source, which comes in order in pieces. A source gets more at once the faster it is, so that a slow line
//! is cut rarely into pieces that are lost, and a fast one never waits. What a source owes when it is gone, stalls or lies goes to others.
//! Near the end, whoever has nothing to do is asked for the second half of what is slowest, again and again: the last bytes come from who is
//! faster.
//!
//! It asks nobody itself. The engine calls [`Schedule::next`] until that says nothing, and hands in what came of it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use super::outline::{GROUP, Piece, UNIT};
use super::ranges::Ranges;
use crate::proto::Now;

/// Jobs of one source at once: one comes, one is on its way to the source.
const JOBS: usize = 2;
/// A job is about what a source sends in this time.
const JOB_TIME: Duration = Duration::from_millis(500);
/// The most it may be.
const JOB_MAX: u64 = 16 << 20;
/// Pieces of a source whose rate is not known: on the slowest of lines one still comes whole before the line breaks.
const PIECE_FIRST: u64 = 64 << 10;
/// How long nothing of a job may come.
pub(crate) const STALL: Duration = Duration::from_secs(10);
/// Over how long a rate is measured at least.
const RATE_SPAN: Duration = Duration::from_millis(100);

/// A source, by a number of the engine's.
pub(crate) type SourceId = u32;
/// An ask.
pub(crate) type JobId = u64;

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) job: JobId,
    pub(crate) source: SourceId,
    pub(crate) range: Range<u64>,
    /// Bytes of its pieces.
    pub(crate) piece: u64,
}

/// What a piece was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// To be checked and written. The jobs are of no use any more: to be cancelled.
    New(Vec<JobId>),
    /// Here already.
    Known,
    /// Not what was asked for.
    Wrong,
}

#[derive(Debug)]
struct Job {
    source: SourceId,
    range: Range<u64>,
    /// Where its next piece begins.
    next: u64,
    last: Now,
}

#[derive(Debug, Default)]
struct Source {
    jobs: usize,
    /// Bytes a second, once known.
    rate: Option<f64>,
    /// Bytes since `since`, while it has jobs.
    came: u64,
    since: Now,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Nobody is asked for it.
    todo: Ranges,
    /// Came, and was not found wrong.
    came: Ranges,
    sources: BTreeMap<SourceId, Source>,
    jobs: HashMap<JobId, Job>,
    last_job: JobId,
}

impl Schedule {
    /// Of what is missing.
    pub(crate) fn new(size: u64, missing: Ranges) -> Self {
        Self {
            came: missing.missing(0..size),
            todo: missing,
            sources: BTreeMap::new(),
            jobs: HashMap::new(),
            last_job: 0,
        }
    }

    /// Whether all has come. Some of it may yet be found wrong.
    #[cfg(test)]
    pub(crate) fn has_all(&self) -> bool {
        self.todo.is_empty() && self.jobs.is_empty()
    }

    /// Somebody who has the file.
    pub(crate) fn add(&mut self, source: SourceId) {
        self.sources.entry(source).or_default();
    }

    /// Bytes a second of a source.
    pub(crate) fn rate(&self, source: SourceId) -> Option<f64> {
        self.sources.get(&source)?.rate
    }

    /// The source is gone, or not to be asked again. Its jobs, which end with it.
    pub(crate) fn remove(&mut self, source: SourceId) -> Vec<JobId> {
        self.sources.remove(&source);
        let gone: Vec<JobId> = self.jobs_of(|job| job.source == source);
        for job in &gone {
            self.drop_job(*job);
        }
        gone
    }

    fn jobs_of(&self, which: impl Fn(&Job) -> bool) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| which(job))
            .map(|(id, _)| *id)
            .collect();
        jobs.sort_unstable();
        jobs
    }

    /// The next ask, if there is one to make now.
    pub(crate) fn next(&mut self, now: Now) -> Option<Ask> {
        let free = |source: &Source| source.jobs < JOBS;
        // Who has less to do first, so that one source does not take what another could begin with.
        let (&id, source) = self
            .sources
            .iter()
            .filter(|(_, source)| free(source))
            .min_by(|(_, a), (_, b)| {
                let faster = b.rate.unwrap_or(0.0).total_cmp(&a.rate.unwrap_or(0.0));
                a.jobs.cmp(&b.jobs).then(faster)
            })?;
        let (length, piece) = (source.job_length(), source.piece());
        if let Some(first) = self.todo.first() {
            let mut end = first.start.saturating_add(length).min(first.end);
            if end < first.end {
                // Pieces end with their unit.
                let step = if length >= UNIT { UNIT } else { GROUP };
                end = (end / step * step).max(first.start + GROUP).min(first.end);
            }
            self.todo.remove(first.start..end);
            return Some(self.ask(id, first.start..end, piece, now));
        }
        let idle = self.sources.iter().find(|(_, source)| source.jobs == 0);
        let (&id, source) = idle?;
        let piece = source.piece();
        let others = self.jobs.iter().filter(|(_, job)| job.source != id);
        let (left, _) = others
            .filter_map(|(other, job)| self.left_of(*other, job))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let length = left.end - left.start;
        let middle = if length <= 2 * GROUP {
            left.start
        } else {
            (left.start + length / 2) / GROUP * GROUP
        };
        let range = middle.max(left.start)..left.end;
        Some(self.ask(id, range, piece, now))
    }

    /// What a job owes with which nobody helps yet, and how long it will take, in seconds; who has no rate is slow. What others brought of its
    /// end is not owed any more: so the rest can be halved again, until nothing is left to who is slowest.
    fn left_of(&self, id: JobId, job: &Job) -> Option<(Range<u64>, f64)> {
        let missing = self.came.missing(job.next..job.range.end);
        let left = job.next..missing.iter().last()?.end;
        let helps = |(other, helper): (&JobId, &Job)| {
            *other > id && helper.next < left.end && left.start < helper.range.end
        };
        if self.jobs.iter().any(helps) {
            return None;
        }
        let rate = self.rate(job.source).unwrap_or(1.0).max(1.0);
        let seconds = (left.end - left.start) as f64 / rate;
        Some((left, seconds))
    }

    fn ask(&mut self, id: SourceId, range: Range<u64>, piece: u64, now: Now) -> Ask {
        if let Some(source) = self.sources.get_mut(&id) {
            if source.jobs == 0 {
                (source.came, source.since) = (0, now);
            }
            source.jobs += 1;
        }
        self.last_job += 1;
        let job = Job {
            source: id,
            next: range.start,
            range: range.clone(),
            last: now,
        };
        self.jobs.insert(self.last_job, job);
        Ask {
            job: self.last_job,
            source: id,
            range,
            piece,
        }
    }

    /// A piece of a job has come.
    pub(crate) fn came(&mut self, job: JobId, piece: Piece, now: Now) -> Fate {
        let Some(asked) = self.jobs.get_mut(&job) else {
            return Fate::Known;
        };
        if piece.start != asked.next || piece.end > asked.range.end || piece.end <= piece.start {
            return Fate::Wrong;
        }
        asked.next = piece.end;
        asked.last = now;
        if let Some(source) = self.sources.get_mut(&asked.source) {
            source.sent(piece.len(), now);
        }
        let range = piece.start..piece.end;
        if self.came.has(&range) {
            return Fate::Known;
        }
        self.came.insert(range);
        let came = &self.came;
        let done = |job: &Job| job.next < job.range.end && came.has(&(job.next..job.range.end));
        let useless = self.jobs_of(done);
        for job in &useless {
            self.drop_job(*job);
        }
        Fate::New(useless)
    }

    /// Whether something of what a job is for has not come.
    pub(crate) fn owes(&self, job: JobId) -> bool {
        let job = self.jobs.get(&job);
        job.is_some_and(|job| job.next < job.range.end)
    }

    /// A job ended, well or not. What it still owes is to be asked for again.
    pub(crate) fn ended(&mut self, job: JobId) {
        self.drop_job(job);
    }

    /// A piece was wrong after all; what of it others brought is `kept`.
    pub(crate) fn wrong(&mut self, piece: Piece, kept: &Ranges) {
        let range = piece.start..piece.end;
        self.came.remove(range.clone());
        for kept in kept.within(range.clone()) {
            self.came.insert(kept);
        }
        self.want(range);
    }

    /// Sources of which nothing comes although they were asked: to be removed, and left alone for a while.
    pub(crate) fn stalled(&self, now: Now) -> Vec<SourceId> {
        let stalled = self.jobs.values().filter(|job| now >= job.last + STALL);
        let mut sources: Vec<SourceId> = stalled.map(|job| job.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// When the next one will have stalled.
    pub(crate) fn deadline(&self) -> Option<Now> {
        self.jobs.values().map(|job| job.last + STALL).min()
    }

    fn drop_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        if let Some(source) = self.sources.get_mut(&job.source) {
            source.jobs -= 1;
        }
        self.want(job.next..job.range.end);
    }

    /// To be asked for, unless it came or somebody is asked.
    fn want(&mut self, range: Range<u64>) {
        let mut wanted = self.came.missing(range);
        for job in self.jobs.values() {
            wanted.remove(job.next..job.range.end);
        }
        for range in wanted.iter() {
            self.todo.insert(range);
        }
    }
}

impl Source {
    fn sent(&mut self, bytes: u64, now: Now) {
        self.came += bytes;
        let span = now.saturating_sub(self.since);
        if span >= RATE_SPAN {
            let rate = self.came as f64 / span.as_secs_f64();
            self.rate = Some(self.rate.map_or(rate, |before| (before + rate) / 2.0));
            (self.came, self.since) = (0, now);
        } else if self.rate.is_none() && self.came >= UNIT {
            // A guess until there is a measure: it is at least as fast as this.
            self.rate = Some(self.came as f64 / RATE_SPAN.as_secs_f64());
        }
    }

    fn job_length(&self) -> u64 {
        let Some(rate) = self.rate else {
            return UNIT;
        };
        let length = (rate * JOB_TIME.as_secs_f64()) as u64;
        length.clamp(GROUP, JOB_MAX).next_multiple_of(GROUP)
    }

    fn piece(&self) -> u64 {
        let Some(rate) = self.rate else {
            return PIECE_FIRST;
        };
        // A power of two, so that pieces begin where subtrees do.
        let length = (rate * JOB_TIME.as_secs_f64()) as u64;
        let power = length.max(1).ilog2();
        (1_u64 << power).clamp(GROUP, UNIT)
    }
}

/// The pieces of a range: each ends at a multiple of `piece`, with its unit, or with the range.
pub(crate) fn pieces(range: Range<u64>, piece: u64) -> impl Iterator<Item = Piece> {
    // A power of two, so that no piece crosses the end of a unit.
    let step = 1 << piece.clamp(GROUP, UNIT).ilog2();
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let start = at;
        at = ((start / step + 1) * step).min(range.end);
        Some(Piece { start, end: at })
    })
}

#[cfg(test)]
mod tests;
