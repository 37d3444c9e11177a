//! The second process: the same program again, told what to be, and words exchanged over its stdin and stdout.
//!
//! It ends with its parent in any case: dropped, it is killed; and it ends by itself when its stdin does.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use super::{Failure, STEP};

/// The hidden argument that makes a program the second process.
pub const ARGUMENT: &str = "--child";

/// A process that does its part of a benchmark.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Child {
    /// This program as `role`, with further words.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(role: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ARGUMENT).args(role);
        Self::spawn(command)
    }

    /// Another program that speaks the same way.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self, Failure> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("a child without pipes".into());
        };
        let (sender, lines) = sync_channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            process,
            input,
            lines,
        })
    }

    /// The rest of its next line, which must begin with `word`.
    ///
    /// # Errors
    /// It says something else, ends, or says nothing in time.
    pub fn hear(&self, word: &str) -> Result<String, Failure> {
        let line = self
            .lines
            .recv_timeout(STEP)
            .map_err(|_| format!("the other process did not say `{word}`"))?;
        match line.strip_prefix(word) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(format!("the other process said `{line}` instead of `{word}`").into()),
        }
    }

    /// The same as a number.
    ///
    /// # Errors
    /// Also when it is none.
    pub fn hear_number(&self, word: &str) -> Result<f64, Failure> {
        Ok(self.hear(word)?.parse()?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn wait(mut self) -> Result<(), Failure> {
        self.process.wait()?;
        Ok(())
    }

    /// Says one line.
    ///
    /// # Errors
    /// It has ended.
    pub fn tell(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.input, "{line}")?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// In the child: says one line to the parent.
///
/// # Errors
/// The parent is gone.
pub fn say(word: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {value}")?;
    Ok(out.flush()?)
}

/// In the child: answers `memory` with what this process holds, until the parent ends.
///
/// # Errors
/// The parent cannot be answered.
pub fn stay() -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        if line? == "memory" {
            say("memory", super::cost::resident_mib()?)?;
        }
    }
    Ok(())
}
