//! Which protocols a satellite speaks, and with what settings.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, gossipsub, identify, identity, kad, ping};

use super::NetShared;
use super::gate::Gate;
use super::members::Members;
use super::packets::Packets;
use super::providers::{ProviderLimits, ProviderStore};
use crate::config::BROADCAST_MAX;
use crate::error::StartError;

/// Our own Kademlia network; foreign nodes speak other names.
pub(crate) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/psfs/kad/1.0.0");
/// What identify says we are.
const IDENTIFY_PROTOCOL: &str = "/psfs/2.0.0";
/// Room for signature, delegation, key and gossip's own fields around a broadcast.
const BROADCAST_OVERHEAD: usize = 4 * 1024;
/// Nodes of a bucket, and nodes that keep a provider record: satellites need few, and each costs a connection and memory.
const BUCKET: usize = 8;

/// Pings are there to be answered, for nodes of the DHT that ask. Sessions find out by themselves who is gone ([`super::pulse`]).
const PING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

#[cfg(feature = "mdns")]
type Mdns = libp2p::mdns::tokio::Behaviour;
#[cfg(not(feature = "mdns"))]
type Mdns = libp2p::swarm::dummy::Behaviour;

/// All protocols of one satellite.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) packets: Packets,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<ProviderStore>,
    pub(crate) gossip: Members<gossipsub::Behaviour>,
    pub(crate) mdns: Toggle<Mdns>,
}

/// How a satellite is set up, as far as the protocols need to know.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) key: identity::Keypair,
    pub(crate) gate: Gate,
    pub(crate) mdns: bool,
    pub(crate) seed: u64,
}

impl Behaviour {
    pub(crate) fn new(shared: &Arc<NetShared>, protocols: Protocols) -> Result<Self, StartError> {
        let Protocols {
            key,
            gate,
            mdns,
            seed,
        } = protocols;
        let local = key.public().to_peer_id();
        let identify = identify::Behaviour::new(
            identify::Config::new(IDENTIFY_PROTOCOL.into(), key.public())
                .with_agent_version(format!("libpsfs/{}", env!("CARGO_PKG_VERSION")))
                .with_push_listen_addr_updates(true),
        );
        let ping = ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL));
        let mut kad = kad::Behaviour::with_config(
            local,
            ProviderStore::new(local, ProviderLimits::default(), seed),
            kad_config(),
        );
        // A satellite answers from its start; one that cannot be reached is found out by those who try.
        kad.set_mode(Some(kad::Mode::Server));
        let gossip =
            gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, gossip_config()?)
                .map_err(|reason| StartError::Option {
                    option: "broadcast",
                    reason: reason.into(),
                })?;
        Ok(Self {
            packets: Packets::new(Arc::clone(shared), gate),
            identify,
            ping,
            kad,
            gossip: Members::new(gossip),
            mdns: mdns_behaviour(mdns, local)?.into(),
        })
    }
}

fn kad_config() -> kad::Config {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    if let Some(size) = NonZeroUsize::new(BUCKET) {
        config.set_kbucket_size(size).set_replication_factor(size);
    }
    config
        .set_query_timeout(Duration::from_secs(20))
        .set_provider_record_ttl(Some(Duration::from_secs(48 * 3600)))
        // Announced again by ourselves, well before other implementations forget (24 h): nodes that came meanwhile learn it too.
        .set_provider_publication_interval(Some(Duration::from_secs(3 * 3600)))
        // It would dial every node of the table; peers that tell each other of peers fill it as well.
        .set_periodic_bootstrap_interval(None)
        // The driver says when, see `fill_kad`.
        .set_kbucket_inserts(kad::BucketInserts::Manual);
    config
}

fn gossip_config() -> Result<gossipsub::Config, StartError> {
    gossipsub::ConfigBuilder::default()
        // Our own signature is inside, by a key with its delegation; gossip's would name no author we could check.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        // By all bytes: gossip's cache is filled before anything is checked, so a forgery must not share the original's id.
        .message_id_fn(|message| {
            gossipsub::MessageId::from(blake3::hash(&message.data).as_bytes().as_slice())
        })
        .max_transmit_size(BROADCAST_MAX + BROADCAST_OVERHEAD)
        .duplicate_cache_time(Duration::from_secs(120))
        .heartbeat_interval(Duration::from_millis(700))
        .build()
        .map_err(|error| StartError::Option {
            option: "broadcast",
            reason: error.to_string(),
        })
}

#[cfg(feature = "mdns")]
fn mdns_behaviour(on: bool, local: libp2p::PeerId) -> Result<Option<Mdns>, StartError> {
    if !on {
        return Ok(None);
    }
    Mdns::new(libp2p::mdns::Config::default(), local)
        .map(Some)
        .map_err(|error| StartError::Listen {
            address: "mDNS (UDP port 5353)".into(),
            reason: error.to_string(),
        })
}

#[cfg(not(feature = "mdns"))]
fn mdns_behaviour(on: bool, _: libp2p::PeerId) -> Result<Option<Mdns>, StartError> {
    if on {
        Err(StartError::Unsupported {
            option: "mdns",
            needs: "the feature mdns",
        })
    } else {
        Ok(None)
    }
}
