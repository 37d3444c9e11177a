//! Nodes that run until they are told to end: one, or a little network in this process.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, select_all};
use psfs_core::Satellite;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use super::tell::Notes;
use super::{prompt, satellite};
use crate::args::{Dht, port_of};
use crate::failure::Failure;
use crate::once;
use crate::output::Printer;
use crate::own::SHUTDOWN;
use crate::stop::Stop;

/// What waits for a slow reader of stdout before more waits too: few, as a value may be among it.
const WAITING: usize = 4;
/// Sessions that a node of a network wants, as by default, and those it has room for beside one with each other node.
const PEERS: usize = 8;
const ROOM: usize = 32;
/// Threads that the nodes of a network have in common.
const THREADS: usize = 4;

pub(super) fn run(args: &Dht) -> Result<(), Failure> {
    let listens = args.listens()?;
    let runtime = if listens.len() > 1 {
        shared_runtime()?
    } else {
        once::runtime()?
    };
    runtime.block_on(async {
        // First of all, so that a signal from here on ends it in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(WAITING)?;
        let lines = (!args.interactive).then(|| printer.lines());
        let notes = Arc::new(Notes::new(args.level(), lines));
        let mut nodes = Nodes::new(args, &listens, &runtime);
        let ran = tokio::select! {
            ran = nodes.live(&notes, &printer) => ran,
            () = stop.asked() => Ok(()),
            () = printer.unread() => Ok(()),
        };
        let ended = tokio::select! {
            ended = nodes.end() => ended,
            () = stop.again() => Err(Failure::new("told to end again before everything had ended", "")),
        };
        drop((nodes, notes));
        printer.finish();
        ran.and(ended)
    })
}

/// Many nodes with threads each would be mostly threads.
fn shared_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))
}

struct Nodes<'a> {
    args: &'a Dht,
    listens: &'a [String],
    runtime: &'a Runtime,
    satellites: Vec<Satellite>,
    /// Each tells when its node has met another.
    ready: JoinSet<()>,
}

impl<'a> Nodes<'a> {
    fn new(args: &'a Dht, listens: &'a [String], runtime: &'a Runtime) -> Self {
        Self {
            args,
            listens,
            runtime,
            satellites: Vec::new(),
            ready: JoinSet::new(),
        }
    }

    async fn live(&mut self, notes: &Arc<Notes>, printer: &Printer) -> Result<(), Failure> {
        for listen in self.listens {
            self.add(listen, notes).await?;
        }
        let Some(first) = self.satellites.first() else {
            return Ok(());
        };
        let over = select_all(self.satellites.iter().map(|node| Box::pin(node.ended())));
        tokio::select! {
            asked = prompt::run(first, self.args, printer.lines()), if self.args.interactive => asked,
            _ = over => Err(Failure::new("a node has ended by itself", "See what it logged, with -v 4.")),
        }
    }

    /// Starts one more. Those after the first know the first.
    async fn add(&mut self, listen: &String, notes: &Arc<Notes>) -> Result<(), Failure> {
        let first = self.satellites.first().map(Satellite::addresses);
        let node = satellite(self.args, Some(listen), |mut config| {
            if self.listens.len() > 1 {
                // They all meet each other: there must be room beside for those who come.
                let room = ROOM + self.listens.len();
                config = config
                    .peers(PEERS, room)
                    .runtime(Handle::clone(self.runtime.handle()));
            }
            match first.as_ref().and_then(|addresses| addresses.first()) {
                Some(address) => config.bootstrap(address),
                None => config,
            }
        })?;
        self.satellites.push(node.clone());
        node.start().await.map_err(Failure::of)?;
        notes
            .tell(&format!(
                "Listening on {}",
                listening(listen, &node.addresses())
            ))
            .await;
        let notes = Arc::clone(notes);
        self.ready.spawn(async move {
            if node.dht().joined(Duration::MAX).await.is_ok() {
                notes.tell("Ready...").await;
            }
        });
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.ready.shutdown().await;
        let ending = self.satellites.iter().map(|node| node.shutdown(SHUTDOWN));
        let ended = join_all(ending).await;
        let failed = ended.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |error| Err(Failure::of(error)))
    }
}

/// The address as it was given, with the port that it turned out to be; of a multiaddress, the addresses it stands for.
fn listening(given: &str, addresses: &[String]) -> String {
    let port = addresses.iter().find_map(|address| {
        let (_, port) = address.split_once("/tcp/")?;
        port.split('/').next()
    });
    match (port_of(given), port) {
        (Some((host, _)), Some(port)) => format!("{host}:{port}"),
        _ => addresses.join(" "),
    }
}
