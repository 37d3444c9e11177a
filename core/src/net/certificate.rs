//! The few fields of a peer's certificate that are needed before, or without, checking its signatures.
//!
//! This is not a verifier: [`libp2p_tls::certificate::parse`] is, and everything read here goes through it as well. It shows
//! only the peer id, though, and checks every signature each time. Two things ask for less: a host key that is too large is to be
//! refused *before* its signature is checked, and the peer id and the certificate's own key are wanted again after the check.
//!
//! The certificate comes from a stranger: nothing here panics, and lengths are followed only inside what was received.

use libp2p::identity::{KeyType, PublicKey};

/// The largest certificate that is read. One with an RSA host key of 4096 bits takes about 1.5 KiB.
pub(crate) const CERTIFICATE_MAX: usize = 4096;

/// The largest RSA host key, in bits: checking a signature costs the square of it, and anyone may present one.
pub(crate) const RSA_BITS_MAX: usize = 4096;

/// 1.3.6.1.4.1.53594.1.1, the extension that carries the host key, as DER writes it.
const EXTENSION: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// What a certificate says, unproven.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// The certificate's own key, as a whole SubjectPublicKeyInfo.
    pub(crate) certificate_key: &'a [u8],
    /// The peer's key out of the libp2p extension.
    pub(crate) host_key: PublicKey,
}

/// Why a certificate is refused before its signatures are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCertificate {
    /// It has too many bytes.
    #[error("the certificate has {0} bytes, at most {CERTIFICATE_MAX} are read")]
    Large(usize),
    /// It is not DER, or not of the form of a certificate.
    #[error("the certificate is malformed")]
    Malformed,
    /// The libp2p extension is missing or does not hold a public key.
    #[error("the certificate holds no libp2p key that can be read")]
    NoHostKey,
    /// The RSA host key is too large.
    #[error("the peer's RSA key has {0} bits, at most {RSA_BITS_MAX} are accepted")]
    KeySize(usize),
}

/// Reads the fields of a certificate and refuses keys that would be dear to check.
pub(crate) fn fields(certificate: &[u8]) -> Result<Fields<'_>, BadCertificate> {
    if certificate.len() > CERTIFICATE_MAX {
        return Err(BadCertificate::Large(certificate.len()));
    }
    let (certificate_key, host_key) = walk(certificate).ok_or(BadCertificate::Malformed)?;
    let host_key = host_key
        .and_then(|bytes| PublicKey::try_decode_protobuf(bytes).ok())
        .ok_or(BadCertificate::NoHostKey)?;
    if host_key.key_type() == KeyType::RSA {
        let bits = rsa_bits(&host_key).ok_or(BadCertificate::NoHostKey)?;
        if bits > RSA_BITS_MAX {
            return Err(BadCertificate::KeySize(bits));
        }
    }
    Ok(Fields {
        certificate_key,
        host_key,
    })
}

/// The certificate's own key, and the encoded host key if the extension is there.
fn walk(certificate: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut outer = Der(certificate);
    let mut whole = Der(outer.expect(SEQUENCE)?);
    outer.end()?;

    let mut body = Der(whole.expect(SEQUENCE)?);
    if body.peek() == Some(VERSION) {
        body.expect(VERSION)?;
    }
    body.expect(INTEGER)?; // serial number
    body.expect(SEQUENCE)?; // signature algorithm
    body.expect(SEQUENCE)?; // issuer
    body.expect(SEQUENCE)?; // validity
    body.expect(SEQUENCE)?; // subject
    let start = body.0;
    let mut key = Der(body.expect(SEQUENCE)?);
    let certificate_key = start.get(..start.len() - body.0.len())?;
    key.expect(SEQUENCE)?;
    key.expect(BIT_STRING)?;

    let mut host_key = None;
    while let Some(tag) = body.peek() {
        let content = body.expect(tag)?;
        if tag == EXTENSIONS {
            let mut list = Der(Der(content).expect(SEQUENCE)?);
            while list.peek().is_some() {
                let mut extension = Der(list.expect(SEQUENCE)?);
                if extension.expect(OBJECT_ID)? != EXTENSION {
                    continue;
                }
                if extension.peek() != Some(OCTET_STRING) {
                    extension.next()?; // the flag that says "critical"
                }
                let mut signed = Der(Der(extension.expect(OCTET_STRING)?).expect(SEQUENCE)?);
                host_key = Some(signed.expect(OCTET_STRING)?);
            }
        }
    }
    Some((certificate_key, host_key))
}

/// The size of the modulus.
fn rsa_bits(key: &PublicKey) -> Option<usize> {
    let encoded = key.clone().try_into_rsa().ok()?.encode_pkcs1();
    let modulus = Der(Der(&encoded).expect(SEQUENCE)?).expect(INTEGER)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let significant = modulus.get(first..)?;
    Some(significant.len() * 8 - significant.first()?.leading_zeros() as usize)
}

/// A reader of DER elements with one-byte tags and lengths below 64 KiB: all that a certificate has.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81 => rest
                .split_first()
                .map(|(byte, rest)| (usize::from(*byte), rest))?,
            0x82 => rest
                .split_first_chunk::<2>()
                .map(|(bytes, rest)| (usize::from(u16::from_be_bytes(*bytes)), rest))?,
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::tests::rsa_keypair;
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    fn certificate(keypair: &Keypair) -> Vec<u8> {
        libp2p_tls::certificate::generate(keypair)
            .unwrap()
            .0
            .as_ref()
            .to_vec()
    }

    #[test]
    fn agrees_with_the_verifier_about_the_peer() {
        for keypair in [rsa_keypair(), Keypair::generate_ed25519()] {
            let der = certificate(&keypair);
            let fields = fields(&der).unwrap();
            assert_eq!(fields.host_key, keypair.public());
            let parsed = der.clone().into();
            assert_eq!(
                libp2p_tls::certificate::parse(&parsed).unwrap().peer_id(),
                fields.host_key.to_peer_id()
            );
        }
    }

    #[test]
    fn an_rsa_key_over_4096_bits_is_refused() {
        let template = certificate(&Keypair::generate_ed25519());
        for (bytes, expected) in [
            (256, None),
            (512, None),
            (513, Some(4104)),
            (1024, Some(8192)),
        ] {
            let refusal = fields(&with_host_key(&template, &rsa_key(bytes))).err();
            assert_eq!(refusal, expected.map(BadCertificate::KeySize));
        }
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, content].concat()
    }

    /// An RSA public key with a modulus of that many bytes, the highest bit set. Nobody has its private half.
    fn rsa_key(bytes: usize) -> PublicKey {
        let modulus = [vec![0], vec![0xff; bytes]].concat();
        let key = element(
            SEQUENCE,
            &[element(INTEGER, &modulus), vec![INTEGER, 3, 1, 0, 1]].concat(),
        );
        let algorithm = [
            SEQUENCE, 13, OBJECT_ID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
            0x00,
        ];
        let bits = element(BIT_STRING, &[vec![0], key].concat());
        let spki = element(SEQUENCE, &[algorithm.to_vec(), bits].concat());
        let length = spki.len();
        let protobuf = [
            &[
                0x08,
                0x00,
                0x12,
                (length & 0x7f) as u8 | 0x80,
                (length >> 7) as u8,
            ][..],
            &spki,
        ]
        .concat();
        PublicKey::try_decode_protobuf(&protobuf).unwrap()
    }

    /// A certificate's outline around another host key; its signatures do not hold, which this module does not look at.
    fn with_host_key(template: &[u8], key: &PublicKey) -> Vec<u8> {
        let (spki, _) = walk(template).unwrap();
        let empty = element(SEQUENCE, &[]);
        let signed = element(
            SEQUENCE,
            &[
                element(OCTET_STRING, &key.encode_protobuf()),
                element(OCTET_STRING, &[0; 512]),
            ]
            .concat(),
        );
        let extension = element(
            SEQUENCE,
            &[
                element(OBJECT_ID, &EXTENSION),
                element(OCTET_STRING, &signed),
            ]
            .concat(),
        );
        let extensions = element(EXTENSIONS, &element(SEQUENCE, &extension));
        let body = [
            &element(INTEGER, &[1])[..],
            &empty,
            &empty,
            &empty,
            &empty,
            spki,
            &extensions,
        ]
        .concat();
        element(SEQUENCE, &element(SEQUENCE, &body))
    }

    #[test]
    fn oversized_and_empty_are_told_apart() {
        assert_eq!(
            fields(&vec![0x30; CERTIFICATE_MAX + 1]).unwrap_err(),
            BadCertificate::Large(CERTIFICATE_MAX + 1)
        );
        assert_eq!(fields(&[]).unwrap_err(), BadCertificate::Malformed);
    }

    #[test]
    fn every_truncation_is_malformed() {
        let der = certificate(&Keypair::generate_ed25519());
        for length in 0..der.len() {
            assert_eq!(
                fields(&der[..length]).unwrap_err(),
                BadCertificate::Malformed,
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn strangers_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = fields(&bytes);
        }

        #[test]
        fn changed_certificates_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| certificate(&Keypair::generate_ed25519()));
            let mut der = DER.clone();
            for (index, byte) in changes {
                let at = index.index(der.len());
                der[at] = byte;
            }
            let _ = fields(&der);
        }
    }
}
