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

private let cases = [
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

private let times: [(Duration, Int64)] = [
    (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1500), 1500), (.seconds(Int64.max), .max), (.nanoseconds(-1), -1),
]

@Test(arguments: times) func timesGoAsTheyAreMeant(_ time: Duration, _ milliseconds: Int64) { #expect(time.native == milliseconds) }
