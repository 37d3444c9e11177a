//! What a file is called: the root of its BLAKE3 tree.

use std::fmt;
use std::str::FromStr;

use crate::error::{Code, Error};

/// Hexadecimal digits of a root.
const DIGITS: usize = 64;
/// How much of a refused text an error repeats.
const SHOWN: usize = 80;

/// The id of a file: BLAKE3 of its bytes, 32 bytes, shown and read as 64 hexadecimal digits.
///
/// Two files with the same bytes have the same root, whatever they are called; `b3sum` computes it, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root([u8; 32]);

/// Why a text is not a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RootError(String);

impl From<RootError> for Error {
    fn from(error: RootError) -> Self {
        Self::new(Code::BadInput, error.0)
    }
}

impl Root {
    /// These bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The root of a file with this content.
    pub fn of(content: &[u8]) -> Self {
        blake3::hash(content).into()
    }
}

impl From<blake3::Hash> for Root {
    fn from(hash: blake3::Hash) -> Self {
        Self(hash.into())
    }
}

impl From<Root> for blake3::Hash {
    fn from(root: Root) -> Self {
        Self::from_bytes(root.0)
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Root {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Self, RootError> {
        let refused = |reason: String| {
            let shown: String = text.chars().take(SHOWN).collect();
            let cut = if shown.len() < text.len() { "…" } else { "" };
            RootError(format!(
                "the id of a file has {DIGITS} hexadecimal digits (BLAKE3), {shown:?}{cut} {reason}"
            ))
        };
        if let Some(other) = text.chars().find(|digit| !digit.is_ascii_hexdigit()) {
            return Err(refused(format!("has {other:?} in it")));
        }
        if text.len() != DIGITS {
            return Err(refused(format!("has {}", text.len())));
        }
        let mut root = [0; 32];
        for (at, digit) in text.chars().enumerate() {
            root[at / 2] = root[at / 2] << 4 | digit.to_digit(16).unwrap_or(0) as u8;
        }
        Ok(Self(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_the_blake3_that_other_programs_compute() {
        let text = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        let root = Root::of(b"abc");
        assert_eq!(root.to_string(), text);
        assert_eq!(format!("{root:?}"), text);
        assert_eq!(text.parse(), Ok(root));
        assert_eq!(text.to_uppercase().parse(), Ok(root));
        assert_eq!(Root::from(blake3::Hash::from(root)), root);
        assert_eq!(Root::from_bytes(*root.as_bytes()), root);
    }

    #[test]
    fn what_is_no_root_is_refused_with_its_reason() {
        let text = Root::of(b"abc").to_string();
        let cases = [
            ("", "\"\" has 0"),
            (&text[1..], "has 63"),
            (&format!("{text}0"), "has 65"),
            (&format!("g{}", &text[1..]), "has 'g' in it"),
            (&format!(" {text}"), "has ' ' in it"),
            ("ключ", "has 'к' in it"),
            (&"é".repeat(32), "has 'é' in it"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<Root>().unwrap_err();
            assert!(error.to_string().ends_with(reason), "{error}");
            assert_eq!(Error::from(error).code(), Code::BadInput);
        }
        let long = "0".repeat(100_000).parse::<Root>().unwrap_err();
        assert!(long.to_string().len() < 300, "{long}");
    }
}
