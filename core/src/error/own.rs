//! What is the satellite's own: its key and its data folder.

use super::{Code, Error};

/// Making, loading and saving an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The key file cannot be read or written.
    #[error("cannot {action} key file {path}: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The key file can be read by others.
    #[error("key file {path} can be read by others (mode {mode:03o}): run chmod 600 {path}")]
    Permissions {
        /// The file.
        path: String,
        /// Its mode bits.
        mode: u32,
    },
    /// Not a key, or cut off.
    #[error("{what} is not a usable key: {reason}")]
    Malformed {
        /// File, `key bytes` or `the public key`.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not an RSA key.
    #[error("{what} holds a key of kind {kind}: satellites need RSA of 2048 bits or more")]
    NotRsa {
        /// File or `key bytes`.
        what: String,
        /// What it is instead.
        kind: String,
    },
    /// An RSA key of the wrong size.
    #[error("{what} is an RSA key of {bits} bits: satellites need 2048 to 4096 bits")]
    Size {
        /// File, `key bytes` or `the public key`.
        what: String,
        /// The key's size.
        bits: usize,
    },
    /// The key is encrypted and no passphrase was given.
    #[error("{what} is protected by a passphrase and none was given")]
    PassphraseNeeded {
        /// File or `key bytes`.
        what: String,
    },
    /// A key is to be saved under no passphrase at all.
    #[error(
        "the passphrase is empty: give at least one character, or none at all to save the key unprotected"
    )]
    PassphraseEmpty,
    /// The passphrase does not open the key.
    #[error("wrong passphrase for {what}")]
    PassphraseWrong {
        /// File or `key bytes`.
        what: String,
    },
}

family!(IdentityError {
    Self::Io { .. } => Io,
    Self::Permissions { .. } => KeyPermissions,
    Self::Malformed { .. } => BadKey,
    Self::NotRsa { .. } | Self::Size { .. } => KeyKind,
    Self::PassphraseNeeded { .. } | Self::PassphraseEmpty | Self::PassphraseWrong { .. } => Passphrase,
});

/// Opening and using the data folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another satellite has it.
    #[error("data folder {path} is in use by process {process}")]
    InUse {
        /// The folder.
        path: String,
        /// Process id as the other satellite wrote it, or `unknown`.
        process: String,
    },
    /// It cannot be made or written.
    #[error("data folder {path} cannot be used: {source}")]
    Unusable {
        /// The folder.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It was written by a newer version.
    #[error("data folder {path} has version {found}, this program knows up to {known}")]
    Version {
        /// The folder.
        path: String,
        /// Version on disk.
        found: u64,
        /// Newest version known here.
        known: u64,
    },
    /// The database failed.
    #[error("the database in {path} failed: {reason}")]
    Database {
        /// The folder.
        path: String,
        /// The database's reason.
        reason: String,
    },
    /// There is no room on the disk. What was there is still there.
    #[error("the disk of {path} is full: make room, and try again")]
    Full {
        /// The folder.
        path: String,
    },
    /// More waits to be written than is held.
    #[error("too much waits to be written: try again")]
    Busy,
    /// The satellite is shut down.
    #[error("the satellite is shut down")]
    Closed,
}

family!(StoreError {
    Self::InUse { .. } => DataDirInUse,
    Self::Unusable { .. } => DataDir,
    Self::Version { .. } => DataDirVersion,
    Self::Database { .. } | Self::Full { .. } => DataDir,
    Self::Busy => Busy,
    Self::Closed => Closed,
});
