import Foundation
internal import PsfsNative

/// Of what applications ask nodes and tell all of them.
private let customNamespace = "psfs.dht.custom"

/// The key of a content: SHA-256 of it.
public func keyOfContent(_ content: some Content) throws -> String {
    _ = try Native.hub
    return content.lend { nativeKeyOfContent(content: $0) }
}

/// The key of a name.
public func keyOfName(_ name: String) throws -> String {
    _ = try Native.hub
    return nativeKeyOfName(name: name)
}

/// The key of what a peer signs under a salt.
public func keyOfSigned(_ publisher: String, _ salt: some Content = Data()) throws -> String {
    _ = try Native.hub
    return try native { try salt.lend { try nativeKeyOfSigned(publisher: publisher, salt: $0) } }
}

/// The DHT of a satellite's network: ``Satellite/dht``.
///
/// Keys are 64 hexadecimal digits. `lifetime` is how long nodes keep a value: 1 s to 30 days, a day if nothing is said. `timeout` is how long the
/// call may take. All calls throw `CLOSED` unless the satellite runs, `NO_PEERS` while nobody is connected, `TIMEOUT`, and `BAD_INPUT`.
public struct Dht: Sendable, CustomStringConvertible {
    let satellite: Satellite
    let raw: NativeDht
    let life: Life

    private func stored(_ begin: (Int64) throws -> Bool) async throws -> Stored {
        guard case .stored(let stored) = try await Native.run(begin) else { preconditionFailure("a store tells what became of it") }
        return Stored(stored)
    }

    private func fetched(_ begin: (Int64) throws -> Bool) async throws -> Value {
        guard case .value(let value) = try await Native.run(begin) else { preconditionFailure("a fetch gives a value") }
        return Value(value)
    }

    /// Stores a value under the hash of its content: whoever fetches it can check it.
    ///
    /// Throws `REFUSED` when no node keeps it, with each one's reason, `TOO_LARGE` over ``maxItemSize``, and `BAD_INPUT` when it is empty.
    @discardableResult
    public func store(_ content: some Content, lifetime: Duration = .day, timeout: Duration = .seconds(30)) async throws -> Stored {
        try await stored { id in
            try content.lend { try raw.store(id: id, content: $0, lifetimeMs: lifetime.native, timeoutMs: timeout.native) }
        }
    }

    /// Stores a value under a key of your choice. Nothing proves such a value: the first who stores there has the key for as long as it lasts,
    /// unless the nodes' applications decide otherwise, and keys that are not spread evenly load a few nodes with all of it.
    ///
    /// Throws what ``store(_:lifetime:timeout:)`` does, and `CONFLICT` when another has the key.
    @discardableResult
    public func storeAt(
        _ key: String, _ content: some Content, lifetime: Duration = .day, timeout: Duration = .seconds(30)
    ) async throws -> Stored {
        try await stored { id in
            try content.lend { try raw.storeAt(id: id, key: key, content: $0, lifetimeMs: lifetime.native, timeoutMs: timeout.native) }
        }
    }

    /// Stores a value under a name, with the warning of ``storeAt(_:_:lifetime:timeout:)``; throws the same.
    @discardableResult
    public func storeNamed(
        _ name: String, _ content: some Content, lifetime: Duration = .day, timeout: Duration = .seconds(30)
    ) async throws -> Stored {
        try await stored { id in
            try content.lend {
                try raw.storeNamed(id: id, name: name, content: $0, lifetimeMs: lifetime.native, timeoutMs: timeout.native)
            }
        }
    }

    /// Stores a value that only this satellite can store and replace, under ``keyOfSigned(_:_:)`` of its id and the salt (up to 64 bytes).
    ///
    /// - Parameters:
    ///   - sequence: Its number, of which the highest wins: by default one more than the highest that is found.
    ///   - ifSequence: Stores only where the value to be replaced has this number; 0: where there is none.
    ///   - sealedFor: The peer that alone can read it (``open(_:)``).
    ///
    /// Throws what ``store(_:lifetime:timeout:)`` does; `CONFLICT` when there is a newer one, or not the one that was to be replaced; and
    /// `UNKNOWN_PEER` when the public key of `sealedFor` cannot be had.
    @discardableResult
    public func storeSigned(
        _ content: some Content, salt: some Content = Data(), sequence: UInt64? = nil, ifSequence: UInt64? = nil, sealedFor: String? = nil,
        lifetime: Duration = .day, timeout: Duration = .seconds(30)
    ) async throws -> Stored {
        try await stored { id in
            try content.lend { content in
                try salt.lend { salt in
                    let how = NativeSigned(
                        salt: salt, sequence: sequence, ifSequence: ifSequence, sealedFor: sealedFor, lifetimeMs: lifetime.native,
                        timeoutMs: timeout.native)
                    return try raw.storeSigned(id: id, content: content, how: how)
                }
            }
        }
    }

    /// Stores a value that only `peer` can read (``open(_:)``), under the hash of what it is sealed into: tell it the key.
    ///
    /// Throws what ``store(_:lifetime:timeout:)`` does, and `UNKNOWN_PEER` when there is no session with the peer and it has not published its key.
    @discardableResult
    public func storeSealed(
        _ peer: String, _ content: some Content, lifetime: Duration = .day, timeout: Duration = .seconds(30)
    ) async throws -> Stored {
        try await stored { id in
            try content.lend {
                try raw.storeSealed(id: id, peerId: peer, content: $0, lifetimeMs: lifetime.native, timeoutMs: timeout.native)
            }
        }
    }

    /// Publishes this satellite's public key, so that others can seal values for it while it is away.
    @discardableResult
    public func publishKey(lifetime: Duration = .day, timeout: Duration = .seconds(30)) async throws -> Stored {
        try await stored { id in try raw.publishKey(id: id, lifetimeMs: lifetime.native, timeoutMs: timeout.native) }
    }

    /// Deletes what this satellite stored. Of a signed value its number stays, so that no older one comes back.
    ///
    /// Tells how many nodes did; throws `NOT_FOUND` when there is none, and `REFUSED` when no node did.
    @discardableResult
    public func delete(_ key: String, timeout: Duration = .seconds(30)) async throws -> Stored {
        try await stored { id in try raw.delete(id: id, key: key, timeoutMs: timeout.native) }
    }

    /// Fetches a value. Throws `NOT_FOUND` when none of the nodes near the key has it.
    public func fetch(_ key: String, timeout: Duration = .seconds(30)) async throws -> Value {
        try await fetched { id in try raw.fetch(id: id, key: key, timeoutMs: timeout.native) }
    }

    /// Fetches what was stored under a name. Nothing proves it: what most nodes near its key have is taken.
    public func fetchNamed(_ name: String, timeout: Duration = .seconds(30)) async throws -> Value {
        try await fetched { id in try raw.fetchNamed(id: id, name: name, timeoutMs: timeout.native) }
    }

    /// Fetches the newest value that a peer has signed under a salt.
    public func fetchSigned(
        _ publisher: String, salt: some Content = Data(), timeout: Duration = .seconds(30)
    ) async throws -> Value {
        try await fetched { id in
            try salt.lend { try raw.fetchSigned(id: id, publisher: publisher, salt: $0, timeoutMs: timeout.native) }
        }
    }

    /// Opens a value that was sealed for this satellite. Throws `BAD_INPUT` when it is not sealed, for somebody else, or not as it was sealed.
    public func open(_ value: Value) async throws -> Opened {
        let outcome = try await Native.run { id in try raw.open(id: id, sealed: value.sealed) }
        guard case .opened(let opened) = outcome else { preconditionFailure("what is opened is given") }
        return Opened(opened)
    }

    /// A signed value (``keyOfSigned(_:_:)``) from now on: what it is, then each change. One task iterates.
    public func watch(_ key: String) throws -> Feed<Value> {
        Feed(satellite, try native { try raw.watch(key: key) }) {
            guard case .values(let values) = $0 else { return nil }
            return values.map(Value.init)
        }
    }

    /// Asks `handler` about every value that somebody would like this satellite to keep, itself among them: once when it is announced, without its
    /// content unless it is small, and once more with it. What it throws is reported and refuses, too. After 5 s without a word the value is
    /// refused as by a busy node. It runs as those of ``Satellite/on(_:_:concurrency:handler:)``; one that waits for a store of its own, which asks
    /// it again, needs `concurrency`. One handler at a time: a later one takes its place. Without any, everything is kept that fits.
    @discardableResult
    public func onStore(concurrency: Int = 1, handler: @escaping @Sendable (Offer) async throws -> Decision) throws -> Subscription {
        let source = try served(concurrency) { try raw.offers() }
        let offers = Lists(source) { batch -> [Offer]? in
            guard case .offers(let offers) = batch else { return nil }
            return offers.map(Offer.init)
        }
        return Subscription(source).serve(life, concurrency, next: { try? await offers.next() }) { [life] offer in
            do {
                switch try await handler(offer) {
                case .keep: source.decide(number: offer.number, refused: nil)
                case .refuse(let text): source.decide(number: offer.number, refused: text)
                }
            } catch let error as Fail {
                source.decide(number: offer.number, refused: error.text)
            } catch {
                source.decide(number: offer.number, refused: String(describing: error))
                life.report(error, .offer(offer))
            }
        }
    }

    /// How many values this satellite keeps for the network. Reads its store.
    public var storedKeys: Int { get throws { try native { Int(try raw.storedKeys()) } } }

    /// How many bytes they have. Reads its store.
    public var storageSize: Int { get throws { try native { Int(try raw.storageSize()) } } }

    /// The keys of up to `most` values kept here, in order, from the one after `after` on. Reads its store.
    public func keys(after: String? = nil, most: Int = 1000) throws -> [String] {
        try native { try raw.keys(after: after, most: Int64(most)) }
    }

    /// Largest value in bytes that it stores, fetches or keeps.
    public var maxItemSize: Int { Int(raw.maxItemSize()) }

    /// What this satellite is to the others. It changes at once; what it keeps stays until it expires.
    public var role: Role {
        get { Role(raw.role()) }
        nonmutating set { raw.setRole(role: newValue.native) }
    }

    /// Whether others may have this satellite store and fetch for them, within a budget for each. Default: no. Who is a ``Role/client`` asks those it
    /// has a session with where it cannot reach the nodes itself.
    public func permitProxy(_ permitted: Bool = true) { raw.permitProxy(permitted: permitted) }

    /// Waits until a node has answered this satellite, so that there is somebody to store at and to fetch from: at once, where one has.
    public func joined(timeout: Duration = .seconds(30)) async throws {
        try await Native.run { id in try raw.joined(id: id, timeoutMs: timeout.native) }
    }

    /// Sends a command to one peer (its id), to the nodes nearest to a key (64 digits), or to those nearest to this one (nil), and waits until
    /// each has answered or failed.
    public func custom(_ to: String?, _ content: some Content = Data(), timeout: Duration = .seconds(30)) async throws -> [CustomAnswer] {
        let outcome = try await Native.run { id in
            try content.lend { try raw.custom(id: id, to: to, content: $0, timeoutMs: timeout.native) }
        }
        guard case .answers(let answers) = outcome else { preconditionFailure("a command has answers") }
        return answers.map(CustomAnswer.init)
    }

    /// Calls `handler` with every command that comes; it answers as that of a request does.
    @discardableResult
    public func onCustom(concurrency: Int = 1, handler: @escaping @Sendable (Message) async throws -> Void) throws -> Subscription {
        let source = try served(concurrency) { try raw.commands() }
        return Subscription(source).serve(life, .request, customNamespace, concurrency, handler)
    }

    /// The same; what the handler returns is its last answer.
    @discardableResult
    public func onCustom<Last: Content>(
        concurrency: Int = 1, handler: @escaping @Sendable (Message) async throws -> Last
    ) throws -> Subscription {
        try onCustom(concurrency: concurrency, handler: answering(handler))
    }

    /// Tells all nodes of the network: at most 60 KiB, each gets it once.
    public func broadcast(_ content: some Content) async throws {
        try await Native.run { id in try content.lend { try raw.broadcast(id: id, content: $0) } }
    }

    /// Calls `handler` with what others tell all nodes.
    @discardableResult
    public func onBroadcast(concurrency: Int = 1, handler: @escaping @Sendable (Message) async throws -> Void) throws -> Subscription {
        let source = try served(concurrency) { try raw.broadcasts() }
        return Subscription(source).serve(life, .broadcast, customNamespace, concurrency, handler)
    }

    /// Whom this satellite knows.
    public func routingTable() -> [RoutingRow] { raw.routingTable().map(RoutingRow.init) }

    /// Walks to a key on all ways and tells each question and its answer.
    public func trace(_ key: String, timeout: Duration = .seconds(30)) async throws -> Trace {
        let outcome = try await Native.run { id in try raw.trace(id: id, key: key, timeoutMs: timeout.native) }
        guard case .trace(let trace) = outcome else { preconditionFailure("a walk is told") }
        return Trace(trace)
    }

    /// Whether others may follow what this node does: whom it meets, and which keys it keeps, refuses and is asked for. Default: no.
    public func permitDebug(_ permitted: Bool = true) { raw.permitDebug(permitted: permitted) }

    /// What all nodes that permit it say of themselves, later ones, too, from now on. One task iterates.
    public func debug() throws -> Feed<DebugLine> {
        Feed(satellite, try native { try raw.debug() }) {
            guard case .lines(let lines) = $0 else { return nil }
            return lines.map(DebugLine.init)
        }
    }

    public var description: String { "Dht(of \(satellite))" }
}

/// What comes of the DHT, as it comes: Dht.watch and Dht.debug. One task iterates; when it stops, or the last reference to this and its iterator
/// is gone, it ends.
public struct Feed<Element: Sendable>: AsyncSequence, Sendable {
    /// Lives as long as it is listened to.
    private let satellite: Satellite
    private let items: Lists<Element>

    init(_ satellite: Satellite, _ source: NativeSource, _ read: @escaping @Sendable (Batch) -> [Element]?) {
        self.satellite = satellite
        items = Lists(source, read)
    }

    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        let of: Feed

        /// Nil at the end of the satellite, and when the task is cancelled.
        public mutating func next() async -> Element? { try? await of.items.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(of: self) }
}

extension Duration {
    /// 24 hours.
    public static var day: Duration { .seconds(24 * 3600) }
}
