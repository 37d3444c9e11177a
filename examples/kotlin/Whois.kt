// Asks everybody under a rendezvous who they are.
//
//     mvn exec:java -Dexec.mainClass=WhoisKt -Dexec.args="pineapple [ADDRESS...]"      (in bindings/kotlin, see Greet.kt)

import dev.psfs.Peer
import dev.psfs.PsfsException
import dev.psfs.Satellite
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking

fun main(args: Array<String>) {
    if (args.isEmpty()) {
        System.err.println("usage: Whois RENDEZVOUS [ADDRESS...]")
        exitProcess(1)
    }
    try {
        // close() at the end of `use` waits until the others have been told.
        Satellite(args[0], bootstrap = args.drop(1)).use { sat -> runBlocking { ask(sat) } }
    } catch (failed: PsfsException) {
        System.err.println("${failed.message}\n${failed.hint}")
        exitProcess(1)
    }
}

private suspend fun ask(sat: Satellite) {
    sat.start()
    // A satellite takes a moment to find the first other one. Every wait has a limit, and a cancelled coroutine ends it.
    sat.waitConnected(timeout = 20.seconds)
    // seek asks whoever is connected, side by side; replies come as they arrive, several from each if it likes.
    sat.seek("whois", timeout = 5.seconds).collect { reply -> println("${reply.peer} ${reply.text}") }
    // The same of one peer is request: it fails if that peer does not serve it. first() cancels what comes after the first reply.
    for (peer in sat.peers.filter { it.state == Peer.State.CONNECTED }) {
        try {
            println("asked alone: ${sat.request(peer.id, "whois", timeout = 5.seconds).first().text}")
        } catch (unknown: PsfsException.NotFound) {
            println("${peer.id} does not say who it is")
        }
    }
}
