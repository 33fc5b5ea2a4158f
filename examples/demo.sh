#!/bin/bash
# Plans and applies examples/demo.ign to a 2 GiB image in a temporary directory, then looks at the result with the tools
# that made the formats, and plans again. Any finding ends the demo with a failure. Needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=examples/demo.ign
readonly NOTHING_TO_DO=0 CHANGES=2

[ "$(id -u)" -eq 0 ] || { echo "demo: needs root: it mounts file systems of the image" >&2; exit 1; }

# A release build if there is one, else the quicker build. The first one takes minutes: its progress is shown.
if [ -x target/release/kindling ]; then
    cargo build --release
    kindling=target/release/kindling
else
    cargo build
    kindling=target/debug/kindling
fi

dir=$(mktemp -d --tmpdir kindling-demo.XXXXXX)
image=$dir/demo.img
bind=(--image "/dev/vda=$image,size=2G")
mkdir "$dir/root"
mounted=()
loops=()

clean() {
    for ((n = ${#mounted[@]} - 1; n >= 0; n--)); do umount "${mounted[n]}"; done
    for loop in "${loops[@]}"; do losetup --detach "$loop"; done
    rm -rf "$dir"
}
trap clean EXIT

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
run() { printf '$ %s\n' "$*"; "$@"; }

# Runs kindling and insists on an exit code.
expect() {
    local code=$1 got=0
    shift
    printf '$ kindling %s\n' "$*"
    "$kindling" "$@" || got=$?
    [ "$got" -eq "$code" ] || fail "kindling $1 ended with $got, expected $code"
}

# A loop device over one partition: works on kernels that do not scan partitions. Sets $device.
attach() {
    local start size
    read -r start size < <(sfdisk --json "$image" | python3 -c '
import json, sys
table = json.load(sys.stdin)["partitiontable"]
part = table["partitions"][int(sys.argv[1]) - 1]
print(part["start"] * table["sectorsize"], part["size"] * table["sectorsize"])' "$1")
    device=$(losetup --find --show --offset "$start" --sizelimit "$size" "$image")
    loops+=("$device")
}

show_mounted() {
    mount -o ro "$1" "$dir/root$2"
    mounted+=("$dir/root$2")
}

title "The plan: what would happen, and that nothing has yet"
expect $CHANGES plan "${bind[@]}" "$config"
[ ! -e "$image" ] || fail "planning created $image"

title "The same plan, carried out"
expect 0 apply --report "$dir/report.json" "${bind[@]}" "$config"

title "The partition table, by the tools that know it"
run sfdisk --verify "$image"
run sgdisk --verify "$image" | tee "$dir/verify"
grep -q "No problems found" "$dir/verify" || fail "sgdisk finds problems"
run sfdisk --list "$image"

title "The file systems, by their own checkers"
attach 1; esp=$device;  run fsck.fat -n "$esp"
attach 2; root=$device; run e2fsck -fn "$root"
attach 3; var=$device;  run xfs_repair -n "$var" 2>&1 | tail -n 2
attach 4; swap=$device
attach 5; data=$device; run btrfs check "$data" 2>&1 | tail -n 4
run blkid --probe "$esp" "$root" "$var" "$swap" "$data"

title "The tree"
show_mounted "$root" ""
show_mounted "$var" /var
show_mounted "$data" /srv/data
(cd "$dir/root" && find . -name lost+found -prune -o -printf '%M %5U:%-5G %8s  %P %l\n' | sort -k4)

title "The account"
run grep '^core:' "$dir/root/etc/passwd"
run grep '^ops:' "$dir/root/etc/group"

title "The unit"
run cat "$dir/root/etc/systemd/system/hello.service"
run cat "$dir/root/etc/systemd/system-preset/20-ignition.preset"

title "The report"
expect 0 report "$dir/report.json"

for ((n = ${#mounted[@]} - 1; n >= 0; n--)); do umount "${mounted[n]}"; done
mounted=()
for loop in "${loops[@]}"; do losetup --detach "$loop"; done
loops=()

title "The plan again"
expect $NOTHING_TO_DO plan "${bind[@]}" "$config"
echo
echo "demo: all checks passed"
