//! `GET /listen/{namespace}`: what comes to the satellite in a namespace, a line of JSON each, for as long as the caller stays.
//!
//! Nothing is kept for callers here: what waits for a slow one waits in the library's queue of a subscription. Broadcasts that find no room
//! there are dropped, and told as `lagged`; messages hold up those who send them, as with any handler that is slow.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use psfs_core::Event;
use serde::{Deserialize, Serialize};

use super::LISTENERS;
use super::body::Reply;
use super::error::ApiError;
use super::state::{ApiState, STREAM, line};
use crate::args::Heard;
use crate::own::subscribe;

/// A packet that came in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// When it was made, by its author's clock, in ms since 1970.
    pub(crate) time_ms: u64,
    /// `MESSAGE` or `BROADCAST`.
    #[serde(rename = "type")]
    pub(crate) packet_type: Cow<'static, str>,
    pub(crate) peer: String,
    pub(crate) namespace: String,
    pub(crate) content: Reply,
}

impl Told {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            time_ms: event.timestamp_ms(),
            packet_type: event.packet_type().name().into(),
            peer: event.peer().to_string(),
            namespace: event.namespace().to_owned(),
            content: Reply::new(event.content()),
        }
    }
}

/// A caller that goes away drops the stream, which ends the subscription.
pub(super) async fn listen(
    State(api): ApiState,
    namespace: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let bad = |text: String| ApiError::new(StatusCode::BAD_REQUEST, text, USE);
    let Path(namespace) = namespace.map_err(|error| bad(error.to_string()))?;
    let only = match query.as_deref() {
        None | Some("") => None,
        Some("type=message") => Some(Heard::Message),
        Some("type=broadcast") => Some(Heard::Broadcast),
        Some(other) => return Err(bad(format!("{other:?} is not understood"))),
    };
    let place = Arc::clone(&api.listeners)
        .try_acquire_owned()
        .map_err(|_| {
            let text = format!("{LISTENERS} callers listen already");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text, "End one of them.")
        })?;
    let events = subscribe(&api.satellite, &namespace, only).map_err(ApiError::of)?;
    let lines = events.map(move |event| {
        let _held = &place;
        line(&Told::of(&event))
    });
    Ok(([(header::CONTENT_TYPE, STREAM)], Body::from_stream(lines)).into_response())
}

const USE: &str =
    "Use GET /listen/NAMESPACE, with ?type=message or ?type=broadcast for one of both.";
