//! What nodes of the DHT say to each other: the contents of requests in [`NAMESPACE`] and of their answers.
//!
//! What is decoded here keeps all bounds and has a form that cannot be wrong; whether it is true is not known: entries are
//! checked by [`value`](super::value). Contents are slices of what came in. One byte too many anywhere and the whole message is
//! refused, as who sends it is no satellite.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::value::{Entry, Nonce, Reason, Receipt, Root};
use crate::config::ADDRESSES_PER_PEER;
use crate::identity::PeerId;
use crate::key::Key;
use crate::proto::wire;

mod entries;
mod proxied;

use entries::{entry, of_wire, receipt_of_wire, receipt_to_wire, to_wire};
pub(crate) use proxied::{Fate, OUTCOMES_MAX, Outcome, Store};
use proxied::{decode_outcomes, encode_outcomes};

/// The namespace of these requests.
pub(crate) const NAMESPACE: &str = "psfs.dht";
/// Nodes one answer tells of.
pub(crate) const NODES_MAX: usize = 20;
/// Longest address, in bytes.
pub(crate) const ADDRESS_MAX: usize = 256;
/// Longest text of a refusal, in bytes.
pub(crate) const TEXT_MAX: usize = 256;
/// Most bytes one challenge asks for.
pub(crate) const CHALLENGE_MAX: u32 = 64 * 1024;
/// Largest public key, in bytes of DER: one of 4096 bits has 550.
const PUBLIC_KEY_MAX: usize = 1024;
/// Largest signature, in bytes: by a key of 4096 bits.
const SIGNATURE_MAX: usize = 512;
/// Encoded nodes beyond this are not looked at.
const NODES_BYTES_MAX: usize = NODES_MAX * (64 + ADDRESSES_PER_PEER * (ADDRESS_MAX + 4));

/// Why a message is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it is no message of the DHT: {0}")]
    Wire(#[from] prost::DecodeError),
    #[error("it is of a kind that this version does not know")]
    Unknown,
    #[error("its {0} is missing or has another length")]
    Field(&'static str),
    #[error("its {what} has {got} {unit}, at most {max} are allowed")]
    Bound {
        what: &'static str,
        unit: &'static str,
        got: usize,
        max: usize,
    },
}

/// A node, as others are told of it. A hint: whoever is dialled proves who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) peer: PeerId,
    /// Multiaddresses as they came, best first.
    pub(crate) addresses: Vec<Arc<str>>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Find(Find),
    Offer(Offer),
    Put(Put),
    /// The content of this value.
    Get {
        key: Key,
        root: Root,
    },
    Challenge(Challenge),
    /// By the publisher of a value without signature.
    Forget {
        key: Key,
        root: Root,
    },
    /// Answer at each change of this signed value; the request stays open.
    Watch {
        key: Key,
        /// Only what has a higher sequence.
        newer_than: u64,
    },
    /// Fetch this for me.
    Fetch(Key),
    /// Store this for me.
    Store(Store),
}

/// Who is near to the key, and what is there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    pub(crate) key: Key,
    /// The value under this key is asked for, too.
    pub(crate) value: bool,
    /// Its content as well, when it has at most so many bytes.
    pub(crate) inline: u32,
}

/// Would you keep this value?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) entry: Entry,
    /// A small content comes at once.
    pub(crate) content: Option<Bytes>,
    pub(crate) nonce: Nonce,
    pub(crate) why: Why,
    /// Only in place of this sequence; 0 if there is to be none.
    pub(crate) if_sequence: Option<u64>,
}

/// Keep this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) entry: Entry,
    pub(crate) content: Bytes,
    pub(crate) nonce: Nonce,
    pub(crate) why: Why,
    /// As in [`Offer`].
    pub(crate) if_sequence: Option<u64>,
}

/// Why a value is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Why {
    /// Its publisher stores it.
    Store = 0,
    /// Who keeps it sees to it that enough do.
    Republish = 1,
    /// The receiver is nearer to the key.
    HandOver = 2,
    /// The receiver was asked for it and had none.
    Cache = 3,
}

/// Prove that you have these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) key: Key,
    pub(crate) root: Root,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Found(Found),
    Verdict(Verdict),
    Content {
        entry: Entry,
        content: Bytes,
    },
    /// For [`slice::check`](super::slice::check).
    Slice(Bytes),
    /// To [`Ask::Store`]; at most [`OUTCOMES_MAX`].
    Stored(Vec<Outcome>),
}

/// To [`Ask::Find`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The nearest that the answerer knows.
    pub(crate) nodes: Vec<Node>,
    /// The value, if it was asked for and is there.
    pub(crate) entry: Option<Entry>,
    /// Its content, if it is as small as was asked for.
    pub(crate) content: Option<Bytes>,
}

/// What a node does about a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To an offer: send it.
    Accept,
    /// It is there already, and kept as by a receipt.
    Have(Receipt),
    Refused {
        reason: Reason,
        /// For people; cut to [`TEXT_MAX`] bytes.
        text: String,
        /// Those that are nearer, when it is too far.
        nodes: Vec<Node>,
    },
    /// It is kept.
    Receipt(Receipt),
    NotFound {
        key: Key,
        nodes: Vec<Node>,
    },
    Forgotten {
        key: Key,
    },
}

impl Ask {
    /// The content of the request. `serves`: the asker answers such questions itself.
    pub(crate) fn encode(&self, serves: bool) -> Bytes {
        use wire::dht_ask::Ask as Wire;
        let ask = match self {
            Self::Find(find) => Wire::Find(wire::DhtFind {
                key: bytes(find.key.as_bytes()),
                value: find.value,
                inline: find.inline,
            }),
            Self::Offer(offer) => Wire::Offer(wire::DhtOffer {
                entry: Some(to_wire(&offer.entry)),
                inlined: offer.content.is_some(),
                content: offer.content.clone().unwrap_or_default(),
                nonce: bytes(&offer.nonce),
                why: offer.why.to_wire() as i32,
                if_sequence: offer.if_sequence,
            }),
            Self::Put(put) => Wire::Put(wire::DhtPut {
                entry: Some(to_wire(&put.entry)),
                content: put.content.clone(),
                nonce: bytes(&put.nonce),
                why: put.why.to_wire() as i32,
                if_sequence: put.if_sequence,
            }),
            Self::Get { key, root } => Wire::Get(wire::DhtGet {
                key: bytes(key.as_bytes()),
                root: bytes(root),
            }),
            Self::Challenge(challenge) => Wire::Challenge(wire::DhtChallenge {
                key: bytes(challenge.key.as_bytes()),
                root: bytes(&challenge.root),
                offset: challenge.offset,
                length: challenge.length,
            }),
            Self::Forget { key, root } => Wire::Forget(wire::DhtForget {
                key: bytes(key.as_bytes()),
                root: bytes(root),
            }),
            Self::Watch { key, newer_than } => Wire::Watch(wire::DhtWatch {
                key: bytes(key.as_bytes()),
                newer_than: *newer_than,
            }),
            Self::Fetch(key) => Wire::Fetch(wire::DhtFetch {
                key: bytes(key.as_bytes()),
            }),
            Self::Store(store) => Wire::Store(wire::DhtStore {
                entry: Some(to_wire(&store.entry)),
                content: store.content.clone(),
                if_sequence: store.if_sequence,
            }),
        };
        let ask = wire::DhtAsk {
            serves,
            ask: Some(ask),
        };
        ask.encode_to_vec().into()
    }

    /// Reads a request's content: the question, and whether the asker answers such questions itself.
    pub(crate) fn decode(content: Bytes) -> Result<(Self, bool), Malformed> {
        use wire::dht_ask::Ask as Wire;
        let wire::DhtAsk { serves, ask } = wire::DhtAsk::decode(content)?;
        let ask = match ask.ok_or(Malformed::Unknown)? {
            Wire::Find(find) => Self::Find(Find {
                key: key(&find.key)?,
                value: find.value,
                inline: find.inline,
            }),
            Wire::Offer(offer) => Self::Offer(Offer {
                entry: entry(offer.entry)?,
                content: offer.inlined.then_some(offer.content),
                nonce: fixed("nonce", &offer.nonce)?,
                why: Why::of_wire(offer.why)?,
                if_sequence: offer.if_sequence,
            }),
            Wire::Put(put) => Self::Put(Put {
                entry: entry(put.entry)?,
                content: put.content,
                nonce: fixed("nonce", &put.nonce)?,
                why: Why::of_wire(put.why)?,
                if_sequence: put.if_sequence,
            }),
            Wire::Get(get) => Self::Get {
                key: key(&get.key)?,
                root: fixed("root", &get.root)?,
            },
            Wire::Challenge(challenge) => {
                let (length, max) = (challenge.length as usize, CHALLENGE_MAX as usize);
                within("range", "bytes", length, max)?;
                Self::Challenge(Challenge {
                    key: key(&challenge.key)?,
                    root: fixed("root", &challenge.root)?,
                    offset: challenge.offset,
                    length: challenge.length,
                })
            }
            Wire::Forget(forget) => Self::Forget {
                key: key(&forget.key)?,
                root: fixed("root", &forget.root)?,
            },
            Wire::Watch(watch) => Self::Watch {
                key: key(&watch.key)?,
                newer_than: watch.newer_than,
            },
            Wire::Fetch(fetch) => Self::Fetch(key(&fetch.key)?),
            Wire::Store(store) => Self::Store(Store {
                entry: entry(store.entry)?,
                content: store.content,
                if_sequence: store.if_sequence,
            }),
        };
        Ok((ask, serves))
    }
}

impl Answer {
    /// The content of the reply. Of more nodes, addresses or text than are allowed the first are told.
    pub(crate) fn encode(&self) -> Bytes {
        use wire::dht_reply::Reply as Wire;
        let reply = match self {
            Self::Found(found) => Wire::Found(wire::DhtFound {
                nodes: encode_nodes(&found.nodes),
                entry: found.entry.as_ref().map(to_wire),
                inlined: found.content.is_some(),
                content: found.content.clone().unwrap_or_default(),
            }),
            Self::Verdict(verdict) => Wire::Verdict(verdict.to_wire()),
            Self::Content { entry, content } => Wire::Content(wire::DhtContent {
                entry: Some(to_wire(entry)),
                content: content.clone(),
            }),
            Self::Slice(proof) => Wire::Slice(wire::DhtSlice {
                proof: proof.clone(),
            }),
            Self::Stored(outcomes) => Wire::Stored(wire::DhtStored {
                outcomes: encode_outcomes(outcomes),
            }),
        };
        let reply = wire::DhtReply { reply: Some(reply) };
        reply.encode_to_vec().into()
    }

    /// Reads a reply's content.
    pub(crate) fn decode(content: Bytes) -> Result<Self, Malformed> {
        use wire::dht_reply::Reply as Wire;
        let reply = wire::DhtReply::decode(content)?.reply;
        Ok(match reply.ok_or(Malformed::Unknown)? {
            Wire::Found(found) => Self::Found(Found {
                nodes: decode_nodes(found.nodes)?,
                entry: found.entry.map(of_wire).transpose()?,
                content: found.inlined.then_some(found.content),
            }),
            Wire::Verdict(verdict) => Self::Verdict(Verdict::of_wire(verdict)?),
            Wire::Content(content) => Self::Content {
                entry: entry(content.entry)?,
                content: content.content,
            },
            Wire::Slice(slice) => Self::Slice(slice.proof),
            Wire::Stored(stored) => Self::Stored(decode_outcomes(stored.outcomes)?),
        })
    }
}

impl Verdict {
    fn to_wire(&self) -> wire::DhtVerdict {
        use wire::DhtStatus as Status;
        let of = |status: Status| wire::DhtVerdict {
            status: status as i32,
            ..Default::default()
        };
        match self {
            Self::Accept => of(Status::Accept),
            Self::Have(receipt) => wire::DhtVerdict {
                receipt: Some(receipt_to_wire(receipt)),
                ..of(Status::Have)
            },
            Self::Refused {
                reason,
                text,
                nodes,
            } => wire::DhtVerdict {
                reason: *reason as u32,
                text: text[..text.floor_char_boundary(TEXT_MAX)].to_owned(),
                nodes: encode_nodes(nodes),
                ..of(Status::Refused)
            },
            Self::Receipt(receipt) => wire::DhtVerdict {
                receipt: Some(receipt_to_wire(receipt)),
                ..of(Status::Receipt)
            },
            Self::NotFound { key, nodes } => wire::DhtVerdict {
                key: bytes(key.as_bytes()),
                nodes: encode_nodes(nodes),
                ..of(Status::NotFound)
            },
            Self::Forgotten { key } => wire::DhtVerdict {
                key: bytes(key.as_bytes()),
                ..of(Status::Forgotten)
            },
        }
    }

    fn of_wire(verdict: wire::DhtVerdict) -> Result<Self, Malformed> {
        use wire::DhtStatus as Status;
        let receipt = |given: Option<wire::DhtReceipt>| {
            given
                .ok_or(Malformed::Field("receipt"))
                .and_then(receipt_of_wire)
        };
        Ok(match verdict.status() {
            Status::Unknown => return Err(Malformed::Unknown),
            Status::Accept => Self::Accept,
            Status::Have => Self::Have(receipt(verdict.receipt)?),
            Status::Refused => Self::Refused {
                reason: Reason::of_number(verdict.reason).ok_or(Malformed::Field("reason"))?,
                nodes: decode_nodes(verdict.nodes)?,
                text: within("text", "bytes", verdict.text.len(), TEXT_MAX)
                    .map(|()| verdict.text)?,
            },
            Status::Receipt => Self::Receipt(receipt(verdict.receipt)?),
            Status::NotFound => Self::NotFound {
                key: key(&verdict.key)?,
                nodes: decode_nodes(verdict.nodes)?,
            },
            Status::Forgotten => Self::Forgotten {
                key: key(&verdict.key)?,
            },
        })
    }
}

impl Why {
    fn to_wire(self) -> wire::DhtWhy {
        match self {
            Self::Store => wire::DhtWhy::Store,
            Self::Republish => wire::DhtWhy::Republish,
            Self::HandOver => wire::DhtWhy::HandOver,
            Self::Cache => wire::DhtWhy::Cache,
        }
    }

    fn of_wire(number: i32) -> Result<Self, Malformed> {
        let why = wire::DhtWhy::try_from(number).map_err(|_| Malformed::Unknown)?;
        Ok(match why {
            wire::DhtWhy::Store => Self::Store,
            wire::DhtWhy::Republish => Self::Republish,
            wire::DhtWhy::HandOver => Self::HandOver,
            wire::DhtWhy::Cache => Self::Cache,
        })
    }
}

fn encode_nodes(nodes: &[Node]) -> Bytes {
    let nodes = nodes
        .iter()
        .take(NODES_MAX)
        .map(|node| wire::DhtNode {
            peer: bytes(node.peer.as_bytes()),
            addresses: node
                .addresses
                .iter()
                .filter(|address| address.len() <= ADDRESS_MAX)
                .take(ADDRESSES_PER_PEER)
                .map(ToString::to_string)
                .collect(),
        })
        .collect();
    wire::DhtNodes { nodes }.encode_to_vec().into()
}

fn decode_nodes(encoded: Bytes) -> Result<Vec<Node>, Malformed> {
    within("list of nodes", "bytes", encoded.len(), NODES_BYTES_MAX)?;
    let nodes = wire::DhtNodes::decode(encoded)?.nodes;
    within("list of nodes", "entries", nodes.len(), NODES_MAX)?;
    let node = |node: wire::DhtNode| {
        let count = node.addresses.len();
        within("list of addresses", "entries", count, ADDRESSES_PER_PEER)?;
        let address = |address: String| {
            within("address", "bytes", address.len(), ADDRESS_MAX)?;
            Ok(address.into())
        };
        Ok(Node {
            peer: peer("node", &node.peer)?,
            addresses: node
                .addresses
                .into_iter()
                .map(address)
                .collect::<Result<_, Malformed>>()?,
        })
    };
    nodes.into_iter().map(node).collect()
}

fn bytes(field: &[u8]) -> Bytes {
    Bytes::copy_from_slice(field)
}

fn fixed<const N: usize>(what: &'static str, field: &[u8]) -> Result<[u8; N], Malformed> {
    field.try_into().map_err(|_| Malformed::Field(what))
}

fn key(field: &[u8]) -> Result<Key, Malformed> {
    fixed("key", field).map(Key::from_bytes)
}

fn peer(what: &'static str, field: &[u8]) -> Result<PeerId, Malformed> {
    PeerId::from_bytes(field).map_err(|_| Malformed::Field(what))
}

fn within(what: &'static str, unit: &'static str, got: usize, max: usize) -> Result<(), Malformed> {
    if got <= max {
        Ok(())
    } else {
        Err(Malformed::Bound {
            what,
            unit,
            got,
            max,
        })
    }
}

#[cfg(test)]
mod tests;
