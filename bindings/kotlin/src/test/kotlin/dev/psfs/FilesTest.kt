package dev.psfs

import dev.psfs.testing.Faults
import java.io.File
import java.io.RandomAccessFile
import java.security.MessageDigest
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

private const val MIB = 1 shl 20

/** Files between real satellites. */
class FilesTest {
    @TempDir
    lateinit var folder: File

    private suspend inline fun <reified E : PsfsException> failure(call: suspend () -> Any?): E =
        try {
            call()
            throw AssertionError("it went well")
        } catch (thrown: PsfsException) {
            thrown as? E ?: throw thrown
        }

    private fun randomFile(name: String, size: Int): File = File(folder, name).also { it.writeBytes(Random.nextBytes(size)) }

    private fun assertSame(expected: File, found: File) = assertArrayEquals(expected.readBytes(), found.readBytes())

    /** So large that hashing it takes its time. */
    private fun largeFile(name: String): File = File(folder, name).also { RandomAccessFile(it, "rw").use { file -> file.setLength(512L * MIB) } }

    /** How long a file takes the second of them to get from the first: 1 MB a second leaves time to do something in its middle. */
    private fun Faults.slow(net: List<Satellite>, bytesPerSecond: Long = 1_000_000) =
        slow(net[0].peerId, net[1].peerId, bytesPerSecond = bytesPerSecond)

    private suspend fun started(transfer: Transfer): Long = transfer.progress.first { it.bytes > 0 }.bytes

    @Test
    fun `files arrive whole`() = network(2) { (ada, bob) ->
        for (size in listOf(0, 1, 16 * 1024 + 1, 3 * MIB + 7)) {
            val source = randomFile("from $size", size)
            val target = File(folder, "to $size")
            val shared = ada.files.share(source)
            assertEquals(listOf(size.toLong(), source, false), listOf(shared.size, shared.path, shared.isFolder))
            val received = bob.files.get(shared.root, target, sources = listOf(ada.peerId)).received()
            assertEquals(listOf(shared.root, size.toLong(), target, false), listOf(received.root, received.size, received.path, received.isFolder))
            assertSame(source, target)
            // Who got it shares it, too.
            assertEquals(listOf(target), bob.files.find(root = shared.root).map { it.path })
        }
        assertEquals(folder.listFiles { file -> "from" in file.name }!!.toSet(), ada.files.shared().map { it.path }.toSet())
        assertTrue(folder.list()!!.none { "part" in it })
    }

    @Test
    fun `many at once`() = network(3) { (ada, bob, eve) ->
        val sources = List(8) { randomFile("$it", 300_000 + it) }
        val shared = sources.map { async { ada.files.share(it) } }.awaitAll()
        for (one in listOf(bob, eve)) {
            val into = File(folder, one.peerId).also { it.mkdir() }
            // Whom to ask, the network knows.
            val transfers = shared.map { one.files.get(it.root, File(into, it.path.name)) }
            val received = transfers.map { async { it.received() } }.awaitAll()
            assertEquals(shared.map { it.root }, received.map { it.root })
            received.zip(sources) { file, source -> assertSame(source, file.path) }
        }
    }

    @Test
    fun `folders arrive whole`() = network(2) { (ada, bob) ->
        val source = File(folder, "folder")
        File(source, "inner").mkdirs()
        randomFile("folder/large", 2 * MIB)
        repeat(20) { randomFile("folder/inner/$it.txt", it) }
        val shared = ada.files.share(source)
        assertEquals(true to 2L * MIB + (0 until 20).sum(), shared.isFolder to shared.size)
        val ticket = ada.files.ticket(shared.root)
        assertTrue(ticket.isFolder)
        val gets = listOf<(File) -> Transfer>(
            { bob.files.get(ticket, it) },
            { bob.files.get(ticket.text, it) },
            { bob.files.get(shared.root, it, folder = true, sources = listOf(ada.peerId)) },
        )
        gets.forEachIndexed { number, get ->
            val target = File(folder, "copy $number")
            assertTrue(get(target).received().isFolder)
            val files = source.walk().filter { it.isFile }.map { it.relativeTo(source) }.toSet()
            assertEquals(files, target.walk().filter { it.isFile }.map { it.relativeTo(target) }.toSet())
            files.forEach { assertSame(File(source, it.path), File(target, it.path)) }
            bob.files.remove(shared.root)
        }
    }

    @Test
    fun `a ticket is all that is needed`() = network(2) { (ada, bob) ->
        val source = randomFile("holiday.mp4", 100_000)
        val open = ada.files.share(source)
        val ticket = ada.files.ticket(open.root)
        assertEquals(listOf(open.root, 100_000L, source.name, ada.peerId), listOf(ticket.root, ticket.size, ticket.name, ticket.issuer))
        assertEquals(listOf(ada.rendezvous, false, null), listOf(ticket.rendezvous, ticket.needsSecret, ticket.expiresMillis))
        assertEquals(ada.addresses.toSet(), ticket.addresses.map { "$it/p2p/${ada.peerId}" }.toSet())
        assertEquals(ticket, Ticket(" ${ticket.text} ".uppercase()))
        assertEquals(ticket.hashCode(), Ticket(ticket.text).hashCode())
        assertTrue(ticket.root in "$ticket" && ticket.text !in "$ticket")

        val out = File(folder, "out")
        val secret = ada.files.share(randomFile("secret", 100_001), onlyWithTicket = true)
        val refused = failure<PsfsException.Refused> { bob.files.get(secret.root, out, sources = listOf(ada.peerId)).received() }
        assertTrue(refused.code == "REFUSED" && "only with a ticket" in refused.message!!, refused.message)
        for (limited in listOf(ada.files.ticket(secret.root, bytes = 100_000), ada.files.ticket(secret.root, holder = ada.peerId))) {
            failure<PsfsException.Refused> { bob.files.get(limited, out).received() }
        }
        val fitting = ada.files.ticket(secret.root, lifetime = 100.seconds, bytes = 100_001, holder = bob.peerId)
        assertTrue(fitting.expiresMillis!! - System.currentTimeMillis() in 90_000..100_000)
        bob.files.get(fitting, out).received()
        // What was got by a right is not given away.
        assertEquals(emptyList<Shared>(), bob.files.shared())
        val forever = ada.files.ticket(secret.root, lifetime = Duration.INFINITE, bytes = Long.MAX_VALUE)
        assertEquals(forever.expiresMillis, Ticket(forever.text).expiresMillis)
        val limits = failure<PsfsException.BadInput> { ada.files.ticket(open.root, lifetime = 100.seconds) }
        assertTrue("only_with_ticket" in limits.message!!, limits.message)
        failure<PsfsException.BadInput> { bob.files.get(ticket.text.dropLast(1), out) }
    }

    @Test
    fun `progress is told`() {
        val faults = Faults()
        network(2, faults) { net ->
            val (ada, bob) = net
            val size = 8L * MIB
            val root = ada.files.share(randomFile("from", size.toInt())).root
            faults.slow(net, 8_000_000)
            val transfer = bob.files.get(root, File(folder, "to"), sources = listOf(ada.peerId))
            // One shows it while others wait.
            val waiting = List(2) { async { transfer.received() } }
            val told = transfer.progress.toList()
            assertEquals(told.map { it.bytes }.sorted(), told.map { it.bytes })
            assertEquals(size, told.last().bytes)
            val middle = told.filter { it.bytes in 1 until size }
            assertTrue(middle.size >= 2, "$told")
            assertTrue(middle.all { it.size == size && it.sources == 1 }, "$told")
            val timed = middle.filter { it.rate > 0 }
            assertTrue(timed.isNotEmpty() && timed.all { it.timeLeft!! > Duration.ZERO && it.timeLeft!! < 30.seconds }, "$told")
            assertEquals(listOf(root, root), waiting.awaitAll().map { it.root })
            // After its end there is the last word, the same for all who ask.
            assertEquals(listOf(size), transfer.progress.map { it.bytes }.toList())
            transfer.cancel()
            assertEquals(root, transfer.received().root)
        }
    }

    @Test
    fun `hashing tells how far it is`() = network(1) { (ada) ->
        val thrown = runCatching { ada.files.share(largeFile("large")) { error("enough") } }.exceptionOrNull()
        assertEquals("enough", thrown?.message)
        assertEquals(emptyList<Shared>(), ada.files.shared())
        val source = randomFile("from", 4 * MIB)
        val told = ConcurrentLinkedQueue<Long>()
        val shared = ada.files.share(source, sha256 = true) { told += it }
        assertEquals(told.sorted(), told.toList())
        assertEquals(4L * MIB, told.last())
        val digest = MessageDigest.getInstance("SHA-256").digest(source.readBytes()).joinToString("") { "%02x".format(it) }
        val info = ada.files.find(sha256 = digest.uppercase()).single()
        assertEquals(shared.root to digest, info.root to info.sha256)
    }

    @Test
    fun `a share that is cancelled shares nothing`() = network(1) { (ada) ->
        val source = largeFile("from")
        val sharing = launch(start = CoroutineStart.UNDISPATCHED) { ada.files.share(source) }
        sharing.cancel()
        sharing.join()
        assertTrue(sharing.isCancelled)
        ada.files.share(randomFile("other", 1))
        assertEquals(listOf("other"), ada.files.shared().map { it.path.name })
    }

    private fun goesOn(cut: suspend (Transfer) -> Unit) {
        val faults = Faults()
        network(2, faults) { net ->
            val (ada, bob) = net
            val source = randomFile("from", 8 * MIB)
            val target = File(folder, "to")
            val root = ada.files.share(source).root
            faults.slow(net)
            val transfer = bob.files.get(root, target, sources = listOf(ada.peerId))
            // Leaving the flow early does not cancel it.
            val came = started(transfer)
            assertTrue(came < 8 * MIB)
            assertTrue(transfer.progress.first { it.bytes > came }.bytes > came)
            assertFalse(target.exists())
            cut(transfer)
            faults.healAll()
            // At once: what is still written down of the first is waited for.
            val again = bob.files.get(root, target, sources = listOf(ada.peerId))
            assertEquals("CANCELLED", failure<PsfsException.Closed> { transfer.received() }.code)
            assertTrue(again.progress.map { it.bytes }.toList().first() >= came)
            assertEquals(target, again.received().path)
            assertSame(source, target)
            assertEquals(listOf("from", "to"), folder.list()!!.sorted())
        }
    }

    @Test
    fun `what is cancelled goes on from there`() = goesOn { it.cancel() }

    @Test
    fun `what is closed goes on from there`() = goesOn { transfer -> transfer.use { } }

    @Test
    fun `a coroutine that is cancelled while it waits cancels it`() = goesOn { transfer ->
        coroutineScope {
            val waiting = async(start = CoroutineStart.UNDISPATCHED) { transfer.received() }
            waiting.cancel()
            assertTrue(runCatching { waiting.await() }.exceptionOrNull() is CancellationException)
        }
    }

    @Test
    fun `a coroutine that is cancelled while it is told cancels it`() = goesOn { transfer ->
        coroutineScope {
            val told = async(start = CoroutineStart.UNDISPATCHED) { transfer.progress.collect { } }
            told.cancel()
            told.join()
        }
    }

    @Test
    fun `who waits is told of a cancel`() {
        val faults = Faults()
        network(2, faults) { net ->
            val root = net[0].files.share(randomFile("from", 8 * MIB)).root
            faults.slow(net)
            val transfer = net[1].files.get(root, File(folder, "to"), sources = listOf(net[0].peerId))
            started(transfer)
            val waiting = listOf<suspend () -> Any>({ transfer.received() }, { transfer.received() }, { transfer.progress.toList() })
            val told = waiting.map { async(start = CoroutineStart.UNDISPATCHED) { failure<PsfsException.Closed> { it() } } }
            transfer.cancel()
            assertEquals(List(3) { "CANCELLED" }, told.awaitAll().map { it.code })
        }
    }

    @Test
    fun `the end of the satellite leaves what goes on`() {
        val faults = Faults()
        network(2, faults) { net ->
            val (ada, bob) = net
            val source = randomFile("from", 24 * MIB)
            val target = File(folder, "to")
            val root = ada.files.share(source).root
            faults.slow(net)
            val transfer = bob.files.get(root, target, sources = listOf(ada.peerId))
            started(transfer)
            val state = File(folder, "to.part.state")
            val before = state.readBytes()
            // What is on the disk and written down stays: that is done every second.
            transfer.progress.transformWhile<Progress, Unit> { state.readBytes().contentEquals(before) }.collect { }
            val waiting = listOf<suspend () -> Any>({ transfer.received() }, { transfer.progress.toList() })
            val told = waiting.map { async(start = CoroutineStart.UNDISPATCHED) { failure<PsfsException.Closed> { it() } } }
            bob.shutdown()
            assertFalse(target.exists())
            told.awaitAll()
            failure<PsfsException.Closed> { transfer.received() }
            val eve = Satellite(ada.rendezvous, bootstrap = ada.addresses, listen = listOf("127.0.0.1:0"), mdns = false).start()
            val again = eve.files.get(root, target, sources = listOf(ada.peerId), addresses = ada.addresses)
            assertTrue(again.progress.first().bytes > 0)
            again.received()
            assertSame(source, target)
            eve.shutdown()
        }
    }

    @Test
    fun `what goes wrong is thrown where it is asked for`() = network(1) { (ada) ->
        val nothing = "0".repeat(64)
        val occupied = ada.files.get(nothing, randomFile("occupied", 5))
        repeat(2) {
            assertEquals("CONFLICT", failure<PsfsException.Refused> { occupied.progress.toList() }.code)
            val error = failure<PsfsException.Refused> { occupied.received() }
            assertTrue(error.code == "CONFLICT" && "another file" in error.message!!, error.message)
        }
        val nobody = ada.files.get(nothing, File(folder, "new"), patience = 100.milliseconds)
        val error = failure<PsfsException.PeerUnreachable> { nobody.received() }
        assertTrue(error.code == "NO_PEERS" && nothing in error.message!!, error.message)
    }

    @Test
    fun `what is here is found`() = network(1) { (ada) ->
        val files = ada.files
        val shared = listOf("a", "b", "c").map { files.share(randomFile(it, 10), tags = listOf("all", it)) }
        val roots = shared.map { it.root }.sorted()
        val hers = files.share(File(folder, "a"), owner = "ann", tags = listOf("own"))
        assertEquals(roots, files.find().map { it.root })
        assertEquals(roots.drop(1), files.find(tag = "all", after = roots[0]).map { it.root })
        assertEquals(roots.take(1), files.find(most = 1).map { it.root })
        val info = files.find(name = "b").single()
        assertEquals(listOf(shared[1].root, 10L, false, "b"), listOf(info.root, info.size, info.isFolder, info.name))
        assertEquals(listOf(listOf("all", "b"), null, File(folder, "b")), listOf(info.tags, info.sha256, info.path))
        assertTrue(System.currentTimeMillis() - info.addedMillis in 0 until 30_000)
        assertEquals(listOf(hers.root to listOf("own")), files.find(owner = "ann").map { it.root to it.tags })
        assertEquals(emptyList<FileInfo>(), files.find(root = shared[1].root, owner = "ann"))

        repeat(2) { files.tag(shared[0].root, "new") }
        assertEquals(listOf("a", "all", "b", "c", "new"), files.tags())
        assertEquals(listOf("b", "c"), files.tags(after = "all", most = 2))
        assertEquals(listOf("own"), files.tags("ann"))
        assertTrue(files.untag(shared[0].root, "a"))
        assertFalse(files.untag(shared[0].root, "a"))
        assertEquals(emptyList<FileInfo>(), files.find(tag = "a"))
        assertTrue(files.untag(hers.root, "own", "ann"))

        assertTrue(files.remove(shared[0].root))
        assertFalse(files.remove(shared[0].root))
        // It is still Ann's, and goes with her.
        assertEquals(File(folder, "a"), files.here(shared[0].root)?.path)
        assertTrue(files.remove(shared[0].root, "ann"))
        assertNull(files.here(shared[0].root))
        assertEquals(shared.drop(1).map { it.root }.sorted(), files.shared().map { it.root })
        assertTrue(File(folder, "a").exists())
    }

    @Test
    fun `what is here is read`() = network(1) { (ada) ->
        val source = randomFile("from", 2 * MIB + 7)
        val content = source.readBytes()
        val root = ada.files.share(source).root
        assertArrayEquals(content.copyOf(MIB), ada.files.read(root))
        assertArrayEquals(content.copyOfRange(100, MIB), ada.files.read(root, 100))
        assertArrayEquals(content.copyOfRange(2 * MIB, 2 * MIB + 7), ada.files.read(root, 2L * MIB))
        assertEquals(listOf(0, 0), listOf(2L * MIB + 7, Long.MAX_VALUE).map { ada.files.read(root, it).size })
        source.writeBytes(ByteArray(5))
        assertEquals("CONFLICT", failure<PsfsException.Refused> { ada.files.read(root) }.code)
    }

    @Test
    fun `what is kept for others`() = network(2) { (server, client) ->
        val there = server.peerId
        val source = randomFile("letter", 2 * MIB)
        val token = server.files.token("anna", lifetime = Duration.INFINITE)
        val kept = failure<PsfsException.Refused> { client.files.put(there, source, token).received() }
        assertTrue("keeps no files" in kept.message!!, kept.message)
        server.files.keep(quota = 3L * MIB, folder = File(folder, "kept"), lifetime = Duration.INFINITE)
        val put = client.files.put(there, source, token, name = "first", tags = listOf("letters"))
        assertEquals(2L * MIB, put.progress.toList().last().bytes)
        val root = put.received().root
        val quota = server.files.quota("anna")
        assertEquals(listOf("anna", 3L * MIB, 2L * MIB, 0L), listOf(quota.owner, quota.limit, quota.used, quota.reserved))
        assertEquals(1L to 0L, quota.files to quota.uploads)
        val other = randomFile("other", 2 * MIB)
        failure<PsfsException.Refused> { client.files.put(there, other, token).received() }
        server.files.setQuota("anna", 10L * MIB)
        client.files.put(there, other, token).received()
        server.files.setQuota("berta", 5)
        assertEquals(
            listOf(Triple("anna", 10L * MIB, 2L), Triple("berta", 5L, 0L)),
            server.files.quotas().map { Triple(it.owner, it.limit, it.files) },
        )
        assertEquals(listOf("berta"), server.files.quotas(after = "anna", most = 1).map { it.owner })
        server.files.setQuota("berta", null)

        val info = client.files.remoteFind(there, token, tag = "letters").single()
        assertEquals(listOf(root, "first", listOf("letters"), null), listOf(info.root, info.name, info.tags, info.path))
        assertEquals(2, client.files.remoteFind(there, token).size)
        val reading = server.files.token("anna", listOf(Op.READ, Op.DELETE))
        assertTrue("not list" in failure<PsfsException.Refused> { client.files.remoteFind(there, reading) }.message!!)
        val listing = server.files.token("anna", listOf(Op.LIST))
        assertTrue("not delete" in failure<PsfsException.Refused> { client.files.remoteRemove(there, listing, root) }.message!!)
        val reads = server.files.token("anna", listOf(Op.READ), root, 2L * MIB, holder = client.peerId)
        val target = File(folder, "back")
        client.files.get(root, target, sources = listOf(there), token = reads).received()
        assertSame(source, target)
        // Its bytes are used up.
        failure<PsfsException.Refused> {
            client.files.get(root, File(folder, "more"), sources = listOf(there), token = reads, patience = 500.milliseconds).received()
        }
        assertTrue(client.files.remoteRemove(there, token, root))
        assertFalse(client.files.remoteRemove(there, token, root))
        assertEquals(1L, server.files.quota("anna").files)
    }

    @Test
    fun `a put that is cancelled goes on`() {
        val faults = Faults()
        network(2, faults) { net ->
            val (server, client) = net
            server.files.keep(folder = File(folder, "kept"))
            val token = server.files.token("anna")
            val source = randomFile("letter", 8 * MIB)
            faults.slow(net)
            val put = client.files.put(server.peerId, source, token)
            assertTrue(started(put) < 8 * MIB)
            put.cancel()
            failure<PsfsException.Closed> { put.received() }
            faults.healAll()
            val received = client.files.put(server.peerId, source, token).received()
            val kept = server.files.find(owner = "anna").single()
            assertEquals(received.root to "letter", kept.root to kept.name)
            assertSame(source, kept.path!!)
        }
    }

    @Test
    fun `a server may fail on purpose`() = network(2) { (server, client) ->
        val token = server.files.token("anna")
        val source = randomFile("letter", 10)
        server.files.keep(folder = File(folder, "kept"), faulty = 1.0, seed = 7)
        val busy = failure<PsfsException> { client.files.put(server.peerId, source, token, patience = 100.milliseconds).received() }
        assertTrue("a fault on purpose" in busy.message!!, busy.message)
        server.files.keep(folder = File(folder, "kept"), faulty = 0.5, seed = 7)
        client.files.put(server.peerId, source, token).received()
        assertEquals(1, client.files.remoteFind(server.peerId, token).size)
    }
}
