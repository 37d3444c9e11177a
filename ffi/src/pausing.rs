//! An application that goes to the background and comes back, or finds itself in another network.

use crate::boundary::{handle, target, wall};
use crate::error::psfs_error;
use crate::satellite::psfs_satellite;
use crate::status::{PSFS_OK, psfs_status};
use crate::wait::wait_for;

/// The application goes to the background: sessions end, what was accepted is sent before that, sockets are closed, and nothing is
/// dialled, searched or timed until psfs_satellite_resume. Subscriptions and all that is known of peers stay. Returns when the network
/// is left: in milliseconds, or when a peer does not take what was accepted for it, in 4 s at most. Paused again, it stays paused.
///
/// Peers see it leave (their reason is PSFS_E_CLOSED), do not dial it, and tell nobody of it until it is back. Meanwhile calls that need a
/// session wait for the resume within their time; broadcasts and seeks, which wait for nobody, answer PSFS_E_NO_PEERS. Messages say that
/// it is paused. Requests that were open are over.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED.
/// Thread: any; blocks as said above. Twin: psfs_pause_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_pause(
    satellite: *const psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        wait_for(satellite.satellite.pause())?;
        Ok(PSFS_OK)
    })
}

/// The application is back: listens again, on the same ports, and dials whom it had sessions with and others it knows at once; soon it also
/// looks for them in the DHT. Returns when it listens; sessions follow (psfs_satellite_wait_connected). Not paused, it only listens again
/// where it could not.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED; PSFS_E_ADDRESS_IN_USE, PSFS_E_IO: an address cannot be listened on now; it is resumed all
/// the same, and calling this again tries the address again.
/// Thread: any; blocks for up to 3 s, mostly for some milliseconds, after a pause that is under way. Twin: psfs_resume_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_resume(
    satellite: *const psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        wait_for(satellite.satellite.resume())?;
        Ok(PSFS_OK)
    })
}

/// The network has changed (another WLAN, mobile data instead, a VPN), as the system tells the application: every session has to show within
/// 3 s that it still stands, or ends and is dialled anew; whoever could not be reached is dialled at once; peers and the DHT are told
/// the addresses of now. Without it the same is found out after the ping interval and timeout. Does nothing while paused.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED.
/// Thread: any; waits for none of that. Twin: psfs_network_changed_async.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_network_changed(
    satellite: *const psfs_satellite,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let satellite = unsafe { handle(satellite) }?;
        wait_for(satellite.satellite.network_changed())?;
        Ok(PSFS_OK)
    })
}

/// Whether it was paused and not resumed: `*out` is 1 or 0.
///
/// Ownership: borrows the satellite.
/// Errors: PSFS_E_NULL, PSFS_E_FORKED.
/// Thread: any.
/// Since: 0.1.0
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psfs_satellite_paused(
    satellite: *const psfs_satellite,
    out: *mut u32,
    err: *mut *mut psfs_error,
) -> psfs_status {
    wall(err, || {
        // SAFETY: by the contract of this function.
        let (out, satellite) = unsafe { (target(out, 0)?, handle(satellite)?) };
        out.set(satellite.satellite.is_paused().into());
        Ok(PSFS_OK)
    })
}
