//! Generates the packet types from `proto/psfs.proto`, without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/psfs.proto");
    let files = protox::compile(["proto/psfs.proto"], ["proto"])?;
    prost_build::Config::new()
        // Contents stay slices of the frame they came in: nothing is copied on the way to a handler.
        .bytes(["."])
        .compile_fds(files)?;
    Ok(())
}
