//! Satellites: programs that find each other under a shared name and talk, without a server.

pub mod error;
pub mod identity;
pub mod store;
