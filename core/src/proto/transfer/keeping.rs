//! What is said of files that a satellite keeps for others: further asks of [`message`](super::message), and their answers.
//!
//! Who wants a file kept says so, and the server gets it from there as anybody gets a file: so pieces, checks and going on after a break
//! are those that exist. What is decoded here keeps all bounds; rights and room are looked at elsewhere.

use bytes::Bytes;
use prost::Message as _;

use super::collection::{BYTES_MAX, ENTRIES_MAX};
use super::label::{Label, TAGS_MAX};
use super::message::{Malformed, root_of};
use super::root::Root;
use super::ticket::Kind;
use crate::proto::wire;

/// Most rows of one answer.
pub(crate) const ROWS_MAX: u32 = 1000;
/// An answer ends with the row that makes it longer than this, in bytes.
pub(crate) const ROWS_BYTES: usize = 128 * 1024;

/// What a file of a folder takes of a quota beside its bytes: a place on the disk, and what is known of it.
const ENTRY_COST: u64 = 1024;

/// Why a file is not kept, beside what the library's codes say: the status of the answer's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Denied {
    /// It does not fit into what its owner may keep.
    Quota = 1,
    /// It is larger than the server takes, or than was said.
    TooLarge = 2,
    /// Tags or a name that cannot be.
    Unfit = 3,
}

impl Denied {
    pub(crate) fn of_status(status: i32) -> Option<Self> {
        [Self::Quota, Self::TooLarge, Self::Unfit]
            .into_iter()
            .find(|denied| *denied as i32 == status)
    }
}

/// A file or folder is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) root: Root,
    /// Bytes; of a folder those of all its files.
    pub(crate) size: u64,
    pub(crate) kind: Kind,
    pub(crate) name: Label,
    pub(crate) tags: Vec<Label>,
    /// Of a folder: bytes of its list, and the most entries that it has.
    pub(crate) list: u64,
    pub(crate) entries: u32,
}

/// What a file or folder takes of a quota: its bytes, those of its list, and something for each file, however small.
pub(crate) fn cost(size: u64, list: u64, entries: usize) -> u64 {
    let entries = (entries as u64).saturating_mul(ENTRY_COST);
    size.saturating_add(list).saturating_add(entries)
}

impl Put {
    /// What it takes of a quota, at most.
    pub(crate) fn cost(&self) -> u64 {
        cost(self.size, self.list, self.entries as usize)
    }

    /// Bytes that are to come.
    pub(crate) fn bytes(&self) -> u64 {
        self.size.saturating_add(self.list)
    }

    pub(super) fn to_wire(&self) -> wire::FilePut {
        wire::FilePut {
            root: bytes_of(&self.root),
            size: self.size,
            kind: kind_number(self.kind),
            name: self.name.to_string(),
            tags: self.tags.iter().map(ToString::to_string).collect(),
            list: self.list,
            entries: self.entries,
        }
    }

    pub(super) fn from_wire(put: wire::FilePut) -> Result<Self, Malformed> {
        let kind = kind_of(put.kind)?;
        let (list_max, entries_max) = match kind {
            Kind::File => (0, 0),
            Kind::Collection => (BYTES_MAX as u64, ENTRIES_MAX),
        };
        if put.list > list_max {
            return Err(Malformed::Field("bytes of the list"));
        }
        if put.entries as usize > entries_max {
            return Err(Malformed::Field("number of entries"));
        }
        Ok(Self {
            root: root_of(&put.root)?,
            size: put.size,
            kind,
            name: label(&put.name, "name")?,
            tags: labels(&put.tags)?,
            list: put.list,
            entries: put.entries,
        })
    }
}

/// How far the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Bytes that are there.
    pub(crate) bytes: u64,
    /// Bytes a second.
    pub(crate) rate: u64,
    /// All of it is on the server's disk, and it is its owner's.
    pub(crate) kept: bool,
}

impl Kept {
    pub(crate) fn encode(&self) -> Bytes {
        let Self { bytes, rate, kept } = *self;
        wire::FileKept { bytes, rate, kept }.encode_to_vec().into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let wire::FileKept { bytes, rate, kept } = wire::FileKept::decode(bytes)?;
        Ok(Self { bytes, rate, kept })
    }
}

/// By what files are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    All,
    Tag(Label),
    Name(Label),
    Root(Root),
    Sha256([u8; 32]),
}

/// Which files of an owner are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    pub(crate) by: By,
    /// Only those behind this one, in the order of their roots.
    pub(crate) after: Option<Root>,
    pub(crate) most: u32,
}

impl Find {
    pub(super) fn to_wire(&self) -> wire::FileFind {
        use wire::file_find::By as Wire;
        wire::FileFind {
            by: match &self.by {
                By::All => None,
                By::Tag(tag) => Some(Wire::Tag(tag.to_string())),
                By::Name(name) => Some(Wire::Name(name.to_string())),
                By::Root(root) => Some(Wire::Root(bytes_of(root))),
                By::Sha256(digest) => Some(Wire::Sha256(Bytes::copy_from_slice(digest))),
            },
            after: self.after.as_ref().map(bytes_of).unwrap_or_default(),
            most: self.most,
        }
    }

    pub(super) fn from_wire(find: wire::FileFind) -> Result<Self, Malformed> {
        use wire::file_find::By as Wire;
        Ok(Self {
            by: match find.by {
                None => By::All,
                Some(Wire::Tag(tag)) => By::Tag(label(&tag, "tag")?),
                Some(Wire::Name(name)) => By::Name(label(&name, "name")?),
                Some(Wire::Root(root)) => By::Root(root_of(&root)?),
                Some(Wire::Sha256(digest)) => By::Sha256(digest_of(&digest)?),
            },
            after: if find.after.is_empty() {
                None
            } else {
                Some(root_of(&find.after)?)
            },
            most: find.most.min(ROWS_MAX),
        })
    }
}

/// A file of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) root: Root,
    pub(crate) size: u64,
    pub(crate) kind: Kind,
    pub(crate) name: Label,
    pub(crate) tags: Vec<Label>,
    pub(crate) sha256: Option<[u8; 32]>,
    /// Since when, in ms since 1970.
    pub(crate) added_ms: u64,
}

/// An answer to [`Find`]: as many rows as fit into one, in order.
pub(crate) fn encode_rows(rows: &[Row]) -> Bytes {
    let mut found = wire::FileFound::default();
    for row in rows {
        found.rows.push(wire::FileRow {
            root: bytes_of(&row.root),
            size: row.size,
            kind: kind_number(row.kind),
            name: row.name.to_string(),
            tags: row.tags.iter().map(ToString::to_string).collect(),
            sha256: row
                .sha256
                .map(|digest| Bytes::copy_from_slice(&digest))
                .unwrap_or_default(),
            added: row.added_ms,
        });
        if found.encoded_len() > ROWS_BYTES {
            break;
        }
    }
    found.encode_to_vec().into()
}

pub(crate) fn decode_rows(bytes: Bytes) -> Result<Vec<Row>, Malformed> {
    let found = wire::FileFound::decode(bytes)?;
    if found.rows.len() > ROWS_MAX as usize {
        return Err(Malformed::Field("number of rows"));
    }
    let row = |row: wire::FileRow| {
        Ok(Row {
            root: root_of(&row.root)?,
            size: row.size,
            kind: kind_of(row.kind)?,
            name: label(&row.name, "name")?,
            tags: labels(&row.tags)?,
            sha256: if row.sha256.is_empty() {
                None
            } else {
                Some(digest_of(&row.sha256)?)
            },
            added_ms: row.added,
        })
    };
    found.rows.into_iter().map(row).collect()
}

fn bytes_of(root: &Root) -> Bytes {
    Bytes::copy_from_slice(root.as_bytes())
}

fn digest_of(bytes: &[u8]) -> Result<[u8; 32], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Field("SHA-256"))
}

fn label(text: &str, what: &'static str) -> Result<Label, Malformed> {
    text.parse().map_err(|_| Malformed::Field(what))
}

fn labels(texts: &[String]) -> Result<Vec<Label>, Malformed> {
    if texts.len() > TAGS_MAX {
        return Err(Malformed::Field("number of tags"));
    }
    texts.iter().map(|text| label(text, "tag")).collect()
}

fn kind_number(kind: Kind) -> i32 {
    match kind {
        Kind::File => wire::TicketKind::File.into(),
        Kind::Collection => wire::TicketKind::Collection.into(),
    }
}

fn kind_of(number: i32) -> Result<Kind, Malformed> {
    match wire::TicketKind::try_from(number) {
        Ok(wire::TicketKind::File) => Ok(Kind::File),
        Ok(wire::TicketKind::Collection) => Ok(Kind::Collection),
        Err(_) => Err(Malformed::Field("kind")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::{Ask, What};
    use super::*;

    fn labels_of(texts: &[&str]) -> Vec<Label> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn row(number: u32, tags: &[&str]) -> Row {
        Row {
            root: Root::of(&number.to_be_bytes()),
            size: number.into(),
            kind: if number.is_multiple_of(2) {
                Kind::File
            } else {
                Kind::Collection
            },
            name: "a name".parse().unwrap(),
            tags: labels_of(tags),
            sha256: number.is_multiple_of(3).then_some([7; 32]),
            added_ms: 5,
        }
    }

    #[test]
    fn asks_and_answers_come_out_as_they_went_in() {
        let root = Root::of(b"x");
        let by = [
            By::All,
            By::Tag("t".parse().unwrap()),
            By::Name("n".parse().unwrap()),
            By::Root(root),
            By::Sha256([3; 32]),
        ];
        let find = |(number, by)| {
            What::Find(Find {
                by,
                after: (number % 2 == 0).then_some(root),
                most: number,
            })
        };
        let put = |(kind, list)| {
            What::Put(Put {
                root,
                size: 9,
                kind,
                name: "n".parse().unwrap(),
                tags: labels_of(&["a", "b"]),
                list,
                entries: list as u32 / 40,
            })
        };
        let asks = (0..).zip(by).map(find);
        let asks = asks.chain([(Kind::File, 0), (Kind::Collection, 400)].map(put));
        for what in asks.chain([What::Remove { root }]) {
            let ask = Ask {
                what,
                token: Bytes::new(),
            };
            assert_eq!(Ask::decode(ask.encode()), Ok(ask));
        }
        for kept in [false, true] {
            let kept = Kept {
                bytes: 5,
                rate: 6,
                kept,
            };
            assert_eq!(Kept::decode(kept.encode()), Ok(kept));
        }
        let rows = vec![row(0, &[]), row(1, &["a"]), row(3, &["a", "b"])];
        assert_eq!(decode_rows(encode_rows(&rows)), Ok(rows));
        assert_eq!(
            Denied::of_status(Denied::TooLarge as i32),
            Some(Denied::TooLarge)
        );
        assert_eq!(Denied::of_status(0), None);
    }

    #[test]
    fn an_answer_is_no_longer_than_it_may_be() {
        let tag = "x".repeat(255);
        let rows: Vec<Row> = (0..1000).map(|number| row(number, &[&*tag; 64])).collect();
        let answer = encode_rows(&rows);
        assert!(answer.len() < ROWS_BYTES + 20_000, "{}", answer.len());
        let came = decode_rows(answer).unwrap();
        assert!(!came.is_empty() && came[..] == rows[..came.len()]);
    }

    #[test]
    fn what_is_out_of_bounds_is_no_ask() {
        let put = wire::FilePut {
            root: Bytes::from_static(&[1; 32]),
            size: 1,
            kind: 0,
            name: "n".into(),
            tags: Vec::new(),
            list: 0,
            entries: 0,
        };
        assert!(Put::from_wire(put.clone()).is_ok());
        let folder = wire::FilePut {
            kind: 1,
            list: BYTES_MAX as u64,
            entries: ENTRIES_MAX as u32,
            ..put.clone()
        };
        let most = Put::from_wire(folder.clone()).unwrap();
        assert_eq!(most.cost(), 1 + (256 << 20) + 1_024_000_000);
        let cases = [
            (
                wire::FilePut {
                    list: 1,
                    ..put.clone()
                },
                "bytes of the list",
            ),
            (
                wire::FilePut {
                    entries: 1,
                    ..put.clone()
                },
                "number of entries",
            ),
            (
                wire::FilePut {
                    list: BYTES_MAX as u64 + 1,
                    ..folder.clone()
                },
                "bytes of the list",
            ),
            (
                wire::FilePut {
                    entries: ENTRIES_MAX as u32 + 1,
                    ..folder
                },
                "number of entries",
            ),
            (
                wire::FilePut {
                    kind: 2,
                    ..put.clone()
                },
                "kind",
            ),
            (
                wire::FilePut {
                    name: String::new(),
                    ..put.clone()
                },
                "name",
            ),
            (
                wire::FilePut {
                    root: Bytes::new(),
                    ..put.clone()
                },
                "root",
            ),
            (
                wire::FilePut {
                    tags: vec!["t".into(); 65],
                    ..put.clone()
                },
                "number of tags",
            ),
            (
                wire::FilePut {
                    tags: vec!["\n".into()],
                    ..put
                },
                "tag",
            ),
        ];
        for (put, field) in cases {
            assert_eq!(Put::from_wire(put), Err(Malformed::Field(field)));
        }
        let most = wire::FileFind {
            most: u32::MAX,
            ..Default::default()
        };
        assert_eq!(Find::from_wire(most).unwrap().most, ROWS_MAX);
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = (Kept::decode(bytes.clone()), decode_rows(bytes));
        }
    }
}
