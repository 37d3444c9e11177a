//! Before a session is open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use psfs_tests::{PATIENCE, key, until};

use crate::raw::{Raw, varint};
use crate::siege::Siege;
use crate::wire::{Kind, MESSAGE, Packet, RSA};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_garbage_on_the_bare_socket() {
    let siege = Siege::begin("socket", |config| config).await;
    let address = siege.victim.addresses()[0].clone();
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let closed = tokio::task::spawn_blocking(move || {
        for garbage in [&[0xff; 5000][..], b"GET / HTTP/1.1\r\n\r\n", &[0; 5000]] {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let _hung_up = socket.write_all(garbage);
            // What is said before it hangs up does not matter; that it does, does.
            let mut rest = Vec::new();
            if let Err(error) = socket.read_to_end(&mut rest) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
    });
    closed.await.unwrap();
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_garbage_instead_of_a_hello() {
    let siege = Siege::begin("garbage", |config| config).await;
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.write(&[0xff; 4096]).await;
    siege
        .refuses(&mut raw, "malformed frame: a frame over")
        .await;
    let mut raw = Raw::connect(&siege.victim, 3).await;
    raw.write_frame(b"\x0a\x7fHello, in some way").await;
    siege
        .refuses(&mut raw, "malformed frame: a frame that cannot be read")
        .await;
    assert_eq!(siege.victim.stats().violations, 2);
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_frame_of_2_to_the_60_bytes() {
    let mut siege = Siege::begin("2^60", |config| config).await;
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.write(&varint(1 << 60)).await;
    siege
        .refuses(&mut raw, "malformed frame: a frame over")
        .await;
    let mut raw = Raw::session(&siege.victim, 3, RSA).await;
    raw.write(&varint(1 << 60)).await;
    siege.ends(&mut raw, "malformed frame: a frame over").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_auth_with_a_wrong_key() {
    let siege = Siege::begin("auth", |config| config).await;
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.greet().await;
    // A good signature over the right bytes, by somebody else.
    raw.identity = key(3);
    let auth = raw.auth();
    raw.send(Kind::Auth(auth)).await;
    siege
        .refuses(&mut raw, "the signature in Auth is wrong")
        .await;

    // Of the right key, for another session.
    let mut raw = Raw::connect(&siege.victim, 4).await;
    raw.greet().await;
    raw.agreed.as_mut().unwrap().session[0] ^= 1;
    let auth = raw.auth();
    raw.send(Kind::Auth(auth)).await;
    siege
        .refuses(&mut raw, "the signature in Auth is wrong")
        .await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_packets_before_auth() {
    let siege = Siege::begin("early", |config| config).await;
    let mut messages = siege
        .victim
        .subscribe(psfs_core::PacketType::Message, "early")
        .unwrap();
    let packet = [Packet::new(MESSAGE, "early", "let me in")];
    let mut raw = Raw::connect(&siege.victim, 2).await;
    raw.greet().await;
    raw.packets(&packet).await;
    siege
        .refuses(&mut raw, "a frame came before Hello and Auth were done")
        .await;

    let mut raw = Raw::connect(&siege.victim, 3).await;
    let auth = crate::wire::Auth {
        signature: vec![0; 256].into(),
        membership: Bytes::new(),
    };
    raw.send(Kind::Auth(auth)).await;
    siege.refuses(&mut raw, "Auth before Hello").await;

    // The packets go right behind a good Hello and a wrong Auth.
    let mut raw = Raw::connect(&siege.victim, 4).await;
    raw.greet().await;
    let mut auth = raw.auth();
    auth.signature = vec![1; 256].into();
    raw.send(Kind::Auth(auth)).await;
    raw.packets(&packet).await;
    siege
        .refuses(&mut raw, "the signature in Auth is wrong")
        .await;
    assert!(
        tokio::time::timeout(Duration::from_millis(100), messages.next())
            .await
            .is_err(),
        "a packet got through"
    );
    siege.unnoticed().await;
}

/// What is wrong with a Hello.
type Change = fn(&mut crate::wire::Hello);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_hellos_that_cannot_be_are_refused_with_the_reason() {
    let siege = Siege::begin("hellos", |config| config).await;
    let table: [(&str, Change); 8] = [
        ("no common version", |hello| hello.versions = vec![1, 3]),
        ("no common version", |hello| hello.versions = vec![2; 1000]),
        ("another network", |hello| {
            hello.network = vec![1; 32].into()
        }),
        ("a nonce has 32 bytes", |hello| {
            hello.nonce = vec![1; 31].into()
        }),
        ("not that of the connection's peer", |hello| {
            hello.key = Bytes::copy_from_slice(key(1).public_key().as_der());
        }),
        ("unknown signing policy", |hello| hello.policy = 77),
        ("Hello without limits", |hello| hello.limits = None),
        // Policy EVERY without the key that is to sign.
        ("Hello without delegation", |hello| {
            hello.policy = crate::wire::EVERY
        }),
    ];
    for (number, (reason, change)) in table.into_iter().enumerate() {
        let mut raw = Raw::connect(&siege.victim, 2 + number).await;
        change(&mut raw.hello);
        raw.greet().await;
        siege.refuses(&mut raw, reason).await;
    }
    let mut raw = Raw::connect(&siege.victim, 20).await;
    raw.greet().await;
    let hello = raw.hello.clone();
    raw.send(Kind::Hello(hello)).await;
    siege.refuses(&mut raw, "a second Hello").await;
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_half_a_frame_and_silence() {
    // Silence by itself ends a session as well; here it is to be patient for longer than half a content is.
    let patient = Duration::from_secs(120);
    let mut siege = Siege::begin("silence", |config| config.ping(patient, patient)).await;
    // All wait at the same time: before a Hello, before an Auth, in a frame, in a content.
    let mut nothing = Raw::connect(&siege.victim, 2).await;
    let mut half_hello = Raw::connect(&siege.victim, 3).await;
    half_hello.write(&[200, 1, 1, 2, 3]).await;
    let mut no_auth = Raw::connect(&siege.victim, 4).await;
    no_auth.greet().await;
    let mut half_frame = Raw::session(&siege.victim, 5, RSA).await;
    half_frame.write(&[200, 1, 1, 2, 3]).await;
    let mut half_content = Raw::session(&siege.victim, 6, RSA).await;
    let part = Packet {
        parts: 3,
        ..Packet::new(MESSAGE, "half", vec![0; 1000])
    };
    half_content.packets(&[part]).await;
    until("the part is held", || {
        siege.victim.stats().held_bytes >= 1000
    })
    .await;

    for raw in [&mut nothing, &mut half_hello, &mut no_auth] {
        siege.refuses(raw, " within ").await;
    }
    for raw in [&mut half_frame, &mut half_content] {
        siege
            .ends(raw, "half a frame or content, and then nothing for 30s")
            .await;
    }
    until("nothing of it is held", || {
        siege.victim.stats().held_bytes == 0
    })
    .await;
    siege.unnoticed().await;
}
