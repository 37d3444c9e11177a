import Foundation
import Psfs
import Testing

@Suite(.timeLimit(.minutes(2))) struct LivingTests {
    @Test func aHandlerMayShutItsOwnSatelliteDown() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let events = try ann.peerEvents()
            let after = Collected<Bool>()
            try ben.on(.message, "stop") { [weak ben] _ in
                try await ben?.shutdown()
                await after.add(ben?.isRunning ?? true)
            }
            try await ann.send(ben.peerId, "stop", "now")
            #expect(await after.wait(for: 1) == [false])
            try await ben.ended()
            let refused = try await failure { try await ben.send(ann.peerId, "x", "y") }
            #expect(refused.kind == .closed)
            for await event in events {
                if case .disconnected(ben.peerId, _, _) = event { break }
            }
        }
    }

    @Test func aHandlerMayCancelItselfAndComesToItsEnd() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let itself = Collected<Subscription>()
            let calls = Collected<Int>()
            await itself.add(
                try ben.on(.request, "once") { _ in
                    await itself.wait(for: 1)[0].cancel()
                    await calls.add(1)
                    return "only once"
                })
            #expect(try await ann.request(ben.peerId, "once").first()?.text == "only once")
            await #expect(throws: PsfsError.self) { try await ann.request(ben.peerId, "once").all() }
            #expect(await calls.all == [1])
        }
    }

    @Test func whatRunsComesToItsEndAndWhatWaitsIsClosed() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let (began, finish, finished) = (Collected<Int>(), Collected<Int>(), Collected<Int>())
            try ben.on(.message, "work") { _ in
                await began.add(1)
                await finish.wait(for: 1)
                await finished.add(1)
            }
            try ann.on(.request, "never") { _ in try await Task.sleep(for: .seconds(600)) }
            try await ann.send(ben.peerId, "work", "")
            await began.wait(for: 1)
            let waiting = Task { try await failure { try await ben.request(ann.peerId, "never").all() } }
            let events = try ben.peerEvents()
            let seen = Task { for await _ in events {} }
            let ending = Task {
                try await ben.shutdown()
                #expect(await finished.all == [1])
            }
            try await ben.ended()
            #expect(try await waiting.value.kind == .closed)
            await seen.value
            #expect(await finished.all.isEmpty)
            await finish.add(1)
            try await ending.value
            try? await ann.shutdown(timeout: .milliseconds(10))
        }
    }

    @Test func aHandlerThatDoesNotReturnIsCancelledAndSaidSo() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let (began, cancelled) = (Collected<Int>(), Collected<Bool>())
            try ben.on(.message, "work") { _ in
                await began.add(1)
                try? await Task.sleep(for: .seconds(600))
                await cancelled.add(Task.isCancelled)
            }
            try await ann.send(ben.peerId, "work", "")
            await began.wait(for: 1)
            let error = try await failure { try await ben.shutdown(timeout: .milliseconds(300)) }
            #expect(error.kind == .timeout)
            #expect(await cancelled.wait(for: 1) == [true])
            try await ben.shutdown()
        }
    }

    @Test func anAppInTheBackgroundIsGoneUntilItIsBack() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            try ben.on(.request, "whois") { _ in "ben" }
            let events = try ann.peerEvents()
            try await ben.pause()
            try await ben.pause()
            for await event in events {
                if case .disconnected(ben.peerId, _, _) = event { break }
            }
            #expect(ben.isPaused && ben.isRunning && ben.addresses.isEmpty)
            let late = try await failure { try await ben.send(ann.peerId, "x", "y", timeout: .milliseconds(100)) }
            #expect(late.kind == .timeout && late.message.contains("paused, resume it first"))
            let alone = try await failure { try await ben.broadcast("x", "y") }
            #expect(alone.code == "NO_PEERS")
            try await ben.networkChanged()
            try await ben.resume()
            #expect(!ben.isPaused)
            try await ann.waitConnected()
            #expect(try await ann.request(ben.peerId, "whois").all().map(\.text) == ["ben"])
            try await ben.networkChanged()
        }
    }

    /// It blocks its thread, as no handler should: others are called all the same.
    @Test func aHandlerThatBlocksHoldsUpNobodyElse() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let (began, go) = (Collected<Int>(), DispatchSemaphore(value: 0))
            let block: @Sendable () -> Void = { _ = go.wait(timeout: .now() + 60) }
            try ben.on(.message, "work") { _ in
                await began.add(1)
                block()
            }
            try ben.on(.request, "whois") { _ in "ben" }
            try await ann.send(ben.peerId, "work", "")
            await began.wait(for: 1)
            #expect(try await ann.request(ben.peerId, "whois").all().map(\.text) == ["ben"])
            go.signal()
        }
    }

    @Test func madeInOneThreadAndUsedInOthers() async throws {
        let rendezvous = unique()
        let made = Collected<Satellite>()
        Thread.detachNewThread { Task { await made.add(try await satellite(rendezvous).start()) } }
        let ann = await made.wait(for: 1)[0]
        let ben = try await satellite(rendezvous, key: 1, bootstrap: ann.addresses).start()
        try await ben.waitConnected()
        try ben.on(.request, "echo") { $0.text }
        let answers = try await withThrowingTaskGroup(of: [String].self) { group in
            for number in 0..<8 {
                group.addTask { try await ann.request(ben.peerId, "echo", "\(number)").all().map(\.text) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(answers.sorted() == (0..<8).map(String.init))
        try await ben.shutdown()
        try await ann.shutdown()
    }

    @Test func aShutdownInACancelledTaskBegins() async throws {
        try await network(1) { all in
            let ending = Task {
                while !Task.isCancelled { await Task.yield() }
                try await all[0].shutdown()
            }
            ending.cancel()
            await #expect(throws: CancellationError.self) { try await ending.value }
            try await within { try await all[0].ended() }
        }
    }

    /// Everything of it goes: the peer hears that it left, its handlers are let go, and its port is free.
    @Test func aDroppedSatelliteLeavesNothingRunning() async throws {
        try await network(1) { all in
            let ann = all[0]
            let events = try ann.peerEvents()
            weak var gone: Satellite?
            weak var held: Held?
            let (id, address) = try await {
                let ben = try await satellite(ann.rendezvous, key: 1, bootstrap: ann.addresses).start()
                let mine = Held()
                (gone, held) = (ben, mine)
                try ben.on(.message, "x") { [mine] _ in _ = mine }
                try await ben.waitConnected()
                return (ben.peerId, ben.addresses[0])
            }()
            #expect(gone == nil)
            try await within {
                for await event in events {
                    if case .disconnected(id, _, _) = event { return }
                }
            }
            try await within { [held = Weak(held)] in
                while held.value != nil { try await Task.sleep(for: .milliseconds(5)) }
            }
            let again = try Satellite(unique(), listen: [address.replacing("/p2p/" + id, with: "")], mdns: false)
            try await again.start()
            try await again.shutdown()
        }
    }

    @Test func aDroppedSatellitesHandlersAreNotCalledAgain() async throws {
        try await network(1) { all in
            let ann = all[0]
            let (calls, goOn) = (Collected<String>(), Collected<Int>())
            weak var held: Held?
            try await {
                let ben = try await satellite(ann.rendezvous, key: 1, bootstrap: ann.addresses).start()
                let mine = Held()
                held = mine
                try ben.on(.message, "x") { [mine] message in
                    await calls.add(message.text)
                    await goOn.wait(for: message.text == "first" ? 1 : 2)
                    _ = mine
                }
                try await ben.waitConnected()
                try await ann.waitConnected()
                try await ann.send(ben.peerId, "x", "first")
                await calls.wait(for: 1)
                // These come in one batch.
                for text in ["second", "third", "fourth"] { try await ann.send(ben.peerId, "x", text, confirmed: true) }
                await goOn.add(1)
                await calls.wait(for: 2)
            }()
            await goOn.add(2)
            try await within { [held = Weak(held)] in
                while held.value != nil { try await Task.sleep(for: .milliseconds(5)) }
            }
            #expect(await calls.all == ["first", "second"])
        }
    }

    @Test func itLivesAsLongAsItIsListenedTo() async throws {
        try await network(1) { all in
            let ann = all[0]
            let (id, messages) = try await {
                let ben = try await satellite(ann.rendezvous, key: 1, bootstrap: ann.addresses).start()
                try await ben.waitConnected()
                return (ben.peerId, try ben.messages(.message, "x"))
            }()
            try await ann.waitConnected()
            try await ann.send(id, "x", "heard", confirmed: true)
            var heard = messages.makeAsyncIterator()
            #expect(await heard.next()?.text == "heard")
        }
    }

    @Test func itsKeyStaysWhereItIsKept() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(unique()).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try Satellite("x", listen: ["127.0.0.1:0"], dataDir: folder, mdns: false)
        let pem = try first.keyPem(passphrase: "secret")
        try await first.start()
        try await first.shutdown()
        let again = try Satellite("x", dataDir: folder)
        #expect(again.peerId == first.peerId)
        #expect(try Identity(pem: pem, passphrase: "secret").peerId == first.peerId)
    }

    @Test @MainActor func usedFromTheMainActor() async throws {
        let ann = try await satellite(unique()).start()
        let ben = try await satellite(ann.rendezvous, key: 1, bootstrap: ann.addresses).start()
        let counter = OnMain()
        try ann.on(.request, "x") { @MainActor message in
            counter.count += 1
            return "\(counter.count)"
        }
        let messages = try ann.messages(.message, "y")
        try await ben.waitConnected()
        for try await reply in ben.request(ann.peerId, "x") { #expect(reply.text == "1") }
        try await ben.send(ann.peerId, "y", "z")
        for await message in messages {
            #expect(message.text == "z")
            break
        }
        try await ben.shutdown()
        try await ann.shutdown()
    }

    @Test func fiftyInOneProcess() async throws {
        let rendezvous = unique()
        let all = try (0..<50).map { _ in try Satellite(rendezvous, listen: ["127.0.0.1:0"], mdns: false) }
        for one in all { try await one.start() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in all[1...] { group.addTask { try await one.connect(all[0].addresses[0]) } }
            try await group.waitForAll()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for one in all { group.addTask { try await one.shutdown(timeout: .seconds(30)) } }
            try await group.waitForAll()
        }
        #expect(all.allSatisfy { !$0.isRunning })
    }
}

private final class Held: Sendable {}

private struct Weak<Value: AnyObject & Sendable>: @unchecked Sendable {
    weak var value: Value?
    init(_ value: Value?) { self.value = value }
}

@MainActor private final class OnMain {
    var count = 0
}
