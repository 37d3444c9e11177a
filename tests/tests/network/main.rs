//! Whole satellites in one process, over loopback and over memory: what they promise, and each bad input with its own error.

mod asking;
mod casting;
mod dialling;
mod ending;
mod flow;
mod members;
mod refusing;
mod returning;
mod talking;
