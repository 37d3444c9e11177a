package dev.psfs

import dev.psfs.ffi.NativePeer
import dev.psfs.ffi.NativePeerEvent
import dev.psfs.ffi.NativePeerKind
import dev.psfs.ffi.NativePeerState
import dev.psfs.ffi.NativeSigning

/** How packets are signed after a session is authenticated. The stricter of both sides' choices holds. */
public enum class Signing {
    /** By a short-lived key that the RSA key has vouched for. */
    EVERY,

    /** By the RSA key itself. */
    RSA,

    /** Not at all, if both sides ask for it. */
    LAZY;

    internal fun toNative(): NativeSigning = when (this) {
        EVERY -> NativeSigning.EVERY
        RSA -> NativeSigning.RSA
        LAZY -> NativeSigning.LAZY
    }

    internal companion object {
        fun of(signing: NativeSigning): Signing = when (signing) {
            NativeSigning.EVERY -> EVERY
            NativeSigning.RSA -> RSA
            NativeSigning.LAZY -> LAZY
        }
    }
}

/** A known peer, as it was when asked. */
public class Peer internal constructor(peer: NativePeer) {
    /** How it stands. */
    public enum class State {
        /** Known. */
        MET,

        /** There is a session. */
        CONNECTED,

        /** It did not answer, several times in a row. It is still tried. */
        UNREACHABLE,
    }

    /** Its id. */
    public val id: String = peer.id

    /** How it stands. */
    public val state: State = when (peer.state) {
        NativePeerState.MET -> State.MET
        NativePeerState.CONNECTED -> State.CONNECTED
        NativePeerState.UNREACHABLE -> State.UNREACHABLE
    }

    /** Where it may be dialled, best first. */
    public val addresses: List<String> = peer.addresses

    /** How the session signs; null without one. */
    public val signing: Signing? = peer.signing?.let(Signing::of)

    override fun toString(): String = "Peer($id $state)"
}

/** What happens to peers. */
public sealed interface PeerEvent {
    /** It is known from now on. Told before anything else of it. */
    public data class Discovered(val peer: String) : PeerEvent

    /** A connection stands, and the transport has proved who is at its other end. */
    public data class Connected(val peer: String, val address: String) : PeerEvent

    /** There is a session: packets flow. */
    public data class Authenticated(val peer: String) : PeerEvent

    /** There is no session any more; [code] is a name of the table of errors. */
    public data class Disconnected(val peer: String, val reason: String, val code: String) : PeerEvent

    /** It did not answer several times in a row. */
    public data class Unreachable(val peer: String, val reason: String) : PeerEvent

    /** A handler was too slow and [dropped] events were left out; null is for events of peers themselves. */
    public data class Lagged(val type: PacketType?, val namespace: String, val dropped: Long) : PeerEvent
}

internal fun NativePeerEvent.known(): PeerEvent = when (kind) {
    NativePeerKind.DISCOVERED -> PeerEvent.Discovered(peer)
    NativePeerKind.CONNECTED -> PeerEvent.Connected(peer, address)
    NativePeerKind.AUTHENTICATED -> PeerEvent.Authenticated(peer)
    NativePeerKind.DISCONNECTED -> PeerEvent.Disconnected(peer, reason, code)
    NativePeerKind.UNREACHABLE -> PeerEvent.Unreachable(peer, reason)
    NativePeerKind.LAGGED ->
        PeerEvent.Lagged(PacketType.entries.find { it.number == packetType }, namespace, dropped)
}
