//! Keys, for programs that keep them elsewhere than in a file.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;

use psfs_core::Identity;

use crate::boundary::{Handle, bytes, free, handle, maybe_text, shield, target, text, wall};
use crate::error::{c_string, psfs_error};
use crate::status::{PSFS_OK, psfs_status};
use crate::text::psfs_string;

/// An RSA key pair: who a satellite is.
#[derive(Debug)]
pub struct psfs_identity {
    pub(crate) identity: Identity,
    peer_id: CString,
    fingerprint: CString,
}

impl Handle for psfs_identity {
    const NAME: &'static str = "identity";
}

impl From<Identity> for psfs_identity {
    fn from(identity: Identity) -> Self {
        let peer_id = identity.peer_id();
        Self {
            identity,
            peer_id: c_string(&peer_id.to_string()),
            fingerprint: c_string(&peer_id.fingerprint()),
        }
    }
}

/// Makes a new key: RSA of 2048 bits. Takes a tenth of a second, at times three.
///
/// Ownership: free `*out` with psfs_identity_free.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_generate(
    out: *mut *mut psfs_identity,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let out = unsafe { target(out, ptr::null_mut()) }?;
        out.give(Identity::generate()?.into());
        Ok(PSFS_OK)
    })
}

/// Reads a key file; `passphrase` may be NULL.
///
/// Ownership: free `*out` with psfs_identity_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_IO, PSFS_E_KEY_PERMISSIONS, PSFS_E_BAD_KEY, PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_load(
    path: *const c_char,
    passphrase: *const c_char,
    out: *mut *mut psfs_identity,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, path, passphrase) = unsafe {
            (
                target(out, ptr::null_mut())?,
                text(path, "path")?,
                maybe_text(passphrase, "passphrase")?,
            )
        };
        out.give(Identity::load(Path::new(path), passphrase)?.into());
        Ok(PSFS_OK)
    })
}

/// Writes a key file with mode 0600, sealed when `passphrase` is not NULL.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_IO, PSFS_E_PASSPHRASE.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_save(
    identity: *const psfs_identity,
    path: *const c_char,
    passphrase: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (identity, path, passphrase) = unsafe {
            (
                handle(identity)?,
                text(path, "path")?,
                maybe_text(passphrase, "passphrase")?,
            )
        };
        identity.identity.save(Path::new(path), passphrase)?;
        Ok(PSFS_OK)
    })
}

/// Reads a key from the bytes of a key file, as psfs_identity_to_bytes gives them; `passphrase` may be NULL.
///
/// Ownership: free `*out` with psfs_identity_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_KEY, PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `data` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_from_bytes(
    data: *const u8,
    length: usize,
    passphrase: *const c_char,
    out: *mut *mut psfs_identity,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, data, passphrase) = unsafe {
            (
                target(out, ptr::null_mut())?,
                bytes(data, length, "data")?,
                maybe_text(passphrase, "passphrase")?,
            )
        };
        out.give(Identity::from_pem(data, passphrase)?.into());
        Ok(PSFS_OK)
    })
}

/// The key as text (PEM), sealed when `passphrase` is not NULL. Without one it is a secret: freeing it wipes it.
///
/// Ownership: free `*out` with psfs_string_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_PASSPHRASE.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_to_bytes(
    identity: *const psfs_identity,
    passphrase: *const c_char,
    out: *mut *mut psfs_string,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, identity, passphrase) = unsafe {
            (
                target(out, ptr::null_mut())?,
                handle(identity)?,
                maybe_text(passphrase, "passphrase")?,
            )
        };
        out.give(psfs_string::new(&identity.identity.to_pem(passphrase)?));
        Ok(PSFS_OK)
    })
}

/// The peer id of this key: "Qm...".
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `identity` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_peer_id(identity: *const psfs_identity) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { identity.as_ref() }.map_or(ptr::null(), |identity| identity.peer_id.as_ptr())
}

/// The fingerprint of this key, for people to compare: peer id, colon, and words made of its last bytes.
///
/// Ownership: the text lives as long as the handle.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `identity` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_fingerprint(
    identity: *const psfs_identity,
) -> *const c_char {
    // SAFETY: NULL or valid, by the contract of this function.
    unsafe { identity.as_ref() }.map_or(ptr::null(), |identity| identity.fingerprint.as_ptr())
}

/// Frees a key; satellites that were made with it keep theirs.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `identity` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_identity_free(identity: *mut psfs_identity) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(identity) });
}
