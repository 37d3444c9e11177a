//! The API as it is met on the wire, over real sockets. The satellite behind it is not started, but for the DHT: what a started one
//! answers is tested with whole processes in `tests/`.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use psfs_core::{Config, Key, Satellite};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{BODY_MAX, Server, router};

const TOKEN: &str = "3f9a";
const PEER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

/// A served API.
struct Served {
    satellite: Satellite,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Served {
    fn new() -> Self {
        Self::of(Satellite::new(Config::new("api-tests").mdns(false)).unwrap())
    }

    fn of(satellite: Satellite) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime
            .block_on(Server::bind("127.0.0.1:0".parse().unwrap()))
            .unwrap();
        let address = server.address();
        let bound: IpAddr = address.ip();
        runtime.spawn(server.run(router(satellite.clone(), TOKEN.into(), bound, None, None)));
        Self {
            satellite,
            address,
            _runtime: runtime,
        }
    }

    /// Says `bytes` and hears the answer to its end.
    fn raw(&self, bytes: &[u8]) -> String {
        String::from_utf8(self.heard(bytes)).unwrap()
    }

    fn heard(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Status and body of a call that passes the guard.
    fn call(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let answer = self.heard(&self.request(method, path, body));
        parse(&String::from_utf8(answer).unwrap())
    }

    /// The same for a body that may be any bytes.
    fn bytes(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let answer = self.heard(&self.request(method, path, b""));
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.unwrap() + 4);
        let head = std::str::from_utf8(head).unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_vec(),
        )
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.call("POST", path, body.as_bytes())
    }
}

fn parse(answer: &str) -> (u16, Value) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer:?}")),
    )
}

#[test]
fn nothing_is_told_without_token_and_host() {
    let served = Served::new();
    let address = served.address;
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for (headers, want) in [
        (format!("Host: {address}\r\n{bearer}"), 200),
        (format!("Host: localhost\r\n{bearer}"), 200),
        (format!("Host: {address}"), 401),
        (
            format!("Host: {address}\r\nAuthorization: Bearer 3f9b"),
            401,
        ),
        (format!("Host: evil.example\r\n{bearer}"), 403),
        (bearer.clone(), 403),
        ("Host: evil.example".to_owned(), 403),
    ] {
        for path in ["/peers", "/nowhere"] {
            let (status, body) =
                parse(&served.raw(format!("GET {path} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()));
            let want = if want == 200 && path == "/nowhere" {
                404
            } else {
                want
            };
            assert_eq!(status, want, "{headers}");
            assert_eq!(want == 200, body["error"].is_null(), "{headers}");
        }
    }
    let refused = served.raw(format!("GET /peers HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    assert!(
        refused
            .to_ascii_lowercase()
            .contains("www-authenticate: bearer"),
        "{refused}"
    );
}

#[test]
fn a_refused_call_that_is_still_sending_gets_its_answer() {
    let served = Served::new();
    let size = 8 << 20;
    let mut request = format!(
        "POST /write HTTP/1.1\r\nHost: {}\r\nContent-Length: {size}\r\n\r\n",
        served.address
    )
    .into_bytes();
    request.resize(request.len() + size, b' ');
    let (status, body) = parse(&served.raw(&request));
    assert_eq!(
        (status, body["error"].as_str()),
        (401, Some("the call brings no token"))
    );
}

#[test]
fn peers_come_with_their_state_where_it_is_asked_for() {
    let served = Served::new();
    for (path, want) in [
        ("/peers", 200),
        ("/peers?", 200),
        ("/peers?state=0", 200),
        ("/peers?state=1", 200),
        ("/peers?state=2", 400),
        ("/peers?states=1", 400),
    ] {
        let (status, body) = served.call("GET", path, b"");
        assert_eq!(status, want, "{path}");
        assert_eq!(want == 200, body.is_array(), "{path}: {body}");
    }
}

#[test]
fn writes_are_posts_and_routes_are_named() {
    let served = Served::new();
    for (method, path, want) in [
        ("GET", "/write", 405),
        ("GET", "/broadcast", 405),
        ("GET", "/request", 405),
        ("PUT", "/write", 405),
        ("POST", "/peers", 405),
        ("DELETE", "/whois/x", 405),
        ("GET", "/dht", 405),
        ("POST", "/dht", 405),
        ("POST", "/dht/x", 405),
        ("DELETE", "/dht", 405),
        ("PUT", "/dht/", 404),
        ("GET", "/dht/x/y", 404),
        ("GET", "/", 404),
        ("GET", "/peers/", 404),
        ("GET", "/whois", 404),
        ("GET", "/whois/", 404),
        ("POST", "/whois/a/b", 404),
    ] {
        let (status, body) = served.call(method, path, b"");
        assert_eq!(status, want, "{method} {path}");
        assert!(
            body["error"].is_string() && body["hint"].as_str().unwrap().contains("GET /peers"),
            "{body}"
        );
    }
}

#[test]
fn bodies_that_cannot_be_meant_are_refused() {
    let served = Served::new();
    let long = "x".repeat(300);
    for (path, body, want) in [
        ("/write", String::new(), "not understood"),
        ("/write", "{".into(), "not understood"),
        ("/write", "[]".into(), "not understood"),
        ("/write", "\"text\"".into(), "not understood"),
        ("/write", "[".repeat(100_000), "not understood"),
        (
            "/write",
            format!(r#"{{"destination":"{PEER}","content":"c"}}"#),
            "missing field `namespace`",
        ),
        (
            "/write",
            r#"{"namespace":"n","content":"c"}"#.into(),
            "missing field `destination`",
        ),
        (
            "/write",
            format!(r#"{{"destination":"{PEER}","namespace":"n","ttl":1}}"#),
            "unknown field `ttl`",
        ),
        (
            "/write",
            r#"{"destination":"nobody","namespace":"n"}"#.into(),
            "nobody",
        ),
        (
            "/write",
            format!(r#"{{"destination":"{PEER}:x","namespace":"n"}}"#),
            "words do not belong to the id",
        ),
        (
            "/write",
            format!(r#"{{"type":4,"destination":"{PEER}","namespace":"n"}}"#),
            "this route sends MESSAGE (1)",
        ),
        (
            "/request",
            format!(r#"{{"type":"MESSAGE","destination":"{PEER}","namespace":"n"}}"#),
            "this route sends REQUEST (4)",
        ),
        (
            "/request",
            format!(r#"{{"destination":"{PEER}","namespace":"n","timeout_ms":0}}"#),
            "timeout_ms is 0",
        ),
        (
            "/broadcast",
            r#"{"type":1,"namespace":"n"}"#.into(),
            "this route sends BROADCAST (2)",
        ),
        (
            "/broadcast",
            format!(r#"{{"destination":"{PEER}","namespace":"n"}}"#),
            "unknown field `destination`",
        ),
        (
            "/broadcast",
            r#"{"namespace":"n","content_base64":"?"}"#.into(),
            "content_base64 is malformed",
        ),
        (
            "/broadcast",
            format!(r#"{{"namespace":{long}}}"#),
            "not understood",
        ),
    ] {
        let (status, answer) = served.post(path, &body);
        let start = &body[..body.len().min(100)];
        assert_eq!(status, 400, "{start}: {answer}");
        assert!(
            answer["error"].as_str().unwrap().contains(want),
            "{start}: {answer}"
        );
        assert!(
            answer["hint"]
                .as_str()
                .is_some_and(|hint| hint.ends_with('.')),
            "{answer}"
        );
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let served = Served::new();
    let (status, body) = served.call("POST", "/broadcast", &vec![b' '; BODY_MAX + 1]);
    assert_eq!(status, 413);
    assert!(
        body["error"].as_str().unwrap().contains("more than"),
        "{body}"
    );
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    let served = Served::new();
    let mut request = format!(
        "POST /broadcast HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n",
        served.address
    )
    .into_bytes();
    let size = BODY_MAX + 1;
    request.extend_from_slice(format!("{size:x}\r\n").as_bytes());
    request.resize(request.len() + size, b' ');
    let (status, _) = parse(&served.raw(&request));
    assert_eq!(status, 413);
}

#[test]
fn peers_that_cannot_be_peers() {
    let served = Served::new();
    for peer in ["x", "%00", "%ff%fe", "..", "Qm", "%2e%2e%2fetc"] {
        let (status, body) = served.call("GET", &format!("/whois/{peer}"), b"");
        assert_eq!(status, 400, "{peer}: {body}");
    }
}

#[test]
fn keys_and_values_that_cannot_be_stored() {
    let served = Served::new();
    let sound = "a".repeat(64);
    for key in [
        "x",
        "%00",
        "%ff%fe",
        &sound[1..],
        &format!("{sound}a"),
        &"g".repeat(64),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let (status, body) = served.call(method, &format!("/dht/{key}"), b"value");
            assert_eq!(status, 400, "{method} {key}: {body}");
        }
    }
    for path in ["/dht".to_owned(), format!("/dht/{sound}")] {
        let (status, body) = served.call("PUT", &path, b"");
        assert!(
            status == 400 && body["error"].as_str().unwrap().contains("empty"),
            "{body}"
        );
        let (status, body) = served.call("PUT", &path, &vec![0; BODY_MAX + 1]);
        assert_eq!(status, 413, "{body}");
        let (status, body) = served.call("PUT", &path, b"value");
        assert_eq!(
            (status, body["code"].as_str()),
            (503, Some("CLOSED")),
            "{body}"
        );
    }
}

#[test]
fn how_a_value_is_stored_or_given_is_understood_or_refused() {
    let served = Served::new();
    let key = "a".repeat(64);
    let wrong = [
        ("PUT", "/dht?sealed_for=x".to_owned()),
        ("PUT", "/dht?sealed=x".to_owned()),
        ("PUT", format!("/dht?signed={}", "s".repeat(65))),
        ("GET", format!("/dht/{key}?open=2")),
        ("GET", format!("/dht/{key}?open=yes")),
        ("GET", format!("/dht/{key}?opened=1")),
        ("GET", format!("/dht/{key}?open=1&open=1")),
        ("PUT", "/dht?signed=%ff".to_owned()),
        // It would be stored in clear.
        ("PUT", format!("/dht/{key}?sealed_for={PEER}")),
        ("DELETE", format!("/dht/{key}?signed=salt")),
    ];
    for (method, path) in wrong {
        let (status, body) = served.call(method, &path, b"value");
        assert_eq!(status, 400, "{method} {path}: {body}");
        assert!(body["error"].is_string() && body["hint"].is_string());
    }
    let right = [
        ("PUT", "/dht?signed=".to_owned()),
        ("PUT", format!("/dht?signed=salt&sealed_for={PEER}")),
        ("PUT", format!("/dht?sealed_for={PEER}")),
        ("GET", format!("/dht/{key}?open=1")),
        ("DELETE", format!("/dht/{key}")),
    ];
    for (method, path) in right {
        let (status, body) = served.call(method, &path, b"value");
        let code = body["code"].as_str();
        assert_eq!(
            (status, code),
            (503, Some("CLOSED")),
            "{method} {path}: {body}"
        );
    }
}

#[test]
fn the_dht_through_a_proxy_over_http() {
    // Who calls is no satellite: one of two stores, fetches, signs, seals and deletes for it.
    let rendezvous = format!("proxy-http-{}", std::process::id());
    let config = || Config::new(&rendezvous).mdns(false).listen("127.0.0.1:0");
    let other = Satellite::new(config()).unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(other.start()).unwrap();
    let first = other.addresses().remove(0);
    let served = Served::of(Satellite::new(config().bootstrap(first)).unwrap());
    let (dht, kept) = (served.satellite.dht(), other.dht());
    runtime.block_on(served.satellite.start()).unwrap();
    let limit = Duration::from_secs(30);
    runtime.block_on(dht.joined(limit)).unwrap();
    runtime.block_on(kept.joined(limit)).unwrap();

    let put = |path: &str| {
        let (status, body) = served.call("PUT", path, b"over http");
        assert_eq!(
            (status, &body["nodes"]),
            (200, &serde_json::json!(2)),
            "{path}: {body}"
        );
        body["key"].as_str().unwrap().to_owned()
    };
    let get = |path: &str| served.bytes("GET", path);
    let plain = put("/dht");
    assert_eq!(plain, Key::of_content(b"over http").to_string());
    assert_eq!(get(&format!("/dht/{plain}")), (200, b"over http".to_vec()));
    let own = served.satellite.peer_id();
    let signed = put("/dht?signed=a%20salt");
    assert_eq!(signed, Key::of_signed(&own, b"a salt").to_string());
    assert_eq!(get(&format!("/dht/{signed}")), (200, b"over http".to_vec()));
    for sealed in [
        put(&format!("/dht?sealed_for={own}")),
        put(&format!("/dht?signed=s&sealed_for={own}")),
    ] {
        assert_ne!(get(&format!("/dht/{sealed}")).1, b"over http");
        assert_eq!(
            get(&format!("/dht/{sealed}?open=1")),
            (200, b"over http".to_vec())
        );
    }
    assert_eq!(get(&format!("/dht/{plain}?open=1")).0, 400);
    for key in [plain, signed] {
        let (status, body) = served.call("DELETE", &format!("/dht/{key}"), b"");
        assert_eq!(
            (status, &body["nodes"]),
            (200, &serde_json::json!(2)),
            "{body}"
        );
        assert_eq!(get(&format!("/dht/{key}")).0, 404);
        assert_eq!(served.call("DELETE", &format!("/dht/{key}"), b"").0, 404);
    }
    for satellite in [&served.satellite, &other] {
        runtime.block_on(satellite.shutdown(limit)).unwrap();
    }
}

#[test]
fn the_satellite_itself_is_known_without_asking() {
    let served = Served::new();
    let peer = served.satellite.peer_id();
    let (status, body) = served.call("GET", &format!("/whois/{peer}"), b"");
    assert_eq!(status, 200);
    assert!(body["error"].is_null());
    assert_eq!(body["response"]["id"], peer.to_string());
    assert_eq!(
        peer.fingerprint(),
        format!("{peer}:{}", body["response"]["b2048"].as_str().unwrap())
    );
}

#[test]
fn errors_of_the_library_come_with_code_and_hint() {
    let served = Served::new();
    let (status, body) = served.post(
        "/write",
        &format!(r#"{{"destination":"{PEER}","namespace":"n","content":"c"}}"#),
    );
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("CLOSED")),
        "{body}"
    );
    assert!(body["error"].is_string() && body["hint"].is_string());
}

#[test]
fn more_connections_than_places_all_get_an_answer() {
    let served = Served::new();
    let idle: Vec<_> = (0..super::CONNECTIONS)
        .map(|_| TcpStream::connect(served.address).unwrap())
        .collect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| served.call("GET", "/peers", b""));
        drop(idle);
        assert_eq!(waiting.join().unwrap().0, 200);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_as_a_body_get_an_answer(body in proptest::collection::vec(any::<u8>(), 0..200), route in 0..3_usize) {
        let served = shared();
        let (status, answer) = served.call("POST", ["/write", "/broadcast", "/request"][route], &body);
        prop_assert_eq!(status, 400);
        prop_assert!(answer["error"].is_string());
    }

    #[test]
    fn any_bytes_as_a_request_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let served = shared();
        let mut stream = TcpStream::connect(served.address).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        // Whatever that was, the next call is served.
        prop_assert_eq!(served.call("GET", "/peers", b"").0, 200);
    }
}

fn shared() -> &'static Served {
    static SERVED: std::sync::LazyLock<Served> = std::sync::LazyLock::new(Served::new);
    &SERVED
}
