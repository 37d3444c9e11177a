//! Peers that break the rules: each is disconnected with a reason that its satellite logs, and nobody else notices.

mod floods;
mod handshake;
mod raw;
mod session;
mod siege;
