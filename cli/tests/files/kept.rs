//! `psfs files`: a server that keeps files for its users, and what they do with it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::support::gate::Gate;
use super::support::{Ended, PATIENCE, Running, end, free_ports, psfs, run};
use super::{LARGE, Place, QUIET, SOME, content, is_middle, names, parsed, same};

/// A `psfs files serve` in a folder of a place.
struct Server {
    running: Running,
    address: String,
    /// Of the users, in their order.
    tokens: Vec<String>,
}

impl Server {
    fn start(place: &Place, listen: &str, users: &[&str], more: &[&str]) -> Self {
        let data = place.there("data");
        let mut args = vec!["files", "serve", "--no-mdns", "--listen", listen];
        args.extend([
            "-r",
            &place.rendezvous,
            "--data-dir",
            data.to_str().unwrap(),
        ]);
        for user in users {
            args.extend(["--user", user]);
        }
        args.extend(more);
        let mut running = Running::start(&args);
        let address = running.wait_for("listening ");
        let tokens = users.iter().map(|user| {
            let name = user.split('=').next().unwrap();
            running.wait_for(&format!("token {name} "))
        });
        let tokens = tokens.collect();
        Self {
            running,
            address,
            tokens,
        }
    }
}

/// Somebody with a token of a server.
struct User<'a> {
    place: &'a Place,
    address: String,
    token: String,
}

impl<'a> User<'a> {
    fn of(place: &'a Place, server: &Server, place_of_user: usize) -> Self {
        Self {
            place,
            address: server.address.clone(),
            token: server.tokens[place_of_user].clone(),
        }
    }

    fn args<'b>(&'b self, args: &[&'b str]) -> Vec<&'b str> {
        let at = ["--server", &self.address, "-r", &self.place.rendezvous];
        [&["files"][..], args, &at, &QUIET].concat()
    }

    fn run(&self, args: &[&str]) -> Ended {
        end(
            psfs(&self.args(args)).env("PSFS_FILES_TOKEN", &self.token),
            b"",
        )
    }

    fn begin(&self, args: &[&str]) -> Running {
        let args = self.args(args);
        Running::of(psfs(&args).env("PSFS_FILES_TOKEN", &self.token))
    }
}

#[test]
fn what_is_put_is_listed_found_got_and_removed_by_its_owner_alone() {
    let place = Place::new("kept");
    let mut server = Server::start(&place, "127.0.0.1:0", &["ada", "bob"], &[]);
    let (ada, bob) = (User::of(&place, &server, 0), User::of(&place, &server, 1));
    let notes = place.file("notes.txt", (3 << 20) + 5);
    let folder = place.there("photos");
    fs::create_dir_all(folder.join("inner")).unwrap();
    fs::write(folder.join("inner/small"), content(77)).unwrap();
    fs::write(folder.join("large"), content((2 << 20) + 1)).unwrap();

    let put = [
        "put",
        notes.to_str().unwrap(),
        "--tag",
        "work",
        "--tag",
        "2026",
    ];
    let root = ada.run(&put).worked();
    let root = root.trim_end();
    assert_eq!(root.len(), 64);
    let put = [
        "put",
        folder.to_str().unwrap(),
        "--name",
        "summer",
        "--json",
    ];
    let told = ada.run(&put).worked();
    let kept: Value = parsed(told.lines().last().unwrap());
    assert_eq!(
        (kept["event"].as_str(), &kept["folder"]),
        (Some("kept"), &Value::Bool(true))
    );

    let lines = ada.run(&["list"]).worked();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(
        lines
            .lines()
            .any(|line| line == format!("{root} {} notes.txt #2026 #work", (3 << 20) + 5)),
        "{lines}"
    );
    assert!(
        lines.lines().any(|line| line.ends_with(" summer/")),
        "{lines}"
    );
    let found = ada.run(&["find", "--tag", "work", "--json"]).worked();
    let found = parsed(found.trim_end());
    assert_eq!(found["root"], root);
    assert_eq!(found["tags"], serde_json::json!(["2026", "work"]));
    assert_eq!(ada.run(&["list", "--name", "other"]).worked(), "");
    assert_eq!(bob.run(&["list"]).worked(), "");

    // By name and by root; the name of the folder leads to a folder.
    let here = place.here("notes");
    ada.run(&["get", "notes.txt", here.to_str().unwrap()])
        .worked();
    assert!(same(&notes, &here));
    let here = place.here("again");
    ada.run(&["get", root, here.to_str().unwrap()]).worked();
    assert!(same(&notes, &here));
    let told = ada
        .run(&["get", "summer", place.here("").to_str().unwrap()])
        .worked();
    assert_eq!(told, format!("{}\n", place.here("summer").display()));
    assert!(same(
        &folder.join("inner/small"),
        &place.here("summer/inner/small")
    ));

    // Another user's token opens nothing of it.
    let says = bob.run(&["get", "notes.txt"]).failed(1);
    assert!(
        says.contains("notes.txt") && says.contains("psfs files list"),
        "{says}"
    );
    bob.run(&["remove", root]).failed(1);

    ada.run(&["remove", "notes.txt"]).worked();
    ada.run(&["remove", "notes.txt"]).failed(1);
    assert_eq!(ada.run(&["list"]).worked().lines().count(), 1);
    server.running.signal("INT");
    assert_eq!(server.running.wait().code(), Some(0));
}

#[test]
fn a_user_keeps_no_more_than_his_quota_and_does_what_his_token_allows() {
    let place = Place::new("quota");
    let more = ["--largest", "3000000"];
    let server = Server::start(&place, "127.0.0.1:0", &["ada=1500000", "bob"], &more);
    let (mut ada, bob) = (User::of(&place, &server, 0), User::of(&place, &server, 1));
    let (first, second) = (
        place.file("first", 1_000_000),
        place.file("second", 600_000),
    );
    ada.run(&["put", first.to_str().unwrap()]).worked();
    let says = ada.run(&["put", second.to_str().unwrap()]).failed(1);
    assert!(says.contains("quota") || says.contains("limit"), "{says}");
    ada.run(&["remove", "first"]).worked();
    ada.run(&["put", second.to_str().unwrap()]).worked();
    let large = place.file("large", 3_000_001);
    let says = bob.run(&["put", large.to_str().unwrap()]).failed(1);
    assert!(says.contains("3000000"), "{says}");

    // A token for less than everything, made beside the server that runs.
    let data = place.there("data");
    let make = [
        "files",
        "token",
        "ada",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let only = [&make[..], &["--only", "list", "--only", "read"]].concat();
    ada.token = run(&only).worked().trim_end().to_owned();
    let here = place.here("second");
    ada.run(&["get", "second", here.to_str().unwrap()]).worked();
    assert!(same(&second, &here));
    for refused in [&["remove", "second"][..], &["put", first.to_str().unwrap()]] {
        let says = ada.run(refused).failed(1);
        assert!(
            says.contains("Ask who runs the server for a token"),
            "{says}"
        );
    }
    ada.token = "no.token.atall".to_owned();
    ada.run(&["list"]).failed(1);
}

/// Both sides are killed in the middle, one after the other, and what is there does not come again.
#[test]
fn an_upload_goes_on_after_the_server_and_after_the_client_are_killed() {
    let place = Place::new("killed");
    let listen = format!("127.0.0.1:{}", free_ports(1));
    let mut server = Server::start(&place, &listen, &["ada"], &[]);
    let gate = Gate::towards(&listen, SOME);
    let mut ada = User::of(&place, &server, 0);
    ada.address.clone_from(&gate.address);
    let path = place.file("file", LARGE);
    let put = ["put", path.to_str().unwrap(), "--json"];
    let mut running = ada.begin(&put);
    running.wait_until(is_middle);
    server.running.signal("KILL");
    assert_eq!(server.running.wait().code(), None);
    gate.open();
    // The tokens of before hold.
    let mut server = Server::start(&place, &listen, &[], &[]);
    running.wait_until(|line| is_middle(line) || parsed(line)["event"] == "kept");
    running.signal("KILL");
    assert_eq!(running.wait().code(), None);
    let mut running = ada.begin(&put);
    running.wait_until(|line| parsed(line)["event"] == "kept");
    assert_eq!(running.wait().code(), Some(0));
    let here = place.here("file");
    ada.run(&["get", "file", here.to_str().unwrap()]).worked();
    assert!(same(&path, &here));
    server.running.signal("TERM");
    assert_eq!(server.running.wait().code(), Some(0));
    assert_eq!(
        names(&place.there("data/files")).len(),
        1,
        "and nothing half beside it"
    );
}

#[test]
fn a_server_that_fails_on_purpose_gets_and_gives_everything_in_the_end() {
    let place = Place::new("faulty");
    let faulty = ["--faulty", "0.1", "--seed", "7"];
    let server = Server::start(&place, "127.0.0.1:0", &["ada"], &faulty);
    let ada = User::of(&place, &server, 0);
    let path = place.file("file", LARGE);
    ada.run(&["put", path.to_str().unwrap()]).worked();
    let root = psfs_core::Root::of(&fs::read(&path).unwrap()).to_string();
    let here = place.here("file");
    ada.run(&["get", &root, here.to_str().unwrap()]).worked();
    assert!(same(&path, &here));
}

/// What is said on it is tested in `tests/interop`; here that it is there, and goes.
#[test]
fn clients_of_filestoraged_are_served_on_a_socket() {
    let place = Place::new("socket");
    let (socket, secret) = (
        place.there("storage.sock"),
        place.secret("secret", "of all"),
    );
    let socket_name = socket.to_str().unwrap();
    let more = ["--socket", socket_name, "--socket-secret", &secret];
    let mut server = Server::start(&place, "127.0.0.1:0", &["ada"], &more);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let login = br#"{"mid":"1","token":"no.token.atall"}"#;
    let mut frame = (login.len() as u32 + 1).to_be_bytes().to_vec();
    frame.push(0);
    frame.extend(login);
    stream.write_all(&frame).unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[4], 201, "not authorised");
    server.running.signal("INT");
    assert_eq!(server.running.wait().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn what_was_shared_from_here_is_listed_and_let_go() {
    let place = Place::new("own");
    let path = place.file("notes", 70_000);
    let data = place.here("data");
    let data = ["--data-dir", data.to_str().unwrap()];
    let mut shared = place.share(&path, &[&data[..], &["--tag", "mine"]].concat());
    let root = shared.ticket.root().to_string();
    // The folder is in use.
    run(&[&["files", "list"], &data[..]].concat()).failed(1);
    shared.running.signal("INT");
    assert_eq!(shared.running.wait().code(), Some(0));
    let list = [&["files", "list", "--tag", "mine"], &data[..]].concat();
    assert_eq!(run(&list).worked(), format!("{root} 70000 notes #mine\n"));
    run(&[&["files", "remove", "notes"], &data[..]].concat()).worked();
    assert_eq!(run(&list).worked(), "");
    assert!(path.exists(), "it lies where it lay");
}

#[test]
fn what_cannot_be_meant_is_used_wrongly() {
    let nowhere = Path::new("nowhere").to_str().unwrap();
    for (args, says) in [
        (&["files", "serve"][..], "--data-dir"),
        (&["files", "list"], "--server"),
        (&["files", "list", "--server", ":1"], "PSFS_FILES_TOKEN"),
        (&["files", "put", nowhere], "--server"),
        (
            &["files", "serve", "--data-dir", "x", "--user", "=5"],
            "NAME",
        ),
        (
            &["files", "serve", "--data-dir", "x", "--faulty", "2"],
            "0 to 1",
        ),
        (
            &["files", "serve", "--data-dir", "x", "--seed", "2"],
            "--faulty",
        ),
        (&["files", "token", "ada"], "--key"),
        (&["share", "x", "--tag", "t"], "--data-dir"),
        (
            &["files", "serve", "--data-dir", "x", "--socket", "s"],
            "--socket-secret",
        ),
    ] {
        let told = run(args).failed(2);
        assert!(told.contains(says), "{args:?}: {told}");
    }
    // Of a server that was never there no key is made.
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("identity.pem");
    run(&["files", "token", "ada", "--key", key.to_str().unwrap()]).failed(1);
    assert!(!key.exists());
}
