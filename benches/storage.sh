#!/bin/bash
# The init of the kernel that `storage.py` measures in: the host's file tree, read-only, with systemd, which the peer
# needs to wait for devices. From the kernel command line: bench_share (directory on the host).
# shellcheck disable=SC2154 # the kernel puts NAME=VALUE of its command line into the environment
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/share /run/host /run/units /run/modules/lib/modules
# Mount the host's tree again: its /tmp and /run are hidden by the mounts here.
mount -t hostfs -o / none /run/host
mount -t hostfs -o "$bench_share" none /run/share
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
ln -s "/usr/lib/uml/modules/$(uname -r)" "/run/modules/lib/modules/$(uname -r)"
modprobe --dirname /run/modules loop
cp /run/share/*.service /run/share/*.target /run/units
# Use only our units, not those of the host.
export SYSTEMD_UNIT_PATH=/run/units
exec /lib/systemd/systemd --unit=bench.target --show-status=no --default-standard-output=null
