//! How things of the DHT are shown to people.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use psfs_core::{Dht, RoutingRow, Stored, Trace};

use crate::failure::Failure;
use crate::output::{Lines, time, visible};

/// From this level on it is told what becomes of nodes.
const SHOWN_FROM: u8 = 3;
/// Keys read at once.
const PAGE: usize = 256;

/// Lines about nodes, as the seed's: `19:45:57.136 ▶ INFO 001 Listening on :3000`. The time is UTC.
pub(super) struct Notes {
    shown: bool,
    /// Where to; else stderr, where stdout has something else to say.
    lines: Option<Lines>,
    count: AtomicU32,
}

impl Notes {
    pub(super) fn new(level: u8, lines: Option<Lines>) -> Self {
        Self {
            shown: level >= SHOWN_FROM,
            lines,
            count: AtomicU32::new(1),
        }
    }

    pub(super) async fn tell(&self, text: &str) {
        if !self.shown {
            return;
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let now = time(now_ms());
        // The day is known to who reads along.
        let clock = now.get(11..23).unwrap_or_default();
        let line = format!("{clock} ▶ INFO {number:03} {}", visible(text.as_bytes()));
        match &self.lines {
            Some(lines) => lines.put(line).await,
            // A closed stderr is nobody's problem.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }
}

fn now_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the time of a line is shown to people, and nothing is reckoned with it"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Hash and number of nodes that keep it, as the seed's prompt says them.
pub(super) fn stored(stored: &Stored) -> String {
    format!("{} {}", stored.key(), stored.nodes())
}

/// What became of a deletion.
pub(super) fn deleted(stored: &Stored) -> String {
    format!("deleted from {}", counted(stored.nodes() as u64, "node"))
}

/// A number of things.
pub(super) fn counted(count: u64, thing: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{end}")
}

/// A line for each question, then who has it and who is near.
pub(super) fn trace(trace: &Trace) -> String {
    let mut text = format!("key {}\n", trace.key);
    for (number, hop) in trace.hops.iter().enumerate() {
        let took = hop.took.map_or_else(|| "-".to_owned(), millis);
        let _ = writeln!(
            text,
            "{:>3} way {} depth {} bits {} {} {took}: {}",
            number + 1,
            hop.path,
            hop.depth,
            hop.common_bits,
            hop.peer,
            visible(hop.outcome.as_bytes())
        );
    }
    for peer in &trace.holders {
        let _ = writeln!(text, "holder {peer}");
    }
    for peer in &trace.closest {
        let _ = writeln!(text, "closest {peer}");
    }
    text
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The routing table: a line for each node, then how many they are.
pub(super) fn routes(rows: &[RoutingRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(
            text,
            "bucket {} {} {} {} s ago",
            row.bucket,
            row.peer,
            row.state,
            row.unseen.as_secs()
        );
    }
    let _ = writeln!(text, "{}", counted(rows.len() as u64, "node"));
    text
}

/// What is kept here, a key on each line, then how much it is.
pub(super) async fn kept(dht: &Dht, lines: &Lines) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = dht.keys(after, PAGE).map_err(Failure::of)?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for key in &page {
            lines.put(key.to_string()).await;
        }
    }
    let values = dht.stored_keys().map_err(Failure::of)?;
    let bytes = dht.storage_size().map_err(Failure::of)?;
    let (values, bytes) = (counted(values, "value"), counted(bytes, "byte"));
    lines.put(format!("{values}, {bytes}")).await;
    Ok(())
}
