//! Counters: one for everything that happens in numbers, and one for everything that is dropped or refused.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+; $($(#[doc = $now_doc:literal])+ $now:ident,)+) => {
        /// The counters of one satellite.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)+ }

        /// What a satellite has counted since it was made, and what it holds now.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)+
            $($(#[doc = $now_doc])+ pub $now: u64,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.read(),)+ ..Stats::default() }
            }
        }

        impl Stats {
            /// Name of each, and what it counts, for tables in other languages.
            pub const MEANINGS: &'static [(&'static str, &'static str)] = &[
                $((stringify!($name), concat!($($doc),+).trim_ascii()),)+
                $((stringify!($now), concat!($($now_doc),+).trim_ascii()),)+
            ];

            /// Name and number of each.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+ $((stringify!($now), self.$now),)+]
            }
        }
    };
}

counters! {
    /// Packets taken in over sessions.
    packets_in,
    /// Packets written to sessions.
    packets_out,
    /// Batches written: packets_out over this is how many packets share a write.
    batches_out,
    /// Sessions that opened.
    sessions_opened,
    /// Sessions that ended.
    sessions_ended,
    /// Sessions ended here because there were more than this satellite keeps.
    sessions_trimmed,
    /// Sessions ended here because nothing came from the peer any more.
    sessions_silent,
    /// Sessions ended here because the peer broke a rule.
    violations,
    /// Connections refused here: not on the allow list, or on the deny list.
    refused_peers,
    /// Connections refused here: too many in all, from one address, or in a short time.
    refused_connections,
    /// Handshakes refused, here or there: another network, no proof of membership, no common version.
    refused_handshakes,
    /// Handshakes with peers whose clock is more than 2 minutes off ours, or ours off theirs.
    clocks_apart,
    /// Dials begun.
    dials,
    /// Dials that reached nobody.
    dials_failed,
    /// Dials, or handshakes after them, that were given up without a result.
    dials_overdue,
    /// Peers that said goodbye.
    peers_left,
    /// Peers forgotten because nobody saw them alive.
    peers_expired,
    /// Peers forgotten for somebody worth more, because the table was full.
    peers_displaced,
    /// What others told of peers dropped: seen too long ago, or before they left.
    sightings_outdated,
    /// What others told of peers dropped: without a usable address, or while the table was full.
    sightings_dropped,
    /// Peers that asked to be told of others too often.
    asks_unanswered,
    /// Addresses dropped: too long, or of a peer that has enough.
    addresses_dropped,
    /// Bootstrap addresses dropped: more than are kept.
    bootstraps_dropped,
    /// Frames of a kind this version does not know.
    unknown_frames,
    /// Large contents that had to wait for memory.
    contents_waited,
    /// Replies that came after their request was cancelled or over.
    late_replies,
    /// Messages that were accepted and given up because their session ended before they were written.
    messages_abandoned,
    /// Messages nobody had a handler for.
    messages_unhandled,
    /// Requests nobody had a handler for.
    requests_unhandled,
    /// Seeks nobody had a handler for.
    seeks_unhandled,
    /// Seeks dropped because a handler's queue was full.
    seeks_dropped,
    /// Broadcasts sent.
    broadcasts_out,
    /// Broadcasts taken in and passed on, each once.
    broadcasts_in,
    /// Broadcasts dropped because a handler's queue, or the memory for them, was full.
    broadcasts_dropped,
    /// Broadcasts nobody had a handler for.
    broadcasts_unhandled,
    /// Broadcasts refused: not signed by who they say.
    broadcasts_forged,
    /// Broadcasts refused: their life time is over, or they come from the future.
    broadcasts_stale,
    /// Broadcasts that came again.
    broadcasts_repeated,
    /// Broadcasts refused because too many waited to be checked.
    broadcasts_overrun,
    /// Answers to broadcasts dropped: nobody asked, or too many came.
    answers_dropped,
    /// Messages between satellites themselves dropped: malformed, or too many at once.
    internal_dropped,
    /// Events about peers dropped because a handler's queue was full.
    peer_events_dropped,
    /// Callbacks that panicked.
    callbacks_panicked,
    /// Writes of addresses to disk that failed.
    store_failures,
    ;
    /// Peers known and reachable through the network, connected ones among them.
    peers_met,
    /// Sessions open now.
    peers_connected,
    /// Bytes of contents held for peers now, and room kept for large ones that are on their way.
    held_bytes,
}

impl Stats {
    /// One JSON object of names and numbers.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{");
        for (index, (name, number)) in self.entries().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _infallible = write!(json, "{comma}\"{name}\":{number}");
        }
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_counter_by_name() {
        let counters = Counters::default();
        counters.violations.add(3);
        let mut stats = counters.snapshot();
        stats.held_bytes = 7;
        let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
        assert_eq!(json["violations"], 3);
        assert_eq!(json["held_bytes"], 7);
        assert_eq!(json.as_object().unwrap().len(), stats.entries().len());
    }
}
