#!/bin/bash
# Fuzzes the parsers of disks and of network input: fuzz/run.sh SECONDS [TARGET ...]
# New inputs are kept in target/fuzz-corpus. Inputs that crash are in fuzz/artifacts: fix the cause, then move the input
# to fuzz/corpus, which `cargo test` covers. `fuzz/run.sh small` minimizes all inputs to a new fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

# Allows the flags of the sanitizer with the stable toolchain.
export RUSTC_BOOTSTRAP=1
# Freed memory in the sanitizer's quarantine counts towards the memory limit: keep it small.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=32
if ! command -v cargo-fuzz >/dev/null; then
    cargo install --locked cargo-fuzz
fi
ways=(--fuzz-dir fuzz --sanitizer address --target-dir target/fuzz)
limits=(-max_len=4096 -timeout=5 -rss_limit_mb=512 -malloc_limit_mb=256 -print_final_stats=1)

# The dictionary of a target.
dictionary() {
    case "$1" in
        gpt | probe) echo fuzz/superblocks.dict ;;
        config | findings | languages)
            # The names and values in the schemas of the language.
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
    mkdir -p "target/fuzz-corpus/$target"
    words="-dict=$(dictionary "$target")"
    if [ "$seconds" = small ]; then
        rm -rf "target/fuzz-small/$target"
        cp -r "fuzz/corpus/$target/." "target/fuzz-corpus/$target"
        mkdir -p "target/fuzz-small/$target"
        cargo fuzz run "${ways[@]}" "$target" "target/fuzz-small/$target" "target/fuzz-corpus/$target" -- \
            -merge=1 "${limits[@]}" "$words"
        find "fuzz/corpus/$target" -type f ! -name 'seed-*' -delete
        # Seeds are always kept; of the others, only the smallest.
        find "target/fuzz-small/$target" -type f -size -2 -printf '%s %p\n' | sort -n | head -130 | cut -d' ' -f2 |
            while read -r input; do
                cp "$input" "fuzz/corpus/$target/$(sha1sum < "$input" | cut -c1-16)"
            done
    else
        cargo fuzz run "${ways[@]}" "$target" "target/fuzz-corpus/$target" "fuzz/corpus/$target" -- \
            -max_total_time="$seconds" "${limits[@]}" "$words"
    fi
done
