//! A gate between two programs: what one sends to the other stops after so many bytes, until it is opened. So a test has the middle of a
//! transfer for as long as it wants.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// See the module. Its threads end with the test.
pub(crate) struct Gate {
    /// `127.0.0.1:PORT`, instead of that of whoever sends.
    pub(crate) address: String,
    inner: Arc<Inner>,
}

struct Inner {
    room: Mutex<Room>,
    more: Condvar,
}

struct Room {
    left: u64,
    passed: u64,
}

impl Gate {
    /// Before `target`; so many bytes of it pass.
    pub(crate) fn before(target: &str, bytes: u64) -> Self {
        Self::new(target, bytes, false)
    }

    /// Before `target`; so many bytes to it pass.
    pub(crate) fn towards(target: &str, bytes: u64) -> Self {
        Self::new(target, bytes, true)
    }

    fn new(target: &str, bytes: u64, is_towards: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let inner = Arc::new(Inner {
            room: Mutex::new(Room {
                left: bytes,
                passed: 0,
            }),
            more: Condvar::new(),
        });
        let (all, target) = (Arc::clone(&inner), target.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Whoever sends may be away.
                if let Ok(far) = TcpStream::connect(&target) {
                    pass(&near, &far, is_towards.then_some(&all));
                    pass(&far, &near, (!is_towards).then_some(&all));
                }
            }
        });
        Self { address, inner }
    }

    /// From now on everything passes.
    pub(crate) fn open(&self) {
        self.inner.room.lock().unwrap().left = u64::MAX;
        self.inner.more.notify_all();
    }

    /// How many bytes have passed since this was asked last.
    pub(crate) fn passed(&self) -> u64 {
        std::mem::take(&mut self.inner.room.lock().unwrap().passed)
    }
}

impl Inner {
    /// Waits until some of so many may pass.
    fn take(&self, wanted: usize) -> usize {
        let room = self.room.lock().unwrap();
        let mut room = self.more.wait_while(room, |room| room.left == 0).unwrap();
        let may = room.left.min(wanted as u64);
        room.left -= may;
        room.passed += may;
        may as usize
    }
}

/// One way, on a thread of its own; at its end both ways are shut.
fn pass(from: &TcpStream, to: &TcpStream, through: Option<&Arc<Inner>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let through = through.map(Arc::clone);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        'both: while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut bytes = &buffer[..read];
            while !bytes.is_empty() {
                let may = through
                    .as_ref()
                    .map_or(bytes.len(), |all| all.take(bytes.len()));
                if to.write_all(&bytes[..may]).is_err() {
                    break 'both;
                }
                bytes = &bytes[may..];
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
