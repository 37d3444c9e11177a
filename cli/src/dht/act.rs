//! One thing done in the DHT, by a satellite that ends right after.

use std::io::Read;
use std::time::Duration;

use psfs_core::{FetchOptions, Satellite, SignedOptions, StoreOptions};
use tokio::time::Instant;

use super::tell::{self, Notes};
use super::{join, satellite};
use crate::args::{Action, Dht, Store};
use crate::failure::Failure;
use crate::once;
use crate::output::{print, print_line};
use crate::own::SHUTDOWN;

pub(super) fn run(args: &Dht, action: Action<'_>) -> Result<(), Failure> {
    let until = Instant::now() + args.timeout();
    // Before anything starts: what cannot be stored needs no network to be refused.
    let content = match action {
        Action::Store(_) => content(args.keeping.item_max())?,
        _ => Vec::new(),
    };
    let satellite = satellite(args, args.listens()?.first(), |config| config)?;
    once::runtime()?.block_on(async {
        satellite.start().await.map_err(Failure::of)?;
        let done = act(&satellite, args, action, content, until).await;
        let ended = satellite.shutdown(SHUTDOWN).await;
        done.and(ended.map(|_| ()).map_err(Failure::of))
    })
}

async fn act(
    satellite: &Satellite,
    args: &Dht,
    action: Action<'_>,
    content: Vec<u8>,
    until: Instant,
) -> Result<(), Failure> {
    let notes = Notes::new(args.level(), None);
    join(satellite, args).await?;
    notes.tell("Ready...").await;
    let dht = satellite.dht();
    // Never zero: then it would be told that an option is wrong, and not what took too long.
    let left = until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    let store = StoreOptions::default().deadline(left);
    let fetch = FetchOptions::default().deadline(left);
    match action {
        Action::Store(how) => {
            let stored = match how {
                Store::Plain => dht.store(content, store).await,
                Store::Named(name) => dht.store_named(name, content, store).await,
                Store::Sealed(recipient) => dht.store_sealed(&recipient, content, store).await,
                Store::Signed(salt, recipient) => {
                    let signed = SignedOptions::default().deadline(left);
                    let signed = match recipient {
                        Some(recipient) => signed.sealed_for(recipient),
                        None => signed,
                    };
                    dht.store_signed(salt.as_bytes(), content, signed).await
                }
            };
            let stored = stored.map_err(Failure::of)?;
            let nodes = tell::counted(stored.nodes() as u64, "node");
            notes.tell(&format!("Kept by {nodes}")).await;
            print_line(&stored.key().to_string())
        }
        Action::Fetch(key, open) => {
            let value = dht.fetch(key, fetch).await.map_err(Failure::of)?;
            if !open {
                return print(value.content());
            }
            let opened = dht.open(&value).await.map_err(Failure::of)?;
            print(&opened.content)
        }
        Action::Publish => {
            let stored = dht.publish_key(store).await.map_err(Failure::of)?;
            print_line(&stored.key().to_string())
        }
        Action::Trace(key) => {
            let trace = dht.trace(key, fetch).await.map_err(Failure::of)?;
            print(tell::trace(&trace).as_bytes())
        }
        Action::Delete(key) => {
            let deleted = dht.delete(key, store).await.map_err(Failure::of)?;
            print_line(&tell::deleted(&deleted))
        }
    }
}

/// All of stdin.
fn content(max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(max as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format!("cannot read stdin: {error}"), ""))?;
    if bytes.is_empty() {
        return Err(Failure::new(
            "there is nothing to store: stdin is empty",
            "Give it the value: psfs dht -s < FILE.",
        ));
    }
    if bytes.len() > max {
        return Err(Failure::new(
            format!("the value has more than {max} bytes, which is --max-item-size"),
            "Store less at once, or allow more, here and at the nodes that are to keep it.",
        ));
    }
    Ok(bytes)
}
