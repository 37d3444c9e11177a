//! Whole processes on loopback that meet, greet, ask, answer and tell.

mod support;

use psfs_core::{Config, Key, PacketType, Satellite};
use serde_json::{Value, json};
use support::{PATIENCE, Running, Up, rendezvous, run, run_with};

/// Two that have a session with each other.
fn pair(test: &str) -> (Up, Up) {
    let name = rendezvous(test);
    let mut ada = Up::start(&name, &[]);
    let mut bob = Up::start(&name, &[&ada.address]);
    ada.wait_for(&format!("connected {}", bob.id));
    bob.wait_for(&format!("connected {}", ada.id));
    (ada, bob)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn they_meet_greet_and_part() {
    let (mut ada, mut bob) = pair("meet");
    let greeting = ada.wait_for(&format!("greeting from {}: ", bob.id));
    assert!(greeting.contains(&bob.id), "{greeting}");
    bob.wait_for(&format!("greeting from {}: ", ada.id));
    bob.signal("TERM");
    assert_eq!(bob.wait().code(), Some(0));
    ada.wait_for(&format!("disconnected {}: ", bob.id));
    ada.signal("INT");
    assert_eq!(ada.wait().code(), Some(0));
}

#[test]
fn one_shots_through_a_running_satellite() {
    let (ada, mut bob) = pair("through");
    assert_eq!(
        ada.through(&["peers"]).worked(),
        format!("{} connected\n", bob.id)
    );

    let card = parsed(&ada.through(&["request", &bob.id, "whois"]).worked());
    assert_eq!(card["id"], bob.id);
    let fingerprint = format!("{}:{}", bob.id, card["b2048"].as_str().unwrap());
    assert_eq!(
        ada.through(&["send", &fingerprint, "greeting", "two\nlines"])
            .worked(),
        ""
    );
    assert_eq!(
        bob.wait_for(&format!("greeting from {}: two", ada.id)),
        "\\nlines"
    );
    assert_eq!(
        ada.through(&["send", &bob.id, "greeting", "--", "--minus"])
            .worked(),
        ""
    );
    bob.wait_for(&format!("greeting from {}: --minus", ada.id));
    assert_eq!(ada.through(&["broadcast", "news", "it rains"]).worked(), "");

    let token = ada.token();
    let by_token = [
        "request", &bob.id, "whois", "--raw", "--api", &ada.api, "--token", &token,
    ];
    assert_eq!(parsed(&run(&by_token).worked())["id"], bob.id);
}

#[test]
fn one_shots_with_a_satellite_of_their_own() {
    fn own<'a>(args: &[&'a str], network: &[&'a str]) -> Vec<&'a str> {
        [args, network].concat()
    }
    let name = rendezvous("own");
    let mut ada = Up::start(&name, &[]);
    let (id, address) = (ada.id.clone(), ada.address.clone());
    let network = ["-r", &name, "--peer", &address, "--no-mdns"];

    let met = run(&own(&["peers", "--timeout", "3"], &network)).worked();
    assert_eq!(met, format!("{id} connected\n"));
    let card = run(&own(&["request", &id, "whois"], &network)).worked();
    assert_eq!(parsed(&card)["id"], *id);
    run_with(
        &own(&["send", &id, "notes", "-"], &network),
        b"nobody listens there",
    )
    .worked();
    run_with(
        &own(&["send", &id, "greeting", "-"], &network),
        b"from \xff stdin",
    )
    .worked();
    ada.wait_until(|line| {
        line.starts_with("greeting from ") && line.ends_with(": from \\xff stdin")
    });
    assert_eq!(
        run(&own(&["broadcast", "news", "it rains"], &network)).worked(),
        ""
    );
}

#[test]
fn a_broadcast_arrives_although_its_satellite_ends_at_once() {
    let name = rendezvous("news");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::new(&name).mdns(false).listen("127.0.0.1:0");
    let reader = Satellite::new(config).unwrap();
    runtime.block_on(async {
        let mut news = reader.subscribe(PacketType::Broadcast, "news").unwrap();
        reader.start().await.unwrap();
        let address = &reader.addresses()[0];
        for round in 0..3 {
            let text = format!("round {round}");
            let own = [
                "broadcast",
                "news",
                &text,
                "-r",
                &name,
                "--peer",
                address,
                "--no-mdns",
            ];
            run(&own).worked();
            let heard = tokio::time::timeout(PATIENCE, news.next()).await;
            assert_eq!(heard.unwrap().unwrap().content(), &text);
        }
        let mut up = Up::start(&name, &[address]);
        up.wait_for(&format!("connected {}", reader.peer_id()));
        up.through(&["broadcast", "news", "from afar"]).worked();
        let heard = tokio::time::timeout(PATIENCE, news.next()).await;
        let heard = heard.unwrap().unwrap();
        assert_eq!(
            (heard.content().as_ref(), heard.peer().to_string()),
            (&b"from afar"[..], up.id.clone())
        );
        reader.shutdown(PATIENCE).await.unwrap();
    });
}

#[test]
fn what_is_sent_and_broadcast_is_printed_by_a_listener() {
    let name = rendezvous("listen");
    let mut ada = Up::start(&name, &[]);
    let network = ["-r", &name, "--peer", &ada.address, "--no-mdns"];
    let args = [&["listen", "news", "notes", "news"][..], &network].concat();
    let mut ear = Running::start(&args);
    let ear_id = ear.wait_for("peer ").split_once(':').unwrap().0.to_owned();
    ear.wait_for("listening ");
    ada.wait_for(&format!("connected {ear_id}"));
    ada.through(&["broadcast", "news", "it\nrains"]).worked();
    ada.through(&["send", &ear_id, "notes", "two words"])
        .worked();

    let mut heard = |start: &str, end: String| {
        let line = ear.wait_until(|line| line.ends_with(&end));
        assert!(
            line.starts_with("20") && line[..25].ends_with("Z "),
            "{line}"
        );
        assert!(line[25..].starts_with(start), "{line}");
    };
    heard("BROADCAST", format!("BROADCAST {} news it\\nrains", ada.id));
    heard("MESSAGE", format!("MESSAGE {} notes two words", ada.id));
    ear.signal("INT");
    assert_eq!(ear.wait().code(), Some(0));
}

#[test]
fn a_listener_hears_what_a_running_satellite_hears() {
    let (ada, mut bob) = pair("hears");
    let folder = ada.data_dir();
    let args = [
        "listen",
        "news",
        "a/b ?",
        "--data-dir",
        folder.to_str().unwrap(),
    ];
    let mut ear = Running::start(&args);
    ear.wait_for("listening through http://");
    bob.through(&["broadcast", "news", "it rains"]).worked();
    run_with(
        &[
            "send",
            &ada.id,
            "a/b ?",
            "-",
            "--data-dir",
            bob.data_dir().to_str().unwrap(),
        ],
        b"\xff\n",
    )
    .worked();
    ear.wait_until(|line| line.ends_with(&format!("Z BROADCAST {} news it rains", bob.id)));
    ear.wait_until(|line| line.ends_with(&format!("Z MESSAGE {} a/b ? \\xff\\n", bob.id)));

    let line = ada.through(&["listen", ""]).failed(1);
    assert!(line.contains("/listen/NAMESPACE"), "{line}");
    let wrong = ada.call("GET", "/listen/news?type=request", "", "");
    assert!(
        parsed(&wrong)["error"]
            .as_str()
            .unwrap()
            .contains("not understood")
    );

    ear.signal("TERM");
    assert_eq!(ear.wait().code(), Some(0));
    // Gone with its reader: bob's next message has nobody who wants it, and is taken in all the same.
    bob.through(&["send", &ada.id, "news", "x"]).worked();

    let mut ear = Running::start(&args);
    ear.wait_for("listening through http://");
    ada.signal("TERM");
    assert_eq!(ear.wait().code(), Some(1));
    bob.wait_for(&format!("disconnected {}: ", ada.id));
}

#[test]
fn a_listener_ends_by_itself_and_prints_contents_as_they_are() {
    let name = rendezvous("raw");
    let mut ada = Up::start(&name, &[]);
    let network = ["-r", &name, "--peer", &ada.address, "--no-mdns", "--raw"];
    let only = ["listen", "notes", "--type", "message", "--count", "2"];
    let mut ear = Running::start(&[&only[..], &network].concat());
    // With --raw it does not say who it is.
    let ear_id = ada.wait_for("connected ");
    for content in ["not for it", "one\ttwo", "three"] {
        let namespace = if content == "not for it" {
            "news"
        } else {
            "notes"
        };
        ada.through(&["broadcast", namespace, "not a message"])
            .worked();
        ada.through(&["send", &ear_id, namespace, content]).worked();
    }
    assert_eq!(ear.wait_until(|_| true), "one\ttwo");
    ear.wait_for("three");
    assert_eq!(ear.wait().code(), Some(0));
}

#[test]
fn the_seeds_routes() {
    let (ada, mut bob) = pair("routes");
    assert_eq!(parsed(&ada.call("GET", "/peers", "", "")), json!([bob.id]));
    assert_eq!(
        parsed(&ada.call("GET", "/peers?state=1", "", "")),
        json!([{ "id": bob.id, "state": "connected" }])
    );
    let whois = parsed(&ada.call("GET", &format!("/whois/{}", bob.id), "", ""));
    assert_eq!(
        (&whois["error"], &whois["response"]["id"]),
        (&Value::Null, &json!(bob.id))
    );

    let write = |content: Value| {
        json!({ "type": 1, "destination": bob.id, "namespace": "greeting", "content": content })
            .to_string()
    };
    let writes = [write(json!("a string")), write(json!({ "an": "object" }))];
    for body in writes {
        assert_eq!(
            parsed(&ada.call("POST", "/write", "", &body)),
            json!({ "error": null })
        );
    }
    bob.wait_for(&format!("greeting from {}: a string", ada.id));
    bob.wait_for(&format!("greeting from {}: {{\"an\":\"object\"}}", ada.id));

    let body = json!({ "type": 2, "namespace": "news", "content": "it rains" }).to_string();
    assert_eq!(
        parsed(&ada.call("POST", "/broadcast", "", &body)),
        json!({ "error": null })
    );
}

#[test]
fn requests_collected_and_streamed() {
    let (ada, bob) = pair("requests");
    let body =
        json!({ "destination": bob.id, "namespace": "whois", "timeout_ms": 10_000 }).to_string();
    let answer = parsed(&ada.call("POST", "/request", "", &body));
    assert_eq!(answer["error"], Value::Null);
    assert_eq!(parsed(answer["replies"][0].as_str().unwrap())["id"], bob.id);

    let lines = ada.call(
        "POST",
        "/request",
        "Accept: application/x-ndjson\r\n",
        &body,
    );
    let lines: Vec<_> = lines.lines().map(parsed).collect();
    assert_eq!(parsed(lines[0]["reply"].as_str().unwrap())["id"], bob.id);
    assert_eq!(lines[1..], [json!({ "error": null })]);

    let body = json!({ "destination": bob.id, "namespace": "nothing" }).to_string();
    assert_eq!(
        parsed(&ada.call("POST", "/request", "", &body))["code"],
        "UNKNOWN_NAMESPACE"
    );
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let (ada, bob) = pair("fails");
    let stranger = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
    let long = "n".repeat(256);
    let cases: [(&[&str], &str); 6] = [
        (
            &["request", &bob.id, "nothing"],
            "serves no requests in namespace \"nothing\"",
        ),
        (&["request", stranger, "whois"], "was never met"),
        (
            &["send", &ada.id, "greeting", "me"],
            "this satellite itself",
        ),
        (&["send", &bob.id, "", "x"], "the namespace is empty"),
        (
            &["send", &bob.id, &long, "x"],
            "the namespace has 256 bytes",
        ),
        (&["broadcast", "", "x"], "the namespace is empty"),
    ];
    for (args, want) in cases {
        let line = ada.through(args).failed(1);
        assert!(line.contains(want), "{line}");
    }
    let wrong = run(&["peers", "--api", &ada.api, "--token", "0000"]).failed(1);
    assert!(wrong.contains("the token is wrong"), "{wrong}");
}

#[test]
fn who_is_not_met_in_time_is_not_waited_for() {
    let name = rendezvous("alone");
    let line = run(&[
        "request",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "whois",
        "-r",
        &name,
        "--no-mdns",
        "--timeout",
        "1",
    ])
    .failed(1);
    assert!(
        line.contains("was not met within 1 s") && line.contains("--peer"),
        "{line}"
    );
    let line = run(&["peers", "-r", &name, "--no-mdns", "--timeout", "1"]).failed(1);
    assert!(line.contains("no peer was met within 1 s"), "{line}");
}

#[test]
fn values_over_http() {
    let (ada, bob) = pair("http-dht");
    let content = b"any \xff\0 bytes";
    let key = Key::of_content(content).to_string();
    let (status, answer) = ada.exchange("PUT", "/dht", "", content);
    let answer = parsed(&String::from_utf8(answer).unwrap());
    assert_eq!(
        (status, answer),
        (200, json!({ "error": null, "key": key, "nodes": 2 }))
    );
    let path = format!("/dht/{key}");
    assert_eq!(bob.exchange("GET", &path, "", b""), (200, content.to_vec()));

    let path = format!("/dht/{}", Key::of_name("a place"));
    let answered = |up: &Up, method: &str, path: &str, body: &[u8]| {
        let (status, answer) = up.exchange(method, path, "", body);
        (status, parsed(&String::from_utf8(answer).unwrap()))
    };
    let (status, answer) = answered(&ada, "GET", &path, b"");
    assert_eq!(
        (status, &answer["code"]),
        (404, &json!("NOT_FOUND")),
        "{answer}"
    );
    let (status, answer) = answered(&ada, "PUT", &path, b"one");
    assert_eq!((status, &answer["nodes"]), (200, &json!(2)), "{answer}");
    assert_eq!(bob.exchange("GET", &path, "", b""), (200, b"one".to_vec()));
    let (status, answer) = answered(&bob, "PUT", &path, b"two");
    assert_eq!(
        (status, &answer["code"]),
        (409, &json!("CONFLICT")),
        "{answer}"
    );
    let (status, answer) = answered(&ada, "PUT", "/dht", &vec![0; 5_000_001]);
    assert_eq!(
        (status, &answer["code"]),
        (413, &json!("TOO_LARGE")),
        "{answer}"
    );
    // Who is no satellite stores and fetches through one, and nodes with `psfs dht` are in the same network.
    let name = rendezvous("http-dht");
    let through = [
        "dht",
        "-c",
        &ada.address,
        "-r",
        &name,
        "--no-mdns",
        "-f",
        &key,
    ];
    assert_eq!(run(&through).bytes, content);
}
