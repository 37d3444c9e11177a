# shellcheck shell=bash
# What the scripts share: where things are, how a step is shown, the one release build. Sourced, never run.

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$PWD/$target
# Tests and the cargo processes they start must agree with us where the library lies.
export CARGO_TARGET_DIR=$target

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# step NAME COMMAND...: runs it and says how long it took. Never call it in a condition: that would switch `set -e` off.
step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@"
    printf -- '-- %s: %d s\n' "$name" $((SECONDS - began))
}

# Always with the same packages: another choice would unite other features and build the dependencies once more.
build_release() {
    cargo build --release --locked -p psfs-ffi -p psfs-cli
    name_library
}

# Programs look for the library under its soname, which cargo does not know of.
name_library() {
    ln -sf libpsfs.so "$target/release/libpsfs.so.0"
}
