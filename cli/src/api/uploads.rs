//! The uploads of the API on the disk: what has come of each, who may send to it, and where it lies once it is whole. How they are spoken of is
//! [`tus`](super::tus)'.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::ApiError;

/// How long an upload waits to be gone on with.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Uploads that are not whole.
const UPLOADS_MAX: usize = 1024;

/// The uploads of a satellite with a data folder. What does more than look at memory waits for the disk, and is for [`Uploads::blocking`].
#[derive(Debug)]
pub(super) struct Uploads {
    coming: PathBuf,
    done: PathBuf,
    /// Those that somebody is sending to.
    busy: Mutex<HashSet<String>>,
}

/// What is known of one, beside its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) length: u64,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    /// Once it is whole.
    pub(super) root: Option<String>,
}

/// One that nobody else sends to meanwhile.
pub(super) struct Slot(Arc<Uploads>, String);

impl Drop for Slot {
    fn drop(&mut self) {
        let busy = self.0.busy.lock();
        busy.unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Uploads {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            coming: data_dir.join("uploads"),
            done: data_dir.join("uploaded"),
            busy: Mutex::default(),
        }
    }

    /// Work that waits for the disk.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        done.unwrap_or_else(|error| Err(storage(&error.to_string())))
    }

    pub(super) fn hold(self: &Arc<Self>, id: &str) -> Result<Slot, ApiError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(id.to_owned()) {
            return Ok(Slot(Arc::clone(self), id.to_owned()));
        }
        Err(ApiError::new(
            StatusCode::LOCKED,
            "another call sends to this upload",
            "Try again when it has ended.",
        ))
    }

    /// All of one that is not shared.
    pub(super) fn remove(&self, id: &str) -> Result<(), ApiError> {
        for path in [self.about_file(id), self.bytes(id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(storage(&error.to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self, id: &str) -> PathBuf {
        self.coming.join(id)
    }

    fn about_file(&self, id: &str) -> PathBuf {
        self.coming.join(format!("{id}.json"))
    }

    pub(super) fn read(&self, id: &str) -> Result<About, ApiError> {
        // Nothing else is a name here.
        if id.len() != 32 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(gone());
        }
        let text = fs::read(self.about_file(id)).map_err(|_| gone())?;
        serde_json::from_slice(&text).map_err(|_| gone())
    }

    pub(super) fn write(&self, id: &str, about: &About) -> Result<(), ApiError> {
        let written = self.try_write(id, about);
        written.map_err(|error| storage(&error.to_string()))
    }

    fn try_write(&self, id: &str, about: &About) -> io::Result<()> {
        let path = self.about_file(id);
        let new = path.with_extension("new");
        let text = serde_json::to_vec(about).map_err(io::Error::other)?;
        let mut file = create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        File::open(&self.coming)?.sync_all()
    }

    /// How much is here.
    pub(super) fn offset(&self, id: &str, about: &About) -> u64 {
        match about.root {
            Some(_) => about.length,
            None => fs::metadata(self.bytes(id)).map_or(0, |found| found.len()),
        }
    }

    pub(super) fn create(self: &Arc<Self>, about: &About) -> Result<String, ApiError> {
        for folder in [&self.coming, &self.done] {
            crate::files::make_folder(folder)
                .map_err(|failure| storage(&failure.line().unwrap_or_default()))?;
        }
        let open = self.expire();
        if open >= UPLOADS_MAX {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("{UPLOADS_MAX} uploads are not whole yet"),
                "End some, or DELETE them.",
            ));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| storage(&error.to_string()))?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let made = create(&self.bytes(&id)).and_then(|_| self.try_write(&id, about));
        made.map_err(|error| storage(&error.to_string()))?;
        Ok(id)
    }

    /// Removes those that are too old. How many are left.
    fn expire(self: &Arc<Self>) -> usize {
        let mut left = 0;
        for entry in fs::read_dir(&self.coming).into_iter().flatten().flatten() {
            let old = entry
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LIFETIME));
            let path = entry.path();
            let id = path.file_stem().unwrap_or_default().to_string_lossy();
            if old && self.hold(&id).is_ok() {
                // Its other half has its own time, and is removed by it.
                let _removed = fs::remove_file(&path);
            } else if path.extension().is_none() {
                left += 1;
            }
        }
        left
    }

    /// Where a whole one lies, under its own name.
    pub(super) fn place(&self, id: &str, about: &About) -> Result<PathBuf, ApiError> {
        let placed = self.try_place(id, about);
        placed.map_err(|error| storage(&error.to_string()))
    }

    fn try_place(&self, id: &str, about: &About) -> io::Result<PathBuf> {
        let folder = self.done.join(id);
        fs::create_dir_all(&folder)?;
        let path = folder.join(&about.name);
        match fs::rename(self.bytes(id), &path) {
            // An earlier call was broken off behind this.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_file() => Ok(path),
            Err(error) => Err(error),
            Ok(()) => {
                File::open(&folder)?.sync_all()?;
                File::open(&self.done)?.sync_all()?;
                Ok(path)
            }
        }
    }

    /// A file that was uploaded is nobody's any more.
    pub(super) async fn remove_done(&self, path: &Path) {
        let Some(folder) = path
            .parent()
            .filter(|folder| folder.parent() == Some(&self.done))
        else {
            return;
        };
        let (path, folder) = (path.to_owned(), folder.to_owned());
        let removed = blocking(move || {
            fs::remove_file(&path)?;
            fs::remove_dir(&folder)
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "an uploaded file was not removed");
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub(super) fn storage(reason: &str) -> ApiError {
    ApiError::new(
        StatusCode::INSUFFICIENT_STORAGE,
        format!("it cannot be kept here: {reason}"),
        "Make room in the data folder, or have it writable.",
    )
}

pub(super) fn gone() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "there is no such upload, or no more",
        "Begin a new one with POST /uploads.",
    )
}
