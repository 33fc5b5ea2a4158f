#!/bin/sh
# Replaces dracut's emergency script in emergency.service. If first-boot provisioning has failed, the last output on
# every console is a screen with the failure, followed by the prompt; in any other emergency, dracut's script is run.
#
# A failing stage writes the screen to $screen. For a stage that was killed, and for other units, it is generated here
# from the status that systemd reports.
#
# Called with "leave" after the shell has exited, to continue the boot if possible.
screen=/run/kindling/failure.txt
# A dangling link, of which systemd only uses the name.
first_boot=/run/systemd/generator/initrd.target.requires/ignition-complete.target

# failed_units: prints the names of all failed units, with those of provisioning first.
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

# why UNIT: describes how it ended.
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

# line LABEL TEXT: prints a line of the screen, truncated to 80 columns.
line() {
    printf '  %-13s %.63s\n' "$1" "$2"
}

# make_screen: writes the screen for the first failed unit; fails if there is none.
make_screen() {
    # shellcheck disable=SC2046 # split into a list of names
    set -- $(failed_units)
    [ $# -gt 0 ] || return 1
    unit=$1
    shift
    mkdir -p "${screen%/*}"
    # In the same form as the screens that the stages write.
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
    # This fails during a shutdown, which need not be reported after the screen.
    systemctl --fail --no-block default 2>/dev/null
    exit 0
fi

if [ ! -s "$screen" ]; then
    if [ ! -h "$first_boot" ] || ! make_screen; then
        exec /bin/dracut-emergency
    fi
fi

command -v plymouth >/dev/null && plymouth quit
# Silence the console. Signal 55 (SIGRTMIN+21) disables systemd's status lines; the second command only returns after
# the signal has been handled. Of the kernel's messages, only emergencies are shown; all are still in the log.
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
    # Distributions add such hooks for emergencies. The output of dracut's own ones is in the log as well.
    source_hook emergency
else
    shell=
    source_hook shutdown-emergency
fi

# Writing to a console that is not connected may block; the others must still get the screen.
read -r consoles </sys/class/tty/console/active
for console in $consoles; do
    {
        printf '\r\n'
        # These consoles may be in raw mode.
        sed 's/$/\r/' "$screen"
        printf '\r\n'
    } >"/run/kindling/console"
    timeout 5 dd if=/run/kindling/console of="/dev/$console" bs=4096 conv=notrunc 2>/dev/null
done
rm -f /run/kindling/console

if [ -n "$shell" ]; then
    # Not as a child of this process: with several consoles, sulogin takes the exit of any child for that of a shell.
    (rdsosreport >/dev/null 2>&1 &)
    # shellcheck disable=SC2016 # expanded by the new shell
    export PS1='dracut:${PWD}# '
    # dracut's emergency_shell may have written another prompt to it.
    # shellcheck source=/dev/null
    [ -f /etc/profile ] && . /etc/profile
    exec sulogin -e
fi
case $(getarg rd.emergency=) in
    # Leave time to read the screen.
    reboot) sleep 10 && reboot 2>/dev/null ;;
    poweroff) sleep 10 && poweroff 2>/dev/null ;;
    *) halt 2>/dev/null ;;
esac
# Wait to be stopped by the shutdown: exiting would look like the end of a shell.
exec sleep 600
