//! A process that receives files, killed at any moment.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;
use crate::rng::Rng;
use std::path::Path;

const FOLDER: &str = "PSFS_TEST_SHELF";
const FIRST: &str = "PSFS_TEST_FIRST";
const KILLS: u64 = 50;
/// Files that a child receives at most, so that it ends when nobody kills it.
const MOST: u64 = 1000;
const SIZE: u64 = 64;

fn open(folder: &Path) -> Shelf {
    let limits = ShelfLimits::new(Some(SIZE * 1_000_000));
    Shelf::open(&Store::open(folder).unwrap(), limits).unwrap()
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

/// What the child does with each file: reserves, adds it, counts, and settles, and says so after each.
fn receive(folder: &Path, first: u64) {
    let shelf = open(folder);
    for number in first..first + MOST {
        assert_eq!(
            shelf.reserves("a", &upload(number), SIZE, NOW + DAY, NOW),
            Ok(())
        );
        say(&format!("RESERVED {number}"));
        shelf.adds(number, blob(SIZE));
        say(&format!("ADDED {number}"));
        let counted = shelf.counts("token", SIZE, u64::MAX, NOW + DAY);
        assert!(matches!(counted, Counted::Left(_)));
        say(&format!("COUNTED {number}"));
        assert_eq!(
            shelf.settles(&upload(number), new_file("a", number, SIZE), NOW),
            Ok(())
        );
        say(&format!("SETTLED {number}"));
    }
}

#[test]
fn no_acknowledged_step_is_lost_by_a_kill() {
    if let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) {
        return receive(Path::new(&folder), first.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Rng::new(11);
    let (mut first, mut unsaid, mut counted) = (0, 0, 0);
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

        let shelf = open(folder.path());
        let owner = label("a");
        let mut last = first;
        // Of each file the last thing that was said.
        let mut steps = std::collections::BTreeMap::new();
        for line in &said {
            let (what, number) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let number: u64 = number.parse().unwrap_or_else(|_| panic!("{line}"));
            steps.insert(number, what);
            last = number;
            counted += u64::from(what == "COUNTED");
        }
        for (number, what) in steps {
            let (there, settled) = (
                shelf.blob(&root(number)).unwrap(),
                shelf.file(&owner, &root(number)).unwrap().is_some(),
            );
            match what {
                "RESERVED" => unsaid += u64::from(there.is_some()),
                "ADDED" | "COUNTED" => assert_eq!(there, Some(blob(SIZE)), "{number}"),
                "SETTLED" => assert!(settled, "{number}"),
                other => panic!("{other}"),
            }
            unsaid += u64::from(settled && what != "SETTLED");
        }
        let over = shelf.counts("token", u64::MAX, u64::MAX - 1, NOW + DAY);
        let Counted::Over { used, .. } = over else {
            panic!("{over:?}");
        };
        assert!(used >= counted * SIZE, "{used} of {counted} files");
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
        for number in first..=last + 1 {
            shelf.releases("a", &upload(number));
        }
        assert_eq!(shelf.has("a").reserved, 0);
        first = last + 2;
    }
    // Some were on the disk before anybody could be told: the kills came in the middle.
    assert!(unsaid > 0, "no kill came between a change and its answer");
}
