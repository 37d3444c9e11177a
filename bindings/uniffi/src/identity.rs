//! Keys, for applications that keep them elsewhere than in a file (Keystore, Keychain).

use std::sync::Arc;

use psfs_core::Identity;

use crate::failure::NativeError;

/// A satellite's key pair.
#[derive(Debug, uniffi::Object)]
pub struct NativeIdentity(pub(crate) Identity);

#[uniffi::export]
impl NativeIdentity {
    /// A new RSA key of 2048 bits: some tens of milliseconds of computing.
    #[uniffi::constructor]
    pub fn generate() -> Result<Arc<Self>, NativeError> {
        Ok(Arc::new(Self(Identity::generate()?)))
    }

    /// The key in a PEM text (PKCS#8, PKCS#1, or one protected by a passphrase).
    #[uniffi::constructor]
    pub fn from_pem(pem: &[u8], passphrase: Option<String>) -> Result<Arc<Self>, NativeError> {
        Ok(Arc::new(Self(Identity::from_pem(
            pem,
            passphrase.as_deref(),
        )?)))
    }

    /// The key as PEM text, protected if a passphrase is given.
    pub fn to_pem(&self, passphrase: Option<String>) -> Result<String, NativeError> {
        Ok(self.0.to_pem(passphrase.as_deref())?.to_string())
    }

    /// The id of the satellite with this key.
    pub fn peer_id(&self) -> String {
        self.0.peer_id().to_string()
    }

    /// The id with a suffix that people can compare.
    pub fn fingerprint(&self) -> String {
        self.0.peer_id().fingerprint()
    }
}
