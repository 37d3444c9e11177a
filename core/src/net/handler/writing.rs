//! What goes out: what the link has queued and what the session has to say, in as few writes as possible.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures::AsyncWrite;

use super::{Handler, Stage};
use crate::error::Code;
use crate::net::clock;
use crate::net::link::{Ended, Note};
use crate::proto::frame;

/// Packets of about this many bytes go into one write.
const WRITE_BYTES: usize = 56 * 1024;

impl Handler {
    /// Writes what there is. Ready: something was written and there may be more.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.stage, Stage::Over) {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.outbound else {
            return Poll::Pending;
        };
        let Some(chunk) = self.chunks.front_mut() else {
            if self.unflushed && Pin::new(&mut *stream).poll_flush(cx).is_ready() {
                self.unflushed = false;
                self.unwritten = 0;
            }
            if self.unflushed {
                return Poll::Pending;
            }
            if let Stage::Closing(ended) = &self.stage {
                self.stage = Stage::Parting(ended.clone());
            }
            if matches!(self.stage, Stage::Parting(_)) {
                // Two that part at once wait for each other's end.
                let _closed = ready!(Pin::new(stream).poll_close(cx));
                self.outbound = None;
                return Poll::Ready(());
            }
            return Poll::Pending;
        };
        match ready!(Pin::new(stream).poll_write(cx, chunk)) {
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
            Ok(written) => {
                self.unflushed = true;
                if written == chunk.len() {
                    self.chunks.pop_front();
                } else {
                    bytes::Buf::advance(chunk, written);
                }
                self.moved();
            }
        }
        Poll::Ready(())
    }

    /// Moves what is queued into chunks, once the last ones are written: one write takes all that came meanwhile.
    pub(super) fn refill(&mut self) {
        // Before it begins, the session is one that will be replaced: its Hello must not be said.
        if !self.begun || !self.chunks.is_empty() {
            return;
        }
        if let (Stage::Open, Some(link)) = (&self.stage, &self.link) {
            self.outgoing.packets.clear();
            link.take(&mut self.outgoing, WRITE_BYTES);
            let notes = std::mem::take(&mut self.outgoing.notes);
            self.note(notes);
            self.give_credit();
            let delegated = self.shared.delegated();
            self.session.renew(&delegated);
        }
        if self.outgoing.packets.is_empty() {
            let after = std::mem::take(&mut self.outgoing.after);
            self.note(after);
        }
        let mut small = BytesMut::new();
        while let Some(frame) = self.session.frame() {
            small.extend_from_slice(&frame);
        }
        if !self.outgoing.packets.is_empty() && matches!(self.stage, Stage::Open) {
            if !small.is_empty() {
                self.chunks.push_back(small.freeze());
            }
            let mut last = 0;
            let mut sealed = Vec::new();
            let mut packets = self.outgoing.packets.as_slice();
            while !packets.is_empty() {
                let (batch, rest) = packets.split_at(frame::fill(packets));
                let confirm = rest.is_empty() && !self.outgoing.confirms.is_empty();
                last = self.session.seal(batch, confirm, &mut sealed);
                self.shared.counters.batches_out.add(1);
                packets = rest;
            }
            self.shared
                .counters
                .packets_out
                .add(self.outgoing.packets.len() as u64);
            self.outgoing.packets.clear();
            self.unwritten += std::mem::take(&mut self.outgoing.messages);
            if std::mem::take(&mut self.outgoing.missed) {
                self.sent_at = Some(clock::now());
            }
            // Who gave up waiting, and whose peer never says that it has anything.
            while self
                .confirms
                .front()
                .is_some_and(|(_, waiter)| waiter.is_closed())
            {
                self.confirms.pop_front();
            }
            for waiter in self.outgoing.confirms.drain(..) {
                self.confirms.push_back((last, waiter));
            }
            self.chunks.extend(sealed);
            let after = std::mem::take(&mut self.outgoing.after);
            self.note(after);
            self.chunks
                .extend(std::iter::from_fn(|| self.session.frame()));
        } else if !small.is_empty() {
            self.chunks.push_back(small.freeze());
        }
    }

    fn note(&mut self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Cancel { request_id } => {
                    self.session.cancel(request_id);
                    self.drop_halves();
                }
                Note::Credit { request_id, bytes } => self.grant_reply(request_id, bytes),
            }
        }
    }
}
