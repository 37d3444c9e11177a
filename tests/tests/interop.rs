//! Programs in other languages, written from the description of a wire alone, against libpsfs: `tests/interop`.

use std::process::Command;

#[test]
fn clients_of_filestoraged_keep_their_files_whatever_breaks() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/test_filestoraged.py");
    let ended = Command::new("python3")
        // Nothing is written beside the sources; what is left open is a failure.
        .args(["-B", "-W", "error", tests, env!("CARGO_BIN_EXE_node")])
        .output()
        .expect("python3 is needed for this test: scripts/setup test tells what is missing");
    assert!(
        ended.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
}
