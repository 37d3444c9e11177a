package dev.psfs.shown

import dev.psfs.PacketType
import java.io.File
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

private val said = ConcurrentLinkedQueue<String>()
private lateinit var others: List<String>

/** What the tastes call in this package: satellites that find the other one and nobody else, and lines that are kept. */
internal fun Satellite(rendezvous: String) =
    dev.psfs.Satellite(rendezvous, bootstrap = others, listen = listOf("127.0.0.1:0"), mdns = false)

internal fun println(line: String) = said.add(line)

/** What is shown to people works: the examples, and the READMEs' tastes word for word (scripts/test-kotlin puts them into Tastes.kt). */
class ShownTest {
    private fun taste(run: suspend () -> Unit) = runBlocking {
        withTimeout(60.seconds) {
            others = emptyList()
            val other = Satellite("pineapple").start()
            other.on(PacketType.SEEK, "whois") { it.reply("the other one") }
            others = other.addresses
            said.clear()
            run()
            assertEquals(listOf("${other.peerId}: the other one"), said.toList())
            other.shutdown()
        }
    }

    @Test
    fun `the taste in the project's README`() = taste(::taste0)

    @Test
    fun `the taste in the README for Kotlin`() = taste(::taste1)

    private fun example(name: String, vararg arguments: String): Process {
        val java = File(System.getProperty("java.home"), "bin/java").path
        return ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), "${name}Kt", *arguments).start()
    }

    @Test
    fun `the examples greet and ask each other`() {
        val greet = example("Greet", "examples-in-kotlin")
        try {
            val address = greet.inputReader().lineSequence()
                .first { "/ip4/127.0.0.1/tcp/" in it }.removePrefix("reach me at ")
            val whois = example("Whois", "examples-in-kotlin", address)
            val lines = whois.inputReader().readLines()
            assertTrue(whois.waitFor(60, TimeUnit.SECONDS))
            assertEquals(0, whois.exitValue()) { whois.errorReader().readText() }
            val peer = address.substringAfterLast('/')
            val answer = """{"id":"$peer","language":"Kotlin"}"""
            assertEquals(listOf("$peer $answer", "asked alone: $answer"), lines)
        } finally {
            greet.destroy()
            assertTrue(greet.waitFor(30, TimeUnit.SECONDS))
        }
    }

    @Test
    fun `an example without arguments says how it is used`() {
        for (name in listOf("Greet", "Whois")) {
            val ended = example(name)
            assertTrue(ended.errorReader().readText().startsWith("usage: $name"))
            assertEquals(1, ended.waitFor())
        }
    }
}
