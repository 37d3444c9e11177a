import Foundation
import Psfs
import Testing

/// Keys are made once: each costs a tenth of a second.
private let keys = Keys()

private actor Keys {
    private var made: [Identity] = []

    func key(_ index: Int) throws -> Identity {
        while made.count <= index { made.append(try Identity()) }
        return made[index]
    }
}

func satellite(
    _ rendezvous: String, key: Int = 0, bootstrap: [String] = [], faults: Faults? = nil, dhtRole: Role = .node,
    limits: Limits = Limits(), onHandlerError: @escaping @Sendable (any Error, Handled) -> Void = { _, _ in }
) async throws -> Satellite {
    try Satellite(
        rendezvous, bootstrap: bootstrap, listen: ["127.0.0.1:0"], identity: try await keys.key(key), mdns: false, dhtRole: dhtRole,
        limits: limits, faults: faults, onHandlerError: onHandlerError)
}

func unique() -> String { "swift-\(UUID().uuidString)" }

/// Runs a test in a network of its own: all are told one address, that of the first, and have met when it begins.
func network(
    _ count: Int, faults: Faults? = nil, dhtRole: Role = .node, limits: Limits = Limits(),
    onHandlerError: @escaping @Sendable (any Error, Handled) -> Void = { _, _ in },
    test: ([Satellite]) async throws -> Void
) async throws {
    let rendezvous = unique()
    var all: [Satellite] = []
    for key in 0..<count {
        let known = all.first?.addresses ?? []
        let one = try await satellite(
            rendezvous, key: key, bootstrap: known, faults: faults, dhtRole: dhtRole, limits: limits, onHandlerError: onHandlerError)
        all.append(try await one.start())
    }
    for one in all { try await one.waitConnected(count - 1) }
    try await test(all)
    for one in all { try await one.shutdown() }
}

/// Fails a test instead of holding it up for ever.
func within<T: Sendable>(_ limit: Duration = .seconds(30), _ work: @escaping @Sendable () async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: limit)
            throw TookTooLong()
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

struct TookTooLong: Error {}

/// Collects what comes in, for whoever waits for so many.
actor Collected<Element: Sendable> {
    private(set) var all: [Element] = []
    private var waiting: (Int, CheckedContinuation<Void, Never>)?

    func add(_ element: Element) {
        all.append(element)
        if let (count, continuation) = waiting, all.count >= count {
            waiting = nil
            continuation.resume()
        }
    }

    @discardableResult
    func wait(for count: Int) async -> [Element] {
        if all.count < count { await withCheckedContinuation { waiting = (count, $0) } }
        return all
    }
}

/// What a call throws, as a `PsfsError`.
func failure(of call: () async throws -> some Any) async throws -> PsfsError {
    do {
        _ = try await call()
    } catch let error as PsfsError {
        return error
    }
    throw WentWell()
}

struct WentWell: Error {}
