// Greets everybody under a rendezvous, and shows who greets back.
//
//     swift run greet pineapple                       # finds others on the local network
//     swift run greet pineapple /ip4/127.0.0.1/...    # and through one of them, wherever it is
//
// Start it twice. A line on the input ends it, and the others are told.

import Foundation
import Psfs

/// At once, also into a pipe.
@Sendable func show(_ line: String) {
    print(line)
    fflush(nil)
}

let words = CommandLine.arguments.dropFirst()
guard let rendezvous = words.first else {
    print("usage: greet RENDEZVOUS [ADDRESS...]")
    exit(1)
}

let sat = try Satellite(rendezvous, bootstrap: Array(words.dropFirst()))
let id = sat.peerId

// Handlers run in tasks of their own, one call after another. Registered before the start, they miss nothing.
try sat.on(.message, "greeting") { message in
    show("\(message.peer) says \(message.text)")
}
// What a handler returns is its answer. A request is for us alone, a seek for everybody.
for type in [PacketType.request, .seek] {
    try sat.on(type, "whois") { _ in "\(id), in Swift" }
}

let events = try sat.peerEvents()
try await sat.start()
show("I am \(sat.fingerprint)")
for address in sat.addresses { show("reach me at \(address)") }

let ending = Task.detached {
    _ = readLine()
    try await sat.shutdown()
}

// Sessions come and go by themselves. The loop ends when the satellite is shut down.
for await event in events {
    switch event {
    case .authenticated(let peer):
        // In a task of its own: a send waits, for a peer that is gone again until it comes back or the time is over.
        Task {
            do {
                try await sat.send(peer, "greeting", "hello from Swift", timeout: .seconds(5))
            } catch {
                // The hint says what to do.
                show("\(peer) was not greeted: \(error)")
            }
        }
    case .disconnected(let peer, let reason, _):
        show("\(peer) left: \(reason)")
    default: break
    }
}
try await ending.value
