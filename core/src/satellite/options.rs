//! What a call may be told beside its arguments. Every field has a default; the structs grow only by builder methods.

use std::time::Duration;

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions {
    pub(crate) confirmed: bool,
    pub(crate) timeout: Duration,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            confirmed: false,
            timeout: Duration::from_secs(30),
        }
    }
}

impl SendOptions {
    /// Wait until the peer's satellite has taken the message in. Default: until it is accepted within credit here.
    #[must_use]
    pub fn confirmed(mut self, confirmed: bool) -> Self {
        self.confirmed = confirmed;
        self
    }

    /// How long credit, a connection or the confirmation is waited for. Default 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// How a request or a seek is asked.
#[derive(Clone, Copy, Debug)]
pub struct RequestOptions {
    pub(crate) deadline: Duration,
    pub(crate) max_replies: usize,
    pub(crate) window: Option<usize>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            max_replies: usize::MAX,
            window: None,
        }
    }
}

impl RequestOptions {
    /// When all replies must be there. Default 30 s. For a seek it is the good end: who has not answered by then is left out.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// After so many replies the request is cancelled and ends well. Default: no limit (a seek: 1024).
    #[must_use]
    pub fn max_replies(mut self, replies: usize) -> Self {
        self.max_replies = replies;
        self
    }

    /// Bytes of replies on the way before the answering side must wait. Default: the satellite's `reply_window`.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = Some(bytes);
        self
    }
}

/// How a broadcast spreads.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastOptions {
    pub(crate) lifetime: Duration,
}

impl Default for BroadcastOptions {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(30),
        }
    }
}

impl BroadcastOptions {
    /// How long it may be passed on for. Default 30 s; 1 s to 24 h.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }
}
