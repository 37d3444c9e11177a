import Foundation
internal import PsfsNative

/// How many items cross at once.
private let batch: Int32 = 256

/// Reads a batch of packets or replies item by item; its form is in the head of bindings/uniffi/src/lib.rs.
struct Packed {
    struct Item {
        let number: Int64
        let timestampMillis: Int64
        let peer: String
        let answerable: Bool
        fileprivate let address: UInt64
        fileprivate let offset: Int
        fileprivate let length: Int
    }

    private let bytes: Data
    private var offset = 0
    private var left = 0
    private var peers: [String] = []

    init() { bytes = Data() }

    init(_ bytes: Data) {
        self.bytes = bytes
        for _ in 0..<Int(take(UInt32.self)) {
            let length = Int(take(UInt32.self))
            peers.append(String(decoding: bytes[offset..<offset + length], as: UTF8.self))
            offset += length
        }
        left = Int(take(UInt32.self))
    }

    /// Nil after the last.
    mutating func next() -> Item? {
        if left == 0 { return nil }
        left -= 1
        let number = take(UInt64.self)
        let timestamp = take(UInt64.self)
        let address = take(UInt64.self)
        let peer = peers[Int(take(UInt32.self))]
        let flags = take(UInt32.self)
        let length = Int(take(UInt32.self))
        let kept = flags & 2 != 0
        let item = Item(
            number: Int64(bitPattern: number), timestampMillis: Int64(bitPattern: timestamp), peer: peer, answerable: flags & 1 != 0,
            address: kept ? address : 0, offset: offset, length: length)
        if !kept { offset += length }
        return item
    }

    /// Copies the content of an item of this batch that was not released. Large ones are read where they are, when their turn comes: until they
    /// are released their sender's credit is not given back.
    func content(of item: Item) -> Data {
        if let kept = UnsafeRawPointer(bitPattern: UInt(item.address)) { return Data(bytes: kept, count: item.length) }
        return bytes.withUnsafeBytes { Data($0[item.offset..<item.offset + item.length]) }
    }

    private mutating func take<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> T {
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
        offset += MemoryLayout<T>.size
        return T(littleEndian: value)
    }
}

/// Takes the items of a source one by one and asks for more only when there are none left. For one task at a time; with its end, the
/// subscription or request ends.
final class Reader: @unchecked Sendable {
    let source: NativeSource
    private let lock = NSLock()
    private var packed = Packed()
    private var over = false

    init(_ source: NativeSource) { self.source = source }

    deinit {
        source.stop()
        while let item = packed.next() {
            if item.number != 0 { source.release(number: item.number) }
        }
    }

    /// Nil when there is nothing more. Whoever takes an item with a number releases it.
    func next<T>(_ make: (Packed.Item, Data) -> T) async throws -> T? {
        while true {
            let (made, over): (T?, Bool) = lock.withLock {
                guard let item = packed.next() else { return (nil, self.over) }
                return (make(item, packed.content(of: item)), false)
            }
            if let made { return made }
            if over { return nil }
            let next = try await source.nextBatch()
            lock.withLock {
                if case .packed(let bytes, let last) = next {
                    (packed, self.over) = (Packed(bytes), last)
                } else {
                    self.over = true
                }
            }
        }
    }
}

/// Takes the items of a source whose batches are lists. For one task at a time; with its end, the source ends.
final class Lists<Element: Sendable>: @unchecked Sendable {
    private let source: NativeSource
    private let read: @Sendable (Batch) -> [Element]?
    private let lock = NSLock()
    private var items: ArraySlice<Element> = []

    init(_ source: NativeSource, _ read: @escaping @Sendable (Batch) -> [Element]?) {
        self.source = source
        self.read = read
    }

    deinit {
        source.stop()
        source.releaseAll()
    }

    /// Nil when there is nothing more.
    func next() async throws -> Element? {
        while true {
            if let item = lock.withLock({ items.popFirst() }) { return item }
            guard let more = read(try await source.nextBatch()) else { return nil }
            lock.withLock { items = more[...] }
        }
    }
}

extension NativeSource {
    /// The next batch; `.end` is the end.
    func nextBatch() async throws -> Batch {
        let outcome = try await Native.call { id in try next(id: id, max: batch).map { .items(batch: $0) } }
        guard case .items(let batch) = outcome else { return .end }
        return batch
    }
}
