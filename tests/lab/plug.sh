#!/bin/bash
# Plugs a disk in while a stage runs: plug.sh DIR FILE SECONDS, so long after the stage was seen. Out again with "out".
set -euo pipefail

dir=$1 file=$2 when=$3

if [[ $when == out ]]; then
    losetup --associated "$dir/$file" --output NAME --noheadings | xargs --no-run-if-empty losetup --detach
    exit
fi

# Nothing of it may keep a pipe of the lab open.
(
    until pgrep -x ignition; do sleep 0.1; done
    sleep "$when"
    losetup --find --show "$dir/$file"
) </dev/null >"$dir/plug-$file.log" 2>&1 &
echo "$!" >>"$dir/pids"
