// The benchmarks of Kotlin. `KtBenchKt`, run by scripts/bench.
//
// Each figure comes from two processes on loopback (this program starts itself again), Kotlin at both ends, as the median of several
// rounds. Figures go to stdout as JSON lines.

import dev.psfs.PacketType
import dev.psfs.Satellite
import java.io.File
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.system.exitProcess
import kotlin.time.Duration
import kotlin.time.DurationUnit
import kotlin.time.TimeSource
import kotlin.time.measureTime
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.single
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

private const val MESSAGES = 256 * 1000
private const val SINGLE = 50_000
private const val ASKS = 3_000
private const val ASKS_64 = 30_000
private const val CONTENTS = 300
private const val ROUNDS = 5
private val message = ByteArray(128)

private fun satellite(vararg bootstrap: String) =
    Satellite("bench", bootstrap = bootstrap.toList(), listen = listOf("127.0.0.1:0"), mdns = false)

private fun figure(name: String, value: Double, unit: String) {
    println("""{"name":"$name","value":${"%.2f".format(value)},"unit":"$unit"}""")
    System.err.println("%-36s %12.2f %s".format(name, value, unit))
}

/** Counts what comes in; says how long each round took, from its first to its last. */
private class Rounds(private val size: Int) {
    private var count = 0
    private var began = TimeSource.Monotonic.markNow()

    fun one() {
        if (count == 0) began = TimeSource.Monotonic.markNow()
        count += 1
        if (count == size) {
            count = 0
            println("took ${began.elapsedNow().toDouble(DurationUnit.SECONDS)}")
        }
    }
}

/** The other process. It ends with its stdin. */
private suspend fun serve() {
    val sat = satellite()
    for ((namespace, size) in listOf("batches" to MESSAGES, "single" to SINGLE, "large" to CONTENTS)) {
        val rounds = Rounds(size)
        sat.on(PacketType.MESSAGE, namespace) { if (it.content.isNotEmpty()) rounds.one() }
    }
    sat.on(PacketType.REQUEST, "echo", concurrency = 64) { it.reply(it.content) }
    sat.start()
    println("at ${sat.addresses[0]}")
    System.`in`.readAllBytes()
    sat.shutdown()
}

private suspend fun measure(heard: (String) -> String) {
    val sat = satellite(heard("at")).start()
    sat.waitConnected()
    val peer = sat.peers.single().id

    suspend fun rounds(send: suspend () -> Unit): Double {
        val took = List(ROUNDS) {
            send()
            heard("took").toDouble()
        }
        return took.sorted()[ROUNDS / 2]
    }

    suspend fun ask() = check(sat.request(peer, "echo", message).single().content.size == message.size)

    val batch = List(256) { message }
    figure("kt_messages_per_s", MESSAGES / rounds { repeat(MESSAGES / 256) { sat.sendAll(peer, "batches", batch) } }, "1/s")
    figure("kt_messages_per_s_one_by_one", SINGLE / rounds { repeat(SINGLE) { sat.send(peer, "single", message) } }, "1/s")

    repeat(ASKS) { ask() }
    val times: List<Duration> = List(ASKS) { measureTime { ask() } }.sorted()
    figure("kt_request_rtt_p50_us", times[ASKS / 2].toDouble(DurationUnit.MICROSECONDS), "us")

    val rates = List(ROUNDS) {
        val left = AtomicInteger(ASKS_64)
        val took = measureTime {
            coroutineScope {
                repeat(64) { launch { while (left.getAndDecrement() > 0) ask() } }
            }
        }
        ASKS_64 / took.toDouble(DurationUnit.SECONDS)
    }
    figure("kt_request_rate_64", rates.sorted()[ROUNDS / 2], "1/s")

    val content = ByteArray(1 shl 20)
    figure("kt_bytes_mib_per_s", CONTENTS / rounds { repeat(CONTENTS) { sat.send(peer, "large", content) } }, "MiB/s")
    sat.shutdown()
}

fun main(arguments: Array<String>): Unit = runBlocking(Dispatchers.Default) {
    if (arguments.isNotEmpty()) return@runBlocking serve()
    val java = File(System.getProperty("java.home"), "bin/java").path
    val other = ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), "KtBenchKt", "serve")
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start()
    val lines = other.inputStream.bufferedReader()
    try {
        measure { word ->
            generateSequence { lines.readLine() }.firstOrNull { it.startsWith("$word ") }?.removePrefix("$word ")
                ?: error("the other process ended before '$word'")
        }
    } finally {
        other.outputStream.close()
        if (!other.waitFor(10, TimeUnit.SECONDS)) other.destroyForcibly()
    }
    exitProcess(0)
}
