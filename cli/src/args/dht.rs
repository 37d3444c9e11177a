//! What can be said of the DHT: the letters of the seed's program, and what this library has beside.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as Group, ValueEnum, value_parser};
use psfs_core::{Config, Key, PeerId, Role, Satellite};

use super::{Network, SECONDS_MAX};
use crate::failure::Failure;

/// Where all `psfs dht` meet that are told nothing else.
const RENDEZVOUS: &str = "psfs-dht";
/// Where a node listens that is told nothing else, as the seed's.
const LISTEN: &str = ":3000";
/// Most nodes of a network in one process.
const NODES_MAX: i64 = 200;
/// Largest value that can be asked for: what a packet takes, less what the library puts beside a value.
const ITEM_LIMIT: u64 = (16 << 20) - 4096;
/// Largest value, in bytes, where nothing else is said.
const ITEM_MAX: usize = 5_000_000;
/// How long a command may take, in seconds, where nothing else is said.
const TIMEOUT: u64 = 30;

/// Keep values with others: store one, fetch one, or run a node (or a little network of them) until it is interrupted.
#[derive(Debug, Group)]
#[command(after_help = "Examples:
  psfs dht -n 3                                           a network on :3000, :3001 and :3002
  cat somefile | psfs dht -c :3000 -s                     stores it and prints its hash
  psfs dht -c :3000 -f HASH > somefile                    fetches it again
  cat somefile | psfs dht -c :3000 -S filename            the same under a name: who knows the name can store there
  psfs dht -c :3000 -F filename > somefile
  psfs dht -c :3000 -l :6000 -i                           a node with a prompt
  psfs dht -c :3000 trace HASH                            who is asked on the way to a value, and what each answers
  psfs dht -c :3000 --data-dir DIR --store-signed news < FILE   only this key can store and replace it
  psfs dht -c :3000 --fetch-signed PEER:news              the newest of it
  psfs dht -c :3000 --seal-for PEER -s < FILE             only that peer can read it,
  psfs dht -c :3000 --key FILE --open -f HASH             with its key
  psfs dht -c :3000 --data-dir DIR delete HASH            what the key in this folder stored
  psfs dht -c :3000 debug                                 what nodes do that run with --permit-debug

A command that stores, fetches, traces or deletes waits up to 10 s until a node answers; it serves nobody (--role client) and, without
-l, listens on any free port. Else it is a node, and prints `Listening on` and, when another node has answered, `Ready...`.
trace prints a line for each question: its number, way, depth, bits in common with the key, peer, round trip, and what was answered;
then who has the value (`holder PEER`), and the nodes nearest to it (`closest PEER`). debug prints PEER and what it does, a line each, until
it is interrupted.
Exit status: 0 worked, 1 failed or no such value, 2 used wrongly.")]
pub(crate) struct Dht {
    /// What to do with the value at KEY, or with all nodes
    #[arg(value_name = "COMMAND", group = "action")]
    what: Option<What>,
    /// The value's hash: 64 hexadecimal digits
    #[arg(value_name = "KEY", value_parser = parse_key, required_if_eq_any = [("what", "trace"), ("what", "delete")])]
    of: Option<Key>,
    /// Address of a node: :PORT (on this machine), IP:PORT or a multiaddress. May be repeated
    #[arg(short, long, value_name = "ADDR")]
    pub(crate) connect: Vec<String>,
    /// Listen here: :PORT, IP:PORT or a multiaddress; port 0 is any free one. Default: :3000
    #[arg(short, long, value_name = "ADDR")]
    listen: Option<String>,
    /// Open a prompt
    #[arg(short, long, visible_alias = "interactif", conflicts_with = "action")]
    pub(crate) interactive: bool,
    /// Store what comes from stdin, and print its hash
    #[arg(short, long, group = "action")]
    store: bool,
    /// The same under a name
    #[arg(short = 'S', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = "action")]
    store_at: Option<String>,
    /// Fetch a value and print it, byte for byte
    #[arg(short, long, value_name = "HASH", value_parser = parse_key, group = "action")]
    fetch: Option<Key>,
    /// The same by the name that it was stored under
    #[arg(short = 'F', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), group = "action")]
    fetch_at: Option<String>,
    /// Store what comes from stdin, signed by this key, and print where: the next under the same SALT (it may be empty) replaces it
    #[arg(long, value_name = "SALT", group = "action")]
    store_signed: Option<String>,
    /// Fetch the newest that PEER signed under SALT (PEER alone: the empty one)
    #[arg(long, value_name = "PEER:SALT", value_parser = parse_signed, group = "action")]
    fetch_signed: Option<Key>,
    /// With -s or --store-signed: only this peer can read it
    #[arg(long, value_name = "PEER", conflicts_with_all = ["what", "store_at", "fetch", "fetch_at", "fetch_signed", "interactive"], requires = "action")]
    seal_for: Option<PeerId>,
    /// With -f, -F or --fetch-signed: print what was sealed for this key
    #[arg(long, conflicts_with_all = ["what", "store", "store_at", "store_signed", "interactive"], requires = "action")]
    open: bool,
    /// Run a network of so many nodes on consecutive ports (0: one node, as without it)
    #[arg(short, long, value_name = "NODES", value_parser = value_parser!(u16).range(0..=NODES_MAX), conflicts_with_all = ["action", "key", "data_dir"])]
    network: Option<u16>,
    /// What is told: 0 nothing, 1 errors, 2 warnings, 3 what becomes of nodes, 4 more, 5 all. Default: 3, and 1 with a prompt or a command
    #[arg(short, long, value_name = "LEVEL", value_parser = value_parser!(u8).range(0..=5))]
    verbose: Option<u8>,
    /// Name under which the nodes find each other
    #[arg(short, long, value_name = "NAME", default_value = RENDEZVOUS)]
    rendezvous: String,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// How long a command, or each of the prompt, may take. Default: 30
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    timeout: Option<u64>,
    /// Folder for the key, the values and peers' addresses. Default: nothing touches the disk
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Key file; made when it does not exist. Default: the data folder's if there is one, else a key for this run
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the key's passphrase (or set PSFS_PASSPHRASE)
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// File with the network's secret: who does not know it is not let in
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Do not look for nodes on the local network
    #[arg(long)]
    no_mdns: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Print each question on the way to it, and its answer
    Trace,
    /// Have the nodes forget it, which they do for who stored it
    Delete,
    /// Publish this key, so that others can seal values for it while it is away
    Publish,
    /// Print what nodes do that permit it (--permit-debug), as it happens
    Debug,
}

/// What a satellite does for others in the DHT.
#[derive(Debug, Group)]
pub(crate) struct Keeping {
    /// In the DHT: `node` keeps values near its place, `mirror` all that it hears of, `client` none and serves nobody. Default: node
    #[arg(long, value_name = "ROLE", hide_possible_values = true)]
    role: Option<RoleName>,
    /// Largest value stored, fetched or kept, in bytes. Default: 5000000
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..=ITEM_LIMIT))]
    max_item_size: Option<u64>,
    /// Bytes of values kept for others. Default: 500000000
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..))]
    max_storage_size: Option<u64>,
    /// Let everybody in the network follow what it does in the DHT, with `psfs dht debug`
    #[arg(long)]
    permit_debug: bool,
    /// Store and fetch for clients that reach few nodes themselves, within a budget for each
    #[arg(long)]
    permit_proxy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    Node,
    Mirror,
    Client,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Node => Role::Node,
            Self::Mirror => Role::Mirror,
            Self::Client => Role::Client,
        }
    }
}

/// One thing to do, and then to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<'a> {
    Store(Store<'a>),
    /// True: and open it.
    Fetch(Key, bool),
    Publish,
    Trace(Key),
    Delete(Key),
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store<'a> {
    /// Under its hash.
    Plain,
    /// Under this name.
    Named(&'a str),
    /// Signed under this salt, and sealed for this peer.
    Signed(&'a str, Option<PeerId>),
    /// For this peer alone.
    Sealed(PeerId),
}

impl Dht {
    /// What to do; nothing: it is a node, or several.
    pub(crate) fn action(&self) -> Option<Action<'_>> {
        match (self.what, self.of) {
            (Some(What::Trace), Some(key)) => return Some(Action::Trace(key)),
            (Some(What::Delete), Some(key)) => return Some(Action::Delete(key)),
            (Some(What::Publish), _) => return Some(Action::Publish),
            _ => {}
        }
        let store = match (&self.store_signed, &self.store_at, self.seal_for) {
            (Some(salt), _, recipient) => Some(Store::Signed(salt, recipient)),
            (None, Some(name), _) => Some(Store::Named(name)),
            (None, None, Some(recipient)) => Some(Store::Sealed(recipient)),
            (None, None, None) => self.store.then_some(Store::Plain),
        };
        if let Some(store) = store {
            return Some(Action::Store(store));
        }
        let named = self.fetch_at.as_deref().map(Key::of_name);
        let key = self.fetch.or(named).or(self.fetch_signed);
        key.map(|key| Action::Fetch(key, self.open))
    }

    /// Whether it is to print what others do.
    pub(crate) fn debugs(&self) -> bool {
        self.what == Some(What::Debug)
    }

    /// Whether it comes for something and not to be a node.
    fn visits(&self) -> bool {
        self.debugs() || self.action().is_some()
    }

    /// The address of each node.
    pub(crate) fn listens(&self) -> Result<Vec<String>, Failure> {
        let first = match &self.listen {
            Some(address) => address,
            None if self.visits() => return Ok(Vec::new()),
            None => LISTEN,
        };
        let count = self.network.unwrap_or(0).max(1);
        if count == 1 {
            return Ok(vec![first.to_owned()]);
        }
        let (host, port) = port_of(first).ok_or_else(|| {
            Failure::usage(
                format!(
                    "-n takes consecutive ports from -l on, and {first:?} has none to begin with"
                ),
                "Give -l as :PORT or IP:PORT.",
            )
        })?;
        if port == 0 {
            return Ok(vec![first.to_owned(); usize::from(count)]);
        }
        if port.checked_add(count - 1).is_none() {
            return Err(Failure::usage(
                format!("{count} nodes from port {port} on need ports over 65535"),
                "Begin lower with -l.",
            ));
        }
        Ok((port..=port + (count - 1))
            .map(|port| format!("{host}:{port}"))
            .collect())
    }

    /// How much is told, 0 to 5.
    pub(crate) fn level(&self) -> u8 {
        let quiet = self.interactive || self.visits();
        self.verbose.unwrap_or(if quiet { 1 } else { 3 })
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(TIMEOUT))
    }

    /// The network it is in, as other commands say it.
    pub(crate) fn network(&self) -> Network {
        Network {
            rendezvous: Some(self.rendezvous.clone()),
            peer: self.connect.clone(),
            key: self.key.clone(),
            passphrase_file: self.passphrase_file.clone(),
            secret_file: self.secret_file.clone(),
            no_mdns: self.no_mdns,
        }
    }

    /// What it is to others: who comes for something is gone before it could serve anybody.
    pub(crate) fn role(&self) -> Role {
        match self.keeping.role {
            Some(role) => role.role(),
            None if self.visits() => Role::Client,
            None => Role::Node,
        }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let (action, role) = (self.action(), self.role());
        if matches!(action, Some(Action::Delete(_)))
            && self.key.is_none()
            && self.data_dir.is_none()
        {
            return Err(Failure::usage(
                "only who stored a value may delete it, and a key made for this run has stored nothing",
                "Give the --data-dir or the --key that it was stored with.",
            ));
        }
        let throwaway = self.key.is_none() && self.data_dir.is_none();
        if throwaway && (self.open || self.what == Some(What::Publish)) {
            return Err(Failure::usage(
                "nothing can have been sealed for a key made for this run",
                "Give the --data-dir or the --key that it is for.",
            ));
        }
        if throwaway && self.store_signed.is_some() {
            return Err(Failure::usage(
                "nobody could replace what a key signs that is made for this run",
                "Give a --data-dir or a --key, which is made when it does not exist.",
            ));
        }
        if self.of.is_some() && (self.debugs() || self.what == Some(What::Publish)) {
            return Err(Failure::usage(
                "debug and publish take no KEY",
                "Leave it out, or use trace.",
            ));
        }
        if !self.visits() && !self.interactive {
            if role == Role::Client {
                return Err(Failure::usage(
                    "a client serves nobody, and there is nothing that it is to do",
                    "Add -i, -s, -S, -f, -F, --store-signed, --fetch-signed, trace, delete, publish or debug, or give another --role.",
                ));
            }
            if self.timeout.is_some() {
                return Err(Failure::usage(
                    "--timeout is for a prompt or a command, and a node runs until it is interrupted",
                    "Leave it out.",
                ));
            }
        }
        if role == Role::Client {
            if self.keeping.permit_debug {
                return Err(Failure::usage(
                    "--permit-debug says nothing of a client, which does nothing for others",
                    "Leave it out, or add --role node.",
                ));
            }
            if self.keeping.permit_proxy {
                return Err(Failure::usage(
                    "--permit-proxy says nothing of a client, which does nothing for others",
                    "Leave it out, or add --role node.",
                ));
            }
            if self.keeping.max_storage_size.is_some() {
                return Err(Failure::usage(
                    "--max-storage-size says nothing of a client, which keeps nothing for others",
                    "Leave it out, or add --role node.",
                ));
            }
            if self.network.is_some_and(|nodes| nodes > 1) {
                return Err(Failure::usage(
                    "a network of clients would keep nothing",
                    "Give another --role.",
                ));
            }
        }
        self.listens()?;
        self.network()
            .check(self.data_dir.as_deref().map(AsRef::as_ref))
    }
}

impl Keeping {
    /// Largest value, in bytes.
    pub(crate) fn item_max(&self) -> usize {
        let given = self.max_item_size.map(usize::try_from);
        given.and_then(Result::ok).unwrap_or(ITEM_MAX)
    }

    /// What a configuration does not hold, told to the satellite that was made with it.
    pub(crate) fn permit(&self, satellite: &Satellite) {
        satellite.dht().permit_debug(self.permit_debug);
        satellite.dht().permit_proxy(self.permit_proxy);
    }

    /// The configuration with what is said here.
    pub(crate) fn apply(&self, mut config: Config) -> Config {
        if self.max_item_size.is_some() {
            config = config.max_item_size(self.item_max());
        }
        if let Some(bytes) = self.max_storage_size {
            config = config.max_storage_size(bytes);
        }
        match self.role {
            Some(role) => config.dht_role(role.role()),
            None => config,
        }
    }
}

/// Host and port of `:PORT` and `IP:PORT`.
pub(crate) fn port_of(address: &str) -> Option<(&str, u16)> {
    if address.starts_with('/') {
        return None;
    }
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// Where what a peer signs under a salt is.
fn parse_signed(text: &str) -> Result<Key, String> {
    let (peer, salt) = text.split_once(':').unwrap_or((text, ""));
    let peer: PeerId = peer
        .parse()
        .map_err(|error| format!("{peer:?} before the colon is no peer id: {error}"))?;
    Ok(Key::of_signed(&peer, salt.as_bytes()))
}

/// A hash as people write it.
pub(crate) fn parse_key(text: &str) -> Result<Key, String> {
    text.parse().map_err(|_| {
        format!(
            "a hash has 64 hexadecimal digits, this has {}; what was stored under a name is fetched with -F NAME",
            if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                text.len().to_string()
            } else {
                "other characters".to_owned()
            }
        )
    })
}
