//! Log lines for C: the core's [`LogLines`], told by a callback.

use std::sync::Arc;

use psfs_core::{Error, LogLine, LogLines, Satellite};
use tracing::{Dispatch, Level};

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
    pub(crate) fn open(&self) -> (Dispatch, LogLines) {
        LogLines::open(self.level.into())
    }

    /// Tells the lines by the satellite's callbacks until it ends.
    pub(crate) fn tell(self, satellite: &Satellite, lines: LogLines) -> Result<(), Failure> {
        satellite.tell_log(lines, move |line| self.call(&line))?;
        Ok(())
    }

    fn call(&self, line: &LogLine) {
        let (target, text) = (c_string(&line.target), c_string(&line.text));
        // SAFETY: the caller's function, with the caller's pointer; the texts live until it returns.
        unsafe {
            (self.log)(
                number_of(line.level),
                target.as_ptr(),
                text.as_ptr(),
                self.user.pointer(),
            )
        }
    }
}

fn number_of(level: Level) -> u32 {
    match level {
        Level::ERROR => PSFS_LOG_ERROR,
        Level::WARN => PSFS_LOG_WARN,
        Level::INFO => PSFS_LOG_INFO,
        Level::DEBUG => PSFS_LOG_DEBUG,
        Level::TRACE => PSFS_LOG_TRACE,
    }
}
