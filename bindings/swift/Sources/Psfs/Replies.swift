import Foundation
internal import PsfsNative

/// One reply.
public struct Reply: Hashable, Sendable, CustomStringConvertible {
    /// Who answered.
    public let peer: String
    /// When it was made, by its author's clock, in ms since 1970.
    public let timestampMillis: Int64
    /// What was answered.
    public let content: Data

    /// The same as text.
    public var text: String { String(decoding: content, as: UTF8.self) }

    public var description: String { "Reply(from \(peer), \(content.count) bytes)" }
}

/// The replies to a question, as they come. Each iteration asks anew. It ends with the peer's end of the request, or throws; leaving it
/// early (`break`, a cancelled task) cancels the request.
public struct Replies: AsyncSequence, Sendable {
    let ask: @Sendable () throws -> NativeSource

    init(_ ask: @escaping @Sendable () throws -> NativeSource) { self.ask = ask }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let ask: @Sendable () throws -> NativeSource
        private var reader: Reader?
        /// The last one's place in the window of replies: given back when the next one is asked for.
        private var number: Int64 = 0

        init(_ ask: @escaping @Sendable () throws -> NativeSource) { self.ask = ask }

        public mutating func next() async throws -> Reply? {
            let reader: Reader
            if let asked = self.reader {
                reader = asked
            } else {
                reader = Reader(try native(ask))
                self.reader = reader
            }
            if number != 0 { reader.source.release(number: number) }
            number = 0
            let next = try await reader.next { item, content in
                (Reply(peer: item.peer, timestampMillis: item.timestampMillis, content: content), item.number)
            }
            number = next?.1 ?? 0
            return next?.0
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(ask) }

    /// Asks, and gives all replies.
    public func all() async throws -> [Reply] {
        var all: [Reply] = []
        for try await reply in self { all.append(reply) }
        return all
    }

    /// Asks, and gives the first reply, for which the request then ends. Nil if there was none.
    public func first() async throws -> Reply? {
        for try await reply in self { return reply }
        return nil
    }
}
