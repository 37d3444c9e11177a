//! What every language must show, in Rust. See `tests/scenarios/README.md`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use psfs_core::{
    BroadcastOptions, Code, Config, Decision, Event, FetchOptions, GetOptions, Key, Kind,
    PacketType, PeerEvent, PeerState, Query, Reason, RequestError, RequestOptions, Satellite,
    SendError, SendOptions, ShareOptions, Shutdown, SignedOptions, StoreOptions, StoreOutcome,
    Ticket, TicketOptions,
};
use psfs_tests::{soon, until};

type Outcome = Result<(), Box<dyn Error>>;

const LONG: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;
const STRANGER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

fn config(rendezvous: &str) -> Config {
    Config::new(rendezvous).listen("127.0.0.1:0").mdns(false)
}

/// So many satellites of one network, each with sessions with all others.
async fn started(count: usize, name: &str) -> Result<Vec<Satellite>, Box<dyn Error>> {
    let rendezvous = format!("scenario-rust-{name}-{}", std::process::id());
    let mut all: Vec<Satellite> = Vec::new();
    for _ in 0..count {
        let mut config = config(&rendezvous);
        if let Some(first) = all.first() {
            config = config.bootstrap(first.addresses()[0].clone());
        }
        let one = Satellite::new(config)?;
        one.start().await?;
        all.push(one);
    }
    for one in &all {
        one.wait_connected(count - 1, LONG).await?;
    }
    Ok(all)
}

async fn meet() -> Outcome {
    let all = started(2, "meet").await?;
    for (one, other) in [(&all[0], &all[1]), (&all[1], &all[0])] {
        let peers = one.peers();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].peer, other.peer_id());
        assert_eq!(peers[0].state, PeerState::Connected);
    }
    Ok(())
}

async fn message() -> Outcome {
    let all = started(2, "message").await?;
    let came = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&came);
    let sender = all[1].peer_id();
    let content = |number: usize| vec![number as u8; if number == 99 { MIB } else { 128 }];
    all[0].on(PacketType::Message, "numbers", move |event| {
        assert_eq!(*event.peer(), sender);
        let number = counter.load(Ordering::SeqCst);
        assert!(event.content() == &content(number), "number {number}");
        counter.store(number + 1, Ordering::SeqCst);
    })?;
    for number in 0..100 {
        let options = SendOptions::default();
        let to = all[0].peer_id();
        all[1]
            .send(&to, "numbers", content(number), options)
            .await?;
    }
    until("all came", || came.load(Ordering::SeqCst) == 100).await;
    Ok(())
}

fn three(satellite: &Satellite, packet: PacketType) -> Outcome {
    satellite.on(packet, "three", |event| {
        // The replies are small and few: there is credit for them.
        let replies = async {
            for text in ["one", "two", "three"] {
                event.reply(text).await?;
            }
            event.end()
        };
        futures::executor::block_on(replies).unwrap_or_else(|error| panic!("{error}"));
    })?;
    Ok(())
}

/// What came, as text, and how it ended.
async fn ask(
    all: &[Satellite],
    namespace: &str,
    options: RequestOptions,
) -> Result<(Vec<String>, Option<RequestError>), Box<dyn Error>> {
    let to = all[0].peer_id();
    let mut replies = all[1].request(&to, namespace, "", options).await?;
    let mut texts = Vec::new();
    while let Some(reply) = replies.next().await {
        match reply {
            Ok(reply) => texts.push(String::from_utf8(reply.content().to_vec())?),
            Err(error) => return Ok((texts, Some(error))),
        }
    }
    Ok((texts, None))
}

async fn request() -> Outcome {
    let all = started(2, "request").await?;
    three(&all[0], PacketType::Request)?;
    let (texts, error) = ask(&all, "three", RequestOptions::default()).await?;
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(error, None);
    Ok(())
}

async fn error() -> Outcome {
    let all = started(2, "error").await?;
    all[0].on(PacketType::Request, "seven", |event| {
        event
            .fail(7, "seven")
            .unwrap_or_else(|error| panic!("{error}"));
    })?;
    let (_, error) = ask(&all, "seven", RequestOptions::default()).await?;
    assert!(
        matches!(&error, Some(RequestError::Failed { code: 7, text, .. }) if text == "seven"),
        "{error:?}"
    );
    let (_, error) = ask(&all, "nobody serves this", RequestOptions::default()).await?;
    assert_eq!(
        error.map(|error| error.code()),
        Some(Code::UnknownNamespace)
    );
    Ok(())
}

/// The first request of "keep".
async fn kept(satellite: &Satellite) -> Result<Event, Box<dyn Error>> {
    let mut asked = satellite.subscribe(PacketType::Request, "keep")?;
    Ok(soon("the request", asked.next())
        .await
        .ok_or("the satellite has ended")?)
}

async fn timeout() -> Outcome {
    let all = started(2, "timeout").await?;
    let options = RequestOptions::default().deadline(Duration::from_millis(200));
    let (asked, kept) = futures::join!(ask(&all, "keep", options), kept(&all[0]));
    let _kept = kept?;
    assert_eq!(asked?.1.map(|error| error.code()), Some(Code::Timeout));
    Ok(())
}

async fn cancel() -> Outcome {
    let all = started(2, "cancel").await?;
    let to = all[0].peer_id();
    let (replies, event) = futures::join!(
        all[1].request(&to, "keep", "", RequestOptions::default()),
        kept(&all[0])
    );
    let (mut replies, event) = (replies?, event?);
    event.reply("first").await?;
    let first = replies.next().await.ok_or("no reply")??;
    assert_eq!(first.content(), "first");
    drop(replies);
    let told = async {
        loop {
            if let Err(error) = event.reply("more").await {
                return error.code();
            }
        }
    };
    assert_eq!(soon("the handler is told", told).await, Code::Cancelled);
    Ok(())
}

async fn seek() -> Outcome {
    let all = started(3, "seek").await?;
    for other in &all[1..] {
        three(other, PacketType::Seek)?;
    }
    let options = RequestOptions::default().max_replies(6);
    let mut replies = all[0].seek("three", "", options)?;
    let mut counts = [0; 2];
    while let Some(reply) = replies.next().await {
        let reply = reply?;
        let place = all[1..]
            .iter()
            .position(|one| one.peer_id() == *reply.peer());
        counts[place.ok_or("somebody else answered")?] += 1;
    }
    assert_eq!(counts, [3, 3]);
    Ok(())
}

async fn broadcast() -> Outcome {
    let all = started(6, "broadcast").await?;
    let heard: Vec<_> = (0..6).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let sender = all[0].peer_id();
    for (one, heard) in all.iter().zip(&heard) {
        let heard = Arc::clone(heard);
        one.on(PacketType::Broadcast, "news", move |event| {
            assert_eq!(event.content(), "news");
            assert_eq!(*event.peer(), sender);
            heard.fetch_add(1, Ordering::SeqCst);
        })?;
    }
    all[0]
        .broadcast("news", "news", BroadcastOptions::default())
        .await?;
    let counts = || -> Vec<usize> { heard.iter().map(|h| h.load(Ordering::SeqCst)).collect() };
    until("all others heard it", || {
        counts()[1..].iter().all(|count| *count > 0)
    })
    .await;
    for one in &all {
        one.shutdown(LONG).await?;
    }
    assert_eq!(counts(), [0, 1, 1, 1, 1, 1]);
    Ok(())
}

async fn pause() -> Outcome {
    let all = started(2, "pause").await?;
    let (one, other) = (&all[0], &all[1]);
    let mut came = one.subscribe(PacketType::Message, "back")?;
    let mut events = other.peer_events()?;
    one.pause().await?;
    assert!(one.is_paused());
    let left = async {
        while let Some(event) = events.next().await {
            if matches!(event, PeerEvent::Disconnected { peer, .. } if peer == one.peer_id()) {
                return true;
            }
        }
        false
    };
    assert!(soon("the other hears of it", left).await);
    let cast = one.broadcast("news", "", BroadcastOptions::default()).await;
    assert_eq!(cast.map_err(|error| error.code()), Err(Code::NoPeers));
    one.resume().await?;
    assert!(!one.is_paused());
    for satellite in [one, other] {
        satellite.wait_connected(1, LONG).await?;
    }
    for text in ["back", "elsewhere"] {
        let to = one.peer_id();
        other
            .send(&to, "back", text, SendOptions::default())
            .await?;
        let event = soon("the message", came.next()).await;
        assert_eq!(
            event.map(|event| event.content().clone()),
            Some(text.into())
        );
        one.network_changed().await?;
    }
    Ok(())
}

async fn shutdown() -> Outcome {
    let all = started(2, "shutdown").await?;
    let own = all[0].clone();
    all[0].on(PacketType::Message, "end", move |_| {
        // It cannot wait for itself: it begins, and the end comes after the handler.
        let begun = futures::executor::block_on(own.shutdown(LONG));
        assert_eq!(begun, Ok(Shutdown::Pending));
    })?;
    let mut events = all[1].peer_events()?;
    let to = all[0].peer_id();
    all[1].send(&to, "end", "", SendOptions::default()).await?;
    let left = async {
        while let Some(event) = events.next().await {
            if matches!(event, PeerEvent::Disconnected { peer, .. } if peer == to) {
                return true;
            }
        }
        false
    };
    assert!(soon("the other hears of it", left).await);
    all[0].shutdown(LONG).await?;
    assert!(!all[0].is_running());
    Ok(())
}

async fn dht() -> Outcome {
    let all = started(3, "dht").await?;
    let dhts: Vec<_> = all.iter().map(Satellite::dht).collect();
    let content = "a value that stays";
    dhts[2].on_store(|_| Decision::Refuse("no room for guests".into()))?;
    let stored = dhts[0].store(content, StoreOptions::default()).await?;
    assert_eq!(stored.key(), Key::of_content(content.as_bytes()));
    assert_eq!((stored.nodes(), stored.answers().len()), (2, 3));
    for answer in stored.answers() {
        let refuses = answer.peer == all[2].peer_id();
        match &answer.outcome {
            StoreOutcome::Refused { reason, text } if refuses => {
                assert_eq!((*reason, &**text), (Reason::Policy, "no room for guests"));
            }
            outcome => assert!(!refuses && *outcome == StoreOutcome::Kept, "{answer:?}"),
        }
    }
    let options = FetchOptions::default();
    let value = dhts[2].fetch(stored.key(), options).await?;
    assert_eq!(value.content(), content);
    dhts[0]
        .store_named("guestbook", content, StoreOptions::default())
        .await?;
    let value = dhts[2].fetch_named("guestbook", options).await?;
    assert_eq!(value.content(), content);
    let nothing = dhts[1].fetch_named("nobody stored this", options).await;
    assert_eq!(nothing.map(drop).map_err(|e| e.code()), Err(Code::NotFound));
    let empty = dhts[0].store("", StoreOptions::default()).await;
    assert_eq!(empty.map(drop).map_err(|e| e.code()), Err(Code::BadInput));
    let name = "guestbook".parse::<Key>();
    assert_eq!(
        name.map_err(|error| psfs_core::Error::from(error).code()),
        Err(Code::BadInput)
    );
    Ok(())
}

async fn dht_signed() -> Outcome {
    let all = started(2, "dht-signed").await?;
    let (author, reader) = (all[0].dht(), all[1].dht());
    let key = Key::of_signed(&all[0].peer_id(), b"profile");
    let mut watch = reader.watch(key)?;
    for (number, text) in [(1, "one"), (2, "two")] {
        let options = SignedOptions::default();
        let stored = author.store_signed(b"profile", text, options).await?;
        assert_eq!((stored.key(), stored.sequence()), (key, number));
        let told = soon("the watch tells", watch.next()).await;
        let told = told.ok_or("the watch has ended")?;
        assert_eq!((told.content(), told.sequence()), (&text.into(), number));
    }
    let options = FetchOptions::default();
    let value = reader
        .fetch_signed(&all[0].peer_id(), b"profile", options)
        .await?;
    assert_eq!(
        (value.content(), value.kind()),
        (&"two".into(), Kind::Signed)
    );
    assert_eq!(*value.publisher(), all[0].peer_id());
    let first = SignedOptions::default().if_sequence(1);
    let late = author.store_signed(b"profile", "three", first).await;
    assert_eq!(late.map(drop).map_err(|e| e.code()), Err(Code::Conflict));
    author.delete(key, StoreOptions::default()).await?;
    let told = soon("the watch tells", watch.next()).await;
    let told = told.ok_or("the watch has ended")?;
    assert!(told.content().is_empty());
    let gone = reader.fetch(key, options).await;
    assert_eq!(gone.map(drop).map_err(|e| e.code()), Err(Code::NotFound));
    Ok(())
}

async fn files() -> Outcome {
    let all = started(2, "files").await?;
    let (sharer, getter) = (all[0].files(), all[1].files());
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("file"), folder.path().join("copy"));
    let size = 128 * MIB as u64;
    let mut random = File::open("/dev/urandom")?.take(size);
    io::copy(&mut random, &mut File::create(&source)?)?;
    let options = ShareOptions::default()
        .only_with_ticket(true)
        .tags(["holiday"]);
    let root = sharer.share(&source, options).await?.root;
    let text = sharer.ticket(&root, TicketOptions::default())?.to_string();
    let ticket: Ticket = text.parse()?;
    let mut transfer = getter.get(&ticket, &target, GetOptions::default())?;
    let cut = loop {
        let told = soon("it comes", transfer.advanced()).await;
        let told = told.ok_or("it ended before it could be cancelled")?;
        if told.bytes > 0 {
            break told.bytes;
        }
    };
    // Rust has no other way to cancel it, and nobody is there who could be told.
    drop(transfer);
    assert!(cut < size && !target.exists());
    let mut transfer = getter.get(&ticket, &target, GetOptions::default())?;
    let mut told = Vec::new();
    while let Some(progress) = soon("it comes", transfer.advanced()).await {
        told.push(progress.bytes);
    }
    let received = transfer.received().await?;
    assert!(told[0] >= cut && told.last() == Some(&size), "{told:?}");
    assert_eq!(
        (received.root, received.size, &received.path),
        (root, size, &target)
    );
    assert!(fs::read(&target)? == fs::read(&source)?);
    let other = folder.path().join("other");
    let options = GetOptions::default().sources([all[0].peer_id()]);
    let without = getter.get(root, other, options)?.received().await;
    assert_eq!(without.map(drop).map_err(|e| e.code()), Err(Code::Refused));
    let cut_off = text[..text.len() - 1].parse::<Ticket>();
    assert_eq!(cut_off.map(drop).map_err(|e| e.code()), Err(Code::BadInput));
    let found = sharer.find(Query::tag("holiday")).await?;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].root, &*found[0].name), (root, "file"));
    assert!(sharer.remove(&root, None).await?);
    assert_eq!(sharer.find(Query::tag("holiday")).await?, []);
    assert!(!sharer.remove(&root, None).await?);
    Ok(())
}

async fn bad_input() -> Outcome {
    let unnamed = Satellite::new(Config::new("")).map(|_| ());
    assert_eq!(
        unnamed.map_err(|error| error.code()),
        Err(Code::BadNamespace)
    );
    let one = Satellite::new(config("scenario-rust-bad-input"))?;
    one.start().await?;
    let cast = async |namespace: &str| {
        let options = BroadcastOptions::default();
        let sent = one.broadcast(namespace, "", options).await;
        sent.map_err(|error| error.code())
    };
    let send = async |peer: &str, size: usize| -> Result<(), Code> {
        let peer = peer.parse().map_err(|_| Code::BadPeerId)?;
        let sent = one
            .send(&peer, "x", vec![0; size], SendOptions::default())
            .await;
        sent.map_err(|error: SendError| error.code())
    };
    assert_eq!(cast("").await, Err(Code::BadNamespace));
    assert_eq!(send("nobody", 0).await, Err(Code::BadPeerId));
    let own = one.peer_id().to_string();
    assert_eq!(send(&own, 0).await, Err(Code::OwnPeer));
    assert_eq!(send(STRANGER, 0).await, Err(Code::UnknownPeer));
    assert_eq!(send(STRANGER, 16 * MIB + 1).await, Err(Code::TooLarge));
    let nowhere = one.connect("nowhere", LONG).await;
    assert_eq!(
        nowhere.map(|_| ()).map_err(|error| error.code()),
        Err(Code::BadAddress)
    );
    one.shutdown(LONG).await?;
    assert_eq!(cast("x").await, Err(Code::Closed));
    Ok(())
}

fn tell(what: &str, text: &[u8]) {
    println!("{what} {}", String::from_utf8_lossy(text));
}

async fn member(rendezvous: &str, name: &str, count: &str, address: &str) -> Outcome {
    let mut config = config(rendezvous);
    if address != "-" {
        config = config.bootstrap(address);
    }
    let one = Satellite::new(config)?;
    one.on(PacketType::Message, "greeting", |event| {
        tell("greeting", event.content());
    })?;
    one.on(PacketType::Broadcast, "news", |event| {
        tell("news", event.content());
    })?;
    let own = name.to_owned();
    one.on(PacketType::Request, "whois", move |event| {
        let reply = event.reply(own.clone());
        futures::executor::block_on(reply).unwrap_or_else(|error| panic!("{error}"));
        event.end().unwrap_or_else(|error| panic!("{error}"));
    })?;
    one.start().await?;
    println!("listening {}", one.addresses()[0]);
    one.wait_connected(count.parse::<usize>()? - 1, LONG)
        .await?;
    println!("ready");
    stdin().read_line(&mut String::new())?;
    for info in one.peers() {
        let options = SendOptions::default();
        let greeting = one.send(&info.peer, "greeting", name.to_owned(), options);
        greeting.await?;
        let options = RequestOptions::default();
        let mut replies = one.request(&info.peer, "whois", "", options).await?;
        while let Some(reply) = replies.next().await {
            tell("whois", reply?.content());
        }
    }
    one.broadcast("news", name.to_owned(), BroadcastOptions::default())
        .await?;
    println!("done");
    // Handlers have threads of their own: they go on meanwhile.
    for line in stdin().lock().lines() {
        line?;
    }
    one.shutdown(LONG).await?;
    println!("ended");
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["member", rendezvous, name, count, address] => {
            member(rendezvous, name, count, address).await
        }
        ["meet"] => meet().await,
        ["message"] => message().await,
        ["request"] => request().await,
        ["error"] => error().await,
        ["timeout"] => timeout().await,
        ["cancel"] => cancel().await,
        ["seek"] => seek().await,
        ["broadcast"] => broadcast().await,
        ["pause"] => pause().await,
        ["shutdown"] => shutdown().await,
        ["dht"] => dht().await,
        ["dht-signed"] => dht_signed().await,
        ["files"] => files().await,
        ["bad-input"] => bad_input().await,
        _ => Err("there is no such scenario".into()),
    }
}
