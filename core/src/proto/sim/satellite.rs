//! A satellite reduced to its connections: the real roster and the real pairs, and a handshake without cryptography.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::world::{Node, Step, What};
use crate::identity::PeerId;
use crate::proto::Now;
use crate::proto::pair::{self, ConnectionId, Dialer, Pair, Timing};
use crate::proto::roster::{
    Action, Address, End, Event, Limits, Roster, Sighting, Source, State, Target,
};
use crate::rng::Rng;

/// What these satellites say to each other.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Hello { epoch: u64 },
    Auth,
    Peers { sightings: Vec<Sighting>, ask: bool },
    Bye(End),
}

/// Which id lives at which place.
pub(super) type Ids = Rc<Vec<PeerId>>;

pub(super) fn ids(size: usize, rng: &mut Rng) -> Ids {
    Rc::new((0..size).map(|_| random_id(rng)).collect())
}

pub(super) fn random_id(rng: &mut Rng) -> PeerId {
    let mut bytes = [0; 34];
    bytes[..2].copy_from_slice(&[0x12, 0x20]);
    for part in bytes[2..].chunks_mut(8) {
        part.copy_from_slice(&rng.number().to_be_bytes());
    }
    PeerId::from_bytes(&bytes).unwrap()
}

pub(super) fn address(place: usize) -> Address {
    format!("node/{place}").into()
}

pub(super) fn place(address: &Address) -> usize {
    address.strip_prefix("node/").unwrap().parse().unwrap()
}

struct Connection {
    peer: PeerId,
    /// Where it was dialled.
    dialled: Option<Address>,
}

pub(super) struct Satellite {
    ids: Ids,
    place: usize,
    epoch: u64,
    bootstrap: Vec<Address>,
    pub(super) roster: Roster,
    pairs: BTreeMap<PeerId, Pair>,
    connections: BTreeMap<u64, Connection>,
    dials: BTreeMap<u64, Target>,
    next_dial: u64,
    /// What the peer's Bye said of the session that ends.
    byes: BTreeMap<PeerId, End>,
    /// When what was dialled.
    pub(super) dialled: Vec<(Now, Target)>,
    /// When which session began, on which connection.
    pub(super) opened: Vec<(Now, PeerId, u64)>,
    pub(super) most_sessions: usize,
    /// Then it listens nowhere.
    paused: bool,
}

impl Satellite {
    pub(super) fn new(
        ids: &Ids,
        place: usize,
        epoch: u64,
        limits: Limits,
        bootstrap: &[usize],
        seed: u64,
    ) -> Self {
        Self {
            ids: ids.clone(),
            place,
            epoch,
            bootstrap: bootstrap.iter().copied().map(address).collect(),
            roster: Roster::new(ids[place], limits, seed),
            pairs: BTreeMap::new(),
            connections: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_dial: 0,
            byes: BTreeMap::new(),
            dialled: Vec::new(),
            opened: Vec::new(),
            most_sessions: 0,
            paused: false,
        }
    }

    pub(super) fn session(&self, peer: &PeerId) -> Option<u64> {
        self.pairs.get(peer)?.session().map(|id| id.0)
    }

    pub(super) fn peer_at(&self, place: usize) -> PeerId {
        self.ids[place]
    }

    pub(super) fn open_connections(&self) -> usize {
        self.connections.len()
    }

    /// Known peers in a state.
    pub(super) fn in_state(&self, states: &[State]) -> BTreeSet<PeerId> {
        self.roster
            .met()
            .into_iter()
            .filter(|met| states.contains(&met.state))
            .map(|met| met.peer)
            .collect()
    }

    pub(super) fn tell(&mut self, event: Event, now: Now) -> Vec<Step<Frame>> {
        let mut out = Vec::new();
        self.roster(event, now, &mut out);
        out
    }

    /// Says goodbye to everybody; the node is to be taken away soon after.
    pub(super) fn leave(&mut self) -> Vec<Step<Frame>> {
        let sessions = self.pairs.values().filter_map(Pair::session);
        sessions
            .flat_map(|id| {
                [
                    Step::Send {
                        conn: id.0,
                        frame: Frame::Bye(End::Left),
                    },
                    Step::Close { conn: id.0 },
                ]
            })
            .collect()
    }

    /// Its application goes to the background.
    pub(super) fn pause(&mut self, now: Now) -> Vec<Step<Frame>> {
        let mut out = self.leave();
        self.roster(Event::Paused, now, &mut out);
        for (peer, pair) in std::mem::take(&mut self.pairs) {
            if pair.session().is_some() {
                let end = End::Lost;
                self.roster(Event::Disconnected { peer, end }, now, &mut out);
            }
        }
        let left = std::mem::take(&mut self.connections);
        out.extend(left.into_keys().map(|conn| Step::Close { conn }));
        self.dials.clear();
        self.paused = true;
        out
    }

    pub(super) fn resume(&mut self, now: Now) -> Vec<Step<Frame>> {
        self.paused = false;
        self.tell(Event::Resumed, now)
    }

    fn roster(&mut self, event: Event, now: Now, out: &mut Vec<Step<Frame>>) {
        let actions = self.roster.handle(event, now);
        self.apply(actions, now, out);
    }

    fn apply(&mut self, actions: Vec<Action>, now: Now, out: &mut Vec<Step<Frame>>) {
        for action in actions {
            match action {
                Action::Dial { target, addresses } => {
                    let dial = self.next_dial;
                    self.next_dial += 1;
                    self.dialled.push((now, target.clone()));
                    if let Target::Peer(peer) = &target {
                        self.pair(*peer, pair::Event::Dialing, now, out);
                    }
                    self.dials.insert(dial, target);
                    out.push(Step::Dial {
                        dial,
                        to: place(&addresses[0]),
                    });
                }
                Action::Tell {
                    peer,
                    sightings,
                    ask,
                } => {
                    if let Some(conn) = self.session(&peer) {
                        out.push(Step::Send {
                            conn,
                            frame: Frame::Peers { sightings, ask },
                        });
                    }
                }
                Action::Trim { peer } => self.end_session(peer, End::Trimmed, now, out),
                Action::Forget { .. }
                | Action::Discovered { .. }
                | Action::NoBootstrap { .. }
                | Action::Unreachable { .. } => {}
            }
        }
    }

    /// Ends whatever there is with a peer.
    fn end_session(&mut self, peer: PeerId, end: End, now: Now, out: &mut Vec<Step<Frame>>) {
        let Some(pair) = self.pairs.remove(&peer) else {
            return;
        };
        for id in pair.connections() {
            self.connections.remove(&id.0);
            out.push(Step::Send {
                conn: id.0,
                frame: Frame::Bye(end),
            });
            out.push(Step::Close { conn: id.0 });
        }
        self.roster(Event::Disconnected { peer, end }, now, out);
    }

    fn pair(&mut self, peer: PeerId, event: pair::Event, now: Now, out: &mut Vec<Step<Frame>>) {
        let local = self.ids[self.place];
        let pair = self
            .pairs
            .entry(peer)
            .or_insert_with(|| Pair::new(&local, &peer, Timing::default()));
        let actions = pair.handle(event, now);
        self.apply_pair(peer, actions, now, out);
    }

    fn apply_pair(
        &mut self,
        peer: PeerId,
        actions: Vec<pair::Action>,
        now: Now,
        out: &mut Vec<Step<Frame>>,
    ) {
        for action in actions {
            match action {
                pair::Action::Authorise { id } => out.push(Step::Send {
                    conn: id.0,
                    frame: Frame::Auth,
                }),
                pair::Action::Open { id } => {
                    let dialled = self.connections.get(&id.0).and_then(|c| c.dialled.clone());
                    self.opened.push((now, peer, id.0));
                    self.byes.remove(&peer);
                    let inbound = dialled.is_none();
                    let event = Event::Connected {
                        peer,
                        address: dialled,
                        inbound,
                        explicit: false,
                    };
                    self.roster(event, now, out);
                }
                pair::Action::Replace { .. } => {}
                pair::Action::Lost { .. } => {
                    let end = self.byes.remove(&peer).unwrap_or(End::Lost);
                    self.roster(Event::Disconnected { peer, end }, now, out);
                }
                pair::Action::Close { id, .. } => {
                    out.push(Step::Close { conn: id.0 });
                    self.connection_gone(id.0, now, out);
                }
            }
        }
        if self.pairs.get(&peer).is_some_and(Pair::is_idle) {
            self.pairs.remove(&peer);
        }
    }

    fn connection_gone(&mut self, conn: u64, now: Now, out: &mut Vec<Step<Frame>>) {
        let Some(gone) = self.connections.remove(&conn) else {
            return;
        };
        let others = self.connections.values().any(|c| c.peer == gone.peer);
        if gone.dialled.is_some() && !others && self.session(&gone.peer).is_none() {
            let reason = "broke during the handshake".to_owned();
            self.roster(
                Event::DialFailed {
                    target: Target::Peer(gone.peer),
                    reason,
                },
                now,
                out,
            );
        }
    }

    fn frame(&mut self, conn: u64, frame: Frame, now: Now, out: &mut Vec<Step<Frame>>) {
        let id = ConnectionId(conn);
        let Some(peer) = self.connections.get(&conn).map(|c| c.peer) else {
            return;
        };
        match frame {
            Frame::Hello { epoch } => self.pair(peer, pair::Event::Hello { id, epoch }, now, out),
            Frame::Auth => self.pair(peer, pair::Event::Established { id }, now, out),
            Frame::Bye(end) => {
                self.byes.insert(peer, end);
            }
            Frame::Peers { sightings, ask } => {
                let from = peer;
                for Sighting {
                    peer,
                    addresses,
                    age,
                } in sightings
                {
                    self.roster(
                        Event::Learned {
                            peer,
                            addresses,
                            source: Source::Exchange,
                            age,
                        },
                        now,
                        out,
                    );
                }
                if ask {
                    self.roster(Event::Asked { peer: from }, now, out);
                }
            }
        }
    }
}

impl Node for Satellite {
    type Frame = Frame;

    fn start(&mut self, now: Now) -> Vec<Step<Frame>> {
        let mut out = Vec::new();
        for address in self.bootstrap.clone() {
            self.roster(Event::Bootstrap { address }, now, &mut out);
        }
        out
    }

    fn handle(&mut self, what: What<Frame>, now: Now) -> Vec<Step<Frame>> {
        let mut out = Vec::new();
        match what {
            What::Up { conn, .. } if self.paused => out.push(Step::Close { conn }),
            What::Up { conn, with, dial } => {
                let peer = self.ids[with];
                let id = ConnectionId(conn);
                let dialer = if dial.is_some() {
                    Dialer::Local
                } else {
                    Dialer::Remote
                };
                let dialled = dial.map(|_| address(with));
                self.connections.insert(conn, Connection { peer, dialled });
                out.push(Step::Send {
                    conn,
                    frame: Frame::Hello { epoch: self.epoch },
                });
                if let Some(target) = dial.and_then(|dial| self.dials.remove(&dial)) {
                    self.roster(Event::Dialled { target, peer }, now, &mut out);
                }
                self.pair(peer, pair::Event::Up { id, dialer }, now, &mut out);
                // As identify does: where the peer can be dialled.
                let (addresses, source) = (vec![address(with)], Source::Identify);
                self.roster(
                    Event::Learned {
                        peer,
                        addresses,
                        source,
                        age: Now::ZERO,
                    },
                    now,
                    &mut out,
                );
            }
            What::DialFailed { dial } => {
                if let Some(target) = self.dials.remove(&dial) {
                    if let Target::Peer(peer) = &target {
                        self.pair(*peer, pair::Event::DialFailed, now, &mut out);
                    }
                    self.roster(
                        Event::DialFailed {
                            target,
                            reason: "no answer".into(),
                        },
                        now,
                        &mut out,
                    );
                }
            }
            What::Frame { conn, frame } => self.frame(conn, frame, now, &mut out),
            What::Down { conn } => {
                if let Some(peer) = self.connections.get(&conn).map(|c| c.peer) {
                    self.pair(
                        peer,
                        pair::Event::Down {
                            id: ConnectionId(conn),
                        },
                        now,
                        &mut out,
                    );
                    self.connection_gone(conn, now, &mut out);
                }
            }
            What::Datagram { .. } => {}
            What::Timeout => {
                let actions = self.roster.handle_timeout(now);
                self.apply(actions, now, &mut out);
                let due = |pair: &Pair| pair.next_timeout().is_some_and(|at| at <= now);
                let due: Vec<PeerId> = self
                    .pairs
                    .iter()
                    .filter(|(_, pair)| due(pair))
                    .map(|(p, _)| *p)
                    .collect();
                for peer in due {
                    let actions = self
                        .pairs
                        .get_mut(&peer)
                        .map(|pair| pair.handle_timeout(now));
                    self.apply_pair(peer, actions.unwrap_or_default(), now, &mut out);
                }
            }
        }
        self.most_sessions = self.most_sessions.max(self.roster.sessions());
        out
    }

    fn next_timeout(&self) -> Option<Now> {
        let pairs = self.pairs.values().filter_map(Pair::next_timeout).min();
        [self.roster.next_timeout(), pairs]
            .into_iter()
            .flatten()
            .min()
    }
}
