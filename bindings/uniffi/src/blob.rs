//! Bytes that cross in one piece.
//!
//! To the generated code it is the type that `Vec<u8>` is (ByteArray, Data), with the same bytes on the way: i32 length, big-endian, and the
//! bytes. uniffi writes and reads a `Vec<u8>` one element after the other.

use uniffi::deps::bytes::Buf;
use uniffi::{FfiConverter, MetadataBuffer, RustBuffer, TypeId};

/// Bytes on their way to another language.
#[derive(Debug, Default)]
pub struct Blob(pub Vec<u8>);

// SAFETY: the form is that of `Vec<u8>`, whose type id this has: an i32 length and as many bytes. `try_read` takes no byte that is not
// there.
unsafe impl FfiConverter<crate::UniFfiTag> for Blob {
    type FfiType = RustBuffer;

    fn lower(blob: Self) -> RustBuffer {
        let mut buffer = Vec::new();
        Self::write(blob, &mut buffer);
        RustBuffer::from_vec(buffer)
    }

    fn try_lift(buffer: RustBuffer) -> uniffi::Result<Self> {
        let bytes = buffer.destroy_into_vec();
        let mut rest = bytes.as_slice();
        let blob = Self::try_read(&mut rest)?;
        if rest.is_empty() {
            Ok(blob)
        } else {
            Err(uniffi::deps::anyhow::anyhow!(
                "{} bytes too many",
                rest.len()
            ))
        }
    }

    fn write(blob: Self, buffer: &mut Vec<u8>) {
        // What is packed has a bound far below; more could not be said to the other side either.
        let length = i32::try_from(blob.0.len()).expect("less than 2 GiB");
        buffer.reserve(4 + blob.0.len());
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(&blob.0);
    }

    fn try_read(buffer: &mut &[u8]) -> uniffi::Result<Self> {
        uniffi::check_remaining(buffer, 4)?;
        let length = usize::try_from(buffer.get_i32())?;
        uniffi::check_remaining(buffer, length)?;
        let (bytes, rest) = buffer.split_at(length);
        *buffer = rest;
        Ok(Self(bytes.to_vec()))
    }

    const TYPE_ID_META: MetadataBuffer = <Vec<u8> as TypeId<crate::UniFfiTag>>::TYPE_ID_META;
}

uniffi::derive_ffi_traits!(local Blob);

#[cfg(test)]
mod tests {
    use super::*;
    use uniffi::{Lift, Lower};

    type Tag = crate::UniFfiTag;

    #[test]
    fn goes_as_the_vector_does() {
        for bytes in [vec![], vec![7], (0..=255).collect::<Vec<u8>>()] {
            let (mut ours, mut theirs) = (vec![], vec![]);
            <Blob as Lower<Tag>>::write(Blob(bytes.clone()), &mut ours);
            <Vec<u8> as Lower<Tag>>::write(bytes.clone(), &mut theirs);
            assert_eq!(ours, theirs);
            let read = <Blob as Lift<Tag>>::try_read(&mut theirs.as_slice()).unwrap();
            assert_eq!(read.0, bytes);
        }
    }

    #[test]
    fn a_length_that_is_not_there_is_refused() {
        for bytes in [&[0, 0, 0][..], &[0, 0, 0, 2, 1], &[255, 255, 255, 255]] {
            assert!(<Blob as Lift<Tag>>::try_read(&mut &*bytes).is_err());
        }
    }
}
