package dev.psfs

import com.sun.jna.Memory
import dev.psfs.ffi.Hub
import dev.psfs.ffi.NativeException
import dev.psfs.ffi.Outcome
import dev.psfs.ffi.uniffiEnsureInitialized
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.suspendCancellableCoroutine

/**
 * The one place where coroutines and the native half meet.
 *
 * The library never calls the JVM. One daemon thread for the process waits in the hub for calls that have ended, hundreds at a time if there
 * are, and resumes who waits for them; a dispatcher takes it from there. So network threads stay out of the JVM, and a JVM that exits
 * waits for nobody.
 */
internal object Native {
    private val numbers = AtomicLong()
    private val waiting = ConcurrentHashMap<Long, CancellableContinuation<Outcome>>()
    private val loaded: Result<Hub> = runCatching {
        uniffiEnsureInitialized()
        Hub().also { hub -> thread(name = "psfs-hub", isDaemon = true) { resumeForever(hub) } }
    }

    /** Throws what went wrong each time, not only the first one. */
    val hub: Hub
        get() = loaded.getOrElse { cause ->
            throw LinkageError(
                "the native library psfs_uniffi is missing for this platform or of another version than dev.psfs: use the one in the jar, " +
                    "or build both from one source (scripts/uniffi kotlin)",
                cause,
            )
        }

    private fun resumeForever(hub: Hub) {
        while (true) {
            for (ended in hub.completions()) {
                waiting.remove(ended.id)?.resume(ended.outcome)
            }
        }
    }

    /** A call that may have to wait. [begin] gives its outcome, or null and the hub does later. Cancelling it cancels the call. */
    suspend fun call(begin: (Long) -> Outcome?): Outcome {
        val outcome = suspendCancellableCoroutine { continuation ->
            val id = numbers.incrementAndGet()
            // Known before the call begins: it may have ended elsewhere by the time that returns.
            waiting[id] = continuation
            continuation.invokeOnCancellation {
                waiting.remove(id)
                hub.cancel(id)
            }
            val now = try {
                begin(id)
            } catch (thrown: Throwable) {
                waiting.remove(id)
                continuation.resumeWithException(if (thrown is NativeException) thrown.known() else thrown)
                return@suspendCancellableCoroutine
            }
            if (now != null) {
                waiting.remove(id)
                continuation.resume(now)
            } else if (!continuation.isActive) {
                // Cancelled before it began: then nobody has dropped it yet.
                hub.cancel(id)
            }
        }
        if (outcome is Outcome.Failed) throw PsfsException.of(outcome.failure)
        return outcome
    }

    /** The same of a call that says true when it is over at once. */
    suspend fun run(begin: (Long) -> Boolean): Outcome = call { id -> if (begin(id)) Outcome.Done else null }
}

/** Up to this size a thread's own buffer is lent; larger ones are made for the call. */
internal const val SCRATCH = 64 * 1024

internal val scratch: ThreadLocal<ByteBuffer> =
    ThreadLocal.withInitial { ByteBuffer.allocateDirect(SCRATCH).order(ByteOrder.LITTLE_ENDIAN) }

/** Lends bytes to the native half, for the time of one call. */
internal inline fun <T> lend(content: ByteArray, use: (ByteBuffer) -> T): T =
    lend(content.size, { it.put(content) }, use)

/** The same of several contents: for each its length, little-endian, and its bytes. */
internal inline fun <T> lend(contents: List<ByteArray>, use: (ByteBuffer) -> T): T =
    lend(contents.sumOf { 4 + it.size }, { buffer -> contents.forEach { buffer.putInt(it.size).put(it) } }, use)

internal inline fun <T> lend(size: Int, fill: (ByteBuffer) -> Unit, use: (ByteBuffer) -> T): T {
    if (size <= SCRATCH) {
        val buffer = scratch.get()
        buffer.clear()
        fill(buffer)
        buffer.flip()
        return use(buffer)
    }
    return Memory(size.toLong()).use { memory ->
        val buffer = memory.getByteBuffer(0, size.toLong()).order(ByteOrder.LITTLE_ENDIAN)
        fill(buffer)
        buffer.flip()
        use(buffer)
    }
}

/** For the native half: the longest there is means for ever, and nothing but zero is rounded to zero. */
internal fun Duration.toNative(): Long = when {
    this > Duration.ZERO && this < 1.milliseconds -> 1
    this < Duration.ZERO -> -1
    else -> inWholeMilliseconds
}
