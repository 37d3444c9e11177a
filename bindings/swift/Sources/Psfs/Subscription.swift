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

    /// Calls the handler with what comes, until there is nothing more.
    func serve(
        _ life: Life, _ type: PacketType, _ namespace: String, concurrency: Int,
        handler: @escaping @Sendable (Message) async throws -> Void
    ) async {
        let messages = Messages(satellite: nil, reader: Reader(source), type: type, namespace: namespace)
        await Life.$handling.withValue(life) {
            if concurrency == 1 {
                for await message in messages {
                    // Also between the items of one batch.
                    if stopped.isRaised || life.isEnding { break }
                    await Self.one(message, life, handler)
                }
            } else {
                await withTaskGroup(of: Void.self) { group in
                    var running = 0
                    for await message in messages {
                        if stopped.isRaised || life.isEnding { break }
                        if running == concurrency {
                            await group.next()
                            running -= 1
                        }
                        group.addTask { await Self.one(message, life, handler) }
                        running += 1
                    }
                }
            }
        }
    }

    private static func one(_ message: Message, _ life: Life, _ handler: @Sendable (Message) async throws -> Void) async {
        do {
            try await handler(message)
            message.handled(nil)
        } catch {
            message.handled(error)
            if !(error is Fail) { life.report(error, message) }
        }
    }
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

    let report: @Sendable (any Error, Message) -> Void
    private let ending = Flag()
    private let lock = NSLock()
    private var last = 0
    private var running: [Int: Task<Void, Never>] = [:]
    private var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]

    init(_ report: @escaping @Sendable (any Error, Message) -> Void) { self.report = report }

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
