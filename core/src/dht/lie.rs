//! What a satellite answers that was told to lie ([`Faults::lie`](crate::Faults::lie)), for tests of programs over the DHT.
//!
//! Each lie is one that can be found out: nothing here is cleverer than what honest nodes check.

use bytes::Bytes;

use super::node::Node;
use crate::net::clock;
use crate::proto::dht::message::{Answer, Ask, Found, Verdict};
use crate::proto::dht::value::{Entry, Receipt};

const LIE: &[u8] = b"a lie";
const LASTS_MS: u64 = 60 * 60 * 1000;

impl Node {
    /// The lie that it answers, if it was told to and can lie about this.
    pub(super) fn lie(&self, ask: &Ask) -> Option<Answer> {
        self.faults
            .as_ref()
            .filter(|faults| faults.lies(&self.local))?;
        let now = clock::now_ms();
        Some(match ask {
            // Another content under the key.
            Ask::Find(find) if find.value => Answer::Found(Found {
                nodes: Vec::new(),
                entry: Some(Entry {
                    key: find.key,
                    ..Entry::plain(LIE, self.local, now + LASTS_MS)
                }),
                content: Some(Bytes::from_static(LIE)),
            }),
            // A promise to keep what it throws away.
            Ask::Offer(offer) => Answer::Verdict(Verdict::Receipt(Receipt::new(
                &offer.entry,
                offer.nonce,
                self.local,
                now,
            ))),
            // And it cannot show it.
            Ask::Challenge(_) => Answer::Slice(Bytes::from_static(LIE)),
            _ => return None,
        })
    }
}
