import Foundation
internal import PsfsNative

/// What a satellite is to the others in the DHT.
public enum Role: Hashable, Sendable {
    /// It keeps what it is near to.
    case node
    /// It keeps all it hears of.
    case mirror
    /// It keeps and tells nothing: a phone.
    case client

    var native: NativeRole {
        switch self {
        case .node: .node
        case .mirror: .mirror
        case .client: .client
        }
    }

    init(_ role: NativeRole) {
        self =
            switch role {
            case .node: .node
            case .mirror: .mirror
            case .client: .client
            }
    }
}

/// What proves a value.
public enum ValueKind: Hashable, Sendable {
    /// Its key.
    case plain
    /// Nothing.
    case raw
    /// Its publisher's signature.
    case signed

    init(_ kind: NativeValueKind) {
        self =
            switch kind {
            case .plain: .plain
            case .raw: .raw
            case .signed: .signed
            }
    }
}

/// What one node did about a value.
public struct StoreAnswer: Hashable, Sendable {
    /// What a node does.
    public enum Outcome: Hashable, Sendable {
        /// It keeps it from now on.
        case kept
        /// It had it already, and goes on keeping it.
        case had
        /// It does not want it: `reason` and `text` say why.
        case refused
        /// It did not answer, or not well: `text` says what went wrong.
        case failed
    }

    /// Why a node does not keep a value.
    public enum Reason: Hashable, Sendable {
        /// Its application decided so.
        case policy
        /// A budget is used up: of the publisher, of its network, or in all.
        case quota
        /// Larger than what it takes.
        case tooLarge
        /// It knows enough nodes that are nearer.
        case tooFar
        /// It has seen the asker lie, or fail too often.
        case blacklisted
        /// Too much at once: it can be tried again.
        case busy
        /// The value is not what its key, signature or size says.
        case invalid
        /// It has a newer one, another one, or one with another sequence than was to be replaced.
        case conflict
    }

    /// Which node; this satellite may be one of them.
    public let peer: String
    /// What it did.
    public let outcome: Outcome
    /// Why it refused; nil if it did not.
    public let reason: Reason?
    /// In its words, or what went wrong; empty if it keeps it.
    public let text: String

    /// Whether it keeps it from now on.
    public var keeps: Bool { outcome == .kept || outcome == .had }

    init(_ answer: NativeStoreAnswer) {
        peer = answer.peer
        outcome =
            switch answer.outcome {
            case .kept: .kept
            case .had: .had
            case .refused: .refused
            case .failed: .failed
            }
        reason = answer.reason.map {
            switch $0 {
            case .policy: .policy
            case .quota: .quota
            case .tooLarge: .tooLarge
            case .tooFar: .tooFar
            case .blacklisted: .blacklisted
            case .busy: .busy
            case .invalid: .invalid
            case .conflict: .conflict
            }
        }
        text = answer.text
    }
}

/// What became of a value that was stored or deleted.
public struct Stored: Hashable, Sendable {
    /// Where it is.
    public let key: String
    /// Its number, of a signed value; 0 otherwise.
    public let sequence: UInt64
    /// What each node answered that was asked, the nearest to the key first.
    public let answers: [StoreAnswer]
    /// Who stored it for this satellite, which reached too few nodes itself: then the answers are what that node says. Nil: nobody.
    public let proxy: String?

    /// How many nodes keep it (or deleted it), those that had it already among them.
    public var nodes: Int { answers.count(where: \.keeps) }

    init(_ stored: NativeStored) {
        key = stored.key
        sequence = stored.sequence
        answers = stored.answers.map(StoreAnswer.init)
        proxy = stored.proxy
    }
}

/// A value that was fetched, and checked as far as its kind allows.
public struct Value: Sendable, CustomStringConvertible {
    /// Where it is.
    public let key: String
    /// What proves it.
    public let kind: ValueKind
    /// Who stored it. Proved for signed values only.
    public let publisher: String
    /// Its number, of a signed value; 0 otherwise.
    public let sequence: UInt64
    /// When it is forgotten unless it is stored again, in ms since 1970.
    public let expiresMillis: Int64
    /// Its content.
    public let content: Data

    let sealed: NativeSealed?

    /// The same as text.
    public var text: String { String(decoding: content, as: UTF8.self) }

    /// Whether its publisher has deleted it: only a watch tells of such ones, and they have no content.
    public var isDeleted: Bool { content.isEmpty }

    public var description: String { "Value(\(kind) \(key), \(content.count) bytes)" }

    init(_ value: NativeValue) {
        key = value.key
        kind = ValueKind(value.kind)
        publisher = value.publisher
        sequence = value.sequence
        expiresMillis = value.expiresMs
        content = value.content
        sealed = value.sealed
    }
}

/// What was sealed for this satellite.
public struct Opened: Hashable, Sendable {
    /// The content.
    public let content: Data
    /// Who is said to have sealed it.
    public let sender: String
    /// Whether that is proved: by the signature of a signed value.
    public let isProved: Bool

    /// The content as text.
    public var text: String { String(decoding: content, as: UTF8.self) }

    init(_ opened: NativeOpened) {
        content = opened.content
        sender = opened.sender
        isProved = opened.proved
    }
}

/// A value that somebody would like this satellite to keep.
public struct Offer: Sendable, CustomStringConvertible {
    /// Where it would be kept.
    public let key: String
    /// What proves it.
    public let kind: ValueKind
    /// Bytes of its content.
    public let size: Int
    /// Who stored it. Proved for signed values only.
    public let publisher: String
    /// Who offers it: proved.
    public let peer: String
    /// When it is to be forgotten, in ms since 1970.
    public let expiresMillis: Int64
    /// Its content; nil while a larger value is only announced.
    public let content: Data?

    let number: Int64

    public var description: String { "Offer(\(kind) \(key), \(size) bytes from \(peer))" }

    init(_ offer: NativeOffer) {
        number = offer.number
        key = offer.key
        kind = ValueKind(offer.kind)
        size = Int(offer.size)
        publisher = offer.publisher
        peer = offer.peer
        expiresMillis = offer.expiresMs
        content = offer.content
    }
}

/// What is said of an ``Offer``.
public enum Decision: Hashable, Sendable {
    /// It is kept, if it fits.
    case keep
    /// It is not; the text is told to who offers it, its first 256 bytes.
    case refuse(String)
}

/// What a node answered to a command.
public struct CustomAnswer: Hashable, Sendable {
    /// Which node.
    public let peer: String
    /// Its answers.
    public let answers: [Data]
    /// Why there are none; nil if it answered.
    public let error: PsfsError?

    /// The answers as texts.
    public var texts: [String] { answers.map { String(decoding: $0, as: UTF8.self) } }

    init(_ answer: NativeCustomAnswer) {
        peer = answer.peer
        answers = answer.answers
        error = answer.failure.map(PsfsError.init)
    }
}

/// One question on the way to a key.
public struct Hop: Hashable, Sendable {
    /// Who was asked.
    public let peer: String
    /// How many told of each other before it: 1 for those this satellite knew.
    public let depth: Int
    /// Which of the separate ways it is on, from 0.
    public let path: Int
    /// How many bits its place has in common with the key.
    public let commonBits: Int
    /// How long it took to answer; nil: it was not waited for.
    public let took: Duration?
    /// What it answered, for people.
    public let outcome: String

    init(_ hop: NativeHop) {
        peer = hop.peer
        depth = Int(hop.depth)
        path = Int(hop.path)
        commonBits = Int(hop.commonBits)
        took = hop.tookUs.map { .microseconds($0) }
        outcome = hop.outcome
    }
}

/// A walk to a key, question by question.
public struct Trace: Hashable, Sendable {
    /// Where it went.
    public let key: String
    /// In the order in which they were asked.
    public let hops: [Hop]
    /// Who has the value; this satellite may be one of them.
    public let holders: [String]
    /// The nearest nodes that answered, the nearest first.
    public let closest: [String]

    init(_ trace: NativeTrace) {
        key = trace.key
        hops = trace.hops.map(Hop.init)
        holders = trace.holders
        closest = trace.closest
    }
}

/// A node that this satellite knows.
public struct RoutingRow: Hashable, Sendable {
    /// How many bits its place has in common with this satellite's.
    public let bucket: Int
    /// Who.
    public let peer: String
    /// `proved` (it was heard itself), `met` (others told of it), `failing`, or `spare` (there was no room).
    public let state: String
    /// How long ago it was last heard, or heard of.
    public let unseen: Duration

    init(_ row: NativeRoutingRow) {
        bucket = Int(row.bucket)
        peer = row.peer
        state = row.state
        unseen = .microseconds(row.unseenUs)
    }
}

/// One line of what nodes say of themselves.
public struct DebugLine: Hashable, Sendable {
    /// Which node says it.
    public let peer: String
    /// What, for people.
    public let line: String

    init(_ line: NativeDebugLine) {
        peer = line.peer
        self.line = line.line
    }
}
