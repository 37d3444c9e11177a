//! Just enough DER to say what a private key is before it is handed to the cryptography library.
//!
//! aws-lc-rs refuses what it does not like with one word; people with a wrong key file need to hear which kind and size it
//! has. This reads the outer fields only and trusts nothing: whether the numbers fit together is for aws-lc-rs to say.
//! The size of a public key is read here too.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OTHERS: &[(&[u8], &str)] = &[
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        "RSA-PSS",
    ),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "EC"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
    (&[0x2b, 0x65, 0x6f], "X448"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
];

/// Why bytes are not the DER of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A length says more than there is.
    CutOff,
    /// Something else stands where a field of a private key belongs.
    Structure,
}

/// The public numbers of an RSA private key, as far as they decide whether it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RsaShape {
    /// Bits of the modulus.
    pub(super) bits: usize,
    /// The public exponent; what does not fit is shown as the largest number.
    pub(super) exponent: u64,
}

/// The key inside a PKCS#8 `PrivateKeyInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pkcs8 {
    /// An RSA key.
    Rsa(RsaShape),
    /// A key of another kind: its name.
    Other(&'static str),
}

/// Reads PKCS#8.
pub(super) fn pkcs8(der: &[u8]) -> Result<Pkcs8, Flaw> {
    let mut info = Reader(whole(der)?);
    info.field(INTEGER)?;
    let mut algorithm = Reader(info.field(SEQUENCE)?);
    let kind = algorithm.field(OBJECT_IDENTIFIER)?;
    let key = info.field(OCTET_STRING)?;
    if kind == RSA {
        return pkcs1(key).map(Pkcs8::Rsa);
    }
    let known = OTHERS.iter().find(|(identifier, _)| *identifier == kind);
    Ok(Pkcs8::Other(known.map_or("unknown", |(_, name)| name)))
}

/// Reads PKCS#1 `RSAPrivateKey`.
pub(super) fn pkcs1(der: &[u8]) -> Result<RsaShape, Flaw> {
    let mut key = Reader(whole(der)?);
    key.field(INTEGER)?;
    let bits = bits(key.field(INTEGER)?);
    let exponent = number(key.field(INTEGER)?);
    Ok(RsaShape {
        bits,
        exponent: if exponent.len() > 8 {
            u64::MAX
        } else {
            exponent
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        },
    })
}

/// Bits of the modulus in a PKIX `SubjectPublicKeyInfo` of an RSA key.
pub(super) fn pkix_bits(der: &[u8]) -> Result<usize, Flaw> {
    let mut info = Reader(whole(der)?);
    info.field(SEQUENCE)?;
    let (unused, key) = info.field(BIT_STRING)?.split_first().ok_or(Flaw::CutOff)?;
    if *unused != 0 {
        return Err(Flaw::Structure);
    }
    Ok(bits(Reader(whole(key)?).field(INTEGER)?))
}

/// The content of the one SEQUENCE the bytes must be.
fn whole(der: &[u8]) -> Result<&[u8], Flaw> {
    let mut reader = Reader(der);
    let content = reader.field(SEQUENCE)?;
    if reader.0.is_empty() {
        Ok(content)
    } else {
        Err(Flaw::Structure)
    }
}

fn bits(content: &[u8]) -> usize {
    let number = number(content);
    let leading = number
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - leading
}

/// An INTEGER without the zeros in front.
fn number(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|byte| **byte == 0).count();
    &content[zeros..]
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next field, which must have this tag.
    fn field(&mut self, tag: u8) -> Result<&'a [u8], Flaw> {
        if self.byte()? != tag {
            return Err(Flaw::Structure);
        }
        let length = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            // Keys have at most a few thousand bytes: two bytes of length are plenty.
            0x81 => usize::from(self.byte()?),
            0x82 => usize::from(self.byte()?) << 8 | usize::from(self.byte()?),
            _ => return Err(Flaw::Structure),
        };
        let (content, rest) = self.0.split_at_checked(length).ok_or(Flaw::CutOff)?;
        self.0 = rest;
        Ok(content)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        let (first, rest) = self.0.split_first().ok_or(Flaw::CutOff)?;
        self.0 = rest;
        Ok(*first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pkcs8(&bytes);
            let _ = pkcs1(&bytes);
            let _ = pkix_bits(&bytes);
        }
    }

    #[test]
    fn the_shape_is_read_from_the_numbers() {
        let key = [
            0x30, 0x0a, 0x02, 0x01, 0, 0x02, 0x02, 0x00, 0x81, 0x02, 0x01, 0x03,
        ];
        assert_eq!(
            pkcs1(&key),
            Ok(RsaShape {
                bits: 8,
                exponent: 3
            })
        );
        let zero = [0x30, 0x08, 0x02, 0x01, 0, 0x02, 0x00, 0x02, 0x01, 0x03];
        assert_eq!(
            pkcs1(&zero),
            Ok(RsaShape {
                bits: 0,
                exponent: 3
            })
        );
    }

    #[test]
    fn what_is_cut_off_and_what_is_something_else_are_told_apart() {
        assert_eq!(pkcs1(&[]), Err(Flaw::CutOff));
        assert_eq!(pkcs1(&[0x30, 0x82, 0x01]), Err(Flaw::CutOff));
        assert_eq!(pkcs1(&[0x30, 0x05, 0x02]), Err(Flaw::CutOff));
        assert_eq!(pkcs1(&[0x04, 0x00]), Err(Flaw::Structure));
        assert_eq!(pkcs1(&[0x30, 0x80, 0x00, 0x00]), Err(Flaw::Structure));
        let more = [
            0x30, 0x0a, 0x02, 0x01, 0, 0x02, 0x02, 0x00, 0x81, 0x02, 0x01, 0x03, 0x00,
        ];
        assert_eq!(pkcs1(&more), Err(Flaw::Structure));
    }
}
