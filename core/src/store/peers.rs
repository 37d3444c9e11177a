//! The table of remembered addresses, by which a restart needs no bootstrap.
//!
//! Key: the bytes of a peer id. Value: when it was seen last (8 bytes, big-endian), then its addresses, each with its length
//! (2 bytes, big-endian) in front. Addresses are hints and come from the network: a record that cannot be read is passed
//! over, never an error.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use crate::identity::PeerId;

/// How much later than anything seen now, in ms, an earlier sighting may be. A day: clocks are set back, and nobody was there tomorrow.
const AHEAD: u64 = 24 * 60 * 60 * 1000;
/// Peers kept; those seen longest ago go first.
pub(super) const MAX_PEERS: usize = 1000;
/// Addresses kept of each peer.
pub(super) const MAX_ADDRESSES: usize = 8;
/// Bytes of the longest address kept.
pub(super) const MAX_ADDRESS_LENGTH: usize = 512;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("addresses");

pub(super) fn make_table(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TABLE)?;
    Ok(())
}

pub(super) fn remember(
    transaction: &WriteTransaction,
    peers: &[(PeerId, Vec<String>, u64)],
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(TABLE)?;
    // What says that it was seen long after the latest is from a time when the clock was wrong.
    let latest = peers.iter().map(|(_, _, seen)| *seen).max();
    let latest = latest.map_or(u64::MAX, |latest| latest.saturating_add(AHEAD));
    for (peer, addresses, seen) in peers {
        let known = table
            .get(&peer.as_bytes()[..])?
            .and_then(|known| decode(known.value()));
        let record = encode(addresses, *seen);
        if record.len() > SEEN && known.is_none_or(|(_, known)| known <= *seen || known > latest) {
            table.insert(&peer.as_bytes()[..], &record[..])?;
        }
    }

    let mut kept: Vec<(u64, Vec<u8>)> = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        // What cannot be read goes first.
        kept.push((
            decode(value.value())
                .filter(|(_, seen)| *seen <= latest)
                .map_or(0, |(_, seen)| seen),
            key.value().to_vec(),
        ));
    }
    kept.sort_unstable();
    for (_, key) in &kept[..kept.len().saturating_sub(MAX_PEERS)] {
        table.remove(&key[..])?;
    }
    Ok(())
}

pub(super) fn remembered(
    transaction: &ReadTransaction,
) -> Result<Vec<(PeerId, Vec<String>, u64)>, redb::Error> {
    let mut peers = Vec::new();
    for entry in transaction.open_table(TABLE)?.iter()? {
        let (key, value) = entry?;
        if let (Ok(peer), Some((addresses, seen))) =
            (PeerId::from_bytes(key.value()), decode(value.value()))
        {
            peers.push((peer, addresses, seen));
        }
    }
    peers.sort_by_key(|(_, _, seen)| std::cmp::Reverse(*seen));
    Ok(peers)
}

/// Bytes of the time in front of the addresses.
const SEEN: usize = 8;

fn encode(addresses: &[String], seen: u64) -> Vec<u8> {
    let mut record = seen.to_be_bytes().to_vec();
    let fitting = addresses
        .iter()
        .filter(|a| (1..=MAX_ADDRESS_LENGTH).contains(&a.len()));
    for address in fitting.take(MAX_ADDRESSES) {
        record.extend((address.len() as u16).to_be_bytes());
        record.extend(address.as_bytes());
    }
    record
}

fn decode(record: &[u8]) -> Option<(Vec<String>, u64)> {
    let (seen, mut rest) = record.split_first_chunk::<SEEN>()?;
    let mut addresses = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (address, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if addresses.len() == MAX_ADDRESSES || address.len() > MAX_ADDRESS_LENGTH {
            return None;
        }
        addresses.push(std::str::from_utf8(address).ok()?.to_owned());
        rest = after;
    }
    Some((addresses, u64::from_be_bytes(*seen)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_go_round(
            addresses in proptest::collection::vec("/[a-z0-9/.ü]{1,60}", 0..MAX_ADDRESSES),
            seen in any::<u64>(),
        ) {
            prop_assert_eq!(decode(&encode(&addresses, seen)), Some((addresses, seen)));
        }

        #[test]
        fn any_record_is_judged_without_a_panic(record in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&record);
        }
    }
}
