//! What can be said of sharing and getting files.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, value_parser};
use psfs_core::{PeerId, Root, Ticket};

use super::{Network, SECONDS_MAX};
use crate::failure::Failure;

/// Where files are shared and looked for if nothing else is said. A ticket names the network it is for.
pub(crate) const RENDEZVOUS: &str = "psfs-files";
/// Longest life of a ticket, in seconds: ten years.
const LIFETIME_MAX: u64 = 3650 * DAY;
const DAY: u64 = 24 * 60 * 60;
/// How long somebody who has the file is looked for, in seconds.
pub(super) const PATIENCE: u64 = 60;
/// Digits of a root.
const ROOT_DIGITS: usize = 64;

/// Share files and folders where they lie, until interrupted, and print a ticket for each.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:
  psfs share holiday.mp4                              prints a ticket: whoever has it gets the file with `psfs get TICKET`
  psfs share photos notes.txt                         prints TICKET PATH for each
  psfs share secret.pdf --to PEER --expire 2d         only for this peer, and for two days
  psfs share disk.img --key me.pem --listen :4001     under the same address whenever it is shared again

Nothing is copied or uploaded: files are hashed once and sent from where they lie. What is changed meanwhile is not given any more.
Without --ticket-only and the three that include it, everybody in the network who knows a file's root may get it as well.
Files are shared under the rendezvous `{RENDEZVOUS}` unless -r says otherwise; the ticket carries the name, and where to look.
--json prints a line for each: {{\"event\": \"shared\", \"path\", \"root\", \"size\", \"folder\", \"ticket\"}}."))]
pub(crate) struct Share {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Show each ticket as a QR code on stderr, too
    #[arg(long)]
    pub(crate) qr: bool,
    /// How long the tickets hold: seconds, or a number with s, m, h, d or w. Default, of tickets that give a right: 30d. Includes --ticket-only
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    pub(crate) expire: Option<Duration>,
    /// Bytes that may be got with each ticket in all, by whomever. Includes --ticket-only
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) bytes: Option<u64>,
    /// Only this peer may use the tickets (its id or fingerprint). Includes --ticket-only
    #[arg(long, value_name = "PEER")]
    pub(crate) to: Option<PeerId>,
    /// Give it to nobody without a ticket
    #[arg(long)]
    ticket_only: bool,
    /// A tag by which it is found with `psfs files list --data-dir DIR`; with --data-dir. May be repeated
    #[arg(long, value_name = "TAG", requires = "data_dir")]
    pub(crate) tag: Vec<String>,
    #[command(flatten)]
    pub(crate) meeting: Meeting,
    /// Print lines of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Get a file or folder: what a ticket is for, or what has a root. Goes on where it was stopped.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:
  psfs get TICKET                                     into this folder, under the name in the ticket
  psfs get TICKET video.mp4                           under another; into a folder if there is one of this name
  psfs get - photos < ticket.txt                      the ticket from stdin, where other users of this machine do not see it
  psfs get ROOT disk.img --peer 192.0.2.7:4001        what has this root (64 digits), from who is there

Each piece is checked before it is written. What came is kept in NAME.part and others beside it: whatever ends it (Ctrl-C, a crash, a
cut line), the same command goes on from there. The file has its name once it is whole, and prints its path then.
A root is looked for under the rendezvous `{RENDEZVOUS}` unless -r says otherwise; a ticket says itself where.
--json prints lines {{\"event\": \"progress\", \"bytes\", \"size\", \"rate\", \"sources\", \"left_s\"}} (bytes a second; size is 0 and left_s null while not
known), and at the end {{\"event\": \"received\", \"path\", \"root\", \"size\", \"folder\"}}."))]
pub(crate) struct Get {
    /// A ticket, as `psfs share` prints it; `-` takes it from stdin, which is one line of it. Or a root: 64 hexadecimal digits
    #[arg(value_name = "TICKET")]
    what: String,
    /// Where to put it. Default: this folder, under the ticket's name
    #[arg(value_name = "DEST")]
    pub(crate) destination: Option<PathBuf>,
    /// What has this root is a folder, not a file
    #[arg(long)]
    pub(crate) folder: bool,
    /// How long to look for somebody who has it
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    patience: u64,
    /// Do not wait until it is on the disk at the end: faster, and lost if the machine loses power right then
    #[arg(long)]
    pub(crate) no_sync: bool,
    #[command(flatten)]
    pub(crate) meeting: Meeting,
    /// Print lines of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where satellites for files meet.
#[derive(Debug, Group)]
pub(crate) struct Meeting {
    /// Name under which satellites find each other
    #[arg(short, long, value_name = "NAME")]
    rendezvous: Option<String>,
    /// Address at which the network may be met: IP:PORT or a multiaddress. May be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) peer: Vec<String>,
    /// Listen here: IP:PORT, :PORT or a multiaddress; port 0 is any free one. May be repeated. Default: every interface, any free port
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Folder for the key and peers' addresses. Default: nothing but files touches the disk
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
    /// Do not look for peers on the local network
    #[arg(long)]
    no_mdns: bool,
}

/// What is to be got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Ticket(Box<Ticket>),
    Root(Root),
    /// A ticket that is read from stdin.
    Stdin,
}

impl Share {
    /// Whether who has no ticket gets nothing.
    pub(crate) fn only_with_ticket(&self) -> bool {
        self.ticket_only || self.expire.is_some() || self.bytes.is_some() || self.to.is_some()
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        self.meeting.check()
    }
}

impl Get {
    /// What is asked for.
    pub(crate) fn what(&self) -> Result<Asked, Failure> {
        match self.what.as_str() {
            "-" => Ok(Asked::Stdin),
            text if is_root(text) => text.parse().map(Asked::Root).map_err(refused),
            text => ticket(text).map(Asked::Ticket),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        self.meeting.check()?;
        match self.what()? {
            Asked::Ticket(ticket) => self.fits(&ticket),
            Asked::Root(_) | Asked::Stdin => Ok(()),
        }
    }

    /// Whether the options beside it say something of what this ticket is for.
    pub(crate) fn fits(&self, ticket: &Ticket) -> Result<(), Failure> {
        let beside = |option: &str, says: &str| {
            Failure::usage(
                format!("{option} is given, and the ticket says {says}"),
                "Leave it out.",
            )
        };
        if self.folder {
            return Err(beside("--folder", "whether it is a folder"));
        }
        if self.meeting.rendezvous.is_some() {
            return Err(beside("--rendezvous", "itself where to meet"));
        }
        match (ticket.needs_secret(), &self.meeting.secret_file) {
            (true, None) => Err(Failure::usage(
                "this ticket is of a network with a secret, which is not in the ticket",
                "Ask who shared it for the secret, and give the file that you put it in with --secret-file FILE.",
            )),
            (false, Some(_)) => Err(Failure::usage(
                "--secret-file is given, and the ticket is of a network without a secret",
                "Leave it out.",
            )),
            _ => Ok(()),
        }
    }
}

impl Meeting {
    /// As other commands say it, in the network of this name if there is one.
    pub(crate) fn network(&self, rendezvous: Option<&str>) -> Network {
        let rendezvous = rendezvous.or(self.rendezvous.as_deref());
        Network {
            rendezvous: Some(rendezvous.unwrap_or(RENDEZVOUS).to_owned()),
            peer: self.peer.clone(),
            key: self.key.clone(),
            passphrase_file: self.passphrase_file.clone(),
            secret_file: self.secret_file.clone(),
            no_mdns: self.no_mdns,
        }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let folder = self.data_dir.as_ref().map(|folder| folder.as_os_str());
        self.network(None).check(folder)
    }
}

/// A ticket from its text.
pub(crate) fn ticket(text: &str) -> Result<Box<Ticket>, Failure> {
    text.parse().map(Box::new).map_err(refused)
}

fn refused(error: impl Into<psfs_core::Error>) -> Failure {
    let error: psfs_core::Error = error.into();
    Failure::usage(
        error.message(),
        "Copy all of the line that psfs share printed, or give a root of 64 hexadecimal digits.",
    )
}

/// No ticket looks like one.
fn is_root(text: &str) -> bool {
    text.len() == ROOT_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

pub(super) fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let units = [
        ('s', 1),
        ('m', 60),
        ('h', 60 * 60),
        ('d', DAY),
        ('w', 7 * DAY),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(letter, seconds)| Some((text.strip_suffix(*letter)?, *seconds)))
        .unwrap_or((text, 1));
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|seconds| (1..=LIFETIME_MAX).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "give seconds, or a number with s, m, h, d or w, up to 3650d".to_owned())
}
