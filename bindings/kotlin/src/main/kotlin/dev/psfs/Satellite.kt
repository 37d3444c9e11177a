package dev.psfs

import dev.psfs.ffi.Batch
import dev.psfs.ffi.NativeOptions
import dev.psfs.ffi.NativeSatellite
import dev.psfs.ffi.NativeSource
import dev.psfs.ffi.Outcome
import dev.psfs.testing.Faults
import java.io.File
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull

/** What rarely has to be set; null is the default of the library. */
public data class Limits(
    /** Largest content in bytes, sent or taken. Default 16 MiB. */
    val content: Long? = null,
    /** Bytes of messages a peer may have on the way to handlers here. Default 1 MiB. */
    val messageWindow: Long? = null,
    /** Bytes of replies on the way to one request here. Default 1 MiB. */
    val replyWindow: Long? = null,
    /** Requests one peer may have open here. Default 1024. */
    val openRequests: Long? = null,
    /** Events one subscription holds before broadcasts and seeks are dropped. Default 4096. */
    val queue: Long? = null,
    /** Bytes of contents held in all. Default 256 MiB. */
    val memory: Long? = null,
    /** Between how many sessions the satellite keeps by itself. Default 8 to 32. */
    val peers: IntRange? = null,
    /** Connections in all, with [connectionsPerIp]. Default 256. */
    val connections: Long? = null,
    /** And from one IP address. Default 16. */
    val connectionsPerIp: Long? = null,
    /** Threads of the satellite's own. Default 2. */
    val workerThreads: Long? = null,
    /** Silence after which a peer is asked for a sign of life, with [pingTimeout]. Default 15 s. */
    val pingInterval: Duration? = null,
    /** And how long that may take. Default 10 s. */
    val pingTimeout: Duration? = null,
    /** Largest value in bytes that is stored, fetched or kept in the DHT. Default 5 MB. */
    val maxItemSize: Long? = null,
    /** Bytes of values kept for the DHT in all. Default 500 MB. */
    val maxStorageSize: Long? = null,
)

/**
 * A program's place in a network: it finds the others under a rendezvous, keeps sessions with them and exchanges packets.
 *
 * Made, it does not run yet, so that handlers registered before [start] miss nothing. It ends with [shutdown], or [close] where nothing
 * can be suspended. Every function may be called from any thread, also in a handler; a coroutine that is cancelled while it waits here
 * cancels what it waits for.
 *
 * Making one blocks for a disk access, and for about 0.1 s where a key is made.
 */
public class Satellite(
    rendezvous: String,
    /** Only who knows it is let in: long and random. */
    secret: ByteArray? = null,
    /** Addresses at which the network may be met, beside the local network. */
    bootstrap: List<String> = emptyList(),
    /** Addresses to listen on: `IP:PORT`, `:PORT` or multiaddresses. Every interface, if none is named. */
    listen: List<String> = emptyList(),
    /** A folder of this satellite's own, for its key and the addresses of peers. Nothing touches the disk without one. */
    dataDir: File? = null,
    /** The key itself. */
    identity: Identity? = null,
    /** Or a file with it, made when it does not exist. */
    keyFile: File? = null,
    /** Opens, or protects, the key file. */
    passphrase: String? = null,
    /** Once there is one, no other peer gets a session. */
    allow: List<String> = emptyList(),
    /** Peers that get none. */
    deny: List<String> = emptyList(),
    /** How packets are signed. */
    signing: Signing = Signing.EVERY,
    /** Whether satellites on the local network are found by mDNS. */
    mdns: Boolean = true,
    /** What it is to the others in the DHT, until [Dht.role] is set. */
    dhtRole: Role = Role.NODE,
    /** What rarely has to be set. */
    limits: Limits = Limits(),
    /** For tests: what is wrong with the connections. */
    faults: Faults? = null,
    /** Where handlers run: a dispatcher, and a parent job or exception handler if you like. */
    context: CoroutineContext = Dispatchers.Default,
) : AutoCloseable {
    private val raw: NativeSatellite = native {
        NativeSatellite(
            Native.hub,
            NativeOptions(
                rendezvous = rendezvous,
                secret = secret,
                bootstrap = bootstrap,
                listen = listen,
                dataDir = dataDir?.path,
                identity = identity?.raw,
                keyFile = keyFile?.path,
                passphrase = passphrase,
                allow = allow,
                deny = deny,
                signing = signing.toNative(),
                mdns = mdns,
                contentLimit = limits.content,
                messageWindow = limits.messageWindow,
                replyWindow = limits.replyWindow,
                openRequests = limits.openRequests,
                queueLimit = limits.queue,
                memoryLimit = limits.memory,
                peersLow = limits.peers?.first?.toLong(),
                peersHigh = limits.peers?.last?.toLong(),
                connections = limits.connections,
                connectionsPerIp = limits.connectionsPerIp,
                workerThreads = limits.workerThreads,
                pingIntervalMs = limits.pingInterval?.toNative(),
                pingTimeoutMs = limits.pingTimeout?.toNative(),
                dhtRole = dhtRole.toNative(),
                maxItemSize = limits.maxItemSize,
                maxStorageSize = limits.maxStorageSize,
                faults = faults?.raw,
            ),
        )
    }

    private val handlers = SupervisorJob(context[Job])
    private val scope = CoroutineScope(context + handlers + Handling(this))

    /** No further call of a handler begins. */
    @Volatile
    internal var isEnding: Boolean = false
        private set

    /** The id others know it by. */
    public val peerId: String = raw.peerId()

    /** The DHT of its network. */
    public val dht: Dht = Dht(this, raw.dht())

    /** What it shares, gets, and keeps for others. */
    public val files: Files = Files(this, raw.files())

    /** The id with a suffix that people can compare: `Qm…:words`. */
    public val fingerprint: String get() = raw.fingerprint()

    /** The rendezvous it was made for. */
    public val rendezvous: String get() = raw.rendezvous()

    /** Largest content in bytes that it sends or takes. */
    public val contentLimit: Long get() = raw.contentLimit()

    /** Whether it was started and not shut down. */
    public val isRunning: Boolean get() = raw.isRunning()

    /** Whether it was paused and not resumed. */
    public val isPaused: Boolean get() = raw.isPaused()

    /** Where it listens: what another satellite takes as bootstrap. Empty before the start. */
    public val addresses: List<String> get() = raw.addresses()

    /** Everybody met, connected ones among them. */
    public val peers: List<Peer> get() = raw.peers().map(::Peer)

    /** How many sessions are open. */
    public val connectedCount: Int get() = raw.connectedCount()

    /** What was counted so far, by name. */
    public val stats: Map<String, Long> get() = raw.stats()

    /** Its key as PEM text, protected if a passphrase is given. */
    public fun keyPem(passphrase: String? = null): String = native { raw.keyPem(passphrase) }

    /** Runs it. Returns when all its addresses are known. */
    public suspend fun start(): Satellite {
        Native.run { id -> raw.start(id) }
        return this
    }

    /**
     * Ends it: what was accepted is delivered, peers are told, calls that wait end with [PsfsException.Closed], flows end, and handlers that
     * run are cancelled. May be called again. In a handler it only begins, and does not cancel it.
     *
     * Throws [PsfsException.Timeout] when a handler still runs by then, because it blocks.
     */
    public suspend fun shutdown(timeout: Duration = 10.seconds) {
        isEnding = true
        if (currentCoroutineContext()[Handling]?.satellite === this) return begin()
        val began = TimeSource.Monotonic.markNow()
        Native.run { id -> raw.shutdown(id, timeout.toNative()) }
        val running = handlers.children.toList()
        handlers.cancel()
        val ended = running.all { it.isCompleted } ||
            withTimeoutOrNull(timeout - began.elapsedNow()) { running.joinAll() } != null
        if (!ended) throw PsfsException.timeout("a handler still runs after $timeout")
    }

    /** [shutdown] for where nothing can be suspended: blocks for up to 5 s, in a handler not at all. Never throws. */
    override fun close() {
        isEnding = true
        if (Handling.isIn(this)) return begin()
        runCatching { runBlocking { shutdown(5.seconds) } }
    }

    private fun begin() {
        raw.beginShutdown()
        // Ends when the last handler has, of which this is one.
        handlers.complete()
    }

    /** Returns when the satellite has ended, by whomever. */
    public suspend fun ended() {
        Native.run { id -> raw.ended(id) }
    }

    /** Returns when sessions with at least so many peers are open. */
    public suspend fun waitConnected(peers: Int = 1, timeout: Duration = 30.seconds) {
        Native.run { id -> raw.waitConnected(id, peers.toLong(), timeout.toNative()) }
    }

    /** Connects to an address and waits for the session, which is kept alive from then on. Gives the peer's id. */
    public suspend fun connect(address: String, timeout: Duration = 30.seconds): String {
        val outcome = Native.run { id -> raw.connect(id, address, timeout.toNative()) }
        return (outcome as Outcome.Text).text
    }

    /** Ends the session with a peer, once it has what was accepted for it. */
    public suspend fun disconnect(peer: String) {
        Native.run { id -> raw.disconnect(id, peer) }
    }

    /**
     * The app goes to the background: sessions end, sockets are closed, and nothing is dialled or timed until [resume]. Handlers, flows and all that
     * is known of peers stay. Returns when the network is left, in 4 s at most. Meanwhile calls that need a session wait for the resume within
     * their time, and broadcasts and seeks fail as NO_PEERS.
     */
    public suspend fun pause() {
        Native.run { id -> raw.pause(id) }
    }

    /**
     * The app is back: listens again and dials whom it knows at once; sessions follow ([waitConnected]). Throws ADDRESS_IN_USE or IO when an address
     * cannot be listened on: it is resumed all the same, and this may be called again.
     */
    public suspend fun resume() {
        Native.run { id -> raw.resume(id) }
    }

    /**
     * The network has changed, as the system says (on Android a `ConnectivityManager.NetworkCallback`): sessions that do not show within 3 s that they
     * still stand end and are dialled anew, and so is whoever could not be reached. Does nothing while paused.
     */
    public suspend fun networkChanged() {
        Native.run { id -> raw.networkChanged(id) }
    }

    /**
     * Sends a message to one peer. Returns when it is accepted within the peer's credit, or if [confirmed] when the peer's satellite has
     * taken it in. Messages to one peer arrive in order.
     */
    public suspend fun send(
        peer: String,
        namespace: String,
        content: ByteArray,
        confirmed: Boolean = false,
        timeout: Duration = 30.seconds,
    ) {
        Native.run { id -> lend(content) { raw.send(id, peer, namespace, it, confirmed, timeout.toNative()) } }
    }

    /** The same of a text. */
    public suspend fun send(
        peer: String,
        namespace: String,
        text: String,
        confirmed: Boolean = false,
        timeout: Duration = 30.seconds,
    ): Unit = send(peer, namespace, text.encodeToByteArray(), confirmed, timeout)

    /**
     * Sends several messages to one peer, in order: the way to send hundreds of thousands a second, as a call into the library costs
     * some µs. Returns when the last is accepted; when it throws or is cancelled, the first ones may have been.
     */
    public suspend fun sendAll(
        peer: String,
        namespace: String,
        contents: Iterable<ByteArray>,
        timeout: Duration = 30.seconds,
    ) {
        val batch = mutableListOf<ByteArray>()
        var size = 0
        suspend fun flush() {
            Native.run { id -> lend(batch) { raw.sendAll(id, peer, namespace, it, timeout.toNative()) } }
            batch.clear()
            size = 0
        }
        for (content in contents) {
            if (size + 4 + content.size > SCRATCH && size > 0) flush()
            batch += content
            size += 4 + content.size
        }
        if (size > 0) flush()
    }

    /** Sends to everybody under the rendezvous, each once. At most 60 KiB. */
    public suspend fun broadcast(namespace: String, content: ByteArray, lifetime: Duration = 30.seconds) {
        Native.run { id -> lend(content) { raw.broadcast(id, namespace, it, lifetime.toNative()) } }
    }

    /** The same of a text. */
    public suspend fun broadcast(namespace: String, text: String, lifetime: Duration = 30.seconds): Unit =
        broadcast(namespace, text.encodeToByteArray(), lifetime)

    /**
     * Asks one peer. The flow is cold: each time it is collected, the peer is asked. It ends with the peer's end of the request, or
     * throws; leaving it early (`first()`, `take(3)`, a cancelled coroutine) cancels the request.
     */
    public fun request(
        peer: String,
        namespace: String,
        content: ByteArray = ByteArray(0),
        timeout: Duration = 30.seconds,
        maxReplies: Long? = null,
        window: Long? = null,
    ): Flow<Reply> = replies {
        lend(content) { raw.request(peer, namespace, it, timeout.toNative(), maxReplies, window) }
    }

    /** The same of a text. */
    public fun request(
        peer: String,
        namespace: String,
        text: String,
        timeout: Duration = 30.seconds,
        maxReplies: Long? = null,
        window: Long? = null,
    ): Flow<Reply> = request(peer, namespace, text.encodeToByteArray(), timeout, maxReplies, window)

    /** Asks every connected peer. The flow ends when all have answered, or well at the timeout. */
    public fun seek(
        namespace: String,
        content: ByteArray = ByteArray(0),
        timeout: Duration = 30.seconds,
        maxReplies: Long? = null,
    ): Flow<Reply> = replies {
        lend(content) { raw.seek(namespace, it, timeout.toNative(), maxReplies) }
    }

    /** Asks whoever hears a broadcast. The flow ends well at the timeout. */
    public fun broadcastRequest(
        namespace: String,
        content: ByteArray = ByteArray(0),
        lifetime: Duration = 30.seconds,
        timeout: Duration = 30.seconds,
        maxReplies: Long? = null,
    ): Flow<Reply> = replies {
        lend(content) { raw.broadcastRequest(namespace, it, lifetime.toNative(), timeout.toNative(), maxReplies) }
    }

    /**
     * Calls [handler] with every packet of this type and namespace, in order of arrival: one call after another, or up to [concurrency] at
     * once. One that suspends or blocks for long slows its senders and nothing else.
     *
     * When the handler of a request returns, the request ends; what it throws ends it with an error at the asker ([Fail] says which).
     */
    public fun on(
        type: PacketType,
        namespace: String,
        concurrency: Int = 1,
        handler: suspend (Message) -> Unit,
    ): Subscription = serve(concurrency, { raw.subscribe(type.number, namespace) }) { Messages(it, type, namespace, handler) }

    /** Registers a handler of what a source has. */
    internal fun serve(concurrency: Int, open: () -> NativeSource, handled: (NativeSource) -> Handled<*>): Subscription {
        if (concurrency < 1) throw PsfsException.badInput("concurrency is $concurrency: give 1 or more")
        val source = native(open)
        val subscription = Subscription(this, source, concurrency, handled(source))
        scope.launch { subscription.serve() }
        return subscription
    }

    /**
     * The same as a flow, from the moment it is collected on. What is not collected slows its senders (MESSAGE, REQUEST) or is dropped and
     * counted (BROADCAST, SEEK). Whoever collects requests ends each himself.
     */
    public fun events(type: PacketType, namespace: String): Flow<Message> = flow {
        val source = native { raw.subscribe(type.number, namespace) }
        try {
            while (true) {
                val batch = source.nextBatch() as? Batch.Packed ?: break
                val packed = Packed(batch.bytes)
                while (packed.advance()) {
                    val message = packed.message(source, type, namespace)
                    emit(message)
                    // What can be answered is whoever's who collects, until he ends it or the flow ends.
                    if (!packed.answerable) message.handled(null)
                }
            }
        } finally {
            source.finish()
        }
    }

    /** What happens to peers, from the moment it is collected on. Ends with the satellite. */
    public fun peerEvents(): Flow<PeerEvent> = flow {
        val source = native { raw.peerEvents() }
        try {
            while (true) {
                val batch = source.nextBatch() as? Batch.Peers ?: break
                batch.events.forEach { emit(it.known()) }
            }
        } finally {
            source.destroy()
        }
    }

    private fun replies(ask: () -> NativeSource): Flow<Reply> = flow {
        val source = native(ask)
        try {
            do {
                val batch = source.nextBatch() as? Batch.Packed ?: break
                val packed = Packed(batch.bytes)
                while (packed.advance()) {
                    emit(Reply(packed.peer, packed.timestampMillis, packed.content))
                    // Its place in the window of replies.
                    if (packed.number != 0L) source.release(packed.number)
                }
            } while (!batch.over)
        } finally {
            source.destroy()
        }
    }

    override fun toString(): String = "Satellite($rendezvous, $peerId)"
}
