//! Sessions that the application asks for: made, ended, waited for. All others the roster keeps by itself.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Inner, Satellite};
use crate::error::ConnectError;
use crate::identity::PeerId;
use crate::net::address::{self, Purpose};
use crate::net::driver::{Command, ReachFailure};

impl Inner {
    pub(super) async fn connect(
        &self,
        address: &str,
        timeout: Duration,
    ) -> Result<PeerId, ConnectError> {
        let parsed =
            address::parse(address, Purpose::Dial).map_err(|reason| ConnectError::Address {
                address: address.into(),
                reason: reason.to_string(),
            })?;
        let (reply, answer) = oneshot::channel();
        self.command(Command::Connect {
            address: parsed,
            reply,
        })
        .await
        .ok_or(ConnectError::Closed)?;
        let answer = self.until(timeout, answer).await.ok_or_else(|| {
            if self.is_paused() {
                ConnectError::Paused(timeout)
            } else {
                ConnectError::Timeout(timeout)
            }
        })?;
        match answer.map_err(|_| ConnectError::Closed)? {
            Ok(link) => Ok(link.peer),
            Err(ReachFailure::Own) => Err(ConnectError::OwnAddress(address.into())),
            Err(ReachFailure::Refused(peer, reason)) => Err(ConnectError::Refused { peer, reason }),
            Err(ReachFailure::Unreachable(reason)) => Err(ConnectError::Unreachable {
                address: address.into(),
                reason,
            }),
            Err(ReachFailure::Unknown | ReachFailure::Busy) => Err(ConnectError::Unreachable {
                address: address.into(),
                reason: "too many calls wait already".into(),
            }),
        }
    }
}

impl Satellite {
    /// Connects to an address and waits for the session; keeps it alive from then on.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, address: &str, timeout: Duration) -> Result<PeerId, ConnectError> {
        self.inner.connect(address, timeout).await
    }

    /// Ends the session with a peer. It is not dialled again until either side asks for it. Resolves when the session is over and the
    /// peer has what was accepted for it before; one to which nothing moves for 5 s, or that takes longer than 30 s, is given up.
    ///
    /// # Errors
    /// [`ConnectError::NotConnected`], [`ConnectError::Closed`].
    pub async fn disconnect(&self, peer: &PeerId) -> Result<(), ConnectError> {
        self.inner.running().map_err(|_| ConnectError::Closed)?;
        let link = self
            .inner
            .router
            .link(peer)
            .ok_or(ConnectError::NotConnected(*peer))?;
        self.inner
            .command(Command::Disconnect { peer: *peer })
            .await
            .ok_or(ConnectError::Closed)?;
        link.parted().await;
        Ok(())
    }

    /// Resolves when sessions with at least `count` peers are open.
    ///
    /// # Errors
    /// [`ConnectError::Few`] when the time is over first; [`ConnectError::Closed`].
    pub async fn wait_connected(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<(), ConnectError> {
        let mut events = self.peer_events().map_err(|_| ConnectError::Closed)?;
        self.inner.running().map_err(|_| ConnectError::Closed)?;
        let enough = async {
            while self.connected_count() < count {
                if events.next().await.is_none() {
                    return Err(ConnectError::Closed);
                }
            }
            Ok(())
        };
        let waited = self.inner.until(timeout, enough).await;
        waited.unwrap_or_else(|| {
            if self.inner.is_paused() {
                return Err(ConnectError::Paused(timeout));
            }
            Err(ConnectError::Few {
                connected: self.connected_count(),
                wanted: count,
                after: timeout,
            })
        })
    }
}
