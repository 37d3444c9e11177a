package dev.psfs

import dev.psfs.ffi.NativeResponder
import dev.psfs.ffi.NativeSource

/** What a packet is. */
public enum class PacketType(internal val number: Int) {
    /** To one peer, in order. */
    MESSAGE(1),

    /** To everybody under the rendezvous. */
    BROADCAST(2),

    /** A question to every connected peer. */
    SEEK(3),

    /** A question to one peer. */
    REQUEST(4),
}

/** A packet that came in. A REQUEST, SEEK or BROADCAST can be answered, as long as its handler runs. */
public class Message internal constructor(
    private val source: NativeSource,
    private val number: Long,
    /** What it is. */
    public val type: PacketType,
    /** The namespace it was sent to. */
    public val namespace: String,
    /** Who made it: proved, never claimed. */
    public val peer: String,
    /** When it was made, by its author's clock, in ms since 1970. */
    public val timestampMillis: Long,
    /** What was sent. */
    public val content: ByteArray,
    private var answerable: Boolean,
) {
    /** The same as text. */
    public val text: String get() = content.decodeToString()

    /** Whether the asker no longer wants replies. */
    public val isCancelled: Boolean get() = source.isCancelled(number)

    /** Sends one reply and leaves the request open for more. Waits for the asker's credit. */
    public suspend fun reply(content: ByteArray) {
        Native.run { id -> lend(content) { source.reply(id, number, it) } }
    }

    /** The same of a text. */
    public suspend fun reply(text: String): Unit = reply(text.encodeToByteArray())

    /** Ends the request well. A handler that returns does that by itself. */
    public fun end() {
        native { source.end(number) }
        answerable = false
    }

    /** Ends the request with an error at the asker: a positive code of your own, and a text. */
    public fun fail(code: Int, text: String) {
        native { source.fail(number, code, text) }
        answerable = false
    }

    /** The right to answer after the handler has returned. The request is open until that is used or closed. */
    public fun defer(): Responder {
        val responder = native { source.takeResponder(number) }
        answerable = false
        return Responder(responder)
    }

    /** The handler has returned ([error] null) or thrown. What it ended itself stays as it is; the sender's credit is given back. */
    internal fun handled(error: Throwable?) {
        if (number == 0L) return
        if (error == null) return source.done(number)
        if (answerable) {
            // Refused only while a reply is under way that the handler did not wait for: that request ends with the release.
            runCatching {
                if (error is Fail) fail(error.code, error.text) else fail(0, error.message ?: error.javaClass.name)
            }
        }
        source.release(number)
    }

    override fun toString(): String = "Message($type $namespace from $peer, ${content.size} bytes)"
}

/** The right to answer one request, later and from anywhere. Closed without an answer, it ends the request with an error. */
public class Responder internal constructor(private val responder: NativeResponder) : AutoCloseable {
    /** Whether the asker no longer wants replies. */
    public val isCancelled: Boolean get() = responder.isCancelled()

    /** Sends one reply and leaves the request open for more. Waits for the asker's credit. */
    public suspend fun reply(content: ByteArray) {
        Native.run { id -> lend(content) { responder.reply(id, it) } }
    }

    /** The same of a text. */
    public suspend fun reply(text: String): Unit = reply(text.encodeToByteArray())

    /** Ends the request well. */
    public fun end(): Unit = native { responder.end() }

    /** Ends the request with an error at the asker: a positive code of your own, and a text. */
    public fun fail(code: Int, text: String): Unit = native { responder.fail(code, text) }

    override fun close(): Unit = responder.destroy()
}

/** One reply. */
public class Reply internal constructor(
    /** Who answered. */
    public val peer: String,
    /** When it was made, by its author's clock, in ms since 1970. */
    public val timestampMillis: Long,
    /** What was answered. */
    public val content: ByteArray,
) {
    /** The same as text. */
    public val text: String get() = content.decodeToString()

    override fun toString(): String = "Reply(from $peer, ${content.size} bytes)"
}
