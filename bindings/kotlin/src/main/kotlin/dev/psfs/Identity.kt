package dev.psfs

import dev.psfs.ffi.NativeIdentity

/** A satellite's key pair, for applications that keep it elsewhere than in a file (Android's Keystore). */
public class Identity private constructor(internal val raw: NativeIdentity) {
    /** The id of the satellite with this key. */
    public val peerId: String = raw.peerId()

    /** The id with a suffix that people can compare. */
    public val fingerprint: String get() = raw.fingerprint()

    /** The key as PEM text, protected if a passphrase is given. */
    public fun toPem(passphrase: String? = null): String = native { raw.toPem(passphrase) }

    override fun toString(): String = "Identity($peerId)"

    public companion object {
        /** A new RSA key of 2048 bits: some tens of milliseconds of computing. */
        @JvmStatic
        public fun generate(): Identity {
            Native.hub
            return Identity(native { NativeIdentity.generate() })
        }

        /** The key in a PEM text: PKCS#8, PKCS#1, or what [toPem] gave with a passphrase. */
        @JvmStatic
        @JvmOverloads
        public fun fromPem(pem: ByteArray, passphrase: String? = null): Identity {
            Native.hub
            return Identity(native { lend(pem) { NativeIdentity.fromPem(it, passphrase) } })
        }
    }
}
