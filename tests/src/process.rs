//! Programs that a test starts, tells lines and hears lines of.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use crate::{PATIENCE, key};

/// Lines that were said and nobody heard yet.
const UNHEARD: usize = 1024;

/// One that runs. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it, with its lines piped.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (said, lines) = sync_channel(UNHEARD);
        let out = child.stdout.take();
        std::thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            lines
                .map_while(Result::ok)
                .all(|line| said.send(line).is_ok())
        });
        let input = child.stdin.take();
        Ok(Self {
            child,
            input,
            lines,
        })
    }

    /// Its next line; nothing if none comes for as long as a test waits.
    pub fn hear(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Writes a line to it.
    ///
    /// # Errors
    /// It reads no more.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        self.input
            .as_mut()
            .map_or(Ok(()), |input| writeln!(input, "{line}"))
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word.
    ///
    /// # Errors
    /// As [`Child::kill`].
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Tells it to end, by the end of its input, and waits: whether it ended well.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn end(mut self) -> io::Result<bool> {
        drop(self.input.take());
        self.child.wait().map(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.kill();
    }
}

/// A file with the `number`th key, in this folder.
///
/// # Errors
/// As [`fs::write`].
pub fn key_file(folder: &Path, number: usize) -> io::Result<PathBuf> {
    let path = folder.join(format!("{number}.pem"));
    let pem = key(number).to_pem(None).map_err(io::Error::other)?;
    fs::write(&path, pem.as_bytes())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}
