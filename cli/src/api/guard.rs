//! Who may call at all. Checked before a body is looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::CALLS;
use super::body::BODY_MAX;
use super::error::ApiError;

/// How long the body of a refused call is read to its end.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Guard {
    token: String,
    bound: IpAddr,
    calls: Semaphore,
}

/// Lets only calls through that name this machine as their host and bring the token.
pub(super) fn protect(routes: Router, token: String, bound: IpAddr) -> Router {
    let calls = Semaphore::new(CALLS);
    let guard = Guard {
        token,
        bound,
        calls,
    };
    routes.layer(from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.admit(request.headers(), request.uri()) {
        Ok(()) => {
            // Until there is an answer, or its first line: what is still to come of one is small.
            let _place = guard.calls.acquire().await;
            next.run(request).await
        }
        Err(refusal) => {
            // Closing on a client that is still sending would take the answer away from it.
            let _ = tokio::time::timeout(DRAIN, drain(request.into_body())).await;
            refusal.into_response()
        }
    }
}

async fn drain(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read > BODY_MAX {
            return;
        }
    }
}

impl Guard {
    fn admit(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        self.check_host(headers, uri)?;
        self.check_token(headers)
    }

    /// A page on the web can make a browser call us under its own host name (DNS rebinding), but not under our address.
    fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let named = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().is_ok_and(|host| self.is_ours(host)),
            _ => false,
        };
        // A request line with a whole URI counts as a host too.
        let addressed = uri
            .authority()
            .is_none_or(|authority| self.is_ours(authority.as_str()));
        if named && addressed {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the Host header names neither localhost nor the address the API listens on",
            "Call it by its IP address or as localhost.",
        ))
    }

    fn is_ours(&self, authority: &str) -> bool {
        let host = match authority.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, port)) if is_port(port) => host,
                _ => return false,
            },
            None => match authority.split_once(':') {
                Some((host, port)) if is_port(&format!(":{port}")) => host,
                Some(_) => return false,
                None => authority,
            },
        };
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        // A number cannot be rebound, so one that listens everywhere may be called by any.
        host.parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == self.bound || self.bound.is_unspecified())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let refuse = |error: &str| {
            let hint = "Send the header Authorization: Bearer TOKEN, with the token that psfs up printed or wrote to api.token.";
            Err(ApiError::new(StatusCode::UNAUTHORIZED, error, hint))
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else {
            return refuse("the call brings no token");
        };
        let token = given
            .as_bytes()
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        match token {
            Some((_, token)) if same(token.trim_ascii(), self.token.as_bytes()) => Ok(()),
            Some(_) => refuse("the token is wrong"),
            None => refuse("the call brings no token"),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(bound: &str) -> Guard {
        Guard {
            token: "secret".into(),
            bound: bound.parse().unwrap(),
            calls: Semaphore::new(1),
        }
    }

    #[test]
    fn only_hosts_of_this_machine_pass() {
        let loopback = guard("127.0.0.1");
        for host in [
            "localhost",
            "LocalHost:3001",
            "127.0.0.1:3001",
            "127.0.0.1",
            "[::1]:3001",
            "127.9.9.9:80",
        ] {
            assert!(loopback.is_ours(host), "{host}");
        }
        let foreign = [
            "",
            "evil.example",
            "evil.example:3001",
            "localhost.evil.example",
            "127.0.0.1.evil.example:3001",
            "192.0.2.7:3001",
            "0.0.0.0:3001",
            "[::1",
            "::1",
            "[::1]evil.example",
            "localhost:port",
            "localhost:99999",
            "user@localhost",
            "localhost:1:2",
            "127.1",
            "2130706433",
        ];
        for host in foreign {
            assert!(!loopback.is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_listener_elsewhere_is_called_by_its_number() {
        let one = guard("192.0.2.7");
        assert!(one.is_ours("192.0.2.7:3001") && !one.is_ours("192.0.2.8:3001"));
        let every = guard("0.0.0.0");
        assert!(every.is_ours("192.0.2.8:3001") && !every.is_ours("evil.example:3001"));
    }

    #[test]
    fn headers_must_be_there_once() {
        let guard = guard("127.0.0.1");
        let uri = Uri::from_static("/peers");
        let mut headers = HeaderMap::new();
        let status = |headers: &HeaderMap, uri: &Uri| {
            guard.admit(headers, uri).map_err(|error| error.status())
        };
        assert_eq!(status(&headers, &uri), Err(StatusCode::FORBIDDEN));
        headers.insert(header::HOST, "localhost".parse().unwrap());
        assert_eq!(status(&headers, &uri), Err(StatusCode::UNAUTHORIZED));
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secret2",
            "Bearer Secret",
            "Basic secret",
            "secret",
            "bearersecret",
        ] {
            headers.insert(header::AUTHORIZATION, wrong.parse().unwrap());
            assert_eq!(
                status(&headers, &uri),
                Err(StatusCode::UNAUTHORIZED),
                "{wrong}"
            );
        }
        headers.insert(header::AUTHORIZATION, "bearer secret".parse().unwrap());
        assert_eq!(status(&headers, &uri), Ok(()));
        assert_eq!(
            status(&headers, &Uri::from_static("http://evil.example/peers")),
            Err(StatusCode::FORBIDDEN)
        );
        assert_eq!(
            status(&headers, &Uri::from_static("http://localhost:1/peers")),
            Ok(())
        );
        headers.append(header::AUTHORIZATION, "Bearer other".parse().unwrap());
        assert_eq!(status(&headers, &uri), Err(StatusCode::UNAUTHORIZED));
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert_eq!(status(&headers, &uri), Err(StatusCode::FORBIDDEN));
    }
}
