//! What is found again, who holds what, and what survives.

use std::sync::mpsc::sync_channel;

use redb::ReadableTableMetadata as _;

use super::*;
use crate::store::sparse::Sparse;
use crate::store::{database, writer};

mod accounts;
mod counting;
mod files;
mod kill;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// When the tests are.
const NOW: u64 = 1_000 * DAY;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| label(text)).collect()
}

fn root(number: u64) -> Root {
    Root::of(&number.to_be_bytes())
}

fn blob(size: u64) -> Blob {
    Blob {
        size,
        kind: Kind::File,
        sha256: None,
        place: Place {
            path: "/files/a".into(),
            own: true,
            device: 1,
            inode: 2,
            modified_ns: -3,
        },
        outboard: Some("/files/a.tree".into()),
        added_ms: NOW,
    }
}

fn new_file(owner: &str, number: u64, charged: u64) -> NewFile {
    NewFile {
        owner: label(owner),
        root: root(number),
        name: label("a name"),
        tags: Vec::new(),
        charged,
        guarded: false,
    }
}

/// A disk in memory: what is on it is there when it is opened again.
fn on(disk: &Sparse) -> Store {
    let disk = disk.clone();
    let open = move || database("disk", disk.clone());
    Store::with("disk".to_owned(), open, None).unwrap()
}

fn shelf(quota: Option<u64>) -> Shelf {
    Shelf::open(&on(&Sparse::default()), ShelfLimits::new(quota)).unwrap()
}

/// What a change says, once it is on the disk.
fn wait<R: Send + 'static>(
    change: impl FnOnce(Box<dyn FnOnce(Result<R, StoreError>) + Send>),
) -> R {
    let (done, result) = sync_channel(1);
    change(Box::new(move |said| done.send(said).unwrap()));
    result.recv().unwrap().unwrap()
}

impl Shelf {
    fn adds(&self, number: u64, blob: Blob) -> Option<Blob> {
        wait(|done| self.add(root(number), blob, done))
    }

    fn reserves(
        &self,
        owner: &str,
        upload: &str,
        bytes: u64,
        expires_ms: u64,
        now_ms: u64,
    ) -> Result<(), QuotaError> {
        wait(|done| self.reserve(label(owner), label(upload), bytes, expires_ms, now_ms, done))
    }

    fn settles(&self, upload: &str, file: NewFile, now_ms: u64) -> Result<(), QuotaError> {
        wait(|done| self.settle(label(upload), file, now_ms, done))
    }

    fn releases(&self, owner: &str, upload: &str) -> bool {
        wait(|done| self.release(label(owner), label(upload), done))
    }

    fn owns(&self, file: NewFile) -> Result<(), QuotaError> {
        wait(|done| self.own(file, NOW, done))
    }

    fn disowns(&self, owner: &str, number: u64) -> bool {
        wait(|done| self.disown(label(owner), root(number), done))
    }

    fn forgets(&self, number: u64) -> Forgotten {
        wait(|done| self.forget(root(number), done))
    }

    fn counts(&self, token: &str, bytes: u64, limit: u64, expires_ms: u64) -> Counted {
        wait(|done| self.count(label(token), bytes, limit, expires_ms, NOW, done))
    }

    fn limits(&self, owner: &str, limit: Option<u64>) {
        wait(|done| self.set_limit(label(owner), limit, done));
    }

    fn expires(&self, now_ms: u64, most: usize) -> usize {
        wait(|done| self.expire(now_ms, most, done))
    }

    fn has(&self, owner: &str) -> Account {
        self.account(&label(owner)).unwrap()
    }

    /// Rows of all tables together.
    fn rows(&self) -> u64 {
        self.read(|transaction| {
            use tables::*;
            let mut rows = 0;
            for table in [FILE_OWNERS, FILE_NAMES, TAGS, FILE_TAGS, UNTIL] {
                rows += transaction.open_table(table)?.len()?;
            }
            for table in [BLOBS, DIGESTS, OWNERS, FILES] {
                rows += transaction.open_table(table)?.len()?;
            }
            for table in [RESERVATIONS, COUNTERS, PAYMENTS] {
                rows += transaction.open_table(table)?.len()?;
            }
            Ok(rows)
        })
        .unwrap()
    }
}

#[test]
fn after_the_shutdown_nothing_is_changed_or_read() {
    let shelf = shelf(None);
    shelf.shutdown();
    assert!(matches!(shelf.blob(&root(1)), Err(StoreError::Closed)));
    let (done, result) = sync_channel(1);
    shelf.disown(label("a"), root(1), move |said| done.send(said).unwrap());
    assert!(matches!(result.recv().unwrap(), Err(StoreError::Closed)));
}

/// A database of a program that knew of no files.
#[test]
fn a_store_of_an_older_program_gets_the_tables() {
    let disk = Sparse::default();
    let store = on(&disk);
    store
        .write(|transaction| {
            transaction.delete_table(tables::BLOBS)?;
            transaction.delete_table(tables::UNTIL)?;
            transaction.delete_table(tables::PAYMENTS)?;
            let mut meta = transaction.open_table(crate::store::META)?;
            meta.insert(crate::store::META_SCHEMA, 2)?;
            Ok(())
        })
        .unwrap();
    drop(store);
    let shelf = Shelf::open(&on(&disk), ShelfLimits::new(None)).unwrap();
    assert_eq!(shelf.blob(&root(1)).unwrap(), None);
}
