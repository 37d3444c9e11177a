// The benchmarks of Swift, run by scripts/bench.
//
// Each figure comes from two processes on loopback (this program starts itself again), Swift at both ends, as the median of several
// rounds. Figures go to stdout as JSON lines.

import Foundation
import Psfs

let messages = 256 * 2000
let single = 200_000
let asks = 3_000
let asks64 = 64 * 1000
let contents = 300
let rounds = 5
let message = Data(count: 128)

func tell(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

func figure(_ name: String, _ value: Double, _ unit: String) {
    let number = String(format: "%.2f", value)
    tell("{\"name\":\"\(name)\",\"value\":\(number),\"unit\":\"\(unit)\"}")
    FileHandle.standardError.write(Data("\(name) \(number) \(unit)\n".utf8))
}

func seconds(_ took: Duration) -> Double { Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18 }

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func satellite(_ bootstrap: [String] = []) throws -> Satellite {
    try Satellite("bench", bootstrap: bootstrap, listen: ["127.0.0.1:0"], mdns: false)
}

/// Counts what comes in, in one handler; says how long each round took, from its first to its last.
final class Rounds: @unchecked Sendable {
    private let size: Int
    private var count = 0
    private var began = ContinuousClock.now

    init(_ size: Int) { self.size = size }

    func one() {
        if count == 0 { began = .now }
        count += 1
        if count == size {
            count = 0
            tell("took \(seconds(.now - began))")
        }
    }
}

/// The other process. It ends with its stdin.
func serve() async throws {
    let sat = try satellite()
    for (namespace, size) in [("batches", messages), ("single", single), ("large", contents)] {
        let rounds = Rounds(size)
        try sat.on(.message, namespace) { if !$0.content.isEmpty { rounds.one() } }
    }
    try sat.on(.request, "echo", concurrency: 64) { $0.content }
    try await sat.start()
    tell("at \(sat.addresses[0])")
    await withCheckedContinuation { ended in
        Thread {
            while readLine() != nil {}
            ended.resume()
        }.start()
    }
    try await sat.shutdown()
}

func measure(heard: (String) -> String) async throws {
    let sat = try await satellite([heard("at")]).start()
    try await sat.waitConnected()
    let peer = sat.peers[0].id

    func each(_ send: () async throws -> Void) async throws -> Double {
        var took: [Double] = []
        for _ in 0..<rounds {
            try await send()
            took.append(Double(heard("took"))!)
        }
        return median(took)
    }
    @Sendable func ask() async throws {
        let replies = try await sat.request(peer, "echo", message).all()
        precondition(replies.count == 1 && replies[0].content.count == message.count)
    }

    let batch = [Data](repeating: message, count: 256)
    let many = try await each { for _ in 0..<messages / 256 { try await sat.sendAll(peer, "batches", batch) } }
    figure("swift_messages_per_s", Double(messages) / many, "1/s")
    let few = try await each { for _ in 0..<single { try await sat.send(peer, "single", message) } }
    figure("swift_messages_per_s_one_by_one", Double(single) / few, "1/s")

    for _ in 0..<asks { try await ask() }
    var times: [Double] = []
    for _ in 0..<asks { times.append(seconds(try await ContinuousClock().measure { try await ask() })) }
    figure("swift_request_rtt_p50_us", median(times) * 1e6, "us")

    var rates: [Double] = []
    for _ in 0..<rounds {
        let took = try await ContinuousClock().measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<64 { group.addTask { for _ in 0..<asks64 / 64 { try await ask() } } }
                try await group.waitForAll()
            }
        }
        rates.append(Double(asks64) / seconds(took))
    }
    figure("swift_request_rate_64", median(rates), "1/s")

    let content = Data(count: 1 << 20)
    let large = try await each { for _ in 0..<contents { try await sat.send(peer, "large", content) } }
    figure("swift_bytes_mib_per_s", Double(contents) / large, "MiB/s")
    try await sat.shutdown()
}

/// The lines of a pipe.
final class Lines {
    private let file: FileHandle
    private var rest = Data()

    init(_ file: FileHandle) { self.file = file }

    func next() -> String? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                defer { rest = Data(rest[(end + 1)...]) }
                return String(decoding: rest[..<end], as: UTF8.self)
            }
            let more = file.availableData
            if more.isEmpty { return nil }
            rest.append(more)
        }
    }
}

/// With the other process beside it.
func run() async throws {
    let other = Process()
    let (input, output) = (Pipe(), Pipe())
    other.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
    other.arguments = ["serve"]
    (other.standardInput, other.standardOutput) = (input, output)
    try other.run()
    defer {
        try? input.fileHandleForWriting.close()
        other.waitUntilExit()
    }
    let lines = Lines(output.fileHandleForReading)
    try await measure { word in
        while let line = lines.next() {
            if line.hasPrefix(word + " ") { return String(line.dropFirst(word.count + 1)) }
        }
        fatalError("the other process ended before '\(word)'")
    }
}

@main enum Bench {
    static func main() async throws {
        if CommandLine.arguments.count > 1 { try await serve() } else { try await run() }
    }
}
