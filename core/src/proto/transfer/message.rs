//! What satellites say to each other of files: the contents of requests in [`NAMESPACE`] and of their answers.
//!
//! What is decoded here keeps all bounds; whether a piece is right is not known, see [`outline`](super::outline). Pieces are
//! made around their bytes: these are read from the disk to the place where they are sent from.

use std::ops::Range;

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::keeping::{Find, Put};
use super::outline::{FILE_MAX, GROUP, Piece};
use super::root::Root;
use crate::proto::wire;

/// The namespace of these requests.
pub(crate) const NAMESPACE: &str = "psfs.files";
/// Longest token, in bytes.
const TOKEN_MAX: usize = 4096;
/// Room in front of a piece's bytes for all that is said of them: the tree has 54 levels at most.
pub(crate) const HEAD: usize = 54 * 64 + 64;

/// Why a message is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it is no message of this protocol: {0}")]
    Wire(#[from] prost::DecodeError),
    #[error("it is of a kind that this version does not know")]
    Unknown,
    #[error("its {0} is missing or out of bounds")]
    Field(&'static str),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) what: What,
    pub(crate) token: Bytes,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Get {
        root: Root,
        range: Range<u64>,
        piece: u64,
    },
    Many {
        root: Root,
        places: Range<u32>,
    },
    Put(Put),
    Find(Find),
    /// An owner's file is to go.
    Remove {
        root: Root,
    },
}

impl Ask {
    pub(crate) fn encode(&self) -> Bytes {
        let ask = match &self.what {
            What::Get { root, range, piece } => wire::file_ask::Ask::Get(wire::FileGet {
                root: Bytes::copy_from_slice(root.as_bytes()),
                start: range.start,
                end: range.end,
                piece: *piece,
            }),
            What::Many { root, places } => wire::file_ask::Ask::Many(wire::FileMany {
                root: Bytes::copy_from_slice(root.as_bytes()),
                first: places.start,
                last: places.end,
            }),
            What::Put(put) => wire::file_ask::Ask::Put(put.to_wire()),
            What::Find(find) => wire::file_ask::Ask::Find(find.to_wire()),
            What::Remove { root } => wire::file_ask::Ask::Remove(wire::FileRemove {
                root: Bytes::copy_from_slice(root.as_bytes()),
            }),
        };
        let ask = wire::FileAsk {
            ask: Some(ask),
            token: self.token.clone(),
        };
        ask.encode_to_vec().into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let wire::FileAsk { ask, token } = wire::FileAsk::decode(bytes)?;
        if token.len() > TOKEN_MAX {
            return Err(Malformed::Field("token"));
        }
        let what = match ask.ok_or(Malformed::Unknown)? {
            wire::file_ask::Ask::Get(get) => {
                if !get.start.is_multiple_of(GROUP) && get.start != u64::MAX {
                    return Err(Malformed::Field("start"));
                }
                if get.end < get.start {
                    return Err(Malformed::Field("end"));
                }
                What::Get {
                    root: root_of(&get.root)?,
                    range: get.start..get.end,
                    piece: get.piece,
                }
            }
            wire::file_ask::Ask::Many(many) => What::Many {
                root: root_of(&many.root)?,
                places: many.first..many.last,
            },
            wire::file_ask::Ask::Put(put) => What::Put(Put::from_wire(put)?),
            wire::file_ask::Ask::Find(find) => What::Find(Find::from_wire(find)?),
            wire::file_ask::Ask::Remove(remove) => What::Remove {
                root: root_of(&remove.root)?,
            },
        };
        Ok(Self { what, token })
    }
}

pub(super) fn root_of(bytes: &Bytes) -> Result<Root, Malformed> {
    let bytes = <[u8; 32]>::try_from(&bytes[..]).map_err(|_| Malformed::Field("root"))?;
    Ok(Root::from_bytes(bytes))
}

/// Bytes of a file, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// Of the whole file, as claimed.
    pub(crate) size: u64,
    pub(crate) piece: Piece,
    pub(crate) proof: Bytes,
    pub(crate) data: Bytes,
}

/// A piece around its bytes, which begin at [`HEAD`] in `buffer`.
pub(crate) fn encode_piece(mut buffer: Vec<u8>, size: u64, start: u64, proof: &[u8]) -> Bytes {
    let data = buffer.len().saturating_sub(HEAD);
    let head = wire::FilePiece {
        size,
        start,
        proof: Bytes::copy_from_slice(proof),
        data: Bytes::new(),
    };
    place(&mut buffer, head.encode_to_vec(), DATA_OF_PIECE, data)
}

/// Whole files one behind the other, from [`HEAD`] on in `buffer`.
pub(crate) fn encode_batch(mut buffer: Vec<u8>, first: u32, count: u32) -> Bytes {
    let data = buffer.len().saturating_sub(HEAD);
    let head = wire::FileBatch {
        first,
        count,
        data: Bytes::new(),
    };
    place(&mut buffer, head.encode_to_vec(), DATA_OF_BATCH, data)
}

const DATA_OF_PIECE: u32 = 4;
const DATA_OF_BATCH: u32 = 3;

/// Puts the head, and the field of the data, right in front of the data.
fn place(buffer: &mut Vec<u8>, mut head: Vec<u8>, field: u32, data: usize) -> Bytes {
    if data > 0 {
        encode_key(field, WireType::LengthDelimited, &mut head);
        encode_varint(data as u64, &mut head);
    }
    let start = HEAD - head.len();
    buffer[start..HEAD].copy_from_slice(&head);
    Bytes::from(std::mem::take(buffer)).slice(start..)
}

impl Came {
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let wire::FilePiece {
            size,
            start,
            proof,
            data,
        } = wire::FilePiece::decode(bytes)?;
        let piece = Piece {
            start,
            end: start.saturating_add(data.len() as u64),
        };
        if size > FILE_MAX || !piece.fits(size) {
            return Err(Malformed::Field("place in the file"));
        }
        Ok(Self {
            size,
            piece,
            proof,
            data,
        })
    }
}

/// Files of a collection, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) data: Bytes,
}

impl Batch {
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let wire::FileBatch { first, count, data } = wire::FileBatch::decode(bytes)?;
        Ok(Self { first, count, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::transfer::outline::UNIT;

    #[test]
    fn asks_come_out_as_they_went_in() {
        let root = Root::of(b"x");
        for what in [
            What::Get {
                root,
                range: 0..5,
                piece: 3,
            },
            What::Get {
                root,
                range: u64::MAX..u64::MAX,
                piece: 0,
            },
            What::Many { root, places: 3..9 },
        ] {
            for token in [Bytes::new(), Bytes::from_static(b"token")] {
                let ask = Ask {
                    what: what.clone(),
                    token,
                };
                assert_eq!(Ask::decode(ask.encode()), Ok(ask));
            }
        }
    }

    #[test]
    fn a_piece_is_made_around_its_bytes() {
        for (size, start, length) in [
            (0, 0, 0),
            (5, 0, 5),
            (3 * UNIT, UNIT, UNIT as usize),
            (UNIT + 7, UNIT, 7),
        ] {
            for proof in [&b""[..], &[7; 54 * 64]] {
                let mut buffer = vec![0; HEAD];
                buffer.extend((0..length).map(|i| i as u8));
                let came = Came::decode(encode_piece(buffer.clone(), size, start, proof)).unwrap();
                assert_eq!(came.size, size);
                assert_eq!(
                    came.piece,
                    Piece {
                        start,
                        end: start + length as u64
                    }
                );
                assert_eq!(&came.proof[..], proof);
                assert_eq!(came.data, &buffer[HEAD..]);
            }
        }
        let mut buffer = vec![0; HEAD];
        buffer.extend(b"abc");
        let batch = Batch::decode(encode_batch(buffer, 5, 2)).unwrap();
        assert_eq!(
            (batch.first, batch.count, &batch.data[..]),
            (5, 2, &b"abc"[..])
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_no_message() {
        let root = Bytes::from_static(&[1; 32]);
        let get = |root, start, end| wire::FileAsk {
            ask: Some(wire::file_ask::Ask::Get(wire::FileGet {
                root,
                start,
                end,
                piece: 0,
            })),
            token: Bytes::new(),
        };
        let cases = [
            (get(root.clone(), 1, 2), Malformed::Field("start")),
            (get(root.clone(), GROUP, 0), Malformed::Field("end")),
            (get(root.slice(1..), 0, 0), Malformed::Field("root")),
            (
                wire::FileAsk {
                    token: vec![0; TOKEN_MAX + 1].into(),
                    ..get(root, 0, 0)
                },
                Malformed::Field("token"),
            ),
            (wire::FileAsk::default(), Malformed::Unknown),
        ];
        for (ask, error) in cases {
            assert_eq!(Ask::decode(ask.encode_to_vec().into()), Err(error));
        }
        for (size, start, length) in [
            (5, 0, 6),
            (u64::MAX, 0, 16),
            (2 * UNIT, 5, 16),
            (4 * UNIT, UNIT - GROUP, 2 * GROUP),
            (UNIT, u64::MAX, 1),
        ] {
            let piece = wire::FilePiece {
                size,
                start,
                proof: Bytes::new(),
                data: vec![0; length as usize].into(),
            };
            assert!(
                Came::decode(piece.encode_to_vec().into()).is_err(),
                "{size} {start} {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ask = Ask::decode(bytes.clone());
            let _batch = Batch::decode(bytes.clone());
            if let Ok(came) = Came::decode(bytes) {
                prop_assert!(came.piece.fits(came.size));
            }
        }
    }
}
