package dev.psfs

import dev.psfs.testing.Faults
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class TalkingTest {
    @Test
    fun `they meet by one address, and a message comes in order`() = network(3) { (ann, ben, eve) ->
        val heard = Channel<Message>(100)
        ben.on(PacketType.MESSAGE, "greeting") { heard.send(it) }
        repeat(100) { ann.send(ben.peerId, "greeting", "hello $it") }
        repeat(100) {
            val message = heard.receive()
            assertEquals("hello $it", message.text)
            assertEquals(ann.peerId, message.peer)
            assertEquals("greeting", message.namespace)
        }
        assertTrue(eve.peers.filter { it.state == Peer.State.CONNECTED }.map { it.id }.containsAll(listOf(ann.peerId, ben.peerId)))
        assertTrue(ann.stats.getValue("packets_out") >= 100)
    }

    @Test
    fun `contents of every size come as they were sent`() = network(2) { (ann, ben) ->
        val sizes = listOf(0, 1, 16 * 1024 - 1, 16 * 1024, 64 * 1024 + 1, 5 shl 20)
        ben.on(PacketType.REQUEST, "echo") { it.reply(it.content) }
        val heard = Channel<ByteArray>(sizes.size)
        ben.on(PacketType.MESSAGE, "size") { heard.send(it.content) }
        for (size in sizes) {
            val content = ByteArray(size) { (it * 7 + size).toByte() }
            ann.send(ben.peerId, "size", content)
            assertArrayEquals(content, heard.receive())
            assertArrayEquals(content, ann.request(ben.peerId, "echo", content).first().content)
        }
    }

    @Test
    fun `many messages go at once, and come in order`() = network(2) { (ann, ben) ->
        val heard = Channel<Message>(Channel.UNLIMITED)
        ben.on(PacketType.MESSAGE, "many") { heard.send(it) }
        val sent = List(3000) { number -> "$number ".repeat(number % 50) } + "x".repeat(100_000) + "last"
        ann.sendAll(ben.peerId, "many", sent.map { it.encodeToByteArray() })
        for (text in sent) assertEquals(text, heard.receive().text)
        ann.sendAll(ben.peerId, "many", emptyList())
        assertThrows<PsfsException.BadInput> { ann.sendAll("nobody", "many", listOf(ByteArray(1))) }
    }

    @Test
    fun `a request has three replies and an end`() = network(2) { (ann, ben) ->
        ben.on(PacketType.REQUEST, "count") { message ->
            for (number in 1..message.text.toInt()) message.reply("$number")
        }
        assertEquals(listOf("1", "2", "3"), ann.request(ben.peerId, "count", "3").map { it.text }.toList())
        assertEquals(emptyList<String>(), ann.request(ben.peerId, "count", "0").map { it.text }.toList())
        assertEquals(List(1000) { "${it + 1}" }, ann.request(ben.peerId, "count", "1000").map { it.text }.toList())
        assertEquals(listOf("1", "2"), ann.request(ben.peerId, "count", "1000").take(2).map { it.text }.toList())
    }

    @Test
    fun `a request's errors say what they are`() = network(2) { (ann, ben) ->
        ben.on(PacketType.REQUEST, "fail") { throw Fail(42, "not today") }
        ben.on(PacketType.REQUEST, "throw") { error("a defect") }
        ben.on(PacketType.REQUEST, "partly") {
            it.reply("one")
            it.fail(7, "then nothing")
        }
        val failed = assertThrows<PsfsException.RemoteError> { ann.request(ben.peerId, "fail").toList() }
        assertEquals(42 to "not today", failed.remoteCode to failed.remoteText)
        val thrown = assertThrows<PsfsException.RemoteError> { ann.request(ben.peerId, "throw").toList() }
        assertEquals("a defect", thrown.remoteText)
        assertEquals("HANDLER_FAILED", thrown.code)
        val replies = mutableListOf<String>()
        assertThrows<PsfsException.RemoteError> { ann.request(ben.peerId, "partly").collect { replies += it.text } }
        assertEquals(listOf("one"), replies)
        val unknown = assertThrows<PsfsException.NotFound> { ann.request(ben.peerId, "nobody serves this").toList() }
        assertEquals("UNKNOWN_NAMESPACE", unknown.code)
        assertTrue(unknown.hint.isNotEmpty())
    }

    @Test
    fun `a request that is not answered ends in time`() = network(2) { (ann, ben) ->
        ben.on(PacketType.REQUEST, "slow") { awaitCancellation() }
        val began = TimeSource.Monotonic.markNow()
        assertThrows<PsfsException.Timeout> { ann.request(ben.peerId, "slow", timeout = 300.milliseconds).toList() }
        assertTrue(began.elapsedNow() < 5.seconds)
    }

    @Test
    fun `who asks and is cancelled, cancels at the other side`() = network(2) { (ann, ben) ->
        val asked = CompletableDeferred<Message>()
        val told = CompletableDeferred<Unit>()
        ben.on(PacketType.REQUEST, "stream") { message ->
            asked.complete(message)
            try {
                while (true) message.reply(ByteArray(1000))
            } catch (cancelled: PsfsException) {
                assertTrue(message.isCancelled)
                told.complete(Unit)
            }
        }
        val asking = launch { ann.request(ben.peerId, "stream").collect { } }
        asked.await()
        asking.cancel()
        asking.join()
        told.await()
    }

    @Test
    fun `who waits for a first reply and is cancelled, cancels at the other side`() = network(2) { (ann, ben) ->
        val asked = CompletableDeferred<Unit>()
        val told = CompletableDeferred<Unit>()
        ben.on(PacketType.REQUEST, "silence") { message ->
            asked.complete(Unit)
            // Nobody is told of a cancel who does not reply: he has to look.
            while (!message.isCancelled) delay(10)
            told.complete(Unit)
        }
        val asking = launch { ann.request(ben.peerId, "silence").collect { } }
        asked.await()
        asking.cancel()
        // Sooner than the deadline of the request.
        withTimeout(10.seconds) { told.await() }
    }

    @Test
    fun `an answer may come later, and one that is forgotten is an error`() = network(2) { (ann, ben) ->
        val deferred = Channel<Responder>(1)
        ben.on(PacketType.REQUEST, "later") { deferred.send(it.defer()) }
        val asking = async { ann.request(ben.peerId, "later").toList() }
        val responder = deferred.receive()
        responder.reply("at last")
        responder.end()
        assertEquals(listOf("at last"), asking.await().map { it.text })
        val twice = assertThrows<PsfsException> { responder.reply("more") }
        assertTrue(twice.hint.isNotEmpty())
        val forgotten = async { runCatching { ann.request(ben.peerId, "later").toList() } }
        deferred.receive().close()
        assertTrue(forgotten.await().exceptionOrNull() is PsfsException.RemoteError)
    }

    @Test
    fun `a broadcast comes to five, and a seek asks them all`() = network(6) { all ->
        val heard = ConcurrentLinkedQueue<String>()
        val enough = CompletableDeferred<Unit>()
        for (satellite in all.drop(1)) {
            satellite.on(PacketType.BROADCAST, "news") {
                heard += satellite.peerId + it.text + it.peer
                if (heard.size == 5) enough.complete(Unit)
            }
            satellite.on(PacketType.SEEK, "whois") { it.reply(satellite.peerId) }
        }
        all[0].broadcast("news", " heard of ")
        enough.await()
        assertEquals(all.drop(1).map { it.peerId + " heard of " + all[0].peerId }.toSet(), heard.toSet())
        val answers = all[0].seek("whois", timeout = 20.seconds, maxReplies = 5).toList()
        assertEquals(all.drop(1).map { it.peerId }.toSet(), answers.map { it.text }.toSet())
        assertTrue(answers.all { it.peer == it.text })
    }

    @Test
    fun `a broadcast is answered`() = network(2) { (ann, ben) ->
        ben.on(PacketType.BROADCAST, "roll call") { it.reply("here") }
        val answer = ann.broadcastRequest("roll call", timeout = 20.seconds).first()
        assertEquals("here" to ben.peerId, answer.text to answer.peer)
    }

    @Test
    fun `events come as a flow as well`() = network(2) { (ann, ben) ->
        val questions = mutableListOf<String>()
        // Unconfined: it has subscribed when launch returns.
        val answering = launch(Dispatchers.Unconfined) {
            ben.events(PacketType.REQUEST, "whois").take(2).collect {
                questions += it.text
                it.reply("ben")
                it.end()
            }
        }
        assertEquals(listOf("ben"), ann.request(ben.peerId, "whois", "one").map { it.text }.toList())
        assertEquals(listOf("ben"), ann.request(ben.peerId, "whois", "two").map { it.text }.toList())
        answering.join()
        assertEquals(listOf("one", "two"), questions)
        assertThrows<PsfsException.NotFound> { ann.request(ben.peerId, "whois", "three").toList() }
    }

    @Test
    fun `several calls of one handler may run at once, if asked for`() = network(2) { (ann, ben) ->
        val met = Channel<Unit>()
        ben.on(PacketType.REQUEST, "pair", concurrency = 2) { message ->
            if (message.text == "give") met.send(Unit) else met.receive()
            message.reply("met")
        }
        val asked = listOf("give", "take").map { async { ann.request(ben.peerId, "pair", it).first().text } }
        assertEquals(listOf("met", "met"), asked.map { it.await() })
    }

    @Test
    fun `peers are told of as they come and go`() = network(2) { (ann, ben) ->
        val reason = CompletableDeferred<PeerEvent.Disconnected>()
        val watching = launch(Dispatchers.Unconfined) {
            ann.peerEvents().collect { if (it is PeerEvent.Disconnected) reason.complete(it) }
        }
        ben.shutdown()
        assertEquals(ben.peerId, reason.await().peer)
        ann.shutdown()
        watching.join()
    }

    @Test
    fun `a cut line heals`() {
        val faults = Faults(seed = 1)
        network(2, faults) { (ann, ben) ->
            ben.on(PacketType.REQUEST, "whois") { it.reply("ben") }
            faults.partition(ann.peerId, ben.peerId)
            assertThrows<PsfsException> { ann.request(ben.peerId, "whois", timeout = 500.milliseconds).toList() }
            faults.heal(ann.peerId, ben.peerId)
            ann.waitConnected()
            assertEquals("ben", ann.request(ben.peerId, "whois").first().text)
        }
    }

    @Test
    fun `sending waits for who does not read, and can be cancelled`() = network(2) { (ann, ben) ->
        val gate = CompletableDeferred<Unit>()
        ben.on(PacketType.MESSAGE, "flood") { gate.await() }
        val sending = async {
            try {
                while (true) ann.send(ben.peerId, "flood", ByteArray(60_000))
            } catch (cancelled: CancellationException) {
                "cancelled"
            }
        }
        val refused = assertThrows<PsfsException.Timeout> {
            while (true) ann.send(ben.peerId, "flood", ByteArray(60_000), timeout = 200.milliseconds)
        }
        assertEquals("TIMEOUT", refused.code)
        sending.cancel()
        assertTrue(runCatching { sending.await() }.exceptionOrNull() is CancellationException)
        gate.complete(Unit)
    }
}
