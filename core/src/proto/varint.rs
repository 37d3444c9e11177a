//! Protobuf's unsigned varints, for the few places that read or write packets without going through prost.

use bytes::BufMut;

/// Bytes `value` takes.
#[inline]
pub(super) fn len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value`.
#[inline]
pub(super) fn put(mut value: u64, out: &mut impl BufMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Reads a varint at `*at` and moves `*at` behind it. `None`: cut off, or more than 64 bits.
#[inline]
pub(super) fn read(data: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for (i, &byte) in data.get(*at..)?.iter().take(10).enumerate() {
        // The tenth byte has room for one bit.
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *at += i + 1;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_it_writes_as_prost_does(shift in 0u32..64, bits: u64) {
            let value = bits >> shift;
            let mut ours = Vec::new();
            super::put(value, &mut ours);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(super::len(value), ours.len());
            let mut at = 0;
            prop_assert_eq!(super::read(&ours, &mut at), Some(value));
            prop_assert_eq!(at, ours.len());
        }

        #[test]
        fn reads_any_bytes_as_prost_does(data in proptest::collection::vec(prop_oneof![Just(0x80u8), Just(0xff), any::<u8>()], 0..12)) {
            let mut at = 0;
            let ours = super::read(&data, &mut at);
            let mut rest = data.as_slice();
            let theirs = prost::encoding::decode_varint(&mut rest).ok();
            prop_assert_eq!(ours, theirs);
            if ours.is_some() {
                prop_assert_eq!(data.len() - at, rest.len());
            }
        }
    }
}
