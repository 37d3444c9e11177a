//! Words that people choose: owners, tags, names of uploads.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Code, Error};

/// Longest label, in bytes.
pub(crate) const LABEL_MAX: usize = 255;
/// Most tags of one file.
pub(crate) const TAGS_MAX: usize = 64;

/// 1 to 255 bytes of UTF-8 without control characters. Clones share it; ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label(Arc<str>);

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelError {
    #[error("it is empty: give at least one character")]
    Empty,
    #[error("it has {0} bytes, at most {LABEL_MAX} are allowed")]
    Long(usize),
    /// Nul among them.
    #[error("it has the control character {0:?} in it: leave it out")]
    Control(char),
}

impl From<LabelError> for Error {
    fn from(error: LabelError) -> Self {
        Self::new(Code::BadInput, error.to_string())
    }
}

impl Label {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > LABEL_MAX {
            return Err(LabelError::Long(text.len()));
        }
        match text.chars().find(|c| c.is_control()) {
            Some(control) => Err(LabelError::Control(control)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_can_be_shown() {
        for text in ["a", "two words", "ключ/é", &"x".repeat(LABEL_MAX)] {
            let label: Label = text.parse().unwrap();
            assert_eq!((label.as_str(), label.to_string()), (text, text.to_owned()));
        }
        let cases = [
            ("", LabelError::Empty),
            (&"é".repeat(128), LabelError::Long(256)),
            ("a\0", LabelError::Control('\0')),
            ("\u{1b}[31m", LabelError::Control('\u{1b}')),
            ("a\u{85}", LabelError::Control('\u{85}')),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Label>(), Err(error));
        }
    }
}
