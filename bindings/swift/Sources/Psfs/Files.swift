import Foundation
internal import PsfsNative

/// The files of a satellite: ``Satellite/files``.
///
/// Roots, the ids of files, are 64 hexadecimal digits: BLAKE3, as `b3sum` computes it. Owners, tags and names have 1 to 255 bytes without control
/// characters; the owner who is meant if none is named is this satellite itself, by its peer id. All calls throw `CLOSED` unless the satellite
/// runs, and `BAD_INPUT` for arguments.
public struct Files: Sendable, CustomStringConvertible {
    let satellite: Satellite
    let raw: NativeFiles

    private func transfer(_ begin: () throws -> NativeTransfer) throws -> Transfer { Transfer(satellite, try native(begin)) }

    // Sharing and getting.

    /// Shares a file, or a folder with all in it, where it lies, until ``remove(_:owner:)``: it is hashed once and not copied. What is changed while
    /// it is shared is not given any more. With a `dataDir` it is shared again after a restart, unless it was changed meanwhile.
    ///
    /// - Parameters:
    ///   - onlyWithTicket: Only who has a ticket may get it, not everybody of the network who knows its root.
    ///   - owner: Whose it is.
    ///   - tags: Up to 64 by which it is found.
    ///   - sha256: Whether its SHA-256 is computed, too, by which it is found then.
    ///   - progress: Is told the bytes that were hashed so far. What it throws ends it.
    ///
    /// Throws `CONFLICT` when it is written to meanwhile.
    @discardableResult
    public func share(
        _ path: String, onlyWithTicket: Bool = false, owner: String? = nil, tags: [String] = [], sha256: Bool = false,
        progress: ((Int) throws -> Void)? = nil
    ) async throws -> Shared {
        let how = NativeShare(onlyWithTicket: onlyWithTicket, owner: owner, tags: tags, sha256: sha256)
        let sharing = try transfer { try raw.share(path: path, how: how) }
        defer { sharing.cancel() }
        if let progress {
            for try await hashed in sharing.progress { try progress(hashed.bytes) }
        }
        return Shared(try await sharing.end())
    }

    /// All that is given to others at the moment, whosever it is, in the order of the roots. What is somebody's, with tags, says `find`.
    public func shared() -> [Shared] { raw.shared().map(Shared.init) }

    /// What is here under this root, whosever it is, if it can be given to others.
    public func here(_ root: String) throws -> Shared? { try native { try raw.here(root: root) }.map(Shared.init) }

    /// Bytes of a file that is here, whosever it is, checked as those that are sent to others: from `offset` to the end of its MiB or of the file.
    /// None at its end.
    ///
    /// Throws `NOT_FOUND` when it is not here, or a folder, and `CONFLICT` when it is not what it was any more.
    public func read(_ root: String, from offset: Int = 0) async throws -> Data {
        let outcome = try await Native.run { id in try raw.read(id: id, root: root, offset: Int64(offset)) }
        guard case .content(let content) = outcome else { preconditionFailure("what is read is given") }
        return content
    }

    /// A ticket for what this satellite shares; its ``Ticket/text`` can be pasted.
    ///
    /// Of what is shared `onlyWithTicket` it holds for `lifetime` (30 days if nothing is said), for so many `bytes` in all, by whomever they are got, and
    /// for one peer if `holder` names it. Throws `NOT_FOUND` when it is not shared, and `BAD_INPUT` for limits of what everybody may get.
    public func ticket(_ root: String, lifetime: Duration? = nil, bytes: Int? = nil, holder: String? = nil) throws -> Ticket {
        Ticket(
            try native { try raw.ticket(root: root, lifetimeMs: lifetime?.native, bytes: bytes.map(Int64.init), holder: holder) })
    }

    /// Gets a file or folder to `destination`: in pieces, from all who have it, each checked before it is written. If it was begun before, also by
    /// another process or from others, it goes on from there. It has its name once it is whole.
    ///
    /// - Parameters:
    ///   - wanted: A ticket's text, or a root.
    ///   - folder: Whether a root is that of a folder.
    ///   - sources: Peers who have it, as far as is known. More are found through the network.
    ///   - addresses: Where they are.
    ///   - token: The right to it, where a ticket has none.
    ///   - patience: How long nobody may be there who has it.
    ///   - durable: Without, it is left to the system when it is on the disk.
    ///
    /// What goes wrong later comes with the transfer: `NO_PEERS` when nobody has it, `REFUSED` when who has it does not give it, `CONFLICT` (another
    /// file is at the destination), `BUSY` (something else is getting one there), and `IO` when the disk is full.
    public func get(
        _ wanted: String, _ destination: String, folder: Bool = false, sources: [String] = [], addresses: [String] = [],
        token: String? = nil, patience: Duration = .seconds(60), durable: Bool = true
    ) throws -> Transfer {
        let how = NativeGet(
            folder: folder, sources: sources, addresses: addresses, token: token, patienceMs: patience.native, durable: durable)
        return try transfer { try raw.get(wanted: wanted, destination: destination, how: how) }
    }

    /// The same by a ticket, which says who has what.
    public func get(
        _ wanted: Ticket, _ destination: String, patience: Duration = .seconds(60), durable: Bool = true
    ) throws -> Transfer {
        try get(wanted.text, destination, patience: patience, durable: durable)
    }

    // What is here, and whose.

    /// What is here of an owner: by tag, name, root or SHA-256 (64 hexadecimal digits), or all of it, in the order of the roots.
    ///
    /// At most 1,000 come at once; `after` is the last root of the page before, and nothing comes at the end alone.
    public func find(
        tag: String? = nil, name: String? = nil, root: String? = nil, sha256: String? = nil, owner: String? = nil,
        after: String? = nil, most: Int = 100
    ) async throws -> [FileInfo] {
        let query = NativeQuery(
            tag: tag, name: name, root: root, sha256: sha256, owner: owner, after: after, most: Int64(most))
        return try await found { id in try raw.find(id: id, query: query) }
    }

    /// The tags of an owner that follow `after`, in the order of their bytes.
    public func tags(of owner: String? = nil, after: String? = nil, most: Int = 1000) async throws -> [String] {
        let outcome = try await Native.run { id in try raw.tags(id: id, owner: owner, after: after, most: Int64(most)) }
        guard case .texts(let texts) = outcome else { preconditionFailure("tags are told") }
        return texts
    }

    /// Gives a file of an owner a tag, up to 64 a file; one that it has already is no error. Throws `NOT_FOUND` when there is no such file.
    public func tag(_ root: String, _ tag: String, owner: String? = nil) async throws {
        try await Native.run { id in try raw.tag(id: id, root: root, tag: tag, owner: owner) }
    }

    /// Takes a tag away. Whether the file had it.
    @discardableResult
    public func untag(_ root: String, _ tag: String, owner: String? = nil) async throws -> Bool {
        try await truth { id in try raw.untag(id: id, root: root, tag: tag, owner: owner) }
    }

    /// A file is no more an owner's. What has no owner left is not shared any more; a copy that was kept for the owner is removed from the disk, a
    /// file that is shared where it lies stays. Whether it was the owner's.
    @discardableResult
    public func remove(_ root: String, owner: String? = nil) async throws -> Bool {
        try await truth { id in try raw.remove(id: id, root: root, owner: owner) }
    }

    // For others.

    /// Keeps files for others from now on: for whoever has a `token`. To be called after each start; called again, it changes what holds for what
    /// comes then.
    ///
    /// - Parameters:
    ///   - quota: How many bytes each owner may keep that has no limit of its own (``setQuota(_:_:)``): 1 GiB if nothing is said, nil for no limit.
    ///   - largest: The largest file that is taken.
    ///   - folder: Where they lie, if not in the `dataDir`.
    ///   - lifetime: An upload that stands still for so long is given up.
    ///   - faulty: For tests of clients: which part of what is asked, 0 to 1, fails on purpose.
    ///   - seed: The same ones fail with the same one.
    public func keep(
        quota: Int? = 1 << 30, largest: Int? = nil, folder: String? = nil, lifetime: Duration = .day, faulty: Double = 0,
        seed: UInt64 = 0
    ) async throws {
        let how = NativeKeep(
            quota: quota.map(Int64.init), largest: largest.map(Int64.init), folder: folder, lifetimeMs: lifetime.native,
            faulty: faulty, seed: seed)
        try await Native.run { id in try raw.keep(id: id, how: how) }
    }

    /// A token for what is kept here: who has it may do `ops` with files of the owner, with one file if `root` names it or all, for so many `bytes`
    /// up and down together, and as one peer if `holder` names it. It is a JWT (RS256) by this satellite's key, which holds here and nowhere else,
    /// and cannot be taken back before its end.
    public func token(
        _ owner: String, ops: [Op] = Op.allCases, root: String? = nil, bytes: Int? = nil, lifetime: Duration = .day,
        holder: String? = nil
    ) throws -> String {
        let what = NativeToken(
            ops: ops.map(\.native), root: root, bytes: bytes.map(Int64.init), lifetimeMs: lifetime.native, holder: holder)
        return try native { try raw.token(owner: owner, what: what) }
    }

    /// Gives an owner a limit of its own, in bytes, or takes it away (nil): then that of `keep` holds. What there is stays, also when it is more.
    public func setQuota(_ owner: String, _ limit: Int?) async throws {
        try await Native.run { id in try raw.setQuota(id: id, owner: owner, limit: limit.map(Int64.init)) }
    }

    /// What an owner may keep here, and has.
    public func quota(_ owner: String) async throws -> Quota { try await quotas { id in try raw.quota(id: id, owner: owner) }[0] }

    /// The same of all owners that follow `after`, in the order of their names.
    public func quotas(after: String? = nil, most: Int = 1000) async throws -> [Quota] {
        try await quotas { id in try raw.quotas(id: id, after: after, most: Int64(most)) }
    }

    // At another satellite.

    /// Has a file or folder kept by another satellite, which gets it from here. It goes on by itself when the connection breaks or the server is
    /// started again; the same call later goes on as well. At its end the file is on the server's disk and belongs to the owner that the token (by
    /// the server's `token`) names.
    ///
    /// - Parameters:
    ///   - name: What it is called there, if not as here.
    ///   - tags: By which it is found there.
    ///   - addresses: Where the server is, if it was not met yet.
    ///   - patience: How long it may be away, or too busy.
    ///
    /// With the transfer come `REFUSED` when the token gives no right to it, or the quota no room; `TOO_LARGE`; `UNREACHABLE`.
    public func put(
        _ server: String, _ path: String, token: String, name: String? = nil, tags: [String] = [], addresses: [String] = [],
        patience: Duration = .seconds(60)
    ) throws -> Transfer {
        let how = NativePut(name: name, tags: tags, addresses: addresses, patienceMs: patience.native)
        return try transfer { try raw.put(server: server, path: path, token: token, how: how) }
    }

    /// What another satellite keeps of the owner that a token names. As `find`; throws `REFUSED` when the token gives no right to it, and
    /// `UNREACHABLE`.
    public func remoteFind(
        _ server: String, token: String, tag: String? = nil, name: String? = nil, root: String? = nil, sha256: String? = nil,
        after: String? = nil, most: Int = 100
    ) async throws -> [FileInfo] {
        let query = NativeQuery(
            tag: tag, name: name, root: root, sha256: sha256, owner: nil, after: after, most: Int64(most))
        return try await found { id in try raw.remoteFind(id: id, server: server, token: token, query: query) }
    }

    /// Removes a file that another satellite keeps for the owner that a token names. Whether it was there. Throws as `remoteFind`.
    @discardableResult
    public func remoteRemove(_ server: String, token: String, _ root: String) async throws -> Bool {
        try await truth { id in try raw.remoteRemove(id: id, server: server, token: token, root: root) }
    }

    private func found(_ begin: (Int64) throws -> Bool) async throws -> [FileInfo] {
        guard case .found(let files) = try await Native.run(begin) else { preconditionFailure("what is found is told") }
        return files.map(FileInfo.init)
    }

    private func truth(_ begin: (Int64) throws -> Bool) async throws -> Bool {
        guard case .truth(let so) = try await Native.run(begin) else { preconditionFailure("whether it was so is told") }
        return so
    }

    private func quotas(_ begin: (Int64) throws -> Bool) async throws -> [Quota] {
        guard case .quotas(let quotas) = try await Native.run(begin) else { preconditionFailure("quotas are told") }
        return quotas.map(Quota.init)
    }

    public var description: String { "Files(of \(satellite))" }
}
