//! What goes out to peers: messages, requests, seeks, and the sessions they need.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::request::{Asking, Open};
use super::{Inner, Replies, RequestOptions, Running, Satellite, SendOptions};
use crate::config::ANSWERS_MAX;
use crate::error::{RequestError, SendError};
use crate::identity::PeerId;
use crate::net::driver::{Command, ReachFailure};
use crate::net::link::{Ended, is_large};
use crate::net::replies::ReplyQueue;
use crate::net::{Link, clock};
use crate::proto::packet::{self, Header, PacketType, check_free_namespace};
use crate::proto::parts;

impl Satellite {
    /// Sends a message to one peer. Resolves when it is accepted within the peer's credit, or with
    /// [`SendOptions::confirmed`] when the peer's satellite has taken it in. A peer that was met but is not connected is connected first.
    ///
    /// Messages to one peer arrive in the order they were accepted in. Dropping the future before it resolves leaves open whether
    /// the message is sent.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(
        &self,
        peer: &PeerId,
        namespace: &str,
        content: impl Into<Bytes>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let content = content.into();
        check_free_namespace(namespace)?;
        self.inner.check_size(
            content.len(),
            self.inner.config.content_limit,
            "this satellite's",
        )?;
        let header = Header::new(PacketType::Message, namespace, clock::now_ms());
        // The way of nearly every message: there is a session, there is credit, and nothing has to be waited for.
        if !options.confirmed
            && !is_large(&content)
            && let Some(link) = self.inner.router.link(peer)
        {
            self.inner.check_peer_size(content.len(), &link)?;
            let Err(packet) = link.try_push(packet::encode(&header, content.clone()), false) else {
                return Ok(());
            };
            let push = async {
                link.push(packet, false, None)
                    .await
                    .map_err(|_| self.inner.gone(peer))
            };
            return self.inner.within(options.timeout, push).await?;
        }
        let inner = &self.inner;
        let begun = AtomicBool::new(false);
        let sending = inner.send_slowly(peer, &header, content, options.confirmed, &begun);
        let sent = inner.until(options.timeout, sending).await;
        sent.unwrap_or_else(|| {
            Err(if begun.load(Ordering::Relaxed) {
                SendError::Unconfirmed(options.timeout)
            } else {
                inner.late(peer, options.timeout)
            })
        })
    }

    /// Asks one peer. The replies come as a stream that ends with the peer's end of the request, an error, or the deadline.
    /// Requests run side by side; each costs one round trip.
    ///
    /// # Errors
    /// [`RequestError::Send`] when it cannot be sent; what goes wrong later comes out of the stream.
    pub async fn request(
        &self,
        peer: &PeerId,
        namespace: &str,
        content: impl Into<Bytes>,
        options: RequestOptions,
    ) -> Result<Replies, RequestError> {
        check_free_namespace(namespace).map_err(SendError::from)?;
        self.inner
            .request(peer, true, namespace, content.into(), options)
            .await
    }

    /// Asks every connected peer, and gives what any of them answers until all have ended or the deadline is there.
    ///
    /// # Errors
    /// [`RequestError::Send`]: [`SendError::NoPeers`] when nobody is connected.
    pub fn seek(
        &self,
        namespace: &str,
        content: impl Into<Bytes>,
        options: RequestOptions,
    ) -> Result<Replies, RequestError> {
        let content = content.into();
        check_free_namespace(namespace).map_err(SendError::from)?;
        self.inner.check_size(
            content.len(),
            self.inner.config.content_limit,
            "this satellite's",
        )?;
        let extra = self.inner.extra_window(options.window)?;
        let running = self.inner.running()?;
        let deadline = clock::after(options.deadline);
        let links = self.inner.router.links();
        if links.is_empty() {
            return Err(self.inner.nobody().into());
        }
        let queue = ReplyQueue::new();
        let mut open = Vec::with_capacity(links.len());
        for link in links {
            let Some(slot) = link.try_slot() else {
                self.inner.counters.seeks_dropped.add(1);
                continue;
            };
            let window = self.inner.config.reply_window as u64;
            let Ok(request_id) = link.open_request(&queue, window, extra) else {
                continue;
            };
            let header = Header {
                request_id,
                ..Header::new(PacketType::Seek, namespace, clock::now_ms())
            };
            let sending = running.push_detached(&link, &header, content.clone(), extra);
            open.push(Open {
                link,
                request_id,
                slot: Some(slot),
                _sending: sending,
            });
        }
        let most = options.max_replies.clamp(1, ANSWERS_MAX);
        Ok(Replies::new(
            queue,
            Asking::Many,
            open,
            most,
            options.deadline,
            deadline,
            &self.inner,
        ))
    }
}

impl Inner {
    /// [`Satellite::request`] to a namespace that may be the library's own. Not pinned: the session is wanted for this only.
    pub(super) async fn request(
        self: &Arc<Self>,
        peer: &PeerId,
        pin: bool,
        namespace: &str,
        content: Bytes,
        options: RequestOptions,
    ) -> Result<Replies, RequestError> {
        self.check_size(content.len(), self.config.content_limit, "this satellite's")?;
        let extra = self.extra_window(options.window)?;
        let running = self.running()?;
        let deadline = clock::after(options.deadline);
        let mut replies = None;
        let mut full = None;
        let ask = async {
            let link = self.reach_as(peer, pin).await?;
            self.check_peer_size(content.len(), &link)?;
            let slot = match link.try_slot() {
                Some(slot) => slot,
                None => {
                    full = Some(link.limits.requests);
                    link.slot().await.map_err(|_| self.gone(peer))?
                }
            };
            full = None;
            let queue = ReplyQueue::new();
            let window = self.config.reply_window as u64;
            let request_id = link
                .open_request(&queue, window, extra)
                .map_err(|_| self.gone(peer))?;
            // From here on dropping it cancels the request.
            replies = Some((
                queue,
                Open {
                    link: Arc::clone(&link),
                    request_id,
                    slot: Some(slot),
                    _sending: None,
                },
            ));
            let header = Header {
                request_id,
                ..Header::new(PacketType::Request, namespace, clock::now_ms())
            };
            let large = is_large(&content);
            running
                .push(&link, &header, content, true, None, || {})
                .await
                .map_err(|_| self.gone(peer))?;
            link.grant_extra(request_id, extra, large);
            Ok(())
        };
        let sent = self.until(options.deadline, ask).await;
        let asking = Asking::Peer {
            peer: *peer,
            namespace: namespace.into(),
        };
        let replies = replies.map(|(queue, open)| {
            Replies::new(
                queue,
                asking,
                vec![open],
                options.max_replies.max(1),
                options.deadline,
                deadline,
                self,
            )
        });
        sent.unwrap_or_else(|| {
            Err(match full {
                Some(requests) => RequestError::Busy {
                    peer: *peer,
                    requests,
                    after: options.deadline,
                },
                None => self.late(peer, options.deadline).into(),
            })
        })?;
        replies.ok_or(RequestError::Send(SendError::Disconnected(*peer)))
    }
}

impl Running {
    pub(super) fn sleep(&self, duration: Duration) -> Pin<Box<Sleep>> {
        self.sleep_until(clock::after(duration))
    }

    pub(super) fn sleep_until(&self, until: Instant) -> Pin<Box<Sleep>> {
        // A timer belongs to the runtime it is made in: ours, wherever the caller polls from.
        let _ours = self.handle.enter();
        Box::pin(tokio::time::sleep_until(until.into()))
    }

    /// Puts a packet, whole or in parts, onto a link. Parts go on by themselves once begun: half a content helps nobody. Until then
    /// the caller waits, and holds what it wants to send. `begun` is called when it can no longer be taken back.
    async fn push(
        &self,
        link: &Arc<Link>,
        header: &Header<'_>,
        content: Bytes,
        urgent: bool,
        confirm: Option<oneshot::Sender<()>>,
        begun: impl FnOnce(),
    ) -> Result<(), Ended> {
        if !is_large(&content) {
            let packet = packet::encode(header, content);
            if confirm.is_some() {
                link.push(packet, urgent, confirm).await?;
                begun();
                return Ok(());
            }
            return match link.try_push(packet, urgent) {
                Ok(()) => Ok(()),
                Err(packet) => link.push(packet, urgent, None).await,
            };
        }
        let turn = link.large_turn(urgent).await;
        let parts = parts::encode(*header, content).collect::<Vec<_>>();
        let request = (header.request_id != 0).then_some(header.request_id);
        let link = Arc::clone(link);
        let pushing = self.tasks.spawn_on(
            async move {
                let parts = parts.into_iter();
                link.push_parts(turn, parts, urgent, request, confirm).await
            },
            &self.handle,
        );
        begun();
        pushing
            .await
            .unwrap_or_else(|error| Err(Ended::new(crate::error::Code::Closed, error.to_string())))
    }

    /// The same of a question without waiting: nobody is there to be told. What is not sent by then ends with the guard.
    fn push_detached(
        &self,
        link: &Arc<Link>,
        header: &Header<'_>,
        content: Bytes,
        extra: u64,
    ) -> Option<DropGuard> {
        let request_id = header.request_id;
        let packets = if is_large(&content) {
            parts::encode(*header, content).collect()
        } else {
            match link.try_push(packet::encode(header, content), true) {
                Ok(()) => {
                    link.grant_extra(request_id, extra, false);
                    return None;
                }
                Err(packet) => vec![packet],
            }
        };
        let wanted = CancellationToken::new();
        let guard = wanted.clone().drop_guard();
        let link = Arc::clone(link);
        self.tasks.spawn_on(
            async move {
                let push = async {
                    let turn = link.large_turn(true).await;
                    let parts = packets.into_iter();
                    link.push_parts(turn, parts, true, Some(request_id), None)
                        .await
                };
                if let Some(Ok(())) = wanted.run_until_cancelled(push).await {
                    link.grant_extra(request_id, extra, true);
                }
            },
            &self.handle,
        );
        Some(guard)
    }
}

impl Inner {
    pub(super) fn running(&self) -> Result<Arc<Running>, SendError> {
        if self.stage() != super::Stage::Started {
            return Err(SendError::Closed);
        }
        self.brought_up().ok_or(SendError::Closed)
    }

    /// What there is between the start and the end, also while either is under way.
    pub(super) fn brought_up(&self) -> Option<Arc<Running>> {
        let running = self.running.read();
        running.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// Why a session went away under a call.
    fn gone(&self, peer: &PeerId) -> SendError {
        match self.stage() {
            super::Stage::Ended => SendError::Closed,
            _ => SendError::Disconnected(*peer),
        }
    }

    pub(super) async fn command(&self, command: Command) -> Option<()> {
        self.running().ok()?.commands.send(command).await.ok()
    }

    /// Waits for `work`, at most for `timeout`.
    pub(super) async fn until<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let sleep = self.running().ok().map(|running| running.sleep(timeout));
        tokio::select! {
            biased;
            done = work => Some(done),
            () = async { match sleep { Some(sleep) => sleep.await, None => std::future::pending().await } } => None,
        }
    }

    async fn within<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, SendError> {
        self.until(timeout, work)
            .await
            .ok_or(SendError::Timeout(timeout))
    }

    /// Why a call to everybody reaches nobody.
    pub(super) fn nobody(&self) -> SendError {
        if self.is_paused() {
            SendError::Paused
        } else {
            SendError::NoPeers
        }
    }

    /// Why a call to a peer took too long.
    fn late(&self, peer: &PeerId, after: Duration) -> SendError {
        if self.router.link(peer).is_some() {
            return SendError::Timeout(after);
        }
        let view = self.view();
        let met = view.met.iter().find(|met| met.peer == *peer);
        let addresses = met.map_or_else(Vec::new, |met| {
            met.addresses.iter().map(AsRef::as_ref).collect::<Vec<_>>()
        });
        let reason = if self.is_paused() {
            "this satellite is paused, resume it first".into()
        } else if addresses.is_empty() {
            "no address of it is known yet".into()
        } else {
            format!("no answer yet from {}", addresses.join(", "))
        };
        SendError::NoSession {
            peer: *peer,
            after,
            reason,
        }
    }

    pub(super) fn check_size(
        &self,
        size: usize,
        limit: usize,
        whose: &'static str,
    ) -> Result<(), SendError> {
        if size > limit {
            Err(SendError::TooLarge { size, limit, whose })
        } else {
            Ok(())
        }
    }

    fn check_peer_size(&self, size: usize, link: &Link) -> Result<(), SendError> {
        self.check_size(
            size,
            usize::try_from(link.limits.content).unwrap_or(usize::MAX),
            "the peer's",
        )
    }

    /// What a request's window is to have beyond the one every request has.
    fn extra_window(&self, window: Option<usize>) -> Result<u64, SendError> {
        let usual = self.config.reply_window;
        match window {
            None => Ok(0),
            Some(window) if (usual..=1 << 30).contains(&window) => Ok((window - usual) as u64),
            Some(window) => Err(SendError::Option {
                option: "window",
                reason: format!(
                    "{window} is outside {usual} (the satellite's reply_window) to 1 GiB"
                ),
            }),
        }
    }

    /// The session with a peer; made first if there is none.
    pub(super) async fn reach(&self, peer: &PeerId) -> Result<Arc<Link>, SendError> {
        self.reach_as(peer, true).await
    }

    /// The same; not pinned: only for now.
    async fn reach_as(&self, peer: &PeerId, pin: bool) -> Result<Arc<Link>, SendError> {
        if let Some(link) = self.router.link(peer)
            && !link.is_closing()
        {
            return Ok(link);
        }
        if *peer == self.identity.peer_id() {
            return Err(SendError::OwnPeer(*peer));
        }
        let (reply, answer) = oneshot::channel();
        self.command(Command::Reach {
            peer: *peer,
            pin,
            reply,
        })
        .await
        .ok_or(SendError::Closed)?;
        match answer.await.map_err(|_| SendError::Closed)? {
            Ok(link) => Ok(link),
            Err(ReachFailure::Unknown) => Err(SendError::UnknownPeer(*peer)),
            Err(ReachFailure::Own) => Err(SendError::OwnPeer(*peer)),
            Err(ReachFailure::Unreachable(reason)) => Err(SendError::Unreachable {
                peer: *peer,
                reason,
            }),
            Err(ReachFailure::Refused(peer, reason)) => Err(SendError::Refused { peer, reason }),
            Err(ReachFailure::Busy) => Err(SendError::Unreachable {
                peer: *peer,
                reason: "too many calls wait already".into(),
            }),
        }
    }

    async fn send_slowly(
        &self,
        peer: &PeerId,
        header: &Header<'_>,
        content: Bytes,
        confirmed: bool,
        begun: &AtomicBool,
    ) -> Result<(), SendError> {
        let link = self.reach(peer).await?;
        self.check_peer_size(content.len(), &link)?;
        let (confirm, confirmation) = oneshot::channel();
        let confirm = confirmed.then_some(confirm);
        self.running()?
            .push(&link, header, content, false, confirm, || {
                begun.store(true, Ordering::Relaxed);
            })
            .await
            .map_err(|_| self.gone(peer))?;
        if confirmed {
            confirmation.await.map_err(|_| self.gone(peer))?;
        }
        Ok(())
    }
}
