package dev.psfs

import dev.psfs.testing.Faults
import java.util.UUID
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout

/** Keys are made once: each costs a tenth of a second. */
private val keys = List(9) { lazy { Identity.generate() } }

internal fun satellite(
    rendezvous: String,
    key: Int,
    bootstrap: List<String> = emptyList(),
    faults: Faults? = null,
    dhtRole: Role = Role.NODE,
    limits: Limits = Limits(),
    context: CoroutineContext = Dispatchers.Default,
) = Satellite(
    rendezvous,
    bootstrap = bootstrap,
    listen = listOf("127.0.0.1:0"),
    identity = keys[key].value,
    mdns = false,
    faults = faults,
    dhtRole = dhtRole,
    limits = limits,
    context = context,
)

/** Runs a test in a network of its own: all are told one address, that of the first, and have met when it begins. */
internal fun network(
    count: Int,
    faults: Faults? = null,
    limit: Duration = 60.seconds,
    dhtRole: Role = Role.NODE,
    limits: Limits = Limits(),
    test: suspend CoroutineScope.(List<Satellite>) -> Unit,
) = runBlocking {
    withTimeout(limit) {
        val rendezvous = "kotlin-${UUID.randomUUID()}"
        val all = mutableListOf(satellite(rendezvous, 0, emptyList(), faults, dhtRole, limits).start())
        try {
            for (key in 1 until count) {
                all += satellite(rendezvous, key, all[0].addresses, faults, dhtRole, limits).start()
            }
            for (satellite in all) {
                satellite.waitConnected(count - 1)
            }
            test(all)
        } finally {
            withContext(NonCancellable) { all.forEach { it.shutdown() } }
        }
    }
}
