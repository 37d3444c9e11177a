//! A process that receives files, killed at any moment.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;
use crate::rng::Rng;

const FOLDER: &str = "PSFS_TEST_SHELF";
const FIRST: &str = "PSFS_TEST_FIRST";
const KILLS: u64 = 50;
/// Files that a child receives at most, so that it ends when nobody kills it.
const MOST: u64 = 1000;
const SIZE: u64 = 64;
const LIMITS: ShelfLimits = ShelfLimits {
    quota: Some(SIZE * 1_000_000),
};

fn partial(number: u64, units: u64) -> Partial {
    Partial {
        root: root(number),
        size: SIZE,
        part: format!("/to/{number}.part").into(),
        unit: 1,
        verified: ((1u128 << units) - 1).to_le_bytes()[..8].into(),
        committed_ms: NOW,
    }
}

fn destination(number: u64) -> String {
    format!("/to/{number}")
}

fn upload(number: u64) -> String {
    format!("upload {number}")
}

fn say(line: &str) {
    // In one piece: what is read of it is all of it.
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// What the child does with each file: reserves, commits some progress, adds it, settles and ends, and says so after each.
fn receive(folder: &Path, first: u64) {
    let shelf = Shelf::open(&Store::open(folder).unwrap(), LIMITS).unwrap();
    for number in first..first + MOST {
        assert_eq!(
            shelf.reserves("a", &upload(number), SIZE, NOW + DAY, NOW),
            Ok(())
        );
        say(&format!("RESERVED {number}"));
        for units in [20, 40, 64] {
            assert_eq!(
                shelf.commits(&destination(number), &partial(number, units)),
                Ok(())
            );
            say(&format!("UNITS{units} {number}"));
        }
        shelf.adds(number, blob(SIZE), &[]);
        assert_eq!(
            shelf.settles(&upload(number), new_file("a", number, SIZE), NOW),
            Ok(())
        );
        say(&format!("SETTLED {number}"));
        assert!(shelf.ends(&destination(number)));
        say(&format!("ENDED {number}"));
    }
}

#[test]
fn no_acknowledged_step_is_lost_by_a_kill() {
    if let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) {
        return receive(Path::new(&folder), first.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Rng::new(11);
    let (mut first, mut unsaid) = (0, 0);
    for _ in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("store::shelf::tests::kill::no_acknowledged_step_is_lost_by_a_kill")
            .env(FOLDER, folder.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let wanted = 1 + dice.below(15) as usize;
        while said.len() < wanted {
            said.push(lines.next().expect("the child ended by itself").unwrap());
        }
        // Any moment will do, also one in the middle of the next change.
        thread::sleep(Duration::from_micros(dice.below(3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(lines.map_while(Result::ok));

        let shelf = Shelf::open(&Store::open(folder.path()).unwrap(), LIMITS).unwrap();
        let owner = label("a");
        let mut last = first;
        // Of each file the last thing that was said.
        let mut steps = std::collections::BTreeMap::new();
        for line in &said {
            let (what, number) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let number: u64 = number.parse().unwrap_or_else(|_| panic!("{line}"));
            steps.insert(number, what);
            last = number;
        }
        for (number, what) in steps {
            let progress = shelf.open_partial(Path::new(&destination(number))).unwrap();
            let file = shelf.file(&owner, &root(number)).unwrap();
            let verified = progress.as_ref().map(|progress| {
                progress
                    .verified
                    .iter()
                    .map(|byte| byte.count_ones())
                    .sum::<u32>()
            });
            let at_least = match what {
                "RESERVED" => 0,
                "UNITS20" => 20,
                "UNITS40" => 40,
                "UNITS64" => 64,
                "SETTLED" | "ENDED" => {
                    assert!(file.is_some(), "{number}");
                    0
                }
                other => panic!("{other}"),
            };
            if file.is_none() {
                assert!(
                    verified.unwrap_or(0) >= at_least,
                    "{number}: {what}, {verified:?}"
                );
            } else {
                assert_eq!(
                    shelf.blob(&root(number)).unwrap(),
                    Some(blob(SIZE)),
                    "{number}"
                );
            }
            if what == "ENDED" {
                assert_eq!(progress, None, "{number}");
            }
            unsaid += u64::from(
                verified.is_some_and(|verified| verified > at_least) && what != "SETTLED",
            );
        }
        // Never in between: an upload is reserved or settled, and the account says the same.
        let account = shelf.account(&owner).unwrap();
        let files = shelf.files(&owner, None, usize::MAX).unwrap();
        assert_eq!(
            (account.files, account.used),
            (files.len() as u64, files.len() as u64 * SIZE)
        );
        assert_eq!(account.reserved, account.uploads * SIZE);
        assert!(account.uploads <= 1, "{account:?}");
        // What was broken off is given up, so that all that is left is what is wrong.
        for (destination, _) in shelf.partials(None, 100).unwrap() {
            assert!(shelf.ends(destination.to_str().unwrap()));
        }
        for number in first..=last + 1 {
            shelf.releases("a", &upload(number));
        }
        assert_eq!(shelf.has("a").reserved, 0);
        first = last + 2;
    }
    // Some were on the disk before anybody could be told: the kills came in the middle.
    assert!(unsaid > 0, "no kill came between a change and its answer");
}
