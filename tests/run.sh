#!/bin/bash
# All tests: each test program by itself, several at the same time, since most of them wait more than they compute. What
# one prints is shown when it has ended. Needs root: each has mounts of its own, so that nothing it mounts stays behind.
#
# TEST_JOBS: how many programs at the same time. RUST_TEST_THREADS: how many tests of each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=${TEST_JOBS:-$(($(nproc) + 1))}
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
read -ra cargo <<< "${CARGO:-cargo}"
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT

# The longest come first, so that none of them is left over at the end.
first=(lab root tools fetch foresight)
programs=("${first[@]}")
for file in tests/*/main.rs; do
    name=${file#tests/}
    name=${name%/main.rs}
    [[ " ${first[*]} " == *" $name "* ]] || programs+=("$name")
done

# run NAME FLAG...: runs one of them, shows its output, and notes how to repeat what failed.
run() {
    local name=$1 began=$SECONDS tests
    shift
    if unshare --mount "${cargo[@]}" test --no-fail-fast "$@" > "$output/$name" 2>&1; then
        result=passed
    else
        result=failed
        mapfile -t tests < <(sed -n 's/^test \([^ ]*\) \.\.\. FAILED\b.*/\1/p' "$output/$name")
        echo "cargo test $*${tests[*]:+ -- --exact ${tests[*]}}" >> "$output/.failed"
    fi
    echo "$name" >> "$output/.finished"
    # In one piece, so that two that end together do not mix.
    flock "$output/.finished" cat "$output/$name"
    echo "==== $name: $result in $((SECONDS - began)) s"
}

# The number of those that still run is what `wait -n` counts down.
running=0
start() {
    if [ "$running" -ge "$jobs" ]; then
        # What failed is noted; `set -e` must not end the others.
        wait -n || true
        running=$((running - 1))
    fi
    run "$@" &
    running=$((running + 1))
}

for name in "${programs[@]}"; do
    start "$name" --test "$name"
done
start unit-tests --lib --bins
start doc-tests --doc
wait

failed=0
if [ -e "$output/.failed" ]; then
    failed=$(wc -l < "$output/.failed")
    echo "These failed; each line repeats one:"
    sed 's/^/    /' "$output/.failed"
fi
echo "programs: $(($(wc -l < "$output/.finished") - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
