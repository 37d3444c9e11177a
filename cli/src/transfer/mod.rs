//! `psfs share` and `psfs get`: files from where they lie to where they are wanted.
//!
//! Each has a satellite of its own, which is there as long as the command runs. What they print for scripts goes to stdout, how far they are
//! is drawn on stderr, by `bar`, if that is a terminal.

mod bar;
mod get;
mod qr;
mod share;

use psfs_core::{Config, Satellite, TransferError};

pub(crate) use get::run as get;
pub(crate) use share::run as share;

use crate::args::Meeting;
use crate::failure::Failure;
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
    let mut config = own::config(&meeting.network(rendezvous))?;
    for address in &meeting.listen {
        config = config.listen(address);
    }
    if let Some(folder) = &meeting.data_dir {
        config = config.data_dir(folder);
    }
    Satellite::new(with(config)).map_err(Failure::of)
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
        TransferError::Refused { .. } => {
            "Ask who shares it for a ticket that allows this; of a network with a secret, check the secret."
        }
        _ => return Failure::of(error),
    };
    Failure::new(error.to_string(), hint)
}
