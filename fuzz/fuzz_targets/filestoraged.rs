#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| psfs_core::fuzz::filestoraged(data));
