//! The session machine: what two satellites say to each other over one connection, from Hello to Bye.
//!
//! It reads frames and gives back outputs and frames to write; it has no socket, clock or randomness. One session lives on one
//! connection and ends with it. What waits in queues, who handles a packet and which of two connections carries the session is
//! decided elsewhere (`net::link`, `satellite::router`, [`super::pair`]).
//!
//! ```text
//!            Hello sent at once
//!  Greeting ──Hello received──▶ Greeted ──authorise()──▶ Auth sent ┐
//!                                  │                               ├─▶ Open ──Bye or violation──▶ Ended
//!                                  └──────Auth received────────────┘
//! ```
//!
//! Invariants: nothing but Hello and Auth is read before `Open`; the policy is fixed at Hello, as the stricter of both sides';
//! a batch is taken in whole or ends the session; sequence numbers have no gaps, so nothing can be replayed or left out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::keys::DelegatedKey;
use super::merkle::Hash;
use super::packet::PacketType;
use super::parts::Assembler;
use super::{frame, wire};
use crate::config::Signing;
use crate::identity::PublicKey;
use handshake::Greeting;

mod batches;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod handshake;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use batches::{CAST_BIT, Lane, cost};
pub(crate) use values::{Incoming, Limits, Output, SessionConfig, Violation};

/// The version of the native wire.
pub(crate) const VERSION: u32 = 2;
const NONCE_BYTES: usize = 32;
/// Versions a Hello may list: more is noise.
const VERSIONS_MAX: usize = 16;
/// Contents that may be in assembly at once, beside a reply for each request that this side may have open: one for each window.
const ASSEMBLIES: usize = Lane::ALL.len();
/// The same in all, whatever the other side says it takes: as many requests as a satellite can be set to take.
const ASSEMBLIES_MAX: usize = 1 << 16;
/// Longest response tag, in bytes. It is kept with a content in assembly, and counted nowhere.
const TAG_MAX: usize = 1024;
/// Longest text of a Bye, in characters.
const BYE_TEXT_MAX: usize = 200;

/// One session. See the module.
#[derive(Debug)]
pub(crate) struct Session {
    config: SessionConfig,
    hello: Bytes,
    greeting: Option<Greeting>,
    auth_sent: bool,
    auth_received: bool,
    next_out: u64,
    next_in: u64,
    /// Leaves of the last packets each way that no signature stands for yet.
    unsigned_out: Vec<Hash>,
    unsigned_in: Vec<Hash>,
    /// What the other side may still send on each [`Lane`].
    windows: [i64; 2],
    assembler: Assembler,
    /// Bye was said or heard, or a rule was broken: nothing more is read, written or opened.
    ended: bool,
    bye_said: bool,
    frames: VecDeque<Bytes>,
    /// An Ack is to be written. One stands for all before it, so a peer that asks for many and reads none fills nothing.
    ack_due: bool,
    /// The same of a sign of life.
    alive_due: bool,
    /// One was asked for, and nothing came since.
    asked: bool,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session that has its Hello ready to be written.
    pub(crate) fn new(config: SessionConfig) -> Self {
        let hello = handshake::hello(&config);
        let hello_bytes = Bytes::from(prost::Message::encode_to_vec(&hello));
        let mut session = Self {
            windows: [i64::try_from(config.limits.window).unwrap_or(i64::MAX); 2],
            assembler: Assembler::new(0, 0),
            config,
            hello: hello_bytes,
            greeting: None,
            auth_sent: false,
            auth_received: false,
            next_out: 1,
            next_in: 1,
            unsigned_out: Vec::new(),
            unsigned_in: Vec::new(),
            ended: false,
            bye_said: false,
            frames: VecDeque::new(),
            ack_due: false,
            alive_due: false,
            asked: false,
            outputs: VecDeque::new(),
        };
        session.write(&hello);
        session
    }

    /// Whether packets flow.
    pub(crate) fn is_open(&self) -> bool {
        self.auth_sent && self.auth_received && !self.ended
    }

    /// The other side's limits and the policy in force, once greeted.
    pub(crate) fn agreed(&self) -> Option<(Limits, Signing)> {
        self.greeting.as_ref().map(|g| (g.limits, g.signing))
    }

    /// The other side's public key, once greeted. Proved only by its Auth: when the session is open.
    pub(crate) fn peer_key(&self) -> Option<&PublicKey> {
        self.greeting.as_ref().map(|greeting| &greeting.key)
    }

    /// The next output, in order.
    pub(crate) fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next encoded frame to write, in order.
    pub(crate) fn frame(&mut self) -> Option<Bytes> {
        if self.frames.is_empty() && std::mem::take(&mut self.ack_due) {
            self.tell(wire::frame::Kind::Ack(wire::Ack {
                received_up_to: self.next_in - 1,
            }));
        }
        if self.frames.is_empty() && std::mem::take(&mut self.alive_due) {
            self.tell(wire::frame::Kind::Alive(wire::Alive { answer: false }));
        }
        self.frames.pop_front()
    }

    /// Bytes held in contents that are not whole yet.
    #[cfg(test)]
    pub(crate) fn assembling(&self) -> usize {
        self.assembler.held()
    }

    /// What the other side may still send on a window.
    pub(crate) fn credit_left(&self, lane: Lane) -> i64 {
        self.windows[lane as usize]
    }

    /// How many contents are not whole yet.
    pub(crate) fn unfinished(&self) -> usize {
        self.assembler.open()
    }

    /// Whether a content of this type and request is not whole yet.
    pub(crate) fn is_unfinished(&self, packet_type: PacketType, request_id: u64) -> bool {
        self.assembler.is_open(packet_type, request_id)
    }

    /// Takes in one frame, as decoded and as it came: the session is bound to the very bytes of both Hellos. Frames that come
    /// after the end are skipped.
    ///
    /// # Errors
    /// A [`Violation`]: the session is over, and nothing comes of this frame; say Bye with it and close.
    pub(crate) fn on_frame(
        &mut self,
        kind: wire::frame::Kind,
        raw: &[u8],
        now_ms: u64,
    ) -> Result<(), Violation> {
        if self.ended {
            return Ok(());
        }
        let before = self.outputs.len();
        let taken = self.take_in(kind, raw, now_ms);
        self.asked = false;
        if taken.is_err() {
            self.outputs.truncate(before);
            self.ended = true;
        }
        taken
    }

    /// Gives credit back: to a request, or by its [`Lane::credit_id`] to a window of the session.
    pub(crate) fn grant(&mut self, request_id: u64, bytes: u64) {
        if let Some(lane) = Lane::of_credit(request_id) {
            let window = &mut self.windows[lane as usize];
            *window = window.saturating_add_unsigned(bytes);
        }
        self.tell(wire::frame::Kind::Credit(wire::Credit {
            request_id,
            bytes,
        }));
    }

    /// Tells the other side that replies to a request are no longer wanted; what it sent of them is let go.
    pub(crate) fn cancel(&mut self, request_id: u64) {
        self.forget(request_id);
        self.tell(wire::frame::Kind::Cancel(wire::Cancel { request_id }));
    }

    /// Goes over to this delegated key, if it is another than now: the other side learns it before the next batch.
    pub(crate) fn renew(&mut self, delegated: &Arc<DelegatedKey>) {
        if !Arc::ptr_eq(delegated, &self.config.delegated) {
            self.tell(wire::frame::Kind::Delegation(
                delegated.delegation().clone(),
            ));
            self.config.delegated = Arc::clone(delegated);
        }
    }

    /// Asks the other side for a sign of life, see [`super::alive`].
    pub(crate) fn ask(&mut self) {
        self.asked = true;
        self.tell(wire::frame::Kind::Alive(wire::Alive { answer: true }));
    }

    /// Lets go of what came of replies nobody waits for any more.
    pub(crate) fn forget(&mut self, request_id: u64) {
        for reply in [PacketType::Response, PacketType::EndResponse] {
            self.assembler.forget(reply, request_id);
        }
    }

    /// Says why this side ends the session, once: the last frame.
    pub(crate) fn bye(&mut self, code: i32, text: &str) {
        if !self.bye_said {
            let text = bye_text(text);
            let bye = wire::frame::Kind::Bye(wire::Bye { code, text });
            self.write(&wire::Frame { kind: Some(bye) });
        }
        self.bye_said = true;
        self.ended = true;
    }

    fn take_in(
        &mut self,
        kind: wire::frame::Kind,
        raw: &[u8],
        now_ms: u64,
    ) -> Result<(), Violation> {
        use wire::frame::Kind;
        match kind {
            Kind::Hello(hello) => self.on_hello(&hello, raw, now_ms),
            Kind::Bye(bye) => {
                self.outputs.push_back(Output::Bye {
                    code: bye.code,
                    text: bye_text(&bye.text),
                });
                self.ended = true;
                Ok(())
            }
            Kind::Auth(auth) => self.on_auth(&auth),
            _ if !self.is_open() => Err(Violation::protocol(
                "a frame came before Hello and Auth were done",
            )),
            Kind::Batch(batch) => self.on_batch(batch),
            Kind::Delegation(delegation) => self.on_delegation(&delegation, now_ms),
            Kind::Credit(credit) => {
                self.outputs.push_back(Output::Granted {
                    request_id: credit.request_id,
                    bytes: credit.bytes,
                });
                Ok(())
            }
            Kind::Cancel(cancel) => {
                // The asker may give up in the middle of a large question.
                for asked in [PacketType::Request, PacketType::Seek] {
                    self.assembler.forget(asked, cancel.request_id);
                }
                self.outputs.push_back(Output::Cancelled {
                    request_id: cancel.request_id,
                });
                Ok(())
            }
            Kind::Ack(ack) => {
                if ack.received_up_to >= self.next_out {
                    return Err(Violation::protocol("an Ack for packets never sent"));
                }
                self.outputs.push_back(Output::Acked {
                    up_to: ack.received_up_to,
                });
                Ok(())
            }
            Kind::Alive(alive) => {
                // Had the other side read our question by then, its answer would have come first: ours is still to come, and is as
                // good as an answer.
                self.alive_due |= alive.answer && !self.asked;
                Ok(())
            }
            // A Hello of ours never offers to resume, so nobody has a reason to ask.
            Kind::Resume(_) => Err(Violation::protocol("Resume was not offered")),
        }
    }

    fn tell(&mut self, kind: wire::frame::Kind) {
        if self.ended {
            return;
        }
        self.write(&wire::Frame { kind: Some(kind) });
    }

    fn write(&mut self, frame: &wire::Frame) {
        let mut buffer = BytesMut::new();
        frame::encode_frame(frame, &mut buffer);
        self.frames.push_back(buffer.freeze());
    }
}

/// The text of a Bye, fit to be shown on one line of a log.
fn bye_text(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(BYE_TEXT_MAX).map(shown).collect()
}
