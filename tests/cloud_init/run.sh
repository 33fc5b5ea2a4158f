#!/bin/bash
# Makes the Debian root that compare.py works on, and calls it: tests/cloud_init/run.sh [OPTION OF compare.py ...]
# The root is kept in target/, so only the first run takes the time to make it.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$here/../../target/cloud-init-root.tar
packages=cloud-init,systemd,systemd-sysv,udev,passwd,sudo,openssh-server,tzdata,locales,ca-certificates,rsyslog,chrony

if [[ ! -e $root ]]; then
    mkdir -p "$(dirname "$root")"
    mmdebstrap --variant=minbase --include="$packages" bookworm "$root.new"
    mv "$root.new" "$root"
fi
exec "$here/compare.py" --root "$root" "$@"
