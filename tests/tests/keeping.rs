//! Nodes of the DHT in processes of their own: a third is killed, and a disk is full. What was acknowledged is there afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use psfs_tests::PATIENCE;
use psfs_tests::process::{Process, key_file};

struct Node {
    number: usize,
    process: Process,
    address: String,
}

impl Node {
    /// `node keep` of this number, by a command that may do something first.
    fn start(
        mut command: Command,
        network: &str,
        keys: &Path,
        number: usize,
        with: &[&str],
    ) -> Self {
        command
            .arg(env!("CARGO_BIN_EXE_node"))
            .args(["keep", network])
            .arg(key_file(keys, number).unwrap())
            .args(with);
        let process = Process::start(&mut command).unwrap();
        let mut node = Self {
            number,
            process,
            address: String::new(),
        };
        let line = node.hear();
        node.address = line.strip_prefix("LISTENS ").unwrap().to_owned();
        node
    }

    fn hear(&self) -> String {
        let Some(line) = self.process.hear() else {
            panic!("node {} says nothing", self.number)
        };
        line
    }

    fn tell(&mut self, line: &str) {
        self.process.tell(line).unwrap();
    }

    /// What came of what it was told: nothing, or why not.
    fn done(&self, line: &str) -> Result<(), String> {
        let said = self.hear();
        if said == format!("DONE {line}") {
            return Ok(());
        }
        let why = said.strip_prefix(&format!("NOT {line}: "));
        Err(why.unwrap_or_else(|| panic!("{said}")).to_owned())
    }

    fn does(&mut self, line: &str) -> Result<(), String> {
        self.tell(line);
        self.done(line)
    }

    /// Ends it as it should be, and insists that it does.
    fn stop(self) {
        assert!(self.process.end().unwrap(), "node {}", self.number);
    }
}

/// A command that does nothing of its own.
fn plain() -> Command {
    Command::new("env")
}

#[test]
fn every_value_is_fetched_after_kill_9_of_a_third_of_twenty() {
    const NODES: usize = 20;
    const KILLED: usize = 7;
    const EACH: usize = 5;
    let keys = tempfile::tempdir().unwrap();
    let start = |number: usize, bootstrap: &[&str]| {
        let folder = keys.path().join(format!("data-{number}"));
        let folder = folder.display().to_string();
        let with = [&["node", &folder], bootstrap].concat();
        Node::start(plain(), "keep-kill", keys.path(), number, &with)
    };
    let mut nodes = vec![start(0, &[])];
    let first = nodes[0].address.clone();
    nodes.extend((1..NODES).map(|number| start(number, &[&first])));
    let all = |nodes: &mut Vec<Node>, line: &dyn Fn(usize) -> String| {
        for node in nodes.iter_mut() {
            node.tell(&line(node.number));
        }
        for node in nodes.iter() {
            let line = line(node.number);
            node.done(&line)
                .unwrap_or_else(|why| panic!("node {}: {line}: {why}", node.number));
        }
    };
    // As many as keep a value; a walk finds the others.
    all(&mut nodes, &|_| "KNOWS 8".to_owned());
    for value in 0..EACH {
        // Some small, some in pieces.
        all(&mut nodes, &|number| {
            format!("STORE {} {}", number * EACH + value, 10 + value * 20_000)
        });
    }
    // Eight keep each value, so one of them is left. Who is killed is told nothing, and the others neither.
    for victim in (0..NODES).step_by(3).take(KILLED) {
        let at = nodes.iter().position(|node| node.number == victim);
        let mut dead = nodes.remove(at.unwrap());
        dead.process.kill().unwrap();
    }
    assert_eq!(nodes.len(), NODES - KILLED);
    for value in 0..NODES * EACH {
        let size = 10 + value % EACH * 20_000;
        all(&mut nodes, &|_| format!("FETCH {value} {size}"));
    }
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_used_again_once_there_is_room() {
    const SIZE: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let (data, ballast) = (disk.join("data"), disk.join("ballast"));
    // A file system of its own for this process and no other: it goes when that ends.
    let mut small = Command::new("unshare");
    let mount = r#"mount -t tmpfs -o size=6m none "$1" && head -c 3000000 /dev/zero > "$1/ballast" && shift && exec "$@""#;
    small
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
        ])
        .arg(&disk);
    let data = data.display().to_string();
    let mut node = Node::start(small, "keep-full", folder.path(), 0, &["node", &data]);
    let address = node.address.clone();
    let mut client = Node::start(
        plain(),
        "keep-full",
        folder.path(),
        1,
        &["client", "-", &address],
    );
    client.does("KNOWS 1").unwrap();
    let mut kept = 0;
    let reason = loop {
        match client.does(&format!("STORE {kept} {SIZE}")) {
            Ok(()) => kept += 1,
            Err(reason) => break reason,
        }
        assert!(kept < 100, "the disk is never full");
    };
    assert!(reason.contains("is full: make room"), "{reason}");
    assert!(kept >= 3, "{kept} fitted into 3 MB");
    let whole = |client: &mut Node, kept: usize| {
        for number in 0..kept {
            let fetched = client.does(&format!("FETCH {number} {SIZE}"));
            fetched.unwrap_or_else(|why| panic!("value {number} of {kept}: {why}"));
        }
    };
    whole(&mut client, kept);
    // It tries its disk again after a while.
    node.does(&format!("REMOVE {}", ballast.display())).unwrap();
    let wait = Duration::from_millis(500);
    let mut waited = Duration::ZERO;
    while let Err(reason) = client.does(&format!("STORE {kept} {SIZE}")) {
        assert!(reason.contains("is full"), "{reason}");
        assert!(waited < PATIENCE, "still: {reason}");
        std::thread::sleep(wait);
        waited += wait;
    }
    whole(&mut client, kept + 1);
    client.stop();
    node.stop();
}
