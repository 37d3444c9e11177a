//! Bad input at the start and in calls: each has its own clear error.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use psfs_core::error::{NamespaceError, SendError, StartError};
use psfs_core::{
    BroadcastOptions, Code, Config, Error, PacketType, RequestOptions, Satellite, SendOptions,
};
use psfs_tests::{config, key, pair, soon, start, stop};

fn refused(config: Config) -> (Code, String) {
    let error = Satellite::new(config).expect_err("it must be refused");
    (error.code(), error.to_string())
}

fn base() -> Config {
    Config::new("bad input").mdns(false).listen("127.0.0.1:0")
}

#[test]
fn bad_input_options_are_refused_by_name() {
    let own = || base().identity(key(0));
    let table: [(&str, Config); 11] = [
        ("secret", own().secret("")),
        ("content_limit", own().content_limit(0)),
        ("message_window", own().message_window(1024)),
        ("reply_window", own().reply_window(usize::MAX)),
        ("open_requests", own().open_requests(0)),
        ("queue_limit", own().queue_limit(0)),
        ("memory_limit", own().memory_limit(1)),
        (
            "content_limit (4194304)",
            own().memory_limit((8 << 20) - 1).content_limit(4 << 20),
        ),
        ("peers_low", own().peers(9, 8)),
        ("connections", own().connections(0, 1)),
        ("ping", own().ping(Duration::ZERO, Duration::from_secs(1))),
    ];
    for (option, config) in table {
        let (code, text) = refused(config);
        assert_eq!(code, Code::BadInput, "{text}");
        assert!(text.contains(option), "{text}");
    }
    for (address, config) in [
        ("bad", own().listen("bad")),
        ("/tcp/1", own().bootstrap("/tcp/1")),
    ] {
        let (code, text) = refused(config);
        assert_eq!(code, Code::BadAddress, "{text}");
        assert!(text.contains(address), "{text}");
    }
    for rendezvous in ["", "a\0b", &"x".repeat(256)] {
        assert_eq!(refused(own().rendezvous(rendezvous)).0, Code::BadNamespace);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_namespaces_are_refused_everywhere() {
    let (ada, bob) = pair(config("names", 0), config("names", 1)).await;
    let peer = bob.peer_id();
    let long = "é".repeat(128);
    for (namespace, error) in [
        ("", NamespaceError::Empty),
        (&*long, NamespaceError::Long(256)),
        ("a\0b", NamespaceError::Nul),
    ] {
        let expected = SendError::Namespace(error);
        assert_eq!(
            ada.send(&peer, namespace, "", SendOptions::default()).await,
            Err(expected.clone())
        );
        assert_eq!(
            ada.broadcast(namespace, "", BroadcastOptions::default())
                .await,
            Err(expected)
        );
        let codes = [
            ada.request(&peer, namespace, "", RequestOptions::default())
                .await
                .unwrap_err()
                .code(),
            ada.seek(namespace, "", RequestOptions::default())
                .unwrap_err()
                .code(),
            ada.subscribe(PacketType::Message, namespace)
                .unwrap_err()
                .code(),
            ada.on(PacketType::Request, namespace, |_| {})
                .unwrap_err()
                .code(),
        ];
        assert_eq!(codes, [Code::BadNamespace; 4]);
    }
    // The longest there is.
    let longest = "x".repeat(255);
    let mut messages = bob.subscribe(PacketType::Message, &longest).unwrap();
    ada.send(&peer, &longest, "", SendOptions::default())
        .await
        .unwrap();
    assert_eq!(
        soon("it arrives", messages.next())
            .await
            .unwrap()
            .namespace(),
        longest
    );
    for packet_type in [
        PacketType::Internal,
        PacketType::Response,
        PacketType::EndResponse,
    ] {
        assert_eq!(
            ada.subscribe(packet_type, "n").unwrap_err().code(),
            Code::BadInput
        );
    }
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_contents_over_the_limit_name_the_limit() {
    let (ada, bob) = pair(
        config("over", 0).content_limit(9000),
        config("over", 1).content_limit(5000),
    )
    .await;
    let send = async |size: usize| {
        ada.send(&bob.peer_id(), "n", vec![0; size], SendOptions::default())
            .await
    };
    let error = |size, limit, whose| Err(SendError::TooLarge { size, limit, whose });
    assert_eq!(send(9001).await, error(9001, 9000, "this satellite's"));
    assert_eq!(send(5001).await, error(5001, 5000, "the peer's"));
    assert_eq!(send(5000).await, Ok(()));
    let confirmed = SendOptions::default().confirmed(true);
    assert_eq!(
        ada.send(&bob.peer_id(), "n", vec![0; 5001], confirmed)
            .await,
        error(5001, 5000, "the peer's")
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_a_port_in_use_is_named_and_the_start_can_be_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let satellite = Satellite::new(
        Config::new("port")
            .identity(key(0))
            .mdns(false)
            .listen(address.to_string()),
    )
    .unwrap();
    let error = satellite.start().await.unwrap_err();
    assert_eq!(error.code(), Code::AddressInUse);
    assert!(
        error.to_string().contains(&address.port().to_string()),
        "{error}"
    );
    drop(taken);
    satellite.start().await.unwrap();
    assert!(satellite.addresses()[0].contains(&address.port().to_string()));

    // Another satellite on the same port is no exception.
    let other = Satellite::new(
        Config::new("port")
            .identity(key(1))
            .mdns(false)
            .listen(address.to_string()),
    )
    .unwrap();
    assert_eq!(other.start().await.unwrap_err().code(), Code::AddressInUse);
    stop(&[&satellite, &other]).await;
}

#[test]
fn bad_input_an_empty_path_is_not_the_working_folder() {
    for (config, option) in [
        (base().data_dir(""), "data_dir"),
        (base().identity_file(""), "identity_file"),
    ] {
        let error = Satellite::new(config).unwrap_err();
        assert!(error.to_string().contains(option), "{error}");
        assert_eq!(error.code(), Code::BadInput);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_a_data_folder_in_use_names_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(base().data_dir(folder.path())).await;
    let error = Satellite::new(base().data_dir(folder.path())).unwrap_err();
    assert_eq!(error.code(), Code::DataDirInUse);
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    stop(&[&first]).await;
    let again = Satellite::new(base().data_dir(folder.path())).unwrap();
    assert_eq!(again.peer_id(), first.peer_id());
}

#[test]
fn bad_input_a_data_folder_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    // Also for root, whom no mode keeps out: there is no folder below a file, and none in /proc.
    for path in [file.join("below"), file, Path::new("/proc/psfs").into()] {
        let (code, text) = refused(base().identity(key(0)).data_dir(&path));
        assert_eq!(code, Code::DataDir, "{text}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

/// What it is, the file and its mode, the passphrase given, what is said.
type Sample<'a> = (&'a str, &'a [u8], u32, Option<&'a str>, Code);

#[test]
fn bad_input_key_files_each_have_their_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let with_mode = |text: &[u8], mode| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        base().identity_file(&path)
    };
    let good = key(0).to_pem(None).unwrap();
    let protected = key(0).to_pem(Some("right")).unwrap();
    let samples: [Sample; 8] = [
        (
            "world-readable",
            good.as_bytes(),
            0o644,
            None,
            Code::KeyPermissions,
        ),
        (
            "truncated",
            &good.as_bytes()[..good.len() / 2],
            0o600,
            None,
            Code::BadKey,
        ),
        ("empty", b"", 0o600, None, Code::BadKey),
        (
            "no key at all",
            b"\xff\xfe garbage",
            0o600,
            None,
            Code::BadKey,
        ),
        (
            "of 1024 bits",
            include_bytes!("../../../core/src/identity/samples/rsa-1024.pem"),
            0o600,
            None,
            Code::KeyKind,
        ),
        (
            "Ed25519",
            include_bytes!("../../../core/src/identity/samples/ed25519.pem"),
            0o600,
            None,
            Code::KeyKind,
        ),
        (
            "protected",
            protected.as_bytes(),
            0o600,
            None,
            Code::Passphrase,
        ),
        (
            "wrong passphrase",
            protected.as_bytes(),
            0o600,
            Some("wrong"),
            Code::Passphrase,
        ),
    ];
    for (what, text, mode, passphrase, code) in samples {
        let mut config = with_mode(text, mode);
        if let Some(passphrase) = passphrase {
            config = config.passphrase(passphrase);
        }
        let (found, message) = refused(config);
        assert_eq!(found, code, "{what}: {message}");
        assert!(
            message.contains(path.to_str().unwrap()) || code == Code::KeyKind,
            "{what}: {message}"
        );
    }
    let opened =
        Satellite::new(with_mode(protected.as_bytes(), 0o600).passphrase("right")).unwrap();
    assert_eq!(opened.peer_id(), key(0).peer_id());
    // A folder cannot be read as a file, whoever asks.
    let (code, text) = refused(base().identity_file(folder.path()));
    assert_eq!(code, Code::Io, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_starting_twice_and_calls_before_start_and_after_shutdown() {
    let (ada, bob) = pair(config("over and out", 0), config("over and out", 1)).await;
    let peer = bob.peer_id();
    assert!(matches!(
        ada.start().await,
        Err(StartError::Twice("started"))
    ));

    let unborn = Satellite::new(config("over and out", 2)).unwrap();
    assert!(!unborn.is_running() && unborn.addresses().is_empty());
    assert_eq!(codes(&unborn, &peer).await, [Code::Closed; 7]);
    // Handlers may be registered before the start.
    unborn.subscribe(PacketType::Message, "n").unwrap();
    unborn.shutdown(Duration::from_secs(5)).await.unwrap();

    let mut messages = ada.subscribe(PacketType::Message, "n").unwrap();
    let mut events = ada.peer_events().unwrap();
    for _twice in 0..2 {
        ada.shutdown(Duration::from_secs(5)).await.unwrap();
        assert!(!ada.is_running());
        assert_eq!(codes(&ada, &peer).await, [Code::Closed; 7]);
    }
    assert!(matches!(
        ada.start().await,
        Err(StartError::Twice("shut down"))
    ));
    assert_eq!(
        ada.subscribe(PacketType::Message, "n").unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(
        ada.on(PacketType::Message, "n", |_| {}).unwrap_err().code(),
        Code::Closed
    );
    assert_eq!(ada.peer_events().unwrap_err().code(), Code::Closed);
    assert!(soon("streams end", messages.next()).await.is_none());
    while soon("streams end", events.next()).await.is_some() {}
    assert_eq!((ada.connected_count(), ada.stats().peers_connected), (0, 0));
    stop(&[&bob]).await;
}

/// What every call says.
async fn codes(satellite: &Satellite, peer: &psfs_core::PeerId) -> [Code; 7] {
    let code = |error: Error| error.code();
    [
        code(
            satellite
                .send(peer, "n", "", SendOptions::default())
                .await
                .unwrap_err()
                .into(),
        ),
        code(
            satellite
                .send(peer, "n", "", SendOptions::default().confirmed(true))
                .await
                .unwrap_err()
                .into(),
        ),
        code(
            satellite
                .request(peer, "n", "", RequestOptions::default())
                .await
                .unwrap_err()
                .into(),
        ),
        code(
            satellite
                .seek("n", "", RequestOptions::default())
                .unwrap_err()
                .into(),
        ),
        code(
            satellite
                .broadcast("n", "", BroadcastOptions::default())
                .await
                .unwrap_err()
                .into(),
        ),
        code(
            satellite
                .connect("127.0.0.1:1", Duration::from_secs(1))
                .await
                .unwrap_err()
                .into(),
        ),
        code(satellite.disconnect(peer).await.unwrap_err().into()),
    ]
}
