//! What talkers talk about: numbered messages; questions, some of them in parts; answers of several replies, of which some are
//! large and some fail in the middle; and giving up.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::log::{Asked, Ending};
use super::super::ms;
use super::super::world::Step;
use super::{LIMITS, Talk, Talker, clock};
use crate::error::Code;
use crate::proto::packet::{Encoded, Header, PacketType, encode};
use crate::proto::session::{Incoming, Lane, cost};
use crate::proto::testing::NOW;
use crate::proto::{Now, parts, wire};
use crate::rng::Rng;

/// Replies to each question that is answered to the end.
const REPLIES: u64 = 3;

/// An answer under way.
pub(super) struct Answer {
    parts: VecDeque<Encoded>,
    status: i32,
}

impl Talker {
    /// Whether a turn would do anything.
    pub(super) fn is_busy(&self) -> bool {
        let under_way = |talk: &Talk| {
            talk.owed != [0, 0] || !talk.asking.is_empty() || !talk.answering.is_empty()
        };
        self.talks
            .values()
            .any(|talk| talk.session.is_open() && (self.chatting || under_way(talk)))
    }

    pub(super) fn packet(&mut self, conn: u64, incoming: Incoming) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        let Incoming {
            packet_type,
            packet,
            cost,
        } = incoming;
        let id = packet.request_id;
        if let Some(lane) = Lane::of(packet_type, id) {
            talk.owed[lane as usize] += cost;
        }
        let mut log = self.log.borrow_mut();
        match packet_type {
            PacketType::Message => {
                let heard = log.heard.entry((conn, talk.with)).or_default();
                heard.push(number_of(&packet));
            }
            PacketType::Request => {
                let answer = answer(id, &mut self.rng);
                let again = talk.answering.insert(id, answer);
                assert!(again.is_none(), "request {id} came twice");
            }
            PacketType::Response if talk.open.contains(&id) => {
                let asked = log.asked.get_mut(&((conn, self.place), id));
                asked.expect("it is open").replies.push(number_of(&packet));
            }
            PacketType::EndResponse if talk.open.remove(&id) => {
                let way = (conn, self.place);
                let ending = if packet.status == 0 {
                    let replies = log.asked[&(way, id)].replies.len() as u64;
                    assert_eq!(replies, number_of(&packet), "all replies of a good end");
                    Ending::Replied
                } else {
                    Ending::Failed
                };
                log.ended(way, id, ending);
            }
            // They crossed the Cancel.
            PacketType::Response | PacketType::EndResponse => {}
            other => panic!("nobody sends {other}"),
        }
    }

    /// One turn of the application: answers and questions go on, credit goes back, and something new is said.
    pub(super) fn turn(&mut self, now: Now, out: &mut Vec<Step<Bytes>>) {
        self.next_turn = now + self.rng.between(ms(20), ms(300));
        for conn in self.talks.keys().copied().collect::<Vec<_>>() {
            let Some(talk) = self.talks.get_mut(&conn) else {
                continue;
            };
            if !talk.session.is_open() {
                continue;
            }
            for lane in Lane::ALL {
                let owed = &mut talk.owed[lane as usize];
                if *owed > 0 && self.rng.chance(700) {
                    talk.session.grant(lane.credit_id(), std::mem::take(owed));
                }
            }
            self.flush(conn, out);
            // Nothing new is said on a connection that no longer carries the session.
            let carries = self.session(self.talks[&conn].with) == Some(conn);
            if self.chatting && carries {
                match self.rng.below(10) {
                    0..5 => {
                        let (count, confirm) = (1 + self.rng.below(4), self.rng.chance(300));
                        self.message(conn, count, confirm, now, out);
                    }
                    5..8 => self.ask(conn, now),
                    8 => self.give_up(conn, out),
                    _ => {}
                }
            }
            self.go_on(conn, now, out);
        }
    }

    pub(super) fn message(
        &mut self,
        conn: u64,
        count: u64,
        confirm: bool,
        now: Now,
        out: &mut Vec<Step<Bytes>>,
    ) {
        let numbers: Vec<u64> = (0..count).map(|at| self.next_number + at).collect();
        let header = Header::new(PacketType::Message, "talk", clock(now));
        let packets: Vec<Encoded> = numbers
            .iter()
            .map(|number| encode(&header, Bytes::copy_from_slice(&number.to_be_bytes())))
            .collect();
        if self.write(conn, Lane::Messages, &packets, confirm, out) {
            self.next_number += count;
            let mut log = self.log.borrow_mut();
            log.sent
                .entry((conn, self.place))
                .or_default()
                .extend(numbers);
        }
    }

    /// Writes packets in one batch, if there is credit for all.
    fn write(
        &mut self,
        conn: u64,
        lane: Lane,
        packets: &[Encoded],
        confirm: bool,
        out: &mut Vec<Step<Bytes>>,
    ) -> bool {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return false;
        };
        let price = packets.iter().map(|packet| cost(packet.len())).sum();
        let credit = &mut talk.credit[lane as usize];
        let Some(left) = credit.checked_sub(price) else {
            return false;
        };
        *credit = left;
        self.seal(conn, packets, confirm, out);
        true
    }

    fn seal(&mut self, conn: u64, packets: &[Encoded], confirm: bool, out: &mut Vec<Step<Bytes>>) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        let mut pieces = Vec::new();
        let last = talk.session.seal(packets, confirm, &mut pieces);
        let frame = pieces.concat().into();
        out.push(Step::Send { conn, frame });
        let mut log = self.log.borrow_mut();
        log.packets.entry((conn, self.place)).or_default()[0] = last;
    }

    fn ask(&mut self, conn: u64, now: Now) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        if talk.open.len() >= LIMITS.requests as usize {
            return;
        }
        let request_id = talk.next_request;
        talk.next_request += 1;
        let header = Header {
            request_id,
            ..Header::new(PacketType::Request, "talk", clock(now))
        };
        let size = if self.rng.chance(100) {
            parts::PART_BYTES + 10
        } else {
            10
        };
        let question = parts::encode(header, vec![0; size].into()).collect();
        talk.asking.insert(request_id, question);
        talk.open.insert(request_id);
        let mut log = self.log.borrow_mut();
        let way = (conn, self.place);
        log.asked.insert((way, request_id), Asked::default());
    }

    /// No longer wants the answer to its oldest question.
    fn give_up(&mut self, conn: u64, out: &mut Vec<Step<Bytes>>) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        if let Some(id) = talk.open.pop_first() {
            talk.asking.remove(&id);
            talk.session.cancel(id);
            let way = (conn, self.place);
            self.log.borrow_mut().ended(way, id, Ending::Cancelled);
            self.flush(conn, out);
        }
    }

    /// One packet of each answer that is under way, and of questions up to the first that is not whole then: large ones go one
    /// after the other.
    fn go_on(&mut self, conn: u64, now: Now, out: &mut Vec<Step<Bytes>>) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        let mut rest = std::mem::take(&mut talk.asking);
        while let Some(mut question) = rest.first_entry() {
            if let Some(part) = question.get_mut().pop_front()
                && !self.write(
                    conn,
                    Lane::Requests,
                    std::slice::from_ref(&part),
                    false,
                    out,
                )
            {
                question.get_mut().push_front(part);
            }
            if !question.get().is_empty() {
                break;
            }
            question.remove();
        }
        if let Some(talk) = self.talks.get_mut(&conn) {
            talk.asking = rest;
        }
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        let mut ready = Vec::new();
        let mut over = Vec::new();
        for (id, answer) in &mut talk.answering {
            // A failed handler stops in the middle.
            let failed = answer.status != 0 && self.rng.chance(300);
            match answer.parts.pop_front() {
                Some(part) if !failed => ready.push(part),
                _ => {
                    over.push(*id);
                    ready.push(end(*id, answer.status, now));
                }
            }
        }
        for id in over {
            talk.answering.remove(&id);
        }
        // Replies have windows of their own, which nothing here fills.
        for packet in ready {
            self.seal(conn, &[packet], false, out);
        }
    }
}

/// Numbered replies, some of them large.
fn answer(request_id: u64, rng: &mut Rng) -> Answer {
    let status = if rng.chance(200) {
        Code::HandlerFailed as i32
    } else {
        0
    };
    let mut packets = VecDeque::new();
    for number in 0..REPLIES {
        let header = Header {
            request_id,
            ..Header::new(PacketType::Response, "", NOW)
        };
        let size = if rng.chance(300) {
            2 * parts::PART_BYTES + 10
        } else {
            8
        };
        let mut content = number.to_be_bytes().to_vec();
        content.resize(size, 0);
        packets.extend(parts::encode(header, content.into()));
    }
    Answer {
        parts: packets,
        status,
    }
}

/// The end of an answer. It says how many replies a good one has.
fn end(request_id: u64, status: i32, now: Now) -> Encoded {
    let header = Header {
        request_id,
        status,
        ..Header::new(PacketType::EndResponse, "", clock(now))
    };
    encode(&header, Bytes::copy_from_slice(&REPLIES.to_be_bytes()))
}

fn number_of(packet: &wire::StreamPacket) -> u64 {
    packet.content[..8]
        .try_into()
        .map(u64::from_be_bytes)
        .unwrap()
}
