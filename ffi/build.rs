//! How the shared library is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The name programs are bound to: it changes with what they may rely on, not with every release.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libpsfs.so.0");
        // Threads and thread-local destructors may outlive a dlclose: the library stays.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
