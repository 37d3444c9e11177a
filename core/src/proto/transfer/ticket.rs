//! Tickets: all that is needed to fetch a file, in one text that can be pasted, read out or shown as a QR code.
//!
//! ```text
//! psfs1 ‖ base32(length of the message ‖ message ‖ checksum)
//! ```
//!
//! The message is `Ticket` of `psfs.proto`. The length tells a text that is cut off from one that is mistyped, which the checksum finds.
//! Base32 in any case, because QR codes take capital letters in 5.5 bits each (so it costs a tenth) and other letters in 8, and
//! because it can be read out. White space is passed over: mail breaks long lines.
//!
//! The issuer is there as its peer id, 34 bytes, not as the public key, 294: the session that is dialled proves the key, and the id is its
//! hash. Of a token in our own form the claims are there that the ticket does not have, and the signature; the JWT is put together again. A
//! ticket for one file at two addresses has about 200 characters, a QR code of 45 modules a side; with a token by a key of 2048 bits 670 to 760,
//! of 77 modules. With the whole JWT it would be twice as many.
//!
//! Nothing is proved here: who has a ticket knows where to ask, and can show its token.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bytes::Bytes;
use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE, DecodeKind};
use prost::Message as _;

use super::label::Label;
use super::names::{Name, NameError};
use super::root::Root;
use super::token::{Claims, Ops, Token, TokenError};
use crate::config::{ADDRESSES_PER_PEER, NAMESPACE_MAX};
use crate::error::{Code, Error};
use crate::identity::PeerId;
use crate::proto::dht::message::ADDRESS_MAX;
use crate::proto::wire;

/// How every ticket begins; the number is the version.
const PREFIX: &str = "psfs1";
/// The same without the version.
const FAMILY: &str = "psfs";
/// Bytes of the length.
const LENGTH: usize = 2;
/// Characters of base32 that have the length in them, and end with a byte.
const HEAD: usize = 8;
/// Bytes of the checksum.
const CHECKSUM: usize = 4;
/// Largest message: what tickets with all they can have stay below.
const MESSAGE_MAX: usize = 8 * 1024;
/// Longest text that is looked at, with white space.
const TEXT_MAX: usize = 32 * 1024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) root: Root,
    pub(crate) kind: Kind,
    /// Bytes, as a hint: of a collection all its files.
    pub(crate) size: u64,
    /// What it may be called, as a hint: one part, without folders.
    pub(crate) name: Option<Name>,
    /// Who has it.
    pub(crate) issuer: PeerId,
    /// Multiaddresses without the peer id, best first, at most [`ADDRESSES_PER_PEER`].
    pub(crate) addresses: Vec<String>,
    /// The network to meet in: 1 to [`NAMESPACE_MAX`] bytes without NUL.
    pub(crate) rendezvous: String,
    /// That network has a secret, which a ticket never tells.
    pub(crate) secret: bool,
    /// By the issuer.
    pub(crate) token: Option<Token>,
}

/// What there is to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    File,
    Collection,
}

/// Why a text is no ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("this is not a ticket: tickets begin with {PREFIX}")]
    Other,
    #[error("this ticket is of a newer version ({0}): update this program")]
    Version(String),
    /// How many it has is not known if its beginning is cut off, too.
    #[error("the ticket is cut off: {got}{} characters are there", .whole.map(|whole| format!(" of its {whole}")).unwrap_or_default())]
    CutOff { got: usize, whole: Option<usize> },
    #[error("the ticket has {got} characters, {whole} belong to it: leave out what follows it")]
    Long { got: usize, whole: usize },
    #[error("the ticket is mistyped: {found:?}, character {at}, cannot be in one")]
    Character { found: char, at: usize },
    #[error("the ticket is mistyped: its checksum is another")]
    Checksum,
    #[error("the ticket cannot be used: {0}")]
    Malformed(&'static str),
    #[error("the ticket cannot be used: {0}")]
    Name(#[from] NameError),
    #[error("the ticket cannot be used: {0}")]
    Token(#[from] TokenError),
}

impl From<TicketError> for Error {
    fn from(error: TicketError) -> Self {
        Self::new(Code::BadInput, error.to_string())
    }
}

impl Ticket {
    /// As a text. An error if a field is longer than it may be, or the token is another's.
    pub(crate) fn encode(&self) -> Result<String, TicketError> {
        self.check()?;
        write(&self.to_wire().encode_to_vec())
    }

    fn check(&self) -> Result<(), TicketError> {
        let refuse = |reason| Err(TicketError::Malformed(reason));
        if self.addresses.len() > ADDRESSES_PER_PEER {
            return refuse("it has more than 8 addresses");
        }
        let odd =
            |text: &String| !(1..=ADDRESS_MAX).contains(&text.len()) || !text.starts_with('/');
        if self.addresses.iter().any(odd) {
            return refuse("one of its addresses is not a multiaddress of up to 256 bytes");
        }
        if !(1..=NAMESPACE_MAX).contains(&self.rendezvous.len()) || self.rendezvous.contains('\0') {
            return refuse("its rendezvous is not 1 to 255 bytes without NUL");
        }
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.parts().count() > 1)
        {
            return refuse("its name has folders in it");
        }
        if self
            .token
            .as_ref()
            .is_some_and(|token| token.claims().issuer != self.issuer)
        {
            return refuse("its token is of another issuer");
        }
        Ok(())
    }

    pub(in crate::proto) fn to_wire(&self) -> wire::Ticket {
        wire::Ticket {
            root: bytes(self.root.as_bytes()),
            kind: match self.kind {
                Kind::File => wire::TicketKind::File,
                Kind::Collection => wire::TicketKind::Collection,
            } as i32,
            size: self.size,
            name: self
                .name
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            issuer: bytes(self.issuer.as_bytes()),
            addresses: self.addresses.iter().map(|text| pack(text)).collect(),
            rendezvous: self.rendezvous.clone(),
            secret: self.secret,
            token: self.token.as_ref().map(|token| self.token_to_wire(token)),
        }
    }

    fn token_to_wire(&self, token: &Token) -> wire::ticket::Token {
        let claims = token.claims();
        let own = wire::TicketToken {
            holder: claims
                .holder
                .map(|peer| bytes(peer.as_bytes()))
                .unwrap_or_default(),
            server: match claims.server {
                None => wire::TicketServer::Any,
                Some(_) => wire::TicketServer::Issuer,
            } as i32,
            root: claims.root.is_some(),
            ops: claims.ops.bits(),
            bytes: claims.bytes,
            expires: claims.expires,
            id: claims.id.to_string(),
            name: claims
                .name
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            signature: bytes(token.signature()),
        };
        match self.token_of_wire(&own) {
            // It is the same again: nothing is lost.
            Ok(same) if same == *token => wire::ticket::Token::Own(own),
            _ => wire::ticket::Token::Foreign(token.as_str().to_owned()),
        }
    }

    fn token_of_wire(&self, own: &wire::TicketToken) -> Result<Token, TicketError> {
        let label = |text: &str| {
            text.parse::<Label>()
                .map_err(|_| TicketError::Malformed("a name in its token is empty or too long"))
        };
        let server = wire::TicketServer::try_from(own.server)
            .map_err(|_| TicketError::Malformed("its token is for a server of an unknown kind"))?;
        let claims = Claims {
            issuer: self.issuer,
            holder: (!own.holder.is_empty())
                .then(|| peer(&own.holder))
                .transpose()?,
            server: (server == wire::TicketServer::Issuer).then_some(self.issuer),
            root: own.root.then_some(self.root),
            ops: Ops::from_bits(own.ops),
            bytes: own.bytes,
            expires: own.expires,
            not_before: None,
            id: label(&own.id)?,
            name: (!own.name.is_empty())
                .then(|| label(&own.name))
                .transpose()?,
        };
        Ok(Token::assemble(claims, &own.signature))
    }

    fn of_wire(wire: wire::Ticket) -> Result<Self, TicketError> {
        let root: [u8; 32] = wire.root[..]
            .try_into()
            .map_err(|_| TicketError::Malformed("its root has another length than 32 bytes"))?;
        let kind = match wire::TicketKind::try_from(wire.kind) {
            Ok(wire::TicketKind::File) => Kind::File,
            Ok(wire::TicketKind::Collection) => Kind::Collection,
            Err(_) => {
                return Err(TicketError::Malformed(
                    "it is for something that this version does not know",
                ));
            }
        };
        let name = (!wire.name.is_empty())
            .then(|| wire.name.parse())
            .transpose()?;
        let mut ticket = Self {
            root: Root::from_bytes(root),
            kind,
            size: wire.size,
            name,
            issuer: peer(&wire.issuer)?,
            addresses: wire
                .addresses
                .iter()
                .map(unpack)
                .collect::<Result<_, _>>()?,
            rendezvous: wire.rendezvous,
            secret: wire.secret,
            token: None,
        };
        ticket.token = match wire.token {
            None => None,
            Some(wire::ticket::Token::Own(own)) => {
                let token = ticket.token_of_wire(&own)?;
                // As whoever is shown it reads it.
                Some(Token::parse(token.as_str())?)
            }
            Some(wire::ticket::Token::Foreign(text)) => Some(Token::parse(&text)?),
        };
        ticket.check()?;
        Ok(ticket)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let message = read(text)?;
        let wire = wire::Ticket::decode(Bytes::from(message))
            .map_err(|_| TicketError::Malformed("it is no message of its kind"))?;
        Self::of_wire(wire)
    }
}

/// The text of a message.
pub(crate) fn write(message: &[u8]) -> Result<String, TicketError> {
    if message.len() > MESSAGE_MAX {
        return Err(TicketError::Malformed("it has more than 8 KiB"));
    }
    let mut body = (message.len() as u16).to_be_bytes().to_vec();
    body.extend(message);
    body.extend(checksum(&body));
    Ok(format!(
        "{PREFIX}{}",
        BASE32_NOPAD.encode(&body).to_lowercase()
    ))
}

/// The message of a text.
fn read(text: &str) -> Result<Vec<u8>, TicketError> {
    let begins = |prefix: &str| {
        text.trim_start()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if !begins(PREFIX) {
        return Err(match text.trim_start().get(FAMILY.len()..) {
            Some(rest) if begins(FAMILY) && rest.starts_with(|c: char| c.is_ascii_digit()) => {
                TicketError::Version(rest.chars().take(1).collect())
            }
            _ => TicketError::Other,
        });
    }
    if text.len() > TEXT_MAX {
        return Err(TicketError::Malformed("it has more than 32 KiB"));
    }
    let characters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let encoded = characters.get(PREFIX.len()..).unwrap_or_default();
    // Bytes of characters that are none of base32 are all alike: one each, so that the place in an error is the place in the text.
    let encoded: Vec<u8> = encoded
        .iter()
        .map(|c| u8::try_from(*c).unwrap_or(b'?'))
        .collect();
    let got = characters.len();
    let cut_off = |whole| TicketError::CutOff { got, whole };
    let beginning = encoded.get(..HEAD).ok_or_else(|| cut_off(None))?;
    let length = decode(beginning, &characters)?;
    let length = length
        .iter()
        .take(LENGTH)
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let whole = PREFIX.len() + BASE32_NOPAD.encode_len(LENGTH + length + CHECKSUM);
    if got < whole {
        return Err(cut_off(Some(whole)));
    }
    if got > whole {
        return Err(TicketError::Long { got, whole });
    }
    let mut body = decode(&encoded, &characters)?;
    let sum = body.split_off(LENGTH + length);
    if sum != checksum(&body) {
        return Err(TicketError::Checksum);
    }
    body.drain(..LENGTH);
    Ok(body)
}

/// `characters` are all of the text, for the error.
fn decode(encoded: &[u8], characters: &[char]) -> Result<Vec<u8>, TicketError> {
    BASE32_NOPAD_NOCASE.decode(encoded).map_err(|error| {
        let at = PREFIX.len() + error.position;
        match (error.kind, characters.get(at)) {
            (DecodeKind::Symbol, Some(found)) => TicketError::Character {
                found: *found,
                at: at + 1,
            },
            // Bits at the end that belong to no byte.
            _ => TicketError::Checksum,
        }
    })
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::derive_key("psfs 1 checksum of a ticket", body);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hash[..CHECKSUM]);
    sum
}

fn bytes(field: &[u8]) -> Bytes {
    Bytes::copy_from_slice(field)
}

fn peer(field: &[u8]) -> Result<PeerId, TicketError> {
    PeerId::from_bytes(field).map_err(|_| TicketError::Malformed("a peer id in it is none"))
}

/// First bytes of packed addresses.
const TEXT: u8 = 0;
const TCP4: u8 = 4;
const QUIC4: u8 = 5;
const TCP6: u8 = 6;
const QUIC6: u8 = 7;

/// An address in few bytes: 7 instead of 27 for most.
fn pack(text: &str) -> Bytes {
    let packed = ip_and_port(text).filter(|packed| unpack(packed).as_deref() == Ok(text));
    packed.unwrap_or_else(|| [&[TEXT], text.as_bytes()].concat().into())
}

fn ip_and_port(text: &str) -> Option<Bytes> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let (version, ip) = (parts.next()?, parts.next()?);
    let (transport, port) = (parts.next()?, parts.next()?);
    let rest: Vec<&str> = parts.collect();
    let ip: Vec<u8> = match version {
        "ip4" => ip.parse::<Ipv4Addr>().ok()?.octets().into(),
        "ip6" => ip.parse::<Ipv6Addr>().ok()?.octets().into(),
        _ => return None,
    };
    let what = match (version, transport, &rest[..]) {
        ("ip4", "tcp", []) => TCP4,
        ("ip4", "udp", ["quic-v1"]) => QUIC4,
        ("ip6", "tcp", []) => TCP6,
        ("ip6", "udp", ["quic-v1"]) => QUIC6,
        _ => return None,
    };
    let port: u16 = port.parse().ok()?;
    Some([&[what], &ip[..], &port.to_be_bytes()].concat().into())
}

fn unpack(packed: &Bytes) -> Result<String, TicketError> {
    let flawed = TicketError::Malformed("one of its addresses cannot be read");
    let (what, rest) = packed.split_first().ok_or(flawed.clone())?;
    let (version, ip, port) = match *what {
        TEXT => return String::from_utf8(rest.to_vec()).map_err(|_| flawed),
        TCP4 | QUIC4 => {
            let (ip, port) = rest.split_first_chunk::<4>().ok_or(flawed.clone())?;
            ("ip4", Ipv4Addr::from(*ip).to_string(), port)
        }
        TCP6 | QUIC6 => {
            let (ip, port) = rest.split_first_chunk::<16>().ok_or(flawed.clone())?;
            ("ip6", Ipv6Addr::from(*ip).to_string(), port)
        }
        _ => return Err(flawed),
    };
    let port = u16::from_be_bytes(port.try_into().map_err(|_| flawed)?);
    Ok(match *what {
        TCP4 | TCP6 => format!("/{version}/{ip}/tcp/{port}"),
        _ => format!("/{version}/{ip}/udp/{port}/quic-v1"),
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Collection => "collection",
        })
    }
}

#[cfg(test)]
mod tests;
