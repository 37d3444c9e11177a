import Foundation
import Psfs
import Testing

private let mib = 1 << 20

private func fails(_ code: String, _ kind: PsfsError.Kind, _ call: () async throws -> some Any) async throws -> PsfsError {
    let error = try await failure(of: call)
    #expect(error.code == code && error.kind == kind, "\(error)")
    return error
}

private func content(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

/// The names in a folder, and in those in it.
private func names(_ folder: String) throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() }

/// How long a file takes the second of them to get from the first: 1 MB a second leaves time to do something in its middle.
private func slow(_ net: [Satellite], _ faults: Faults, bytesPerSecond: UInt64 = 1_000_000) throws {
    try faults.slow(net[0].peerId, net[1].peerId, bytesPerSecond: bytesPerSecond)
}

/// How much has come when some has.
private func started(_ transfer: Transfer) async throws -> Int {
    for try await progress in transfer.progress where progress.bytes > 0 { return progress.bytes }
    throw TookTooLong()
}

private func told(by transfer: Transfer) async throws -> [Transfer.Progress] {
    var all: [Transfer.Progress] = []
    for try await progress in transfer.progress { all.append(progress) }
    return all
}

struct Enough: Error {}

/// Files between real satellites.
@Suite final class FilesTests {
    private let folder = NSTemporaryDirectory() + unique()

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func at(_ name: String) -> String { "\(folder)/\(name)" }

    private func randomFile(_ name: String, _ size: Int) throws -> String {
        let random = try #require(FileHandle(forReadingAtPath: "/dev/urandom"))
        let content = size == 0 ? Data() : try #require(try random.read(upToCount: size))
        try content.write(to: URL(fileURLWithPath: at(name)))
        return at(name)
    }

    /// So large that hashing it takes its time.
    private func largeFile(_ name: String) throws -> String {
        #expect(FileManager.default.createFile(atPath: at(name), contents: nil))
        try #require(FileHandle(forWritingAtPath: at(name))).truncate(atOffset: 512 << 20)
        return at(name)
    }

    @Test func filesArriveWhole() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            for size in [0, 1, 16 * 1024 + 1, 3 * mib + 7] {
                let (source, target) = (try randomFile("from \(size)", size), at("to \(size)"))
                let shared = try await ada.files.share(source)
                #expect(shared.size == size && shared.path == source && !shared.isFolder)
                let received = try await bob.files.get(shared.root, target, sources: [ada.peerId]).received()
                #expect(received.root == shared.root && received.size == size && received.path == target && !received.isFolder)
                #expect(try content(target) == content(source))
                // Who got it shares it, too.
                #expect(try await bob.files.find(root: shared.root).map(\.path) == [target])
            }
            #expect(try Set(ada.files.shared().map(\.path)) == Set(names(folder).filter { $0.contains("from") }.map(at)))
            #expect(try names(folder).allSatisfy { !$0.contains("part") })
        }
    }

    @Test func manyAtOnce() async throws {
        try await network(3) { net in
            let sources = try (0..<8).map { try randomFile("\($0)", 300_000 + $0) }
            let ada = net[0]
            let shared = try await withThrowingTaskGroup(of: Shared.self) { group in
                for source in sources { group.addTask { try await ada.files.share(source) } }
                return try await group.reduce(into: [String: Shared]()) { $0[$1.path] = $1 }
            }
            for one in net.dropFirst() {
                try FileManager.default.createDirectory(atPath: at(one.peerId), withIntermediateDirectories: false)
                // Whom to ask, the network knows.
                let transfers = try sources.enumerated().map { number, source in
                    try one.files.get(try #require(shared[source]).root, at("\(one.peerId)/\(number)"))
                }
                for (transfer, source) in zip(transfers, sources) {
                    let received = try await transfer.received()
                    #expect(received.root == shared[source]?.root)
                    #expect(try content(received.path) == content(source))
                }
            }
        }
    }

    @Test func foldersArriveWhole() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            try FileManager.default.createDirectory(atPath: at("folder/inner"), withIntermediateDirectories: true)
            _ = try randomFile("folder/large", 2 * mib)
            for number in 0..<20 { _ = try randomFile("folder/inner/\(number).txt", number) }
            let shared = try await ada.files.share(at("folder"))
            #expect(shared.isFolder && shared.size == 2 * mib + (0..<20).reduce(0, +))
            let ticket = try ada.files.ticket(shared.root)
            #expect(ticket.isFolder)
            let gets: [(String) throws -> Transfer] = [
                { try bob.files.get(ticket, $0) },
                { try bob.files.get(ticket.text, $0) },
                { try bob.files.get(shared.root, $0, folder: true, sources: [ada.peerId]) },
            ]
            for (number, get) in gets.enumerated() {
                let target = at("copy \(number)")
                #expect(try await get(target).received().isFolder)
                #expect(try names(target) == names(at("folder")))
                for name in try names(target) where name.contains(".txt") || name == "large" {
                    #expect(try content("\(target)/\(name)") == content(at("folder/\(name)")))
                }
                try await bob.files.remove(shared.root)
            }
        }
    }

    @Test func aTicketIsAllThatIsNeeded() async throws {
        try await network(2) { net in
            let (ada, bob) = (net[0], net[1])
            let open = try await ada.files.share(try randomFile("holiday.mp4", 100_000))
            let ticket = try ada.files.ticket(open.root)
            #expect(ticket.root == open.root && ticket.size == 100_000 && ticket.name == "holiday.mp4" && ticket.issuer == ada.peerId)
            #expect(ticket.rendezvous == ada.rendezvous && !ticket.needsSecret && ticket.expiresMillis == nil)
            #expect(Set(ticket.addresses.map { "\($0)/p2p/\(ada.peerId)" }) == Set(ada.addresses))
            #expect(try Ticket(" \(ticket.text) ".uppercased()) == ticket)
            #expect("\(ticket)".contains(ticket.root) && !"\(ticket)".contains(ticket.text))

            let out = at("out")
            let secret = try await ada.files.share(try randomFile("secret", 100_001), onlyWithTicket: true)
            let refused = try await fails("REFUSED", .refused) {
                try await bob.files.get(secret.root, out, sources: [ada.peerId]).received()
            }
            #expect(refused.message.contains("only with a ticket"))
            for limited in [
                try ada.files.ticket(secret.root, bytes: 100_000), try ada.files.ticket(secret.root, holder: ada.peerId),
            ] {
                #expect(try await failure { try await bob.files.get(limited, out).received() }.kind == .refused)
            }
            let fitting = try ada.files.ticket(secret.root, lifetime: .seconds(100), bytes: 100_001, holder: bob.peerId)
            let left = Double(try #require(fitting.expiresMillis)) / 1000 - Date().timeIntervalSince1970
            #expect(left > 90 && left <= 100)
            _ = try await bob.files.get(fitting, out).received()
            // What was got by a right is not given away.
            #expect(bob.files.shared() == [])
            let forever = try ada.files.ticket(secret.root, lifetime: .seconds(Int64.max), bytes: .max)
            #expect(try Ticket(forever.text).expiresMillis == forever.expiresMillis)
            let limits = try await fails("BAD_INPUT", .badInput) { try ada.files.ticket(open.root, lifetime: .seconds(100)) }
            #expect(limits.message.contains("only_with_ticket"))
            _ = try await fails("BAD_INPUT", .badInput) { try bob.files.get(String(ticket.text.dropLast()), out) }
        }
    }

    @Test func progressIsTold() async throws {
        let faults = try Faults()
        try await network(2, faults: faults) { net in
            let (ada, bob) = (net[0], net[1])
            let size = 8 * mib
            let root = try await ada.files.share(try randomFile("from", size)).root
            try slow(net, faults, bytesPerSecond: 8_000_000)
            let transfer = try bob.files.get(root, at("to"), sources: [ada.peerId])
            // One shows it while others wait.
            async let one = transfer.received()
            async let other = transfer.received()
            let all = try await told(by: transfer)
            #expect(all.map(\.bytes) == all.map(\.bytes).sorted() && all.last?.bytes == size)
            let middle = all.filter { $0.bytes > 0 && $0.bytes < size }
            #expect(middle.count >= 2 && middle.allSatisfy { $0.size == size && $0.sources == 1 }, "\(all)")
            let timed = middle.filter { $0.rate > 0 }
            #expect(!timed.isEmpty && timed.allSatisfy { $0.timeLeft! > .zero && $0.timeLeft! < .seconds(30) }, "\(all)")
            #expect(try await one.root == root)
            #expect(try await other.root == root)
            // After its end there is the last word, the same for all who ask.
            #expect(try await told(by: transfer).map(\.bytes) == [size])
            transfer.cancel()
            #expect(try await transfer.received().root == root)
        }
    }

    @Test func hashingTellsHowFarItIs() async throws {
        try await network(1) { net in
            let ada = net[0]
            let large = try largeFile("large")
            await #expect(throws: Enough.self) { try await ada.files.share(large) { _ in throw Enough() } }
            #expect(ada.files.shared() == [])
            let source = try randomFile("from", 4 * mib)
            var told: [Int] = []
            let shared = try await ada.files.share(source, sha256: true) { told.append($0) }
            #expect(told == told.sorted() && told.last == shared.size)
            let digest = try #require(try await ada.files.find().first?.sha256)
            #expect(try await ada.files.find(sha256: digest.uppercased()).map(\.root) == [shared.root])
        }
    }

    @Test func aShareThatIsCancelledSharesNothing() async throws {
        try await network(1) { net in
            let ada = net[0]
            let large = try largeFile("large")
            let sharing = Task { try await ada.files.share(large) }
            sharing.cancel()
            await #expect(throws: CancellationError.self) { try await sharing.value }
            #expect(ada.files.shared() == [])
        }
    }

    enum Cut: CaseIterable { case cancel, wait, told, drop }

    @Test(arguments: Cut.allCases) func whatIsCancelledGoesOnFromThere(_ cut: Cut) async throws {
        let faults = try Faults()
        try await network(2, faults: faults) { net in
            let (ada, bob) = (net[0], net[1])
            let (source, target) = (try randomFile("from", 8 * mib), at("to"))
            let root = try await ada.files.share(source).root
            try slow(net, faults)
            var transfer: Transfer? = try bob.files.get(root, target, sources: [ada.peerId])
            // Leaving the sequence early does not cancel it.
            let came = try await started(transfer!)
            #expect(came < 8 * mib)
            for try await progress in transfer!.progress where progress.bytes > came { break }
            #expect(!exists(target))
            switch cut {
            case .cancel: transfer?.cancel()
            case .drop: transfer = nil
            case .wait:
                let waiting = Task { [transfer] in try await transfer!.received() }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
            case .told:
                let waiting = Task { [transfer] in try await told(by: transfer!) }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
            }
            faults.healAll()
            // At once: what is still written down of the first is waited for.
            let again = try bob.files.get(root, target, sources: [ada.peerId])
            if let transfer { _ = try await fails("CANCELLED", .closed) { try await transfer.received() } }
            #expect(try #require(try await told(by: again).first).bytes >= came)
            #expect(try await again.received().path == target)
            #expect(try content(target) == content(source))
            #expect(try names(folder) == ["from", "to"])
        }
    }

    @Test func whoWaitsIsToldOfACancel() async throws {
        let faults = try Faults()
        try await network(2, faults: faults) { net in
            let root = try await net[0].files.share(try randomFile("from", 8 * mib)).root
            try slow(net, faults)
            let transfer = try net[1].files.get(root, at("to"), sources: [net[0].peerId])
            _ = try await started(transfer)
            async let one = failure { try await transfer.received() }
            async let other = failure { try await told(by: transfer) }
            transfer.cancel()
            #expect(try await one.code == "CANCELLED")
            #expect(try await other.code == "CANCELLED")
        }
    }

    @Test func theEndOfTheSatelliteLeavesWhatGoesOn() async throws {
        let faults = try Faults()
        try await network(2, faults: faults) { net in
            let (ada, bob) = (net[0], net[1])
            let (source, target) = (try randomFile("from", 24 * mib), at("to"))
            let root = try await ada.files.share(source).root
            try slow(net, faults)
            let transfer = try bob.files.get(root, target, sources: [ada.peerId])
            _ = try await started(transfer)
            let before = try content("\(target).part.state")
            // What is on the disk and written down stays: that is done every second.
            for try await _ in transfer.progress where try content("\(target).part.state") != before { break }
            async let one = failure { try await transfer.received() }
            async let other = failure { try await told(by: transfer) }
            try await bob.shutdown()
            #expect(!exists(target))
            #expect(try await one.kind == .closed)
            #expect(try await other.kind == .closed)
            let eve = try await Satellite(ada.rendezvous, bootstrap: ada.addresses, listen: ["127.0.0.1:0"], mdns: false).start()
            let again = try eve.files.get(root, target, sources: [ada.peerId], addresses: ada.addresses)
            #expect(try #require(try await told(by: again).first).bytes > 0)
            #expect(try content(target) == content(source))
            try await eve.shutdown()
        }
    }

    @Test func whatGoesWrongIsThrownWhereItIsAskedFor() async throws {
        try await network(1) { net in
            let ada = net[0]
            let nothing = String(repeating: "0", count: 64)
            let occupied = try ada.files.get(nothing, try randomFile("occupied", 5))
            for _ in 0..<2 {
                _ = try await fails("CONFLICT", .refused) { try await told(by: occupied) }
                let error = try await fails("CONFLICT", .refused) { try await occupied.received() }
                #expect(error.message.contains("another file"))
            }
            let nobody = try ada.files.get(nothing, at("new"), patience: .milliseconds(100))
            let error = try await fails("NO_PEERS", .peerUnreachable) { try await nobody.received() }
            #expect(error.message.contains(nothing))
        }
    }

    @Test func whatIsHereIsFound() async throws {
        try await network(1) { net in
            let files = net[0].files
            var shared: [Shared] = []
            for name in ["a", "b", "c"] { shared.append(try await files.share(try randomFile(name, 10), tags: ["all", name])) }
            let roots = shared.map(\.root).sorted()
            let hers = try await files.share(at("a"), owner: "ann", tags: ["own"])
            #expect(try await files.find().map(\.root) == roots)
            #expect(try await files.find(tag: "all", after: roots[0]).map(\.root) == Array(roots.dropFirst()))
            #expect(try await files.find(most: 1).map(\.root) == [roots[0]])
            let info = try #require(try await files.find(name: "b").first)
            #expect(info.root == shared[1].root && info.size == 10 && !info.isFolder && info.name == "b")
            #expect(info.tags == ["all", "b"] && info.sha256 == nil && info.path == at("b"))
            let age = Date().timeIntervalSince1970 - Double(info.addedMillis) / 1000
            #expect(age > -1 && age < 30)
            let ofAnn = try await files.find(owner: "ann")
            #expect(ofAnn.map(\.root) == [hers.root] && ofAnn.map(\.tags) == [["own"]])
            #expect(try await files.find(root: shared[1].root, owner: "ann") == [])

            for _ in 0..<2 { try await files.tag(shared[0].root, "new") }
            #expect(try await files.tags() == ["a", "all", "b", "c", "new"])
            #expect(try await files.tags(after: "all", most: 2) == ["b", "c"])
            #expect(try await files.tags(of: "ann") == ["own"])
            #expect(try await files.untag(shared[0].root, "a"))
            #expect(try await !files.untag(shared[0].root, "a"))
            #expect(try await files.find(tag: "a") == [])
            #expect(try await files.untag(hers.root, "own", owner: "ann"))

            #expect(try await files.remove(shared[0].root))
            #expect(try await !files.remove(shared[0].root))
            // It is still Ann's, and goes with her.
            #expect(try files.here(shared[0].root)?.path == at("a"))
            #expect(try await files.remove(shared[0].root, owner: "ann"))
            #expect(try files.here(shared[0].root) == nil)
            #expect(files.shared().map(\.root) == shared.dropFirst().map(\.root).sorted())
            #expect(exists(at("a")))
        }
    }

    @Test func whatIsHereIsRead() async throws {
        try await network(1) { net in
            let files = net[0].files
            let source = try randomFile("from", 2 * mib + 7)
            let whole = try content(source)
            let root = try await files.share(source).root
            #expect(try await files.read(root) == whole.prefix(mib))
            #expect(try await files.read(root, from: 100) == whole[100..<mib])
            #expect(try await files.read(root, from: 2 * mib) == whole.suffix(7))
            for offset in [2 * mib + 7, Int.max] { #expect(try await files.read(root, from: offset).isEmpty) }
            try Data(count: 5).write(to: URL(fileURLWithPath: source))
            _ = try await fails("CONFLICT", .refused) { try await files.read(root) }
        }
    }

    @Test func whatIsKeptForOthers() async throws {
        try await network(2) { net in
            let (server, client, there) = (net[0].files, net[1].files, net[0].peerId)
            let source = try randomFile("letter", 2 * mib)
            let token = try server.token("anna", lifetime: .seconds(Int64.max))
            let kept = try await fails("REFUSED", .refused) { try await client.put(there, source, token: token).received() }
            #expect(kept.message.contains("keeps no files"))
            try await server.keep(quota: 3 * mib, folder: at("kept"), lifetime: .seconds(Int64.max))
            let put = try client.put(there, source, token: token, name: "first", tags: ["letters"])
            #expect(try await told(by: put).last?.bytes == 2 * mib)
            let root = try await put.received().root
            let quota = try await server.quota("anna")
            #expect(quota.owner == "anna" && quota.limit == 3 * mib && quota.used == 2 * mib && quota.reserved == 0)
            #expect(quota.files == 1 && quota.uploads == 0)
            let other = try randomFile("other", 2 * mib)
            #expect(try await failure { try await client.put(there, other, token: token).received() }.kind == .refused)
            try await server.setQuota("anna", 10 * mib)
            _ = try await client.put(there, other, token: token).received()
            try await server.setQuota("berta", 5)
            let all = try await server.quotas()
            #expect(all.map(\.owner) == ["anna", "berta"] && all.map(\.limit) == [10 * mib, 5] && all.map(\.files) == [2, 0])
            #expect(try await server.quotas(after: "anna", most: 1).map(\.owner) == ["berta"])
            try await server.setQuota("berta", nil)

            let info = try #require(try await client.remoteFind(there, token: token, tag: "letters").first)
            #expect(info.root == root && info.name == "first" && info.tags == ["letters"] && info.path == nil)
            #expect(try await client.remoteFind(there, token: token).count == 2)
            let reading = try server.token("anna", ops: [.read, .delete])
            let noList = try await fails("REFUSED", .refused) { try await client.remoteFind(there, token: reading) }
            #expect(noList.message.contains("not list"))
            let listing = try server.token("anna", ops: [.list])
            let noDelete = try await fails("REFUSED", .refused) { try await client.remoteRemove(there, token: listing, root) }
            #expect(noDelete.message.contains("not delete"))
            let reads = try server.token("anna", ops: [.read], root: root, bytes: 2 * mib, holder: net[1].peerId)
            _ = try await client.get(root, at("back"), sources: [there], token: reads).received()
            #expect(try content(at("back")) == content(source))
            // Its bytes are used up.
            let usedUp = try client.get(root, at("more"), sources: [there], token: reads, patience: .milliseconds(500))
            #expect(try await failure { try await usedUp.received() }.kind == .refused)
            #expect(try await client.remoteRemove(there, token: token, root))
            #expect(try await !client.remoteRemove(there, token: token, root))
            #expect(try await server.quota("anna").files == 1)
        }
    }

    @Test func aPutThatIsCancelledGoesOn() async throws {
        let faults = try Faults()
        try await network(2, faults: faults) { net in
            let (server, client) = (net[0], net[1])
            try await server.files.keep(folder: at("kept"))
            let token = try server.files.token("anna")
            let source = try randomFile("letter", 8 * mib)
            try slow(net, faults)
            let put = try client.files.put(server.peerId, source, token: token)
            #expect(try await started(put) < 8 * mib)
            put.cancel()
            _ = try await fails("CANCELLED", .closed) { try await put.received() }
            faults.healAll()
            let received = try await client.files.put(server.peerId, source, token: token).received()
            let kept = try #require(try await server.files.find(owner: "anna").first)
            #expect(kept.root == received.root && kept.name == "letter")
            #expect(try content(try #require(kept.path)) == content(source))
        }
    }

    @Test func aServerMayFailOnPurpose() async throws {
        try await network(2) { net in
            let (server, client, there) = (net[0].files, net[1].files, net[0].peerId)
            let (token, source) = (try server.token("anna"), try randomFile("letter", 10))
            try await server.keep(folder: at("kept"), faulty: 1, seed: 7)
            let busy = try await failure {
                try await client.put(there, source, token: token, patience: .milliseconds(100)).received()
            }
            #expect(busy.message.contains("a fault on purpose"))
            try await server.keep(folder: at("kept"), faulty: 0.5, seed: 7)
            _ = try await client.put(there, source, token: token).received()
            #expect(try await client.remoteFind(there, token: token).count == 1)
        }
    }

    /// It outlives the names of it that a program has no use for.
    @Test func aTransferKeepsItsSatellite() async throws {
        try await network(1) { net in
            let shared = try await net[0].files.share(try randomFile("from", 1000))
            func transfer() async throws -> Transfer {
                let bob = try await satellite(net[0].rendezvous, key: 1, bootstrap: net[0].addresses).start()
                return try bob.files.get(try net[0].files.ticket(shared.root), at("to"))
            }
            #expect(try await transfer().received().size == 1000)
        }
    }
}
