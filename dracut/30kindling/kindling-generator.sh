#!/bin/sh
# Decides whether this is a first boot, and hooks the matching target into initrd.target.
#
# It is a generator, and not a condition on the kernel command line, because a unit whose condition fails still
# pulls in what it requires.
set -euf

# The journal is not there yet.
exec >/dev/kmsg 2>&1

unit_dir=${1:-/tmp}

# The kernel command line, which may have several lines where a container or a test makes it. From here to the end of
# `unquote`, kindling-generator.sh and kindling-network.sh are the same, so that each of them needs no other file.
cmdline=
while read -r line || [ -n "$line" ]; do
    cmdline="$cmdline $line"
done </proc/cmdline || :

# argument NAME: sets `found` to what the kernel command line gives NAME, the last one counting; a bare word is its own value.
# As in the kernel, blanks inside double quotes belong to an argument, and the quotes around an argument or its value do
# not.
argument() {
    found=
    whole=
    in_quotes=
    # shellcheck disable=SC2086 # one word per part; globbing is off
    for part in $cmdline; do
        whole=$whole${in_quotes:+ }$part
        while [ "$part" != "${part#*\"}" ]; do
            part=${part#*\"}
            if [ -n "$in_quotes" ]; then in_quotes=; else in_quotes=yes; fi
        done
        if [ -z "$in_quotes" ]; then
            take "$1"
            whole=
        fi
    done
    take "$1"
}

# take NAME: sets `found` if the argument in `whole` is the one called NAME.
take() {
    unquote "$whole"
    if [ "${unquoted%%=*}" = "$1" ]; then
        unquote "${unquoted#*=}"
        found=$unquoted
    fi
}

# unquote TEXT: only a text that begins with a quote loses the one at its end.
unquote() {
    unquoted=${1#\"}
    if [ "$unquoted" != "$1" ]; then
        unquoted=${unquoted%\"}
    fi
}

# is_true NAME...: whether one of these arguments is there and does not say no.
is_true() {
    for name in "$@"; do
        argument "$name"
        case $found in
            '' | 0 | no | off) ;;
            *) return 0 ;;
        esac
    done
    return 1
}

# require UNIT TARGET
require() {
    mkdir -p "$unit_dir/$2.requires"
    ln -sf "../$1" "$unit_dir/$2.requires/$1"
}

has_root_disk() {
    ! command -v is-live-image >/dev/null || ! is-live-image
}

if is_true ignition.firstboot flatcar.first_boot coreos.first_boot; then
    require ignition-complete.target initrd.target
    if has_root_disk; then
        require ignition-diskful.target ignition-complete.target
    fi
else
    require ignition-subsequent.target initrd.target
    if has_root_disk; then
        require ignition-diskful-subsequent.target ignition-subsequent.target
    fi
fi

argument ignition.platform.id
platform=$found
oem=
if [ -z "$platform" ]; then
    # Flatcar names the platform by its OEM, with older names for three of them.
    argument flatcar.oem.id
    oem=$found
    if [ -z "$oem" ]; then
        argument coreos.oem.id
        oem=$found
    fi
    if [ -z "$oem" ] && is_true flatcar.first_boot coreos.first_boot; then
        case $(systemd-detect-virt --vm 2>/dev/null || :) in
            kvm | qemu) oem=qemu ;;
            *) oem=metal ;;
        esac
    fi
    case $oem in
        ec2) platform=aws ;;
        gce) platform=gcp ;;
        pxe) platform=metal ;;
        *) platform=$oem ;;
    esac
fi
{
    echo "PLATFORM_ID=$platform"
    if [ -n "$oem" ]; then
        echo "OEM_ID=$oem"
    fi
} >/run/ignition.env
