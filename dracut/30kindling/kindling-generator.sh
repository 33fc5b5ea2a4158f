#!/bin/sh
# Decides whether this is a first boot, and makes initrd.target require the matching target.
#
# This is a generator instead of a condition on the kernel command line, because a unit whose condition is not met still
# pulls in its requirements.
set -euf

# The journal is not running yet.
exec >/dev/kmsg 2>&1

unit_dir=${1:-/tmp}

# The kernel command line, which may have several lines in a container or a test. From here to the end of `unquote`,
# kindling-generator.sh and kindling-network.sh are identical, so that neither needs another file.
cmdline=
while read -r line || [ -n "$line" ]; do
    cmdline="$cmdline $line"
done </proc/cmdline || :

# argument NAME: sets `found` to the value of NAME on the kernel command line. The last one counts; the value of an
# argument without `=` is its name. As in the kernel, blanks in double quotes belong to an argument, and the quotes
# around an argument or its value do not.
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

# unquote TEXT: sets `unquoted` to TEXT without a leading quote and, only after that, a trailing one.
unquote() {
    unquoted=${1#\"}
    if [ "$unquoted" != "$1" ]; then
        unquoted=${unquoted%\"}
    fi
}

# is_true NAME...: true if one of these arguments exists and is not false.
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
    # Flatcar specifies the platform as its OEM id, which differs for three of them.
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
