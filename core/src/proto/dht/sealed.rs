//! Contents that one peer reads.
//!
//! | bytes | what |
//! |---|---|
//! | 11, 1 | `psfs/sealed`, version 1 |
//! | 34, 34 | peer ids of sender and recipient |
//! | 2 | length of what follows, big endian |
//! | 256 to 512 | a fresh AES-256 key for the recipient: RSA-OAEP, SHA-256, label `psfs/sealed/1` |
//! | rest | the content in pieces of 64 KiB, the last one shorter, each sealed by AES-256-GCM, its tag of 16 bytes behind it |
//!
//! The pieces are the STREAM construction: the nonce is the piece's number (11 bytes) and whether it is the last (1), so that
//! none can be left out, moved or added. All are authenticated with everything before them and with the key and sequence that
//! the value is stored under, so that a sealed content opens in its own place only.
//!
//! What it is not: a proof of who sealed it. Anybody can seal in anybody's name; a signed value's signature is what proves its
//! publisher. The randomness is drawn below, in the identity's envelope.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;

use crate::identity::{Envelope, Identity, PeerId, PublicKey};
use crate::key::Key;
use crate::proto::signed;

const MAGIC: &[u8; 11] = b"psfs/sealed";
const VERSION: u8 = 1;
const LABEL: &[u8] = b"psfs/sealed/1";
const ID: usize = 34;
/// Everything in front of the encrypted key.
const FIXED: usize = MAGIC.len() + 1 + 2 * ID + 2;
/// Bytes of content in a piece.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;

/// The place of a sealed content: it opens nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The key that it is stored under; `None` where that follows from the sealed content itself, as with plain values.
    pub(crate) key: Option<Key>,
    /// Of signed values; 0 otherwise.
    pub(crate) sequence: u64,
}

/// Why a content is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the value is not sealed")]
    NotSealed,
    #[error("the value is sealed in version {0}, this program knows {VERSION}")]
    Version(u8),
    #[error("the value is sealed for {0}: only that satellite can read it")]
    SomebodyElse(PeerId),
    #[error(
        "the sealed value was changed or cut off, or it was sealed for another key or sequence"
    )]
    Damaged,
    #[error("nothing can be sealed: the system has no randomness")]
    Random,
}

/// Seals a content for one recipient. What comes out is longer by 338 bytes (a key of 2048 bits) to 594 and 16 for each 64 KiB.
pub(crate) fn seal(
    content: &[u8],
    sender: &PeerId,
    recipient: &PublicKey,
    bound: &Bound,
) -> Result<Bytes, SealError> {
    let envelope = recipient.envelope(LABEL).ok_or(SealError::Random)?;
    seal_with(&envelope, content, sender, &recipient.peer_id(), bound)
        .map(Bytes::from)
        .ok_or(SealError::Random)
}

/// Whether a content says that it is sealed.
pub(crate) fn is_sealed(content: &[u8]) -> bool {
    content.starts_with(MAGIC)
}

/// Opens what was sealed for this identity: the content, and who is said to have sealed it.
pub(crate) fn open(
    sealed: &[u8],
    identity: &Identity,
    bound: &Bound,
) -> Result<(Bytes, PeerId), SealError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(SealError::NotSealed)?;
    match rest.first() {
        Some(&VERSION) => {}
        Some(version) => return Err(SealError::Version(*version)),
        None => return Err(SealError::Damaged),
    }
    let (fixed, rest) = sealed
        .split_first_chunk::<FIXED>()
        .ok_or(SealError::Damaged)?;
    let id = |at: usize| PeerId::from_bytes(&fixed[at..at + ID]).map_err(|_| SealError::Damaged);
    let (sender, recipient) = (id(MAGIC.len() + 1)?, id(MAGIC.len() + 1 + ID)?);
    if recipient != identity.peer_id() {
        return Err(SealError::SomebodyElse(recipient));
    }
    let length = u16::from_be_bytes([fixed[FIXED - 2], fixed[FIXED - 1]]);
    let (encrypted, pieces) = rest
        .split_at_checked(usize::from(length))
        .ok_or(SealError::Damaged)?;
    let key = identity
        .open_envelope(LABEL, encrypted)
        .ok_or(SealError::Damaged)?;
    let header = &sealed[..FIXED + encrypted.len()];
    let content = open_pieces(&*key, header, pieces, bound).ok_or(SealError::Damaged)?;
    Ok((content.into(), sender))
}

/// [`seal`] with a key that was made before: the same for the same.
pub(in crate::proto) fn seal_with(
    envelope: &Envelope,
    content: &[u8],
    sender: &PeerId,
    recipient: &PeerId,
    bound: &Bound,
) -> Option<Vec<u8>> {
    let pieces = content.len().div_ceil(PIECE).max(1);
    let total = FIXED + envelope.encrypted.len() + content.len() + pieces * TAG;
    let mut sealed = Vec::with_capacity(total);
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(sender.as_bytes());
    sealed.extend_from_slice(recipient.as_bytes());
    let length = u16::try_from(envelope.encrypted.len()).ok()?;
    sealed.extend_from_slice(&length.to_be_bytes());
    sealed.extend_from_slice(&envelope.encrypted);

    let cipher = cipher(&*envelope.key)?;
    let context = context(&sealed, bound);
    for number in 0..pieces {
        let from = number * PIECE;
        let last = number + 1 == pieces;
        let end = if last { content.len() } else { from + PIECE };
        let at = sealed.len();
        sealed.extend_from_slice(&content[from..end]);
        let tag = cipher
            .seal_in_place_separate_tag(nonce(number, last), Aad::from(&context), &mut sealed[at..])
            .ok()?;
        sealed.extend_from_slice(tag.as_ref());
    }
    Some(sealed)
}

fn open_pieces(key: &[u8], header: &[u8], pieces: &[u8], bound: &Bound) -> Option<Vec<u8>> {
    let cipher = cipher(key)?;
    let context = context(header, bound);
    let count = pieces.len().div_ceil(PIECE + TAG);
    let mut content = vec![0; pieces.len().checked_sub(count * TAG)?];
    let mut left = &mut content[..];
    // No piece at all is one that is cut off.
    let mut closed = false;
    for (number, piece) in pieces.chunks(PIECE + TAG).enumerate() {
        closed = number + 1 == count;
        let (piece, tag) = piece.split_at_checked(piece.len().checked_sub(TAG)?)?;
        let out = left.split_off_mut(..piece.len())?;
        cipher
            .open_separate_gather(nonce(number, closed), Aad::from(&context), piece, tag, out)
            .ok()?;
    }
    closed.then_some(content)
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .ok()
        .map(LessSafeKey::new)
}

fn context(header: &[u8], bound: &Bound) -> [u8; 32] {
    let key = bound.key.as_ref().map(Key::as_bytes);
    signed::sealed_context(header, key, bound.sequence)
}

/// Never twice for one key: the key is fresh, and no two pieces have one number.
fn nonce(number: usize, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests;
