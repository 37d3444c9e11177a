//! The satellite that is asked and sent to, in the second process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use psfs_core::{Config, Event, Events, PacketType, Satellite, Signing};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Failure, RENDEZVOUS, child, run, runtime};
use crate::PATIENCE;

/// Events read at once by handlers that read in batches.
const BATCH: usize = 256;

/// Counts what came in, and wakes who waits for a number.
#[derive(Debug, Default)]
struct Tally {
    count: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Tally {
    fn add(&self, count: u64) {
        let total = self.count.fetch_add(count, Ordering::SeqCst) + count;
        let wanted = self.wanted.load(Ordering::SeqCst);
        if total - count < wanted && total >= wanted {
            self.reached.notify_one();
        }
    }

    async fn wait_for(&self, wanted: u64) -> u64 {
        self.wanted.store(wanted, Ordering::SeqCst);
        loop {
            let total = self.count.load(Ordering::SeqCst);
            if total >= wanted {
                return total;
            }
            self.reached.notified().await;
        }
    }
}

/// The name of a policy, as children are told it.
pub fn policy(name: &str) -> Result<Signing, Failure> {
    match name {
        "every" => Ok(Signing::Every),
        "rsa" => Ok(Signing::Rsa),
        "lazy" => Ok(Signing::Lazy),
        _ => Err(format!("no policy: {name}").into()),
    }
}

/// A satellite on the runtime of whoever calls.
pub fn config(signing: Signing) -> Config {
    Config::new(RENDEZVOUS)
        .signing(signing)
        .mdns(false)
        .listen("127.0.0.1:0")
        .runtime(Handle::current())
}

/// The child's main: serves until its parent ends.
///
/// # Errors
/// The satellite does not start.
pub fn main(signing: &str) -> Result<(), Failure> {
    let (runtime, signing) = (runtime()?, policy(signing)?);
    let satellite = run(&runtime, async move {
        let satellite = Satellite::new(config(signing))?;
        satellite.start().await?;
        serve(&satellite)?;
        Ok(satellite)
    })?;
    child::say("at", &satellite.addresses()[0])?;
    child::stay()?;
    runtime.block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// `echo` answers with what it is asked. MESSAGEs to `small` (a task that reads in batches), `call` (a closure) are counted, those
/// to `large` by their bytes; a REQUEST to one of these names is answered when so many came.
fn serve(satellite: &Satellite) -> Result<(), Failure> {
    tokio::spawn(echo(satellite.subscribe(PacketType::Request, "echo")?));

    let small = tally(satellite, "small")?;
    tokio::spawn(batches(
        satellite.subscribe(PacketType::Message, "small")?,
        move |batch| {
            small.add(batch.len() as u64);
        },
    ));
    let large = tally(satellite, "large")?;
    tokio::spawn(batches(
        satellite.subscribe(PacketType::Message, "large")?,
        move |batch| {
            large.add(batch.iter().map(|event| event.content().len() as u64).sum());
        },
    ));
    let call = tally(satellite, "call")?;
    satellite.on(PacketType::Message, "call", move |_event| call.add(1))?;
    Ok(())
}

async fn echo(mut asked: Events) {
    let mut batch = Vec::with_capacity(BATCH);
    while asked.next_batch(&mut batch, BATCH).await {
        for event in batch.drain(..) {
            // Who no longer wants the answer does not get it.
            let _cancelled = event
                .reply(event.content().clone())
                .await
                .and_then(|()| event.end());
        }
    }
}

async fn batches(mut events: Events, mut handle: impl FnMut(&[Event])) {
    let mut batch = Vec::with_capacity(BATCH);
    while events.next_batch(&mut batch, BATCH).await {
        handle(&batch);
        batch.clear();
    }
}

fn tally(satellite: &Satellite, name: &str) -> Result<Arc<Tally>, Failure> {
    let tally = Arc::new(Tally::default());
    let (counting, mut asked) = (
        Arc::clone(&tally),
        satellite.subscribe(PacketType::Request, name)?,
    );
    tokio::spawn(async move {
        while let Some(event) = asked.next().await {
            let wanted =
                <[u8; 8]>::try_from(event.content().as_ref()).map_or(u64::MAX, u64::from_le_bytes);
            let total = counting.wait_for(wanted).await;
            let _cancelled = event
                .reply(total.to_le_bytes().to_vec())
                .await
                .and_then(|()| event.end());
        }
    });
    Ok(tally)
}
