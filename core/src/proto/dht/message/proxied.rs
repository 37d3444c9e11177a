//! What a satellite asks of a proxy, which walks in its place, and what that tells of the nodes.

use bytes::Bytes;
use prost::Message as _;

use super::{Malformed, TEXT_MAX, bytes, peer, within};
use crate::identity::PeerId;
use crate::proto::dht::value::{Entry, Reason};
use crate::proto::wire;

/// Nodes of which a proxy tells what they answered.
pub(crate) const OUTCOMES_MAX: usize = 64;
/// Encoded outcomes beyond this are not looked at.
const OUTCOMES_BYTES_MAX: usize = OUTCOMES_MAX * (64 + TEXT_MAX);
/// See [`Ask::Store`](super::Ask::Store).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) entry: Entry,
    pub(crate) content: Bytes,
    /// As in [`Offer`](super::Offer).
    pub(crate) if_sequence: Option<u64>,
}

/// What a node answered to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) peer: PeerId,
    pub(crate) kept: Fate,
}

/// What became of a value at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Had,
    Refused(Reason, String),
    /// It did not answer, or not well.
    Failed(String),
}

pub(super) fn encode_outcomes(outcomes: &[Outcome]) -> Bytes {
    use wire::DhtStatus as Status;
    let outcome = |outcome: &Outcome| {
        let (status, reason, text) = match &outcome.kept {
            Fate::Kept => (Status::Receipt, 0, ""),
            Fate::Had => (Status::Have, 0, ""),
            Fate::Refused(reason, text) => (Status::Refused, *reason as u32, text.as_str()),
            Fate::Failed(text) => (Status::Unknown, 0, text.as_str()),
        };
        wire::DhtOutcome {
            peer: bytes(outcome.peer.as_bytes()),
            status: status as i32,
            reason,
            text: text[..text.floor_char_boundary(TEXT_MAX)].to_owned(),
        }
    };
    let outcomes = outcomes.iter().take(OUTCOMES_MAX).map(outcome).collect();
    wire::DhtOutcomes { outcomes }.encode_to_vec().into()
}

pub(super) fn decode_outcomes(encoded: Bytes) -> Result<Vec<Outcome>, Malformed> {
    use wire::DhtStatus as Status;
    let size = encoded.len();
    within("list of outcomes", "bytes", size, OUTCOMES_BYTES_MAX)?;
    let outcomes = wire::DhtOutcomes::decode(encoded)?.outcomes;
    within("list of outcomes", "entries", outcomes.len(), OUTCOMES_MAX)?;
    let outcome = |outcome: wire::DhtOutcome| {
        within("text", "bytes", outcome.text.len(), TEXT_MAX)?;
        let status = Status::try_from(outcome.status).map_err(|_| Malformed::Unknown)?;
        let kept = match status {
            Status::Receipt => Fate::Kept,
            Status::Have => Fate::Had,
            Status::Refused => {
                let reason = Reason::of_number(outcome.reason);
                Fate::Refused(reason.ok_or(Malformed::Field("reason"))?, outcome.text)
            }
            Status::Unknown => Fate::Failed(outcome.text),
            _ => return Err(Malformed::Field("status")),
        };
        Ok(Outcome {
            peer: peer("peer", &outcome.peer)?,
            kept,
        })
    };
    outcomes.into_iter().map(outcome).collect()
}
