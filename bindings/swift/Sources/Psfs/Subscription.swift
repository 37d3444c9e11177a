import Foundation
internal import PsfsNative

/// A registered handler. It stays registered until this is cancelled or the satellite shut down; dropping this changes nothing.
public final class Subscription: Sendable {
    private let source: NativeSource
    private let stopped = Flag()

    init(_ source: NativeSource) { self.source = source }

    /// No further call begins; one that runs goes on to its end.
    public func cancel() {
        stopped.raise()
        source.stop()
    }

    /// Calls `one` with what comes, until there is nothing more, in a task of its own.
    func serve<Item: Sendable>(
        _ life: Life, _ concurrency: Int, next: @escaping @Sendable () async -> Item?, one: @escaping @Sendable (Item) async -> Void
    ) -> Subscription {
        life.run { [self] in
            await Life.$handling.withValue(life) {
                if concurrency == 1 {
                    while let item = await next() {
                        // Also between the items of one batch.
                        if stopped.isRaised || life.isEnding { break }
                        await one(item)
                    }
                } else {
                    await withTaskGroup(of: Void.self) { group in
                        var running = 0
                        while let item = await next() {
                            if stopped.isRaised || life.isEnding { break }
                            if running == concurrency {
                                await group.next()
                                running -= 1
                            }
                            group.addTask { await one(item) }
                            running += 1
                        }
                    }
                }
            }
        }
        return self
    }

    /// The same of packets: when their handler returns, what can be answered ends.
    func serve(
        _ life: Life, _ type: PacketType, _ namespace: String, _ concurrency: Int,
        _ handler: @escaping @Sendable (Message) async throws -> Void
    ) -> Subscription {
        let reader = Reader(source)
        return serve(
            life, concurrency, next: { [source] in try? await reader.next { Message(source, type, namespace, $0, $1) } }
        ) { message in
            do {
                try await handler(message)
                message.handled(nil)
            } catch {
                message.handled(error)
                if !(error is Fail) { life.report(error, .message(message)) }
            }
        }
    }
}

/// Opens the source of a handler.
func served(_ concurrency: Int, _ open: () throws -> NativeSource) throws -> NativeSource {
    guard concurrency >= 1 else { throw PsfsError.badInput("concurrency is \(concurrency): give 1 or more") }
    return try native(open)
}

/// A handler whose result is its last reply.
func answering<Last: Content>(
    _ handler: @escaping @Sendable (Message) async throws -> Last
) -> @Sendable (Message) async throws -> Void {
    { message in
        let last = try await handler(message)
        if message.isAnswerable { try await message.reply(last) }
    }
}

/// What a handler was given that threw.
public enum Handled: Sendable {
    /// A packet.
    case message(Message)
    /// A value, by ``Dht/onStore(concurrency:handler:)``.
    case offer(Offer)
}

/// Goes up once.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var raised = false

    var isRaised: Bool { lock.withLock { raised } }

    func raise() { lock.withLock { raised = true } }
}

/// What handlers' tasks share with their satellite. They do not hold the satellite: dropped, it ends, and so do they.
final class Life: @unchecked Sendable {
    /// The satellite whose handler this task is: what is called there must not wait for it.
    @TaskLocal static var handling: Life?

    let report: @Sendable (any Error, Handled) -> Void
    private let ending = Flag()
    private let lock = NSLock()
    private var last = 0
    private var running: [Int: Task<Void, Never>] = [:]
    private var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]

    init(_ report: @escaping @Sendable (any Error, Handled) -> Void) { self.report = report }

    /// No further call of a handler begins.
    var isEnding: Bool { ending.isRaised }

    func end() { ending.raise() }

    func run(_ body: @escaping @Sendable () async -> Void) {
        lock.withLock {
            last += 1
            let id = last
            running[id] = Task.detached {
                await body()
                self.ended(id)
            }
        }
    }

    private func ended(_ id: Int) {
        let told = lock.withLock {
            running[id] = nil
            guard running.isEmpty else { return [CheckedContinuation<Bool, Never>]() }
            defer { waiting = [:] }
            return Array(waiting.values)
        }
        told.forEach { $0.resume(returning: true) }
    }

    /// Waits for all handlers' ends; those that run on are cancelled then, and this is false.
    func allEnded(within time: Duration) async -> Bool {
        let id = lock.withLock {
            last += 1
            return last
        }
        var timer: Task<Void, Never>?
        let ended = await withCheckedContinuation { continuation in
            let now = lock.withLock {
                if running.isEmpty { return true }
                waiting[id] = continuation
                return false
            }
            if now { return continuation.resume(returning: true) }
            timer = Task.detached {
                try? await Task.sleep(for: time)
                self.lock.withLock { self.waiting.removeValue(forKey: id) }?.resume(returning: false)
            }
        }
        timer?.cancel()
        if !ended { lock.withLock { Array(running.values) }.forEach { $0.cancel() } }
        return ended
    }
}
