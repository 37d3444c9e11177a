//! What can be said of files that are kept: here, and at a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Subcommand, ValueEnum, value_parser};
use psfs_core::{Op, PeerId, Root};

use super::SECONDS_MAX;
use super::transfer::{Meeting, PATIENCE, parse_lifetime};
use crate::failure::Failure;

/// Where a token may come from beside the command line.
const TOKEN_VARIABLE: &str = "PSFS_FILES_TOKEN";

/// Keep files for others, have them kept, and see what is kept.
#[derive(Debug, Group)]
#[command(after_help = format!("Examples:
  psfs files serve --data-dir ~/.psfs --user ada --user bob=500000000
                                                      keeps files for both; prints where it is, and a token for each
  export {TOKEN_VARIABLE}=...                       the token, for the commands below; or --token
  psfs files put report.pdf --server ADDR --tag work  has a file kept there, ADDR as `serve` prints it
  psfs files list --server ADDR --tag work            prints ROOT SIZE NAME #TAG..., one line each
  psfs files get report.pdf --server ADDR             by name or by root
  psfs files remove report.pdf --server ADDR
  psfs files list --data-dir ~/.psfs                  what `psfs share --data-dir` shared from this machine; no satellite of it may run

What breaks goes on by itself, and after Ctrl-C or a crash with the same command."))]
pub(crate) struct Files {
    #[command(subcommand)]
    pub(crate) action: FilesAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FilesAction {
    Serve(Serve),
    Token(Token),
    Put(Put),
    Get(GetKept),
    #[command(visible_alias = "find")]
    List(List),
    Remove(Remove),
}

/// Keep files for users until interrupted: for whoever has a token of theirs.
#[derive(Debug, Group)]
#[command(
    after_help = "Prints `peer ID:suffix`, `listening ADDRESS` for each address (ready for --server), and `token USER TOKEN` for each --user. The files,
who has them and their quotas outlive it; the same tokens hold after a restart, until they expire."
)]
pub(crate) struct Serve {
    /// A user who gets a token, and his own limit in bytes. May be repeated
    #[arg(long, value_name = "NAME[=BYTES]", value_parser = parse_user)]
    pub(crate) user: Vec<(String, Option<u64>)>,
    /// How long the tokens hold: seconds, or a number with s, m, h, d or w
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_lifetime)]
    pub(crate) expire: Duration,
    /// Bytes that each user may have kept who has no limit of his own. Default 1 GiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) quota: Option<u64>,
    /// The largest file or folder that is taken, in bytes
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..))]
    pub(crate) largest: Option<u64>,
    /// Where the files lie. Default: the folder `files` in the data folder
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// How long an upload may stand still before it is given up
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_lifetime)]
    pub(crate) idle: Duration,
    /// Serve clients of filestoraged, too, on a unix socket at this path. Their tokens (JWT, HS256, with login and uid) are checked with the secret
    /// of --socket-secret; the login is the user
    #[arg(long, value_name = "PATH", requires = "socket_secret")]
    pub(crate) socket: Option<PathBuf>,
    /// File with the secret of those tokens
    #[arg(long, value_name = "FILE", requires = "socket")]
    pub(crate) socket_secret: Option<PathBuf>,
    /// To test clients: let this part (0 to 1) of what is asked fail
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) faulty: Option<f64>,
    /// Which of it: the same seed gives the same faults
    #[arg(long, value_name = "N", default_value_t = 1, requires = "faulty")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) meeting: Meeting,
    /// Print lines of JSON: {"event": "peer" | "listening" | "token", ...}
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a token for a user of the server that has this key. It need not run.
#[derive(Debug, Group)]
pub(crate) struct Token {
    /// Whose files it is for
    pub(crate) user: String,
    /// The server's key file
    #[arg(long, value_name = "FILE", required_unless_present = "data_dir")]
    pub(crate) key: Option<PathBuf>,
    /// The server's data folder
    #[arg(long, value_name = "DIR", conflicts_with = "key")]
    pub(crate) data_dir: Option<PathBuf>,
    /// File with the key's passphrase (or set PSFS_PASSPHRASE)
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How long it holds: seconds, or a number with s, m, h, d or w
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_lifetime)]
    pub(crate) expire: Duration,
    /// Bytes that may be moved with it in all, up and down together. Default: no limit
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) bytes: Option<u64>,
    /// What may be done with it. May be repeated. Default: everything
    #[arg(long, value_name = "OP")]
    only: Vec<Right>,
    /// Only this file: its root
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: Option<Root>,
    /// Only this peer may use it (its id or fingerprint)
    #[arg(long, value_name = "PEER")]
    pub(crate) to: Option<PeerId>,
}

/// What may be done with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Right {
    Read,
    Write,
    Delete,
    List,
}

/// Have a file or folder kept by a server.
#[derive(Debug, Group)]
pub(crate) struct Put {
    /// The file or folder
    pub(crate) path: PathBuf,
    /// What it is called there. Default: its name here
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A tag by which it is found there. May be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// How long the server may be away
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    patience: u64,
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print lines of JSON, as psfs get does; the last is {"event": "kept", "path", "root", "size", "folder"}
    #[arg(long)]
    pub(crate) json: bool,
}

/// Get a file or folder that a server keeps. Goes on where it was stopped.
#[derive(Debug, Group)]
pub(crate) struct GetKept {
    /// Its name or its root
    pub(crate) what: String,
    /// Where to put it. Default: this folder, under its name
    #[arg(value_name = "DEST")]
    pub(crate) destination: Option<PathBuf>,
    /// How long the server may be away
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    patience: u64,
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print lines of JSON, as psfs get does
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what a server keeps for a user, or what is shared from here, one line each: ROOT SIZE NAME #TAG...
#[derive(Debug, Group)]
pub(crate) struct List {
    /// Only what has this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Only what has this name
    #[arg(long, value_name = "NAME", conflicts_with = "tag")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) shelf: Shelf,
    /// Print lines of JSON: {"root", "size", "folder", "name", "tags", "sha256", "added_ms", "path"}
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove what a server keeps for a user, or stop sharing what is shared from here: a file that was shared where it lies stays.
#[derive(Debug, Group)]
pub(crate) struct Remove {
    /// Its name or its root
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) shelf: Shelf,
}

/// A server, and the right to use it.
#[derive(Debug, Group)]
pub(crate) struct Server {
    /// Where the server is: IP:PORT or a multiaddress, as `psfs files serve` prints it
    #[arg(id = "at", long = "server", value_name = "ADDR")]
    pub(crate) address: String,
    /// A token of it (or set PSFS_FILES_TOKEN, which other users of this machine cannot see)
    #[arg(id = "with", long = "token", value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

/// A server's files or one's own.
#[derive(Debug, Group)]
pub(crate) struct Shelf {
    /// Where the server is: IP:PORT or a multiaddress, as `psfs files serve` prints it. Default: what is in --data-dir
    #[arg(long, value_name = "ADDR", required_unless_present = "data_dir")]
    pub(crate) server: Option<String>,
    /// A token of it (or set PSFS_FILES_TOKEN, which other users of this machine cannot see)
    #[arg(long, value_name = "TOKEN", requires = "server")]
    token: Option<String>,
    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

impl Files {
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.action {
            FilesAction::Serve(serve) => {
                if serve.folder.is_none() && serve.meeting.data_dir.is_none() {
                    return Err(Failure::usage(
                        "there is no folder to keep files in",
                        "Give --data-dir DIR: what is kept, and for whom, is in there.",
                    ));
                }
                serve.meeting.check()
            }
            FilesAction::Token(_) => Ok(()),
            FilesAction::Put(put) => put.server.check(),
            FilesAction::Get(get) => get.server.check(),
            FilesAction::List(list) => list.shelf.check(),
            FilesAction::Remove(remove) => remove.shelf.check(),
        }
    }
}

impl Token {
    /// What may be done with it; nothing: everything.
    pub(crate) fn ops(&self) -> Vec<Op> {
        let op = |right: &Right| match right {
            Right::Read => Op::Read,
            Right::Write => Op::Write,
            Right::Delete => Op::Delete,
            Right::List => Op::List,
        };
        self.only.iter().map(op).collect()
    }
}

impl Put {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

impl GetKept {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

impl Server {
    pub(crate) fn token(&self) -> Result<String, Failure> {
        token(self.token.as_deref())
    }

    fn check(&self) -> Result<(), Failure> {
        self.meeting.check()?;
        self.token().map(drop)
    }
}

impl Shelf {
    /// The server, and the right to use it, if it is not one's own.
    pub(crate) fn server(&self) -> Result<Option<(&str, String)>, Failure> {
        self.server
            .as_deref()
            .map(|server| Ok((server, token(self.token.as_deref())?)))
            .transpose()
    }

    fn check(&self) -> Result<(), Failure> {
        self.meeting.check()?;
        self.server().map(drop)
    }
}

fn token(given: Option<&str>) -> Result<String, Failure> {
    if let Some(token) = given {
        return Ok(token.to_owned());
    }
    match std::env::var(TOKEN_VARIABLE) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
        Ok(_) | Err(std::env::VarError::NotPresent) => Err(Failure::usage(
            "no token is given",
            format!(
                "Set {TOKEN_VARIABLE} to the one that `psfs files serve` or `psfs files token` printed, or use --token."
            ),
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(
            format!("{TOKEN_VARIABLE} is not UTF-8"),
            "Copy the token again.",
        )),
    }
}

fn parse_user(text: &str) -> Result<(String, Option<u64>), String> {
    let (name, limit) = match text.rsplit_once('=') {
        Some((name, limit)) => {
            let limit = limit.parse();
            (name, Some(limit.map_err(|_| "give NAME or NAME=BYTES")?))
        }
        None => (text, None),
    };
    if name.is_empty() {
        return Err("give NAME or NAME=BYTES".to_owned());
    }
    Ok((name.to_owned(), limit))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| "give a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_a_name_and_perhaps_a_limit() {
        assert_eq!(parse_user("ada"), Ok(("ada".into(), None)));
        assert_eq!(parse_user("a=b=7"), Ok(("a=b".into(), Some(7))));
        for bad in ["", "=7", "ada=", "ada=much", "ada=-1"] {
            parse_user(bad).unwrap_err();
        }
    }

    #[test]
    fn rates_are_parts_of_one() {
        assert_eq!(parse_rate("0.25"), Ok(0.25));
        for bad in ["", "-0.1", "1.01", "NaN", "5%"] {
            parse_rate(bad).unwrap_err();
        }
    }
}
