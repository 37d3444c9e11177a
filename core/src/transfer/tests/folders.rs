//! Folders: sources of their small files that lie, stall, or are busy; names that are hard to get; and others at the same place.

use std::path::PathBuf;

use super::*;
use crate::proto::transfer::message::{HEAD, encode_batch};
use crate::satellite::{Events, Responder};

/// A folder with small files, each of a unit.
fn small_files(data: &TempDir, count: u8) -> PathBuf {
    let folder = data.path().join("small");
    fs::create_dir(&folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(number.to_string()), vec![number; 1 << 20]).unwrap();
    }
    folder
}

/// Where somebody gets a folder to whose list has come already.
async fn listed(client: &Satellite, folder: &Path, data: &TempDir) -> (Root, PathBuf) {
    let load = load(client, folder).await;
    fs::write(data.path().join("to.part.list"), load.list.unwrap()).unwrap();
    (load.root, data.path().join("to"))
}

/// Somebody whom this satellite asks, and who has no answers of its own.
async fn asked_by(client: &Satellite) -> (Satellite, Events) {
    let asked = Satellite::bare(config().bootstrap(client.addresses().remove(0))).unwrap();
    let events = asked.base().events(PacketType::Request, NAMESPACE).unwrap();
    asked.start().await.unwrap();
    while !client.base().is_connected(&asked.peer_id()) {
        client.base().sleep(Duration::from_millis(20)).await;
    }
    (asked, events)
}

fn from(source: &Satellite) -> GetOptions {
    GetOptions::default()
        .sources([source.peer_id()])
        .patience(PATIENCE / 2)
}

fn same(a: &Path, b: &Path) {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(a), names(b));
    for name in names(a) {
        let (a, b) = (fs::read(a.join(&name)), fs::read(b.join(&name)));
        assert!(a.unwrap() == b.unwrap(), "{name:?}");
    }
}

#[test]
fn who_lied_does_not_end_a_folder_for_which_others_are_looked_for() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let folder = small_files(&data, 3);
        let files = server.files();
        files.share(&folder, ShareOptions::default()).await.unwrap();
        let (root, to) = listed(&client, &folder, &data).await;
        let (liar, mut asked) = asked_by(&client).await;
        liar.base().spawn(async move {
            while let Some(event) = asked.next().await {
                if let Ok(responder) = event.take_responder() {
                    drop(responder.reply(Bytes::from_static(b"\x08\x05")).await);
                    responder.end();
                }
            }
        });
        let got = client.files().get(Wanted::folder(root), &to, from(&liar));
        got.unwrap().received().await.unwrap();
        same(&folder, &to);
        assert!(client.files().sharing.is_bad(&liar.peer_id()));
        end(&[&liar, &client, &server]).await;
    });
}

#[test]
fn small_files_are_asked_of_others_when_a_source_stalls() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let folder = small_files(&data, 3);
        let files = server.files();
        files.share(&folder, ShareOptions::default()).await.unwrap();
        let (root, to) = listed(&client, &folder, &data).await;
        let (stalls, mut asked) = asked_by(&client).await;
        let (told, mut tells) = tokio::sync::mpsc::channel(16);
        stalls.base().spawn(async move {
            // It takes what it is asked, and says nothing.
            while let Some(event) = asked.next().await {
                let _held = told.send(event.take_responder()).await;
            }
        });
        let got = client.files().get(Wanted::folder(root), &to, from(&stalls));
        let got = tokio::time::timeout(PATIENCE / 2, got.unwrap().received());
        got.await.unwrap().unwrap();
        same(&folder, &to);
        assert!(tells.recv().await.is_some(), "it was asked");
        end(&[&stalls, &client, &server]).await;
    });
}

#[test]
fn an_ask_that_ends_after_its_source_was_busy_is_counted_once() {
    run(async {
        let client = Satellite::new(config()).unwrap();
        client.start().await.unwrap();
        let data = tempfile::tempdir().unwrap();
        // Two asks of it, of eight files and of one.
        let folder = small_files(&data, 9);
        let (root, to) = listed(&client, &folder, &data).await;
        let (busy, mut asked) = asked_by(&client).await;
        let mut next = async || {
            let event = asked.next().await.unwrap();
            let ask = Ask::decode(event.content().clone()).unwrap();
            let What::Many { places, .. } = ask.what else {
                panic!("{ask:?}");
            };
            (places, event.take_responder().unwrap())
        };
        let give = async |(places, responder): (std::ops::Range<u32>, Responder)| {
            for place in places {
                let mut buffer = vec![0; HEAD];
                buffer.extend(fs::read(folder.join(place.to_string())).unwrap());
                let batch = encode_batch(buffer, place, 1);
                responder.reply(batch).await.unwrap();
            }
            responder.end();
        };
        let got = client.files().get(Wanted::folder(root), &to, from(&busy));
        let (first, second) = (next().await, next().await);
        first.1.end_with(Code::Busy as i32, "not now");
        let again = next().await;
        assert_eq!((&again.0, &second.0), (&(0..8), &(8..9)));
        give(second).await;
        give(again).await;
        got.unwrap().received().await.unwrap();
        same(&folder, &to);
        end(&[&busy, &client]).await;
    });
}

#[test]
fn names_that_are_long_or_look_like_parts_arrive() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let folder = data.path().join("hard");
        fs::create_dir(&folder).unwrap();
        let long = "画".repeat(85);
        let sizes = [
            ("film", 3 << 20),
            ("film.part", 0),
            ("film.part.state", 2 << 20),
            (".film.part.state.0123456789abcdef", 10),
            ("film.part.large", 2 << 20),
            (&*long, 2 << 20),
        ];
        for (number, (name, size)) in (0..).zip(sizes) {
            fs::write(folder.join(name), vec![number; size]).unwrap();
        }
        let files = server.files();
        let shared = files.share(&folder, ShareOptions::default()).await;
        let root = shared.unwrap().root;
        // To a name of as many bytes as there may be, too.
        let target = tempfile::tempdir().unwrap();
        let to = target.path().join(&long);
        get(&client, &server, Wanted::folder(root), &to)
            .await
            .unwrap();
        same(&folder, &to);
        let shared = files.share(folder.join(&long), ShareOptions::default());
        let root = shared.await.unwrap().root;
        let file = target.path().join("b".repeat(255));
        get(&client, &server, root, &file).await.unwrap();
        assert_eq!(fs::read_dir(&target).unwrap().count(), 2, "nothing is left");
        // And to a server.
        let token = server.files().token(TokenOptions::new("anna")).unwrap();
        let there = server.peer_id();
        let put = client.files().put(&there, &to, PutOptions::new(token));
        put.unwrap().received().await.unwrap();
        end(&[&client, &server]).await;
    });
}

#[test]
fn two_do_not_get_a_folder_to_one_place_at_once() {
    run(async {
        let faults = Faults::new(2);
        let (server, data) = server_on(config().faults(faults.clone())).await;
        let to = config().bootstrap(server.addresses().remove(0));
        let slow = Satellite::new(to.faults(faults.clone())).unwrap();
        slow.start().await.unwrap();
        let fast = client(&server).await;
        let folder = small_files(&data, 6);
        fs::write(folder.join("large"), vec![7; 3 << 20]).unwrap();
        let shared = server.files().share(&folder, ShareOptions::default()).await;
        let root = shared.unwrap().root;
        let line = Slow::default().rate(1 << 20);
        faults.slow(&slow.peer_id(), &server.peer_id(), line);
        let to = data.path().join("to");
        let mut first = slow
            .files()
            .get(Wanted::folder(root), &to, from(&server))
            .unwrap();
        while first.advanced().await.unwrap().bytes < 2 << 20 {}
        let second = get(&fast, &server, Wanted::folder(root), &to).await;
        let busy = second.unwrap_err();
        assert!(matches!(busy, TransferError::Busy { .. }), "{busy}");
        // Who was cancelled does not hold the place; and both find it whole.
        drop(first);
        let second = get(&fast, &server, Wanted::folder(root), &to);
        second.await.unwrap();
        same(&folder, &to);
        get(&slow, &server, Wanted::folder(root), &to)
            .await
            .unwrap();
        for left in ["to.part", "to.part.large", "to.part.list"] {
            assert!(!data.path().join(left).exists(), "{left}");
        }
        end(&[&slow, &fast, &server]).await;
    });
}

#[test]
fn what_is_changed_while_it_is_given_away_is_told_to_be() {
    run(async {
        let faults = Faults::new(3);
        let (server, data) = server_on(config().faults(faults.clone())).await;
        let to = config().bootstrap(server.addresses().remove(0));
        let client = Satellite::new(to.faults(faults.clone())).unwrap();
        client.start().await.unwrap();
        let line = Slow::default().rate(2 << 20);
        faults.slow(&client.peer_id(), &server.peer_id(), line);
        let path = data.path().join("letter");
        let token = server.files().token(TokenOptions::new("anna")).unwrap();
        let there = server.peer_id();
        let begun = async |content| {
            fs::write(&path, vec![content; 8 << 20]).unwrap();
            let put = client.files().put(&there, &path, PutOptions::new(&*token));
            let mut put = put.unwrap();
            while put.advanced().await.unwrap().bytes < 1 << 20 {}
            put
        };
        // It only looks like another, and is asked for again.
        let put = begun(6).await;
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        faults.partition(&client.peer_id(), &there);
        faults.heal_all();
        put.received().await.unwrap();
        faults.slow(&client.peer_id(), &there, line);
        let put = begun(7).await;
        fs::write(&path, b"another").unwrap();
        let error = put.received().await.unwrap_err();
        assert_eq!(error, TransferError::Changed { path });
        end(&[&client, &server]).await;
    });
}
