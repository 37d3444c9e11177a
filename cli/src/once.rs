//! `psfs peers`, `send`, `request` and `broadcast`: one thing done, through a running satellite's API or a satellite of their own.

use std::ffi::OsString;
use std::future::Future;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use psfs_core::BroadcastOptions;

use crate::args::{Broadcast, Peers, Reach, Request, Send, Target};
use crate::client::Client;
use crate::failure::Failure;
use crate::log;
use crate::output::{print, print_line, visible};
use crate::own::{Own, state_name};

/// Largest content taken from stdin, in bytes: what satellites take by default.
const CONTENT_MAX: usize = 16 << 20;

/// Prints who is met, and how each stands.
pub(crate) fn peers(args: &Peers) -> Result<(), Failure> {
    block_on(async {
        if let Some(client) = client(&args.reach)? {
            for peer in client.peers(args.timeout()).await? {
                print_line(&visible(format!("{} {}", peer.id, peer.state).as_bytes()))?;
            }
            return Ok(());
        }
        let mut own = Own::start(&args.reach.network, args.timeout()).await?;
        let result = own
            .peers(|peer, state| print_line(&format!("{peer} {}", state_name(state))))
            .await;
        ended(result, own).await
    })
}

/// Sends one message.
pub(crate) fn send(args: &Send) -> Result<(), Failure> {
    let Target {
        peer,
        what,
        reach,
        within,
    } = &args.target;
    let content = content(what.content.as_ref())?;
    block_on(async {
        if let Some(client) = client(reach)? {
            return client
                .write(peer, &what.namespace, &content, within.timeout())
                .await;
        }
        let mut own = Own::start(&reach.network, within.timeout()).await?;
        let result = own.send(peer, &what.namespace, content).await;
        ended(result, own).await
    })
}

/// Asks, and prints the replies.
pub(crate) fn request(args: &Request) -> Result<(), Failure> {
    let Target {
        peer,
        what,
        reach,
        within,
    } = &args.target;
    let content = content(what.content.as_ref())?;
    let show = |reply: &[u8]| {
        if args.raw {
            print(reply)
        } else {
            print_line(&visible(reply))
        }
    };
    block_on(async {
        if let Some(client) = client(reach)? {
            return client
                .request(peer, &what.namespace, &content, within.timeout(), show)
                .await;
        }
        let mut own = Own::start(&reach.network, within.timeout()).await?;
        let result = async {
            let mut replies = own.request(peer, &what.namespace, content).await?;
            while let Some(reply) = replies.next().await {
                show(reply.map_err(Failure::of)?.content())?;
            }
            Ok(())
        }
        .await;
        ended(result, own).await
    })
}

/// Tells everybody.
pub(crate) fn broadcast(args: &Broadcast) -> Result<(), Failure> {
    let content = content(args.what.content.as_ref())?;
    let namespace = &args.what.namespace;
    block_on(async {
        if let Some(client) = client(&args.reach)? {
            return client
                .broadcast(namespace, &content, args.within.timeout())
                .await;
        }
        let mut options = BroadcastOptions::default();
        if let Some(seconds) = args.broadcastlifetime {
            options = options.lifetime(Duration::from_secs(seconds));
        }
        let mut own = Own::start(&args.reach.network, args.within.timeout()).await?;
        let result = own.broadcast(namespace, content, options).await;
        ended(result, own).await
    })
}

/// A client of the API, unless the command is to have a satellite of its own.
pub(crate) fn client(reach: &Reach) -> Result<Option<Client>, Failure> {
    match reach.network.rendezvous {
        Some(_) => Ok(None),
        None => Client::find(reach).map(Some),
    }
}

/// Shuts the satellite down whatever came out; what came out first is what is told.
async fn ended(result: Result<(), Failure>, own: Own) -> Result<(), Failure> {
    let end = own.shutdown().await;
    result.and(end)
}

fn content(argument: Option<&OsString>) -> Result<Vec<u8>, Failure> {
    let bytes = match argument {
        None => Vec::new(),
        Some(argument) if argument == "-" => {
            let mut bytes = Vec::new();
            let stdin = std::io::stdin()
                .lock()
                .take(CONTENT_MAX as u64 + 1)
                .read_to_end(&mut bytes);
            stdin.map_err(|error| Failure::new(format!("cannot read stdin: {error}"), ""))?;
            bytes
        }
        Some(argument) => argument.clone().into_vec(),
    };
    if bytes.len() > CONTENT_MAX {
        return Err(Failure::new(
            format!("the content has more than {CONTENT_MAX} bytes"),
            "Send less at once.",
        ));
    }
    Ok(bytes)
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    log::start(None)?;
    runtime()?.block_on(work)
}

/// One thread is enough: satellites bring a runtime of their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))
}
