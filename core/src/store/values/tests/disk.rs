//! Over restarts, and on disks that are full or fail.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redb::StorageBackend;

use super::*;
use crate::store::sparse::Sparse;
use crate::store::{META, META_SCHEMA, SCHEMA, database};

/// A disk in memory with an end.
#[derive(Clone, Debug)]
struct Disk {
    file: Sparse,
    /// So many pages there is room for.
    room: Arc<AtomicUsize>,
    /// Nothing gets to it any more.
    broken: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

impl Disk {
    fn new() -> Self {
        Self {
            file: Sparse::default(),
            room: Arc::new(AtomicUsize::new(usize::MAX)),
            broken: Arc::default(),
            syncs: Arc::default(),
        }
    }

    fn store(&self) -> Store {
        let disk = self.clone();
        Store::with(
            "disk".to_owned(),
            move || database("disk", disk.clone()),
            None,
        )
        .unwrap()
    }

    fn leave(&self, pages: usize) {
        self.room.store(self.file.pages() + pages, Ordering::SeqCst);
    }

    fn works(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            Err(io::Error::other("the disk is broken"))
        } else {
            Ok(())
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.works()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.works()?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.works()?;
        let before = self.file.pages();
        self.file.write(offset, data)?;
        let after = self.file.pages();
        // As on a disk, a part may have been written.
        if after > before && after > self.room.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// Puts until there is no room; the numbers of what is kept.
fn until_full(values: &Values, from: u64) -> Vec<u64> {
    let mut kept = Vec::new();
    for number in from.. {
        let content = content(number, 3000);
        let entry = plain(&content, 1, NOW + DAY);
        match values.try_put(&entry, &content, by(1), NOW) {
            Ok(Put::Kept) => kept.push(number),
            Err(StoreError::Full { path }) => {
                assert_eq!(path, "disk");
                return kept;
            }
            other => panic!("{other:?}"),
        }
    }
    kept
}

#[test]
fn a_full_disk_is_an_error_and_the_store_goes_on() {
    let disk = Disk::new();
    let store = disk.store();
    let values = Values::open(&store, LIMITS).unwrap();
    disk.leave(100);
    let kept = until_full(&values, 0);
    assert!(kept.len() > 10, "{}", kept.len());
    let there = |values: &Values, numbers: &[u64]| {
        for number in numbers {
            let content = content(*number, 3000);
            assert_eq!(values.content(&Key::of_content(&content)), Some(content));
        }
    };
    there(&values, &kept);
    assert_eq!(values.usage().unwrap().values, kept.len() as u64);

    // For a while it is not tried again, and then it is.
    let (late, syncs) = (content(1_000_000, 3000), disk.syncs.load(Ordering::SeqCst));
    let entry = plain(&late, 1, NOW + DAY);
    let soon = values.try_put(&entry, &late, by(1), NOW + writer::FULL_CALM - 1);
    assert!(matches!(soon, Err(StoreError::Full { .. })), "{soon:?}");
    assert_eq!(disk.syncs.load(Ordering::SeqCst), syncs);
    let full = values.try_put(&entry, &late, by(1), NOW + writer::FULL_CALM);
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");

    // Nor is anything else: also removing writes.
    let (done, answer) = sync_channel(1);
    values.expire(NOW + writer::FULL_CALM + 1, 1, move |result| {
        done.send(result).unwrap();
    });
    let removed = answer.recv().unwrap();
    assert!(
        matches!(removed, Err(StoreError::Full { .. })),
        "{removed:?}"
    );
    there(&values, &kept);

    disk.leave(1000);
    let put = values.try_put(&entry, &late, by(1), NOW + 2 * writer::FULL_CALM);
    assert_eq!(put.unwrap(), Put::Kept);
    for number in &kept[..10] {
        let content = content(*number, 3000);
        let key = Key::of_content(&content);
        assert_eq!(values.forgets(key, &content, 1), Removed::Gone);
    }
    assert!(store.next_epoch(5).unwrap() >= 5);
    drop((values, store));
    let values = Values::open(&disk.store(), LIMITS).unwrap();
    there(&values, &kept[10..]);
    there(&values, &[1_000_000]);
}

#[test]
fn a_disk_that_fails_and_recovers_costs_what_was_not_acknowledged() {
    let disk = Disk::new();
    let values = Values::open(&disk.store(), LIMITS).unwrap();
    let value = |number| {
        let content = content(number, 5000);
        (plain(&content, 1, NOW + DAY), content)
    };
    let (first, second) = (value(1), value(2));
    assert_eq!(values.puts(&first.0, &first.1, by(1)), Put::Kept);
    disk.broken.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let failed = values.try_put(&second.0, &second.1, by(1), NOW);
        assert!(
            matches!(failed, Err(StoreError::Database { .. })),
            "{failed:?}"
        );
        // It may be answered from memory, but not with something else.
        let read = values.get(&first.0.key);
        assert!(read.is_err() || read.unwrap() == Some(first.clone()));
    }
    disk.broken.store(false, Ordering::SeqCst);
    assert_eq!(values.get(&first.0.key).unwrap(), Some(first));
    assert_eq!(values.puts(&second.0, &second.1, by(1)), Put::Kept);
    assert_eq!(values.get(&second.0.key).unwrap(), Some(second));
}

#[test]
fn what_waits_is_written_with_one_wait_for_the_disk() {
    let disk = Disk::new();
    let values = Values::open(&disk.store(), LIMITS).unwrap();
    let syncs = || disk.syncs.load(Ordering::SeqCst);
    let before = syncs();
    values.puts(&plain(b"one", 1, NOW + DAY), b"one", by(1));
    let one = syncs() - before;
    assert!(one > 0);

    let held = hold(&values);
    let before = syncs();
    let (done, answers) = sync_channel(100);
    for number in 0..100 {
        let content = content(number, 100);
        let done = done.clone();
        let synced = Arc::clone(&disk.syncs);
        values.put(
            plain(&content, 1, NOW + DAY),
            content,
            by(1),
            NOW,
            move |put| {
                // Nobody is told before it is on the disk.
                done.send((put.unwrap(), synced.load(Ordering::SeqCst)))
                    .unwrap();
            },
        );
    }
    drop(held);
    for _ in 0..100 {
        let (put, synced) = answers.recv().unwrap();
        assert_eq!(put, Put::Kept);
        assert!(synced - before >= one, "{}", synced - before);
    }
    assert_eq!(syncs() - before, one);
}

#[test]
fn values_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<(Entry, Bytes)> = [10, 2000, 500_000]
        .map(|length| {
            let content = content(length as u64, length);
            (plain(&content, 1, NOW + DAY), content)
        })
        .into();
    let tombstone = signed(b"", 2, 7);
    {
        let store = Store::open(folder.path()).unwrap();
        let values = Values::open(&store, LIMITS).unwrap();
        for (entry, content) in &entries {
            assert_eq!(values.puts(entry, content, from([192, 0, 2, 0])), Put::Kept);
        }
        assert_eq!(values.puts(&tombstone, b"", cached()), Put::Kept);
    }
    let values = Values::open(&Store::open(folder.path()).unwrap(), LIMITS).unwrap();
    for (entry, content) in &entries {
        assert_eq!(
            values.get(&entry.key).unwrap(),
            Some((entry.clone(), content.clone()))
        );
    }
    let held = values.entry(&tombstone.key).unwrap().unwrap();
    assert_eq!(
        held,
        Held {
            entry: tombstone,
            stored_ms: NOW,
            cached: true,
            several: false
        }
    );
    assert_eq!(
        values.usage().unwrap(),
        Usage {
            values: 4,
            bytes: 502_010
        }
    );
    assert_eq!(values.shares().len(), 4);
}

/// A folder of the first program has no tables for values.
#[test]
fn a_folder_of_the_first_version_gets_its_tables() {
    let disk = Disk::new();
    let store = disk.store();
    store
        .remember(&[(peer(1), vec!["/ip4/192.0.2.1/tcp/1".to_owned()], 5)])
        .unwrap();
    store
        .write(|transaction| {
            transaction.open_table(META)?.insert(META_SCHEMA, 1)?;
            transaction.delete_table(TableDefinition::<&[u8; 32], &[u8]>::new("values"))?;
            transaction.delete_table(TableDefinition::<&[u8; 36], &[u8]>::new("pieces"))?;
            transaction.delete_table(TableDefinition::<&[u8; 41], ()>::new("expiry"))?;
            transaction.delete_table(TableDefinition::<&[u8; 35], (u64, u64)>::new("usage"))?;
            Ok(())
        })
        .unwrap();
    drop(store);

    let store = disk.store();
    assert_eq!(store.remembered().unwrap().len(), 1);
    let values = Values::open(&store, LIMITS).unwrap();
    assert_eq!(values.usage().unwrap(), Usage::default());
    assert_eq!(values.get(&Key::of_name("nothing")).unwrap(), None);
    assert_eq!(
        values.puts(&plain(b"value", 1, NOW + DAY), b"value", by(1)),
        Put::Kept
    );
    assert_eq!(store.read(crate::store::schema).unwrap(), Some(SCHEMA));
}
