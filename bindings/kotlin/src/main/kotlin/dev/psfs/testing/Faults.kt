package dev.psfs.testing

import dev.psfs.ffi.NativeFaults
import dev.psfs.Native
import dev.psfs.native
import dev.psfs.toNative
import kotlin.time.Duration

/** For tests: what is wrong with the connections between the satellites that are given it. Peers are named by their ids. */
public class Faults(seed: Long = 0) {
    internal val raw: NativeFaults

    init {
        Native.hub
        raw = NativeFaults(seed.toULong())
    }

    /** Cuts the connections between two peers, and refuses new ones. */
    public fun partition(a: String, b: String): Unit = native { raw.partition(a, b) }

    /** Makes the line between two peers slow: time one way, lost packets of 1, bytes a second (0: no limit). */
    public fun slow(a: String, b: String, latency: Duration = Duration.ZERO, loss: Double = 0.0, bytesPerSecond: Long = 0): Unit =
        native { raw.slow(a, b, latency.toNative(), loss, bytesPerSecond.toULong()) }

    /** Takes all faults between two peers away. */
    public fun heal(a: String, b: String): Unit = native { raw.heal(a, b) }

    /** Takes all faults away. */
    public fun healAll(): Unit = raw.healAll()
}
