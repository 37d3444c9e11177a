//! What is said of files: what is shared, tickets, how far a transfer is, what is kept, and how much may be.
//!
//! Sizes are i64: both languages count in it, and no file is larger.

use psfs_core::Op;

use crate::failure::NativeError;

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A file or folder that is shared, has come, or is kept elsewhere now.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeFile {
    /// Its id: 64 hexadecimal digits. Of a folder that of the list of its files.
    pub root: String,
    /// Its bytes; of a folder those of all its files.
    pub size: i64,
    /// Where it is.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl From<psfs_core::Shared> for NativeFile {
    fn from(shared: psfs_core::Shared) -> Self {
        Self {
            root: shared.root.to_string(),
            size: signed(shared.size),
            path: shared.path.to_string_lossy().into_owned(),
            is_folder: shared.is_folder,
        }
    }
}

impl From<psfs_core::Received> for NativeFile {
    fn from(received: psfs_core::Received) -> Self {
        Self {
            root: received.root.to_string(),
            size: signed(received.size),
            path: received.path.to_string_lossy().into_owned(),
            is_folder: received.is_folder,
        }
    }
}

/// All that is needed to get a file or folder.
#[derive(Clone, Debug, uniffi::Record)]
#[non_exhaustive]
pub struct NativeTicket {
    /// What can be pasted.
    pub text: String,
    /// The id of the file, or of the folder's list.
    pub root: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes in all, as its issuer says.
    pub size: i64,
    /// What it is called, as its issuer says.
    pub name: Option<String>,
    /// Who has it.
    pub issuer: String,
    /// Where that is.
    pub addresses: Vec<String>,
    /// The name under which to meet.
    pub rendezvous: String,
    /// Whether that network has a secret.
    pub needs_secret: bool,
    /// Until when it holds, in ms since 1970; nothing if it gives no right.
    pub expires_ms: Option<i64>,
}

impl From<psfs_core::Ticket> for NativeTicket {
    fn from(ticket: psfs_core::Ticket) -> Self {
        Self {
            text: ticket.to_string(),
            root: ticket.root().to_string(),
            is_folder: ticket.is_folder(),
            size: signed(ticket.size()),
            name: ticket.name().map(str::to_owned),
            issuer: ticket.issuer().to_string(),
            addresses: ticket.addresses().to_vec(),
            rendezvous: ticket.rendezvous().to_owned(),
            needs_secret: ticket.needs_secret(),
            expires_ms: ticket
                .expires()
                .map(|seconds| signed(seconds.saturating_mul(1000))),
        }
    }
}

/// Reads a ticket.
#[uniffi::export]
pub fn native_ticket(text: &str) -> Result<NativeTicket, NativeError> {
    Ok(text.parse::<psfs_core::Ticket>()?.into())
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeProgress {
    /// Bytes that were checked and written, now and earlier; or hashed.
    pub bytes: i64,
    /// Bytes in all; 0 while that is not known.
    pub size: i64,
    /// Bytes a second, of late.
    pub rate: i64,
    /// How many are asked at the moment.
    pub sources: i32,
    /// How many microseconds the rest takes at this rate, if that can be said.
    pub time_left_us: Option<i64>,
}

impl NativeProgress {
    /// Of what is hashed.
    pub(crate) fn hashed(bytes: u64) -> Self {
        Self {
            bytes: signed(bytes),
            size: 0,
            rate: 0,
            sources: 0,
            time_left_us: None,
        }
    }
}

impl From<psfs_core::Progress> for NativeProgress {
    fn from(progress: psfs_core::Progress) -> Self {
        Self {
            bytes: signed(progress.bytes),
            size: signed(progress.size),
            rate: signed(progress.rate),
            sources: i32::try_from(progress.sources).unwrap_or(i32::MAX),
            time_left_us: progress
                .time_left()
                .map(|left| i64::try_from(left.as_micros()).unwrap_or(i64::MAX)),
        }
    }
}

/// A file or folder that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeFileInfo {
    /// Its id.
    pub root: String,
    /// Its bytes; of a folder those of all its files.
    pub size: i64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What its owner calls it.
    pub name: String,
    /// Its owner's tags.
    pub tags: Vec<String>,
    /// Its SHA-256, 64 hexadecimal digits, if it was computed.
    pub sha256: Option<String>,
    /// Since when it is its owner's, in ms since 1970.
    pub added_ms: i64,
    /// Where it is, if others can get it from here.
    pub path: Option<String>,
}

impl From<psfs_core::FileInfo> for NativeFileInfo {
    fn from(info: psfs_core::FileInfo) -> Self {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            root: info.root.to_string(),
            size: signed(info.size),
            is_folder: info.is_folder,
            name: info.name,
            tags: info.tags,
            sha256: info.sha256.map(hex),
            added_ms: signed(info.added_ms),
            path: info.path.map(|path| path.to_string_lossy().into_owned()),
        }
    }
}

/// What an owner may keep here, and has.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativeQuota {
    /// Whose.
    pub owner: String,
    /// In bytes; nothing for no limit.
    pub limit: Option<i64>,
    /// Bytes of files that others had kept here for the owner.
    pub used: i64,
    /// Bytes reserved for uploads that are under way.
    pub reserved: i64,
    /// How many files.
    pub files: i64,
    /// How many uploads are under way.
    pub uploads: i64,
}

impl NativeQuota {
    pub(crate) fn of(owner: String, quota: &psfs_core::Quota) -> Self {
        Self {
            owner,
            limit: quota.limit.map(signed),
            used: signed(quota.used),
            reserved: signed(quota.reserved),
            files: signed(quota.files),
            uploads: signed(quota.uploads),
        }
    }
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "it only goes in: each is known")]
pub enum NativeOp {
    /// Getting files.
    Read,
    /// Having files kept.
    Write,
    /// Removing them.
    Delete,
    /// Finding them.
    List,
}

impl From<NativeOp> for Op {
    fn from(op: NativeOp) -> Self {
        match op {
            NativeOp::Read => Self::Read,
            NativeOp::Write => Self::Write,
            NativeOp::Delete => Self::Delete,
            NativeOp::List => Self::List,
        }
    }
}
