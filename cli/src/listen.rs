//! `psfs listen`: a satellite of its own that prints what comes in some namespaces, a line each.
//!
//! It has no way through a running satellite: who listens has to be there when something is told, so it is a satellite anyway.

use std::collections::BTreeSet;

use futures::stream::{self, BoxStream, SelectAll, StreamExt, select_all};
use psfs_core::{Event, PacketType, PeerEvent, PeerEvents, Satellite};

use crate::args::{Heard, Listen};
use crate::failure::Failure;
use crate::log;
use crate::once::runtime;
use crate::output::{Lines, Printer, complain, time, visible};
use crate::own::{self, SHUTDOWN};
use crate::stop::Stop;

/// Packets that wait for a slow reader of stdout: few, as each may be large. More wait where the library bounds them.
const WAITING: usize = 4;

/// Listens until told to end, until nobody reads, or until as many came as were wanted.
pub(crate) fn run(args: &Listen) -> Result<(), Failure> {
    log::start(Some(log::WARNINGS))?;
    let satellite = Satellite::new(own::config(&args.network)?).map_err(Failure::of)?;
    runtime()?.block_on(async {
        // First of all, so that a signal from here on ends the satellite in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(WAITING)?;
        let heard = tokio::select! {
            heard = hear(&satellite, args, printer.lines()) => heard,
            () = stop.asked() => Ok(()),
            () = printer.unread() => Ok(()),
        };
        let ended = tokio::select! {
            ended = satellite.shutdown(SHUTDOWN) => ended.map(|_| ()).map_err(Failure::of),
            () = stop.asked() => Err(Failure::new("told to end again before everything had ended", "")),
        };
        printer.finish();
        heard.and(ended)
    })
}

async fn hear(satellite: &Satellite, args: &Listen, lines: Lines) -> Result<(), Failure> {
    // Before the satellite starts, so that nothing is missed.
    let mut packets = subscribe(satellite, args)?;
    let mut peers = satellite.peer_events().map_err(Failure::of)?;
    satellite.start().await.map_err(Failure::of)?;
    if !args.raw {
        lines.put(format!("peer {}", satellite.fingerprint())).await;
        for address in satellite.addresses() {
            lines.put(format!("listening {address}")).await;
        }
    }
    let print = async {
        let mut left = args.count;
        while left != Some(0) {
            let Some(event) = packets.next().await else {
                break;
            };
            lines.put(shown(&event, args.raw)).await;
            left = left.map(|left| left - 1);
        }
    };
    tokio::select! {
        () = print => {}
        () = tell_losses(&mut peers) => {}
    }
    Ok(())
}

fn subscribe(
    satellite: &Satellite,
    args: &Listen,
) -> Result<SelectAll<BoxStream<'static, Event>>, Failure> {
    let types = match args.only {
        Some(Heard::Message) => &[PacketType::Message][..],
        Some(Heard::Broadcast) => &[PacketType::Broadcast],
        None => &[PacketType::Message, PacketType::Broadcast],
    };
    // A namespace named twice is still one.
    let namespaces: BTreeSet<_> = args.namespaces.iter().collect();
    let mut streams = Vec::new();
    for namespace in namespaces {
        for packet_type in types {
            let events = satellite
                .subscribe(*packet_type, namespace)
                .map_err(Failure::of)?;
            let events = stream::unfold(events, |mut events| async {
                events.next().await.map(|event| (event, events))
            });
            streams.push(events.boxed());
        }
    }
    Ok(select_all(streams))
}

/// A packet as it is printed, without the end of the line.
fn shown(event: &Event, raw: bool) -> Vec<u8> {
    if raw {
        return event.content().to_vec();
    }
    format!(
        "{} {} {} {} {}",
        time(event.timestamp_ms()),
        event.packet_type(),
        event.peer(),
        visible(event.namespace().as_bytes()),
        visible(event.content())
    )
    .into_bytes()
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
