//! Whole satellites in one process, over loopback and over memory: what they promise, and each bad input with its own error.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends where it cannot go on, and runs on a runtime of its own"
)]

mod asking;
mod casting;
mod dialling;
mod ending;
mod flow;
mod members;
mod refusing;
mod returning;
mod talking;
