//! Bodies: JSON read within bounds, contents and replies between JSON and bytes.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use psfs_core::{PacketType, PeerId};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::ApiError;

/// Largest body, in bytes: a content at the library's default limit of 16 MiB in base64, and what stands around it.
pub(crate) const BODY_MAX: usize = 24 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Longest time that can be asked for, in ms.
const TIMEOUT_MAX: u64 = 24 * 60 * 60 * 1000;

/// What a body of JSON that is not understood should have been.
const OBJECT: &str = "Send a JSON object with the fields the route takes.";

/// Reads a whole body as JSON, whatever its content type says.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = whole(body, OBJECT).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is not understood: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, message, OBJECT)
    })
}

/// Reads a whole body. `hint` says what it should be, to who sent one that cannot be read.
pub(super) async fn whole(body: Body, hint: &str) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body has more than {BODY_MAX} bytes");
            Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                message,
                "Send less at once.",
            ))
        }
        Ok(Err(error)) => {
            let message = format!("the body cannot be read: {error}");
            Err(ApiError::new(StatusCode::BAD_REQUEST, message, hint))
        }
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                message,
                "Send it faster.",
            ))
        }
    }
}

/// Body of `/write` and `/request`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Packet {
    #[serde(rename = "type", default)]
    packet_type: Option<Kind>,
    destination: String,
    pub(super) namespace: String,
    #[serde(default, deserialize_with = "present")]
    content: Option<Box<RawValue>>,
    #[serde(default)]
    content_base64: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// Body of `/broadcast`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    #[serde(rename = "type", default)]
    packet_type: Option<Kind>,
    pub(super) namespace: String,
    #[serde(default, deserialize_with = "present")]
    content: Option<Box<RawValue>>,
    #[serde(default)]
    content_base64: Option<String>,
}

/// A packet type by its number or its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    Number(i64),
    Name(String),
}

/// `null` is a content like any other, and not the same as none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Packet {
    pub(super) fn destination(&self) -> Result<PeerId, ApiError> {
        peer(&self.destination)
    }

    pub(super) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        match self.timeout_ms {
            Some(ms) if !(1..=TIMEOUT_MAX).contains(&ms) => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                format!("timeout_ms is {ms}: give 1 to {TIMEOUT_MAX}"),
                "Leave it out for the default.",
            )),
            ms => Ok(ms.map(Duration::from_millis)),
        }
    }

    pub(super) fn into_content(self) -> Result<Bytes, ApiError> {
        content(self.content.as_deref(), self.content_base64.as_deref())
    }

    pub(super) fn expect(&self, wanted: PacketType) -> Result<(), ApiError> {
        expect(self.packet_type.as_ref(), wanted)
    }
}

impl Broadcast {
    pub(super) fn into_content(self) -> Result<Bytes, ApiError> {
        content(self.content.as_deref(), self.content_base64.as_deref())
    }

    pub(super) fn expect(&self, wanted: PacketType) -> Result<(), ApiError> {
        expect(self.packet_type.as_ref(), wanted)
    }
}

pub(super) fn peer(text: &str) -> Result<PeerId, ApiError> {
    text.parse::<PeerId>().map_err(ApiError::of)
}

fn content(json: Option<&RawValue>, base64: Option<&str>) -> Result<Bytes, ApiError> {
    let bad = |error: String, hint| Err(ApiError::new(StatusCode::BAD_REQUEST, error, hint));
    match (json, base64) {
        (Some(_), Some(_)) => bad(
            "there are both content and content_base64".into(),
            "Send one of them.",
        ),
        (None, None) => Ok(Bytes::new()),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => bad(
                format!("content_base64 is malformed: {error}"),
                "Use standard base64 with padding.",
            ),
        },
        (Some(value), None) if value.get().starts_with('"') => {
            match serde_json::from_str::<String>(value.get()) {
                Ok(text) => Ok(text.into()),
                Err(error) => bad(
                    format!("content is malformed: {error}"),
                    "Use content_base64 for what is not text.",
                ),
            }
        }
        (Some(value), None) => Ok(value.get().to_owned().into()),
    }
}

/// Refuses a type that the route does not send, rather than sending another one than was asked for.
fn expect(given: Option<&Kind>, wanted: PacketType) -> Result<(), ApiError> {
    let wanted_name = wanted.to_string();
    let (fits, given) = match given {
        None => return Ok(()),
        Some(Kind::Number(number)) => (*number == wanted as i64, number.to_string()),
        Some(Kind::Name(name)) => (name.eq_ignore_ascii_case(&wanted_name), format!("{name:?}")),
    };
    if fits {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        format!(
            "type is {given}, and this route sends {wanted_name} ({})",
            wanted as i64
        ),
        "POST /write sends messages, /request requests, /broadcast broadcasts; type may be left out.",
    ))
}

/// A reply as JSON.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reply {
    /// UTF-8 without control characters but line ends and tabs.
    Text(String),
    /// Anything else.
    Bytes {
        /// Standard, with padding.
        base64: String,
    },
}

impl Reply {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        // As JSON such a character has six times its length; as base64 nothing has more than a third more.
        let unfit = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(unfit) => Self::Text(text.to_owned()),
            _ => Self::Bytes {
                base64: STANDARD.encode(bytes),
            },
        }
    }

    /// The bytes again, unless somebody made the base64 up.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Bytes { base64 } => STANDARD.decode(base64).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<Packet, serde_json::Error> {
        serde_json::from_str(json)
    }

    fn content_of(field: &str) -> Result<Bytes, StatusCode> {
        let packet = parsed(&format!(r#"{{"destination":"x","namespace":"n"{field}}}"#)).unwrap();
        packet.into_content().map_err(|error| error.status())
    }

    #[test]
    fn strings_go_as_bytes_and_the_rest_as_its_text() {
        assert_eq!(content_of("").unwrap(), "");
        assert_eq!(
            content_of(r#","content":"h\u00e9 \"x\"""#).unwrap(),
            "hé \"x\""
        );
        for text in [
            "null",
            "1.0",
            "true",
            r#"{"b": 1,  "a":[2]}"#,
            "[]",
            "123456789012345678901234567890",
        ] {
            assert_eq!(
                content_of(&format!(r#","content":{text}"#)).unwrap(),
                text.as_bytes()
            );
        }
        assert_eq!(
            content_of(r#","content_base64":"/wA=""#).unwrap(),
            b"\xff\0"[..]
        );
    }

    #[test]
    fn contents_that_cannot_be_meant_are_refused() {
        for field in [
            r#","content_base64":"/wA""#,
            r#","content_base64":"*""#,
            r#","content":"a","content_base64":"YQ==""#,
            r#","content":"\ud800""#,
        ] {
            assert_eq!(content_of(field), Err(StatusCode::BAD_REQUEST), "{field}");
        }
    }

    #[test]
    fn unknown_and_doubled_fields_are_refused() {
        assert!(parsed(r#"{"destination":"x","namespace":"n","contnet":"c"}"#).is_err());
        assert!(parsed(r#"{"destination":"x","namespace":"n","namespace":"m"}"#).is_err());
        assert!(parsed(r#"{"namespace":"n"}"#).is_err());
        assert!(parsed(r#"{"destination":"x","namespace":"n","timeout_ms":-1}"#).is_err());
    }

    #[test]
    fn types_by_number_or_name() {
        let with = |kind: &str| {
            parsed(&format!(
                r#"{{"type":{kind},"destination":"x","namespace":"n"}}"#
            ))
            .unwrap()
            .expect(PacketType::Message)
        };
        for good in ["1", r#""MESSAGE""#, r#""message""#, "null"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in ["0", "2", "-1", "257", r#""REQUEST""#, r#""1""#] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_bounds() {
        let with = |ms: u64| {
            parsed(&format!(
                r#"{{"destination":"x","namespace":"n","timeout_ms":{ms}}}"#
            ))
            .unwrap()
            .timeout()
        };
        assert_eq!(with(1).unwrap(), Some(Duration::from_millis(1)));
        assert!(with(0).is_err() && with(TIMEOUT_MAX + 1).is_err() && with(u64::MAX).is_err());
    }

    #[test]
    fn replies_come_back_as_they_were() {
        for bytes in [&b""[..], b"text", b"{\"base64\":\"x\"}", b"\xff\xfe\0"] {
            let json = serde_json::to_string(&Reply::new(bytes)).unwrap();
            let back: Reply = serde_json::from_str(&json).unwrap();
            assert_eq!(back.into_bytes().unwrap(), bytes);
        }
    }
}
