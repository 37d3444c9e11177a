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

/// Encodes what we tell.
pub(crate) fn encode(sightings: &[Sighting]) -> Bytes {
    let peers = wire::Peers {
        sightings: sightings
            .iter()
            .take(EXCHANGE_PEERS)
            .map(|sighting| wire::Sighting {
                peer: Bytes::copy_from_slice(sighting.peer.as_bytes()),
                addresses: sighting.addresses.iter().take(ADDRESSES_PER_PEER).map(ToString::to_string).collect(),
                age: u64::try_from(sighting.age.as_millis()).unwrap_or(u64::MAX),
            })
            .collect(),
    };
    peers.encode_to_vec().into()
}

/// Decodes what we are told; what is too much or malformed in it is left out, `None` if nothing can be read.
pub(crate) fn decode(bytes: Bytes) -> Option<Vec<Sighting>> {
    let peers = wire::Peers::decode(bytes).ok()?;
    let sightings = peers.sightings.into_iter().take(EXCHANGE_PEERS).filter_map(|sighting| {
        let peer = PeerId::from_bytes(&sighting.peer).ok()?;
        let addresses = sighting
            .addresses
            .into_iter()
            .filter(|address| address.len() <= ADDRESS_MAX)
            .take(ADDRESSES_PER_PEER)
            .map(Arc::from)
            .collect();
        Some(Sighting { peer, addresses, age: Duration::from_millis(sighting.age) })
    });
    Some(sightings.collect())
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
        let told: Vec<_> = (0..EXCHANGE_PEERS as u8).map(sighting).collect();
        assert_eq!(decode(encode(&told)).unwrap(), told);
        let flood = wire::Peers {
            sightings: (0..1000)
                .map(|_| wire::Sighting {
                    peer: Bytes::copy_from_slice(sighting(1).peer.as_bytes()),
                    addresses: (0..100).map(|_| "/".repeat(1000)).collect(),
                    age: u64::MAX,
                })
                .collect(),
        };
        let heard = decode(flood.encode_to_vec().into()).unwrap();
        assert_eq!(heard.len(), EXCHANGE_PEERS);
        assert!(heard.iter().all(|sighting| sighting.addresses.is_empty()));
    }

    #[test]
    fn garbage_is_nothing() {
        assert!(decode(Bytes::from_static(&[0xff; 64])).is_none());
        let half = wire::Peers {
            sightings: vec![wire::Sighting { peer: Bytes::from_static(b"no id"), ..Default::default() }],
        };
        assert_eq!(decode(half.encode_to_vec().into()), Some(Vec::new()));
    }
}
