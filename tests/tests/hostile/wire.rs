//! The messages of the packet protocol, written down a second time from the wire's description: a test that used the library's own would
//! not see what they get wrong.

use bytes::Bytes;
use prost::Message;

pub(crate) const EVERY: i32 = 0;
pub(crate) const RSA: i32 = 1;
pub(crate) const LAZY: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Frame {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub(crate) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Kind {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Auth(Auth),
    #[prost(message, tag = "3")]
    Batch(Batch),
    #[prost(message, tag = "4")]
    Cancel(Cancel),
    #[prost(message, tag = "5")]
    Credit(Credit),
    #[prost(message, tag = "6")]
    Ack(Ack),
    #[prost(message, tag = "7")]
    Resume(Resume),
    #[prost(message, tag = "8")]
    Bye(Bye),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Hello {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) versions: Vec<u32>,
    #[prost(int32, tag = "2")]
    pub(crate) policy: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) nonce: Bytes,
    #[prost(uint64, tag = "4")]
    pub(crate) clock: u64,
    #[prost(message, optional, tag = "5")]
    pub(crate) limits: Option<Limits>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) delegation: Option<Bytes>,
    #[prost(uint64, tag = "7")]
    pub(crate) epoch: u64,
    #[prost(bytes = "bytes", tag = "8")]
    pub(crate) network: Bytes,
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) key: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Limits {
    #[prost(uint64, tag = "1")]
    pub(crate) content: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) window: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) requests: u32,
    #[prost(uint64, tag = "4")]
    pub(crate) reply_window: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Auth {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) signature: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) membership: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Batch {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) packets: Vec<Bytes>,
    #[prost(uint64, tag = "2")]
    pub(crate) first_sequence: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) signature: Bytes,
    #[prost(bool, tag = "4")]
    pub(crate) confirm: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Cancel {
    #[prost(uint64, tag = "1")]
    pub(crate) request_id: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Credit {
    #[prost(uint64, tag = "1")]
    pub(crate) request_id: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Ack {
    #[prost(uint64, tag = "1")]
    pub(crate) received_up_to: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resume {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) session: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Bye {
    #[prost(sint32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Packet {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) namespace: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) content: Bytes,
    #[prost(int64, tag = "4")]
    pub(crate) timestamp: i64,
    #[prost(int64, tag = "5")]
    pub(crate) lifespan: i64,
    #[prost(uint64, tag = "16")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "17")]
    pub(crate) sequence: u64,
    #[prost(uint64, tag = "18")]
    pub(crate) request_id: u64,
    #[prost(uint32, tag = "19")]
    pub(crate) part: u32,
    #[prost(uint32, tag = "20")]
    pub(crate) parts: u32,
    #[prost(sint32, tag = "21")]
    pub(crate) status: i32,
}

pub(crate) const MESSAGE: i32 = 1;
pub(crate) const BROADCAST: i32 = 2;
pub(crate) const REQUEST: i32 = 4;
pub(crate) const RESPONSE: i32 = 5;
pub(crate) const END_RESPONSE: i32 = 6;

impl Packet {
    pub(crate) fn new(kind: i32, namespace: &str, content: impl Into<Bytes>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            content: content.into(),
            ..Self::default()
        }
    }

    pub(crate) fn request(namespace: &str, request_id: u64) -> Self {
        Self {
            request_id,
            ..Self::new(REQUEST, namespace, "")
        }
    }
}

/// What a Credit frame for the window of requests has in place of a request id.
pub(crate) const REQUESTS: u64 = 1 << 63;
