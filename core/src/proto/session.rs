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

use super::frame::{self, FrameError};
use super::keys::{self, DelegatedKey, VerifiedDelegation};
use super::merkle;
use super::packet::{self, DecodeError, Encoded, PacketType};
use super::parts::{Assembler, PartError};
use super::wire;
use crate::config::{EVENT_COST, Signing};
use crate::error::{Code, NamespaceError};
use crate::identity::{Identity, PeerId, PublicKey};

/// The version of the native wire.
pub(crate) const VERSION: u32 = 2;
const NONCE_BYTES: usize = 32;
/// Versions a Hello may list: more is noise.
const VERSIONS_MAX: usize = 16;
/// Contents that may be in assembly at once within a session (messages count as one).
const ASSEMBLIES_MAX: usize = 64;

/// What a packet costs of a window, on both sides alike: its encoded bytes and a fixed amount for its handling.
pub(crate) fn cost(encoded_len: usize) -> u64 {
    (encoded_len + EVENT_COST) as u64
}

/// What one side takes, as told in Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) content: u64,
    pub(crate) window: u64,
    pub(crate) requests: u32,
    pub(crate) reply_window: u64,
}

/// All a session is made of besides frames.
#[derive(Clone, Debug)]
pub(crate) struct SessionConfig {
    pub(crate) identity: Identity,
    pub(crate) delegated: Arc<DelegatedKey>,
    pub(crate) remote: PeerId,
    pub(crate) signing: Signing,
    pub(crate) limits: Limits,
    pub(crate) secret: Option<Arc<[u8]>>,
    pub(crate) network: [u8; 32],
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) epoch: u64,
    pub(crate) clock_ms: u64,
}

/// Why a session ends: the code and text that a Bye carries and the log shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Violation {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Violation {
    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self {
            code: Code::Protocol,
            text: text.into(),
        }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self {
            code: Code::Refused,
            text: text.into(),
        }
    }
}

impl From<FrameError> for Violation {
    fn from(error: FrameError) -> Self {
        Self::protocol(format!("malformed frame: {error}"))
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self::protocol(format!("malformed packet: {error}"))
    }
}

impl From<PartError> for Violation {
    fn from(error: PartError) -> Self {
        Self::protocol(format!("parts of a content: {error}"))
    }
}

impl From<NamespaceError> for Violation {
    fn from(error: NamespaceError) -> Self {
        Self::protocol(error.to_string())
    }
}

/// A packet taken in, its content whole.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) packet_type: PacketType,
    pub(crate) packet: wire::StreamPacket,
    /// What is to be given back to the sender's window once it was handled.
    pub(crate) cost: u64,
}

/// What came of a frame.
#[derive(Debug)]
pub(crate) enum Output {
    /// The other side greeted: decide whether this connection goes on, then call [`Session::authorise`].
    Greeted { epoch: u64 },
    /// Both sides are proved; packets flow.
    Opened,
    /// A packet, in order.
    Packet(Incoming),
    /// Parts were taken into an assembly: their window can be given back at once.
    Taken {
        packet_type: PacketType,
        request_id: u64,
        cost: u64,
    },
    /// The other side gives credit: 0 is the session's.
    Granted { request_id: u64, bytes: u64 },
    /// The asker no longer wants replies.
    Cancelled { request_id: u64 },
    /// The other side has taken in everything up to this number.
    Acked { up_to: u64 },
    /// The other side ends the session.
    Bye { code: i32, text: String },
}

/// What is known of the other side once it greeted.
#[derive(Clone, Debug)]
struct Greeting {
    session: [u8; 32],
    key: PublicKey,
    delegation: Option<VerifiedDelegation>,
    limits: Limits,
    signing: Signing,
    epoch: u64,
}

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
    window: i64,
    assembler: Assembler,
    frames: VecDeque<Bytes>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session that has its Hello ready to be written.
    pub(crate) fn new(config: SessionConfig) -> Self {
        let hello = wire::Hello {
            versions: vec![VERSION],
            policy: policy_number(config.signing),
            nonce: Bytes::copy_from_slice(&config.nonce),
            clock: config.clock_ms,
            limits: Some(wire::Limits {
                content: config.limits.content,
                window: config.limits.window,
                requests: config.limits.requests,
                reply_window: config.limits.reply_window,
            }),
            delegation: Some(config.delegated.delegation().clone()),
            epoch: config.epoch,
            network: Bytes::copy_from_slice(&config.network),
            key: Bytes::copy_from_slice(config.identity.public_key().as_der()),
        };
        let hello = wire::Frame {
            kind: Some(wire::frame::Kind::Hello(hello)),
        };
        let hello_bytes = Bytes::from(prost::Message::encode_to_vec(&hello));
        let mut session = Self {
            window: i64::try_from(config.limits.window).unwrap_or(i64::MAX),
            assembler: Assembler::new(
                usize::try_from(config.limits.content).unwrap_or(usize::MAX),
                ASSEMBLIES_MAX,
            ),
            config,
            hello: hello_bytes,
            greeting: None,
            auth_sent: false,
            auth_received: false,
            next_out: 1,
            next_in: 1,
            frames: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        session.write(&hello);
        session
    }

    /// Whether packets flow.
    pub(crate) fn is_open(&self) -> bool {
        self.auth_sent && self.auth_received
    }

    /// The other side's limits and the policy in force, once greeted.
    pub(crate) fn agreed(&self) -> Option<(Limits, Signing)> {
        self.greeting.as_ref().map(|g| (g.limits, g.signing))
    }

    /// The next output, in order.
    pub(crate) fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next encoded frame to write, in order.
    pub(crate) fn frame(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// Bytes held in contents that are not whole yet.
    pub(crate) fn assembling(&self) -> usize {
        self.assembler.held()
    }

    /// Goes on with Auth: this connection carries the session.
    pub(crate) fn authorise(&mut self) {
        let Some(greeting) = &self.greeting else {
            return;
        };
        if self.auth_sent {
            return;
        }
        let local = self.config.identity.peer_id();
        let signature = self
            .config
            .identity
            .sign(&keys::auth_message(&greeting.session, &local));
        let membership = match &self.config.secret {
            Some(secret) => {
                Bytes::copy_from_slice(&keys::membership_proof(secret, &greeting.session, &local))
            }
            None => Bytes::new(),
        };
        self.auth_sent = true;
        self.tell(wire::frame::Kind::Auth(wire::Auth {
            signature: signature.into(),
            membership,
        }));
        self.opened_if_both();
    }

    /// Takes in one frame, as decoded and as it came: the session is bound to the very bytes of both Hellos.
    ///
    /// # Errors
    /// A [`Violation`]: the session is over; say Bye with it and close.
    pub(crate) fn on_frame(
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
                    text: bye.text,
                });
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
            // A Hello of ours never offers to resume, so nobody has a reason to ask.
            Kind::Resume(_) => Err(Violation::protocol("Resume was not offered")),
        }
    }

    /// Numbers, signs and encodes one batch; gives the chunks to write, in order, and the number of its last packet.
    pub(crate) fn seal(&mut self, packets: &[Encoded], confirm: bool, out: &mut Vec<Bytes>) -> u64 {
        let first = self.next_out;
        self.next_out += packets.len() as u64;
        let signature = match &self.greeting {
            Some(greeting) if greeting.signing != Signing::Lazy => {
                let root = merkle::root_of_encoded(packets);
                let message = keys::batch_message(
                    &greeting.session,
                    &self.config.identity.peer_id(),
                    &self.config.remote,
                    self.config.epoch,
                    first,
                    &root,
                );
                match greeting.signing {
                    Signing::Rsa => self.config.identity.sign(&message),
                    _ => self.config.delegated.sign(&message).to_vec(),
                }
            }
            _ => Vec::new(),
        };
        frame::encode_batch(first, packets, confirm, &signature, out);
        self.next_out - 1
    }

    /// Gives credit back: 0 is the session's window.
    pub(crate) fn grant(&mut self, request_id: u64, bytes: u64) {
        if request_id == 0 {
            self.window = self.window.saturating_add_unsigned(bytes);
        }
        self.tell(wire::frame::Kind::Credit(wire::Credit {
            request_id,
            bytes,
        }));
    }

    /// Tells the other side that replies to a request are no longer wanted; what it sent of them is let go.
    pub(crate) fn cancel(&mut self, request_id: u64) {
        self.assembler.forget(request_id);
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

    /// Lets go of what came of a content nobody waits for any more.
    pub(crate) fn forget(&mut self, request_id: u64) {
        self.assembler.forget(request_id);
    }

    /// The last frame.
    pub(crate) fn bye(&mut self, code: i32, text: &str) {
        let text: String = text.chars().take(BYE_TEXT_MAX).collect();
        self.tell(wire::frame::Kind::Bye(wire::Bye { code, text }));
    }

    fn tell(&mut self, kind: wire::frame::Kind) {
        self.write(&wire::Frame { kind: Some(kind) });
    }

    fn write(&mut self, frame: &wire::Frame) {
        let mut buffer = BytesMut::new();
        frame::encode_frame(frame, &mut buffer);
        self.frames.push_back(buffer.freeze());
    }

    fn on_hello(&mut self, hello: &wire::Hello, raw: &[u8], now_ms: u64) -> Result<(), Violation> {
        if self.greeting.is_some() {
            return Err(Violation::protocol("a second Hello"));
        }
        if hello.versions.len() > VERSIONS_MAX || !hello.versions.contains(&VERSION) {
            return Err(Violation::refused(format!(
                "no common version: this side speaks {VERSION}"
            )));
        }
        if hello.network.as_ref() != self.config.network {
            return Err(Violation::refused(
                "another network: rendezvous or secret differ",
            ));
        }
        if hello.nonce.len() != NONCE_BYTES {
            return Err(Violation::protocol("a nonce has 32 bytes"));
        }
        let key = PublicKey::from_der(&hello.key).map_err(|e| Violation::refused(e.to_string()))?;
        if key.peer_id() != self.config.remote {
            return Err(Violation::protocol(
                "the key in Hello is not that of the connection's peer",
            ));
        }
        let theirs = signing_of(hello.policy)
            .ok_or_else(|| Violation::protocol("unknown signing policy"))?;
        let limits = hello
            .limits
            .as_ref()
            .ok_or_else(|| Violation::protocol("Hello without limits"))?;
        let limits = Limits {
            content: limits.content,
            window: limits.window,
            requests: limits.requests,
            reply_window: limits.reply_window,
        };
        let signing = stricter(self.config.signing, theirs);
        let delegation = match &hello.delegation {
            Some(delegation) => Some(
                keys::check_delegation(delegation, &key, now_ms)
                    .map_err(|e| Violation::refused(format!("delegation: {e}")))?,
            ),
            None if signing == Signing::Every => {
                return Err(Violation::protocol("Hello without delegation"));
            }
            None => None,
        };
        let epoch = hello.epoch;
        let local = self.config.identity.peer_id();
        let session = keys::session_id(&self.hello, &local, raw, &self.config.remote);
        self.greeting = Some(Greeting {
            session,
            key,
            delegation,
            limits,
            signing,
            epoch,
        });
        self.outputs.push_back(Output::Greeted { epoch });
        Ok(())
    }

    fn on_auth(&mut self, auth: &wire::Auth) -> Result<(), Violation> {
        let Some(greeting) = &self.greeting else {
            return Err(Violation::protocol("Auth before Hello"));
        };
        if self.auth_received {
            return Err(Violation::protocol("a second Auth"));
        }
        if !greeting.key.verify(
            &keys::auth_message(&greeting.session, &self.config.remote),
            &auth.signature,
        ) {
            return Err(Violation::refused("the signature in Auth is wrong"));
        }
        if let Some(secret) = &self.config.secret
            && !keys::membership_holds(
                secret,
                &greeting.session,
                &self.config.remote,
                &auth.membership,
            )
        {
            return Err(Violation::refused("no proof of knowing the secret"));
        }
        self.auth_received = true;
        self.opened_if_both();
        Ok(())
    }

    fn opened_if_both(&mut self) {
        if self.is_open() {
            self.outputs.push_back(Output::Opened);
        }
    }

    fn on_delegation(
        &mut self,
        delegation: &wire::Delegation,
        now_ms: u64,
    ) -> Result<(), Violation> {
        let Some(greeting) = &mut self.greeting else {
            return Err(Violation::protocol("Delegation before Hello"));
        };
        let verified = keys::check_delegation(delegation, &greeting.key, now_ms)
            .map_err(|e| Violation::refused(format!("delegation: {e}")))?;
        greeting.delegation = Some(verified);
        Ok(())
    }

    fn on_batch(&mut self, batch: wire::Batch) -> Result<(), Violation> {
        let Some(greeting) = &self.greeting else {
            return Err(Violation::protocol("Batch before Hello"));
        };
        if batch.first_sequence != self.next_in {
            return Err(Violation::protocol(format!(
                "packet {} came where {} was due: replayed or left out",
                batch.first_sequence, self.next_in
            )));
        }
        if greeting.signing != Signing::Lazy {
            let root = merkle::root(batch.packets.iter().map(AsRef::as_ref));
            let message = keys::batch_message(
                &greeting.session,
                &self.config.remote,
                &self.config.identity.peer_id(),
                greeting.epoch,
                batch.first_sequence,
                &root,
            );
            let holds = match (greeting.signing, &greeting.delegation) {
                (Signing::Rsa, _) => greeting.key.verify(&message, &batch.signature),
                (_, Some(delegation)) => delegation.verify(&message, &batch.signature),
                (_, None) => false,
            };
            if !holds {
                return Err(Violation::protocol("the signature of a batch is wrong"));
            }
        }
        self.next_in += batch.packets.len() as u64;
        for encoded in batch.packets {
            self.on_packet(encoded)?;
        }
        if batch.confirm {
            self.tell(wire::frame::Kind::Ack(wire::Ack {
                received_up_to: self.next_in - 1,
            }));
        }
        Ok(())
    }

    fn on_packet(&mut self, encoded: Bytes) -> Result<(), Violation> {
        let cost = cost(encoded.len());
        let packet = packet::decode(encoded)?;
        let packet_type =
            PacketType::try_from(packet.r#type).map_err(|e| Violation::protocol(e.to_string()))?;
        let request_id = packet.request_id;
        if charged_to_session(packet_type, request_id) {
            self.window = self.window.saturating_sub_unsigned(cost);
            if self.window < 0 {
                return Err(Violation::protocol("more was sent than credit allowed"));
            }
        }
        match packet_type {
            PacketType::Broadcast => {
                return Err(Violation::protocol(
                    "a BROADCAST does not travel in a session",
                ));
            }
            PacketType::Request
            | PacketType::Seek
            | PacketType::Response
            | PacketType::EndResponse
                if request_id == 0 =>
            {
                return Err(Violation::protocol(
                    "a request or reply without a request id",
                ));
            }
            _ => {}
        }
        if packet.parts == 0 {
            if packet.content.len() as u64 > self.config.limits.content {
                return Err(Violation::protocol("a content over the limit"));
            }
            self.outputs.push_back(Output::Packet(Incoming {
                packet_type,
                packet,
                cost,
            }));
            return Ok(());
        }
        match self.assembler.push(packet)? {
            Some(packet) => self.outputs.push_back(Output::Packet(Incoming {
                packet_type,
                packet,
                cost,
            })),
            None => self.outputs.push_back(Output::Taken {
                packet_type,
                request_id,
                cost,
            }),
        }
        Ok(())
    }
}

/// Longest text of a Bye, in characters.
const BYE_TEXT_MAX: usize = 200;

/// Request ids with this bit belong to broadcasts that ask for answers: their replies come from peers that were not asked one by
/// one, so they are charged to the session instead of a request's window.
pub(crate) const CAST_BIT: u64 = 1 << 63;

/// Whether a packet is charged to the session's window (else to its request's).
pub(crate) fn charged_to_session(packet_type: PacketType, request_id: u64) -> bool {
    match packet_type {
        PacketType::Response | PacketType::EndResponse => request_id & CAST_BIT != 0,
        _ => true,
    }
}

fn stricter(a: Signing, b: Signing) -> Signing {
    match (a, b) {
        (Signing::Rsa, _) | (_, Signing::Rsa) => Signing::Rsa,
        (Signing::Every, _) | (_, Signing::Every) => Signing::Every,
        (Signing::Lazy, Signing::Lazy) => Signing::Lazy,
    }
}

fn policy_number(signing: Signing) -> i32 {
    match signing {
        Signing::Every => wire::Policy::Every as i32,
        Signing::Rsa => wire::Policy::Rsa as i32,
        Signing::Lazy => wire::Policy::Lazy as i32,
    }
}

fn signing_of(number: i32) -> Option<Signing> {
    match wire::Policy::try_from(number).ok()? {
        wire::Policy::Every => Some(Signing::Every),
        wire::Policy::Rsa => Some(Signing::Rsa),
        wire::Policy::Lazy => Some(Signing::Lazy),
    }
}
