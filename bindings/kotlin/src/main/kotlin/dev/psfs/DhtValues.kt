package dev.psfs

import dev.psfs.ffi.NativeCustomAnswer
import dev.psfs.ffi.NativeDebugLine
import dev.psfs.ffi.NativeHop
import dev.psfs.ffi.NativeOffer
import dev.psfs.ffi.NativeOpened
import dev.psfs.ffi.NativeReason
import dev.psfs.ffi.NativeRole
import dev.psfs.ffi.NativeRoutingRow
import dev.psfs.ffi.NativeSealed
import dev.psfs.ffi.NativeStoreAnswer
import dev.psfs.ffi.NativeStoreOutcome
import dev.psfs.ffi.NativeStored
import dev.psfs.ffi.NativeTrace
import dev.psfs.ffi.NativeValue
import dev.psfs.ffi.NativeValueKind
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds

/** What a satellite is to the others in the DHT. */
public enum class Role {
    /** It keeps what it is near to. */
    NODE,

    /** It keeps all it hears of. */
    MIRROR,

    /** It keeps and tells nothing: a phone. */
    CLIENT;

    internal fun toNative(): NativeRole = when (this) {
        NODE -> NativeRole.NODE
        MIRROR -> NativeRole.MIRROR
        CLIENT -> NativeRole.CLIENT
    }

    internal companion object {
        fun of(role: NativeRole): Role = when (role) {
            NativeRole.NODE -> NODE
            NativeRole.MIRROR -> MIRROR
            NativeRole.CLIENT -> CLIENT
        }
    }
}

/** What proves a value. */
public enum class ValueKind {
    /** Its key. */
    PLAIN,

    /** Nothing. */
    RAW,

    /** Its publisher's signature. */
    SIGNED;

    internal companion object {
        fun of(kind: NativeValueKind): ValueKind = when (kind) {
            NativeValueKind.PLAIN -> PLAIN
            NativeValueKind.RAW -> RAW
            NativeValueKind.SIGNED -> SIGNED
        }
    }
}

/** What one node did about a value. */
public class StoreAnswer internal constructor(answer: NativeStoreAnswer) {
    /** What a node does. */
    public enum class Outcome {
        /** It keeps it from now on. */
        KEPT,

        /** It had it already, and goes on keeping it. */
        HAD,

        /** It does not want it: [reason] and [text] say why. */
        REFUSED,

        /** It did not answer, or not well: [text] says what went wrong. */
        FAILED,
    }

    /** Why a node does not keep a value. */
    public enum class Reason {
        /** Its application decided so. */
        POLICY,

        /** A budget is used up: of the publisher, of its network, or in all. */
        QUOTA,

        /** Larger than what it takes. */
        TOO_LARGE,

        /** It knows enough nodes that are nearer. */
        TOO_FAR,

        /** It has seen the asker lie, or fail too often. */
        BLACKLISTED,

        /** Too much at once: it can be tried again. */
        BUSY,

        /** The value is not what its key, signature or size says. */
        INVALID,

        /** It has a newer one, another one, or one with another sequence than was to be replaced. */
        CONFLICT,
    }

    /** Which node; this satellite may be one of them. */
    public val peer: String = answer.peer

    /** What it did. */
    public val outcome: Outcome = when (answer.outcome) {
        NativeStoreOutcome.KEPT -> Outcome.KEPT
        NativeStoreOutcome.HAD -> Outcome.HAD
        NativeStoreOutcome.REFUSED -> Outcome.REFUSED
        NativeStoreOutcome.FAILED -> Outcome.FAILED
    }

    /** Whether it keeps it from now on. */
    public val keeps: Boolean get() = outcome == Outcome.KEPT || outcome == Outcome.HAD

    /** Why it refused; null if it did not. */
    public val reason: Reason? = when (answer.reason) {
        NativeReason.POLICY -> Reason.POLICY
        NativeReason.QUOTA -> Reason.QUOTA
        NativeReason.TOO_LARGE -> Reason.TOO_LARGE
        NativeReason.TOO_FAR -> Reason.TOO_FAR
        NativeReason.BLACKLISTED -> Reason.BLACKLISTED
        NativeReason.BUSY -> Reason.BUSY
        NativeReason.INVALID -> Reason.INVALID
        NativeReason.CONFLICT -> Reason.CONFLICT
        null -> null
    }

    /** In its words, or what went wrong; empty if it keeps it. */
    public val text: String = answer.text

    override fun toString(): String = "StoreAnswer($peer $outcome ${reason ?: ""} $text)"
}

/** What became of a value that was stored or deleted. */
public class Stored internal constructor(stored: NativeStored) {
    /** Where it is. */
    public val key: String = stored.key

    /** Its number, of a signed value; 0 otherwise. */
    public val sequence: ULong = stored.sequence

    /** What each node answered that was asked, the nearest to the key first. */
    public val answers: List<StoreAnswer> = stored.answers.map(::StoreAnswer)

    /** Who stored it for this satellite, which reached too few nodes itself: then the answers are what that node says. Null: nobody. */
    public val proxy: String? = stored.proxy

    /** How many nodes keep it (or deleted it), those that had it already among them. */
    public val nodes: Int get() = answers.count { it.keeps }

    override fun toString(): String = "Stored($key at $nodes of ${answers.size} nodes)"
}

/** A value that was fetched, and checked as far as its kind allows. */
public class Value internal constructor(value: NativeValue) {
    /** Where it is. */
    public val key: String = value.key

    /** What proves it. */
    public val kind: ValueKind = ValueKind.of(value.kind)

    /** Who stored it. Proved for signed values only. */
    public val publisher: String = value.publisher

    /** Its number, of a signed value; 0 otherwise. */
    public val sequence: ULong = value.sequence

    /** When it is forgotten unless it is stored again, in ms since 1970. */
    public val expiresMillis: Long = value.expiresMs

    /** Its content. */
    public val content: ByteArray = value.content

    /** The same as text. */
    public val text: String get() = content.decodeToString()

    /** Whether its publisher has deleted it: only a watch tells of such ones, and they have no content. */
    public val isDeleted: Boolean get() = content.isEmpty()

    internal val sealed: NativeSealed? = value.sealed

    override fun toString(): String = "Value($kind $key, ${content.size} bytes)"
}

/** What was sealed for this satellite. */
public class Opened internal constructor(opened: NativeOpened) {
    /** The content. */
    public val content: ByteArray = opened.content

    /** The same as text. */
    public val text: String get() = content.decodeToString()

    /** Who is said to have sealed it. */
    public val sender: String = opened.sender

    /** Whether that is proved: by the signature of a signed value. */
    public val isProved: Boolean = opened.proved

    override fun toString(): String = "Opened(from $sender, ${content.size} bytes)"
}

/** A value that somebody would like this satellite to keep. */
public class Offer internal constructor(offer: NativeOffer) {
    internal val number: Long = offer.number

    /** Where it would be kept. */
    public val key: String = offer.key

    /** What proves it. */
    public val kind: ValueKind = ValueKind.of(offer.kind)

    /** Bytes of its content. */
    public val size: Long = offer.size

    /** Who stored it. Proved for signed values only. */
    public val publisher: String = offer.publisher

    /** Who offers it: proved. */
    public val peer: String = offer.peer

    /** When it is to be forgotten, in ms since 1970. */
    public val expiresMillis: Long = offer.expiresMs

    /** Its content; null while a larger value is only announced. */
    public val content: ByteArray? = offer.content

    override fun toString(): String = "Offer($kind $key, $size bytes from $peer)"
}

/** What is said of an [Offer]. */
public sealed interface Decision {
    /** It is kept, if it fits. */
    public data object Keep : Decision

    /** It is not; the text is told to who offers it, its first 256 bytes. */
    public data class Refuse(val text: String) : Decision
}

/** What a node answered to a command. */
public class CustomAnswer internal constructor(answer: NativeCustomAnswer) {
    /** Which node. */
    public val peer: String = answer.peer

    /** Its answers. */
    public val answers: List<ByteArray> = answer.answers

    /** The same as texts. */
    public val texts: List<String> get() = answers.map { it.decodeToString() }

    /** Why there are none; null if it answered. */
    public val error: PsfsException? = answer.failure?.let(PsfsException::of)

    override fun toString(): String = "CustomAnswer($peer ${error ?: "${answers.size} answers"})"
}

/** One question on the way to a key. */
public class Hop internal constructor(hop: NativeHop) {
    /** Who was asked. */
    public val peer: String = hop.peer

    /** How many told of each other before it: 1 for those this satellite knew. */
    public val depth: Int = hop.depth

    /** Which of the separate ways it is on, from 0. */
    public val path: Int = hop.path

    /** How many bits its place has in common with the key. */
    public val commonBits: Int = hop.commonBits

    /** How long it took to answer; null: it was not waited for. */
    public val took: Duration? = hop.tookUs?.microseconds

    /** What it answered, for people. */
    public val outcome: String = hop.outcome

    override fun toString(): String = "Hop($depth of way $path: $peer $outcome)"
}

/** A walk to a key, question by question. */
public class Trace internal constructor(trace: NativeTrace) {
    /** Where it went. */
    public val key: String = trace.key

    /** In the order in which they were asked. */
    public val hops: List<Hop> = trace.hops.map(::Hop)

    /** Who has the value; this satellite may be one of them. */
    public val holders: List<String> = trace.holders

    /** The nearest nodes that answered, the nearest first. */
    public val closest: List<String> = trace.closest

    override fun toString(): String = "Trace($key, ${hops.size} hops, ${holders.size} holders)"
}

/** A node that this satellite knows. */
public class RoutingRow internal constructor(row: NativeRoutingRow) {
    /** How many bits its place has in common with this satellite's. */
    public val bucket: Int = row.bucket

    /** Who. */
    public val peer: String = row.peer

    /** `proved` (it was heard itself), `met` (others told of it), `failing`, or `spare` (there was no room). */
    public val state: String = row.state

    /** How long ago it was last heard, or heard of. */
    public val unseen: Duration = row.unseenUs.microseconds

    override fun toString(): String = "RoutingRow($bucket $peer $state)"
}

/** One line of what nodes say of themselves. */
public class DebugLine internal constructor(line: NativeDebugLine) {
    /** Which node says it. */
    public val peer: String = line.peer

    /** What, for people. */
    public val line: String = line.line

    override fun toString(): String = "DebugLine($peer: $line)"
}
