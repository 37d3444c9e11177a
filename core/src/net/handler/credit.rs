//! Credit: what the peer may send is given back as it was handled, and for contents in parts as soon as there is room for the whole.
//!
//! Over the account's limit nothing is given back, but to who has room for a content that is half there: that one is counted
//! already, and has to become whole.

use std::time::Duration;

use super::{Half, Handler, Timer};
use crate::config::PART_TIMEOUT;
use crate::net::account::Room;
use crate::proto::frame::MAX_FRAME;
use crate::proto::packet::PacketType;
use crate::proto::session::{Lane, Violation};

/// While there is no room, credit is looked at again this often.
const RETRY: Duration = Duration::from_millis(20);
/// A content that has its room comes on by this much each time, or its session ends: the room it takes is others' too.
const PACE_BYTES: usize = 8 * 1024;
/// What any one part costs at most.
const PART_COST: i64 = MAX_FRAME as i64;

impl Handler {
    /// A part went into an assembly. Its credit comes back before the whole is handled, or no content could be larger than its window.
    pub(super) fn on_part(
        &mut self,
        packet_type: PacketType,
        request_id: u64,
        cost: u64,
        announced: u64,
    ) -> Result<(), Violation> {
        let asked = match Lane::of(packet_type, request_id) {
            Some(_) => None,
            None => match self.link.as_ref().and_then(|link| link.asked(request_id)) {
                Some(asked) => {
                    asked.spend(cost)?;
                    Some(asked)
                }
                None => {
                    self.session.forget(request_id);
                    return Ok(());
                }
            },
        };
        let part = usize::try_from(cost).unwrap_or(usize::MAX);
        let half = self
            .halves
            .entry((packet_type, request_id))
            .or_insert_with(|| Half {
                room: Room::new(&self.shared.account),
                announced: usize::try_from(announced).unwrap_or(usize::MAX),
                owed: 0,
            });
        let first = half.owed == 0;
        half.room.grow(part);
        half.room.enter(half.announced);
        self.paced += part;
        if !half.room.is_in() {
            if first {
                self.shared.counters.contents_waited.add(1);
            }
            half.owed += cost;
            return Ok(());
        }
        let cost = cost + std::mem::take(&mut half.owed);
        match (Lane::of(packet_type, request_id), asked) {
            (Some(lane), _) => self.windows[lane as usize].add(cost),
            (None, Some(asked)) => asked.taken(cost),
            (None, None) => {}
        }
        Ok(())
    }

    /// Lets go of the room of contents that the session has let go of. What they were still owed of a window is the peer's again.
    pub(super) fn drop_halves(&mut self) {
        if self.halves.len() == self.session.unfinished() {
            return;
        }
        let (session, windows) = (&self.session, &self.windows);
        self.halves.retain(|(packet_type, id), half| {
            let stays = session.is_unfinished(*packet_type, *id);
            if !stays && let Some(lane) = Lane::of(*packet_type, *id) {
                windows[lane as usize].add(half.owed);
            }
            stays
        });
    }

    /// Gives back what may be given back now.
    pub(super) fn give_credit(&mut self) {
        self.let_halves_in();
        let over = self.shared.account.is_over() && self.leaving.is_none();
        let mut waits = self.halves.values().any(|half| !half.room.is_in());
        for lane in Lane::ALL {
            let window = &self.windows[lane as usize];
            if !window.has_lump() {
                continue;
            }
            let goes_on = self
                .halves
                .iter()
                .any(|((kind, id), half)| Lane::of(*kind, *id) == Some(lane) && half.room.is_in());
            if over && !goes_on {
                waits = true;
            } else {
                self.session.grant(lane.credit_id(), window.take());
            }
        }
        let held_back = std::mem::take(&mut self.held_back);
        for (request_id, bytes) in held_back {
            self.grant_reply(request_id, bytes);
        }
        // Who was given credit can go on from now.
        if !self.halves.is_empty() {
            self.watch_halves();
        }
        if (waits || !self.held_back.is_empty()) && matches!(self.retry, Timer::Off) {
            self.retry = Timer::after(RETRY);
        }
    }

    /// Gives credit for replies to a request, or keeps it until there is room.
    pub(super) fn grant_reply(&mut self, request_id: u64, bytes: u64) {
        let Some(link) = &self.link else { return };
        let goes_on = || {
            self.halves
                .get(&(PacketType::Response, request_id))
                .is_some_and(|half| half.room.is_in())
        };
        if !self.shared.account.is_over() || self.leaving.is_some() || goes_on() {
            self.session.grant(request_id, bytes);
        } else if link.asked(request_id).is_some() {
            *self.held_back.entry(request_id).or_default() += bytes;
        }
    }

    /// Half a content may not stay half for ever: while its sender has credit to go on with, it comes on by [`PACE_BYTES`] in each
    /// [`PART_TIMEOUT`]. What still waits for room waits for this side.
    pub(super) fn watch_halves(&mut self) {
        let due = self.halves.iter().any(|((packet_type, id), half)| {
            let left = match Lane::of(*packet_type, *id) {
                Some(lane) => self.session.credit_left(lane),
                None => self
                    .link
                    .as_ref()
                    .and_then(|link| link.asked(*id))
                    .map_or(0, |asked| asked.credit_left()),
            };
            half.room.is_in() && left >= PART_COST
        });
        if !due || self.paced >= PACE_BYTES {
            self.paced = 0;
            self.pace = Timer::Off;
        }
        if due && matches!(self.pace, Timer::Off) {
            self.pace = Timer::after(PART_TIMEOUT);
        }
    }

    /// Takes room for contents that wait for it, where there is some by now, and gives their credit back.
    fn let_halves_in(&mut self) {
        for ((packet_type, request_id), half) in &mut self.halves {
            if !half.room.enter(half.announced) {
                continue;
            }
            let owed = std::mem::take(&mut half.owed);
            match Lane::of(*packet_type, *request_id) {
                Some(lane) => self.windows[lane as usize].add(owed),
                None => {
                    if let Some(asked) = self.link.as_ref().and_then(|link| link.asked(*request_id))
                    {
                        asked.taken(owed);
                    }
                }
            }
        }
    }
}
