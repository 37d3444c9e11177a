// What every language must show, in Kotlin. See tests/scenarios/README.md.

import dev.psfs.Decision
import dev.psfs.Fail
import dev.psfs.Message
import dev.psfs.PacketType
import dev.psfs.Peer
import dev.psfs.PeerEvent
import dev.psfs.PsfsException
import dev.psfs.Satellite
import dev.psfs.StoreAnswer
import dev.psfs.ValueKind
import dev.psfs.keyOfContent
import dev.psfs.keyOfName
import dev.psfs.keyOfSigned
import java.io.File
import java.nio.file.Files
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.io.path.createTempDirectory
import kotlin.random.Random
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.produceIn
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout

private val long = 30.seconds
private const val MIB = 1 shl 20
private const val STRANGER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

private fun satellite(rendezvous: String, vararg bootstrap: String) =
    Satellite(rendezvous, bootstrap = bootstrap.toList(), listen = listOf("127.0.0.1:0"), mdns = false)

/** So many satellites, each with sessions with all others. */
private suspend fun network(count: Int, name: String, scenario: suspend (List<Satellite>) -> Unit) {
    val rendezvous = "scenario-kotlin-$name-${ProcessHandle.current().pid()}"
    val all = mutableListOf<Satellite>()
    try {
        repeat(count) { all += satellite(rendezvous, *all.take(1).map { it.addresses[0] }.toTypedArray()).start() }
        all.forEach { it.waitConnected(count - 1, long) }
        scenario(all)
    } finally {
        all.forEach { it.shutdown() }
    }
}

private fun same(expected: Any?, found: Any?) = check(expected == found) { "$found instead of $expected" }

private suspend fun fails(code: String, call: suspend () -> Any?) {
    val failure = try {
        call()
        error("no $code")
    } catch (failure: PsfsException) {
        failure
    }
    check(failure.code == code) { "${failure.code} instead of $code: ${failure.message}" }
}

private suspend fun meet() = network(2, "meet") { (first, second) ->
    for ((one, other) in listOf(first to second, second to first)) {
        same(listOf(other.peerId to Peer.State.CONNECTED), one.peers.map { it.id to it.state })
    }
}

private suspend fun message() = network(2, "message") { (first, second) ->
    val came = ConcurrentLinkedQueue<Message>()
    val allCame = CompletableDeferred<Unit>()
    first.on(PacketType.MESSAGE, "numbers") {
        came += it
        if (came.size == 100) allCame.complete(Unit)
    }
    val sent = List(100) { number -> ByteArray(if (number == 99) MIB else 128) { number.toByte() } }
    sent.forEach { second.send(first.peerId, "numbers", it) }
    withTimeout(long) { allCame.await() }
    check(came.zip(sent).all { (message, content) -> message.content.contentEquals(content) && message.peer == second.peerId })
}

private suspend fun three(message: Message) = listOf("one", "two", "three").forEach { message.reply(it) }

private suspend fun request() = network(2, "request") { (first, second) ->
    first.on(PacketType.REQUEST, "three", handler = ::three)
    same(listOf("one", "two", "three"), second.request(first.peerId, "three").map { it.text }.toList())
}

private suspend fun error() = network(2, "error") { (first, second) ->
    first.on(PacketType.REQUEST, "seven") { throw Fail(7, "seven") }
    val failure = runCatching { second.request(first.peerId, "seven").toList() }.exceptionOrNull() as PsfsException.RemoteError
    same(7 to "seven", failure.remoteCode to failure.remoteText)
    fails("UNKNOWN_NAMESPACE") { second.request(first.peerId, "nobody serves this").toList() }
}

private suspend fun timeout() = network(2, "timeout") { (first, second) ->
    first.on(PacketType.REQUEST, "keep") { awaitCancellation() }
    fails("TIMEOUT") { second.request(first.peerId, "keep", timeout = 200.milliseconds).toList() }
}

private suspend fun cancel() = network(2, "cancel") { (first, second) ->
    val told = CompletableDeferred<String>()
    first.on(PacketType.REQUEST, "keep") { message ->
        try {
            while (true) message.reply("more")
        } catch (failure: PsfsException) {
            told.complete(failure.code)
        }
    }
    same("more", second.request(first.peerId, "keep").first().text)
    same("CANCELLED", withTimeout(long) { told.await() })
}

private suspend fun seek() = network(3, "seek") { all ->
    val others = all.drop(1)
    others.forEach { it.on(PacketType.SEEK, "three", handler = ::three) }
    val answers = all[0].seek("three", maxReplies = 6).toList().groupingBy { it.peer }.eachCount()
    same(others.associate { it.peerId to 3 }, answers)
}

private suspend fun broadcast() {
    val heard = ConcurrentHashMap<String, Int>()
    var others = emptyList<String>()
    network(6, "broadcast") { all ->
        others = all.drop(1).map { it.peerId }
        val allHeard = CompletableDeferred<Unit>()
        for (one in all) {
            one.on(PacketType.BROADCAST, "news") {
                val right = it.text == "news" && it.peer == all[0].peerId
                heard.merge(one.peerId, if (right) 1 else 100, Int::plus)
                if (heard.size == others.size) allHeard.complete(Unit)
            }
        }
        all[0].broadcast("news", "news")
        withTimeout(long) { allHeard.await() }
    }
    same(others.associateWith { 1 }, heard.toMap())
}

private suspend fun pause() = network(2, "pause") { (first, second) ->
    val came = Channel<String>(2)
    first.on(PacketType.MESSAGE, "back") { came.send(it.text) }
    withTimeout(long) {
        coroutineScope {
            val left = async(start = CoroutineStart.UNDISPATCHED) {
                second.peerEvents().first { it is PeerEvent.Disconnected }
            }
            first.pause()
            left.await()
        }
        check(first.isPaused)
        fails("NO_PEERS") { first.broadcast("news", "") }
        first.resume()
        check(!first.isPaused)
        listOf(first, second).forEach { it.waitConnected(1, long) }
        for (text in listOf("back", "elsewhere")) {
            second.send(first.peerId, "back", text)
            same(text, came.receive())
            first.networkChanged()
        }
    }
}

private suspend fun shutdown() = network(2, "shutdown") { (first, second) ->
    val ended = CompletableDeferred<Unit>()
    first.on(PacketType.MESSAGE, "end") {
        first.shutdown()
        ended.complete(Unit)
    }
    withTimeout(long) {
        coroutineScope {
            // Undispatched: it listens when this returns.
            val left = async(start = CoroutineStart.UNDISPATCHED) {
                second.peerEvents().first { it is PeerEvent.Disconnected }
            }
            second.send(first.peerId, "end", "now")
            left.await()
        }
        ended.await()
        first.ended()
    }
    check(!first.isRunning)
}

private suspend fun dht() = network(3, "dht") { (first, second, third) ->
    third.dht.onStore { Decision.Refuse("no room for guests") }
    val stored = first.dht.store("a value that stays")
    same(keyOfContent("a value that stays"), stored.key)
    same(setOf(first.peerId, second.peerId), stored.answers.filter { it.keeps }.map { it.peer }.toSet())
    val refused = stored.answers.single { !it.keeps }
    same(Triple(third.peerId, StoreAnswer.Reason.POLICY, "no room for guests"), Triple(refused.peer, refused.reason, refused.text))
    same("a value that stays", third.dht.fetch(stored.key).text)
    first.dht.storeNamed("guestbook", "a value that stays")
    same("a value that stays", third.dht.fetchNamed("guestbook").text)
    fails("NOT_FOUND") { second.dht.fetch(keyOfName("nobody stored this")) }
    fails("BAD_INPUT") { first.dht.store("") }
    fails("BAD_INPUT") { first.dht.fetch("guestbook") }
}

private suspend fun dhtSigned() = network(2, "dht-signed") { (first, second) ->
    val salt = "profile".encodeToByteArray()
    val key = keyOfSigned(first.peerId, salt)
    coroutineScope {
        val watch = second.dht.watch(key).produceIn(this)
        listOf("one", "two").forEachIndexed { before, text ->
            val number = (before + 1).toULong()
            val stored = first.dht.storeSigned(text, salt)
            same(key to number, stored.key to stored.sequence)
            val told = withTimeout(long) { watch.receive() }
            same(text to number, told.text to told.sequence)
        }
        val value = second.dht.fetchSigned(first.peerId, salt)
        same(Triple("two", ValueKind.SIGNED, first.peerId), Triple(value.text, value.kind, value.publisher))
        fails("CONFLICT") { first.dht.storeSigned("three", salt, ifSequence = 1uL) }
        first.dht.delete(key)
        check(withTimeout(long) { watch.receive() }.isDeleted)
        fails("NOT_FOUND") { second.dht.fetch(key) }
        watch.cancel()
    }
}

private suspend fun files() = network(2, "files") { (first, second) ->
    val folder = createTempDirectory("scenario-kotlin").toFile()
    try {
        val source = File(folder, "file")
        val target = File(folder, "copy")
        val other = File(folder, "other")
        val size = 128L * MIB
        source.outputStream().use { out -> repeat(128) { out.write(Random.nextBytes(MIB)) } }
        val shared = first.files.share(source, onlyWithTicket = true, tags = listOf("holiday"))
        val ticket = first.files.ticket(shared.root).text
        val cut = second.files.get(ticket, target)
        val progress = cut.progress.first { it.bytes > 0 }
        check(progress.bytes < size && progress.size == size) { "$progress" }
        cut.cancel()
        fails("CANCELLED") { cut.received() }
        check(!target.exists())
        val transfer = second.files.get(ticket, target)
        val told = transfer.progress.map { it.bytes }.toList()
        check(told.first() >= progress.bytes && told.last() == size) { "$told after $progress" }
        val received = transfer.received()
        same(Triple(shared.root, size, target), Triple(received.root, received.size, received.path))
        same(-1L, Files.mismatch(source.toPath(), target.toPath()))
        fails("REFUSED") { second.files.get(shared.root, other, sources = listOf(first.peerId)).received() }
        fails("BAD_INPUT") { second.files.get(ticket.dropLast(1), other) }
        val found = first.files.find(tag = "holiday").single()
        same(Triple(shared.root, "file", listOf("holiday")), Triple(found.root, found.name, found.tags))
        check(first.files.remove(shared.root))
        check(first.files.find(tag = "holiday").isEmpty())
        check(!first.files.remove(shared.root))
    } finally {
        folder.deleteRecursively()
    }
}

private suspend fun badInput() {
    fails("BAD_NAMESPACE") { Satellite("") }
    val one = satellite("scenario-kotlin-bad-input").start()
    fails("BAD_NAMESPACE") { one.broadcast("", "") }
    fails("BAD_PEER_ID") { one.send("nobody", "x", "") }
    fails("OWN_PEER") { one.send(one.peerId, "x", "") }
    fails("UNKNOWN_PEER") { one.send(STRANGER, "x", "") }
    fails("BAD_ADDRESS") { one.connect("nowhere") }
    fails("TOO_LARGE") { one.send(STRANGER, "x", ByteArray(16 * MIB + 1)) }
    one.shutdown()
    fails("CLOSED") { one.broadcast("x", "") }
}

private suspend fun member(rendezvous: String, name: String, count: String, address: String) {
    val one = satellite(rendezvous, *listOf(address).filter { it != "-" }.toTypedArray())
    one.on(PacketType.MESSAGE, "greeting") { println("greeting ${it.text}") }
    one.on(PacketType.BROADCAST, "news") { println("news ${it.text}") }
    one.on(PacketType.REQUEST, "whois") { it.reply(name) }
    one.start()
    println("listening ${one.addresses[0]}")
    one.waitConnected(count.toInt() - 1, long)
    println("ready")
    checkNotNull(withContext(Dispatchers.IO) { readlnOrNull() })
    for (peer in one.peers) {
        one.send(peer.id, "greeting", name)
        one.request(peer.id, "whois").collect { println("whois ${it.text}") }
    }
    one.broadcast("news", name)
    println("done")
    withContext(Dispatchers.IO) { System.`in`.readAllBytes() }
    one.shutdown()
    println("ended")
}

private val scenarios: Map<String, suspend () -> Unit> = mapOf(
    "meet" to ::meet,
    "message" to ::message,
    "request" to ::request,
    "error" to ::error,
    "timeout" to ::timeout,
    "cancel" to ::cancel,
    "seek" to ::seek,
    "broadcast" to ::broadcast,
    "pause" to ::pause,
    "shutdown" to ::shutdown,
    "dht" to ::dht,
    "dht-signed" to ::dhtSigned,
    "files" to ::files,
    "bad-input" to ::badInput,
)

fun main(arguments: Array<String>): Unit = runBlocking {
    val scenario = scenarios[arguments.singleOrNull()]
    when {
        scenario != null -> scenario()
        arguments.size == 5 && arguments[0] == "member" -> member(arguments[1], arguments[2], arguments[3], arguments[4])
        else -> {
            System.err.println("there is no such scenario")
            exitProcess(1)
        }
    }
}
