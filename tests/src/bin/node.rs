//! A satellite in a process of its own, for the process tests: it can be killed, frozen, and counted.
//!
//! `node run NETWORK KEY_FILE LISTEN [BOOTSTRAP]` says what happens to peers, a line each, until its input ends.
//! `node keep NETWORK KEY_FILE node|client FOLDER|- [BOOTSTRAP]` stores and fetches in the DHT as its input says, until that ends.
//! `node files FOLDER SOCKET SECRET [NAME=NUMBER...]` keeps files for clients of filestoraged, and says what is there as its input asks.
//! `node leaves-nothing shutdown|twice|replies|drop|callback|start` starts satellites, ends them in that way, and fails if anything is left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use psfs_core::{
    BroadcastOptions, Config, Dht, FetchOptions, FilestoragedOptions, KeepOptions, Key, PacketType,
    PeerEvent, Query, RequestOptions, Role, Satellite, SendOptions, Shutdown, StoreOptions,
};

type Failure = Box<dyn std::error::Error>;

/// How long what was told to end may take. Only a failing test takes so long.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["run", network, key, listen, bootstrap @ ..] => run(network, key, listen, bootstrap),
        ["keep", network, key, role, folder, bootstrap @ ..] => {
            keep(network, key, role, folder, bootstrap)
        }
        ["files", folder, socket, secret, options @ ..] => files(folder, socket, secret, options),
        ["leaves-nothing", how] => leaves_nothing(how),
        _ => Err("what to do?".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("FAILED {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever started this may be gone; its input ends then as well.
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn run(network: &str, key: &str, listen: &str, bootstrap: &[&str]) -> Result<(), Failure> {
    let mut config = Config::new(network)
        .identity_file(key)
        .mdns(false)
        .listen(listen)
        .ping(Duration::from_secs(1), Duration::from_secs(1));
    for address in bootstrap {
        config = config.bootstrap(*address);
    }
    let satellite = Satellite::new(config)?;
    satellite.on_peer(|event| match event {
        PeerEvent::Authenticated { peer } => say(&format!("MET {peer}")),
        PeerEvent::Disconnected { peer, reason } => {
            say(&format!("GONE {peer} {}: {}", reason.code, reason.text))
        }
        _ => {}
    })?;
    block_on(satellite.start())?;
    say(&format!("LISTENS {}", satellite.addresses()[0]));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// The value of a number: of so many bytes, at least 8.
fn value(number: u64, size: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    bytes.iter().copied().cycle().take(size.max(8)).collect()
}

/// A node of the DHT that does what it is told, a line each, and says what came of it.
fn keep(
    network: &str,
    key: &str,
    role: &str,
    folder: &str,
    bootstrap: &[&str],
) -> Result<(), Failure> {
    let mut config = Config::new(network)
        .identity_file(key)
        .mdns(false)
        .listen("127.0.0.1:0")
        .peers(8, 64)
        .ping(Duration::from_secs(1), Duration::from_secs(1))
        .dht_role(match role {
            "client" => Role::Client,
            _ => Role::Node,
        });
    if folder != "-" {
        config = config.data_dir(folder);
    }
    for address in bootstrap {
        config = config.bootstrap(*address);
    }
    let satellite = Satellite::new(config)?;
    block_on(satellite.start())?;
    say(&format!("LISTENS {}", satellite.addresses()[0]));
    for line in std::io::stdin().lines() {
        let line = line?;
        say(&match told(&satellite.dht(), &line) {
            Ok(()) => format!("DONE {line}"),
            Err(error) => format!("NOT {line}: {error}"),
        });
    }
    block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

fn told(dht: &Dht, line: &str) -> Result<(), Failure> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        // It has heard of so many nodes from themselves.
        ["KNOWS", count] => {
            let count: usize = count.parse()?;
            let known = || {
                let rows = dht.routing_table();
                rows.iter().filter(|row| row.state == "proved").count()
            };
            while known() < count {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        ["STORE", number, size] => {
            let content = value(number.parse()?, size.parse()?);
            let stored = block_on(dht.store(content, StoreOptions::default()))?;
            if stored.nodes() == 0 {
                return Err("nobody keeps it".into());
            }
        }
        ["FETCH", number, size] => {
            let content = value(number.parse()?, size.parse()?);
            let key = Key::of_content(&content);
            let value = block_on(dht.fetch(key, FetchOptions::default()))?;
            if value.content() != &content[..] {
                return Err("it is another value".into());
            }
        }
        ["REMOVE", path] => fs::remove_file(path)?,
        _ => return Err("what is that?".into()),
    }
    Ok(())
}

/// Keeps files for clients of filestoraged.
fn files(folder: &str, socket: &str, secret: &str, options: &[&str]) -> Result<(), Failure> {
    let mut keep = KeepOptions::default();
    let mut serve = FilestoragedOptions::new(socket, secret);
    for option in options {
        let (name, number) = option.split_once('=').ok_or("NAME=NUMBER")?;
        match name {
            "quota" => keep = keep.quota(Some(number.parse()?)),
            "lifetime_ms" => keep = keep.lifetime(Duration::from_millis(number.parse()?)),
            "largest" => serve = serve.largest(number.parse()?),
            "faulty" => keep = keep.faulty(number.parse()?, 1),
            _ => return Err("what option is that?".into()),
        }
    }
    let config = Config::new("files").mdns(false).listen("127.0.0.1:0");
    let satellite = Satellite::new(config.data_dir(folder))?;
    block_on(satellite.start())?;
    let files = satellite.files();
    block_on(files.keep(keep))?;
    block_on(files.serve_filestoraged(serve))?;
    say("SERVES");
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["FILES", owner] => {
                for file in block_on(files.find(Query::all().owner(*owner)))? {
                    let path = file.path.ok_or("it is not what it was")?;
                    let tags = file.tags.join(",");
                    say(&format!(
                        "FILE {} {} [{tags}] {}",
                        file.name,
                        file.size,
                        path.display()
                    ));
                }
                say("DONE");
            }
            ["QUOTA", owner] => {
                let quota = block_on(files.quota(owner))?;
                say(&format!(
                    "QUOTA {} {} {}",
                    quota.used, quota.reserved, quota.uploads
                ));
            }
            _ => return Err("what is that?".into()),
        }
    }
    block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// What this process has: its threads by name, its open files by what they are.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    threads: BTreeMap<String, usize>,
    files: BTreeMap<String, usize>,
}

impl Holdings {
    fn now() -> Result<Self, Failure> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task")? {
            // It may end while it is counted.
            let Ok(name) = fs::read_to_string(task?.path().join("comm")) else {
                continue;
            };
            // libp2p's timers share one thread in a process, and it stays.
            if name.trim() != "futures-timer" {
                *threads.entry(name.trim().into()).or_default() += 1;
            }
        }
        let mut files = BTreeMap::new();
        for file in fs::read_dir("/proc/self/fd")? {
            let Ok(target) = fs::read_link(file?.path()) else {
                continue;
            };
            let target = target.display().to_string();
            // The folder that is being read.
            if !(target.starts_with("/proc/") && target.ends_with("/fd")) {
                *files.entry(target).or_default() += 1;
            }
        }
        Ok(Self { threads, files })
    }

    /// Waits until this process has no more than that again; threads that were joined show for a moment.
    fn wait_for(&self, within: Duration) -> Result<(), Failure> {
        let step = Duration::from_millis(5);
        let mut left = within;
        loop {
            let now = Self::now()?;
            if now == *self {
                return Ok(());
            }
            if left.is_zero() {
                return Err(format!("left over: {now:?}\nof old: {self:?}").into());
            }
            std::thread::sleep(step);
            left = left.saturating_sub(step);
        }
    }
}

fn leaves_nothing(how: &str) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    // Where tokio is built with signals, which some program of the same build may want, the process gets one pair of sockets for them
    // with its first runtime and keeps it. It is no satellite's: here it is made before counting begins.
    drop(
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    );
    let before = Holdings::now()?;
    let network = format!("leaves nothing {}", std::process::id());
    let config = || Config::new(&network).mdns(false);

    // Everything that can be held: a data folder, TCP and QUIC, callback threads, a session with traffic on it.
    let ada = Satellite::new(config().data_dir(folder.path()))?;
    let bob = Satellite::new(config().listen("127.0.0.1:0"))?;
    if how == "start" {
        let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
        let refused = Satellite::new(config().listen(taken.local_addr()?.to_string()))?;
        if block_on(refused.start()).is_ok() {
            return Err("a port in use was bound".into());
        }
    }
    let (heard, hears) = sync_channel(16);
    let (begun, begins) = sync_channel(1);
    let own = ada.clone();
    let mut in_callback = (how == "callback").then_some(own);
    ada.on(PacketType::Message, "talk", move |event| {
        // Enough is enough: the test takes one.
        let _full = heard.try_send(event.content().clone());
        if let Some(own) = in_callback.take() {
            let _full = begun.try_send(block_on(own.shutdown(PATIENCE)));
        }
    })?;
    ada.on(PacketType::Request, "ask", |event| {
        let _cancelled = block_on(event.reply("yes"));
        let _cancelled = event.end();
    })?;
    block_on(ada.start())?;
    block_on(bob.start())?;
    let address = ada
        .addresses()
        .into_iter()
        .find(|a| a.contains("127.0.0.1") && a.contains("/tcp/"));
    let peer = block_on(bob.connect(&address.ok_or("ada does not listen on loopback")?, PATIENCE))?;
    let mut replies = block_on(bob.request(&peer, "ask", "?", RequestOptions::default()))?;
    block_on(replies.next()).ok_or("no reply")??;
    let during = Holdings::now()?;
    if during.threads.len() < 3 || during.files.len() < before.files.len() + 4 {
        return Err(format!("too little to be true: {during:?}").into());
    }
    block_on(bob.send(&peer, "talk", "hello", SendOptions::default()))?;
    hears.recv_timeout(PATIENCE)?;

    drop(replies);
    // Whoever asked may keep what it was given for ever.
    let _unread = [PacketType::Request, PacketType::Seek]
        .map(|packet_type| ada.subscribe(packet_type, "mute"));
    let mut kept = Vec::new();
    if how == "replies" {
        kept.push(block_on(bob.request(
            &peer,
            "mute",
            "?",
            RequestOptions::default(),
        ))?);
        kept.push(bob.seek("mute", "?", RequestOptions::default())?);
        kept.push(block_on(bob.broadcast_request(
            "mute",
            "?",
            BroadcastOptions::default(),
            RequestOptions::default(),
        ))?);
        for replies in &mut kept {
            if let Some(early) = replies.next().now_or_never() {
                return Err(format!("nobody answers, and yet: {early:?}").into());
            }
        }
    }
    let mut within = Duration::from_millis(500);
    match how {
        "shutdown" | "twice" | "start" | "replies" => {
            for _ in 0..if how == "twice" { 2 } else { 1 } {
                for satellite in [&ada, &bob] {
                    if block_on(satellite.shutdown(PATIENCE))? != Shutdown::Done {
                        return Err("shutdown was not done".into());
                    }
                }
            }
            // Handles that are kept hold nothing.
            before.wait_for(within)?;
            for replies in &mut kept {
                // An error, or the good end: what matters is that it does not wait.
                let _end = replies.next().now_or_never().ok_or("it waits")?;
            }
        }
        "callback" => {
            if begins.recv_timeout(PATIENCE)?? != Shutdown::Pending {
                return Err("a callback was waited for by itself".into());
            }
            block_on(bob.shutdown(PATIENCE))?;
            block_on(ada.ended());
            before.wait_for(within)?;
        }
        "drop" => within = PATIENCE,
        _ => return Err("how?".into()),
    }
    drop((ada, bob));
    before.wait_for(within)?;
    // The folder is free.
    drop(Satellite::new(config().data_dir(folder.path()))?);
    before.wait_for(PATIENCE)
}
