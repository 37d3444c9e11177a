//! What C hands over to be called: function, `ud` and drop.

use std::ffi::{c_char, c_void};

use crate::dht::custom::psfs_answers;
use crate::dht::offer::psfs_offer;
use crate::dht::routing::psfs_trace;
use crate::dht::stored::psfs_stored;
use crate::dht::value::{psfs_opened, psfs_value};
use crate::error::psfs_error;
use crate::event::psfs_event;
use crate::peer_event::psfs_peer_event;
use crate::replies::psfs_reply;
use crate::status::psfs_status;
use crate::text::psfs_strings;
use crate::transfer::getting::psfs_progress;
use crate::transfer::listing::psfs_files;
use crate::transfer::psfs_file;
use crate::transfer::quota::psfs_quotas;

/// Called once with `ud`, after the last call of the function it was given with; may be NULL.
pub type psfs_drop_fn = Option<unsafe extern "C" fn(ud: *mut c_void)>;

/// Called with each packet; `event` is borrowed until it returns (psfs_event_retain keeps it).
pub type psfs_event_fn = Option<unsafe extern "C" fn(event: *const psfs_event, ud: *mut c_void)>;

/// Called with what happens to peers; `event` is borrowed until it returns.
pub type psfs_peer_event_fn =
    Option<unsafe extern "C" fn(event: *const psfs_peer_event, ud: *mut c_void)>;

/// Called with each reply; `reply` is borrowed until it returns (psfs_reply_retain keeps it).
pub type psfs_reply_fn = Option<unsafe extern "C" fn(reply: *const psfs_reply, ud: *mut c_void)>;

/// Called with the peer a psfs_connect_async led to; `peer` is borrowed until it returns.
pub type psfs_peer_fn = Option<unsafe extern "C" fn(peer: *const c_char, ud: *mut c_void)>;

/// Called with every value that others would like this satellite to keep; `offer` is borrowed until it returns (psfs_offer_retain keeps it).
pub type psfs_offer_fn = Option<unsafe extern "C" fn(offer: *const psfs_offer, ud: *mut c_void)>;

/// Called with what became of a value; `stored` is borrowed until it returns (psfs_stored_retain keeps it).
pub type psfs_stored_fn = Option<unsafe extern "C" fn(stored: *const psfs_stored, ud: *mut c_void)>;

/// Called with a value; `value` is borrowed until it returns (psfs_value_retain keeps it).
pub type psfs_value_fn = Option<unsafe extern "C" fn(value: *const psfs_value, ud: *mut c_void)>;

/// Called with what was sealed; `opened` is borrowed until it returns (psfs_opened_retain keeps it).
pub type psfs_opened_fn = Option<unsafe extern "C" fn(opened: *const psfs_opened, ud: *mut c_void)>;

/// Called with what nodes answered to a command; `answers` is borrowed until it returns (psfs_answers_retain keeps it).
pub type psfs_answers_fn =
    Option<unsafe extern "C" fn(answers: *const psfs_answers, ud: *mut c_void)>;

/// Called with a walk; `trace` is borrowed until it returns (psfs_trace_retain keeps it).
pub type psfs_trace_fn = Option<unsafe extern "C" fn(trace: *const psfs_trace, ud: *mut c_void)>;

/// Called with what a node does; `peer` (who does it) and `line` are borrowed until it returns.
pub type psfs_debug_fn =
    Option<unsafe extern "C" fn(peer: *const c_char, line: *const c_char, ud: *mut c_void)>;

/// Called with how far a file is; `progress` is borrowed until it returns.
pub type psfs_progress_fn =
    Option<unsafe extern "C" fn(progress: *const psfs_progress, ud: *mut c_void)>;

/// Called with how many bytes were hashed so far.
pub type psfs_hashed_fn = Option<unsafe extern "C" fn(bytes: u64, ud: *mut c_void)>;

/// Called with a file that was shared, has come, or is kept; `file` is borrowed until it returns (psfs_file_retain keeps it).
pub type psfs_file_fn = Option<unsafe extern "C" fn(file: *const psfs_file, ud: *mut c_void)>;

/// Called with files that were found; `files` is borrowed until it returns (psfs_files_retain keeps it).
pub type psfs_files_fn = Option<unsafe extern "C" fn(files: *const psfs_files, ud: *mut c_void)>;

/// Called with a list of texts; `strings` is borrowed until it returns (psfs_strings_retain keeps it).
pub type psfs_strings_fn =
    Option<unsafe extern "C" fn(strings: *const psfs_strings, ud: *mut c_void)>;

/// Called with what owners may keep; `quotas` is borrowed until it returns (psfs_quotas_retain keeps it).
pub type psfs_quotas_fn = Option<unsafe extern "C" fn(quotas: *const psfs_quotas, ud: *mut c_void)>;

/// Called with whether something was there: 1 or 0.
pub type psfs_was_there_fn = Option<unsafe extern "C" fn(was_there: u32, ud: *mut c_void)>;

/// Called with bytes of a file; they are borrowed until it returns. 0 of them: the file ends before.
pub type psfs_bytes_fn =
    Option<unsafe extern "C" fn(bytes: *const u8, length: usize, ud: *mut c_void)>;

/// Called once when an operation has ended; `error` is NULL with PSFS_OK, and borrowed until it returns.
pub type psfs_done_fn =
    Option<unsafe extern "C" fn(status: psfs_status, error: *const psfs_error, ud: *mut c_void)>;

/// Called with each log line; `target` and `message` are borrowed until it returns.
pub type psfs_log_fn = Option<
    unsafe extern "C" fn(
        level: u32,
        target: *const c_char,
        message: *const c_char,
        ud: *mut c_void,
    ),
>;

/// The caller's `ud`. Runs its drop when it goes, so exactly once, wherever registering may fail.
#[derive(Debug)]
pub(crate) struct UserData {
    ud: *mut c_void,
    drop: psfs_drop_fn,
}

// SAFETY: the caller gives `ud` to be used from the satellite's callback threads, one at a time; the header says so.
unsafe impl Send for UserData {}
// SAFETY: as above; shared between the calls of one operation, which never overlap, and for a log function between the satellites of one
// config, of which the header says that they may call at once.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(ud: *mut c_void, drop: psfs_drop_fn) -> Self {
        Self { ud, drop }
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.ud
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the caller's function takes the caller's pointer.
            unsafe { drop(self.ud) };
        }
    }
}
