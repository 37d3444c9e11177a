import Foundation
internal import PsfsNative

/// How packets are signed after a session is authenticated. The stricter of both sides' choices holds.
public enum Signing: Hashable, Sendable {
    /// By a short-lived key that the RSA key has vouched for.
    case every
    /// By the RSA key itself.
    case rsa
    /// Not at all, if both sides ask for it.
    case lazy

    var native: NativeSigning {
        switch self {
        case .every: .every
        case .rsa: .rsa
        case .lazy: .lazy
        }
    }

    init(_ signing: NativeSigning) {
        self =
            switch signing {
            case .every: .every
            case .rsa: .rsa
            case .lazy: .lazy
            }
    }
}

/// A known peer, as it was when asked.
public struct Peer: Hashable, Sendable, Identifiable {
    /// How a peer stands.
    public enum State: Hashable, Sendable {
        /// Known.
        case met
        /// There is a session.
        case connected
        /// It did not answer, several times in a row. It is still tried.
        case unreachable
    }

    /// Its id.
    public let id: String
    /// How it stands.
    public let state: State
    /// Where it may be dialled, best first.
    public let addresses: [String]
    /// How the session signs; nil without one.
    public let signing: Signing?

    init(_ peer: NativePeer) {
        id = peer.id
        state =
            switch peer.state {
            case .met: .met
            case .connected: .connected
            case .unreachable: .unreachable
            }
        addresses = peer.addresses
        signing = peer.signing.map(Signing.init)
    }
}

/// What happens to peers.
public enum PeerEvent: Hashable, Sendable {
    /// It is known from now on. Told before anything else of it.
    case discovered(peer: String)
    /// A connection stands, and the transport has proved who is at its other end.
    case connected(peer: String, address: String)
    /// There is a session: packets flow.
    case authenticated(peer: String)
    /// There is no session any more; `code` is a name of the table of errors.
    case disconnected(peer: String, reason: String, code: String)
    /// It did not answer several times in a row.
    case unreachable(peer: String, reason: String)
    /// A handler was too slow and so many events were left out; nil is for events of peers themselves.
    case lagged(type: PacketType?, namespace: String, dropped: Int64)

    init(_ event: NativePeerEvent) {
        self =
            switch event.kind {
            case .discovered: .discovered(peer: event.peer)
            case .connected: .connected(peer: event.peer, address: event.address)
            case .authenticated: .authenticated(peer: event.peer)
            case .disconnected: .disconnected(peer: event.peer, reason: event.reason, code: event.code)
            case .unreachable: .unreachable(peer: event.peer, reason: event.reason)
            case .lagged:
                .lagged(type: PacketType(rawValue: event.packetType), namespace: event.namespace, dropped: event.dropped)
            }
    }
}

/// What happens to peers, as it happens. One task iterates.
public struct PeerEvents: AsyncSequence, Sendable {
    /// Lives as long as it is listened to.
    let satellite: Satellite
    let source: NativeSource

    public struct AsyncIterator: AsyncIteratorProtocol {
        let of: PeerEvents
        private var events: ArraySlice<NativePeerEvent> = []

        init(_ of: PeerEvents) { self.of = of }

        /// Nil at the end of the satellite, and when the task is cancelled.
        public mutating func next() async -> PeerEvent? {
            while events.isEmpty {
                guard case .peers(let more) = try? await of.source.nextBatch() else { return nil }
                events = more[...]
            }
            return PeerEvent(events.removeFirst())
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
