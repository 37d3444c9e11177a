//! Tickets: all that is needed to get a file, as one text.

use std::ffi::{CString, c_char};
use std::fmt;
use std::ptr;
use std::time::Duration;

use psfs_core::{PeerId, Ticket, TicketOptions};

use crate::boundary::{Handle, free, handle, maybe_text, options, shield, target, text, wall};
use crate::error::{Failure, c_string, psfs_error};
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::talk::reserved;
use crate::text::{psfs_string, psfs_string_text};

/// What a ticket allows. Zero everything, then set struct_size to sizeof the struct; zero means default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct psfs_ticket_options {
    /// sizeof(psfs_ticket_options)
    pub struct_size: usize,
    /// How long it holds, in seconds. Default 2592000 (30 days).
    pub lifetime_s: u32,
    /// Zero.
    pub reserved: u32,
    /// How many bytes may be got with it in all, by whomever. Default: no limit.
    pub bytes: u64,
    /// Only this peer may use it. Default: whoever has it.
    pub holder: *const c_char,
}

impl Default for psfs_ticket_options {
    fn default() -> Self {
        Self {
            struct_size: 0,
            lifetime_s: 0,
            reserved: 0,
            bytes: 0,
            holder: ptr::null(),
        }
    }
}

/// A ticket: all that is needed to get a file or folder, as one text that can be pasted. Nothing in it is proved before the file comes;
/// whoever has the text may use it.
pub struct psfs_ticket {
    /// Wiped when it is freed: it may have a right in it.
    text: psfs_string,
    root: CString,
    name: Option<CString>,
    issuer: CString,
    addresses: Vec<CString>,
    rendezvous: CString,
    ticket: Ticket,
}

// Without the right that is in it.
impl fmt::Debug for psfs_ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "psfs_ticket({:?})", self.root)
    }
}

impl From<Ticket> for psfs_ticket {
    fn from(ticket: Ticket) -> Self {
        let addresses = ticket.addresses().iter();
        Self {
            text: psfs_string::new(&ticket.to_string()),
            root: c_string(&ticket.root().to_string()),
            name: ticket.name().map(c_string),
            issuer: c_string(&ticket.issuer().to_string()),
            addresses: addresses.map(|address| c_string(address)).collect(),
            rendezvous: c_string(ticket.rendezvous()),
            ticket,
        }
    }
}

impl Handle for psfs_ticket {
    const NAME: &'static str = "ticket";
}

/// # Safety
/// `pointer` is NULL or valid, and so are the pointers in it.
unsafe fn ticket_options(pointer: *const psfs_ticket_options) -> Result<TicketOptions, Failure> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options(pointer, "options") }?;
    reserved(given.reserved, "options")?;
    // SAFETY: passed on to the caller.
    let holder = unsafe { maybe_text(given.holder, "holder") }?;
    let mut read = TicketOptions::default();
    if given.lifetime_s > 0 {
        read = read.lifetime(Duration::from_secs(given.lifetime_s.into()));
    }
    if given.bytes > 0 {
        read = read.bytes(given.bytes);
    }
    if let Some(holder) = holder {
        read = read.holder(holder.parse::<PeerId>()?);
    }
    Ok(read)
}

/// A ticket for what this satellite shares, with the addresses that it has now. It has a right in it if the file was shared with
/// `only_with_ticket`; only then it can have limits.
///
/// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with psfs_ticket_free.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, or limits of a file that everybody may get), PSFS_E_BAD_PEER_ID,
/// PSFS_E_UNSUPPORTED, PSFS_E_NOT_FOUND (it is not shared).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_transfer_ticket(
    satellite: *const psfs_satellite,
    root: *const c_char,
    options: *const psfs_ticket_options,
    out: *mut *mut psfs_ticket,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, ptr::null_mut())?, handle(satellite)?) };
        // SAFETY: by the contract of this function.
        let (root, options) = unsafe { (super::root(root)?, ticket_options(options)?) };
        let ticket = satellite.satellite.files().ticket(&root, options)?;
        out.give(ticket.into());
        Ok(PSFS_OK)
    })
}

/// Reads a ticket, to look at it. psfs_transfer_get takes the text as it is.
///
/// Ownership: free `*out` with psfs_ticket_free.
/// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no ticket, or not all of it).
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_parse(
    ticket: *const c_char,
    out: *mut *mut psfs_ticket,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, ticket) = unsafe { (target(out, ptr::null_mut())?, text(ticket, "ticket")?) };
        out.give(ticket.parse::<Ticket>()?.into());
        Ok(PSFS_OK)
    })
}

/// The ticket itself: what is passed on to whoever is to get the file.
///
/// Ownership: the text lives as long as the ticket, and is wiped with it.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_text(ticket: *const psfs_ticket) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        // SAFETY: it lives as long as the ticket.
        Some(unsafe { psfs_string_text(&raw const ticket.text) })
    })
    .unwrap_or(ptr::null())
}

/// The id of the file, or of the folder's list.
///
/// Ownership: the text lives as long as the ticket.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_root(ticket: *const psfs_ticket) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.root.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Whether it is a folder: 1 or 0.
///
/// Ownership: borrows the ticket.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_is_folder(ticket: *const psfs_ticket) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.ticket.is_folder().into())
    })
    .unwrap_or(0)
}

/// Bytes in all, as its issuer says.
///
/// Ownership: borrows the ticket.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_size(ticket: *const psfs_ticket) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.ticket.size())
    })
    .unwrap_or(0)
}

/// What it is called, as its issuer says: one part of a path, without folders.
///
/// Ownership: the text lives as long as the ticket.
/// Errors: NULL for NULL, and where it has no name.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_name(ticket: *const psfs_ticket) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.name.as_ref()?.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Who has it: a peer id.
///
/// Ownership: the text lives as long as the ticket.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_issuer(ticket: *const psfs_ticket) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.issuer.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// How many addresses it has.
///
/// Ownership: borrows the ticket.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_address_count(ticket: *const psfs_ticket) -> usize {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.addresses.len())
    })
    .unwrap_or(0)
}

/// Where its issuer can be reached, from 0.
///
/// Ownership: the text lives as long as the ticket.
/// Errors: NULL for NULL and behind the last.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_address(
    ticket: *const psfs_ticket,
    index: usize,
) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.addresses.get(index)?.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// The name under which to meet: who gets the file needs a satellite of that network.
///
/// Ownership: the text lives as long as the ticket.
/// Errors: NULL for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_rendezvous(ticket: *const psfs_ticket) -> *const c_char {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.rendezvous.as_c_str())
    })
    .map_or(ptr::null(), |text| text.as_ptr())
}

/// Whether that network has a secret, which is not in the ticket: 1 or 0.
///
/// Ownership: borrows the ticket.
/// Errors: 0 for NULL.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_needs_secret(ticket: *const psfs_ticket) -> u32 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.ticket.needs_secret().into())
    })
    .unwrap_or(0)
}

/// Until when it holds, in ms since 1970.
///
/// Ownership: borrows the ticket.
/// Errors: 0 for NULL, and if it gives no right, as what is shared with everybody needs none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_expires(ticket: *const psfs_ticket) -> u64 {
    shield(|| {
        // SAFETY: NULL or valid, by the contract of this function.
        let ticket = unsafe { ticket.as_ref() }?;
        Some(ticket.ticket.expires()?.saturating_mul(1000))
    })
    .unwrap_or(0)
}

/// Frees a ticket.
///
/// Ownership: takes the ticket; NULL is nothing.
/// Errors: none.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// `ticket` is NULL or from this library, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_ticket_free(ticket: *mut psfs_ticket) {
    // SAFETY: NULL or ours to free, by the contract of this function.
    shield(|| unsafe { free(ticket) });
}
