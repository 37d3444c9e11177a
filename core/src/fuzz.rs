//! The doors for fuzzing (`make fuzz`): each takes bytes as a stranger could send them. Built with `--cfg fuzzing` alone, so no
//! program ever sees them.
//!
//! That nothing panics is not all they look for. What is said of a decoder in words (what was decoded is encoded to the same, a
//! bound, the same outcome however the bytes are cut) is asserted here, too.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;

use crate::identity::{Identity, PublicKey};
use crate::net::{address, certificate, exchange};
use crate::proto::cast::{CastError, Checker};
use crate::proto::dht::message::{Answer, Ask};
use crate::proto::dht::value::{Entry, root_of};
use crate::proto::dht::{sealed, slice};
use crate::proto::filestoraged::conversation::{Conversation, Heard};
use crate::proto::filestoraged::frame::{Frame, Frames};
use crate::proto::filestoraged::login::Secret;
use crate::proto::filestoraged::message::{Done, Refused};
use crate::proto::frame::{FrameError, FrameReader, Inbound};
use crate::proto::packet;
use crate::proto::parts::Assembler;
use crate::proto::testing::{NOW, identities};
use crate::proto::transfer::collection::Collection;
use crate::proto::transfer::names::Name;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::{self, Ticket};
use crate::proto::transfer::token::{Op, Shown, Token};
use crate::proto::transfer::{keeping, message, outline};
use crate::proto::wire;

pub use crate::proto::session::fuzz::session;

/// A stream of frames, as it comes out of a connection: all at once, or cut into pieces.
pub fn frames(data: &[u8]) {
    let step = data.last().map_or(1, |last| usize::from(*last).max(1));
    assert_eq!(read(data, data.len().max(1)), read(data, step));
}

fn read(mut data: &[u8], step: usize) -> (Vec<Inbound>, Option<FrameError>) {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    loop {
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        reader.release();
        if data.is_empty() {
            return (frames, None);
        }
        let spare = reader.spare();
        let count = step.min(spare.len()).min(data.len());
        spare[..count].copy_from_slice(&data[..count]);
        reader.advance(count);
        data = &data[count..];
    }
}

/// One packet, as it lies in a batch or a broadcast.
pub fn packets(data: &[u8]) {
    let Ok(packet) = packet::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    let header = packet.header().expect("its type was checked");
    let again = packet::encode(&header, packet.content.clone());
    assert_eq!(again.to_bytes().len(), again.len());
    assert_eq!(packet::decode(again.to_bytes()), Ok(packet.clone()));
    packet.timestamp_ms();
}

/// One broadcast, as gossip carries it, of the topic that the golden vectors have.
pub fn casts(data: &[u8]) {
    let mut checker = Checker::new(b"/psfs/cast/2/vectors");
    let data = Bytes::copy_from_slice(data);
    if checker.check(data.clone(), NOW).is_ok() {
        assert!(matches!(
            checker.check(data, NOW),
            Err(CastError::Duplicate)
        ));
    }
}

/// A public key as in Hello, and a key file.
pub fn keys(data: &[u8]) {
    if let Ok(key) = PublicKey::from_der(data) {
        assert_eq!(key.as_der(), data);
        assert!(!key.verify(data, data));
    }
    for passphrase in [None, Some("a passphrase")] {
        if let Ok(identity) = Identity::from_pem(data, passphrase) {
            let pem = identity.to_pem(None).expect("it was read");
            let again = Identity::from_pem(pem.as_bytes(), None).expect("it was written");
            assert_eq!(identity.peer_id(), again.peer_id());
        }
    }
}

/// Parts of contents, in any order.
pub fn parts(data: &[u8]) {
    const CONTENT: usize = 2000;
    const OPEN: usize = 3;
    let mut input = Input(data);
    let mut assembler = Assembler::new(CONTENT, OPEN);
    while let Some(what) = input.byte() {
        let packet_type = packet::PacketType::try_from(i32::from(what & 7));
        let request_id = u64::from(what >> 4 & 3);
        if what & 8 != 0 {
            if let Ok(packet_type) = packet_type {
                assembler.forget(packet_type, request_id);
            }
            continue;
        }
        let number = |input: &mut Input<'_>| input.byte().map_or(0, u32::from);
        let pushed = assembler.push(wire::StreamPacket {
            r#type: i32::from(what & 7),
            request_id,
            part: number(&mut input),
            parts: number(&mut input),
            namespace: if what & 0x40 == 0 { "n" } else { "m" }.into(),
            content: input.chunk(),
            ..Default::default()
        });
        match pushed {
            Ok(Some(whole)) => assert!(whole.content.len() <= CONTENT && whole.parts == 0),
            Ok(None) => {}
            Err(_) => return,
        }
        assert!(assembler.open() <= OPEN);
    }
}

/// What a satellite tells of others.
pub fn peers(data: &[u8]) {
    let Some(told) = exchange::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    for address in told.sightings.iter().flat_map(|told| &told.addresses) {
        addresses(address.as_bytes());
    }
    assert_eq!(exchange::decode(exchange::encode(&told)), Some(told));
}

/// A question of the DHT.
pub fn asks(data: &[u8]) {
    let Ok((ask, serves)) = Ask::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    match &ask {
        Ask::Offer(offer) => value(&offer.entry, offer.content.as_ref()),
        Ask::Put(put) => value(&put.entry, Some(&put.content)),
        Ask::Challenge(asked) => {
            let content = &data[..data.len() / 2];
            let proof = slice::slice(content, asked.offset, asked.length);
            let size = content.len() as u64;
            let holds = |root: &_| slice::check(root, size, asked.offset, asked.length, &proof);
            assert!(holds(&root_of(content)) && !holds(&asked.root));
        }
        _ => {}
    }
    assert_eq!(Ask::decode(ask.encode(serves)), Ok((ask, serves)));
}

/// An answer of the DHT, and what is done with it.
pub fn answers(data: &[u8]) {
    let Ok(answer) = Answer::decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    match &answer {
        Answer::Found(found) => {
            if let Some(entry) = &found.entry {
                value(entry, found.content.as_ref());
            }
        }
        Answer::Verdict(_) | Answer::Stored(_) => {}
        Answer::Content { entry, content } => value(entry, Some(content)),
        Answer::Slice(proof) => {
            let (claimed, proof) = proof.split_at(proof.len().min(20));
            let mut numbers = claimed.chunks(8).map(|number| {
                number
                    .iter()
                    .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
            });
            let mut number = || numbers.next().unwrap_or(0);
            let (size, offset, length) = (number(), number(), number() as u32);
            assert!(!slice::check(&[7; 32], size, offset, length, proof));
            assert!(!slice::check(
                &[7; 32],
                size % 9000,
                offset % 9000,
                length,
                proof
            ));
        }
    }
    assert_eq!(Answer::decode(answer.encode()), Ok(answer));
}

fn value(entry: &Entry, content: Option<&Bytes>) {
    let good = entry.check(4096, NOW);
    if let Some(content) = content {
        if entry.verify(content, 4096, NOW).is_ok() {
            assert!(good.is_ok() && content.len() as u64 == entry.size);
        }
        let bound = sealed::Bound::default();
        if let Ok((opened, _)) = sealed::open(content, identities()[1], &bound) {
            assert!(opened.len() < content.len());
        }
    }
}

/// A token. The first zero byte parts a header and claims in JSON, which are given a signature; without one the bytes are the token.
pub fn tokens(data: &[u8]) {
    let text = match data.iter().position(|byte| *byte == 0) {
        None => String::from_utf8_lossy(data).into_owned(),
        Some(at) => {
            let part = |bytes: &[u8]| BASE64.encode(bytes);
            let (header, claims) = (part(&data[..at]), part(&data[at + 1..]));
            format!("{header}.{claims}.{}", part(&[7; 256]))
        }
    };
    let Ok(token) = Token::parse(&text) else {
        return;
    };
    assert_eq!(Token::parse(token.as_str()).as_ref(), Ok(&token));
    let [a, b] = identities();
    for (by, op) in [(a, Op::Read), (b, Op::Write)] {
        let shown = Shown {
            now_ms: NOW,
            by: by.peer_id(),
            to: a.peer_id(),
            root: token.claims().root,
            op,
        };
        // Only what A signed holds, and B's key has signed nothing.
        assert!(token.verify(b.public_key(), &shown).is_err());
        let _ = token.verify(a.public_key(), &shown);
    }
}

/// A ticket as a text, or the message in one.
pub fn tickets(data: &[u8]) {
    let texts = [
        String::from_utf8_lossy(data).into_owned(),
        ticket::write(data).unwrap_or_default(),
    ];
    for ticket in texts.iter().filter_map(|text| text.parse::<Ticket>().ok()) {
        if let Some(name) = &ticket.name {
            assert_eq!(name.to_path().components().count(), 1);
        }
        // Foreign tokens and addresses can take up more room than there is for them.
        if let Ok(text) = ticket.encode() {
            assert_eq!(text.parse(), Ok(ticket));
        }
    }
}

/// A collection, and a name.
pub fn collections(data: &[u8]) {
    let name = std::str::from_utf8(data).ok().map(str::parse::<Name>);
    if let Some(Ok(name)) = name {
        let path = std::path::Path::new("/folder").join(name.to_path());
        assert!(
            path.starts_with("/folder") && !path.components().any(|part| part.as_os_str() == "..")
        );
    }
    if let Ok(collection) = Collection::decode(Bytes::copy_from_slice(data)) {
        assert_eq!(
            Collection::new(collection.entries().to_vec()).as_ref(),
            Ok(&collection)
        );
        let again = collection.encode().expect("it was read");
        assert_eq!(Collection::decode(again), Ok(collection));
    }
}

/// What satellites ask each other of files, and answer.
pub fn files(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(ask) = message::Ask::decode(bytes.clone()) {
        assert_eq!(message::Ask::decode(ask.encode()), Ok(ask));
    }
    if let Ok(came) = message::Came::decode(bytes.clone()) {
        let root = Root::from_bytes([7; 32]);
        let checked = outline::check(&root, came.size, came.piece, &came.proof, &came.data);
        assert_eq!(checked, None);
    }
    let _batch = message::Batch::decode(bytes.clone());
    let _kept = keeping::Kept::decode(bytes.clone());
    let _rows = keeping::decode_rows(bytes);
}

/// What a client of filestoraged sends: frames, all at once or cut into pieces, and what is answered is a frame again.
pub fn filestoraged(data: &[u8]) {
    let step = data.last().map_or(1, |last| usize::from(*last).max(1));
    let cut = client_frames(data, step);
    assert_eq!(client_frames(data, data.len().max(1)), cut);
    let mut conversation = Conversation::new(Arc::new(Secret::new(b"a secret")));
    for frame in cut {
        let answers = match conversation.hear(&frame, NOW) {
            Heard::Answer(answer) => vec![answer],
            Heard::Work(_, reply) => {
                let refused = Refused::Failed("a reason".into());
                vec![
                    reply.clone().answer(Ok(Done::Stored)),
                    reply.answer(Err(refused)),
                ]
            }
        };
        for answer in answers {
            assert_eq!(client_frames(&answer, answer.len()).len(), 1);
        }
    }
}

fn client_frames(data: &[u8], step: usize) -> Vec<Frame> {
    let mut frames = Frames::default();
    let mut came = Vec::new();
    for part in data.chunks(step) {
        frames.push(part);
        while let Ok(Some(frame)) = frames.next() {
            came.push(frame);
        }
    }
    came
}

/// An address, as a peer tells it or a person writes it.
pub fn addresses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for purpose in [address::Purpose::Listen, address::Purpose::Dial] {
        let Ok(parsed) = address::parse(text, purpose) else {
            continue;
        };
        assert_eq!(
            address::parse(&parsed.to_string(), purpose),
            Ok(parsed.clone())
        );
        assert_eq!(address::peer_of(&address::without_peer(&parsed)), None);
        address::is_dialable(&parsed);
        address::is_loopback(&parsed);
        if let Some(ip) = address::ip_of(&parsed) {
            address::is_private(ip);
            address::network_of(ip, 24, 64);
        }
    }
}

/// A peer's certificate, before its signatures are checked.
pub fn certificates(data: &[u8]) {
    if let Ok(fields) = certificate::fields(data) {
        assert!(fields.certificate_key.len() <= data.len());
    }
}

/// Bytes to choose by.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    /// One of them.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    /// As many as one of them says, while there are so many.
    pub(crate) fn chunk(&mut self) -> Bytes {
        let len = self.byte().map_or(0, usize::from).min(self.0.len());
        let (chunk, rest) = self.0.split_at(len);
        self.0 = rest;
        Bytes::copy_from_slice(chunk)
    }

    /// All that are left.
    pub(crate) fn rest(&mut self) -> Bytes {
        Bytes::copy_from_slice(std::mem::take(&mut self.0))
    }
}
