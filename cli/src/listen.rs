//! `psfs listen`: prints what comes in some namespaces, a line each, to a running satellite or to one of its own.

use std::collections::BTreeSet;

use futures::stream::{BoxStream, SelectAll, StreamExt};
use psfs_core::{PeerEvent, PeerEvents, Satellite};

use crate::api::Told;
use crate::args::Listen;
use crate::client::Client;
use crate::failure::Failure;
use crate::log;
use crate::once::{client, runtime};
use crate::output::{Lines, Printer, complain, time, visible};
use crate::own::{self, SHUTDOWN};
use crate::stop::Stop;

/// Packets that wait for a slow reader of stdout: few, as each may be large. More wait where the library bounds them.
const WAITING: usize = 4;

/// Packets as they come, of one or more namespaces.
type Packets = SelectAll<BoxStream<'static, Result<Told, Failure>>>;

/// Listens until told to end, until nobody reads, or until as many came as were wanted.
pub(crate) fn run(args: &Listen) -> Result<(), Failure> {
    log::start(Some(log::WARNINGS))?;
    runtime()?.block_on(async {
        // First of all, so that a signal from here on ends it in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(WAITING)?;
        let ended = match client(&args.reach)? {
            Some(client) => {
                let heard = through(&client, args, printer.lines());
                until_told(heard, &mut stop, &printer).await
            }
            None => {
                let config = own::config(&args.reach.network)?;
                let satellite = Satellite::new(config).map_err(Failure::of)?;
                let heard = with_its_own(&satellite, args, printer.lines());
                let heard = until_told(heard, &mut stop, &printer).await;
                let ended = tokio::select! {
                    ended = satellite.shutdown(SHUTDOWN) => ended.map(|_| ()).map_err(Failure::of),
                    () = stop.again() => Err(Failure::new("told to end again before everything had ended", "")),
                };
                heard.and(ended)
            }
        };
        printer.finish();
        ended
    })
}

async fn until_told(
    work: impl Future<Output = Result<(), Failure>>,
    stop: &mut Stop,
    printer: &Printer,
) -> Result<(), Failure> {
    tokio::select! {
        done = work => done,
        () = stop.asked() => Ok(()),
        () = printer.unread() => Ok(()),
    }
}

/// Through the API of a running satellite, a connection for each namespace.
async fn through(client: &Client, args: &Listen, lines: Lines) -> Result<(), Failure> {
    let mut packets = Packets::new();
    for namespace in namespaces(args) {
        packets.push(client.listen(namespace, args.only).await?);
    }
    if !args.raw {
        lines.put(format!("listening through {client}")).await;
    }
    print(packets, args, &lines).await
}

/// With a satellite of its own, which can be sent to by the id that is printed first.
async fn with_its_own(satellite: &Satellite, args: &Listen, lines: Lines) -> Result<(), Failure> {
    // Before the satellite starts, so that nothing is missed.
    let mut packets = Packets::new();
    for namespace in namespaces(args) {
        let events = own::subscribe(satellite, namespace, args.only).map_err(Failure::of)?;
        packets.push(events.map(|event| Ok(Told::of(&event))).boxed());
    }
    let mut peers = satellite.peer_events().map_err(Failure::of)?;
    satellite.start().await.map_err(Failure::of)?;
    if !args.raw {
        lines.put(format!("peer {}", satellite.fingerprint())).await;
        for address in satellite.addresses() {
            lines.put(format!("listening {address}")).await;
        }
    }
    tokio::select! {
        printed = print(packets, args, &lines) => printed,
        () = tell_losses(&mut peers) => Ok(()),
    }
}

/// A namespace named twice is still one.
fn namespaces(args: &Listen) -> BTreeSet<&String> {
    args.namespaces.iter().collect()
}

async fn print(mut packets: Packets, args: &Listen, lines: &Lines) -> Result<(), Failure> {
    let mut left = args.count;
    while left != Some(0) {
        let Some(packet) = packets.next().await else {
            return Err(Failure::new("the satellite has ended", ""));
        };
        lines.put(shown(packet?, args.raw)?).await;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

/// A packet as it is printed, without the end of the line.
fn shown(packet: Told, raw: bool) -> Result<Vec<u8>, Failure> {
    let content = packet
        .content
        .into_bytes()
        .ok_or_else(|| Failure::new("the satellite told of a packet that has no content", ""))?;
    if raw {
        return Ok(content);
    }
    let line = format!(
        "{} {} {} {} {}",
        time(packet.time_ms),
        visible(packet.packet_type.as_bytes()),
        visible(packet.peer.as_bytes()),
        visible(packet.namespace.as_bytes()),
        visible(&content)
    );
    Ok(line.into_bytes())
}

/// Not among the packets: with --raw they are data.
async fn tell_losses(peers: &mut PeerEvents) {
    while let Some(event) = peers.next().await {
        if let PeerEvent::Lagged {
            packet_type,
            namespace,
            dropped,
        } = event
        {
            complain(&format!(
                "{dropped} packets of type {packet_type} in namespace {namespace} were dropped: they came faster than they were read"
            ));
        }
    }
}
