import Foundation
@testable import Psfs
import Testing

private let stranger = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let code: String
    let kind: PsfsError.Kind
    let call: @Sendable (Satellite) async throws -> Void

    init(_ name: String, _ code: String, _ kind: PsfsError.Kind = .badInput, _ call: @escaping @Sendable (Satellite) async throws -> Void) {
        (self.name, self.code, self.kind, self.call) = (name, code, kind, call)
    }

    var testDescription: String { name }
}

private let root = String(repeating: "0", count: 64)
private let nowhere = "/nothing/here"
private let here = #filePath

/// What files no longer do after the end of their satellite.
private func ended(_ name: String, _ call: @escaping @Sendable (Files) async throws -> Void) -> Case {
    Case("files: \(name) after the end", "CLOSED", .closed) {
        try await $0.start().shutdown()
        try await call($0.files)
    }
}

private let cases: [Case] = [
    Case("no rendezvous", "BAD_NAMESPACE") { _ in _ = try Satellite("") },
    Case("an empty secret", "BAD_INPUT") { _ in _ = try Satellite("x", secret: Data()) },
    Case("a bootstrap address", "BAD_ADDRESS") { _ in _ = try Satellite("x", bootstrap: ["nowhere"]) },
    Case("a listen address", "BAD_ADDRESS") { _ in _ = try Satellite("x", listen: ["here"]) },
    Case("an allowed peer", "BAD_PEER_ID") { _ in _ = try Satellite("x", allow: ["me"]) },
    Case("a denied peer", "BAD_PEER_ID") { _ in _ = try Satellite("x", deny: ["me"]) },
    Case("two keys", "BAD_INPUT") { _ in _ = try Satellite("x", identity: try Identity(), keyFile: "key.pem") },
    Case("a negative limit", "BAD_INPUT") { _ in _ = try Satellite("x", limits: Limits(content: -1)) },
    Case("half a limit", "BAD_INPUT") { _ in _ = try Satellite("x", limits: Limits(connections: 1)) },
    Case("a limit out of its range", "BAD_INPUT") { _ in _ = try Satellite("x", limits: Limits(content: 1)) },
    Case("a negative ping", "BAD_INPUT") { _ in
        _ = try Satellite("x", limits: Limits(pingInterval: .seconds(-1), pingTimeout: .seconds(1)))
    },
    Case("a key that is none", "BAD_KEY") { _ in _ = try Identity(pem: "a key") },
    Case("an empty passphrase", "PASSPHRASE") { _ = try $0.keyPem(passphrase: "") },
    Case("send: the peer", "BAD_PEER_ID") { try await $0.send("ann", "x", "y") },
    Case("send: the namespace", "BAD_NAMESPACE") { try await $0.send(stranger, "", "y") },
    Case("send: too large", "TOO_LARGE") { try await $0.send(stranger, "x", Data(count: (16 << 20) + 1)) },
    Case("send: the time", "BAD_INPUT") { try await $0.send(stranger, "x", "y", timeout: .milliseconds(-1)) },
    Case("send before the start", "CLOSED", .closed) { try await $0.send(stranger, "x", "y") },
    Case("sendAll: the peer", "BAD_PEER_ID") { try await $0.sendAll("ann", "x", ["y"]) },
    Case("sendAll: too large", "TOO_LARGE") { try await $0.sendAll(stranger, "x", [Data(count: (16 << 20) + 1)]) },
    Case("request: the peer", "BAD_PEER_ID") { _ = try await $0.request("ann", "x").all() },
    Case("request: the namespace", "BAD_NAMESPACE") { _ = try await $0.request(stranger, "").all() },
    Case("request: the replies", "BAD_INPUT") { _ = try await $0.request(stranger, "x", maxReplies: -1).all() },
    Case("seek: the namespace", "BAD_NAMESPACE") { _ = try await $0.seek("").all() },
    Case("broadcast: the namespace", "BAD_NAMESPACE") { try await $0.broadcast("", "y") },
    Case("broadcast: too large", "TOO_LARGE") { try await $0.broadcast("x", Data(count: 61 << 10)) },
    Case("broadcastRequest: the namespace", "BAD_NAMESPACE") {
        try await $0.start()
        _ = try await $0.broadcastRequest("").all()
    },
    Case("on: the namespace", "BAD_NAMESPACE") { try $0.on(.message, "") { _ in } },
    Case("on: the concurrency", "BAD_INPUT") { try $0.on(.message, "x", concurrency: 0) { _ in } },
    Case("messages: the namespace", "BAD_NAMESPACE") { _ = try $0.messages(.message, "") },
    Case("connect: the address", "BAD_ADDRESS") { try await $0.connect("nowhere") },
    Case("disconnect: the peer", "BAD_PEER_ID") { try await $0.disconnect("ann") },
    Case("waitConnected: the number", "BAD_INPUT") { try await $0.waitConnected(-1) },
    Case("pause before the start", "CLOSED", .closed) { try await $0.pause() },
    Case("resume before the start", "CLOSED", .closed) { try await $0.resume() },
    Case("networkChanged before the start", "CLOSED", .closed) { try await $0.networkChanged() },
    Case("pause after the end", "CLOSED", .closed) {
        try await $0.shutdown()
        try await $0.pause()
    },
    Case("sendAll: the namespace", "BAD_NAMESPACE") { try await $0.sendAll(stranger, "", ["y"]) },
    Case("shutdown: the time", "BAD_INPUT") { try await $0.shutdown(timeout: .seconds(-1)) },
    Case("a fault's peer", "BAD_PEER_ID") { _ in try Faults().partition("ann", stranger) },
    Case("a fault's loss", "BAD_INPUT") { _ in try Faults().slow(stranger, stranger, loss: 2) },
    Case("dht: a negative limit", "BAD_INPUT") { _ in _ = try Satellite("x", limits: Limits(maxItemSize: -1)) },
    Case("dht: a store too large", "BAD_INPUT") { _ in _ = try Satellite("x", limits: Limits(maxStorageSize: -1)) },
    Case("dht: an empty value", "BAD_INPUT") { try await $0.start().dht.store("") },
    Case("dht: over the limit", "TOO_LARGE") { try await $0.start().dht.store(Data(count: 5_000_001)) },
    Case("dht: the lifetime", "BAD_INPUT") { try await $0.start().dht.store("x", lifetime: .milliseconds(999)) },
    Case("dht: the time", "BAD_INPUT") { try await $0.start().dht.store("x", timeout: .milliseconds(-1)) },
    Case("dht: a key with a digit too few", "BAD_INPUT") {
        _ = try await $0.start().dht.fetch(String(repeating: "a", count: 63))
    },
    Case("dht: a key that is none", "BAD_INPUT") { try await $0.start().dht.storeAt(String(repeating: "x", count: 64), "y") },
    Case("dht: a name as a key", "BAD_INPUT") { _ = try await $0.start().dht.fetch("filename") },
    Case("dht: whom to ask", "BAD_INPUT") { _ = try await $0.start().dht.custom("ann", "x") },
    Case("dht: whose value", "BAD_PEER_ID") { _ = try await $0.start().dht.fetchSigned("ann") },
    Case("dht: whose key", "BAD_PEER_ID") { _ in _ = try keyOfSigned("ann") },
    Case("dht: for whom it is sealed", "BAD_PEER_ID") { try await $0.start().dht.storeSealed("ann", "x") },
    Case("dht: a salt too long", "BAD_INPUT") { try await $0.start().dht.storeSigned("x", salt: Data(count: 65)) },
    Case("dht: a broadcast too large", "TOO_LARGE") { try await $0.start().dht.broadcast(Data(count: 61 << 10)) },
    Case("dht: what is watched", "BAD_INPUT") { _ = try await $0.start().dht.watch("ann") },
    Case("dht: what is traced", "BAD_INPUT") { _ = try await $0.start().dht.trace("ann") },
    Case("dht: which keys", "BAD_INPUT") { _ = try $0.dht.keys(after: "ann") },
    Case("dht: how many keys", "BAD_INPUT") { _ = try $0.dht.keys(most: -1) },
    Case("dht: the concurrency", "BAD_INPUT") { try $0.dht.onStore(concurrency: 0) { _ in .keep } },
    Case("dht: nobody is there", "NO_PEERS", .peerUnreachable) { _ = try await $0.start().dht.fetch(keyOfName("x")) },
    Case("dht: a store before the start", "CLOSED", .closed) { try await $0.dht.store("x") },
    Case("dht: a watch before the start", "CLOSED", .closed) { _ = try $0.dht.watch(keyOfName("x")) },
    Case("dht: a fetch after the end", "CLOSED", .closed) {
        try await $0.shutdown()
        _ = try await $0.dht.fetch(keyOfName("x"))
    },
    Case("dht: onStore after the end", "CLOSED", .closed) {
        try await $0.shutdown()
        try $0.dht.onStore { _ in .keep }
    },
    Case("dht: joined, the time", "BAD_INPUT") { try await $0.start().dht.joined(timeout: .seconds(-1)) },
    Case("dht: nobody joined", "TIMEOUT", .timeout) { try await $0.start().dht.joined(timeout: .milliseconds(10)) },
    Case("dht: joined before the start", "CLOSED", .closed) { try await $0.dht.joined() },
    Case("files: nothing to share", "BAD_INPUT") { try await $0.start().files.share(nowhere) },
    Case("files: a device to share", "BAD_INPUT") { try await $0.start().files.share("/dev/null") },
    Case("files: a path with NUL", "BAD_INPUT") { try await $0.start().files.share("a\0b") },
    Case("files: whose it is", "BAD_INPUT") { try await $0.start().files.share(here, owner: "") },
    Case("files: a tag", "BAD_INPUT") { try await $0.start().files.share(here, tags: ["a\n"]) },
    Case("files: 65 tags", "BAD_INPUT") { try await $0.start().files.share(here, tags: (0..<65).map { "\($0)" }) },
    Case("files: which is here", "BAD_INPUT") { _ = try $0.files.here("name") },
    Case("files: what is read", "BAD_INPUT") { _ = try await $0.start().files.read("name") },
    Case("files: read from where", "BAD_INPUT") { _ = try await $0.start().files.read(root, from: -1) },
    Case("files: read what is not here", "NOT_FOUND", .notFound) { _ = try await $0.start().files.read(root) },
    Case("files: a ticket for what", "BAD_INPUT") { _ = try await $0.start().files.ticket("name") },
    Case("files: a ticket for nothing", "NOT_FOUND", .notFound) { _ = try await $0.start().files.ticket(root) },
    Case("files: a ticket's time", "BAD_INPUT") { _ = try await $0.start().files.ticket(root, lifetime: .seconds(-1)) },
    Case("files: a ticket's bytes", "BAD_INPUT") { _ = try await $0.start().files.ticket(root, bytes: -1) },
    Case("files: a ticket's holder", "BAD_PEER_ID") { _ = try await $0.start().files.ticket(root, holder: "ann") },
    Case("files: an empty ticket", "BAD_INPUT") { _ in _ = try Ticket("") },
    Case("files: a ticket of tomorrow", "BAD_INPUT") { _ in _ = try Ticket("psfs9abc") },
    Case("files: a ticket that is cut off", "BAD_INPUT") { _ = try await $0.start().files.get("psfs1abc", nowhere) },
    Case("files: neither ticket nor root", "BAD_INPUT") { _ = try await $0.start().files.get("holiday", nowhere) },
    Case("files: a root with a digit too few", "BAD_INPUT") { _ = try await $0.start().files.get(String(root.dropLast()), nowhere) },
    Case("files: a source", "BAD_PEER_ID") { _ = try await $0.start().files.get(root, nowhere, sources: ["ann"]) },
    Case("files: the patience", "BAD_INPUT") { _ = try await $0.start().files.get(root, nowhere, patience: .seconds(-1)) },
    Case("files: a place that is taken", "CONFLICT", .refused) { _ = try await $0.start().files.get(root, here).received() },
    Case("files: nobody has it", "NO_PEERS", .peerUnreachable) {
        _ = try await $0.start().files.get(root, nowhere, patience: .milliseconds(10)).received()
    },
    Case("files: two at once", "BAD_INPUT") { _ = try await $0.start().files.find(tag: "a", name: "b") },
    Case("files: found by an empty tag", "BAD_INPUT") { _ = try await $0.start().files.find(tag: "") },
    Case("files: found by a long name", "BAD_INPUT") { _ = try await $0.start().files.find(name: String(repeating: "x", count: 256)) },
    Case("files: found by no root", "BAD_INPUT") { _ = try await $0.start().files.find(root: "x") },
    Case("files: found by no digest", "BAD_INPUT") { _ = try await $0.start().files.find(sha256: "x") },
    Case("files: found behind what", "BAD_INPUT") { _ = try await $0.start().files.find(after: "x") },
    Case("files: how many are found", "BAD_INPUT") { _ = try await $0.start().files.find(most: -1) },
    Case("files: whose are found", "BAD_INPUT") { _ = try await $0.start().files.find(owner: "") },
    Case("files: whose tags", "BAD_INPUT") { _ = try await $0.start().files.tags(of: "") },
    Case("files: tags behind what", "BAD_INPUT") { _ = try await $0.start().files.tags(after: "") },
    Case("files: how many tags", "BAD_INPUT") { _ = try await $0.start().files.tags(most: -1) },
    Case("files: what is tagged", "BAD_INPUT") { try await $0.start().files.tag("x", "t") },
    Case("files: nothing is tagged", "NOT_FOUND", .notFound) { try await $0.start().files.tag(root, "t") },
    Case("files: what is untagged", "BAD_INPUT") { try await $0.start().files.untag("x", "t") },
    Case("files: what is removed", "BAD_INPUT") { try await $0.start().files.remove("x") },
    Case("files: kept nowhere", "BAD_INPUT") { try await $0.start().files.keep() },
    Case("files: kept in no folder", "BAD_INPUT") { try await $0.start().files.keep(folder: "/proc/nothing") },
    Case("files: a negative quota", "BAD_INPUT") { try await $0.start().files.keep(quota: -1) },
    Case("files: a negative largest", "BAD_INPUT") { try await $0.start().files.keep(largest: -1) },
    Case("files: kept for how long", "BAD_INPUT") { try await $0.start().files.keep(lifetime: .seconds(-1)) },
    Case("files: faulty beyond all", "BAD_INPUT") { try await $0.start().files.keep(faulty: 1.1) },
    Case("files: faulty by no number", "BAD_INPUT") { try await $0.start().files.keep(faulty: .nan) },
    Case("files: a token for whom", "BAD_INPUT") { _ = try $0.files.token("") },
    Case("files: a token for nothing", "BAD_INPUT") { _ = try $0.files.token("o", ops: []) },
    Case("files: a token's root", "BAD_INPUT") { _ = try $0.files.token("o", root: "x") },
    Case("files: a token's bytes", "BAD_INPUT") { _ = try $0.files.token("o", bytes: -1) },
    Case("files: a token's time", "BAD_INPUT") { _ = try $0.files.token("o", lifetime: .seconds(-1)) },
    Case("files: a token's holder", "BAD_PEER_ID") { _ = try $0.files.token("o", holder: "ann") },
    Case("files: whose limit", "BAD_INPUT") { try await $0.start().files.setQuota("", 1) },
    Case("files: a negative limit", "BAD_INPUT") { try await $0.start().files.setQuota("o", -1) },
    Case("files: whose quota", "BAD_INPUT") { _ = try await $0.start().files.quota("") },
    Case("files: quotas behind what", "BAD_INPUT") { _ = try await $0.start().files.quotas(after: "") },
    Case("files: how many quotas", "BAD_INPUT") { _ = try await $0.start().files.quotas(most: -1) },
    Case("files: put where", "BAD_PEER_ID") { _ = try await $0.start().files.put("ann", here, token: "t") },
    Case("files: put what", "BAD_INPUT") { _ = try await $0.start().files.put(stranger, nowhere, token: "t").received() },
    Case("files: put without a name", "BAD_INPUT") { _ = try await $0.start().files.put(stranger, "/", token: "t") },
    Case("files: put under no name", "BAD_INPUT") { _ = try await $0.start().files.put(stranger, here, token: "t", name: "") },
    Case("files: put under no tag", "BAD_INPUT") { _ = try await $0.start().files.put(stranger, here, token: "t", tags: [""]) },
    Case("files: put in no time", "BAD_INPUT") {
        _ = try await $0.start().files.put(stranger, here, token: "t", patience: .seconds(-1))
    },
    Case("files: put at a stranger", "UNREACHABLE", .peerUnreachable) {
        _ = try await $0.start().files.put(stranger, here, token: "t", patience: .zero).received()
    },
    Case("files: found where", "BAD_PEER_ID") { _ = try await $0.start().files.remoteFind("ann", token: "t") },
    Case("files: two at once elsewhere", "BAD_INPUT") {
        _ = try await $0.start().files.remoteFind(stranger, token: "t", name: "a", root: root)
    },
    Case("files: how many elsewhere", "BAD_INPUT") { _ = try await $0.start().files.remoteFind(stranger, token: "t", most: -1) },
    Case("files: found at a stranger", "UNREACHABLE", .peerUnreachable) {
        _ = try await $0.start().files.remoteFind(stranger, token: "t")
    },
    Case("files: removed where", "BAD_PEER_ID") { try await $0.start().files.remoteRemove("ann", token: "t", root) },
    Case("files: removed what elsewhere", "BAD_INPUT") { try await $0.start().files.remoteRemove(stranger, token: "t", "x") },
    Case("files: a share before the start", "CLOSED", .closed) { try await $0.files.share(here) },
    ended("share") { try await $0.share(here) },
    ended("ticket") { _ = try $0.ticket(root) },
    ended("get") { _ = try $0.get(root, nowhere) },
    ended("read") { _ = try await $0.read(root) },
    ended("find") { _ = try await $0.find() },
    ended("tags") { _ = try await $0.tags() },
    ended("tag") { try await $0.tag(root, "t") },
    ended("untag") { try await $0.untag(root, "t") },
    ended("remove") { try await $0.remove(root) },
    ended("keep") { try await $0.keep(folder: "/tmp") },
    ended("setQuota") { try await $0.setQuota("o", 1) },
    ended("quota") { _ = try await $0.quota("o") },
    ended("quotas") { _ = try await $0.quotas() },
    ended("put") { _ = try $0.put(stranger, here, token: "t") },
    ended("remoteFind") { _ = try await $0.remoteFind(stranger, token: "t") },
    ended("remoteRemove") { try await $0.remoteRemove(stranger, token: "t", root) },
    Case("start after the end", "CLOSED", .closed) {
        try await $0.shutdown()
        try await $0.start()
    },
    Case("on after the end", "CLOSED", .closed) {
        try await $0.shutdown()
        try $0.on(.message, "x") { _ in }
    },
]

/// The first bad argument of each function gives the documented error, and says what to do.
@Test(arguments: cases) func eachSaysWhatIsWrong(_ bad: Case) async throws {
    let one = try await satellite("bad input")
    let error = try await failure { try await bad.call(one) }
    #expect(error.code == bad.code && error.kind == bad.kind, "\(error)")
    #expect(!error.message.isEmpty && !error.hint.isEmpty)
}

@Test func whatFilesDoAllTheSameAfterTheEnd() async throws {
    let one = try await satellite("bad input").start()
    try await one.shutdown()
    #expect(try one.files.shared() == [] && one.files.here(root) == nil && !one.files.token("o").isEmpty)
}

private let times: [(Duration, Int64)] = [
    (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1500), 1500), (.seconds(Int64.max), .max), (.nanoseconds(-1), -1),
]

@Test(arguments: times) func timesGoAsTheyAreMeant(_ time: Duration, _ milliseconds: Int64) { #expect(time.native == milliseconds) }
