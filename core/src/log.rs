//! A satellite's log lines for an application that has no subscriber of tracing: C's log function, Python's `logging`.
//!
//! Not a process-wide logger: two satellites know nothing of each other. The lines wait in a queue with a bound, because what logs is
//! the network and it waits for nobody; what does not fit is counted, and told of in a line of its own.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

/// Lines that wait for the application.
const LOG_QUEUE: usize = 1024;

/// One line: what happened, after the satellite and peer it happened to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// The part of the program that says it.
    pub target: String,
    /// `satellite{id=Qm...}: listening address=...`
    pub text: String,
}

/// The lines of one satellite, as they come. It is opened before the satellite is made, and its other end goes into
/// [`Config::log`](crate::Config::log).
///
/// ```
/// use psfs_core::{Config, LogLines, Satellite};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (log, lines) = LogLines::open(tracing::level_filters::LevelFilter::INFO);
/// let satellite = Satellite::new(Config::new("pineapple").log(log))?;
/// satellite.tell_log(lines, |line| eprintln!("{} {}", line.level, line.text))?;
/// # Ok(())
/// # }
/// ```
pub struct LogLines {
    queue: mpsc::Receiver<LogLine>,
    dropped: Arc<AtomicU64>,
    filter: reload::Handle<Targets, Registry>,
}

impl LogLines {
    /// Both ends: what a satellite's threads log to, and what came of it at `level` or graver.
    pub fn open(level: LevelFilter) -> (Dispatch, Self) {
        let (sender, queue) = mpsc::channel(LOG_QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        let writer = Writer {
            sender,
            dropped: Arc::clone(&dropped),
        };
        let (filter, handle) = reload::Layer::new(targets(level));
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .with_writer(writer)
            .with_filter(filter);
        let lines = Self {
            queue,
            dropped,
            filter: handle,
        };
        (Dispatch::new(Registry::default().with(layer)), lines)
    }

    /// From now on only lines of this level or graver are made.
    pub fn set_level(&self, level: LevelFilter) {
        // An error would mean that the other end is gone: then no lines are made.
        let _gone = self.filter.reload(targets(level)).is_err();
    }

    /// Appends up to `max` lines to `out`. `Ready(false)`: there will be no more.
    pub fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<LogLine>,
        max: usize,
    ) -> Poll<bool> {
        let before = out.len();
        let polled = self.queue.poll_recv_many(cx, out, max);
        if polled.is_ready() {
            match self.dropped.swap(0, Ordering::Relaxed) {
                0 => {}
                lines => out.insert(before, LogLine::of_dropped(lines)),
            }
        }
        polled.map(|_| out.len() > before)
    }

    /// Nobody listens any more: what is logged from now on is not kept. What has come can still be read.
    pub fn close(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for LogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLines")
            .field("waiting", &self.queue.len())
            .finish_non_exhaustive()
    }
}

fn targets(level: LevelFilter) -> Targets {
    // Below warnings the engine underneath is not the program's business.
    let engine = level.min(LevelFilter::WARN);
    Targets::new()
        .with_target("psfs", level)
        // Its warnings say that nobody is there yet; the satellite says that itself, with the address.
        .with_target("libp2p_kad", level.min(LevelFilter::ERROR))
        .with_default(engine)
}

impl LogLine {
    fn of_dropped(lines: u64) -> Self {
        Self {
            level: Level::WARN,
            target: "psfs::log".into(),
            text: format!("{lines} log lines were dropped: what takes them is too slow"),
        }
    }
}

#[derive(Clone)]
struct Writer {
    sender: mpsc::Sender<LogLine>,
    dropped: Arc<AtomicU64>,
}

/// Writes one line.
struct LineWriter<'a> {
    writer: &'a Writer,
    level: Level,
    target: String,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter {
            writer: self,
            level: Level::INFO,
            target: "psfs".into(),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        LineWriter {
            writer: self,
            level: *metadata.level(),
            target: metadata.target().into(),
        }
    }
}

impl Write for LineWriter<'_> {
    /// The formatter writes each line at once.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let sent = self.writer.sender.try_send(LogLine {
            level: self.level,
            target: std::mem::take(&mut self.target),
            text: String::from_utf8_lossy(line).trim_end().to_owned(),
        });
        // Closed: nobody waits for it.
        if matches!(sent, Err(TrySendError::Full(_))) {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn texts(lines: &mut LogLines, max: usize) -> Option<Vec<String>> {
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        match lines.poll_batch(&mut cx, &mut out, max) {
            Poll::Pending => Some(Vec::new()),
            Poll::Ready(true) => Some(out.into_iter().map(|line| line.text).collect()),
            Poll::Ready(false) => None,
        }
    }

    #[test]
    fn the_level_holds_from_the_moment_it_is_set() {
        let (log, mut lines) = LogLines::open(LevelFilter::WARN);
        // As in satellites: while there is one dispatcher, tracing asks only the first thread that comes by.
        let _second = Dispatch::new(tracing::subscriber::NoSubscriber::new());
        let say = || {
            tracing::dispatcher::with_default(&log, || {
                tracing::info!(target: "psfs_core::life", "born");
                tracing::warn!(target: "psfs_core::life", "late");
                tracing::info!(target: "libp2p_swarm", "an engine's");
            });
        };
        say();
        assert_eq!(texts(&mut lines, 9).unwrap(), ["late"]);
        lines.set_level(LevelFilter::DEBUG);
        say();
        assert_eq!(texts(&mut lines, 9).unwrap(), ["born", "late"]);
        lines.set_level(LevelFilter::OFF);
        say();
        assert!(texts(&mut lines, 9).unwrap().is_empty());
        drop(log);
        assert_eq!(texts(&mut lines, 9), None);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told() {
        let (log, mut lines) = LogLines::open(LevelFilter::INFO);
        let _second = Dispatch::new(tracing::subscriber::NoSubscriber::new());
        tracing::dispatcher::with_default(&log, || {
            for number in 0..LOG_QUEUE + 3 {
                tracing::info!(target: "psfs_core::life", "{number}");
            }
        });
        let first = texts(&mut lines, 2).unwrap();
        assert!(
            first[0].starts_with("3 log lines were dropped"),
            "{first:?}"
        );
        assert_eq!(first[1..], ["0", "1"]);
        assert_eq!(texts(&mut lines, LOG_QUEUE).unwrap().len(), LOG_QUEUE - 2);
        lines.close();
        tracing::dispatcher::with_default(&log, || {
            tracing::info!(target: "psfs_core::life", "nobody waits for this");
        });
        assert_eq!(texts(&mut lines, 1), None);
    }
}
