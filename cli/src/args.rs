//! The command line: what can be said, and what is refused before anything starts.
//!
//! An option that needs what is not built is refused with a line that says so. None is taken and ignored: an option that would have no
//! effect beside the others given is refused too.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args as Group, Parser, Subcommand, ValueEnum, value_parser};
use psfs_core::PeerId;

use crate::failure::Failure;
use crate::output;

mod dht;
mod files;
mod transfer;

pub(crate) use dht::{Action, Dht, Keeping, Store, parse_key, port_of};
pub(crate) use files::{
    Files, FilesAction, GetKept, List, Put, Remove, Serve, Server, Shelf, Token,
};
pub(crate) use transfer::{Asked, Get, Meeting, Share, ticket};

/// Where the API listens, and where one-shot commands look for it.
pub(crate) const API_DEFAULT: &str = "127.0.0.1:3001";
/// Longest time that can be asked for, in seconds.
const SECONDS_MAX: u64 = 24 * 60 * 60;

/// A satellite on the command line: it finds the others under a shared name, talks with them, and shares files.
#[derive(Debug, Parser)]
#[command(
    name = "psfs",
    version,
    disable_help_subcommand = true,
    after_help = "Example:\n  psfs up -r pineapple --data-dir ~/.psfs\n  psfs request PEER whois --data-dir ~/.psfs\n  psfs share FILE\n  psfs get TICKET\n\nExit status: 0 worked, 1 failed, 2 used wrongly."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Up),
    Id(Id),
    Listen(Listen),
    Peers(Peers),
    Send(Send),
    Request(Request),
    Broadcast(Broadcast),
    Dht(Dht),
    Share(Share),
    Get(Get),
    Files(Files),
}

/// Run a satellite until it is interrupted, and print what happens, one line each.
#[derive(Debug, Group)]
#[command(after_help = "Examples:
  psfs up -r pineapple                                finds others on the local network
  psfs up -r pineapple --peer 192.0.2.7:4001          and through an address known
  psfs up -r pineapple --data-dir ~/.psfs --listen :4001

Prints `peer ID:suffix`, `listening ADDRESS` for each address (ready for --peer elsewhere), `api URL token FILE`, then
`discovered ID`, `connected ID`, `greeting from ID: text`, `disconnected ID: reason`, `unreachable ID: reason`.
Ends in order at SIGINT, at SIGTERM, and when nobody reads its output any more.

It serves the request `whois` and greets every peer. The API: GET /peers (?state=1), GET /whois/PEER, POST /write, POST /broadcast,
POST /request, GET /listen/NAMESPACE, PUT /dht, PUT, GET and DELETE /dht/KEY, GET and DELETE /files/ROOT, POST /uploads (tus 1.0); every call needs the header
`Authorization: Bearer TOKEN`.")]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) network: Network,
    /// Listen here: IP:PORT, :PORT or a multiaddress; port 0 is any free one. May be repeated. Default: every interface, any free port
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Folder for the key, peers' addresses and the API's token. Default: nothing touches the disk
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// HTTP API: IP:PORT, :PORT, or `off`
    #[arg(long, value_name = "ADDR", default_value = API_DEFAULT, value_parser = parse_api)]
    pub(crate) api: ApiAddress,
    /// Let --api be an address that other machines reach. The token goes over the wire in clear: only behind a tunnel or a proxy with TLS
    #[arg(long)]
    pub(crate) api_public: bool,
    /// After the session's start sign nothing but broadcasts; only with peers that ask for it too
    #[arg(long)]
    pub(crate) lazysec: bool,
    /// How long broadcasts sent through the API may be passed on for
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) broadcastlifetime: Option<u64>,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    /// Debug logging on stderr. RUST_LOG, here and in all commands, says more exactly what is logged
    #[arg(long)]
    pub(crate) debug: bool,
    /// Not built yet, refused: the protocol id of the v1 wire
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) pid: Option<OsString>,
    /// Not built yet, refused: only flood broadcasts honour it
    #[arg(long, value_name = "RATIO", allow_hyphen_values = true)]
    pub(crate) broadcastratio: Option<OsString>,
    /// Not built yet, refused: only flood broadcasts honour it
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub(crate) maxrebroadcasts: Option<OsString>,
}

/// Which network, and who in it.
#[derive(Debug, Group)]
pub(crate) struct Network {
    /// Name under which satellites find each other
    #[arg(short, long, value_name = "NAME")]
    pub(crate) rendezvous: Option<String>,
    /// Address at which the network may be met: IP:PORT or a multiaddress. May be repeated
    #[arg(long, value_name = "ADDR", requires = "rendezvous")]
    pub(crate) peer: Vec<String>,
    /// Key file; made when it does not exist. Default: the data folder's if there is one, else a key for this run
    #[arg(long, value_name = "FILE", requires = "rendezvous")]
    pub(crate) key: Option<PathBuf>,
    /// File with the key's passphrase (or set PSFS_PASSPHRASE)
    #[arg(long, value_name = "FILE", requires = "rendezvous")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// File with the network's secret: who does not know it is not let in
    #[arg(long, value_name = "FILE", requires = "rendezvous")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Do not look for peers on the local network
    #[arg(long, requires = "rendezvous")]
    pub(crate) no_mdns: bool,
}

/// Make or show a key: its peer id and its fingerprint.
#[derive(Debug, Group)]
#[command(after_help = "Example:\n  psfs id --key me.pem")]
pub(crate) struct Id {
    /// Key file; made with mode 0600 when it does not exist
    #[arg(long, value_name = "FILE", required_unless_present = "data_dir")]
    pub(crate) key: Option<PathBuf>,
    /// The key in this data folder
    #[arg(long, value_name = "DIR", conflicts_with = "key")]
    pub(crate) data_dir: Option<PathBuf>,
    /// File with the key's passphrase (or set PSFS_PASSPHRASE)
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// How a one-shot command reaches the network: through a running `psfs up`, or with -r through a satellite of its own.
#[derive(Debug, Group)]
pub(crate) struct Reach {
    /// API of the running satellite. Default: as the data folder says, else 127.0.0.1:3001
    #[arg(long, value_name = "ADDR", conflicts_with = "rendezvous")]
    pub(crate) api: Option<String>,
    /// The API's token (or set PSFS_TOKEN, which other users of this machine cannot see)
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["rendezvous", "data_dir"])]
    pub(crate) token: Option<String>,
    /// Data folder of the running satellite, for its API's address and token (or set PSFS_DATA_DIR)
    #[arg(long, value_name = "DIR", conflicts_with = "rendezvous")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Which way a one-shot goes is said once, the same for all.
const REACH: &str = "Without -r the command goes through the API of a running `psfs up`; with -r it starts a short-lived satellite of its own.";

/// Print the messages and broadcasts that come in namespaces, one line each, until interrupted.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:\n  psfs listen news -r pineapple\n  psfs listen news notes --data-dir ~/.psfs\n  psfs listen notes --type message --count 1 --raw -r pineapple > notes.txt\n\n{REACH}\nIt prints `listening through URL`, or the `peer ID:suffix` that messages for it are sent to and `listening ADDRESS` for each of its\naddresses; then TIME TYPE PEER NAMESPACE CONTENT for each packet, the time by its sender's clock. With --raw nothing but contents.\nWhat a satellite broadcasts it does not hear itself."))]
pub(crate) struct Listen {
    /// Where to listen. May be repeated
    #[arg(required = true, value_name = "NAMESPACE")]
    pub(crate) namespaces: Vec<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Only packets of this type. Default: both
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) only: Option<Heard>,
    /// Print contents alone, byte for byte, each with a newline after it
    #[arg(long)]
    pub(crate) raw: bool,
    /// End after so many packets
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// A packet type that is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Heard {
    Message,
    Broadcast,
}

/// Print the peers met, one per line: the id, and whether it is connected or met.
#[derive(Debug, Group)]
#[command(after_help = format!("Example:\n  psfs peers --data-dir ~/.psfs\n  psfs peers -r pineapple --timeout 3\n\n{REACH}\nThat one prints peers as they are connected, and those only met when the time is over."))]
pub(crate) struct Peers {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// How long to look for peers, or to wait for the API
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    timeout: u64,
}

/// Send one message; done when the peer's satellite has it.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:\n  psfs send PEER greeting 'good morning' --data-dir ~/.psfs\n  psfs send PEER notes - -r pineapple < notes.txt\n\n{REACH}"))]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Send one request and print the replies as they come, one per line.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:\n  psfs request PEER whois --data-dir ~/.psfs\n  psfs request PEER photo 'the cat' --raw -r pineapple > cat.jpg\n  psfs request PEER shrink - --raw -r pineapple < large.jpg > small.jpg\n\n{REACH}"))]
pub(crate) struct Request {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print replies byte for byte, with nothing between them
    #[arg(long)]
    pub(crate) raw: bool,
}

/// Send one packet to every satellite of the network that listens in a namespace.
#[derive(Debug, Group)]
#[command(after_help = format!("Example:\n  psfs broadcast news 'it rains' --data-dir ~/.psfs\n\n{REACH}"))]
pub(crate) struct Broadcast {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) within: Within,
    /// How long it may be passed on for; with -r (else the running satellite says)
    #[arg(long, value_name = "SECONDS", requires = "rendezvous", value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) broadcastlifetime: Option<u64>,
}

/// Whom to tell or ask what.
#[derive(Debug, Group)]
pub(crate) struct Target {
    /// The peer's id or fingerprint, as `psfs up` prints it there
    #[arg(id = "whom", value_name = "PEER")]
    pub(crate) peer: PeerId,
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// Namespace and content.
#[derive(Debug, Group)]
pub(crate) struct What {
    /// What it is about: who listens there gets it
    pub(crate) namespace: String,
    /// What to say, as it stands; `-` takes it from stdin, a file by `- < FILE`; nothing when left out. Put `--` before content that starts with a hyphen
    pub(crate) content: Option<OsString>,
}

/// How long a command may take.
#[derive(Clone, Copy, Debug, Group)]
pub(crate) struct Within {
    /// How long it may take in all
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    timeout: u64,
}

impl Within {
    pub(crate) fn timeout(self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

impl Peers {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Where the API is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiAddress {
    Off,
    At(SocketAddr),
}

fn parse_api(text: &str) -> Result<ApiAddress, String> {
    if text == "off" {
        return Ok(ApiAddress::Off);
    }
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok(ApiAddress::At(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
        )));
    }
    text.parse()
        .map(ApiAddress::At)
        .map_err(|_| "give IP:PORT, :PORT or off".to_owned())
}

/// The command line, or `None` when help or the version was asked for and is printed.
pub(crate) fn parse<I, T>(args: I) -> Result<Option<Args>, Failure>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    match Args::try_parse_from(args) {
        Ok(args) => {
            args.command.check()?;
            Ok(Some(args))
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            output::print(error.to_string().as_bytes()).map(|()| None)
        }
        Err(error) => Err(one_line(&error)),
    }
}

/// clap explains itself in paragraphs: the first is the message, one that starts with `tip:` the hint.
fn one_line(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage(
            "no command is given",
            "Say what to do: psfs up, id, listen, peers, send, request, broadcast, dht, share, get or files; or psfs --help.",
        );
    }
    let text = error.to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = paragraphs.next().unwrap_or_default();
    let message = message
        .strip_prefix("error: ")
        .unwrap_or(&message)
        .to_owned();
    let tip =
        paragraphs.find_map(|part| part.strip_prefix("tip: ").map(|tip| format!("Tip: {tip}.")));
    Failure::usage(message, tip.unwrap_or_else(|| "Try --help.".to_owned()))
}

impl Command {
    fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Up(up) => up.check(),
            Self::Listen(listen) => listen.reach.network.check(None),
            Self::Peers(peers) => peers.reach.network.check(None),
            Self::Send(send) => send.target.reach.network.check(None),
            Self::Request(request) => request.target.reach.network.check(None),
            Self::Broadcast(broadcast) => broadcast.reach.network.check(None),
            Self::Dht(dht) => dht.check(),
            Self::Share(share) => share.check(),
            Self::Get(get) => get.check(),
            Self::Files(files) => files.check(),
            Self::Id(_) => Ok(()),
        }
    }
}

impl Up {
    fn check(&self) -> Result<(), Failure> {
        let unbuilt = [
            ("--pid", &self.pid, "the v1 wire"),
            ("--broadcastratio", &self.broadcastratio, "flood broadcasts"),
            (
                "--maxrebroadcasts",
                &self.maxrebroadcasts,
                "flood broadcasts",
            ),
        ];
        for (option, value, needs) in unbuilt {
            if value.is_some() {
                return Err(Failure::usage(
                    format!("{option} needs {needs}, which this version does not have"),
                    "Leave it out.",
                ));
            }
        }
        if self.network.rendezvous.is_none() {
            return Err(Failure::usage(
                "no rendezvous is given",
                "Say under which name to meet: psfs up -r NAME.",
            ));
        }
        match self.api {
            ApiAddress::Off if self.api_public => {
                return Err(Failure::usage(
                    "--api-public says nothing when the API is off",
                    "Leave it out.",
                ));
            }
            ApiAddress::Off if self.broadcastlifetime.is_some() => {
                return Err(Failure::usage(
                    "--broadcastlifetime is for broadcasts sent through the API, which is off",
                    "Leave it out, or turn the API on.",
                ));
            }
            ApiAddress::At(address) if address.ip().is_loopback() && self.api_public => {
                return Err(Failure::usage(
                    format!(
                        "--api-public says nothing of {address}, which only this machine reaches"
                    ),
                    "Leave it out, or give --api an address that others reach.",
                ));
            }
            ApiAddress::At(address) if !address.ip().is_loopback() && !self.api_public => {
                return Err(Failure::usage(
                    format!(
                        "other machines could reach an API at {address}, and its token goes over the wire in clear"
                    ),
                    "Use a loopback address and a tunnel; if you mean it, add --api-public.",
                ));
            }
            _ => {}
        }
        self.network.check(self.data_dir.as_deref().map(OsStr::new))
    }
}

impl Network {
    /// `data_folder`: where else a key may be.
    fn check(&self, data_folder: Option<&OsStr>) -> Result<(), Failure> {
        if self.passphrase_file.is_some() && self.key.is_none() && data_folder.is_none() {
            return Err(Failure::usage(
                "--passphrase-file is given and no key that it could open",
                "Add --key FILE.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
