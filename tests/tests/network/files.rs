//! Files between whole satellites: what is shared arrives whole, and each bad input has its own error.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psfs_core::{Code, GetOptions, Root, Satellite, ShareOptions, TransferError};
use psfs_tests::{config, pair, soon, stop};
use tempfile::TempDir;

/// Bytes that are nowhere alike.
fn content(size: usize) -> Vec<u8> {
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

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

async fn two(rendezvous: &str) -> (Satellite, Satellite) {
    pair(config(rendezvous, 0), config(rendezvous, 1)).await
}

async fn get(
    satellite: &Satellite,
    root: Root,
    to: &Path,
    options: GetOptions,
) -> Result<psfs_core::Received, TransferError> {
    let transfer = satellite.files().get(root, to, options).unwrap();
    soon("the file is here", transfer.received()).await
}

async fn share(satellite: &Satellite, path: &Path) -> Root {
    let files = satellite.files();
    let shared = files.share(path, ShareOptions::default());
    soon("it is shared", shared).await.unwrap().root
}

fn from(satellite: &Satellite) -> GetOptions {
    GetOptions::default().sources([satellite.peer_id()])
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
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
        assert!(bob.files().unshare(&root), "who got it shares it");
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
    // The threads of the first one end by themselves.
    let again = loop {
        match get(&bob, root, &to, from(&alice)).await {
            Err(TransferError::Busy { .. }) => tokio::task::yield_now().await,
            done => break done,
        }
    };
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
