#!/bin/bash
# Feeds hostile bytes to what reads disks and what comes over a network: fuzz/run.sh SECONDS [TARGET ...]
# What is found on the way stays in target/fuzz-corpus. A crash is an input below fuzz/artifacts: mend its cause, then
# keep the input in fuzz/corpus, where `cargo test` goes through it. `fuzz/run.sh small` renews fuzz/corpus from all.
set -euo pipefail
cd "$(dirname "$0")/.."

# The toolchain is the stable one; only the sanitizer's flags want more.
export RUSTC_BOOTSTRAP=1
# What was freed and is watched must not count as used for long.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=32
if ! command -v cargo-fuzz >/dev/null; then
    cargo install --locked cargo-fuzz
fi
ways=(--fuzz-dir fuzz --sanitizer address --target-dir target/fuzz)
limits=(-max_len=4096 -timeout=5 -rss_limit_mb=512 -malloc_limit_mb=256 -print_final_stats=1)

# Words that a target's inputs are made of.
dictionary() {
    case "$1" in
        gpt | probe) echo fuzz/superblocks.dict ;;
        config | findings | languages)
            # The names and values of the language, as the schemas have them.
            grep -ohE '"[^"\\]{1,40}"' schemas/*.json | sort -u | sed 's/"/\\"/g; s/.*/"&"/' > target/fuzz-config.dict
            echo target/fuzz-config.dict ;;
        *) echo fuzz/words.dict ;;
    esac
}

seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(gpt probe config findings paths accounts keys data_url pem tftp ovf languages)

for target in "${targets[@]}"; do
    words="-dict=$(dictionary "$target")"
    mkdir -p "target/fuzz-corpus/$target"
    if [ "$seconds" = small ]; then
        rm -rf "target/fuzz-small/$target"
        cp -r "fuzz/corpus/$target/." "target/fuzz-corpus/$target"
        mkdir -p "target/fuzz-small/$target"
        cargo fuzz run "${ways[@]}" "$target" "target/fuzz-small/$target" "target/fuzz-corpus/$target" -- \
            -merge=1 "${limits[@]}" "$words"
        find "fuzz/corpus/$target" -type f ! -name 'seed-*' -delete
        # Seeds have names; of the others the smallest show most for their size.
        find "target/fuzz-small/$target" -type f -size -2 -printf '%s %p\n' | sort -n | head -130 | cut -d' ' -f2 |
            while read -r input; do
                cp "$input" "fuzz/corpus/$target/$(sha1sum < "$input" | cut -c1-16)"
            done
    else
        cargo fuzz run "${ways[@]}" "$target" "target/fuzz-corpus/$target" "fuzz/corpus/$target" -- \
            -max_total_time="$seconds" "${limits[@]}" "$words"
    fi
done
