//! Whole satellites in one process, over loopback and over memory: what they promise, and each bad input with its own error.

#![expect(
    clippy::disallowed_methods,
    reason = "a test's own tasks and clock are no satellite's"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod asking;
mod casting;
mod dht;
mod dialling;
mod ending;
mod faults;
mod files;
mod flow;
mod keeping;
mod leaving;
mod members;
mod noticing;
mod pausing;
mod refusing;
mod returning;
mod talking;
