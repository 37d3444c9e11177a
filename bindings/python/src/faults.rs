//! Bad networks, and liars, for tests.

use std::time::Duration;

use psfs_core::Slow;
use pyo3::prelude::*;

use crate::errors::Failure;
use crate::input::{number, peer, seconds};

/// What is wrong with the connections between the satellites it is given to.
#[pyclass(frozen, module = "psfs._psfs")]
pub(crate) struct Faults(pub(crate) psfs_core::Faults);

#[pymethods]
impl Faults {
    #[new]
    fn new(seed: u64) -> Self {
        Self(psfs_core::Faults::new(seed))
    }

    /// Cuts the connections between two peers, and refuses new ones.
    fn partition(&self, a: &str, b: &str) -> PyResult<()> {
        self.0.partition(&peer(a)?, &peer(b)?);
        Ok(())
    }

    /// Makes the line between two peers slow: seconds one way, lost packets of 1, bytes a second.
    fn slow(
        &self,
        a: &str,
        b: &str,
        latency: f64,
        loss: f64,
        rate: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if !(0.0..=1.0).contains(&loss) {
            return Err(Failure::bad_input(format!("loss is {loss}: give 0 to 1")).into());
        }
        let latency: Duration = seconds(Some(latency), "latency")?;
        let rate = number(rate, "rate", "bytes a second, 0 for no limit")?;
        let slow = Slow::default().latency(latency).loss(loss).rate(rate);
        self.0.slow(&peer(a)?, &peer(b)?, slow);
        Ok(())
    }

    /// Takes all faults between two peers away.
    fn heal(&self, a: &str, b: &str) -> PyResult<()> {
        self.0.heal(&peer(a)?, &peer(b)?);
        Ok(())
    }

    /// Makes a satellite lie in the DHT.
    fn lie(&self, who: &str) -> PyResult<()> {
        self.0.lie(&peer(who)?);
        Ok(())
    }

    /// Takes all faults away.
    fn heal_all(&self) {
        self.0.heal_all();
    }
}
