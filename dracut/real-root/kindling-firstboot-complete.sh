#!/bin/sh
# Ends a first boot: what it wrote is made durable, its report is kept, and only then the flag goes that makes the
# boot loader ask for a first boot.
set -eu

report=/var/log/kindling/first-boot.json
# Where boot loaders look. The last two are Flatcar's; there the flag is the file system of the boot loader, too.
flags="/boot/ignition.firstboot /boot/flatcar/first_boot /boot/coreos/first_boot"

if [ -e /run/kindling/report.json ]; then
    mkdir -p "${report%/*}"
    # It tells what was done to this machine: for root alone, and under its final name only when complete.
    (umask 077 && cat /run/kindling/report.json >"$report.new")
    mv -f "$report.new" "$report"
fi
sync

# settle FILE: makes the removal of a file visible to a boot loader, which reads the file system as it is on disk
# and not its journal. A freeze writes the journal back. The root cannot be frozen by a program that lives on it;
# there the journal is written back by the next clean shutdown.
settle() {
    sync
    place=$(findmnt --noheadings --output TARGET --target "${1%/*}")
    if [ "$place" != / ] && fsfreeze --freeze "$place" 2>/dev/null; then
        fsfreeze --unfreeze "$place"
    fi
}

cleared=
for flag in $flags; do
    [ -e "$flag" ] || continue
    place=$(findmnt --noheadings --output TARGET --target "${flag%/*}")
    case ,$(findmnt --noheadings --output OPTIONS --target "${flag%/*}"), in
        *,ro,*)
            mount -o remount,rw "$place"
            rm -f "$flag"
            settle "$flag"
            mount -o remount,ro "$place"
            ;;
        *)
            rm -f "$flag"
            settle "$flag"
            ;;
    esac
    cleared=yes
    echo "cleared $flag"
done
# A machine whose boot loader always passes the argument would be provisioned again on every boot.
[ -n "$cleared" ] || echo "no first-boot flag found (looked for $flags): check what makes the boot loader" \
    "pass ignition.firstboot, or the next boot provisions again" >&2
