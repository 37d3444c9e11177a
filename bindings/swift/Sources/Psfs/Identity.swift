import Foundation
internal import PsfsNative

/// A satellite's key pair, for applications that keep it elsewhere than in a file (the Keychain).
public struct Identity: Sendable, CustomStringConvertible {
    let raw: NativeIdentity

    /// The id of the satellite with this key.
    public var peerId: String { raw.peerId() }

    /// The id with a suffix that people can compare.
    public var fingerprint: String { raw.fingerprint() }

    /// A new RSA key of 2048 bits: some tens of milliseconds of computing.
    public init() throws {
        _ = try Native.hub
        raw = try native { try NativeIdentity.generate() }
    }

    /// The key in a PEM text: PKCS#8, PKCS#1, or what ``pem(passphrase:)`` gave with a passphrase.
    public init(pem: some Content, passphrase: String? = nil) throws {
        _ = try Native.hub
        raw = try native { try pem.lend { try NativeIdentity.fromPem(pem: $0, passphrase: passphrase) } }
    }

    /// The key as PEM text, protected if a passphrase is given.
    public func pem(passphrase: String? = nil) throws -> String { try native { try raw.toPem(passphrase: passphrase) } }

    public var description: String { "Identity(\(peerId))" }
}

/// For tests: what is wrong with the connections between the satellites that are given it. Peers are named by their ids.
public struct Faults: Sendable {
    let raw: NativeFaults

    /// None yet; what is lost is chosen by the seed.
    public init(seed: UInt64 = 0) throws {
        _ = try Native.hub
        raw = NativeFaults(seed: seed)
    }

    /// Cuts the connections between two peers, and refuses new ones.
    public func partition(_ a: String, _ b: String) throws { try native { try raw.partition(a: a, b: b) } }

    /// Makes the line between two peers slow: time one way, lost packets of 1, bytes a second (0: no limit).
    public func slow(_ a: String, _ b: String, latency: Duration = .zero, loss: Double = 0, bytesPerSecond: UInt64 = 0) throws {
        try native { try raw.slow(a: a, b: b, latencyMs: latency.native, loss: loss, rate: bytesPerSecond) }
    }

    /// Takes all faults between two peers away.
    public func heal(_ a: String, _ b: String) throws { try native { try raw.heal(a: a, b: b) } }

    /// Takes all faults away.
    public func healAll() { raw.healAll() }
}
