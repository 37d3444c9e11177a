//! The signals that tell a command that runs on to end in order.

use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Signals that come together are one.
const GRACE: Duration = Duration::from_millis(500);

/// SIGINT or SIGTERM.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(format!("cannot listen for signals: {error}"), ""))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Resolves when the program is told again, later than both signals of one who sends them to a process and to its group.
    pub(crate) async fn again(&mut self) {
        tokio::time::sleep(GRACE).await;
        let _first = self.asked().now_or_never();
        self.asked().await;
    }

    /// Resolves each time that the program is told to end.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
