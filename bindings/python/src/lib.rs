//! The native half of the Python package `psfs`: what crosses between Python and the core, and nothing that decides anything.
//!
//! The core never takes the interpreter's lock. What it has ready it notes in a hub, whose descriptor an event loop polls or whose
//! condition a thread waits for; whoever wakes there, with the lock, polls what is ready. So one wake-up serves many results, a batch
//! of up to 256 events crosses in one call, a busy interpreter holds up nobody, and at its exit no thread of ours needs it.
//!
//! The classes that people meet are in the Python files beside: `_aio.py`, `_aio_dht.py` and `_aio_files.py` (asyncio), `sync.py`,
//! `_sync_dht.py` and `_sync_files.py` (without a loop).

mod dht;
mod errors;
mod faults;
mod file_values;
mod files;
mod follow;
mod hub;
mod input;
mod log;
mod message;
mod operation;
mod satellite;
mod source;
mod values;

use pyo3::prelude::*;

#[pymodule]
mod _psfs {
    #[pymodule_export]
    use super::dht::{Dht, key_of_content, key_of_name, key_of_signed};
    #[pymodule_export]
    use super::faults::Faults;
    #[pymodule_export]
    use super::file_values::{FileInfo, Progress, Quota, Received, Shared, Ticket};
    #[pymodule_export]
    use super::files::Files;
    #[pymodule_export]
    use super::hub::Hub;
    #[pymodule_export]
    use super::log::Log;
    #[pymodule_export]
    use super::message::{Message, Peer, PeerEvent, Reply, Responder};
    #[pymodule_export]
    use super::operation::{Operation, Pending};
    #[pymodule_export]
    use super::satellite::{Satellite, generate_key, inspect_key};
    #[pymodule_export]
    use super::source::Source;
    #[pymodule_export]
    use super::values::{
        CustomAnswer, DebugLine, Hop, Offer, Opened, RoutingRow, StoreAnswer, Stored, Trace, Value,
    };

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PENDING", super::operation::pending(module.py())?)?;
        module.add("CODES", super::errors::table())
    }
}
