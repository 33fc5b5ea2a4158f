#!/bin/sh
# Ends a first boot: copies its report, syncs everything to disk, and only then removes the flag that makes the boot
# loader request a first boot. The flag is removed even if the report cannot be copied: otherwise the next boot would
# provision again, and repeat requested wipes.
set -u

report=/var/log/kindling/first-boot.json
# Where boot loaders look for the flag. The last two are Flatcar's.
flags="/boot/ignition.firstboot /boot/flatcar/first_boot /boot/coreos/first_boot"

# keep_report: copies the report to the real root atomically, readable by root only because it describes what was done
# to this machine.
keep_report() {
    # Do not write to an existing file of that name, which may be a pipe.
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

# mount_of FILE: sets `place` and `options` of the mount that FILE is on. For stacked mounts, as with an automount, findmnt
# prints a line for each, with the topmost last.
mount_of() {
    found=$(findmnt --noheadings --list --output TARGET,OPTIONS --target "${1%/*}" | tail -n 1)
    place=${found%% *}
    options=${found##* }
}

# settle: makes the removal of a file on the mount `place` visible to a boot loader, which reads the file system without
# its journal. Freezing the file system writes the journal back. A program cannot freeze the root that it runs from;
# there, the journal is written back by the next clean shutdown.
settle() {
    sync
    if [ "$place" != / ] && fsfreeze --freeze "$place" 2>/dev/null; then
        fsfreeze --unfreeze "$place"
    fi
}

# clear FLAG: removes a flag and makes the removal visible to boot loaders.
clear() {
    mount_of "$1"
    case ,$options, in
        *,ro,*)
            mount -o remount,rw "$place" && rm -f "$1" || return 1
            settle
            mount -o remount,ro "$place" || echo "cannot make $place read-only again" >&2
            ;;
        *)
            rm -f "$1" || return 1
            settle
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
# If the boot loader always passes the argument, every boot would provision the machine again.
[ -n "$cleared" ] || echo "no first-boot flag found (looked for $flags): check what makes the boot loader" \
    "pass ignition.firstboot, or the next boot provisions again" >&2
