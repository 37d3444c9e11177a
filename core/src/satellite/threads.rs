//! What threads of the library's own have in common.
//!
//! They log where their satellite's lines go ([`Config::log`](crate::Config::log)), and they take no signals: a program's signal handlers run on the program's threads, and a connection
//! that breaks while it is written to ends that connection, not (by SIGPIPE) a program that is not written in Rust.
//!
//! Threads inherit the mask of the thread that makes them, so it is set around their making: there is no moment in which they
//! have another. Callback threads keep the program's mask, as they run the program's code, which may start processes.

use std::cell::RefCell;
use std::sync::LazyLock;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;
use tracing::subscriber::NoSubscriber;

/// Signals that a thread raises by what it does: blocked, they could not be told from a hang.
const OWN_FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGSYS,
];

/// Runs `make`; threads it makes take no signals.
pub(crate) fn without_signals<R>(make: impl FnOnce() -> R) -> R {
    let mut blocked = SigSet::all();
    for fault in OWN_FAULTS {
        blocked.remove(fault);
    }
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let made = make();
    if let Ok(before) = before {
        // It was the mask a moment ago.
        let _restored = before.thread_set_mask();
    }
    made
}

thread_local! {
    static LOG: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// tracing remembers of each line whether anybody wants it. While there is one dispatcher in the process it asks only the thread that
/// comes by first, which may be another satellite's: then the line is lost to all. With two it asks both, wherever they are.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// From here on this thread's log lines go to `log`.
pub(super) fn begin_log(log: Option<&Dispatch>) {
    if log.is_some() {
        LazyLock::force(&SECOND);
    }
    LOG.set(log.map(tracing::dispatcher::set_default));
}

/// Before the thread ends: what the guard touches is gone later.
pub(super) fn end_log() {
    LOG.set(None);
}
