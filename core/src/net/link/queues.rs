//! The queues of a link: what was accepted and has not been taken to be written. Plain data, under the link's one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Answer;
use crate::config::UNWRITTEN_MAX;
use crate::net::replies::Asked;
use crate::proto::packet::Encoded;
use crate::proto::session::{Lane, cost};

/// What waits among requests and replies.
#[derive(Debug)]
pub(super) enum Item {
    Packet(Encoded),
    Cancel { request_id: u64 },
    Credit { request_id: u64, bytes: u64 },
}

/// Things other than packets to be written, at once or behind the packets taken with them.
#[derive(Debug)]
pub(crate) enum Note {
    Cancel { request_id: u64 },
    Credit { request_id: u64, bytes: u64 },
}

/// A request or reply in its queue.
#[derive(Debug)]
pub(super) struct Urgent {
    pub(super) stamp: u64,
    /// Bytes of the link's room it holds until it is taken.
    room: u32,
    /// What it cost of the credit for requests.
    price: u64,
    item: Item,
}

/// What a packet among the messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A message, or the last part of one.
    Last,
    /// A part that others follow.
    Part,
    /// What satellites tell each other: nobody misses it.
    Internal,
}

/// All that is queued; taken out by the connection's task.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub(super) notes: Vec<Note>,
    pub(super) ordered: VecDeque<(Encoded, Piece)>,
    /// With the stamp each was put in at: a part never overtakes what was put in before it.
    pub(super) small: VecDeque<Urgent>,
    pub(super) bulk: VecDeque<Urgent>,
    pub(super) stamp: u64,
    /// Confirmations wanted: (the count of ordered packets accepted by then, who waits).
    pub(super) confirms: VecDeque<(u64, oneshot::Sender<()>)>,
    pub(super) accepted: u64,
    pub(super) asked: HashMap<u64, Arc<Asked>>,
    pub(super) answering: HashMap<u64, Arc<Answer>>,
    /// Nothing of the application's own is accepted any more; what was, still leaves.
    pub(super) closing: bool,
    pub(super) ended: bool,
    /// By [`Lane`].
    budgets: [Budget; 2],
}

/// The peer's credit on one lane.
#[derive(Debug, Default)]
struct Budget {
    /// What the peer gave and this side does not use yet, see [`UNWRITTEN_MAX`].
    reserve: u64,
    /// What is in use: what senders may still take, and what they took for packets that are here.
    in_use: u64,
}

impl Budget {
    fn use_reserve(&mut self) -> usize {
        let more = self.reserve.min(UNWRITTEN_MAX.saturating_sub(self.in_use));
        self.reserve -= more;
        self.in_use += more;
        usize::try_from(more).unwrap_or(usize::MAX)
    }

    /// Packets of this price were taken to be written: how much more senders may use.
    fn taken(&mut self, price: u64) -> usize {
        self.in_use = self.in_use.saturating_sub(price);
        self.use_reserve()
    }
}

/// What came free by taking things out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Freed {
    /// Bytes of the link's room.
    pub(super) room: usize,
    /// Bytes of credit that senders may now use, by [`Lane`].
    pub(super) credit: [usize; 2],
}

impl Queues {
    /// The peer gives credit. Returns how much of it senders may use now; `None` if there cannot be that much.
    pub(super) fn granted(&mut self, lane: Lane, bytes: u64) -> Option<usize> {
        let budget = &mut self.budgets[lane as usize];
        budget.reserve = budget.reserve.checked_add(bytes)?;
        Some(budget.use_reserve())
    }

    pub(super) fn is_drained(&self) -> bool {
        self.notes.is_empty()
            && self.ordered.is_empty()
            && self.small.is_empty()
            && self.bulk.is_empty()
    }

    /// A packet that cost this much of the credit for requests.
    pub(super) fn push_request(&mut self, packet: Encoded, price: u64, bulk: bool) {
        self.push_urgent(Item::Packet(packet), 0, price, bulk);
    }

    pub(super) fn push(&mut self, item: Item, room: u32, bulk: bool) {
        self.push_urgent(item, room, 0, bulk);
    }

    fn push_urgent(&mut self, item: Item, room: u32, price: u64, bulk: bool) {
        self.stamp += 1;
        let queue = if bulk {
            &mut self.bulk
        } else {
            &mut self.small
        };
        queue.push_back(Urgent {
            stamp: self.stamp,
            room,
            price,
            item,
        });
    }

    /// Messages that wait, each counted where it ends.
    pub(super) fn messages(&self) -> u64 {
        let last = |(_, piece): &&(Encoded, Piece)| *piece == Piece::Last;
        self.ordered.iter().filter(last).count() as u64
    }

    pub(super) fn push_ordered(
        &mut self,
        packet: Encoded,
        piece: Piece,
        confirm: Option<oneshot::Sender<()>>,
    ) {
        self.accepted += 1;
        self.ordered.push_back((packet, piece));
        if let Some(confirm) = confirm {
            self.confirms.push_back((self.accepted, confirm));
        }
    }

    /// Moves notes whole and packets up to about `bytes` to `outgoing`.
    pub(super) fn take(&mut self, outgoing: &mut Outgoing, bytes: usize) -> Freed {
        outgoing.notes.append(&mut self.notes);
        let mut left = bytes;
        let (mut room, mut messages, mut requests) = (0, 0, 0);
        let mut behind = false;
        while left > 0 && !behind {
            let Some(urgent) = self.small.pop_front() else {
                break;
            };
            room += urgent.room as usize;
            requests += urgent.price;
            behind = outgoing.put(urgent.item, &mut left);
        }
        while left > 0 {
            let Some((packet, piece)) = self.ordered.pop_front() else {
                break;
            };
            outgoing.messages += u64::from(piece == Piece::Last);
            outgoing.missed |= piece != Piece::Internal;
            left = left.saturating_sub(packet.len());
            messages += cost(packet.len());
            outgoing.ordered_taken += 1;
            outgoing.packets.push(packet);
        }
        // One large part a turn, whatever else waits: neither holds the other up. Never before what was put in before it.
        let oldest_small = self.small.front().map_or(u64::MAX, |urgent| urgent.stamp);
        if !behind
            && self
                .bulk
                .front()
                .is_some_and(|part| part.stamp < oldest_small)
            && let Some(part) = self.bulk.pop_front()
        {
            room += part.room as usize;
            requests += part.price;
            outgoing.put(part.item, &mut left);
        }
        while self
            .confirms
            .front()
            .is_some_and(|(at, _)| *at <= outgoing.ordered_taken)
        {
            if let Some((_, waiter)) = self.confirms.pop_front() {
                outgoing.confirms.push(waiter);
            }
        }
        let credit = Lane::ALL.map(|lane| {
            let price = match lane {
                Lane::Messages => messages,
                Lane::Requests => requests,
            };
            self.budgets[lane as usize].taken(price)
        });
        Freed { room, credit }
    }
}

/// What the task took out and has not written yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) notes: Vec<Note>,
    pub(crate) packets: Vec<Encoded>,
    /// To be written behind the packets.
    pub(crate) after: Vec<Note>,
    pub(crate) confirms: Vec<oneshot::Sender<()>>,
    ordered_taken: u64,
    /// Messages that end among these packets.
    pub(crate) messages: u64,
    /// Whether the application would miss any of them.
    pub(crate) missed: bool,
}

impl Outgoing {
    /// True: nothing more may be taken into this write, because it must stay behind.
    fn put(&mut self, item: Item, left: &mut usize) -> bool {
        match item {
            Item::Packet(packet) => {
                *left = left.saturating_sub(packet.len());
                self.missed |= !packet.is_own();
                self.packets.push(packet);
                false
            }
            Item::Cancel { request_id } => {
                self.after.push(Note::Cancel { request_id });
                true
            }
            Item::Credit { request_id, bytes } => {
                self.after.push(Note::Credit { request_id, bytes });
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::proto::packet::{self, Header, PacketType};

    fn packet(number: u64) -> Encoded {
        let header = Header {
            request_id: number,
            ..Header::new(PacketType::Request, "n", 0)
        };
        packet::encode(&header, Bytes::from(vec![0; 100]))
    }

    fn numbers(packets: &[Encoded]) -> Vec<u64> {
        packets
            .iter()
            .map(|p| packet::decode(p.to_bytes()).unwrap().request_id)
            .collect()
    }

    fn take(queues: &mut Queues, bytes: usize) -> (Vec<u64>, Vec<Note>) {
        let mut outgoing = Outgoing::default();
        queues.take(&mut outgoing, bytes);
        (numbers(&outgoing.packets), outgoing.after)
    }

    /// A request cancelled before it was written, and the next one in its place: the peer must see them in this order, or it counts
    /// one request too many.
    #[test]
    fn a_cancel_stays_between_its_request_and_the_next() {
        let mut queues = Queues::default();
        queues.push(Item::Packet(packet(1)), 0, false);
        queues.push(Item::Cancel { request_id: 1 }, 0, false);
        queues.push(Item::Packet(packet(2)), 0, false);
        let (first, after) = take(&mut queues, 1 << 16);
        assert_eq!(first, [1]);
        assert!(matches!(after[..], [Note::Cancel { request_id: 1 }]));
        assert_eq!(take(&mut queues, 1 << 16).0, [2]);
    }

    #[test]
    fn a_part_never_overtakes_what_was_put_in_before_it() {
        let mut queues = Queues::default();
        for number in 1..=10 {
            queues.push(Item::Packet(packet(number)), 0, false);
        }
        queues.push(Item::Packet(packet(11)), 0, true);
        let mut seen = Vec::new();
        while seen.len() < 11 {
            seen.extend(take(&mut queues, 300).0);
        }
        assert_eq!(seen, (1..=11).collect::<Vec<_>>());
    }

    /// What is given up is counted in messages: a large one once, and what satellites tell each other not at all.
    #[test]
    fn messages_that_wait_are_counted_where_they_end() {
        let mut queues = Queues::default();
        for piece in [
            Piece::Internal,
            Piece::Last,
            Piece::Part,
            Piece::Part,
            Piece::Last,
        ] {
            queues.push_ordered(packet(1), piece, None);
        }
        assert_eq!(queues.messages(), 2);
        let mut outgoing = Outgoing::default();
        queues.take(&mut outgoing, 1);
        assert!(!outgoing.missed);
        queues.take(&mut outgoing, 1);
        queues.take(&mut outgoing, 1);
        assert_eq!((outgoing.messages, outgoing.missed), (1, true));
        assert_eq!(queues.messages(), 1);
    }

    #[test]
    fn neither_small_ones_nor_parts_hold_the_others_up() {
        let mut queues = Queues::default();
        for number in 1..=3 {
            queues.push(Item::Packet(packet(number)), 0, true);
        }
        for number in 11..=40 {
            queues.push(Item::Packet(packet(number)), 0, false);
        }
        let (first, _) = take(&mut queues, 300);
        assert!(first.contains(&1), "a part goes with every turn: {first:?}");
        assert!(
            first.contains(&11),
            "small ones go with every turn: {first:?}"
        );
    }

    /// A peer may claim any window: what waits for it is bounded all the same, and all of its credit can be used in the end.
    #[test]
    fn an_endless_window_is_used_a_little_at_a_time() {
        let mut queues = Queues::default();
        for lane in Lane::ALL {
            assert_eq!(queues.granted(lane, 3), Some(3));
            assert_eq!(
                queues.granted(lane, UNWRITTEN_MAX),
                Some(UNWRITTEN_MAX as usize - 3)
            );
            assert_eq!(queues.granted(lane, u64::MAX - 3), Some(0));
            assert_eq!(queues.granted(lane, 1), None, "more than there can be");
        }
        queues.push_ordered(packet(1), Piece::Last, None);
        queues.push_request(packet(2), 500, false);
        let freed = queues.take(&mut Outgoing::default(), 1 << 16);
        assert_eq!(
            freed,
            Freed {
                room: 0,
                credit: [cost(packet(1).len()) as usize, 500]
            }
        );
    }

    #[test]
    fn messages_keep_their_order_and_their_confirmation_comes_with_the_right_one() {
        let mut queues = Queues::default();
        let (waiter, mut confirmed) = oneshot::channel();
        queues.push_ordered(packet(1), Piece::Last, None);
        queues.push_ordered(packet(2), Piece::Last, Some(waiter));
        queues.push_ordered(packet(3), Piece::Last, None);
        let mut outgoing = Outgoing::default();
        queues.take(&mut outgoing, 1);
        assert_eq!(
            (numbers(&outgoing.packets), outgoing.confirms.len()),
            (vec![1], 0)
        );
        queues.take(&mut outgoing, 1);
        assert_eq!(
            (numbers(&outgoing.packets), outgoing.confirms.len()),
            (vec![1, 2], 1)
        );
        assert!(confirmed.try_recv().is_err(), "nobody confirmed yet");
    }
}
