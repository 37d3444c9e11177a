import Foundation
internal import PsfsNative

/// The one place where tasks and the native half meet.
///
/// The library never calls Swift. One thread for the process waits in the hub for calls that have ended, hundreds at a time if there are, and
/// resumes the tasks that wait for them; Swift's own executors take it from there.
enum Native {
    private static let started: Result<Hub, PsfsError> = {
        guard nativeLibraryFits() else { return .failure(.foreignLibrary) }
        let hub = Hub()
        let thread = Thread {
            while true { calls.end(hub.completions()) }
        }
        thread.name = "psfs-hub"
        thread.start()
        return .success(hub)
    }()

    /// Before anything else is called: throws where the library is not the one that this was built with.
    static var hub: Hub { get throws { try started.get() } }

    private static let calls = Calls()

    /// A call that may have to wait. `begin` gives its outcome, or nil and the hub does later. Cancelling the task cancels the call.
    static func call(_ begin: (Int64) throws -> Outcome?) async throws -> Outcome {
        try Task.checkCancellation()
        let id = calls.begin()
        let outcome: Outcome
        do {
            if let now = try begin(id) {
                calls.forget(id)
                outcome = now
            } else {
                outcome = try await calls.wait(id)
            }
        } catch let error as NativeError {
            calls.forget(id)
            throw PsfsError(error)
        }
        if case .failed(let failure) = outcome { throw PsfsError(failure) }
        return outcome
    }

    /// The same of a call that says true when it is over at once.
    @discardableResult
    static func run(_ begin: (Int64) throws -> Bool) async throws -> Outcome {
        try await call { id in try begin(id) ? .done : nil }
    }
}

/// Calls under way, by number. The lock is held for a look-up, never while anything is called.
private final class Calls: @unchecked Sendable {
    private enum Call {
        case begun
        case waiting(CheckedContinuation<Outcome, any Error>)
        case ended(Outcome)
    }

    private let lock = NSLock()
    private var last: Int64 = 0
    private var open: [Int64: Call] = [:]

    /// Known before the call begins: it may have ended elsewhere by the time that returns.
    func begin() -> Int64 {
        lock.withLock {
            last += 1
            open[last] = .begun
            return last
        }
    }

    func forget(_ id: Int64) {
        lock.withLock { _ = open.removeValue(forKey: id) }
    }

    func wait(_ id: Int64) async throws -> Outcome {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now: Result<Outcome, any Error>? = lock.withLock {
                    switch open[id] {
                    case .begun:
                        open[id] = .waiting(continuation)
                        return nil
                    case .ended(let outcome):
                        open[id] = nil
                        return .success(outcome)
                    case .waiting, nil:
                        return .failure(CancellationError())
                    }
                }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    func end(_ completions: [Completion]) {
        var resumed: [(CheckedContinuation<Outcome, any Error>, Outcome)] = []
        lock.withLock {
            for ended in completions {
                switch open[ended.id] {
                case .begun:
                    open[ended.id] = .ended(ended.outcome)
                case .waiting(let continuation):
                    open[ended.id] = nil
                    resumed.append((continuation, ended.outcome))
                case .ended, nil:
                    break
                }
            }
        }
        for (continuation, outcome) in resumed { continuation.resume(returning: outcome) }
    }

    private func cancel(_ id: Int64) {
        guard let call = lock.withLock({ open.removeValue(forKey: id) }) else { return }
        _ = try? Native.hub.cancel(id: id)
        if case .waiting(let continuation) = call { continuation.resume(throwing: CancellationError()) }
    }
}

/// Calls the native half; what it throws is told as people know it.
func native<T>(_ call: () throws -> T) throws -> T {
    do {
        return try call()
    } catch let error as NativeError {
        throw PsfsError(error)
    }
}

extension Duration {
    /// For the native half: the longest there is means for ever, and nothing but zero is rounded to zero.
    var native: Int64 {
        if self < .zero { return -1 }
        let (seconds, attoseconds) = components
        let (thousand, over) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, tooMuch) = thousand.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        if over || tooMuch { return .max }
        return sum == 0 && self > .zero ? 1 : sum
    }
}
