//! `psfs dht` as whole processes: the seed's session, its prompt, and what stands in the way.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;

use psfs_core::Key;
use support::{Running, exit, free_ports, psfs, rendezvous, run, run_with, signal};
use tempfile::TempDir;

/// A network of the DHT in one process, and how a command joins it.
struct Nodes {
    running: Running,
    join: Vec<String>,
}

impl Nodes {
    fn start(test: &str, count: u16) -> Self {
        let (port, name) = (free_ports(count), rendezvous(test));
        let listen = format!("127.0.0.1:{port}");
        let nodes = count.to_string();
        let mut running =
            Running::start(&["dht", "-n", &nodes, "-l", &listen, "-r", &name, "--no-mdns"]);
        // The seed's lines: the time, the level, a number.
        for number in 0..count {
            let line = running.wait_until(|line| {
                line.ends_with(&format!("Listening on 127.0.0.1:{}", port + number))
            });
            let Some((time, rest)) = line.split_once(" ▶ INFO ") else {
                panic!("not as the seed prints it: {line}");
            };
            assert_eq!(
                (time.len(), &time[8..9], &rest[3..4]),
                (12, ".", " "),
                "{line}"
            );
        }
        running.wait_count(|line| line.ends_with(" Ready..."), usize::from(count));
        let join = ["-c", &format!(":{port}"), "-r", &name, "--no-mdns"];
        Self {
            running,
            join: join.map(str::to_owned).to_vec(),
        }
    }

    /// The arguments of a command that joins it.
    fn dht<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let join = self.join.iter().map(String::as_str);
        ["dht"]
            .into_iter()
            .chain(join)
            .chain(args.iter().copied())
            .collect()
    }
}

#[test]
fn the_seeds_session() {
    let mut nodes = Nodes::start("dht-seed", 3);
    let somefile = b"any bytes: \xff\0\r\n no newline at the end";
    let hash = Key::of_content(somefile).to_string();
    let stored = run_with(&nodes.dht(&["-l", "127.0.0.1:0", "-s"]), somefile);
    assert_eq!(stored.worked(), format!("{hash}\n"));
    let fetched = run(&nodes.dht(&["-l", "127.0.0.1:0", "-f", &hash]));
    assert_eq!(
        (fetched.status, fetched.bytes),
        (Some(0), somefile.to_vec())
    );

    let named = run_with(&nodes.dht(&["-S", "filename"]), b"named").worked();
    assert_eq!(named, format!("{}\n", Key::of_name("filename")));
    assert_eq!(
        run(&nodes.dht(&["--fetch-at", "filename"])).worked(),
        "named"
    );
    assert_eq!(
        run(&nodes.dht(&["--fetch", named.trim()])).worked(),
        "named"
    );
    let missing = run(&nodes.dht(&["-F", "another"])).failed(1);
    assert!(
        missing.contains(&Key::of_name("another").to_string()),
        "{missing}"
    );

    let key = Key::of_content(b"testValue");
    let typed = format!("h\ns testValue\nf {key}\nl\nq\nh\n");
    let interactive = nodes.dht(&["-l", "127.0.0.1:0", "-i"]);
    let said = run_with(&interactive, typed.as_bytes()).worked();
    let (session, local) = said.split_at(said.rfind("testValue\n$> ").unwrap() + 13);
    assert_eq!(
        session,
        format!(
            "Type 'h' to get help
$> Commands:
h - This help
r - Print routing table
s val - Store. Returns the hash and the number of OK answers
f key - Fetch
l - Print local store
q - Quit
$> {key} 4
$> testValue
$> "
        )
    );
    // The other values are handed to it by and by, as it is near to them too.
    let mut local: Vec<_> = local.lines().collect();
    assert_eq!(local.pop(), Some("$> "));
    let end = local.pop().unwrap();
    assert!(end.starts_with(&format!("{} value", local.len())), "{said}");
    assert!(local.contains(&key.to_string().as_str()), "{said}");
    nodes.running.signal("INT");
    assert_eq!(nodes.running.wait().code(), Some(0));
}

#[test]
fn a_prompt_survives_what_is_typed() {
    let nodes = Nodes::start("dht-prompt", 2);
    let interactive = nodes.dht(&[
        "-l",
        "127.0.0.1:0",
        "--interactif",
        "--max-item-size",
        "100",
    ]);
    let long = "x".repeat(1000);
    let typed = format!(
        "\n  \nfly\ns\ns  two words \nf\nf zz\nf {}\nr now\ns {long}\n\u{1b}[2J\nroutes",
        Key::of_name("nothing")
    );
    let said = run_with(&interactive, typed.as_bytes()).worked();
    let answers: Vec<_> = said.split("$> ").collect();
    let starts = [
        "Type 'h' to get help\n",
        "",
        "",
        "error: there is no command \"fly\". Type 'h'",
        "error: no value is given.",
        &format!("{} 3\n", Key::of_content(b" two words ")),
        "error: a hash has 64 hexadecimal digits, this has 0;",
        "error: a hash has 64 hexadecimal digits, this has other characters;",
        "error: no value under ",
        "error: r takes nothing after it.",
        "error: the line is longer than --max-item-size allows.",
        "error: there is no command \"\\\\u{1b}[2J\".",
        "bucket ",
    ];
    // The input ends in the middle of a line, and then there is one more prompt.
    assert_eq!(answers.len(), starts.len() + 1, "{said}");
    for (answer, start) in answers.iter().zip(starts) {
        assert!(answer.starts_with(start), "{answer:?}, wanted {start:?}");
    }
    assert!(
        answers[12].ends_with("\n2 nodes\n") && answers[12].contains(" proved "),
        "{said}"
    );
    assert_eq!(answers[13], "\n");
}

#[test]
fn a_prompt_ends_with_a_signal_and_with_its_reader() {
    let nodes = Nodes::start("dht-ends", 2);
    let interactive = nodes.dht(&["-l", "127.0.0.1:0", "-i"]);
    for reader in [true, false] {
        let mut child = psfs(&interactive)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "Type 'h' to get help\n");
        if reader {
            signal(child.id(), "INT");
        } else {
            drop(stdout);
            stdin.write_all(b"h\nh\nh\n").unwrap();
        }
        let status = exit(&mut child).expect("it ends");
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{reader}");
        drop(stdin);
    }
}

#[test]
fn a_value_is_followed_and_deleted_by_who_stored_it() {
    let nodes = Nodes::start("dht-trace", 3);
    let folder = TempDir::new().unwrap();
    let own = ["--data-dir", folder.path().to_str().unwrap()];
    let stored = run_with(&nodes.dht(&[&own[..], &["--store"]].concat()), b"mine").worked();
    let key = stored.trim();

    let trace = run(&nodes.dht(&["trace", key])).worked();
    let lines = |start: &str| trace.lines().filter(|line| line.starts_with(start)).count();
    assert!(trace.starts_with(&format!("key {key}\n")), "{trace}");
    assert_eq!((lines("holder Qm"), lines("closest Qm")), (3, 3), "{trace}");
    let asked: Vec<_> = trace
        .lines()
        .filter(|line| line.contains(" way "))
        .collect();
    assert_eq!(asked.len(), 3, "{trace}");
    for hop in asked {
        assert!(hop.ends_with(" ms: has the value"), "{hop}");
    }

    let other = TempDir::new().unwrap();
    let not_own = ["--data-dir", other.path().to_str().unwrap(), "delete", key];
    let refused = run(&nodes.dht(&not_own)).failed(1);
    assert!(refused.contains("somebody else stored it"), "{refused}");
    assert_eq!(run(&nodes.dht(&["-f", key])).worked(), "mine");
    let delete = [&own[..], &["delete", key]].concat();
    assert_eq!(run(&nodes.dht(&delete)).worked(), "deleted from 3 nodes\n");
    run(&nodes.dht(&["-f", key])).failed(1);
    run(&nodes.dht(&delete)).failed(1);
    assert!(run(&nodes.dht(&["trace", key])).worked().contains("way 0"));
}

#[test]
fn what_stands_in_the_way_is_told_in_one_line() {
    let name = rendezvous("dht-alone");
    let dht = |args: &[&str], input: &[u8]| {
        run_with(&[&["dht", "-r", &name, "--no-mdns"], args].concat(), input)
    };
    // Refused before anything is waited for.
    let line = dht(&["-s"], b"").failed(1);
    assert!(line.contains("stdin is empty"), "{line}");
    let line = dht(&["-S", "n", "--max-item-size", "9"], b"ten bytes!").failed(1);
    assert!(
        line.contains("more than 9 bytes, which is --max-item-size"),
        "{line}"
    );
    for address in ["nonsense", ":", ":99999", "http://127.0.0.1:1"] {
        for option in ["-c", "-l"] {
            let line = dht(&[option, address, "-s"], b"x").failed(1);
            assert!(line.contains("malformed"), "{option} {address}: {line}");
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for more in [&["-i"][..], &[], &["-s"]] {
        let line = dht(&[&["-l", &taken], more].concat(), b"x").failed(1);
        assert!(line.contains("the port is in use"), "{line}");
    }
    let line = dht(&["--secret-file", "/nowhere"], b"").failed(1);
    assert!(line.contains("cannot read the secret file"), "{line}");

    // Nobody is there.
    let line = dht(&["-F", "n", "--timeout", "1"], b"").failed(1);
    assert!(
        line.contains("was met within 1 s") && line.contains("with -c"),
        "{line}"
    );
    let nobody = free_ports(1);
    let line = dht(&["-c", &format!(":{nobody}"), "-s", "--timeout", "1"], b"x").failed(1);
    assert!(
        line.contains(&format!("cannot reach :{nobody}")) && line.contains("refused"),
        "{line}"
    );
    let said = dht(&["-l", "127.0.0.1:0", "-i", "--timeout", "1"], b"s x\nl\n").worked();
    assert!(
        said.contains("$> error: no node of the DHT was met within 1 s."),
        "{said}"
    );
    assert!(said.ends_with("$> 0 values, 0 bytes\n$> \n"), "{said}");
}

#[test]
fn a_node_runs_until_a_signal_and_keeps_its_values() {
    let (name, folder) = (rendezvous("dht-node"), TempDir::new().unwrap());
    let port = free_ports(2);
    let (at, connect) = (format!("127.0.0.1:{port}"), format!(":{port}"));
    let node = [
        "dht",
        "-l",
        &at,
        "-r",
        &name,
        "--no-mdns",
        "--data-dir",
        folder.path().to_str().unwrap(),
    ];
    let one_shot = ["dht", "-c", &connect, "-r", &name, "--no-mdns"];
    for round in ["TERM", "INT", "KILL"] {
        let mut running = Running::start(&node);
        running.wait_until(|line| line.ends_with(&format!("INFO 001 Listening on {at}")));
        if round == "TERM" {
            run_with(&[&one_shot[..], &["-S", "n"]].concat(), b"kept").worked();
        }
        let fetched = run(&[&one_shot[..], &["-F", "n"]].concat());
        assert_eq!(fetched.worked(), "kept");
        running.signal(round);
        assert_eq!(running.wait().code(), (round != "KILL").then_some(0));
    }
}

#[test]
fn nodes_that_permit_it_are_followed() {
    let (name, port) = (rendezvous("dht-debug"), free_ports(2));
    let connect = format!(":{port}");
    let join = ["dht", "-r", &name, "--no-mdns", "-c", &connect];
    let mut node = Running::start(&[
        "dht",
        "-r",
        &name,
        "--no-mdns",
        "-l",
        &format!("127.0.0.1:{port}"),
        "--permit-debug",
    ]);
    node.wait_until(|line| line.contains(" Listening on "));
    let mut feed = Running::start(&[&join[..], &["debug"]].concat());
    // It begins a moment after the start, and of what happens before it says nothing.
    let mut round = 0;
    while !feed.saw(|line| line.starts_with("Qm") && line.contains(" keeps ")) {
        round += 1;
        assert!(round < 50, "nothing is told");
        let value = format!("round {round}");
        run_with(&[&join[..], &["-s"]].concat(), value.as_bytes()).worked();
    }
    feed.signal("INT");
    assert_eq!(feed.wait().code(), Some(0));
}

#[test]
fn values_are_signed_sealed_and_deleted() {
    let nodes = Nodes::start("dht-signed", 3);
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (mine, other) = (file("mine.pem"), file("other.pem"));
    let id = |key: &str| {
        let said = run(&["id", "--key", key]).worked();
        let id = said.split_whitespace().find(|word| word.starts_with("Qm"));
        id.unwrap()[..46].to_owned()
    };
    let sign = ["--key", &mine, "--store-signed", "news"];
    let at = run_with(&nodes.dht(&sign), b"one").worked();
    assert_eq!(run_with(&nodes.dht(&sign), b"two").worked(), at);
    let me = id(&mine);
    let news = format!("{me}:news");
    let key = Key::of_signed(&me.parse().unwrap(), b"news").to_string();
    assert_eq!(at.trim(), key);
    assert_eq!(run(&nodes.dht(&["--fetch-signed", &news])).worked(), "two");

    // Sealed for somebody who is away: his key is published.
    let published = run(&nodes.dht(&["--key", &other, "publish"])).worked();
    assert_eq!(published.trim().len(), 64);
    let other_id = id(&other);
    let sealed = run_with(&nodes.dht(&["--seal-for", &other_id, "-s"]), b"for you").worked();
    let open = |key: &str, arguments: &[&str]| {
        run(&nodes.dht(&[&["--key", key, "--open"], arguments].concat()))
    };
    assert_eq!(open(&other, &["-f", sealed.trim()]).worked(), "for you");
    let line = open(&mine, &["-f", sealed.trim()]).failed(1);
    assert!(line.contains(&other_id), "{line}");
    let both = [
        "--key",
        &mine,
        "--store-signed",
        "mail",
        "--seal-for",
        &other_id,
    ];
    run_with(&nodes.dht(&both), b"signed, too").worked();
    let mail = format!("{me}:mail");
    assert_eq!(
        open(&other, &["--fetch-signed", &mail]).worked(),
        "signed, too"
    );

    let delete = nodes.dht(&["--key", &mine, "delete", &key]);
    assert_eq!(run(&delete).worked(), "deleted from 3 nodes\n");
    let line = run(&nodes.dht(&["--fetch-signed", &news])).failed(1);
    assert!(line.contains("no value under"), "{line}");
}
