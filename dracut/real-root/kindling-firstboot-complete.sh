#!/bin/sh
# Ends a first boot: its report is kept, what it wrote is made durable, and only then the flag goes that makes the
# boot loader ask for a first boot. A report that cannot be kept does not keep the flag: the next boot would provision
# again, and wipe what the config wants wiped.
set -u

report=/var/log/kindling/first-boot.json
# Where boot loaders look. The last two are Flatcar's; there the flag is the file system of the boot loader, too.
flags="/boot/ignition.firstboot /boot/flatcar/first_boot /boot/coreos/first_boot"

# keep_report: copies the report to its place in the real root. It tells what was done to this machine: for root alone,
# and under its final name only when complete.
keep_report() {
    # Whatever has the name by now, such as a pipe, is not to be written to.
    mkdir -p "${report%/*}" && rm -f "$report.new" &&
        (umask 077 && cat /run/kindling/report.json >"$report.new") &&
        mv -f "$report.new" "$report" && return 0
    rm -f "$report.new"
    return 1
}

if [ -f /run/kindling/report.json ]; then
    keep_report || echo "cannot keep the report of the first boot in $report; until the next boot it is in" \
        "/run/kindling/report.json" >&2
fi
sync

# mount_of FILE COLUMN: what findmnt says of the mount that FILE is on. Where mounts lie on top of each other, as with an
# automount, there is a line for each of them, and the last one is the topmost.
mount_of() {
    findmnt --noheadings --list --output "$2" --target "${1%/*}" | tail -n 1
}

# settle FILE: makes the removal of a file visible to a boot loader, which reads the file system as it is on disk
# and not its journal. A freeze writes the journal back. The root cannot be frozen by a program that lives on it;
# there the journal is written back by the next clean shutdown.
settle() {
    sync
    place=$(mount_of "$1" TARGET)
    if [ "$place" != / ] && fsfreeze --freeze "$place" 2>/dev/null; then
        fsfreeze --unfreeze "$place"
    fi
}

# clear FLAG: removes a flag and makes that visible.
clear() {
    place=$(mount_of "$1" TARGET)
    case ,$(mount_of "$1" OPTIONS), in
        *,ro,*)
            mount -o remount,rw "$place" && rm -f "$1" || return 1
            settle "$1"
            mount -o remount,ro "$place" || echo "cannot make $place read-only again" >&2
            ;;
        *)
            rm -f "$1" || return 1
            settle "$1"
            ;;
    esac
}

cleared=
failed=
for flag in $flags; do
    [ -e "$flag" ] || continue
    if clear "$flag"; then
        cleared=yes
        echo "cleared $flag"
    else
        failed=yes
        echo "cannot remove $flag: the next boot provisions again unless it goes" >&2
    fi
done
[ -z "$failed" ] || exit 1
# A machine whose boot loader always passes the argument would be provisioned again on every boot.
[ -n "$cleared" ] || echo "no first-boot flag found (looked for $flags): check what makes the boot loader" \
    "pass ignition.firstboot, or the next boot provisions again" >&2
