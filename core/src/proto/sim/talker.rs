//! A satellite that talks: the real session machine on each connection, the real pairs and the real roster, and on top of them an
//! application that sends numbered messages, asks, answers in several replies, gives up and fails, all at random.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::log::{Ending, Log, Way};
use super::satellite::{address, place};
use super::world::{Node, Step, What};
use crate::config::Signing;
use crate::error::Code;
use crate::identity::{Identity, PeerId};
use crate::proto::Now;
use crate::proto::frame::FrameReader;
use crate::proto::keys::DelegatedKey;
use crate::proto::packet::Encoded;
use crate::proto::pair::{self, ConnectionId, Dialer, Pair, Timing};
use crate::proto::roster::{self, Action, End, Event, Roster, Source, Target};
use crate::proto::session::{Lane, Limits, Output, Session, SessionConfig};
use crate::proto::testing::{NOW, identities};
use crate::rng::Rng;
use chat::Answer;

mod chat;

/// Places of talkers at most: each needs an RSA key, and making one takes long.
pub(super) const TALKERS_MAX: usize = 4;

/// In the order of their ids. Two are made anew for each run of the tests, which changes nothing but the bytes.
static KEYS: LazyLock<Vec<(Identity, Arc<DelegatedKey>)>> = LazyLock::new(|| {
    let mut keys: Vec<Identity> = identities().into_iter().cloned().collect();
    keys.resize_with(TALKERS_MAX, || Identity::generate().unwrap());
    keys.sort_by_key(Identity::peer_id);
    keys.into_iter()
        .enumerate()
        .map(|(place, key)| {
            let delegated = DelegatedKey::new(&key, [place as u8 + 1; 32], NOW);
            (key, Arc::new(delegated))
        })
        .collect()
});

const LIMITS: Limits = Limits {
    content: 1 << 20,
    // Little, so that credit is waited for.
    window: 100 * 1024,
    requests: 4,
    reply_window: 1 << 20,
};

/// One connection.
struct Talk {
    with: usize,
    dialled: bool,
    session: Session,
    /// What the other end takes before it grants more.
    credit: [u64; 2],
    /// What this end has handled and not given back.
    owed: [u64; 2],
    next_request: u64,
    /// Questions on their way out, part by part.
    asking: BTreeMap<u64, VecDeque<Encoded>>,
    open: BTreeSet<u64>,
    answering: BTreeMap<u64, Answer>,
}

/// See the module.
pub(super) struct Talker {
    place: usize,
    epoch: u64,
    size: usize,
    signing: Signing,
    rng: Rng,
    log: Rc<RefCell<Log>>,
    roster: Roster,
    pairs: BTreeMap<usize, Pair>,
    talks: BTreeMap<u64, Talk>,
    dials: BTreeMap<u64, Target>,
    next_dial: u64,
    next_number: u64,
    /// When it does something by itself.
    next_turn: Now,
    /// Whether it says anything new. Answers it always finishes.
    pub(super) chatting: bool,
}

impl Talker {
    pub(super) fn new(
        place: usize,
        size: usize,
        epoch: u64,
        seed: u64,
        log: &Rc<RefCell<Log>>,
    ) -> Self {
        let mut rng = Rng::new(seed);
        let limits = roster::Limits {
            tell: 0,
            ..roster::Limits::default()
        };
        Self {
            place,
            epoch,
            size,
            signing: match rng.below(8) {
                // Seldom: it signs every write.
                0 => Signing::Rsa,
                1..4 => Signing::Lazy,
                _ => Signing::Every,
            },
            roster: Roster::new(id(place), limits, rng.number()),
            rng,
            log: Rc::clone(log),
            pairs: BTreeMap::new(),
            talks: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_dial: 0,
            // Of its own over all lives and places.
            next_number: ((place as u64) << 56) + (epoch << 40),
            next_turn: Now::ZERO,
            chatting: false,
        }
    }

    /// The connection that carries the session with a place, when it is open at this end.
    pub(super) fn session(&self, with: usize) -> Option<u64> {
        let conn = self.pairs.get(&with)?.session()?.0;
        self.talks.get(&conn)?.session.is_open().then_some(conn)
    }

    pub(super) fn open_connections(&self) -> usize {
        self.talks.len()
    }

    /// Bytes of half contents in all sessions.
    pub(super) fn assembling(&self) -> usize {
        let held = self.talks.values().map(|talk| talk.session.assembling());
        held.sum()
    }

    /// The application wants a session with a place.
    pub(super) fn connect(&mut self, with: usize, now: Now) -> Vec<Step<Bytes>> {
        let mut out = Vec::new();
        let event = Event::Connect {
            pin: true,
            peer: id(with),
            addresses: vec![address(with)],
        };
        self.roster(event, now, &mut out);
        out
    }

    /// Sends one message, if there is a session with credit.
    pub(super) fn say(&mut self, with: usize, confirm: bool, now: Now) -> Vec<Step<Bytes>> {
        let mut out = Vec::new();
        if let Some(conn) = self.session(with) {
            self.message(conn, 1, confirm, now, &mut out);
        }
        out
    }

    fn roster(&mut self, event: Event, now: Now, out: &mut Vec<Step<Bytes>>) {
        let actions = self.roster.handle(event, now);
        self.apply(actions, now, out);
    }

    fn apply(&mut self, actions: Vec<Action>, now: Now, out: &mut Vec<Step<Bytes>>) {
        for action in actions {
            if let Action::Dial { target, addresses } = action {
                let (dial, to) = (self.next_dial, place(&addresses[0]));
                self.next_dial += 1;
                self.dials.insert(dial, target);
                self.pair(to, pair::Event::Dialing, now, out);
                out.push(Step::Dial { dial, to });
            }
        }
    }

    // ---- connections ----

    fn pair(&mut self, with: usize, event: pair::Event, now: Now, out: &mut Vec<Step<Bytes>>) {
        let local = id(self.place);
        let pair = self
            .pairs
            .entry(with)
            .or_insert_with(|| Pair::new(&local, &id(with), Timing::default()));
        let actions = pair.handle(event, now);
        self.apply_pair(with, actions, now, out);
    }

    fn apply_pair(
        &mut self,
        with: usize,
        actions: Vec<pair::Action>,
        now: Now,
        out: &mut Vec<Step<Bytes>>,
    ) {
        for action in actions {
            match action {
                pair::Action::Authorise { id } => {
                    if let Some(talk) = self.talks.get_mut(&id.0) {
                        talk.session.authorise();
                        self.outputs(id.0, now, out);
                    }
                }
                pair::Action::Open { id: conn } => {
                    let dialled = self.talks.get(&conn.0).is_some_and(|talk| talk.dialled);
                    let event = Event::Connected {
                        peer: id(with),
                        address: dialled.then(|| address(with)),
                        inbound: !dialled,
                        explicit: true,
                    };
                    self.roster(event, now, out);
                }
                pair::Action::Replace { .. } => {}
                pair::Action::Lost { .. } => {
                    let event = Event::Disconnected {
                        peer: id(with),
                        end: End::Lost,
                    };
                    self.roster(event, now, out);
                }
                pair::Action::Close { id, .. } => self.close(id.0, Code::Disconnected, now, out),
            }
        }
        if self.pairs.get(&with).is_some_and(Pair::is_idle) {
            self.pairs.remove(&with);
        }
    }

    /// Says Bye on a connection and forgets it.
    fn close(&mut self, conn: u64, code: Code, now: Now, out: &mut Vec<Step<Bytes>>) {
        if let Some(talk) = self.talks.get_mut(&conn) {
            talk.session.bye(code as i32, "closed");
            self.flush(conn, out);
            out.push(Step::Close { conn });
            self.gone(conn, now, out);
        }
    }

    /// A connection is no more: its requests end.
    fn gone(&mut self, conn: u64, now: Now, out: &mut Vec<Step<Bytes>>) {
        let Some(talk) = self.talks.remove(&conn) else {
            return;
        };
        let mut log = self.log.borrow_mut();
        for id in talk.open {
            log.ended((conn, self.place), id, Ending::Disconnected);
        }
        drop(log);
        let with = talk.with;
        self.pair(
            with,
            pair::Event::Down {
                id: ConnectionId(conn),
            },
            now,
            out,
        );
        let others = self.talks.values().any(|other| other.with == with);
        if talk.dialled && !others && self.session(with).is_none() {
            let event = Event::DialFailed {
                target: Target::Peer(id(with)),
                reason: "broke during the handshake".into(),
            };
            self.roster(event, now, out);
        }
    }

    fn flush(&mut self, conn: u64, out: &mut Vec<Step<Bytes>>) {
        if let Some(talk) = self.talks.get_mut(&conn) {
            let frames = std::iter::from_fn(|| talk.session.frame());
            out.extend(frames.map(|frame| Step::Send { conn, frame }));
        }
    }

    fn up(
        &mut self,
        conn: u64,
        with: usize,
        dial: Option<u64>,
        now: Now,
        out: &mut Vec<Step<Bytes>>,
    ) {
        let (identity, delegated) = &KEYS[self.place];
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.rng.number().to_be_bytes());
        let session = Session::new(SessionConfig {
            identity: identity.clone(),
            delegated: Arc::clone(delegated),
            remote: id(with),
            signing: self.signing,
            limits: LIMITS,
            secret: None,
            network: [7; 32],
            nonce,
            epoch: self.epoch,
            clock_ms: clock(now),
        });
        let talk = Talk {
            with,
            dialled: dial.is_some(),
            session,
            credit: [0; 2],
            owed: [0; 2],
            next_request: 1,
            asking: BTreeMap::new(),
            open: BTreeSet::new(),
            answering: BTreeMap::new(),
        };
        self.talks.insert(conn, talk);
        self.flush(conn, out);
        if let Some(target) = dial.and_then(|dial| self.dials.remove(&dial)) {
            let peer = id(with);
            self.roster(Event::Dialled { target, peer }, now, out);
        }
        let dialer = match dial {
            Some(_) => Dialer::Local,
            None => Dialer::Remote,
        };
        let conn = ConnectionId(conn);
        self.pair(with, pair::Event::Up { id: conn, dialer }, now, out);
        let learned = Event::Learned {
            peer: id(with),
            addresses: vec![address(with)],
            source: Source::Identify,
            age: Now::ZERO,
        };
        self.roster(learned, now, out);
    }

    // ---- what comes in ----

    fn frame(&mut self, conn: u64, bytes: &Bytes, now: Now, out: &mut Vec<Step<Bytes>>) {
        let mut reader = FrameReader::new();
        reader.push(bytes);
        while let Some(frame) = reader.next().unwrap() {
            let Some(talk) = self.talks.get_mut(&conn) else {
                return;
            };
            let kind = frame.kind.expect("all kinds are known");
            if let Err(violation) = talk.session.on_frame(kind, &frame.raw, clock(now)) {
                self.log.borrow_mut().violations.push(violation.text);
                return self.close(conn, violation.code, now, out);
            }
            self.outputs(conn, now, out);
        }
    }

    fn outputs(&mut self, conn: u64, now: Now, out: &mut Vec<Step<Bytes>>) {
        while let Some(talk) = self.talks.get_mut(&conn)
            && let Some(output) = talk.session.output()
        {
            self.output(conn, output, now, out);
        }
        self.flush(conn, out);
    }

    fn output(&mut self, conn: u64, output: Output, now: Now, out: &mut Vec<Step<Bytes>>) {
        let Some(talk) = self.talks.get_mut(&conn) else {
            return;
        };
        let with = talk.with;
        let established = pair::Event::Established {
            id: ConnectionId(conn),
        };
        match output {
            Output::Greeted { epoch, .. } => {
                let hello = pair::Event::Hello {
                    id: ConnectionId(conn),
                    epoch,
                };
                self.pair(with, hello, now, out);
            }
            Output::Proved => self.pair(with, established, now, out),
            Output::Opened => {
                talk.credit = [talk.session.agreed().expect("greeted").0.window; 2];
                self.pair(with, established, now, out);
            }
            Output::Packet(incoming) => {
                self.taken((conn, with));
                self.packet(conn, incoming);
            }
            Output::Taken {
                packet_type,
                request_id,
                cost,
                ..
            } => {
                if let Some(lane) = Lane::of(packet_type, request_id) {
                    talk.owed[lane as usize] += cost;
                } else if !talk.open.contains(&request_id) {
                    talk.session.forget(request_id);
                }
                self.taken((conn, with));
            }
            Output::Granted { request_id, bytes } => {
                if let Some(lane) = Lane::of_credit(request_id) {
                    talk.credit[lane as usize] += bytes;
                }
            }
            Output::Cancelled { request_id } => drop(talk.answering.remove(&request_id)),
            Output::Acked { up_to } => {
                let mut log = self.log.borrow_mut();
                log.packets.entry((conn, self.place)).or_default()[2] = up_to;
            }
            Output::Bye { .. } => {
                out.push(Step::Close { conn });
                self.gone(conn, now, out);
            }
        }
    }

    fn taken(&self, way: Way) {
        self.log.borrow_mut().packets.entry(way).or_default()[1] += 1;
    }
}

pub(super) fn id(place: usize) -> PeerId {
    KEYS[place].0.peer_id()
}

fn clock(now: Now) -> u64 {
    NOW + now.as_millis() as u64
}

impl Node for Talker {
    type Frame = Bytes;

    fn start(&mut self, now: Now) -> Vec<Step<Bytes>> {
        // Whoever chats connects to all; else the scenario says who connects.
        let others = (0..self.size).filter(|with| *with != self.place && self.chatting);
        let others: Vec<usize> = others.collect();
        others
            .into_iter()
            .flat_map(|with| self.connect(with, now))
            .collect()
    }

    fn handle(&mut self, what: What<Bytes>, now: Now) -> Vec<Step<Bytes>> {
        let mut out = Vec::new();
        match what {
            What::Up { conn, with, dial } => self.up(conn, with, dial, now, &mut out),
            What::DialFailed { dial } => {
                if let Some(target) = self.dials.remove(&dial) {
                    if let Target::Peer(peer) = &target {
                        let with = (0..self.size).find(|place| id(*place) == *peer);
                        let failed = pair::Event::DialFailed;
                        self.pair(with.expect("a place"), failed, now, &mut out);
                    }
                    let reason = "no answer".into();
                    self.roster(Event::DialFailed { target, reason }, now, &mut out);
                }
            }
            What::Frame { conn, frame } => self.frame(conn, &frame, now, &mut out),
            What::Down { conn } => self.gone(conn, now, &mut out),
            What::Datagram { .. } => {}
            What::Timeout => {
                let actions = self.roster.handle_timeout(now);
                self.apply(actions, now, &mut out);
                for with in self.pairs.keys().copied().collect::<Vec<_>>() {
                    let actions = self
                        .pairs
                        .get_mut(&with)
                        .map(|pair| pair.handle_timeout(now));
                    self.apply_pair(with, actions.unwrap_or_default(), now, &mut out);
                }
                if self.next_turn <= now {
                    self.turn(now, &mut out);
                }
            }
        }
        out
    }

    fn next_timeout(&self) -> Option<Now> {
        let pairs = self.pairs.values().filter_map(Pair::next_timeout).min();
        let turn = self.is_busy().then_some(self.next_turn);
        [self.roster.next_timeout(), pairs, turn]
            .into_iter()
            .flatten()
            .min()
    }
}
