//! Files without their network: what a file's id is, and what is said of files.
//!
//! What it is not: nothing here opens a file, asks a peer or knows the time.

pub(crate) mod collection;
pub(crate) mod keeping;
pub(crate) mod label;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod outline;
pub(crate) mod ranges;
pub(crate) mod root;
pub(crate) mod schedule;
pub(crate) mod ticket;
pub(crate) mod token;
