use super::*;
use std::process::ExitCode;

const PEER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

fn accepted(line: &str) -> Command {
    parse(std::iter::once("psfs").chain(line.split_whitespace()))
        .unwrap()
        .unwrap()
        .command
}

/// The one line that refuses it.
fn refused(line: &str) -> String {
    let Err(failure) = parse(std::iter::once("psfs").chain(line.split_whitespace())) else {
        panic!("accepted: psfs {line}");
    };
    assert_eq!(failure.exit_code(), ExitCode::from(2), "psfs {line}");
    let said = failure.line().unwrap();
    assert!(
        !said.contains('\n') && said.ends_with('.'),
        "psfs {line}: {said:?}"
    );
    said
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    assert_eq!(
        refused("up -r x --pid /chat/1.1.0"),
        "--pid needs the v1 wire, which this version does not have. Leave it out."
    );
    for option in ["--broadcastratio", "--maxrebroadcasts"] {
        for value in ["1", "-1", "nonsense"] {
            let said = refused(&format!("up -r x {option} {value}"));
            assert_eq!(
                said,
                format!(
                    "{option} needs flood broadcasts, which this version does not have. Leave it out."
                )
            );
        }
    }
}

#[test]
fn a_rendezvous_is_needed() {
    assert!(refused("up").starts_with("no rendezvous is given. Say under which name"));
    assert!(refused("up --peer 127.0.0.1:1").contains("--rendezvous <NAME>"));
    assert!(refused("peers --no-mdns").contains("--rendezvous <NAME>"));
}

#[test]
fn an_api_that_others_reach_must_be_meant() {
    for address in ["0.0.0.0:3001", "[::]:3001", "192.0.2.7:3001"] {
        let said = refused(&format!("up -r x --api {address}"));
        assert!(
            said.contains("--api-public") && said.contains("in clear"),
            "{said}"
        );
        accepted(&format!("up -r x --api {address} --api-public"));
    }
    for address in ["127.0.0.1:0", "[::1]:3001", ":3001", "127.7.7.7:1"] {
        accepted(&format!("up -r x --api {address}"));
        assert!(
            refused(&format!("up -r x --api {address} --api-public")).contains("says nothing of")
        );
    }
}

#[test]
fn malformed_api_addresses_are_refused() {
    for address in [
        "localhost:3001",
        "3001",
        ":",
        ":65536",
        "127.0.0.1",
        "on",
        "http://127.0.0.1:1",
    ] {
        let said = refused(&format!("up -r x --api {address}"));
        assert!(said.contains("give IP:PORT, :PORT or off"), "{said}");
    }
}

#[test]
fn options_without_effect_are_refused() {
    assert!(refused("up -r x --api off --broadcastlifetime 5").contains("which is off"));
    assert!(refused("up -r x --api off --api-public").contains("says nothing"));
    assert!(refused("up -r x --passphrase-file p").contains("no key that it could open"));
    assert!(refused("peers -r x --passphrase-file p").contains("no key that it could open"));
    assert!(refused("peers -r x --api :1").contains("cannot be used with"));
    assert!(refused("peers -r x --token t").contains("cannot be used with"));
    assert!(refused("peers -r x --data-dir d").contains("cannot be used with"));
    assert!(refused("peers --token t --data-dir d").contains("cannot be used with"));
    assert!(refused("broadcast n c --broadcastlifetime 5").contains("--rendezvous <NAME>"));
    accepted("up -r x --data-dir d --passphrase-file p");
    accepted("broadcast n c -r x --broadcastlifetime 5");
}

#[test]
fn times_have_bounds() {
    for seconds in ["0", "-1", "86401", "1.5", "soon", "99999999999999999999"] {
        refused(&format!("up -r x --broadcastlifetime {seconds}"));
        refused(&format!("send {PEER} n c --timeout {seconds}"));
    }
    accepted("up -r x --broadcastlifetime 86400");
}

#[test]
fn peers_are_named_by_id_or_fingerprint() {
    let peer: PeerId = PEER.parse().unwrap();
    let named = |text: &str| parse(["psfs", "send", text, "n"]);
    for text in [PEER, &peer.fingerprint()] {
        let Command::Send(send) = named(text).unwrap().unwrap().command else {
            panic!("another command");
        };
        assert_eq!(send.target.peer, peer);
    }
    let said = named(&format!("{PEER}:wrong")).unwrap_err().line().unwrap();
    assert!(said.contains("words do not belong to the id"), "{said}");
    refused("request nobody whois");
}

#[test]
fn content_comes_as_argument_or_from_stdin() {
    let content = |line: &str| match accepted(line) {
        Command::Send(send) => send.target.what.content,
        _ => panic!("another command"),
    };
    assert_eq!(content(&format!("send {PEER} n")), None);
    assert_eq!(content(&format!("send {PEER} n -")), Some("-".into()));
    assert_eq!(content(&format!("send {PEER} n -- -5")), Some("-5".into()));
    // A mistyped option must not become content.
    assert!(refused(&format!("send {PEER} n --tiemout")).contains("--timeout"));
    assert!(refused(&format!("send {PEER} n -5")).contains("-- -5"));
}

#[test]
fn a_listener_says_what_it_wants_to_hear() {
    accepted("listen news notes -r x --type broadcast --raw --count 3");
    accepted("listen news --data-dir d --type message");
    for line in [
        "listen -r x",
        "listen n -r x --type request",
        "listen n -r x --count 0",
        "listen n -r x --data-dir d",
    ] {
        refused(line);
    }
}

#[test]
fn anything_else_is_one_line_too() {
    assert!(refused("").starts_with("no command is given"));
    for line in [
        "fly",
        "up -r",
        "up -r a -r b",
        "id",
        "id --key a --data-dir b",
        "send",
        "peers extra",
        "help",
    ] {
        refused(line);
    }
}
