//! The key file: an identity on disk.
//!
//! A file that others can read is refused, not repaired: whoever could read it may have done so. How files are read and
//! written at all is the matter of [`files`].

use std::io;
use std::path::Path;

use super::{Identity, pem};
use crate::error::IdentityError;
use crate::files::{self, Create, ReadError};

impl Identity {
    /// Reads a key file: PKCS#8 or PKCS#1 PEM, or what [`save`](Self::save) wrote with a passphrase.
    ///
    /// The file must be a regular one that only its owner can read. A passphrase given for a key without one is not used.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let what = format!("key file {}", path.display());
        let bytes = files::read_private(path, pem::MAX_TEXT).map_err(|error| match error {
            ReadError::Io(source) => failed("read", path, source),
            ReadError::Shared(mode) => IdentityError::Permissions {
                path: path.display().to_string(),
                mode,
            },
            ReadError::Large => {
                pem::malformed(&what, format!("it is larger than {} bytes", pem::MAX_TEXT))
            }
        })?;
        Self::read(&what, &bytes, passphrase)
    }

    /// Writes the key file, over an old one if there is one: whole or not at all, readable by its owner only.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), IdentityError> {
        self.write(path, passphrase, Create::OrReplace)
    }

    /// Reads the key file, or makes a key and its file when there is none.
    ///
    /// When two processes do this at once, both get the key of the one that wrote first.
    pub fn load_or_create(path: &Path, passphrase: Option<&str>) -> Result<Self, IdentityError> {
        match Self::load(path, passphrase) {
            Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        let made = Self::generate()?;
        match made.write(path, passphrase, Create::New) {
            Ok(()) => Ok(made),
            Err(IdentityError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                Self::load(path, passphrase)
            }
            Err(error) => Err(error),
        }
    }

    fn write(
        &self,
        path: &Path,
        passphrase: Option<&str>,
        create: Create,
    ) -> Result<(), IdentityError> {
        let text = self.to_pem(passphrase)?;
        files::write_private(path, text.as_bytes(), create)
            .map_err(|source| failed("write", path, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    // The system's reason, that there is no such file, helps nobody here.
    let (path, source) = if path.as_os_str().is_empty() {
        let nothing = io::Error::new(source.kind(), "the path is empty, name a file");
        ("\"\"".to_owned(), nothing)
    } else {
        (path.display().to_string(), source)
    };
    IdentityError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::error::Code;
    use crate::identity::PeerId;
    use crate::identity::tests::{IDENTITY, KEY, SEALED};

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("identity.pem")
        }

        /// A key file with this content and mode.
        fn with(bytes: &[u8], mode: u32) -> Self {
            let folder = Self::new();
            fs::write(folder.path(), bytes).unwrap();
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            folder
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    fn load_error(path: &Path) -> (Code, String) {
        let error = Identity::load(path, None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&path.display().to_string()),
            "{text} does not name the file"
        );
        (error.code(), text)
    }

    #[test]
    fn a_saved_key_is_private_and_loads_again() {
        for passphrase in [None, Some("secret")] {
            let folder = Folder::new();
            IDENTITY.save(&folder.path(), passphrase).unwrap();
            let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let loaded = Identity::load(&folder.path(), passphrase).unwrap();
            assert_eq!(loaded.peer_id(), IDENTITY.peer_id());
            assert_eq!(folder.names(), ["identity.pem"]);
        }
    }

    #[test]
    fn saving_replaces_the_old_key_and_its_mode() {
        let folder = Folder::with(b"old", 0o644);
        IDENTITY.save(&folder.path(), None).unwrap();
        assert_eq!(
            Identity::load(&folder.path(), None).unwrap().peer_id(),
            IDENTITY.peer_id()
        );
    }

    #[test]
    fn a_key_made_once_is_found_again() {
        let folder = Folder::new();
        let made = Identity::load_or_create(&folder.path(), Some("secret")).unwrap();
        let again = Identity::load_or_create(&folder.path(), Some("secret")).unwrap();
        assert_eq!(made.peer_id(), again.peer_id());
        assert_eq!(
            Identity::load_or_create(&folder.path(), None)
                .unwrap_err()
                .code(),
            Code::Passphrase
        );
    }

    #[test]
    fn all_who_make_a_key_at_once_get_the_same() {
        let folder = Folder::new();
        let barrier = Barrier::new(4);
        let ids: HashSet<PeerId> = thread::scope(|scope| {
            let make = || {
                barrier.wait();
                Identity::load_or_create(&folder.path(), None)
                    .unwrap()
                    .peer_id()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(ids.len(), 1);
        assert_eq!(folder.names(), ["identity.pem"]);
    }

    #[test]
    fn a_damaged_key_file_is_never_replaced_by_a_new_key() {
        let folder = Folder::with(&KEY[..800], 0o600);
        let error = Identity::load_or_create(&folder.path(), None).unwrap_err();
        assert_eq!(error.code(), Code::BadKey);
        assert_eq!(fs::read(folder.path()).unwrap(), &KEY[..800]);
    }

    #[test]
    fn a_key_file_others_can_read_is_refused() {
        for mode in [0o604, 0o640, 0o620, 0o644, 0o666] {
            let folder = Folder::with(KEY, mode);
            let (code, text) = load_error(&folder.path());
            assert_eq!(code, Code::KeyPermissions);
            assert!(
                text.contains(&format!("{mode:03o}")) && text.contains("chmod 600"),
                "{text}"
            );
        }
        assert!(Identity::load(&Folder::with(KEY, 0o400).path(), None).is_ok());
    }

    #[test]
    fn a_missing_key_file_is_named() {
        let (code, text) = load_error(&Folder::new().path());
        assert_eq!(code, Code::Io);
        assert!(text.starts_with("cannot read key file"), "{text}");
        let (code, text) = load_error(Path::new(""));
        assert_eq!(code, Code::Io);
        assert_eq!(
            text,
            r#"cannot read key file "": the path is empty, name a file"#
        );
    }

    #[test]
    fn a_folder_in_place_of_a_key_file_is_named() {
        let folder = Folder::new();
        let (code, text) = load_error(folder.0.path());
        assert_eq!(code, Code::Io);
        assert!(text.contains("folder"), "{text}");
        assert_eq!(
            IDENTITY.save(folder.0.path(), None).unwrap_err().code(),
            Code::Io
        );
    }

    /// Opening a pipe would wait for its other end for ever; a device never ends.
    #[test]
    fn what_is_not_a_regular_file_is_named() {
        let (code, text) = load_error(Path::new("/dev/zero"));
        assert_eq!(code, Code::Io);
        assert!(text.contains("not a regular file"), "{text}");
    }

    /// A file of the system that its owner may only write: root, too, cannot read it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_file_that_cannot_be_read_is_named() {
        let (code, text) = load_error(Path::new("/proc/self/clear_refs"));
        assert_eq!(code, Code::Io);
        assert!(text.starts_with("cannot read key file"), "{text}");
    }

    #[test]
    fn a_key_file_beyond_the_limit_is_refused_unread() {
        let folder = Folder::with(b"", 0o600);
        File::options()
            .write(true)
            .open(folder.path())
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let (code, text) = load_error(&folder.path());
        assert_eq!(code, Code::BadKey);
        assert!(text.contains("larger than"), "{text}");
    }

    #[test]
    fn bad_keys_in_files_are_told_with_the_name_of_the_file() {
        assert_eq!(load_error(&Folder::with(b"", 0o600).path()).0, Code::BadKey);
        assert_eq!(
            load_error(&Folder::with(include_bytes!("samples/ed25519.pem"), 0o600).path()).0,
            Code::KeyKind
        );
        assert_eq!(
            load_error(&Folder::with(SEALED, 0o600).path()).0,
            Code::Passphrase
        );
    }

    /// In /proc nobody can make files, root included.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_that_cannot_be_written_is_told() {
        for folder in ["/proc/self", "/nowhere/at/all"] {
            let path = PathBuf::from(folder).join("identity.pem");
            let error = IDENTITY.save(&path, None).unwrap_err();
            assert_eq!(error.code(), Code::Io);
            assert!(
                error.to_string().starts_with("cannot write key file"),
                "{error}"
            );
        }
        let folder = Folder::with(b"a file", 0o600);
        let error = IDENTITY
            .save(&folder.path().join("identity.pem"), None)
            .unwrap_err();
        assert!(
            matches!(&error, IdentityError::Io { source, .. } if source.kind() == io::ErrorKind::NotADirectory),
            "{error}"
        );
    }
}
