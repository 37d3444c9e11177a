import Foundation
internal import PsfsNative

/// What a packet is.
public enum PacketType: Int32, Hashable, Sendable {
    /// To one peer, in order.
    case message = 1
    /// To everybody under the rendezvous.
    case broadcast = 2
    /// A question to every connected peer.
    case seek = 3
    /// A question to one peer.
    case request = 4
}

/// A packet that came in. A request, seek or broadcast can be answered until its handler returns; one of ``Messages``, as long as you keep it.
public final class Message: Sendable, CustomStringConvertible {
    /// What it is.
    public let type: PacketType
    /// The namespace it was sent to.
    public let namespace: String
    /// Who made it: proved, never claimed.
    public let peer: String
    /// When it was made, by its author's clock, in ms since 1970.
    public let timestampMillis: Int64
    /// What was sent.
    public let content: Data

    private let source: NativeSource
    private let number: Int64
    let isAnswerable: Bool

    init(_ source: NativeSource, _ type: PacketType, _ namespace: String, _ item: Packed.Item, _ content: Data) {
        self.source = source
        self.type = type
        self.namespace = namespace
        self.content = content
        peer = item.peer
        timestampMillis = item.timestampMillis
        number = item.number
        isAnswerable = item.answerable
        // Its content is copied: whoever keeps messages keeps no credit of their sender's.
        if item.number != 0 && !item.answerable { source.release(number: item.number) }
    }

    /// A request that was not ended ends with an error.
    deinit {
        if isAnswerable { source.release(number: number) }
    }

    /// The same as text.
    public var text: String { String(decoding: content, as: UTF8.self) }

    /// Whether the asker no longer wants replies.
    public var isCancelled: Bool { source.isCancelled(number: number) }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    public func reply(_ content: some Content) async throws {
        try await Native.run { id in try content.lend { try source.reply(id: id, number: number, content: $0) } }
    }

    /// Ends the request well. A handler that returns does that by itself.
    public func end() throws { try native { try source.end(number: number) } }

    /// Ends the request with an error at the asker: a positive code of your own, and a text.
    public func fail(_ code: Int, _ text: String) throws {
        try native { try source.fail(number: number, code: Int32(clamping: code), text: text) }
    }

    /// The right to answer after the handler has returned. The request is open until that is used or dropped.
    public func `defer`() throws -> Responder { Responder(try native { try source.takeResponder(number: number) }) }

    /// The handler has returned (`error` nil) or thrown. What it ended itself stays as it is; the sender's credit is given back.
    func handled(_ error: (any Error)?) {
        guard isAnswerable else { return }
        guard let error else { return source.done(number: number) }
        // Refused only if it was ended before, or while a reply is under way that the handler did not wait for: that request ends with this.
        if let error = error as? Fail {
            try? source.fail(number: number, code: Int32(clamping: error.code), text: error.text)
        } else {
            try? source.fail(number: number, code: 0, text: String(describing: error))
        }
        source.release(number: number)
    }

    public var description: String { "Message(\(type) \(namespace) from \(peer), \(content.count) bytes)" }
}

/// The right to answer one request, later and from anywhere. Dropped without an answer, it ends the request with an error.
public final class Responder: Sendable {
    private let responder: NativeResponder

    init(_ responder: NativeResponder) { self.responder = responder }

    /// Whether the asker no longer wants replies.
    public var isCancelled: Bool { responder.isCancelled() }

    /// Sends one reply and leaves the request open for more. Waits for the asker's credit.
    public func reply(_ content: some Content) async throws {
        try await Native.run { id in try content.lend { try responder.reply(id: id, content: $0) } }
    }

    /// Ends the request well.
    public func end() throws { try native { try responder.end() } }

    /// Ends the request with an error at the asker: a positive code of your own, and a text.
    public func fail(_ code: Int, _ text: String) throws {
        try native { try responder.fail(code: Int32(clamping: code), text: text) }
    }
}

/// Packets of one type and namespace, as they come: what `for await` takes is all that crosses. One task iterates; when it stops, or the last
/// reference to this and its iterator is gone, the subscription ends.
public struct Messages: AsyncSequence, Sendable {
    /// Lives as long as it is listened to.
    let satellite: Satellite
    let reader: Reader
    let type: PacketType
    let namespace: String

    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        let messages: Messages

        /// Nil at the end of the satellite, and when the task is cancelled.
        public mutating func next() async -> Message? {
            let (type, namespace, source) = (messages.type, messages.namespace, messages.reader.source)
            return try? await messages.reader.next { Message(source, type, namespace, $0, $1) }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(messages: self) }
}
