//! A process that stores, killed at any moment.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;
use crate::rng::Rng;

const FOLDER: &str = "PSFS_TEST_STORE";
const FIRST: &str = "PSFS_TEST_FIRST";
const KILLS: u64 = 100;
/// Values that a child stores at most, so that it ends when nobody kills it.
const MOST: u64 = 1000;

/// The value of a number: small ones, some in pieces.
fn value(number: u64) -> (Entry, Bytes) {
    let length = if number % 7 == 3 {
        150_000
    } else {
        20 + number as usize % 2000
    };
    let content = content(number, length);
    (plain(&content, 1, NOW + 1 + number), content)
}

/// What the child does: stores, several at once, says so of each, and lets old ones go.
fn store(folder: &Path, first: u64) {
    let values = Values::open(&Store::open(folder).unwrap(), LIMITS).unwrap();
    for number in first..first + MOST {
        let (entry, content) = value(number);
        values.put(entry, content, by(1), NOW, move |put| {
            assert_eq!(put.unwrap(), Put::Kept);
            // In one piece: what is read of it is all of it.
            let line = format!("KEPT {number}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        });
        if number % 3 == 0 {
            let (done, waited) = sync_channel(1);
            values.expire((NOW + number).saturating_sub(100), 3, move |_| {
                done.send(()).unwrap()
            });
            waited.recv().unwrap();
        }
    }
}

#[test]
fn no_acknowledged_value_is_lost_by_a_kill() {
    if let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) {
        return store(Path::new(&folder), first.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Rng::new(7);
    let (mut next, mut lost_to_kill) = (0, 0);
    for _ in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("store::values::tests::kill::no_acknowledged_value_is_lost_by_a_kill")
            .env(FOLDER, folder.path())
            .env(FIRST, next.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let number = |line: &str| {
            line.strip_prefix("KEPT ")
                .and_then(|number| number.parse().ok())
        };
        let wanted = 1 + dice.below(20) as usize;
        while said.len() < wanted {
            let line = lines.next().expect("the child ended by itself").unwrap();
            said.push(number(&line).unwrap_or_else(|| panic!("{line}")));
        }
        // Any moment will do, also one in the middle of the next change.
        thread::sleep(Duration::from_micros(dice.below(3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(lines.map_while(Result::ok).filter_map(|line| number(&line)));

        let values = Values::open(&Store::open(folder.path()).unwrap(), LIMITS).unwrap();
        let last = *said.iter().max().unwrap();
        for number in said {
            let (entry, content) = value(number);
            // Of those that expired by then it may be gone.
            if number + 90 > last {
                assert_eq!(
                    values.get(&entry.key).unwrap(),
                    Some((entry, content)),
                    "{number}"
                );
            }
        }
        // All others are whole, and counted.
        let held = values.keys_after(None, usize::MAX).unwrap();
        for held in &held {
            let content = values.content(&held.entry.key).unwrap();
            assert_eq!(Key::of_content(&content), held.entry.key);
        }
        let usage = values.usage().unwrap();
        assert_eq!(usage.values, held.len() as u64);
        assert_eq!(
            usage.bytes,
            held.iter().map(|held| held.entry.size).sum::<u64>()
        );
        let kept = held
            .iter()
            .map(|held| held.entry.expires_ms - NOW)
            .max()
            .unwrap();
        lost_to_kill += u64::from(kept > last + 1);
        next = kept;
    }
    // Some were on the disk before anybody could be told: the kills came in the middle.
    assert!(
        lost_to_kill > 0,
        "no kill came between a change and its answer"
    );
}
