//! What nodes of the DHT do that permit to be followed, a line each as it happens.

use psfs_core::Satellite;

use super::{join, satellite};
use crate::args::Dht;
use crate::failure::Failure;
use crate::once;
use crate::output::{Lines, Printer, visible};
use crate::own::SHUTDOWN;
use crate::stop::Stop;

/// Lines that wait for a slow reader of stdout; more wait where the library bounds them.
const WAITING: usize = 256;

/// Prints until it is told to end, or until nobody reads.
pub(super) fn run(args: &Dht) -> Result<(), Failure> {
    let satellite = satellite(args, args.listens()?.first(), |config| config)?;
    once::runtime()?.block_on(async {
        // First of all, so that a signal from here on ends it in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(WAITING)?;
        satellite.start().await.map_err(Failure::of)?;
        let followed = tokio::select! {
            followed = follow(&satellite, args, printer.lines()) => followed,
            () = stop.asked() => Ok(()),
            () = printer.unread() => Ok(()),
        };
        let ended = tokio::select! {
            ended = satellite.shutdown(SHUTDOWN) => ended.map(|_| ()).map_err(Failure::of),
            () = stop.again() => Err(Failure::new("told to end again before everything had ended", "")),
        };
        printer.finish();
        followed.and(ended)
    })
}

async fn follow(satellite: &Satellite, args: &Dht, lines: Lines) -> Result<(), Failure> {
    join(satellite, args).await?;
    let mut feed = satellite.dht().debug().map_err(Failure::of)?;
    while let Some(told) = feed.next().await {
        let line = visible(told.line.as_bytes());
        lines.put(format!("{} {line}", told.peer)).await;
    }
    Err(Failure::new("the satellite has ended", ""))
}
