//! The HTTP API of `psfs up`: the seed's four routes, and ours.
//!
//! | route | body | answer |
//! |---|---|---|
//! | `GET /peers` | | `["Qm…", …]`: who is met |
//! | `GET /whois/{peer}` | | `{error, response}` |
//! | `POST /write` | `{type?, destination, namespace, content}` | `{error}` |
//! | `POST /broadcast` | `{type?, namespace, content}` | `{error}` |
//! | `POST /request` (ours) | `{destination, namespace, content, timeout_ms?}` | `{error, replies}` |
//! | `GET /listen/{namespace}` (ours) | | a line `{time_ms, type, peer, namespace, content}` for each packet as it comes |
//! | `PUT /dht` (ours) | the value's bytes | `{error, key, nodes}`: its hash, and how many nodes keep it |
//! | `PUT /dht/{key}` (ours) | the value's bytes | the same; 409 when somebody else has the key |
//! | `GET /dht/{key}` (ours) | | the value's bytes; 404 when no node has it |
//! | `GET /files/{root}` (ours) | | a file that this satellite has, whole or a range of it |
//! | `DELETE /files/{root}` (ours) | | `{error}`; this satellite shares it no more |
//! | `/uploads` (ours) | | see `tus`: a file in as many pieces as it takes, shared at its end |
//!
//! - Every call needs `Authorization: Bearer TOKEN`, and a `Host` that is this machine's address: a web page that a browser was tricked
//!   into aiming here has neither.
//! - `content` is any JSON value: a string goes as its bytes, anything else as its JSON text, as written. `content_base64` (ours) is for
//!   other bytes. `timeout_ms` (ours) is taken by `/write` too.
//! - `error` is null, or a text beside which stand `code` (the library's name of it) and `hint`; the status fits the code.
//! - A reply is a string where it is UTF-8 without control characters, else `{"base64": …}`. With `Accept: application/x-ndjson` replies come one per line as they
//!   arrive, `{"reply": …}`, and a last line `{"error": …}`.
//!
//! One request per connection, [`CONNECTIONS`] at once; headers, bodies and collected replies are bounded. Nothing in here decides
//! anything about packets: it is a translation.

mod body;
mod dht;
mod error;
mod files;
mod guard;
mod listen;
mod routes;
mod state;
mod tus;
mod uploads;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use psfs_core::{PeerId, Satellite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Failure;
pub(crate) use body::BODY_MAX;
pub(crate) use error::ErrorBody;
pub(crate) use listen::Told;
pub(crate) use routes::{Known, Replied};
pub(crate) use state::STREAM;

/// Connections open at once; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// Calls with the right token that are served at once; more wait. Who has none cannot take their places.
const CALLS: usize = 64;
/// Callers of `/listen` at once, who stay.
const LISTENERS: usize = 32;
/// How long a request's headers may take to arrive.
const HEADERS: Duration = Duration::from_secs(5);
/// How long to wait before accepting again when the system has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What the satellite says of itself when asked `whois`.
pub(crate) fn card(peer: &PeerId) -> String {
    let fingerprint = peer.fingerprint();
    let suffix = fingerprint.split_once(':').map_or("", |(_, suffix)| suffix);
    serde_json::json!({ "id": peer.to_string(), "b2048": suffix }).to_string()
}

/// A token nobody guesses: 256 random bits.
pub(crate) fn make_token() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the system has no random numbers: {error}"), ""))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The address at which a listener is reached from this machine.
pub(crate) fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// All routes behind the guard. `bound` is the address listened on; `lifetime` that of broadcasts, when it is not the library's; uploads go into
/// the data folder, if there is one.
pub(crate) fn router(
    satellite: Satellite,
    token: String,
    bound: IpAddr,
    lifetime: Option<Duration>,
    data_dir: Option<&Path>,
) -> Router {
    guard::protect(routes::routes(satellite, lifetime, data_dir), token, bound)
}

/// A listener that serves.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::new(
                format!("the API cannot listen on {address}: the port is in use"),
                "Choose another with --api ADDR (port 0 is any free one), or --api off.",
            ),
            _ => Failure::new(
                format!("the API cannot listen on {address}: {error}"),
                "Choose another address with --api ADDR, or --api off.",
            ),
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped; what is being served then ends with it.
    ///
    /// Not `axum::serve`: that bounds neither the connections nor the time for a header.
    pub(crate) async fn run(self, router: Router) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            while connections.try_join_next().is_some() {}
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the API cannot accept a connection");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(router.clone());
            connections.spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS)
                    // One request per connection: an idle connection cannot hold a place.
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "an API connection ended");
                }
                drop(place);
            });
        }
    }
}

#[cfg(test)]
mod tests;
