//! Runs the program: satellites that go on until they are told to end, and commands that end by themselves.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test may look at the clock to stop waiting"
)]
#![expect(
    clippy::unwrap_used,
    reason = "it is all tests; clippy sees only functions marked as one"
)]

pub(crate) mod gate;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits for it that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `psfs`, with nothing of the caller's environment that changes what it does.
pub(crate) fn psfs(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psfs"));
    command.args(args);
    for variable in [
        "PSFS_TOKEN",
        "PSFS_FILES_TOKEN",
        "PSFS_DATA_DIR",
        "PSFS_PASSPHRASE",
        "RUST_LOG",
        "RUST_BACKTRACE",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    /// What it printed, when that is not text.
    pub(crate) bytes: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// It worked: what it printed.
    #[track_caller]
    pub(crate) fn worked(self) -> String {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (Some(0), ""),
            "{self:?}"
        );
        self.stdout
    }

    /// It ended with `status` and one line on stderr, which is returned.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stderr.matches('\n').count(), 1, "{self:?}");
        assert!(
            self.stderr.starts_with("psfs: ") && self.stderr.ends_with(".\n"),
            "{self:?}"
        );
        self.stderr
    }
}

/// Runs to the end.
pub(crate) fn run(args: &[&str]) -> Ended {
    end(&mut psfs(args), b"")
}

/// Runs to the end with `input` on stdin.
pub(crate) fn run_with(args: &[&str], input: &[u8]) -> Ended {
    end(psfs(args).stdin(Stdio::piped()), input)
}

/// Runs to the end, which must not take for ever: a program that should have refused to start would.
#[track_caller]
pub(crate) fn end(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without having read everything.
        let _ = stdin.write_all(input);
    }
    let Some(status) = exit(&mut child) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!(
            "still running after {PATIENCE:?}: {command:?}: {}{}",
            text(&stdout.join().unwrap()),
            text(&stderr.join().unwrap())
        );
    };
    let bytes = stdout.join().unwrap();
    Ended {
        status: status.code(),
        stdout: text(&bytes),
        bytes,
        stderr: text(&stderr.join().unwrap()),
    }
}

/// How it ended, now or soon; nothing when it runs on.
pub(crate) fn exit(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = child.try_wait().unwrap();
        if status.is_some() || Instant::now() > until {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first of `count` ports of loopback in a row that nobody has, and that no other test of this program is given.
pub(crate) fn free_ports(count: u16) -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Below those that the system hands out, and not where another run of the tests begins.
    let start = 10_000 + (std::process::id() % 200) as u16 * 100;
    loop {
        let first = start + GIVEN.fetch_add(count, Ordering::Relaxed);
        if (first..first + count).all(free) {
            return first;
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A command that runs until it is told to end, and what it prints. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// A running `psfs up` on loopback.
pub(crate) struct Up {
    running: Running,
    folder: TempDir,
    /// Its peer id.
    pub(crate) id: String,
    /// Where others may meet it.
    pub(crate) address: String,
    /// `127.0.0.1:PORT` of its API.
    pub(crate) api: String,
}

impl Up {
    /// Starts one that knows `peers`, and waits until it listens.
    pub(crate) fn start(rendezvous: &str, peers: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let mut args = vec![
            "up",
            "-r",
            rendezvous,
            "--no-mdns",
            "--listen",
            "127.0.0.1:0",
            "--api",
            ":0",
        ];
        args.extend(["--data-dir", data.to_str().unwrap()]);
        for peer in peers {
            args.extend(["--peer", peer]);
        }
        let mut up = Self {
            running: Running::start(&args),
            folder,
            id: String::new(),
            address: String::new(),
            api: String::new(),
        };
        up.id = up.wait_for("peer ").split_once(':').unwrap().0.to_owned();
        up.address = up.wait_for("listening ");
        let api = up.wait_for("api http://");
        let (address, token) = api.split_once(" token ").unwrap();
        up.api = address.to_owned();
        assert_eq!(Path::new(token), data.join("api.token"));
        up
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("api.token"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Runs a one-shot through it.
    pub(crate) fn through(&self, args: &[&str]) -> Ended {
        let folder = self.data_dir();
        let mut all = args.to_vec();
        // Options may stand anywhere before `--`.
        all.splice(1..1, ["--data-dir", folder.to_str().unwrap()]);
        run(&all)
    }

    /// The body that a call of its API is answered with.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let (_, answer) = self.exchange(method, path, headers, body.as_bytes());
        String::from_utf8(answer).unwrap()
    }

    /// Status and body of what a call of its API is answered with.
    pub(crate) fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let (head, body) = self.heard(method, path, headers, body);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    /// Status line with headers, and body, of what a call of its API is answered with.
    pub(crate) fn heard(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.api,
            self.token(),
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let body = answer.split_off(end + 4);
        (text(&answer), body)
    }
}

impl Deref for Up {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Up {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(&mut psfs(args))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (put, lines) = sync_channel(10_000);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if put.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// What follows `start` in the first line that begins with it, now or soon.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, start: &str) -> String {
        self.wait_until(|line| line.starts_with(start))[start.len()..].to_owned()
    }

    /// The first line that fits, now or soon.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, fits: impl Fn(&str) -> bool) -> String {
        if let Some(line) = self.seen.iter().find(|line| fits(line)) {
            return line.clone();
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(error) => panic!("not the line waited for ({error}): {:#?}", self.seen),
            }
        }
    }

    /// The next line, soon.
    #[track_caller]
    pub(crate) fn next(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(error) => panic!("no line ({error}): {:#?}", self.seen),
        }
    }

    /// Whether a line fits of those that are here.
    pub(crate) fn saw(&mut self, fits: impl Fn(&str) -> bool) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| fits(line))
    }

    /// Returns when so many lines fit, now or soon.
    #[track_caller]
    pub(crate) fn wait_count(&mut self, fits: impl Fn(&str) -> bool, count: usize) {
        while self.seen.iter().filter(|line| fits(line)).count() < count {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("not {count} such lines ({error}): {:#?}", self.seen),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// All that it said on stderr, if that is a pipe, when it has ended.
    pub(crate) fn stderr(&mut self) -> String {
        let mut said = Vec::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_end(&mut said).unwrap();
        text(&said)
    }

    /// Its exit status, soon.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        exit(&mut self.child)
            .unwrap_or_else(|| panic!("still running after {PATIENCE:?}: {:#?}", self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A rendezvous that no other test has.
pub(crate) fn rendezvous(test: &str) -> String {
    format!("cli-{test}-{}", std::process::id())
}
