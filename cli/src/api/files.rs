//! `/files/{root}`: what this satellite has, whole or in ranges, so that a download that broke off goes on (`curl -C -`).
//!
//! Each MiB is checked before it is sent, as for other satellites: a file that was changed ends the download, and never as a whole one.

use std::ops::Range;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use psfs_core::{Files, Root, Shared, TransferError};

use super::error::{ApiError, ErrorBody, broken};
use super::state::ApiState;

type Named = Result<Path<String>, PathRejection>;

/// `GET` and `HEAD /files/{root}`.
pub(super) async fn download(
    State(api): ApiState,
    root: Named,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let root = parsed(root)?;
    let files = api.satellite.files();
    let shared = files.here(&root).ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "this satellite does not have it",
            "PATCH it here first, or get it: psfs get.",
        )
    })?;
    if shared.is_folder {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "it is a folder",
            "Folders come with psfs get.",
        ));
    }
    let tag = format!("\"{root}\"");
    let mut response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &tag)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_DISPOSITION, attachment(&shared));
    let range = match wanted(&headers, &tag, shared.size) {
        Wanted::All => 0..shared.size,
        Wanted::Part(range) => {
            let told = format!("bytes {}-{}/{}", range.start, range.end - 1, shared.size);
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, told);
            range
        }
        Wanted::Nothing => {
            let refused = ApiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("it has {} bytes, and none of those asked for", shared.size),
                "",
            );
            let mut response = refused.into_response();
            if let Ok(told) = HeaderValue::from_str(&format!("bytes */{}", shared.size)) {
                response.headers_mut().insert(header::CONTENT_RANGE, told);
            }
            return Ok(response);
        }
    };
    response = response.header(header::CONTENT_LENGTH, range.end - range.start);
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => body(files, root, range),
    };
    response.body(body).map_err(broken)
}

/// `DELETE /files/{root}`: this satellite's own no more; a file that was uploaded here is removed.
pub(super) async fn remove(State(api): ApiState, root: Named) -> Result<Json<ErrorBody>, ApiError> {
    let root = parsed(root)?;
    let files = api.satellite.files();
    let shared = files.here(&root);
    if !files.remove(&root, None).await.map_err(ApiError::of)? {
        return Err(ApiError::of(TransferError::NotFound(root.to_string())));
    }
    if let (Some(uploads), Some(shared), None) = (&api.uploads, shared, files.here(&root)) {
        uploads.remove_done(&shared.path).await;
    }
    Ok(Json(ErrorBody::default()))
}

fn parsed(root: Named) -> Result<Root, ApiError> {
    let Path(text) = root.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            error.to_string(),
            "Use /files/ROOT.",
        )
    })?;
    let text = percent_decode_str(&text).decode_utf8_lossy();
    text.parse().map_err(ApiError::of)
}

/// The bytes of a file, a MiB at a time, as they are taken.
fn body(files: Files, root: Root, range: Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(range, move |range| {
        let files = files.clone();
        async move {
            if range.is_empty() {
                return Ok::<_, TransferError>(None);
            }
            let mut bytes = files.read(&root, range.start).await?;
            bytes.truncate(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
            let rest = range.start + bytes.len() as u64..range.end;
            Ok(Some((bytes, rest)))
        }
    }))
}

fn attachment(shared: &Shared) -> String {
    let name = shared.path.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    format!(
        "attachment; filename*=UTF-8''{}",
        utf8_percent_encode(&name, NON_ALPHANUMERIC)
    )
}

/// What is asked for of a file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// One range is honoured; of several, and of what is not understood, all comes, as RFC 9110 allows.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let Some(range) = text(header::RANGE) else {
        return Wanted::All;
    };
    if text(header::IF_RANGE).is_some_and(|of| of != tag) {
        return Wanted::All;
    }
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(last)) if first.trim().is_empty() => size.saturating_sub(last)..size,
        _ => return Wanted::All,
    };
    if range.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_they_are_asked_for() {
        let of = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            wanted(&headers, "\"t\"", 100)
        };
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..100)),
            ("bytes=40-", Wanted::Part(40..100)),
            ("bytes=40-49", Wanted::Part(40..50)),
            ("bytes=40-999", Wanted::Part(40..100)),
            ("bytes=99-18446744073709551615", Wanted::Part(99..100)),
            ("bytes=-7", Wanted::Part(93..100)),
            ("bytes=-700", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=-", Wanted::All),
            ("lines=1-2", Wanted::All),
        ] {
            assert_eq!(of(range), expected, "{range}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=40-".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"t\"".parse().unwrap());
        assert_eq!(wanted(&headers, "\"t\"", 100), Wanted::Part(40..100));
        assert_eq!(wanted(&headers, "\"other\"", 100), Wanted::All);
        assert_eq!(wanted(&HeaderMap::new(), "\"t\"", 0), Wanted::All);
    }
}
