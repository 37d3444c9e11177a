package dev.psfs

import kotlinx.coroutines.runBlocking

/** Leaves without a word. */
fun main(): Unit = runBlocking {
    val satellite = Satellite("forgetful", listen = listOf("127.0.0.1:0"), mdns = false).start()
    satellite.on(PacketType.MESSAGE, "x") { }
    println(if (satellite.isRunning) "running" else "not running")
}
