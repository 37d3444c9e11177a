//! The whole satellite: what talks, and what stands on it.

use crate::config::Config;
use crate::dht;
use crate::error::StartError;
use crate::satellite::Satellite;
use crate::transfer;

impl Satellite {
    /// Checks every option, opens the data folder, and loads or makes the key. It does not run yet, so handlers registered now
    /// miss nothing. Blocks for the time of a disk access, and about 0.1 s where a key is made.
    ///
    /// # Errors
    /// [`StartError`] names the option, file or folder that is wrong.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let satellite = Self::bare(config)?;
        dht::attach(&satellite)?;
        transfer::attach(&satellite)?;
        Ok(satellite)
    }
}
