package dev.psfs

import dev.psfs.testing.Faults
import java.io.File
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
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
        case<PsfsException.Closed>("start after the end", "CLOSED") { satellite().run { shutdown(); start() } },
        case<PsfsException.Closed>("on after the end", "CLOSED") {
            satellite().run {
                shutdown()
                on(PacketType.MESSAGE, "x") { }
            }
        },
    )

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
