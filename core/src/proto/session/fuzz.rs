//! Two session machines of which bytes decide what they say and hear; one of them may be nobody's satellite at all.

use std::sync::LazyLock;

use super::super::frame::{FrameReader, encode_frame};
use super::super::packet::{self, Header};
use super::super::testing::{NOW, identities};
use super::*;
use crate::error::Code;
use crate::fuzz::Input;
use crate::hidden::Hidden;
use wire::frame::Kind;

/// Two of each side's delegated keys, made once: each costs an RSA signature.
static DELEGATED: LazyLock<[[Arc<DelegatedKey>; 2]; 2]> = LazyLock::new(|| {
    [0, 1].map(|side| {
        [0, 1].map(|number| {
            let seed = [1 + side as u8 + 2 * number; 32];
            Arc::new(DelegatedKey::new(identities()[side], seed, NOW))
        })
    })
});

const SIGNING: [Signing; 4] = [Signing::Lazy, Signing::Every, Signing::Rsa, Signing::Lazy];
const WINDOW: u64 = 4096;

struct Two {
    ends: [Session; 2],
    authorised: [bool; 2],
    now_ms: u64,
}

/// The first byte chooses the policies and secrets, and whether both sides begin proved; the rest what happens, see the match below.
pub fn session(data: &[u8]) {
    let mut input = Input(data);
    let mut two = Two::new(input.byte().unwrap_or_default());
    while let Some(what) = input.byte() {
        let side = usize::from(what >> 7);
        let request_id = u64::from(what >> 5 & 3);
        match what & 0x0f {
            0..3 => two.carry(side, None),
            3 => two.carry(side, input.byte()),
            4 => two.authorise(side),
            5 => two.ends[side].grant(request_id, input.byte().map_or(u64::MAX, u64::from)),
            6 => two.ends[side].cancel(request_id),
            7 => two.ends[side].renew(&DELEGATED[side][usize::from(request_id > 1)]),
            8 => two.ends[side].bye(Code::Busy as i32, "enough"),
            9 => two.now_ms = NOW + 60 * 60 * 1000 * input.byte().map_or(0, u64::from),
            // A packet that this side means: signed, numbered and charged as it should be.
            10..12 => two.seal(side, request_id, &mut input),
            // Packets that nobody means, under the number that is due.
            12..14 => {
                let batch = wire::Batch {
                    packets: (0..=request_id).map(|_| input.chunk()).collect(),
                    first_sequence: two.ends[side].next_in,
                    confirm: request_id > 1,
                    ..Default::default()
                };
                two.hear_kind(side, Kind::Batch(batch));
            }
            14 => {
                let bytes = input.chunk();
                two.hear(side, &bytes);
            }
            _ => {
                let bytes = input.rest();
                two.hear(side, &bytes);
            }
        }
    }
}

impl Two {
    fn new(choice: u8) -> Self {
        let secret = |side: usize| match choice >> 4 & 3 {
            0 => None,
            1 => Some(b"the same".to_vec()),
            2 => Some(vec![side as u8]),
            _ => (side == 0).then(|| b"of one".to_vec()),
        };
        let ends = [0, 1].map(|side| {
            Session::new(SessionConfig {
                identity: identities()[side].clone(),
                delegated: Arc::clone(&DELEGATED[side][0]),
                remote: identities()[1 - side].peer_id(),
                signing: SIGNING[usize::from(choice >> (2 * side) & 3)],
                limits: Limits {
                    content: 1024,
                    window: WINDOW,
                    requests: 2,
                    reply_window: WINDOW,
                },
                secret: secret(side).map(|secret| Arc::new(Hidden::new(secret))),
                network: [7; 32],
                nonce: [side as u8; NONCE_BYTES],
                epoch: 100 + side as u64,
                clock_ms: NOW,
            })
        });
        let mut two = Self {
            ends,
            authorised: [false; 2],
            now_ms: NOW,
        };
        if choice & 0x40 != 0 {
            for side in [0, 1] {
                two.carry(side, None);
            }
            for side in [0, 1] {
                two.authorise(side);
            }
            for side in [0, 1] {
                two.carry(side, None);
            }
        }
        two
    }

    fn authorise(&mut self, side: usize) {
        self.ends[side].authorise();
        self.authorised[side] |= self.ends[side].auth_sent;
    }

    /// What a side has written reaches the other, with one byte changed if there is one to choose by.
    fn carry(&mut self, from: usize, flip: Option<u8>) {
        let mut bytes: Vec<u8> = std::iter::from_fn(|| self.ends[from].frame())
            .collect::<Vec<_>>()
            .concat();
        if let (Some(flip), false) = (flip, bytes.is_empty()) {
            let at = usize::from(flip) * bytes.len() / 256;
            bytes[at] ^= 1 << (flip & 7);
        }
        self.hear(1 - from, &bytes);
    }

    fn seal(&mut self, from: usize, request_id: u64, input: &mut Input<'_>) {
        let Ok(packet_type) = PacketType::try_from(i32::from(input.byte().unwrap_or_default() % 7))
        else {
            return;
        };
        let header = Header {
            request_id,
            part: input.byte().map_or(0, u32::from),
            parts: input.byte().map_or(0, u32::from),
            ..Header::new(packet_type, "n", self.now_ms)
        };
        let packet = packet::encode(&header, input.chunk());
        // As the link does it: a session that is not open is given nothing to write.
        if self.ends[from].is_open() {
            let mut pieces = Vec::new();
            self.ends[from].seal(&[packet], false, &mut pieces);
            self.hear(1 - from, &pieces.concat());
        }
    }

    fn hear_kind(&mut self, side: usize, kind: Kind) {
        let mut bytes = BytesMut::new();
        encode_frame(&wire::Frame { kind: Some(kind) }, &mut bytes);
        self.hear(side, &bytes);
    }

    fn hear(&mut self, side: usize, mut bytes: &[u8]) {
        let mut reader = FrameReader::new();
        loop {
            while let Ok(Some(frame)) = reader.next() {
                if let Some(kind) = frame.kind {
                    self.take(side, kind, &frame.raw);
                }
            }
            if bytes.is_empty() {
                return;
            }
            let spare = reader.spare();
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            reader.advance(count);
            bytes = &bytes[count..];
        }
    }

    /// One frame, and all that must hold after it.
    fn take(&mut self, side: usize, kind: Kind, raw: &[u8]) {
        let session = &mut self.ends[side];
        let was_open = session.is_open();
        let taken = session.on_frame(kind, raw, self.now_ms);
        for output in std::iter::from_fn(|| session.output()) {
            assert!(taken.is_ok(), "something came of a frame that was refused");
            let early = matches!(
                output,
                Output::Greeted { .. } | Output::Proved | Output::Opened | Output::Bye { .. }
            );
            assert!(early || was_open, "before both are proved: {output:?}");
        }
        if let Err(violation) = taken {
            session.bye(violation.code as i32, &violation.text);
        }
        let own = session.config.signing;
        if let Some((_, agreed)) = session.agreed() {
            assert!(agreed != Signing::Lazy || own == Signing::Lazy);
            assert!(agreed == Signing::Rsa || own != Signing::Rsa);
        }
        let (open, secret) = (session.is_open(), session.config.secret.clone());
        let other = &self.ends[1 - side];
        if open {
            assert!(self.authorised[1 - side], "nobody proved this");
            assert!(secret.is_none() || secret == other.config.secret);
        }
    }
}
