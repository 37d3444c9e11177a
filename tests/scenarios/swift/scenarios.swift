// What every language must show, in Swift. See tests/scenarios/README.md.

import Foundation
import Psfs

let mib = 1 << 20
let stranger = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

struct Wrong: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func expect(_ so: Bool, _ what: String, line: Int = #line) throws {
    if !so { throw Wrong("line \(line): \(what)") }
}

func satellite(_ rendezvous: String, bootstrap: [String] = []) throws -> Satellite {
    try Satellite(rendezvous, bootstrap: bootstrap, listen: ["127.0.0.1:0"], mdns: false)
}

/// So many satellites, each with sessions with all others.
func network(_ count: Int, _ name: String, _ scenario: ([Satellite]) async throws -> Void) async throws {
    let rendezvous = "scenario-swift-\(name)-\(ProcessInfo.processInfo.processIdentifier)"
    var everyone: [Satellite] = []
    for _ in 0..<count {
        everyone.append(try await satellite(rendezvous, bootstrap: Array(everyone.first?.addresses.prefix(1) ?? [])).start())
    }
    for one in everyone { try await one.waitConnected(count - 1) }
    try await scenario(everyone)
    for one in everyone { try await one.shutdown() }
}

/// What handlers say, one thing after another, to whoever waits for it.
func channel<T: Sendable>(of _: T.Type) -> (AsyncStream<T>, @Sendable (T) -> Void) {
    let (stream, say) = AsyncStream.makeStream(of: T.self)
    return (stream, { say.yield($0) })
}

func fails(_ code: String, _ call: () async throws -> Void) async throws {
    do {
        try await call()
    } catch let failure as PsfsError {
        return try expect(failure.code == code, "\(failure.code) instead of \(code): \(failure)")
    }
    throw Wrong("no \(code)")
}

func meet() async throws {
    try await network(2, "meet") { all in
        for (one, other) in [(all[0], all[1]), (all[1], all[0])] {
            try expect(one.peers.map(\.id) == [other.peerId] && one.peers[0].state == .connected, "\(one.peers)")
        }
    }
}

func message() async throws {
    try await network(2, "message") { all in
        let (came, say) = channel(of: Message.self)
        try all[0].on(.message, "numbers") { say($0) }
        let sent = (0..<100).map { Data(repeating: UInt8($0), count: $0 == 99 ? mib : 128) }
        for content in sent { try await all[1].send(all[0].peerId, "numbers", content) }
        var number = 0
        for await message in came {
            try expect(message.peer == all[1].peerId && message.content == sent[number], "message \(number)")
            number += 1
            if number == sent.count { break }
        }
    }
}

@Sendable func three(_ message: Message) async throws -> String {
    try await message.reply("one")
    try await message.reply("two")
    return "three"
}

func request() async throws {
    try await network(2, "request") { all in
        try all[0].on(.request, "three", handler: three)
        let replies = try await all[1].request(all[0].peerId, "three").all()
        try expect(replies.map(\.text) == ["one", "two", "three"], "\(replies)")
    }
}

func error() async throws {
    try await network(2, "error") { all in
        try all[0].on(.request, "seven") { _ in throw Fail(7, "seven") }
        do {
            _ = try await all[1].request(all[0].peerId, "seven").all()
            throw Wrong("it ended well")
        } catch let failure as PsfsError {
            try expect(failure.remoteCode == 7 && failure.remoteText == "seven", "\(failure)")
        }
        try await fails("UNKNOWN_NAMESPACE") { _ = try await all[1].request(all[0].peerId, "nobody serves this").all() }
    }
}

func timeout() async throws {
    try await network(2, "timeout") { all in
        let (kept, keep) = channel(of: Responder.self)
        try all[0].on(.request, "keep") { keep(try $0.defer()) }
        try await fails("TIMEOUT") { _ = try await all[1].request(all[0].peerId, "keep", timeout: .milliseconds(200)).all() }
        withExtendedLifetime(kept) {}
    }
}

func cancel() async throws {
    try await network(2, "cancel") { all in
        let (told, tell) = channel(of: String.self)
        try all[0].on(.request, "keep") { message in
            do {
                while true { try await message.reply("more") }
            } catch let failure as PsfsError {
                tell(failure.code)
            }
        }
        try expect(try await all[1].request(all[0].peerId, "keep").first()?.text == "more", "no first reply")
        for await code in told { return try expect(code == "CANCELLED", code) }
    }
}

func seek() async throws {
    try await network(3, "seek") { all in
        for other in all[1...] { try other.on(.seek, "three", handler: three) }
        let answers = try await all[0].seek("three", maxReplies: 6).all()
        let counts = Dictionary(answers.map { ($0.peer, 1) }, uniquingKeysWith: +)
        try expect(counts == [all[1].peerId: 3, all[2].peerId: 3], "\(counts)")
    }
}

func broadcast() async throws {
    try await network(6, "broadcast") { all in
        let (heard, say) = channel(of: String.self)
        let first = all[0].peerId
        for one in all {
            try one.on(.broadcast, "news") { [own = one.peerId] message in
                say(message.text == "news" && message.peer == first ? own : "wrong")
            }
        }
        try await all[0].broadcast("news", "news")
        var who: [String] = []
        for await id in heard {
            who.append(id)
            if who.count == 5 { break }
        }
        try expect(who.sorted() == all[1...].map(\.peerId).sorted(), "\(who)")
    }
}

func pause() async throws {
    try await network(2, "pause") { all in
        let (first, second) = (all[0], all[1])
        let (came, say) = channel(of: String.self)
        try first.on(.message, "back") { say($0.text) }
        let events = try second.peerEvents()
        try await first.pause()
        try expect(first.isPaused, "it is not paused")
        for await event in events {
            if case .disconnected = event { break }
        }
        try await fails("NO_PEERS") { try await first.broadcast("news", "") }
        try await first.resume()
        try expect(!first.isPaused, "it is paused")
        for one in all { try await one.waitConnected() }
        var texts = came.makeAsyncIterator()
        for text in ["back", "elsewhere"] {
            try await second.send(first.peerId, "back", text)
            let heard = await texts.next()
            try expect(heard == text, "\(heard ?? "nothing")")
            try await first.networkChanged()
        }
    }
}

func shutdown() async throws {
    try await network(2, "shutdown") { all in
        let (first, second) = (all[0], all[1])
        try first.on(.message, "end") { [weak first] _ in try await first?.shutdown() }
        let events = try second.peerEvents()
        try await second.send(first.peerId, "end", "now")
        for await event in events {
            if case .disconnected = event { break }
        }
        try await first.ended()
        try expect(!first.isRunning, "it runs")
    }
}

func dht() async throws {
    try await network(3, "dht") { all in
        let (first, second, third) = (all[0], all[1], all[2])
        try third.dht.onStore { _ in .refuse("no room for guests") }
        let stored = try await first.dht.store("a value that stays")
        try expect(try stored.key == keyOfContent("a value that stays"), stored.key)
        try expect(Set(stored.answers.filter(\.keeps).map(\.peer)) == [first.peerId, second.peerId], "\(stored.answers)")
        let refused = stored.answers.filter { !$0.keeps }
        try expect(refused.map(\.peer) == [third.peerId], "\(refused)")
        try expect(refused[0].reason == .policy && refused[0].text == "no room for guests", "\(refused)")
        try expect(try await third.dht.fetch(stored.key).text == "a value that stays", "another value by its key")
        try await first.dht.storeNamed("guestbook", "a value that stays")
        try expect(try await third.dht.fetchNamed("guestbook").text == "a value that stays", "another value by its name")
        try await fails("NOT_FOUND") { _ = try await second.dht.fetchNamed("nobody stored this") }
        try await fails("BAD_INPUT") { try await first.dht.store("") }
        try await fails("BAD_INPUT") { _ = try await first.dht.fetch("guestbook") }
    }
}

func dhtSigned() async throws {
    try await network(2, "dht-signed") { all in
        let (first, second) = (all[0], all[1])
        let key = try keyOfSigned(first.peerId, "profile")
        var watch = try second.dht.watch(key).makeAsyncIterator()
        for (number, text) in [(UInt64(1), "one"), (2, "two")] {
            let stored = try await first.dht.storeSigned(text, salt: "profile")
            try expect(stored.key == key && stored.sequence == number, "\(stored)")
            let told = await watch.next()
            try expect(told?.text == text && told?.sequence == number, "\(told?.text ?? "nothing")")
        }
        let value = try await second.dht.fetchSigned(first.peerId, salt: "profile")
        try expect(value.text == "two" && value.kind == .signed && value.publisher == first.peerId, "\(value)")
        try await fails("CONFLICT") { try await first.dht.storeSigned("three", salt: "profile", ifSequence: 1) }
        try await first.dht.delete(key)
        let told = await watch.next()
        try expect(told?.isDeleted == true, "\(told?.text ?? "nothing")")
        try await fails("NOT_FOUND") { _ = try await second.dht.fetch(key) }
    }
}

func files() async throws {
    let folder = NSTemporaryDirectory() + "scenario-swift-files-\(ProcessInfo.processInfo.processIdentifier)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (source, target, other, size) = ("\(folder)/file", "\(folder)/copy", "\(folder)/other", 128 * mib)
    try randomFile(source, size)
    try await network(2, "files") { all in
        let (first, second) = (all[0], all[1])
        let shared = try await first.files.share(source, onlyWithTicket: true, tags: ["holiday"])
        let ticket = try first.files.ticket(shared.root).text
        let cut = try second.files.get(ticket, target)
        var came = 0
        for try await progress in cut.progress where progress.bytes > 0 {
            came = progress.bytes
            try expect(came < size && progress.size == size, "\(progress)")
            break
        }
        cut.cancel()
        try await fails("CANCELLED") { _ = try await cut.received() }
        try expect(!FileManager.default.fileExists(atPath: target), "it is there")
        let transfer = try second.files.get(ticket, target)
        var told: [Int] = []
        for try await progress in transfer.progress { told.append(progress.bytes) }
        try expect(told[0] >= came && told.last == size, "\(told) after \(came)")
        let received = try await transfer.received()
        try expect(received.root == shared.root && received.size == size && received.path == target, "\(received)")
        try expect(FileManager.default.contentsEqual(atPath: source, andPath: target), "the copy is another file")
        try await fails("REFUSED") { _ = try await second.files.get(shared.root, other, sources: [first.peerId]).received() }
        try await fails("BAD_INPUT") { _ = try second.files.get(String(ticket.dropLast()), other) }
        let found = try await first.files.find(tag: "holiday")
        try expect(found.map(\.root) == [shared.root] && found[0].name == "file" && found[0].tags == ["holiday"], "\(found)")
        try expect(try await first.files.remove(shared.root), "it was not there")
        try expect(try await first.files.find(tag: "holiday").isEmpty, "it is still there")
        try expect(try await !first.files.remove(shared.root), "it was there twice")
    }
}

/// Writes it a MiB at a time.
func randomFile(_ path: String, _ size: Int) throws {
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    guard let file = FileHandle(forWritingAtPath: path), let random = FileHandle(forReadingAtPath: "/dev/urandom") else {
        throw Wrong("no file")
    }
    for _ in 0..<size / mib { try file.write(contentsOf: random.read(upToCount: mib) ?? Data()) }
    try file.close()
}

func badInput() async throws {
    try await fails("BAD_NAMESPACE") { _ = try Satellite("") }
    let one = try await satellite("scenario-swift-bad-input").start()
    try await fails("BAD_NAMESPACE") { try await one.broadcast("", "") }
    try await fails("BAD_PEER_ID") { try await one.send("nobody", "x", "") }
    try await fails("OWN_PEER") { try await one.send(one.peerId, "x", "") }
    try await fails("UNKNOWN_PEER") { try await one.send(stranger, "x", "") }
    try await fails("BAD_ADDRESS") { try await one.connect("nowhere") }
    try await fails("TOO_LARGE") { try await one.send(stranger, "x", Data(count: 16 * mib + 1)) }
    try await one.shutdown()
    try await fails("CLOSED") { try await one.broadcast("x", "") }
}

func tell(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

/// The rest of stdin's lines, read in a thread that may wait.
func line() async -> String? {
    await withCheckedContinuation { continuation in
        Thread { continuation.resume(returning: readLine()) }.start()
    }
}

func member(_ rendezvous: String, _ name: String, _ count: Int, _ address: String) async throws {
    let one = try satellite(rendezvous, bootstrap: address == "-" ? [] : [address])
    try one.on(.message, "greeting") { tell("greeting \($0.text)") }
    try one.on(.broadcast, "news") { tell("news \($0.text)") }
    try one.on(.request, "whois") { _ in name }
    try await one.start()
    tell("listening \(one.addresses[0])")
    try await one.waitConnected(count - 1)
    tell("ready")
    _ = await line()
    for peer in one.peers {
        try await one.send(peer.id, "greeting", name)
        for try await reply in one.request(peer.id, "whois") { tell("whois \(reply.text)") }
    }
    try await one.broadcast("news", name)
    tell("done")
    while await line() != nil {}
    try await one.shutdown()
    tell("ended")
}

@main enum Scenarios {
    static let all: [String: @Sendable () async throws -> Void] = [
        "meet": meet, "message": message, "request": request, "error": error, "timeout": timeout, "cancel": cancel, "seek": seek,
        "broadcast": broadcast, "pause": pause, "shutdown": shutdown, "dht": dht, "dht-signed": dhtSigned, "files": files,
        "bad-input": badInput,
    ]

    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            if words.count == 5, words[0] == "member", let count = Int(words[3]) {
                try await member(words[1], words[2], count, words[4])
            } else if words.count == 1, let scenario = all[words[0]] {
                try await scenario()
            } else {
                throw Wrong("there is no such scenario")
            }
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(1)
        }
    }
}
