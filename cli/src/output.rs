//! What the program prints. Text that came from elsewhere is printed so that it can neither end a line nor steer a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::failure::Failure;

/// How long the last lines may take when the program ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// One line on stderr. A closed stderr is nobody's problem.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "psfs: {}", visible(line.as_bytes()));
}

/// Bytes as one line of text: control characters and what is not UTF-8 are escaped as in a Rust string.
pub(crate) fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push('\t'),
                // Characters that turn the direction of what follows make a line look like another one.
                c if c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Milliseconds since 1970 as people and sorting programs read them, in UTC: `2026-01-31T23:59:59.999Z`.
pub(crate) fn time(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    // Counted from 1 March of the year 0 the leap day is the last one of a year, and months follow one rule.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        era * 400 + year + next,
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000
    )
}

/// Prints at once on stdout, for commands that print little and then end.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::unread(),
            _ => Failure::new(format!("cannot write to stdout: {error}"), ""),
        })
}

/// Prints one line at once on stdout.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    print(format!("{line}\n").as_bytes())
}

/// Prints lines from a thread of its own: a reader that stops reading holds up the lines, and nothing else.
#[derive(Debug)]
pub(crate) struct Printer {
    lines: Sender<Vec<u8>>,
    ended: mpsc::Receiver<()>,
}

/// The end of a [`Printer`] that lines are put in at.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Sender<Vec<u8>>);

impl Printer {
    /// `waiting`: how many lines may wait for a slow reader before whoever puts them waits too.
    pub(crate) fn start(waiting: usize) -> Result<Self, Failure> {
        let (lines, to_print) = channel(waiting);
        let (end, ended) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("psfs-print".into())
            .spawn(move || {
                print_all(to_print);
                let _ = end.send(());
            })
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}"), ""))?;
        Ok(Self { lines, ended })
    }

    pub(crate) fn lines(&self) -> Lines {
        Lines(self.lines.clone())
    }

    /// Resolves when stdout cannot be written to any more.
    pub(crate) async fn unread(&self) {
        self.lines.closed().await;
    }

    /// Prints what is left, if somebody reads it soon. All [`Lines`] must be gone.
    pub(crate) fn finish(self) {
        drop(self.lines);
        let _ = self.ended.recv_timeout(LAST_LINES);
    }
}

impl Lines {
    /// Waits while the reader of stdout is slow. Does nothing once there is none: [`Printer::unread`] tells.
    pub(crate) async fn put(&self, line: impl Into<Vec<u8>>) {
        let mut line = line.into();
        line.push(b'\n');
        self.put_part(line).await;
    }

    /// The same without the end of a line.
    pub(crate) async fn put_part(&self, part: impl Into<Vec<u8>>) {
        let _ = self.0.send(part.into()).await;
    }
}

/// Ends when nobody reads, or when nobody has lines any more.
fn print_all(mut lines: Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.blocking_recv() {
        // What else is waiting leaves in the same write.
        while line.len() < 64 * 1024 {
            let Ok(next) = lines.try_recv() else { break };
            line.extend_from_slice(&next);
        }
        if print(&line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_767_225_599, "2025-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(time(seconds * 1000 + 7), format!("{want}.007Z"));
        }
        // Whatever a peer writes into a packet is shown.
        assert!(time(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        assert_eq!(visible(b"two\nlines\r"), "two\\nlines\\r");
        assert_eq!(visible(b"\x1b[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(visible("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(visible(b"\xff\xfe ok"), "\\xff\\xfe ok");
        assert_eq!(visible("käse 🧀\t!".as_bytes()), "käse 🧀\t!");
    }
}
