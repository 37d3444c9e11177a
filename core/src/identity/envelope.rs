//! Keys that travel to one satellite: a fresh AES-256 key, encrypted so that only the owner of an RSA key reads it.
//!
//! RSA-OAEP with SHA-256, always by aws-lc-rs, whose decryption takes the same time for all ciphertexts: the timing of RSA
//! decryption is what the attacks on it use. Both the fresh key and OAEP's own randomness come from the system here, so that no
//! caller can give one key to two contents.

use std::fmt;

use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use zeroize::Zeroizing;

use super::{Identity, PublicKey};

/// Bytes of the key that travels.
const KEY: usize = 32;

/// A fresh key, and the same for its recipient.
pub(crate) struct Envelope {
    pub(crate) key: Zeroizing<[u8; KEY]>,
    /// As many bytes as the recipient's modulus has.
    pub(crate) encrypted: Vec<u8>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope")
    }
}

impl PublicKey {
    /// Makes a key that only the owner of this one can read. The label says what for. `None` when the system has no randomness.
    pub(crate) fn envelope(&self, label: &[u8]) -> Option<Envelope> {
        let mut key = Zeroizing::new([0; KEY]);
        rand::fill(&mut *key).ok()?;
        let public = PublicEncryptingKey::from_der(self.as_der()).ok()?;
        let public = OaepPublicEncryptingKey::new(public).ok()?;
        let mut encrypted = vec![0; public.ciphertext_size()];
        public
            .encrypt(&OAEP_SHA256_MGF1SHA256, &*key, &mut encrypted, Some(label))
            .ok()?;
        Some(Envelope { key, encrypted })
    }
}

impl Identity {
    /// Reads a key that was made for this identity under this label.
    pub(crate) fn open_envelope(
        &self,
        label: &[u8],
        encrypted: &[u8],
    ) -> Option<Zeroizing<[u8; KEY]>> {
        let private = PrivateDecryptingKey::from_pkcs8(self.pkcs8()).ok()?;
        let private = OaepPrivateDecryptingKey::new(private).ok()?;
        let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
        let plain = private
            .decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut buffer, Some(label))
            .ok()?;
        let mut key = Zeroizing::new([0; KEY]);
        (plain.len() == KEY).then(|| {
            key.copy_from_slice(plain);
            key
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reaches_its_recipient_and_nobody_else() {
        let [a, b] = [(); 2].map(|()| Identity::generate().unwrap());
        let envelope = a.public_key().envelope(b"label").unwrap();
        assert_eq!(
            a.open_envelope(b"label", &envelope.encrypted),
            Some(envelope.key.clone())
        );
        assert_eq!(a.open_envelope(b"lapel", &envelope.encrypted), None);
        assert_eq!(b.open_envelope(b"label", &envelope.encrypted), None);
        for foreign in [&[][..], &[0; 256], &[0xff; 256], &[1; 255], &[1; 1000]] {
            assert_eq!(a.open_envelope(b"label", foreign), None);
        }
        let other = a.public_key().envelope(b"label").unwrap();
        assert_ne!(envelope.key, other.key);
        assert_ne!(envelope.encrypted, other.encrypted);
    }
}
