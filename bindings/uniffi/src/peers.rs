//! Peers: how each stands, and what happens to one.

use crate::options::NativeSigning;

/// How a known peer stands, or what happened to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativePeerKind {
    /// It is known from now on.
    Discovered,
    /// A connection stands.
    Connected,
    /// There is a session: packets flow.
    Authenticated,
    /// There is no session any more.
    Disconnected,
    /// It did not answer several times in a row.
    Unreachable,
    /// A handler's queue was full and events were dropped.
    Lagged,
}

/// What happened to a peer.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativePeerEvent {
    /// What.
    pub kind: NativePeerKind,
    /// Its id; empty for `Lagged`.
    pub peer: String,
    /// Its end of the connection, for `Connected`.
    pub address: String,
    /// Why, for `Disconnected` and `Unreachable`.
    pub reason: String,
    /// The reason's name in the table of codes, for `Disconnected`.
    pub code: String,
    /// Type of what was dropped, for `Lagged`.
    pub packet_type: i32,
    /// Namespace of what was dropped, for `Lagged`.
    pub namespace: String,
    /// How many were dropped, for `Lagged`.
    pub dropped: i64,
}

/// How a known peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum NativePeerState {
    /// Known.
    Met,
    /// There is a session.
    Connected,
    /// It did not answer, several times in a row.
    Unreachable,
}

/// A known peer, as it was when asked.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[non_exhaustive]
pub struct NativePeer {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub state: NativePeerState,
    /// Where it may be dialled.
    pub addresses: Vec<String>,
    /// How the session signs.
    pub signing: Option<NativeSigning>,
}

impl From<psfs_core::PeerInfo> for NativePeer {
    fn from(info: psfs_core::PeerInfo) -> Self {
        Self {
            id: info.peer.to_string(),
            state: match info.state {
                psfs_core::PeerState::Connected => NativePeerState::Connected,
                psfs_core::PeerState::Unreachable => NativePeerState::Unreachable,
                _ => NativePeerState::Met,
            },
            addresses: info.addresses,
            signing: info.signing.map(NativeSigning::from),
        }
    }
}

/// Nothing for what this version has no name for.
pub(crate) fn peer_event(event: psfs_core::PeerEvent) -> Option<NativePeerEvent> {
    use psfs_core::PeerEvent as Core;
    let of = |kind, peer: String| NativePeerEvent {
        kind,
        peer,
        address: String::new(),
        reason: String::new(),
        code: String::new(),
        packet_type: 0,
        namespace: String::new(),
        dropped: 0,
    };
    Some(match event {
        Core::Discovered { peer } => of(NativePeerKind::Discovered, peer.to_string()),
        Core::Connected { peer, address } => NativePeerEvent {
            address,
            ..of(NativePeerKind::Connected, peer.to_string())
        },
        Core::Authenticated { peer } => of(NativePeerKind::Authenticated, peer.to_string()),
        Core::Disconnected { peer, reason } => NativePeerEvent {
            reason: reason.text,
            code: reason.code.name().to_owned(),
            ..of(NativePeerKind::Disconnected, peer.to_string())
        },
        Core::Unreachable { peer, reason } => NativePeerEvent {
            reason,
            ..of(NativePeerKind::Unreachable, peer.to_string())
        },
        Core::Lagged {
            packet_type,
            namespace,
            dropped,
        } => NativePeerEvent {
            packet_type: packet_type as i32,
            namespace,
            dropped: i64::try_from(dropped).unwrap_or(i64::MAX),
            ..of(NativePeerKind::Lagged, String::new())
        },
        _ => return None,
    })
}
