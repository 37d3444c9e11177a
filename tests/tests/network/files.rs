//! Files between whole satellites: what is shared arrives whole, and each bad input has its own error.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psfs_core::{
    Code, GetOptions, Received, Root, Satellite, ShareOptions, Ticket, TicketOptions,
    TransferError, Wanted,
};
use psfs_tests::{config, pair, soon, start, stop};
use tempfile::TempDir;

/// A peer id that is well formed, and nobody's here.
const STRANGER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

/// Bytes that are nowhere alike.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let mut state = size as u64 | 1;
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let fresh = state.to_le_bytes();
        chunk.copy_from_slice(&fresh[..chunk.len()]);
    }
    bytes
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn write(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

pub(crate) async fn two(rendezvous: &str) -> (Satellite, Satellite) {
    pair(config(rendezvous, 0), config(rendezvous, 1)).await
}

pub(crate) async fn get(
    satellite: &Satellite,
    wanted: impl Into<Wanted>,
    to: &Path,
    options: GetOptions,
) -> Result<Received, TransferError> {
    let transfer = satellite.files().get(wanted, to, options).unwrap();
    soon("the file is here", transfer.received()).await
}

pub(crate) async fn share(satellite: &Satellite, path: &Path) -> Root {
    let files = satellite.files();
    let shared = files.share(path, ShareOptions::default());
    soon("it is shared", shared).await.unwrap().root
}

pub(crate) fn from(satellite: &Satellite) -> GetOptions {
    GetOptions::default().sources([satellite.peer_id()])
}

pub(crate) fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.as_ref())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_arrive_whole() {
    let (alice, bob) = two("files-sizes").await;
    let (source, target) = (folder(), folder());
    for size in [
        0,
        1,
        1024,
        16 << 10,
        (16 << 10) + 1,
        1 << 20,
        (1 << 20) + 1,
        (5 << 20) + 77,
        40 << 20,
    ] {
        let bytes = content(size);
        let path = write(&source, "file", &bytes);
        let root = share(&alice, &path).await;
        assert_eq!(root, Root::of(&bytes));
        let to = target.path().join(format!("file{size}"));
        let received = get(&bob, root, &to, from(&alice)).await.unwrap();
        assert_eq!((received.size, &received.path), (size as u64, &to));
        assert!(fs::read(&to).unwrap() == bytes, "{size}");
        assert!(
            bob.files().remove(&root, None).await.unwrap(),
            "who got it shares it"
        );
    }
    assert!(
        names(&target).iter().all(|name| !name.contains("part")),
        "{:?}",
        names(&target)
    );
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_goes_on_from_there() {
    let (alice, bob) = two("files-resume").await;
    let (source, target) = (folder(), folder());
    let bytes = content(48 << 20);
    let path = write(&source, "file", &bytes);
    let root = share(&alice, &path).await;
    let to = target.path().join("file");
    let mut transfer = bob.files().get(root, &to, from(&alice)).unwrap();
    let before = loop {
        let progress = soon("it comes", transfer.advanced()).await.unwrap();
        if progress.bytes > 0 {
            break progress;
        }
    };
    drop(transfer);
    // The first one, which still writes down what came, is waited for; and patience may be without end.
    let again = get(&bob, root, &to, from(&alice).patience(Duration::MAX)).await;
    assert_eq!(again.unwrap().size, before.size);
    assert!(fs::read(&to).unwrap() == bytes);
    assert_eq!(names(&target), ["file"]);
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_has_its_own_error() {
    let (alice, bob) = two("files-bad").await;
    let (source, target) = (folder(), folder());
    let files = alice.files();
    let none = source.path().join("none");
    let error = files
        .share(&none, ShareOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::BadInput);
    assert!(error.to_string().contains("no such file"), "{error}");
    let error = files
        .share("/dev/null", ShareOptions::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a device"), "{error}");

    let unknown = Root::of(b"nobody has this");
    let hurry = from(&alice).patience(Duration::from_millis(300));
    let error = get(&bob, unknown, &target.path().join("x"), hurry)
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::NoSource { .. }), "{error}");
    assert!(error.to_string().contains("it does not have it"), "{error}");

    let path = write(&source, "file", b"hello");
    let root = files
        .share(&path, ShareOptions::default())
        .await
        .unwrap()
        .root;
    let to = write(&target, "other", b"other");
    let error = get(&bob, root, &to, from(&alice)).await.unwrap_err();
    assert_eq!(error, TransferError::Exists { path: to.clone() });
    assert_eq!(fs::read(&to).unwrap(), b"other");
    let error = get(&bob, root, target.path(), from(&alice))
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::Exists { .. }), "{error}");
    let error = get(&bob, root, &target.path().join("no/where"), from(&alice))
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::Path { .. }), "{error}");

    // What is here already is no error.
    let to = write(&target, "same", b"hello");
    assert_eq!(get(&bob, root, &to, from(&alice)).await.unwrap().size, 5);
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_not_given() {
    let (alice, bob) = two("files-changed").await;
    let (source, target) = (folder(), folder());
    let path = write(&source, "file", &content(3 << 20));
    let root = share(&alice, &path).await;
    let mut changed = content(3 << 20);
    changed[(2 << 20) + 5] ^= 1;
    fs::write(&path, &changed).unwrap();
    let to = target.path().join("file");
    let hurry = from(&alice).patience(Duration::from_millis(300));
    let error = get(&bob, root, &to, hurry).await.unwrap_err();
    assert!(matches!(error, TransferError::NoSource { .. }), "{error}");
    assert!(!to.exists());
    stop(&[&alice, &bob]).await;
}

/// All files under a folder with their contents, and folders with nothing in them.
pub(crate) fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let entries: Vec<_> = fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        if entries.is_empty() {
            found.push((name(&at), None));
        }
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((name(&path), Some(fs::read(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn fill(folder: &Path) {
    fs::create_dir_all(folder.join("inner/empty")).unwrap();
    for number in 0..300 {
        fs::write(folder.join(format!("inner/{number}")), content(number * 7)).unwrap();
    }
    fs::write(folder.join("large"), content((3 << 20) + 9)).unwrap();
    fs::write(folder.join("zero"), b"").unwrap();
    fs::write(folder.join("unit"), content(1 << 20)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_whole_and_goes_on_where_it_was_cut() {
    let (alice, bob) = two("files-folder").await;
    let (source, target) = (folder(), folder());
    let from_there = source.path().join("things");
    fill(&from_there);
    let root = share(&alice, &from_there).await;
    let to = target.path().join("things");
    // As if it had been cut: some are there, one of them damaged.
    fs::create_dir_all(target.path().join("things.part/inner")).unwrap();
    fs::write(target.path().join("things.part/inner/5"), content(35)).unwrap();
    fs::write(target.path().join("things.part/inner/6"), content(43)).unwrap();
    let received = get(&bob, Wanted::folder(root), &to, from(&alice))
        .await
        .unwrap();
    assert!(received.is_folder);
    assert_eq!(tree(&to), tree(&from_there));
    assert_eq!(names(&target), ["things"]);
    // What is there already is no error; what is there and other is.
    get(&bob, Wanted::folder(root), &to, from(&alice))
        .await
        .unwrap();
    fs::write(to.join("inner/7"), b"other").unwrap();
    let error = get(&bob, Wanted::folder(root), &to, from(&alice))
        .await
        .unwrap_err();
    assert_eq!(error, TransferError::Exists { path: to });
    stop(&[&alice, &bob]).await;
}

/// Cut right behind its list: nobody is asked for that any more, and so nobody was known who has the files.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_which_only_the_list_has_come_goes_on() {
    let (alice, bob) = two("files-list").await;
    let (source, target) = (folder(), folder());
    let from_there = source.path().join("things");
    fill(&from_there);
    let to = target.path().join("things");
    let list = target.path().join("things.part.list");
    // It is a file as any other.
    let root = share(&alice, &from_there).await;
    get(&bob, root, &list, from(&alice)).await.unwrap();
    let files = alice.files();
    assert!(files.remove(&root, None).await.unwrap());
    assert!(bob.files().remove(&root, None).await.unwrap());
    let guarded = ShareOptions::default().only_with_ticket(true);
    soon("shared", files.share(&from_there, guarded))
        .await
        .unwrap();
    let ticket = files.ticket(&root, TicketOptions::default()).unwrap();
    get(&bob, &ticket, &to, GetOptions::default())
        .await
        .unwrap();
    assert_eq!(tree(&to), tree(&from_there));
    assert_eq!(names(&target), ["things"]);
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_a_folder_is_not_taken_along_with_it() {
    let (alice, bob) = two("files-foreign").await;
    let (source, target) = (folder(), folder());
    let from_there = source.path().join("things");
    fill(&from_there);
    let root = share(&alice, &from_there).await;
    let to = target.path().join("things");
    let inside = target.path().join("things.part/inner");
    fs::create_dir_all(&inside).unwrap();
    // What a crash leaves behind, and what somebody has there.
    let large = target.path().join("things.part.large");
    fs::create_dir(&large).unwrap();
    fs::write(large.join(".5.state.0123456789abcdef"), b"half").unwrap();
    fs::write(inside.join("mine"), b"dear to me").unwrap();
    let error = get(&bob, Wanted::folder(root), &to, from(&alice))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("mine"), "{error}");
    assert_eq!(fs::read(inside.join("mine")).unwrap(), b"dear to me");
    fs::remove_file(inside.join("mine")).unwrap();
    get(&bob, Wanted::folder(root), &to, from(&alice))
        .await
        .unwrap();
    assert_eq!(tree(&to), tree(&from_there));
    assert_eq!(names(&target), ["things"]);
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn getting_what_one_shares_to_few_does_not_give_it_to_all() {
    let (alice, bob) = two("files-guard").await;
    let (source, target) = (folder(), folder());
    let path = write(&source, "secret", &content(70_000));
    let files = alice.files();
    let guarded = ShareOptions::default().only_with_ticket(true);
    let root = soon("shared", files.share(&path, guarded))
        .await
        .unwrap()
        .root;
    get(&alice, root, &path, GetOptions::default())
        .await
        .unwrap();
    let hurry = from(&alice).patience(Duration::from_millis(300));
    let error = get(&bob, root, &target.path().join("secret"), hurry)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Refused, "{error}");
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_without_end_are_no_error() {
    let (alice, bob) = two("files-for-ever").await;
    let (source, target) = (folder(), folder());
    let path = write(&source, "file", &content(70_000));
    let files = alice.files();
    let guarded = ShareOptions::default().only_with_ticket(true);
    let root = soon("shared", files.share(&path, guarded))
        .await
        .unwrap()
        .root;
    let options = TicketOptions::default().lifetime(Duration::MAX);
    let ticket = files.ticket(&root, options).unwrap();
    let options = GetOptions::default().patience(Duration::MAX);
    get(&bob, &ticket, &target.path().join("file"), options)
        .await
        .unwrap();
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_ticket_gets_nothing_of_what_needs_one() {
    let (alice, bob) = two("files-ticket").await;
    let (source, target) = (folder(), folder());
    let there = source.path().join("things");
    fill(&there);
    let files = alice.files();
    let guarded = ShareOptions::default().only_with_ticket(true);
    let shared = soon("shared", files.share(&there, guarded)).await.unwrap();
    let to = target.path().join("things");
    let hurry = || from(&alice).patience(Duration::from_millis(300));
    for wanted in [
        Wanted::folder(shared.root),
        Root::of(&content((3 << 20) + 9)).into(),
    ] {
        let error = get(&bob, wanted, &to, hurry()).await.unwrap_err();
        assert_eq!(error.code(), Code::Refused, "{error}");
        assert!(error.to_string().contains("only with a ticket"), "{error}");
    }
    let ticket = |options: TicketOptions| {
        let ticket = files.ticket(&shared.root, options).unwrap();
        ticket.to_string().parse::<Ticket>().unwrap()
    };
    let refused = [
        (
            TicketOptions::default().holder(alice.peer_id()),
            "for another",
        ),
        (TicketOptions::default().bytes(1000), "1000 bytes"),
    ];
    for (options, _why) in refused {
        let error = get(&bob, &ticket(options), &to, hurry()).await.unwrap_err();
        assert_eq!(error.code(), Code::Refused, "{error}");
    }
    let good = ticket(TicketOptions::default().holder(bob.peer_id()));
    assert_eq!(
        (good.name(), good.is_folder(), good.size()),
        (Some("things"), true, shared.size)
    );
    get(&bob, &good, &to, GetOptions::default()).await.unwrap();
    assert_eq!(tree(&to), tree(&there));
    stop(&[&alice, &bob]).await;
}

/// Once a get waited out its patience when its last address failed after the one who has the file had refused.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_told_so_when_nobody_else_is_left() {
    let (alice, bob) = two("files-refused").await;
    let (source, target) = (folder(), folder());
    let path = write(&source, "file", &content(1000));
    let guarded = ShareOptions::default().only_with_ticket(true);
    let shared = soon("shared", alice.files().share(path, guarded)).await;
    // Somebody who says nothing, and hangs up when alice has long answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}/p2p/{STRANGER}", address.port());
    let hangs_up = std::thread::spawn(move || {
        let caller = silent.accept().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        drop(caller);
    });
    let options = from(&alice)
        .addresses([address])
        .patience(Duration::from_secs(3600));
    let to = target.path().join("file");
    let error = get(&bob, shared.unwrap().root, &to, options).await;
    assert_eq!(error.unwrap_err().code(), Code::Refused);
    hangs_up.join().unwrap();
    stop(&[&alice, &bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_file_is_found_by_its_root_and_another_source_goes_on_when_one_leaves() {
    let (alice, bob) = two("files-found").await;
    let carol = start(config("files-found", 2).bootstrap(alice.addresses().remove(0))).await;
    let dave = start(config("files-found", 3).bootstrap(bob.addresses().remove(0))).await;
    let (source, target) = (folder(), folder());
    let bytes = content(64 << 20);
    let root = share(&alice, &write(&source, "file", &bytes)).await;
    // By its root alone, from who shares it.
    get(
        &bob,
        root,
        &target.path().join("bob"),
        GetOptions::default(),
    )
    .await
    .unwrap();
    // Bob has it now as well. Alice leaves in the middle of the next.
    let to = target.path().join("carol");
    let mut transfer = carol.files().get(root, &to, GetOptions::default()).unwrap();
    while soon("it comes", transfer.advanced()).await.unwrap().bytes == 0 {}
    stop(&[&alice]).await;
    soon("it comes whole", transfer.received()).await.unwrap();
    assert!(fs::read(&to).unwrap() == bytes);
    // And who comes later finds those who are left.
    get(
        &dave,
        root,
        &target.path().join("dave"),
        GetOptions::default(),
    )
    .await
    .unwrap();
    assert!(fs::read(target.path().join("dave")).unwrap() == bytes);
    stop(&[&bob, &carol, &dave]).await;
}
