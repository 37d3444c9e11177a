//! The sockets that others dial: closed for a pause, and opened again where they were.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::TransportError;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use tokio::sync::oneshot;

use super::Driver;
use crate::config::LISTEN_TIMEOUT;
use crate::net::{clock, transport};

/// A QUIC connection that was closed keeps its socket for a moment, and with it the port.
const LISTEN_PATIENCE: Duration = Duration::from_secs(2);
const LISTEN_AGAIN: Duration = Duration::from_millis(50);

/// An address of the configuration that is listened on.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// As configured.
    wanted: Multiaddr,
    /// The same with the port that the system gave.
    bound: Multiaddr,
    /// `None` while it is closed.
    id: Option<ListenerId>,
    /// It has told an address since it was opened.
    told: bool,
}

impl Listener {
    pub(crate) fn new(wanted: Multiaddr, id: ListenerId) -> Self {
        Self {
            bound: wanted.clone(),
            wanted,
            id: Some(id),
            told: false,
        }
    }

    /// Takes in an address that a listener told, if it is this one.
    pub(crate) fn tell(&mut self, id: ListenerId, address: &Multiaddr) {
        if self.id == Some(id) {
            self.bound = with_port_of(&self.wanted, address);
            self.told = true;
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenFailure {
    pub(crate) address: String,
    /// The system's reason; `None`: somebody else listens there.
    pub(crate) reason: Option<String>,
}

impl ListenFailure {
    fn new(address: &Multiaddr, error: &TransportError<std::io::Error>) -> Self {
        let reason = match error {
            TransportError::Other(error) if transport::is_address_in_use(error) => None,
            other => Some(other.to_string()),
        };
        Self {
            address: address.to_string(),
            reason,
        }
    }
}

/// Who waits until all that was opened has told its address, and until when.
#[derive(Debug)]
pub(super) struct Listening {
    replies: Vec<oneshot::Sender<Result<(), ListenFailure>>>,
    failure: Option<ListenFailure>,
    again_at: Option<Instant>,
    patient_until: Instant,
    until: Instant,
}

impl Listening {
    pub(super) fn due(&self) -> Instant {
        self.again_at.unwrap_or(self.until)
    }
}

impl Driver {
    /// Who waits for listeners was overtaken by a pause.
    pub(super) fn give_up_listening(&mut self) {
        let listening = self.state.listening.take();
        for reply in listening
            .into_iter()
            .flat_map(|listening| listening.replies)
        {
            let _gone = reply.send(Ok(()));
        }
    }

    pub(super) fn close_listeners(&mut self) {
        for id in self.listeners.iter().filter_map(|listener| listener.id) {
            self.swarm.remove_listener(id);
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listeners.iter().any(|listener| listener.id.is_some())
    }

    /// Opens all that are closed.
    pub(super) fn open_listeners(
        &mut self,
        replies: Vec<oneshot::Sender<Result<(), ListenFailure>>>,
    ) {
        let now = clock::now();
        let before = self.state.listening.take();
        let mut waiting = before.map_or_else(Vec::new, |listening| listening.replies);
        waiting.extend(replies);
        self.state.listening = Some(Listening {
            replies: waiting,
            failure: None,
            again_at: Some(now),
            patient_until: now + LISTEN_PATIENCE,
            until: now + LISTEN_TIMEOUT,
        });
        self.go_on_listening();
    }

    /// Opens what could not be opened yet, and answers those who wait once there is nothing more to wait for.
    pub(super) fn go_on_listening(&mut self) {
        let now = clock::now();
        let Some(mut listening) = self.state.listening.take() else {
            return;
        };
        if listening.again_at.is_some_and(|at| at <= now) {
            let patient = now < listening.patient_until;
            let again = self.try_to_listen(patient, &mut listening.failure);
            listening.again_at = again.then(|| now + LISTEN_AGAIN);
        }
        let waits = |listener: &Listener| listener.id.is_some() && !listener.told;
        let done = listening.again_at.is_none() && !self.listeners.iter().any(waits);
        if !done && now < listening.until {
            self.state.listening = Some(listening);
            return;
        }
        // Whoever was waited for sees the addresses.
        self.show();
        for reply in listening.replies {
            // Who no longer waits has no use for it.
            let _gone = reply.send(listening.failure.clone().map_or(Ok(()), Err));
        }
    }

    /// Whether it is to be tried again. A port that was any port may become another one, should somebody have taken it meanwhile.
    fn try_to_listen(&mut self, patient: bool, failure: &mut Option<ListenFailure>) -> bool {
        let mut again = false;
        for listener in self.listeners.iter_mut().filter(|l| l.id.is_none()) {
            let mut opened = self.swarm.listen_on(listener.bound.clone());
            if opened.is_err() && patient {
                again = true;
                continue;
            }
            if opened.is_err() && listener.bound != listener.wanted {
                opened = self.swarm.listen_on(listener.wanted.clone());
            }
            match opened {
                Ok(id) => (listener.id, listener.told) = (Some(id), false),
                Err(error) => {
                    let failed = ListenFailure::new(&listener.wanted, &error);
                    tracing::warn!(address = %failed.address, %error, "cannot listen");
                    *failure = Some(failed);
                }
            }
        }
        again
    }

    pub(super) fn on_listening(&mut self, id: ListenerId, address: &Multiaddr) {
        for listener in &mut self.listeners {
            listener.tell(id, address);
        }
        self.go_on_listening();
    }

    pub(super) fn on_listener_closed(
        &mut self,
        id: ListenerId,
        addresses: &[Multiaddr],
        reason: Result<(), std::io::Error>,
    ) {
        let of = self.listeners.iter_mut().find(|l| l.id == Some(id));
        if let Err(error) = reason {
            tracing::error!(listener = ?id, %error, "no longer listening");
            if let (Some(listener), Some(listening)) = (&of, &mut self.state.listening) {
                listening.failure = Some(ListenFailure {
                    address: listener.wanted.to_string(),
                    reason: Some(error.to_string()),
                });
            }
        }
        if let Some(listener) = of {
            listener.id = None;
        }
        for address in addresses {
            self.swarm.remove_external_address(address);
        }
        self.state.view_stale = true;
        self.go_on_listening();
    }
}

/// An address to listen on with the port, if it left it open, that another one has.
fn with_port_of(wanted: &Multiaddr, told: &Multiaddr) -> Multiaddr {
    let given = |place: usize| told.iter().nth(place);
    let parts = wanted.iter().enumerate();
    parts
        .map(|(place, part)| match (&part, given(place)) {
            (Protocol::Tcp(0), Some(port @ Protocol::Tcp(_)))
            | (Protocol::Udp(0), Some(port @ Protocol::Udp(_)))
            | (Protocol::Memory(0), Some(port @ Protocol::Memory(_))) => port,
            _ => part,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_was_given_is_asked_for_again_and_nothing_else_is_changed() {
        for (wanted, told, again) in [
            (
                "/ip4/0.0.0.0/tcp/0",
                "/ip4/10.0.0.7/tcp/4001",
                "/ip4/0.0.0.0/tcp/4001",
            ),
            (
                "/ip4/0.0.0.0/udp/0/quic-v1",
                "/ip4/10.0.0.7/udp/4001/quic-v1",
                "/ip4/0.0.0.0/udp/4001/quic-v1",
            ),
            (
                "/ip6/::1/tcp/4002",
                "/ip6/::1/tcp/4002",
                "/ip6/::1/tcp/4002",
            ),
            ("/memory/0", "/memory/77", "/memory/77"),
        ] {
            let [wanted, told, again] =
                [wanted, told, again].map(|text| text.parse::<Multiaddr>().unwrap());
            assert_eq!(with_port_of(&wanted, &told), again);
        }
    }
}
