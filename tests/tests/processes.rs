//! Satellites in processes of their own: killed without a word, frozen, and counted after their end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use psfs_core::PeerId;
use psfs_tests::process::{Process, key_file};
use psfs_tests::{PATIENCE, key};

/// As `node` sets it.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine may add to a timer.
const BUSY: Duration = Duration::from_secs(1);

struct Node {
    number: usize,
    process: Process,
    /// What was said so far.
    met: BTreeSet<PeerId>,
    address: String,
}

impl Node {
    fn start(network: &str, folder: &Path, number: usize, bootstrap: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
        command
            .args(["run", network])
            .arg(key_file(folder, number).unwrap())
            .arg("127.0.0.1:0")
            .args(bootstrap);
        let process = Process::start(&mut command).unwrap();
        let mut node = Self {
            number,
            process,
            met: BTreeSet::new(),
            address: String::new(),
        };
        while node.address.is_empty() {
            node.listen("it listens");
        }
        node
    }

    fn id(&self) -> PeerId {
        key(self.number).peer_id()
    }

    /// Takes in one line.
    fn listen(&mut self, what: &str) -> String {
        let Some(line) = self.process.hear() else {
            panic!("node {}: not within {PATIENCE:?}: {what}", self.number)
        };
        let (word, rest) = line.split_once(' ').unwrap();
        let id = || rest.split(' ').next().unwrap().parse().unwrap();
        match word {
            "LISTENS" => self.address = rest.into(),
            "MET" => assert!(
                self.met.insert(id()),
                "node {} met {rest} twice",
                self.number
            ),
            "GONE" => assert!(
                self.met.remove(&id()),
                "node {} lost {rest} twice",
                self.number
            ),
            _ => panic!("node {}: {line}", self.number),
        }
        line
    }

    fn meets(&mut self, ids: &BTreeSet<PeerId>) {
        let others: BTreeSet<_> = ids.iter().copied().filter(|id| *id != self.id()).collect();
        while self.met != others {
            self.listen("it meets the others");
        }
    }

    /// Why a peer went, and when.
    fn loses(&mut self, id: &PeerId) -> (String, Instant) {
        while self.met.contains(id) {
            let line = self.listen("it notices");
            if !self.met.contains(id) {
                return (line, now());
            }
        }
        panic!("node {} never had {id}", self.number);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Ends it as it should be, and insists that it does.
    fn stop(self) {
        assert!(self.process.end().unwrap(), "node {}", self.number);
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

/// So many nodes, all of which know the first, and have met.
fn network(name: &str, folder: &Path, count: usize) -> (Vec<Node>, BTreeSet<PeerId>) {
    let mut nodes = vec![Node::start(name, folder, 0, None)];
    let first = nodes[0].address.clone();
    nodes.extend((1..count).map(|number| Node::start(name, folder, number, Some(&first))));
    let ids: BTreeSet<_> = nodes.iter().map(Node::id).collect();
    nodes.iter_mut().for_each(|node| node.meets(&ids));
    (nodes, ids)
}

#[test]
fn kill_9_of_one_of_five_is_noticed_within_the_ping_interval_and_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut nodes, ids) = network("kill", folder.path(), 5);
    // The one that all the others knew first is no exception.
    for victim in [3, 0] {
        let at = nodes.iter().position(|node| node.number == victim).unwrap();
        let mut dead = nodes.remove(at);
        let killed = now();
        dead.process.kill().unwrap();
        for node in &mut nodes {
            let (reason, noticed) = node.loses(&dead.id());
            let after = noticed.saturating_duration_since(killed);
            assert!(after <= PING_INTERVAL, "{reason}, noticed after {after:?}");
            // One that leaves in order says so, and is told as CLOSED.
            assert!(reason.contains(" DISCONNECTED: "), "{reason}");
        }
        // Back with its key, on another port: somebody has to be told where the others are.
        let again = Node::start("kill", folder.path(), victim, Some(&nodes[0].address));
        nodes.push(again);
        nodes.iter_mut().for_each(|node| node.meets(&ids));
    }
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn a_frozen_peer_is_noticed_within_ping_interval_and_timeout_and_taken_back_when_it_thaws() {
    let folder = tempfile::tempdir().unwrap();
    let (mut nodes, ids) = network("freeze", folder.path(), 3);
    let frozen = nodes.remove(1);
    let began = now();
    frozen.signal(Signal::SIGSTOP);
    for node in &mut nodes {
        let (reason, noticed) = node.loses(&frozen.id());
        assert!(
            reason.contains("TIMEOUT: no sign of life for 2s"),
            "{reason}"
        );
        let after = noticed.saturating_duration_since(began);
        let most = PING_INTERVAL + PING_TIMEOUT + BUSY;
        assert!(after <= most, "{reason}, noticed after {after:?}");
    }
    frozen.signal(Signal::SIGCONT);
    nodes.push(frozen);
    // It may learn at different moments that the sessions it had are over; in the end all have met.
    nodes.iter_mut().for_each(|node| node.meets(&ids));
    nodes.into_iter().for_each(Node::stop);
}

#[test]
fn shutdown_leaves_no_thread_socket_or_file() {
    // Each in a process of its own, where nothing else holds any.
    for how in ["shutdown", "twice", "replies", "drop", "callback", "start"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_node"))
            .args(["leaves-nothing", how])
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{how}: {}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
