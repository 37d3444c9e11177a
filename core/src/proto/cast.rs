//! Broadcasts: made by their origin, passed on by anybody, believed because of what they carry.
//!
//! A broadcast is a [`wire::SecureStreamPacket`]: the encoded packet, a signature over it, its place and its topic, the
//! origin's public key, and the delegation of the key that signed. Only what is verified is remembered as seen, so a
//! forgery cannot silence the original.
//!
//! Freshness: a broadcast is taken until its life time ends, and not if it was made in the future by more than clocks
//! may differ. Life times over [`LIFESPAN_MAX`] count as that long.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::SKEW_MS;
use super::keys::{DelegatedKey, DelegationError, VerifiedDelegation, check_delegation};
use super::packet::{self, DecodeError, Header, PacketType};
use super::replay::{SOURCES_MAX, Seen, Sources};
use super::{signed, wire};
use crate::config::BROADCAST_MAX;
use crate::error::IdentityError;
use crate::identity::{Identity, PeerId, PublicKey};

/// Longest life time of a broadcast, in seconds.
pub(crate) const LIFESPAN_MAX: i64 = 24 * 60 * 60;
/// Origins whose keys are kept ready, so that RSA is checked once for each and not for every broadcast. About 2 KiB each.
const KEYS_MAX: usize = 1024;

/// Signs and encodes a broadcast for `topic`; `header` has the type BROADCAST, an epoch and a sequence.
pub(crate) fn make(
    identity: &Identity,
    delegated: &DelegatedKey,
    topic: &[u8],
    header: &Header<'_>,
    content: Bytes,
) -> Bytes {
    debug_assert!(
        header.packet_type == PacketType::Broadcast && header.epoch > 0 && header.sequence > 0
    );
    let key = identity.public_key();
    let packet = packet::encode(header, content).to_bytes();
    let message = signed::cast_message(
        &key.peer_id(),
        topic,
        header.epoch,
        header.sequence,
        &packet,
    );
    let cast = wire::SecureStreamPacket {
        packet,
        signature: delegated.sign(&message).to_vec().into(),
        source: key.as_der().to_vec().into(),
        delegation: delegated.delegation().encode_to_vec().into(),
        hops: 0,
    };
    cast.encode_to_vec().into()
}

/// Why a broadcast is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CastError {
    #[error("no broadcast: {0}")]
    Malformed(#[from] prost::DecodeError),
    #[error(transparent)]
    Packet(#[from] DecodeError),
    #[error("a packet that is no broadcast, or has no number")]
    Kind,
    #[error("the content has {0} bytes")]
    TooLarge(usize),
    #[error("made {0} ms in the future")]
    Future(i128),
    #[error("its life time ended {0} ms ago")]
    Expired(i128),
    #[error(transparent)]
    Key(#[from] IdentityError),
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    #[error("it is not signed by its source")]
    Signature,
    #[error("it was seen before")]
    Duplicate,
    #[error("it is too far back to tell whether it was seen before")]
    TooOld,
}

impl CastError {
    /// Whether who passed it on should have known: it can never have been good. Else it came late or twice, as happens.
    pub(crate) fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::Future(_) | Self::Expired(_) | Self::Duplicate | Self::TooOld
        )
    }
}

/// A broadcast found good, for the first time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cast {
    pub(crate) origin: PeerId,
    pub(crate) packet: wire::StreamPacket,
}

/// Checks the broadcasts of one topic.
#[derive(Debug)]
pub(crate) struct Checker {
    topic: Vec<u8>,
    keys: Keys,
    seen: Sources,
}

impl Checker {
    /// Has seen nothing.
    pub(crate) fn new(topic: &[u8]) -> Self {
        Self {
            topic: topic.to_vec(),
            keys: Keys::default(),
            seen: Sources::new(SOURCES_MAX),
        }
    }

    /// A session with `id` was authenticated: strangers no longer push it out of what is remembered.
    pub(crate) fn meet(&mut self, id: PeerId) {
        self.seen.meet(id);
    }

    /// Takes a broadcast in, or says why not. The content is a slice of `bytes`.
    pub(crate) fn check(&mut self, bytes: Bytes, now_ms: u64) -> Result<Cast, CastError> {
        let cast = wire::SecureStreamPacket::decode(bytes)?;
        let packet = packet::decode(cast.packet.clone())?;
        let wire::StreamPacket {
            epoch, sequence, ..
        } = packet;
        let whole = packet.r#type == PacketType::Broadcast as i32 && packet.parts == 0;
        if !whole || epoch == 0 || sequence == 0 {
            return Err(CastError::Kind);
        }
        if packet.content.len() > BROADCAST_MAX {
            return Err(CastError::TooLarge(packet.content.len()));
        }
        check_fresh(&packet, now_ms)?;

        let timestamp = packet.timestamp_ms();
        let at_ms = u64::try_from(timestamp).map_err(|_| DelegationError::Time)?;
        let origin = self.keys.find(&cast.source, &cast.delegation, at_ms)?;
        let id = origin.id;
        // What claims to be old news is refused either way, and cheaply.
        refuse_seen(self.seen.check(&id, epoch, sequence, timestamp))?;
        let message = signed::cast_message(&id, &self.topic, epoch, sequence, &cast.packet);
        if !origin.verify(&message, &cast.signature) {
            return Err(CastError::Signature);
        }
        refuse_seen(self.seen.check_and_set(id, epoch, sequence, timestamp))?;
        Ok(Cast { origin: id, packet })
    }
}

fn refuse_seen(seen: Seen) -> Result<(), CastError> {
    match seen {
        Seen::Fresh => Ok(()),
        Seen::Replay => Err(CastError::Duplicate),
        Seen::TooOld => Err(CastError::TooOld),
    }
}

/// Whether the packet's life has begun and not ended. In 128 bits, where no number of a packet can overflow.
fn check_fresh(packet: &wire::StreamPacket, now_ms: u64) -> Result<(), CastError> {
    let age = i128::from(now_ms) - i128::from(packet.timestamp_ms());
    let life = i128::from(packet.lifespan.clamp(0, LIFESPAN_MAX)) * 1000;
    if age < -i128::from(SKEW_MS) {
        Err(CastError::Future(-age))
    } else if life == 0 || age >= life {
        // A life time of nothing is over at once, even when its time stamp is a little ahead of our clock.
        Err(CastError::Expired((age - life).max(0)))
    } else {
        Ok(())
    }
}

/// An origin's key, found good.
#[derive(Clone, Debug)]
struct Origin {
    id: PeerId,
    key: PublicKey,
    /// `None`: its RSA key signs by itself.
    delegated: Option<VerifiedDelegation>,
}

impl Origin {
    fn new(source: &[u8], delegation: &[u8], at_ms: u64) -> Result<Self, CastError> {
        let key = PublicKey::from_der(source)?;
        let delegated = match delegation {
            [] => None,
            bytes => Some(check_delegation(
                &wire::Delegation::decode(bytes)?,
                &key,
                at_ms,
            )?),
        };
        Ok(Self {
            id: key.peer_id(),
            key,
            delegated,
        })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.delegated {
            Some(delegated) => delegated.verify(message, signature),
            None => self.key.verify(message, signature),
        }
    }
}

/// The keys used latest, by the hash of all they were found good from.
#[derive(Debug, Default)]
struct Keys {
    by_hash: BTreeMap<[u8; 32], (Origin, u64)>,
    by_use: BTreeMap<u64, [u8; 32]>,
    uses: u64,
}

impl Keys {
    fn find(&mut self, source: &[u8], delegation: &[u8], at_ms: u64) -> Result<Origin, CastError> {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&(source.len() as u64).to_be_bytes())
            .update(source)
            .update(delegation);
        let hash: [u8; 32] = hasher.finalize().into();

        let origin = match self.by_hash.remove(&hash) {
            Some((origin, used)) => {
                self.by_use.remove(&used);
                origin
            }
            None => Origin::new(source, delegation, at_ms)?,
        };
        if self.by_hash.len() >= KEYS_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_hash.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, hash);
        self.by_hash.insert(hash, (origin.clone(), self.uses));
        // A key found good for one packet may be over at the time of another.
        match &origin.delegated {
            Some(delegated) if !delegated.covers(at_ms) => Err(DelegationError::Time.into()),
            _ => Ok(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, identities};
    use super::*;

    const TOPIC: &[u8] = b"topic";

    fn header(sequence: u64) -> Header<'static> {
        Header {
            lifespan: 30,
            epoch: 7,
            sequence,
            ..Header::new(PacketType::Broadcast, "news", NOW)
        }
    }

    /// By identity 0.
    fn cast(header: &Header<'_>) -> Bytes {
        let [a, _] = identities();
        make(
            a,
            &DelegatedKey::new(a, [1; 32], NOW),
            TOPIC,
            header,
            Bytes::from_static(b"hello"),
        )
    }

    fn check(bytes: Bytes) -> Result<Cast, CastError> {
        Checker::new(TOPIC).check(bytes, NOW)
    }

    fn changed(change: impl FnOnce(&mut wire::SecureStreamPacket)) -> Bytes {
        let mut cast = wire::SecureStreamPacket::decode(cast(&header(1))).unwrap();
        change(&mut cast);
        cast.encode_to_vec().into()
    }

    fn flipped(bytes: &[u8], bit: usize) -> Bytes {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.into()
    }

    #[test]
    fn a_broadcast_is_taken_once() {
        let [a, _] = identities();
        let mut checker = Checker::new(TOPIC);
        let first = cast(&header(1));
        let got = checker.check(first.clone(), NOW).unwrap();
        assert_eq!(got.origin, a.peer_id());
        assert_eq!(
            (&*got.packet.namespace, &*got.packet.content),
            ("news", &b"hello"[..])
        );
        assert!(matches!(
            checker.check(first, NOW),
            Err(CastError::Duplicate)
        ));
        // The same number in other bytes, well signed: still the same number.
        let other = Header {
            lifespan: 31,
            ..header(1)
        };
        assert!(matches!(
            checker.check(cast(&other), NOW),
            Err(CastError::Duplicate)
        ));
        assert!(checker.check(cast(&header(3)), NOW).is_ok());
        assert!(checker.check(cast(&header(2)), NOW).is_ok());
    }

    #[test]
    fn flipping_any_bit_of_a_broadcast_makes_it_refused() {
        type Field = fn(&mut wire::SecureStreamPacket) -> &mut Bytes;
        let fields: [(&str, Field); 4] = [
            ("packet", |cast| &mut cast.packet),
            ("signature", |cast| &mut cast.signature),
            ("source", |cast| &mut cast.source),
            ("delegation", |cast| &mut cast.delegation),
        ];
        let good = wire::SecureStreamPacket::decode(cast(&header(1))).unwrap();
        for (name, field) in fields {
            for bit in 0..field(&mut good.clone()).len() * 8 {
                let mut bad = good.clone();
                let bytes = field(&mut bad);
                *bytes = flipped(bytes, bit);
                let got = check(bad.encode_to_vec().into());
                assert!(got.is_err(), "bit {bit} of {name}");
            }
            let mut without = good.clone();
            field(&mut without).clear();
            assert!(
                check(without.encode_to_vec().into()).is_err(),
                "without {name}"
            );
        }
        check(good.encode_to_vec().into()).unwrap();
    }

    #[test]
    fn a_forgery_does_not_silence_the_original() {
        let mut checker = Checker::new(TOPIC);
        let forged = changed(|cast| cast.signature = flipped(&cast.signature, 0));
        assert!(matches!(
            checker.check(forged, NOW),
            Err(CastError::Signature)
        ));
        assert!(checker.check(cast(&header(1)), NOW).is_ok());
    }

    #[test]
    fn only_the_sources_own_keys_sign() {
        let keys = identities();
        for source in 0..2 {
            for vouching in 0..2 {
                for signing in 0..2 {
                    let of = |i: usize| DelegatedKey::new(keys[i], [i as u8 + 1; 32], NOW);
                    let bytes = make(keys[source], &of(signing), TOPIC, &header(1), Bytes::new());
                    let mut cast = wire::SecureStreamPacket::decode(bytes).unwrap();
                    cast.delegation = of(vouching).delegation().encode_to_vec().into();
                    let good = source == vouching && vouching == signing;
                    let got = check(cast.encode_to_vec().into());
                    assert_eq!(got.is_ok(), good, "{source} {vouching} {signing}");
                }
            }
        }
    }

    #[test]
    fn the_rsa_key_itself_may_sign() {
        let [a, b] = identities();
        let by = |identity: &Identity| {
            changed(|cast| {
                let message = signed::cast_message(&a.peer_id(), TOPIC, 7, 1, &cast.packet);
                cast.signature = identity.sign(&message).into();
                cast.delegation = Bytes::new();
            })
        };
        assert!(check(by(a)).is_ok());
        assert!(matches!(check(by(b)), Err(CastError::Signature)));
    }

    #[test]
    fn another_topic_and_another_kind_are_refused() {
        let other = Checker::new(b"Topic").check(cast(&header(1)), NOW);
        assert!(matches!(other, Err(CastError::Signature)));
        let with = |change: fn(&mut wire::StreamPacket)| {
            changed(|cast| {
                let mut packet = packet::decode(cast.packet.clone()).unwrap();
                change(&mut packet);
                cast.packet = packet.encode_to_vec().into();
            })
        };
        let kinds: [fn(&mut wire::StreamPacket); 5] = [
            |p| p.r#type = PacketType::Message as i32,
            |p| p.epoch = 0,
            |p| p.sequence = 0,
            |p| p.parts = 2,
            |p| (p.part, p.parts) = (0, 1),
        ];
        for (i, change) in kinds.into_iter().enumerate() {
            assert!(matches!(check(with(change)), Err(CastError::Kind)), "{i}");
        }
        let large = with(|p| p.content = vec![0; BROADCAST_MAX + 1].into());
        assert!(matches!(check(large), Err(CastError::TooLarge(_))));
    }

    #[test]
    fn life_time_holds_and_the_future_is_refused() {
        let at = |now: u64, change: fn(&mut Header<'static>)| {
            let mut header = header(1);
            change(&mut header);
            let [a, _] = identities();
            let key = DelegatedKey::new(a, [1; 32], NOW);
            let bytes = make(a, &key, TOPIC, &header, Bytes::new());
            Checker::new(TOPIC).check(bytes, now).map(drop)
        };
        let same = |_: &mut Header<'static>| {};
        assert!(at(NOW + 29_999, same).is_ok());
        assert!(matches!(at(NOW + 30_000, same), Err(CastError::Expired(0))));
        assert!(at(NOW - SKEW_MS, same).is_ok());
        assert!(matches!(
            at(NOW - SKEW_MS - 1, same),
            Err(CastError::Future(_))
        ));
        for now in [0, NOW - 1, NOW, NOW + 1] {
            assert!(at(now, |h| h.lifespan = 0).is_err());
            assert!(at(now, |h| h.lifespan = -1).is_err());
            assert!(at(now, |h| h.lifespan = i64::MIN).is_err());
        }
        // No number is so large that it comes out as fresh.
        let day = LIFESPAN_MAX as u64 * 1000;
        assert!(at(NOW + day - 1, |h| h.lifespan = i64::MAX).is_ok());
        assert!(matches!(
            at(NOW + day, |h| h.lifespan = i64::MAX),
            Err(CastError::Expired(0))
        ));
        for now in [0, NOW, u64::MAX] {
            assert!(at(now, |h| (h.timestamp, h.lifespan) = (i64::MAX, i64::MAX)).is_err());
            assert!(at(now, |h| (h.timestamp, h.lifespan) = (i64::MIN, i64::MAX)).is_err());
            assert!(at(now, |h| (h.timestamp, h.lifespan) = (-1, i64::MAX)).is_err());
        }
    }

    #[test]
    fn a_delegation_is_judged_at_the_packets_time_even_when_it_is_known() {
        let [a, _] = identities();
        let key = DelegatedKey::new(a, [1; 32], NOW);
        let mut checker = Checker::new(TOPIC);
        let mut at = |now: u64, sequence| {
            let header = Header {
                lifespan: 30,
                epoch: 7,
                sequence,
                ..Header::new(PacketType::Broadcast, "n", now)
            };
            checker
                .check(make(a, &key, TOPIC, &header, Bytes::new()), now)
                .map(drop)
        };
        let day = 24 * 60 * 60 * 1000;
        assert!(at(NOW, 1).is_ok());
        assert!(at(NOW + day, 2).is_ok());
        assert!(matches!(
            at(NOW + day + 1, 3),
            Err(CastError::Delegation(DelegationError::Time))
        ));
        assert!(matches!(
            at(NOW - 2 * SKEW_MS - 1, 4),
            Err(CastError::Delegation(DelegationError::Time))
        ));
        assert!(at(NOW + 1, 5).is_ok());
    }

    #[test]
    fn known_keys_are_bounded_and_the_latest_stay() {
        let [a, _] = identities();
        let source = a.public_key().as_der();
        let delegation = DelegatedKey::new(a, [1; 32], NOW)
            .delegation()
            .encode_to_vec();
        let mut keys = Keys::default();
        keys.find(source, &delegation, NOW).unwrap();
        let hash = *keys.by_hash.keys().next().unwrap();
        for i in 0..2 * KEYS_MAX {
            // An unknown field makes other bytes of the same delegation.
            let mut other = delegation.clone();
            prost::encoding::uint64::encode(100, &(i as u64), &mut other);
            keys.find(source, &other, NOW).unwrap();
            keys.find(source, &delegation, NOW).unwrap();
            assert!(keys.by_hash.len() <= KEYS_MAX && keys.by_hash.len() == keys.by_use.len());
        }
        assert!(keys.by_hash.contains_key(&hash));
    }

    #[test]
    fn only_what_can_never_have_been_good_is_a_fault() {
        let fault = |bytes: Bytes, now| {
            Checker::new(TOPIC)
                .check(bytes, now)
                .unwrap_err()
                .is_fault()
        };
        assert!(fault(Bytes::from_static(b"\xff"), NOW));
        assert!(fault(changed(|cast| cast.source.clear()), NOW));
        assert!(fault(changed(|cast| cast.signature.clear()), NOW));
        assert!(!fault(cast(&header(1)), NOW + 40_000));
        assert!(!fault(cast(&header(1)), 0));
        let mut checker = Checker::new(TOPIC);
        checker.check(cast(&header(1)), NOW).unwrap();
        assert!(!checker.check(cast(&header(1)), NOW).unwrap_err().is_fault());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(check(bytes.into()).is_err());
        }
    }
}
