package dev.psfs

import dev.psfs.ffi.Batch
import dev.psfs.ffi.NativeDht
import dev.psfs.ffi.NativeSigned
import dev.psfs.ffi.NativeSource
import dev.psfs.ffi.Outcome
import dev.psfs.ffi.nativeKeyOfContent
import dev.psfs.ffi.nativeKeyOfName
import dev.psfs.ffi.nativeKeyOfSigned
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

private val DAY = 1.days

/** Of what applications ask nodes and tell all of them. */
private const val CUSTOM = "psfs.dht.custom"

/** The key of a content: SHA-256 of it. */
public fun keyOfContent(content: ByteArray): String {
    Native.hub
    return lend(content) { nativeKeyOfContent(it) }
}

/** The same of a text. */
public fun keyOfContent(text: String): String = keyOfContent(text.encodeToByteArray())

/** The key of a name. */
public fun keyOfName(name: String): String {
    Native.hub
    return nativeKeyOfName(name)
}

/** The key of what a peer signs under a salt. */
public fun keyOfSigned(publisher: String, salt: ByteArray = ByteArray(0)): String {
    Native.hub
    return native { lend(salt) { nativeKeyOfSigned(publisher, it) } }
}

/**
 * The DHT of a satellite's network: [Satellite.dht].
 *
 * Keys are 64 hexadecimal digits. `lifetime` is how long nodes keep a value: 1 s to 30 days, a day if nothing is said. `timeout` is how long
 * the call may take. All calls throw [PsfsException.Closed] unless the satellite runs, [PsfsException.PeerUnreachable] (NO_PEERS) while
 * nobody is connected, [PsfsException.Timeout], and [PsfsException.BadInput] for arguments.
 */
public class Dht internal constructor(private val satellite: Satellite, private val raw: NativeDht) {
    private suspend fun stored(begin: (Long) -> Boolean): Stored = Stored((Native.run(begin) as Outcome.Stored).stored)

    private suspend fun fetched(begin: (Long) -> Boolean): Value = Value((Native.run(begin) as Outcome.Value).value)

    /**
     * Stores a value under the hash of its content: whoever fetches it can check it.
     *
     * Throws [PsfsException.Refused] when no node keeps it, with each one's reason, and [PsfsException.BadInput] when it is empty or larger
     * than [maxItemSize].
     */
    public suspend fun store(content: ByteArray, lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        stored { id -> lend(content) { raw.store(id, it, lifetime.toNative(), timeout.toNative()) } }

    /** The same of a text. */
    public suspend fun store(text: String, lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        store(text.encodeToByteArray(), lifetime, timeout)

    /**
     * Stores a value under a key of your choice. Nothing proves such a value: the first who stores there has the key for as long as it
     * lasts, unless the nodes' applications decide otherwise, and keys that are not spread evenly load a few nodes with all of it.
     *
     * Throws what [store] does, and [PsfsException.Refused] (CONFLICT) when another has the key.
     */
    public suspend fun storeAt(
        key: String,
        content: ByteArray,
        lifetime: Duration = DAY,
        timeout: Duration = 30.seconds,
    ): Stored = stored { id -> lend(content) { raw.storeAt(id, key, it, lifetime.toNative(), timeout.toNative()) } }

    /** The same of a text. */
    public suspend fun storeAt(key: String, text: String, lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        storeAt(key, text.encodeToByteArray(), lifetime, timeout)

    /** Stores a value under a name, with the warning of [storeAt]; throws the same. */
    public suspend fun storeNamed(
        name: String,
        content: ByteArray,
        lifetime: Duration = DAY,
        timeout: Duration = 30.seconds,
    ): Stored = stored { id -> lend(content) { raw.storeNamed(id, name, it, lifetime.toNative(), timeout.toNative()) } }

    /** The same of a text. */
    public suspend fun storeNamed(name: String, text: String, lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        storeNamed(name, text.encodeToByteArray(), lifetime, timeout)

    /**
     * Stores a value that only this satellite can store and replace, under [keyOfSigned] of its id and the salt (up to 64 bytes).
     *
     * [sequence] is its number, of which the highest wins: by default one more than the highest that is found. [ifSequence] stores only
     * where the value to be replaced has this number (0: where there is none). [sealedFor] names the peer that alone can read it ([open]).
     * Throws what [store] does; [PsfsException.Refused] (CONFLICT) when there is a newer one, or not the one that was to be replaced; and
     * [PsfsException.NotFound] when the public key of [sealedFor] cannot be had.
     */
    public suspend fun storeSigned(
        content: ByteArray,
        salt: ByteArray = ByteArray(0),
        sequence: ULong? = null,
        ifSequence: ULong? = null,
        sealedFor: String? = null,
        lifetime: Duration = DAY,
        timeout: Duration = 30.seconds,
    ): Stored = stored { id ->
        val how = NativeSigned(salt, sequence, ifSequence, sealedFor, lifetime.toNative(), timeout.toNative())
        lend(content) { raw.storeSigned(id, it, how) }
    }

    /** The same of a text. */
    public suspend fun storeSigned(
        text: String,
        salt: ByteArray = ByteArray(0),
        sequence: ULong? = null,
        ifSequence: ULong? = null,
        sealedFor: String? = null,
        lifetime: Duration = DAY,
        timeout: Duration = 30.seconds,
    ): Stored = storeSigned(text.encodeToByteArray(), salt, sequence, ifSequence, sealedFor, lifetime, timeout)

    /**
     * Stores a value that only [peer] can read ([open]), under the hash of what it is sealed into: tell it the key.
     *
     * Throws what [store] does, and [PsfsException.NotFound] when there is no session with the peer and it has not published its key.
     */
    public suspend fun storeSealed(
        peer: String,
        content: ByteArray,
        lifetime: Duration = DAY,
        timeout: Duration = 30.seconds,
    ): Stored = stored { id -> lend(content) { raw.storeSealed(id, peer, it, lifetime.toNative(), timeout.toNative()) } }

    /** The same of a text. */
    public suspend fun storeSealed(peer: String, text: String, lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        storeSealed(peer, text.encodeToByteArray(), lifetime, timeout)

    /** Publishes this satellite's public key, so that others can seal values for it while it is away. As [storeSigned]. */
    public suspend fun publishKey(lifetime: Duration = DAY, timeout: Duration = 30.seconds): Stored =
        stored { id -> raw.publishKey(id, lifetime.toNative(), timeout.toNative()) }

    /**
     * Deletes what this satellite stored. Of a signed value its number stays, so that no older one comes back.
     *
     * Tells how many nodes did; throws [PsfsException.NotFound] when there is none, and [PsfsException.Refused] when no node did.
     */
    public suspend fun delete(key: String, timeout: Duration = 30.seconds): Stored =
        stored { id -> raw.delete(id, key, timeout.toNative()) }

    /** Fetches a value. Throws [PsfsException.NotFound] when none of the nodes near the key has it. */
    public suspend fun fetch(key: String, timeout: Duration = 30.seconds): Value =
        fetched { id -> raw.fetch(id, key, timeout.toNative()) }

    /** Fetches what was stored under a name. Nothing proves it: what most nodes near its key have is taken. As [fetch]. */
    public suspend fun fetchNamed(name: String, timeout: Duration = 30.seconds): Value =
        fetched { id -> raw.fetchNamed(id, name, timeout.toNative()) }

    /** Fetches the newest value that a peer has signed under a salt. As [fetch]. */
    public suspend fun fetchSigned(publisher: String, salt: ByteArray = ByteArray(0), timeout: Duration = 30.seconds): Value =
        fetched { id -> raw.fetchSigned(id, publisher, salt, timeout.toNative()) }

    /** Opens a value that was sealed for this satellite. Throws [PsfsException.BadInput] when it is not sealed, for somebody else, or not as it was sealed. */
    public suspend fun open(value: Value): Opened =
        Opened((Native.run { id -> raw.open(id, value.sealed) } as Outcome.Opened).opened)

    /** A signed value ([keyOfSigned]) from the moment this is collected on: what it is, then each change. Ends with the satellite. */
    public fun watch(key: String): Flow<Value> = each({ raw.watch(key) }) { batch ->
        (batch as? Batch.Values)?.values?.map(::Value)
    }

    /**
     * Asks [handler] about every value that somebody would like this satellite to keep, itself among them: once when it is announced, without
     * its content unless it is small, and once more with it. What it throws is reported and refuses, too. After 5 s without a word the
     * value is refused as by a busy node. It runs as those of [Satellite.on]; one that waits for a store of its own, which asks it again,
     * needs [concurrency]. One handler at a time: a later one takes its place. Without any, everything is kept that fits.
     */
    public fun onStore(concurrency: Int = 1, handler: suspend (Offer) -> Decision): Subscription =
        satellite.serve(concurrency, { raw.offers() }) { source -> Offers(source, handler) }

    /** How many values this satellite keeps for the network. Reads its store. */
    public val storedKeys: Long get() = native { raw.storedKeys() }

    /** How many bytes they have. Reads its store. */
    public val storageSize: Long get() = native { raw.storageSize() }

    /** The keys of up to [most] values kept here, in order, from the one after [after] on. Reads its store. */
    public fun keys(after: String? = null, most: Long = 1000): List<String> = native { raw.keys(after, most) }

    /** Largest value in bytes that it stores, fetches or keeps. */
    public val maxItemSize: Long get() = raw.maxItemSize()

    /** What this satellite is to the others. It changes at once; what it keeps stays until it expires. */
    public var role: Role
        get() = Role.of(raw.role())
        set(role) = raw.setRole(role.toNative())

    /**
     * Whether others may have this satellite store and fetch for them, within a budget for each. Default: no. Who is a [Role.CLIENT] asks those it
     * has a session with where it cannot reach the nodes itself.
     */
    public fun permitProxy(permitted: Boolean = true): Unit = raw.permitProxy(permitted)

    /** Waits until a node has answered this satellite, so that there is somebody to store at and to fetch from: at once, where one has. */
    public suspend fun joined(timeout: Duration = 30.seconds) {
        Native.run { id -> raw.joined(id, timeout.toNative()) }
    }

    /**
     * Sends a command to one peer (its id), to the nodes nearest to a key (64 digits), or to those nearest to this one (null), and waits
     * until each has answered or failed.
     */
    public suspend fun custom(to: String?, content: ByteArray = ByteArray(0), timeout: Duration = 30.seconds): List<CustomAnswer> {
        val outcome = Native.run { id -> lend(content) { raw.custom(id, to, it, timeout.toNative()) } }
        return (outcome as Outcome.Answers).answers.map(::CustomAnswer)
    }

    /** The same of a text. */
    public suspend fun custom(to: String?, text: String, timeout: Duration = 30.seconds): List<CustomAnswer> =
        custom(to, text.encodeToByteArray(), timeout)

    /** Calls [handler] with every command that comes; it answers as that of a REQUEST does ([Satellite.on]). */
    public fun onCustom(concurrency: Int = 1, handler: suspend (Message) -> Unit): Subscription =
        satellite.serve(concurrency, { raw.commands() }) { Messages(it, PacketType.REQUEST, CUSTOM, handler) }

    /** Tells all nodes of the network: at most 60 KiB, each gets it once. */
    public suspend fun broadcast(content: ByteArray) {
        Native.run { id -> lend(content) { raw.broadcast(id, it) } }
    }

    /** The same of a text. */
    public suspend fun broadcast(text: String): Unit = broadcast(text.encodeToByteArray())

    /** Calls [handler] with what others tell all nodes. */
    public fun onBroadcast(concurrency: Int = 1, handler: suspend (Message) -> Unit): Subscription =
        satellite.serve(concurrency, { raw.broadcasts() }) { Messages(it, PacketType.BROADCAST, CUSTOM, handler) }

    /** Whom this satellite knows. */
    public fun routingTable(): List<RoutingRow> = raw.routingTable().map(::RoutingRow)

    /** Walks to a key on all ways and tells each question and its answer. */
    public suspend fun trace(key: String, timeout: Duration = 30.seconds): Trace =
        Trace((Native.run { id -> raw.trace(id, key, timeout.toNative()) } as Outcome.Trace).trace)

    /** Whether others may follow what this node does: whom it meets, and which keys it keeps, refuses and is asked for. Default: no. */
    public fun permitDebug(permitted: Boolean = true): Unit = raw.permitDebug(permitted)

    /** What all nodes that permit it say of themselves, later ones, too, from the moment this is collected on. */
    public fun debug(): Flow<DebugLine> = each({ raw.debug() }) { batch -> (batch as? Batch.Lines)?.lines?.map(::DebugLine) }

    private fun <T> each(open: () -> NativeSource, read: (Batch) -> List<T>?): Flow<T> = flow {
        val source = native(open)
        try {
            while (true) {
                val items = read(source.nextBatch()) ?: break
                items.forEach { emit(it) }
            }
        } finally {
            source.destroy()
        }
    }

    override fun toString(): String = "Dht(of $satellite)"
}
