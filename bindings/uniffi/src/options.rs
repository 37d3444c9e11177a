//! What a satellite is told when it is made.

use std::sync::Arc;

use psfs_core::{Config, Signing};

use crate::dht_values::NativeRole;
use crate::failure::NativeError;
use crate::faults::NativeFaults;
use crate::identity::NativeIdentity;
use crate::input::{count, milliseconds, peer};

/// How packets are signed after a session is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativeSigning {
    /// By a short-lived key that the RSA key has vouched for.
    Every,
    /// By the RSA key itself.
    Rsa,
    /// Not at all, if both sides ask for it.
    Lazy,
}

impl From<Signing> for NativeSigning {
    fn from(signing: Signing) -> Self {
        match signing {
            Signing::Lazy => Self::Lazy,
            Signing::Rsa => Self::Rsa,
            _ => Self::Every,
        }
    }
}

/// Everything that can be set of a satellite; what is left out has the core's default ([`Config`]).
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct NativeOptions {
    /// Name of the network.
    pub rendezvous: String,
    /// Only who knows it is let in.
    #[uniffi(default = None)]
    pub secret: Option<Vec<u8>>,
    /// Addresses at which the network may be met.
    #[uniffi(default = [])]
    pub bootstrap: Vec<String>,
    /// Addresses to listen on.
    #[uniffi(default = [])]
    pub listen: Vec<String>,
    /// A folder of this satellite's own.
    #[uniffi(default = None)]
    pub data_dir: Option<String>,
    /// The key itself.
    #[uniffi(default = None)]
    pub identity: Option<Arc<NativeIdentity>>,
    /// Or a file with it, made when it does not exist.
    #[uniffi(default = None)]
    pub key_file: Option<String>,
    /// Opens (or protects) the key file.
    #[uniffi(default = None)]
    pub passphrase: Option<String>,
    /// Once there is one, no other peer gets a session.
    #[uniffi(default = [])]
    pub allow: Vec<String>,
    /// Peers that get none.
    #[uniffi(default = [])]
    pub deny: Vec<String>,
    /// How packets are signed.
    #[uniffi(default = None)]
    pub signing: Option<NativeSigning>,
    /// Whether satellites on the local network are found by mDNS.
    #[uniffi(default = None)]
    pub mdns: Option<bool>,
    /// Largest content in bytes.
    #[uniffi(default = None)]
    pub content_limit: Option<i64>,
    /// Bytes of messages a peer may have on the way.
    #[uniffi(default = None)]
    pub message_window: Option<i64>,
    /// Bytes of replies on the way to one request.
    #[uniffi(default = None)]
    pub reply_window: Option<i64>,
    /// Requests one peer may have open here.
    #[uniffi(default = None)]
    pub open_requests: Option<i64>,
    /// Events one subscription holds.
    #[uniffi(default = None)]
    pub queue_limit: Option<i64>,
    /// Bytes of contents held in all.
    #[uniffi(default = None)]
    pub memory_limit: Option<i64>,
    /// Sessions kept by itself: at least, with `peers_high`.
    #[uniffi(default = None)]
    pub peers_low: Option<i64>,
    /// And at most.
    #[uniffi(default = None)]
    pub peers_high: Option<i64>,
    /// Connections in all, with `connections_per_ip`.
    #[uniffi(default = None)]
    pub connections: Option<i64>,
    /// And from one IP address.
    #[uniffi(default = None)]
    pub connections_per_ip: Option<i64>,
    /// Threads of the satellite's own.
    #[uniffi(default = None)]
    pub worker_threads: Option<i64>,
    /// Silence in ms after which a peer is asked for a sign of life, with `ping_timeout_ms`.
    #[uniffi(default = None)]
    pub ping_interval_ms: Option<i64>,
    /// And how long that may take.
    #[uniffi(default = None)]
    pub ping_timeout_ms: Option<i64>,
    /// What it is to others in the DHT.
    #[uniffi(default = None)]
    pub dht_role: Option<NativeRole>,
    /// Largest value in bytes that it stores, fetches or keeps in the DHT.
    #[uniffi(default = None)]
    pub max_item_size: Option<i64>,
    /// Bytes of values it keeps for the DHT in all.
    #[uniffi(default = None)]
    pub max_storage_size: Option<i64>,
    /// For tests: what is wrong with the connections.
    #[uniffi(default = None)]
    pub faults: Option<Arc<NativeFaults>>,
}

/// Sets one number if it is given.
fn number(
    config: Config,
    name: &str,
    value: Option<i64>,
    set: fn(Config, usize) -> Config,
) -> Result<Config, NativeError> {
    match value {
        None => Ok(config),
        Some(value) => Ok(set(config, count(value, name)?)),
    }
}

/// Two values that go together.
fn both<T>(
    one: Option<T>,
    other: Option<T>,
    names: (&str, &str),
) -> Result<Option<(T, T)>, NativeError> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(Some((one, other))),
        (None, None) => Ok(None),
        _ => Err(NativeError::bad_input(format!(
            "{} and {}: give both or neither",
            names.0, names.1
        ))),
    }
}

impl NativeOptions {
    pub(crate) fn into_config(self) -> Result<Config, NativeError> {
        let mut config = Config::new(self.rendezvous);
        if let Some(secret) = self.secret {
            config = config.secret(secret);
        }
        config = self.bootstrap.into_iter().fold(config, Config::bootstrap);
        config = self.listen.into_iter().fold(config, Config::listen);
        if let Some(path) = self.data_dir {
            config = config.data_dir(path);
        }
        config = match (self.identity, self.key_file) {
            (None, None) => config,
            (Some(identity), None) => config.identity(identity.0.clone()),
            (None, Some(path)) => config.identity_file(path),
            (Some(_), Some(_)) => {
                return Err(NativeError::bad_input(
                    "identity and key_file: give one of them",
                ));
            }
        };
        if let Some(passphrase) = self.passphrase {
            config = config.passphrase(passphrase);
        }
        for id in &self.allow {
            config = config.allow(peer(id)?);
        }
        for id in &self.deny {
            config = config.deny(peer(id)?);
        }
        if let Some(signing) = self.signing {
            config = config.signing(match signing {
                NativeSigning::Every => Signing::Every,
                NativeSigning::Rsa => Signing::Rsa,
                NativeSigning::Lazy => Signing::Lazy,
            });
        }
        if let Some(on) = self.mdns {
            config = config.mdns(on);
        }
        config = number(
            config,
            "content_limit",
            self.content_limit,
            Config::content_limit,
        )?;
        config = number(
            config,
            "message_window",
            self.message_window,
            Config::message_window,
        )?;
        config = number(
            config,
            "reply_window",
            self.reply_window,
            Config::reply_window,
        )?;
        config = number(
            config,
            "open_requests",
            self.open_requests,
            Config::open_requests,
        )?;
        config = number(config, "queue_limit", self.queue_limit, Config::queue_limit)?;
        config = number(
            config,
            "memory_limit",
            self.memory_limit,
            Config::memory_limit,
        )?;
        config = number(
            config,
            "worker_threads",
            self.worker_threads,
            Config::worker_threads,
        )?;
        if let Some(role) = self.dht_role {
            config = config.dht_role(role.into());
        }
        config = number(
            config,
            "max_item_size",
            self.max_item_size,
            Config::max_item_size,
        )?;
        config = number(
            config,
            "max_storage_size",
            self.max_storage_size,
            |config, bytes| config.max_storage_size(bytes as u64),
        )?;
        let names = ("peers_low", "peers_high");
        if let Some((low, high)) = both(self.peers_low, self.peers_high, names)? {
            config = config.peers(count(low, names.0)?, count(high, names.1)?);
        }
        let names = ("connections", "connections_per_ip");
        if let Some((total, per_ip)) = both(self.connections, self.connections_per_ip, names)? {
            config = config.connections(count(total, names.0)?, count(per_ip, names.1)?);
        }
        let names = ("ping_interval", "ping_timeout");
        if let Some((interval, timeout)) = both(self.ping_interval_ms, self.ping_timeout_ms, names)?
        {
            config = config.ping(
                milliseconds(interval, names.0)?,
                milliseconds(timeout, names.1)?,
            );
        }
        if let Some(faults) = self.faults {
            config = config.faults(faults.0.clone());
        }
        Ok(config)
    }
}
