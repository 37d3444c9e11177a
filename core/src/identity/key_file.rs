//! The key file: an identity on disk.
//!
//! A file that others can read is refused, not repaired: whoever could read it may have done so. How files are read and
//! written at all is the store's matter (`store/files.rs`).

use std::io;
use std::path::Path;

use super::{Identity, pem};
use crate::error::IdentityError;
use crate::store::files::{self, Create, ReadError};

impl Identity {
    /// Reads a key file: PKCS#8 or PKCS#1 PEM, or what [`save`](Self::save) wrote with a passphrase.
    ///
    /// The file must be a regular one that only its owner can read. A passphrase given for a key without one is not used.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let what = format!("key file {}", path.display());
        let bytes = files::read_private(path, pem::MAX_TEXT).map_err(|error| match error {
            ReadError::Io(source) => failed("read", path, source),
            ReadError::Shared(mode) => IdentityError::Permissions {
                path: path.display().to_string(),
                mode,
            },
            ReadError::Large => {
                pem::malformed(&what, format!("it is larger than {} bytes", pem::MAX_TEXT))
            }
        })?;
        Self::read(&what, &bytes, passphrase)
    }

    /// Writes the key file, over an old one if there is one: whole or not at all, readable by its owner only.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), IdentityError> {
        self.write(path, passphrase, Create::OrReplace)
    }

    /// Reads the key file, or makes a key and its file when there is none.
    ///
    /// When two processes do this at once, both get the key of the one that wrote first.
    pub fn load_or_create(path: &Path, passphrase: Option<&str>) -> Result<Self, IdentityError> {
        match Self::load(path, passphrase) {
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let made = Self::generate()?;
        match made.write(path, passphrase, Create::New) {
            Ok(()) => Ok(made),
            Err(IdentityError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                Self::load(path, passphrase)
            }
            Err(error) => Err(error),
        }
    }

    fn write(
        &self,
        path: &Path,
        passphrase: Option<&str>,
        create: Create,
    ) -> Result<(), IdentityError> {
        let text = self.to_pem(passphrase)?;
        files::write_private(path, text.as_bytes(), create)
            .map_err(|source| failed("write", path, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io {
        action,
        path: path.display().to_string(),
        source,
    }
}
