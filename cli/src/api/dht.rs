//! `/dht`: values stored and fetched for whoever calls, who need not be a satellite.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use psfs_core::{DhtError, FetchOptions, Key, PeerId, SignedOptions, StoreOptions};
use serde::Serialize;

use super::body;
use super::error::ApiError;
use super::state::ApiState;

type Named = Result<Path<String>, PathRejection>;

/// Answer of a `PUT` or `DELETE` that worked.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    error: Option<String>,
    key: String,
    /// How many nodes keep it, or have forgotten it.
    nodes: usize,
}

/// `PUT /dht`: under the hash of the body, or as a value that this satellite signs.
pub(super) async fn store(
    State(api): ApiState,
    RawQuery(how): RawQuery,
    content: Body,
) -> Result<Json<Stored>, ApiError> {
    // Read first: who is still sending would not hear the answer.
    let content = body::whole(content, SMALLER).await?;
    let [signed, sealed_for] = query(how.as_deref(), ["signed", "sealed_for"])?;
    let recipient = sealed_for.map(|peer| peer.parse::<PeerId>());
    let recipient = recipient.transpose().map_err(ApiError::of)?;
    let dht = api.satellite.dht();
    answer(match (signed, recipient) {
        (Some(salt), recipient) => {
            let options = SignedOptions::default();
            let options = recipient.map_or(options, |recipient| options.sealed_for(recipient));
            dht.store_signed(salt.as_bytes(), content, options).await
        }
        (None, Some(recipient)) => {
            dht.store_sealed(&recipient, content, StoreOptions::default())
                .await
        }
        (None, None) => dht.store(content, StoreOptions::default()).await,
    })
}

/// `PUT /dht/{key}`: under a key of the caller's choice.
pub(super) async fn store_at(
    State(api): ApiState,
    RawQuery(how): RawQuery,
    key: Named,
    content: Body,
) -> Result<Json<Stored>, ApiError> {
    // Read first: who is still sending would not hear the answer.
    let content = body::whole(content, SMALLER).await?;
    let [] = query(how.as_deref(), [])?;
    let key = parsed(key)?;
    let dht = api.satellite.dht();
    answer(dht.store_at(key, content, StoreOptions::default()).await)
}

/// `DELETE /dht/{key}`: what this satellite stored.
pub(super) async fn delete(
    State(api): ApiState,
    RawQuery(how): RawQuery,
    key: Named,
) -> Result<Json<Stored>, ApiError> {
    let [] = query(how.as_deref(), [])?;
    let dht = api.satellite.dht();
    answer(dht.delete(parsed(key)?, StoreOptions::default()).await)
}

/// `GET /dht/{key}`: the value, byte for byte.
pub(super) async fn fetch(
    State(api): ApiState,
    key: Named,
    RawQuery(how): RawQuery,
) -> Result<Response, ApiError> {
    let key = parsed(key)?;
    let [open] = query(how.as_deref(), ["open"])?;
    let open = match open.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => return Err(not_understood(&format!("open={other}"))),
    };
    let dht = api.satellite.dht();
    let value = dht.fetch(key, FetchOptions::default()).await;
    let value = value.map_err(ApiError::of)?;
    let content = if open {
        dht.open(&value).await.map_err(ApiError::of)?.content
    } else {
        value.content().clone()
    };
    // It comes from anybody: a browser is not to take it for a page.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, content).into_response())
}

const QUERIES: &str =
    "Use PUT /dht?signed=SALT, PUT /dht?sealed_for=PEER (or both), and GET /dht/KEY?open=1.";

fn not_understood(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        format!("{what:?} is not understood"),
        QUERIES,
    )
}

/// The values of these names in a query, each at most once; any other name is refused.
fn query<const N: usize>(
    text: Option<&str>,
    names: [&str; N],
) -> Result<[Option<String>; N], ApiError> {
    let mut values = [const { None }; N];
    let parts = text.into_iter().flat_map(|text| text.split('&'));
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = percent_decode_str(value).decode_utf8();
        let at = names.iter().position(|known| *known == name);
        match (at.and_then(|at| values.get_mut(at)), value) {
            (Some(place @ None), Ok(value)) => *place = Some(value.into_owned()),
            _ => return Err(not_understood(part)),
        }
    }
    Ok(values)
}

const SMALLER: &str = "Send the value's bytes as the body, within max_item_size.";

fn answer(stored: Result<psfs_core::Stored, DhtError>) -> Result<Json<Stored>, ApiError> {
    let stored = stored.map_err(ApiError::of)?;
    Ok(Json(Stored {
        error: None,
        key: stored.key().to_string(),
        nodes: stored.nodes(),
    }))
}

fn parsed(key: Named) -> Result<Key, ApiError> {
    let Path(text) = key.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            error.to_string(),
            "Use PUT, GET or DELETE /dht/KEY.",
        )
    })?;
    text.parse().map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "the key is malformed: it has 64 hexadecimal digits",
            "PUT /dht answers with the key of what it stored.",
        )
    })
}
