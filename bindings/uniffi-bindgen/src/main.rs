//! uniffi's own program, in the version that psfs-uniffi is built with: the two must be the same.
//!
//! A package beside it and not a feature of it, so that it is built without the library and never for a release.

fn main() {
    uniffi::uniffi_bindgen_main();
}
