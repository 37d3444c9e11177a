//! What a satellite is made with: the handle, who the satellite is, and where its log lines go. How it meets others is in `network`,
//! how much it holds and runs at once in `limits`, what it is in the DHT in
//! `values`.
//!
//! Nothing is checked while it is set, except that it can be read: psfs_satellite_new checks all.

use std::ffi::{c_char, c_void};
use std::panic::catch_unwind;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use psfs_core::config::SECRET_MAX;
use psfs_core::{Config, Signing};

use crate::boundary::{Handle, bad_input, bytes, free, handle, shield, text, wall};
use crate::callback::{UserData, psfs_drop_fn, psfs_log_fn};
use crate::error::{Failure, psfs_error};
use crate::identity::psfs_identity;
use crate::log::LogTo;
use crate::status::{PSFS_OK, psfs_status};

pub mod limits;
pub mod network;
pub mod values;

/// Every packet is signed, in batches, by a short-lived key that the RSA key vouches for (default).
pub const PSFS_SIGNING_EVERY: u32 = 0;
/// Every packet is signed, in batches, by the RSA key itself.
pub const PSFS_SIGNING_RSA: u32 = 1;
/// Packets are not signed after the session's start; only where both sides ask for it.
pub const PSFS_SIGNING_LAZY: u32 = 2;

/// Everything that can be set of a satellite. One may make several.
#[derive(Debug)]
pub struct psfs_config(Mutex<Settings>);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) log: Option<LogTo>,
}

impl Handle for psfs_config {
    const NAME: &'static str = "config";
}

impl psfs_config {
    pub(crate) fn settings(&self) -> Settings {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(Config) -> Config) -> psfs_status {
        let mut settings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        settings.config = change(settings.config.clone());
        PSFS_OK
    }
}

/// One setting: the handle, then what `value` reads of the other arguments, then `change`.
///
/// # Safety
/// `config` is NULL or valid.
unsafe fn set<T>(
    config: *mut psfs_config,
    err: *mut *mut psfs_error,
    value: impl FnOnce() -> Result<T, Failure>,
    change: impl FnOnce(Config, T) -> Config,
) -> psfs_status {
    wall(err, || {
        // SAFETY: passed on to the caller.
        let config = unsafe { handle(config) }?;
        let value = value()?;
        Ok(config.change(|config| change(config, value)))
    })
}

/// All defaults. A rendezvous must be set before it makes a satellite. Values are checked by psfs_satellite_new, all together; what sets them
/// only checks that they can be read.
///
/// Ownership: free it with psfs_config_free.
/// Errors: NULL when memory is out.
/// Thread: any.
/// Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn psfs_config_new() -> *mut psfs_config {
    catch_unwind(|| {
        let settings = Settings {
            config: Config::new(""),
            log: None,
        };
        Box::into_raw(Box::new(psfs_config(Mutex::new(settings))))
    })
    .unwrap_or(ptr::null_mut())
}

/// Frees a config; the satellites it made do not need it.
///
/// Ownership: takes the handle; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `config` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_free(config: *mut psfs_config) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(config) });
}

/// The name under which satellites find each other: 1 to 255 bytes. It has no default.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_rendezvous(
    config: *mut psfs_config,
    rendezvous: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(rendezvous, "rendezvous"),
            |config, rendezvous| config.rendezvous(rendezvous),
        )
    }
}

/// Only who knows this secret is let in, and nobody else can find the network by its name: 1 to 1024 bytes.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT (over 1024 bytes).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_secret(
    config: *mut psfs_config,
    secret: *const u8,
    length: usize,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || {
                let secret = bytes(secret, length, "secret")?;
                if length > SECRET_MAX {
                    return Err(bad_input(format!(
                        "`secret` has {length} bytes: give 1 to {SECRET_MAX}"
                    )));
                }
                Ok(secret)
            },
            |config, secret| config.secret(secret),
        )
    }
}

/// The key itself, for programs that keep it elsewhere than in a file.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_identity(
    config: *mut psfs_config,
    identity: *const psfs_identity,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || handle(identity),
            |config, identity| config.identity(identity.identity.clone()),
        )
    }
}

/// A key file; made with mode 0600 when it does not exist. Default: identity.pem in the data folder, else a key that lives as
/// long as the satellite.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_identity_file(
    config: *mut psfs_config,
    path: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(path, "path"),
            |config, path| config.identity_file(path),
        )
    }
}

/// Opens the key file, or seals it when it is made.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_passphrase(
    config: *mut psfs_config,
    passphrase: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(passphrase, "passphrase"),
            |config, passphrase| config.passphrase(passphrase),
        )
    }
}

/// A folder of this satellite's own: its key and the addresses of peers. Default: nothing touches the disk.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_data_dir(
    config: *mut psfs_config,
    path: *const c_char,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || text(path, "path"),
            |config, path| config.data_dir(path),
        )
    }
}

/// How packets are signed: PSFS_SIGNING_EVERY, _RSA or _LAZY.
///
/// Ownership: everything is borrowed for the call.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_signing(
    config: *mut psfs_config,
    signing: u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    // SAFETY: by the contract of this function.
    unsafe {
        set(
            config,
            err,
            || read_signing(signing),
            |config, signing| config.signing(signing),
        )
    }
}

/// Where log lines of satellites made with this config go: `level` and all that is graver (PSFS_LOG_*). Lines come as callbacks
/// do, never from a network thread, and one after another for each satellite: those of two satellites may come at once. When the program is too slow for them, lines are dropped and counted
/// in a line of their own. Default: nowhere.
///
/// Ownership: `ud` is kept; `drop` runs once, when the config is freed (or gets another function) and its satellites have ended,
/// also when this fails.
/// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid; `log` and `drop` take `ud` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_config_set_log_fn(
    config: *mut psfs_config,
    level: u32,
    log: psfs_log_fn,
    ud: *mut c_void,
    drop: psfs_drop_fn,
    err: *mut *mut psfs_error,
) -> psfs_status {
    let user = UserData::new(ud, drop);
    wall(err, || {
        // SAFETY: by the contract of this function.
        let config = unsafe { handle(config) }?;
        let log = LogTo::new(level, log, Arc::new(user))?;
        let before = config
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .log
            .replace(log);
        // After the lock: it may run the caller's drop.
        std::mem::drop(before);
        Ok(PSFS_OK)
    })
}

fn read_signing(signing: u32) -> Result<Signing, Failure> {
    match signing {
        PSFS_SIGNING_EVERY => Ok(Signing::Every),
        PSFS_SIGNING_RSA => Ok(Signing::Rsa),
        PSFS_SIGNING_LAZY => Ok(Signing::Lazy),
        _ => Err(bad_input(format!(
            "`signing` is {signing}: give one of PSFS_SIGNING_*"
        ))),
    }
}
