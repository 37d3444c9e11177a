import Foundation
internal import PsfsNative

/// A file or folder that is shared.
public struct Shared: Hashable, Sendable, CustomStringConvertible {
    /// Its id: 64 hexadecimal digits. Of a folder that of the list of its files.
    public let root: String
    /// Its bytes; of a folder those of all its files.
    public let size: Int
    /// Where it is.
    public let path: String
    /// Whether it is a folder.
    public let isFolder: Bool

    public var description: String { "Shared(\(root) \(path))" }

    init(_ file: NativeFile) {
        root = file.root
        size = Int(file.size)
        path = file.path
        isFolder = file.isFolder
    }
}

/// A file or folder that has come, or is kept elsewhere now.
public struct Received: Hashable, Sendable, CustomStringConvertible {
    /// Its id: 64 hexadecimal digits.
    public let root: String
    /// Its bytes.
    public let size: Int
    /// Where it is.
    public let path: String
    /// Whether it is a folder.
    public let isFolder: Bool

    public var description: String { "Received(\(root) \(path))" }

    init(_ file: NativeFile) {
        root = file.root
        size = Int(file.size)
        path = file.path
        isFolder = file.isFolder
    }
}

/// All that is needed to get a file or folder. Nothing in it is proved before the file comes; whoever has its ``text`` may use it.
public struct Ticket: Hashable, Sendable, CustomStringConvertible {
    /// What can be pasted.
    public let text: String
    /// The id of the file, or of the folder's list: 64 hexadecimal digits.
    public let root: String
    /// Whether it is a folder.
    public let isFolder: Bool
    /// Bytes in all, as its issuer says.
    public let size: Int
    /// What it is called, as its issuer says: one part of a path, without folders.
    public let name: String?
    /// Who has it: a peer id.
    public let issuer: String
    /// Where that is: multiaddresses.
    public let addresses: [String]
    /// The name under which to meet.
    public let rendezvous: String
    /// Whether that network has a secret, which is not in the ticket.
    public let needsSecret: Bool
    /// Until when it holds, in ms since 1970; nil if it gives no right, as what is shared with everybody needs none.
    public let expiresMillis: Int64?

    /// Throws `BAD_INPUT` for a text that is none: mistyped, cut off, or of a newer version.
    public init(_ text: String) throws {
        _ = try Native.hub
        self.init(try native { try nativeTicket(text: text) })
    }

    /// Without the right that is in it.
    public var description: String { "Ticket(\(root), \(size) bytes)" }

    init(_ ticket: NativeTicket) {
        text = ticket.text
        root = ticket.root
        isFolder = ticket.isFolder
        size = Int(ticket.size)
        name = ticket.name
        issuer = ticket.issuer
        addresses = ticket.addresses
        rendezvous = ticket.rendezvous
        needsSecret = ticket.needsSecret
        expiresMillis = ticket.expiresMs
    }
}

/// A file or folder that somebody has.
public struct FileInfo: Hashable, Sendable, CustomStringConvertible {
    /// Its id: 64 hexadecimal digits. Of a folder that of the list of its files.
    public let root: String
    /// Its bytes; of a folder those of all its files.
    public let size: Int
    /// Whether it is a folder.
    public let isFolder: Bool
    /// What its owner calls it.
    public let name: String
    /// Its owner's tags, in the order of their bytes.
    public let tags: [String]
    /// Its SHA-256, 64 hexadecimal digits, if it was computed.
    public let sha256: String?
    /// Since when it is its owner's, in ms since 1970.
    public let addedMillis: Int64
    /// Where it is, if it is here and still what it was, so that others can get it. Nil for a file at another satellite.
    public let path: String?

    public var description: String { "FileInfo(\(root) \"\(name)\", \(size) bytes)" }

    init(_ info: NativeFileInfo) {
        root = info.root
        size = Int(info.size)
        isFolder = info.isFolder
        name = info.name
        tags = info.tags
        sha256 = info.sha256
        addedMillis = info.addedMs
        path = info.path
    }
}

/// What an owner may keep here, and has.
public struct Quota: Hashable, Sendable, CustomStringConvertible {
    /// Whose.
    public let owner: String
    /// In bytes; nil for no limit.
    public let limit: Int?
    /// Bytes of files that others had kept here for the owner. What is shared where it lies costs nothing.
    public let used: Int
    /// Bytes reserved for uploads that are under way.
    public let reserved: Int
    /// How many files, also those that cost nothing.
    public let files: Int
    /// How many uploads are under way.
    public let uploads: Int

    public var description: String { "Quota(\"\(owner)\": \(used) \(limit.map { "of \($0) bytes" } ?? "bytes, no limit"))" }

    init(_ quota: NativeQuota) {
        owner = quota.owner
        limit = quota.limit.map(Int.init)
        used = Int(quota.used)
        reserved = Int(quota.reserved)
        files = Int(quota.files)
        uploads = Int(quota.uploads)
    }
}

/// What a token allows.
public enum Op: Hashable, Sendable, CaseIterable {
    /// Getting files.
    case read
    /// Having files kept.
    case write
    /// Removing them.
    case delete
    /// Finding them.
    case list

    var native: NativeOp {
        switch self {
        case .read: .read
        case .write: .write
        case .delete: .delete
        case .list: .list
        }
    }
}
