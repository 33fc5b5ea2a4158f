#!/bin/sh
# Decides whether this is a first boot, and hooks the matching target into initrd.target.
#
# It is a generator, and not a condition on the kernel command line, because a unit whose condition fails still
# pulls in what it requires.
set -euf

# The journal is not there yet.
exec >/dev/kmsg 2>&1

unit_dir=${1:-/tmp}
read -r cmdline </proc/cmdline || :

# value NAME: what the command line gives NAME, the last one counting; a bare word is its own value.
value() {
    found=
    # shellcheck disable=SC2086 # one word per argument is wanted; globbing is off
    for word in $cmdline; do
        if [ "${word%%=*}" = "$1" ]; then
            found=${word#*=}
        fi
    done
}

# is_true NAME...: whether one of these arguments is there and does not say no.
is_true() {
    for name in "$@"; do
        value "$name"
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

value ignition.platform.id
platform=$found
oem=
if [ -z "$platform" ]; then
    # Flatcar names the platform by its OEM, with older names for three of them.
    value flatcar.oem.id
    oem=$found
    if [ -z "$oem" ]; then
        value coreos.oem.id
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
