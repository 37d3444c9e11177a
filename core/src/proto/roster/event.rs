//! What the roster is told, and what it answers.

use std::time::Duration;

use super::Address;
use crate::identity::PeerId;

/// How many of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// With fewer sessions, known peers are dialled.
    pub(crate) low: usize,
    /// With more, old ones are given up.
    pub(crate) high: usize,
    /// Dials under way at a time; what a user asks for may double it.
    pub(crate) dials: usize,
    /// Entries of the table, beyond those with a session and those the user wants.
    pub(crate) known: usize,
    /// An entry not seen alive for so long is forgotten.
    pub(crate) expiry: Duration,
    /// Peers one [`Action::Tell`] tells of; 0 for a satellite that tells nobody.
    pub(crate) tell: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            low: 8,
            high: 32,
            dials: 8,
            known: 10_000,
            expiry: Duration::from_secs(600),
            tell: 24,
        }
    }
}

/// Who told of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It was configured, with its id. It is never forgotten.
    Bootstrap,
    /// An earlier run of this satellite.
    Remembered,
    /// A provider record of the rendezvous.
    Provider,
    /// Another peer.
    Exchange,
    /// It announced itself on the local network.
    #[cfg_attr(
        not(feature = "mdns"),
        expect(dead_code, reason = "mDNS is not built in")
    )]
    Mdns,
    /// It told of itself, on a connection that proves its id.
    Identify,
}

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// This peer, and nobody else who answers.
    Peer(PeerId),
    /// Whoever answers there.
    Address(Address),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection broke, or the peer did.
    Lost,
    /// The peer shut down, or pauses, and said so.
    Left,
    /// One of both had too many, or the peer's user ended it.
    Trimmed,
    /// The user of this satellite ended it.
    User,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Somebody told of a peer.
    Learned {
        /// Of whom.
        peer: PeerId,
        /// Where it may be dialled.
        addresses: Vec<Address>,
        /// Who told.
        source: Source,
        /// How long ago it was seen alive; heeded for [`Source::Exchange`] and [`Source::Provider`].
        age: Duration,
    },
    /// An address was configured without a peer id.
    Bootstrap {
        /// The address.
        address: Address,
    },
    /// The user, or the DHT, wants a session with a peer.
    Connect {
        /// For good: it is dialled again whenever it is lost.
        pin: bool,
        /// With whom.
        peer: PeerId,
        /// Where it may be dialled, beside what is known.
        addresses: Vec<Address>,
    },
    /// The user wants a session with whoever answers there. Dialled at once and once.
    ConnectAddress {
        /// The address.
        address: Address,
    },
    /// The user wants no session with a peer, until it dials or the user connects again. The driver ends the session itself.
    Disconnect {
        /// With whom.
        peer: PeerId,
    },
    /// A dial led to a connection; the handshake begins.
    Dialled {
        /// As in [`Action::Dial`].
        target: Target,
        /// Who answered.
        peer: PeerId,
    },
    /// A dial failed at every address.
    DialFailed {
        /// As in [`Action::Dial`].
        target: Target,
        /// For people.
        reason: String,
    },
    /// A connection with a peer is to carry a session. Whether the peer belongs here is not proved.
    Begun {
        /// With whom.
        peer: PeerId,
    },
    /// There is a session with a peer, and was none. [`Event::Begun`] came before.
    Connected {
        /// With whom.
        peer: PeerId,
        /// Where it was dialled, if this satellite did.
        address: Option<Address>,
        /// The peer dialled.
        inbound: bool,
        /// The user asked for it: it is pinned.
        explicit: bool,
    },
    /// There is no session with a peer any more.
    Disconnected {
        /// With whom.
        peer: PeerId,
        /// Why.
        end: End,
    },
    /// A handshake ended without a session.
    Refused {
        /// With whom.
        peer: PeerId,
        /// It would end the same way again: another network, no membership, no common version.
        permanent: bool,
    },
    /// A peer told of others and asks to be told as well.
    Asked {
        /// Who.
        peer: PeerId,
    },
    /// A session began to carry, or no longer carries, open requests or waiting packets.
    Busy {
        /// With whom.
        peer: PeerId,
        /// Which of both.
        busy: bool,
    },
    /// The application goes to the background: nothing is dialled and nothing is due until [`Event::Resumed`]. The driver ends the
    /// sessions itself.
    Paused,
    /// It is back.
    Resumed,
    /// This satellite is in another network, or at another place in it: what failed before may work now.
    NetworkChanged,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Dial these addresses, best first or side by side.
    Dial {
        /// To be named in the answer.
        target: Target,
        /// Where.
        addresses: Vec<Address>,
    },
    /// End the session with this peer: there are too many, or the user had disconnected it while it was dialled.
    Trim {
        /// With whom.
        peer: PeerId,
    },
    /// Tell this peer of others: at the start of each session, and now and then. It feeds them in as [`Source::Exchange`].
    Tell {
        /// Whom to tell.
        peer: PeerId,
        /// Of whom.
        sightings: Vec<Sighting>,
        /// Whether it is to answer: there this is [`Event::Asked`].
        ask: bool,
    },
    /// The table no longer knows this peer.
    Forget {
        /// Whom.
        peer: PeerId,
    },
    /// For users: this peer is known from now on.
    Discovered {
        /// Whom.
        peer: PeerId,
    },
    /// For the log: nobody answers at this configured address. Told the first time, and then once in about an hour.
    NoBootstrap {
        /// Where.
        address: Address,
        /// What the last dial said.
        reason: String,
        /// How many dials failed in a row.
        failures: u32,
        /// After which time it is dialled again, at the earliest.
        again: Duration,
    },
    /// For users: this peer did not answer, several times in a row. It is still dialled.
    Unreachable {
        /// Whom.
        peer: PeerId,
        /// What the last dial said.
        reason: String,
    },
}

/// How a known peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Known, and nothing speaks against its being reached.
    Met,
    /// There is a session.
    Connected,
    /// It did not answer, several times in a row.
    Unreachable,
}

/// A known peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    /// Who.
    pub(crate) peer: PeerId,
    /// How it stands.
    pub(crate) state: State,
    /// Where it may be dialled, best first.
    pub(crate) addresses: Vec<Address>,
}

/// A peer as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Who.
    pub(crate) peer: PeerId,
    /// Where it may be dialled, best first.
    pub(crate) addresses: Vec<Address>,
    /// How long ago it was seen alive.
    pub(crate) age: Duration,
}

/// Counts of what was dropped and of who had to go, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Told of too late.
    pub(crate) outdated: u64,
    /// Told of without a usable address, or while the table was full.
    pub(crate) unheard: u64,
    /// Forgotten for somebody worth more.
    pub(crate) displaced: u64,
    /// Forgotten because nobody saw them alive.
    pub(crate) expired: u64,
    /// Peers that asked too often.
    pub(crate) unanswered: u64,
    /// Addresses too long, or of a peer that has enough.
    pub(crate) addresses_dropped: u64,
    /// Bootstrap addresses beyond the limit.
    pub(crate) bootstraps_dropped: u64,
    /// Sessions given up because there were too many.
    pub(crate) trimmed: u64,
    /// Peers that said goodbye.
    pub(crate) left: u64,
    /// Dials that had no result within [`DIAL_TIMEOUT`](super::DIAL_TIMEOUT).
    pub(crate) dials_overdue: u64,
}
