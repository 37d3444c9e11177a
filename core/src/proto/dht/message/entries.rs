//! Entries and receipts, as they stand in messages.

use super::{Malformed, PUBLIC_KEY_MAX, SIGNATURE_MAX, bytes, fixed, key, peer, within};
use crate::proto::dht::value::{Entry, Kind, Receipt, SALT_MAX, SignedProof};
use crate::proto::wire;

pub(super) fn to_wire(entry: &Entry) -> wire::DhtEntry {
    let kind = match entry.kind {
        Kind::Plain => wire::DhtKind::Plain,
        Kind::Raw => wire::DhtKind::Raw,
        Kind::Signed => wire::DhtKind::Signed,
    };
    let unsigned = wire::DhtEntry {
        key: bytes(entry.key.as_bytes()),
        kind: kind as i32,
        size: entry.size,
        root: bytes(&entry.root),
        publisher: bytes(entry.publisher.as_bytes()),
        expires: entry.expires_ms,
        sequence: entry.sequence,
        ..Default::default()
    };
    match &entry.proof {
        None => unsigned,
        Some(proof) => wire::DhtEntry {
            public_key: proof.public_key.clone(),
            salt: proof.salt.clone(),
            deleted: proof.deleted,
            signature: proof.signature.clone(),
            ..unsigned
        },
    }
}

pub(super) fn of_wire(entry: wire::DhtEntry) -> Result<Entry, Malformed> {
    let kind = match wire::DhtKind::try_from(entry.kind).map_err(|_| Malformed::Unknown)? {
        wire::DhtKind::Plain => Kind::Plain,
        wire::DhtKind::Raw => Kind::Raw,
        wire::DhtKind::Signed => Kind::Signed,
    };
    let signed = kind == Kind::Signed;
    if signed == entry.signature.is_empty() || signed == entry.public_key.is_empty() {
        return Err(Malformed::Field("signature or public key"));
    }
    if !signed && (entry.sequence != 0 || entry.deleted || !entry.salt.is_empty()) {
        return Err(Malformed::Field("sequence or salt"));
    }
    within(
        "public key",
        "bytes",
        entry.public_key.len(),
        PUBLIC_KEY_MAX,
    )?;
    within("salt", "bytes", entry.salt.len(), SALT_MAX)?;
    within("signature", "bytes", entry.signature.len(), SIGNATURE_MAX)?;
    Ok(Entry {
        key: key(&entry.key)?,
        kind,
        size: entry.size,
        root: fixed("root", &entry.root)?,
        publisher: peer("publisher", &entry.publisher)?,
        expires_ms: entry.expires,
        sequence: entry.sequence,
        proof: signed.then_some(SignedProof {
            public_key: entry.public_key,
            salt: entry.salt,
            deleted: entry.deleted,
            signature: entry.signature,
        }),
    })
}

pub(super) fn receipt_to_wire(receipt: &Receipt) -> wire::DhtReceipt {
    wire::DhtReceipt {
        key: bytes(receipt.key.as_bytes()),
        root: bytes(&receipt.root),
        size: receipt.size,
        expires: receipt.expires_ms,
        publisher: bytes(receipt.publisher.as_bytes()),
        nonce: bytes(&receipt.nonce),
        node: bytes(receipt.node.as_bytes()),
        time: receipt.time_ms,
    }
}

pub(super) fn receipt_of_wire(receipt: wire::DhtReceipt) -> Result<Receipt, Malformed> {
    Ok(Receipt {
        key: key(&receipt.key)?,
        root: fixed("root", &receipt.root)?,
        size: receipt.size,
        expires_ms: receipt.expires,
        publisher: peer("publisher", &receipt.publisher)?,
        nonce: fixed("nonce", &receipt.nonce)?,
        node: peer("node", &receipt.node)?,
        time_ms: receipt.time,
    })
}

pub(super) fn entry(given: Option<wire::DhtEntry>) -> Result<Entry, Malformed> {
    given.ok_or(Malformed::Field("entry")).and_then(of_wire)
}
