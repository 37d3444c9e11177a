//! Writes a batch of packets or replies into one buffer, as the crate's head says.

use std::collections::HashMap;

use bytes::{Buf, Bytes};
use psfs_core::PeerId;

use crate::blob::Blob;
use crate::failure::NativeError;

/// From this size on a content is kept where it is: below, a copy costs less than a number that must be given back.
pub(crate) const KEEP_FROM: usize = 16 * 1024;

/// It can be answered.
pub(crate) const ANSWERABLE: u32 = 1;
/// Its content is not in the buffer.
pub(crate) const KEPT: u32 = 2;

/// One packet or reply.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) number: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) peer: &'a PeerId,
    pub(crate) answerable: bool,
    pub(crate) content: &'a [u8],
}

impl Item<'_> {
    fn is_kept(&self) -> bool {
        self.content.len() >= KEEP_FROM
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.answerable {
            flags |= ANSWERABLE;
        }
        if self.is_kept() {
            flags |= KEPT;
        }
        flags
    }
}

/// Bytes of an item beside its content.
const HEAD: usize = 3 * 8 + 3 * 4;

/// Lengths fit: a satellite's contents have at most 1 GiB, a batch 256 of them, and an id 46 bytes.
fn number(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Packs a batch. Most batches are of one peer: its id is written as text once.
pub(crate) fn pack<'a>(items: impl ExactSizeIterator<Item = Item<'a>> + Clone) -> Blob {
    let mut index: HashMap<&PeerId, u32> = HashMap::new();
    let mut peers: Vec<&PeerId> = Vec::new();
    let mut size = 0;
    let mut last: Option<(&PeerId, u32)> = None;
    let mut of_item = Vec::with_capacity(items.len());
    for item in items.clone() {
        size += HEAD;
        if !item.is_kept() {
            size += item.content.len();
        }
        let at = match last {
            Some((peer, at)) if peer == item.peer => at,
            _ => *index.entry(item.peer).or_insert_with(|| {
                peers.push(item.peer);
                // At most as many as items.
                u32::try_from(peers.len() - 1).unwrap_or(u32::MAX)
            }),
        };
        last = Some((item.peer, at));
        of_item.push(at);
    }
    let mut out = Vec::with_capacity(8 + peers.len() * 64 + size);
    out.extend_from_slice(&number(peers.len()));
    for peer in peers {
        let text = peer.to_string();
        out.extend_from_slice(&number(text.len()));
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&number(of_item.len()));
    for (item, peer) in items.zip(of_item) {
        let address = if item.is_kept() {
            item.content.as_ptr().addr() as u64
        } else {
            0
        };
        out.extend_from_slice(&item.number.to_le_bytes());
        out.extend_from_slice(&item.timestamp_ms.to_le_bytes());
        out.extend_from_slice(&address.to_le_bytes());
        out.extend_from_slice(&peer.to_le_bytes());
        out.extend_from_slice(&item.flags().to_le_bytes());
        out.extend_from_slice(&number(item.content.len()));
        if !item.is_kept() {
            out.extend_from_slice(item.content);
        }
    }
    Blob(out)
}

/// Contents that came in one buffer: for each a u32 of its length and its bytes.
pub(crate) fn split(contents: Bytes) -> Contents {
    Contents(contents)
}

/// The rest of them. They share the buffer.
pub(crate) struct Contents(Bytes);

impl Contents {
    /// Nothing after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, NativeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let length = self
            .0
            .try_get_u32_le()
            .ok()
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= self.0.len())
            .ok_or_else(|| NativeError::bad_input("contents: they end within one of them"))?;
        Ok(Some(self.0.split_to(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use psfs_core::Identity;

    /// Reads what the languages read.
    struct Reader<'a>(&'a [u8]);

    impl<'a> Reader<'a> {
        fn bytes(&mut self, length: usize) -> &'a [u8] {
            let (bytes, rest) = self.0.split_at(length);
            self.0 = rest;
            bytes
        }

        fn u32(&mut self) -> u32 {
            u32::from_le_bytes(self.bytes(4).try_into().unwrap())
        }

        fn u64(&mut self) -> u64 {
            u64::from_le_bytes(self.bytes(8).try_into().unwrap())
        }
    }

    #[test]
    fn a_batch_is_read_back() {
        let ann = Identity::generate().unwrap().peer_id();
        let ben = Identity::generate().unwrap().peer_id();
        let large = vec![7; KEEP_FROM];
        let item = |number, peer, answerable, content| Item {
            number,
            timestamp_ms: 1_700_000_000_000 + number,
            peer,
            answerable,
            content,
        };
        let items = [
            item(0, &ann, false, &b""[..]),
            item(1, &ben, true, b"whois"),
            item(2, &ann, false, &large),
            item(0, &ann, false, &large[1..]),
        ];
        let blob = pack(items.iter().copied());
        let mut read = Reader(&blob.0);
        assert_eq!(read.u32(), 2);
        for peer in [&ann, &ben] {
            let length = read.u32() as usize;
            assert_eq!(read.bytes(length), peer.to_string().as_bytes());
        }
        assert_eq!(read.u32(), 4);
        for (item, peer) in items.iter().zip([0, 1, 0, 0]) {
            assert_eq!(read.u64(), item.number);
            assert_eq!(read.u64(), item.timestamp_ms);
            let address = read.u64();
            assert_eq!(read.u32(), peer);
            let flags = read.u32();
            assert_eq!(flags & ANSWERABLE != 0, item.answerable);
            let length = read.u32() as usize;
            assert_eq!(length, item.content.len());
            if item.content.len() >= KEEP_FROM {
                assert_eq!(address, item.content.as_ptr().addr() as u64);
                assert_eq!(flags & KEPT, KEPT);
            } else {
                assert_eq!((address, flags & KEPT), (0, 0));
                assert_eq!(read.bytes(length), item.content);
            }
        }
        assert!(read.0.is_empty());
    }

    #[test]
    fn an_empty_batch_is_two_zeros() {
        assert_eq!(pack([].iter().copied()).0, [0; 8]);
    }

    #[test]
    fn contents_are_taken_apart() {
        let mut contents = split(Bytes::from_static(b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0c"));
        for expected in [&b"ab"[..], b"", b"c"] {
            assert_eq!(contents.next().unwrap().unwrap(), expected);
        }
        assert_eq!(contents.next().unwrap(), None);
        for broken in [&b"\x02\0\0"[..], b"\x02\0\0\0a", b"\xff\xff\xff\xffa"] {
            assert!(split(Bytes::copy_from_slice(broken)).next().is_err());
        }
    }
}
