// Greets everybody under a rendezvous, and shows who greets back.
//
//     scripts/uniffi kotlin && cd bindings/kotlin && mvn test-compile
//     mvn exec:java -Dexec.mainClass=GreetKt -Dexec.args="pineapple"                  finds others on the local network
//     mvn exec:java -Dexec.mainClass=GreetKt -Dexec.args="pineapple /ip4/127..."      and through one of them, wherever it is
//
// Start it twice. Ctrl-C ends it, and the others are told.

import dev.psfs.PacketType
import dev.psfs.PeerEvent
import dev.psfs.PsfsException
import dev.psfs.Satellite
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking

fun main(args: Array<String>): Unit = runBlocking {
    if (args.isEmpty()) {
        System.err.println("usage: Greet RENDEZVOUS [ADDRESS...]")
        exitProcess(1)
    }
    val sat = Satellite(args[0], bootstrap = args.drop(1))
    // A JVM that is told to end runs this first: what was accepted goes out, and the others hear of it.
    Runtime.getRuntime().addShutdownHook(thread(start = false) { sat.close() })

    // Registered before the start, handlers miss nothing. Contents are bytes, of anybody under the rendezvous; text reads them as UTF-8.
    sat.on(PacketType.MESSAGE, "greeting") { message -> println("${message.peer} says ${message.text}") }

    // A REQUEST is for us alone, a SEEK for everybody. When the handler returns, the answer is complete.
    for (type in listOf(PacketType.REQUEST, PacketType.SEEK)) {
        sat.on(type, "whois") { message -> message.reply("""{"id":"${sat.peerId}","language":"Kotlin"}""") }
    }

    sat.start()
    println("I am ${sat.fingerprint}")
    sat.addresses.forEach { println("reach me at $it") }

    // Sessions come and go by themselves. The flow ends when the satellite is shut down.
    sat.peerEvents().collect { event ->
        when (event) {
            is PeerEvent.Authenticated -> try {
                sat.send(event.peer, "greeting", "hello from Kotlin")
            } catch (gone: PsfsException) {
                // Gone again already, for example. The hint says what to do.
                System.err.println("${gone.message}\n${gone.hint}")
            }
            is PeerEvent.Disconnected -> println("${event.peer} left: ${event.reason}")
            else -> Unit
        }
    }
}
