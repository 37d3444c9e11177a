import Foundation

/// What can be sent: `Data`, `[UInt8]`, and texts, which are sent as UTF-8.
public protocol Content: Sendable {
    /// Calls `use` with the bytes, which are valid only until it returns. Nothing is copied where the bytes lie in one piece.
    func lend<R>(_ use: (Data) throws -> R) rethrows -> R
}

extension Data: Content {
    public func lend<R>(_ use: (Data) throws -> R) rethrows -> R { try use(self) }
}

extension Array: Content where Element == UInt8 {
    public func lend<R>(_ use: (Data) throws -> R) rethrows -> R { try withUnsafeBytes { try use(Data(lent: $0)) } }
}

extension ArraySlice: Content where Element == UInt8 {
    public func lend<R>(_ use: (Data) throws -> R) rethrows -> R { try withUnsafeBytes { try use(Data(lent: $0)) } }
}

extension String: Content {
    public func lend<R>(_ use: (Data) throws -> R) rethrows -> R {
        var text = self
        return try text.withUTF8 { try use(Data(lent: UnsafeRawBufferPointer($0))) }
    }
}

extension Substring: Content {
    public func lend<R>(_ use: (Data) throws -> R) rethrows -> R {
        var text = self
        return try text.withUTF8 { try use(Data(lent: UnsafeRawBufferPointer($0))) }
    }
}

extension Data {
    /// Bytes of somebody else's, for as long as those last.
    fileprivate init(lent bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else {
            self.init()
            return
        }
        self.init(bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: bytes.count, deallocator: .none)
    }
}
