//! Where values are: 256 bits, and how far two of them are apart.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::error::{Code, Error};
use crate::identity::PeerId;

/// Hexadecimal digits of a key.
const DIGITS: usize = 64;
/// How much of a refused text an error repeats.
const SHOWN: usize = 80;

/// The key of a value in the DHT: 32 bytes, shown and read as 64 hexadecimal digits.
///
/// ```
/// use psfs_core::Key;
///
/// let key = Key::of_content(b"testValue");
/// assert_eq!(key.to_string().len(), 64);
/// assert_eq!(key.to_string().parse::<Key>()?, key);
/// # Ok::<(), psfs_core::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::new(Code::BadInput, error.0)
    }
}

impl Key {
    /// These bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of a plain value: SHA-256 of its content.
    pub fn of_content(content: &[u8]) -> Self {
        Self::hash(&[content])
    }

    /// The key of a named value. Who knows the name can store and overwrite there.
    pub fn of_name(name: &str) -> Self {
        Self::hash(&[b"psfs/dht/name/1\0", name.as_bytes()])
    }

    /// The key of the signed values of a peer under this salt: only that peer can store there.
    pub fn of_signed(publisher: &PeerId, salt: &[u8]) -> Self {
        Self::hash(&[b"psfs/dht/signed/1\0", publisher.as_bytes(), salt])
    }

    /// Where a satellite is among the keys: SHA-256 of its peer id, as in Kademlia.
    pub fn of_peer(peer: &PeerId) -> Self {
        Self::hash(&[peer.as_bytes()])
    }

    /// How far it is to another: compare with `<`.
    pub(crate) fn distance(&self, other: &Self) -> Distance {
        let mut distance = self.0;
        for (byte, other) in distance.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        Distance(distance)
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

/// How far two keys are apart: their exclusive or, as a number of 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Distance([u8; 32]);

impl Distance {
    /// How many bits the keys have in common from the front: 0 to 256.
    pub(crate) fn common_bits(&self) -> u32 {
        let mut bits = 0;
        for byte in self.0 {
            bits += byte.leading_zeros();
            if byte != 0 {
                break;
            }
        }
        bits
    }

    /// Its first 128 bits, to reckon with: how thick a network is shows in the first few dozen.
    pub(crate) fn head(&self) -> u128 {
        self.0
            .iter()
            .take(16)
            .fold(0, |head, byte| head << 8 | u128::from(*byte))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let shown: String = text.chars().take(SHOWN).collect();
            return Err(KeyError(format!(
                "a key has {DIGITS} hexadecimal digits, {shown:?} is none: for a value that was stored under a name, use the name's call"
            )));
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| {
                digits
                    .get(at)
                    .and_then(|digit| char::from(*digit).to_digit(16))
                    .unwrap_or(0)
            };
            *byte = (digit(0) << 4 | digit(1)) as u8;
        }
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(fill: u8) -> PeerId {
        let mut bytes = [fill; 34];
        bytes[..2].copy_from_slice(&[0x12, 0x20]);
        PeerId::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_plain_key_is_the_sha_256_that_other_programs_compute() {
        assert_eq!(
            Key::of_content(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn keys_of_different_kinds_differ() {
        let keys = [
            Key::of_content(b"x"),
            Key::of_name("x"),
            Key::of_signed(&peer(1), b"x"),
            Key::of_signed(&peer(2), b"x"),
            Key::of_signed(&peer(1), b"y"),
            Key::of_signed(&peer(1), b""),
            Key::of_peer(&peer(1)),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{i}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_a_key_is() {
        let key = Key::of_content(b"abc").to_string();
        assert_eq!(key.to_uppercase().parse::<Key>().unwrap().to_string(), key);
        for text in [
            "",
            "abc",
            &key[1..],
            &format!("{key}0"),
            &format!("g{}", &key[1..]),
            "ключ",
            &"é".repeat(32),
        ] {
            let error = text.parse::<Key>().unwrap_err().to_string();
            assert!(
                error.starts_with("a key has 64 hexadecimal digits"),
                "{error}"
            );
        }
    }

    #[test]
    fn distance_is_the_exclusive_or() {
        let (a, b) = (Key::from_bytes([0; 32]), Key::from_bytes([1; 32]));
        assert_eq!(a.distance(&b), b.distance(&a));
        assert_eq!(a.distance(&a).common_bits(), 256);
        assert_eq!(a.distance(&b).common_bits(), 7);
        let mut far = [0; 32];
        far[0] = 0x80;
        assert_eq!(a.distance(&Key::from_bytes(far)).common_bits(), 0);
        assert_eq!(a.distance(&Key::from_bytes(far)).head(), 1 << 127);
        assert!(a.distance(&b) < a.distance(&Key::from_bytes(far)));
    }
}
