//! What a call to the API is told when it did not work.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use psfs_core::Error;
use psfs_core::error::Code;
use serde::{Deserialize, Serialize};

/// The `error` of an answer, with what stands beside it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// What happened; null when all is well. Never left out: that is how a client knows an answer of ours.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) error: Option<String>,
    /// The library's name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// A call that did not work.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// A call that could not have worked.
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, hint: &str) -> Self {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self {
            status,
            body: ErrorBody {
                error: Some(error.into()),
                code: None,
                hint,
            },
        }
    }

    /// What the library says.
    pub(crate) fn of(error: impl Into<Error>) -> Self {
        let error: Error = error.into();
        let mut api = Self::new(status(error.code()), error.message(), error.hint());
        api.body.code = Some(error.code().name().to_owned());
        api
    }

    pub(crate) fn into_body(self) -> ErrorBody {
        self.body
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An answer that could not be put together.
pub(super) fn broken(error: axum::http::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), "")
}

/// 4xx: the call is at fault; 502 to 504: the peer or the network; 500: this satellite.
fn status(code: Code) -> StatusCode {
    match code {
        Code::BadInput
        | Code::BadNamespace
        | Code::BadPeerId
        | Code::BadAddress
        | Code::OwnPeer
        | Code::Utf8 => StatusCode::BAD_REQUEST,
        Code::Refused => StatusCode::FORBIDDEN,
        Code::UnknownPeer | Code::UnknownNamespace | Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Code::Unreachable | Code::Disconnected | Code::HandlerFailed | Code::Protocol => {
            StatusCode::BAD_GATEWAY
        }
        Code::NoPeers | Code::Busy | Code::Closed | Code::Cancelled => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
