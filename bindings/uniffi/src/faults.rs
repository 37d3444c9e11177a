//! Bad networks for tests.

use std::sync::Arc;

use psfs_core::Slow;

use crate::failure::NativeError;
use crate::input::{milliseconds, part, peer};

/// What is wrong with the connections between the satellites it is given to.
#[derive(Debug, uniffi::Object)]
pub struct NativeFaults(pub(crate) psfs_core::Faults);

#[uniffi::export]
impl NativeFaults {
    /// None yet; what is lost is chosen by this seed.
    #[uniffi::constructor]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(psfs_core::Faults::new(seed)))
    }

    /// Cuts the connections between two peers, and refuses new ones.
    pub fn partition(&self, a: &str, b: &str) -> Result<(), NativeError> {
        self.0.partition(&peer(a)?, &peer(b)?);
        Ok(())
    }

    /// Makes the line between two peers slow: ms one way, lost packets of 1, bytes a second (0: no limit).
    pub fn slow(
        &self,
        a: &str,
        b: &str,
        latency_ms: i64,
        loss: f64,
        rate: u64,
    ) -> Result<(), NativeError> {
        let loss = part(loss, "loss")?;
        let latency = milliseconds(latency_ms, "latency")?;
        let slow = Slow::default().latency(latency).loss(loss).rate(rate);
        self.0.slow(&peer(a)?, &peer(b)?, slow);
        Ok(())
    }

    /// Takes all faults between two peers away.
    pub fn heal(&self, a: &str, b: &str) -> Result<(), NativeError> {
        self.0.heal(&peer(a)?, &peer(b)?);
        Ok(())
    }

    /// Takes all faults away.
    pub fn heal_all(&self) {
        self.0.heal_all();
    }
}
