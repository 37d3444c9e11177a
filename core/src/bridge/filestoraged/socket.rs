//! The socket's file: this user's alone, in the place of one that nobody serves any more, and gone at the end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket as System, Type};

use crate::error::TransferError;
use crate::files::private_folder;

/// Connections that wait to be let in.
const BACKLOG: i32 = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Socket {
    listener: Option<UnixListener>,
    path: PathBuf,
    file: Own,
}

/// What tells the file apart from another at its place: device, inode (which may be given again), and when it was made.
type Own = (u64, u64, i64, i64);

fn own(found: &fs::Metadata) -> Own {
    (found.dev(), found.ino(), found.mtime(), found.mtime_nsec())
}

impl Socket {
    /// Blocks for the disk.
    pub(super) fn bind(path: &Path) -> Result<Self, TransferError> {
        let failed = |error: io::Error| TransferError::io(path, &error);
        let path = &std::path::absolute(path).map_err(failed)?;
        if let Some(folder) = path.parent() {
            private_folder(folder).map_err(failed)?;
        }
        make_way(path)?;
        let socket = System::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        // Linux makes the file with this mode; elsewhere it has it a moment later.
        let _elsewhere = fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR);
        let address = SockAddr::unix(path).map_err(|error| TransferError::Path {
            path: path.clone(),
            reason: format!("it is no place for a socket ({error}): give a shorter path"),
        })?;
        socket.bind(&address).map_err(failed)?;
        let listen = || {
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            fs::symlink_metadata(path)
        };
        let found = listen().map_err(|error| {
            let _gone = fs::remove_file(path);
            failed(error)
        })?;
        Ok(Self {
            listener: Some(UnixListener::from(std::os::fd::OwnedFd::from(socket))),
            path: path.clone(),
            file: own(&found),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be listened on, once.
    pub(super) fn take(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mine = fs::symlink_metadata(&self.path).is_ok_and(|found| own(&found) == self.file);
        // Another's may be there by now.
        if mine && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a socket's file was not removed");
        }
    }
}

/// Removes a socket's file that nobody listens behind.
fn make_way(path: &Path) -> Result<(), TransferError> {
    let refused = |reason: &str| TransferError::Path {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let failed = |error| TransferError::io(path, &error);
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(refused(
                "it is there and no socket: give another path, or move it away",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        // Whoever is busy is alive, too.
        Ok(_) | Err(_) => Err(refused(
            "another program serves on this socket: end it, or give another path",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_replaced_a_live_one_is_not_and_the_own_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new folder").join("socket");
        let socket = Socket::bind(&path).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let live = Socket::bind(&path).unwrap_err();
        assert!(
            live.to_string().contains("another program serves"),
            "{live}"
        );
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
        // As a process leaves it that was killed.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let mut socket = Socket::bind(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        // Somebody else took the place.
        drop(socket.take());
        let beside = path.with_extension("other");
        let other = UnixListener::bind(&beside).unwrap();
        fs::rename(&beside, &path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(other);
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"a file").unwrap();
        let file = Socket::bind(&path).unwrap_err();
        assert!(file.to_string().contains("no socket"), "{file}");
        let long = folder.path().join("x".repeat(200));
        let long = Socket::bind(&long).unwrap_err();
        assert!(long.to_string().contains("shorter path"), "{long}");
    }
}
