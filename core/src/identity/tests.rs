//! Keys good and bad, as text; files have their tests beside `key_file`. The samples are described in `samples/README.md`.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::prelude::{BASE64_STANDARD, Engine};
use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::error::Code;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("samples/", $name))
    };
}

pub(super) const KEY: &[u8] = sample!("rsa-2048-pkcs8.pem");
pub(super) const SEALED: &[u8] = sample!("rsa-2048-sealed.pem");
const SEALED_WITH: Option<&str> = Some("pässword");

pub(super) static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::from_pem(KEY, None).unwrap());

/// The code and text of the error a key must end in.
fn refusal(bytes: &[u8], passphrase: Option<&str>) -> (Code, String) {
    let error = Identity::from_pem(bytes, passphrase).unwrap_err();
    (error.code(), error.to_string())
}

fn assert_refused(bytes: &[u8], code: Code, words: &str) {
    let (found, text) = refusal(bytes, Some("secret"));
    assert_eq!(found, code, "{text}");
    assert!(text.contains(words), "{text:?} lacks {words:?}");
    assert!(
        !text.contains('\n') && text.len() < 300,
        "{text:?} is not one readable line"
    );
}

fn libp2p_key(identity: &Identity) -> Keypair {
    Keypair::rsa_from_pkcs8(&mut identity.pkcs8().to_vec()).unwrap()
}

// What works.

#[test]
fn a_new_key_has_2048_bits_and_signs() {
    let identity = Identity::generate().unwrap();
    let signature = identity.sign(b"message");
    assert_eq!(signature.len(), 256);
    assert!(identity.public_key().verify(b"message", &signature));
    assert_ne!(identity.peer_id(), Identity::generate().unwrap().peer_id());
}

#[test]
fn libp2p_takes_the_key_and_gives_the_same_peer_id() {
    for identity in [
        Identity::generate().unwrap(),
        IDENTITY.clone(),
        Identity::from_pem(sample!("rsa-4096.pem"), None).unwrap(),
    ] {
        let theirs = libp2p_key(&identity);
        let peer_id = theirs.public().to_peer_id();
        assert_eq!(peer_id.to_bytes(), identity.peer_id().as_bytes());
        assert_eq!(peer_id.to_base58(), identity.peer_id().to_string());
        assert!(
            identity
                .public_key()
                .verify(b"m", &theirs.sign(b"m").unwrap())
        );
        assert!(theirs.public().verify(b"m", &identity.sign(b"m")));
    }
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for (text, passphrase) in [
        (&sample!("rsa-2048-pkcs1.pem")[..], None),
        (SEALED, SEALED_WITH),
        (IDENTITY.to_pem(None).unwrap().as_bytes(), None),
        (IDENTITY.to_pem(Some("x")).unwrap().as_bytes(), Some("x")),
    ] {
        assert_eq!(
            Identity::from_pem(text, passphrase).unwrap().pkcs8(),
            IDENTITY.pkcs8()
        );
    }
    assert_eq!(IDENTITY.to_pem(None).unwrap().as_bytes(), KEY);
    assert_eq!(
        IDENTITY.public_key().as_der(),
        sample!("rsa-2048-public.der")
    );
}

#[test]
fn text_around_the_key_and_windows_line_ends_are_taken() {
    let text = format!("a comment\n{}\nmore\n", String::from_utf8_lossy(KEY)).replace('\n', "\r\n");
    assert_eq!(
        Identity::from_pem(text.as_bytes(), None).unwrap().peer_id(),
        IDENTITY.peer_id()
    );
}

#[test]
fn sealing_twice_gives_different_texts() {
    let texts: HashSet<String> = (0..3)
        .map(|_| IDENTITY.to_pem(Some("x")).unwrap().to_string())
        .collect();
    assert_eq!(texts.len(), 3);
    assert!(
        texts
            .iter()
            .all(|text| text.starts_with("-----BEGIN PSFS ENCRYPTED PRIVATE KEY-----\n"))
    );
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(
        format!("{:?}", *IDENTITY),
        format!("Identity({})", IDENTITY.peer_id())
    );
    assert_eq!(
        format!("{:?}", IDENTITY.public_key()),
        format!("PublicKey({})", IDENTITY.peer_id())
    );
}

// Public keys and signatures.

#[test]
fn a_public_key_goes_round() {
    let key = PublicKey::from_der(IDENTITY.public_key().as_der()).unwrap();
    assert_eq!(&key, IDENTITY.public_key());
    assert_eq!(key.peer_id(), PeerId::of(&key));
    assert!(key.verify(b"m", &IDENTITY.sign(b"m")));
}

#[test]
fn a_signature_is_good_for_one_key_and_one_message() {
    let signature = IDENTITY.sign(b"message");
    let key = IDENTITY.public_key();
    assert!(!key.verify(b"massage", &signature));
    assert!(!key.verify(b"message", &[]));
    assert!(!key.verify(b"message", &signature[1..]));
    assert!(
        !Identity::generate()
            .unwrap()
            .public_key()
            .verify(b"message", &signature)
    );
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verify(b"message", &flipped), "bit {bit}");
    }
}

#[test]
fn public_keys_of_other_sizes_and_kinds_are_refused() {
    let refusal = |der: &[u8]| PublicKey::from_der(der).unwrap_err();
    assert!(matches!(
        refusal(sample!("rsa-5120-public.der")),
        IdentityError::Size { bits: 5120, .. }
    ));
    assert_eq!(refusal(sample!("ec-public.der")).code(), Code::BadKey);
    assert_eq!(
        refusal(&[]).to_string(),
        "the public key is not a usable key: it is not RSA in PKIX DER"
    );
    assert_eq!(refusal(&[0x30; 2000]).code(), Code::BadKey);
    assert!(matches!(
        refusal(sample!("rsa-1024-public.der")),
        IdentityError::Size { bits: 1024, .. }
    ));
}

#[test]
fn a_key_has_one_encoding_and_so_one_peer_id() {
    let der = IDENTITY.public_key().as_der();
    // The same key with bytes behind it, and in PKCS#1, where the PKIX frame (24 bytes) is left out.
    for other in [&[der, &[0]].concat()[..], &der[24..]] {
        let error = PublicKey::from_der(other).unwrap_err();
        assert_eq!(error.code(), Code::BadKey);
    }
}

// Bad keys, each with its own error.

#[test]
fn an_empty_text_is_refused() {
    assert_refused(b"", Code::BadKey, "it is empty");
}

#[test]
fn binary_is_refused() {
    assert_refused(&[0x30, 0x82, 0x04, 0xff, 0x00], Code::BadKey, "not text");
}

#[test]
fn text_without_a_key_is_refused() {
    assert_refused(b"hello", Code::BadKey, "no line -----BEGIN");
    assert_refused(b"-----BEGIN PRIV", Code::BadKey, "-----BEGIN is cut off");
}

#[test]
fn a_text_beyond_the_limit_is_refused() {
    assert_refused(
        &vec![b' '; pem::MAX_TEXT + 1],
        Code::BadKey,
        "larger than 65536",
    );
}

#[test]
fn a_key_cut_off_anywhere_is_refused() {
    for length in 0..KEY.len() - 1 {
        let (code, text) = refusal(&KEY[..length], None);
        assert_eq!(code, Code::BadKey, "{length}: {text}");
    }
    assert_refused(
        &KEY[..800],
        Code::BadKey,
        "cut off: no line -----END PRIVATE KEY-----",
    );
}

#[test]
fn a_key_with_lines_missing_is_refused() {
    let lines: Vec<&str> = std::str::from_utf8(KEY).unwrap().lines().collect();
    let short = [&lines[..10], &lines[lines.len() - 1..]]
        .concat()
        .join("\n");
    assert_refused(short.as_bytes(), Code::BadKey, "it is cut off");
}

#[test]
fn a_key_whose_lines_are_not_base64_is_refused() {
    let text = String::from_utf8_lossy(KEY).replacen("MII", "M*I", 1);
    assert_refused(text.as_bytes(), Code::BadKey, "not base64");
}

#[test]
fn a_key_whose_numbers_do_not_fit_is_refused() {
    let mut text = KEY.to_vec();
    let at = 900;
    text[at] = if text[at] == b'A' { b'B' } else { b'A' };
    assert_refused(&text, Code::BadKey, "do not fit together");
}

#[test]
fn a_public_key_in_place_of_a_private_one_is_refused() {
    let text = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_refused(text, Code::BadKey, "public key or certificate");
}

#[test]
fn an_unknown_block_is_refused() {
    let text = b"-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----\n";
    assert_refused(text, Code::BadKey, "\"PGP MESSAGE\"");
}

#[test]
fn a_key_of_1024_bits_is_refused() {
    assert_refused(sample!("rsa-1024.pem"), Code::KeyKind, "1024 bits");
}

#[test]
fn a_key_of_more_than_4096_bits_is_refused() {
    assert_refused(sample!("rsa-5120.pem"), Code::KeyKind, "5120 bits");
}

#[test]
fn a_key_libp2p_would_refuse_for_its_size_is_refused() {
    assert_refused(sample!("rsa-2560.pem"), Code::BadKey, "2048, 3072 or 4096");
}

#[test]
fn a_key_libp2p_would_refuse_for_its_exponent_is_refused() {
    assert_refused(
        sample!("rsa-2048-exponent-3.pem"),
        Code::BadKey,
        "exponent 3",
    );
}

#[test]
fn ec_keys_are_refused() {
    assert_refused(sample!("ec-pkcs8.pem"), Code::KeyKind, "kind EC");
    assert_refused(sample!("ec-sec1.pem"), Code::KeyKind, "kind EC");
}

#[test]
fn ed25519_keys_are_refused() {
    assert_refused(sample!("ed25519.pem"), Code::KeyKind, "kind Ed25519");
}

#[test]
fn rsa_pss_keys_are_refused() {
    assert_refused(sample!("rsa-pss.pem"), Code::KeyKind, "kind RSA-PSS");
}

#[test]
fn openssh_keys_are_refused_with_the_way_out() {
    assert_refused(sample!("openssh.pem"), Code::BadKey, "ssh-keygen -p");
}

#[test]
fn encryption_by_pbes2_is_refused_with_the_way_out() {
    assert_refused(sample!("rsa-2048-pbes2.pem"), Code::BadKey, "openssl pkcs8");
}

#[test]
fn encryption_of_old_openssl_is_refused_with_the_way_out() {
    assert_refused(
        sample!("rsa-2048-openssl-encrypted.pem"),
        Code::BadKey,
        "openssl pkcs8",
    );
}

// Passphrases.

#[test]
fn a_missing_passphrase_is_named() {
    for missing in [None, Some("")] {
        let error = Identity::from_pem(SEALED, missing).unwrap_err();
        assert!(
            matches!(error, IdentityError::PassphraseNeeded { .. }),
            "{error}"
        );
        assert_eq!(error.code(), Code::Passphrase);
    }
}

#[test]
fn a_wrong_passphrase_is_named() {
    let error = Identity::from_pem(SEALED, Some("password")).unwrap_err();
    assert!(
        matches!(error, IdentityError::PassphraseWrong { .. }),
        "{error}"
    );
    assert_eq!(error.code(), Code::Passphrase);
}

#[test]
fn nothing_is_written_under_an_empty_passphrase() {
    let error = IDENTITY.to_pem(Some("")).unwrap_err();
    assert_eq!(error.code(), Code::Passphrase);
    assert!(
        error.to_string().starts_with("the passphrase is empty"),
        "{error}"
    );
}

/// The sealed sample with its bytes changed.
fn altered(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let text = std::str::from_utf8(SEALED).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let mut bytes = BASE64_STANDARD
        .decode(lines[1..lines.len() - 1].concat())
        .unwrap();
    change(&mut bytes);
    format!("{first}\n{}\n{last}\n", BASE64_STANDARD.encode(&bytes)).into_bytes()
}

#[test]
fn a_container_altered_in_any_byte_is_refused() {
    let length = {
        let mut length = 0;
        altered(|bytes| length = bytes.len());
        length
    };
    // All of the header but the costs (which have a test of their own), and some of the rest: each try costs a passphrase.
    for at in (0..1)
        .chain(13..41)
        .chain((41..length).step_by(97))
        .chain([length - 1])
    {
        let text = altered(|bytes| bytes[at] ^= 1);
        assert!(Identity::from_pem(&text, SEALED_WITH).is_err(), "byte {at}");
    }
    assert!(Identity::from_pem(&altered(|_| ()), SEALED_WITH).is_ok());
}

#[test]
fn a_container_cannot_ask_for_more_than_is_sane() {
    for (at, what) in [(1, "memory"), (5, "passes"), (9, "lanes")] {
        let text = altered(|bytes| bytes[at..at + 4].copy_from_slice(&[0xff; 4]));
        let error = Identity::from_pem(&text, SEALED_WITH).unwrap_err();
        assert_eq!(error.code(), Code::BadKey);
        assert!(error.to_string().contains("4294967295"), "{what}: {error}");
        let text = altered(|bytes| bytes[at..at + 4].fill(0));
        let error = Identity::from_pem(&text, SEALED_WITH).unwrap_err();
        assert!(error.to_string().contains("Argon2id"), "{what}: {error}");
    }
}

#[test]
fn a_container_of_a_newer_version_is_named() {
    assert_refused(&altered(|bytes| bytes[0] = 2), Code::BadKey, "version 2");
}

#[test]
fn a_container_that_is_cut_off_is_refused() {
    for length in [0, 1, 40, 41, 57] {
        assert_refused(
            &altered(|bytes| bytes.truncate(length)),
            Code::BadKey,
            "cut off",
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_between_the_lines_are_judged_without_a_panic(
        label in "(PRIVATE KEY|RSA PRIVATE KEY|PSFS ENCRYPTED PRIVATE KEY|[A-Z ]{0,20})",
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let body = BASE64_STANDARD.encode(&bytes);
        let text = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        prop_assert!(Identity::from_pem(text.as_bytes(), None).is_err());
    }

    #[test]
    fn any_public_bytes_are_judged_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        prop_assert!(PublicKey::from_der(&bytes).is_err());
        let mut der = IDENTITY.public_key().as_der().to_vec();
        let at = at.index(der.len());
        der[at] ^= 1 << bit;
        if let Ok(other) = PublicKey::from_der(&der) {
            prop_assert_ne!(other.peer_id(), IDENTITY.peer_id());
        }
    }
}
