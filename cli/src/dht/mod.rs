//! `psfs dht`: values that satellites keep for each other. One thing done and over (`act`), or nodes that run until they are told to end
//! (`nodes`), with a prompt where that is wanted (`prompt`); or one that only prints what others do (`feed`).
//!
//! It always has satellites of its own: a running `psfs up` is a node too, and its API stores and fetches for others.

mod act;
mod feed;
mod nodes;
mod prompt;
mod tell;

use std::time::Duration;

use psfs_core::{Config, DhtError, Satellite};

use crate::args::Dht;
use crate::failure::Failure;
use crate::log;
use crate::own;

/// How long a node may take to answer for the first time.
const JOIN: Duration = Duration::from_secs(10);
/// How long to find out why no bootstrap address answers.
const REASON: Duration = Duration::from_secs(2);

/// Does what the command line asks for.
pub(crate) fn run(args: &Dht) -> Result<(), Failure> {
    log::start(Some(filter(args.level())))?;
    match args.action() {
        Some(action) => act::run(args, action),
        None if args.debugs() => feed::run(args),
        None => nodes::run(args),
    }
}

/// The seed's levels as a filter of the log.
fn filter(level: u8) -> &'static str {
    match level {
        0 => "off",
        1 => "error",
        2 | 3 => log::WARNINGS,
        4 => "warn,psfs_core=info,psfs=info",
        _ => log::DEBUG,
    }
}

/// A satellite as the command line wants it, and what else the caller wants. It is not started.
fn satellite(
    args: &Dht,
    listen: Option<&String>,
    with: impl FnOnce(Config) -> Config,
) -> Result<Satellite, Failure> {
    let config = own::config(&args.network())?.dht_role(args.role());
    let mut config = args.keeping.apply(config);
    if let Some(address) = listen {
        config = config.listen(address);
    }
    if let Some(folder) = &args.data_dir {
        config = config.data_dir(folder);
    }
    let satellite = Satellite::new(with(config)).map_err(Failure::of)?;
    args.keeping.permit(&satellite);
    Ok(satellite)
}

/// Waits until there is somebody to ask.
async fn join(satellite: &Satellite, args: &Dht) -> Result<(), Failure> {
    let limit = args.timeout().min(JOIN);
    match satellite.dht().joined(limit).await {
        Ok(()) => Ok(()),
        Err(DhtError::Timeout(_)) => Err(nobody(satellite, args, limit).await),
        Err(error) => Err(Failure::of(error)),
    }
}

async fn nobody(satellite: &Satellite, args: &Dht, limit: Duration) -> Failure {
    let seconds = limit.as_secs();
    let Some(address) = args.connect.first() else {
        return Failure::new(
            format!("no node of the DHT was met within {seconds} s"),
            "Give the address of one with -c.",
        );
    };
    let reason = match satellite.connect(address, REASON).await {
        Err(error) => error.to_string(),
        Ok(peer) => format!("{peer} is there, and is no node of this DHT"),
    };
    Failure::new(
        format!("no node of the DHT answered within {seconds} s: {reason}"),
        "Check the address, the rendezvous (-r) and the secret.",
    )
}
