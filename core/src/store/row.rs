//! How rows are taken apart: from the front, and nothing when they are too short. Numbers are big-endian.

/// The next `N` bytes.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

/// The next 8 bytes.
pub(super) fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

/// The next bytes, with their number (4 bytes) in front.
pub(super) fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(take(rest)?);
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

/// What [`counted`] reads. Nobody has rows of 4 GiB.
pub(super) fn put_counted(bytes: &[u8], row: &mut Vec<u8>) {
    row.extend((bytes.len() as u32).to_be_bytes());
    row.extend(bytes);
}
