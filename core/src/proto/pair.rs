//! One session per pair of satellites, also when both dial at once.
//!
//! One [`Pair`] watches every transport connection between this satellite and one peer, and says which of them carries the
//! session. It moves no bytes and checks no signature: the session machine of each connection exchanges Hello and Auth, and this
//! one only says when a connection may go on to Auth, and when it is to be closed.
//!
//! Both ends must choose the same connection, and they see connections come and go in different orders. So only one of them
//! chooses: the lower peer id is the *arbiter*. It sends its Auth on one connection at a time; the higher sends its own on each
//! connection at once, and takes for the session the one on which the arbiter's Auth arrives. The arbiter prefers its own dial.
//!
//! ```text
//!            up            Hello              own Auth sent          the other's Auth
//!   (none) ─────▶ opening ───────▶ waiting ──────────────────▶ chosen ────────────────▶ session
//!                                  higher: passes through       arbiter: one at a time   higher: the latest one
//! ```
//!
//! What follows from it:
//! - While no connection is a session, the arbiter holds the peer's dial back for as long as its own is under way, at most `hold`.
//! - While there is a session, another connection of the same life (epoch) of the peer is a duplicate and closed after `grace`, the
//!   time in which both ends learn of the session. One case is not a duplicate: the peer dialled after the session stood, and
//!   still wants that connection `hold` later. It would have closed it itself if it saw the session alive; so the session is dead
//!   at the other end, and moves.
//! - A Hello of a later epoch means that the peer was started again: what belongs to its earlier life is closed at once.
//! - No connection stays open without a session for longer than `handshake`. So a pair that has lost its session has none open,
//!   or soon has a session: it never stays connected and mute.

use std::time::Duration;

use super::Now;
use crate::identity::PeerId;

#[cfg(test)]
mod tests;

/// Connections of one pair at a time; a further one is refused. Two dials at once, and the same again after a cut.
pub(crate) const CONNECTIONS_MAX: usize = 4;

/// The driver's name for a transport connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialer {
    /// This satellite.
    Local,
    /// The peer.
    Remote,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How long the arbiter lets a usable connection wait for a better one.
    pub(crate) hold: Duration,
    /// How long a connection that is not needed stays open, in case the session breaks while it begins.
    pub(crate) grace: Duration,
    /// From a connection's start to its session.
    pub(crate) handshake: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(3),
            grace: Duration::from_secs(1),
            handshake: Duration::from_secs(10),
        }
    }
}

/// What happened to the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A dial to the peer began. It ends with `DialFailed` or with `Up` of a local dial.
    Dialing,
    /// A dial to the peer failed.
    DialFailed,
    /// A connection stands, and the transport has proved the peer's id.
    Up {
        /// The new connection.
        id: ConnectionId,
        /// Who opened it.
        dialer: Dialer,
    },
    /// The peer's Hello came.
    Hello {
        /// On this connection.
        id: ConnectionId,
        /// The peer's epoch in it.
        epoch: u64,
    },
    /// The peer's Auth came and is good; it may come before this side's own is sent.
    Established {
        /// On this connection.
        id: ConnectionId,
    },
    /// The connection is gone, by whatever end; also after [`Action::Close`].
    Down {
        /// This connection.
        id: ConnectionId,
    },
}

/// What the driver is to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send this side's Auth on this connection.
    Authorise {
        /// The connection.
        id: ConnectionId,
    },
    /// There was no session; now this connection carries it.
    Open {
        /// The connection.
        id: ConnectionId,
    },
    /// The session moved. What still arrives on `old` is good until it is closed; nothing more is sent on it.
    Replace {
        /// Carried it so far.
        old: ConnectionId,
        /// Carries it from now on.
        new: ConnectionId,
    },
    /// There is no session any more.
    Lost {
        /// Carried it last.
        id: ConnectionId,
    },
    /// Close this connection. `Down` may follow or not.
    Close {
        /// The connection.
        id: ConnectionId,
        /// What to tell the peer.
        reason: CloseReason,
    },
}

/// Why a connection is closed that has nothing wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CloseReason {
    /// Another connection carries the session.
    Duplicate,
    /// The session moved to another connection.
    Replaced,
    /// The peer was started again since.
    Restarted,
    /// It belongs to an earlier life of the peer than another one.
    Stale,
    /// It did not become a session in time.
    Timeout,
    /// The pair has [`CONNECTIONS_MAX`] others.
    Limit,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    dialer: Dialer,
    up: Now,
    /// The peer's epoch, and when it was heard.
    hello: Option<(u64, Now)>,
    /// When this side's Auth was sent.
    authorised: Option<Now>,
    /// When the peer's Auth came.
    proved: Option<Now>,
    /// Carried the session before another one: closed at that time.
    retired: Option<Now>,
}

impl Connection {
    fn established(&self) -> bool {
        self.authorised.is_some() && self.proved.is_some()
    }

    fn epoch(&self) -> Option<u64> {
        self.hello.map(|(epoch, _)| epoch)
    }
}

/// The connections between this satellite and one peer.
///
/// Feed it every [`Event`] and do what it answers. Ask [`next_timeout`](Self::next_timeout) after each, and call
/// [`handle_timeout`](Self::handle_timeout) when that time has come. Drop it once [`is_idle`](Self::is_idle).
#[derive(Debug)]
pub(crate) struct Pair {
    arbiter: bool,
    timing: Timing,
    /// Own dials under way.
    dials: u32,
    /// In the order they came up.
    connections: Vec<Connection>,
    /// Which carries the session, and since when there is one on it.
    session: Option<(ConnectionId, Now)>,
}

impl Pair {
    /// No connection yet. `local` and `remote` differ: nobody has a session with itself.
    pub(crate) fn new(local: &PeerId, remote: &PeerId, timing: Timing) -> Self {
        Self {
            arbiter: local < remote,
            timing,
            dials: 0,
            connections: Vec::new(),
            session: None,
        }
    }

    /// The connection that carries the session.
    pub(crate) fn session(&self) -> Option<ConnectionId> {
        self.session.map(|(id, _)| id)
    }

    /// Every connection not yet closed, for who wants to close them all.
    #[cfg(test)]
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.iter().map(|c| c.id)
    }

    /// Nothing is open or under way: the machine may be dropped.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.dials == 0
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Dialing => self.dials = self.dials.saturating_add(1),
            Event::DialFailed => self.dials = self.dials.saturating_sub(1),
            Event::Up { id, dialer } => self.up(id, dialer, now, &mut out),
            Event::Hello { id, epoch } => self.hello(id, epoch, now, &mut out),
            Event::Established { id } => self.proved(id, now, &mut out),
            Event::Down { id } => {
                if self.remove(id) {
                    self.ended(id, now, &mut out);
                }
            }
        }
        self.settle(now, &mut out);
        out
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Option<Now> {
        self.connections
            .iter()
            .filter_map(|c| self.deadline(c))
            .map(|(at, _)| at)
            .min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        self.settle(now, &mut out);
        out
    }

    fn up(&mut self, id: ConnectionId, dialer: Dialer, now: Now, out: &mut Vec<Action>) {
        if dialer == Dialer::Local {
            self.dials = self.dials.saturating_sub(1);
        }
        if self.find(id).is_some() {
            return;
        }
        if self.connections.len() >= CONNECTIONS_MAX {
            out.push(Action::Close {
                id,
                reason: CloseReason::Limit,
            });
            return;
        }
        self.connections.push(Connection {
            id,
            dialer,
            up: now,
            hello: None,
            authorised: None,
            proved: None,
            retired: None,
        });
    }

    fn hello(&mut self, id: ConnectionId, epoch: u64, now: Now, out: &mut Vec<Action>) {
        let latest = self.connections.iter().filter_map(Connection::epoch).max();
        let Some(connection) = self.find(id).filter(|c| c.hello.is_none()) else {
            return;
        };
        connection.hello = Some((epoch, now));
        if latest.is_some_and(|latest| epoch < latest) {
            self.close(id, CloseReason::Stale, now, out);
            return;
        }
        let earlier = |c: &Connection| c.epoch().is_some_and(|e| e < epoch);
        while let Some(old) = self.connections.iter().find(|c| earlier(c)).map(|c| c.id) {
            // The session is not moved to another old connection: all of them go.
            if self.session() == Some(old) {
                self.session = None;
                out.push(Action::Lost { id: old });
            }
            self.close(old, CloseReason::Restarted, now, out);
        }
        if !self.arbiter {
            self.authorise(id, now, out);
        }
    }

    fn proved(&mut self, id: ConnectionId, now: Now, out: &mut Vec<Action>) {
        let Some(connection) = self
            .find(id)
            .filter(|c| c.hello.is_some() && c.proved.is_none())
        else {
            return;
        };
        connection.proved = Some(now);
        if connection.established() {
            self.carry(id, now, out);
        }
    }

    fn authorise(&mut self, id: ConnectionId, now: Now, out: &mut Vec<Action>) {
        let Some(connection) = self.find(id) else {
            return;
        };
        connection.authorised = Some(now);
        let established = connection.established();
        out.push(Action::Authorise { id });
        if established {
            self.carry(id, now, out);
        }
    }

    /// An established connection takes the session.
    fn carry(&mut self, id: ConnectionId, now: Now, out: &mut Vec<Action>) {
        match self.session.replace((id, now)) {
            None => out.push(Action::Open { id }),
            Some((old, _)) => {
                out.push(Action::Replace { old, new: id });
                let grace = self.timing.grace;
                if let Some(old) = self.find(old) {
                    // The arbiter has closed it already at its end, or the Auths crossed a break; time tells which.
                    old.retired = Some(now + grace);
                }
            }
        }
        if let Some(connection) = self.find(id) {
            connection.retired = None;
        }
    }

    /// A connection is gone: what becomes of the session.
    fn ended(&mut self, id: ConnectionId, now: Now, out: &mut Vec<Action>) {
        if self.session() != Some(id) {
            return;
        }
        let next = self
            .connections
            .iter()
            .filter(|c| c.established())
            .max_by_key(|c| c.proved);
        match next.map(|c| c.id) {
            Some(next) => self.carry(next, now, out),
            None => {
                self.session = None;
                out.push(Action::Lost { id });
            }
        }
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason, now: Now, out: &mut Vec<Action>) {
        if self.remove(id) {
            out.push(Action::Close { id, reason });
            self.ended(id, now, out);
        }
    }

    /// Closes what is due and, at the arbiter, chooses, until nothing more changes.
    fn settle(&mut self, now: Now, out: &mut Vec<Action>) {
        loop {
            let due = self.connections.iter().find_map(|c| {
                self.deadline(c)
                    .filter(|(at, _)| *at <= now)
                    .map(|(_, due)| (c.id, due))
            });
            match due {
                Some((id, Due::Close(reason))) => self.close(id, reason, now, out),
                Some((id, Due::Take)) => {
                    let old = self.session();
                    self.authorise(id, now, out);
                    // Only one connection has the arbiter's Auth, and the peer has given this one up.
                    if let Some(old) = old {
                        self.close(old, CloseReason::Replaced, now, out);
                    }
                }
                Some((id, Due::Choose)) => self.authorise(id, now, out),
                None => return,
            }
        }
    }

    /// What is to be done with a connection if nothing happens to it, and when.
    fn deadline(&self, c: &Connection) -> Option<(Now, Due)> {
        if let Some(at) = c.retired {
            return Some((at, Due::Close(CloseReason::Replaced)));
        }
        if c.established() {
            return None;
        }
        let late = (
            c.up + self.timing.handshake,
            Due::Close(CloseReason::Timeout),
        );
        let other = match self.session {
            Some((_, since)) => self.beside_session(c, since),
            None if self.arbiter => self.without_session(c),
            None => None,
        };
        Some(match other {
            Some(other) if other.0 < late.0 => other,
            _ => late,
        })
    }

    /// The same, for a connection beside a session that stands since then.
    fn beside_session(&self, c: &Connection, since: Now) -> Option<(Now, Due)> {
        let duplicate = Some((
            since.max(c.up) + self.timing.grace,
            Due::Close(CloseReason::Duplicate),
        ));
        match (self.arbiter, c.dialer) {
            (_, Dialer::Local) => duplicate,
            // The arbiter dialled although it had a session: only it knows why, and it closes what it does not need.
            (false, Dialer::Remote) => None,
            (true, Dialer::Remote) if c.up <= since => duplicate,
            (true, Dialer::Remote) => {
                let (_, heard) = c.hello?;
                let proved = c.proved?;
                Some((proved.max(heard + self.timing.hold), Due::Take))
            }
        }
    }

    /// The same, at the arbiter while there is no session.
    fn without_session(&self, c: &Connection) -> Option<(Now, Due)> {
        if let Some(sent) = c.authorised {
            // It is silent: another one that could be chosen is let wait for it only so long.
            let waiting = self
                .connections
                .iter()
                .filter(|o| o.id != c.id)
                .filter_map(|o| o.hello);
            let since = waiting.map(|(_, heard)| heard).min()?;
            return Some((
                sent.max(since) + self.timing.hold,
                Due::Close(CloseReason::Timeout),
            ));
        }
        let (_, heard) = c.hello?;
        if self.connections.iter().any(|o| o.authorised.is_some()) {
            return None;
        }
        let own_under_way = self.dials > 0
            || self
                .connections
                .iter()
                .any(|o| o.dialer == Dialer::Local && o.hello.is_none());
        let own_ready = |o: &&Connection| o.dialer == Dialer::Local && o.hello.is_some();
        match c.dialer {
            Dialer::Local => Some((heard, Due::Choose)),
            Dialer::Remote if self.connections.iter().any(|o| own_ready(&o)) => None,
            Dialer::Remote if own_under_way => Some((heard + self.timing.hold, Due::Choose)),
            Dialer::Remote => Some((heard, Due::Choose)),
        }
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.id == id)
    }

    fn remove(&mut self, id: ConnectionId) -> bool {
        let before = self.connections.len();
        self.connections.retain(|c| c.id != id);
        self.connections.len() < before
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug)]
enum Due {
    Close(CloseReason),
    /// The arbiter, without a session: this one is it.
    Choose,
    /// The arbiter, with a session that the peer no longer has: move it here.
    Take,
}
