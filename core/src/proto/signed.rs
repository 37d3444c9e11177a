//! What exactly is signed, hashed and derived: every string that goes under a key is built here and nowhere else.
//!
//! Each use has a prefix of its own, ended by a zero byte, and every field behind it has a fixed length or its length in
//! front. So no string of one use, session, peer or place reads as one of another. Numbers are 8 bytes, big endian;
//! peer ids are their 34 bytes.

use aws_lc_rs::{digest, hmac};

use super::merkle::Hash;
use crate::identity::PeerId;

fn message(prefix: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let mut message =
        Vec::with_capacity(prefix.len() + fields.iter().map(|field| field.len()).sum::<usize>());
    message.extend_from_slice(prefix);
    for field in fields {
        message.extend_from_slice(field);
    }
    message
}

/// A length in front of a field without a fixed one.
fn length(field: &[u8]) -> [u8; 8] {
    (field.len() as u64).to_be_bytes()
}

/// By RSA: this Ed25519 key speaks for me between these times.
pub(crate) fn delegation_message(key: &[u8; 32], not_before: u64, not_after: u64) -> Vec<u8> {
    message(
        b"psfs/delegation/1\0",
        &[key, &not_before.to_be_bytes(), &not_after.to_be_bytes()],
    )
}

/// By RSA: I am `id`, and this is my session.
pub(crate) fn auth_message(session: &Hash, id: &PeerId) -> Vec<u8> {
    message(b"psfs/auth/1\0", &[session, id.as_bytes()])
}

/// By RSA or a delegated key: these packets, in this session and order, are mine. `root` is their Merkle root.
pub(crate) fn batch_message(
    session: &Hash,
    source: &PeerId,
    destination: &PeerId,
    epoch: u64,
    first_sequence: u64,
    root: &Hash,
) -> Vec<u8> {
    message(
        b"psfs/batch/1\0",
        &[
            session,
            source.as_bytes(),
            destination.as_bytes(),
            &epoch.to_be_bytes(),
            &first_sequence.to_be_bytes(),
            root,
        ],
    )
}

/// By RSA or a delegated key: this broadcast is mine. `packet` is the encoded packet; its BLAKE3 hash is signed.
pub(crate) fn cast_message(
    source: &PeerId,
    topic: &[u8],
    epoch: u64,
    sequence: u64,
    packet: &[u8],
) -> Vec<u8> {
    message(
        b"psfs/cast/1\0",
        &[
            source.as_bytes(),
            &length(topic),
            topic,
            &epoch.to_be_bytes(),
            &sequence.to_be_bytes(),
            blake3::hash(packet).as_bytes(),
        ],
    )
}

/// By RSA: this is my value under this key. `root` is BLAKE3 of its content, so that who has only heard of it can check, too.
pub(crate) fn value_message(
    key: &Hash,
    sequence: u64,
    expires_ms: u64,
    deleted: bool,
    salt: &[u8],
    root: &Hash,
    size: u64,
) -> Vec<u8> {
    message(
        b"psfs/value/1\0",
        &[
            key,
            &sequence.to_be_bytes(),
            &expires_ms.to_be_bytes(),
            &[u8::from(deleted)],
            &length(salt),
            salt,
            root,
            &size.to_be_bytes(),
        ],
    )
}

/// What every piece of a sealed content is authenticated with: where it belongs. `header` is all that stands before the pieces;
/// without a key the content's own place says it.
pub(crate) fn sealed_context(header: &[u8], key: Option<&Hash>, sequence: u64) -> Hash {
    sha256(&message(
        b"psfs/sealed/1\0",
        &[
            &length(header),
            header,
            &[u8::from(key.is_some())],
            key.unwrap_or(&[0; 32]),
            &sequence.to_be_bytes(),
        ],
    ))
}

/// The name of a session: BLAKE3 over both encoded Hello frames and both peer ids, those of the lower id first. Both
/// sides get the same, whichever they pass first.
pub(crate) fn session_id(hello_a: &[u8], id_a: &PeerId, hello_b: &[u8], id_b: &PeerId) -> Hash {
    let (low, high) = if (id_a, hello_a) <= (id_b, hello_b) {
        ((hello_a, id_a), (hello_b, id_b))
    } else {
        ((hello_b, id_b), (hello_a, id_a))
    };
    let name = message(
        b"psfs/session/1\0",
        &[
            &length(low.0),
            low.0,
            &length(high.0),
            high.0,
            low.1.as_bytes(),
            high.1.as_bytes(),
        ],
    );
    blake3::hash(&name).into()
}

/// The network of a rendezvous: what its DHT key and its topic are made of.
///
/// Without a secret it is SHA-256 of the name, which anybody can guess who guesses the name; with one, only who knows both
/// can find it. A secret that can be guessed can be tried against it, so secrets should be long and random.
pub(crate) fn network_id(rendezvous: &str, secret: Option<&[u8]>) -> Hash {
    match secret {
        None => sha256(rendezvous.as_bytes()),
        Some(secret) => {
            let name = rendezvous.as_bytes();
            blake3::derive_key(
                "psfs 2 network of a rendezvous with a secret",
                &message(b"", &[&length(name), name, secret]),
            )
        }
    }
}

/// The key under which a network's satellites are found on the DHT: a SHA-256 multihash in form.
pub(crate) fn dht_key(network: &Hash) -> [u8; 34] {
    let mut key = [0; 34];
    key[..2].copy_from_slice(&[0x12, 0x20]);
    key[2..].copy_from_slice(network);
    key
}

/// What a Hello says of its network: enough to part from strangers at once, but it does not tell them where to find it.
pub(crate) fn network_tag(network: &Hash) -> Hash {
    blake3::derive_key("psfs 2 network as told in a Hello", network)
}

/// Proves knowledge of the rendezvous's secret, for this session and peer only.
pub(crate) fn membership_proof(secret: &[u8], session: &Hash, id: &PeerId) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, &membership(session, id));
    let mut proof = [0; 32];
    proof.copy_from_slice(tag.as_ref());
    proof
}

/// Whether `proof` is right, in a time that does not tell where it is wrong.
pub(crate) fn membership_holds(secret: &[u8], session: &Hash, id: &PeerId, proof: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, &membership(session, id), proof).is_ok()
}

fn membership(session: &Hash, id: &PeerId) -> Vec<u8> {
    message(b"psfs/member/1\0", &[session, id.as_bytes()])
}

fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(fill: u8) -> PeerId {
        let mut bytes = [fill; 34];
        bytes[..2].copy_from_slice(&[0x12, 0x20]);
        PeerId::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_session_has_one_name_on_both_sides_and_every_input_counts() {
        let (a, b) = (id(1), id(2));
        let name = session_id(b"one", &a, b"two", &b);
        assert_eq!(name, session_id(b"two", &b, b"one", &a));
        let others = [
            session_id(b"two", &a, b"one", &b),
            session_id(b"onet", &a, b"wo", &b),
            session_id(b"one", &a, b"two", &id(3)),
            session_id(b"one", &id(0), b"two", &b),
            session_id(b"onE", &a, b"two", &b),
            session_id(b"one", &a, b"twO", &b),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(&name, other, "{i}");
        }
    }

    #[test]
    fn networks_with_and_without_secret() {
        let open = network_id("pineapple", None);
        assert_eq!(open, sha256(b"pineapple"));
        assert_eq!(dht_key(&open)[..2], [0x12, 0x20]);
        assert_eq!(dht_key(&open)[2..], open);
        let mut all = vec![
            open,
            network_tag(&open),
            network_id("pineapple", Some(b"")),
            network_id("pineapple", Some(b"x")),
            network_id("pineapplex", Some(b"")),
            network_id("pineapplex", None),
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn membership_holds_for_its_secret_session_and_peer_only() {
        let (session, peer) = ([7; 32], id(1));
        let proof = membership_proof(b"secret", &session, &peer);
        assert!(membership_holds(b"secret", &session, &peer, &proof));
        assert!(!membership_holds(b"Secret", &session, &peer, &proof));
        assert!(!membership_holds(b"secret", &[8; 32], &peer, &proof));
        assert!(!membership_holds(b"secret", &session, &id(2), &proof));
        assert!(!membership_holds(b"secret", &session, &peer, &proof[..31]));
        assert!(!membership_holds(b"secret", &session, &peer, &[]));
        for bit in 0..256 {
            let mut proof = proof;
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !membership_holds(b"secret", &session, &peer, &proof),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn topics_do_not_run_into_numbers() {
        let source = id(1);
        let number = u64::from_be_bytes(*b"ABCDEFGH");
        assert_ne!(
            cast_message(&source, b"tABCDEFGH", 1, 2, b""),
            cast_message(&source, b"t", number, 1, b"")
        );
        assert_ne!(
            cast_message(&source, b"t", 1, 2, b"p"),
            cast_message(&source, b"t", 1, 2, b"q")
        );
    }
}
