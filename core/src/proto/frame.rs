//! The native wire: an unsigned varint length, then a Frame.
//!
//! [`FrameReader`] cuts what comes in into frames, however it was cut on the way; [`encode_batch`] writes the one frame that has
//! to be fast, as a list of pieces in which large contents are the caller's own bytes. Neither knows what a frame means.
//!
//! Memory of a reader: one frame and one read. It gives its buffer away with the frames cut from it, so a content that
//! somebody keeps holds the read it came in (frames up to 1 KiB are copied out, so that a short message never does).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message as _;

use super::packet::Encoded;
use super::{varint, wire};

/// What a writer puts in one Batch, packets and their lengths together.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// Largest frame: a full batch, its signature and what stands around it.
pub(crate) const MAX_FRAME: usize = BATCH_BYTES + 4 * 1024;
/// Packets in one Batch; only packets with hardly anything in them reach it before the bytes above.
pub(crate) const BATCH_PACKETS: usize = 8 * 1024;

/// Bytes of the longest length prefix: 2^21 - 1 is the most that three can say, and more than [`MAX_FRAME`].
const PREFIX_MAX: usize = 3;
/// Frames up to this size are copied out of the read buffer.
const COPY_MAX: usize = 1024;
/// Space offered for one read, at first and at most: it follows what comes.
const READ_MIN: usize = 2 * 1024;
const READ_MAX: usize = 64 * 1024;
/// Contents from this size on are pieces of their own; shorter ones are gathered.
const PIECE_MIN: usize = 4 * 1024;

/// Why a peer's bytes are no frames. There is no way on: the connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame over {MAX_FRAME} bytes")]
    TooLarge,
    #[error("a frame length with needless bytes")]
    Length,
    #[error("a frame that cannot be read: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error("a batch of {0} packets")]
    Packets(usize),
}

/// A frame as it came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inbound {
    /// `None`: a kind this version does not know, to be counted and skipped.
    pub(crate) kind: Option<wire::frame::Kind>,
    /// The encoded Frame, without its length.
    pub(crate) raw: Bytes,
}

/// Cuts bytes into frames.
///
/// Call in turns: [`next`](Self::next) until it has none, then read into [`spare`](Self::spare) and say how
/// much came with [`advance`](Self::advance). Before waiting for more, call [`release`](Self::release).
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// Bytes up to `filled` came in; those behind are zeros, ready to be read into.
    buffer: BytesMut,
    filled: usize,
    want: usize,
}

impl FrameReader {
    /// Nothing has come in.
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            filled: 0,
            want: READ_MIN,
        }
    }

    /// Space to read into, never empty.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        let missing = match length(&self.buffer[..self.filled]) {
            Ok(Some((prefix, length))) => (prefix + length).saturating_sub(self.filled),
            _ => 0,
        };
        // A frame must lie in one piece, so its whole length is made room for once, as soon as it is known. The allocation is used again
        // once nothing of it is held: a fresh one for every frame costs more, in page faults, than all else a large frame needs.
        if self.buffer.len() - self.filled < missing.max(self.want / 2) {
            self.buffer.resize(self.filled + missing.max(self.want), 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// `count` bytes of the spare space were read into.
    pub(crate) fn advance(&mut self, count: usize) {
        let spare = self.buffer.len() - self.filled;
        debug_assert!(count <= spare);
        if count >= spare {
            self.want = (self.want * 2).min(READ_MAX);
        } else if count < self.want / 4 {
            self.want = (self.want / 2).max(READ_MIN);
        }
        self.filled += count.min(spare);
    }

    /// Takes in bytes that are in memory already.
    #[cfg(test)]
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = self.spare();
            let count = bytes.len().min(spare.len());
            let (now, later) = bytes.split_at(count);
            spare[..count].copy_from_slice(now);
            self.advance(count);
            bytes = later;
        }
    }

    /// Frees the buffer if nothing is in it: an idle connection holds none.
    pub(crate) fn release(&mut self) {
        if self.filled == 0 {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether the beginning of a frame waits for its rest. Ask when [`next`](Self::next) has none.
    pub(crate) fn is_partial(&self) -> bool {
        self.filled > 0
    }

    /// The next whole frame, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Inbound>, FrameError> {
        let Some((prefix, length)) = length(&self.buffer[..self.filled])? else {
            return Ok(None);
        };
        if self.filled < prefix + length {
            return Ok(None);
        }
        self.buffer.advance(prefix);
        self.filled -= prefix + length;
        let raw = if length <= COPY_MAX {
            let raw = Bytes::copy_from_slice(&self.buffer[..length]);
            self.buffer.advance(length);
            raw
        } else {
            self.buffer.split_to(length).freeze()
        };
        let kind = wire::Frame::decode(raw.clone())?.kind;
        match &kind {
            Some(wire::frame::Kind::Batch(batch)) if batch.packets.len() > BATCH_PACKETS => {
                Err(FrameError::Packets(batch.packets.len()))
            }
            _ => Ok(Some(Inbound { kind, raw })),
        }
    }
}

/// Bytes of the length prefix and the length it says; `None` if it is not all there. Refused as soon as it cannot be good.
fn length(data: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0;
    for (i, &byte) in data.iter().take(PREFIX_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return match byte {
                0 if i > 0 => Err(FrameError::Length),
                _ if length > MAX_FRAME => Err(FrameError::TooLarge),
                _ => Ok(Some((i + 1, length))),
            };
        }
    }
    if data.len() >= PREFIX_MAX {
        Err(FrameError::TooLarge)
    } else {
        Ok(None)
    }
}

/// Appends a frame with its length.
pub(crate) fn encode_frame(frame: &wire::Frame, out: &mut BytesMut) {
    let size = frame.encoded_len();
    debug_assert!(size <= MAX_FRAME);
    out.reserve(size + PREFIX_MAX);
    frame
        .encode_length_delimited(out)
        .expect("the buffer grows");
}

/// What a packet takes in a Batch, in bytes.
pub(crate) fn packet_cost(packet: &Encoded) -> usize {
    1 + varint::len(packet.len() as u64) + packet.len()
}

/// How many of the waiting packets one Batch takes: at least one if there is one.
pub(crate) fn fill<'a>(waiting: impl IntoIterator<Item = &'a Encoded>) -> usize {
    let mut bytes = 0;
    let fits = |packet: &&Encoded| {
        bytes += packet_cost(packet);
        bytes <= BATCH_BYTES
    };
    let mut waiting = waiting.into_iter().take(BATCH_PACKETS).peekable();
    let any = waiting.peek().is_some();
    waiting.take_while(fits).count().max(usize::from(any))
}

// Keys of the fields written by hand below: number << 3 | wire type.
const FRAME_BATCH: u8 = 3 << 3 | 2;
const BATCH_PACKET: u8 = 1 << 3 | 2;
const BATCH_FIRST_SEQUENCE: u8 = 2 << 3;
const BATCH_SIGNATURE: u8 = 3 << 3 | 2;
const BATCH_CONFIRM: u8 = 4 << 3;

/// Appends a Batch frame with its length to `out`, in pieces to be written one after another. Byte for byte what
/// [`encode_frame`] writes for the same Batch.
///
/// `packets` must fit, see [`fill`]; an empty `signature` is none.
pub(crate) fn encode_batch(
    first_sequence: u64,
    packets: &[Encoded],
    confirm: bool,
    signature: &[u8],
    out: &mut Vec<Bytes>,
) {
    let mut tail = Vec::with_capacity(16 + signature.len());
    if first_sequence != 0 {
        tail.push(BATCH_FIRST_SEQUENCE);
        varint::put(first_sequence, &mut tail);
    }
    if !signature.is_empty() {
        tail.push(BATCH_SIGNATURE);
        varint::put(signature.len() as u64, &mut tail);
        tail.extend_from_slice(signature);
    }
    if confirm {
        tail.extend_from_slice(&[BATCH_CONFIRM, 1]);
    }

    let body = packets.iter().map(packet_cost).sum::<usize>() + tail.len();
    let frame = 1 + varint::len(body as u64) + body;
    debug_assert!(frame <= MAX_FRAME);
    let pieces = packets
        .iter()
        .map(|packet| packet.content().len())
        .filter(|len| *len >= PIECE_MIN);
    let mut gather = BytesMut::with_capacity(frame + PREFIX_MAX - pieces.sum::<usize>());
    varint::put(frame as u64, &mut gather);
    gather.put_u8(FRAME_BATCH);
    varint::put(body as u64, &mut gather);
    for packet in packets {
        gather.put_u8(BATCH_PACKET);
        varint::put(packet.len() as u64, &mut gather);
        gather.extend_from_slice(packet.head());
        if packet.content().len() < PIECE_MIN {
            gather.extend_from_slice(packet.content());
        } else {
            out.push(gather.split().freeze());
            out.push(packet.content().clone());
        }
    }
    gather.extend_from_slice(&tail);
    if !gather.is_empty() {
        out.push(gather.freeze());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::{self, Header, PacketType};
    use super::super::parts::PART_BYTES;
    use super::*;
    use wire::frame::Kind;

    fn encoded(kind: Kind) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode_frame(&wire::Frame { kind: Some(kind) }, &mut out);
        out.to_vec()
    }

    fn packet(len: usize) -> Encoded {
        let content: Vec<u8> = (0..len).map(|i| i as u8).collect();
        packet::encode(
            &Header::new(PacketType::Message, "ns", 1_767_323_045_678),
            content.into(),
        )
    }

    fn all_of(reader: &mut FrameReader) -> Vec<Option<Kind>> {
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|inbound| inbound.kind)
            .collect()
    }

    fn refusal(bytes: &[u8]) -> Option<FrameError> {
        let mut reader = FrameReader::new();
        reader.push(bytes);
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    }

    fn a_batch(
        sizes: &[usize],
        first_sequence: u64,
        confirm: bool,
        signature: &[u8],
    ) -> (Kind, Vec<Bytes>) {
        let packets: Vec<Encoded> = sizes.iter().map(|len| packet(*len)).collect();
        let mut pieces = Vec::new();
        encode_batch(first_sequence, &packets, confirm, signature, &mut pieces);
        let batch = wire::Batch {
            packets: packets.iter().map(Encoded::to_bytes).collect(),
            first_sequence,
            signature: Bytes::copy_from_slice(signature),
            confirm,
        };
        (Kind::Batch(batch), pieces)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_batch_in_pieces_is_the_batch_prost_writes(
            sizes in prop::collection::vec(prop_oneof![0usize..300, 1000usize..6000], 0..10),
            first_sequence: u64,
            confirm: bool,
            signature in prop_oneof![Just(vec![]), prop::collection::vec(any::<u8>(), 64..65)],
        ) {
            let (kind, pieces) = a_batch(&sizes, first_sequence, confirm, &signature);
            prop_assert_eq!(pieces.concat(), encoded(kind));
            let large = sizes.iter().filter(|len| **len >= PIECE_MIN).count();
            prop_assert!(pieces.len() <= 2 * large + 1 && pieces.iter().all(|piece| !piece.is_empty()));
        }

        #[test]
        fn frames_come_out_however_they_were_cut(
            sizes in prop::collection::vec(prop_oneof![0usize..50, 900usize..1100, Just(60_000usize)], 1..8),
            cuts in prop::collection::vec(prop_oneof![1usize..10, 1usize..70_000], 1..30),
        ) {
            let frames: Vec<Kind> = sizes.iter().enumerate().map(|(i, len)| a_batch(&[*len], i as u64, false, b"").0).collect();
            let bytes: Vec<u8> = frames.iter().cloned().flat_map(encoded).collect();
            let (mut reader, mut got, mut rest) = (FrameReader::new(), Vec::new(), bytes.as_slice());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*cut));
                reader.push(now);
                got.extend(all_of(&mut reader));
                reader.release();
                prop_assert!(reader.buffer.len() <= 2 * MAX_FRAME);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(!reader.is_partial());
            prop_assert_eq!(got, frames.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_frames_or_refused(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..40], 0..300)) {
            let _ = refusal(&bytes);
        }

        #[test]
        fn a_changed_frame_is_a_frame_or_refused(at: prop::sample::Index, value: u8, cut: prop::sample::Index) {
            let mut bytes = encoded(a_batch(&[5, 300, 20], 9, true, &[1; 64]).0);
            let at = at.index(bytes.len());
            bytes[at] = value;
            bytes.truncate(cut.index(2 * bytes.len()).max(1));
            let _ = refusal(&bytes);
        }
    }

    #[test]
    fn byte_by_byte_in_one_buffer() {
        let bytes = encoded(a_batch(&[60_000], 1, false, b"").0);
        let (mut reader, mut buffers) = (FrameReader::new(), 0);
        let mut space = std::ptr::null();
        for byte in &bytes[..bytes.len() - 1] {
            reader.push(&[*byte]);
            assert_eq!(reader.next(), Ok(None));
            assert!(reader.is_partial());
            buffers += usize::from(reader.buffer.as_ptr() != space);
            space = reader.buffer.as_ptr();
        }
        // One before the length was known, and one of the right size: nothing is copied again and again.
        assert!(buffers <= 3, "{buffers} buffers");
        reader.push(&bytes[bytes.len() - 1..]);
        assert_eq!(all_of(&mut reader).len(), 1);
    }

    #[test]
    fn packets_are_slices_of_the_buffer_and_of_the_frame() {
        let mut reader = FrameReader::new();
        reader.push(&a_batch(&[3000, 3000], 1, false, b"").1.concat());
        let buffer = reader.buffer.as_ptr_range();
        let Some(Inbound {
            kind: Some(Kind::Batch(batch)),
            raw,
        }) = reader.next().unwrap()
        else {
            panic!("a batch")
        };
        for packet in &batch.packets {
            assert!(
                buffer.contains(&packet.as_ptr()) && raw.as_ptr_range().contains(&packet.as_ptr())
            );
        }
    }

    #[test]
    fn an_endless_frame_is_refused_when_its_length_is_read() {
        // 2^60, the largest number, one byte too many: with nothing behind them.
        let huge: [&[u8]; 4] = [
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
            &[0xff; 10],
            &[0x80, 0x80, 0x80],
            &[0x81, 0xa0, 0x04],
        ];
        for bytes in huge {
            assert_eq!(refusal(bytes), Some(FrameError::TooLarge), "{bytes:x?}");
        }
        assert_eq!(MAX_FRAME, 0x1_1000);
        assert_eq!(refusal(&[0x80, 0xa0, 0x04]), None);
        for needless in [&[0x80, 0x00][..], &[0x85, 0x80, 0x00]] {
            assert_eq!(refusal(needless), Some(FrameError::Length), "{needless:x?}");
        }
    }

    #[test]
    fn cut_off_inside_is_malformed() {
        for bytes in [
            &[2, 0x1a, 5][..],
            &[3, 0x0a, 1, 0x12],
            &[1, 0xff],
            &[2, 0x18, 1],
        ] {
            assert!(
                matches!(refusal(bytes), Some(FrameError::Malformed(_))),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn unknown_kinds_are_told_apart_and_skipped() {
        let mut bytes = vec![0];
        let mut unknown = Vec::new();
        prost::encoding::bytes::encode(77, &vec![1_u8, 2, 3], &mut unknown);
        bytes.push(unknown.len() as u8);
        bytes.extend_from_slice(&unknown);
        bytes.extend_from_slice(&encoded(Kind::Cancel(wire::Cancel { request_id: 5 })));
        let mut reader = FrameReader::new();
        reader.push(&bytes);
        let cancel = Kind::Cancel(wire::Cancel { request_id: 5 });
        assert_eq!(all_of(&mut reader), [None, None, Some(cancel)]);
    }

    #[test]
    fn what_a_frame_came_as_is_kept() {
        let bytes = encoded(Kind::Hello(wire::Hello {
            versions: vec![2],
            ..Default::default()
        }));
        // A field this version does not know stays in the bytes, which the session is bound to.
        let mut longer = bytes[1..].to_vec();
        longer.extend_from_slice(&[0xa0, 0x06, 1]);
        let mut reader = FrameReader::new();
        reader.push(&[longer.len() as u8]);
        reader.push(&longer);
        assert_eq!(reader.next().unwrap().unwrap().raw, longer);
    }

    #[test]
    fn more_packets_than_a_batch_holds_are_refused() {
        let batch = |count| {
            encoded(Kind::Batch(wire::Batch {
                packets: vec![Bytes::new(); count],
                ..Default::default()
            }))
        };
        assert_eq!(refusal(&batch(BATCH_PACKETS)), None);
        assert_eq!(
            refusal(&batch(BATCH_PACKETS + 1)),
            Some(FrameError::Packets(BATCH_PACKETS + 1))
        );
    }

    #[test]
    fn a_full_batch_fits_a_frame() {
        let fits =
            |sizes: &[usize]| fill(&sizes.iter().map(|len| packet(*len)).collect::<Vec<_>>());
        assert_eq!(fits(&[]), 0);
        assert_eq!(fits(&[100; 10]), 10);
        assert_eq!(fits(&[PART_BYTES, 10, PART_BYTES]), 2);
        assert_eq!(fits(&[70_000, 1]), 1);
        assert_eq!(fill(&vec![Encoded::default(); 10_000]), BATCH_PACKETS);

        let (namespace, response_tag) = ("n".repeat(255), "t".repeat(1024));
        let header = Header {
            response_tag: &response_tag,
            ..Header::new(PacketType::Request, &namespace, u64::MAX)
        };
        let largest = packet::encode(&header, vec![0; PART_BYTES].into());
        assert!(packet_cost(&largest) <= BATCH_BYTES);
        let mut packets = vec![packet(114); 1000];
        packets.truncate(fill(&packets));
        let mut pieces = Vec::new();
        encode_batch(u64::MAX, &packets, true, &[0; 512], &mut pieces);
        assert!(pieces.concat().len() <= MAX_FRAME);
        assert_eq!(refusal(&pieces.concat()), None);
    }

    #[test]
    fn large_contents_are_pieces_of_their_own() {
        let packets = [packet(10), packet(5000), packet(10)];
        let mut pieces = Vec::new();
        encode_batch(1, &packets, false, b"", &mut pieces);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), packets[1].content().as_ptr());
    }

    #[test]
    fn the_space_offered_follows_what_comes_and_idle_readers_hold_none() {
        let mut reader = FrameReader::new();
        assert_eq!(reader.spare().len(), READ_MIN);
        let frame = encoded(Kind::Ack(wire::Ack { received_up_to: 1 }));
        for _ in 0..10 {
            let space = reader.spare();
            let count = space.len() / frame.len() * frame.len();
            for (to, from) in space.iter_mut().zip(frame.iter().cycle().take(count)) {
                *to = *from;
            }
            // A read that fills all it is given asks for more the next time; half frames are dropped by the test.
            let len = space.len();
            reader.advance(len);
            reader.filled -= len - count;
            while reader.next().unwrap().is_some() {}
        }
        assert_eq!(reader.want, READ_MAX);
        for _ in 0..10 {
            reader.push(&frame);
            while reader.next().unwrap().is_some() {}
        }
        assert_eq!(reader.want, READ_MIN);
        reader.release();
        assert_eq!(reader.buffer.capacity(), 0);
    }
}
