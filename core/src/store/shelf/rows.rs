//! What stands in the rows, and how their keys are put together. A row that cannot be read is passed over as if it was not there.
//!
//! Labels and paths have no zero byte in them, so one ends them inside a key: what belongs together stands together, in the order of its
//! names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Account, Blob, Owned, Place};
use crate::proto::transfer::label::Label;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::store::row::{counted, number, put_counted, take};

const COLLECTION: u8 = 1;
const SHA256: u8 = 2;
const OWN: u8 = 4;
const OUTBOARD: u8 = 8;
/// Of an [`Owned`].
const GUARDED: u8 = 1;

/// A label, ended.
pub(super) fn ended(label: &Label) -> Vec<u8> {
    [label.as_str().as_bytes(), &[0]].concat()
}

pub(super) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

pub(super) fn label(bytes: &[u8]) -> Option<Label> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

pub(super) fn root(bytes: &[u8]) -> Option<Root> {
    bytes.try_into().ok().map(Root::from_bytes)
}

impl Blob {
    pub(super) fn encode(&self) -> Vec<u8> {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let mut row = vec![
            flag(self.kind == Kind::Collection, COLLECTION)
                | flag(self.sha256.is_some(), SHA256)
                | flag(self.place.own, OWN)
                | flag(self.outboard.is_some(), OUTBOARD),
        ];
        for number in [
            self.size,
            self.added_ms,
            self.place.device,
            self.place.inode,
        ] {
            row.extend(number.to_be_bytes());
        }
        row.extend(self.place.modified_ns.to_be_bytes());
        put_counted(path_bytes(&self.place.path), &mut row);
        row.extend(self.sha256.iter().flatten());
        if let Some(outboard) = &self.outboard {
            put_counted(path_bytes(outboard), &mut row);
        }
        row
    }

    pub(super) fn decode(mut row: &[u8]) -> Option<Self> {
        let rest = &mut row;
        let [flags] = take(rest)?;
        let has = |flag: u8| flags & flag != 0;
        let (size, added_ms) = (number(rest)?, number(rest)?);
        let (device, inode) = (number(rest)?, number(rest)?);
        let modified_ns = i64::from_be_bytes(take(rest)?);
        let place = path(counted(rest)?);
        let sha256 = if has(SHA256) { Some(take(rest)?) } else { None };
        let outboard = if has(OUTBOARD) {
            Some(path(counted(rest)?))
        } else {
            None
        };
        rest.is_empty().then_some(Self {
            size,
            kind: if has(COLLECTION) {
                Kind::Collection
            } else {
                Kind::File
            },
            sha256,
            place: Place {
                path: place,
                own: has(OWN),
                device,
                inode,
                modified_ns,
            },
            outboard,
            added_ms,
        })
    }
}

impl Owned {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = vec![if self.guarded { GUARDED } else { 0 }];
        row.extend(self.charged.to_be_bytes());
        row.extend(self.added_ms.to_be_bytes());
        row.extend(self.name.as_str().as_bytes());
        row
    }

    pub(super) fn decode(mut row: &[u8]) -> Option<Self> {
        let [flags] = take(&mut row)?;
        let (charged, added_ms) = (number(&mut row)?, number(&mut row)?);
        Some(Self {
            name: label(row)?,
            charged,
            added_ms,
            guarded: flags & GUARDED != 0,
        })
    }
}

impl Account {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(40);
        for number in [self.used, self.reserved, self.files, self.uploads] {
            row.extend(number.to_be_bytes());
        }
        row.extend(self.limit.map(u64::to_be_bytes).iter().flatten());
        row
    }

    pub(super) fn decode(mut row: &[u8]) -> Option<Self> {
        let rest = &mut row;
        let (used, reserved) = (number(rest)?, number(rest)?);
        let (files, uploads) = (number(rest)?, number(rest)?);
        let limit = if rest.is_empty() {
            None
        } else {
            Some(number(rest)?)
        };
        rest.is_empty().then_some(Self {
            limit,
            used,
            reserved,
            files,
            uploads,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths() -> impl Strategy<Value = PathBuf> {
        proptest::collection::vec(1..=255u8, 1..40).prop_map(|bytes| path(&bytes))
    }

    fn blobs() -> impl Strategy<Value = Blob> {
        let numbers = (
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
            any::<i64>(),
        );
        let others = (any::<bool>(), any::<bool>(), any::<Option<[u8; 32]>>());
        (numbers, others, paths(), proptest::option::of(paths())).prop_map(
            |((size, added_ms, device, inode, modified_ns), (one, own, sha256), path, outboard)| {
                Blob {
                    size,
                    kind: if one { Kind::File } else { Kind::Collection },
                    sha256,
                    place: Place {
                        path,
                        own,
                        device,
                        inode,
                        modified_ns,
                    },
                    outboard,
                    added_ms,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn rows_go_round(
            blob in blobs(),
            numbers in any::<[u64; 4]>(),
            limit in any::<Option<u64>>(),
            name in "[a-zé ]{1,20}",
        ) {
            prop_assert_eq!(Blob::decode(&blob.encode()), Some(blob));
            let [used, reserved, files, uploads] = numbers;
            let account = Account { limit, used, reserved, files, uploads };
            prop_assert_eq!(Account::decode(&account.encode()), Some(account));
            let name = name.parse().unwrap();
            let owned = Owned { name, charged: used, added_ms: files, guarded: used.is_multiple_of(2) };
            prop_assert_eq!(Owned::decode(&owned.encode()), Some(owned));
        }

        #[test]
        fn any_row_is_judged_without_a_panic(
            blob in blobs(),
            cut in any::<prop::sample::Index>(),
            noise in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = (Account::decode(&noise), Owned::decode(&noise));
            let _ = Blob::decode(&noise);
            let blob = blob.encode();
            prop_assert_eq!(Blob::decode(&blob[..cut.index(blob.len())]), None);
        }
    }
}
