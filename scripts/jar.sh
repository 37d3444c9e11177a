# shellcheck shell=bash
# How the jar for Kotlin is built, for those who test, measure or show with it. Sourced after common.sh, never run.

# maven GOAL...: quiet but for what is wrong; -ntp, no line for each kilobyte of a download.
# shellcheck disable=SC2154 # common.sh's
maven() {
    mvn -q -B -ntp -f bindings/kotlin -Dpsfs.target="$target" "$@"
}

# The jar, and beside it what it needs and the classes of tests, scenarios and examples.
build_jar() {
    scripts/setup build kotlin
    scripts/uniffi kotlin
    # Of an earlier test run.
    rm -rf "$target/kotlin-shown"
    maven package -DskipTests
}

# For java -cp.
# shellcheck disable=SC2034
jar_path="$target/kotlin/psfs-0.1.0.jar:$target/kotlin/test-classes:$target/kotlin/lib/*"
