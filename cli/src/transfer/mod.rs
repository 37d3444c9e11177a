//! `psfs share`, `psfs get` and `psfs files`: files from where they lie to where they are wanted.
//!
//! Each has a satellite of its own, which is there as long as the command runs. What they print for scripts goes to stdout, how far they are
//! is drawn on stderr, by `bar`, if that is a terminal.

mod bar;
mod files;
mod get;
mod qr;
mod serve;
mod share;

use psfs_core::{Config, Progress, Received, Satellite, Signing, Transfer, TransferError};
use serde_json::json;

pub(crate) use files::run as files;
pub(crate) use get::run as get;
pub(crate) use share::run as share;

use crate::args::Meeting;
use crate::failure::Failure;
use crate::once::runtime;
use crate::output::{Lines, Printer};
use crate::own::{self, SHUTDOWN};
use crate::stop::Stop;

/// Lines that wait for a slow reader of stdout.
const LINES: usize = 16;

/// A satellite for files, in the network of this name or as the command line says. It is not started.
fn satellite(
    meeting: &Meeting,
    rendezvous: Option<&str>,
    with: impl FnOnce(Config) -> Config,
) -> Result<Satellite, Failure> {
    // What moves here proves itself, to anybody who has its root: signatures on top would only cost time. A peer that signs is signed to.
    let mut config = own::config(&meeting.network(rendezvous))?.signing(Signing::Lazy);
    for address in &meeting.listen {
        config = config.listen(address);
    }
    if let Some(folder) = &meeting.data_dir {
        config = config.data_dir(folder);
    }
    Satellite::new(with(config)).map_err(Failure::of)
}

/// Lets a satellite do something, and ends it.
fn run(
    satellite: &Satellite,
    work: impl AsyncFnOnce(&Lines, &mut Stop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    runtime()?.block_on(async {
        // First of all, so that a signal from here on ends it in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(LINES)?;
        let lines = printer.lines();
        let ran = work(&lines, &mut stop).await;
        drop(lines);
        let ended = ended(ran, satellite, &mut stop).await;
        printer.finish();
        ended
    })
}

/// Starts it, unless it is to end before.
async fn started(satellite: &Satellite, stop: &mut Stop) -> Result<(), Failure> {
    tokio::select! {
        started = satellite.start() => started.map_err(Failure::of),
        () = stop.asked() => Err(stopped(&Progress::default())),
    }
}

/// Shows how far a transfer is, until its end; an error of this command stops it.
async fn shown(
    mut transfer: Transfer,
    name: &str,
    json: bool,
    lines: &Lines,
    stop: &mut Stop,
) -> Result<Result<Received, TransferError>, Failure> {
    let bar = bar::Bar::new(name, None);
    bar.show(&Progress::default());
    loop {
        let advanced = tokio::select! {
            advanced = transfer.advanced() => advanced,
            () = stop.asked() => return Err(stopped(&transfer.progress())),
        };
        let Some(progress) = advanced else { break };
        bar.show(&progress);
        if json {
            // A slow reader is told less often, and holds up nothing else.
            lines.put(progressed(&progress)).await;
        }
    }
    let received = transfer.received().await;
    drop(bar);
    Ok(received)
}

fn stopped(progress: &Progress) -> Failure {
    let how_far = match progress.size {
        0 => "before anything came".to_owned(),
        size => format!(
            "at {} %",
            u128::from(progress.bytes) * 100 / u128::from(size)
        ),
    };
    Failure::new(
        format!("stopped {how_far}; the same command goes on from there"),
        "",
    )
}

fn progressed(progress: &Progress) -> String {
    json!({
        "event": "progress",
        "bytes": progress.bytes,
        "size": progress.size,
        "rate": progress.rate,
        "sources": progress.sources,
        "left_s": progress.time_left().map(|left| left.as_secs()),
    })
    .to_string()
}

/// What has come, or is kept, for scripts.
fn told(event: &str, received: &Received) -> String {
    json!({
        "event": event,
        "path": received.path.display().to_string(),
        "root": received.root.to_string(),
        "size": received.size,
        "folder": received.is_folder,
    })
    .to_string()
}

/// Shuts it down whatever came out; what came out first is what is told.
async fn ended(
    ran: Result<(), Failure>,
    satellite: &Satellite,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let ended = tokio::select! {
        ended = satellite.shutdown(SHUTDOWN) => ended.map(|_| ()).map_err(Failure::of),
        () = stop.again() => Err(Failure::new("told to end again before everything had ended", "")),
    };
    ran.and(ended)
}

/// An error about files, with what to do.
fn failed(error: TransferError) -> Failure {
    let hint = match &error {
        // These say it themselves.
        TransferError::Exists { .. } | TransferError::Changed { .. } | TransferError::Cancelled => {
            ""
        }
        TransferError::Path { .. } => "Look at this path, or name another.",
        TransferError::Busy { .. } => "Wait until that has ended, or give another destination.",
        TransferError::NoRoom { .. } => "Make room, or give a destination on another disk.",
        TransferError::NoSource { .. } => {
            "Check that it is still shared and that its address can be reached from here, or give another with --peer; the same command goes on from what came."
        }
        TransferError::Token(_) => {
            "Ask who runs the server for a token that allows this; one holds for a time, and at its own server alone."
        }
        TransferError::Quota(_) => "Remove something there, or ask who runs the server for more.",
        TransferError::Unreachable { .. } => {
            "Check that the server runs and that its address can be reached from here; the same command goes on from what came."
        }
        TransferError::Refused { .. } => {
            "Ask who shares it for a ticket that allows this; of a network with a secret, check the secret."
        }
        _ => return Failure::of(error),
    };
    Failure::new(error.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stopped_says_how_far_it_was() {
        let line = |progress: &Progress| stopped(progress).line().unwrap();
        let mut progress = Progress::default();
        assert_eq!(
            line(&progress),
            "stopped before anything came; the same command goes on from there."
        );
        (progress.bytes, progress.size) = (u64::MAX / 100 * 37, u64::MAX);
        assert_eq!(
            line(&progress),
            "stopped at 36 %; the same command goes on from there."
        );
        (progress.bytes, progress.size) = (37, 100);
        assert_eq!(
            line(&progress),
            "stopped at 37 %; the same command goes on from there."
        );
    }
}
