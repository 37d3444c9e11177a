//! Tokens: what somebody allows whoever shows this text to do with files. JWT (RFC 7519), signed with RS256.
//!
//! Only the issuer's RSA key signs, never a key it has delegated to: a token lives longer than those, and other programs check it with
//! the public key alone. The algorithm is this one whatever the header says; a header that says another is refused by name, as `none` and
//! `HS256` are what forgers write. A claim that is missing means any; `exp` and `jti` must be there.
//!
//! | claim | what |
//! |---|---|
//! | `kid` (header) | the issuer's peer id |
//! | `sub` | the holder's peer id |
//! | `aud` | the server's peer id |
//! | `root` | the file's or collection's id, 64 hexadecimal digits |
//! | `ops` | of `read`, `write`, `delete`, `list`; others are passed over, and allow nothing |
//! | `bytes` | how many may be moved under it in all. The issuer counts, so such a token serves nowhere else |
//! | `exp`, `nbf` | until and from when, in seconds since 1970 |
//! | `jti` | its own name, under which bytes are counted |
//! | `name` | the owner whose files these are |
//!
//! Nothing here knows the time or who is asking: [`Token::verify`] is told.

use std::fmt;

use base64::DecodeError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use super::label::Label;
use super::root::Root;
use crate::error::{Code, Error};
use crate::identity::{Identity, PeerId, PublicKey};
use crate::proto::SKEW_MS;

/// Longest token, in bytes. One of ours by a key of 4096 bits with all claims has less than half.
pub(crate) const TEXT_MAX: usize = 4096;
/// The one algorithm.
const ALGORITHM: &str = "RS256";
/// How much of a foreign text an error repeats.
const SHOWN: usize = 40;

/// What may be done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Op {
    /// To get them.
    Read = 1,
    /// To have them kept.
    Write = 2,
    /// To remove them.
    Delete = 4,
    /// To see which there are.
    List = 8,
}

impl Op {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::List];

    /// As it stands in a token.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ops(u8);

impl Ops {
    pub(crate) fn of(ops: &[Op]) -> Self {
        Self(ops.iter().fold(0, |set, op| set | *op as u8))
    }

    /// One bit for each, as a ticket has them; unknown bits are passed over.
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self((bits & 0xf) as u8)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0.into()
    }

    pub(crate) fn has(self, op: Op) -> bool {
        self.0 & op as u8 != 0
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        Op::ALL
            .into_iter()
            .filter(move |op| self.has(*op))
            .map(Op::name)
    }
}

impl fmt::Display for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("nothing");
        }
        for (number, name) in self.names().enumerate() {
            let between = if number > 0 { ", " } else { "" };
            write!(f, "{between}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a token says. To make one: [`Claims::new`], set what is to be narrower, [`Claims::sign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Whose key signs.
    pub(crate) issuer: PeerId,
    /// Who may show it; anybody if nothing.
    pub(crate) holder: Option<PeerId>,
    /// Where it may be shown; anywhere if nothing.
    pub(crate) server: Option<PeerId>,
    /// Which file it is about; any if nothing.
    pub(crate) root: Option<Root>,
    pub(crate) ops: Ops,
    /// Bytes in all.
    pub(crate) bytes: Option<u64>,
    /// The last second of its life, since 1970.
    pub(crate) expires: u64,
    /// Its first second.
    pub(crate) not_before: Option<u64>,
    pub(crate) id: Label,
    /// The owner whose files it is about.
    pub(crate) name: Option<Label>,
}

impl Claims {
    /// Anybody may do this anywhere with any file, until then (in seconds since 1970). `random` names the token: bytes that were never
    /// used before.
    pub(crate) fn new(issuer: PeerId, ops: &[Op], expires: u64, random: [u8; 16]) -> Self {
        Self {
            issuer,
            holder: None,
            server: None,
            root: None,
            ops: Ops::of(ops),
            bytes: None,
            expires,
            not_before: None,
            id: BASE64
                .encode(random)
                .parse()
                .expect("22 letters are a label"),
            name: None,
        }
    }

    /// The token, by the issuer's key. Nothing if it is another's key.
    pub(crate) fn sign(self, identity: &Identity) -> Option<Token> {
        (identity.peer_id() == self.issuer).then(|| {
            let signature = identity.sign(self.signed().as_bytes());
            Token::assemble(self, &signature)
        })
    }

    /// What is signed, in the one form that we write. Others write the same claims in other ways.
    fn signed(&self) -> String {
        let header = Header {
            alg: ALGORITHM.into(),
            typ: Some("JWT".into()),
            kid: Some(self.issuer.to_string()),
            crit: None,
        };
        let payload = Payload {
            sub: self.holder.map(|peer| peer.to_string()),
            aud: self.server.map(|peer| peer.to_string()),
            root: self.root.map(|root| root.to_string()),
            ops: self.ops.names().map(Into::into).collect(),
            bytes: self.bytes,
            exp: self.expires,
            nbf: self.not_before,
            jti: self.id.to_string(),
            name: self.name.as_ref().map(ToString::to_string),
        };
        let part = |json: serde_json::Result<Vec<u8>>| {
            BASE64.encode(json.expect("strings and numbers are JSON"))
        };
        let header = part(serde_json::to_vec(&header));
        let payload = part(serde_json::to_vec(&payload));
        format!("{header}.{payload}")
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    ops: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has {0} bytes, at most {TEXT_MAX} are read: this is another text")]
    Long(usize),
    #[error("the token is cut off: copy all of it")]
    CutOff,
    #[error("the token is mistyped: {0:?} cannot be in it")]
    Mistyped(char),
    #[error("this is not a token: {0}")]
    Malformed(String),
    #[error("the token is signed by {0:?}: only {ALGORITHM} is taken")]
    Algorithm(String),
    #[error(
        "the token's signature does not hold: it was altered or mistyped, or another key made it"
    )]
    Signature,
    #[error("the token was issued by {issuer}, not by {expected}")]
    Issuer { issuer: PeerId, expected: PeerId },
    #[error("the token expired {0} s ago: ask for a new one")]
    Expired(u64),
    #[error("the token is not valid for {0} s yet")]
    NotYet(u64),
    #[error("the token is for {holder}, not for {shown_by}")]
    Holder { holder: PeerId, shown_by: PeerId },
    #[error("the token is for the server {server}, not for {shown_to}")]
    Server { server: PeerId, shown_to: PeerId },
    #[error(
        "the token has a limit of bytes, which only its issuer {issuer} counts: it does not serve at {shown_to}"
    )]
    CountedElsewhere { issuer: PeerId, shown_to: PeerId },
    #[error("the token is for {root}, not for {asked}")]
    Root { root: Root, asked: String },
    #[error("the token allows {allowed}, not {}", .asked.name())]
    Operation { allowed: Ops, asked: Op },
}

impl TokenError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Long(_) | Self::CutOff | Self::Mistyped(_) | Self::Malformed(_) => Code::BadInput,
            _ => Code::Refused,
        }
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// What a token is shown for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// In ms since 1970.
    pub(crate) now_ms: u64,
    /// By whom: the peer of the session.
    pub(crate) by: PeerId,
    /// To whom: this satellite.
    pub(crate) to: PeerId,
    /// About which file; nothing for what is about no single one, as listing.
    pub(crate) root: Option<Root>,
    pub(crate) op: Op,
}

/// A token whose form is right. Whether it holds says [`Token::verify`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    text: String,
    claims: Claims,
    signature: Vec<u8>,
}

impl Token {
    /// Reads a token. White space around it is left out.
    pub(crate) fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TEXT_MAX {
            return Err(TokenError::Long(text.len()));
        }
        let foreign = |c: &char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
        if let Some(foreign) = text.chars().find(foreign) {
            return Err(TokenError::Mistyped(foreign));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(match parts.len() {
                // Every JWT begins with `{"` in base64.
                1 | 2 if text.starts_with("eyJ") => TokenError::CutOff,
                count => malformed(format!("it has {count} parts, not 3 with dots between")),
            });
        };
        let header: Header = json("header", header)?;
        if header.alg != ALGORITHM {
            return Err(TokenError::Algorithm(shown(&header.alg)));
        }
        if header.crit.is_some() {
            return Err(malformed("it asks for extensions (crit) that are unknown"));
        }
        let issuer = header
            .kid
            .ok_or_else(|| malformed("it does not name its issuer (kid)"))?;
        let payload: Payload = json("claims", payload)?;
        let claims = claims(&issuer, payload)?;
        let signature = BASE64.decode(signature).map_err(|_| TokenError::CutOff)?;
        Ok(Self {
            text: text.to_owned(),
            claims,
            signature,
        })
    }

    /// The token of these claims and this signature, in the form that we write.
    pub(super) fn assemble(claims: Claims, signature: &[u8]) -> Self {
        Self {
            text: format!("{}.{}", claims.signed(), BASE64.encode(signature)),
            claims,
            signature: signature.to_vec(),
        }
    }

    /// As it is handed on.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says, whether it holds or not.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether it holds for what it is shown for. `issuer` is the key whose tokens are believed here.
    ///
    /// Bytes are not counted here: if the claims have a limit, that is done under their `id` as the bytes move.
    pub(crate) fn verify(&self, issuer: &PublicKey, shown: &Shown) -> Result<(), TokenError> {
        let claims = &self.claims;
        if claims.issuer != issuer.peer_id() {
            return Err(TokenError::Issuer {
                issuer: claims.issuer,
                expected: issuer.peer_id(),
            });
        }
        if self.signature.len() < issuer.signature_len() {
            return Err(TokenError::CutOff);
        }
        let signed = self.text.rsplit_once('.').map_or("", |(signed, _)| signed);
        if !issuer.verify(signed.as_bytes(), &self.signature) {
            return Err(TokenError::Signature);
        }
        let now = shown.now_ms / 1000;
        if now > claims.expires {
            return Err(TokenError::Expired(now - claims.expires));
        }
        // The issuer's clock may be ahead. What ends a little late is not worth it, what begins a little late is a nuisance.
        let from = claims.not_before.unwrap_or(0);
        if now.saturating_add(SKEW_MS / 1000) < from {
            return Err(TokenError::NotYet(from - now));
        }
        if let Some(holder) = claims.holder.filter(|holder| *holder != shown.by) {
            return Err(TokenError::Holder {
                holder,
                shown_by: shown.by,
            });
        }
        if let Some(server) = claims.server.filter(|server| *server != shown.to) {
            return Err(TokenError::Server {
                server,
                shown_to: shown.to,
            });
        }
        if claims.bytes.is_some() && claims.issuer != shown.to {
            return Err(TokenError::CountedElsewhere {
                issuer: claims.issuer,
                shown_to: shown.to,
            });
        }
        if let Some(root) = claims.root.filter(|root| Some(*root) != shown.root) {
            let asked = shown.root;
            return Err(TokenError::Root {
                root,
                asked: asked.map_or_else(|| "all files".to_owned(), |asked| asked.to_string()),
            });
        }
        if !claims.ops.has(shown.op) {
            return Err(TokenError::Operation {
                allowed: claims.ops,
                asked: shown.op,
            });
        }
        Ok(())
    }
}

/// Without the signature: whoever has the text may use it, and logs are read by many.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.claims).finish()
    }
}

fn malformed(reason: impl Into<String>) -> TokenError {
    TokenError::Malformed(reason.into())
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn json<'a, T: for<'de> Deserialize<'de>>(
    what: &'static str,
    part: &'a str,
) -> Result<T, TokenError> {
    let bytes = BASE64.decode(part).map_err(|error| match error {
        DecodeError::InvalidByte(at, _) => malformed(format!("its {what} is not base64 at {at}")),
        _ => malformed(format!("characters are missing in its {what}")),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        malformed(format!(
            "its {what} cannot be read: {}",
            shown(&error.to_string())
        ))
    })
}

fn claims(issuer: &str, payload: Payload) -> Result<Claims, TokenError> {
    let peer = |what: &str, text: String| {
        text.parse::<PeerId>()
            .map_err(|error| malformed(format!("its {what}: {error}")))
    };
    let label = |what: &str, text: String| {
        text.parse::<Label>()
            .map_err(|error| malformed(format!("its {what}: {error}")))
    };
    let ops: Vec<Op> = Op::ALL
        .into_iter()
        .filter(|op| payload.ops.iter().any(|name| name == op.name()))
        .collect();
    Ok(Claims {
        issuer: peer("issuer (kid)", issuer.to_owned())?,
        holder: payload
            .sub
            .map(|text| peer("holder (sub)", text))
            .transpose()?,
        server: payload
            .aud
            .map(|text| peer("server (aud)", text))
            .transpose()?,
        root: payload
            .root
            .map(|text| {
                text.parse()
                    .map_err(|error| malformed(format!("its root: {error}")))
            })
            .transpose()?,
        ops: Ops::of(&ops),
        bytes: payload.bytes,
        expires: payload.exp,
        not_before: payload.nbf,
        id: label("name (jti)", payload.jti)?,
        name: payload
            .name
            .map(|text| label("owner (name)", text))
            .transpose()?,
    })
}

#[cfg(test)]
mod tests;
