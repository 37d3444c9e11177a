//! The one-shot commands' side of the API.

use std::fmt::{self, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use psfs_core::PeerId;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::api::{BODY_MAX, ErrorBody, Known, Replied, STREAM, Told};
use crate::args::{API_DEFAULT, Heard, Reach};
use crate::failure::Failure;
use crate::files;

/// How long a connection to the API may take.
const CONNECT: Duration = Duration::from_secs(5);
/// What the way to the satellite may take on top of what it is given for the thing itself.
const SLACK: Duration = Duration::from_secs(5);
/// Longest answer that is not a stream, and longest line of one that is.
const ANSWER_MAX: usize = 4 * BODY_MAX;

/// Where the API is and what opens it.
#[derive(Debug)]
pub(crate) struct Client {
    address: String,
    token: HeaderValue,
}

impl Client {
    /// From the command line, from a data folder, or from the environment.
    pub(crate) fn find(reach: &Reach) -> Result<Self, Failure> {
        let given = reach.api.as_deref().map(parse_address).transpose()?;
        let folder_variable = || {
            std::env::var_os("PSFS_DATA_DIR")
                .filter(|folder| !folder.is_empty())
                .map(Into::into)
        };
        let token_variable = || {
            std::env::var("PSFS_TOKEN")
                .ok()
                .filter(|token| !token.is_empty())
        };
        let token = match &reach.data_dir {
            Some(_) => None,
            None => reach.token.clone().or_else(token_variable),
        };
        let (address, token) = match (
            token,
            reach.data_dir.clone().or_else(folder_variable),
            given,
        ) {
            (Some(token), _, Some(address)) => (address, token),
            (Some(token), folder, None) => {
                let found = folder.and_then(|folder| files::find_api(&folder).ok());
                (
                    found.map_or_else(|| API_DEFAULT.to_owned(), |(address, _)| address),
                    token,
                )
            }
            (None, Some(folder), Some(address)) => (address, files::find_token(&folder)?),
            (None, Some(folder), None) => files::find_api(&folder)?,
            (None, None, _) => {
                return Err(Failure::usage(
                    "no token for the API of a running satellite is given",
                    "Give its --data-dir or its --token, or -r NAME for a satellite of this command's own.",
                ));
            }
        };
        let mut token = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            Failure::usage(
                "the token holds characters that no token has",
                "Copy it again.",
            )
        })?;
        token.set_sensitive(true);
        Ok(Self { address, token })
    }

    pub(crate) async fn peers(&self, timeout: Duration) -> Result<Vec<Known>, Failure> {
        let within = async {
            let answer = self
                .call(Method::GET, "/peers?state=1", Bytes::new(), None)
                .await?;
            let body = answer.whole().await?;
            serde_json::from_slice(&body).map_err(|_| self.not_ours())
        };
        self.in_time(timeout, within).await
    }

    pub(crate) async fn write(
        &self,
        peer: &PeerId,
        namespace: &str,
        content: &[u8],
        timeout: Duration,
    ) -> Result<(), Failure> {
        let body = json!({
            "destination": peer.to_string(), "namespace": namespace, "content_base64": STANDARD.encode(content), "timeout_ms": millis(timeout),
        });
        self.post("/write", &body, timeout).await
    }

    pub(crate) async fn broadcast(
        &self,
        namespace: &str,
        content: &[u8],
        timeout: Duration,
    ) -> Result<(), Failure> {
        let body = json!({ "namespace": namespace, "content_base64": STANDARD.encode(content) });
        self.post("/broadcast", &body, timeout).await
    }

    /// Shows each reply as it comes.
    pub(crate) async fn request(
        &self,
        peer: &PeerId,
        namespace: &str,
        content: &[u8],
        timeout: Duration,
        show: impl Fn(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let body = json!({
            "destination": peer.to_string(), "namespace": namespace, "content_base64": STANDARD.encode(content), "timeout_ms": millis(timeout),
        });
        let within = async {
            let mut answer = self
                .call(
                    Method::POST,
                    "/request",
                    body.to_string().into(),
                    Some(STREAM),
                )
                .await?;
            while let Some(line) = answer.line().await? {
                match serde_json::from_slice(&line).map_err(|_| self.not_ours())? {
                    Replied::Reply { reply } => {
                        show(&reply.into_bytes().ok_or_else(|| self.not_ours())?)?
                    }
                    Replied::End(end) => {
                        return end.error.clone().map_or(Ok(()), |_| Err(failed(end)));
                    }
                }
            }
            Err(Failure::new(
                "the satellite ended before the last reply",
                "See what it printed.",
            ))
        };
        self.in_time(timeout, within).await
    }

    /// What comes to the satellite in a namespace, until it ends. Once this resolves nothing is missed.
    pub(crate) async fn listen(
        &self,
        namespace: &str,
        only: Option<Heard>,
    ) -> Result<BoxStream<'static, Result<Told, Failure>>, Failure> {
        let only = match only {
            None => "",
            Some(Heard::Message) => "?type=message",
            Some(Heard::Broadcast) => "?type=broadcast",
        };
        let path = format!("/listen/{}{only}", in_path(namespace));
        let answer = self.call(Method::GET, &path, Bytes::new(), None);
        let answer = self.in_time(CONNECT, answer).await?;
        let not_ours = self.not_ours();
        let packets = stream::unfold((answer, not_ours), |(mut answer, not_ours)| async {
            let packet = match answer.line().await {
                Ok(line) => serde_json::from_slice(&line?).map_err(|_| not_ours.clone()),
                Err(failure) => Err(failure),
            };
            Some((packet, (answer, not_ours)))
        });
        Ok(packets.boxed())
    }

    async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let within = async {
            let answer = self
                .call(Method::POST, path, body.to_string().into(), None)
                .await?;
            let body = answer.whole().await?;
            let end: ErrorBody = serde_json::from_slice(&body).map_err(|_| self.not_ours())?;
            end.error.clone().map_or(Ok(()), |_| Err(failed(end)))
        };
        self.in_time(timeout, within).await
    }

    /// The satellite keeps the time itself; this is for one that hangs.
    async fn in_time<T>(
        &self,
        timeout: Duration,
        within: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let after = timeout + SLACK;
        tokio::time::timeout(after, within)
            .await
            .unwrap_or_else(|_| {
                let message = format!(
                    "the API at http://{} did not answer within {} s",
                    self.address,
                    after.as_secs()
                );
                Err(Failure::new(
                    message,
                    "See whether the satellite still runs.",
                ))
            })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        accept: Option<&'static str>,
    ) -> Result<Answer, Failure> {
        let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(&self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => return Err(self.unreachable("no answer")),
        };
        let broken = |error: hyper::Error| self.unreachable(&error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong is seen by whoever waits for the answer.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(AUTHORIZATION, &self.token);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let answer = Answer {
            response,
            rest: Vec::new(),
            _driver: driver,
        };
        if answer.response.status() == StatusCode::OK {
            return Ok(answer);
        }
        let body = answer.whole().await?;
        Err(serde_json::from_slice(&body).map_or_else(|_| self.not_ours(), failed))
    }

    fn unreachable(&self, reason: &str) -> Failure {
        Failure::new(
            format!("cannot reach the API at http://{}: {reason}", self.address),
            "Start psfs up, give --api ADDR of one that runs, or -r NAME for a satellite of this command's own.",
        )
    }

    fn not_ours(&self) -> Failure {
        Failure::new(
            format!(
                "what answers at http://{} is not the API of psfs up",
                self.address
            ),
            "Check --api.",
        )
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

/// An answer that is arriving.
struct Answer {
    response: Response<Incoming>,
    /// Read, and not yet handed out.
    rest: Vec<u8>,
    /// Drives the connection for as long as the answer is wanted.
    _driver: JoinSet<()>,
}

impl Answer {
    async fn whole(mut self) -> Result<Vec<u8>, Failure> {
        while self.more().await? {}
        Ok(self.rest)
    }

    /// The next line without its end; `None` at the end of all.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.rest, rest);
                line.pop();
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    async fn more(&mut self) -> Result<bool, Failure> {
        let cut = |error: hyper::Error| {
            Failure::new(
                format!("the answer of the API broke off: {error}"),
                "See whether the satellite still runs.",
            )
        };
        let Some(frame) = self.response.body_mut().frame().await else {
            return Ok(false);
        };
        if let Some(data) = frame.map_err(cut)?.data_ref() {
            if self.rest.len() + data.len() > ANSWER_MAX {
                return Err(Failure::new(
                    format!("the answer of the API has more than {ANSWER_MAX} bytes"),
                    "",
                ));
            }
            self.rest.extend_from_slice(data);
        }
        Ok(true)
    }
}

fn failed(body: ErrorBody) -> Failure {
    Failure::new(
        body.error.unwrap_or_default(),
        body.hint.unwrap_or_default(),
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// As one segment of a path.
fn in_path(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(byte.into());
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// `IP:PORT`, `localhost:PORT`, `:PORT`, or the URL that `psfs up` prints.
fn parse_address(text: &str) -> Result<String, Failure> {
    let address = text
        .strip_prefix("http://")
        .unwrap_or(text)
        .trim_end_matches('/');
    let address = if address.starts_with(':') {
        format!("127.0.0.1{address}")
    } else {
        address.to_owned()
    };
    let sound = match address.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => port.parse::<u16>().is_ok(),
        _ => address.parse::<std::net::SocketAddr>().is_ok(),
    };
    if sound {
        Ok(address)
    } else {
        Err(Failure::usage(
            format!("--api {text:?} is malformed"),
            "Give IP:PORT, localhost:PORT or :PORT.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_one_segment() {
        assert_eq!(in_path("news"), "news");
        assert_eq!(in_path("a/b ?\u{e4}"), "a%2Fb%20%3F%C3%A4");
    }

    #[test]
    fn addresses_of_the_api() {
        for (given, want) in [
            ("127.0.0.1:3001", "127.0.0.1:3001"),
            (":3001", "127.0.0.1:3001"),
            ("localhost:3001", "localhost:3001"),
            ("http://[::1]:3001/", "[::1]:3001"),
        ] {
            assert_eq!(parse_address(given).unwrap(), want);
        }
        for bad in [
            "",
            ":",
            "3001",
            "localhost",
            "example.com:3001",
            "https://127.0.0.1:1",
            "127.0.0.1:1/peers",
            ":70000",
            "a b:1",
        ] {
            assert!(parse_address(bad).is_err(), "{bad:?}");
        }
    }
}
