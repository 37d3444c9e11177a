//! What satellites tell each other of third ones: the content of INTERNAL packets in the namespace `peers`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::config::{ADDRESSES_PER_PEER, EXCHANGE_PEERS};
use crate::identity::PeerId;
use crate::proto::roster::Sighting;
use crate::proto::wire;

/// The namespace of these packets.
pub(crate) const NAMESPACE: &str = "peers";
/// A longer address is left out: no transport here needs more.
const ADDRESS_MAX: usize = 256;

/// What one message tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) sightings: Vec<Sighting>,
    /// The one who tells would like to be told as well.
    pub(crate) ask: bool,
}

/// Encodes what we tell.
pub(crate) fn encode(told: &Told) -> Bytes {
    let peers = wire::Peers {
        ask: told.ask,
        sightings: told
            .sightings
            .iter()
            .take(EXCHANGE_PEERS)
            .map(|sighting| wire::Sighting {
                peer: Bytes::copy_from_slice(sighting.peer.as_bytes()),
                addresses: sighting
                    .addresses
                    .iter()
                    .take(ADDRESSES_PER_PEER)
                    .map(ToString::to_string)
                    .collect(),
                age: u64::try_from(sighting.age.as_millis()).unwrap_or(u64::MAX),
            })
            .collect(),
    };
    peers.encode_to_vec().into()
}

/// Decodes what we are told; what is too much or malformed in it is left out, `None` if nothing can be read.
pub(crate) fn decode(bytes: Bytes) -> Option<Told> {
    let peers = wire::Peers::decode(bytes).ok()?;
    let ask = peers.ask;
    let sightings = peers
        .sightings
        .into_iter()
        .take(EXCHANGE_PEERS)
        .filter_map(|sighting| {
            let peer = PeerId::from_bytes(&sighting.peer).ok()?;
            let addresses = sighting
                .addresses
                .into_iter()
                .filter(|address| address.len() <= ADDRESS_MAX)
                .take(ADDRESSES_PER_PEER)
                .map(Arc::from)
                .collect();
            Some(Sighting {
                peer,
                addresses,
                age: Duration::from_millis(sighting.age),
            })
        });
    Some(Told {
        sightings: sightings.collect(),
        ask,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(number: u8) -> Sighting {
        let mut id = [number; 34];
        id[..2].copy_from_slice(&[0x12, 0x20]);
        Sighting {
            peer: PeerId::from_bytes(&id).unwrap(),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            age: Duration::from_secs(u64::from(number)),
        }
    }

    #[test]
    fn what_is_told_arrives_and_no_more_than_allowed() {
        let told = Told {
            sightings: (0..EXCHANGE_PEERS as u8).map(sighting).collect(),
            ask: true,
        };
        assert_eq!(decode(encode(&told)).unwrap(), told);
        let flood = wire::Peers {
            ask: false,
            sightings: (0..1000)
                .map(|_| wire::Sighting {
                    peer: Bytes::copy_from_slice(sighting(1).peer.as_bytes()),
                    addresses: (0..100).map(|_| "/".repeat(1000)).collect(),
                    age: u64::MAX,
                })
                .collect(),
        };
        let heard = decode(flood.encode_to_vec().into()).unwrap();
        assert_eq!(heard.sightings.len(), EXCHANGE_PEERS);
        assert!(
            heard
                .sightings
                .iter()
                .all(|sighting| sighting.addresses.is_empty())
        );
    }

    #[test]
    fn garbage_is_nothing() {
        assert!(decode(Bytes::from_static(&[0xff; 64])).is_none());
        let half = wire::Peers {
            ask: false,
            sightings: vec![wire::Sighting {
                peer: Bytes::from_static(b"no id"),
                ..Default::default()
            }],
        };
        let nobody = Told {
            sightings: Vec::new(),
            ask: false,
        };
        assert_eq!(decode(half.encode_to_vec().into()), Some(nobody));
    }
}
