//! Peers that break the rules: each is disconnected with a reason that its satellite logs, and nobody else notices.

#![expect(
    clippy::disallowed_methods,
    reason = "a test's own tasks and clock are no satellite's"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connections;
mod floods;
mod gossip;
mod handshake;
mod raw;
mod session;
mod siege;
mod wire;
