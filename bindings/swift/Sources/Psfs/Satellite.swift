import Foundation
internal import PsfsNative

/// A program's place in a network: it finds the others under a rendezvous, keeps sessions with them and exchanges packets.
///
/// Made, it does not run yet, so that handlers registered before ``start()`` miss nothing. It ends with ``shutdown(timeout:)``, or begins to
/// when the last reference to it is gone; its sequences are such, its handlers are not: one that uses its satellite should hold it `weak`. Every
/// function may be called from any task and thread, also in a handler. A task that is cancelled while it waits here cancels what it waits for, and gets `CancellationError`.
public final class Satellite: Sendable, CustomStringConvertible {
    private let raw: NativeSatellite
    private let values: NativeDht
    private let shelf: NativeFiles
    private let life: Life

    /// The id others know it by.
    public let peerId: String

    /// Checks every option, opens the data folder and loads or makes the key: blocks for a disk access, and for about 0.1 s where a key is
    /// made.
    ///
    /// - Parameters:
    ///   - rendezvous: The name of the network.
    ///   - secret: Only who knows it is let in: long and random.
    ///   - bootstrap: Addresses at which the network may be met, beside the local network.
    ///   - listen: Addresses to listen on: `IP:PORT`, `:PORT` or multiaddresses. Every interface, if none is named.
    ///   - dataDir: A folder of this satellite's own, for its key and the addresses of peers. Nothing touches the disk without one.
    ///   - identity: The key itself.
    ///   - keyFile: Or a file with it, made when it does not exist.
    ///   - passphrase: Opens, or protects, the key file.
    ///   - allow: Once there is one, no other peer gets a session.
    ///   - deny: Peers that get none.
    ///   - signing: How packets are signed.
    ///   - mdns: Whether satellites on the local network are found by mDNS.
    ///   - dhtRole: What it is to the others in the DHT, until ``Dht/role`` is set.
    ///   - limits: What rarely has to be set.
    ///   - faults: For tests: what is wrong with the connections.
    ///   - onHandlerError: Is told what a handler threw, beside ``Fail``, and of what. By default it is a line on the error output.
    public init(
        _ rendezvous: String,
        secret: Data? = nil,
        bootstrap: [String] = [],
        listen: [String] = [],
        dataDir: String? = nil,
        identity: Identity? = nil,
        keyFile: String? = nil,
        passphrase: String? = nil,
        allow: [String] = [],
        deny: [String] = [],
        signing: Signing = .every,
        mdns: Bool = true,
        dhtRole: Role = .node,
        limits: Limits = Limits(),
        faults: Faults? = nil,
        onHandlerError: @escaping @Sendable (any Error, Handled) -> Void = tell
    ) throws {
        let options = NativeOptions(
            rendezvous: rendezvous,
            secret: secret,
            bootstrap: bootstrap,
            listen: listen,
            dataDir: dataDir,
            identity: identity?.raw,
            keyFile: keyFile,
            passphrase: passphrase,
            allow: allow,
            deny: deny,
            signing: signing.native,
            mdns: mdns,
            contentLimit: limits.content.map(Int64.init),
            messageWindow: limits.messageWindow.map(Int64.init),
            replyWindow: limits.replyWindow.map(Int64.init),
            openRequests: limits.openRequests.map(Int64.init),
            queueLimit: limits.queue.map(Int64.init),
            memoryLimit: limits.memory.map(Int64.init),
            peersLow: limits.peers.map { Int64($0.lowerBound) },
            peersHigh: limits.peers.map { Int64($0.upperBound) },
            connections: limits.connections.map(Int64.init),
            connectionsPerIp: limits.connectionsPerIP.map(Int64.init),
            workerThreads: limits.workerThreads.map(Int64.init),
            pingIntervalMs: limits.pingInterval?.native,
            pingTimeoutMs: limits.pingTimeout?.native,
            dhtRole: dhtRole.native,
            maxItemSize: limits.maxItemSize.map(Int64.init),
            maxStorageSize: limits.maxStorageSize.map(Int64.init),
            faults: faults?.raw)
        let hub = try Native.hub
        raw = try native { try NativeSatellite(hub: hub, options: options) }
        values = raw.dht()
        shelf = raw.files()
        peerId = raw.peerId()
        life = Life(onHandlerError)
    }

    /// With `raw` the satellite ends; this is for what its handlers have not been given yet.
    deinit { life.end() }

    /// The DHT of its network.
    public var dht: Dht { Dht(satellite: self, raw: values, life: life) }

    /// What it shares, gets, and keeps for others.
    public var files: Files { Files(satellite: self, raw: shelf) }

    /// The id with a suffix that people can compare: `Qm…:words`.
    public var fingerprint: String { raw.fingerprint() }

    /// The rendezvous it was made for.
    public var rendezvous: String { raw.rendezvous() }

    /// Largest content in bytes that it sends or takes.
    public var contentLimit: Int { Int(raw.contentLimit()) }

    /// Whether it was started and not shut down.
    public var isRunning: Bool { raw.isRunning() }

    /// Whether it was paused and not resumed.
    public var isPaused: Bool { raw.isPaused() }

    /// Where it listens: what another satellite takes as bootstrap. Empty before the start.
    public var addresses: [String] { raw.addresses() }

    /// Everybody met, connected ones among them.
    public var peers: [Peer] { raw.peers().map(Peer.init) }

    /// How many sessions are open.
    public var connectedCount: Int { Int(raw.connectedCount()) }

    /// What was counted so far, by name.
    public var stats: [String: Int64] { raw.stats() }

    /// Its key as PEM text, protected if a passphrase is given.
    public func keyPem(passphrase: String? = nil) throws -> String { try native { try raw.keyPem(passphrase: passphrase) } }

    /// Runs it. Returns when all its addresses are known.
    @discardableResult
    public func start() async throws -> Satellite {
        try await Native.run { id in try raw.start(id: id) }
        return self
    }

    /// Ends it: what was accepted is delivered, peers are told, handlers that run come to their end, calls that wait end as `CLOSED` and
    /// sequences end. May be called again. In a handler, or in a task that is cancelled, it only begins.
    ///
    /// Throws `TIMEOUT` when a handler still runs by then; its task is cancelled.
    public func shutdown(timeout: Duration = .seconds(10)) async throws {
        if timeout >= .zero { life.end() }
        if Life.handling === life { return raw.beginShutdown() }
        let began = ContinuousClock.now
        do {
            try await Native.run { id in try raw.shutdown(id: id, timeoutMs: timeout.native) }
        } catch let error as CancellationError {
            raw.beginShutdown()
            throw error
        }
        if !(await life.allEnded(within: timeout - (ContinuousClock.now - began))) {
            throw PsfsError.timeout("a handler still runs after \(timeout)")
        }
    }

    /// Returns when the satellite has ended, by whomever.
    public func ended() async throws {
        try await Native.run { id in try raw.ended(id: id) }
    }

    /// Returns when sessions with at least so many peers are open.
    public func waitConnected(_ peers: Int = 1, timeout: Duration = .seconds(30)) async throws {
        try await Native.run { id in try raw.waitConnected(id: id, peers: Int64(peers), timeoutMs: timeout.native) }
    }

    /// Connects to an address and waits for the session, which is kept alive from then on. Gives the peer's id.
    @discardableResult
    public func connect(_ address: String, timeout: Duration = .seconds(30)) async throws -> String {
        let outcome = try await Native.run { id in try raw.connect(id: id, address: address, timeoutMs: timeout.native) }
        guard case .text(let peer) = outcome else { preconditionFailure("a connect gives an id") }
        return peer
    }

    /// Ends the session with a peer, once it has what was accepted for it.
    public func disconnect(_ peer: String) async throws {
        try await Native.run { id in try raw.disconnect(id: id, peerId: peer) }
    }

    /// The app goes to the background: sessions end, sockets are closed, and nothing is dialled or timed until `resume()`. Handlers, sequences and
    /// all that is known of peers stay. Returns when the network is left, in 4 s at most. Meanwhile calls that need a session wait for the resume
    /// within their time, and broadcasts and seeks fail as NO_PEERS.
    public func pause() async throws {
        try await Native.run { id in try raw.pause(id: id) }
    }

    /// The app is back: listens again and dials whom it knows at once; sessions follow (`waitConnected()`). Throws ADDRESS_IN_USE or IO when an
    /// address cannot be listened on: it is resumed all the same, and this may be called again.
    public func resume() async throws {
        try await Native.run { id in try raw.resume(id: id) }
    }

    /// The network has changed, as the system says (`NWPathMonitor`): sessions that do not show within 3 s that they still stand end and are
    /// dialled anew, and so is whoever could not be reached. Does nothing while paused.
    public func networkChanged() async throws {
        try await Native.run { id in try raw.networkChanged(id: id) }
    }

    /// Sends a message to one peer. Returns when it is accepted within the peer's credit, or if `confirmed` when the peer's satellite has
    /// taken it in. Messages to one peer arrive in order.
    public func send(
        _ peer: String, _ namespace: String, _ content: some Content, confirmed: Bool = false, timeout: Duration = .seconds(30)
    ) async throws {
        try await Native.run { id in
            try content.lend {
                try raw.send(
                    id: id, peerId: peer, namespace: namespace, content: $0, confirmed: confirmed, timeoutMs: timeout.native)
            }
        }
    }

    /// Sends several messages to one peer, in order, with fewer calls into the library. Returns when the last is accepted; when it throws or is
    /// cancelled, the first ones may have been.
    public func sendAll(
        _ peer: String, _ namespace: String, _ contents: some Sequence<some Content>, timeout: Duration = .seconds(30)
    ) async throws {
        var batch = Data()
        func flush() async throws {
            try await Native.run { id in
                try raw.sendAll(id: id, peerId: peer, namespace: namespace, contents: batch, timeoutMs: timeout.native)
            }
            batch.removeAll(keepingCapacity: true)
        }
        for content in contents {
            content.lend { bytes in
                withUnsafeBytes(of: UInt32(clamping: bytes.count).littleEndian) { batch.append(contentsOf: $0) }
                batch.append(bytes)
            }
            if batch.count >= 64 << 10 { try await flush() }
        }
        if !batch.isEmpty { try await flush() }
    }

    /// Sends to everybody under the rendezvous, each once. At most 60 KiB.
    public func broadcast(_ namespace: String, _ content: some Content, lifetime: Duration = .seconds(30)) async throws {
        try await Native.run { id in
            try content.lend { try raw.broadcast(id: id, namespace: namespace, content: $0, lifetimeMs: lifetime.native) }
        }
    }

    /// Asks one peer.
    public func request(
        _ peer: String, _ namespace: String, _ content: some Content = Data(), timeout: Duration = .seconds(30), maxReplies: Int? = nil,
        window: Int? = nil
    ) -> Replies {
        Replies { [self] in
            try content.lend {
                try raw.request(
                    peerId: peer, namespace: namespace, content: $0, timeoutMs: timeout.native, maxReplies: maxReplies.map(Int64.init),
                    window: window.map(Int64.init))
            }
        }
    }

    /// Asks every connected peer. The replies end when all have answered, or well at the timeout.
    public func seek(
        _ namespace: String, _ content: some Content = Data(), timeout: Duration = .seconds(30), maxReplies: Int? = nil
    ) -> Replies {
        Replies { [self] in
            try content.lend {
                try raw.seek(namespace: namespace, content: $0, timeoutMs: timeout.native, maxReplies: maxReplies.map(Int64.init))
            }
        }
    }

    /// Asks whoever hears a broadcast. The replies end well at the timeout.
    public func broadcastRequest(
        _ namespace: String, _ content: some Content = Data(), lifetime: Duration = .seconds(30), timeout: Duration = .seconds(30),
        maxReplies: Int? = nil
    ) -> Replies {
        Replies { [self] in
            try content.lend {
                try raw.broadcastRequest(
                    namespace: namespace, content: $0, lifetimeMs: lifetime.native, timeoutMs: timeout.native,
                    maxReplies: maxReplies.map(Int64.init))
            }
        }
    }

    /// Calls `handler` with every packet of this type and namespace, in order of arrival: one call after another, or up to `concurrency` at
    /// once. It runs in tasks of its own. One that suspends or blocks for long slows its senders and nothing else.
    ///
    /// When the handler of a request returns, the request ends; what it throws ends it with an error at the asker (``Fail`` says which).
    @discardableResult
    public func on(
        _ type: PacketType, _ namespace: String, concurrency: Int = 1, handler: @escaping @Sendable (Message) async throws -> Void
    ) throws -> Subscription {
        let source = try served(concurrency) { try raw.subscribe(packetType: type.rawValue, namespace: namespace) }
        return Subscription(source).serve(life, type, namespace, concurrency, handler)
    }

    /// The same; what the handler returns is its last reply.
    @discardableResult
    public func on<Last: Content>(
        _ type: PacketType, _ namespace: String, concurrency: Int = 1, handler: @escaping @Sendable (Message) async throws -> Last
    ) throws -> Subscription {
        try on(type, namespace, concurrency: concurrency, handler: answering(handler))
    }

    /// The same as a sequence, from now on. What is not taken slows its senders (messages, requests) or is dropped and counted (broadcasts,
    /// seeks). Whoever takes a request ends it.
    public func messages(_ type: PacketType, _ namespace: String) throws -> Messages {
        let source = try native { try raw.subscribe(packetType: type.rawValue, namespace: namespace) }
        return Messages(satellite: self, reader: Reader(source), type: type, namespace: namespace)
    }

    /// What happens to peers, from now on. Ends with the satellite.
    public func peerEvents() throws -> PeerEvents { PeerEvents(satellite: self, source: try native { try raw.peerEvents() }) }

    public var description: String { "Satellite(\(rendezvous), \(peerId))" }

    /// What a handler threw, as a line on the error output.
    public static let tell: @Sendable (any Error, Handled) -> Void = { error, handled in
        let what =
            switch handled {
            case .message(let message): "\(message.type) \"\(message.namespace)\""
            case .offer: "onStore"
            }
        FileHandle.standardError.write(Data("psfs: the handler of \(what) failed: \(error)\n".utf8))
    }
}
