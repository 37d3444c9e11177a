//! Collections: what a folder is when it is sent. A blob of its own that names the files in it, with their sizes, modes and roots.
//!
//! The blob is [`MAGIC`], then for each file a `CollectionEntry` of `psfs.proto` with its length (varint) in front, in the order of
//! [`Name`]s. A folder is listed only when it is empty. So one folder always gives the same bytes, and the same root.
//!
//! Entries are read one after another from the slice they are in, and each is checked before the next is looked at: a blob of a stranger
//! costs no more than what it really lists. No links, owners or times: they mean nothing elsewhere.

use bytes::Bytes;
use prost::Message as _;

use super::names::{Clash, NAME_MAX, Name, NameError, clash};
use super::root::Root;
use crate::error::{Code, Error};
use crate::proto::wire;

/// How every collection begins.
pub(crate) const MAGIC: &[u8] = b"psfs/collection/1\0";
/// Most files of a collection.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;
/// Largest blob of a collection: that many files with names of usual length.
pub(crate) const BYTES_MAX: usize = 256 << 20;
/// Largest encoded entry: the name, and the other fields with what stands before each.
const ENTRY_MAX: usize = NAME_MAX + 128;
/// What a mode says: who may read, write and run it. Nothing that lends somebody's rights.
const MODE: u32 = 0o777;

/// One file or empty folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// Permission bits, 0 to 0o777.
    pub(crate) mode: u32,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    File {
        root: Root,
        /// Bytes.
        size: u64,
    },
    Folder,
}

/// The files of a folder, in order, without clashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collection {
    entries: Vec<Entry>,
    size: u64,
}

/// Why something is no collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CollectionError {
    #[error("it does not begin as a collection does")]
    Magic,
    #[error("it has {0} bytes, at most {BYTES_MAX} are read")]
    Long(u64),
    #[error("it has more than {ENTRIES_MAX} files")]
    Many,
    #[error("it is cut off in entry {0}")]
    CutOff(usize),
    #[error("entry {0} cannot be read: {1}")]
    Entry(usize, &'static str),
    #[error("in entry {0} {1}")]
    Name(usize, NameError),
    #[error(transparent)]
    Clash(#[from] Clash),
    #[error("entry {0} stands after one that it should stand before")]
    Order(usize),
    #[error("its files have more bytes together than can be counted")]
    Size,
}

impl From<CollectionError> for Error {
    fn from(error: CollectionError) -> Self {
        Self::new(
            Code::BadInput,
            format!("the collection is not taken: {error}"),
        )
    }
}

impl Collection {
    /// Of these files, in any order.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Result<Self, CollectionError> {
        if entries.len() > ENTRIES_MAX {
            return Err(CollectionError::Many);
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for pair in entries.windows(2) {
            if let Some(clash) = clash(&pair[0].name, &pair[1].name) {
                return Err(clash.into());
            }
        }
        let mut size = 0;
        for (number, entry) in entries.iter().enumerate() {
            if entry.mode & !MODE != 0 {
                return Err(CollectionError::Entry(number, MODE_TEXT));
            }
            size = add(size, entry)?;
        }
        Ok(Self { entries, size })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all files together; one that is there under two names counts twice.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The blob.
    pub(crate) fn encode(&self) -> Result<Bytes, CollectionError> {
        let mut blob = MAGIC.to_vec();
        for entry in &self.entries {
            let wire = match entry.what {
                What::File { root, size } => wire::CollectionEntry {
                    name: entry.name.to_string(),
                    mode: entry.mode,
                    size,
                    root: Bytes::copy_from_slice(root.as_bytes()),
                },
                What::Folder => wire::CollectionEntry {
                    name: entry.name.to_string(),
                    mode: entry.mode,
                    ..Default::default()
                },
            };
            wire.encode_length_delimited(&mut blob)
                .expect("a vector grows");
            if blob.len() > BYTES_MAX {
                return Err(CollectionError::Long(blob.len() as u64));
            }
        }
        Ok(blob.into())
    }

    /// Reads a blob.
    pub(crate) fn decode(mut blob: Bytes) -> Result<Self, CollectionError> {
        if blob.len() > BYTES_MAX {
            return Err(CollectionError::Long(blob.len() as u64));
        }
        if !blob.starts_with(MAGIC) {
            return Err(CollectionError::Magic);
        }
        let _magic = blob.split_to(MAGIC.len());
        let mut collection = Self::default();
        while !blob.is_empty() {
            let number = collection.entries.len();
            if number == ENTRIES_MAX {
                return Err(CollectionError::Many);
            }
            let entry = next(&mut blob, number)?;
            if let Some(last) = collection.entries.last() {
                if let Some(clash) = clash(&last.name, &entry.name) {
                    return Err(clash.into());
                }
                if last.name > entry.name {
                    return Err(CollectionError::Order(number));
                }
            }
            collection.size = add(collection.size, &entry)?;
            collection.entries.push(entry);
        }
        Ok(collection)
    }
}

const MODE_TEXT: &str = "its mode has other bits than permissions (0 to 777)";

fn add(size: u64, entry: &Entry) -> Result<u64, CollectionError> {
    match entry.what {
        What::File { size: more, .. } => size.checked_add(more).ok_or(CollectionError::Size),
        What::Folder => Ok(size),
    }
}

fn next(blob: &mut Bytes, number: usize) -> Result<Entry, CollectionError> {
    let cut_off = CollectionError::CutOff(number);
    let refused = |reason| CollectionError::Entry(number, reason);
    // A length has at most ten bytes; with fewer left, one that goes on is cut off.
    let left = blob.len();
    let length = prost::decode_length_delimiter(&mut *blob).map_err(|_| {
        if left < 10 {
            cut_off.clone()
        } else {
            refused("its length is not a number")
        }
    })?;
    if length > ENTRY_MAX {
        return Err(refused("it is longer than an entry can be"));
    }
    if length > blob.len() {
        return Err(cut_off);
    }
    let wire = wire::CollectionEntry::decode(blob.split_to(length))
        .map_err(|_| refused("it is no message of its kind"))?;
    let name = wire
        .name
        .parse()
        .map_err(|error| CollectionError::Name(number, error))?;
    if wire.mode & !MODE != 0 {
        return Err(refused(MODE_TEXT));
    }
    let what = if wire.root.is_empty() {
        if wire.size != 0 {
            return Err(refused("it has a size and no root"));
        }
        What::Folder
    } else {
        let root: [u8; 32] = wire.root[..]
            .try_into()
            .map_err(|_| refused("its root has another length than 32 bytes"))?;
        What::File {
            root: Root::from_bytes(root),
            size: wire.size,
        }
    };
    Ok(Entry {
        name,
        mode: wire.mode,
        what,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, size: u64) -> Entry {
        Entry {
            name: name.parse().unwrap(),
            mode: 0o644,
            what: What::File {
                root: Root::of(name.as_bytes()),
                size,
            },
        }
    }

    fn folder(name: &str) -> Entry {
        Entry {
            what: What::Folder,
            mode: 0o755,
            ..file(name, 0)
        }
    }

    /// As a stranger writes it.
    fn blob(entries: &[wire::CollectionEntry]) -> Bytes {
        let mut blob = MAGIC.to_vec();
        for entry in entries {
            entry.encode_length_delimited(&mut blob).unwrap();
        }
        blob.into()
    }

    fn wire(name: &str) -> wire::CollectionEntry {
        wire::CollectionEntry {
            name: name.into(),
            size: 1,
            mode: 0o644,
            root: Bytes::from_static(&[7; 32]),
        }
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_order() {
        let entries = vec![file("b", 5), folder("c"), file("a/x", 7), file("a.b", 0)];
        let collection = Collection::new(entries.clone()).unwrap();
        let blob = collection.encode().unwrap();
        assert_eq!(Collection::decode(blob.clone()), Ok(collection.clone()));
        assert_eq!(collection.size(), 12);
        let names: Vec<&str> = collection
            .entries()
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(names, ["a/x", "a.b", "b", "c"]);
        let turned = Collection::new(entries.into_iter().rev().collect()).unwrap();
        assert_eq!(turned.encode().unwrap(), blob);
        let empty = Collection::default();
        assert_eq!(Collection::decode(empty.encode().unwrap()), Ok(empty));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let entry = |change: fn(&mut wire::CollectionEntry)| {
            let mut entry = wire("a");
            change(&mut entry);
            blob(&[entry])
        };
        let name = |text: &str| text.parse::<Name>().unwrap();
        let flawed =
            |number, text: &str| CollectionError::Name(number, text.parse::<Name>().unwrap_err());
        let mut long = MAGIC.to_vec();
        prost::encode_length_delimiter(ENTRY_MAX + 1, &mut long).unwrap();
        let cases = [
            (Bytes::new(), CollectionError::Magic),
            (
                Bytes::from_static(b"psfs/collection/2\0"),
                CollectionError::Magic,
            ),
            (blob(&[wire("ok"), wire("../a")]), flawed(1, "../a")),
            (blob(&[wire("")]), flawed(0, "")),
            (
                blob(&[wire("a"), wire("a")]),
                Clash::Twice(name("a")).into(),
            ),
            (
                blob(&[wire("a"), wire("a/b")]),
                Clash::Folder(name("a"), name("a/b")).into(),
            ),
            (blob(&[wire("a/b"), wire("a")]), CollectionError::Order(1)),
            (blob(&[wire("b"), wire("a")]), CollectionError::Order(1)),
            (
                entry(|entry| entry.mode = 0o4755),
                CollectionError::Entry(0, MODE_TEXT),
            ),
            (
                entry(|entry| entry.root = Bytes::from_static(&[7; 31])),
                CollectionError::Entry(0, "its root has another length than 32 bytes"),
            ),
            (
                entry(|entry| entry.root = Bytes::new()),
                CollectionError::Entry(0, "it has a size and no root"),
            ),
            (
                blob(&[
                    wire::CollectionEntry {
                        size: u64::MAX,
                        ..wire("a")
                    },
                    wire("b"),
                ]),
                CollectionError::Size,
            ),
            (
                long.into(),
                CollectionError::Entry(0, "it is longer than an entry can be"),
            ),
            (
                [MAGIC, &[0xff; 10]].concat().into(),
                CollectionError::Entry(0, "its length is not a number"),
            ),
            (
                [MAGIC, &[1, 0xff]].concat().into(),
                CollectionError::Entry(0, "it is no message of its kind"),
            ),
        ];
        for (blob, error) in cases {
            assert_eq!(Collection::decode(blob), Err(error));
        }
        let made = |entries| Collection::new(entries).unwrap_err();
        assert_eq!(
            made(vec![file("a", 1), folder("a")]),
            Clash::Twice(name("a")).into()
        );
        assert_eq!(
            made(vec![file("a/b", 1), folder("a")]),
            Clash::Folder(name("a"), name("a/b")).into()
        );
        assert_eq!(
            made(vec![Entry {
                mode: 0o1000,
                ..file("a", 1)
            }]),
            CollectionError::Entry(0, MODE_TEXT)
        );
    }

    #[test]
    fn one_cut_off_anywhere_says_so_or_is_a_shorter_one() {
        let whole = Collection::new(vec![file("a", 1), file("b", 2)]).unwrap();
        let blob = whole.encode().unwrap();
        for length in MAGIC.len()..blob.len() {
            match Collection::decode(blob.slice(..length)) {
                Ok(collection) => assert!(whole.entries().starts_with(collection.entries())),
                Err(CollectionError::CutOff(_)) => {}
                Err(error) => panic!("{length}: {error}"),
            }
        }
    }

    /// More files than a person has in a folder, and names that are long.
    #[test]
    fn a_hundred_thousand_files() {
        let entries = (0..100_000)
            .map(|number| {
                file(
                    &format!("folder {}/a file of some length {number}.txt", number % 317),
                    number,
                )
            })
            .collect();
        let collection = Collection::new(entries).unwrap();
        let blob = collection.encode().unwrap();
        assert!(blob.len() < 10_000_000, "{}", blob.len());
        assert_eq!(Collection::decode(blob), Ok(collection));
    }

    /// What would be a vector of 64 million entries, if it was read first and looked at then.
    #[test]
    fn many_bytes_that_list_nothing_are_refused_at_once() {
        let mut blob = MAGIC.to_vec();
        blob.resize(64 << 20, 0);
        assert!(matches!(
            Collection::decode(blob.into()),
            Err(CollectionError::Name(0, _))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Collection::decode(Bytes::from(bytes.clone()));
            let _ = Collection::decode([MAGIC, &bytes].concat().into());
        }
    }
}
