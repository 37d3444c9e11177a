//! `/uploads`: files that come over HTTP in as many pieces as it takes, by tus 1.0 (creation, termination, expiration).
//!
//! | call | answer |
//! |---|---|
//! | `OPTIONS /uploads` | what is spoken here |
//! | `POST /uploads` with `Upload-Length` and `Upload-Metadata: filename, tags` (tags: one a line) | 201, `Location` |
//! | `HEAD /uploads/{id}` | `Upload-Offset`: so much is here; `Psfs-Root` once it is whole |
//! | `PATCH /uploads/{id}` with `Upload-Offset` | 204 with the new offset; with the last bytes `Psfs-Root` and `Psfs-Ticket` |
//! | `DELETE /uploads/{id}` | 204, what came is gone |
//!
//! Bytes go into `uploads` in the data folder as they come; what an answer says to be here is on the disk. A file that is whole is shared
//! under its name, from the folder `uploaded`. An upload that nobody goes on with for a day is removed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use psfs_core::{ShareOptions, TicketOptions};

use super::error::{ApiError, broken};
use super::state::{Api, ApiState};
use super::uploads::{About, Uploads, blocking, gone, storage};

/// The one version.
const VERSION: &str = "1.0.0";
const OFFSETS: &str = "application/offset+octet-stream";
/// How long the next bytes may take.
const PAUSE: Duration = Duration::from_secs(30);
/// Bytes that are written at once, about.
const WRITE: usize = 1 << 20;
/// As the library takes.
const SIZE_MAX: u64 = 16 << 40;
/// Longest name, in bytes, as file systems have it.
const NAME_MAX: usize = 255;

fn bad(error: impl Into<String>, hint: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, error, hint)
}

fn uploads(api: &Api) -> Result<&Arc<Uploads>, ApiError> {
    api.uploads.as_ref().ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "uploads need a data folder",
            "Start it with psfs up --data-dir DIR.",
        )
    })
}

/// `OPTIONS /uploads`.
pub(super) async fn options() -> Response {
    let headers = [
        ("Tus-Resumable", VERSION.to_owned()),
        ("Tus-Version", VERSION.to_owned()),
        (
            "Tus-Extension",
            "creation,termination,expiration".to_owned(),
        ),
        ("Tus-Max-Size", SIZE_MAX.to_string()),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// `POST /uploads`.
pub(super) async fn begin(State(api): ApiState, headers: HeaderMap) -> Result<Response, ApiError> {
    version(&headers)?;
    let uploads = uploads(&api)?;
    let length = number(&headers, "upload-length")?;
    if length > SIZE_MAX {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("{length} bytes are more than {SIZE_MAX}"),
            "",
        ));
    }
    let (name, tags) = metadata(&headers)?;
    let about = About {
        length,
        name,
        tags,
        root: None,
    };
    let new = about.clone();
    let id = uploads
        .blocking(move |uploads| uploads.create(&new))
        .await?;
    let mut response = Response::builder()
        .status(StatusCode::CREATED)
        .header("Tus-Resumable", VERSION)
        .header(header::LOCATION, format!("/uploads/{id}"));
    if length == 0 {
        // No bytes will come that could be the last ones.
        let _slot = uploads.hold(&id)?;
        response = finished(&api, uploads, &id, about, response).await?;
    }
    response.body(Body::empty()).map_err(broken)
}

/// `HEAD /uploads/{id}`.
pub(super) async fn look(
    State(api): ApiState,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    version(&headers)?;
    let uploads = uploads(&api)?;
    let (about, here) = uploads.blocking(move |uploads| known(uploads, &id)).await?;
    let mut response = Response::builder()
        .header("Tus-Resumable", VERSION)
        .header("Upload-Offset", here)
        .header("Upload-Length", about.length)
        .header(header::CACHE_CONTROL, "no-store");
    if let Some(root) = &about.root {
        response = response.header("Psfs-Root", root);
    }
    response.body(Body::empty()).map_err(broken)
}

/// `DELETE /uploads/{id}`.
pub(super) async fn end(
    State(api): ApiState,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    version(&headers)?;
    let uploads = uploads(&api)?;
    // A whole one is a shared file, with a life of its own.
    let removed = uploads.blocking(move |uploads| {
        uploads.read(&id)?;
        let _slot = uploads.hold(&id)?;
        uploads.remove(&id)
    });
    removed.await?;
    Ok((StatusCode::NO_CONTENT, [("Tus-Resumable", VERSION)]).into_response())
}

/// `PATCH /uploads/{id}`: more bytes. What came before it broke off is kept.
pub(super) async fn send(
    State(api): ApiState,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    version(&headers)?;
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != OFFSETS) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type is another one",
            "Send Content-Type: application/offset+octet-stream.",
        ));
    }
    let uploads = uploads(&api)?;
    let _slot = uploads.hold(&id)?;
    let at = number(&headers, "upload-offset")?;
    let of = id.clone();
    let (about, here) = uploads.blocking(move |uploads| known(uploads, &of)).await?;
    if at != here {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("{here} bytes are here, and these begin at {at}"),
            "Ask with HEAD where to go on.",
        ));
    }
    let mut response = Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header("Tus-Resumable", VERSION);
    let mut end = here;
    if about.root.is_none() {
        end = append(uploads.bytes(&id), here, about.length, body).await?;
        if end == about.length {
            response = finished(&api, uploads, &id, about, response).await?;
        }
    }
    response
        .header("Upload-Offset", end)
        .body(Body::empty())
        .map_err(broken)
}

/// An upload, and how much of it is here.
fn known(uploads: &Uploads, id: &str) -> Result<(About, u64), ApiError> {
    let about = uploads.read(id)?;
    let here = uploads.offset(id, &about);
    Ok((about, here))
}

/// It is whole: shared from now on.
async fn finished(
    api: &Api,
    uploads: &Arc<Uploads>,
    id: &str,
    mut about: About,
    response: axum::http::response::Builder,
) -> Result<axum::http::response::Builder, ApiError> {
    let (of, whole) = (id.to_owned(), about.clone());
    let placed = uploads.blocking(move |uploads| uploads.place(&of, &whole));
    let path = placed.await?;
    let files = api.satellite.files();
    let options = ShareOptions::default().tags(&about.tags).sha256(true);
    let shared = files.share(&path, options).await.map_err(ApiError::of)?;
    let ticket = files
        .ticket(&shared.root, TicketOptions::default())
        .map_err(ApiError::of)?;
    about.root = Some(shared.root.to_string());
    let of = id.to_owned();
    let written = uploads.blocking(move |uploads| uploads.write(&of, &about));
    written.await?;
    Ok(response
        .header("Psfs-Root", shared.root.to_string())
        .header("Psfs-Ticket", ticket.to_string()))
}

/// Writes what comes behind what is here: where it ends then, on the disk.
async fn append(path: PathBuf, here: u64, length: u64, mut body: Body) -> Result<u64, ApiError> {
    let opened = blocking(move || OpenOptions::new().append(true).open(path)).await;
    let mut file = opened.map_err(|_| gone())?;
    let mut end = here;
    let mut pending: Vec<Bytes> = Vec::new();
    let mut held = 0;
    let broken = loop {
        let frame = match tokio::time::timeout(PAUSE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break None,
            Ok(Some(Err(error))) => {
                break Some(bad(
                    format!("the body broke off: {error}"),
                    "Go on from what HEAD tells.",
                ));
            }
            Err(_) => {
                break Some(ApiError::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format!("nothing came for {} s", PAUSE.as_secs()),
                    "Go on from what HEAD tells.",
                ));
            }
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if end + bytes.len() as u64 > length {
            break Some(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("more came than the {length} bytes that were announced"),
                "Begin a new upload with the right Upload-Length.",
            ));
        }
        end += bytes.len() as u64;
        held += bytes.len();
        pending.push(bytes);
        if held >= WRITE {
            file = written(file, std::mem::take(&mut pending)).await?;
            held = 0;
        }
    };
    let file = written(file, pending).await?;
    let synced = blocking(move || file.sync_data()).await;
    synced.map_err(|error| storage(&error.to_string()))?;
    match broken {
        Some(error) => Err(error),
        None => Ok(end),
    }
}

async fn written(mut file: File, pieces: Vec<Bytes>) -> Result<File, ApiError> {
    let written = blocking(move || {
        for piece in pieces {
            file.write_all(&piece)?;
        }
        Ok(file)
    });
    written.await.map_err(|error| storage(&error.to_string()))
}

fn version(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get("tus-resumable").is_some_and(|it| it == VERSION) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        "this is spoken by tus 1.0.0",
        "Send Tus-Resumable: 1.0.0.",
    ))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, ApiError> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    // No sign, and nothing around it.
    let digits = text.filter(|text| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        bad(
            format!("{name} is no number of bytes"),
            "Send it with digits alone.",
        )
    })
}

/// `filename` and `tags` of `Upload-Metadata`; other keys are the client's own.
fn metadata(headers: &HeaderMap) -> Result<(String, Vec<String>), ApiError> {
    let hint = "Send Upload-Metadata as tus has it: KEY BASE64, with commas between.";
    let all = match headers.get("upload-metadata").map(|value| value.to_str()) {
        None => "",
        Some(Ok(text)) => text,
        Some(Err(_)) => return Err(bad("upload-metadata is not ASCII", hint)),
    };
    let (mut name, mut tags) = ("upload".to_owned(), Vec::new());
    for pair in all
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).ok();
        let value = value.and_then(|bytes| String::from_utf8(bytes).ok());
        let value =
            value.ok_or_else(|| bad(format!("the metadata {key} is no base64 of text"), hint))?;
        match key {
            "filename" if is_name(&value) => name = value,
            "filename" => {
                return Err(bad(
                    "the filename cannot be one",
                    "Send a name of 1 to 255 bytes without a slash and control characters.",
                ));
            }
            "tags" => tags = value.lines().map(ToOwned::to_owned).collect(),
            _ => {}
        }
    }
    Ok((name, tags))
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c != '/' && !c.is_control();
    (1..=NAME_MAX).contains(&name.len()) && !matches!(name, "." | "..") && name.chars().all(plain)
}
