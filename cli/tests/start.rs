//! Starting and ending: what stands in the way is told in one line, and nothing is left behind.

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use support::{Up, end, exit, psfs, rendezvous, run, run_with};
use tempfile::TempDir;

#[test]
fn a_key_is_made_once_and_shown_again() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("me.pem");
    let key = key.to_str().unwrap();
    let first = run(&["id", "--key", key]).worked();
    let [id, fingerprint, file] = first.lines().collect::<Vec<_>>()[..] else {
        panic!("{first}");
    };
    let id = id.strip_prefix("id ").unwrap();
    assert!(
        fingerprint.starts_with(&format!("fingerprint {id}:")),
        "{first}"
    );
    assert_eq!(file, format!("key {key} (new)"));
    assert_eq!(fs::metadata(key).unwrap().mode() & 0o777, 0o600);
    assert_eq!(
        run(&["id", "--key", key]).worked(),
        first.replace(" (new)", "")
    );
}

#[test]
fn keys_that_cannot_be_used() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("me.pem");
    let pass = folder.path().join("pass");
    fs::write(&pass, "swordfish\n").unwrap();
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    let (key, pass) = (key.to_str().unwrap(), pass.to_str().unwrap());
    run(&["id", "--key", key, "--passphrase-file", pass]).worked();

    let name = rendezvous("keys");
    let up = ["up", "-r", &name, "--no-mdns", "--api", "off", "--key", key];
    assert!(run(&up).failed(1).contains("passphrase"));
    let wrong = end(psfs(&up).env("PSFS_PASSPHRASE", "cod"), b"");
    assert!(wrong.failed(1).contains("wrong passphrase"));

    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(run(&up).failed(1).contains("chmod 600"));
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(key, "-----BEGIN PRIVATE KEY-----\nAAAA").unwrap();
    assert!(run(&up).failed(1).contains("not a usable key"));
}

#[test]
fn what_stands_in_the_way_of_a_start() {
    let name = rendezvous("starts");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let up = |args: &[&str]| run(&[&["up", "-r", &name, "--no-mdns"], args].concat());

    let line = up(&["--api", &taken]).failed(1);
    assert!(
        line.contains(&format!(
            "the API cannot listen on {taken}: the port is in use"
        )) && line.contains("--api"),
        "{line}"
    );
    let line = up(&["--api", "off", "--listen", &taken]).failed(1);
    assert!(line.contains("the port is in use"), "{line}");
    for address in [
        "nonsense",
        "/ip4/127.0.0.1",
        "/ip4/1.2.3/tcp/1",
        "127.0.0.1:99999",
    ] {
        assert!(
            up(&["--api", "off", "--listen", address])
                .failed(1)
                .contains("malformed"),
            "{address}"
        );
        assert!(
            up(&["--api", "off", "--peer", address])
                .failed(1)
                .contains("malformed"),
            "{address}"
        );
    }
    assert!(
        run(&["up", "-r", &"x".repeat(256), "--api", "off"])
            .failed(1)
            .contains("rendezvous")
    );
    assert!(
        run(&["up", "-r", "", "--api", "off"])
            .failed(1)
            .contains("rendezvous")
    );
    assert!(
        up(&["--api", "off", "--data-dir", "/dev/null/x"])
            .failed(1)
            .contains("/dev/null/x")
    );
}

#[test]
fn a_data_folder_in_use_names_the_process() {
    let up = Up::start(&rendezvous("folder"), &[]);
    let folder = up.data_dir();
    let line = run(&[
        "up",
        "-r",
        "x",
        "--no-mdns",
        "--api",
        "off",
        "--data-dir",
        folder.to_str().unwrap(),
    ])
    .failed(1);
    assert!(line.contains(&up.pid().to_string()), "{line}");
}

#[test]
fn a_satellite_that_ended_is_not_looked_for() {
    let mut up = Up::start(&rendezvous("ended"), &[]);
    let (api, token, folder) = (up.api.clone(), up.token(), up.data_dir());
    up.signal("TERM");
    assert_eq!(up.wait().code(), Some(0));
    assert!(!folder.join("api.token").exists());
    let line = run(&["peers", "--data-dir", folder.to_str().unwrap()]).failed(1);
    assert!(line.contains("no satellite with an API runs"), "{line}");
    let line = run(&["peers", "--api", &api, "--token", &token]).failed(1);
    assert!(
        line.contains(&format!("cannot reach the API at http://{api}")) && line.contains("psfs up"),
        "{line}"
    );
    assert!(run(&["peers"]).failed(2).contains("no token"));
}

#[test]
fn without_a_data_folder_the_token_is_printed_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let mut child = psfs(&[
        "up",
        "-r",
        &rendezvous("memory"),
        "--no-mdns",
        "--listen",
        "127.0.0.1:0",
        "--api",
        ":0",
    ])
    .current_dir(folder.path())
    .env("HOME", folder.path())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let api = lines
        .find_map(|line| line.unwrap().strip_prefix("api http://").map(str::to_owned))
        .unwrap();
    let (address, token) = api.split_once(" token ").unwrap();
    assert_eq!(token.len(), 64);
    let peers = end(
        psfs(&["peers", "--api", address]).env("PSFS_TOKEN", token),
        b"",
    );
    assert_eq!(peers.worked(), "");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_closed_pipe_ends_it_without_a_word() {
    // Closed here and now: a reader of its own would take a line or two with it, and there may be no more.
    let name = rendezvous("pipe");
    let mut child = psfs(&["up", "-r", &name, "--no-mdns", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let address = lines
        .find_map(|line| line.unwrap().strip_prefix("listening ").map(str::to_owned))
        .unwrap();
    drop(lines);
    // Its next lines find nobody, and it ends.
    let _bob = Up::start(&name, &[&address]);
    assert_eq!(exit(&mut child).map(|status| status.code()), Some(Some(0)));

    let mut help = psfs(&["--help"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(help.stdout.take());
    let ended = help.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0));
}

#[test]
fn too_much_on_stdin_is_refused_before_anything_starts() {
    let much = vec![b'x'; (16 << 20) + 2];
    let args = [
        "send",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "n",
        "-",
        "-r",
        "x",
        "--no-mdns",
    ];
    assert!(
        run_with(&args, &much)
            .failed(1)
            .contains("more than 16777216 bytes")
    );
}
