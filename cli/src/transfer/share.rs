//! `psfs share`: hashes files and folders, prints a ticket for each, and gives them to who asks until it is told to end.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use psfs_core::{Satellite, ShareOptions, Shared, Ticket, TicketOptions};
use serde_json::json;

use super::bar::Bar;
use super::{LINES, ended, failed, qr, satellite};
use crate::args::Share;
use crate::failure::Failure;
use crate::log;
use crate::once::runtime;
use crate::output::{Lines, Printer, visible};
use crate::stop::Stop;

/// Shares until told to end.
pub(crate) fn run(args: &Share) -> Result<(), Failure> {
    log::start(Some(log::WARNINGS))?;
    // Before anything is hashed, which may take long.
    let sizes: Vec<Option<u64>> = args
        .paths
        .iter()
        .map(|path| size(path))
        .collect::<Result<_, _>>()?;
    let satellite = satellite(&args.meeting, None, |config| config)?;
    runtime()?.block_on(async {
        // First of all, so that a signal from here on ends it in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(LINES)?;
        let lines = printer.lines();
        let shared = tokio::select! {
            shared = share(&satellite, args, &sizes, &lines) => shared.map(|()| true),
            () = stop.asked() => Ok(false),
            () = printer.unread() => Ok(false),
        };
        drop(lines);
        let ran = match shared {
            // Whoever took the tickets need not read on.
            Ok(true) => {
                stop.asked().await;
                Ok(())
            }
            shared => shared.map(|_| ()),
        };
        let ended = ended(ran, &satellite, &mut stop).await;
        printer.finish();
        ended
    })
}

/// How large a file is; nothing for a folder.
fn size(path: &Path) -> Result<Option<u64>, Failure> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_file().then_some(found.len())),
        Err(error) => Err(Failure::new(
            format!("cannot share {}: {error}", path.display()),
            "Look at this path, or name another.",
        )),
    }
}

async fn share(
    satellite: &Satellite,
    args: &Share,
    sizes: &[Option<u64>],
    lines: &Lines,
) -> Result<(), Failure> {
    satellite.start().await.map_err(Failure::of)?;
    for (path, size) in args.paths.iter().zip(sizes) {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bar = Bar::new(&format!("hashing {}", name.display()), *size);
        let options = ShareOptions::default()
            .only_with_ticket(args.only_with_ticket())
            .tags(&args.tag)
            .progress(bar.counter());
        let shared = satellite.files().share(path, options).await;
        drop(bar);
        let shared = shared.map_err(failed)?;
        let ticket = ticket(satellite, args, &shared)?;
        lines.put(line(args, path, &shared, &ticket)).await;
        if args.qr {
            show(&ticket)?;
        }
    }
    Ok(())
}

fn ticket(satellite: &Satellite, args: &Share, shared: &Shared) -> Result<Ticket, Failure> {
    let mut options = TicketOptions::default();
    if let Some(lifetime) = args.expire {
        options = options.lifetime(lifetime);
    }
    if let Some(peer) = args.to {
        options = options.holder(peer);
    }
    if let Some(bytes) = args.bytes {
        if bytes < shared.size {
            return Err(Failure::usage(
                format!(
                    "--bytes {bytes} is too little for {}, which has {}: nobody could get it",
                    shared.path.display(),
                    shared.size
                ),
                "Give as many for each time that it may be got.",
            ));
        }
        options = options.bytes(bytes);
    }
    satellite
        .files()
        .ticket(&shared.root, options)
        .map_err(failed)
}

/// One ticket is a line by itself, ready for a pipe; of several each has its path behind it.
fn line(args: &Share, path: &Path, shared: &Shared, ticket: &Ticket) -> String {
    if args.json {
        return json!({
            "event": "shared",
            "path": path.display().to_string(),
            "root": shared.root.to_string(),
            "size": shared.size,
            "folder": shared.is_folder,
            "ticket": ticket.to_string(),
        })
        .to_string();
    }
    match args.paths.len() {
        1 => ticket.to_string(),
        _ => format!("{ticket} {}", visible(path.as_os_str().as_encoded_bytes())),
    }
}

/// Beside what is printed for others to read.
fn show(ticket: &Ticket) -> Result<(), Failure> {
    let mut out = io::stderr().lock();
    let code = qr::drawn(&ticket.to_string(), out.is_terminal())?;
    // A closed stderr is nobody's problem.
    let _unseen = out.write_all(code.as_bytes());
    Ok(())
}
