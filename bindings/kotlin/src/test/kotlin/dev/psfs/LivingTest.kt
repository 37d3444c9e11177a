package dev.psfs

import java.io.File
import java.util.UUID
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir

class LivingTest {
    @Test
    fun `a handler may shut its own satellite down`() = network(2) { (ann, ben) ->
        val after = CompletableDeferred<Boolean>()
        ben.on(PacketType.MESSAGE, "stop") {
            ben.shutdown()
            after.complete(ben.isRunning)
        }
        ann.send(ben.peerId, "stop", "now")
        assertFalse(after.await())
        ben.ended()
        val refused = assertThrows<PsfsException.Closed> { ben.send(ann.peerId, "x", "y") }
        assertEquals("CLOSED", refused.code)
    }

    @Test
    fun `a handler may close its own satellite, and does not wait for itself`() = network(2) { (ann, ben) ->
        val took = CompletableDeferred<Long>()
        ben.on(PacketType.MESSAGE, "stop") {
            val began = TimeSource.Monotonic.markNow()
            ben.close()
            took.complete(began.elapsedNow().inWholeMilliseconds)
        }
        ann.send(ben.peerId, "stop", "now")
        assertTrue(took.await() < 2_000)
        ben.ended()
    }

    @Test
    fun `a handler may cancel itself, and comes to its end`() = network(2) { (ann, ben) ->
        lateinit var once: Subscription
        var calls = 0
        once = ben.on(PacketType.REQUEST, "once") { message ->
            calls += 1
            once.cancel()
            message.reply("only once")
        }
        assertEquals("only once", ann.request(ben.peerId, "once").first().text)
        assertThrows<PsfsException> { ann.request(ben.peerId, "once").toList() }
        assertEquals(1, calls)
    }

    @Test
    fun `at the shutdown handlers are cancelled, what waits ends as closed, flows end`() = network(2) { (ann, ben) ->
        val began = CompletableDeferred<Unit>()
        var cancelled = false
        ben.on(PacketType.MESSAGE, "work") {
            began.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                cancelled = true
            }
        }
        val asked = CompletableDeferred<Unit>()
        ann.on(PacketType.REQUEST, "never") {
            asked.complete(Unit)
            awaitCancellation()
        }
        ann.send(ben.peerId, "work", "")
        began.await()
        val waiting = async { runCatching { ben.request(ann.peerId, "never").toList() } }
        val events = async { ben.peerEvents().toList() }
        asked.await()
        ben.shutdown()
        assertTrue(cancelled)
        assertTrue(waiting.await().exceptionOrNull() is PsfsException.Closed)
        events.await()
    }

    @Test
    fun `a handler that blocks is not waited for longer than was said`() = network(2) { (ann, ben) ->
        val began = CompletableDeferred<Unit>()
        val go = CountDownLatch(1)
        ben.on(PacketType.MESSAGE, "work") {
            began.complete(Unit)
            go.await()
        }
        ann.send(ben.peerId, "work", "")
        began.await()
        assertThrows<PsfsException.Timeout> { ben.shutdown(300.milliseconds) }
        go.countDown()
        ben.shutdown()
    }

    @Test
    fun `an app in the background is gone until it is back`() = network(2) { (ann, ben) ->
        ben.on(PacketType.REQUEST, "whois") { it.reply("ben") }
        val left = CompletableDeferred<PeerEvent.Disconnected>()
        val watching = launch(Dispatchers.Unconfined) {
            ann.peerEvents().collect { if (it is PeerEvent.Disconnected) left.complete(it) }
        }
        ben.pause()
        ben.pause()
        assertEquals(ben.peerId, left.await().peer)
        watching.cancel()
        assertTrue(ben.isPaused && ben.isRunning && ben.addresses.isEmpty())
        val late = assertThrows<PsfsException.Timeout> { ben.send(ann.peerId, "x", "y", timeout = 100.milliseconds) }
        assertTrue("paused, resume it first" in late.message!!, late.message)
        assertEquals("NO_PEERS", assertThrows<PsfsException> { ben.broadcast("x", "y") }.code)
        ben.networkChanged()
        ben.resume()
        assertFalse(ben.isPaused)
        ann.waitConnected()
        assertEquals("ben", ann.request(ben.peerId, "whois").first().text)
        ben.networkChanged()
    }

    @Test
    fun `a handler that throws is told of, and the next call comes`() = network(2) { (ann, ben) ->
        val came = CompletableDeferred<String>()
        ben.on(PacketType.MESSAGE, "x") {
            check(it.text != "first") { "not this one" }
            came.complete(it.text)
        }
        ann.send(ben.peerId, "x", "first")
        ann.send(ben.peerId, "x", "second")
        assertEquals("second", came.await())
    }

    @Test
    fun `a handler that blocks for a minute holds up nobody else`() = network(2) { (ann, ben) ->
        val began = CompletableDeferred<Unit>()
        val go = CountDownLatch(1)
        ben.on(PacketType.MESSAGE, "work") {
            began.complete(Unit)
            go.await(1, TimeUnit.MINUTES)
        }
        ben.on(PacketType.REQUEST, "whois") { it.reply("ben") }
        ann.send(ben.peerId, "work", "")
        began.await()
        assertEquals("ben", ann.request(ben.peerId, "whois").first().text)
        go.countDown()
    }

    @Test
    fun `two coroutine scopes use one satellite, made in a third thread`() {
        val rendezvous = "kotlin-${UUID.randomUUID()}"
        val made = CompletableFuture.supplyAsync { runBlocking { satellite(rendezvous, 0).start() } }
        val ann = made.get(30, TimeUnit.SECONDS)
        val scopes = List(2) { Executors.newSingleThreadExecutor() }
        try {
            val ben = runBlocking { satellite(rendezvous, 1, ann.addresses).start().also { it.waitConnected() } }
            ben.on(PacketType.REQUEST, "echo") { it.reply(it.text) }
            val asked = scopes.mapIndexed { number, threads ->
                CompletableFuture.supplyAsync({ runBlocking { ann.request(ben.peerId, "echo", "$number").first().text } }, threads)
            }
            assertEquals(listOf("0", "1"), asked.map { it.get(30, TimeUnit.SECONDS) })
            runBlocking { ben.shutdown() }
        } finally {
            scopes.forEach { it.shutdown() }
            runBlocking { ann.shutdown() }
        }
    }

    @Test
    fun `handlers run where they are told to`() = runBlocking {
        val threads = Executors.newSingleThreadExecutor { Thread(it, "my own") }
        val rendezvous = "kotlin-${UUID.randomUUID()}"
        val ann = satellite(rendezvous, 0, context = threads.asCoroutineDispatcher()).start()
        val ben = satellite(rendezvous, 1, ann.addresses).start()
        ann.on(PacketType.REQUEST, "thread") { it.reply(Thread.currentThread().name) }
        ben.waitConnected()
        assertTrue(ben.request(ann.peerId, "thread").first().text.startsWith("my own"))
        ann.shutdown()
        ben.shutdown()
        threads.shutdown()
        assertTrue(threads.awaitTermination(5, TimeUnit.SECONDS))
    }

    @Test
    fun `handlers end with the job they were given`() = runBlocking {
        val job = Job()
        val satellite = satellite("kotlin-${UUID.randomUUID()}", 0, context = job).start()
        satellite.on(PacketType.MESSAGE, "x") { }
        satellite.shutdown()
        assertFalse(job.children.any())
        job.complete()
        job.join()
    }

    @Test
    fun `a satellite may be used in any thread`() = network(2) { (ann, ben) ->
        ben.on(PacketType.REQUEST, "x") { it.reply("y") }
        val answers = (1..8).map { async(Dispatchers.IO) { ann.request(ben.peerId, "x").first().text } }
        assertTrue(answers.all { it.await() == "y" })
    }

    @Test
    fun `its key stays where it is kept`(@TempDir folder: File) = runBlocking {
        val first = Satellite("x", dataDir = folder, listen = listOf("127.0.0.1:0"), mdns = false)
        val pem = first.keyPem("secret")
        first.start()
        first.shutdown()
        val again = Satellite("x", dataDir = folder)
        assertEquals(first.peerId, again.peerId)
        assertTrue(again.fingerprint.startsWith(again.peerId))
        val elsewhere = Identity.fromPem(pem.encodeToByteArray(), "secret")
        assertEquals(first.peerId, elsewhere.peerId)
        assertEquals("PASSPHRASE", assertThrows<PsfsException.BadInput> { Identity.fromPem(pem.encodeToByteArray()) }.code)
        again.close()
        again.close()
    }

    /** In a JVM of its own: it must end by itself, with its satellite running and a handler registered. */
    @Test
    fun `a satellite that is not closed does not hold up the exit`() {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val process = ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), "dev.psfs.ForgetfulKt")
            .redirectErrorStream(true)
            .start()
        val said = process.inputStream.bufferedReader().readText()
        assertTrue(process.waitFor(30, TimeUnit.SECONDS), said)
        assertEquals("running\n" to 0, said to process.exitValue())
    }

    @Test
    fun `fifty in one process`() = runBlocking {
        val rendezvous = "kotlin-${UUID.randomUUID()}"
        val all = withContext(Dispatchers.IO) {
            List(50) { Satellite(rendezvous, listen = listOf("127.0.0.1:0"), mdns = false) }
        }
        all.forEach { it.start() }
        all.drop(1).map { async { it.connect(all[0].addresses.first(), 30.seconds) } }.forEach { it.await() }
        all.map { async { it.shutdown(30.seconds) } }.forEach { it.await() }
        assertTrue(all.none { it.isRunning })
    }
}
