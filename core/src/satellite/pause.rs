//! An application that goes to the background and comes back, or finds itself in another network.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{Inner, Satellite, Stage};
use crate::error::PauseError;
use crate::net::driver::Command;

impl Satellite {
    /// The application goes to the background: sessions end, what was accepted is sent before that, sockets are closed, and nothing is dialled,
    /// searched or timed until [`Satellite::resume`]. Handlers, subscriptions and all that is known of peers stay. Resolves when the network is
    /// left: in milliseconds, or when a peer does not take what was accepted for it, in 4 s at most. Paused again, it stays paused.
    ///
    /// Peers see it leave ([`Code::Closed`](crate::Code::Closed)), do not dial it, and tell nobody of it until it is back. Meanwhile calls
    /// that need a session wait for the resume within their time; [`Satellite::broadcast`] and [`Satellite::seek`], which wait for nobody, fail.
    /// Messages say that it is paused. Requests that were open are over.
    ///
    /// # Errors
    /// [`PauseError::Closed`]: it is not running.
    pub async fn pause(&self) -> Result<(), PauseError> {
        self.inner.order(|reply| Command::Pause { reply }).await
    }

    /// The application is back: listens again, on the same ports, and dials whom it had sessions with and others it knows at once, however
    /// often that failed before; soon it also looks for them in the DHT. Resolves when it listens; sessions follow by themselves
    /// ([`Satellite::wait_connected`]). Not paused, it only listens again where it could not.
    ///
    /// # Errors
    /// [`PauseError::AddressInUse`], [`PauseError::Listen`]: an address of the options cannot be listened on now; all else goes on, and
    /// calling this again tries it again. [`PauseError::Closed`]: it is not running.
    pub async fn resume(&self) -> Result<(), PauseError> {
        let resumed = self.inner.order(|reply| Command::Resume { reply }).await?;
        resumed.map_err(|failure| match failure.reason {
            None => PauseError::AddressInUse {
                address: failure.address,
            },
            Some(reason) => PauseError::Listen {
                address: failure.address,
                reason,
            },
        })
    }

    /// The network has changed (another WLAN, mobile data instead, a VPN), as the system tells the application: every session has to show
    /// within 3 s that it still stands, or ends and is dialled anew; whoever could not be reached is dialled at once; peers and the DHT are
    /// told the addresses of now. Without it the same is found out after the ping interval and timeout. Does nothing while paused:
    /// the resume does all of it.
    ///
    /// # Errors
    /// [`PauseError::Closed`]: it is not running.
    pub async fn network_changed(&self) -> Result<(), PauseError> {
        self.inner
            .order(|reply| Command::NetworkChanged { reply })
            .await
    }

    /// Whether it was paused and not resumed.
    pub fn is_paused(&self) -> bool {
        self.inner.is_paused()
    }
}

impl Inner {
    /// Also paused is what is shut down while it was: that is not worth telling.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) && self.stage() == Stage::Started
    }

    async fn order<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, PauseError> {
        let (reply, answer) = oneshot::channel();
        self.command(command(reply))
            .await
            .ok_or(PauseError::Closed)?;
        answer.await.map_err(|_| PauseError::Closed)
    }
}
