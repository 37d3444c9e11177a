//! `psfs share`, `psfs get` and (in `kept`) `psfs files` as whole processes on loopback: files arrive whole, whatever breaks in the middle, and what does not work
//! says what to do.

#![expect(
    clippy::unwrap_used,
    reason = "it is all tests; clippy sees only functions marked as one"
)]

mod http;
mod kept;
mod kills;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use psfs_core::Ticket;
use serde_json::Value;
use support::gate::Gate;
use support::{Ended, Running, end, free_ports, psfs, rendezvous, run};
use tempfile::TempDir;

/// Large enough that its middle can be waited for.
const LARGE: usize = 64 << 20;
/// What passes a gate before it shuts.
const SOME: u64 = 24 << 20;
/// What is known of the session and of the tree costs less than this.
const BESIDE: u64 = 2 << 20;

/// Bytes that are nowhere alike.
fn content(size: usize) -> Vec<u8> {
    let mut state = size as u64 | 1;
    let mut bytes = vec![0; size];
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// A folder for each side.
struct Place {
    folder: TempDir,
    rendezvous: String,
}

impl Place {
    fn new(test: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        fs::create_dir(folder.path().join("here")).unwrap();
        Self {
            folder,
            rendezvous: rendezvous(test),
        }
    }

    fn there(&self, name: &str) -> PathBuf {
        self.folder.path().join("there").join(name)
    }

    fn here(&self, name: &str) -> PathBuf {
        self.folder.path().join("here").join(name)
    }

    /// A file there.
    fn file(&self, name: &str, size: usize) -> PathBuf {
        let path = self.there(name);
        fs::write(&path, content(size)).unwrap();
        path
    }

    /// A file with what only its owner may read.
    fn secret(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Shares a path, and has its ticket.
    fn share(&self, path: &Path, more: &[&str]) -> Shared {
        let mut args = vec!["share", path.to_str().unwrap(), "--no-mdns", "--json"];
        args.extend(["-r", &self.rendezvous]);
        if !more.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(more);
        let mut running = Running::start(&args);
        let line = running.wait_for(r#"{"#);
        let told: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
        assert_eq!(told["event"], "shared");
        assert_eq!(told["path"], path.to_str().unwrap());
        let text = told["ticket"].as_str().unwrap().to_owned();
        let ticket: Ticket = text.parse().unwrap();
        assert_eq!(told["root"], ticket.root().to_string());
        assert_eq!(told["size"], ticket.size());
        assert_eq!(told["folder"], ticket.is_folder());
        Shared {
            running,
            text,
            ticket,
        }
    }
}

/// A `psfs share` that runs, and its ticket.
struct Shared {
    running: Running,
    text: String,
    ticket: Ticket,
}

impl Shared {
    /// `127.0.0.1:PORT`
    fn address(&self) -> String {
        let address = &self.ticket.addresses()[0];
        let port = address.strip_prefix("/ip4/127.0.0.1/tcp/").unwrap();
        format!("127.0.0.1:{port}")
    }
}

/// What stands behind each `psfs get`.
const QUIET: [&str; 3] = ["--no-mdns", "--listen", "127.0.0.1:0"];

fn get(what: &str, to: &Path, more: &[&str]) -> Ended {
    let args = [&["get", what, to.to_str().unwrap()], &QUIET[..], more].concat();
    run(&args)
}

/// A `psfs get` that tells how far it is.
fn begin(args: &[&str]) -> Running {
    let mut args = args.to_vec();
    args.push("--json");
    Running::of(psfs(&args).stderr(Stdio::piped()))
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Whether it tells of the middle of a file.
fn is_middle(line: &str) -> bool {
    let told = parsed(line);
    let number = |key: &str| told[key].as_u64().unwrap();
    told["event"] == "progress" && 0 < number("bytes") && number("bytes") < number("size")
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_ticket_brings_a_file_and_prints_its_path() {
    let place = Place::new("file");
    let path = place.file("notes.txt", (3 << 20) + 5);
    let mut shared = place.share(&path, &[]);
    assert_eq!(shared.ticket.name(), Some("notes.txt"));
    assert_eq!(shared.ticket.rendezvous(), place.rendezvous);

    // Under the ticket's name here, in a folder that is there, and under another name.
    let args = [&["get", &shared.text][..], &QUIET].concat();
    let here = end(psfs(&args).current_dir(place.here("")), b"").worked();
    assert_eq!(here, format!("{}\n", place.here("notes.txt").display()));
    fs::create_dir(place.here("inner")).unwrap();
    get(&shared.text, &place.here("inner"), &[]).worked();
    let told = get(&shared.text, &place.here("other"), &["--no-sync"]).worked();
    assert_eq!(told, format!("{}\n", place.here("other").display()));
    for name in ["notes.txt", "inner/notes.txt", "other"] {
        assert!(same(&path, &place.here(name)), "{name}");
    }
    // From stdin, in capital letters, as from a QR code, and with what is there already.
    let other = place.here("other");
    let args = ["get", "-", other.to_str().unwrap()];
    let args = [&args[..], &QUIET].concat();
    let line = format!("{}\nand more", shared.text.to_uppercase());
    end(psfs(&args).stdin(Stdio::piped()), line.as_bytes()).worked();
    assert_eq!(names(&place.here("")), ["inner", "notes.txt", "other"]);

    shared.running.signal("INT");
    assert_eq!(shared.running.wait().code(), Some(0));
}

#[test]
fn one_ticket_is_a_line_and_more_have_their_paths() {
    let place = Place::new("lines");
    let (one, two) = (place.file("one", 10), place.file("two", 0));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let mut running = Running::of(
        psfs(&["share", one, "--no-mdns", "--listen", "127.0.0.1:0", "--qr"])
            .stderr(Stdio::piped()),
    );
    let text = running.wait_for("psfs1");
    let ticket: Ticket = format!("psfs1{text}").parse().unwrap();
    assert_eq!(ticket.rendezvous(), "psfs-files");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    let code = running.stderr();
    assert!(code.lines().count() > 20, "{code}");
    assert!(code.chars().all(|c| "█▀▄ \n".contains(c)), "{code}");

    let mut running = Running::start(&["share", one, two, "--no-mdns", "--listen", "127.0.0.1:0"]);
    for path in [one, two] {
        let line = running.wait_until(|line| line.ends_with(&format!(" {path}")));
        let ticket: Ticket = line.split_once(' ').unwrap().0.parse().unwrap();
        assert_eq!(ticket.name(), Path::new(path).file_name().unwrap().to_str());
        let to = place.here(ticket.name().unwrap());
        get(&ticket.to_string(), &to, &[]).worked();
        assert!(same(Path::new(path), &to));
    }
}

#[test]
fn a_folder_arrives_whole_by_ticket_and_by_root() {
    let place = Place::new("folder");
    let folder = place.there("photos");
    fs::create_dir_all(folder.join("inner/empty")).unwrap();
    fs::write(folder.join("inner/small"), content(77)).unwrap();
    fs::write(folder.join("large"), content((5 << 20) + 1)).unwrap();
    let shared = place.share(&folder, &[]);
    assert!(shared.ticket.is_folder());
    get(&shared.text, &place.here("photos"), &[]).worked();
    let (root, address) = (shared.ticket.root().to_string(), shared.address());
    let by_root = ["-r", &place.rendezvous, "--peer", &address, "--folder"];
    get(&root, &place.here("again"), &by_root).worked();
    for name in ["photos", "again"] {
        let here = place.here(name);
        assert!(here.join("inner/empty").is_dir());
        assert!(same(&folder.join("inner/small"), &here.join("inner/small")));
        assert!(same(&folder.join("large"), &here.join("large")));
    }
}

#[test]
fn lines_of_json_tell_how_far_it_is_and_its_end() {
    let place = Place::new("json");
    let path = place.file("file", 8 << 20);
    let shared = place.share(&path, &[]);
    let to = place.here("file");
    let told = get(&shared.text, &to, &["--json"]).worked();
    let lines: Vec<Value> = told.lines().map(parsed).collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(last["event"], "received");
    assert_eq!(last["path"], to.to_str().unwrap());
    assert_eq!(last["root"], shared.ticket.root().to_string());
    assert_eq!(last["size"], 8 << 20);
    assert_eq!(last["folder"], false);
    assert!(!before.is_empty(), "{told}");
    for line in before {
        assert_eq!(line["event"], "progress", "{told}");
        for key in ["bytes", "size", "rate", "sources"] {
            assert!(line[key].is_u64(), "{told}");
        }
    }
}

#[test]
fn two_receivers_at_once() {
    let place = Place::new("two");
    let path = place.file("file", LARGE);
    let shared = place.share(&path, &[]);
    let to = [place.here("ada"), place.here("bob")];
    let mut both = to.each_ref().map(|to| {
        let args = [&["get", &shared.text, to.to_str().unwrap()], &QUIET[..]].concat();
        begin(&args)
    });
    for (running, to) in both.iter_mut().zip(&to) {
        running.wait_until(|line| parsed(line)["event"] == "received");
        assert_eq!(running.wait().code(), Some(0));
        assert!(same(&path, to));
    }
}

/// Shares a large file behind a gate that shuts in the middle of it, and begins to get it.
struct Middle {
    place: Place,
    path: PathBuf,
    to: PathBuf,
    shared: Shared,
    gate: Gate,
    args: Vec<String>,
}

impl Middle {
    fn new(test: &str, more: &[&str]) -> Self {
        let place = Place::new(test);
        let path = place.file("file", LARGE);
        let shared = place.share(&path, more);
        let gate = Gate::before(&shared.address(), SOME);
        let (root, to) = (shared.ticket.root().to_string(), place.here("file"));
        let args = ["get", &root, to.to_str().unwrap(), "-r", &place.rendezvous];
        let args = [&args[..], &["--peer", &gate.address], &QUIET].concat();
        Self {
            args: args.into_iter().map(ToOwned::to_owned).collect(),
            place,
            path,
            to,
            shared,
            gate,
        }
    }

    fn begin(&self) -> Running {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        begin(&args)
    }

    /// Waits until the gate is shut and no more comes: how many bytes are there then.
    fn wait(&self, running: &mut Running) -> u64 {
        let mut before = 0;
        // It tells each second, also when nothing comes.
        loop {
            let line = running.next();
            if is_middle(&line) {
                let bytes = parsed(&line)["bytes"].as_u64().unwrap();
                if bytes == before {
                    return bytes;
                }
                before = bytes;
            }
        }
    }

    /// The same command again, to the end: how many bytes came through the gate for it.
    fn again(&self) -> u64 {
        self.gate.open();
        self.gate.passed();
        let mut running = self.begin();
        let first = running.next();
        assert!(is_middle(&first), "it says where it goes on from: {first}");
        running.wait_until(|line| parsed(line)["event"] == "received");
        assert_eq!(running.wait().code(), Some(0));
        self.is_whole();
        self.gate.passed()
    }

    fn is_whole(&self) {
        assert!(same(&self.path, &self.to));
        assert_eq!(names(&self.place.here("")), ["file"]);
    }
}

#[test]
fn a_receiver_that_is_interrupted_goes_on_from_there() {
    for signal in ["INT", "TERM"] {
        let middle = Middle::new(&format!("stop-{signal}"), &[]);
        let mut running = middle.begin();
        let bytes = middle.wait(&mut running);
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(1));
        let percent = bytes * 100 / LARGE as u64;
        assert_eq!(
            running.stderr(),
            format!("psfs: stopped at {percent} %; the same command goes on from there.\n")
        );
        assert!(!middle.to.exists());
        let came = middle.again();
        assert!(came < LARGE as u64 - bytes + BESIDE, "{came} after {bytes}");
    }
}

#[test]
fn a_receiver_that_is_killed_goes_on_from_what_it_had_kept() {
    let middle = Middle::new("kill-get", &[]);
    let mut running = middle.begin();
    middle.wait(&mut running);
    // What the state says is there after a crash. It has little in it as long as it names no piece.
    let state = middle.place.here("file.part.state");
    while fs::metadata(&state).unwrap().len() < 100 {
        running.next();
    }
    running.signal("KILL");
    assert_eq!(running.wait().code(), None);
    assert!(!middle.to.exists());
    let came = middle.again();
    assert!(came < LARGE as u64, "{came}");
}

#[test]
fn a_sender_that_is_killed_and_comes_back_is_asked_again() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("key.pem");
    let listen = format!("127.0.0.1:{}", free_ports(1));
    let same_again = ["--key", key.to_str().unwrap(), "--listen", &listen];
    let mut middle = Middle::new("kill-share", &same_again);
    let mut running = middle.begin();
    middle.wait(&mut running);
    middle.shared.running.signal("KILL");
    assert_eq!(middle.shared.running.wait().code(), None);
    middle.gate.open();
    // Nobody is asked any more, and it waits.
    running.wait_until(|line| is_middle(line) && parsed(line)["sources"] == 0);
    let before = middle.shared.text.clone();
    middle.shared = middle.place.share(&middle.path, &same_again);
    assert_eq!(middle.shared.text, before, "the ticket is the same");
    running.wait_until(|line| parsed(line)["event"] == "received");
    assert_eq!(running.wait().code(), Some(0));
    middle.is_whole();
}

#[test]
fn a_text_that_is_no_ticket_is_used_wrongly() {
    let place = Place::new("texts");
    let shared = place.share(&place.file("file", 5), &[]);
    let whole = shared.text.len();
    let mut mistyped = shared.text.clone().into_bytes();
    let last = mistyped.last_mut().unwrap();
    *last = if *last == b'a' { b'b' } else { b'a' };
    let mistyped = String::from_utf8(mistyped).unwrap();
    for (text, says) in [
        (
            shared.text[..whole - 7].to_owned(),
            format!("cut off: {} of its {whole} characters", whole - 7),
        ),
        (mistyped, "mistyped".to_owned()),
        (
            format!("{}a", shared.text),
            "leave out what follows".to_owned(),
        ),
        ("hello".to_owned(), "tickets begin with psfs1".to_owned()),
        (
            shared.ticket.root().to_string()[1..].to_owned(),
            "a root of 64 hexadecimal digits".to_owned(),
        ),
    ] {
        let said = get(&text, &place.here("x"), &[]).failed(2);
        assert!(said.contains(&says), "{said}");
    }
    for option in [
        &["--folder"][..],
        &["-r", "x"],
        &["--secret-file", "/dev/null"],
    ] {
        let said = get(&shared.text, &place.here("x"), option).failed(2);
        assert!(said.ends_with("Leave it out.\n"), "{said}");
    }
    assert!(names(&place.here("")).is_empty());
}

#[test]
fn a_ticket_that_gives_no_right_says_why() {
    let place = Place::new("rights");
    let path = place.file("file", 2 << 20);
    let (mine, other) = (place.there("mine.pem"), place.there("other.pem"));
    let (mine, other) = (mine.to_str().unwrap(), other.to_str().unwrap());
    let id = run(&["id", "--key", mine]).worked();
    let id = id.lines().next().unwrap().strip_prefix("id ").unwrap();
    let shared = place.share(&path, &["--to", id]);
    let said = get(&shared.text, &place.here("x"), &["--key", other]).failed(1);
    assert!(said.contains("is for ") && said.contains(id), "{said}");
    assert!(said.contains("Ask who shares it for a ticket"), "{said}");
    get(&shared.text, &place.here("mine"), &["--key", mine]).worked();
    // Who has no ticket gets nothing.
    let (root, address) = (shared.ticket.root().to_string(), shared.address());
    let by_root = ["-r", &place.rendezvous, "--peer", &address];
    let said = get(&root, &place.here("x"), &by_root).failed(1);
    assert!(said.contains("only with a ticket"), "{said}");

    // It holds for a second: as soon as that is over it says so.
    let shared = place.share(&path, &["--expire", "1s"]);
    let said = until_refused(&place, &shared, "expired", 100);
    assert!(said.contains("expired"), "{said}");

    // For at most twice the file.
    let shared = place.share(&path, &["--bytes", &(4 << 20).to_string()]);
    let said = until_refused(&place, &shared, "bytes", 3);
    assert!(said.contains("for 4194304 bytes"), "{said}");
    assert!(
        names(&place.here("")).iter().any(|name| name == "bytes0"),
        "it served once"
    );
}

/// Gets it again and again, each time to another place, until it is refused.
fn until_refused(place: &Place, shared: &Shared, name: &str, times: usize) -> String {
    for time in 0..times {
        let got = get(&shared.text, &place.here(&format!("{name}{time}")), &[]);
        if got.status != Some(0) {
            return got.failed(1);
        }
    }
    panic!("it was never refused");
}

#[test]
fn a_network_with_a_secret_wants_it() {
    let place = Place::new("secret");
    let (right, wrong) = (
        place.secret("right", "a long secret that nobody guesses"),
        place.secret("wrong", "another long secret of nobody"),
    );
    let shared = place.share(&place.file("file", 5), &["--secret-file", &right]);
    let said = get(&shared.text, &place.here("x"), &[]).failed(2);
    assert!(said.contains("a network with a secret"), "{said}");
    assert!(said.contains("--secret-file FILE"), "{said}");
    let hurry = ["--secret-file", &wrong, "--patience", "3"];
    let said = get(&shared.text, &place.here("x"), &hurry).failed(1);
    assert!(said.contains("secret"), "{said}");
    get(
        &shared.text,
        &place.here("file"),
        &["--secret-file", &right],
    )
    .worked();
}

#[test]
fn what_cannot_be_shared_or_got_says_what_to_do() {
    let place = Place::new("paths");
    let share = |args: &[&str]| run(&[&["share"], args, &QUIET].concat());
    let none = place.there("none");
    let said = share(&[none.to_str().unwrap()]).failed(1);
    assert!(
        said.contains("cannot share") && said.contains("No such file"),
        "{said}"
    );
    let said = share(&["/dev/null"]).failed(1);
    assert!(said.contains("a device, socket or pipe"), "{said}");
    let path = place.file("file", 5000);
    let said = share(&[path.to_str().unwrap(), "--bytes", "4999"]).failed(2);
    assert!(said.contains("which has 5000"), "{said}");
    for time in ["0", "1y", "99999w", "soon", "-1"] {
        let said = share(&[path.to_str().unwrap(), &format!("--expire={time}")]).failed(2);
        assert!(said.contains("s, m, h, d or w"), "{said}");
    }

    let shared = place.share(&path, &[]);
    let to = place.here("file");
    fs::write(&to, b"another").unwrap();
    let said = get(&shared.text, &to, &[]).failed(1);
    assert!(
        said.contains("exists already") && said.contains("another destination"),
        "{said}"
    );
    assert_eq!(fs::read(&to).unwrap(), b"another");
    let said = get(&shared.text, &place.here("no/where"), &[]).failed(1);
    assert!(said.contains("no such file or folder"), "{said}");

    let unknown = "ab".repeat(32);
    let address = shared.address();
    let nobody = [
        "-r",
        &place.rendezvous,
        "--peer",
        &address,
        "--patience",
        "1",
    ];
    let said = get(&unknown, &place.here("x"), &nobody).failed(1);
    assert!(said.contains("it does not have it"), "{said}");
    assert!(said.contains("Check that it is still shared"), "{said}");
}
