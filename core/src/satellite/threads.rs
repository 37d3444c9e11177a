//! Threads of the library's own take no signals: a program's signal handlers run on the program's threads, and a connection
//! that breaks while it is written to ends that connection, not (by SIGPIPE) a program that is not written in Rust.
//!
//! Threads inherit the mask of the thread that makes them, so it is set around their making: there is no moment in which they
//! have another. Callback threads keep the program's mask, as they run the program's code, which may start processes.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

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
pub(super) fn without_signals<R>(make: impl FnOnce() -> R) -> R {
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
