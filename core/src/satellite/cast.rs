//! What goes out to everybody: broadcasts, and those that ask.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::request::Asking;
use super::{BroadcastOptions, Inner, Replies, RequestOptions, Satellite};
use crate::config::{ANSWERS_MAX, BROADCAST_MAX};
use crate::error::{RequestError, SendError};
use crate::net::clock;
use crate::net::driver::Command;
use crate::net::gossip::{BroadcastFailure, Waiting};
use crate::net::replies::ReplyQueue;
use crate::proto::cast;
use crate::proto::packet::{Header, PacketType, check_free_namespace};
use crate::proto::session::CAST_BIT;

impl Satellite {
    /// Sends to everybody under the rendezvous, passed on by all, signed, each copy delivered once. Resolves when the first peers
    /// have it. While nobody connected can take it yet, it waits, within its life time.
    ///
    /// # Errors
    /// [`SendError`]: over 60 KiB, nobody connected, nobody took it in its life time, or too many wait.
    pub async fn broadcast(
        &self,
        namespace: &str,
        content: impl Into<Bytes>,
        options: BroadcastOptions,
    ) -> Result<(), SendError> {
        check_free_namespace(namespace)?;
        self.inner
            .broadcast(namespace, content.into(), options, 0)
            .await
    }

    /// A broadcast that its handlers may answer, each directly to this satellite. Ends at the deadline of `replies`, or after its
    /// largest number of replies (at most 1,024).
    ///
    /// # Errors
    /// As [`Satellite::broadcast`].
    pub async fn broadcast_request(
        &self,
        namespace: &str,
        content: impl Into<Bytes>,
        options: BroadcastOptions,
        replies: RequestOptions,
    ) -> Result<Replies, RequestError> {
        check_free_namespace(namespace).map_err(SendError::from)?;
        self.inner.running()?;
        let deadline = clock::after(replies.deadline);
        let id = u64::from_be_bytes(clock::random()) | CAST_BIT;
        let queue = ReplyQueue::new();
        queue.expect_one();
        let asking = Asking::Cast {
            router: Arc::clone(&self.inner.router),
            id,
        };
        let most = replies.max_replies.clamp(1, ANSWERS_MAX);
        self.inner.router.open_cast(id, &queue);
        let stream = Replies::new(
            queue,
            asking,
            Vec::new(),
            most,
            replies.deadline,
            deadline,
            &self.inner,
        );
        self.inner
            .broadcast(namespace, content.into(), options, id)
            .await?;
        Ok(stream)
    }
}

impl Inner {
    /// To a namespace that may be the library's own.
    pub(super) async fn broadcast(
        &self,
        namespace: &str,
        content: Bytes,
        options: BroadcastOptions,
        request_id: u64,
    ) -> Result<(), SendError> {
        self.check_size(content.len(), BROADCAST_MAX, "of a broadcast")?;
        let seconds = options.lifetime.as_secs();
        if seconds == 0 || seconds > 24 * 3600 {
            return Err(SendError::Option {
                option: "lifetime",
                reason: "give 1 s to 24 h".into(),
            });
        }
        let running = self.running()?;
        let header = Header {
            lifespan: i64::try_from(seconds).unwrap_or(i64::MAX),
            epoch: self.epoch,
            sequence: self.cast_sequence.fetch_add(1, Ordering::Relaxed) + 1,
            request_id,
            ..Header::new(PacketType::Broadcast, namespace, clock::now_ms())
        };
        let data = cast::make(
            &self.identity,
            &running.shared.delegated(),
            &self.network_id(),
            &header,
            content,
        );
        let (reply, answer) = oneshot::channel();
        let until = clock::after(options.lifetime);
        let waiting = Waiting {
            data: data.to_vec(),
            until,
            reply,
        };
        running
            .commands
            .send(Command::Broadcast(waiting))
            .await
            .map_err(|_| SendError::Closed)?;
        match answer.await.map_err(|_| SendError::Closed)? {
            Ok(()) => Ok(()),
            // It waited for somebody to take it, which is not to wait for somebody.
            Err(BroadcastFailure::NoPeers)
                if clock::now() >= until && self.router.connected() > 0 =>
            {
                Err(SendError::Untaken(options.lifetime))
            }
            Err(BroadcastFailure::NoPeers) => Err(self.nobody()),
            Err(BroadcastFailure::Busy) => Err(SendError::Busy(crate::config::BROADCAST_QUEUE)),
            Err(BroadcastFailure::TooLarge) => Err(SendError::TooLarge {
                size: data.len(),
                limit: BROADCAST_MAX,
                whose: "of a broadcast",
            }),
        }
    }
}
