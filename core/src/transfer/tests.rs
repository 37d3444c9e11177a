//! Clients that lie, over real sessions: what they announce is not what they have; and those that take what is others'.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::load::Load;
use super::sharing::By;
use super::{GetOptions, KeepOptions, PutOptions, Received, ShareOptions, TokenOptions, Wanted};
use crate::config::{Config, Signing};
use crate::error::{Code, RequestError, TransferError};
use crate::faults::{Faults, Slow};
use crate::identity::PeerId;
use crate::net::Link;
use crate::proto::packet::PacketType;
use crate::proto::session::Limits;
use crate::proto::transfer::keeping::{Denied, Kept, Put};
use crate::proto::transfer::message::{Ask, NAMESPACE, What};
use crate::proto::transfer::outline::GROUP;
use crate::proto::transfer::root::Root;
use crate::proto::transfer::ticket::Kind;
use crate::satellite::places::Places;
use crate::satellite::{Event, RequestOptions, Satellite};

mod lasting;

const PATIENCE: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn config() -> Config {
    Config::new("lying about files")
        .mdns(false)
        .listen("127.0.0.1:0")
}

/// To its end, which comes.
fn run(test: impl Future<Output = ()>) {
    let test = async { tokio::time::timeout(2 * PATIENCE, test).await };
    runtime().block_on(test).unwrap();
}

/// A satellite that keeps files, and where it does.
async fn server() -> (Satellite, TempDir) {
    server_on(config()).await
}

async fn server_on(config: Config) -> (Satellite, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let server = Satellite::new(config.data_dir(data.path())).unwrap();
    server.start().await.unwrap();
    server.files().keep(KeepOptions::default()).await.unwrap();
    (server, data)
}

async fn client(server: &Satellite) -> Satellite {
    let client = Satellite::new(config().bootstrap(server.addresses().remove(0))).unwrap();
    client.start().await.unwrap();
    client
}

fn put(root: Root, size: usize, kind: Kind) -> What {
    What::Put(Put {
        root,
        size: size as u64,
        kind,
        name: "a name".parse().unwrap(),
        tags: Vec::new(),
        list: if kind == Kind::Collection {
            size as u64
        } else {
            0
        },
        entries: u32::from(kind == Kind::Collection),
    })
}

/// Whether it is kept, or the status and text of its end.
async fn ask(
    client: &Satellite,
    server: &Satellite,
    what: What,
    owner: &str,
) -> Result<bool, (i32, String)> {
    let token = server.files().token(TokenOptions::new(owner)).unwrap();
    let ask = Ask {
        what,
        token: token.into(),
    };
    let options = RequestOptions::default().deadline(PATIENCE);
    let said = |error| match error {
        RequestError::Failed { code, text, .. } => (code, text),
        RequestError::Refused { reason, .. } => (Code::Refused as i32, reason),
        error => panic!("{error}"),
    };
    let to = server.peer_id();
    let base = client.base();
    let replies = base.request(&to, NAMESPACE, ask.encode(), options);
    let mut replies = replies.await.map_err(said)?;
    let mut kept = false;
    while let Some(reply) = replies.next().await {
        let reply = reply.map_err(said)?;
        kept |= Kept::decode(reply.content().clone()).unwrap().kept;
    }
    Ok(kept)
}

async fn end(satellites: &[&Satellite]) {
    for satellite in satellites {
        satellite.shutdown(PATIENCE).await.unwrap();
    }
}

/// What is lent without being announced.
async fn load(client: &Satellite, path: &Path) -> Load {
    let files = client.files();
    let loaded = files.sharing.load(path.to_owned(), false, |_| ());
    loaded.await.unwrap().0
}

#[test]
fn who_knows_an_id_alone_does_not_become_an_owner() {
    run(async {
        let (server, data) = server().await;
        let anna = client(&server).await;
        let path = data.path().join("letter");
        fs::write(&path, vec![7; 100_000]).unwrap();
        let token = server.files().token(TokenOptions::new("anna")).unwrap();
        let there = server.peer_id();
        let transfer = anna.files().put(&there, &path, PutOptions::new(token));
        let root = transfer.unwrap().received().await.unwrap().root;
        end(&[&anna]).await;

        // It answers asks, and has nothing.
        let bob = Satellite::bare(config().bootstrap(server.addresses().remove(0))).unwrap();
        let mut events = bob.base().events(PacketType::Request, NAMESPACE).unwrap();
        bob.start().await.unwrap();
        bob.base().spawn(async move {
            while let Some(event) = events.next().await {
                if let Ok(responder) = event.take_responder() {
                    drop(responder.reply(Bytes::from_static(b"\x08\x05")).await);
                    responder.end();
                }
            }
        });
        let refused = ask(&bob, &server, put(root, 100_000, Kind::File), "bob").await;
        refused.unwrap_err();
        let bobs = server.files().quota("bob").await.unwrap();
        assert_eq!((bobs.files, bobs.used), (0, 0));
        let annas = server.files().quota("anna").await.unwrap();
        assert_eq!((annas.files, annas.used), (1, 100_000));
        end(&[&bob, &server]).await;
    });
}

#[test]
fn what_is_announced_is_what_comes() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let path = data.path().join("file");
        let size = 3 << 20;
        fs::write(&path, vec![5; size]).unwrap();
        let load = load(&client, &path).await;
        let root = load.root;
        client
            .files()
            .sharing
            .enter(&load, By::Lent(server.peer_id()));
        let less = ask(&client, &server, put(root, size - 1, Kind::File), "anna").await;
        let (status, text) = less.unwrap_err();
        assert_eq!(status, Denied::TooLarge as i32, "{text}");
        let more = ask(&client, &server, put(root, size + 1, Kind::File), "anna").await;
        let (status, text) = more.unwrap_err();
        assert_eq!(status, Denied::Unfit as i32, "{text}");
        let folder = ask(&client, &server, put(root, size, Kind::Collection), "anna").await;
        let (status, text) = folder.unwrap_err();
        assert_eq!(status, Denied::Unfit as i32, "{text}");
        let quota = server.files().quota("anna").await.unwrap();
        assert_eq!((quota.files, quota.used, quota.reserved), (0, 0, 0));
        // The same, told as it is.
        let right = ask(&client, &server, put(root, size, Kind::File), "anna").await;
        assert_eq!(right, Ok(true));
        end(&[&client, &server]).await;
    });
}

#[test]
fn a_folder_costs_its_list_and_each_of_its_files() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let path = data.path().join("folder");
        fs::create_dir(&path).unwrap();
        for number in 0..100 {
            fs::write(path.join(format!("empty {number}")), b"").unwrap();
        }
        let load = load(&client, &path).await;
        let (root, (list, entries)) = (load.root, load.listed());
        assert_eq!((entries, load.cost()), (100, list + 100 * 1024));
        let lent = By::Lent(server.peer_id());
        client.files().sharing.enter(&load, lent);
        let put = |list, entries| {
            let What::Put(folder) = put(root, 0, Kind::Collection) else {
                panic!("it is an ask to keep something");
            };
            What::Put(Put {
                list,
                entries,
                ..folder
            })
        };
        // Less than it is.
        for (list, entries, why) in [(list - 1, 100, "bytes"), (list, 99, "files")] {
            let less = ask(&client, &server, put(list, entries), "anna").await;
            let (status, text) = less.unwrap_err();
            assert_eq!(status, Denied::TooLarge as i32, "{text}");
            assert!(text.contains(why), "{text}");
        }
        let quota = async || server.files().quota("anna").await.unwrap();
        assert_eq!((quota().await.reserved, quota().await.used), (0, 0));
        let files = server.files();
        let short = Some(load.cost() - 1);
        files.set_quota("anna", short).await.unwrap();
        let over = ask(&client, &server, put(list, 100), "anna").await;
        let (status, text) = over.unwrap_err();
        assert_eq!(status, Denied::Quota as i32, "{text}");
        files.set_quota("anna", Some(load.cost())).await.unwrap();
        let right = ask(&client, &server, put(list, 100), "anna").await;
        assert_eq!(right, Ok(true));
        assert_eq!(
            (quota().await.reserved, quota().await.used),
            (0, load.cost())
        );
        end(&[&client, &server]).await;
    });
}

/// A session, as of this peer, whose answers nobody takes.
fn without_credit(peer: PeerId) -> Arc<Link> {
    let limits = Limits {
        content: 8 << 20,
        window: 1 << 20,
        requests: 1024,
        reply_window: 0,
    };
    Link::new(peer, None, Signing::Lazy, limits)
}

#[test]
fn an_upload_does_not_wait_for_who_does_not_hear_how_far_it_is() {
    run(async {
        let faults = Faults::new(1);
        let (server, _data) = server_on(config().faults(faults.clone())).await;
        let to = config().bootstrap(server.addresses().remove(0));
        let client = Satellite::new(to.faults(faults.clone())).unwrap();
        client.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![5; 2 << 20]).unwrap();
        let load = load(&client, &path).await;
        let lent = By::Lent(server.peer_id());
        client.files().sharing.enter(&load, lent);
        // So that it is told often how far it is.
        let slow = Slow::default().rate(2 << 20);
        faults.slow(&client.peer_id(), &server.peer_id(), slow);
        let token = server.files().token(TokenOptions::new("anna")).unwrap();
        let ask = Ask {
            what: put(load.root, 2 << 20, Kind::File),
            token: token.into(),
        };
        let link = without_credit(client.peer_id());
        let event = Event::asked(&link, 1, NAMESPACE, ask.encode());
        let place = Places::new(1, 1).take(client.peer_id()).unwrap();
        let sharing = Arc::clone(&server.files().sharing);
        sharing.serve(&event, event.take_responder().unwrap(), place);
        while server.files().quota("anna").await.unwrap().files == 0 {
            server.base().sleep(Duration::from_millis(50)).await;
        }
        // Nor does it take a place among those that come.
        assert!(sharing.keeping.begin(load.root).is_ok());
        end(&[&client, &server]).await;
    });
}

#[test]
fn one_peer_does_not_take_all_places_of_who_gives_files() {
    run(async {
        let (server, data) = server().await;
        let greedy = client(&server).await;
        let path = data.path().join("file");
        fs::write(&path, vec![5; 4 << 20]).unwrap();
        let files = server.files();
        let shared = files.share(&path, ShareOptions::default());
        let root = shared.await.unwrap().root;
        let ask = Ask {
            what: What::Get {
                root,
                range: 0..4 << 20,
                piece: GROUP,
            },
            token: Bytes::new(),
        };
        let (base, to) = (greedy.base(), server.peer_id());
        let mut unread = Vec::new();
        for _ in 0..200 {
            let options = RequestOptions::default().deadline(PATIENCE);
            let asked = base.request(&to, NAMESPACE, ask.encode(), options);
            unread.push(asked.await.unwrap());
        }
        // The last is refused, when all others were looked at.
        let last = unread.last_mut().unwrap().next().await;
        let busy = matches!(last, Some(Err(RequestError::Failed { code, .. })) if code == Code::Busy as i32);
        assert!(busy, "{last:?}");
        let modest = client(&server).await;
        let hurry = GetOptions::default()
            .sources([to])
            .patience(Duration::from_secs(5));
        let got = modest.files().get(root, data.path().join("got"), hurry);
        got.unwrap().received().await.unwrap();
        end(&[&greedy, &modest, &server]).await;
    });
}

/// Gets something with little patience.
async fn get(
    client: &Satellite,
    server: &Satellite,
    wanted: impl Into<Wanted>,
    to: &Path,
) -> Result<Received, TransferError> {
    let options = GetOptions::default()
        .sources([server.peer_id()])
        .patience(Duration::from_secs(1));
    let transfer = client.files().get(wanted, to, options).unwrap();
    transfer.received().await
}

#[test]
fn what_is_shared_twice_is_given_for_as_long_as_it_is_right_in_one_place() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let files = server.files();
        let share = async |path: &Path| {
            let shared = files.share(path, ShareOptions::default()).await;
            shared.unwrap().root
        };
        let first = data.path().join("first");
        fs::write(&first, vec![7; 100_000]).unwrap();
        let root = share(&first).await;
        let folder = |name: &str| {
            let folder = data.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::copy(&first, folder.join(name)).unwrap();
            folder
        };
        // The newer is removed.
        let newer = folder("newer");
        let other = share(&newer).await;
        assert!(files.remove(&other, None).await.unwrap());
        fs::remove_dir_all(&newer).unwrap();
        get(&client, &server, root, &data.path().join("to"))
            .await
            .unwrap();
        // Of many all are changed but the first.
        for name in ["a", "b", "c", "d", "e"] {
            let folder = folder(name);
            share(&folder).await;
            fs::write(folder.join(name), vec![8; 100_000]).unwrap();
        }
        get(&client, &server, root, &data.path().join("there"))
            .await
            .unwrap();
        assert_eq!(files.read(&root, 99_990).await.unwrap(), [7; 10][..]);
        end(&[&client, &server]).await;
    });
}

#[test]
fn what_cannot_be_read_now_is_not_said_to_be_gone() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let folder = data.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("file");
        fs::write(&path, vec![7; 2 << 20]).unwrap();
        let files = server.files();
        let shared = files.share(&folder, ShareOptions::default()).await;
        let root = shared.unwrap().root;
        // An error of the disk, which may pass.
        let elsewhere = data.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let to = data.path().join("to");
        let error = get(&client, &server, Wanted::folder(root), &to).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("cannot be read there at the moment"),
            "{error}"
        );
        fs::rename(&elsewhere, &path).unwrap();
        get(&client, &server, Wanted::folder(root), &to)
            .await
            .unwrap();
        end(&[&client, &server]).await;
    });
}
