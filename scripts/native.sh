# shellcheck shell=bash
# What scripts/test-c, test-cpp and test-install share: how programs in C and C++ are compiled, run and checked. Sourced
# after common.sh, never run.

# The release library: what programs link. `target` is common.sh's.
# shellcheck disable=SC2154
lib=$target/release

# Arrays for those who source this.
# shellcheck disable=SC2034
{
    strict=(-Wall -Wextra -Wpedantic -Werror -Iinclude)
    sanitize=("-fsanitize=address,undefined" -fno-sanitize-recover=all -fno-omit-frame-pointer)
    # -x none: after -x c++ a library would be read as source.
    link=(-x none -L"$lib" -lpsfs "-Wl,-rpath,$lib" -pthread)
    memcheck=(valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=all
        "--errors-for-leak-kinds=definite,indirect,possible" --suppressions=ffi/tests/c/memcheck.supp)
    helgrind=(valgrind --quiet --tool=helgrind --error-exitcode=99 --suppressions=ffi/tests/c/helgrind.supp)
}

passed=0
failed=0

# in_folder PATH: an empty folder for what is built and for the log of `check`.
in_folder() {
    out=$1
    rm -rf "$out"
    mkdir -p "$out"
}

# check NAME COMMAND...: its output is shown only when it fails. Inside a function that is given as the command `set -e` is
# off: its steps need `|| return`.
check() {
    local name=$1 began=$SECONDS status=0
    shift
    "$@" >"$out/log" 2>&1 </dev/null || status=$?
    if ((status == 0)); then
        passed=$((passed + 1))
        printf 'ok      %s (%d s)\n' "$name" $((SECONDS - began))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: exit status %d\n' "$name" "$status"
        sed 's/^/        /' "$out/log"
    fi
    return "$status"
}

# run NAME SECONDS COMMAND...: a test that hangs is killed.
run() {
    local name=$1 limit=$2
    shift 2
    check "$name" timeout --kill-after=5 "$limit" "$@"
}

# run_under_valgrind NAME PROGRAM: memcheck, and helgrind for tests of threads.
run_under_valgrind() {
    run "$1: valgrind" 300 "${memcheck[@]}" "$2" || true
    if [[ $1 == *thread* ]]; then
        run "$1: helgrind" 300 "${helgrind[@]}" "$2" || true
    fi
}

# summary WHAT: the last line, and the exit status.
summary() {
    printf '\n%s: %d passed, %d failed\n' "$1" "$passed" "$failed"
    ((failed == 0))
}
