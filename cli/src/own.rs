//! Satellites of this program: what the command line says of the network, as a configuration; and the short-lived satellite of a
//! one-shot command.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll, StreamExt, select_all};
use psfs_core::{
    BroadcastOptions, Config, Event, PacketType, PeerEvents, PeerId, PeerInfo, PeerState, Replies,
    RequestOptions, Satellite, SendOptions, SubscribeError,
};
use tokio::time::{Instant, timeout_at};

use crate::args::{Heard, Network};
use crate::failure::Failure;
use crate::files;

/// How long a satellite may take to end in order.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(5);
/// Where a passphrase may come from beside a file.
const PASSPHRASE_VARIABLE: &str = "PSFS_PASSPHRASE";

/// The configuration that `network` asks for.
pub(crate) fn config(network: &Network) -> Result<Config, Failure> {
    let mut config = Config::new(network.rendezvous.as_deref().unwrap_or_default());
    for address in &network.peer {
        config = config.bootstrap(address);
    }
    if let Some(key) = &network.key {
        config = config.identity_file(key);
    }
    if let Some(passphrase) = passphrase(network.passphrase_file.as_deref())? {
        config = config.passphrase(passphrase);
    }
    if let Some(file) = &network.secret_file {
        config = config.secret(files::read_secret(file, "secret")?);
    }
    if network.no_mdns {
        config = config.mdns(false);
    }
    Ok(config)
}

/// The key's passphrase, from the file or from the environment.
pub(crate) fn passphrase(file: Option<&Path>) -> Result<Option<String>, Failure> {
    match file {
        Some(file) => files::read_secret(file, "passphrase").map(Some),
        None => match std::env::var(PASSPHRASE_VARIABLE) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(
                format!("{PASSPHRASE_VARIABLE} is not UTF-8"),
                "Use --passphrase-file.",
            )),
        },
    }
}

/// Who is known and, as far as one can tell, there.
pub(crate) fn met(satellite: &Satellite) -> impl Iterator<Item = PeerInfo> {
    let there = |known: &PeerInfo| known.state != PeerState::Unreachable;
    satellite.peers().into_iter().filter(there)
}

/// How a peer stands, in a word.
pub(crate) fn state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::Connected => "connected",
        PeerState::Unreachable => "unreachable",
        _ => "met",
    }
}

/// A satellite for one command.
#[derive(Debug)]
pub(crate) struct Own {
    satellite: Satellite,
    events: PeerEvents,
    timeout: Duration,
    until: Instant,
}

impl Own {
    /// Starts it. All that is done with it must be done within `timeout` from now.
    pub(crate) async fn start(network: &Network, timeout: Duration) -> Result<Self, Failure> {
        let until = Instant::now() + timeout;
        let config = config(network)?;
        let satellite = Satellite::new(config).map_err(Failure::of)?;
        let events = satellite.peer_events().map_err(Failure::of)?;
        satellite.start().await.map_err(Failure::of)?;
        Ok(Self {
            satellite,
            events,
            timeout,
            until,
        })
    }

    /// Tells of each peer once: when it is connected, or when the time is over and it is only met.
    pub(crate) async fn peers(
        &mut self,
        mut tell: impl FnMut(&PeerId, PeerState) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut told = HashSet::new();
        loop {
            for known in met(&self.satellite) {
                if known.state == PeerState::Connected && told.insert(known.peer) {
                    tell(&known.peer, known.state)?;
                }
            }
            match timeout_at(self.until, self.events.next()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        for known in met(&self.satellite) {
            if told.insert(known.peer) {
                tell(&known.peer, known.state)?;
            }
        }
        if told.is_empty() {
            Err(self.nobody("no peer was met"))
        } else {
            Ok(())
        }
    }

    pub(crate) async fn send(
        &mut self,
        peer: &PeerId,
        namespace: &str,
        content: Vec<u8>,
    ) -> Result<(), Failure> {
        self.meet(peer).await?;
        // The satellite ends right after: the message must have arrived by then.
        let options = SendOptions::default().confirmed(true).timeout(self.left());
        self.satellite
            .send(peer, namespace, content, options)
            .await
            .map_err(Failure::of)
    }

    pub(crate) async fn request(
        &mut self,
        peer: &PeerId,
        namespace: &str,
        content: Vec<u8>,
    ) -> Result<Replies, Failure> {
        self.meet(peer).await?;
        let options = RequestOptions::default().deadline(self.left());
        self.satellite
            .request(peer, namespace, content, options)
            .await
            .map_err(Failure::of)
    }

    pub(crate) async fn broadcast(
        &mut self,
        namespace: &str,
        content: Vec<u8>,
        options: BroadcastOptions,
    ) -> Result<(), Failure> {
        self.wait("no peer was connected", |satellite| {
            satellite.connected_count() > 0
        })
        .await?;
        let sending = self.satellite.broadcast(namespace, content, options);
        match tokio::time::timeout(self.left(), sending).await {
            Ok(sent) => sent.map_err(Failure::of),
            Err(_) => Err(Failure::new(
                "nobody took the broadcast in time",
                "Give it more with --timeout.",
            )),
        }
    }

    pub(crate) async fn shutdown(self) -> Result<(), Failure> {
        self.satellite
            .shutdown(SHUTDOWN)
            .await
            .map(|_| ())
            .map_err(Failure::of)
    }

    async fn meet(&mut self, peer: &PeerId) -> Result<(), Failure> {
        let what = format!("peer {peer} was not met");
        self.wait(&what, |satellite| {
            satellite.peers().iter().any(|known| known.peer == *peer)
        })
        .await
    }

    /// Looks again after every event, so nothing is missed between looking and waiting.
    async fn wait(
        &mut self,
        otherwise: &str,
        ready: impl Fn(&Satellite) -> bool,
    ) -> Result<(), Failure> {
        while !ready(&self.satellite) {
            match timeout_at(self.until, self.events.next()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Err(self.nobody(otherwise)),
            }
        }
        Ok(())
    }

    fn left(&self) -> Duration {
        // Never zero: the library would refuse that as an option's value instead of telling what timed out.
        self.until
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    }

    fn nobody(&self, what: &str) -> Failure {
        Failure::new(
            format!("{what} within {} s", self.timeout.as_secs()),
            "Check the rendezvous and the secret, give an address of the network with --peer, or more time with --timeout.",
        )
    }
}

/// All that comes in a namespace, or what is of one type.
pub(crate) fn subscribe(
    satellite: &Satellite,
    namespace: &str,
    only: Option<Heard>,
) -> Result<SelectAll<BoxStream<'static, Event>>, SubscribeError> {
    let types = match only {
        Some(Heard::Message) => &[PacketType::Message][..],
        Some(Heard::Broadcast) => &[PacketType::Broadcast],
        None => &[PacketType::Message, PacketType::Broadcast],
    };
    let mut streams = Vec::new();
    for packet_type in types {
        let events = satellite.subscribe(*packet_type, namespace)?;
        let events = stream::unfold(events, |mut events| async {
            events.next().await.map(|event| (event, events))
        });
        streams.push(events.boxed());
    }
    Ok(select_all(streams))
}
