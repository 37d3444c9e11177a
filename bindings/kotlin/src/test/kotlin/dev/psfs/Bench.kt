package dev.psfs

import java.util.UUID
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.DurationUnit
import kotlin.time.TimeSource
import kotlin.time.measureTime
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.single
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** Measures two satellites in one JVM, over loopback. One JSON object a line: name, value, unit. */
fun main(): Unit = runBlocking(Dispatchers.Default) {
    val rendezvous = "bench-${UUID.randomUUID()}"
    for (signing in listOf(Signing.EVERY, Signing.LAZY)) {
        val options = { bootstrap: List<String> ->
            Satellite(rendezvous, bootstrap = bootstrap, listen = listOf("127.0.0.1:0"), mdns = false, signing = signing)
        }
        val ann = options(emptyList()).start()
        val ben = options(ann.addresses).start()
        ann.waitConnected()
        ben.on(PacketType.REQUEST, "echo", concurrency = 64) { it.reply(it.content) }
        val suffix = signing.name.lowercase()
        messages(ann, ben, 20_000)
        report("kt_messages_per_s_$suffix", messages(ann, ben, 300_000), "1/s")
        val small = ByteArray(128)
        repeat(3_000) { ann.request(ben.peerId, "echo", small).single() }
        val times = List(3_000) { measureTime { ann.request(ben.peerId, "echo", small).single() } }.sorted()
        report("kt_request_rtt_p50_us_$suffix", times[times.size / 2].toDouble(DurationUnit.MICROSECONDS), "us")
        requests(ann, ben, 20_000)
        report("kt_request_rate_64_$suffix", requests(ann, ben, 60_000), "1/s")
        bytes(ann, ben, 200)
        report("kt_bytes_mib_per_s_$suffix", bytes(ann, ben, 1_000), "MiB/s")
        ann.shutdown()
        ben.shutdown()
    }
}

private fun report(name: String, value: Double, unit: String) =
    println("""{"name":"$name","value":${"%.1f".format(value)},"unit":"$unit"}""")

private fun rate(count: Int, took: Duration) = count / took.toDouble(DurationUnit.SECONDS)

private suspend fun messages(from: Satellite, to: Satellite, count: Int): Double {
    val done = CompletableDeferred<Unit>()
    var heard = 0
    val subscription = to.on(PacketType.MESSAGE, "count") { if (++heard == count) done.complete(Unit) }
    val content = ByteArray(128)
    val began = TimeSource.Monotonic.markNow()
    repeat(count) { from.send(to.peerId, "count", content) }
    done.await()
    return rate(count, began.elapsedNow()).also { subscription.cancel() }
}

private suspend fun requests(from: Satellite, to: Satellite, count: Int): Double {
    val left = AtomicInteger(count)
    val content = ByteArray(128)
    val began = TimeSource.Monotonic.markNow()
    coroutineScope {
        repeat(64) {
            launch {
                while (left.decrementAndGet() >= 0) from.request(to.peerId, "echo", content).single()
            }
        }
    }
    return rate(count, began.elapsedNow())
}

private suspend fun bytes(from: Satellite, to: Satellite, count: Int): Double {
    val done = CompletableDeferred<Unit>()
    var heard = 0
    val subscription = to.on(PacketType.MESSAGE, "bytes") { if (++heard == count) done.complete(Unit) }
    val content = ByteArray(1 shl 20)
    val began = TimeSource.Monotonic.markNow()
    repeat(count) { from.send(to.peerId, "bytes", content) }
    done.await()
    return rate(count, began.elapsedNow()).also { subscription.cancel() }
}
