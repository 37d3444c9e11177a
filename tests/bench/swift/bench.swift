// Measures the Swift package: two satellites in one process, over loopback, signed and encrypted as they are by default. One JSON object a
// line: name, value, unit.

import Foundation
import Psfs

let clock = ContinuousClock()

func seconds(_ took: Duration) -> Double { Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18 }

func report(_ name: String, _ value: Double, _ unit: String) {
    FileHandle.standardOutput.write(Data(String(format: "{\"name\":\"%@\",\"value\":%.1f,\"unit\":\"%@\"}\n", name, value, unit).utf8))
}

/// Sends so many messages to a handler, and says how many come a second.
func messages(_ from: Satellite, _ to: Satellite, _ count: Int, of content: Data) async throws -> Double {
    let (all, done) = AsyncStream.makeStream(of: Void.self)
    let heard = Counter()
    let subscription = try to.on(.message, "count") { _ in
        if heard.next() == count { done.finish() }
    }
    let took = try await clock.measure {
        for _ in 0..<count { try await from.send(to.peerId, "count", content) }
        for await _ in all {}
    }
    subscription.cancel()
    return Double(count) / seconds(took)
}

/// Asks from 64 tasks.
func requests(_ from: Satellite, _ to: Satellite, _ count: Int, of content: Data) async throws -> Double {
    let took = try await clock.measure {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<64 {
                group.addTask { for _ in 0..<count / 64 { _ = try await from.request(to.peerId, "echo", content).all() } }
            }
            try await group.waitForAll()
        }
    }
    return Double(count) / seconds(took)
}

/// Used by one handler, which runs once at a time.
final class Counter: @unchecked Sendable {
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}

@main enum Bench {
    static func main() async throws {
        let rendezvous = "bench-\(UUID().uuidString)"
        func satellite(_ bootstrap: [String]) async throws -> Satellite {
            try await Satellite(rendezvous, bootstrap: bootstrap, listen: ["127.0.0.1:0"], mdns: false).start()
        }
        let ann = try await satellite([])
        let ben = try await satellite(ann.addresses)
        try await ann.waitConnected()
        try ben.on(.request, "echo", concurrency: 64) { $0.content }

        let small = Data(count: 128)
        _ = try await messages(ann, ben, 20_000, of: small)
        report("swift_messages_per_s", try await messages(ann, ben, 300_000, of: small), "1/s")

        var times: [Duration] = []
        for number in 0..<4_000 {
            let took = try await clock.measure { _ = try await ann.request(ben.peerId, "echo", small).all() }
            if number >= 1_000 { times.append(took) }
        }
        times.sort()
        report("swift_request_rtt_p50_us", seconds(times[times.count / 2]) * 1e6, "us")
        _ = try await requests(ann, ben, 12_800, of: small)
        report("swift_request_rate_64", try await requests(ann, ben, 64_000, of: small), "1/s")

        let large = Data(count: 1 << 20)
        _ = try await messages(ann, ben, 100, of: large)
        report("swift_bytes_mib_per_s", try await messages(ann, ben, 1_000, of: large), "MiB/s")
        try await ann.shutdown()
        try await ben.shutdown()
    }
}
