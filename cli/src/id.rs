//! `psfs id`: a key, its peer id and its fingerprint.

use std::path::PathBuf;

use psfs_core::Identity;

use crate::args::Id;
use crate::failure::Failure;
use crate::files;
use crate::output::print_line;
use crate::own;

/// Name of the key in a data folder, as the library has it.
pub(crate) const KEY_FILE: &str = "identity.pem";

/// Loads the key, or makes it where there is none.
pub(crate) fn run(id: &Id) -> Result<(), Failure> {
    let path = match (&id.key, &id.data_dir) {
        (Some(key), _) => key.clone(),
        (None, Some(folder)) => {
            files::make_folder(folder)?;
            folder.join(KEY_FILE)
        }
        // The command line demands one of them.
        (None, None) => PathBuf::from(KEY_FILE),
    };
    let passphrase = own::passphrase(id.passphrase_file.as_deref())?;
    let new = !path.exists();
    let identity = Identity::load_or_create(&path, passphrase.as_deref()).map_err(Failure::of)?;
    let peer = identity.peer_id();
    print_line(&format!("id {peer}"))?;
    print_line(&format!("fingerprint {}", peer.fingerprint()))?;
    print_line(&format!(
        "key {}{}",
        path.display(),
        if new { " (new)" } else { "" }
    ))
}
