//! Peer ids: who a satellite is, in 34 bytes.
//!
//! The form is libp2p's for RSA keys, so that both layers and foreign programs name a satellite alike: a sha2-256
//! multihash (`0x12 0x20`, then 32 bytes) over a protobuf message of the key's kind (field 1, RSA is 0) and its PKIX DER
//! (field 2). People see it in base58, `Qm…`. Ids of other keys (`12D3Koo…`, which hold the key itself) are refused here:
//! satellites have RSA keys only.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

use super::PublicKey;
use super::words::base2048;
use crate::error::{Code, Error};

/// Bytes of a peer id.
const LENGTH: usize = 34;
/// sha2-256, 32 bytes: how every multihash of ours begins.
const PREFIX: [u8; 2] = [0x12, 0x20];
/// Where the part begins that a fingerprint repeats in words.
const SUFFIX_FROM: usize = 29;
/// Base58 of 34 bytes that begin with [`PREFIX`] always has this many characters.
const TEXT_LENGTH: usize = 46;
/// How much of a refused text an error repeats.
const SHOWN: usize = 80;

/// The name of a satellite: the hash of its public key.
///
/// Ordered by its bytes; that order decides which of two simultaneous dials stays.
///
/// ```
/// use psfs_core::identity::PeerId;
///
/// let peer: PeerId = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".parse()?;
/// assert_eq!(peer.as_bytes().len(), 34);
/// assert_eq!(peer.to_string(), "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N");
/// # Ok::<(), psfs_core::identity::PeerIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; LENGTH]);

/// Why something is not a peer id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PeerIdError(String);

impl From<PeerIdError> for Error {
    fn from(error: PeerIdError) -> Self {
        Self::new(Code::BadPeerId, error.0)
    }
}

impl PeerId {
    /// The id of a key.
    pub fn of(key: &PublicKey) -> Self {
        key.peer_id()
    }

    /// Reads the 34 bytes of a multihash.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PeerIdError> {
        let id: [u8; LENGTH] = bytes.try_into().map_err(|_| {
            PeerIdError(format!(
                "a peer id has {LENGTH} bytes, this has {}",
                bytes.len()
            ))
        })?;
        if id[..PREFIX.len()] != PREFIX {
            return Err(PeerIdError(format!(
                "a satellite's peer id begins with the bytes 12 20 (sha2-256), this with {:02x} {:02x}",
                id[0], id[1]
            )));
        }
        Ok(Self(id))
    }

    /// The multihash: `0x12 0x20` and the digest.
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// What people compare by eye or over the telephone: `PEERID:words`, the words being the last five bytes
    /// of the id by [`base2048`], as the program psfs has always shown it.
    pub fn fingerprint(&self) -> String {
        format!("{self}:{}", self.words())
    }

    fn words(&self) -> String {
        base2048(&self.0[SUFFIX_FROM..])
    }

    /// The id of the key with this PKIX DER.
    pub(super) fn of_der(der: &[u8]) -> Self {
        let mut message = Vec::with_capacity(der.len() + 8);
        message.extend([0x08, 0x00, 0x12]);
        let mut length = der.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(der);

        let mut id = [0; LENGTH];
        id[..PREFIX.len()].copy_from_slice(&PREFIX);
        id[PREFIX.len()..].copy_from_slice(digest(&SHA256, &message).as_ref());
        Self(id)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    /// A peer id in base58, or a whole [`fingerprint`](Self::fingerprint): what people copy.
    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let Some((id, words)) = text.split_once(':') else {
            return Self::from_base58(text);
        };
        let peer = Self::from_base58(id)?;
        if peer.words() == words {
            Ok(peer)
        } else {
            Err(PeerIdError(format!(
                "the fingerprint's words do not belong to the id {peer}: copy it again, or give the id alone"
            )))
        }
    }
}

impl PeerId {
    fn from_base58(text: &str) -> Result<Self, PeerIdError> {
        let shown: String = text.chars().take(SHOWN).collect();
        let reason = if text.is_empty() {
            "it is empty".to_owned()
        } else if text.starts_with("12D3Koo") || text.starts_with("16Uiu2") {
            "it belongs to a key that is not RSA".to_owned()
        } else if text.len() != TEXT_LENGTH {
            format!(
                "it has {} characters, not {TEXT_LENGTH}",
                text.chars().count()
            )
        } else {
            let mut bytes = [0; LENGTH];
            match bs58::decode(text).onto(&mut bytes) {
                Ok(length) => match Self::from_bytes(&bytes[..length]) {
                    Ok(id) => return Ok(id),
                    Err(_) => "it does not begin with Qm".to_owned(),
                },
                Err(error) => error.to_string(),
            }
        };
        Err(PeerIdError(format!("{shown:?} is not a peer id: {reason}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

    fn refusal(text: &str) -> String {
        let error = text.parse::<PeerId>().unwrap_err();
        assert_eq!(Error::from(error.clone()).code(), Code::BadPeerId);
        error.to_string()
    }

    #[test]
    fn text_and_bytes_name_the_same_peer() {
        let peer: PeerId = TEXT.parse().unwrap();
        assert_eq!(peer.to_string(), TEXT);
        assert_eq!(format!("{peer:?}"), TEXT);
        assert_eq!(PeerId::from_bytes(peer.as_bytes()).unwrap(), peer);
    }

    #[test]
    fn the_fingerprint_repeats_the_last_five_bytes_in_words() {
        let mut bytes = [0; LENGTH];
        bytes[..2].copy_from_slice(&PREFIX);
        bytes[29..].copy_from_slice(b"bd843");
        let peer = PeerId::from_bytes(&bytes).unwrap();
        assert_eq!(peer.fingerprint(), format!("{peer}:alert craft this major"));
        assert_eq!(peer.fingerprint().parse(), Ok(peer));
        for words in [
            "",
            "alert craft this",
            "alert craft this major ",
            "alert craft this minor",
        ] {
            let error = refusal(&format!("{peer}:{words}"));
            assert!(error.contains("words do not belong"), "{error}");
        }
        assert!(refusal(":alert craft this major").contains("empty"));
        assert!(refusal(&format!("QmShort:{}", "x".repeat(1000))).len() < 200);
    }

    #[test]
    fn malformed_texts_are_refused_with_their_reason() {
        assert!(refusal("").contains("empty"));
        assert!(refusal("QmShort").contains("7 characters"));
        assert!(refusal(&TEXT.repeat(1000)).contains("46000 characters"));
        assert!(refusal(&TEXT.repeat(1000)).len() < 200);
        assert!(refusal(&TEXT.replace('y', "0")).contains("'0'"));
        assert!(refusal(&format!("Zm{}", &TEXT[2..])).contains("is not a peer id"));
        assert!(
            refusal("12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp").contains("not RSA")
        );
    }

    #[test]
    fn malformed_bytes_are_refused_with_their_reason() {
        let refusal = |bytes: &[u8]| PeerId::from_bytes(bytes).unwrap_err().to_string();
        assert!(refusal(&[]).contains("this has 0"));
        assert!(refusal(&[0x12; 35]).contains("this has 35"));
        assert!(refusal(&[0x13; 34]).contains("13 13"));
    }

    proptest! {
        #[test]
        fn any_digest_goes_round(digest in any::<[u8; 32]>()) {
            let bytes = [&PREFIX[..], &digest].concat();
            let peer = PeerId::from_bytes(&bytes).unwrap();
            prop_assert_eq!(peer.to_string().len(), TEXT_LENGTH);
            prop_assert_eq!(peer.to_string().parse::<PeerId>().unwrap(), peer);
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in ".{0,64}") {
            let _ = text.parse::<PeerId>();
        }

        #[test]
        fn the_order_is_that_of_the_bytes(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let peer = |digest: &[u8]| PeerId::from_bytes(&[&PREFIX[..], digest].concat()).unwrap();
            prop_assert_eq!(peer(&a).cmp(&peer(&b)), a.cmp(&b));
        }
    }
}
