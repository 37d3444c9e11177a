//! `/dht`: values stored and fetched for whoever calls, who need not be a satellite.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use psfs_core::{DhtError, FetchOptions, Key, StoreOptions};
use serde::Serialize;

use super::body;
use super::error::ApiError;
use super::routes::Api;

type Shared = State<Arc<Api>>;
type Named = Result<Path<String>, PathRejection>;

/// Answer of a `PUT` that worked.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    error: Option<String>,
    key: String,
    /// How many nodes keep it.
    nodes: usize,
}

/// `PUT /dht`: under the hash of the body.
pub(super) async fn store(State(api): Shared, content: Body) -> Result<Json<Stored>, ApiError> {
    let content = body::whole(content, SMALLER).await?;
    answer(
        api.satellite
            .dht()
            .store(content, StoreOptions::default())
            .await,
    )
}

/// `PUT /dht/{key}`: under a key of the caller's choice.
pub(super) async fn store_at(
    State(api): Shared,
    key: Named,
    content: Body,
) -> Result<Json<Stored>, ApiError> {
    // Read first: who is still sending would not hear the answer.
    let content = body::whole(content, SMALLER).await?;
    let key = parsed(key)?;
    let dht = api.satellite.dht();
    answer(dht.store_at(key, content, StoreOptions::default()).await)
}

/// `GET /dht/{key}`: the value, byte for byte.
pub(super) async fn fetch(State(api): Shared, key: Named) -> Result<Response, ApiError> {
    let dht = api.satellite.dht();
    let value = dht.fetch(parsed(key)?, FetchOptions::default()).await;
    let value = value.map_err(ApiError::of)?;
    // It comes from anybody: a browser is not to take it for a page.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, value.content().clone()).into_response())
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
            "Use PUT or GET /dht/KEY.",
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
