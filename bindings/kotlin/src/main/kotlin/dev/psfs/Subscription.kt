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
    private val source: NativeSource,
    private val concurrency: Int,
    private val handled: Handled<*>,
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
    internal suspend fun serve(): Unit = serve(handled)

    private suspend fun <T> serve(handled: Handled<T>) {
        try {
            if (concurrency == 1) {
                forEach(handled) { item -> one(handled, item) }
            } else {
                val free = Semaphore(concurrency)
                supervisorScope {
                    forEach(handled) { item ->
                        free.acquire()
                        launch { one(handled, item) }.invokeOnCompletion { free.release() }
                    }
                }
            }
        } finally {
            source.finish()
        }
    }

    private suspend inline fun <T> forEach(handled: Handled<T>, handle: (T) -> Unit) {
        while (isOpen) {
            val items = handled.read(source.nextBatch()) ?: return
            while (isOpen && items.hasNext()) handle(items.next())
        }
    }

    private suspend fun <T> one(handled: Handled<T>, item: T) {
        try {
            handled.handle(item)
        } catch (thrown: CancellationException) {
            handled.failed(item, thrown)
            // One of the handler's own (a timeout inside it) ends its call; the satellite's ends all of them.
            if (!currentCoroutineContext().isActive) throw thrown
            report(thrown)
        } catch (thrown: Throwable) {
            handled.failed(item, thrown)
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
            log.log(Level.WARNING, "the handler of ${handled.what} failed", thrown)
        }
    }

    private companion object {
        val log: Logger = Logger.getLogger("dev.psfs")
    }
}

/** What comes to a handler, and what becomes of it. */
internal interface Handled<T> {
    /** Of what, for people. */
    val what: String

    /** The items of a batch; null is the end. */
    fun read(batch: Batch): Iterator<T>?

    /** Calls the handler, and does what follows its end. */
    suspend fun handle(item: T)

    /** It has thrown. */
    fun failed(item: T, thrown: Throwable)
}

/** Packets: when their handler returns, what can be answered ends. */
internal class Messages(
    private val source: NativeSource,
    private val type: PacketType,
    private val namespace: String,
    private val handler: suspend (Message) -> Unit,
) : Handled<Message> {
    override val what: String get() = "$type \"$namespace\""

    override fun read(batch: Batch): Iterator<Message>? {
        if (batch !is Batch.Packed) return null
        val packed = Packed(batch.bytes)
        return object : Iterator<Message> {
            override fun hasNext(): Boolean = packed.hasMore

            override fun next(): Message {
                packed.advance()
                return packed.message(source, type, namespace)
            }
        }
    }

    override suspend fun handle(item: Message) {
        handler(item)
        item.handled(null)
    }

    override fun failed(item: Message, thrown: Throwable) = item.handled(thrown)
}

/** Offers: what their handler returns is told to who made them. */
internal class Offers(
    private val source: NativeSource,
    private val handler: suspend (Offer) -> Decision,
) : Handled<Offer> {
    override val what: String get() = "onStore"

    override fun read(batch: Batch): Iterator<Offer>? = (batch as? Batch.Offers)?.offers?.map(::Offer)?.iterator()

    override suspend fun handle(item: Offer) = when (val decision = handler(item)) {
        Decision.Keep -> source.decide(item.number, null)
        is Decision.Refuse -> source.decide(item.number, decision.text)
    }

    override fun failed(item: Offer, thrown: Throwable) =
        source.decide(item.number, (thrown as? Fail)?.text ?: thrown.message ?: thrown.javaClass.name)
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
