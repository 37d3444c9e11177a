import Foundation
import Psfs
import Testing

@Suite(.timeLimit(.minutes(2))) struct TalkingTests {
    @Test func theyMeet() async throws {
        try await network(2) { all in
            for (one, other) in [(all[0], all[1]), (all[1], all[0])] {
                #expect(one.peers.map(\.id) == [other.peerId])
                #expect(one.peers[0].state == .connected)
                #expect(one.connectedCount == 1)
                #expect(one.fingerprint.hasPrefix(one.peerId))
            }
        }
    }

    @Test func messagesComeInOrderAndUnchanged() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let came = Collected<Message>()
            try ann.on(.message, "numbers") { await came.add($0) }
            let sent = (0..<300).map { Data(repeating: UInt8(truncatingIfNeeded: $0), count: $0 == 299 ? 1 << 20 : $0 * 100) }
            for content in sent { try await ben.send(ann.peerId, "numbers", content) }
            let messages = await came.wait(for: 300)
            #expect(messages.map(\.content) == sent)
            #expect(messages.allSatisfy { $0.peer == ben.peerId && $0.namespace == "numbers" && $0.type == .message })
        }
    }

    @Test func manyMessagesInFewCalls() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let came = Collected<Data>()
            try ann.on(.message, "many") { await came.add($0.content) }
            let sent = (0..<2000).map { Data(repeating: UInt8(truncatingIfNeeded: $0), count: $0 % 500) } + [Data(count: 1 << 20), Data()]
            try await ben.sendAll(ann.peerId, "many", sent)
            #expect(await came.wait(for: sent.count) == sent)
            try await ben.sendAll(ann.peerId, "many", [String]())
        }
    }

    @Test func allThatCanBeSent() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let messages = try ann.messages(.message, "x")
            try await ben.send(ann.peerId, "x", "grün")
            try await ben.send(ann.peerId, "x", "a long line"[..."a long line".index(after: "a long line".startIndex)])
            try await ben.send(ann.peerId, "x", [1, 2, 3] as [UInt8])
            try await ben.send(ann.peerId, "x", ([1, 2, 3] as [UInt8])[1...])
            try await ben.send(ann.peerId, "x", Data(repeating: 7, count: 3)[1...])
            try await ben.send(ann.peerId, "x", "")
            try await ben.send(ann.peerId, "x", Data(), confirmed: true)
            var came: [Data] = []
            for await message in messages {
                came.append(message.content)
                if came.count == 7 { break }
            }
            #expect(came == [Data("grün".utf8), Data("a ".utf8), Data([1, 2, 3]), Data([2, 3]), Data([7, 7]), Data(), Data()])
        }
    }

    @Test func threeRepliesAndTheEnd() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            try ann.on(.request, "three") { message in
                try await message.reply("one of \(message.text)")
                try await message.reply([UInt8](repeating: 2, count: 100_000))
                return "three"
            }
            let replies = ben.request(ann.peerId, "three", "three")
            for _ in 1...2 {
                let all = try await replies.all()
                #expect(all.map(\.content) == [Data("one of three".utf8), Data(repeating: 2, count: 100_000), Data("three".utf8)])
                #expect(all.allSatisfy { $0.peer == ann.peerId })
            }
            #expect(try await replies.first()?.text == "one of three")
        }
    }

    @Test func whatTheHandlerThrowsReachesTheAsker() async throws {
        let told = Collected<String>()
        try await network(2, onHandlerError: { error, _ in Task { await told.add("\(error)") } }) { all in
            let (ann, ben) = (all[0], all[1])
            try ann.on(.request, "seven") { _ in throw Fail(7, "seven") }
            try ann.on(.request, "broken") { _ in throw WentWell() }
            let seven = try await failure { try await ben.request(ann.peerId, "seven").all() }
            #expect(seven.kind == .remote && seven.remoteCode == 7 && seven.remoteText == "seven")
            let broken = try await failure { try await ben.request(ann.peerId, "broken").all() }
            #expect(broken.code == "HANDLER_FAILED" && broken.remoteText.contains("WentWell"))
            #expect(await told.wait(for: 1) == ["WentWell()"])
            let nobody = try await failure { try await ben.request(ann.peerId, "nobody serves this").all() }
            #expect(nobody.kind == .notFound && nobody.code == "UNKNOWN_NAMESPACE")
        }
    }

    @Test func aRequestMayBeAnsweredLater() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let later = Collected<Responder>()
            try ann.on(.request, "later") { message in
                await later.add(try message.defer())
            }
            async let replies = ben.request(ann.peerId, "later").all()
            let responder = await later.wait(for: 1)[0]
            try await responder.reply("late")
            try responder.end()
            #expect(try await replies.map(\.text) == ["late"])
            let twice = try await failure { try responder.end() }
            #expect(!twice.hint.isEmpty)
        }
    }

    @Test func aRequestThatIsDroppedEndsWithAnError() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let messages = try ann.messages(.request, "drop")
            let dropping = Task { for await _ in messages {} }
            let error = try await failure { try await ben.request(ann.peerId, "drop").all() }
            #expect(error.code == "HANDLER_FAILED")
            dropping.cancel()
            await dropping.value
        }
    }

    @Test func nobodyAnswersInTime() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let messages = try ann.messages(.request, "keep")
            let kept = Task { var kept: [Message] = []; for await message in messages { kept.append(message) } }
            let error = try await failure { try await ben.request(ann.peerId, "keep", timeout: .milliseconds(200)).all() }
            #expect(error.kind == .timeout && error.code == "TIMEOUT")
            kept.cancel()
        }
    }

    @Test func aCancelledTaskReturnsAtOnceAndTheHandlerIsTold() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let told = Collected<String>()
            let first = Collected<Reply>()
            try ann.on(.request, "keep") { message in
                do {
                    while true { try await message.reply("more") }
                } catch let error as PsfsError {
                    #expect(message.isCancelled)
                    await told.add(error.code)
                }
            }
            let asking = Task {
                for try await reply in ben.request(ann.peerId, "keep") {
                    await first.add(reply)
                    // From now on nothing is taken: the task waits to be cancelled.
                    try await Task.sleep(for: .seconds(600))
                }
            }
            await first.wait(for: 1)
            asking.cancel()
            await #expect(throws: CancellationError.self) { try await asking.value }
            #expect(await told.wait(for: 1) == ["CANCELLED"])

            // One that waits for a reply that never comes.
            let asked = Collected<Message>()
            try ann.on(.request, "never") { message in
                await asked.add(message)
                try await Task.sleep(for: .seconds(600))
            }
            let waiting = Task { try await ben.request(ann.peerId, "never", timeout: .seconds(600)).all() }
            let message = await asked.wait(for: 1)[0]
            let began = ContinuousClock.now
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(ContinuousClock.now - began < .seconds(1))
            try await within { while !message.isCancelled { try await Task.sleep(for: .milliseconds(5)) } }
            try? await ann.shutdown(timeout: .milliseconds(10))
        }
    }

    @Test func cancelledBeforeItBegins() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let sending = Task {
                while !Task.isCancelled { await Task.yield() }
                try await ben.send(ann.peerId, "x", "never")
            }
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
            #expect(ben.stats["messages_sent"] ?? 0 == 0)
        }
    }

    @Test func whatWasCancelledIsNotSentLater() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let messages = try ann.messages(.message, "x")
            try ann.on(.request, "ping") { _ in "pong" }
            // More than there is credit for: one of them waits.
            let accepted = Collected<Int>()
            let sending = Task {
                for size in 20_000..<20_200 {
                    try await ben.send(ann.peerId, "x", Data(count: size))
                    await accepted.add(size)
                }
            }
            await accepted.wait(for: 1)
            for _ in 0..<20 { _ = try await ben.request(ann.peerId, "ping").all() }
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
            async let last: Void = ben.send(ann.peerId, "x", "last")
            var came: [Int] = []
            for await message in messages {
                came.append(message.content.count)
                if message.text == "last" { break }
            }
            try await last
            let expected = await accepted.all + [4]
            #expect(came == expected)
        }
    }

    @Test func whoKeepsAMessageKeepsNoSubscription() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let asking: Task<[Reply], any Error>
            let message: Message
            do {
                var messages = try ann.messages(.request, "once").makeAsyncIterator()
                asking = Task { try await ben.request(ann.peerId, "once").all() }
                message = try #require(await messages.next())
            }
            let again = try await failure { try await ben.request(ann.peerId, "once").all() }
            #expect(again.code == "UNKNOWN_NAMESPACE")
            try await message.reply("late")
            try message.end()
            #expect(try await asking.value.map(\.text) == ["late"])
        }
    }

    @Test func takingEarlyCancelsAndTakesNoMore() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            let told = Collected<Int>()
            try ann.on(.request, "endless") { message in
                var sent = 0
                do {
                    while true {
                        try await message.reply(Data(count: 64 << 10))
                        sent += 1
                    }
                } catch {
                    await told.add(sent)
                }
            }
            var taken = 0
            for try await _ in ben.request(ann.peerId, "endless", window: 1 << 20) {
                taken += 1
                if taken == 40 { break }
            }
            // The window, what was taken, and what may be on the way.
            #expect(await told.wait(for: 1)[0] < 40 + 64)
        }
    }

    @Test func everybodyIsAsked() async throws {
        try await network(3) { all in
            for one in all[1...] { try one.on(.seek, "who") { _ in "I" } }
            let answers = try await all[0].seek("who", maxReplies: 6).all()
            #expect(Set(answers.map(\.peer)) == Set(all[1...].map(\.peerId)))
            let heard = try await all[0].broadcastRequest("nobody", timeout: .milliseconds(100)).all()
            #expect(heard.isEmpty)
        }
    }

    @Test func aBroadcastReachesFive() async throws {
        try await network(6) { all in
            let heard = Collected<String>()
            for one in all {
                try one.on(.broadcast, "news") { [id = one.peerId] message in
                    #expect(message.text == "news" && message.peer == all[0].peerId)
                    await heard.add(id)
                }
            }
            try await all[0].broadcast("news", "news")
            #expect(Set(await heard.wait(for: 5)) == Set(all[1...].map(\.peerId)))
        }
    }

    @Test func severalAtOnceOnlyWhereAskedFor() async throws {
        try await network(2) { all in
            let (ann, ben) = (all[0], all[1])
            for (namespace, limit) in [("one", 1), ("four", 4)] {
                let busy = Busy()
                try ann.on(.request, namespace, concurrency: limit) { _ in
                    await busy.enter(limit)
                    await busy.leave()
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<12 { group.addTask { _ = try await ben.request(ann.peerId, namespace).all() } }
                    try await group.waitForAll()
                }
                #expect(await busy.most == limit)
            }
        }
    }

    @Test func faultsAreFelt() async throws {
        let faults = try Faults(seed: 1)
        try await network(2, faults: faults) { all in
            let (ann, ben) = (all[0], all[1])
            let events = try ann.peerEvents()
            try faults.partition(ann.peerId, ben.peerId)
            let seen = try await within {
                for await event in events {
                    if case .disconnected(let peer, _, let code) = event { return (peer, code) }
                }
                return ("", "")
            }
            #expect(seen.0 == ben.peerId && !seen.1.isEmpty)
            try faults.heal(ann.peerId, ben.peerId)
            try await ann.connect(ben.addresses[0])
        }
    }
}

/// How many are in it at once. Each stays until as many are in it as may be, or a while.
private actor Busy {
    private(set) var most = 0
    private var inside = 0

    func enter(_ limit: Int) async {
        inside += 1
        most = max(most, inside)
        for _ in 0..<1000 where most < limit { try? await Task.sleep(for: .milliseconds(1)) }
    }

    func leave() { inside -= 1 }
}
