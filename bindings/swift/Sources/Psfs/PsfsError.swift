import Foundation
internal import PsfsNative

/// Something failed. ``kind`` says what a program may want to tell apart, ``code`` names it exactly (the same names in every language),
/// ``hint`` says what to do next.
public struct PsfsError: Error, Hashable, Sendable, CustomStringConvertible, LocalizedError {
    /// What a program may want to tell apart.
    public enum Kind: Hashable, Sendable {
        /// The time given was over first.
        case timeout
        /// The peer cannot be reached, the session with it ended, or nobody is connected.
        case peerUnreachable
        /// The peer refuses, or a limit of open things is reached.
        case refused
        /// The peer was never met, it serves no such namespace, or no node has such a value.
        case notFound
        /// The satellite is not running, or the operation was cancelled by the other side.
        case closed
        /// An argument is outside what is allowed; the message names it.
        case badInput
        /// The handler at the peer failed: see ``PsfsError/remoteCode``.
        case remote
        /// Anything else; see ``PsfsError/code``.
        case other
    }

    public let kind: Kind
    /// `TIMEOUT`, `BAD_ADDRESS`.
    public let code: String
    /// The code's number, never renumbered.
    public let number: Int
    /// What happened, in one line.
    public let message: String
    /// What to do next, in one sentence.
    public let hint: String
    /// For ``Kind/remote``: the handler's own positive code, or the library's.
    public let remoteCode: Int
    /// For ``Kind/remote``: what the handler said.
    public let remoteText: String

    public var description: String { "\(message) (\(code)). \(hint)" }
    public var errorDescription: String? { message }
    public var recoverySuggestion: String? { hint }

    init(_ failure: NativeFailure) {
        kind =
            switch failure.kind {
            case .timeout: .timeout
            case .peerUnreachable: .peerUnreachable
            case .refused: .refused
            case .notFound: .notFound
            case .closed: .closed
            case .badInput: .badInput
            case .remote: .remote
            case .other: .other
            }
        code = failure.name
        number = Int(failure.code)
        message = failure.text
        hint = failure.hint
        remoteCode = Int(failure.remoteCode)
        remoteText = failure.remoteText
    }

    init(_ error: NativeError) {
        switch error {
        case .Failed(let failure): self.init(failure)
        }
    }

    /// Made without the library.
    static let foreignLibrary = PsfsError(
        NativeFailure(
            kind: .other, code: -33, name: "UNSUPPORTED", text: "libpsfs_uniffi is of another version than this package",
            hint: "Build both from one source: scripts/uniffi swift.", remoteCode: 0, remoteText: ""))

    static func badInput(_ text: String) -> PsfsError { PsfsError(nativeFailure(code: -2, text: text)) }

    static func timeout(_ text: String) -> PsfsError { PsfsError(nativeFailure(code: -7, text: text)) }
}

/// Thrown by the handler of a request: ends it with a positive code of your own and a text at the asker.
public struct Fail: Error, Hashable, Sendable {
    /// What the asker finds as ``PsfsError/remoteCode``.
    public let code: Int
    /// What it finds as ``PsfsError/remoteText``.
    public let text: String

    public init(_ code: Int, _ text: String) {
        self.code = code
        self.text = text
    }
}
