//! What every function answers, as numbers that never change.

use std::ffi::c_char;

use psfs_core::Code;

/// What a function answers: 0 or positive is good, negative is an error. Numbers are never changed or used again.
pub type psfs_status = i32;

/// The version of this header. A program that was compiled with it can ask psfs_abi_version of the library it runs with: the same number or a
/// greater one is good.
pub const PSFS_ABI_VERSION: u32 = 1;

/// Done.
pub const PSFS_OK: psfs_status = 0;
/// The good end of a stream: there are no more.
pub const PSFS_END: psfs_status = 1;
/// Begun, and it goes on by itself.
pub const PSFS_PENDING: psfs_status = 2;

/// A pointer that must not be NULL was NULL.
pub const PSFS_E_NULL: psfs_status = -1;
/// An argument is outside what the function takes.
pub const PSFS_E_BAD_INPUT: psfs_status = -2;
/// A string is not UTF-8.
pub const PSFS_E_UTF8: psfs_status = -3;
/// A defect of the library was caught before it could reach the program.
pub const PSFS_E_PANIC: psfs_status = -4;
/// The process was forked after the handle was made.
pub const PSFS_E_FORKED: psfs_status = -5;
/// The satellite is not running.
pub const PSFS_E_CLOSED: psfs_status = -6;
/// The time given was over first.
pub const PSFS_E_TIMEOUT: psfs_status = -7;
/// The operation was cancelled.
pub const PSFS_E_CANCELLED: psfs_status = -8;
/// Something that should not happen did.
pub const PSFS_E_INTERNAL: psfs_status = -9;
/// The operating system refused a file or socket operation.
pub const PSFS_E_IO: psfs_status = -10;
/// A key is not readable as a key.
pub const PSFS_E_BAD_KEY: psfs_status = -11;
/// A key file can be read by others.
pub const PSFS_E_KEY_PERMISSIONS: psfs_status = -12;
/// A key is of another kind than RSA, or too small or too large.
pub const PSFS_E_KEY_KIND: psfs_status = -13;
/// The passphrase is missing or wrong.
pub const PSFS_E_PASSPHRASE: psfs_status = -14;
/// Another satellite has the data folder.
pub const PSFS_E_DATA_DIR_IN_USE: psfs_status = -15;
/// The data folder cannot be used.
pub const PSFS_E_DATA_DIR: psfs_status = -16;
/// The data folder was written by a newer version.
pub const PSFS_E_DATA_DIR_VERSION: psfs_status = -17;
/// An address cannot be parsed.
pub const PSFS_E_BAD_ADDRESS: psfs_status = -18;
/// A listen address is taken.
pub const PSFS_E_ADDRESS_IN_USE: psfs_status = -19;
/// A peer cannot be reached at any address known.
pub const PSFS_E_UNREACHABLE: psfs_status = -20;
/// A peer id cannot be parsed.
pub const PSFS_E_BAD_PEER_ID: psfs_status = -21;
/// The peer was never met.
pub const PSFS_E_UNKNOWN_PEER: psfs_status = -22;
/// The peer is this satellite itself.
pub const PSFS_E_OWN_PEER: psfs_status = -23;
/// A namespace or rendezvous is empty or too long.
pub const PSFS_E_BAD_NAMESPACE: psfs_status = -24;
/// A content is over the limit.
pub const PSFS_E_TOO_LARGE: psfs_status = -25;
/// The peer serves no such namespace.
pub const PSFS_E_UNKNOWN_NAMESPACE: psfs_status = -26;
/// The peer refuses.
pub const PSFS_E_REFUSED: psfs_status = -27;
/// The handler at the peer failed; see psfs_error_app_code.
pub const PSFS_E_HANDLER_FAILED: psfs_status = -28;
/// The connection ended first.
pub const PSFS_E_DISCONNECTED: psfs_status = -29;
/// Nobody is connected.
pub const PSFS_E_NO_PEERS: psfs_status = -30;
/// A limit of open things is reached.
pub const PSFS_E_BUSY: psfs_status = -31;
/// The peer broke the protocol.
pub const PSFS_E_PROTOCOL: psfs_status = -32;
/// Not built into this version.
pub const PSFS_E_UNSUPPORTED: psfs_status = -33;
/// There is nothing of that name.
pub const PSFS_E_NOT_FOUND: psfs_status = -34;
/// Something newer or other is there already.
pub const PSFS_E_CONFLICT: psfs_status = -35;

/// Names with their closing NUL.
macro_rules! names {
    ($($number:ident)+) => {
        fn name_of(status: psfs_status) -> Option<&'static str> {
            match status { $($number => Some(concat!(stringify!($number), "\0")),)+ _ => None }
        }
        #[cfg(test)]
        const ALL: &[(&str, psfs_status)] = &[$((stringify!($number), $number),)+];
    };
}

names! {
    PSFS_OK PSFS_END PSFS_PENDING
    PSFS_E_NULL PSFS_E_BAD_INPUT PSFS_E_UTF8 PSFS_E_PANIC PSFS_E_FORKED PSFS_E_CLOSED PSFS_E_TIMEOUT PSFS_E_CANCELLED
    PSFS_E_INTERNAL PSFS_E_IO PSFS_E_BAD_KEY PSFS_E_KEY_PERMISSIONS PSFS_E_KEY_KIND PSFS_E_PASSPHRASE
    PSFS_E_DATA_DIR_IN_USE PSFS_E_DATA_DIR PSFS_E_DATA_DIR_VERSION PSFS_E_BAD_ADDRESS PSFS_E_ADDRESS_IN_USE
    PSFS_E_UNREACHABLE PSFS_E_BAD_PEER_ID PSFS_E_UNKNOWN_PEER PSFS_E_OWN_PEER PSFS_E_BAD_NAMESPACE PSFS_E_TOO_LARGE
    PSFS_E_UNKNOWN_NAMESPACE PSFS_E_REFUSED PSFS_E_HANDLER_FAILED PSFS_E_DISCONNECTED PSFS_E_NO_PEERS PSFS_E_BUSY
    PSFS_E_PROTOCOL PSFS_E_UNSUPPORTED PSFS_E_NOT_FOUND PSFS_E_CONFLICT
}

/// The PSFS_ABI_VERSION of the header this library was built with: grows by one with each addition to it.
///
/// Ownership: nothing is passed.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn psfs_abi_version() -> u32 {
    PSFS_ABI_VERSION
}

/// The library's version, for people: "0.1.0".
///
/// Ownership: the text is static.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn psfs_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status, as in this header: "PSFS_E_TIMEOUT".
///
/// Ownership: the text is static.
/// Errors: a number that is no status gives "PSFS_?".
/// Thread: any.
/// Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn psfs_status_name(status: psfs_status) -> *const c_char {
    name_of(status).unwrap_or("PSFS_?\0").as_ptr().cast()
}

/// The number of a code, for C.
pub(crate) fn status_of(code: Code) -> psfs_status {
    code as psfs_status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_core_has_its_number_and_name_here() {
        let errors: Vec<_> = ALL
            .iter()
            .filter(|(_, number)| *number < 0)
            .copied()
            .collect();
        let codes: Vec<_> = Code::ALL
            .iter()
            .map(|code| (format!("PSFS_E_{}", code.name()), *code as i32))
            .collect();
        let codes: Vec<_> = codes
            .iter()
            .map(|(name, number)| (name.as_str(), *number))
            .collect();
        assert_eq!(errors, codes);
    }
}
