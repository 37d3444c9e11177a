package dev.psfs

import dev.psfs.ffi.Batch
import dev.psfs.ffi.NativeFile
import dev.psfs.ffi.NativeFiles
import dev.psfs.ffi.NativeGet
import dev.psfs.ffi.NativeKeep
import dev.psfs.ffi.NativePut
import dev.psfs.ffi.NativeQuery
import dev.psfs.ffi.NativeShare
import dev.psfs.ffi.NativeToken
import dev.psfs.ffi.NativeTransfer
import dev.psfs.ffi.Outcome
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.isActive

private const val GIB = 1L shl 30

/**
 * A file or folder on its way: [progress] tells how far it is, [received] what came. Either throws what goes wrong.
 *
 * It goes on by itself. A coroutine that is cancelled while it waits for either cancels it, as [cancel] does. What came is kept: the same
 * call goes on from there.
 */
public class Transfer internal constructor(
    /** It lives as long as this. */
    private val satellite: Satellite,
    private val raw: NativeTransfer,
) : AutoCloseable {
    /**
     * How far it is, from the newest word on: who takes slowly is told fewer. Ends with the transfer; leaving it early (`first()`, `take(3)`) does
     * not cancel that.
     */
    public val progress: Flow<Progress> = flow {
        val source = raw.progress()
        try {
            while (true) {
                val batch = source.nextBatch() as? Batch.Progress ?: break
                emit(Progress(batch.progress))
            }
        } catch (thrown: CancellationException) {
            // Who has seen enough leaves by one as well.
            if (!currentCoroutineContext().isActive) cancel()
            throw thrown
        } finally {
            source.destroy()
        }
    }

    /** Its end, however often it is asked for. */
    public suspend fun received(): Received = Received(end())

    internal suspend fun end(): NativeFile = try {
        (Native.run { id -> raw.received(id) } as Outcome.File).file
    } catch (thrown: CancellationException) {
        cancel()
        throw thrown
    }

    /** Ends it: who waits for it gets [PsfsException.Closed] (CANCELLED). */
    public fun cancel(): Unit = raw.cancel()

    /** As [cancel]. */
    override fun close(): Unit = cancel()

    override fun toString(): String = "Transfer(of $satellite)"
}

/**
 * The files of a satellite: [Satellite.files].
 *
 * Roots, the ids of files, are 64 hexadecimal digits: BLAKE3, as `b3sum` computes it. Owners, tags and names have 1 to 255 bytes without control
 * characters; the owner who is meant if none is named is this satellite itself, by its peer id. All calls throw [PsfsException.Closed] unless the
 * satellite runs, and [PsfsException.BadInput] for arguments.
 */
public class Files internal constructor(private val satellite: Satellite, private val raw: NativeFiles) {
    private fun transfer(begin: () -> NativeTransfer) = Transfer(satellite, native(begin))

    // Sharing and getting.

    /**
     * Shares a file, or a folder with all in it, where it lies, until [remove]: it is hashed once and not copied. What is changed while it
     * is shared is not given any more. With a `dataDir` it is shared again after a restart, unless it was changed meanwhile.
     *
     * Everybody of the network who knows its root may get it, or, [onlyWithTicket], who has a ticket. Up to 64 [tags] are what it is found
     * by, and so is its SHA-256 if that is to be computed, too. [progress] is called with the bytes that were hashed so far. Throws
     * [PsfsException.Refused] (CONFLICT) when it is written to meanwhile.
     */
    public suspend fun share(
        path: File,
        onlyWithTicket: Boolean = false,
        owner: String? = null,
        tags: List<String> = emptyList(),
        sha256: Boolean = false,
        progress: ((Long) -> Unit)? = null,
    ): Shared = transfer { raw.share(path.path, NativeShare(onlyWithTicket, owner, tags, sha256)) }.use { sharing ->
        if (progress != null) sharing.progress.collect { progress(it.bytes) }
        Shared(sharing.end())
    }

    /** All that is given to others at the moment, whosever it is, in the order of the roots. What is somebody's, with tags, says [find]. */
    public fun shared(): List<Shared> = raw.shared().map(::Shared)

    /** What is here under this root, whosever it is, if it can be given to others. */
    public fun here(root: String): Shared? = native { raw.here(root) }?.let(::Shared)

    /**
     * Bytes of a file that is here, whosever it is, checked as those that are sent to others: from [offset] to the end of its MiB or of the
     * file. None at its end.
     *
     * Throws [PsfsException.NotFound] when it is not here, or a folder, and [PsfsException.Refused] (CONFLICT) when it is not what it was any more.
     */
    public suspend fun read(root: String, offset: Long = 0): ByteArray =
        (Native.run { id -> raw.read(id, root, offset) } as Outcome.Content).content

    /**
     * A ticket for what this satellite shares; its [Ticket.text] can be pasted.
     *
     * Of what is shared `onlyWithTicket` it holds for [lifetime] (30 days if nothing is said), for so many [bytes] in all, by whomever they are
     * got, and for one peer if [holder] names it. Throws [PsfsException.NotFound] when it is not shared, and [PsfsException.BadInput] for limits
     * of what everybody may get.
     */
    public fun ticket(root: String, lifetime: Duration? = null, bytes: Long? = null, holder: String? = null): Ticket =
        Ticket.of(native { raw.ticket(root, lifetime?.toNative(), bytes, holder) })

    /**
     * Gets a file or folder to [destination]: in pieces, from all who have it, each checked before it is written. If it was begun before, also
     * by another process or from others, it goes on from there. It has its name once it is whole.
     *
     * [wanted] is a ticket's text, or a root, of a folder if [folder] says so. [sources] are peers who have it, as far as is known, and
     * [addresses] where they are; more are found through the network. [token] is the right to it, where a ticket has none. [patience] is how long
     * nobody may be there who has it; not [durable] leaves it to the system when it is on the disk.
     *
     * Throws [PsfsException.PeerUnreachable] (NO_PEERS) when nobody has it, [PsfsException.Refused] when who has it does not give it (CONFLICT:
     * another file is at the destination; BUSY: something else is getting one there), and [PsfsException.Other] (IO) when the disk is full.
     */
    public fun get(
        wanted: String,
        destination: File,
        folder: Boolean = false,
        sources: List<String> = emptyList(),
        addresses: List<String> = emptyList(),
        token: String? = null,
        patience: Duration = 1.minutes,
        durable: Boolean = true,
    ): Transfer = transfer {
        val how = NativeGet(folder, sources, addresses, token, patience.toNative(), durable)
        raw.get(wanted, destination.path, how)
    }

    /** The same by a ticket, which says who has what. */
    public fun get(wanted: Ticket, destination: File, patience: Duration = 1.minutes, durable: Boolean = true): Transfer =
        get(wanted.text, destination, patience = patience, durable = durable)

    // What is here, and whose.

    /**
     * What is here of an owner: by tag, name, root or SHA-256 (64 hexadecimal digits), or all of it, in the order of the roots.
     *
     * At most 1,000 come at once; [after] is the last root of the page before, and nothing comes at the end alone.
     */
    public suspend fun find(
        tag: String? = null,
        name: String? = null,
        root: String? = null,
        sha256: String? = null,
        owner: String? = null,
        after: String? = null,
        most: Long = 100,
    ): List<FileInfo> = found { id -> raw.find(id, NativeQuery(tag, name, root, sha256, owner, after, most)) }

    /** The tags of an owner that follow [after], in the order of their bytes. */
    public suspend fun tags(owner: String? = null, after: String? = null, most: Long = 1000): List<String> =
        (Native.run { id -> raw.tags(id, owner, after, most) } as Outcome.Texts).texts

    /** Gives a file of an owner a tag, up to 64 a file; one that it has already is no error. Throws [PsfsException.NotFound] when there is no such file. */
    public suspend fun tag(root: String, tag: String, owner: String? = null) {
        Native.run { id -> raw.tag(id, root, tag, owner) }
    }

    /** Takes a tag away. Whether the file had it. */
    public suspend fun untag(root: String, tag: String, owner: String? = null): Boolean = truth { id -> raw.untag(id, root, tag, owner) }

    /**
     * A file is no more an owner's. What has no owner left is not shared any more; a copy that was kept for the owner is removed from the
     * disk, a file that is shared where it lies stays. Whether it was the owner's.
     */
    public suspend fun remove(root: String, owner: String? = null): Boolean = truth { id -> raw.remove(id, root, owner) }

    // For others.

    /**
     * Keeps files for others from now on: for whoever has a [token]. To be called after each start; called again, it changes what holds
     * for what comes then.
     *
     * [quota] is how many bytes each owner may keep that has no limit of its own ([setQuota]): 1 GiB if nothing is said, null for no limit.
     * [largest] is the largest file that is taken. They lie in [folder], or in the `dataDir`. An upload that stands still is given up after
     * [lifetime]. For tests of clients, [faulty] lets a part of what is asked (0 to 1) fail on purpose, the same one with the same [seed].
     */
    public suspend fun keep(
        quota: Long? = GIB,
        largest: Long? = null,
        folder: File? = null,
        lifetime: Duration = 1.days,
        faulty: Double = 0.0,
        seed: Long = 0,
    ) {
        val how = NativeKeep(quota, largest, folder?.path, lifetime.toNative(), faulty, seed.toULong())
        Native.run { id -> raw.keep(id, how) }
    }

    /**
     * A token for what is kept here: who has it may do [ops] with files of the owner, with one file if [root] names it or all, for so many
     * [bytes] up and down together, and as one peer if [holder] names it. It is a JWT (RS256) by this satellite's key, which holds here and
     * nowhere else, and cannot be taken back before its end.
     */
    public fun token(
        owner: String,
        ops: Collection<Op> = Op.entries,
        root: String? = null,
        bytes: Long? = null,
        lifetime: Duration = 1.days,
        holder: String? = null,
    ): String = native { raw.token(owner, NativeToken(ops.map(Op::toNative), root, bytes, lifetime.toNative(), holder)) }

    /** Gives an owner a limit of its own, in bytes, or takes it away (null): then that of [keep] holds. What there is stays, also when it is more. */
    public suspend fun setQuota(owner: String, limit: Long?) {
        Native.run { id -> raw.setQuota(id, owner, limit) }
    }

    /** What an owner may keep here, and has. */
    public suspend fun quota(owner: String): Quota = quotas { id -> raw.quota(id, owner) }.single()

    /** The same of all owners that follow [after], in the order of their names. */
    public suspend fun quotas(after: String? = null, most: Long = 1000): List<Quota> = quotas { id -> raw.quotas(id, after, most) }

    // At another satellite.

    /**
     * Has a file or folder kept by another satellite, which gets it from here. It goes on by itself when the connection breaks or the server
     * is started again; the same call later goes on as well. At its end the file is on the server's disk and belongs to the owner that the
     * token (by the server's [token]) names, under [name] and [tags].
     *
     * [addresses] are where the server is, if it was not met yet; [patience] is how long it may be away, or too busy. Throws
     * [PsfsException.Refused] when the token gives no right to it, or the quota no room; [PsfsException.BadInput] (TOO_LARGE);
     * [PsfsException.PeerUnreachable].
     */
    public fun put(
        server: String,
        path: File,
        token: String,
        name: String? = null,
        tags: List<String> = emptyList(),
        addresses: List<String> = emptyList(),
        patience: Duration = 1.minutes,
    ): Transfer = transfer { raw.put(server, path.path, token, NativePut(name, tags, addresses, patience.toNative())) }

    /**
     * What another satellite keeps of the owner that a token names. As [find]; throws [PsfsException.Refused] when the token gives no right to
     * it, and [PsfsException.PeerUnreachable].
     */
    public suspend fun remoteFind(
        server: String,
        token: String,
        tag: String? = null,
        name: String? = null,
        root: String? = null,
        sha256: String? = null,
        after: String? = null,
        most: Long = 100,
    ): List<FileInfo> =
        found { id -> raw.remoteFind(id, server, token, NativeQuery(tag, name, root, sha256, null, after, most)) }

    /** Removes a file that another satellite keeps for the owner that a token names. Whether it was there. Throws as [remoteFind]. */
    public suspend fun remoteRemove(server: String, token: String, root: String): Boolean =
        truth { id -> raw.remoteRemove(id, server, token, root) }

    private suspend fun found(begin: (Long) -> Boolean): List<FileInfo> = (Native.run(begin) as Outcome.Found).files.map(::FileInfo)

    private suspend fun truth(begin: (Long) -> Boolean): Boolean = (Native.run(begin) as Outcome.Truth).so

    private suspend fun quotas(begin: (Long) -> Boolean): List<Quota> = (Native.run(begin) as Outcome.Quotas).quotas.map(::Quota)

    override fun toString(): String = "Files(of $satellite)"
}
