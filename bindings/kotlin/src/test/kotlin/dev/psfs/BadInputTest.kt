package dev.psfs

import dev.psfs.testing.Faults
import java.io.File
import java.lang.reflect.Modifier
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** The first bad argument of each function gives the documented error, and says what to do. */
class BadInputTest {
    private class Case(val name: String, val code: String, val kind: Class<out PsfsException>, val call: suspend () -> Any?)

    private inline fun <reified E : PsfsException> case(name: String, code: String, noinline call: suspend () -> Any?) =
        Case(name, code, E::class.java, call)

    private fun satellite() = satellite("bad input", 0)

    private suspend fun running(call: suspend Satellite.() -> Any?) {
        val running = satellite().start()
        try {
            running.call()
        } finally {
            running.shutdown()
        }
    }

    private val stranger = Identity.generate().peerId

    private val root = "0".repeat(64)
    private val nowhere = File("/nothing/here")
    private val here = File("pom.xml").absoluteFile

    /** What files no longer do after the end of their satellite. */
    private val ended: Map<String, suspend Files.() -> Any?> = mapOf(
        "share" to { share(here) },
        "ticket" to { ticket(root) },
        "get" to { get(root, nowhere).received() },
        "read" to { read(root) },
        "find" to { find() },
        "tags" to { tags() },
        "tag" to { tag(root, "t") },
        "untag" to { untag(root, "t") },
        "remove" to { remove(root) },
        "keep" to { keep(folder = File("/tmp")) },
        "setQuota" to { setQuota("o", 1) },
        "quota" to { quota("o") },
        "quotas" to { quotas() },
        "put" to { put(stranger, here, "t").received() },
        "remoteFind" to { remoteFind(stranger, "t") },
        "remoteRemove" to { remoteRemove(stranger, "t", root) },
    )

    private val cases = listOf(
        case<PsfsException.BadInput>("no rendezvous", "BAD_NAMESPACE") { Satellite("") },
        case<PsfsException.BadInput>("an empty secret", "BAD_INPUT") { Satellite("x", secret = ByteArray(0)) },
        case<PsfsException.BadInput>("a bootstrap address", "BAD_ADDRESS") { Satellite("x", bootstrap = listOf("nowhere")) },
        case<PsfsException.BadInput>("a listen address", "BAD_ADDRESS") { Satellite("x", listen = listOf("here")) },
        case<PsfsException.BadInput>("an allowed peer", "BAD_PEER_ID") { Satellite("x", allow = listOf("me")) },
        case<PsfsException.BadInput>("a denied peer", "BAD_PEER_ID") { Satellite("x", deny = listOf("me")) },
        case<PsfsException.BadInput>("two keys", "BAD_INPUT") {
            Satellite("x", identity = Identity.generate(), keyFile = File("key.pem"))
        },
        case<PsfsException.BadInput>("a negative limit", "BAD_INPUT") { Satellite("x", limits = Limits(content = -1)) },
        case<PsfsException.BadInput>("half a limit", "BAD_INPUT") { Satellite("x", limits = Limits(connections = 1)) },
        case<PsfsException.BadInput>("a limit out of its range", "BAD_INPUT") { Satellite("x", limits = Limits(content = 1)) },
        case<PsfsException.BadInput>("a negative ping", "BAD_INPUT") {
            Satellite("x", limits = Limits(pingInterval = (-1).seconds, pingTimeout = 1.seconds))
        },
        case<PsfsException.BadInput>("a key that is none", "BAD_KEY") { Identity.fromPem("a key".encodeToByteArray()) },
        case<PsfsException.BadInput>("an empty passphrase", "PASSPHRASE") { Identity.generate().toPem("") },
        case<PsfsException.BadInput>("send: the peer", "BAD_PEER_ID") { satellite().send("ann", "x", "y") },
        case<PsfsException.BadInput>("send: the namespace", "BAD_NAMESPACE") { satellite().send(stranger, "", "y") },
        case<PsfsException.BadInput>("send: too large", "TOO_LARGE") { satellite().send(stranger, "x", ByteArray((16 shl 20) + 1)) },
        case<PsfsException.BadInput>("send: the time", "BAD_INPUT") { satellite().send(stranger, "x", "y", timeout = (-1).milliseconds) },
        case<PsfsException.BadInput>("sendAll: the namespace", "BAD_NAMESPACE") { satellite().sendAll(stranger, "", listOf(ByteArray(1))) },
        case<PsfsException.Closed>("send before the start", "CLOSED") { satellite().send(stranger, "x", "y") },
        case<PsfsException.BadInput>("request: the peer", "BAD_PEER_ID") { satellite().request("ann", "x").toList() },
        case<PsfsException.BadInput>("request: the namespace", "BAD_NAMESPACE") { satellite().request(stranger, "").toList() },
        case<PsfsException.BadInput>("request: the replies", "BAD_INPUT") { satellite().request(stranger, "x", maxReplies = -1).toList() },
        case<PsfsException.BadInput>("seek: the namespace", "BAD_NAMESPACE") { satellite().seek("").toList() },
        case<PsfsException.BadInput>("broadcast: the namespace", "BAD_NAMESPACE") { satellite().broadcast("", "y") },
        case<PsfsException.BadInput>("broadcast: too large", "TOO_LARGE") { satellite().broadcast("x", ByteArray(61 * 1024)) },
        case<PsfsException.BadInput>("broadcastRequest: the namespace", "BAD_NAMESPACE") { 
            running { broadcastRequest("").toList() }
        },
        case<PsfsException.BadInput>("on: the namespace", "BAD_NAMESPACE") { satellite().on(PacketType.MESSAGE, "") { } },
        case<PsfsException.BadInput>("on: the concurrency", "BAD_INPUT") { satellite().on(PacketType.MESSAGE, "x", 0) { } },
        case<PsfsException.BadInput>("events: the namespace", "BAD_NAMESPACE") { satellite().events(PacketType.MESSAGE, "").toList() },
        case<PsfsException.BadInput>("connect: the address", "BAD_ADDRESS") { satellite().connect("nowhere") },
        case<PsfsException.BadInput>("disconnect: the peer", "BAD_PEER_ID") { satellite().disconnect("ann") },
        case<PsfsException.BadInput>("waitConnected: the number", "BAD_INPUT") { satellite().waitConnected(-1) },
        case<PsfsException.Closed>("pause before the start", "CLOSED") { satellite().pause() },
        case<PsfsException.Closed>("resume before the start", "CLOSED") { satellite().resume() },
        case<PsfsException.Closed>("networkChanged before the start", "CLOSED") { satellite().networkChanged() },
        case<PsfsException.Closed>("pause after the end", "CLOSED") { satellite().run { shutdown(); pause() } },
        case<PsfsException.BadInput>("sendAll: the peer", "BAD_PEER_ID") { satellite().sendAll("ann", "x", listOf(ByteArray(1))) },
        case<PsfsException.BadInput>("shutdown: the time", "BAD_INPUT") { satellite().shutdown((-1).seconds) },
        case<PsfsException.BadInput>("a fault's peer", "BAD_PEER_ID") { Faults().partition("ann", stranger) },
        case<PsfsException.BadInput>("a fault's loss", "BAD_INPUT") { Faults().slow(stranger, stranger, loss = 2.0) },
        case<PsfsException.BadInput>("dht: a negative limit", "BAD_INPUT") { Satellite("x", limits = Limits(maxItemSize = -1)) },
        case<PsfsException.BadInput>("dht: a store too large", "BAD_INPUT") { Satellite("x", limits = Limits(maxStorageSize = -1)) },
        case<PsfsException.BadInput>("dht: an empty value", "BAD_INPUT") { running { dht.store("") } },
        case<PsfsException.BadInput>("dht: over the limit", "TOO_LARGE") { running { dht.store(ByteArray(5_000_001)) } },
        case<PsfsException.BadInput>("dht: the lifetime", "BAD_INPUT") { running { dht.store("x", lifetime = 999.milliseconds) } },
        case<PsfsException.BadInput>("dht: the time", "BAD_INPUT") { running { dht.store("x", timeout = (-1).milliseconds) } },
        case<PsfsException.BadInput>("dht: a key with a digit too few", "BAD_INPUT") { running { dht.fetch("a".repeat(63)) } },
        case<PsfsException.BadInput>("dht: a key that is none", "BAD_INPUT") { running { dht.storeAt("x".repeat(64), "y") } },
        case<PsfsException.BadInput>("dht: a name as a key", "BAD_INPUT") { running { dht.fetch("filename") } },
        case<PsfsException.BadInput>("dht: whom to ask", "BAD_INPUT") { running { dht.custom("ann", "x") } },
        case<PsfsException.BadInput>("dht: whose value", "BAD_PEER_ID") { running { dht.fetchSigned("ann") } },
        case<PsfsException.BadInput>("dht: whose key", "BAD_PEER_ID") { keyOfSigned("ann") },
        case<PsfsException.BadInput>("dht: for whom it is sealed", "BAD_PEER_ID") { running { dht.storeSealed("ann", "x") } },
        case<PsfsException.BadInput>("dht: a salt too long", "BAD_INPUT") { running { dht.storeSigned("x", ByteArray(65)) } },
        case<PsfsException.BadInput>("dht: a broadcast too large", "TOO_LARGE") { running { dht.broadcast(ByteArray(61 * 1024)) } },
        case<PsfsException.BadInput>("dht: what is watched", "BAD_INPUT") { running { dht.watch("ann").toList() } },
        case<PsfsException.BadInput>("dht: what is traced", "BAD_INPUT") { running { dht.trace("ann") } },
        case<PsfsException.BadInput>("dht: which keys", "BAD_INPUT") { satellite().dht.keys(after = "ann") },
        case<PsfsException.BadInput>("dht: how many keys", "BAD_INPUT") { satellite().dht.keys(most = -1) },
        case<PsfsException.BadInput>("dht: the concurrency", "BAD_INPUT") { satellite().dht.onStore(0) { Decision.Keep } },
        case<PsfsException.PeerUnreachable>("dht: nobody is there", "NO_PEERS") { running { dht.fetch(keyOfName("x")) } },
        case<PsfsException.Closed>("dht: a store before the start", "CLOSED") { satellite().dht.store("x") },
        case<PsfsException.Closed>("dht: a watch before the start", "CLOSED") { satellite().dht.watch(keyOfName("x")).toList() },
        case<PsfsException.Closed>("dht: a fetch after the end", "CLOSED") {
            satellite().run {
                shutdown()
                dht.fetch(keyOfName("x"))
            }
        },
        case<PsfsException.Closed>("dht: onStore after the end", "CLOSED") {
            satellite().run {
                shutdown()
                dht.onStore { Decision.Keep }
            }
        },
        case<PsfsException.BadInput>("dht: joined, the time", "BAD_INPUT") { running { dht.joined((-1).seconds) } },
        case<PsfsException.Timeout>("dht: nobody joined", "TIMEOUT") { running { dht.joined(10.milliseconds) } },
        case<PsfsException.Closed>("dht: joined before the start", "CLOSED") { satellite().dht.joined() },
        case<PsfsException.BadInput>("files: nothing to share", "BAD_INPUT") { running { files.share(nowhere) } },
        case<PsfsException.BadInput>("files: a device to share", "BAD_INPUT") { running { files.share(File("/dev/null")) } },
        case<PsfsException.BadInput>("files: a path with NUL", "BAD_INPUT") { running { files.share(File("a\u0000b")) } },
        case<PsfsException.BadInput>("files: whose it is", "BAD_INPUT") { running { files.share(here, owner = "") } },
        case<PsfsException.BadInput>("files: a tag", "BAD_INPUT") { running { files.share(here, tags = listOf("a\n")) } },
        case<PsfsException.BadInput>("files: 65 tags", "BAD_INPUT") { running { files.share(here, tags = List(65) { "$it" }) } },
        case<PsfsException.BadInput>("files: which is here", "BAD_INPUT") { satellite().files.here("name") },
        case<PsfsException.BadInput>("files: what is read", "BAD_INPUT") { running { files.read("name") } },
        case<PsfsException.BadInput>("files: read from where", "BAD_INPUT") { running { files.read(root, -1) } },
        case<PsfsException.NotFound>("files: read what is not here", "NOT_FOUND") { running { files.read(root) } },
        case<PsfsException.BadInput>("files: a ticket for what", "BAD_INPUT") { running { files.ticket("name") } },
        case<PsfsException.NotFound>("files: a ticket for nothing", "NOT_FOUND") { running { files.ticket(root) } },
        case<PsfsException.BadInput>("files: a ticket's time", "BAD_INPUT") { running { files.ticket(root, lifetime = (-1).seconds) } },
        case<PsfsException.BadInput>("files: a ticket's bytes", "BAD_INPUT") { running { files.ticket(root, bytes = -1) } },
        case<PsfsException.BadInput>("files: a ticket's holder", "BAD_PEER_ID") { running { files.ticket(root, holder = "ann") } },
        case<PsfsException.BadInput>("files: an empty ticket", "BAD_INPUT") { Ticket("") },
        case<PsfsException.BadInput>("files: a ticket of tomorrow", "BAD_INPUT") { Ticket("psfs9abc") },
        case<PsfsException.BadInput>("files: a ticket that is cut off", "BAD_INPUT") { running { files.get("psfs1abc", nowhere) } },
        case<PsfsException.BadInput>("files: neither ticket nor root", "BAD_INPUT") { running { files.get("holiday", nowhere) } },
        case<PsfsException.BadInput>("files: a root with a digit too few", "BAD_INPUT") { running { files.get(root.drop(1), nowhere) } },
        case<PsfsException.BadInput>("files: a source", "BAD_PEER_ID") { running { files.get(root, nowhere, sources = listOf("ann")) } },
        case<PsfsException.BadInput>("files: the patience", "BAD_INPUT") { running { files.get(root, nowhere, patience = (-1).seconds) } },
        case<PsfsException.Refused>("files: a place that is taken", "CONFLICT") { running { files.get(root, here).received() } },
        case<PsfsException.PeerUnreachable>("files: nobody has it", "NO_PEERS") {
            running { files.get(root, nowhere, patience = 10.milliseconds).received() }
        },
        case<PsfsException.BadInput>("files: two at once", "BAD_INPUT") { running { files.find(tag = "a", name = "b") } },
        case<PsfsException.BadInput>("files: found by an empty tag", "BAD_INPUT") { running { files.find(tag = "") } },
        case<PsfsException.BadInput>("files: found by a long name", "BAD_INPUT") { running { files.find(name = "x".repeat(256)) } },
        case<PsfsException.BadInput>("files: found by no root", "BAD_INPUT") { running { files.find(root = "x") } },
        case<PsfsException.BadInput>("files: found by no digest", "BAD_INPUT") { running { files.find(sha256 = "x") } },
        case<PsfsException.BadInput>("files: found behind what", "BAD_INPUT") { running { files.find(after = "x") } },
        case<PsfsException.BadInput>("files: how many are found", "BAD_INPUT") { running { files.find(most = -1) } },
        case<PsfsException.BadInput>("files: whose are found", "BAD_INPUT") { running { files.find(owner = "") } },
        case<PsfsException.BadInput>("files: whose tags", "BAD_INPUT") { running { files.tags("") } },
        case<PsfsException.BadInput>("files: tags behind what", "BAD_INPUT") { running { files.tags(after = "") } },
        case<PsfsException.BadInput>("files: how many tags", "BAD_INPUT") { running { files.tags(most = -1) } },
        case<PsfsException.BadInput>("files: what is tagged", "BAD_INPUT") { running { files.tag("x", "t") } },
        case<PsfsException.NotFound>("files: nothing is tagged", "NOT_FOUND") { running { files.tag(root, "t") } },
        case<PsfsException.BadInput>("files: what is untagged", "BAD_INPUT") { running { files.untag("x", "t") } },
        case<PsfsException.BadInput>("files: what is removed", "BAD_INPUT") { running { files.remove("x") } },
        case<PsfsException.BadInput>("files: kept nowhere", "BAD_INPUT") { running { files.keep() } },
        case<PsfsException.BadInput>("files: kept in no folder", "BAD_INPUT") { running { files.keep(folder = File("/proc/nothing")) } },
        case<PsfsException.BadInput>("files: a negative quota", "BAD_INPUT") { running { files.keep(quota = -1) } },
        case<PsfsException.BadInput>("files: a negative largest", "BAD_INPUT") { running { files.keep(largest = -1) } },
        case<PsfsException.BadInput>("files: kept for how long", "BAD_INPUT") { running { files.keep(lifetime = (-1).seconds) } },
        case<PsfsException.BadInput>("files: faulty beyond all", "BAD_INPUT") { running { files.keep(faulty = 1.1) } },
        case<PsfsException.BadInput>("files: faulty by no number", "BAD_INPUT") { running { files.keep(faulty = Double.NaN) } },
        case<PsfsException.BadInput>("files: a token for whom", "BAD_INPUT") { satellite().files.token("") },
        case<PsfsException.BadInput>("files: a token for nothing", "BAD_INPUT") { satellite().files.token("o", emptyList()) },
        case<PsfsException.BadInput>("files: a token's root", "BAD_INPUT") { satellite().files.token("o", root = "x") },
        case<PsfsException.BadInput>("files: a token's bytes", "BAD_INPUT") { satellite().files.token("o", bytes = -1) },
        case<PsfsException.BadInput>("files: a token's time", "BAD_INPUT") { satellite().files.token("o", lifetime = (-1).seconds) },
        case<PsfsException.BadInput>("files: a token's holder", "BAD_PEER_ID") { satellite().files.token("o", holder = "ann") },
        case<PsfsException.BadInput>("files: whose limit", "BAD_INPUT") { running { files.setQuota("", 1) } },
        case<PsfsException.BadInput>("files: a negative limit", "BAD_INPUT") { running { files.setQuota("o", -1) } },
        case<PsfsException.BadInput>("files: whose quota", "BAD_INPUT") { running { files.quota("") } },
        case<PsfsException.BadInput>("files: quotas behind what", "BAD_INPUT") { running { files.quotas(after = "") } },
        case<PsfsException.BadInput>("files: how many quotas", "BAD_INPUT") { running { files.quotas(most = -1) } },
        case<PsfsException.BadInput>("files: put where", "BAD_PEER_ID") { running { files.put("ann", here, "t") } },
        case<PsfsException.BadInput>("files: put what", "BAD_INPUT") { running { files.put(stranger, nowhere, "t").received() } },
        case<PsfsException.BadInput>("files: put without a name", "BAD_INPUT") { running { files.put(stranger, File("/"), "t") } },
        case<PsfsException.BadInput>("files: put under no name", "BAD_INPUT") { running { files.put(stranger, here, "t", name = "") } },
        case<PsfsException.BadInput>("files: put under no tag", "BAD_INPUT") { running { files.put(stranger, here, "t", tags = listOf("")) } },
        case<PsfsException.BadInput>("files: put in no time", "BAD_INPUT") { running { files.put(stranger, here, "t", patience = (-1).seconds) } },
        case<PsfsException.PeerUnreachable>("files: put at a stranger", "UNREACHABLE") {
            running { files.put(stranger, here, "t", patience = Duration.ZERO).received() }
        },
        case<PsfsException.BadInput>("files: found where", "BAD_PEER_ID") { running { files.remoteFind("ann", "t") } },
        case<PsfsException.BadInput>("files: two at once elsewhere", "BAD_INPUT") {
            running { files.remoteFind(stranger, "t", name = "a", root = root) }
        },
        case<PsfsException.BadInput>("files: how many elsewhere", "BAD_INPUT") { running { files.remoteFind(stranger, "t", most = -1) } },
        case<PsfsException.PeerUnreachable>("files: found at a stranger", "UNREACHABLE") { running { files.remoteFind(stranger, "t") } },
        case<PsfsException.BadInput>("files: removed where", "BAD_PEER_ID") { running { files.remoteRemove("ann", "t", root) } },
        case<PsfsException.BadInput>("files: removed what elsewhere", "BAD_INPUT") { running { files.remoteRemove(stranger, "t", "x") } },
        case<PsfsException.Closed>("files: a share before the start", "CLOSED") { satellite().files.share(here) },
        *ended.map { (name, call) ->
            case<PsfsException.Closed>("files: $name after the end", "CLOSED") {
                satellite().run {
                    start()
                    shutdown()
                    files.call()
                }
            }
        }.toTypedArray(),
        case<PsfsException.Closed>("start after the end", "CLOSED") { satellite().run { shutdown(); start() } },
        case<PsfsException.Closed>("on after the end", "CLOSED") {
            satellite().run {
                shutdown()
                on(PacketType.MESSAGE, "x") { }
            }
        },
    )

    @Test
    fun `what files do all the same after the end`() = runBlocking {
        val one = satellite().start()
        one.shutdown()
        assertEquals(emptyList<Shared>(), one.files.shared())
        assertNull(one.files.here(root))
        assertTrue(one.files.token("o").isNotEmpty())
        val tried = Files::class.java.declaredMethods.filter { Modifier.isPublic(it.modifiers) && '$' !in it.name }
        assertEquals(ended.keys + setOf("shared", "here", "token", "toString"), tried.map { it.name.substringBefore('-') }.toSet())
    }

    @TestFactory
    fun `each says what is wrong`(): List<DynamicTest> = cases.map { case ->
        DynamicTest.dynamicTest(case.name) {
            val thrown = runCatching { runBlocking { case.call() } }.exceptionOrNull()
            assertInstanceOf(case.kind, thrown) { "$thrown" }
            thrown as PsfsException
            assertEquals(case.code, thrown.code, thrown.message)
            assertTrue(!thrown.message.isNullOrEmpty() && thrown.hint.isNotEmpty())
        }
    }
}
