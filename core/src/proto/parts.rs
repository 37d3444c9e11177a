//! Contents that do not fit one frame: cut into parts by the sender, joined below everything that handles packets.
//!
//! The parts of one content come in order and are equal but for their content. Contents of different requests may come
//! mixed, and whole packets may come between; but large contents of one request, and large messages, come one after the
//! other. Whatever breaks this is refused, and whoever sent it is to be disconnected: the link is reliable, so nothing was
//! lost on the way.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::packet::{self, Encoded, Header, PARTS_MAX, PacketType};
use super::wire;

/// Content of one part, in bytes: with its packet, a batch of it alone is no larger than any other batch.
pub(crate) const PART_BYTES: usize = 60 * 1024;

/// Room for a content is at most so many times what came of it.
const ANNOUNCED: usize = 8;

/// Cuts a content into the parts of one frame each, without copying. An empty content is one empty part.
pub(crate) fn split(mut content: Bytes) -> impl ExactSizeIterator<Item = Bytes> {
    let count = content.len().div_ceil(PART_BYTES).max(1);
    (0..count).map(move |_| content.split_to(content.len().min(PART_BYTES)))
}

/// Encodes a content as one packet, or as several if it does not fit one.
pub(crate) fn encode(header: Header<'_>, content: Bytes) -> impl ExactSizeIterator<Item = Encoded> {
    debug_assert!(content.len() <= PART_BYTES * PARTS_MAX as usize);
    let parts = split(content);
    let count = parts.len() as u32;
    (0..count).zip(parts).map(move |(part, content)| {
        let parts = if count == 1 { 0 } else { count };
        packet::encode(
            &Header {
                part,
                parts,
                ..header
            },
            content,
        )
    })
}

/// Why parts do not make a content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartError {
    #[error("a content over {limit} bytes")]
    TooLarge { limit: usize },
    #[error("part {got} came where part {due} was due")]
    Order { due: u32, got: u32 },
    #[error("parts of one content differ in more than their content")]
    Header,
    #[error("an empty part")]
    Empty,
    #[error("more than {limit} contents in parts at once")]
    TooMany { limit: usize },
}

/// Which large contents come one after the other: those of one type and request. Messages are request 0.
type Line = (i32, u64);

/// A content of which not all parts have come.
#[derive(Debug)]
struct Started {
    /// The next part due, its content empty.
    due: wire::StreamPacket,
    content: Vec<u8>,
}

/// Makes room for one more part: twice as much at a time, and the whole once an [`ANNOUNCED`]th of it has come. No more for what a peer
/// only announces.
///
/// A large allocation that grows again and again is moved from one fresh place to the next, and a fresh page costs more than the bytes
/// on it. One of the final size is a place that the content before it had.
fn make_room(content: &mut Vec<u8>, part: usize, parts: u32, limit: usize) {
    if content.capacity() - content.len() < part {
        // Small parts at last would announce more than may come.
        let whole = part.saturating_mul(parts as usize).min(limit);
        let rest = whole.saturating_sub(content.len());
        let more = if content.len() >= whole / ANNOUNCED {
            rest
        } else {
            content.capacity().min(rest)
        };
        content.reserve_exact(more.max(part));
    }
}

/// What the growing took too much is given back before somebody keeps it, but for the little that a short last part leaves: giving that
/// back may move the whole.
fn trimmed(content: Vec<u8>) -> Bytes {
    if content.capacity() - content.len() <= content.len() / 16 {
        content.into()
    } else {
        content.into_boxed_slice().into()
    }
}

/// Joins parts. Holds at most [`ANNOUNCED`] times what came in.
#[derive(Debug)]
pub(crate) struct Assembler {
    content_limit: usize,
    open_limit: usize,
    started: BTreeMap<Line, Started>,
    held: usize,
}

impl Assembler {
    /// Takes contents up to `content_limit` bytes, at most `open_limit` of them unfinished at once.
    pub(crate) fn new(content_limit: usize, open_limit: usize) -> Self {
        Self {
            content_limit,
            open_limit,
            started: BTreeMap::new(),
            held: 0,
        }
    }

    /// Takes a packet; gives it back if it is whole, with its whole content if it was the last part.
    ///
    /// After an error nothing more may be taken: the session is to be ended.
    pub(crate) fn push(
        &mut self,
        mut packet: wire::StreamPacket,
    ) -> Result<Option<wire::StreamPacket>, PartError> {
        let limit = self.content_limit;
        let line = (packet.r#type, packet.request_id);
        if packet.parts <= 1 {
            if packet.content.len() > limit {
                return Err(PartError::TooLarge { limit });
            }
            packet.parts = 0;
            return Ok(Some(packet));
        }

        // No part is empty, so there cannot be more parts than bytes.
        if packet.parts as usize > limit {
            return Err(PartError::TooLarge { limit });
        }
        let part = std::mem::take(&mut packet.content);
        if part.is_empty() {
            return Err(PartError::Empty);
        }
        if !self.started.contains_key(&line) {
            if packet.part != 0 {
                return Err(PartError::Order {
                    due: 0,
                    got: packet.part,
                });
            }
            if self.started.len() >= self.open_limit {
                return Err(PartError::TooMany {
                    limit: self.open_limit,
                });
            }
            let due = packet.clone();
            self.started.insert(
                line,
                Started {
                    due,
                    content: Vec::new(),
                },
            );
        }
        let started = self.started.get_mut(&line).expect("put in just now");
        if packet.part != started.due.part {
            return Err(PartError::Order {
                due: started.due.part,
                got: packet.part,
            });
        }
        if packet != started.due {
            return Err(PartError::Header);
        }
        if part.len() > limit - started.content.len() {
            return Err(PartError::TooLarge { limit });
        }
        make_room(&mut started.content, part.len(), packet.parts, limit);
        started.content.extend_from_slice(&part);
        started.due.part += 1;
        self.held += part.len();
        if started.due.part < packet.parts {
            return Ok(None);
        }
        let content = self
            .started
            .remove(&line)
            .map(|started| started.content)
            .unwrap_or_default();
        self.held -= content.len();
        packet.part = 0;
        packet.parts = 0;
        packet.content = trimmed(content);
        Ok(Some(packet))
    }

    /// Drops what has come of a content: of one type only, for the ids of both sides' requests are the same numbers.
    pub(crate) fn forget(&mut self, packet_type: PacketType, request_id: u64) {
        let gone = self.started.remove(&(packet_type as i32, request_id));
        self.held -= gone.map_or(0, |started| started.content.len());
    }

    /// Bytes of unfinished contents.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Unfinished contents.
    pub(crate) fn open(&self) -> usize {
        self.started.len()
    }

    /// The type and request of each unfinished content.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (PacketType, u64)> {
        self.started.keys().filter_map(|(packet_type, request_id)| {
            Some((PacketType::try_from(*packet_type).ok()?, *request_id))
        })
    }

    /// Whether a content of this type and request is unfinished.
    pub(crate) fn is_open(&self, packet_type: PacketType, request_id: u64) -> bool {
        self.started.contains_key(&(packet_type as i32, request_id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(part: u32, parts: u32, content: &[u8]) -> wire::StreamPacket {
        wire::StreamPacket {
            r#type: PacketType::Request as i32,
            namespace: "n".into(),
            request_id: 7,
            part,
            parts,
            content: content.to_vec().into(),
            ..Default::default()
        }
    }

    fn assembler() -> Assembler {
        Assembler::new(10, 2)
    }

    #[test]
    fn parts_make_the_content_and_leave_nothing_behind() {
        let mut assembler = assembler();
        assert_eq!(assembler.push(part(0, 3, b"abc")), Ok(None));
        assert_eq!(assembler.push(part(1, 3, b"d")), Ok(None));
        assert_eq!((assembler.held(), assembler.open()), (4, 1));
        assert_eq!(
            assembler.push(part(2, 3, b"efghij")),
            Ok(Some(part(0, 0, b"abcdefghij")))
        );
        assert_eq!((assembler.held(), assembler.open()), (0, 0));
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let order = |due, got| Err(PartError::Order { due, got });
        assert_eq!(assembler().push(part(1, 3, b"x")), order(0, 1));
        for got in [0, 2] {
            let mut assembler = assembler();
            assert_eq!(assembler.push(part(0, 3, b"x")), Ok(None));
            assert_eq!(assembler.push(part(got, 3, b"x")), order(1, got));
        }
        let mut between = assembler();
        assert_eq!(between.push(part(0, 2, b"x")), Ok(None));
        assert_eq!(
            between.push(part(0, 0, b"whole")),
            Ok(Some(part(0, 0, b"whole")))
        );
        assert_eq!(
            between.push(part(0, 1, b"whole")),
            Ok(Some(part(0, 0, b"whole")))
        );
        assert_eq!(between.push(part(1, 2, b"y")), Ok(Some(part(0, 0, b"xy"))));
        assert_eq!(assembler().push(part(0, 3, b"")), Err(PartError::Empty));
    }

    #[test]
    fn every_other_field_must_be_the_same() {
        let changes: [fn(&mut wire::StreamPacket); 10] = [
            |p| p.namespace.push('x'),
            |p| p.timestamp = i64::MIN,
            |p| p.lifespan = 1,
            |p| p.response_tag.push('x'),
            |p| p.epoch = 1,
            |p| p.sequence = 1,
            |p| p.parts = 4,
            |p| p.status = -1,
            |p| p.millis = 1,
            |p| p.parts = 2,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut assembler = assembler();
            assert_eq!(assembler.push(part(0, 3, b"x")), Ok(None));
            let mut other = part(1, 3, b"x");
            change(&mut other);
            assert_eq!(assembler.push(other), Err(PartError::Header), "{i}");
        }
    }

    #[test]
    fn limits_hold_as_soon_as_they_are_passed() {
        let too_large = Err(PartError::TooLarge { limit: 10 });
        assert_eq!(assembler().push(part(0, 0, &[0; 11])), too_large);
        assert_eq!(assembler().push(part(0, 2, &[0; 11])), too_large);
        assert_eq!(assembler().push(part(0, 11, b"x")), too_large);
        assert_eq!(assembler().push(part(0, u32::MAX, b"x")), too_large);
        let mut sum = assembler();
        assert_eq!(sum.push(part(0, 3, &[0; 6])), Ok(None));
        assert_eq!(sum.push(part(1, 3, &[0; 5])), too_large);

        let mut many = assembler();
        for request_id in 0..2 {
            assert_eq!(
                many.push(wire::StreamPacket {
                    request_id,
                    ..part(0, 2, b"x")
                }),
                Ok(None)
            );
        }
        assert_eq!(
            many.push(part(0, 2, b"x")),
            Err(PartError::TooMany { limit: 2 })
        );
        many.forget(PacketType::Response, 1);
        assert_eq!((many.held(), many.open()), (2, 2));
        many.forget(PacketType::Request, 1);
        assert_eq!((many.held(), many.open()), (1, 1));
        assert_eq!(many.push(part(0, 2, b"x")), Ok(None));
    }

    #[test]
    fn a_large_content_keeps_no_more_than_itself() {
        let mut assembler = Assembler::new(1 << 20, 1);
        let mut rooms = std::collections::BTreeSet::new();
        for i in 0..600 {
            assert_eq!(assembler.push(part(i, 601, &[1; 1000])), Ok(None));
            let room = assembler
                .started
                .values()
                .next()
                .unwrap()
                .content
                .capacity();
            assert!(
                room <= ANNOUNCED * assembler.held(),
                "{room} for {}",
                assembler.held()
            );
            rooms.insert(room);
        }
        // Twice as much up to an eighth, and then all: a large content is not moved again and again.
        assert_eq!(rooms.len(), 9, "{rooms:?}");
        assert_eq!(rooms.last(), Some(&601_000));
        let whole = assembler.push(part(600, 601, &[1; 1000])).unwrap().unwrap();
        assert_eq!(whole.content.len(), 601_000);
    }

    #[test]
    fn no_room_is_made_for_more_than_the_limit_whatever_is_announced() {
        let mut assembler = Assembler::new(100_000, 1);
        // So many parts of one byte may come; these are larger.
        for i in 0..90 {
            assert_eq!(assembler.push(part(i, 100_000, &[1; 1000])), Ok(None));
        }
        let started = assembler.started.values().next().unwrap();
        assert!(started.content.capacity() <= 100_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn split_encode_decode_join_gives_the_content(len in prop_oneof![Just(0), Just(PART_BYTES), Just(PART_BYTES + 1), 0..5 * PART_BYTES], fill: u8) {
            let content: Bytes = (0..len).map(|i| (i as u8).wrapping_mul(31) ^ fill).collect::<Vec<_>>().into();
            let header = Header { request_id: 3, status: -4, ..Header::new(PacketType::Response, "ns", 1_700_000_000_123) };
            let mut assembler = Assembler::new(len, 1);
            let mut whole = Vec::new();
            let packets = encode(header, content.clone());
            prop_assert_eq!(packets.len(), len.div_ceil(PART_BYTES).max(1));
            for packet in packets {
                prop_assert!(super::super::frame::packet_cost(&packet) <= super::super::frame::BATCH_BYTES);
                whole.extend(assembler.push(packet::decode(packet.to_bytes()).unwrap()).unwrap());
            }
            prop_assert_eq!(whole.len(), 1);
            prop_assert_eq!(&whole[0].content, &content);
            prop_assert_eq!(whole[0].header(), Some(header));
        }

        #[test]
        fn any_order_of_any_parts_stays_within_the_limits(parts in prop::collection::vec((0u32..4, 0u32..5, 0usize..6, 0u64..4), 0..60)) {
            let mut assembler = assembler();
            for (index, count, len, request_id) in parts {
                // Even one that goes on after errors holds no more than it may.
                let _ = assembler.push(wire::StreamPacket { request_id, ..part(index, count, &vec![0; len]) });
                prop_assert!(assembler.open() <= 2 && assembler.held() <= 20);
            }
        }
    }
}
