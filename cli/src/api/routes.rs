//! What each route does with the satellite.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use psfs_core::{BroadcastOptions, PacketType, Replies, RequestOptions, Satellite, SendOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::LISTENERS;
use super::body::{self, Broadcast, Packet, Reply};
use super::dht;
use super::error::{ApiError, ErrorBody};
use super::files;
use super::listen::listen;
use super::state::{Api, ApiState, STREAM, line};
use super::tus;
use super::uploads::Uploads;
use crate::own;

/// Bytes of replies that are collected into one answer.
const COLLECTED_MAX: usize = 32 << 20;

pub(super) fn routes(
    satellite: Satellite,
    lifetime: Option<Duration>,
    data_dir: Option<&std::path::Path>,
) -> Router {
    let broadcast = BroadcastOptions::default();
    let broadcast = lifetime.map_or(broadcast, |lifetime| broadcast.lifetime(lifetime));
    Router::new()
        .route("/peers", get(peers))
        .route("/whois/{peer}", get(whois))
        .route("/write", post(write))
        .route("/broadcast", post(tell_all))
        .route("/request", post(request))
        .route("/listen/{namespace}", get(listen))
        .route("/dht", put(dht::store))
        .route(
            "/dht/{key}",
            get(dht::fetch).put(dht::store_at).delete(dht::delete),
        )
        .route("/files/{root}", get(files::download).delete(files::remove))
        .route("/uploads", post(tus::begin).options(tus::options))
        .route(
            "/uploads/{id}",
            head(tus::look).patch(tus::send).delete(tus::end),
        )
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "there is no such route", ROUTES))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this route takes another method",
                ROUTES,
            )
        })
        .with_state(Arc::new(Api {
            satellite,
            broadcast,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            uploads: data_dir.map(|folder| Arc::new(Uploads::of(folder))),
        }))
}

const ROUTES: &str = "Routes: GET /peers, GET /peers?state=1, GET /whois/PEER, POST /write, POST /broadcast, POST /request, GET /listen/NAMESPACE, PUT /dht, PUT /dht/KEY, GET /dht/KEY, DELETE /dht/KEY, GET /files/ROOT, DELETE /files/ROOT, POST /uploads.";

/// A peer of `GET /peers?state=1`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Its id.
    pub(crate) id: String,
    /// `connected`: there is a session. `met`: it is known, and there is none.
    pub(crate) state: Cow<'static, str>,
}

/// `GET /peers`: ids alone, as the seed's, or with `?state=1` how each stands.
async fn peers(State(api): ApiState, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let met = own::met(&api.satellite);
    match query.as_deref() {
        None | Some("" | "state=0") => {
            let ids: Vec<String> = met.map(|known| known.peer.to_string()).collect();
            Ok(Json(ids).into_response())
        }
        Some("state=1") => {
            let known = met.map(|known| Known {
                id: known.peer.to_string(),
                state: own::state_name(known.state).into(),
            });
            Ok(Json(known.collect::<Vec<_>>()).into_response())
        }
        Some(other) => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            format!("{other:?} is not understood"),
            "Use GET /peers or GET /peers?state=1.",
        )),
    }
}

/// Answer of `GET /whois/{peer}`.
#[derive(Serialize)]
struct Card {
    error: Option<String>,
    response: Value,
}

/// `GET /whois/{peer}`. Our own id is answered without asking anybody.
async fn whois(
    State(api): ApiState,
    peer: Result<Path<String>, PathRejection>,
) -> Result<Json<Card>, ApiError> {
    let Path(text) = peer.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            error.to_string(),
            "Use GET /whois/PEER.",
        )
    })?;
    let peer = body::peer(&text)?;
    let reply = if peer == api.satellite.peer_id() {
        Bytes::from(super::card(&peer))
    } else {
        let options = RequestOptions::default().max_replies(1);
        let mut replies = api
            .satellite
            .request(&peer, "whois", Bytes::new(), options)
            .await
            .map_err(ApiError::of)?;
        match replies.next().await {
            Some(reply) => reply.map_err(ApiError::of)?.content().clone(),
            None => Bytes::from_static(b"null"),
        }
    };
    let response =
        serde_json::from_slice(&reply).unwrap_or_else(|_| String::from_utf8_lossy(&reply).into());
    Ok(Json(Card {
        error: None,
        response,
    }))
}

/// `POST /write`: done when the peer's satellite has the message.
async fn write(State(api): ApiState, body: Body) -> Result<Json<ErrorBody>, ApiError> {
    let packet: Packet = body::read(body).await?;
    packet.expect(PacketType::Message)?;
    let peer = packet.destination()?;
    let mut options = SendOptions::default().confirmed(true);
    if let Some(timeout) = packet.timeout()? {
        options = options.timeout(timeout);
    }
    let namespace = packet.namespace.clone();
    api.satellite
        .send(&peer, &namespace, packet.into_content()?, options)
        .await
        .map_err(ApiError::of)?;
    Ok(Json(ErrorBody::default()))
}

/// `POST /broadcast`.
async fn tell_all(State(api): ApiState, body: Body) -> Result<Json<ErrorBody>, ApiError> {
    let packet: Broadcast = body::read(body).await?;
    packet.expect(PacketType::Broadcast)?;
    let namespace = packet.namespace.clone();
    api.satellite
        .broadcast(&namespace, packet.into_content()?, api.broadcast)
        .await
        .map_err(ApiError::of)?;
    Ok(Json(ErrorBody::default()))
}

/// Answer of `POST /request`.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    error: ErrorBody,
    replies: Vec<Reply>,
}

/// `POST /request`.
async fn request(
    State(api): ApiState,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let packet: Packet = body::read(body).await?;
    packet.expect(PacketType::Request)?;
    let peer = packet.destination()?;
    let mut options = RequestOptions::default();
    if let Some(timeout) = packet.timeout()? {
        options = options.deadline(timeout);
    }
    let namespace = packet.namespace.clone();
    let replies = api
        .satellite
        .request(&peer, &namespace, packet.into_content()?, options)
        .await
        .map_err(ApiError::of)?;
    let streamed = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.as_bytes().starts_with(STREAM.as_bytes()));
    Ok(if streamed {
        stream_of(replies)
    } else {
        collect(replies).await
    })
}

/// All replies at once. What came before an error is not withheld.
async fn collect(mut replies: Replies) -> Response {
    let mut answer = Answer {
        error: ErrorBody::default(),
        replies: Vec::new(),
    };
    let mut status = StatusCode::OK;
    let mut bytes = 0;
    while let Some(reply) = replies.next().await {
        let failed = match reply {
            Ok(reply) if bytes + reply.content().len() > COLLECTED_MAX => ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the replies have more than {COLLECTED_MAX} bytes"),
                "Take them one by one, with the header Accept: application/x-ndjson.",
            ),
            Ok(reply) => {
                bytes += reply.content().len() + REPLY_COST;
                answer.replies.push(Reply::new(reply.content()));
                continue;
            }
            Err(error) => ApiError::of(error),
        };
        status = failed.status();
        answer.error = failed.into_body();
        break;
    }
    (status, Json(answer)).into_response()
}

/// What a reply costs beside its content: many empty ones are bounded as well.
const REPLY_COST: usize = 64;

/// A line of streamed replies.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Replied {
    /// One more.
    Reply {
        /// It.
        reply: Reply,
    },
    /// The last line.
    End(ErrorBody),
}

/// One line for each reply as it comes. A client that goes away drops the stream, which cancels the request.
fn stream_of(replies: Replies) -> Response {
    let lines = stream::unfold(Some(replies), |replies| async {
        let mut replies = replies?;
        Some(match replies.next().await {
            Some(Ok(reply)) => (
                line(&Replied::Reply {
                    reply: Reply::new(reply.content()),
                }),
                Some(replies),
            ),
            Some(Err(error)) => (line(&Replied::End(ApiError::of(error).into_body())), None),
            None => (line(&Replied::End(ErrorBody::default())), None),
        })
    });
    ([(header::CONTENT_TYPE, STREAM)], Body::from_stream(lines)).into_response()
}
