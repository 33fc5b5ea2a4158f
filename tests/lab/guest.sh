#!/bin/bash
# First process of the lab's kernel. The root is the host's own file tree, read only; everything written goes to
# memory, but for the results, which go to the host through $lab_share.
# From the kernel command line: lab_share (directory on the host), lab_exe, lab_kindling (programs on the host).
# shellcheck disable=SC2154 # the kernel puts words NAME=VALUE of its command line into the environment
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

finish() { busybox poweroff -f; }
trap finish EXIT

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
ln -sf /proc/self/fd /dev/fd
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/host /run/share /run/modules/lib/modules
# Once more the host's tree: /tmp and /run of the host are hidden by the mounts here.
mount -t hostfs -o / none /run/host
mount -t hostfs -o "$lab_share" none /run/share
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t tmpfs tmpfs /mnt

# Modules live outside /lib/modules, where the kernel would look for them on demand; so all come now.
ln -s "/usr/lib/uml/modules/$(uname -r)" "/run/modules/lib/modules/$(uname -r)"
modprobe --dirname /run/modules --all loop vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8 cbc ecb xts essiv af_alg \
    algif_skcipher algif_hash dm-mod dm-crypt md-mod linear raid0 raid1 raid10 raid456 || echo "a kernel module is missing"

export TMPDIR=/tmp HOME=/tmp
/lib/systemd/systemd-udevd --daemon
# Hundreds of terminals are of no interest here.
udevadm trigger --subsystem-nomatch=tty --settle
busybox ip link set lo up
# A copy in memory starts faster than a program on the host's file tree.
cp "/run/host$lab_kindling" /run/kindling
"/run/host$lab_exe" --guest /run/share /run/kindling
echo "guest runner ended with $?"
