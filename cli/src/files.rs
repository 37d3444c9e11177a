//! Small files of the program: secrets people hand in, and where a running satellite's API is found.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Longest secret, passphrase or token file, in bytes.
const SECRET_MAX: u64 = 4096;
/// The API's token in the data folder, readable by its owner only.
const TOKEN_FILE: &str = "api.token";
/// The API's address in the data folder.
const ADDRESS_FILE: &str = "api.address";

/// Makes a data folder where there is none, as the library does when a satellite starts.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Failure::new(
            format!("cannot make the data folder {}: {error}", folder.display()),
            "Name one that can be written to.",
        )
    })
}

/// A secret or passphrase: the file's content without the line's end. A file that others can read is refused; a pipe is fine.
pub(crate) fn read_secret(path: &Path, what: &str) -> Result<String, Failure> {
    let cannot = |error: io::Error| {
        Failure::new(
            format!("cannot read the {what} file {}: {error}", path.display()),
            "",
        )
    };
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(Failure::new(
            format!(
                "the {what} file {} can be read by others (mode {:03o})",
                path.display(),
                metadata.mode() & 0o777
            ),
            format!("Run chmod 600 {}.", path.display()),
        ));
    }
    let text = read_short(file).map_err(cannot)?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    if text.is_empty() {
        return Err(Failure::new(
            format!("the {what} file {} is empty", path.display()),
            "",
        ));
    }
    Ok(text.to_owned())
}

fn read_short(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(SECRET_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is longer than {SECRET_MAX} bytes"),
        ));
    }
    Ok(text)
}

/// Where the API of a running satellite is, told to whoever may read its data folder. The files go when this is dropped.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    token: PathBuf,
    address: PathBuf,
}

impl Whereabouts {
    pub(crate) fn write(folder: &Path, address: &str, token: &str) -> Result<Self, Failure> {
        let files = Self {
            token: folder.join(TOKEN_FILE),
            address: folder.join(ADDRESS_FILE),
        };
        write_private(&files.token, token)?;
        write_private(&files.address, address)?;
        Ok(files)
    }

    pub(crate) fn token_file(&self) -> &Path {
        &self.token
    }
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        // Left behind they mislead nobody for long: the next start writes them anew.
        let _ = fs::remove_file(&self.address);
        let _ = fs::remove_file(&self.token);
    }
}

/// Made under another name first, so that nobody reads half a file and no older file's mode or links are inherited.
fn write_private(path: &Path, line: &str) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let write = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{line}")?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        Failure::new(
            format!("cannot write {}: {error}", path.display()),
            "Give a data folder that can be written.",
        )
    })
}

/// Address and token of the satellite that runs with this data folder.
pub(crate) fn find_api(folder: &Path) -> Result<(String, String), Failure> {
    Ok((
        read_line(folder, ADDRESS_FILE)?,
        read_line(folder, TOKEN_FILE)?,
    ))
}

/// Only its token.
pub(crate) fn find_token(folder: &Path) -> Result<String, Failure> {
    read_line(folder, TOKEN_FILE)
}

fn read_line(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    let text = File::open(&path)
        .and_then(read_short)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new(
                format!(
                    "no satellite with an API runs with the data folder {}",
                    folder.display()
                ),
                format!(
                    "Start one: psfs up -r NAME --data-dir {}.",
                    folder.display()
                ),
            ),
            _ => Failure::new(format!("cannot read {}: {error}", path.display()), ""),
        })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "swordfish\r\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let line = read_secret(&path, "secret").unwrap_err().line().unwrap();
        assert!(
            line.contains("can be read by others (mode 640)") && line.contains("chmod 600"),
            "{line}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_secret(&path, "secret").unwrap(), "swordfish");
    }

    #[test]
    fn empty_long_and_missing_secrets_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(read_secret(&path, "secret").is_err());
        for (content, want) in [
            ("\n".to_owned(), "is empty"),
            ("x".repeat(4097), "longer than"),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let line = read_secret(&path, "secret").unwrap_err().line().unwrap();
            assert!(line.contains(want), "{line}");
        }
    }

    #[test]
    fn the_token_is_private_and_goes_with_the_satellite() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join(TOKEN_FILE),
            "an old one, readable by all",
        )
        .unwrap();
        let files = Whereabouts::write(folder.path(), "127.0.0.1:3001", "abc").unwrap();
        assert_eq!(
            fs::metadata(files.token_file()).unwrap().mode() & 0o777,
            0o600
        );
        assert_eq!(
            find_api(folder.path()).unwrap(),
            ("127.0.0.1:3001".to_owned(), "abc".to_owned())
        );
        drop(files);
        let line = find_api(folder.path()).unwrap_err().line().unwrap();
        assert!(line.contains("no satellite with an API runs"), "{line}");
    }
}
