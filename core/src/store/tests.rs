//! The data folder: alone in it, over restarts, kills and damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::peers::{MAX_ADDRESS_LENGTH, MAX_ADDRESSES, MAX_PEERS};
use super::*;
use crate::error::Code;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir).unwrap()
}

fn peer(number: u16) -> PeerId {
    let mut bytes = [0; 34];
    bytes[..2].copy_from_slice(&[0x12, 0x20]);
    bytes[2..4].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(&bytes).unwrap()
}

fn seen(number: u16, at: u64) -> (PeerId, Vec<String>, u64) {
    (
        peer(number),
        vec![format!("/ip4/192.0.2.1/tcp/{number}")],
        at,
    )
}

fn refusal(dir: &Path) -> StoreError {
    let error = Store::open(dir).unwrap_err();
    assert!(
        error.to_string().contains(&dir.display().to_string()),
        "{error}"
    );
    error
}

// The folder.

#[test]
fn a_missing_folder_is_made_for_its_owner_only() {
    let parent = folder();
    let dir = parent.path().join("a/b");
    let _store = open(&dir);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join(DATABASE)), 0o600);
    assert_eq!(mode(&dir.join("satellite.lock")), 0o600);
}

#[test]
fn a_second_satellite_is_told_which_process_has_the_folder() {
    let dir = folder();
    let first = open(dir.path());
    let error = refusal(dir.path());
    let id = std::process::id().to_string();
    assert!(
        matches!(&error, StoreError::InUse { process, .. } if *process == id),
        "{error}"
    );
    assert_eq!(error.code(), Code::DataDirInUse);
    // The one who came second has not spoilt it for the first.
    first.next_epoch(1).unwrap();
}

#[test]
fn the_folder_is_free_when_the_last_clone_is_dropped() {
    let dir = folder();
    let first = open(dir.path());
    let clone = first.clone();
    drop(first);
    assert_eq!(refusal(dir.path()).code(), Code::DataDirInUse);
    drop(clone);
    open(dir.path());
}

#[test]
fn what_a_dead_process_left_in_the_lock_file_does_not_close_the_folder() {
    let dir = folder();
    fs::write(dir.path().join("satellite.lock"), "4294967295 and more").unwrap();
    let _store = open(dir.path());
    let text = fs::read_to_string(dir.path().join("satellite.lock")).unwrap();
    assert_eq!(text, format!("{}\n", std::process::id()));
}

#[test]
fn a_holder_that_wrote_no_process_id_is_unknown() {
    let dir = folder();
    let _store = open(dir.path());
    for content in [
        "",
        "\u{0}\u{1}",
        "not a number",
        "99999999999999999999999999",
    ] {
        fs::write(dir.path().join("satellite.lock"), content).unwrap();
        let error = refusal(dir.path());
        assert!(
            matches!(&error, StoreError::InUse { process, .. } if process == lock::UNKNOWN),
            "{error}"
        );
    }
}

#[test]
fn a_file_in_place_of_the_folder_is_unusable() {
    let dir = folder();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    for path in [path.clone(), path.join("below")] {
        let error = refusal(&path);
        assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
        assert_eq!(error.code(), Code::DataDir);
    }
}

/// In /proc nobody can make files, root included.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_unusable() {
    for path in ["/proc/self", "/proc/psfs"] {
        let error = refusal(Path::new(path));
        assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    }
}

#[test]
fn a_store_in_memory_remembers_and_touches_no_disk() {
    let store = Store::in_memory().unwrap();
    store.remember(&[seen(1, 1)]).unwrap();
    assert_eq!(store.clone().remembered().unwrap(), [seen(1, 1)]);
    assert_eq!(store.next_epoch(5).unwrap(), 5);
    assert_eq!(store.next_epoch(5).unwrap(), 6);
    assert_eq!(Store::in_memory().unwrap().remembered().unwrap(), []);
    assert!(store.0._lock.is_none());
}

#[test]
fn a_store_is_shared_between_threads() {
    fn shared<T: Clone + Send + Sync>() {}
    shared::<Store>();
}

// Versions and damage.

#[test]
fn a_folder_of_a_newer_program_is_refused_and_left_alone() {
    let dir = folder();
    let store = open(dir.path());
    store.next_epoch(7).unwrap();
    store
        .write(|transaction| {
            transaction
                .open_table(META)?
                .insert(META_SCHEMA, SCHEMA + 1)?;
            Ok(())
        })
        .unwrap();
    drop(store);
    let error = refusal(dir.path());
    assert!(
        matches!(
            error,
            StoreError::Version {
                found: 5,
                known: 4,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), Code::DataDirVersion);
    assert_eq!(refusal(dir.path()).code(), Code::DataDirVersion);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = folder();
    for content in [&b"hello"[..], &[0; 4096], &[0xff; 100_000]] {
        fs::write(dir.path().join(DATABASE), content).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, StoreError::Database { .. }), "{error}");
        assert_eq!(fs::read(dir.path().join(DATABASE)).unwrap(), content);
    }
}

#[test]
fn a_folder_in_place_of_the_database_is_unusable() {
    let dir = folder();
    fs::create_dir(dir.path().join(DATABASE)).unwrap();
    assert_eq!(refusal(dir.path()).code(), Code::DataDir);
}

/// A database with something in it, as bytes.
fn filled() -> Vec<u8> {
    let dir = folder();
    let store = open(dir.path());
    let peers: Vec<_> = (0..200).map(|number| seen(number, 5)).collect();
    store.remember(&peers).unwrap();
    store.next_epoch(1000).unwrap();
    drop(store);
    fs::read(dir.path().join(DATABASE)).unwrap()
}

#[test]
fn a_database_cut_off_anywhere_ends_in_an_error_or_its_content() {
    let whole = filled();
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        let dir = folder();
        fs::write(dir.path().join(DATABASE), &whole[..length]).unwrap();
        if let Ok(store) = Store::open(dir.path()) {
            assert!(store.next_epoch(1).unwrap() > 1000, "cut to {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every use after opening is tried too: a page that is only read then must not panic either.
    #[test]
    fn a_damaged_database_ends_in_an_error_or_its_content(
        at in any::<prop::sample::Index>(),
        length in 1..64usize,
        mask in 1..=255u8,
    ) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(filled);
        let mut bytes = WHOLE.clone();
        // Most of the file is room for later: damage where something stands.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let at = used[at.index(used.len())];
        bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte ^= mask);
        let dir = folder();
        fs::write(dir.path().join(DATABASE), &bytes).unwrap();
        if let Ok(store) = Store::open(dir.path()) {
            prop_assert_eq!(store.remembered().unwrap().len(), 200);
            store.remember(&[seen(1, 9)]).unwrap();
            prop_assert!(store.next_epoch(1).unwrap() > 1000);
        }
    }
}

// Epochs.

#[test]
fn epochs_grow_over_restarts_also_when_the_clock_goes_back() {
    let dir = folder();
    let mut last = 0;
    for (now, expected) in [
        (1000, 1000),
        (1000, 1001),
        (500, 1002),
        (0, 1003),
        (2000, 2000),
    ] {
        let epoch = open(dir.path()).next_epoch(now).unwrap();
        assert_eq!(epoch, expected);
        assert!(epoch > last);
        last = epoch;
    }
}

#[test]
fn the_first_epoch_is_never_one_that_was_given_before() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.next_epoch(0).unwrap(), 0);
    assert_eq!(store.next_epoch(0).unwrap(), 1);
}

#[test]
fn an_epoch_without_a_next_is_an_error_and_not_given_again() {
    let store = Store::in_memory().unwrap();
    assert_eq!(store.next_epoch(u64::MAX).unwrap(), u64::MAX);
    let error = store.next_epoch(1).unwrap_err();
    assert!(matches!(error, StoreError::Database { .. }), "{error}");
}

/// The files as they are while the store is open are what a killed process leaves.
#[test]
fn what_was_returned_before_a_kill_is_there_after_it() {
    let dir = folder();
    let store = open(dir.path());
    for round in 0..5 {
        let epoch = store.next_epoch(10).unwrap();
        store.remember(&[seen(round, u64::from(round))]).unwrap();

        let left = folder();
        fs::copy(dir.path().join(DATABASE), left.path().join(DATABASE)).unwrap();
        let next = open(left.path());
        assert_eq!(next.remembered().unwrap().len(), usize::from(round) + 1);
        assert_eq!(next.next_epoch(0).unwrap(), epoch + 1);
    }
}

// Remembered peers.

#[test]
fn peers_are_remembered_over_a_restart_the_newest_first() {
    let dir = folder();
    let peers = [seen(1, 10), seen(2, 30), seen(3, 20)];
    open(dir.path()).remember(&peers).unwrap();
    let kept = open(dir.path()).remembered().unwrap();
    assert_eq!(kept, [seen(2, 30), seen(3, 20), seen(1, 10)]);
}

#[test]
fn what_was_seen_later_replaces_what_was_seen_before_and_not_the_other_way() {
    let store = Store::in_memory().unwrap();
    let addressed = |address: &str, at| [(peer(1), vec![address.to_owned()], at)];
    store.remember(&addressed("/first", 10)).unwrap();
    store.remember(&addressed("/older", 9)).unwrap();
    assert_eq!(store.remembered().unwrap(), addressed("/first", 10));
    store.remember(&addressed("/newer", 11)).unwrap();
    assert_eq!(store.remembered().unwrap(), addressed("/newer", 11));
}

#[test]
fn the_peers_seen_last_are_kept_and_no_more_than_the_limit() {
    let store = Store::in_memory().unwrap();
    let peers: Vec<_> = (0..1500)
        .map(|number| seen(number, u64::from(number)))
        .collect();
    store.remember(&peers[..700]).unwrap();
    store.remember(&peers[700..]).unwrap();
    let kept = store.remembered().unwrap();
    assert_eq!(kept.len(), MAX_PEERS);
    assert!(kept.iter().all(|(_, _, at)| *at >= 500));
}

#[test]
fn addresses_are_kept_up_to_their_limits() {
    let store = Store::in_memory().unwrap();
    let long = "x".repeat(MAX_ADDRESS_LENGTH + 1);
    let mut addresses = vec![long.clone(), String::new()];
    addresses.extend((0..20).map(|number| format!("/{number}")));
    store
        .remember(&[(peer(1), addresses, 1), (peer(2), vec![long], 1)])
        .unwrap();
    let kept = store.remembered().unwrap();
    let expected: Vec<String> = (0..MAX_ADDRESSES)
        .map(|number| format!("/{number}"))
        .collect();
    assert_eq!(kept, [(peer(1), expected, 1)]);
}

#[test]
fn records_that_cannot_be_read_are_passed_over() {
    let store = Store::in_memory().unwrap();
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("addresses");
    store
        .write(|transaction| {
            let mut table = transaction.open_table(table)?;
            table.insert(&b"not a peer id"[..], &[0; 8][..])?;
            table.insert(
                &peer(1).as_bytes()[..],
                &b"\0\0\0\0\0\0\0\x01\0\x09short"[..],
            )?;
            table.insert(
                &peer(2).as_bytes()[..],
                &b"\0\0\0\0\0\0\0\x01\0\x02\xff\xff"[..],
            )?;
            table.insert(&peer(3).as_bytes()[..], &[][..])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(store.remembered().unwrap(), []);
    store.remember(&[seen(1, 0)]).unwrap();
    assert_eq!(store.remembered().unwrap(), [seen(1, 0)]);
}

/// With a thousand peers remembered while its clock was years ahead, a satellite remembered nobody any more once its clock was set.
#[test]
fn what_was_seen_while_the_clock_was_ahead_gives_way() {
    let store = Store::in_memory().unwrap();
    let key = |number: usize| {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&[0x12, 0x20]);
        bytes[2..10].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(&bytes).unwrap()
    };
    let seen = |numbers: std::ops::Range<usize>, at: u64| -> Vec<_> {
        numbers
            .map(|number| (key(number), vec!["/ip4/127.0.0.1/tcp/1".to_owned()], at))
            .collect()
    };
    let (ahead, now) = (9_000_000_000, 1_000_000);
    store.remember(&seen(0..1000, ahead)).unwrap();
    store.remember(&seen(999..1001, now)).unwrap();
    let remembered = store.remembered().unwrap();
    for number in [999, 1000] {
        assert!(
            remembered
                .iter()
                .any(|(peer, _, at)| *peer == key(number) && *at == now),
            "{number}"
        );
    }
    assert_eq!(remembered.len(), 1000);
}
