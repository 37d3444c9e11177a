//! The chunks of a file as the program's form has them, and how their bytes are written.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a chunk; the last one has the rest.
pub(crate) const CHUNK: u64 = 1000;
/// Letters of base64 in a line.
const LINE: usize = 60;

/// SHA-256: what a file is called by, and what checks a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(out)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "a digest is SHA-256 in 64 hexadecimal digits".to_owned();
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut out = [0; 32];
        if pairs.len() != out.len() || !rest.is_empty() {
            return Err(refused());
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(refused);
        for (byte, [high, low]) in out.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Ok(Self(out))
    }
}

/// How many chunks a file has; an empty one has none.
pub(crate) fn count_of(size: u64) -> u64 {
    size.div_ceil(CHUNK)
}

/// How many bytes a chunk of a file has that has so many of them.
pub(crate) fn length_of(size: u64, n: u64) -> u64 {
    size.saturating_sub(n.saturating_mul(CHUNK)).min(CHUNK)
}

/// Bytes as the original's language writes them: base64, with a line's end after every 60 letters and at the end.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let letters = STANDARD.encode(bytes);
    let mut text = String::with_capacity(letters.len() + letters.len() / LINE + 1);
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text
}

/// The bytes of such a text, wherever its lines end.
pub(crate) fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let letters: Vec<u8> = text
        .bytes()
        .filter(|letter| !matches!(letter, b'\n' | b'\r'))
        .collect();
    STANDARD
        .decode(letters)
        .map_err(|error| format!("the data are not base64: {error}"))
}

/// Which chunks of a file are there: a bit for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    size: u64,
    there: Vec<u64>,
    /// None before this one is missing.
    next: u64,
}

impl Chunks {
    /// None of a file of this size, which is bounded by whoever takes it.
    pub(crate) fn none(size: u64) -> Self {
        Self {
            size,
            there: vec![0; count_of(size).div_ceil(64) as usize],
            next: 0,
        }
    }

    pub(crate) fn has(&self, n: u64) -> bool {
        let word = self.there.get((n / 64) as usize);
        word.is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// One has come.
    pub(crate) fn insert(&mut self, n: u64) {
        if n < count_of(self.size)
            && let Some(word) = self.there.get_mut((n / 64) as usize)
        {
            *word |= 1 << (n % 64);
        }
        while self.has(self.next) {
            self.next += 1;
        }
    }

    /// The first that is missing; the number of all if none is.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.next == count_of(self.size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_written_as_the_original_writes_it() {
        assert_eq!(text_of(b""), "");
        assert_eq!(text_of(b"a"), "YQ==\n");
        // 45 bytes fill a line: no empty one follows.
        assert_eq!(text_of(&[0; 45]), format!("{}\n", "A".repeat(60)));
        let long = text_of(&[0; 1000]);
        assert_eq!(long.lines().count(), 23);
        assert!(long.lines().take(22).all(|line| line.len() == 60));
        assert_eq!(long.lines().last().map(str::len), Some(16));
        assert_eq!(bytes_of("YQ\r\n==\n"), Ok(b"a".to_vec()));
        assert!(bytes_of("Y Q==").is_err() && bytes_of("YQ").is_err());
    }

    #[test]
    fn a_digest_is_64_digits_of_any_case() {
        let digest = Digest::of(b"");
        let text = digest.to_string();
        assert_eq!(
            text,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        let wrong = [&text[1..], "", &format!("{text}0"), &text.replace('e', "g")];
        for text in wrong {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn chunks_have_a_thousand_bytes_and_the_last_the_rest() {
        let cases = [
            (0, 0),
            (1, 1),
            (999, 1),
            (1000, 1),
            (1001, 2),
            (u64::MAX, u64::MAX / 1000 + 1),
        ];
        for (size, count) in cases {
            assert_eq!(count_of(size), count);
            assert_eq!(length_of(size, count), 0);
        }
        assert_eq!((length_of(1001, 0), length_of(1001, 1)), (1000, 1));
        assert_eq!(length_of(1000, u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(bytes_of(&text_of(&bytes)), Ok(bytes));
        }

        #[test]
        fn the_first_that_is_missing_is_known(size in 0_u64..200_000, order in proptest::collection::vec(any::<u64>(), 0..300)) {
            let mut chunks = Chunks::none(size);
            let mut there = std::collections::BTreeSet::new();
            let count = count_of(size);
            for n in order {
                let n = n % (count + 3);
                chunks.insert(n);
                if n < count {
                    there.insert(n);
                }
                let next = (0..count).find(|n| !there.contains(n)).unwrap_or(count);
                prop_assert_eq!(chunks.next(), next);
                prop_assert_eq!(chunks.is_whole(), there.len() as u64 == count);
                prop_assert_eq!(chunks.has(n), n < count);
            }
        }
    }
}
