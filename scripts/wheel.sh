# shellcheck shell=bash
# What scripts/test-python and test-scenarios share: the wheel, and environments that have it installed. Sourced after common.sh,
# never run.

# `target` is common.sh's.
# shellcheck disable=SC2154
out=$target/python

# No cargo, no rustc.
plain_path=$(printf '%s' "$PATH" | tr ':' '\n' | while read -r folder; do
    [[ -x $folder/cargo || -x $folder/rustc ]] || printf '%s:' "$folder"
done)

# Sets `wheel`.
build_wheel() {
    rm -rf "$out/wheel"
    mkdir -p "$out"
    # Its own environment, so that nothing of it is in those that the tests use.
    [[ -x $out/maturin/bin/maturin ]] || {
        python3 -m venv "$out/maturin"
        "$out/maturin/bin/pip" install --quiet 'maturin>=1.16,<2'
    }
    "$out/maturin/bin/maturin" build --quiet --release --locked --manifest-path bindings/python/Cargo.toml --out "$out/wheel" \
        --interpreter python3
    wheel=$(echo "$out"/wheel/psfs-*-cp311-abi3-*.whl)
    [[ -f $wheel ]] || fail "no abi3 wheel was made: $(ls "$out/wheel")"
}

# install_wheel PYTHON ENVIRONMENT [PACKAGE...]: makes the environment.
install_wheel() {
    local python=$1 env=$2
    shift 2
    rm -rf "$env"
    "$python" -m venv "$env"
    PATH=$plain_path "$env/bin/pip" install --quiet "$wheel" "$@"
}
