//! How long an event takes from the network to a callback, on a satellite that has nothing else to do.
//!
//! The beginning is seen through the log line that the connection's task writes when packets are decoded and verified and go on to
//! their handlers (target `psfs_core::deliver`); the end is the first line of the callback. So routing, queue and the callback
//! thread's wake-up are in it, and the wire is not. Beside it: what two threads need for a hand-over by a channel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use psfs_core::{Config, PacketType, Satellite, SendOptions};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::talk::Pair;
use super::{Failure, RENDEZVOUS, child, now, percentile};
use crate::PATIENCE;

/// Events that are measured, and the pause before each, in which everything goes to sleep.
const EVENTS: usize = 400;
const PAUSE: Duration = Duration::from_millis(4);

static START: OnceLock<Instant> = OnceLock::new();
static DELIVERED: AtomicU64 = AtomicU64::new(0);

fn ns() -> u64 {
    u64::try_from(START.get_or_init(now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn wall_ns() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes the time of each delivery, and wants no other line.
struct Stamps;

impl Subscriber for Stamps {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "psfs_core::deliver"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        DELIVERED.store(ns(), Ordering::Release);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Debug, Default)]
struct Times {
    to_callback: Vec<f64>,
    from_send: Vec<f64>,
}

/// The child's main: an idle satellite with one callback.
///
/// # Errors
/// It does not start.
pub fn main() -> Result<(), Failure> {
    tracing::subscriber::set_global_default(Stamps)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let satellite = Satellite::new(Config::new(RENDEZVOUS).mdns(false).listen("127.0.0.1:0"))?;
    let times = Arc::new(Mutex::new(Times::default()));
    let taken = Arc::clone(&times);
    satellite.on(PacketType::Message, "wake", move |event| {
        let (at, wall) = (ns(), wall_ns());
        let mut times = taken.lock().unwrap_or_else(PoisonError::into_inner);
        times
            .to_callback
            .push(at.saturating_sub(DELIVERED.load(Ordering::Acquire)) as f64 / 1e3);
        if let Ok(sent) = <[u8; 8]>::try_from(event.content().as_ref()) {
            times
                .from_send
                .push(wall.saturating_sub(u64::from_le_bytes(sent)) as f64 / 1e3);
        }
    })?;
    runtime.block_on(satellite.start())?;
    child::say("at", &satellite.addresses()[0])?;
    while times
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .to_callback
        .len()
        < EVENTS
    {
        std::thread::sleep(PAUSE);
    }
    {
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        child::say("p50", percentile(&mut times.to_callback, 50))?;
        child::say("p99", percentile(&mut times.to_callback, 99))?;
        child::say("from_send", percentile(&mut times.from_send, 50))?;
    }
    let mut handed = hand_over();
    child::say("thread", percentile(&mut handed, 50))?;
    child::stay()?;
    runtime.block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// Sends what is to be measured, with the time it is sent at.
///
/// # Errors
/// A message cannot be sent.
pub async fn send(pair: Pair) -> Result<(), Failure> {
    for _ in 0..EVENTS {
        tokio::time::sleep(PAUSE).await;
        let content = wall_ns().to_le_bytes().to_vec();
        pair.satellite
            .send(&pair.peer, "wake", content, SendOptions::default())
            .await?;
    }
    Ok(())
}

/// From one thread to another that sleeps, in µs.
fn hand_over() -> Vec<f64> {
    let (sender, receiver) = sync_channel::<u64>(1);
    let other = std::thread::spawn(move || {
        receiver
            .iter()
            .map(|sent| (ns() - sent) as f64 / 1e3)
            .collect()
    });
    for _ in 0..EVENTS {
        std::thread::sleep(PAUSE);
        // It ends only after this does.
        let _ended = sender.send(ns());
    }
    drop(sender);
    other.join().unwrap_or_default()
}
