package dev.psfs

import dev.psfs.ffi.NativeException
import dev.psfs.ffi.NativeFailure
import dev.psfs.ffi.NativeKind
import dev.psfs.ffi.nativeFailure

/**
 * Something failed. Its class says what a program may want to tell apart, [code] names the exact kind (the same names in every
 * language), [hint] says what to do next.
 */
public sealed class PsfsException private constructor(failure: NativeFailure) : Exception(failure.text) {
    /** The kind: `TIMEOUT`, `BAD_ADDRESS`. */
    public val code: String = failure.name

    /** Its number, never renumbered. */
    public val number: Int = failure.code

    /** What to do next, in one sentence. */
    public val hint: String = failure.hint

    /** The time given was over first. */
    public class Timeout internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** The peer cannot be reached, the session with it ended, or nobody is connected. */
    public class PeerUnreachable internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** The peer refuses, or a limit of open things is reached. */
    public class Refused internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** The peer was never met, it serves no such namespace, or no node has such a value. */
    public class NotFound internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** The satellite is not running, or the operation was cancelled. */
    public class Closed internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** An argument is outside what is allowed; the message names it. */
    public class BadInput internal constructor(failure: NativeFailure) : PsfsException(failure)

    /** The handler at the peer failed. */
    public class RemoteError internal constructor(failure: NativeFailure) : PsfsException(failure) {
        /** Its own positive code, or the library's. */
        public val remoteCode: Int = failure.remoteCode

        /** What it said. */
        public val remoteText: String = failure.remoteText
    }

    /** Anything else; see [code]. */
    public class Other internal constructor(failure: NativeFailure) : PsfsException(failure)

    internal companion object {
        fun of(failure: NativeFailure): PsfsException = when (failure.kind) {
            NativeKind.TIMEOUT -> Timeout(failure)
            NativeKind.PEER_UNREACHABLE -> PeerUnreachable(failure)
            NativeKind.REFUSED -> Refused(failure)
            NativeKind.NOT_FOUND -> NotFound(failure)
            NativeKind.CLOSED -> Closed(failure)
            NativeKind.BAD_INPUT -> BadInput(failure)
            NativeKind.REMOTE -> RemoteError(failure)
            NativeKind.OTHER -> Other(failure)
        }

        fun badInput(text: String): PsfsException = of(nativeFailure(-2, text))

        fun timeout(text: String): PsfsException = of(nativeFailure(-7, text))
    }
}

/** Thrown by the handler of a request: ends it with a positive code of your own and a text at the asker. */
public class Fail(
    /** What the asker finds as [PsfsException.RemoteError.remoteCode]. */
    public val code: Int,
    /** What it finds as [PsfsException.RemoteError.remoteText]. */
    public val text: String,
) : Exception("$code: $text")

/** Calls the native half; what it throws is told as people know it. */
internal inline fun <T> native(call: () -> T): T = try {
    call()
} catch (thrown: NativeException) {
    throw thrown.known()
}

internal fun NativeException.known(): PsfsException = when (this) {
    is NativeException.Failed -> PsfsException.of(failure)
}
