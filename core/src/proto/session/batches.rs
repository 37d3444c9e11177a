//! Batches: packets numbered, signed and charged on the way out, and checked on the way in.

use bytes::Bytes;

use super::super::merkle::{self, Hash};
use super::super::packet::{self, Encoded, PacketType};
use super::super::parts::PartError;
use super::super::{frame, keys, wire};
use super::{Incoming, Output, Session, TAG_MAX, Violation};
use crate::config::{EVENT_COST, Signing};

/// What a packet costs of a window, on both sides alike: its encoded bytes and a fixed amount for its handling.
pub(crate) fn cost(encoded_len: usize) -> u64 {
    (encoded_len + EVENT_COST) as u64
}

/// Request ids with this bit belong to broadcasts that ask for answers: their replies come from peers that were not asked one by
/// one, so they are charged to the session instead of a request's window.
pub(crate) const CAST_BIT: u64 = 1 << 63;

/// The two windows of a session, each of the size told in Hello. What is asked has one of its own: a handler of messages that waits
/// for an answer of the very peer whose messages fill its queue would otherwise wait for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// MESSAGE and INTERNAL.
    Messages,
    /// REQUEST, SEEK, and answers to broadcasts.
    Requests,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Messages, Self::Requests];

    /// Which window a packet is charged to; `None`: its request's.
    pub(crate) fn of(packet_type: PacketType, request_id: u64) -> Option<Self> {
        match packet_type {
            PacketType::Response | PacketType::EndResponse if request_id & CAST_BIT == 0 => None,
            PacketType::Message | PacketType::Internal | PacketType::Broadcast => {
                Some(Self::Messages)
            }
            _ => Some(Self::Requests),
        }
    }

    /// What a Credit frame for this window has in place of a request id.
    pub(crate) fn credit_id(self) -> u64 {
        match self {
            Self::Messages => 0,
            Self::Requests => CAST_BIT,
        }
    }

    /// The window a Credit frame is for; `None`: a request's.
    pub(crate) fn of_credit(request_id: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.credit_id() == request_id)
    }
}

/// Packets that wait for a signature at most. What waits are parts of contents that go on: nobody is told of them before the last one is
/// there, which is signed, and one signature then stands for all of them.
const UNSIGNED_MAX: usize = 64;

const UNSIGNED: &str = "a batch without the signature that is due";

fn is_reply(packet_type: PacketType) -> bool {
    matches!(packet_type, PacketType::Response | PacketType::EndResponse)
}

impl Session {
    /// Numbers, signs and encodes one batch; gives the chunks to write, in order, and the number of its last packet.
    pub(crate) fn seal(&mut self, packets: &[Encoded], confirm: bool, out: &mut Vec<Bytes>) -> u64 {
        let first = self.next_out;
        self.next_out += packets.len() as u64;
        let signature = self.signature(first, packets, confirm);
        frame::encode_batch(first, packets, confirm, &signature, out);
        self.next_out - 1
    }

    /// What stands for a batch, and for all before it that have none. None: a later one stands for it, or nothing is signed.
    fn signature(&mut self, first: u64, packets: &[Encoded], confirm: bool) -> Vec<u8> {
        let Some(greeting) = &self.greeting else {
            return Vec::new();
        };
        if greeting.signing == Signing::Lazy {
            return Vec::new();
        }
        let leaves = packets.iter().map(merkle::leaf_of);
        if !confirm
            && self.unsigned_out.len() + packets.len() <= UNSIGNED_MAX
            && packets.iter().all(Encoded::is_unfinished)
        {
            self.unsigned_out.extend(leaves);
            return Vec::new();
        }
        let signed_from = first - self.unsigned_out.len() as u64;
        let root = merkle::fold(self.unsigned_out.drain(..).chain(leaves));
        let message = keys::batch_message(
            &greeting.session,
            &self.config.identity.peer_id(),
            &self.config.remote,
            self.config.epoch,
            signed_from,
            &root,
        );
        match greeting.signing {
            Signing::Rsa => self.config.identity.sign(&message),
            _ => self.config.delegated.sign(&message).to_vec(),
        }
    }

    pub(super) fn on_batch(&mut self, batch: wire::Batch) -> Result<(), Violation> {
        if self.greeting.is_none() {
            return Err(Violation::protocol("Batch before Hello"));
        }
        // It would have no number of its own, so it could be sent again and again.
        if batch.packets.is_empty() {
            return Err(Violation::protocol("a batch without packets"));
        }
        if batch.first_sequence != self.next_in {
            return Err(Violation::protocol(format!(
                "packet {} came where {} was due: replayed or left out",
                batch.first_sequence, self.next_in
            )));
        }
        let unsigned = self.check_signature(&batch)?;
        self.next_in += batch.packets.len() as u64;
        for encoded in batch.packets {
            self.on_packet(encoded)?;
        }
        self.unsigned_in.extend(unsigned);
        self.ack_due |= batch.confirm;
        Ok(())
    }

    /// Checks what stands for a batch. The leaves of its packets if they wait for the signature of a later one.
    fn check_signature(&mut self, batch: &wire::Batch) -> Result<Vec<Hash>, Violation> {
        let greeting = match &self.greeting {
            Some(greeting) if greeting.signing != Signing::Lazy => greeting,
            _ => return Ok(Vec::new()),
        };
        let leaves = batch.packets.iter().map(|packet| merkle::leaf(packet));
        if batch.signature.is_empty() {
            if batch.confirm || self.unsigned_in.len() + batch.packets.len() > UNSIGNED_MAX {
                return Err(Violation::protocol(UNSIGNED));
            }
            for encoded in &batch.packets {
                let packet = packet::decode(encoded.clone())?;
                if !packet::is_unfinished(packet.part, packet.parts) {
                    return Err(Violation::protocol(UNSIGNED));
                }
            }
            return Ok(leaves.collect());
        }
        let signed_from = batch.first_sequence - self.unsigned_in.len() as u64;
        let root = merkle::fold(self.unsigned_in.iter().copied().chain(leaves));
        let message = keys::batch_message(
            &greeting.session,
            &self.config.remote,
            &self.config.identity.peer_id(),
            greeting.epoch,
            signed_from,
            &root,
        );
        let holds = match (greeting.signing, &greeting.delegation) {
            (Signing::Rsa, _) => greeting.key.verify(&message, &batch.signature),
            (_, Some(delegation)) => delegation.verify(&message, &batch.signature),
            (_, None) => false,
        };
        if !holds {
            return Err(Violation::protocol("the signature of a batch is wrong"));
        }
        self.unsigned_in.clear();
        Ok(Vec::new())
    }

    fn on_packet(&mut self, encoded: Bytes) -> Result<(), Violation> {
        let cost = cost(encoded.len());
        let packet = packet::decode(encoded)?;
        let packet_type =
            PacketType::try_from(packet.r#type).map_err(|e| Violation::protocol(e.to_string()))?;
        if let Some(greeting) = &self.greeting
            && !greeting.vouches_for(&packet)
        {
            return Err(Violation::protocol(
                "the delegated key was not valid when the packet was made",
            ));
        }
        let request_id = packet.request_id;
        let lane = Lane::of(packet_type, request_id);
        if let Some(lane) = lane {
            let window = &mut self.windows[lane as usize];
            *window = window.saturating_sub_unsigned(cost);
            if *window < 0 {
                return Err(Violation::protocol("more was sent than credit allowed"));
            }
        }
        match packet_type {
            PacketType::Broadcast => {
                return Err(Violation::protocol(
                    "a BROADCAST does not travel in a session",
                ));
            }
            PacketType::Request
            | PacketType::Seek
            | PacketType::Response
            | PacketType::EndResponse
                if request_id == 0 =>
            {
                return Err(Violation::protocol(
                    "a request or reply without a request id",
                ));
            }
            _ => {}
        }
        if packet.response_tag.len() > TAG_MAX {
            return Err(Violation::protocol("a response tag over the limit"));
        }
        // Credit of a window is for whatever is charged to it: were there several, none could be held up without all, and what one
        // peer can begin and never end would be many times a content.
        if let Some(lane) = lane
            && packet.parts > 1
            && packet.part == 0
            && self.assembler.lines().any(|other| {
                other != (packet_type, request_id) && Lane::of(other.0, other.1) == Some(lane)
            })
        {
            return Err(Violation::protocol(
                "a large content began before the last one was whole",
            ));
        }
        let announced =
            (u64::from(packet.parts) * frame::BATCH_BYTES as u64).min(self.config.limits.content);
        let whole = if packet.parts == 0 {
            if packet.content.len() as u64 > self.config.limits.content {
                return Err(Violation::protocol("a content over the limit"));
            }
            Some(packet)
        } else {
            match self.assembler.push(packet) {
                // Who is asked goes on with a large reply until our Cancel is there, and only the link knows which requests
                // are open: so what goes on where nothing was begun is taken for the rest of such a reply.
                Err(PartError::Order { due: 0, .. }) if is_reply(packet_type) => None,
                joined => joined?,
            }
        };
        if packet_type == PacketType::EndResponse && whole.is_some() {
            // A handler that failed in the middle of a large reply sends no more of it.
            self.forget(request_id);
        }
        self.outputs.push_back(match whole {
            Some(packet) => Output::Packet(Incoming {
                packet_type,
                packet,
                cost,
            }),
            None => Output::Taken {
                packet_type,
                request_id,
                cost,
                announced,
            },
        });
        Ok(())
    }
}
