//! Files over the HTTP API: up in pieces by tus, down in ranges.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use psfs_core::{Root, Ticket};
use serde_json::Value;

use super::support::{PATIENCE, Up, rendezvous};
use super::{Place, content, get, parsed};

/// What an answer's head says of a name.
fn field(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

fn status_of(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

const TUS: &str = "Tus-Resumable: 1.0.0\r\n";

/// A call of the tus protocol: status, head and body.
fn tus(up: &Up, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let headers = format!("{TUS}{headers}");
    let (head, body) = up.heard(method, path, &headers, body);
    (status_of(&head), head, body)
}

fn patch(up: &Up, path: &str, offset: usize, body: &[u8]) -> (u16, String, Vec<u8>) {
    let headers =
        format!("Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n");
    tus(up, "PATCH", path, &headers, body)
}

/// Begins an upload of so many bytes, of the name `notes`, with two tags.
fn begin(up: &Up, length: usize) -> String {
    let headers = format!(
        "Upload-Length: {length}\r\nUpload-Metadata: filename bm90ZXM=,tags d29yawoyMDI2\r\n"
    );
    let (status, head, _) = tus(up, "POST", "/uploads", &headers, b"");
    assert_eq!(status, 201, "{head}");
    field(&head, "Location").unwrap()
}

#[test]
fn an_upload_goes_on_where_it_broke_off_and_is_shared_at_its_end() {
    let place = Place::new("tus");
    let up = Up::start(&place.rendezvous, &[]);
    let bytes = content((3 << 20) + 7);
    let path = begin(&up, bytes.len());
    let (status, head, _) = tus(&up, "OPTIONS", "/uploads", "", b"");
    assert_eq!(
        (status, field(&head, "Tus-Version").as_deref()),
        (204, Some("1.0.0"))
    );

    let (status, head, _) = patch(&up, &path, 0, &bytes[..1 << 20]);
    assert_eq!(
        (status, field(&head, "Upload-Offset")),
        (204, Some((1 << 20).to_string())),
        "{head}"
    );
    // A call that breaks off in its body: what came is kept.
    let mut stream = TcpStream::connect(&up.api).unwrap();
    write!(
        stream,
        "PATCH {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{TUS}Content-Type: application/offset+octet-stream\r\nUpload-Offset: {}\r\nContent-Length: {}\r\n\r\n",
        up.api,
        up.token(),
        1 << 20,
        bytes.len() - (1 << 20),
    )
    .unwrap();
    stream.write_all(&bytes[1 << 20..2 << 20]).unwrap();
    drop(stream);
    // How much of it the system had handed over is not for sure; that it ends is.
    let mut waited = Duration::ZERO;
    let here = loop {
        let (_, head, _) = tus(&up, "HEAD", &path, "", b"");
        let here: usize = field(&head, "Upload-Offset").unwrap().parse().unwrap();
        assert_eq!(
            field(&head, "Upload-Length").unwrap(),
            bytes.len().to_string()
        );
        // Another call may not send while that one is not over.
        let (status, head, body) = patch(&up, &path, here, &bytes[here..]);
        match status {
            204 => break (head, here),
            409 | 423 => {
                assert!(waited < PATIENCE, "{head}");
                sleep(Duration::from_millis(5));
                waited += Duration::from_millis(5);
            }
            _ => panic!("{head}{}", String::from_utf8_lossy(&body)),
        }
    };
    let (head, here) = here;
    assert!(here >= 1 << 20);
    let root = field(&head, "Psfs-Root").unwrap();
    assert_eq!(root, Root::of(&bytes).to_string());
    let (_, head_again, _) = tus(&up, "HEAD", &path, "", b"");
    assert_eq!(field(&head_again, "Psfs-Root").unwrap(), root);
    assert_eq!(
        field(&head_again, "Upload-Offset").unwrap(),
        bytes.len().to_string()
    );

    // Somebody else gets it by the ticket.
    let text = field(&head, "Psfs-Ticket").unwrap();
    let ticket: Ticket = text.parse().unwrap();
    assert_eq!(ticket.name(), Some("notes"));
    let to = place.here("notes");
    let address = up.address.clone();
    get(&text, &to, &["--peer", &address]).worked();
    assert_eq!(fs::read(&to).unwrap(), bytes);
    // And over HTTP, also in parts.
    let (head, body) = up.heard("GET", &format!("/files/{root}"), "", b"");
    assert_eq!((status_of(&head), &body), (200, &bytes));
    let (head, body) = up.heard(
        "GET",
        &format!("/files/{root}"),
        "Range: bytes=1500000-\r\n",
        b"",
    );
    assert_eq!(status_of(&head), 206);
    assert_eq!(
        field(&head, "Content-Range").unwrap(),
        format!("bytes 1500000-{}/{}", bytes.len() - 1, bytes.len())
    );
    assert_eq!(body, bytes[1_500_000..]);
    let (head, body) = up.heard("HEAD", &format!("/files/{root}"), "", b"");
    assert_eq!((status_of(&head), body.len()), (200, 0));
    assert_eq!(
        field(&head, "Content-Length").unwrap(),
        bytes.len().to_string()
    );
    let (head, _) = up.heard(
        "GET",
        &format!("/files/{root}"),
        "Range: bytes=9999999-\r\n",
        b"",
    );
    assert_eq!(status_of(&head), 416);

    let (head, _) = up.heard("DELETE", &format!("/files/{root}"), "", b"");
    assert_eq!(status_of(&head), 200);
    let (head, _) = up.heard("GET", &format!("/files/{root}"), "", b"");
    assert_eq!(status_of(&head), 404);
    assert_eq!(
        fs::read_dir(up.data_dir().join("uploaded"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_file_that_is_changed_ends_the_download_and_never_as_a_whole_one() {
    let up = Up::start(&rendezvous("tus-changed"), &[]);
    let bytes = content(2 << 20);
    let path = begin(&up, bytes.len());
    let (_, head, _) = patch(&up, &path, 0, &bytes);
    let root = field(&head, "Psfs-Root").unwrap();
    let id = path.rsplit('/').next().unwrap();
    let file = up.data_dir().join("uploaded").join(id).join("notes");
    let mut changed = bytes.clone();
    changed[1 << 20] ^= 1;
    fs::write(&file, &changed).unwrap();
    let (head, body) = up.heard("GET", &format!("/files/{root}"), "", b"");
    assert_eq!(status_of(&head), 200);
    assert_eq!(
        body,
        bytes[..1 << 20],
        "what was right, and then the connection ends"
    );
}

#[test]
fn what_is_no_upload_is_told_so() {
    let up = Up::start(&rendezvous("tus-bad"), &[]);
    let path = begin(&up, 10);
    let sent = |method: &str, path: &str, headers: &str, body: &[u8]| {
        let (status, _, body) = tus(&up, method, path, headers, body);
        if !body.is_empty() {
            let told: Value = parsed(std::str::from_utf8(&body).unwrap());
            assert!(told["error"].is_string(), "{told}");
        }
        status
    };
    let kind = "Content-Type: application/offset+octet-stream\r\n";
    let at = |offset: &str| format!("{kind}Upload-Offset: {offset}\r\n");
    for (method, path, headers, body, expected) in [
        ("POST", "/uploads", "".to_owned(), &b""[..], 400),
        ("POST", "/uploads", "Upload-Length: -1\r\n".into(), b"", 400),
        (
            "POST",
            "/uploads",
            "Upload-Length: 99999999999999999\r\n".into(),
            b"",
            413,
        ),
        (
            "POST",
            "/uploads",
            "Upload-Length: 1\r\nUpload-Metadata: filename Li4=\r\n".into(),
            b"",
            400,
        ),
        (
            "POST",
            "/uploads",
            "Upload-Length: 1\r\nUpload-Metadata: filename YS9i\r\n".into(),
            b"",
            400,
        ),
        (
            "POST",
            "/uploads",
            "Upload-Length: 1\r\nUpload-Metadata: filename *\r\n".into(),
            b"",
            400,
        ),
        ("PATCH", &path, at("1"), b"x", 409),
        ("PATCH", &path, at("0"), b"more than ten", 413),
        ("PATCH", &path, "Upload-Offset: 0\r\n".into(), b"x", 415),
        ("PATCH", &path, at("zero"), b"x", 400),
        (
            "PATCH",
            "/uploads/00000000000000000000000000000000",
            at("0"),
            b"x",
            404,
        ),
        ("PATCH", "/uploads/..%2fapi.token", at("0"), b"x", 404),
        ("HEAD", "/uploads/x", String::new(), b"", 404),
        ("DELETE", "/uploads/x", String::new(), b"", 404),
    ] {
        assert_eq!(
            sent(method, path, &headers, body),
            expected,
            "{method} {path} {headers}"
        );
    }
    // What is not tus.
    let (status, _) = up.exchange("POST", "/uploads", "Upload-Length: 1\r\n", b"");
    assert_eq!(status, 412);
    // What broke off above is as it was, and can be ended.
    assert_eq!(sent("PATCH", &path, &at("0"), b"0123"), 204);
    assert_eq!(sent("DELETE", &path, "", b""), 204);
    assert_eq!(sent("HEAD", &path, "", b""), 404);
    for (path, expected) in [
        ("/files/x", 400),
        (&*format!("/files/{}", "0".repeat(64)), 404),
    ] {
        assert_eq!(up.exchange("GET", path, "", b"").0, expected);
        assert!(up.exchange("DELETE", path, "", b"").0 >= 400);
    }
    // An empty file is whole at once.
    let (status, head, _) = tus(&up, "POST", "/uploads", "Upload-Length: 0\r\n", b"");
    assert_eq!(
        (status, field(&head, "Psfs-Root").unwrap()),
        (201, Root::of(b"").to_string())
    );
    let root = field(&head, "Psfs-Root").unwrap();
    assert_eq!(
        up.exchange("GET", &format!("/files/{root}"), "", b""),
        (200, Vec::new())
    );
}
