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

const HASH: &str = "82fe0c834cbea069013c5eb7828e599a693e0d2411887e2ab273271662973082";

fn dht(line: &str) -> Dht {
    match accepted(&format!("dht {line}")) {
        Command::Dht(dht) => dht,
        _ => panic!("another command"),
    }
}

#[test]
fn the_seeds_letters_and_words_say_the_same() {
    let hash = HASH.parse().unwrap();
    let (fetch, fetch_word) = (format!("-f {HASH}"), format!("--fetch {HASH}"));
    let named = Action::Fetch(psfs_core::Key::of_name("name"), false);
    let cases = [
        ("-s", "--store", Some(Action::Store(Store::Plain))),
        (
            "-S name",
            "--store-at name",
            Some(Action::Store(Store::Named("name"))),
        ),
        (&fetch, &fetch_word, Some(Action::Fetch(hash, false))),
        ("-F name", "--fetch-at name", Some(named)),
        ("-i", "--interactif", None),
        ("-i", "--interactive", None),
        ("-n 5", "--network 5", None),
    ];
    for (letter, word, want) in cases {
        assert_eq!(
            dht(&format!("-c :3000 -l :6000 -v 4 {letter}")).action(),
            want,
            "{letter}"
        );
        let word = format!("--connect :3000 --listen :6000 --verbose 4 {word}");
        assert_eq!(dht(&word).action(), want, "{word}");
    }
    let trace = format!("trace {HASH} -c :3000");
    assert_eq!(dht(&trace).action(), Some(Action::Trace(hash)));
    let delete = format!("-c :3000 delete {HASH} --data-dir d");
    assert_eq!(dht(&delete).action(), Some(Action::Delete(hash)));
}

#[test]
fn nodes_listen_on_consecutive_ports() {
    for (line, want) in [
        ("", &[":3000"][..]),
        ("-i", &[":3000"]),
        ("-n 0", &[":3000"]),
        ("-n 1 -l :6000", &[":6000"]),
        ("-n 3", &[":3000", ":3001", ":3002"]),
        (
            "-n 2 -l 127.0.0.1:65534",
            &["127.0.0.1:65534", "127.0.0.1:65535"],
        ),
        ("-n 2 -l [::1]:7", &["[::1]:7", "[::1]:8"]),
        ("-n 2 -l :0", &[":0", ":0"]),
        ("-l /ip4/127.0.0.1/tcp/1", &["/ip4/127.0.0.1/tcp/1"]),
        ("-s", &[]),
        ("-s -l :6000", &[":6000"]),
    ] {
        assert_eq!(dht(line).listens().unwrap(), want, "{line}");
    }
    assert!(refused("dht -n 2 -l 127.0.0.1:65535").contains("ports over 65535"));
    for address in ["3000", "/ip4/127.0.0.1/tcp/1", ":x", "127.0.0.1"] {
        let said = refused(&format!("dht -n 2 -l {address}"));
        assert!(said.contains("Give -l as :PORT"), "{said}");
    }
}

#[test]
fn a_command_of_the_dht_does_one_thing() {
    use psfs_core::Role;
    let (fetch, trace) = (format!("-f {HASH}"), format!("trace {HASH}"));
    let peer = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
    let signed = format!("--fetch-signed {peer}:salt");
    let sealed = format!("-s --seal-for {peer}");
    assert!(dht(&sealed).action().is_some() && dht("publish --key k").action().is_some());
    let actions = [
        "-s",
        "-S n",
        &fetch,
        "-F n",
        &trace,
        "--store-signed= --key k",
        &signed,
    ];
    for (number, one) in actions.iter().enumerate() {
        for other in &actions[number + 1..] {
            let said = refused(&format!("dht {one} {other}"));
            assert!(said.contains("cannot be used with"), "{said}");
        }
        assert!(refused(&format!("dht {one} -i")).contains("cannot be used with"));
        assert!(refused(&format!("dht {one} -n 2")).contains("cannot be used with"));
        assert_eq!(dht(one).role(), Role::Client, "{one}");
        assert_eq!(dht(&format!("{one} --role mirror")).role(), Role::Mirror);
    }
    assert_eq!(dht("").role(), Role::Node);
}

#[test]
fn what_is_wrong_in_the_dht_is_told() {
    let (long, bare, delete) = (
        format!("-f {HASH}0"),
        HASH.to_owned(),
        format!("delete {HASH}"),
    );
    let debug = format!("debug {HASH}");
    let both = format!("-f {HASH} -F filename");
    for (line, want) in [
        (
            "-f abc",
            "a hash has 64 hexadecimal digits, this has 3; what was stored under a name is fetched with -F NAME",
        ),
        ("-f filename", "this has other characters"),
        (&long, "this has 65"),
        (&both, "cannot be used with"),
        ("trace", "<KEY>"),
        ("trace name", "64 hexadecimal digits"),
        ("debug --permit-debug", "says nothing of a client"),
        ("-s --permit-proxy", "says nothing of a client"),
        ("--store-signed x", "nobody could replace"),
        ("--fetch-signed x:y", "\"x\" before the colon is no peer id"),
        ("publish", "made for this run"),
        ("-F x --open", "made for this run"),
        ("--open", "required"),
        ("-s --open", "cannot be used with"),
        ("-s --seal-for x", "--seal-for"),
        (
            "-F x --seal-for QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
            "cannot be used with",
        ),
        (&debug, "take no KEY"),
        ("debug -i", "cannot be used with"),
        ("debug -n 2", "cannot be used with"),
        ("fly", "invalid value"),
        (&bare, "invalid value"),
        ("-f", "value is required"),
        ("-S", "value is required"),
        ("--store-at=", "--store-at"),
        ("-c", "value is required"),
        ("-n -1", "-1"),
        ("-n 201", "0..=200"),
        ("-n x", "invalid digit"),
        ("-v 6", "0..=5"),
        ("-v x", "invalid digit"),
        ("-l :1 -l :2", "cannot be used multiple times"),
        ("--role king", "invalid value"),
        ("--role client", "a client serves nobody"),
        ("--role client -n 2 -i", "a network of clients"),
        ("--max-item-size 0", "1..="),
        ("--max-item-size 16773121", "16773120"),
        ("--max-storage-size 0", "1.."),
        ("-s --max-storage-size 5", "says nothing of a client"),
        ("--timeout 5", "runs until it is interrupted"),
        ("-s --timeout 0", "1..="),
        ("-n 2 --data-dir d", "cannot be used with"),
        ("-n 2 --key k", "cannot be used with"),
        ("--passphrase-file p", "no key that it could open"),
        (&delete, "only who stored a value may delete it"),
    ] {
        let said = refused(&format!("dht {line}"));
        assert!(said.contains(want), "dht {line}: {said}");
    }
    accepted("dht -s --role node --max-storage-size 5 --timeout 5");
    accepted("dht -i --role client --timeout 5");
    accepted("dht -n 2 --permit-debug --permit-proxy");
    accepted("dht debug --timeout 5");
    accepted("up -r x --role mirror --max-item-size 5 --max-storage-size 5");
}

fn share(line: &str) -> Share {
    match accepted(&format!("share {line}")) {
        Command::Share(share) => share,
        _ => panic!("another command"),
    }
}

#[test]
fn what_limits_a_ticket_makes_it_needed() {
    assert!(!share("file").only_with_ticket());
    for limit in ["--ticket-only", "--expire 5", "--bytes 5"] {
        assert!(
            share(&format!("file {limit}")).only_with_ticket(),
            "{limit}"
        );
    }
    assert!(share(&format!("file --to {PEER}")).only_with_ticket());
}

#[test]
fn lifetimes_have_units() {
    let seconds = |time: &str| {
        share(&format!("file --expire {time}"))
            .expire
            .unwrap()
            .as_secs()
    };
    for (time, want) in [
        ("90", 90),
        ("90s", 90),
        ("2m", 120),
        ("1h", 3600),
        ("2d", 172_800),
        ("1w", 604_800),
    ] {
        assert_eq!(seconds(time), want, "{time}");
    }
    for time in [
        "0",
        "0d",
        "d",
        "-1",
        "1.5h",
        "1y",
        "3651d",
        "99999999999999999999",
        "18446744073709551615w",
    ] {
        let said = refused(&format!("share file --expire={time}"));
        assert!(said.contains("s, m, h, d or w, up to 3650d"), "{said}");
    }
}

#[test]
fn what_is_to_be_got_is_a_ticket_or_a_root() {
    let get = |line: &str| match accepted(&format!("get {line}")) {
        Command::Get(get) => get,
        _ => panic!("another command"),
    };
    assert_eq!(get(HASH).what(), Ok(Asked::Root(HASH.parse().unwrap())));
    assert_eq!(get("-").what(), Ok(Asked::Stdin));
    let network = get(HASH).meeting.network(None);
    assert_eq!(network.rendezvous.as_deref(), Some("psfs-files"));
    let network = get(&format!("{HASH} -r x --folder")).meeting.network(None);
    assert_eq!(network.rendezvous.as_deref(), Some("x"));
    for (line, want) in [
        ("", "<TICKET>"),
        ("hello", "this is not a ticket"),
        ("psfs1", "cut off"),
        ("psfs2abc", "newer version"),
        (&HASH[1..], "a root of 64 hexadecimal digits"),
        ("- a b", "unexpected argument"),
        ("- --patience 0", "1..="),
        ("- --passphrase-file p", "no key that it could open"),
        ("- --api :1", "unexpected argument"),
    ] {
        let said = refused(&format!("get {line}"));
        assert!(said.contains(want), "get {line}: {said}");
    }
    refused("share");
    refused("share file --bytes 0");
    refused("share file --to nobody");
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
