# shellcheck shell=bash
# How programs in Swift are built and run, for those who test, measure or show with them. Sourced after common.sh, never run.

# swift_at FOLDER WHAT...: `swift build`, `swift test` of the package there, in the Debian that has Swift. Warnings are errors; what hangs is ended.
# shellcheck disable=SC2154 # common.sh's
swift_at() {
    local folder=$1 what=$2
    shift 2
    timeout --kill-after=5 1200 "$root/scripts/swift-root" swift "$what" --package-path "$folder" --scratch-path "$target/swift/$(basename "$(dirname "$folder")")" \
        -Xswiftc -warnings-as-errors "$@"
}
