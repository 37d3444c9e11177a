//! The text forms of a private key: PEM, with or without a passphrase.
//!
//! Read: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`, made into PKCS#8) and our own passphrase container. Written:
//! PKCS#8, or the container when a passphrase is given.
//!
//! Why a container of our own: PKCS#8 encrypts by PBES2, whose registered ways from a passphrase to a key are PBKDF2 and
//! scrypt; it has none for Argon2id. So `PSFS ENCRYPTED PRIVATE KEY` holds, in this order (numbers big-endian):
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 4, 4, 4 | Argon2id (v19) memory in KiB, passes, lanes |
//! | 16 | salt |
//! | 12 | nonce |
//! | rest | PKCS#8 DER sealed by AES-256-GCM; all bytes before are authenticated with it |
//!
//! The costs are bounded when they are read, so that a hostile file cannot ask for 100 GiB or a year.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeyPair;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::der::{self, Flaw, Pkcs8, RsaShape};
use super::{MAX_BITS, MIN_BITS};
use crate::error::IdentityError;

const PLAIN: &str = "PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
const SEALED: &str = "PSFS ENCRYPTED PRIVATE KEY";

/// Text of a key larger than this is not read: a key of 4096 bits has about 3,300 characters.
pub(super) const MAX_TEXT: usize = 64 * 1024;
const LINE: usize = 64;

/// The smallest public exponent peers take (ring, which libp2p verifies and signs with, refuses smaller ones).
const MIN_EXPONENT: u64 = 65_537;

const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;
const HEADER: usize = 1 + 3 * 4 + SALT + NONCE;

/// What a passphrase costs to try: memory in KiB, passes, lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// The least that is advised for Argon2id today (19 MiB, 2 passes): some tens of milliseconds, and memory a phone has.
const COST: Cost = Cost {
    memory: 19 * 1024,
    passes: 2,
    lanes: 1,
};
/// The most a file may ask for: 256 MiB, some seconds.
const MAX_COST: Cost = Cost {
    memory: 256 * 1024,
    passes: 16,
    lanes: 4,
};

/// PKCS#8 DER of an acceptable RSA key, or why it is none. `what` is how errors call the source.
pub(super) fn read(
    what: &str,
    bytes: &[u8],
    passphrase: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let (label, content) = block(what, bytes)?;
    match label {
        PLAIN => from_pkcs8(what, &content),
        PKCS1 => from_pkcs1(what, &content),
        SEALED => {
            let passphrase = passphrase.filter(|phrase| !phrase.is_empty());
            let passphrase = passphrase.ok_or_else(|| IdentityError::PassphraseNeeded {
                what: what.to_owned(),
            })?;
            from_pkcs8(what, &open(what, &content, passphrase)?)
        }
        "EC PRIVATE KEY" | "EC PARAMETERS" => Err(not_rsa(what, "EC")),
        "DSA PRIVATE KEY" => Err(not_rsa(what, "DSA")),
        "ENCRYPTED PRIVATE KEY" => Err(malformed(
            what,
            "its encryption (PBES2) is not supported: remove it with `openssl pkcs8 -in KEY -out PLAIN` and give a \
             passphrase when saving",
        )),
        "OPENSSH PRIVATE KEY" => Err(malformed(
            what,
            "it has OpenSSH's own form: convert a copy with `ssh-keygen -p -N '' -m PKCS8 -f COPY`",
        )),
        other if other.contains("PUBLIC KEY") || other.contains("CERTIFICATE") => Err(malformed(
            what,
            "it holds a public key or certificate, not a private key",
        )),
        other => {
            let shown: String = other.chars().take(40).collect();
            Err(malformed(
                what,
                format!("it holds {shown:?}, not a private key"),
            ))
        }
    }
}

/// The text of PKCS#8 DER, sealed when there is a passphrase. An empty passphrase counts as forgotten.
pub(super) fn write(
    pkcs8: &[u8],
    passphrase: Option<&str>,
) -> Result<Zeroizing<String>, IdentityError> {
    match passphrase {
        None => Ok(text(PLAIN, pkcs8)),
        Some("") => Err(IdentityError::PassphraseEmpty),
        Some(passphrase) => seal(pkcs8, passphrase, COST).map(|sealed| text(SEALED, &sealed)),
    }
}

/// The PKCS#8 DER of a key pair in the one form everything else expects.
pub(super) fn pkcs8_of(what: &str, pair: &KeyPair) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let der: Pkcs8V1Der<'_> = pair
        .as_der()
        .map_err(|_| malformed(what, "it cannot be written as PKCS#8"))?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

pub(super) fn malformed(what: &str, reason: impl Into<String>) -> IdentityError {
    IdentityError::Malformed {
        what: what.to_owned(),
        reason: reason.into(),
    }
}

fn not_rsa(what: &str, kind: &str) -> IdentityError {
    IdentityError::NotRsa {
        what: what.to_owned(),
        kind: kind.to_owned(),
    }
}

fn from_pkcs8(what: &str, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    match der::pkcs8(der).map_err(|flaw| flawed(what, flaw))? {
        Pkcs8::Other(kind) => Err(not_rsa(what, kind)),
        Pkcs8::Rsa(shape) => {
            check(what, shape)?;
            pkcs8_of(
                what,
                &KeyPair::from_pkcs8(der).map_err(|_| inconsistent(what))?,
            )
        }
    }
}

fn from_pkcs1(what: &str, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    check(what, der::pkcs1(der).map_err(|flaw| flawed(what, flaw))?)?;
    pkcs8_of(
        what,
        &KeyPair::from_der(der).map_err(|_| inconsistent(what))?,
    )
}

fn flawed(what: &str, flaw: Flaw) -> IdentityError {
    malformed(
        what,
        match flaw {
            Flaw::CutOff => "it is cut off",
            Flaw::Structure => "its content is not that of a private key",
        },
    )
}

fn inconsistent(what: &str) -> IdentityError {
    malformed(what, "its numbers do not fit together: the file is damaged")
}

/// Refuses keys that aws-lc-rs would take and libp2p would not, so that no satellite fails later than here.
fn check(what: &str, shape: RsaShape) -> Result<(), IdentityError> {
    if !(MIN_BITS..=MAX_BITS).contains(&shape.bits) {
        return Err(IdentityError::Size {
            what: what.into(),
            bits: shape.bits,
        });
    }
    // libp2p signs with ring, which wants two primes of a multiple of 512 bits each.
    if !shape.bits.is_multiple_of(1024) {
        return Err(malformed(
            what,
            format!("it has {} bits: make one of 2048, 3072 or 4096", shape.bits),
        ));
    }
    if shape.exponent < MIN_EXPONENT {
        return Err(malformed(
            what,
            format!(
                "its public exponent {} is below {MIN_EXPONENT}",
                shape.exponent
            ),
        ));
    }
    Ok(())
}

/// The label and content of the first PEM block. Text before and after it is allowed, as tools write it.
fn block<'a>(what: &str, bytes: &'a [u8]) -> Result<(&'a str, Zeroizing<Vec<u8>>), IdentityError> {
    if bytes.is_empty() {
        return Err(malformed(what, "it is empty"));
    }
    if bytes.len() > MAX_TEXT {
        return Err(malformed(
            what,
            format!("it is larger than {MAX_TEXT} bytes"),
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| malformed(what, "it holds bytes that are not text: PEM is expected"))?;
    let (_, after) = text
        .split_once("-----BEGIN ")
        .ok_or_else(|| malformed(what, "it has no line -----BEGIN PRIVATE KEY-----"))?;
    let (label, body) = after
        .split_once("-----")
        .filter(|(label, _)| !label.contains('\n'))
        .ok_or_else(|| malformed(what, "its line -----BEGIN is cut off"))?;
    let (body, _) = body
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| {
            malformed(
                what,
                format!("it is cut off: no line -----END {label}-----"),
            )
        })?;
    if body.contains("ENCRYPTED") {
        return Err(malformed(
            what,
            "its encryption (the old form of OpenSSL) is not supported: remove it with `openssl pkcs8 -topk8 \
             -nocrypt -in KEY -out PLAIN` and give a passphrase when saving",
        ));
    }
    // Sized beforehand, both: a buffer that grows leaves copies of the key behind.
    let mut joined = Zeroizing::new(Vec::with_capacity(body.len()));
    joined.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut content = Zeroizing::new(vec![0; joined.len() / 4 * 3 + 3]);
    let length = BASE64_STANDARD
        .decode_slice(&*joined, &mut content)
        .map_err(|_| malformed(what, "it is damaged: the lines between are not base64"))?;
    content.truncate(length);
    Ok((label, content))
}

fn text(label: &str, content: &[u8]) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(vec![0; content.len().div_ceil(3) * 4]);
    let length = BASE64_STANDARD
        .encode_slice(content, &mut joined)
        .expect("sized for base64 with padding");
    // Sized beforehand, as above.
    let mut text = Zeroizing::new(String::with_capacity(
        length + length / LINE + 2 * (label.len() + "-----BEGIN -----\n".len()) + 1,
    ));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for line in joined[..length].chunks(LINE) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

fn seal(pkcs8: &[u8], passphrase: &str, cost: Cost) -> Result<Vec<u8>, IdentityError> {
    let failed = |_| {
        malformed(
            "the key to be written",
            "the system has no randomness or memory left",
        )
    };
    let mut sealed = Vec::with_capacity(HEADER);
    sealed.push(VERSION);
    for number in [cost.memory, cost.passes, cost.lanes] {
        sealed.extend(number.to_be_bytes());
    }
    let mut random = [0; SALT + NONCE];
    rand::fill(&mut random).map_err(failed)?;
    sealed.extend(random);

    // Room for the tag, so that sealing in place does not move the plain key.
    let mut content = Zeroizing::new(Vec::with_capacity(pkcs8.len() + AES_256_GCM.tag_len()));
    content.extend_from_slice(pkcs8);
    let (salt, nonce) = random.split_at(SALT);
    cipher(passphrase, salt, cost)
        .ok_or(aws_lc_rs::error::Unspecified)
        .and_then(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce)?;
            key.seal_in_place_append_tag(nonce, Aad::from(&sealed), &mut *content)
        })
        .map_err(failed)?;
    sealed.extend_from_slice(&content);
    Ok(sealed)
}

fn open(what: &str, sealed: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    if sealed.first().is_some_and(|version| *version != VERSION) {
        return Err(malformed(
            what,
            format!(
                "its container has version {}, this program knows {VERSION}",
                sealed[0]
            ),
        ));
    }
    let (header, content) = sealed
        .split_at_checked(HEADER)
        .filter(|(_, content)| content.len() > AES_256_GCM.tag_len())
        .ok_or_else(|| malformed(what, "its container is cut off"))?;
    let number = |at: usize| {
        header[at..at + 4]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    };
    let cost = Cost {
        memory: number(1),
        passes: number(5),
        lanes: number(9),
    };
    if cost.memory > MAX_COST.memory || cost.passes > MAX_COST.passes || cost.lanes > MAX_COST.lanes
    {
        return Err(malformed(
            what,
            format!(
                "its container asks for {} KiB of memory, {} passes and {} lanes; the most allowed is {}, {} and {}",
                cost.memory,
                cost.passes,
                cost.lanes,
                MAX_COST.memory,
                MAX_COST.passes,
                MAX_COST.lanes
            ),
        ));
    }
    let (salt, nonce) = header[HEADER - SALT - NONCE..].split_at(SALT);
    let key = cipher(passphrase, salt, cost)
        .ok_or_else(|| malformed(what, "its container has costs that Argon2id does not know"))?;
    let mut content = Zeroizing::new(content.to_vec());
    let length = Nonce::try_assume_unique_for_key(nonce)
        .and_then(|nonce| key.open_in_place(nonce, Aad::from(header), &mut content))
        .map(|plain| plain.len())
        .map_err(|_| IdentityError::PassphraseWrong {
            what: what.to_owned(),
        })?;
    content.truncate(length);
    Ok(content)
}

/// The AES key of a passphrase; nothing when Argon2id refuses the costs.
fn cipher(passphrase: &str, salt: &[u8], cost: Cost) -> Option<LessSafeKey> {
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(key.len())).ok()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .ok()?;
    UnboundKey::new(&AES_256_GCM, &*key)
        .ok()
        .map(LessSafeKey::new)
}
