//! The seed's prompt: one command on each line of stdin, which may as well be a pipe.

use std::io::{self, BufRead, Read};
use std::thread;

use psfs_core::{FetchOptions, Satellite, StoreOptions};
use tokio::sync::mpsc::{Receiver, channel};

use super::join;
use super::tell;
use crate::args::{Dht, parse_key};
use crate::failure::Failure;
use crate::output::{Lines, visible};

const HELP: &str = "Commands:
h - This help
r - Print routing table
s val - Store. Returns the hash and the number of OK answers
f key - Fetch
l - Print local store
q - Quit
";
/// What a line has beside a value.
const AROUND: usize = 16;

/// A line of stdin without its end.
enum Line {
    Read(Vec<u8>),
    /// Longer than any command can be.
    TooLong,
    Broken(io::Error),
}

/// Serves until `q` or the end of stdin. What does not work is told, and the next command served.
pub(super) async fn run(satellite: &Satellite, args: &Dht, lines: Lines) -> Result<(), Failure> {
    let prompt = Prompt {
        satellite,
        args,
        lines,
    };
    prompt.lines.put("Type 'h' to get help").await;
    let mut typed = read_lines(args.keeping.item_max() + AROUND)?;
    loop {
        prompt.lines.put_part("$> ").await;
        let answered = match typed.recv().await {
            Some(Line::Read(line)) => match command(&line) {
                (b"q" | b"quit", b"") => return Ok(()),
                (word, rest) => prompt.answer(word, rest).await,
            },
            Some(Line::TooLong) => Err(Failure::new(
                "the line is longer than --max-item-size allows",
                "Store less at once.",
            )),
            Some(Line::Broken(error)) => {
                return Err(Failure::new(format!("cannot read stdin: {error}"), ""));
            }
            None => {
                // What comes after it on a terminal has a line of its own.
                prompt.lines.put("").await;
                return Ok(());
            }
        };
        if let Some(error) = answered.err().and_then(|failure| failure.line()) {
            let line = format!("error: {}", visible(error.as_bytes()));
            prompt.lines.put(line).await;
        }
    }
}

struct Prompt<'a> {
    satellite: &'a Satellite,
    args: &'a Dht,
    lines: Lines,
}

impl Prompt<'_> {
    async fn answer(&self, word: &[u8], rest: &[u8]) -> Result<(), Failure> {
        let dht = self.satellite.dht();
        let limit = self.args.timeout();
        match (word, rest) {
            (b"", _) => {}
            (b"h" | b"help", b"") => self.lines.put_part(HELP).await,
            (b"r" | b"routes", b"") => {
                self.lines
                    .put_part(tell::routes(&dht.routing_table()))
                    .await;
            }
            (b"l" | b"local", b"") => tell::kept(&dht, &self.lines).await?,
            (b"s" | b"store", b"") => {
                return Err(Failure::new("no value is given", "Type s and the value."));
            }
            (b"s" | b"store", value) => {
                join(self.satellite, self.args).await?;
                let options = StoreOptions::default().deadline(limit);
                let stored = dht.store(value.to_vec(), options).await;
                let stored = stored.map_err(Failure::of)?;
                self.lines.put(tell::stored(&stored)).await;
            }
            (b"f" | b"fetch", key) => {
                let key = String::from_utf8_lossy(key);
                let key = parse_key(key.trim()).map_err(|error| Failure::new(error, ""))?;
                join(self.satellite, self.args).await?;
                let options = FetchOptions::default().deadline(limit);
                let value = dht.fetch(key, options).await.map_err(Failure::of)?;
                self.lines.put(visible(value.content())).await;
            }
            (b"h" | b"help" | b"r" | b"routes" | b"l" | b"local" | b"q" | b"quit", _) => {
                let word = String::from_utf8_lossy(word);
                return Err(Failure::new(
                    format!("{word} takes nothing after it"),
                    "Type 'h' to get help.",
                ));
            }
            (word, _) => {
                let word = visible(word);
                let shown: String = word.chars().take(40).collect();
                return Err(Failure::new(
                    format!("there is no command {shown:?}"),
                    "Type 'h' to get help.",
                ));
            }
        }
        Ok(())
    }
}

/// The first word, and what follows the space after it.
fn command(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

/// Reads stdin on a thread of its own, which nothing waits for: it may hang there until the program is over.
fn read_lines(max: usize) -> Result<Receiver<Line>, Failure> {
    let (put, lines) = channel(1);
    let read = move || {
        let mut stdin = io::stdin().lock();
        while let Some(line) = read_line(&mut stdin, max) {
            let last = matches!(line, Line::Broken(_));
            if put.blocking_send(line).is_err() || last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("psfs-stdin".into())
        .spawn(read)
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}"), ""))?;
    Ok(lines)
}

/// The next line; nothing at the end of all.
fn read_line(from: &mut impl BufRead, max: usize) -> Option<Line> {
    let mut line = Vec::new();
    // Room for what ends it.
    let read = from.take(max as u64 + 2).read_until(b'\n', &mut line);
    if let Err(error) = read {
        return Some(Line::Broken(error));
    }
    if line.is_empty() {
        return None;
    }
    let ended = line.pop_if(|byte| *byte == b'\n').is_some();
    if ended {
        line.pop_if(|byte| *byte == b'\r');
    }
    if line.len() <= max {
        return Some(Line::Read(line));
    }
    if !ended && let Err(error) = from.skip_until(b'\n') {
        return Some(Line::Broken(error));
    }
    Some(Line::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_word_and_the_rest() {
        assert_eq!(command(b"s two words "), (&b"s"[..], &b"two words "[..]));
        assert_eq!(command(b"s  x"), (&b"s"[..], &b" x"[..]));
        assert_eq!(command(b"  q"), (&b"q"[..], &b""[..]));
        assert_eq!(command(b""), (&b""[..], &b""[..]));
    }

    #[test]
    fn lines_are_bounded_and_the_next_is_read_after_a_long_one() {
        let mut from = &b"1234\r\n12345\n123456789\n\n1\xff\nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut from, 4) {
            lines.push(match line {
                Line::Read(line) => line,
                Line::TooLong => b"too long".to_vec(),
                Line::Broken(error) => panic!("{error}"),
            });
        }
        let want: [&[u8]; 6] = [b"1234", b"too long", b"too long", b"", b"1\xff", b"last"];
        assert_eq!(lines, want);
    }
}
