//! What is shared outlives the satellite, and files that one satellite keeps for others: each right, each limit, each break.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psfs_core::{
    Code, Config, Faults, FileInfo, GetOptions, KeepOptions, Op, PeerId, PutOptions, Query,
    Received, Root, Satellite, ShareOptions, Slow, TicketOptions, TokenOptions, TransferError,
};
use psfs_tests::{config, connected, pair, soon, start, stop, until};
use tempfile::TempDir;

use crate::files::{content, fill, folder, from, get, names, tree, two, write};

const MIB: usize = 1 << 20;

/// A server that keeps its data there, known to the client.
fn kept_in(rendezvous: &str, data: &TempDir) -> Config {
    config(rendezvous, 0).data_dir(data.path())
}

async fn find(satellite: &Satellite, query: Query) -> Vec<FileInfo> {
    let files = satellite.files();
    soon("found", files.find(query)).await.unwrap()
}

async fn put(
    client: &Satellite,
    server: &PeerId,
    path: &Path,
    options: PutOptions,
) -> Result<Received, TransferError> {
    let transfer = client.files().put(server, path, options).unwrap();
    soon("it is kept or refused", transfer.received()).await
}

fn token(server: &Satellite, options: TokenOptions) -> String {
    server.files().token(options).unwrap()
}

/// For all that anna may do.
fn annas(server: &Satellite) -> String {
    token(server, TokenOptions::new("anna"))
}

fn roots(found: &[FileInfo]) -> Vec<Root> {
    found.iter().map(|info| info.root).collect()
}

/// Started again, with the same data, and known to the client.
async fn again(config: Config, client: &Satellite) -> Satellite {
    let server = start(config.bootstrap(client.addresses()[0].clone())).await;
    until("both have the session", || {
        connected(&server, client) && connected(client, &server)
    })
    .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shared_is_shared_after_a_restart_unless_it_changed() {
    let (data, source, target) = (folder(), folder(), folder());
    let rendezvous = "keeping-restart";
    let (alice, bob) = pair(kept_in(rendezvous, &data), config(rendezvous, 1)).await;
    let small = write(&source, "small", b"hello");
    let changed = write(&source, "changed", &content(MIB + 3));
    let there = source.path().join("things");
    fill(&there);
    let files = alice.files();
    let mut kept = Vec::new();
    for (path, tag) in [(&small, "one"), (&changed, "two"), (&there, "two")] {
        let options = ShareOptions::default().tags(["all", tag]).sha256(true);
        let shared = soon("shared", files.share(path, options)).await.unwrap();
        kept.push(shared.root);
    }
    let secret = write(&source, "secret", &content(99));
    let guarded = ShareOptions::default().owner("anna").only_with_ticket(true);
    let secret = soon("shared", files.share(&secret, guarded))
        .await
        .unwrap()
        .root;
    stop(&[&alice]).await;
    drop(files);
    drop(alice);
    // As long as it was.
    let mut other = content(MIB + 3);
    other[MIB] ^= 1;
    fs::write(&changed, other).unwrap();

    let alice = again(kept_in(rendezvous, &data), &bob).await;
    until("they are shared again", || {
        alice.files().shared().len() == 3
    })
    .await;
    let found = find(&alice, Query::all()).await;
    assert_eq!(found.len(), 3, "anna's is hers");
    for info in &found {
        assert_eq!(info.path.is_some(), info.root != kept[1], "{info:?}");
    }
    let mut two = vec![kept[1], kept[2]];
    two.sort_unstable();
    assert_eq!(roots(&find(&alice, Query::tag("two")).await), two);
    assert_eq!(
        roots(&find(&alice, Query::tag("two").after(two[0])).await),
        two[1..]
    );
    assert_eq!(roots(&find(&alice, Query::name("small")).await), kept[..1]);
    assert_eq!(roots(&find(&alice, Query::root(kept[2])).await), kept[2..]);
    // By `sha256sum`.
    let digest = [
        0x2c, 0xf2, 0x4d, 0xba, 0x5f, 0xb0, 0xa3, 0x0e, 0x26, 0xe8, 0x3b, 0x2a, 0xc5, 0xb9, 0xe2,
        0x9e, 0x1b, 0x16, 0x1e, 0x5c, 0x1f, 0xa7, 0x42, 0x5e, 0x73, 0x04, 0x33, 0x62, 0x93, 0x8b,
        0x98, 0x24,
    ];
    let by_digest = find(&alice, Query::sha256(digest)).await;
    assert_eq!(roots(&by_digest), kept[..1]);
    assert_eq!(
        (&by_digest[0].tags[..], by_digest[0].size),
        (&["all".to_owned(), "one".to_owned()][..], 5)
    );

    let to = target.path().join("things");
    get(&bob, psfs_core::Wanted::folder(kept[2]), &to, from(&alice))
        .await
        .unwrap();
    assert_eq!(tree(&to), tree(&there));
    let hurry = || from(&alice).patience(Duration::from_millis(300));
    let error = get(&bob, kept[1], &target.path().join("x"), hurry())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not have it"), "{error}");
    let error = get(&bob, secret, &target.path().join("y"), hurry())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only with a ticket"), "{error}");

    let files = alice.files();
    files.tag(&kept[0], "new", None).await.unwrap();
    assert!(files.untag(&kept[0], "one", None).await.unwrap());
    assert!(!files.untag(&kept[0], "one", None).await.unwrap());
    assert_eq!(
        files.tags(None, None, 9).await.unwrap(),
        ["all", "new", "two"]
    );
    let error = files.tag(&secret, "new", None).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error = files.tag(&secret, "", Some("anna")).await.unwrap_err();
    assert_eq!(error.code(), Code::BadInput);
    for root in &kept {
        assert!(files.remove(root, None).await.unwrap());
        assert!(!files.remove(root, None).await.unwrap());
    }
    assert_eq!(
        roots(&find(&alice, Query::all().owner("anna")).await),
        [secret]
    );
    assert!(
        small.exists() && there.exists(),
        "what lies elsewhere stays"
    );
    let outlines: Vec<_> = fs::read_dir(data.path().join("outlines"))
        .unwrap()
        .collect();
    assert_eq!(outlines.len(), 1);
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_so_many_bytes_and_not_one_more() {
    let (data, source, target) = (folder(), folder(), folder());
    let rendezvous = "keeping-bytes";
    let (alice, bob) = pair(kept_in(rendezvous, &data), config(rendezvous, 1)).await;
    // More than is counted ahead, and no multiple of anything.
    let size = 21 * MIB + 77;
    let path = write(&source, "file", &content(size));
    let guarded = ShareOptions::default().only_with_ticket(true);
    let files = alice.files();
    let root = soon("shared", files.share(&path, guarded))
        .await
        .unwrap()
        .root;
    let ticket = |bytes| {
        let options = TicketOptions::default().bytes(bytes as u64);
        files.ticket(&root, options).unwrap()
    };
    let hurry = || GetOptions::default().patience(Duration::from_millis(300));
    let (exact, short) = (ticket(size), ticket(size - 1));
    let error = get(&bob, &short, &target.path().join("short"), hurry())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Refused, "{error}");
    assert!(error.to_string().contains("bytes, and"), "{error}");
    get(&bob, &exact, &target.path().join("exact"), hurry())
        .await
        .unwrap();
    let error = get(&bob, &exact, &target.path().join("more"), hurry())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Refused, "{error}");
    // Nor after a restart.
    let other = ticket(size + 10);
    get(&bob, &other, &target.path().join("other"), hurry())
        .await
        .unwrap();
    stop(&[&alice]).await;
    drop(files);
    drop(alice);
    let alice = again(kept_in(rendezvous, &data), &bob).await;
    until("it is shared again", || alice.files().shared().len() == 1).await;
    let error = get(
        &bob,
        &other,
        &target.path().join("third"),
        from(&alice).patience(Duration::from_millis(300)),
    )
    .await
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("{size} were moved already")),
        "{error}"
    );
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_its_owners_and_each_refusal_has_its_own_words() {
    let (data, source, target) = (folder(), folder(), folder());
    let rendezvous = "keeping-put";
    let (server, client) = pair(kept_in(rendezvous, &data), config(rendezvous, 1)).await;
    let there = server.peer_id();
    let bytes = content(3 * MIB + 5);
    let path = write(&source, "file", &bytes);
    let root = Root::of(&bytes);
    let all = annas(&server);
    let refused = async |token: &str, path: &Path| {
        put(&client, &there, path, PutOptions::new(token))
            .await
            .unwrap_err()
    };
    let error = refused(&all, &path).await;
    assert!(error.to_string().contains("keeps no files"), "{error}");
    let keep = KeepOptions::default()
        .quota(Some(5 * MIB as u64))
        .largest(4 * MIB as u64);
    server.files().keep(keep).await.unwrap();

    let tokens = [
        (token(&client, TokenOptions::new("anna")), "was issued by"),
        (
            token(&server, TokenOptions::new("anna").ops([Op::Read, Op::List])),
            "not write",
        ),
        (
            token(&server, TokenOptions::new("anna").holder(there)),
            "is for",
        ),
        (
            token(&server, TokenOptions::new("anna").root(Root::of(b"x"))),
            "is for",
        ),
        (
            token(&server, TokenOptions::new("anna").bytes(3 * MIB as u64)),
            "0 were moved",
        ),
        (String::new(), "needs a token"),
        ("nonsense".to_owned(), "not a token"),
    ];
    for (token, why) in tokens {
        let error = refused(&token, &path).await;
        assert!(matches!(error, TransferError::Token(_)), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let expired = token(&server, TokenOptions::new("anna").lifetime(Duration::ZERO));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let error = refused(&expired, &path).await;
    assert!(error.to_string().contains("expired"), "{error}");
    let large = write(&source, "large", &content(4 * MIB + 1));
    let error = refused(&all, &large).await;
    assert!(matches!(error, TransferError::TooLarge(_)), "{error:?}");
    assert_eq!(server.files().quota("anna").await.unwrap().reserved, 0);

    let options = PutOptions::new(&*all).name("letter").tags(["a", "b"]);
    let kept = put(&client, &there, &path, options.clone()).await.unwrap();
    assert_eq!((kept.root, kept.size), (root, bytes.len() as u64));
    assert!(
        client.files().shared().is_empty(),
        "it was lent for the moment"
    );
    let quota = server.files().quota("anna").await.unwrap();
    assert_eq!(
        (quota.used, quota.reserved, quota.files),
        (bytes.len() as u64, 0, 1)
    );
    assert_eq!(quota.limit, Some(5 * MIB as u64));
    let path_there = data.path().join("files").join(root.to_string());
    assert!(fs::read(&path_there).unwrap() == bytes);
    // Again costs nothing and comes at once.
    put(&client, &there, &path, options.tags(["c"]))
        .await
        .unwrap();
    assert_eq!(server.files().quota("anna").await.unwrap(), quota);
    let other = write(&source, "other", &content(3 * MIB));
    let error = refused(&all, &other).await;
    assert!(matches!(error, TransferError::Quota(_)), "{error:?}");
    assert!(
        error.to_string().contains("3145728 more do not fit"),
        "{error}"
    );

    let files = client.files();
    let found = files
        .remote_find(&there, &all, Query::tag("b"))
        .await
        .unwrap();
    assert_eq!((roots(&found), &*found[0].name), (vec![root], "letter"));
    assert_eq!(found[0].tags, ["a", "b", "c"]);
    assert_eq!(found[0].path, None);
    let bobs = token(&server, TokenOptions::new("bob"));
    assert!(
        files
            .remote_find(&there, &bobs, Query::all())
            .await
            .unwrap()
            .is_empty()
    );
    let hurry = || from(&server).patience(Duration::from_millis(300));
    let to = target.path().join("file");
    let error = get(&client, root, &to, hurry()).await.unwrap_err();
    assert_eq!(error.code(), Code::Refused, "{error}");
    let error = get(&client, root, &to, hurry().token(&*bobs))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not have it"), "{error}");
    let reads = token(&server, TokenOptions::new("anna").ops([Op::Read]));
    get(&client, root, &to, hurry().token(&*reads))
        .await
        .unwrap();
    assert!(fs::read(&to).unwrap() == bytes);
    let ticket = server
        .files()
        .ticket(&root, TicketOptions::default())
        .unwrap();
    get(&client, &ticket, &target.path().join("by ticket"), hurry())
        .await
        .unwrap();

    // Another owner has the same, who shows that he has it: it is there once.
    put(&client, &there, &path, PutOptions::new(&*bobs))
        .await
        .unwrap();
    let error = files
        .remote_remove(&there, &reads, &root)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not delete"), "{error}");
    assert!(files.remote_remove(&there, &all, &root).await.unwrap());
    assert!(!files.remote_remove(&there, &all, &root).await.unwrap());
    assert!(path_there.exists(), "bob still has it");
    assert!(files.remote_remove(&there, &bobs, &root).await.unwrap());
    assert_eq!(names(folder_of(&data)), Vec::<String>::new());
    assert_eq!(server.files().quotas(None, 9).await.unwrap(), []);
    let unknown = Root::of(b"unknown");
    assert!(!files.remote_remove(&there, &all, &unknown).await.unwrap());
    stop(&[&server, &client]).await;
}

/// Where files are kept.
fn folder_of(data: &TempDir) -> PathBuf {
    data.path().join("files")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_and_given_back() {
    let (data, source, target) = (folder(), folder(), folder());
    let rendezvous = "keeping-folder";
    let (server, client) = pair(kept_in(rendezvous, &data), config(rendezvous, 1)).await;
    server.files().keep(KeepOptions::default()).await.unwrap();
    let (there, all) = (server.peer_id(), annas(&server));
    let from_there = source.path().join("things");
    fill(&from_there);
    let kept = put(&client, &there, &from_there, PutOptions::new(&*all))
        .await
        .unwrap();
    assert!(kept.is_folder);
    stop(&[&server]).await;
    drop(server);
    let server = again(kept_in(rendezvous, &data), &client).await;
    until("it is there again", || server.files().shared().len() == 1).await;
    let to = target.path().join("things");
    let wanted = psfs_core::Wanted::folder(kept.root);
    get(&client, wanted, &to, from(&server).token(&*all))
        .await
        .unwrap();
    assert_eq!(tree(&to), tree(&from_there));
    assert!(
        client
            .files()
            .remote_remove(&there, &all, &kept.root)
            .await
            .unwrap()
    );
    assert_eq!(names(folder_of(&data)), Vec::<String>::new());
    stop(&[&server, &client]).await;
}

/// Makes the line so slow that an upload is seen in the middle.
fn slowly(faults: &Faults, a: &Satellite, b: &Satellite) {
    let slow = Slow::default().rate(4 * MIB as u64);
    faults.slow(&a.peer_id(), &b.peer_id(), slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_when_the_server_is_started_again() {
    let (data, source) = (folder(), folder());
    let rendezvous = "keeping-killed";
    let faults = Faults::new(5);
    let served = || kept_in(rendezvous, &data).faults(faults.clone());
    let client = config(rendezvous, 1).faults(faults.clone());
    let (server, client) = pair(served(), client).await;
    server.files().keep(KeepOptions::default()).await.unwrap();
    slowly(&faults, &server, &client);
    let bytes = content(24 * MIB);
    let path = write(&source, "file", &bytes);
    let (there, all) = (server.peer_id(), annas(&server));
    let mut transfer = client
        .files()
        .put(&there, &path, PutOptions::new(&*all))
        .unwrap();
    let before = loop {
        let progress = soon("it goes", transfer.advanced()).await.unwrap();
        if progress.bytes > 6 * MIB as u64 {
            break progress;
        }
    };
    assert!(before.bytes < before.size, "{before:?}");
    stop(&[&server]).await;
    drop(server);
    faults.heal_all();
    let server = again(served(), &client).await;
    let quota = server.files().quota("anna").await.unwrap();
    assert_eq!((quota.used, quota.reserved), (0, bytes.len() as u64));
    let state = format!("{}.part.state", Root::of(&bytes));
    assert!(
        names(folder_of(&data)).contains(&state),
        "what came is there"
    );
    server.files().keep(KeepOptions::default()).await.unwrap();
    let kept = soon("it is kept", transfer.received()).await.unwrap();
    assert!(fs::read(folder_of(&data).join(kept.root.to_string())).unwrap() == bytes);
    let quota = server.files().quota("anna").await.unwrap();
    assert_eq!((quota.used, quota.reserved), (bytes.len() as u64, 0));
    stop(&[&server, &client]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_given_up_and_a_lower_quota_ends_what_comes() {
    let (data, source) = (folder(), folder());
    let rendezvous = "keeping-expires";
    let faults = Faults::new(6);
    let served = kept_in(rendezvous, &data).faults(faults.clone());
    let client = config(rendezvous, 1).faults(faults.clone());
    let (server, client) = pair(served, client).await;
    let short = KeepOptions::default().lifetime(Duration::from_secs(1));
    server.files().keep(short).await.unwrap();
    slowly(&faults, &server, &client);
    let path = write(&source, "file", &content(24 * MIB));
    let (there, all) = (server.peer_id(), annas(&server));
    let begin = async || {
        let options = PutOptions::new(&*all);
        let mut transfer = client.files().put(&there, &path, options).unwrap();
        while soon("it goes", transfer.advanced()).await.unwrap().bytes == 0 {}
        transfer
    };
    let transfer = begin().await;
    let quota = server.files().quota("anna").await.unwrap();
    assert_eq!((quota.reserved, quota.uploads), (24 * MIB as u64, 1));
    drop(transfer);
    // Came whole and became nobody's, and what is not the satellite's.
    let orphan = folder_of(&data).join(Root::of(b"orphan").to_string());
    fs::write(orphan, b"orphan").unwrap();
    fs::write(folder_of(&data).join("notes.txt"), b"mine").unwrap();
    let files = server.files();
    let given_up = async {
        loop {
            let quota = files.quota("anna").await.unwrap();
            if quota.reserved == 0 && names(folder_of(&data)) == ["notes.txt"] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("it is given up", given_up).await;

    let transfer = begin().await;
    files.set_quota("anna", Some(MIB as u64)).await.unwrap();
    let error = soon("it is refused", transfer.received())
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::Quota(_)), "{error:?}");
    assert_eq!(files.quota("anna").await.unwrap().reserved, 0);
    stop(&[&server, &client]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_reached_is_named() {
    let (alice, bob) = two("keeping-away").await;
    let source = folder();
    let path = write(&source, "file", b"hello");
    let error = bob.files().keep(KeepOptions::default()).await.unwrap_err();
    assert_eq!(
        error.code(),
        Code::BadInput,
        "without a data folder: {error}"
    );
    let there = alice.peer_id();
    stop(&[&alice]).await;
    let options = PutOptions::new("x").patience(Duration::from_millis(300));
    let error = put(&bob, &there, &path, options).await.unwrap_err();
    assert!(
        matches!(error, TransferError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(&there.to_string()), "{error}");
    let error = bob
        .files()
        .remote_find(&there, "x", Query::all())
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransferError::Unreachable { .. }),
        "{error:?}"
    );
    stop(&[&bob]).await;
}
