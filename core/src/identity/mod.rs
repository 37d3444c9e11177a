//! Who a satellite is: an RSA key pair, its peer id, its fingerprint, and the forms a key is kept in.
//!
//! This is the layer below everything that talks: it knows no libp2p, no clock and no network. Making, signing and
//! verifying are done by aws-lc-rs; the key is held as PKCS#8 DER beside it, because that is the one form libp2p takes.
//! Keys have 2048 to 4096 bits: smaller ones are weak, larger ones would let a peer burn our processor.
//!
//! Secrets are wiped when they are dropped, as far as this crate holds them; what the caller holds is the caller's.

mod der;
mod envelope;
mod key_file;
mod peer_id;
mod pem;
mod words;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey as RsaPublicKey};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use zeroize::Zeroizing;

use crate::error::IdentityError;

pub(crate) use envelope::Envelope;
pub use peer_id::{PeerId, PeerIdError};
pub use words::base2048;

/// Bits of the smallest key that is taken.
const MIN_BITS: usize = 2048;
/// Bits of the largest key that is taken.
const MAX_BITS: usize = 4096;
/// Bytes of PKIX DER beyond which nobody looks for a key: one of 4096 bits has 550.
const MAX_PUBLIC_DER: usize = 1024;

/// An RSA public key of 2048 to 4096 bits. Clones share it.
#[derive(Clone)]
pub struct PublicKey(Arc<Public>);

struct Public {
    der: Vec<u8>,
    parsed: ParsedPublicKey,
    peer_id: PeerId,
}

impl PublicKey {
    /// Reads PKIX `SubjectPublicKeyInfo` DER.
    ///
    /// Only the one canonical encoding of a key is taken: the peer id is a hash of these bytes, and one key must not
    /// have two.
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let what = "the public key";
        if der.len() > MAX_PUBLIC_DER {
            return Err(pem::malformed(what, format!("it has {} bytes", der.len())));
        }
        let key = RsaPublicKey::from_der(der)
            .map_err(|_| pem::malformed(what, "it is not RSA in PKIX DER"))?;
        let public = Self::of_rsa(&key).ok_or_else(|| pem::malformed(what, "it cannot be used"))?;
        if public.0.der != der {
            return Err(pem::malformed(what, "it is not in canonical PKIX DER"));
        }
        let bits = der::pkix_bits(der).map_err(|_| pem::malformed(what, "it has no modulus"))?;
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err(IdentityError::Size {
                what: what.into(),
                bits,
            });
        }
        Ok(public)
    }

    /// The PKIX `SubjectPublicKeyInfo` DER.
    pub fn as_der(&self) -> &[u8] {
        &self.0.der
    }

    /// Whether the signature (PKCS#1 v1.5 over SHA-256) was made over the message by the private half of this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.parsed.verify_sig(message, signature).is_ok()
    }

    /// Bytes of every signature by this key: those of its modulus.
    pub(crate) fn signature_len(&self) -> usize {
        der::pkix_bits(&self.0.der).map_or(0, |bits| bits.div_ceil(8))
    }

    /// The id of the satellite with this key, computed once.
    pub fn peer_id(&self) -> PeerId {
        self.0.peer_id
    }

    fn of_rsa(key: &RsaPublicKey) -> Option<Self> {
        let der: PublicKeyX509Der<'_> = key.as_der().ok()?;
        let der = der.as_ref().to_vec();
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der).ok()?;
        let peer_id = PeerId::of_der(&der);
        Some(Self(Arc::new(Public {
            der,
            parsed,
            peer_id,
        })))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.der.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.0.peer_id)
    }
}

/// The key pair of a satellite. Clones share it; `Debug` shows the peer id only.
///
/// ```
/// use psfs_core::identity::Identity;
///
/// let identity = Identity::generate()?;
/// let signature = identity.sign(b"hello");
/// assert!(identity.public_key().verify(b"hello", &signature));
///
/// let kept = identity.to_pem(Some("correct horse"))?;
/// let again = Identity::from_pem(kept.as_bytes(), Some("correct horse"))?;
/// assert_eq!(again.peer_id(), identity.peer_id());
/// # Ok::<(), psfs_core::error::IdentityError>(())
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Private>);

struct Private {
    pair: KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl Identity {
    /// Makes a new RSA key of 2048 bits. Takes a tenth of a second, at times three, of computing.
    pub fn generate() -> Result<Self, IdentityError> {
        let what = "the new key";
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| pem::malformed(what, "the system could not make one"))?;
        let pkcs8 = pem::pkcs8_of(what, &pair)?;
        Self::of_pair(what, pair, pkcs8)
    }

    /// Reads a key from PEM text: PKCS#8, PKCS#1, or what [`to_pem`](Self::to_pem) gave with a passphrase.
    ///
    /// A passphrase given for a key without one is not used. A container that was altered looks like one with a wrong
    /// passphrase.
    pub fn from_pem(text: &[u8], passphrase: Option<&str>) -> Result<Self, IdentityError> {
        Self::read("key bytes", text, passphrase)
    }

    /// The key as PEM text: PKCS#8, or with a passphrase (which must not be empty) a container of our own, sealed by
    /// AES-256-GCM under Argon2id.
    pub fn to_pem(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>, IdentityError> {
        pem::write(&self.0.pkcs8, passphrase)
    }

    /// Signs a message: PKCS#1 v1.5 over SHA-256, as many bytes as the key's modulus has.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        self.0
            .pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .expect("the key was checked when it was made, and the buffer has its size");
        signature
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// The id of this satellite.
    pub fn peer_id(&self) -> PeerId {
        self.0.public.peer_id()
    }

    /// PKCS#8 DER, for the layer that talks.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.0.pkcs8
    }

    fn read(what: &str, text: &[u8], passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let pkcs8 = pem::read(what, text, passphrase)?;
        let pair = KeyPair::from_pkcs8(&pkcs8)
            .map_err(|_| pem::malformed(what, "it cannot be read back"))?;
        Self::of_pair(what, pair, pkcs8)
    }

    fn of_pair(
        what: &str,
        pair: KeyPair,
        pkcs8: Zeroizing<Vec<u8>>,
    ) -> Result<Self, IdentityError> {
        let public = PublicKey::of_rsa(pair.public_key())
            .ok_or_else(|| pem::malformed(what, "its public half cannot be written"))?;
        Ok(Self(Arc::new(Private {
            pair,
            pkcs8,
            public,
        })))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}

#[cfg(test)]
mod tests;
