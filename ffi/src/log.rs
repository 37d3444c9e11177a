//! Log lines for C: taken from the satellite's own threads, told by a callback.
//!
//! Not a process-wide logger: two satellites know nothing of each other. The lines wait in a queue with a bound, because what
//! logs is the network and it waits for nobody.

use std::ffi::CString;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use psfs_core::{Error, Satellite};
use tokio::sync::mpsc;
use tracing::{Dispatch, Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::boundary::bad_input;
use crate::callback::{UserData, psfs_log_fn};
use crate::error::{Failure, c_string};

/// Something failed that should not have.
pub const PSFS_LOG_ERROR: u32 = 1;
/// Something to look at.
pub const PSFS_LOG_WARN: u32 = 2;
/// What an operator wants to know.
pub const PSFS_LOG_INFO: u32 = 3;
/// What a developer wants to know.
pub const PSFS_LOG_DEBUG: u32 = 4;
/// Everything.
pub const PSFS_LOG_TRACE: u32 = 5;

/// Lines that wait for the callback.
const LOG_QUEUE: usize = 1024;

/// Where the lines of a config's satellites go.
#[derive(Clone, Debug)]
pub(crate) struct LogTo {
    level: Level,
    log: unsafe extern "C" fn(
        u32,
        *const std::ffi::c_char,
        *const std::ffi::c_char,
        *mut std::ffi::c_void,
    ),
    user: Arc<UserData>,
}

/// Lines on their way from one satellite's threads.
pub(crate) struct Lines {
    queue: mpsc::Receiver<Line>,
    dropped: Arc<AtomicU64>,
}

struct Line {
    level: u32,
    target: CString,
    message: CString,
}

impl LogTo {
    pub(crate) fn new(level: u32, log: psfs_log_fn, user: Arc<UserData>) -> Result<Self, Failure> {
        let level = match level {
            PSFS_LOG_ERROR => Level::ERROR,
            PSFS_LOG_WARN => Level::WARN,
            PSFS_LOG_INFO => Level::INFO,
            PSFS_LOG_DEBUG => Level::DEBUG,
            PSFS_LOG_TRACE => Level::TRACE,
            _ => {
                return Err(bad_input(format!(
                    "`level` is {level}: give one of PSFS_LOG_*"
                )));
            }
        };
        let log = log.ok_or_else(|| Error::new(psfs_core::Code::Null, "`log` is NULL"))?;
        Ok(Self { level, log, user })
    }

    /// What the threads of one satellite log to, and the other end of it.
    pub(crate) fn open(&self) -> (Dispatch, Lines) {
        let (sender, queue) = mpsc::channel(LOG_QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        let writer = Writer {
            sender,
            dropped: dropped.clone(),
        };
        // Below warnings the engine underneath is not the program's business.
        let engine = LevelFilter::from(self.level).min(LevelFilter::WARN);
        let filter = Targets::new()
            .with_target("psfs", self.level)
            // Its warnings say that nobody is there yet; the satellite says that itself, with the address.
            .with_target("libp2p_kad", LevelFilter::ERROR.min(engine))
            .with_default(engine);
        let lines = tracing_subscriber::fmt::layer()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .with_writer(writer)
            .with_filter(filter);
        (
            Dispatch::new(Registry::default().with(lines)),
            Lines { queue, dropped },
        )
    }

    /// Tells the lines by the satellite's callbacks until it ends.
    pub(crate) fn tell(self, satellite: &Satellite, lines: Lines) -> Result<(), Failure> {
        let Lines { queue, dropped } = lines;
        satellite.call_with(queue, move |line: Line| {
            match dropped.swap(0, Ordering::Relaxed) {
                0 => {}
                lines => self.call(&Line::of_dropped(lines)),
            }
            self.call(&line);
        })?;
        Ok(())
    }

    fn call(&self, line: &Line) {
        // SAFETY: the caller's function, with the caller's pointer; the texts live until it returns.
        unsafe {
            (self.log)(
                line.level,
                line.target.as_ptr(),
                line.message.as_ptr(),
                self.user.pointer(),
            )
        }
    }
}

impl Line {
    fn of_dropped(lines: u64) -> Self {
        Self {
            level: PSFS_LOG_WARN,
            target: c_string("psfs::log"),
            message: c_string(&format!(
                "{lines} log lines were dropped: the log function is too slow"
            )),
        }
    }
}

#[derive(Clone)]
struct Writer {
    sender: mpsc::Sender<Line>,
    dropped: Arc<AtomicU64>,
}

/// Writes one line.
struct LineWriter<'a> {
    writer: &'a Writer,
    level: u32,
    target: String,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter {
            writer: self,
            level: PSFS_LOG_INFO,
            target: "psfs".into(),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let level = match *metadata.level() {
            Level::ERROR => PSFS_LOG_ERROR,
            Level::WARN => PSFS_LOG_WARN,
            Level::INFO => PSFS_LOG_INFO,
            Level::DEBUG => PSFS_LOG_DEBUG,
            Level::TRACE => PSFS_LOG_TRACE,
        };
        LineWriter {
            writer: self,
            level,
            target: metadata.target().into(),
        }
    }
}

impl Write for LineWriter<'_> {
    /// The formatter writes each line at once.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let line_text = String::from_utf8_lossy(line);
        let sent = self.writer.sender.try_send(Line {
            level: self.level,
            target: c_string(&self.target),
            message: c_string(line_text.trim_end()),
        });
        if sent.is_err() {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
