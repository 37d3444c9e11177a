internal import PsfsNative

/// A file or folder on its way: `progress` tells how far it is, ``received()`` gives what came. Either throws what goes wrong.
///
/// It goes on by itself. A task that is cancelled while it waits for either cancels it, as ``cancel()`` does and the end of the last reference to it.
/// What came is kept: the same call goes on from there.
public final class Transfer: Sendable, CustomStringConvertible {
    /// It lives as long as this.
    private let satellite: Satellite
    fileprivate let raw: NativeTransfer

    init(_ satellite: Satellite, _ raw: NativeTransfer) {
        self.satellite = satellite
        self.raw = raw
    }

    deinit { raw.cancel() }

    /// How far it is, from the newest word on: who takes slowly is told fewer. Ends with the transfer; leaving it early (`break`) does not cancel
    /// that.
    public var progress: ProgressSequence { ProgressSequence(of: self) }

    /// Its end, however often it is asked for.
    public func received() async throws -> Received { Received(try await end()) }

    func end() async throws -> NativeFile {
        let outcome = try await cancelling { try await Native.run { id in try raw.received(id: id) } }
        guard case .file(let file) = outcome else { preconditionFailure("what came is told") }
        return file
    }

    /// Ends it: who waits for it gets `CANCELLED`.
    public func cancel() { raw.cancel() }

    public var description: String { "Transfer(of \(satellite))" }

    fileprivate func cancelling<T>(_ wait: () async throws -> T) async throws -> T {
        do {
            return try await wait()
        } catch let error as CancellationError {
            cancel()
            throw error
        }
    }

    /// How far it is.
    public struct Progress: Hashable, Sendable, CustomStringConvertible {
        /// Bytes that were checked and written, now and earlier.
        public let bytes: Int
        /// Bytes in all; 0 while that is not known.
        public let size: Int
        /// Bytes a second, of late.
        public let rate: Int
        /// How many are asked at the moment.
        public let sources: Int
        /// How long the rest takes at this rate; nil if that cannot be said.
        public let timeLeft: Duration?

        public var description: String { "Progress(\(bytes) of \(size) bytes, \(rate) a second from \(sources))" }

        init(_ progress: NativeProgress) {
            bytes = Int(progress.bytes)
            size = Int(progress.size)
            rate = Int(progress.rate)
            sources = Int(progress.sources)
            timeLeft = progress.timeLeftUs.map { .microseconds($0) }
        }
    }

    /// What `Transfer.progress` is. Each iteration begins with the newest word.
    public struct ProgressSequence: AsyncSequence, Sendable {
        let of: Transfer

        public struct AsyncIterator: AsyncIteratorProtocol {
            private let of: Transfer
            private let news: Lists<Progress>

            init(_ of: Transfer) {
                self.of = of
                news = Lists(of.raw.progress()) { batch in
                    guard case .progress(let progress) = batch else { return nil }
                    return [Progress(progress)]
                }
            }

            /// Nil at the end.
            public mutating func next() async throws -> Progress? {
                let news = self.news
                return try await of.cancelling { try await news.next() }
            }
        }

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(of) }
    }
}
