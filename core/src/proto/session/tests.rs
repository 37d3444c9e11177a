//! Two session machines that talk in memory, and what the tests of each kind share.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};

use super::super::frame::{FrameReader, Inbound};
use super::super::packet::{self, Encoded, Header, PacketType};
use super::super::testing::{NOW, identities};
use super::super::{keys, merkle};
use super::*;
use crate::error::Code;
use crate::identity::PeerId;
use wire::frame::Kind;

mod alive;
mod batches;
mod contents;
mod delegation;
mod disorder;
mod ending;
mod handshake;
mod noise;

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// Delegated keys of both, made once: each costs an RSA signature.
static DELEGATED: LazyLock<[Arc<DelegatedKey>; 2]> = LazyLock::new(|| {
    [A, B].map(|side| {
        Arc::new(DelegatedKey::new(
            identities()[side],
            [side as u8 + 1; 32],
            NOW,
        ))
    })
});

pub(super) fn config(side: usize) -> SessionConfig {
    SessionConfig {
        identity: identities()[side].clone(),
        delegated: Arc::clone(&DELEGATED[side]),
        remote: identities()[1 - side].peer_id(),
        signing: Signing::Every,
        limits: Limits {
            content: 1 << 20,
            window: 1 << 20,
            requests: 8,
            reply_window: 1 << 20,
        },
        secret: None,
        network: [7; 32],
        nonce: [side as u8; 32],
        epoch: 100 + side as u64,
        clock_ms: NOW,
    }
}

/// Frames as they lie in these bytes.
pub(super) fn frames(bytes: &[u8]) -> Vec<Inbound> {
    let mut reader = FrameReader::new();
    reader.push(bytes);
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

pub(super) fn bytes_of(kind: Kind) -> Bytes {
    let mut bytes = BytesMut::new();
    frame::encode_frame(&wire::Frame { kind: Some(kind) }, &mut bytes);
    bytes.freeze()
}

/// Gives a machine these bytes, as the handler does, and takes out what comes of each frame.
pub(super) fn feed(
    session: &mut Session,
    bytes: &[u8],
    now_ms: u64,
) -> Result<Vec<Output>, Violation> {
    let mut outputs = Vec::new();
    for frame in frames(bytes) {
        if let Some(kind) = frame.kind {
            session.on_frame(kind, &frame.raw, now_ms)?;
            outputs.extend(std::iter::from_fn(|| session.output()));
        }
    }
    Ok(outputs)
}

/// All a machine wants to write.
pub(super) fn written(session: &mut Session) -> Vec<u8> {
    std::iter::from_fn(|| session.frame())
        .collect::<Vec<_>>()
        .concat()
}

pub(super) fn violation(result: Result<Vec<Output>, Violation>) -> (Code, String) {
    let violation = result.expect_err("this is to be refused");
    (violation.code, violation.text)
}

/// The packets among the outputs.
pub(super) fn packets(outputs: &[Output]) -> Vec<&wire::StreamPacket> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Packet(incoming) => Some(&incoming.packet),
            _ => None,
        })
        .collect()
}

pub(super) fn message(content: &[u8]) -> Encoded {
    message_at(NOW, content)
}

pub(super) fn message_at(now_ms: u64, content: &[u8]) -> Encoded {
    packet::encode(
        &Header::new(PacketType::Message, "n", now_ms),
        Bytes::copy_from_slice(content),
    )
}

/// The parts of a content of so many bytes.
pub(super) fn parts(packet_type: PacketType, request_id: u64, len: usize) -> Vec<Encoded> {
    let header = Header {
        request_id,
        ..Header::new(packet_type, "n", NOW)
    };
    super::super::parts::encode(header, vec![request_id as u8; len].into()).collect()
}

/// Two sessions of the fixed keys. Nothing moves by itself.
pub(super) struct Two {
    pub(super) ends: [Session; 2],
    pub(super) now_ms: u64,
}

impl Two {
    /// Both have their Hello ready.
    pub(super) fn new(change: impl Fn(usize, &mut SessionConfig)) -> Self {
        let ends = [A, B].map(|side| {
            let mut config = config(side);
            change(side, &mut config);
            Session::new(config)
        });
        Self { ends, now_ms: NOW }
    }

    /// Through the handshake, which must go well.
    pub(super) fn open(change: impl Fn(usize, &mut SessionConfig)) -> Self {
        let mut two = Self::new(change);
        two.greet();
        for side in [A, B] {
            two.ends[side].authorise();
        }
        for side in [A, B] {
            two.carry(side).unwrap();
            assert!(two.ends[1 - side].is_open());
        }
        two
    }

    /// Carries both Hellos.
    pub(super) fn greet(&mut self) {
        for side in [A, B] {
            let outputs = self.carry(side).unwrap();
            assert!(matches!(outputs[..], [Output::Greeted { .. }]));
        }
    }

    /// Carries all that one side has written to the other.
    pub(super) fn carry(&mut self, from: usize) -> Result<Vec<Output>, Violation> {
        let bytes = written(&mut self.ends[from]);
        self.give(1 - from, &bytes)
    }

    pub(super) fn give(&mut self, to: usize, bytes: &[u8]) -> Result<Vec<Output>, Violation> {
        feed(&mut self.ends[to], bytes, self.now_ms)
    }

    pub(super) fn tell(&mut self, to: usize, kind: Kind) -> Result<Vec<Output>, Violation> {
        self.give(to, &bytes_of(kind))
    }

    /// One batch as it is written.
    pub(super) fn sealed(&mut self, from: usize, packets: &[Encoded]) -> Vec<u8> {
        self.sealed_asking(from, packets, false)
    }

    pub(super) fn sealed_asking(
        &mut self,
        from: usize,
        packets: &[Encoded],
        confirm: bool,
    ) -> Vec<u8> {
        let mut pieces = Vec::new();
        self.ends[from].seal(packets, confirm, &mut pieces);
        pieces.concat()
    }

    pub(super) fn send(
        &mut self,
        from: usize,
        packets: &[Encoded],
    ) -> Result<Vec<Output>, Violation> {
        let bytes = self.sealed(from, packets);
        self.give(1 - from, &bytes)
    }
}
