package dev.psfs

import com.sun.jna.Pointer
import dev.psfs.ffi.Batch
import dev.psfs.ffi.NativeSource
import dev.psfs.ffi.Outcome
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val ANSWERABLE = 1
private const val KEPT = 2

/** How many items cross at once. */
private const val BATCH = 256

/** Reads a batch of packets or replies item by item; its form is in the head of bindings/uniffi/src/lib.rs. */
internal class Packed(bytes: ByteArray) {
    private val buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
    private val peers = Array(buffer.getInt()) { String(take(buffer.getInt()), Charsets.UTF_8) }
    private var left = buffer.getInt()

    var number = 0L
        private set
    var timestampMillis = 0L
        private set
    var peer = ""
        private set
    var content = EMPTY
        private set
    var answerable = false
        private set

    val hasMore: Boolean get() = left > 0

    /** To the next item; false after the last. */
    fun advance(): Boolean {
        if (left == 0) return false
        left -= 1
        number = buffer.getLong()
        timestampMillis = buffer.getLong()
        val address = buffer.getLong()
        peer = peers[buffer.getInt()]
        val flags = buffer.getInt()
        val length = buffer.getInt()
        answerable = flags and ANSWERABLE != 0
        // Large contents are copied when their turn comes: until then their sender's credit is not given back.
        content = if (flags and KEPT != 0) Pointer(address).getByteArray(0, length) else take(length)
        return true
    }

    private fun take(length: Int): ByteArray = if (length == 0) EMPTY else ByteArray(length).also(buffer::get)

    private companion object {
        val EMPTY = ByteArray(0)
    }
}

/** The next batch; [Batch.End] is the end. */
internal suspend fun NativeSource.nextBatch(): Batch {
    val outcome = Native.call { id -> next(id, BATCH)?.let { Outcome.Items(it) } }
    return (outcome as Outcome.Items).batch
}

/** Ends a source and all that it keeps. */
internal fun NativeSource.finish() {
    stop()
    releaseAll()
}
