# shellcheck shell=bash
# How programs in Swift are built and run, for those who test, measure or show with them. Sourced after common.sh, never run.

# swift_at FOLDER WHAT...: `swift build`, `swift test` of the package there, in the Debian that has Swift. Warnings are errors; what hangs is ended.
# shellcheck disable=SC2154 # common.sh's
swift_at() {
    local folder=$1 what=$2 scratch
    scratch=$target/swift/$(basename "$(dirname "$folder")")
    shift 2
    # The plan of an earlier build: of packages that others depend on it would not see files that are new.
    rm -f "$scratch"/{debug,release}.yaml
    timeout --kill-after=5 1200 "$root/scripts/swift-root" swift "$what" --package-path "$folder" --scratch-path "$scratch" \
        -Xswiftc -warnings-as-errors "$@"
}
