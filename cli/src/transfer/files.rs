//! `psfs files`: what a server keeps for a user, and what is shared from here.

use std::time::Duration;

use psfs_core::{
    FileInfo, GetOptions, PeerId, Progress, PutOptions, Query, Role, Root, Satellite,
    TransferError, Wanted,
};
use serde_json::json;

use super::get::destination;
use super::{failed, run as run_with, satellite, serve, shown, started, stopped, told};
use crate::args::{Files, FilesAction, GetKept, List, Put, Remove, Server, Shelf};
use crate::failure::Failure;
use crate::log;
use crate::output::{Lines, visible};
use crate::stop::Stop;

/// How long a server may take to answer at first.
const CONNECT: Duration = Duration::from_secs(15);
/// Rows of a page.
const PAGE: u32 = 1000;

/// Does what is asked for.
pub(crate) fn run(args: &Files) -> Result<(), Failure> {
    match &args.action {
        FilesAction::Serve(args) => serve::serve(args),
        FilesAction::Token(args) => serve::token(args),
        FilesAction::Put(args) => put(args),
        FilesAction::Get(args) => get(args),
        FilesAction::List(args) => list(args),
        FilesAction::Remove(args) => remove(args),
    }
}

/// A satellite that only comes for something.
fn visitor(server: &Server) -> Result<Satellite, Failure> {
    log::start(None)?;
    satellite(&server.meeting, None, |config| {
        config.dht_role(Role::Client)
    })
}

fn put(args: &Put) -> Result<(), Failure> {
    let token = args.server.token()?;
    let satellite = visitor(&args.server)?;
    run_with(&satellite, async |lines, stop| {
        let server = reached(&satellite, &args.server.address, args.patience(), stop).await?;
        let mut options = PutOptions::new(token)
            .tags(&args.tag)
            .addresses([args.server.address.clone()])
            .patience(args.patience());
        if let Some(name) = &args.name {
            options = options.name(name);
        }
        let transfer = satellite.files().put(&server, &args.path, options);
        let name = args.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let kept = shown(transfer.map_err(failed)?, &name, args.json, lines, stop).await?;
        let kept = kept.map_err(failed)?;
        lines
            .put(match args.json {
                true => told("kept", &kept),
                false => kept.root.to_string(),
            })
            .await;
        Ok(())
    })
}

fn get(args: &GetKept) -> Result<(), Failure> {
    let token = args.server.token()?;
    let satellite = visitor(&args.server)?;
    run_with(&satellite, async |lines, stop| {
        let peer = reached(&satellite, &args.server.address, args.patience(), stop).await?;
        let place = Place::At(peer, token.clone());
        let found = one(&satellite, &place, &args.what, stop).await?;
        let wanted = match found.is_folder {
            true => Wanted::folder(found.root),
            false => found.root.into(),
        };
        let options = GetOptions::default()
            .sources([peer])
            .addresses([args.server.address.clone()])
            .token(token)
            .patience(args.patience());
        let name = safe(&found);
        let path = destination(args.destination.as_deref(), &name);
        let transfer = satellite.files().get(wanted, path, options);
        let received = shown(transfer.map_err(failed)?, &name, args.json, lines, stop).await?;
        let received = received.map_err(failed)?;
        lines
            .put(match args.json {
                true => told("received", &received),
                false => visible(received.path.as_os_str().as_encoded_bytes()),
            })
            .await;
        Ok(())
    })
}

/// The name that a user gave it, as far as that can be one here.
fn safe(found: &FileInfo) -> String {
    let name = std::path::Path::new(&found.name);
    match name.file_name() {
        Some(last) if last == name.as_os_str() => found.name.clone(),
        _ => found.root.to_string(),
    }
}

fn list(args: &List) -> Result<(), Failure> {
    let query = match (&args.tag, &args.name) {
        (Some(tag), _) => Query::tag(tag),
        (None, Some(name)) => Query::name(name),
        (None, None) => Query::all(),
    };
    at(&args.shelf, async |satellite, place, lines, stop| {
        let mut after = None;
        loop {
            let mut page = query.clone().most(PAGE);
            if let Some(root) = after {
                page = page.after(root);
            }
            let found = find(satellite, place, page, stop).await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = Some(last.root);
            for info in &found {
                lines.put(row(info, args.json)).await;
            }
        }
    })
}

fn row(info: &FileInfo, json: bool) -> String {
    if json {
        return json!({
            "root": info.root.to_string(),
            "size": info.size,
            "folder": info.is_folder,
            "name": info.name,
            "tags": info.tags,
            "sha256": info.sha256.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            "added_ms": info.added_ms,
            "path": info.path.as_ref().map(|path| path.display().to_string()),
        })
        .to_string();
    }
    let slash = if info.is_folder { "/" } else { "" };
    let mut line = format!("{} {} {}{slash}", info.root, info.size, info.name);
    for tag in &info.tags {
        line.push_str(" #");
        line.push_str(tag);
    }
    visible(line.as_bytes())
}

fn remove(args: &Remove) -> Result<(), Failure> {
    at(&args.shelf, async |satellite, place, _, stop| {
        let root = match args.what.parse() {
            Ok(root) => root,
            Err(_) => one(satellite, place, &args.what, stop).await?.root,
        };
        let files = satellite.files();
        let removing = async {
            match place {
                Place::Here => files.remove(&root, None).await,
                Place::At(server, token) => files.remote_remove(server, token, &root).await,
            }
        };
        let removed = tokio::select! {
            removed = removing => removed.map_err(failed)?,
            () = stop.asked() => return Err(stopped(&Progress::default())),
        };
        if removed {
            Ok(())
        } else {
            Err(missing(&args.what))
        }
    })
}

/// Whose files are meant.
enum Place {
    /// What this satellite shares itself.
    Here,
    /// What a server keeps for whoever has the token.
    At(PeerId, String),
}

/// Does something with files that are here or at a server.
fn at(
    shelf: &Shelf,
    work: impl AsyncFnOnce(&Satellite, &Place, &Lines, &mut Stop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    log::start(None)?;
    let server = shelf.server()?;
    let satellite = satellite(&shelf.meeting, None, |config| {
        let config = config.dht_role(Role::Client);
        match server {
            Some(_) => config,
            // Nobody is to be met.
            None => config.mdns(false).listen("127.0.0.1:0"),
        }
    })?;
    run_with(&satellite, async |lines, stop| {
        let place = match &server {
            Some((address, token)) => {
                let peer = reached(&satellite, address, CONNECT, stop).await?;
                Place::At(peer, token.clone())
            }
            None => {
                started(&satellite, stop).await?;
                Place::Here
            }
        };
        work(&satellite, &place, lines, stop).await
    })
}

/// Starts the satellite and connects to the server.
async fn reached(
    satellite: &Satellite,
    address: &str,
    patience: Duration,
    stop: &mut Stop,
) -> Result<PeerId, Failure> {
    started(satellite, stop).await?;
    tokio::select! {
        peer = satellite.connect(address, patience) => peer.map_err(Failure::of),
        () = stop.asked() => Err(stopped(&Progress::default())),
    }
}

async fn find(
    satellite: &Satellite,
    place: &Place,
    query: Query,
    stop: &mut Stop,
) -> Result<Vec<FileInfo>, Failure> {
    let files = satellite.files();
    let finding = async {
        match place {
            Place::Here => files.find(query).await,
            Place::At(server, token) => files.remote_find(server, token, query).await,
        }
    };
    tokio::select! {
        found = finding => found.map_err(failed),
        () = stop.asked() => Err(stopped(&Progress::default())),
    }
}

/// The one file that has this name or root.
async fn one(
    satellite: &Satellite,
    place: &Place,
    what: &str,
    stop: &mut Stop,
) -> Result<FileInfo, Failure> {
    let query = match what.parse::<Root>() {
        Ok(root) => Query::root(root),
        Err(_) => Query::name(what),
    };
    let mut found = find(satellite, place, query, stop).await?;
    match (found.pop(), found.len()) {
        (Some(found), 0) => Ok(found),
        (None, _) => Err(missing(what)),
        (Some(_), others) => Err(Failure::new(
            format!("{} files have the name {what}", others + 1),
            "Say which by its root: psfs files list --name NAME shows them.",
        )),
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(
        TransferError::NotFound(what.to_owned()).to_string(),
        "psfs files list shows what there is.",
    )
}
