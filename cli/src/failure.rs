//! Why a command ends without having worked: a message, what to do next, and the exit status.
//!
//! Not an error type to match on: whoever makes one has decided that the command is over.

use std::process::ExitCode;

use psfs_core::Error;

/// The end of a command that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: String,
    status: u8,
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;

impl Failure {
    /// Something outside the command line went wrong. `hint` is a sentence.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            status: FAILED,
        }
    }

    /// The command line asks for something that cannot be done.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            status: USAGE,
        }
    }

    /// An error of the library, with the hint of its code.
    pub(crate) fn of(error: impl Into<Error>) -> Self {
        let error: Error = error.into();
        Self::new(error.message(), error.hint())
    }

    /// The same with a reason behind the message.
    #[must_use]
    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.message = format!("{}; {reason}", self.message.trim_end_matches('.'));
        self
    }

    /// Nobody reads what is printed any more: the command ends without a word, and has not failed.
    pub(crate) fn unread() -> Self {
        Self {
            message: String::new(),
            hint: String::new(),
            status: 0,
        }
    }

    /// What to print on stderr, without the program's name.
    pub(crate) fn line(&self) -> Option<String> {
        if self.status == 0 {
            return None;
        }
        let message = self.message.trim_end_matches('.');
        Some(if self.hint.is_empty() {
            format!("{message}.")
        } else {
            format!("{message}. {}", self.hint)
        })
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use psfs_core::error::Code;

    #[test]
    fn a_line_is_message_and_hint() {
        assert_eq!(
            Failure::new("it broke", "Mend it.").line().as_deref(),
            Some("it broke. Mend it.")
        );
        assert_eq!(
            Failure::new("it broke.", "").line().as_deref(),
            Some("it broke.")
        );
        assert_eq!(Failure::unread().line(), None);
    }

    #[test]
    fn an_error_of_the_library_brings_its_hint() {
        let failure = Failure::of(Error::new(Code::NoPeers, "no peer is connected"));
        assert_eq!(
            failure.line(),
            Some(format!("no peer is connected. {}", Code::NoPeers.hint()))
        );
        assert_eq!(failure.exit_code(), ExitCode::from(1));
    }
}
