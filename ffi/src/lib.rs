//! `libpsfs`: psfs-core for C, and for every language that can call C. `include/psfs.h` is made from these files.
//!
//! Thin: it turns pointers into values, calls the core, and turns the outcome into a status. What may happen when (callbacks,
//! cancelling, shutdown) is decided in the core. Here are the ownership of handles (`boundary`), the only panic wall
//! (`boundary::wall`) and blocking on futures (`wait`).
//!
//! The text of each function is part of the header: what it does, who owns what, which errors, which thread, since when.
//! The rules that hold for all of them are in `header.txt`.

#![expect(non_camel_case_types, reason = "the names are C's")]

mod boundary;
pub mod callback;
pub mod config;
pub mod dht;
pub mod error;
pub mod event;
pub mod identity;
pub mod log;
pub mod operation;
pub mod pausing;
pub mod peer_event;
pub mod peers;
pub mod replies;
pub mod responder;
pub mod satellite;
pub mod status;
pub mod subscribe;
pub mod talk;
pub mod text;
pub mod transfer;
mod wait;
