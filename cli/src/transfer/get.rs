//! `psfs get`: a file or folder from those who have it. However it ends, the same command goes on from there.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Duration;

use psfs_core::{GetOptions, Received, Role, Satellite, Ticket, TransferError, Wanted};

use super::{failed, satellite, shown, started, told};
use crate::args::{Asked, Get, ticket};
use crate::failure::Failure;
use crate::log;
use crate::output::{Lines, visible};
use crate::stop::Stop;

/// Longest line that is read for a ticket.
const TICKET_MAX: u64 = 32 << 10;

/// How long to find out why an address does not answer.
const REASON: Duration = Duration::from_secs(2);

/// What to get, and what it is called.
struct Errand {
    wanted: Wanted,
    name: String,
    rendezvous: Option<String>,
    /// Where it should be, best first.
    addresses: Vec<String>,
}

/// Gets it.
pub(crate) fn run(args: &Get) -> Result<(), Failure> {
    log::start(None)?;
    let errand = errand(args)?;
    let destination = destination(args.destination.as_deref(), &errand.name);
    // Who only comes for a file is gone before it could serve anybody.
    let satellite = satellite(&args.meeting, errand.rendezvous.as_deref(), |config| {
        config.dht_role(Role::Client)
    })?;
    super::run(&satellite, async |lines, stop| {
        fetch(&satellite, args, &errand, &destination, lines, stop).await
    })
}

fn errand(args: &Get) -> Result<Errand, Failure> {
    let ticket = match args.what()? {
        Asked::Root(root) => {
            return Ok(Errand {
                wanted: if args.folder {
                    Wanted::folder(root)
                } else {
                    root.into()
                },
                name: root.to_string(),
                rendezvous: None,
                addresses: args.meeting.peer.clone(),
            });
        }
        Asked::Ticket(ticket) => ticket,
        Asked::Stdin => {
            let ticket = from_stdin()?;
            args.fits(&ticket)?;
            ticket
        }
    };
    let root = ticket.root();
    Ok(Errand {
        wanted: (&*ticket).into(),
        name: ticket
            .name()
            .map_or_else(|| root.to_string(), ToOwned::to_owned),
        rendezvous: Some(ticket.rendezvous().to_owned()),
        addresses: [ticket.addresses(), &args.meeting.peer].concat(),
    })
}

/// Not all of stdin: `psfs share` goes on after it printed its ticket.
fn from_stdin() -> Result<Box<Ticket>, Failure> {
    let mut line = String::new();
    std::io::Read::take(std::io::stdin().lock(), TICKET_MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("cannot read a ticket from stdin: {error}"), ""))?;
    ticket(&line)
}

/// In a folder that is there it gets its own name.
pub(super) fn destination(given: Option<&Path>, name: &str) -> PathBuf {
    match given {
        None => PathBuf::from(name),
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(path) => path.to_owned(),
    }
}

async fn fetch(
    satellite: &Satellite,
    args: &Get,
    errand: &Errand,
    destination: &Path,
    lines: &Lines,
    stop: &mut Stop,
) -> Result<(), Failure> {
    started(satellite, stop).await?;
    let options = GetOptions::default()
        .addresses(args.meeting.peer.iter().cloned())
        .patience(args.patience())
        .durable(!args.no_sync);
    let transfer = satellite
        .files()
        .get(errand.wanted.clone(), destination, options)
        .map_err(failed)?;
    match shown(transfer, &errand.name, args.json, lines, stop).await? {
        Ok(received) => {
            lines.put(line(args, &received)).await;
            Ok(())
        }
        Err(error @ TransferError::NoSource { .. }) => {
            Err(nobody(satellite, errand, error, stop).await)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Nobody gave it: an address where nobody answers says more than a peer that was not met.
async fn nobody(
    satellite: &Satellite,
    errand: &Errand,
    error: TransferError,
    stop: &mut Stop,
) -> Failure {
    let failed = failed(error);
    let Some(address) = errand.addresses.first() else {
        return failed;
    };
    let reason = tokio::select! {
        connected = satellite.connect(address, REASON) => connected.err(),
        () = stop.asked() => None,
    };
    match reason {
        Some(reason) => failed.because(&format!("{address}: {reason}")),
        None => failed,
    }
}

fn line(args: &Get, received: &Received) -> String {
    if args.json {
        return told("received", received);
    }
    visible(received.path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_into_folders_and_beside_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(destination(None, "name"), Path::new("name"));
        assert_eq!(
            destination(Some(folder.path()), "name"),
            folder.path().join("name")
        );
        assert_eq!(destination(Some(&file), "name"), file);
        let new = folder.path().join("new");
        assert_eq!(destination(Some(&new), "name"), new);
    }
}
