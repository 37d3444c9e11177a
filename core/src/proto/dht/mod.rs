//! The DHT without its network: what keys and values are, who is near a key, how one walks there, and what nodes say to each other.
//!
//! What it is not: it asks nobody and keeps nothing. [`lookup`] is told answers and says whom to ask next, [`table`] who is
//! near; [`message`] and [`value`] read what strangers send.

pub(crate) mod lookup;
pub(crate) mod message;
pub(crate) mod sealed;
#[cfg(test)]
mod sim;
pub(crate) mod slice;
pub(crate) mod table;
pub(crate) mod value;
