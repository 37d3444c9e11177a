import Foundation
import Psfs
import Testing

private func until(_ what: String, _ isSo: () -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(30)
    while !isSo() {
        try #require(ContinuousClock.now < end, "\(what)")
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// The failure that a call must end with.
private func fails(_ code: String, _ kind: PsfsError.Kind, _ call: () async throws -> some Any) async throws -> PsfsError {
    let error = try await failure(of: call)
    #expect(error.code == code && error.kind == kind, "\(error)")
    return error
}

private func lastsADay(_ expiresMillis: Int64) -> Bool {
    let left = Double(expiresMillis) / 1000 - Date().timeIntervalSince1970
    return left > 0 && left <= 24 * 3600
}

/// The DHT between real satellites.
@Suite struct DhtTests {
    @Test func aValueComesBackFromEverywhere() async throws {
        try await network(3) { net in
            let contents = [Data("text: ä".utf8), Data(repeating: 7, count: 100_000), Data(count: 1)]
            for content in contents {
                let stored = try await net[0].dht.store(content)
                #expect(try stored.key == keyOfContent(content))
                #expect(stored.nodes == 3 && stored.sequence == 0)
                #expect(Set(stored.answers.map(\.peer)) == Set(net.map(\.peerId)))
                #expect(stored.answers.allSatisfy { $0.outcome == .kept && $0.reason == nil && $0.text.isEmpty })
                for one in net {
                    let value = try await one.dht.fetch(stored.key)
                    #expect(value.content == content && value.key == stored.key && value.kind == .plain)
                    #expect(value.publisher == net[0].peerId && value.sequence == 0 && !value.isDeleted)
                    #expect(lastsADay(value.expiresMillis))
                }
            }
            #expect(Set(try await net[1].dht.store("text: ä").answers.map(\.outcome)) == [.had])
            for one in net {
                #expect(try one.dht.storedKeys == 3)
                #expect(try one.dht.storageSize == contents.map(\.count).reduce(0, +))
                let keys = try one.dht.keys()
                #expect(try keys == contents.map { try keyOfContent($0) }.sorted())
                #expect(try one.dht.keys(after: keys[0], most: 1) == [keys[1]])
            }
            #expect(try await net[2].dht.fetch(keyOfContent("text: ä"), timeout: .seconds(Int64.max)).text == "text: ä")
            _ = try await fails("NOT_FOUND", .notFound) { try await net[1].dht.fetch(keyOfName("nothing")) }
        }
    }

    @Test func namesBelongToWhoCameFirst() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let key = try await ada.dht.storeNamed("filename", "one").key
            #expect(try key == keyOfName("filename"))
            let value = try await bob.dht.fetchNamed("filename")
            #expect(value.text == "one" && value.kind == .raw && value.publisher == ada.peerId && value.key == key)
            _ = try await fails("CONFLICT", .refused) { try await bob.dht.storeNamed("filename", "two") }
            _ = try await fails("CONFLICT", .refused) { try await bob.dht.storeAt(key, "two") }
            _ = try await fails("REFUSED", .refused) { try await bob.dht.delete(key) }
            try await ada.dht.storeAt(key, "three")
            #expect(try await bob.dht.fetch(key).text == "three")
            #expect(try await ada.dht.delete(key).nodes == 2)
            _ = try await fails("NOT_FOUND", .notFound) { try await bob.dht.fetchNamed("filename") }
        }
    }

    @Test func signedValuesAreReplacedByNewerOnesOnly() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let stored = try await ada.dht.storeSigned("one", salt: "profile")
            #expect(try stored.key == keyOfSigned(ada.peerId, "profile") && stored.sequence == 1)
            let value = try await bob.dht.fetchSigned(ada.peerId, salt: "profile")
            #expect(value.text == "one" && value.kind == .signed && value.publisher == ada.peerId && value.sequence == 1)
            #expect(try await ada.dht.storeSigned("two", salt: "profile").sequence == 2)
            _ = try await fails("CONFLICT", .refused) { try await ada.dht.storeSigned("old", salt: "profile", sequence: 1) }
            _ = try await fails("CONFLICT", .refused) { try await ada.dht.storeSigned("x", salt: "profile", ifSequence: 7) }
            #expect(try await ada.dht.storeSigned("three", salt: "profile", ifSequence: 2).sequence == 3)
            #expect(try await ada.dht.storeSigned("high", salt: "profile", sequence: UInt64.max - 1).sequence == UInt64.max - 1)
            #expect(try await bob.dht.fetch(stored.key).text == "high")
            #expect(try await ada.dht.storeSigned("without salt").key == keyOfSigned(ada.peerId))
            try await ada.dht.delete(keyOfSigned(ada.peerId))
            _ = try await fails("NOT_FOUND", .notFound) { try await bob.dht.fetchSigned(ada.peerId) }
        }
    }

    @Test func aWatchTellsOfEachChangeAndEndsWithTheSatellite() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let key = try keyOfSigned(ada.peerId)
            let watch = try bob.dht.watch(key)
            var changes = watch.makeAsyncIterator()
            for number in 1...2 {
                try await ada.dht.storeSigned("round \(number)")
                let value = await changes.next()
                #expect(value?.text == "round \(number)" && value?.sequence == UInt64(number) && value?.isDeleted == false)
            }
            try await ada.dht.delete(key)
            #expect(await changes.next()?.isDeleted == true)
            let rest = Task {
                for await value in watch { return value.text }
                return "ended"
            }
            try await bob.shutdown()
            #expect(try await within { await rest.value } == "ended")
        }
    }

    @Test func sealedValuesAreReadByOnePeerOnly() async throws {
        try await network(3) { net in
            let (ada, bob, eve) = (net[0], net[1], net[2])
            let stored = try await ada.dht.storeSealed(bob.peerId, "for you")
            let opened = try await bob.dht.open(bob.dht.fetch(stored.key))
            #expect(opened.text == "for you" && opened.sender == ada.peerId && !opened.isProved)
            let value = try await eve.dht.fetch(stored.key)
            #expect(value.content.range(of: Data("for you".utf8)) == nil)
            #expect(try await fails("BAD_INPUT", .badInput) { try await eve.dht.open(value) }.message.contains(bob.peerId))
            let mail = try await ada.dht.storeSigned("signed, too", sealedFor: bob.peerId)
            let proved = try await bob.dht.open(bob.dht.fetch(mail.key))
            #expect(proved.text == "signed, too" && proved.isProved)
            let plain = try await bob.dht.fetch(ada.dht.store("open to all").key)
            #expect(try await fails("BAD_INPUT", .badInput) { try await bob.dht.open(plain) }.message.contains("not sealed"))
            let stranger = try Identity().peerId
            _ = try await fails("UNKNOWN_PEER", .notFound) { try await ada.dht.storeSealed(stranger, "x") }
            // Who is away can be written to, once its key is published.
            #expect(try await bob.dht.publishKey().nodes == 3)
            try await bob.shutdown()
            try await until("bob is gone") { ada.connectedCount == 1 }
            #expect(try await ada.dht.storeSealed(bob.peerId, "while you are away").nodes == 2)
        }
    }

    @Test func onStoreDecidesAndSaysWhy() async throws {
        let told = Collected<String>()
        let tell: @Sendable (any Error, Handled) -> Void = { error, handled in
            guard case .offer(let offer) = handled else { return }
            Task { await told.add("\(error) at \(offer.size)") }
        }
        try await network(2, onHandlerError: tell) { net in
            let (ada, bob) = (net[0], net[1])
            let offers = Collected<Offer>()
            try bob.dht.onStore { offer in
                await offers.add(offer)
                switch offer.content.map({ String(decoding: $0, as: UTF8.self) }) {
                case "spam": return .refuse("no spam here")
                case "fails": throw Fail(7, "seven")
                case "throws": throw WentWell()
                default: return .keep
                }
            }
            func said(_ content: String) async throws -> StoreAnswer {
                let stored = try await ada.dht.store(content)
                let answer = try #require(stored.answers.first { $0.peer == bob.peerId })
                #expect(stored.nodes == (answer.keeps ? 2 : 1))
                return answer
            }
            #expect(try await said("good").outcome == .kept)
            for (content, text) in [("spam", "no spam here"), ("fails", "seven"), ("throws", "WentWell()")] {
                let answer = try await said(content)
                #expect(answer.outcome == .refused && answer.reason == .policy && answer.text == text, "\(answer)")
            }
            #expect(await told.wait(for: 1) == ["WentWell() at 6"])
            #expect(try bob.dht.keys() == [keyOfContent("good")])
            let offer = try #require(await offers.all.first)
            #expect(try offer.key == keyOfContent("good") && offer.kind == .plain && offer.size == 4)
            #expect(offer.publisher == ada.peerId && offer.peer == ada.peerId && lastsADay(offer.expiresMillis))
        }
    }

    @Test func aLargeValueIsAskedAboutTwice() async throws {
        try await network(2) { net in
            let sizes = Collected<Int?>()
            try net[1].dht.onStore { offer in
                await sizes.add(offer.content?.count)
                return offer.content?.first == 1 ? .refuse("bad content") : .keep
            }
            var large = Data(count: 1_000_000)
            #expect(try await net[0].dht.store(large).nodes == 2)
            #expect(await sizes.all == [nil, 1_000_000])
            large[0] = 1
            #expect(try await net[0].dht.store(large).answers.filter { !$0.keeps }.map(\.text) == ["bad content"])
        }
    }

    @Test func everyoneRefusingListsEachReason() async throws {
        try await network(3) { net in
            for (number, one) in net.enumerated() { try one.dht.onStore { _ in .refuse("reason \(number)") } }
            let refused = try await fails("REFUSED", .refused) { try await net[0].dht.store("unwanted") }
            for number in 0..<3 { #expect(refused.message.contains("reason \(number)")) }
        }
    }

    @Test func aCancelledOnStoreNoLongerDecides() async throws {
        try await network(2) { net in
            let subscription = try net[1].dht.onStore { _ in .refuse("no") }
            #expect(try await net[0].dht.store("one").nodes == 1)
            subscription.cancel()
            #expect(try await net[0].dht.store("two").nodes == 2)
        }
    }

    @Test func commandsAreAnsweredByWhoWasMeant() async throws {
        try await network(3) { net in
            let (ada, bob, eve) = (net[0], net[1], net[2])
            try bob.dht.onCustom { message in
                try await message.reply("first")
                return message.content
            }
            try eve.dht.onCustom { _ in throw Fail(7, "eve does not") }
            let only = try await ada.dht.custom(bob.peerId, "ping")
            #expect(only.map(\.peer) == [bob.peerId] && only[0].texts == ["first", "ping"] && only[0].error == nil)
            for to in [nil, try keyOfName("x")] {
                let answers = try await ada.dht.custom(to, "ping")
                #expect(answers.first { $0.peer == bob.peerId }?.texts == ["first", "ping"])
                let failed = try #require(answers.first { $0.peer == eve.peerId })
                #expect(failed.answers.isEmpty && failed.error?.remoteCode == 7 && failed.error?.remoteText == "eve does not")
            }
        }
    }

    @Test func aBroadcastReachesEveryNodeOnce() async throws {
        let heard = Collected<String>()
        var expected: [String] = []
        try await network(4) { net in
            for (number, one) in net.enumerated() {
                try one.dht.onBroadcast { await heard.add("\(number) \($0.text) \($0.peer)") }
            }
            try await net[0].dht.broadcast("to all of you")
            expected = (1...3).map { "\($0) to all of you \(net[0].peerId)" }
            await heard.wait(for: 3)
        }
        #expect(await heard.all.sorted() == expected)
    }

    @Test func aWalkCanBeFollowed() async throws {
        try await network(3) { net in
            let key = try await net[0].dht.store("followed").key
            let trace = try await net[1].dht.trace(key)
            let others: Set = [net[0].peerId, net[2].peerId]
            #expect(trace.key == key && Set(trace.hops.map(\.peer)) == others && Set(trace.closest) == others)
            #expect(Set(trace.holders) == others.union([net[1].peerId]))
            for hop in trace.hops {
                #expect(hop.depth >= 1 && hop.path >= 0 && (0..<256).contains(hop.commonBits) && hop.outcome == "has the value")
                let took = try #require(hop.took)
                #expect(took > .zero && took < .seconds(30))
            }
            let rows = net[1].dht.routingTable()
            #expect(Set(rows.filter { $0.state == "proved" }.map(\.peer)) == others)
            #expect(rows.allSatisfy { $0.bucket >= 0 && $0.unseen < .seconds(30) })
        }
    }

    @Test func whoPermitsItIsFollowed() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            ada.dht.permitDebug()
            // The feed is asked for by itself: what happens before is not told.
            let storing = Task {
                var number = 0
                while !Task.isCancelled {
                    number += 1
                    try await ada.dht.store("value \(number)")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            let line = try await within {
                for await said in try bob.dht.debug() where said.peer == ada.peerId { return said.line }
                return ""
            }
            storing.cancel()
            #expect(!line.isEmpty)
            _ = await storing.result
        }
    }

    @Test func rolesAreOptionsAndChange() async throws {
        try await network(2, dhtRole: .client) { net in
            let (ada, bob) = (net[0], net[1])
            #expect(ada.dht.role == .client && bob.dht.role == .client)
            bob.dht.role = .mirror
            #expect(bob.dht.role == .mirror)
            let stored = try await ada.dht.store("by a phone")
            #expect(stored.answers.filter(\.keeps).map(\.peer) == [bob.peerId])
            #expect(try await ada.dht.fetch(stored.key).text == "by a phone")
            #expect(try ada.dht.storedKeys == 0 && bob.dht.storedKeys == 1)
        }
    }

    @Test func whoReachesOneNodeOnlyHasItStoreAndFetch() async throws {
        let (faults, identity) = (try Faults(), try Identity())
        try await network(9, faults: faults) { net in
            // Before it comes: it learns of the others, and never reaches them.
            for other in net.dropFirst() { try faults.partition(identity.peerId, other.peerId) }
            let client = try await Satellite(
                net[0].rendezvous, bootstrap: net[0].addresses, listen: ["127.0.0.1:0"], identity: identity, mdns: false,
                dhtRole: .client, faults: faults
            ).start()
            try await client.dht.joined()
            net[0].dht.permitProxy()
            let stored = try await client.dht.store("from behind")
            #expect(stored.proxy == net[0].peerId && stored.nodes >= 8, "\(stored)")
            #expect(try await net[5].dht.fetch(stored.key).text == "from behind")
            #expect(try await net[5].dht.store("not from behind").proxy == nil)
            net[0].dht.permitProxy(false)
            do {
                #expect(try await client.dht.store("alone").proxy == nil)
            } catch let error as PsfsError where error.kind == .refused {
                // It may be too far from what is stored to keep it itself.
            }
            try await client.shutdown()
        }
    }

    @Test func joinedWaitsForANode() async throws {
        try await network(1) { net in
            _ = try await fails("TIMEOUT", .timeout) { try await net[0].dht.joined(timeout: .milliseconds(50)) }
            async let joined: Void = net[0].dht.joined()
            let bob = try await satellite(net[0].rendezvous, key: 1, bootstrap: net[0].addresses).start()
            try await joined
            try await bob.dht.joined()
            try await bob.shutdown()
        }
    }

    @Test func limitsAreOptions() async throws {
        try await network(2, limits: Limits(maxItemSize: 1000, maxStorageSize: 5000)) { net in
            let dht = net[0].dht
            #expect(dht.maxItemSize == 1000)
            let large = try await fails("TOO_LARGE", .badInput) { try await dht.store(Data(count: 1001)) }
            #expect(large.message.contains("max_item_size is 1000"))
            // Half of it is for one publisher at most, and each value takes some room beside its content.
            try await dht.store(Data(repeating: 1, count: 1000))
            let full = try await fails("REFUSED", .refused) { try await dht.store(Data(repeating: 2, count: 1000)) }
            #expect(full.message.contains("quota"))
        }
    }

    @Test func aCancelledTaskCancelsItsStore() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let (asked, goOn) = (Collected<Bool>(), Collected<Bool>())
            try bob.dht.onStore { _ in
                await asked.add(true)
                await goOn.wait(for: 1)
                return .keep
            }
            // Sent to bob only once it is wanted there.
            let storing = Task { try await ada.dht.store(Data(count: 100_000)) }
            await asked.wait(for: 1)
            storing.cancel()
            await #expect(throws: CancellationError.self) { try await storing.value }
            _ = try await fails("TIMEOUT", .timeout) {
                try await ada.dht.store(Data(repeating: 1, count: 100_000), timeout: .milliseconds(100))
            }
            await goOn.add(true)
            let another = try await ada.dht.store("another")
            #expect(another.nodes == 2)
            #expect(try bob.dht.keys() == [another.key])
        }
    }

    @Test func theEndOfTheSatelliteEndsWhatWaits() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let (asked, goOn) = (Collected<Bool>(), Collected<Bool>())
            try bob.dht.onStore { _ in
                await asked.add(true)
                await goOn.wait(for: 1)
                return .keep
            }
            let storing = Task { try await fails("CLOSED", .closed) { try await ada.dht.store("value") } }
            await asked.wait(for: 1)
            try await ada.shutdown()
            _ = try await storing.value
            await goOn.add(true)
        }
    }
}
