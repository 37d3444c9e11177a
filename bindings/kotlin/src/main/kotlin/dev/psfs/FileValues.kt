package dev.psfs

import dev.psfs.ffi.NativeFile
import dev.psfs.ffi.NativeFileInfo
import dev.psfs.ffi.NativeOp
import dev.psfs.ffi.NativeProgress
import dev.psfs.ffi.NativeQuota
import dev.psfs.ffi.NativeTicket
import dev.psfs.ffi.nativeTicket
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds

/** A file or folder that is shared. */
public class Shared internal constructor(file: NativeFile) {
    /** Its id: 64 hexadecimal digits. Of a folder that of the list of its files. */
    public val root: String = file.root

    /** Its bytes; of a folder those of all its files. */
    public val size: Long = file.size

    /** Where it is. */
    public val path: File = File(file.path)

    /** Whether it is a folder. */
    public val isFolder: Boolean = file.isFolder

    override fun toString(): String = "Shared($root $path)"
}

/** A file or folder that has come, or is kept elsewhere now. */
public class Received internal constructor(file: NativeFile) {
    /** Its id: 64 hexadecimal digits. */
    public val root: String = file.root

    /** Its bytes. */
    public val size: Long = file.size

    /** Where it is. */
    public val path: File = File(file.path)

    /** Whether it is a folder. */
    public val isFolder: Boolean = file.isFolder

    override fun toString(): String = "Received($root $path)"
}

/**
 * All that is needed to get a file or folder. Nothing in it is proved before the file comes; whoever has its [text] may use it.
 *
 * Throws [PsfsException.BadInput] for a text that is none: mistyped, cut off, or of a newer version.
 */
public class Ticket private constructor(ticket: NativeTicket) {
    public constructor(text: String) : this(read(text))

    /** What can be pasted. */
    public val text: String = ticket.text

    /** The id of the file, or of the folder's list: 64 hexadecimal digits. */
    public val root: String = ticket.root

    /** Whether it is a folder. */
    public val isFolder: Boolean = ticket.isFolder

    /** Bytes in all, as its issuer says. */
    public val size: Long = ticket.size

    /** What it is called, as its issuer says: one part of a path, without folders. */
    public val name: String? = ticket.name

    /** Who has it: a peer id. */
    public val issuer: String = ticket.issuer

    /** Where that is: multiaddresses. */
    public val addresses: List<String> = ticket.addresses

    /** The name under which to meet. */
    public val rendezvous: String = ticket.rendezvous

    /** Whether that network has a secret, which is not in the ticket. */
    public val needsSecret: Boolean = ticket.needsSecret

    /** Until when it holds, in ms since 1970; null if it gives no right, as what is shared with everybody needs none. */
    public val expiresMillis: Long? = ticket.expiresMs

    override fun equals(other: Any?): Boolean = other is Ticket && other.text == text

    override fun hashCode(): Int = text.hashCode()

    /** Without the right that is in it. */
    override fun toString(): String = "Ticket($root, $size bytes)"

    internal companion object {
        fun of(ticket: NativeTicket) = Ticket(ticket)

        private fun read(text: String): NativeTicket {
            Native.hub
            return native { nativeTicket(text) }
        }
    }
}

/** How far a [Transfer] is. */
public class Progress internal constructor(progress: NativeProgress) {
    /** Bytes that were checked and written, now and earlier. */
    public val bytes: Long = progress.bytes

    /** Bytes in all; 0 while that is not known. */
    public val size: Long = progress.size

    /** Bytes a second, of late. */
    public val rate: Long = progress.rate

    /** How many are asked at the moment. */
    public val sources: Int = progress.sources

    /** How long the rest takes at this rate; null if that cannot be said. */
    public val timeLeft: Duration? = progress.timeLeftUs?.microseconds

    override fun toString(): String = "Progress($bytes of $size bytes, $rate a second from $sources)"
}

/** A file or folder that somebody has. */
public class FileInfo internal constructor(info: NativeFileInfo) {
    /** Its id: 64 hexadecimal digits. Of a folder that of the list of its files. */
    public val root: String = info.root

    /** Its bytes; of a folder those of all its files. */
    public val size: Long = info.size

    /** Whether it is a folder. */
    public val isFolder: Boolean = info.isFolder

    /** What its owner calls it. */
    public val name: String = info.name

    /** Its owner's tags, in the order of their bytes. */
    public val tags: List<String> = info.tags

    /** Its SHA-256, 64 hexadecimal digits, if it was computed. */
    public val sha256: String? = info.sha256

    /** Since when it is its owner's, in ms since 1970. */
    public val addedMillis: Long = info.addedMs

    /** Where it is, if it is here and still what it was, so that others can get it. Null for a file at another satellite. */
    public val path: File? = info.path?.let(::File)

    override fun toString(): String = "FileInfo($root \"$name\", $size bytes)"
}

/** What an owner may keep here, and has. */
public class Quota internal constructor(quota: NativeQuota) {
    /** Whose. */
    public val owner: String = quota.owner

    /** In bytes; null for no limit. */
    public val limit: Long? = quota.limit

    /** Bytes of files that others had kept here for the owner. What is shared where it lies costs nothing. */
    public val used: Long = quota.used

    /** Bytes reserved for uploads that are under way. */
    public val reserved: Long = quota.reserved

    /** How many files, also those that cost nothing. */
    public val files: Long = quota.files

    /** How many uploads are under way. */
    public val uploads: Long = quota.uploads

    override fun toString(): String = "Quota(\"$owner\": $used ${limit?.let { "of $it bytes" } ?: "bytes, no limit"})"
}

/** What a token allows. */
public enum class Op {
    /** Getting files. */
    READ,

    /** Having files kept. */
    WRITE,

    /** Removing them. */
    DELETE,

    /** Finding them. */
    LIST;

    internal fun toNative(): NativeOp = when (this) {
        READ -> NativeOp.READ
        WRITE -> NativeOp.WRITE
        DELETE -> NativeOp.DELETE
        LIST -> NativeOp.LIST
    }
}
