package dev.psfs

import dev.psfs.testing.Faults
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.produceIn
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The DHT between real satellites. */
class DhtTest {
    /** The failure that a call must end with. */
    private suspend inline fun <reified E : PsfsException> failure(call: suspend () -> Any?): E =
        try {
            call()
            throw AssertionError("it went well")
        } catch (thrown: PsfsException) {
            thrown as? E ?: throw thrown
        }

    private suspend fun until(what: String, isSo: () -> Boolean) {
        try {
            withTimeout(30.seconds) { while (!isSo()) delay(10.milliseconds) }
        } catch (late: Exception) {
            throw AssertionError(what, late)
        }
    }

    private val aDay = 24 * 3600 * 1000L

    @Test
    fun `a value comes back from everywhere`() = network(3) { net ->
        val contents = listOf("text: ä".encodeToByteArray(), ByteArray(100_000) { 7 }, ByteArray(1))
        for (content in contents) {
            val stored = net[0].dht.store(content)
            assertEquals(keyOfContent(content), stored.key)
            assertEquals(3, stored.nodes)
            assertEquals(net.map { it.peerId }.toSet(), stored.answers.map { it.peer }.toSet())
            assertTrue(stored.answers.all { it.outcome == StoreAnswer.Outcome.KEPT && it.reason == null && it.text.isEmpty() })
            for (satellite in net) {
                val value = satellite.dht.fetch(stored.key)
                assertArrayEquals(content, value.content)
                assertEquals(listOf(stored.key, ValueKind.PLAIN, net[0].peerId, 0uL), listOf(value.key, value.kind, value.publisher, value.sequence))
                assertFalse(value.isDeleted)
                assertTrue(value.expiresMillis - System.currentTimeMillis() in 1..aDay)
            }
        }
        assertEquals(setOf(StoreAnswer.Outcome.HAD), net[1].dht.store("text: ä").answers.map { it.outcome }.toSet())
        for (satellite in net) {
            assertEquals(3, satellite.dht.storedKeys)
            assertEquals(contents.sumOf { it.size.toLong() }, satellite.dht.storageSize)
            val keys = satellite.dht.keys()
            assertEquals(contents.map { keyOfContent(it) }.sorted(), keys)
            assertEquals(keys.drop(1).take(1), satellite.dht.keys(after = keys[0], most = 1))
        }
        assertEquals("text: ä", net[2].dht.fetch(keyOfContent("text: ä"), timeout = Duration.INFINITE).text)
        val none = failure<PsfsException.NotFound> { net[1].dht.fetch(keyOfName("nothing")) }
        assertEquals("NOT_FOUND", none.code)
    }

    @Test
    fun `many calls at once`() = network(3) { net ->
        val stored = List(30) { number -> async { net[number % 3].dht.store("value $number") } }.awaitAll()
        for (satellite in net) {
            val values = stored.map { async { satellite.dht.fetch(it.key) } }.awaitAll()
            assertEquals(List(30) { "value $it" }, values.map { it.text })
        }
    }

    @Test
    fun `names belong to who came first`() = network(2) { (ada, bob) ->
        val key = ada.dht.storeNamed("filename", "one").key
        assertEquals(keyOfName("filename"), key)
        val value = bob.dht.fetchNamed("filename")
        assertEquals(listOf("one", ValueKind.RAW, ada.peerId, key), listOf(value.text, value.kind, value.publisher, value.key))
        for (call in listOf<suspend () -> Any>({ bob.dht.storeNamed("filename", "two") }, { bob.dht.storeAt(key, "two") })) {
            assertEquals("CONFLICT", failure<PsfsException.Refused> { call() }.code)
        }
        failure<PsfsException.Refused> { bob.dht.delete(key) }
        ada.dht.storeAt(key, "three")
        assertEquals("three", bob.dht.fetch(key).text)
        assertEquals(2, ada.dht.delete(key).nodes)
        failure<PsfsException.NotFound> { bob.dht.fetchNamed("filename") }
    }

    @Test
    fun `signed values are replaced by newer ones only`() = network(2) { (ada, bob) ->
        val salt = "profile".encodeToByteArray()
        val stored = ada.dht.storeSigned("one", salt)
        assertEquals(keyOfSigned(ada.peerId, salt) to 1uL, stored.key to stored.sequence)
        val value = bob.dht.fetchSigned(ada.peerId, salt)
        assertEquals(listOf("one", ValueKind.SIGNED, ada.peerId, 1uL), listOf(value.text, value.kind, value.publisher, value.sequence))
        assertEquals(2uL, ada.dht.storeSigned("two", salt).sequence)
        assertEquals("CONFLICT", failure<PsfsException.Refused> { ada.dht.storeSigned("old", salt, sequence = 1uL) }.code)
        assertEquals("CONFLICT", failure<PsfsException.Refused> { ada.dht.storeSigned("x", salt, ifSequence = 7uL) }.code)
        assertEquals(3uL, ada.dht.storeSigned("three", salt, ifSequence = 2uL).sequence)
        assertEquals(ULong.MAX_VALUE - 1uL, ada.dht.storeSigned("high", salt, sequence = ULong.MAX_VALUE - 1uL).sequence)
        assertEquals("high", bob.dht.fetch(stored.key).text)
        assertEquals(keyOfSigned(ada.peerId), ada.dht.storeSigned("without salt").key)
        ada.dht.delete(keyOfSigned(ada.peerId))
        failure<PsfsException.NotFound> { bob.dht.fetchSigned(ada.peerId) }
    }

    @Test
    fun `a watch tells of each change, and ends with the satellite`() = network(2) { (ada, bob) ->
        val key = keyOfSigned(ada.peerId)
        val watch = bob.dht.watch(key).produceIn(this)
        for (number in 1..2) {
            ada.dht.storeSigned("round $number")
            val value = watch.receive()
            assertEquals(listOf("round $number", number.toULong(), false), listOf(value.text, value.sequence, value.isDeleted))
        }
        ada.dht.delete(key)
        assertTrue(watch.receive().isDeleted)
        val rest = async { watch.receiveCatching() }
        bob.shutdown()
        assertTrue(rest.await().isClosed)
    }

    @Test
    fun `sealed values are read by one peer only`() = network(3) { (ada, bob, eve) ->
        val stored = ada.dht.storeSealed(bob.peerId, "for you")
        val opened = bob.dht.open(bob.dht.fetch(stored.key))
        assertEquals(listOf("for you", ada.peerId, false), listOf(opened.text, opened.sender, opened.isProved))
        val value = eve.dht.fetch(stored.key)
        assertFalse("for you" in value.text)
        assertTrue(bob.peerId in failure<PsfsException.BadInput> { eve.dht.open(value) }.message!!)
        val mail = ada.dht.storeSigned("signed, too", sealedFor = bob.peerId)
        val proved = bob.dht.open(bob.dht.fetch(mail.key))
        assertEquals("signed, too" to true, proved.text to proved.isProved)
        val plain = bob.dht.fetch(ada.dht.store("open to all").key)
        assertTrue("not sealed" in failure<PsfsException.BadInput> { bob.dht.open(plain) }.message!!)
        assertEquals("UNKNOWN_PEER", failure<PsfsException.NotFound> { ada.dht.storeSealed(Identity.generate().peerId, "x") }.code)
        // Who is away can be written to, once its key is published.
        assertEquals(3, bob.dht.publishKey().nodes)
        bob.shutdown()
        until("bob is gone") { ada.connectedCount == 1 }
        assertEquals(2, ada.dht.storeSealed(bob.peerId, "while you are away").nodes)
    }

    @Test
    fun `onStore decides and says why`() = network(2) { (ada, bob) ->
        val offers = ConcurrentLinkedQueue<Offer>()
        bob.dht.onStore { offer ->
            offers += offer
            when (val text = offer.content?.decodeToString()) {
                "spam" -> Decision.Refuse("no spam here")
                "fails" -> throw Fail(7, "seven")
                else -> if (text == "throws") error("bad value") else Decision.Keep
            }
        }
        suspend fun said(content: String): Triple<StoreAnswer.Outcome, StoreAnswer.Reason?, String> {
            val stored = ada.dht.store(content)
            val answer = stored.answers.single { it.peer == bob.peerId }
            assertEquals(if (answer.keeps) 2 else 1, stored.nodes)
            return Triple(answer.outcome, answer.reason, answer.text)
        }
        val policy = StoreAnswer.Outcome.REFUSED to StoreAnswer.Reason.POLICY
        assertEquals(Triple(StoreAnswer.Outcome.KEPT, null, ""), said("good"))
        assertEquals(Triple(policy.first, policy.second, "no spam here"), said("spam"))
        assertEquals(Triple(policy.first, policy.second, "seven"), said("fails"))
        assertEquals(Triple(policy.first, policy.second, "bad value"), said("throws"))
        assertEquals(listOf(keyOfContent("good")), bob.dht.keys())
        val offer = offers.first()
        assertEquals(
            listOf(keyOfContent("good"), ValueKind.PLAIN, 4L, ada.peerId, ada.peerId),
            listOf(offer.key, offer.kind, offer.size, offer.publisher, offer.peer),
        )
        assertTrue(offer.expiresMillis - System.currentTimeMillis() in 1..aDay)
    }

    @Test
    fun `a large value is asked about twice`() = network(2) { (ada, bob) ->
        val sizes = ConcurrentLinkedQueue<Pair<Long, Int?>>()
        bob.dht.onStore { offer ->
            sizes += offer.size to offer.content?.size
            if (offer.content?.first() == 'b'.code.toByte()) Decision.Refuse("bad content") else Decision.Keep
        }
        val large = ByteArray(1_000_000) { 'x'.code.toByte() }
        assertEquals(2, ada.dht.store(large).nodes)
        assertEquals(listOf(1_000_000L to null, 1_000_000L to 1_000_000), sizes.toList())
        large[0] = 'b'.code.toByte()
        assertEquals(listOf("bad content"), ada.dht.store(large).answers.filter { !it.keeps }.map { it.text })
    }

    @Test
    fun `everyone refusing lists each reason`() = network(3) { net ->
        net.forEachIndexed { number, satellite -> satellite.dht.onStore { Decision.Refuse("reason $number") } }
        val refused = failure<PsfsException.Refused> { net[0].dht.store("unwanted") }
        repeat(3) { assertTrue("reason $it" in refused.message!!, refused.message) }
    }

    @Test
    fun `a cancelled onStore no longer decides`() = network(2) { (ada, bob) ->
        val subscription = bob.dht.onStore { Decision.Refuse("no") }
        assertEquals(1, ada.dht.store("one").nodes)
        subscription.cancel()
        assertEquals(2, ada.dht.store("two").nodes)
    }

    @Test
    fun `a handler that never decides holds up its own offers alone`() = network(2) { (ada, bob) ->
        val asked = CompletableDeferred<Unit>()
        bob.dht.onStore(concurrency = 2) { offer ->
            if (offer.size == 5L) {
                asked.complete(Unit)
                awaitCancellation()
            }
            Decision.Keep
        }
        val slow = async { ada.dht.store("never") }
        asked.await()
        assertEquals(2, ada.dht.store("at once").nodes)
        // By the deadline of 5 s.
        val answer = slow.await().answers.single { it.peer == bob.peerId }
        assertEquals(StoreAnswer.Outcome.REFUSED to StoreAnswer.Reason.BUSY, answer.outcome to answer.reason)
    }

    @Test
    fun `commands are answered by who was meant`() = network(3) { (ada, bob, eve) ->
        bob.dht.onCustom { message ->
            message.reply("first")
            message.reply(message.content)
        }
        eve.dht.onCustom { throw Fail(7, "eve does not") }
        val only = ada.dht.custom(bob.peerId, "ping").single()
        assertEquals(bob.peerId to listOf("first", "ping"), only.peer to only.texts)
        assertNull(only.error)
        for (to in listOf(null, keyOfName("x"))) {
            val answers = ada.dht.custom(to, "ping").associateBy { it.peer }
            assertEquals(listOf("first", "ping"), answers.getValue(bob.peerId).texts)
            val failed = answers.getValue(eve.peerId)
            val error = failed.error as PsfsException.RemoteError
            assertEquals(Triple(0, 7, "eve does not"), Triple(failed.answers.size, error.remoteCode, error.remoteText))
        }
    }

    @Test
    fun `a broadcast reaches every node once`() = network(4) { net ->
        val heard = Channel<Triple<Int, String, String>>(10)
        net.forEachIndexed { number, satellite -> satellite.dht.onBroadcast { heard.send(Triple(number, it.text, it.peer)) } }
        net[0].dht.broadcast("to all of you")
        assertEquals((1..3).map { Triple(it, "to all of you", net[0].peerId) }, List(3) { heard.receive() }.sortedBy { it.first })
        net.forEach { it.shutdown() }
        assertTrue(heard.tryReceive().isFailure)
    }

    @Test
    fun `a walk can be followed`() = network(3) { net ->
        val key = net[0].dht.store("followed").key
        val trace = net[1].dht.trace(key)
        val others = setOf(net[0].peerId, net[2].peerId)
        assertEquals(key, trace.key)
        assertEquals(others, trace.hops.map { it.peer }.toSet())
        assertEquals(others, trace.closest.toSet())
        assertEquals(others + net[1].peerId, trace.holders.toSet())
        for (hop in trace.hops) {
            assertTrue(hop.depth >= 1 && hop.path >= 0 && hop.commonBits in 0..255, "$hop")
            assertTrue(hop.took!! > Duration.ZERO && hop.took!! < 30.seconds, "$hop took ${hop.took}")
            assertEquals("has the value", hop.outcome)
        }
        val rows = net[1].dht.routingTable()
        assertEquals(others, rows.filter { it.state == "proved" }.map { it.peer }.toSet())
        assertTrue(rows.all { it.bucket >= 0 && it.unseen < 30.seconds })
    }

    @Test
    fun `who permits it is followed`() = network(2) { (ada, bob) ->
        ada.dht.permitDebug()
        // The feed is asked for by itself: what happens before is not told.
        val storing = launch {
            var number = 0
            while (true) {
                ada.dht.store("value ${number++}")
                delay(20.milliseconds)
            }
        }
        assertTrue(bob.dht.debug().first { it.peer == ada.peerId }.line.isNotEmpty())
        storing.cancelAndJoin()
    }

    @Test
    fun `roles are options, and change`() = network(2, dhtRole = Role.CLIENT) { (ada, bob) ->
        assertEquals(listOf(Role.CLIENT, Role.CLIENT), listOf(ada.dht.role, bob.dht.role))
        bob.dht.role = Role.MIRROR
        assertEquals(Role.MIRROR, bob.dht.role)
        val stored = ada.dht.store("by a phone")
        assertEquals(listOf(bob.peerId), stored.answers.filter { it.keeps }.map { it.peer })
        assertEquals("by a phone", ada.dht.fetch(stored.key).text)
        assertEquals(0L to 1L, ada.dht.storedKeys to bob.dht.storedKeys)
    }

    @Test
    fun `who reaches one node only has it store and fetch`() {
        val (faults, identity) = Faults() to Identity.generate()
        network(9, faults) { net ->
            // Before it comes: it learns of the others, and never reaches them.
            net.drop(1).forEach { faults.partition(identity.peerId, it.peerId) }
            val client = Satellite(
                net[0].rendezvous,
                bootstrap = net[0].addresses,
                listen = listOf("127.0.0.1:0"),
                identity = identity,
                mdns = false,
                dhtRole = Role.CLIENT,
                faults = faults,
            ).start()
            client.dht.joined()
            net[0].dht.permitProxy()
            val stored = client.dht.store("from behind")
            assertEquals(net[0].peerId, stored.proxy)
            assertTrue(stored.nodes >= 8, "$stored")
            assertEquals("from behind", net[5].dht.fetch(stored.key).text)
            assertNull(net[5].dht.store("not from behind").proxy)
            net[0].dht.permitProxy(false)
            // It may be too far from what is stored to keep it itself.
            val alone = runCatching { client.dht.store("alone") }
            alone.onSuccess { assertNull(it.proxy) }.onFailure { assertTrue(it is PsfsException.Refused, "$it") }
            client.shutdown()
        }
    }

    @Test
    fun `joined waits for a node`() = network(1) { (ada) ->
        failure<PsfsException.Timeout> { ada.dht.joined(50.milliseconds) }
        val joined = async { ada.dht.joined() }
        val bob = satellite(ada.rendezvous, 1, ada.addresses).start()
        joined.await()
        bob.dht.joined()
        bob.shutdown()
    }

    @Test
    fun `limits are options`() = network(2, limits = Limits(maxItemSize = 1000, maxStorageSize = 5000)) { (ada, _) ->
        assertEquals(1000, ada.dht.maxItemSize)
        val large = failure<PsfsException.BadInput> { ada.dht.store(ByteArray(1001)) }
        assertTrue(large.code == "TOO_LARGE" && "max_item_size is 1000" in large.message!!, large.message)
        // Half of it is for one publisher at most, and each value takes some room beside its content.
        ada.dht.store(ByteArray(1000) { 1 })
        val full = failure<PsfsException.Refused> { ada.dht.store(ByteArray(1000) { 2 }) }
        assertTrue("quota" in full.message!!, full.message)
    }

    @Test
    fun `a cancelled coroutine cancels its store`() = network(2) { (ada, bob) ->
        val asked = CompletableDeferred<Unit>()
        val goOn = CompletableDeferred<Unit>()
        bob.dht.onStore {
            asked.complete(Unit)
            goOn.await()
            Decision.Keep
        }
        // Sent to bob only once it is wanted there.
        val storing = launch(start = CoroutineStart.UNDISPATCHED) { ada.dht.store(ByteArray(100_000)) }
        asked.await()
        storing.cancelAndJoin()
        failure<PsfsException.Timeout> { ada.dht.store(ByteArray(100_000) { 1 }, timeout = 100.milliseconds) }
        goOn.complete(Unit)
        val another = ada.dht.store("another")
        assertEquals(2, another.nodes)
        assertEquals(listOf(another.key), bob.dht.keys())
    }

    @Test
    fun `the end of the satellite ends what waits`() = network(2) { (ada, bob) ->
        val asked = CompletableDeferred<Unit>()
        bob.dht.onStore {
            asked.complete(Unit)
            awaitCancellation()
        }
        val storing = async { failure<PsfsException.Closed> { ada.dht.store("value") } }
        asked.await()
        ada.shutdown()
        assertEquals("CLOSED", storing.await().code)
    }
}
