//! Protobuf's unsigned varints, for the few places that write packets without going through prost.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn writes_as_prost_does(shift in 0u32..64, bits: u64) {
            let value = bits >> shift;
            let mut ours = Vec::new();
            super::put(value, &mut ours);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(super::len(value), ours.len());
        }
    }
}
