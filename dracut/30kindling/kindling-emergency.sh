#!/bin/sh
# Takes the place of dracut's emergency script in emergency.service. When first-boot provisioning has failed, the
# last thing on every console is one screen that says so, and then the prompt; in any other emergency dracut's
# script runs as if this one was not there.
#
# The failing stage leaves the screen in $screen. A stage that was killed could not, and a unit of somebody else
# does not know of it: for these the screen is made here, of what systemd knows.
#
# Called with "leave" when the shell has been left: the boot is taken up again, if it can be.
screen=/run/kindling/failure.txt
# A link into nowhere: systemd takes only the name of it.
first_boot=/run/systemd/generator/initrd.target.requires/ignition-complete.target

# failed_units: the names of all failed units; those of the provisioning come first.
failed_units() {
    systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | {
        others=
        while read -r unit _; do
            case $unit in
                ignition-*.service | kindling-*.service) echo "$unit" ;;
                *) others="$others $unit" ;;
            esac
        done
        # shellcheck disable=SC2086 # one name per line
        [ -z "$others" ] || printf '%s\n' $others
    }
}

# why UNIT: how it ended, in words.
why() {
    status=$(systemctl show --property=ExecMainStatus --value "$1" 2>/dev/null)
    case $(systemctl show --property=Result --value "$1" 2>/dev/null) in
        exit-code) echo "it exited with status $status" ;;
        signal) echo "it was killed by signal $status" ;;
        core-dump) echo "it crashed with signal $status" ;;
        timeout) echo "it timed out" ;;
        oom-kill) echo "the machine ran out of memory" ;;
        resources) echo "systemd could not start it" ;;
        *) echo "systemd reports no cause" ;;
    esac
}

# line LABEL TEXT: a line of the screen; it does not wrap on a console of 80 columns.
line() {
    printf '  %-13s %.63s\n' "$1" "$2"
}

# make_screen: writes the screen for the first failed unit; fails if there is none.
make_screen() {
    # shellcheck disable=SC2046 # a list of names is wanted
    set -- $(failed_units)
    [ $# -gt 0 ] || return 1
    unit=$1
    shift
    mkdir -p "${screen%/*}"
    # In the form of the screens that the stages leave.
    {
        echo "kindling: FIRST-BOOT PROVISIONING FAILED"
        line unit "$unit"
        line '' "$(systemctl show --property=Description --value "$unit" 2>/dev/null)"
        line cause "$(why "$unit")"
        [ $# -eq 0 ] || line 'also failed' "$*"
        line 'to do' "read its log, fix the cause, then reboot"
        line see "journalctl -b --no-pager -u $unit"
        line 'next boot' "tries again from the start"
    } >"$screen"
}

if [ "${1:-}" = leave ]; then
    # A machine on its way down refuses, which is nothing to be told below the screen.
    systemctl --fail --no-block default 2>/dev/null
    exit 0
fi

if [ ! -s "$screen" ]; then
    if [ ! -h "$first_boot" ] || ! make_screen; then
        exec /bin/dracut-emergency
    fi
fi

command -v plymouth >/dev/null && plymouth quit
# From here on the console is ours. Signal 55 (SIGRTMIN+21) ends systemd's status lines, and the second command
# is answered only after the signal has been. Of the kernel's messages only those of a dying machine are shown;
# all are still in the log.
kill -55 1
systemctl is-system-running >/dev/null 2>&1
echo 1 >/proc/sys/kernel/printk

export DRACUT_SYSTEMD=1 _rdshell_name=dracut action=Boot hook=emergency
# shellcheck source=/dev/null
[ -f /dracut-state.sh ] && . /dracut-state.sh 2>/dev/null
# shellcheck source=/dev/null
. /lib/dracut-lib.sh

if getargbool 1 rd.shell; then
    shell=yes
    # Distributions add steps to an emergency by such hooks. What dracut's own ones print is in the log, too.
    source_hook emergency
else
    shell=
    source_hook shutdown-emergency
fi

# A console whose other end is not there may block the writer; the others still get theirs.
read -r consoles </sys/class/tty/console/active
for console in $consoles; do
    {
        printf '\r\n'
        # No terminal settings are relied on: these consoles may be raw.
        sed 's/$/\r/' "$screen"
        printf '\r\n'
    } >"/run/kindling/console"
    timeout 5 dd if=/run/kindling/console of="/dev/$console" bs=4096 conv=notrunc 2>/dev/null
done
rm -f /run/kindling/console

if [ -n "$shell" ]; then
    # No child of this process: with several consoles sulogin takes the end of any child for that of a shell.
    (rdsosreport >/dev/null 2>&1 &)
    # shellcheck disable=SC2016 # the shell that is started expands it
    export PS1='dracut:${PWD}# '
    # dracut's emergency_shell may have left another prompt there.
    # shellcheck source=/dev/null
    [ -f /etc/profile ] && . /etc/profile
    exec sulogin -e
fi
case $(getarg rd.emergency=) in
    # Without a shell nobody may be waiting, but somebody may be reading.
    reboot) sleep 10 && reboot 2>/dev/null ;;
    poweroff) sleep 10 && poweroff 2>/dev/null ;;
    *) halt 2>/dev/null ;;
esac
# Until it is stopped on the way down: its end would look like a shell that was left.
exec sleep 600
