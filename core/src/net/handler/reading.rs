//! What comes in: frames out of the stream, what they mean to the session, and packets to the satellite's inbox.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::AsyncRead;

use super::{Handler, Notice, Stage, Timer};
use crate::config::{END_TEXT_MAX, PART_TIMEOUT};
use crate::error::Code;
use crate::net::account::{ACCOUNTED_FROM, Charge};
use crate::net::link::{Ended, Link};
use crate::net::pulse::Pulse;
use crate::net::{Delivery, clock};
use crate::proto::packet::PacketType;
use crate::proto::session::{CAST_BIT, Incoming, Lane, Output, Violation};

/// Contents up to this size are copied out of what was read: one that somebody keeps would hold all of it, 64 KiB and more, and nobody
/// would have counted them.
const COPIED: usize = ACCOUNTED_FROM;

impl Handler {
    /// Reads and takes in what is there. Ready: something happened and there may be more.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.stage, Stage::Closing(_) | Stage::Over) {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.inbound else {
            return Poll::Pending;
        };
        let read = ready!(Pin::new(stream).poll_read(cx, self.reader.spare()));
        match read {
            // What still comes is of no use any more, only its end is.
            Ok(1..) if matches!(self.stage, Stage::Parting(_)) => self.moved(),
            Ok(0) => self.end(Ended::new(
                Code::Disconnected,
                "the peer closed the connection",
            )),
            Err(error) => {
                self.end(Ended::new(
                    Code::Disconnected,
                    format!("the connection broke: {error}"),
                ));
            }
            Ok(bytes) => {
                self.reader.advance(bytes);
                if let Some(pulse) = &mut self.pulse {
                    pulse.heard();
                }
                if let Err(violation) = self.take_in() {
                    self.break_off(violation);
                }
                self.hand_over();
                self.watch_frame();
                self.watch_halves();
            }
        }
        Poll::Ready(())
    }

    fn take_in(&mut self) -> Result<(), Violation> {
        while let Some(frame) = self.reader.next()? {
            let Some(kind) = frame.kind else {
                self.shared.counters.unknown_frames.add(1);
                continue;
            };
            self.session.on_frame(kind, &frame.raw, clock::now_ms())?;
            while let Some(output) = self.session.output() {
                self.on_output(output)?;
            }
        }
        Ok(())
    }

    pub(super) fn on_output(&mut self, output: Output) -> Result<(), Violation> {
        match output {
            Output::Packet(incoming) => return self.on_packet(incoming),
            Output::Taken {
                packet_type,
                request_id,
                cost,
                announced,
            } => self.on_part(packet_type, request_id, cost, announced)?,
            Output::Granted { request_id, bytes } => {
                if let Some(link) = &self.link {
                    link.granted(request_id, bytes)?;
                }
            }
            Output::Cancelled { request_id } => {
                // The session let go of the question. Its replies to a request of ours under the same number are none of this.
                self.drop_halves();
                if let Some(link) = &self.link {
                    link.cancelled(request_id);
                }
            }
            Output::Acked { up_to } => {
                while self
                    .confirms
                    .front()
                    .is_some_and(|(sequence, _)| *sequence <= up_to)
                {
                    if let Some((_, waiter)) = self.confirms.pop_front() {
                        // Who no longer waits has no use for the answer.
                        let _gone = waiter.send(());
                    }
                }
            }
            Output::Greeted { epoch, skew } => {
                if let Some(skew) = skew {
                    self.shared.counters.clocks_apart.add(1);
                    self.span.in_scope(|| tracing::warn!("{skew}"));
                }
                self.notices.push_back(Notice::Greeted { epoch });
            }
            Output::Proved => self.notices.push_back(Notice::Proved),
            Output::Opened => self.on_opened(),
            Output::Bye { code, text } => {
                let code = Code::from_number(code).unwrap_or(Code::Disconnected);
                self.end(Ended {
                    code,
                    text: format!("the peer ended the session: {text}"),
                    by_peer: true,
                });
            }
        }
        Ok(())
    }

    fn on_opened(&mut self) {
        let Some((limits, signing)) = self.session.agreed() else {
            return;
        };
        let key = self.session.peer_key().cloned();
        let link = Link::new(self.remote, key, signing, limits);
        self.link = Some(Arc::clone(&link));
        self.stage = Stage::Open;
        self.timer = Timer::Off;
        self.pulse = Some(Pulse::new(self.shared.alive));
        self.span.in_scope(
            || tracing::info!(address = self.address, policy = ?signing, "session opened"),
        );
        self.shared.inbox.opened(&link, &self.address);
        self.notices.push_back(Notice::Opened { link });
    }

    fn on_packet(&mut self, incoming: Incoming) -> Result<(), Violation> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        self.packets_in += 1;
        let Incoming {
            packet_type,
            mut packet,
            cost: last,
        } = incoming;
        if packet.content.len() < COPIED {
            packet.content = Bytes::copy_from_slice(&packet.content);
        }
        let id = packet.request_id;
        // Its room goes once the whole is counted, and what its parts still have to come of credit with the whole.
        let half = self.halves.remove(&(packet_type, id));
        let cost = last + half.as_ref().map_or(0, |half| half.owed);
        let window = &self.windows[Lane::of(packet_type, id).unwrap_or(Lane::Messages) as usize];
        match packet_type {
            PacketType::Response if id & CAST_BIT == 0 => {
                let Some(asked) = link.asked(id) else {
                    // It crossed our Cancel.
                    self.shared.counters.late_replies.add(1);
                    return Ok(());
                };
                asked.spend(last)?;
                let charge = Charge::new(&self.shared.uncredited, 0, packet.content.len());
                asked.reply(self.remote, packet, cost, charge);
            }
            PacketType::EndResponse if id & CAST_BIT == 0 => match link.finish_request(id) {
                Some(asked) => {
                    // Satellites say no more; what others say is kept in the asker's queue.
                    let text = &packet.content[..packet.content.len().min(END_TEXT_MAX)];
                    asked.end(
                        self.remote,
                        packet.status,
                        String::from_utf8_lossy(text).into_owned(),
                    );
                }
                None => self.shared.counters.late_replies.add(1),
            },
            PacketType::Internal => {
                let charge = Charge::new(window, cost, packet.content.len());
                if self
                    .shared
                    .internal
                    .try_send((self.remote, packet))
                    .is_err()
                {
                    self.shared.counters.internal_dropped.add(1);
                }
                // What satellites tell each other is small and copied by the driver: its credit comes back at once.
                drop(charge);
            }
            _ => {
                let charge = Charge::new(window, cost, packet.content.len());
                let answer = match packet_type {
                    PacketType::Request | PacketType::Seek => {
                        Some(link.open_answer(id, self.shared.limits.requests as usize)?)
                    }
                    _ => None,
                };
                self.batch.push(Delivery {
                    packet_type,
                    packet,
                    charge,
                    answer,
                });
            }
        }
        Ok(())
    }

    pub(super) fn hand_over(&mut self) {
        self.shared
            .counters
            .packets_in
            .add(std::mem::take(&mut self.packets_in));
        if let Some(link) = &self.link
            && !self.batch.is_empty()
        {
            // A line for each batch, not each packet; the benchmarks take the time of arrival from it.
            tracing::trace!(target: "psfs_core::deliver", peer = %self.remote, packets = self.batch.len(), "delivering");
            self.shared.inbox.deliver(link, &mut self.batch);
            self.batch.clear();
        }
        self.drop_halves();
    }

    /// Half a frame may not stay half for ever.
    fn watch_frame(&mut self) {
        if matches!(self.stage, Stage::Open) {
            self.timer = if self.reader.is_partial() {
                Timer::after(PART_TIMEOUT)
            } else {
                Timer::Off
            };
        }
    }
}
