// Asks everybody under a rendezvous who they are.
//
//     swift run whois pineapple [ADDRESS...]

import Foundation
import Psfs

let words = CommandLine.arguments.dropFirst()
guard let rendezvous = words.first else {
    print("usage: whois RENDEZVOUS [ADDRESS...]")
    exit(1)
}

do {
    let sat = try await Satellite(rendezvous, bootstrap: Array(words.dropFirst())).start()
    // A satellite takes a moment to find the first other one. Every wait has a limit.
    try await sat.waitConnected(timeout: .seconds(20))
    // seek() asks whoever is connected, side by side; replies come as they arrive, several from each if it likes.
    for try await reply in sat.seek("whois", timeout: .seconds(5)) {
        print(reply.peer, "is", reply.text)
    }
    // The same of one peer is request(): it ends with an error if that peer does not serve it.
    for peer in sat.peers where peer.state == .connected {
        do {
            let reply = try await sat.request(peer.id, "whois", timeout: .seconds(5)).first()
            print("asked alone:", reply?.text ?? "nothing")
        } catch let error as PsfsError where error.kind == .notFound {
            print(peer.id, "does not say who it is")
        }
    }
    try await sat.shutdown()
} catch let error as PsfsError {
    print(error.message, error.hint, separator: "\n")
    exit(1)
}
