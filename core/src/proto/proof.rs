//! One packet of a signed batch, or of several under one signature, shown to somebody who was not there.
//!
//! The receiver of a batch keeps what it needs and makes a [`BatchProof`]; anybody can check it with nothing but the proof:
//! the packet leads up the Merkle tree to a root, the root's batch was signed by a key, and that key is the source's own or
//! was vouched for by it. It shows who said it, to whom, in which session and as which number.

use bytes::Bytes;

use super::keys::{DelegationError, check_delegation};
use super::merkle::{self, Hash};
use super::packet::{self, DecodeError};
use super::{signed, wire};
use crate::error::IdentityError;
use crate::identity::{PeerId, PublicKey};

/// Where a batch belongs; with the root it is what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchPlace {
    pub(crate) session: Hash,
    pub(crate) source: PeerId,
    pub(crate) destination: PeerId,
    pub(crate) epoch: u64,
    pub(crate) first_sequence: u64,
}

/// A packet, and all it takes to know its source.
#[derive(Clone, Debug)]
pub(crate) struct BatchProof {
    /// The batch it came in.
    pub(crate) place: BatchPlace,
    /// Its place in the batch, from 0, of how many, and its neighbours on the way up.
    pub(crate) index: u64,
    pub(crate) count: u64,
    pub(crate) path: Vec<Hash>,
    /// The encoded packet, as it came.
    pub(crate) packet: Bytes,
    /// Of the batch.
    pub(crate) signature: Bytes,
    /// RSA public key, PKIX DER.
    pub(crate) key: Bytes,
    /// When the signature is by a delegated key.
    pub(crate) delegation: Option<wire::Delegation>,
}

/// What a proof shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proved {
    pub(crate) source: PeerId,
    pub(crate) destination: PeerId,
    pub(crate) sequence: u64,
    pub(crate) packet: wire::StreamPacket,
}

/// Why a proof shows nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProofError {
    #[error(transparent)]
    Packet(#[from] DecodeError),
    #[error(transparent)]
    Key(#[from] IdentityError),
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    #[error("the key is not that of the source")]
    Source,
    #[error("the packet is not where the proof says")]
    Path,
    #[error("the batch is not signed by the source")]
    Signature,
}

impl BatchProof {
    /// The proof of packet `index` of the batches under one signature, which is in the last of them; `None` if there is no such packet. `key` and
    /// `delegation` are the source's.
    pub(crate) fn new(
        place: BatchPlace,
        batches: &[wire::Batch],
        index: usize,
        key: &PublicKey,
        delegation: Option<&wire::Delegation>,
    ) -> Option<Self> {
        let packets: Vec<&Bytes> = batches.iter().flat_map(|batch| &batch.packets).collect();
        let leaves: Vec<Hash> = packets.iter().map(|packet| merkle::leaf(packet)).collect();
        Some(Self {
            place,
            index: index as u64,
            count: leaves.len() as u64,
            path: merkle::path(&leaves, index)?,
            packet: (*packets.get(index)?).clone(),
            signature: batches.last()?.signature.clone(),
            key: Bytes::copy_from_slice(key.as_der()),
            delegation: delegation.cloned(),
        })
    }

    /// Checks everything; believes nothing but the proof itself.
    pub(crate) fn verify(&self) -> Result<Proved, ProofError> {
        let packet = packet::decode(self.packet.clone())?;
        let key = PublicKey::from_der(&self.key)?;
        if key.peer_id() != self.place.source {
            return Err(ProofError::Source);
        }
        let leaf = merkle::leaf(&self.packet);
        let root =
            merkle::climb(leaf, self.index, self.count, &self.path).ok_or(ProofError::Path)?;
        let sequence = self
            .place
            .first_sequence
            .checked_add(self.index)
            .ok_or(ProofError::Path)?;
        let BatchPlace {
            session,
            source,
            destination,
            epoch,
            first_sequence,
        } = &self.place;
        let message =
            signed::batch_message(session, source, destination, *epoch, *first_sequence, &root);
        let good = match &self.delegation {
            None => key.verify(&message, &self.signature),
            Some(delegation) => {
                let at_ms =
                    u64::try_from(packet.timestamp_ms()).map_err(|_| DelegationError::Time)?;
                check_delegation(delegation, &key, at_ms)?.verify(&message, &self.signature)
            }
        };
        if !good {
            return Err(ProofError::Signature);
        }
        Ok(Proved {
            source: self.place.source,
            destination: self.place.destination,
            sequence,
            packet,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::DelegatedKey;
    use super::super::packet::{Header, PacketType};
    use super::super::testing::{NOW, identities};
    use super::*;

    fn batch(delegated: bool) -> (Vec<BatchProof>, DelegatedKey) {
        let [a, b] = identities();
        let key = DelegatedKey::new(a, [1; 32], NOW);
        let place = BatchPlace {
            session: [9; 32],
            source: a.peer_id(),
            destination: b.peer_id(),
            epoch: 3,
            first_sequence: 41,
        };
        let packets: Vec<Bytes> = (0..5_u8)
            .map(|i| {
                packet::encode(
                    &Header::new(PacketType::Message, "n", NOW),
                    vec![i; 10].into(),
                )
                .to_bytes()
            })
            .collect();
        let root = merkle::root(packets.iter().map(AsRef::as_ref));
        let message = signed::batch_message(
            &place.session,
            &place.source,
            &place.destination,
            3,
            41,
            &root,
        );
        let signature = if delegated {
            key.sign(&message).to_vec()
        } else {
            a.sign(&message)
        };
        let batch = wire::Batch {
            packets,
            first_sequence: 41,
            signature: signature.into(),
            confirm: false,
        };
        let delegation = delegated.then(|| key.delegation());
        let proof = |index| {
            BatchProof::new(
                place,
                std::slice::from_ref(&batch),
                index,
                a.public_key(),
                delegation,
            )
        };
        assert!(proof(5).is_none());
        ((0..5).map(|index| proof(index).unwrap()).collect(), key)
    }

    #[test]
    fn every_packet_of_a_batch_can_be_proved() {
        let [a, b] = identities();
        for delegated in [true, false] {
            for (i, proof) in (0_u8..).zip(batch(delegated).0) {
                let proved = proof.verify().unwrap();
                assert_eq!(
                    (proved.source, proved.destination),
                    (a.peer_id(), b.peer_id())
                );
                assert_eq!(proved.sequence, 41 + u64::from(i));
                assert_eq!(proved.packet.content, vec![i; 10]);
            }
        }
    }

    #[test]
    fn a_changed_proof_proves_nothing() {
        let [a, b] = identities();
        let changes: [fn(&mut BatchProof); 14] = [
            |p| p.place.session[0] ^= 1,
            |p| p.place.destination = p.place.source,
            |p| p.place.epoch += 1,
            |p| p.place.first_sequence += 1,
            |p| p.place.first_sequence = u64::MAX,
            |p| p.index += 1,
            |p| p.count -= 1,
            |p| p.count += 1,
            |p| p.count = 0,
            |p| p.path[0][0] ^= 1,
            |p| p.path.clear(),
            |p| p.path.extend([[0; 32]; 70]),
            |p| p.delegation = None,
            |p| p.key = Bytes::new(),
        ];
        let good = batch(true).0.swap_remove(1);
        for (i, change) in changes.iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(bad.verify().is_err(), "change {i}");
        }
        let flips = |bytes: &Bytes| {
            (0..bytes.len() * 8)
                .map(|bit| flipped(bytes, bit))
                .collect::<Vec<_>>()
        };
        for packet in flips(&good.packet) {
            assert!(
                BatchProof {
                    packet,
                    ..good.clone()
                }
                .verify()
                .is_err()
            );
        }
        for signature in flips(&good.signature) {
            assert!(
                BatchProof {
                    signature,
                    ..good.clone()
                }
                .verify()
                .is_err()
            );
        }
        // Another's key does not become the source by standing in the proof.
        let key = Bytes::copy_from_slice(b.public_key().as_der());
        let mut stolen = BatchProof {
            key,
            ..good.clone()
        };
        assert!(matches!(stolen.verify(), Err(ProofError::Source)));
        stolen.place.source = b.peer_id();
        assert!(matches!(
            stolen.verify(),
            Err(ProofError::Delegation(DelegationError::Signature))
        ));
        stolen.delegation = Some(DelegatedKey::new(b, [1; 32], NOW).delegation().clone());
        assert!(matches!(stolen.verify(), Err(ProofError::Signature)));
        assert_eq!(good.place.source, a.peer_id());
        good.verify().unwrap();
    }

    fn flipped(bytes: &[u8], bit: usize) -> Bytes {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.into()
    }
}
