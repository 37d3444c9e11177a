package dev.psfs

import dev.psfs.ffi.Batch
import dev.psfs.ffi.NativeSource
import java.util.logging.Level
import java.util.logging.Logger
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.ThreadContextElement
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.sync.Semaphore

/** A registered handler. It stays registered until this is cancelled or the satellite shut down. */
public class Subscription internal constructor(
    private val satellite: Satellite,
    private val type: PacketType,
    private val namespace: String,
    private val source: NativeSource,
    private val concurrency: Int,
    private val handler: suspend (Message) -> Unit,
) : AutoCloseable {
    @Volatile
    private var stopped = false

    /** Also between the items of one batch. */
    private val isOpen: Boolean get() = !stopped && !satellite.isEnding

    /** No further call begins; one that runs goes on to its end. */
    public fun cancel() {
        stopped = true
        source.stop()
    }

    override fun close(): Unit = cancel()

    /** Calls the handler with what comes, until there is nothing more. */
    internal suspend fun serve() {
        try {
            if (concurrency == 1) {
                forEach { message -> one(message) }
            } else {
                val free = Semaphore(concurrency)
                supervisorScope {
                    forEach { message ->
                        free.acquire()
                        launch { one(message) }.invokeOnCompletion { free.release() }
                    }
                }
            }
        } finally {
            source.finish()
        }
    }

    private suspend inline fun forEach(handle: (Message) -> Unit) {
        while (isOpen) {
            val batch = source.nextBatch() as? Batch.Packed ?: return
            val packed = Packed(batch.bytes)
            while (isOpen && packed.advance()) {
                handle(packed.message(source, type, namespace))
            }
        }
    }

    private suspend fun one(message: Message) {
        try {
            handler(message)
            message.handled(null)
        } catch (thrown: CancellationException) {
            message.handled(thrown)
            // One of the handler's own (a timeout inside it) ends its call; the satellite's ends all of them.
            if (!currentCoroutineContext().isActive) throw thrown
            report(thrown)
        } catch (thrown: Throwable) {
            message.handled(thrown)
            if (thrown !is Fail) report(thrown)
        }
    }

    /** To whom the application named, else to its log: never to a thread's end. */
    private suspend fun report(thrown: Throwable) {
        val context = currentCoroutineContext()
        val known = context[CoroutineExceptionHandler]
        if (known != null) {
            known.handleException(context, thrown)
        } else {
            log.log(Level.WARNING, "the handler of $type \"$namespace\" failed", thrown)
        }
    }

    private companion object {
        val log: Logger = Logger.getLogger("dev.psfs")
    }
}

internal fun Packed.message(source: NativeSource, type: PacketType, namespace: String): Message =
    Message(source, number, type, namespace, peer, timestampMillis, content, answerable)

/** Marks the coroutines in which handlers of a satellite run, and the threads while they do: what is called there must not wait for them. */
internal class Handling(val satellite: Satellite) :
    AbstractCoroutineContextElement(Key),
    ThreadContextElement<Satellite?> {
    override fun updateThreadContext(context: CoroutineContext): Satellite? = here.get().also { here.set(satellite) }

    override fun restoreThreadContext(context: CoroutineContext, oldState: Satellite?) = here.set(oldState)

    companion object Key : CoroutineContext.Key<Handling> {
        private val here = ThreadLocal<Satellite?>()

        /** Whether a handler of this satellite runs on this thread. */
        fun isIn(satellite: Satellite): Boolean = here.get() === satellite
    }
}
