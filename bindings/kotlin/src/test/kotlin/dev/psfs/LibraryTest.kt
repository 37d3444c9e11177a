package dev.psfs

import java.io.File
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** A native library that is not the one in the jar: a clear error, not a crash. */
class LibraryTest {
    @Test
    fun `another library is told of`(@TempDir folder: File) {
        val source = File(folder, "other.c").apply { writeText("unsigned ffi_psfs_uniffi_uniffi_contract_version(void) { return 1; }\n") }
        val built = ProcessBuilder("cc", "-shared", "-fPIC", "-o", File(folder, "libpsfs_uniffi.so").path, source.path).start()
        assertEquals(0, built.waitFor())
        val java = File(System.getProperty("java.home"), "bin/java").path
        val process = ProcessBuilder(
            java, "-Djna.library.path=${folder.path}", "-cp", System.getProperty("java.class.path"), "dev.psfs.ForgetfulKt",
        ).redirectErrorStream(true).start()
        val said = process.inputStream.bufferedReader().readText()
        assertTrue(process.waitFor(30, TimeUnit.SECONDS))
        assertEquals(1, process.exitValue())
        assertTrue("java.lang.LinkageError: the native library psfs_uniffi is missing for this platform or of another version" in said, said)
    }
}
