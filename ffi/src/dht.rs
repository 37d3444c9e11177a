//! The DHT: values that the satellites of a rendezvous keep for each other. Here is what its functions share: options, keys, what
//! this satellite is and keeps. Storing, fetching, deciding and the rest are in the modules.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use bytes::Bytes;
use psfs_core::error::{DhtError, SendError};
use psfs_core::{Dht, FetchOptions, Key, PeerId, Role, SignedOptions, StoreOptions};

use crate::boundary::{
    bad_input, bytes, handle, maybe_text, options, peer, switch, target, text, wall,
};
use crate::config::values::{PSFS_ROLE_CLIENT, PSFS_ROLE_MIRROR, PSFS_ROLE_NODE, role};
use crate::error::{Failure, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::talk::reserved;
use crate::text::{psfs_string, psfs_strings};
use crate::wait::time;

pub mod custom;
pub mod fetching;
pub mod following;
pub mod offer;
pub mod routing;
pub mod stored;
pub mod storing;
pub mod value;

/// The key is the hash of the content, which proves it.
pub const PSFS_KIND_PLAIN: u32 = 0;
/// A key that its publisher chose, or made of a name: nothing proves the content.
pub const PSFS_KIND_RAW: u32 = 1;
/// The key is made of the publisher's peer id: its signature proves the content, and a newer one replaces it.
pub const PSFS_KIND_SIGNED: u32 = 2;

/// How a value is stored. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct psfs_store_options {
    /// sizeof(psfs_store_options)
    pub struct_size: usize,
    /// How long nodes keep it, in seconds. Default 86400 (24 h); 1 to 2592000 (30 days). Storing it again makes it last longer.
    pub lifetime_s: u32,
    /// Zero.
    pub reserved: u32,
}

/// How a signed value is stored. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_signed_options {
    /// sizeof(psfs_signed_options)
    pub struct_size: usize,
    /// How long nodes keep it, in seconds. Default 86400 (24 h); 1 to 2592000 (30 days).
    pub lifetime_s: u32,
    /// 1: store only where the value to be replaced has the number `if_sequence` (compare and swap); 0: replace any older one.
    pub compare: u32,
    /// Its number: the highest wins. Default: one more than `if_sequence` with `compare`, else than the highest that is found.
    pub sequence: u64,
    /// With `compare`: the number to be replaced; 0 is none yet. Without it zero.
    pub if_sequence: u64,
    /// The peer that alone can read it (psfs_dht_open). Default: everybody.
    pub recipient: *const c_char,
    /// What tells it from other signed values of this satellite: up to 64 bytes, `salt_length` of them. Default: none.
    pub salt: *const u8,
    /// Bytes of `salt`.
    pub salt_length: usize,
}

impl Default for psfs_signed_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            lifetime_s: 0,
            compare: 0,
            sequence: 0,
            if_sequence: 0,
            recipient: ptr::null(),
            salt: ptr::null(),
            salt_length: 0,
        }
    }
}

impl psfs_satellite {
    /// Its DHT, for what needs it to run.
    pub(crate) fn running_dht(&self) -> Result<Dht, Failure> {
        if !self.satellite.is_running() {
            return Err(SendError::Closed.into());
        }
        Ok(self.satellite.dht())
    }
}

/// The content of a value, copied: the one copy on the way out. What is over the limit is refused and never touched.
///
/// # Safety
/// `data` is NULL or has `length` bytes.
pub(crate) unsafe fn value(dht: &Dht, data: *const u8, length: usize) -> Result<Bytes, Failure> {
    // SAFETY: passed on to the caller.
    let content = unsafe { bytes(data, length, "data") }?;
    let limit = dht.max_item_size();
    if length > limit {
        return Err(DhtError::TooLarge {
            size: length,
            limit,
        }
        .into());
    }
    Ok(Bytes::copy_from_slice(content))
}

/// # Safety
/// `pointer` is NULL or a string.
pub(crate) unsafe fn key(pointer: *const c_char) -> Result<Key, Failure> {
    // SAFETY: passed on to the caller.
    Ok(unsafe { text(pointer, "key") }?.parse::<Key>()?)
}

/// # Safety
/// `pointer` is NULL or valid.
pub(crate) unsafe fn store_options(
    pointer: *const psfs_store_options,
    timeout_ms: u32,
) -> Result<StoreOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    let read = StoreOptions::default().deadline(time(timeout_ms));
    Ok(match given.lifetime_s {
        0 => read,
        seconds => read.lifetime(Duration::from_secs(seconds.into())),
    })
}

pub(crate) fn fetch_options(timeout_ms: u32) -> FetchOptions {
    FetchOptions::default().deadline(time(timeout_ms))
}

/// A signed value's options, and its salt.
///
/// # Safety
/// `pointer` is NULL or valid, and so are the pointers in it.
pub(crate) unsafe fn signed_options(
    pointer: *const psfs_signed_options,
    timeout_ms: u32,
) -> Result<(SignedOptions, Vec<u8>), Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    // SAFETY: passed on to the caller.
    let (recipient, salt) = unsafe {
        (
            maybe_text(given.recipient, "recipient")?,
            bytes(given.salt, given.salt_length, "salt")?,
        )
    };
    let mut read = SignedOptions::default().deadline(time(timeout_ms));
    if given.lifetime_s > 0 {
        read = read.lifetime(Duration::from_secs(given.lifetime_s.into()));
    }
    if given.sequence > 0 {
        read = read.sequence(given.sequence);
    }
    if switch(given.compare, "compare")? {
        read = read.if_sequence(given.if_sequence);
    } else if given.if_sequence > 0 {
        return Err(bad_input(
            "`if_sequence` is set and `compare` is 0: set `compare` to 1",
        ));
    }
    if let Some(recipient) = recipient {
        read = read.sealed_for(recipient.parse::<PeerId>()?);
    }
    Ok((read, salt.to_vec()))
}

/// The key of a plain value: SHA-256 of its content, as 64 hexadecimal digits.
///
/// Ownership: free `*out` with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT (a length that cannot be).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_key_of_content(
    data: *const u8,
    length: usize,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, content) =
            unsafe { (target(out, ptr::null_mut())?, bytes(data, length, "data")?) };
        out.give(psfs_string::new(&Key::of_content(content).to_string()));
        Ok(PSFS_OK)
    })
}

/// The key of what is stored under a name.
///
/// Ownership: free `*out` with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_key_of_name(
    name: *const c_char,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, name) = unsafe { (target(out, ptr::null_mut())?, text(name, "name")?) };
        out.give(psfs_string::new(&Key::of_name(name).to_string()));
        Ok(PSFS_OK)
    })
}

/// The key of what a peer signs under a salt: only that peer can store there.
///
/// Ownership: free `*out` with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (a length that cannot be).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `salt` has `salt_length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_key_of_signed(
    publisher: *const c_char,
    salt: *const u8,
    salt_length: usize,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { target(out, ptr::null_mut())? };
        // SAFETY: by the contract of this function.
        let (publisher, salt) = unsafe { (peer(publisher)?, bytes(salt, salt_length, "salt")?) };
        out.give(psfs_string::new(
            &Key::of_signed(&publisher, salt).to_string(),
        ));
        Ok(PSFS_OK)
    })
}

/// How many values this satellite keeps for the network.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_IO (its own database failed).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_stored_keys(
    satellite: *const psfs_satellite,
    out: *mut u64,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(satellite.satellite.dht().stored_keys()?);
        Ok(PSFS_OK)
    })
}

/// How many bytes the values have that this satellite keeps for the network.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_IO (its own database failed).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_storage_size(
    satellite: *const psfs_satellite,
    out: *mut u64,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(satellite.satellite.dht().storage_size()?);
        Ok(PSFS_OK)
    })
}

/// The keys of up to `most` values that this satellite keeps, in order, from the one behind `after` on (NULL: from the first).
///
/// Ownership: free `*out` with psfs_strings_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_IO (its own database failed).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_keys(
    satellite: *const psfs_satellite,
    after: *const c_char,
    most: usize,
    out: *mut *mut psfs_strings,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let after = unsafe { maybe_text(after, "after") }?;
        let after = after.map(str::parse::<Key>).transpose()?;
        let keys = satellite.satellite.dht().keys(after, most)?;
        out.give(psfs_strings::new(keys.iter().map(Key::to_string)));
        Ok(PSFS_OK)
    })
}

/// What this satellite is to the others of the DHT: PSFS_ROLE_*.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_role(
    satellite: *const psfs_satellite,
    out: *mut u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(match satellite.satellite.dht().role() {
            Role::Mirror => PSFS_ROLE_MIRROR,
            Role::Client => PSFS_ROLE_CLIENT,
            _ => PSFS_ROLE_NODE,
        });
        Ok(PSFS_OK)
    })
}

/// Makes it something else to the others of the DHT, at once. What it keeps stays until it expires.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_dht_set_role(
    satellite: *const psfs_satellite,
    role: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        satellite.satellite.dht().set_role(self::role(role)?);
        Ok(PSFS_OK)
    })
}
