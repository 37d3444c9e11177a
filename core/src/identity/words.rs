//! Bytes as English words, eleven bits a word: what the program psfs calls base2048.
//!
//! The alphabet is the English word list of BIP-39, in its order. The bytes are read as one large number, most significant
//! first, and its digits to the base 2048 are the words; as in base58, a zero byte in front stays visible as one zero digit.
//! It is for reading aloud and comparing, so there is no decoder.

use bip39::Language;

const BASE: u32 = 2048;
/// What stands between two words, as in the version of psfs that people have.
const SEPARATOR: &str = " ";

/// Spells bytes in words. Meant for short things such as ids: the time grows with the square of the length.
///
/// ```
/// assert_eq!(psfs_core::identity::base2048(b"bd843"), "alert craft this major");
/// ```
pub fn base2048(bytes: &[u8]) -> String {
    let words = Language::English.word_list();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();

    // Least significant digit first.
    let mut digits: Vec<u16> = Vec::new();
    for byte in &bytes[zeros..] {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % BASE) as u16;
            carry /= BASE;
        }
        if carry > 0 {
            digits.push(carry as u16);
        }
    }
    digits.resize(digits.len() + zeros, 0);

    let spelt: Vec<&str> = digits
        .iter()
        .rev()
        .map(|digit| words[usize::from(*digit)])
        .collect();
    spelt.join(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    /// Made with github.com/nokusukun/b2048 v0.0.0-20191007161146-4e16f069956e, which the program psfs used.
    const VECTORS: &[(&[u8], &str)] = &[
        (&[], ""),
        (&[0x00], "abandon"),
        (&[0x00, 0x00], "abandon abandon"),
        (&[0x00, 0x01], "abandon ability"),
        (&[0xff], "cable"),
        (&[0x07, 0xff], "zoo"),
        (&[0x08, 0x00], "ability abandon"),
        (&[0, 0, 0, 0, 0], "abandon abandon abandon abandon abandon"),
        (&[0, 0, 0, 0, 1], "abandon abandon abandon abandon ability"),
        (&[0x00, 0xff, 0xff, 0xff, 0xff], "abandon lend zoo zoo"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff], "avocado zoo zoo zoo"),
        (
            &[0x04, 0x00, 0x00, 0x00, 0x00],
            "able abandon abandon abandon",
        ),
        (&[0x62, 0x64, 0x38, 0x34, 0x33], "alert craft this major"),
        (&[0xde, 0xad, 0xbe, 0xef, 0x00], "assume fine wing theme"),
        (&[0x01, 0x02, 0x03, 0x04, 0x05], "library army level"),
        (
            b"QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
            "access color floor skin feel taxi bike obvious grant plunge hunt naive task obvious number canvas since \
             play earth hint bag possible belt credit tide twelve hope health evidence master issue crouch this prefer",
        ),
    ];

    #[test]
    fn the_words_are_those_of_the_program_psfs() {
        for (bytes, words) in VECTORS {
            assert_eq!(base2048(bytes), *words, "{bytes:02x?}");
        }
    }

    /// The digest was made with the same package over all 2048 two-byte numbers, a line each.
    #[test]
    fn the_whole_alphabet_is_that_of_the_program_psfs() {
        let lines: String = (0..2048u16)
            .map(|number| base2048(&number.to_be_bytes()) + "\n")
            .collect();
        let expected = [
            0x80, 0xb2, 0x40, 0x9c, 0x79, 0x27, 0x02, 0x7d, 0x58, 0xc1, 0x4e, 0x17, 0x06, 0x76,
            0xa8, 0x8a, 0xf5, 0x3a, 0xde, 0x06, 0xf9, 0x31, 0xa8, 0x6b, 0xdd, 0x5d, 0xcd, 0xda,
            0x9b, 0xe9, 0x61, 0x66,
        ];
        assert_eq!(digest(&SHA256, lines.as_bytes()).as_ref(), expected);
    }
}
